//! The conformance guest in Rust: the same functions and transforms as those of the other languages, so that one list of cases
//! runs through all of them.

mod functions;
mod transforms;

use transom_sdk::prelude::*;

plugin! {
    functions: [
        functions::add,
        functions::shout,
        functions::half,
        functions::negate,
        functions::next_day,
        functions::an_hour_later,
        functions::twice,
        functions::reverse,
        functions::or_zero,
        functions::checked,
        functions::unlucky,
        functions::blame,
        functions::answer,
        functions::joined,
    ],
    transforms: [
        transforms::Echo,
        transforms::Keep,
        transforms::Repeat,
        transforms::RunningSum,
        transforms::NumberRows,
        transforms::RejectOdd,
        transforms::Totals,
        transforms::Fail,
        transforms::Talk,
        transforms::Rate,
        transforms::Latest,
    ],
}
