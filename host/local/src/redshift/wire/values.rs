//! Values in the forms of the protocol: texts, and the binary forms that drivers ask for.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use transom_redshift::{Parameter, Rows, Type};

use super::messages::{Format, Refusal, not_utf8};

/// Days from 1970 to 2000, from which the protocol counts.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// The type of a parameter that a client declares; none for texts, whose type follows from where they stand.
pub(super) fn declared(oid: u32) -> Option<Type> {
    Some(match oid {
        16 => Type::Bool,
        20 => Type::Int8,
        21 => Type::Int2,
        23 => Type::Int4,
        700 => Type::Float4,
        701 => Type::Float8,
        1082 => Type::Date,
        1083 => Type::Time,
        1114 => Type::Timestamp,
        1184 => Type::TimestampTz,
        1700 => Type::Numeric(38, 0),
        _ => return None,
    })
}

/// A parameter whose value is not known yet: one that a statement can be planned with.
pub(super) fn unset(oid: u32) -> Parameter {
    let data_type = declared(oid);
    let value = match data_type {
        Some(Type::Bool) => Some("true"),
        Some(Type::Date | Type::Timestamp | Type::TimestampTz) => Some("2000-01-01"),
        Some(Type::Time) => Some("00:00:00"),
        Some(_) => Some("1"),
        None => None,
    };
    Parameter {
        name: None,
        value: value.map(str::to_owned),
        data_type,
    }
}

/// A parameter of a Bind message.
pub(super) fn parameter(
    value: Option<Vec<u8>>,
    format: Format,
    oid: u32,
) -> Result<Parameter, Refusal> {
    let value = match (value, format) {
        (None, _) => None,
        (Some(bytes), Format::Text) => Some(text(bytes)?),
        (Some(bytes), Format::Binary) => Some(of_binary(bytes, oid)?),
    };
    Ok(Parameter {
        name: None,
        value,
        data_type: declared(oid),
    })
}

fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|_| not_utf8())
}

/// A binary value as the text that SQL has for it.
fn of_binary(bytes: Vec<u8>, oid: u32) -> Result<String, Refusal> {
    fn number<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Refusal> {
        let wrong = || Refusal::new("22P03", "incorrect binary data format in bind parameter");
        bytes.try_into().map_err(|_| wrong())
    }
    Ok(match oid {
        0 | 18 | 19 | 25 | 705 | 1042 | 1043 | 4000 => text(bytes)?,
        16 => (number::<1>(&bytes)? != [0]).to_string(),
        20 => i64::from_be_bytes(number(&bytes)?).to_string(),
        21 => i16::from_be_bytes(number(&bytes)?).to_string(),
        23 => i32::from_be_bytes(number(&bytes)?).to_string(),
        26 => u32::from_be_bytes(number(&bytes)?).to_string(),
        700 => f32::from_be_bytes(number(&bytes)?).to_string(),
        701 => f64::from_be_bytes(number(&bytes)?).to_string(),
        1082 => {
            let days = i64::from(i32::from_be_bytes(number(&bytes)?));
            let shown = moment(days.saturating_mul(86_400_000_000))?;
            shown.split(' ').next().unwrap_or_default().to_owned()
        }
        1083 => {
            let shown = moment(i64::from_be_bytes(number(&bytes)?))?;
            shown.split(' ').nth(1).unwrap_or_default().to_owned()
        }
        1114 => moment(i64::from_be_bytes(number(&bytes)?))?,
        1184 => format!("{}+00", moment(i64::from_be_bytes(number(&bytes)?))?),
        1700 => numeric_of_binary(&bytes)?,
        _ => {
            let text = format!(
                "not yet in the local Redshift: binary parameters of the type with OID {oid}"
            );
            return Err(Refusal::new("ZT001", text));
        }
    })
}

/// Microseconds since 2000 as a timestamp.
fn moment(micros: i64) -> Result<String, Refusal> {
    let shown = micros
        .checked_add(EPOCH_MICROS)
        .and_then(transom_redshift::timestamp);
    shown.ok_or_else(|| Refusal::new("22008", "timestamp out of range"))
}

/// Digits of PostgreSQL's binary NUMERIC hold four decimal ones each.
fn numeric_of_binary(bytes: &[u8]) -> Result<String, Refusal> {
    let wrong = || Refusal::new("22P03", "incorrect binary data format in bind parameter");
    let words: Vec<i16> = bytes
        .chunks(2)
        .map(|pair| Ok(i16::from_be_bytes(pair.try_into().map_err(|_| wrong())?)))
        .collect::<Result<_, Refusal>>()?;
    let [count, weight, sign, scale, digits @ ..] = words.as_slice() else {
        return Err(wrong());
    };
    let is_negative = match *sign as u16 {
        0x0000 => false,
        0x4000 => true,
        _ => {
            return Err(Refusal::new(
                "22P02",
                "invalid input syntax for type numeric: \"NaN\"",
            ));
        }
    };
    let fits = usize::try_from(*count).is_ok_and(|count| count == digits.len())
        && digits.iter().all(|digit| (0..10_000).contains(digit))
        && (-100..=100).contains(weight)
        && (0..=400).contains(scale);
    if !fits {
        return Err(wrong());
    }
    let digit = |place: i16| {
        let at = usize::try_from(*weight - place).ok();
        at.and_then(|at| digits.get(at)).copied().unwrap_or(0)
    };
    let mut shown = String::from(if is_negative { "-" } else { "" });
    for place in (0..=(*weight).max(0)).rev() {
        shown.push_str(&format!("{:04}", digit(place)));
    }
    let mut after = String::new();
    for place in 1..=(*scale + 3) / 4 {
        after.push_str(&format!("{:04}", digit(-place)));
    }
    after.truncate(*scale as usize);
    if !after.is_empty() {
        shown.push('.');
        shown.push_str(&after);
    }
    Ok(shown)
}

