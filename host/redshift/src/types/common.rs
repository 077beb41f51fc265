//! The common type of the values of COALESCE, CASE, UNION and the like.

use super::Type;
use crate::error::{self, Error, Result};

/// Digits of a decimal at most.
const MOST_DIGITS: u8 = 38;

/// The type that holds the values of all; none if no type says of which kind they are. `what` is named in an error.
///
/// # Errors
/// If two are of different kinds: a number does not become a text.
pub(crate) fn common(what: &str, types: impl Iterator<Item = Type>) -> Result<Option<Type>> {
    let mut common: Option<Type> = None;
    for next in types.filter(|data_type| kind(*data_type).is_some()) {
        common = Some(match common {
            None => next,
            Some(known) if kind(known) == kind(next) => wider(known, next),
            Some(known) => {
                let (known, next) = (known.base_name(), next.base_name());
                return Err(Error::new(&error::TYPES_MATCH, &[&what, &known, &next]));
            }
        });
    }
    Ok(common)
}

fn wider(a: Type, b: Type) -> Type {
    match (a, b) {
        (Type::Char(a), Type::Char(b)) => return Type::Char(a.max(b)),
        (Type::Char(a) | Type::Varchar(a), Type::Char(b) | Type::Varchar(b)) => {
            return Type::Varchar(a.max(b));
        }
        _ => {}
    }
    if let (Some((digits_a, scale_a)), Some((digits_b, scale_b))) = (a.digits(), b.digits())
        && (matches!(a, Type::Numeric(..)) || matches!(b, Type::Numeric(..)))
    {
        let scale = scale_a.max(scale_b);
        let whole = digits_a
            .saturating_sub(scale_a)
            .max(digits_b.saturating_sub(scale_b));
        return Type::Numeric(whole.saturating_add(scale).min(MOST_DIGITS), scale);
    }
    match rank(a) >= rank(b) {
        true => a,
        false => b,
    }
}

/// Types that are cast to one another; none of those that go with any.
fn kind(data_type: Type) -> Option<u8> {
    Some(match data_type {
        Type::Bool => 0,
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric(..) | Type::Float4 | Type::Float8 => 1,
        Type::Char(_) | Type::Varchar(_) => 2,
        Type::Date | Type::Timestamp | Type::TimestampTz => 3,
        Type::Time => 4,
        Type::Varbyte(_) => 5,
        Type::Interval => 6,
        Type::Super | Type::Unknown => return None,
    })
}

/// Which of two types of a kind holds the values of both.
fn rank(data_type: Type) -> u8 {
    match data_type {
        Type::Int4 | Type::Timestamp => 1,
        Type::Int8 | Type::TimestampTz => 2,
        Type::Numeric(..) => 3,
        Type::Float4 => 4,
        Type::Float8 => 5,
        _ => 0,
    }
}
