//! The transform `turnarounds`: Arrow columns in, [`Fleet`] asked row by row, Arrow columns out.

use transom_sdk::prelude::*;

use crate::fleet::{Departure, Error as FleetError, Fleet, Turnaround};
use crate::span;

const MICROSECONDS_PER_MINUTE: i64 = 60_000_000;

/// Follows every aircraft from one departure to its next, at the places that the input is about.
///
/// Reads `tailnum` (text), `departed` (timestamp in microseconds), `delay` and `air_time` (int32, minutes). Adds to each row:
///
/// - `rotation`: number of the aircraft's rotation, from 1; a gap longer than `longest` begins a new one;
/// - `visit`: number of this departure in its rotation, from 1;
/// - `away_minutes`: time since the last departure of the rotation; null on its first visit;
/// - `late_before`: `delay` of that last departure; null on the first visit.
///
/// Rows without `departed` are left out: a cancelled flight is no visit. Rejected are departures without a tail number of
/// the United States, and those of an aircraft whose last flight was still in the air.
#[transform(partition_by = ["tailnum"], order_by = ["departed"])]
#[derive(Debug)]
pub struct Turnarounds {
    longest: i64,
    fleet: Fleet,
}

/// Options of `turnarounds`.
#[options]
#[derive(Debug)]
pub struct TurnaroundsOptions {
    /// The longest gap between two departures of one rotation, like `45m`, `10h` or `3d`.
    #[schemars(extend("pattern" = "^[0-9]+[mhd]$"))]
    longest: String,
}

impl Transform for Turnarounds {
    type Options = TurnaroundsOptions;
    type State = Fleet;

    fn open(input: &Schema, options: TurnaroundsOptions) -> Result<Opened<Self>, Error> {
        check_type(input, "tailnum", "text", |found| *found == DataType::Utf8)?;
        check_type(input, "departed", "a timestamp in microseconds", |found| {
            matches!(found, DataType::Timestamp(TimeUnit::Microsecond, _))
        })?;
        for name in ["delay", "air_time"] {
            check_type(input, name, "an int32", |found| *found == DataType::Int32)?;
        }
        let longest = span::minutes(&options.longest).ok_or_else(|| {
            Error::config(format!(
                "the option `longest` is `{}`, which is not a span of time like `45m`, `10h` or `3d`",
                options.longest
            ))
        })?;
        let turnarounds = Self {
            longest,
            fleet: Fleet::default(),
        };
        Ok(Opened::new(turnarounds)
            .reads(["tailnum", "departed", "delay", "air_time"])
            .passes_all()
            .computes(Field::new("rotation", DataType::Int32, false))
            .computes(Field::new("visit", DataType::Int32, false))
            .computes(Field::new("away_minutes", DataType::Int32, true))
            .computes(Field::new("late_before", DataType::Int32, true)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let tailnums = column::<StringArray>(batch, "tailnum")?;
        let departed = column::<TimestampMicrosecondArray>(batch, "departed")?;
        let delays = column::<Int32Array>(batch, "delay")?;
        let air_times = column::<Int32Array>(batch, "air_time")?;

        let mut rows = Vec::with_capacity(batch.num_rows());
        let mut turnarounds = Vec::with_capacity(batch.num_rows());
        let mut cancelled = 0;
        for row in 0..batch.num_rows() {
            if departed.is_null(row) {
                cancelled += 1;
                continue;
            }
            if delays.is_null(row) {
                output.reject(row, "departed, but its delay is not known");
                continue;
            }
            let tailnum = tailnums.is_valid(row).then(|| tailnums.value(row));
            let departure = Departure {
                at: departed.value(row).div_euclid(MICROSECONDS_PER_MINUTE),
                delay: delays.value(row),
                air_time: air_times.is_valid(row).then(|| air_times.value(row)),
            };
            match self.fleet.depart(tailnum, departure, self.longest) {
                Ok(turnaround) => {
                    rows.push(row as u32);
                    turnarounds.push(turnaround);
                }
                Err(FleetError::Refused(refusal)) => output.reject(row, refusal),
                Err(FleetError::OutOfOrder { tailnum }) => {
                    return Err(Error::config(format!(
                        "the departures of `{tailnum}` go back in time: the step needs `order_by: [departed]`"
                    ))
                    .row(row)
                    .column("departed"));
                }
            }
        }
        if cancelled > 0 {
            log::count("cancelled", cancelled);
        }
        output.emit_rows(columns(&turnarounds), rows)
    }

    fn save(&self) -> Result<Fleet, Error> {
        Ok(self.fleet.clone())
    }

    fn restore(&mut self, fleet: Fleet) -> Result<(), Error> {
        self.fleet = fleet;
        Ok(())
    }
}

/// Refuses an input while it is checked, not when its first batch arrives.
fn check_type(
    input: &Schema,
    name: &str,
    expected: &str,
    fits: impl Fn(&DataType) -> bool,
) -> Result<(), Error> {
    // A column that is missing altogether is named by `Opened`, with those that are there.
    match input.field_with_name(name) {
        Ok(field) if !fits(field.data_type()) => Err(Error::config(format!(
            "the column `{name}` is {}, which is not {expected}",
            field.data_type()
        ))
        .column(name)),
        _ => Ok(()),
    }
}

/// In the order in which `open` names them.
fn columns(turnarounds: &[Turnaround]) -> [ArrayRef; 4] {
    let values = |value: fn(&Turnaround) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(turnarounds.iter().map(value)))
    };
    let options = |value: fn(&Turnaround) -> Option<i32>| -> ArrayRef {
        Arc::new(turnarounds.iter().map(value).collect::<Int32Array>())
    };
    [
        values(|turnaround| turnaround.rotation),
        values(|turnaround| turnaround.visit),
        options(|turnaround| turnaround.away),
        options(|turnaround| turnaround.late_before),
    ]
}

