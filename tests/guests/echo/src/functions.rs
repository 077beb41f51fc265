//! Scalar functions: each way of taking arguments, and of giving or refusing a result.

use transom_sdk::Decimal;
use transom_sdk::prelude::*;

/// Greatest common divisor.
#[function]
pub fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a.wrapping_rem(b));
    }
    a.wrapping_abs()
}

/// In capitals; NULL is shouted as well.
#[function]
pub fn shout(text: Option<&str>) -> Option<String> {
    match text {
        Some("") => None,
        Some(text) => Some(text.to_uppercase()),
        None => Some("NULL".to_owned()),
    }
}

/// The number written there; any other text rejects its row.
#[function]
pub fn parse(text: &str) -> Result<i64, String> {
    text.trim()
        .parse()
        .map_err(|error| format!("`{text}` is not a number: {error}"))
}

/// Sum, by column: wraps around.
#[function]
pub fn add(a: &Int64Array, b: &Int64Array) -> Int64Array {
    let sums = a.iter().zip(b).map(|(a, b)| Some(a?.wrapping_add(b?)));
    sums.collect()
}

/// 42, from no argument.
#[function]
pub fn nothing() -> i64 {
    42
}

/// Twice a price; one that needs more digits rejects its row.
#[function]
pub fn doubled(price: Decimal<10, 2>) -> Decimal<10, 2> {
    Decimal::from_unscaled(price.unscaled() * 2)
}

/// The day after.
#[function]
pub fn next_day(day: NaiveDate) -> Option<NaiveDate> {
    day.succ_opt()
}

/// An hour later.
#[function]
pub fn an_hour_later(at: DateTime<Utc>) -> DateTime<Utc> {
    at + TimeDelta::hours(1)
}

/// How often this instance was asked.
#[function(volatile, name = "roll_call")]
pub fn roll() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

/// The values as they came, of any type.
#[function(output = "first")]
pub fn any_identity(values: &ArrayRef) -> ArrayRef {
    values.clone()
}
