//! Functions of plugins compiled into the program: the same Rust code for every row, without a sandbox.

use arrow::array::{Float64Array, Int64Array};
use arrow::compute::binary;

// The guest's own source: as a dependency it would have to be a member of this workspace, and so lose its own profile.
#[path = "../../guests/echo/src/functions.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the guest offers more than is measured"
)]
pub(crate) mod echo;

/// `gcd` of `tests/guests/echo`.
pub(crate) fn gcd(a: &Int64Array, b: &Int64Array) -> Int64Array {
    binary(a, b, echo::gcd).expect("columns of a batch are equally long")
}

/// `great_circle` of the example `flights`.
pub(crate) fn great_circle([lat1, lon1, lat2, lon2]: [&Float64Array; 4]) -> Float64Array {
    let rows = lat1.iter().zip(lon1).zip(lat2).zip(lon2);
    let miles = rows.map(|(((lat1, lon1), lat2), lon2)| {
        Some(aviation::great_circle(lat1?, lon1?, lat2?, lon2?))
    });
    miles.collect()
}
