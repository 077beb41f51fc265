//! A guest for the host's tests: one transform or function for each thing the border must carry.
//!
//! [`passing`] holds transforms that hand rows on, [`making`] those that change their number or keep state, [`failing`] those
//! that go wrong in each possible way, and [`functions`] the scalar functions.

pub mod failing;
pub mod functions;
pub mod making;
pub mod passing;

use transom_sdk::prelude::*;

plugin! {
    functions: [
        functions::gcd,
        functions::shout,
        functions::parse,
        functions::add,
        functions::nothing,
        functions::doubled,
        functions::next_day,
        functions::an_hour_later,
        functions::roll,
        functions::any_identity,
    ],
    transforms: [
        passing::Echo,
        passing::Pass,
        passing::Filter,
        passing::First,
        making::Explode,
        making::Running,
        failing::RejectOdd,
        failing::Fail,
    ],
}
