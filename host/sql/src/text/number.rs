//! Numbers.

use std::{
    num::{IntErrorKind, ParseIntError},
    ops::{Add, Mul, Neg},
    str::FromStr,
};

use arrow::datatypes::i256;

use super::{Origin, Reason};

/// Decimal digits that every float64 keeps.
const FLOAT64_DIGITS: usize = f64::DIGITS as usize;
const FLOAT32_DIGITS: usize = f32::DIGITS as usize;
/// No finite float64 has more digits, however many are asked for: beyond them are zeros only.
const LONGEST_FLOAT: usize = 800;

/// A whole number: digits, with a sign in front or none.
///
/// # Errors
/// If it is none, does not fit, or (inferred) would be written otherwise: `007`, `+7`, `-0`.
pub fn integer<T: FromStr<Err = ParseIntError>>(text: &str, origin: Origin) -> Result<T, Reason> {
    if origin == Origin::Inferred && (has_leading(text) || text == "-0") {
        return Err(Reason::Leading);
    }
    // An unsigned type knows no sign, and there is one zero.
    let digits = match text.strip_prefix('-') {
        Some(zeros) if !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0') => zeros,
        _ => text,
    };
    digits
        .parse()
        .map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Reason::Range,
            // An unsigned type refuses the sign, not the size.
            _ => match Parts::of(text) {
                Some(parts) if parts.has_point || parts.exponent_sign.is_some() => Reason::Fraction,
                Some(_) => Reason::Range,
                None => Reason::Syntax,
            },
        })
}

/// `+`, or a zero before another digit.
pub(super) fn has_leading(text: &str) -> bool {
    match text.strip_prefix('-').unwrap_or(text).as_bytes() {
        [b'+', ..] => true,
        [b'0', next, ..] => next.is_ascii_digit(),
        _ => false,
    }
}

/// The nearest float64; `NaN`, `inf` and `Infinity` in any case.
///
/// # Errors
/// If the text is no number, is finite and too large, is not zero and too small, or is a whole number that no float is; inferred also if
/// it has leading zeros or more digits than the float keeps.
pub fn float64(text: &str, origin: Origin) -> Result<f64, Reason> {
    let value: f64 = text.parse().map_err(|_| Reason::Syntax)?;
    if value.is_nan() {
        // `-nan` is the same.
        return Ok(f64::NAN);
    }
    if value.is_normal() && origin == Origin::Declared && text.len() <= FLOAT64_DIGITS {
        return Ok(value);
    }
    check_float(text, value, FLOAT64_DIGITS, origin, |digits| {
        format!("{:.*e}", digits, value.abs())
    })?;
    Ok(value)
}

/// The nearest float32, with [`float64`]'s rules.
///
/// # Errors
/// As [`float64`].
pub fn float32(text: &str, origin: Origin) -> Result<f32, Reason> {
    let value: f32 = text.parse().map_err(|_| Reason::Syntax)?;
    if value.is_nan() {
        // `-nan` is the same.
        return Ok(f32::NAN);
    }
    if value.is_normal() && origin == Origin::Declared && text.len() <= FLOAT32_DIGITS {
        return Ok(value);
    }
    check_float(text, f64::from(value), FLOAT32_DIGITS, origin, |digits| {
        format!("{:.*e}", digits, value.abs())
    })?;
    Ok(value)
}

