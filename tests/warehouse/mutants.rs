//! Rules of the ledger's statements that are left out, one at a time: the tests must notice, or they prove nothing.

use transom_tests::mutants::passes;

/// Each with a test that fails without the rule, and passes in the suite. Those of whole runs are in `tests/slices/mutants.rs`.
const CAUGHT: [(&str, &str); 3] = [
    (
        "nonce_guard",
        "protocol::of_two_submissions_at_once_one_loads",
    ),
    (
        "claim_stays",
        "protocol::a_text_that_a_service_has_forgotten_changes_the_table_once",
    ),
    (
        "ledger_inserted",
        "protocol::of_two_submissions_at_once_one_loads",
    ),
];

/// What goes well without the rule: a mutant that loads nothing would be caught by anything.
const NOT_CAUGHT: &str = "modes::merge_keeps_the_newest_row_of_each_key";

/// What a race shows does not show each time on a busy machine: there, one of two comes to its end before the other one begins.
const TRIES: u32 = 3;

#[test]
fn each_mutant_is_caught() {
    for (mutant, test) in CAUGHT {
        assert!(passes(NOT_CAUGHT, mutant), "{mutant} loads nothing");
        let is_caught = (0..TRIES).any(|_| !passes(test, mutant));
        assert!(is_caught, "`{test}` passes with {mutant}");
    }
}