#[cfg(test)]
mod tests {
    use transom_sdk::ErrorKind;
    use transom_sdk::testing::{run_slice, run_transform};

    use super::*;

    const OPTIONS: &str = r#"{"longest": "10h"}"#;

    /// Tail number, minute of departure, delay, minutes in the air.
    type Row<'a> = (Option<&'a str>, Option<i64>, Option<i32>, Option<i32>);

    fn batch(rows: &[Row<'_>]) -> RecordBatch {
        let departed: TimestampMicrosecondArray = rows
            .iter()
            .map(|row| row.1.map(|minute| minute * MICROSECONDS_PER_MINUTE))
            .collect();
        let flights = Int64Array::from_iter_values((0..).take(rows.len()));
        RecordBatch::try_from_iter([
            ("flight", Arc::new(flights) as ArrayRef),
            (
                "tailnum",
                Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>()),
            ),
            ("departed", Arc::new(departed.with_timezone("UTC"))),
            (
                "delay",
                Arc::new(rows.iter().map(|row| row.2).collect::<Int32Array>()),
            ),
            (
                "air_time",
                Arc::new(rows.iter().map(|row| row.3).collect::<Int32Array>()),
            ),
        ])
        .unwrap()
    }

    fn flown(tailnum: &str, minute: i64, delay: i32) -> Row<'_> {
        (Some(tailnum), Some(minute), Some(delay), Some(60))
    }

    fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<i32>> {
        column::<Int32Array>(batch, name).unwrap().iter().collect()
    }

    #[test]
    fn every_departure_is_seen_in_the_light_of_the_one_before() {
        let input = batch(&[
            flown("N1", 0, 30),
            flown("N1", 300, 20),
            flown("N1", 2000, 0),
            flown("N2", 10, 5),
        ]);
        let ran = run_transform::<Turnarounds>(OPTIONS, vec![input]).unwrap();
        let output = &ran.batches[0];
        assert_eq!(
            numbers(output, "rotation"),
            [Some(1), Some(1), Some(2), Some(1)]
        );
        assert_eq!(
            numbers(output, "visit"),
            [Some(1), Some(2), Some(1), Some(1)]
        );
        assert_eq!(
            numbers(output, "away_minutes"),
            [None, Some(300), None, None]
        );
        assert_eq!(numbers(output, "late_before"), [None, Some(30), None, None]);
    }

    #[test]
    fn cancelled_flights_are_left_out_and_bad_rows_rejected() {
        let input = batch(&[
            (None, None, None, None),
            (Some("N1"), None, None, None),
            flown("N1", 0, 30),
            flown("N1", 10, 0),
            flown("D942DN", 20, 0),
            (None, Some(30), Some(0), Some(60)),
            (Some("N1"), Some(40), None, Some(60)),
            flown("N1", 300, 0),
        ]);
        let ran = run_transform::<Turnarounds>(OPTIONS, vec![input]).unwrap();
        let flights = column::<Int64Array>(&ran.batches[0], "flight").unwrap();
        assert_eq!(flights.values(), &[2, 7]);
        let rejected: Vec<usize> = ran.rejected.iter().map(|rejected| rejected.row).collect();
        assert_eq!(rejected, [3, 4, 5, 6]);
    }

    #[test]
    fn an_aircraft_is_known_again_in_the_next_batch_and_the_next_slice() {
        let batches = vec![batch(&[flown("N1", 0, 30)]), batch(&[flown("N1", 300, 20)])];
        let first = run_slice::<Turnarounds>(OPTIONS, None, batches).unwrap();
        assert_eq!(numbers(&first.batches[1], "late_before"), [Some(30)]);
        let next = vec![batch(&[flown("N1", 600, 10)])];
        let second = run_slice::<Turnarounds>(OPTIONS, first.state.as_deref(), next).unwrap();
        assert_eq!(numbers(&second.batches[0], "visit"), [Some(3)]);
        assert_eq!(numbers(&second.batches[0], "late_before"), [Some(20)]);
    }

    #[test]
    fn input_out_of_order_names_what_the_step_needs() {
        let input = batch(&[flown("N1", 300, 30), flown("N1", 0, 20)]);
        let error = run_transform::<Turnarounds>(OPTIONS, vec![input]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "the departures of `N1` go back in time: the step needs `order_by: [departed]` (row 1, column `departed`)"
        );
    }

    #[test]
    fn what_is_not_a_span_is_refused_by_name() {
        let error = run_transform::<Turnarounds>(r#"{"longest": "10 hours"}"#, vec![batch(&[])])
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.message(),
            "the option `longest` is `10 hours`, which is not a span of time like `45m`, `10h` or `3d`"
        );
    }

    #[test]
    fn a_column_of_another_type_is_refused_before_any_row_is_seen() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["N1"]));
        let input =
            RecordBatch::try_from_iter([("tailnum", text.clone()), ("departed", text)]).unwrap();
        let error = run_transform::<Turnarounds>(OPTIONS, vec![input]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error
                .message()
                .starts_with("the column `departed` is Utf8, which is not a timestamp"),
            "{error}"
        );
    }
}