/// Whether a parsed float is the number that the text names. `written` writes it with so many digits after the first.
fn check_float(
    text: &str,
    value: f64,
    kept: usize,
    origin: Origin,
    written: impl Fn(usize) -> String,
) -> Result<(), Reason> {
    let Some(parts) = Parts::of(text) else {
        // What parses without digits is NaN or an infinity by name.
        return Ok(());
    };
    if value.is_infinite() || (value == 0.0 && !parts.is_zero()) {
        return Err(Reason::Range);
    }
    // A declared float may be the one nearest to a fraction, but not another whole number.
    if origin == Origin::Declared && (parts.has_point || parts.exponent_sign.is_some()) {
        return Ok(());
    }
    if origin == Origin::Inferred && has_leading(text) {
        return Err(Reason::Leading);
    }
    let significant = parts.significant();
    if value == 0.0 || (significant <= kept && value.is_normal()) {
        return Ok(());
    }
    if significant > LONGEST_FLOAT {
        return Err(Reason::Digits);
    }
    let written = written(significant - 1);
    let mantissa = written.split('e').next().unwrap_or_default();
    let written = mantissa.bytes().filter(u8::is_ascii_digit);
    if written.eq(parts.digits().skip_while(|digit| *digit == b'0')) {
        Ok(())
    } else {
        Err(Reason::Digits)
    }
}

/// A decimal of at most 38 digits, unscaled.
///
/// # Errors
/// If the text is no number, or is not exactly such a decimal. Trailing zeros are no digits, exponents are allowed.
pub fn decimal128(text: &str, precision: u8, scale: i8) -> Result<i128, Reason> {
    decimal(text, precision, scale)
}

/// A decimal of at most 76 digits, unscaled.
///
/// # Errors
/// As [`decimal128`].
pub fn decimal256(text: &str, precision: u8, scale: i8) -> Result<i256, Reason> {
    decimal(text, precision, scale)
}

fn decimal<T>(text: &str, precision: u8, scale: i8) -> Result<T, Reason>
where
    T: Digits + Add<Output = T> + Mul<Output = T> + Neg<Output = T> + Copy,
{
    let parts = Parts::of(text).ok_or(Reason::Syntax)?;
    if parts.is_zero() {
        return Ok(T::digit(0));
    }
    let significant = parts.significant();
    let trailing = parts.trailing_zeros();
    // How many zeros are behind the digits that count, in units of the scale.
    let shift = i64::from(scale) + parts.exponent - parts.fraction.len() as i64 + trailing as i64;
    if shift < 0 {
        return Err(Reason::Scale);
    }
    let digits = (significant - trailing) as i64;
    if digits.saturating_add(shift) > i64::from(precision) {
        return Err(Reason::Precision);
    }
    let ten = T::digit(10);
    let mut value = T::digit(0);
    let counted = parts.int.len() + parts.fraction.len() - trailing;
    for digit in parts.digits().take(counted) {
        value = value * ten + T::digit(digit - b'0');
    }
    for _ in 0..shift {
        value = value * ten;
    }
    Ok(if parts.negative { -value } else { value })
}

/// The digits of a number without leading zeros, and where its point is, counted from the first of them.
pub(crate) fn digits(text: &str) -> Option<(Vec<u8>, i64)> {
    let parts = Parts::of(text)?;
    let written = parts.int.len() + parts.fraction.len();
    let digits: Vec<u8> = parts.digits().skip_while(|digit| *digit == b'0').collect();
    let zeros = (written - digits.len()) as i64;
    Some((digits, parts.int.len() as i64 - zeros + parts.exponent))
}

/// What decimals are added up from.
trait Digits {
    fn digit(value: u8) -> Self;
}

impl Digits for i128 {
    fn digit(value: u8) -> Self {
        Self::from(value)
    }
}

impl Digits for i256 {
    fn digit(value: u8) -> Self {
        Self::from_i128(i128::from(value))
    }
}

/// A decimal number as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) negative: bool,
    pub(super) int: &'a [u8],
    pub(super) fraction: &'a [u8],
    pub(super) has_point: bool,
    pub(super) exponent: i64,
    /// Whether there is an exponent, and whether it has a sign: `1e5` is an id as often as a number.
    pub(super) exponent_sign: Option<bool>,
}

