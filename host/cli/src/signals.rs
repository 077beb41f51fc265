//! Ctrl-C and SIGTERM, for every command.
//!
//! A command that has something to put in order says so with [`in_order`]: then the first signal only asks it to stop. The second one
//! ends it at once, and so does the time of [`give_up_after`]. All other commands end at once, without their temporary files.

use std::fmt::Display;
use std::process;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use transom_plugin::Cancel;

use crate::printer::Printer;

/// The first signal that came; 0 for none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);
/// What the first signal asks to stop.
static STOP: Mutex<Option<Cancel>> = Mutex::new(None);
/// How long after the first signal the command may put things in order; for ever if it is not said.
static PATIENCE: OnceLock<Duration> = OnceLock::new();

/// How soon [`cancelled`] sees it.
const PULSE: Duration = Duration::from_millis(50);

/// Exit codes of programs that a signal ended, by custom.
const BY_SIGNAL: i32 = 128;

/// Waits for signals from now on, on a thread of its own: work must not keep them waiting.
pub(crate) fn listen(printer: &Printer) {
    let printer = printer.clone();
    let listening = std::thread::Builder::new()
        .name("transom-signals".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(wait(&printer)),
                Err(error) => tracing::warn!(%error, "signals end the program without any order"),
            }
        });
    if let Err(error) = listening {
        tracing::warn!(%error, "signals end the program without any order");
    }
}

/// Until the guard is dropped, the first signal sets `cancel` instead of ending the program.
#[must_use]
pub(crate) fn in_order(cancel: &Cancel) -> InOrder {
    *stop() = Some(cancel.clone());
    InOrder
}

/// What is not in order so long after the first signal is given up: whoever sends it kills the program a little later, and then it could
/// not say how it ended.
pub(crate) fn give_up_after(time: Duration) {
    let _ = PATIENCE.set(time);
}

/// Waits until a command was asked to stop.
pub(crate) async fn cancelled(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(PULSE).await;
    }
}

/// See [`in_order`].
#[derive(Debug)]
pub(crate) struct InOrder;

impl Drop for InOrder {
    fn drop(&mut self) {
        *stop() = None;
    }
}

/// The exit code of a command that was stopped.
pub(crate) fn exit_code() -> u8 {
    let signal = match RECEIVED.load(Ordering::Relaxed) {
        0 => SignalKind::interrupt().as_raw_value(),
        signal => signal,
    };
    u8::try_from(BY_SIGNAL + signal).unwrap_or(u8::MAX)
}

fn stop() -> std::sync::MutexGuard<'static, Option<Cancel>> {
    STOP.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn wait(printer: &Printer) {
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (Ok(mut interrupts), Ok(mut terminates)) = (signal(interrupt), signal(terminate)) else {
        tracing::warn!("signals end the program without any order");
        return;
    };
    let mut end = None;
    loop {
        let kind = tokio::select! {
            _ = interrupts.recv() => interrupt,
            _ = terminates.recv() => terminate,
            () = passed(end) => exit(printer, "stopped: the work was not over in time; the next run goes on"),
        };
        let name = match kind == interrupt {
            true => "Ctrl-C",
            false => "SIGTERM",
        };
        let first =
            RECEIVED.compare_exchange(0, kind.as_raw_value(), Ordering::Relaxed, Ordering::Relaxed);
        match (stop().as_ref(), first) {
            (Some(cancel), Ok(_)) => {
                cancel.cancel();
                end = PATIENCE.get().map(|time| Instant::now() + *time);
                match kind == interrupt {
                    true => printer.say("stopping; press Ctrl-C again to stop at once"),
                    false => printer.say("stopping on SIGTERM; another one stops at once"),
                }
            }
            _ => exit(printer, format_args!("stopped by {name}")),
        }
    }
}

/// Waits for a moment, which may never come.
async fn passed(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signal ends the program without waiting for its work"
)]
fn exit(printer: &Printer, said: impl Display) -> ! {
    transom_pipeline::remove_scratch();
    printer.say(said);
    process::exit(i32::from(exit_code()))
}
