//! Guests that nobody should trust, each misbehaving in one way, and what the host says to it.
//!
//! What every case has to show is in [`attempt`]: a typed error within a second of its limit, all memory given back, a dead
//! instance that stays dead, and another plugin that goes on working. The errors themselves are a snapshot,
//! `plugins/hostile/errors.txt`; `TRANSOM_BLESS=1` writes it anew. Guests come from `plugins/hostile/wat` and
//! `plugins/hostile/python` (a file, a case) and from `plugins/hostile/rust` (a function, a case), or are a wrong answer made here ([`answers`], [`batches`], [`code`], [`files`]).
//!
//! Cases run one after another, since time and memory are measured.

mod answers;
mod attempt;
mod batches;
mod canonical;
mod code;
mod files;
mod guest;
mod python;
mod rust;
mod secret;
mod snapshot;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use transom_plugin::Limits;

/// One way to misbehave.
pub(crate) struct Case {
    /// Says what the guest does: `process_loops`.
    pub(crate) name: String,
    /// Makes the component or archive.
    pub(crate) bytes: Box<dyn FnOnce() -> Vec<u8> + Send>,
    /// The function that is called; all that there is, if it is `None`.
    pub(crate) only: Option<String>,
    pub(crate) limits: Limits,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        bytes: impl FnOnce() -> Vec<u8> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            bytes: Box::new(bytes),
            only: None,
            limits: limits(),
        }
    }
}

/// Limits that a test reaches in no time.
pub(crate) fn limits() -> Limits {
    Limits {
        memory: 8 << 20,
        call_time: std::time::Duration::from_millis(100),
        output: 1 << 20,
        rows: 100_000,
        log: 16 << 10,
        component: 4 << 20,
        ..Limits::default()
    }
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let groups = [
        code::cases(),
        answers::cases(),
        batches::cases(),
        files::cases(),
        python::cases(),
        rust::cases(),
    ];
    groups.into_iter().flatten().collect()
}

fn main() -> ExitCode {
    secret::put_into_the_environment();
    secret::record_the_log();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut trials: Vec<Trial> = cases()
        .into_iter()
        .map(|case| {
            Trial::test(case.name.clone(), move || {
                attempt::run(case);
                Ok(())
            })
        })
        .collect();
    let tests = attempt::TESTS
        .iter()
        .chain(python::TESTS)
        .chain(secret::TESTS);
    trials.extend(tests.map(|(name, test)| {
        Trial::test(*name, move || {
            test();
            Ok(())
        })
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}
