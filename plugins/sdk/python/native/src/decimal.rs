//! Arithmetic of decimals' coefficients: 128 bits, in powers of ten.
//!
//! A product or quotient of 128 bits would call the compiler's run-time library, which is not linked into a module
//! for WebAssembly that is position-independent. So they are made of 32-bit digits here.

/// Powers of ten that 32 bits hold.
const POWERS: [u32; 10] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];
/// Decimal digits of the largest of them.
const STEP: u32 = 9;

/// How Python keeps coefficients (libmpdec): in words of as many decimal digits as fit, the lowest first.
pub(crate) trait Word: Copy + Default + PartialEq {
    /// The lowest word of a value, and what is above it.
    fn split(value: u128) -> (Self, u128);
    /// The value with one more word below; None beyond 128 bits.
    fn append_to(self, value: u128) -> Option<u128>;
}

/// Of 32-bit machines, WebAssembly among them: nine digits.
impl Word for u32 {
    fn split(value: u128) -> (Self, u128) {
        let (rest, word) = divided(value, POWERS[STEP as usize]);
        (word, rest)
    }

    fn append_to(self, value: u128) -> Option<u128> {
        times(value, POWERS[STEP as usize])?.checked_add(u128::from(self))
    }
}

/// Of 64-bit machines: nineteen digits.
#[cfg(target_pointer_width = "64")]
impl Word for u64 {
    fn split(value: u128) -> (Self, u128) {
        const RADIX: u128 = 10_u128.pow(19);
        ((value % RADIX) as Self, value / RADIX)
    }

    fn append_to(self, value: u128) -> Option<u128> {
        value
            .checked_mul(10_u128.pow(19))?
            .checked_add(u128::from(self))
    }
}

/// The word of this machine's Python.
#[cfg(target_pointer_width = "32")]
pub(crate) type NativeWord = u32;
/// The word of this machine's Python.
#[cfg(target_pointer_width = "64")]
pub(crate) type NativeWord = u64;

/// The words of a value, and how many there are: one at least, `WORDS` at most. None when they do not suffice.
pub(crate) fn to_words<W: Word, const WORDS: usize>(value: u128) -> Option<([W; WORDS], usize)> {
    let mut words = [W::default(); WORDS];
    let mut rest = value;
    for (place, word) in words.iter_mut().enumerate() {
        (*word, rest) = W::split(rest);
        if rest == 0 {
            return Some((words, place + 1));
        }
    }
    None
}

/// The value of words; None beyond 128 bits.
pub(crate) fn from_words<W: Word>(words: &[W]) -> Option<u128> {
    words
        .iter()
        .rev()
        .try_fold(0, |value, word| word.append_to(value))
}

/// How many decimal digits a value has; 0 has one.
pub(crate) fn digits(mut value: u128) -> u32 {
    let mut digits = 0;
    while value > u128::from(u32::MAX) {
        value = divided(value, POWERS[STEP as usize]).0;
        digits += STEP;
    }
    let value = value as u32;
    digits + 1 + POWERS[1..].iter().filter(|power| value >= **power).count() as u32
}

/// The value times ten to the power of `exponent`; None when that is no whole number of 128 bits.
pub(crate) fn scaled(value: u128, exponent: i32) -> Option<u128> {
    if value == 0 {
        return Some(0);
    }
    let (mut value, mut left) = (value, exponent.unsigned_abs());
    // No value has as many digits.
    if left > 38 {
        return None;
    }
    while left > 0 {
        let step = left.min(STEP);
        let power = POWERS[step as usize];
        value = if exponent > 0 {
            times(value, power)?
        } else {
            let (quotient, rest) = divided(value, power);
            if rest != 0 {
                return None;
            }
            quotient
        };
        left -= step;
    }
    Some(value)
}

/// Quotient and remainder.
fn divided(value: u128, by: u32) -> (u128, u32) {
    let divisor = u64::from(by);
    if value >> 64 == 0 {
        let value = value as u64;
        return (u128::from(value / divisor), (value % divisor) as u32);
    }
    let (mut quotient, mut rest) = ([0; 4], 0);
    for (place, digit) in to_digits(value).into_iter().enumerate().rev() {
        let part = rest << 32 | u64::from(digit);
        quotient[place] = (part / divisor) as u32;
        rest = part % divisor;
    }
    (from_digits(quotient), rest as u32)
}

/// The product; None beyond 128 bits.
fn times(value: u128, by: u32) -> Option<u128> {
    let (mut product, mut carry) = ([0; 4], 0);
    for (place, digit) in to_digits(value).into_iter().enumerate() {
        let part = u64::from(digit) * u64::from(by) + carry;
        product[place] = part as u32;
        carry = part >> 32;
    }
    (carry == 0).then(|| from_digits(product))
}

fn to_digits(value: u128) -> [u32; 4] {
    [0, 32, 64, 96].map(|shift| (value >> shift) as u32)
}

fn from_digits(digits: [u32; 4]) -> u128 {
    let [a, b, c, d] = digits.map(u128::from);
    a | b << 32 | c << 64 | d << 96
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values about each power of two and of ten.
    fn values() -> impl Iterator<Item = u128> {
        let twos = (0..128).map(|shift| 1_u128 << shift);
        let tens = (0..39).map(|power| 10_u128.pow(power));
        twos.chain(tens)
            .flat_map(|value| [value - 1, value, value.saturating_add(7)])
            .chain([u128::MAX])
    }

    #[test]
    fn words_of_both_sizes_go_back() {
        for value in values() {
            let (words, count) = to_words::<u32, 5>(value).unwrap();
            assert!(words[..count].iter().all(|word| *word < 1_000_000_000));
            assert_eq!(from_words(&words[..count]), Some(value));
            let (words, count) = to_words::<u64, 3>(value).unwrap();
            assert_eq!(from_words(&words[..count]), Some(value));
        }
        assert_eq!(to_words::<u32, 4>(10_u128.pow(36)), None);
        assert!(to_words::<u32, 4>(10_u128.pow(36) - 1).is_some());
        assert_eq!(from_words(&[0_u32, 0, 0, 0, 999]), None);
    }

    #[test]
    fn digits_are_those_of_the_text() {
        for value in values() {
            assert_eq!(digits(value), value.to_string().len() as u32, "{value}");
        }
    }

    #[test]
    fn scaling_is_exact_or_declined() {
        for value in values() {
            for exponent in -40..=40_i32 {
                let power = 10_u128.checked_pow(exponent.unsigned_abs());
                let expected = match (value, power) {
                    (0, _) => Some(0),
                    (_, None) => None,
                    (_, Some(power)) if exponent < 0 => (value % power == 0).then(|| value / power),
                    (_, Some(power)) => value.checked_mul(power),
                };
                assert_eq!(scaled(value, exponent), expected, "{value} {exponent}");
            }
        }
    }
}
