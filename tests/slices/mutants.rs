//! Rules of the protocol that are left out, one at a time: the tests must notice, or they prove nothing.

use std::process::{Command, Stdio};

/// Each with a test that fails without the rule, and passes in the suite.
///
/// One of the model's mutants does no harm here, by another rule: a ledger's guard that all loaders of an entry share (a transaction
/// clears its own claim). Those that need two warehouses, or one beside files, and that of collections are left to the model.
const CAUGHT: [(&str, &str); 7] = [
    (
        "next_before_applied",
        "late::a_rival_applies_what_was_decided_before_it_goes_on",
    ),
    (
        "done_before_files",
        "late::a_rival_applies_what_was_decided_before_it_goes_on",
    ),
    (
        "loser_cleans_up",
        "late::an_answer_about_an_entry_that_is_lost_deletes_nothing",
    ),
    (
        "rewind_deletes",
        "late::a_copy_that_comes_after_a_rewind_brings_no_row_back",
    ),
    (
        "rewind_leaves_staged",
        "late::a_copy_that_begins_after_a_rewind_finds_nothing_to_copy",
    ),
    (
        "pointer_unchecked",
        "late::a_pointer_that_is_written_late_is_put_right",
    ),
    (
        "discard_without_block",
        "late::a_load_that_comes_between_a_discard_and_its_ledger_adds_no_row",
    ),
];

#[test]
fn each_mutant_is_caught() {
    for (mutant, test) in CAUGHT {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env("TRANSOM_MUTANT", mutant)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(!ran.unwrap().success(), "`{test}` passes with {mutant}");
    }
}
