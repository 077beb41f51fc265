//! Rules of the protocol that are left out, one at a time: the tests must notice, or they prove nothing.

use transom_commit::Mutant;
use transom_tests::mutants::passes;

/// Each with a test that fails without the rule, and passes in the suite.
const CAUGHT: [(&str, &str); 12] = [
    (
        "nonce_guard",
        "rivals::two_loaders_of_one_entry_load_it_once",
    ),
    (
        "next_before_applied",
        "late::a_rival_applies_what_was_decided_before_it_goes_on",
    ),
    (
        "done_before_files",
        "late::a_rival_applies_what_was_decided_before_it_goes_on",
    ),
    (
        "files_before_warehouse",
        "sinks::what_the_warehouse_refuses_is_not_in_the_lake",
    ),
    (
        "loser_cleans_up",
        "late::an_answer_about_an_entry_that_is_lost_deletes_nothing",
    ),
    (
        "gc_without_entry",
        "gc::a_run_that_has_staged_its_slice_sleeps_while_others_load_and_a_gc_works",
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
        "log_entry_deleted",
        "gc::a_run_that_has_staged_its_slice_sleeps_while_others_load_and_a_gc_works",
    ),
    (
        "pointer_unchecked",
        "late::a_pointer_that_is_written_late_is_put_right",
    ),
    (
        "discard_without_block",
        "late::a_load_that_comes_between_a_discard_and_its_ledger_adds_no_row",
    ),
    (
        "block_elsewhere",
        "late::a_load_of_the_gate_that_comes_between_a_discard_and_its_ledger_adds_no_row",
    ),
];

/// Those of the ledger's statements alone: `tests/warehouse/mutants.rs` has them, with the first one again.
const IN_WAREHOUSE: [&str; 2] = ["claim_stays", "ledger_inserted"];

#[test]
fn each_mutant_is_caught() {
    for (mutant, test) in CAUGHT {
        assert!(!passes(test, mutant), "`{test}` passes with {mutant}");
    }
}

#[test]
fn no_mutant_is_left_out() {
    for (mutant, _) in Mutant::ALL {
        let caught = CAUGHT.iter().map(|(mutant, _)| mutant);
        let is_caught = caught.chain(&IN_WAREHOUSE).any(|caught| *caught == mutant);
        assert!(is_caught, "{mutant}");
    }
}
