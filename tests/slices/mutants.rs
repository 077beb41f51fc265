//! Rules of the protocol that are left out, one at a time: the tests must notice, or they prove nothing.

use std::process::{Command, Stdio};

/// Each with a test that fails without the rule, and passes in the suite.
///
/// Two of the model's mutants do no harm here, each by another rule: a ledger's guard that all loaders of an entry share (a transaction
/// clears its own claim), and a rewind that leaves staged files or deletes published ones (a copy here is one step, which no rewind comes
/// between). Those of discards and of collections are left to the model.
const CAUGHT: [(&str, &str); 4] = [
    (
        "next_before_applied",
        "kills::a_run_that_is_killed_loses_and_doubles_nothing",
    ),
    (
        "done_before_files",
        "kills::a_run_that_is_killed_loses_and_doubles_nothing",
    ),
    (
        "loser_cleans_up",
        "backfill::shares_are_computed_side_by_side_and_loaded_in_order",
    ),
    (
        "pointer_unchecked",
        "kills::a_run_that_sleeps_while_others_go_on_changes_nothing",
    ),
];

#[test]
#[ignore = "slow: runs whole tests again, which fail as late as at their end"]
fn each_mutant_is_caught() {
    let passes = |mutant: &str, test: &str| {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env("TRANSOM_MUTANT", mutant)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        ran.unwrap().success()
    };
    for (mutant, test) in CAUGHT {
        // Where two runs race, which one is faster is chance.
        let is_missed = (0..3).all(|_| passes(mutant, test));
        assert!(!is_missed, "`{test}` passes with {mutant}");
    }
}
