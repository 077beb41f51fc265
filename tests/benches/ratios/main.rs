//! How fast plugins are, as ratios: each figure stands beside a baseline measured in the same loop of the same run.
//!
//! `just bench` runs all, `just bench border` those whose group is named so. Prints one Markdown table. Nothing here fails because
//! of a figure: what a busy machine measures is no verdict.

#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

#[path = "../common/mod.rs"]
mod common;

mod border;
mod crossing;
mod flights;
mod functions;
mod ipc;
mod languages;
mod partitions;
mod slices;

use common::Result;
use common::measure::{Comparison, report};

/// As in the program: glibc's gives memory back to the kernel after every batch.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A group of comparisons by name.
type Group = (&'static str, fn() -> Result<Vec<Comparison>>);

const GROUPS: [Group; 7] = [
    ("border", border::compare),
    ("functions", functions::compare),
    ("flights", flights::compare),
    ("partitions", partitions::compare),
    ("slices", slices::compare),
    ("languages", languages::compare),
    ("codecs", languages::compare_codecs),
];

fn main() -> Result<()> {
    // Cargo adds options of its own, `--bench` for one.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut comparisons = Vec::new();
    for (name, compare) in GROUPS {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            comparisons.extend(compare()?);
        }
    }
    print!("{}", report(&comparisons));
    Ok(())
}