/// A value of a result in a format; `None` is NULL.
pub(super) fn of_result(
    rows: &Rows,
    (batch, row): (usize, usize),
    column: usize,
    format: Format,
) -> Option<Vec<u8>> {
    let text = || rows.text(batch, row, column).map(String::into_bytes);
    let array = rows.batches()[batch].column(column);
    let data_type = rows.columns()[column].data_type;
    if format == Format::Text {
        return text();
    }
    if array.is_null(row) {
        return None;
    }
    Some(match data_type {
        Type::Char(_) | Type::Varchar(_) | Type::Super | Type::Unknown => return text(),
        Type::Bool => vec![u8::from(array.as_boolean().value(row))],
        Type::Int2 => array
            .as_primitive::<Int16Type>()
            .value(row)
            .to_be_bytes()
            .to_vec(),
        Type::Int4 => array
            .as_primitive::<Int32Type>()
            .value(row)
            .to_be_bytes()
            .to_vec(),
        Type::Int8 => array
            .as_primitive::<Int64Type>()
            .value(row)
            .to_be_bytes()
            .to_vec(),
        Type::Float4 => array
            .as_primitive::<Float32Type>()
            .value(row)
            .to_be_bytes()
            .to_vec(),
        Type::Float8 => array
            .as_primitive::<Float64Type>()
            .value(row)
            .to_be_bytes()
            .to_vec(),
        Type::Numeric(_, scale) => {
            numeric(array.as_primitive::<Decimal128Type>().value(row), scale)
        }
        Type::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            days.saturating_sub(EPOCH_DAYS).to_be_bytes().to_vec()
        }
        Type::Time => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            micros.to_be_bytes().to_vec()
        }
        Type::Timestamp | Type::TimestampTz => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            micros.saturating_sub(EPOCH_MICROS).to_be_bytes().to_vec()
        }
        Type::Interval => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let mut bytes = (value.nanoseconds / 1_000).to_be_bytes().to_vec();
            bytes.extend(value.days.to_be_bytes());
            bytes.extend(value.months.to_be_bytes());
            bytes
        }
        Type::Varbyte(_) => array.as_binary::<i32>().value(row).to_vec(),
    })
}

/// A decimal as PostgreSQL's binary NUMERIC.
fn numeric(value: i128, scale: u8) -> Vec<u8> {
    let scale = usize::from(scale);
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (before, after) = digits.split_at(digits.len() - scale);
    // Whole groups of four on both sides of the point.
    let before = format!("{}{before}", "0".repeat((4 - before.len() % 4) % 4));
    let after = format!("{after}{}", "0".repeat((4 - after.len() % 4) % 4));
    let groups = before
        .as_bytes()
        .chunks(4)
        .chain(after.as_bytes().chunks(4));
    let mut groups: Vec<i16> = groups
        .map(|group| {
            group
                .iter()
                .fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0'))
        })
        .collect();
    let mut weight = (before.len() / 4) as i16 - 1;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    weight = if groups.is_empty() {
        0
    } else {
        weight - zeros as i16
    };
    let sign = if value < 0 { 0x4000 } else { 0 };
    let header = [groups.len() as i16, weight, sign, scale as i16];
    header
        .into_iter()
        .chain(groups)
        .flat_map(i16::to_be_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_come_back() {
        for (value, scale, shown) in [
            (0, 0, "0000"),
            (0, 2, "0000.00"),
            (-1, 4, "-0000.0001"),
            (1_234_567_890, 3, "0123,4567.890"),
            (10_000, 0, "0001,0000"),
            (i128::from(i64::MAX) * 1_000, 3, ""),
            (10i128.pow(38) - 1, 37, ""),
            (1, 37, ""),
        ] {
            let text = numeric_of_binary(&numeric(value, scale)).unwrap();
            if !shown.is_empty() {
                assert_eq!(text, shown.replace(',', ""));
            }
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits.parse::<i128>().unwrap(), value.abs(), "{text}");
        }
    }

    #[test]
    fn moments_count_from_2000() {
        assert_eq!(
            of_binary(0i64.to_be_bytes().to_vec(), 1114).unwrap(),
            "2000-01-01 00:00:00"
        );
        assert_eq!(
            of_binary((-1i32).to_be_bytes().to_vec(), 1082).unwrap(),
            "1999-12-31"
        );
        assert_eq!(
            of_binary(1i64.to_be_bytes().to_vec(), 1083).unwrap(),
            "00:00:00.000001"
        );
        assert!(of_binary(i64::MAX.to_be_bytes().to_vec(), 1114).is_err());
        assert!(of_binary(vec![0], 23).is_err());
    }
}
