//! Functions of every shape: each type, nulls seen and not seen, a row that is refused, a panic.

use transom_sdk::Decimal;
use transom_sdk::prelude::*;

/// Sum; wraps around.
#[function]
pub fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

/// In capitals, with an exclamation mark.
#[function]
pub fn shout(text: &str) -> String {
    text.to_uppercase() + "!"
}

/// Half of it.
#[function]
pub fn half(x: f64) -> f64 {
    x / 2.0
}

/// The opposite.
#[function]
pub fn negate(flag: bool) -> bool {
    !flag
}

/// The day after.
#[function]
pub fn next_day(day: NaiveDate) -> Option<NaiveDate> {
    day.succ_opt()
}

/// An hour later.
#[function]
pub fn an_hour_later(at: NaiveDateTime) -> NaiveDateTime {
    at + TimeDelta::hours(1)
}

/// Twice the amount.
#[function]
pub fn twice(amount: Decimal<18, 2>) -> Decimal<18, 2> {
    Decimal::from_unscaled(amount.unscaled() * 2)
}

/// The bytes in reverse order.
#[function]
pub fn reverse(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

/// The value, or 0 for null.
#[function]
pub fn or_zero(v: Option<i64>) -> i64 {
    v.unwrap_or(0)
}

/// The value; rejects a negative one.
#[function]
pub fn checked(v: i64) -> Result<i64, String> {
    match v < 0 {
        true => Err(format!("negative: {v}")),
        false => Ok(v),
    }
}

/// Of all questions.
#[function]
pub fn answer() -> i64 {
    42
}

/// All of them, in their order.
#[function]
pub fn joined(a: &str, b: &str, c: &str, d: &str, e: &str, f: &str, g: &str) -> String {
    [a, b, c, d, e, f, g].concat()
}

/// The value; panics at 13.
#[function]
pub fn unlucky(v: i64) -> i64 {
    assert!(v != 13, "unlucky 13");
    v
}

/// The value; from 1 to 4 an error of each kind.
#[function]
pub fn blame(v: i64) -> Result<i64, Error> {
    match v {
        1 => Err(Error::bad_data("the data")),
        2 => Err(Error::config("the pipeline")),
        3 => Err(Error::retryable("bad luck")),
        4 => Err(Error::internal("the plugin")),
        v => Ok(v),
    }
}
