//! Ends in the middle, and memory that is not one's own.

use std::hint::black_box;
use std::process;

use transom_sdk::prelude::*;

/// As if all were well.
#[function]
#[allow(clippy::disallowed_methods, reason = "what it is there for")]
pub fn exits(a: i64) -> i64 {
    if a > 0 {
        process::exit(0);
    }
    a
}

/// At once.
#[function]
pub fn aborts(a: i64) -> i64 {
    if a > 0 {
        process::abort();
    }
    a
}

/// As a mistake does.
#[function]
pub fn panics(a: i64) -> i64 {
    let numbers = [1, 2, 3];
    numbers[black_box(a as usize) + 7]
}

/// With all that it knows.
#[function]
pub fn panics_with_a_message_of_a_megabyte(a: i64) -> i64 {
    assert!(a < 0, "{}", "why ".repeat(250_000));
    a
}

/// With a message that clears the screen and forges a line.
#[function]
pub fn panics_with_a_message_that_rewrites_the_terminal(a: i64) -> i64 {
    assert!(a < 0, "\x1b[2J\x1b[1;1H\rall went well\x07");
    a
}

/// Again, while its message is made.
#[function]
pub fn panics_while_it_panics(a: i64) -> i64 {
    struct Shy;
    impl std::fmt::Display for Shy {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("not to be shown");
        }
    }
    assert!(a < 0, "{Shy}");
    a
}

/// The last page of all that an address can name.
const NOWHERE: usize = 0xffff_0000;

/// Somebody else's memory.
#[function]
pub fn reads_through_a_wild_pointer(a: i64) -> i64 {
    // SAFETY: none, which is the point.
    a + unsafe { std::ptr::with_exposed_provenance::<i64>(black_box(NOWHERE)).read_volatile() }
}

/// Into somebody else's memory.
#[function]
pub fn writes_through_a_wild_pointer(a: i64) -> i64 {
    // SAFETY: none, which is the point.
    unsafe { std::ptr::with_exposed_provenance_mut::<i64>(black_box(NOWHERE)).write_volatile(a) };
    a
}

/// To a function that is not there.
#[function]
pub fn jumps_to_nowhere(a: i64) -> i64 {
    // SAFETY: none, which is the point.
    let function: fn(i64) -> i64 = unsafe { std::mem::transmute(black_box(NOWHERE)) };
    function(a)
}

/// A block in the middle of nowhere.
#[function]
pub fn frees_what_is_not_its_own(a: i64) -> i64 {
    let wild = std::ptr::with_exposed_provenance_mut::<u8>(black_box(NOWHERE));
    // SAFETY: none, which is the point.
    drop(unsafe { Vec::from_raw_parts(wild, 64, 64) });
    a
}
