//! INT96: nanoseconds of a day, and a Julian day, as Impala, Hive and Spark write timestamps.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, FixedSizeBinaryArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    },
    datatypes::{DataType, TimeUnit},
};
use chrono::{DateTime, SecondsFormat};
use transom_sql::lossless::Loss;

/// The Julian day of 1970-01-01.
const EPOCH: i128 = 2_440_588;
const NANOSECONDS_PER_DAY: i128 = 86_400_000_000_000;
const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;
const NANOSECONDS_PER_MICROSECOND: i128 = 1_000;

/// Timestamps in nanoseconds if `to` counts them, else in microseconds. They have the zone of `to`, which has one only if the file's own Arrow
/// schema says that they are moments. `Err` names the first value that the unit does not hold.
pub(super) fn timestamps(bytes: &FixedSizeBinaryArray, to: &DataType) -> Result<ArrayRef, Loss> {
    let (unit, zone) = match to {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => (TimeUnit::Nanosecond, zone.clone()),
        DataType::Timestamp(_, zone) => (TimeUnit::Microsecond, zone.clone()),
        _ => (TimeUnit::Microsecond, None),
    };
    let value = |row: usize| {
        if bytes.is_null(row) {
            return Ok(None);
        }
        let nanoseconds = nanoseconds(bytes.value(row));
        counted(nanoseconds, unit).map(Some).ok_or_else(|| {
            // Where no unit holds it, none is advised.
            let fits_other = counted(nanoseconds, other(unit)).is_some();
            let holds = if fits_other { other(unit) } else { unit };
            Loss {
                row,
                path: String::new(),
                value: text(nanoseconds),
                from: DataType::Timestamp(holds, zone.clone()),
                to: DataType::Timestamp(unit, zone.clone()),
            }
        })
    };
    let values = (0..bytes.len()).map(value);
    Ok(match unit {
        TimeUnit::Nanosecond => {
            let values = values.collect::<Result<TimestampNanosecondArray, _>>()?;
            Arc::new(values.with_timezone_opt(zone))
        }
        _ => {
            let values = values.collect::<Result<TimestampMicrosecondArray, _>>()?;
            Arc::new(values.with_timezone_opt(zone))
        }
    })
}

/// Nanoseconds in a unit, if it holds them.
fn counted(nanoseconds: i128, unit: TimeUnit) -> Option<i64> {
    let counted = match unit {
        TimeUnit::Nanosecond => nanoseconds,
        _ if nanoseconds % NANOSECONDS_PER_MICROSECOND == 0 => {
            nanoseconds / NANOSECONDS_PER_MICROSECOND
        }
        _ => return None,
    };
    i64::try_from(counted).ok()
}

/// The unit that may hold what the other does not: one is finer, one reaches farther.
fn other(unit: TimeUnit) -> TimeUnit {
    match unit {
        TimeUnit::Nanosecond => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// Since 1970.
fn nanoseconds(bytes: &[u8]) -> i128 {
    let (mut of_day, mut day) = ([0; 8], [0; 4]);
    of_day.copy_from_slice(&bytes[..8]);
    day.copy_from_slice(&bytes[8..12]);
    // Signed, as all readers take them.
    let (of_day, day) = (i64::from_le_bytes(of_day), i32::from_le_bytes(day));
    (i128::from(day) - EPOCH) * NANOSECONDS_PER_DAY + i128::from(of_day)
}

fn text(nanoseconds: i128) -> String {
    let seconds = nanoseconds.div_euclid(NANOSECONDS_PER_SECOND);
    let rest = nanoseconds.rem_euclid(NANOSECONDS_PER_SECOND);
    let time = i64::try_from(seconds)
        .ok()
        .zip(u32::try_from(rest).ok())
        .and_then(|(seconds, rest)| DateTime::from_timestamp(seconds, rest));
    match time {
        Some(time) => {
            let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            text.trim_end_matches('Z').to_owned()
        }
        None => format!("{nanoseconds} nanoseconds since 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int96(of_day: i64, day: i32) -> FixedSizeBinaryArray {
        let value = [&of_day.to_le_bytes()[..], &day.to_le_bytes()[..]].concat();
        FixedSizeBinaryArray::try_from_sparse_iter_with_size([None, Some(value)].into_iter(), 12)
            .unwrap()
    }

    fn read(of_day: i64, day: i32, unit: TimeUnit) -> Result<String, String> {
        let to = DataType::Timestamp(unit, None);
        let array = timestamps(&int96(of_day, day), &to);
        let array = array.map_err(|loss| format!("{}: {}", loss.row, loss.value))?;
        assert_eq!(array.data_type(), &to);
        assert!(array.is_null(0));
        let shown = arrow::util::display::array_value_to_string(&array, 1);
        Ok(shown.unwrap())
    }

    #[test]
    fn each_unit_holds_its_values_alone() {
        use TimeUnit::{Microsecond, Nanosecond};
        let day = 2_460_370;
        let at = |text: &str| Ok(text.to_owned());
        let lost = |text: &str| Err(format!("1: {text}"));
        assert_eq!(
            read(1_000, day, Microsecond),
            at("2024-02-29T00:00:00.000001")
        );
        assert_eq!(
            read(1_001, day, Microsecond),
            lost("2024-02-29T00:00:00.000001001")
        );
        assert_eq!(
            read(1_001, day, Nanosecond),
            at("2024-02-29T00:00:00.000001001")
        );
        assert_eq!(
            read(-1_000, day, Microsecond),
            at("2024-02-28T23:59:59.999999")
        );
        assert_eq!(read(0, 1_721_426, Microsecond), at("0001-01-01T00:00:00"));
        assert_eq!(read(0, 1_721_426, Nanosecond), lost("0001-01-01T00:00:00"));
        let beyond = "185542587100800000000000000 nanoseconds since 1970";
        for unit in [Microsecond, Nanosecond] {
            assert!(
                read(0, i32::MAX, unit)
                    .unwrap_err()
                    .ends_with(" nanoseconds since 1970")
            );
        }
        assert_eq!(text(185_542_587_100_800_000_000_000_000), beyond);
    }
}
