//! The contract in every language: one list of cases, data and not code, run through a guest of each SDK.
//!
//! The guests under `guests/` offer the same functions and transforms. What is given to them and what is expected of them stands in
//! `cases/*.yaml` ([`cases`]); what cannot be written down as rows is in [`types`] (every Arrow type) and [`lasting`] (state,
//! long runs, the same result again), [`python`] (what only an interpreter can try) and [`bytecode`] (what its instances share).

mod bytecode;
mod cases;
mod guest;
mod lasting;
mod python;
mod types;

// The generator of the host's own tests of the border.
#[path = "../../host/plugin/tests/it/arrays.rs"]
#[allow(dead_code, reason = "the host's tests use more of it")]
mod arrays;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::guest::Language;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for language in Language::ALL {
        let mut add = |name: &str, test: Box<dyn FnOnce() + Send>| {
            let trial = Trial::test(format!("{language}::{name}"), move || {
                test();
                Ok(())
            });
            trials.push(trial);
        };
        for case in cases::all().into_iter().filter(|case| case.is_of(language)) {
            let name = case.name.clone();
            add(&name, Box::new(move || case.run(language)));
        }
        let own = match language {
            Language::Python => [python::TESTS, bytecode::TESTS],
            Language::Rust | Language::Go => [&[][..]; 2],
        };
        for (name, test) in types::TESTS
            .iter()
            .chain(lasting::TESTS)
            .chain(own.into_iter().flatten())
        {
            add(name, Box::new(move || test(language)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
