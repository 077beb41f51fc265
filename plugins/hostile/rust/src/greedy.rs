//! Too much of what is given: time, stack, memory, output, words.

use std::hint::black_box;

use transom_sdk::log;
use transom_sdk::prelude::*;

/// For ever.
#[function]
pub fn loops(mut a: i64) -> i64 {
    while black_box(a) != 0 {
        a = a.wrapping_add(2);
    }
    a
}

/// Deeper and deeper.
#[function]
pub fn recurses(a: i64) -> i64 {
    fn deeper(depth: i64) -> i64 {
        let frame = black_box([depth; 64]);
        if black_box(depth) < 0 {
            0
        } else {
            deeper(depth + 1) + frame[63]
        }
    }
    deeper(a)
}

/// Block after block.
#[function]
pub fn takes_all_memory(a: i64) -> i64 {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![a; 1 << 16]));
        if blocks.is_empty() {
            return a;
        }
    }
}

/// Nearly all that 32 bits can name, at once.
#[function]
pub fn asks_for_more_than_there_is(a: i64) -> i64 {
    a + black_box(Vec::<u8>::with_capacity(i32::MAX as usize)).capacity() as i64
}

/// More than the host takes.
#[function]
pub fn returns_a_text_without_end(a: i64) -> String {
    "more ".repeat(200_000 * a as usize)
}

/// A message for each number there is.
#[function]
pub fn logs_without_end(a: i64) -> i64 {
    for number in 0..i64::MAX {
        log::info(format_args!("{number}"));
    }
    a
}

/// A counter for each number there is.
#[function]
pub fn counts_everything(a: i64) -> i64 {
    for number in 0..i64::MAX {
        log::count(&format!("number_{number}"), 1);
    }
    a
}
