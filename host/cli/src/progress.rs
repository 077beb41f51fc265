//! How a run goes on, on stderr: a line where a stage begins (on a terminal one that moves) and a line where it is done.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use transom_pipeline::report::{Count, counted};
use transom_pipeline::run::Observer;

use crate::printer::{FAINT, Printer};

/// How often the moving line moves.
const TICK: Duration = Duration::from_millis(100);

/// Shows a run's stages.
#[derive(Debug)]
pub(crate) struct Progress {
    printer: Printer,
    bar: ProgressBar,
    stage: Mutex<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    number: String,
    what: String,
}

impl Progress {
    pub(crate) fn new(printer: &Printer) -> Self {
        let bar = printer.bars().add(ProgressBar::new_spinner());
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        Self {
            printer: printer.clone(),
            bar,
            stage: Mutex::default(),
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Progress {
    fn begin(&self, stage: usize, stages: usize, what: &str) {
        let number = format!("[{stage}/{stages}]");
        self.bar.reset();
        self.bar.set_prefix(format!("{number} {what}"));
        self.bar.set_message("");
        match self.bar.is_hidden() {
            // In a log, a stage that never ends is found by its beginning.
            true => self
                .printer
                .say(format_args!("{FAINT}{number}{FAINT:#} {what}")),
            false => self.bar.enable_steady_tick(TICK),
        }
        *self.stage() = Stage {
            number,
            what: what.to_owned(),
        };
    }

    fn rows(&self, rows: u64) {
        if rows > 0 {
            self.bar.set_message(format!("{} rows", Count(rows)));
        }
    }

    fn end(&self, rows: u64, took: Duration) {
        let Stage { number, what } = std::mem::take(&mut *self.stage());
        self.bar.disable_steady_tick();
        let took = took.as_secs_f64();
        let rows = counted(rows, "row");
        self.printer.say(format_args!(
            "{FAINT}{number}{FAINT:#} {what}: {rows} in {took:.2} s"
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
