//! The types whose loops are here, by the format strings of Arrow's C data interface.

/// What a column holds, as far as its loops differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
    Utf8,
    LargeUtf8,
    Binary,
    LargeBinary,
    FixedBinary(u32),
    Date32,
    Date64,
    Time32(Unit),
    Time64,
    Timestamp { unit: Unit, utc: bool },
    Duration(Unit),
    Decimal { width: u8, precision: u8, scale: i8 },
}

/// The unit that times count. Nanoseconds are integers to Python.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    Second,
    Millisecond,
    Microsecond,
}

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const DAY: i64 = 86_400 * SECOND;

impl Unit {
    /// Microseconds of one.
    pub(crate) const fn micros(self) -> i64 {
        match self {
            Self::Second => SECOND,
            Self::Millisecond => 1_000,
            Self::Microsecond => 1,
        }
    }

    /// How many there are in a day.
    pub(crate) const fn a_day(self) -> i64 {
        DAY / self.micros()
    }
}

impl Kind {
    /// None for a type whose loops are Python's alone.
    pub(crate) fn of(format: &[u8]) -> Option<Self> {
        Some(match format {
            b"b" => Self::Bool,
            b"c" => Self::Int8,
            b"s" => Self::Int16,
            b"i" => Self::Int32,
            b"C" => Self::UInt8,
            b"S" => Self::UInt16,
            b"I" => Self::UInt32,
            b"L" => Self::UInt64,
            b"f" => Self::Float32,
            b"g" => Self::Float64,
            b"u" => Self::Utf8,
            b"U" => Self::LargeUtf8,
            b"z" => Self::Binary,
            b"Z" => Self::LargeBinary,
            b"tdD" => Self::Date32,
            b"tdm" => Self::Date64,
            b"tts" => Self::Time32(Unit::Second),
            b"ttm" => Self::Time32(Unit::Millisecond),
            b"ttu" => Self::Time64,
            b"tDs" => Self::Duration(Unit::Second),
            b"tDm" => Self::Duration(Unit::Millisecond),
            b"tDu" => Self::Duration(Unit::Microsecond),
            b"l" | b"ttn" | b"tDn" | [b't', b's', b'n', b':', ..] => Self::Int64,
            [b't', b's', unit, b':', zone @ ..] => Self::Timestamp {
                unit: match unit {
                    b's' => Unit::Second,
                    b'm' => Unit::Millisecond,
                    b'u' => Unit::Microsecond,
                    _ => return None,
                },
                utc: !zone.is_empty(),
            },
            [b'w', b':', width @ ..] => {
                let [width] = numbers(width)?;
                Self::FixedBinary(width.try_into().ok()?)
            }
            [b'd', b':', rest @ ..] => {
                let [precision, scale, bits] =
                    numbers(rest).or_else(|| numbers::<2>(rest).map(|[p, s]| [p, s, 128]))?;
                Self::Decimal {
                    width: match bits {
                        32 | 64 | 128 => (bits / 8) as u8,
                        // Python's own integers are needed for more.
                        _ => return None,
                    },
                    precision: precision.try_into().ok()?,
                    scale: scale.try_into().ok()?,
                }
            }
            _ => return None,
        })
    }

    /// Bytes of a slot; None for bits, and for what has offsets.
    pub(crate) const fn width(self) -> Option<usize> {
        Some(match self {
            Self::Bool | Self::Utf8 | Self::LargeUtf8 | Self::Binary | Self::LargeBinary => {
                return None;
            }
            Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 | Self::Date32 | Self::Time32(_) => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 | Self::Date64 | Self::Time64 => 8,
            Self::Timestamp { .. } | Self::Duration(_) => 8,
            Self::FixedBinary(width) => width as usize,
            Self::Decimal { width, .. } => width as usize,
        })
    }

    /// Bytes of an offset, of what has offsets.
    pub(crate) const fn offset(self) -> Option<usize> {
        match self {
            Self::Utf8 | Self::Binary => Some(4),
            Self::LargeUtf8 | Self::LargeBinary => Some(8),
            _ => None,
        }
    }

    /// Whether it is text.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Utf8 | Self::LargeUtf8)
    }
}

/// `COUNT` numbers with commas between them.
fn numbers<const COUNT: usize>(text: &[u8]) -> Option<[i32; COUNT]> {
    let mut numbers = [0; COUNT];
    let mut parts = text.split(|byte| *byte == b',');
    for number in &mut numbers {
        *number = core::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_their_parts() {
        let decimal = |width, precision, scale| Kind::Decimal {
            width,
            precision,
            scale,
        };
        let timestamp = |unit, utc| Kind::Timestamp { unit, utc };
        for (format, kind) in [
            ("d:18,2", Some(decimal(16, 18, 2))),
            ("d:9,-3,32", Some(decimal(4, 9, -3))),
            ("d:76,3,256", None),
            ("d:18", None),
            ("w:3", Some(Kind::FixedBinary(3))),
            ("w:-1", None),
            ("tsu:", Some(timestamp(Unit::Microsecond, false))),
            ("tss:Europe/Warsaw", Some(timestamp(Unit::Second, true))),
            ("tsn:UTC", Some(Kind::Int64)),
            ("e", None),
            ("n", None),
            ("", None),
            ("+l", None),
            ("tiM", None),
        ] {
            assert_eq!(Kind::of(format.as_bytes()), kind, "{format}");
        }
        assert_eq!(Unit::Second.a_day(), 86_400);
    }
}
