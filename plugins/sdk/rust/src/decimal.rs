//! Decimal numbers of row functions: an unscaled integer whose precision and scale are part of the type.

use std::fmt;

/// A decimal number with `P` digits in all, `S` of them behind the point (Arrow's decimal128).
///
/// ```
/// use transom_sdk::Decimal;
///
/// let price = Decimal::<10, 2>::from_unscaled(-1_995);
/// assert_eq!(price.to_string(), "-19.95");
/// assert_eq!(Decimal::<10, 2>::from_unscaled(price.unscaled() * 3).to_string(), "-59.85");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const P: u8, const S: i8>(i128);

impl<const P: u8, const S: i8> Decimal<P, S> {
    const VALID: () = assert!(
        P >= 1 && P <= 38 && S <= P as i8,
        "a decimal has 1 to 38 digits, and no more behind the point"
    );

    /// The number `unscaled` x 10^-S. More digits than `P` are found out when the number leaves the function: that row is
    /// rejected.
    pub const fn from_unscaled(unscaled: i128) -> Self {
        const { Self::VALID };
        Self(unscaled)
    }

    /// The number x 10^S.
    pub const fn unscaled(self) -> i128 {
        self.0
    }

    /// Whether the number has at most `P` digits.
    pub const fn fits(self) -> bool {
        self.0.unsigned_abs() < 10_u128.pow(P as u32)
    }
}

impl<const P: u8, const S: i8> fmt::Display for Decimal<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = self.0.unsigned_abs().to_string();
        match usize::try_from(S) {
            Ok(0) => write!(f, "{sign}{digits}"),
            Ok(scale) => {
                let digits = format!("{digits:0>width$}", width = scale + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale);
                write!(f, "{sign}{whole}.{fraction}")
            }
            Err(_) if self.0 == 0 => f.write_str("0"),
            Err(_) => write!(f, "{sign}{digits}{}", "0".repeat(S.unsigned_abs().into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_negative_scales_are_shown_in_full() {
        assert_eq!(Decimal::<5, 3>::from_unscaled(-7).to_string(), "-0.007");
        assert_eq!(Decimal::<5, 0>::from_unscaled(7).to_string(), "7");
        assert_eq!(Decimal::<5, -2>::from_unscaled(7).to_string(), "700");
    }

    #[test]
    fn precision_counts_all_digits() {
        assert!(Decimal::<4, 2>::from_unscaled(-9_999).fits());
        assert!(!Decimal::<4, 2>::from_unscaled(10_000).fits());
    }
}
