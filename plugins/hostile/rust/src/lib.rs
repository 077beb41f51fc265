//! Functions that misbehave as a plugin's author in Rust would: with what the standard library offers, and without a look at what it says.
//!
//! Each is a case of its own, named as what it does. A function is called for the rows 1 and 3.

mod greedy;
mod outside;
mod wrong;

use transom_sdk::prelude::*;

plugin! {
    functions: [
        outside::reads_a_file,
        outside::writes_a_file,
        outside::lists_a_folder,
        outside::reads_the_environment,
        outside::reads_its_arguments,
        outside::opens_a_socket,
        outside::waits_for_a_caller,
        outside::resolves_a_name,
        outside::looks_at_the_clock,
        outside::looks_at_the_calendar,
        outside::sleeps,
        outside::starts_a_thread,
        outside::runs_a_program,
        greedy::loops,
        greedy::recurses,
        greedy::takes_all_memory,
        greedy::asks_for_more_than_there_is,
        greedy::returns_a_text_without_end,
        greedy::logs_without_end,
        greedy::counts_everything,
        wrong::exits,
        wrong::aborts,
        wrong::panics,
        wrong::panics_with_a_message_of_a_megabyte,
        wrong::panics_with_a_message_that_rewrites_the_terminal,
        wrong::panics_while_it_panics,
        wrong::reads_through_a_wild_pointer,
        wrong::writes_through_a_wild_pointer,
        wrong::jumps_to_nowhere,
        wrong::frees_what_is_not_its_own,
    ],
}