impl<'a> Parts<'a> {
    /// `None` if it is no number.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, unsigned) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let end = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match end {
            Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
            None => (unsigned, None),
        };
        let point = mantissa.iter().position(|byte| *byte == b'.');
        let (int, fraction) = match point {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &[][..]),
        };
        let are_digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
        if (int.is_empty() && fraction.is_empty()) || !are_digits(int) || !are_digits(fraction) {
            return None;
        }
        let mut parts = Self {
            negative,
            int,
            fraction,
            has_point: point.is_some(),
            exponent: 0,
            exponent_sign: None,
        };
        if let Some(exponent) = exponent {
            let digits = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+"));
            let signed = digits.is_some();
            let digits = digits.unwrap_or(exponent);
            if digits.is_empty() || !are_digits(digits) {
                return None;
            }
            // Cut to what no number of any type reaches: the text decides nothing beyond it.
            let size = digits.iter().fold(0_i64, |size, digit| {
                (size * 10 + i64::from(digit - b'0')).min(i64::from(i32::MAX))
            });
            parts.exponent = if exponent[0] == b'-' { -size } else { size };
            parts.exponent_sign = Some(signed);
        }
        Some(parts)
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> + use<'a> {
        self.int.iter().chain(self.fraction).copied()
    }

    fn is_zero(&self) -> bool {
        self.digits().all(|digit| digit == b'0')
    }

    /// Digits from the first that is not zero to the last that is written.
    fn significant(&self) -> usize {
        self.digits().skip_while(|digit| *digit == b'0').count()
    }

    fn trailing_zeros(&self) -> usize {
        self.digits()
            .rev()
            .take_while(|digit| *digit == b'0')
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Origin::{Declared, Inferred};

    #[test]
    fn whole_numbers() {
        for (text, declared, inferred) in [
            ("0", Ok(0), Ok(0)),
            ("-7", Ok(-7), Ok(-7)),
            ("007", Ok(7), Err(Reason::Leading)),
            ("-007", Ok(-7), Err(Reason::Leading)),
            ("+7", Ok(7), Err(Reason::Leading)),
            ("-0", Ok(0), Err(Reason::Leading)),
            ("9223372036854775807", Ok(i64::MAX), Ok(i64::MAX)),
            (
                "9223372036854775808",
                Err(Reason::Range),
                Err(Reason::Range),
            ),
            ("2.75", Err(Reason::Fraction), Err(Reason::Fraction)),
            ("5.0", Err(Reason::Fraction), Err(Reason::Fraction)),
            ("1e3", Err(Reason::Fraction), Err(Reason::Fraction)),
            ("1e-1", Err(Reason::Fraction), Err(Reason::Fraction)),
            ("", Err(Reason::Syntax), Err(Reason::Syntax)),
            (" 5", Err(Reason::Syntax), Err(Reason::Syntax)),
            ("5 ", Err(Reason::Syntax), Err(Reason::Syntax)),
            ("1_000", Err(Reason::Syntax), Err(Reason::Syntax)),
            ("0x10", Err(Reason::Syntax), Err(Reason::Syntax)),
            ("\u{665}", Err(Reason::Syntax), Err(Reason::Syntax)),
        ] {
            assert_eq!(integer::<i64>(text, Declared), declared, "{text}");
            assert_eq!(integer::<i64>(text, Inferred), inferred, "{text}");
        }
        assert_eq!(integer::<u8>("-1", Declared), Err(Reason::Range));
        assert_eq!(integer::<u8>("-0", Declared), Ok(0));
        assert_eq!(integer::<u64>("-00", Declared), Ok(0));
        assert_eq!(integer::<u64>("-", Declared), Err(Reason::Syntax));
        assert_eq!(
            integer::<u64>("18446744073709551615", Declared),
            Ok(u64::MAX)
        );
    }

    #[test]
    fn floats_are_the_nearest_and_inferred_ones_keep_their_digits() {
        for (text, declared, inferred) in [
            ("1.5", Ok(1.5), Ok(1.5)),
            (".5", Ok(0.5), Ok(0.5)),
            ("5.", Ok(5.0), Ok(5.0)),
            ("0.10", Ok(0.1), Ok(0.1)),
            ("1e-05", Ok(1e-5), Ok(1e-5)),
            ("-0", Ok(-0.0), Ok(-0.0)),
            ("inf", Ok(f64::INFINITY), Ok(f64::INFINITY)),
            ("-Infinity", Ok(f64::NEG_INFINITY), Ok(f64::NEG_INFINITY)),
            ("9007199254740993", Err(Reason::Digits), Err(Reason::Digits)),
            ("0.1000000000000000055511151231257827", Ok(0.1), Ok(0.1)),
            (
                "3.14159265358979323846",
                Ok(std::f64::consts::PI),
                Err(Reason::Digits),
            ),
            (
                "0.30000000000000004",
                Ok(0.30000000000000004),
                Ok(0.30000000000000004),
            ),
            ("008.45", Ok(8.45), Err(Reason::Leading)),
            ("5e-324", Ok(5e-324), Ok(5e-324)),
            ("4.9e-324", Ok(5e-324), Ok(5e-324)),
            ("5.1e-324", Ok(5e-324), Err(Reason::Digits)),
            ("101E010031", Err(Reason::Range), Err(Reason::Range)),
            ("1e400", Err(Reason::Range), Err(Reason::Range)),
            ("1e-400", Err(Reason::Range), Err(Reason::Range)),
            ("0e-400", Ok(0.0), Ok(0.0)),
            ("", Err(Reason::Syntax), Err(Reason::Syntax)),
            (".", Err(Reason::Syntax), Err(Reason::Syntax)),
            ("1,5", Err(Reason::Syntax), Err(Reason::Syntax)),
            (" 1.5", Err(Reason::Syntax), Err(Reason::Syntax)),
        ] {
            assert_eq!(float64(text, Declared), declared, "{text}");
            assert_eq!(float64(text, Inferred), inferred, "{text}");
        }
        assert!(float64("NaN", Inferred).unwrap().is_nan());
        assert_eq!(float32("16777217", Declared), Err(Reason::Digits));
        assert_eq!(float32("16777217.5", Declared), Ok(16777218.0));
        assert_eq!(
            float64("0009007199254740992", Declared),
            Ok(9007199254740992.0)
        );
        assert_eq!(float32("16777217", Inferred), Err(Reason::Digits));
        assert_eq!(float32("1e300", Declared), Err(Reason::Range));
        let long = format!("0.1{}", "0".repeat(100_000));
        assert_eq!(float64(&long, Inferred), Err(Reason::Digits));
    }

    #[test]
    fn decimals_are_exact() {
        for (text, value) in [
            ("1.99", Ok(199)),
            ("-1.5", Ok(-150)),
            ("007", Ok(700)),
            ("1.9900", Ok(199)),
            ("1.5e1", Ok(1500)),
            ("150e-2", Ok(150)),
            ("0e99999999999", Ok(0)),
            ("12345678.90", Ok(1_234_567_890)),
            ("99999999.99", Ok(9_999_999_999)),
            ("1.999", Err(Reason::Scale)),
            ("1e-3", Err(Reason::Scale)),
            ("100000000", Err(Reason::Precision)),
            ("1e99999999999", Err(Reason::Precision)),
            ("1e-99999999999", Err(Reason::Scale)),
            ("NaN", Err(Reason::Syntax)),
            ("1.2.3", Err(Reason::Syntax)),
            ("1e", Err(Reason::Syntax)),
            ("$1", Err(Reason::Syntax)),
            ("", Err(Reason::Syntax)),
        ] {
            assert_eq!(decimal128(text, 10, 2), value, "{text}");
        }
        let nines = "9".repeat(38);
        assert_eq!(decimal128(&nines, 38, 0), Ok(nines.parse().unwrap()));
        assert_eq!(decimal128("1200", 3, -2), Ok(12));
        assert_eq!(decimal128("1250", 3, -2), Err(Reason::Scale));
        let nines = "9".repeat(76);
        assert_eq!(
            decimal256(&nines, 76, 0),
            Ok(i256::from_string(&nines).unwrap())
        );
    }
}
