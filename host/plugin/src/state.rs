//! What a store carries beside the guest: its limits while a call runs, what it logged and counted, and where time went.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wasmtime::{CallHook, StoreContextMut, UpdateDeadline};

use crate::bindings::{host, types};
use crate::interrupt::{Cancel, Interrupt};
use crate::limits::{Exceeded, Limits, MemoryMeter};
use crate::text::{cut, plain};
use crate::wasi::Wasi;

/// Where the time of calls went, summed over an instance's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Calls into the guest.
    pub calls: u64,
    /// Host: Arrow buffers into the guest's memory.
    pub lowering: Duration,
    /// The guest's own code.
    pub guest: Duration,
    /// Host: out of the guest's memory, checks included.
    pub lifting: Duration,
}

/// What a message costs beside its bytes: an empty line is a line in the log too.
const MESSAGE_BYTES: usize = 64;

/// The last thing a guest said at level error is kept: after a trap it is most likely the panic's message.
const KEPT_MESSAGE_BYTES: usize = 4096;

/// Bytes of a line of source that is shown, with its place.
const LINE_BYTES: usize = 512;

/// Bytes of a counter's name.
const COUNTER_NAME_BYTES: usize = 128;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) plugin: String,
    pub(crate) limits: Limits,
    pub(crate) memory: MemoryMeter,
    pub(crate) cancel: Cancel,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) last_error: Option<String>,
    /// Whether it logs each line of its source that it runs.
    pub(crate) traces: bool,
    /// The last of these lines.
    line: Option<String>,
    pub(crate) clock: CallClock,
    /// Of guests that a language runner runs; others import nothing of it.
    wasi: Option<Wasi>,
    /// Time of the calls before, if they and the next one count as one.
    pub(crate) idle: Duration,
    deadline: Instant,
    logged: usize,
}

impl State {
    pub(crate) fn new(
        plugin: String,
        limits: Limits,
        memory: MemoryMeter,
        cancel: Cancel,
        wasi: Option<Wasi>,
    ) -> Self {
        Self {
            plugin,
            limits,
            memory,
            cancel,
            counters: BTreeMap::new(),
            last_error: None,
            traces: false,
            line: None,
            clock: CallClock::default(),
            wasi,
            idle: Duration::ZERO,
            deadline: Instant::now(),
            logged: 0,
        }
    }

    /// What WASI shows to the guest.
    ///
    /// # Panics
    /// If the guest is not run by a language runner: only those are linked with it.
    pub(crate) fn wasi(&mut self) -> &mut Wasi {
        self.wasi
            .as_mut()
            .expect("only runners are linked with WASI")
    }

    /// Starts the limits of one call.
    pub(crate) fn begin_call(&mut self) {
        self.deadline = Instant::now() + self.limits.call_time.saturating_sub(self.idle);
        self.logged = 0;
        self.last_error = None;
        self.memory.refused = None;
        self.clock.begin();
    }

    /// Called at every tick of the epoch while the guest runs.
    pub(crate) fn on_tick(context: StoreContextMut<'_, Self>) -> wasmtime::Result<UpdateDeadline> {
        let state = context.data();
        if state.cancel.is_cancelled() {
            return Err(wasmtime::Error::new(Interrupt::Cancelled));
        }
        if Instant::now() >= state.deadline {
            return Err(over(Exceeded::CallTime {
                allowed: state.limits.call_time,
                line: state.line.clone(),
            }));
        }
        Ok(UpdateDeadline::Continue(1))
    }

    /// Called at every crossing of the border.
    pub(crate) fn on_crossing(
        mut context: StoreContextMut<'_, Self>,
        hook: CallHook,
    ) -> wasmtime::Result<()> {
        context.data_mut().clock.crossing(hook);
        Ok(())
    }
}

fn over(limit: Exceeded) -> wasmtime::Error {
    wasmtime::Error::new(Interrupt::Limit(limit))
}

impl types::Host for State {}

impl host::Host for State {
    fn log(&mut self, level: host::Level, message: Vec<u8>) -> wasmtime::Result<()> {
        if self.traces && level == host::Level::Trace {
            // One for each line that runs: they neither count nor are shown.
            self.line = Some(cut(&String::from_utf8_lossy(&message), LINE_BYTES));
            return Ok(());
        }
        self.logged += message.len() + MESSAGE_BYTES;
        if self.logged > self.limits.log {
            return Err(over(Exceeded::Log(self.limits.log)));
        }
        let text = plain(String::from_utf8_lossy(&message).trim_end());
        // What follows a line break is set apart, so that it cannot pass for a line of the host.
        let shown = text.replace('\n', "\n    ");
        let plugin = self.plugin.as_str();
        match level {
            host::Level::Trace => tracing::trace!(target: "plugin", plugin, "{shown}"),
            host::Level::Debug => tracing::debug!(target: "plugin", plugin, "{shown}"),
            host::Level::Info => tracing::info!(target: "plugin", plugin, "{shown}"),
            host::Level::Warn => tracing::warn!(target: "plugin", plugin, "{shown}"),
            host::Level::Error => {
                // A panic ends in an error that quotes it: saying it twice would only confuse.
                if !text.starts_with("panicked at") {
                    tracing::error!(target: "plugin", plugin, "{shown}");
                }
                self.last_error = Some(cut(&text, KEPT_MESSAGE_BYTES));
            }
        }
        Ok(())
    }

    fn count(&mut self, metric: String, value: u64) -> wasmtime::Result<()> {
        let metric = plain(&metric);
        if let Some(counter) = self.counters.get_mut(&metric) {
            *counter = counter.saturating_add(value);
            return Ok(());
        }
        if metric.len() > COUNTER_NAME_BYTES {
            return Err(over(Exceeded::CounterName {
                allowed: COUNTER_NAME_BYTES,
                length: metric.len(),
            }));
        }
        if self.counters.len() >= self.limits.counters {
            return Err(over(Exceeded::Counters(self.limits.counters)));
        }
        self.counters.insert(metric, value);
        Ok(())
    }
}

/// Tells the guest's own time from the copying before and after it.
///
/// One call crosses the border several times: `cabi_realloc` once per list while lowering, then the function itself, then
/// its post-return. The longest stay inside is the function; what lies before it is lowering, what follows is lifting.
#[derive(Debug)]
pub(crate) struct CallClock {
    begun: Instant,
    entered: Instant,
    longest: (Instant, Duration),
}

impl Default for CallClock {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            entered: now,
            longest: (now, Duration::ZERO),
        }
    }
}

impl CallClock {
    fn begin(&mut self) {
        *self = Self::default();
    }

    fn crossing(&mut self, hook: CallHook) {
        match hook {
            CallHook::CallingWasm => self.entered = Instant::now(),
            CallHook::ReturningFromWasm => {
                let stay = self.entered.elapsed();
                if stay > self.longest.1 {
                    self.longest = (self.entered, stay);
                }
            }
            CallHook::CallingHost | CallHook::ReturningFromHost => {}
        }
    }

    /// Splits the time since the call began.
    pub(crate) fn split(&self) -> Timing {
        let (start, guest) = self.longest;
        let lowering = start.saturating_duration_since(self.begun);
        let lifting = self.begun.elapsed().saturating_sub(lowering + guest);
        Timing {
            calls: 1,
            lowering,
            guest,
            lifting,
        }
    }
}

impl std::ops::AddAssign for Timing {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.lowering += other.lowering;
        self.guest += other.guest;
        self.lifting += other.lifting;
    }
}
