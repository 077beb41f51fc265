//! The example's files as plain Rust values. Nothing is computed here but what a file writes down.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub(super) struct Flight {
    pub(super) day: String,
    pub(super) year: i32,
    pub(super) carrier: String,
    pub(super) number: i32,
    pub(super) tailnum: Option<String>,
    pub(super) origin: String,
    pub(super) dest: String,
    /// Microseconds since 1970, UTC.
    pub(super) time_hour: i64,
    pub(super) minute: i32,
    pub(super) delay: Option<i32>,
    pub(super) cancelled: bool,
    pub(super) air_time: Option<i32>,
    pub(super) distance: i32,
}

impl Flight {
    /// Minutes since 1970, UTC.
    pub(super) fn departed(&self) -> Option<i64> {
        Some(self.time_hour / 60_000_000 + i64::from(self.minute + self.delay?))
    }

    /// The tail number, unless the carrier writes fleet numbers there.
    pub(super) fn registration(&self) -> Option<&str> {
        if matches!(self.carrier.as_str(), "AA" | "MQ") {
            None
        } else {
            self.tailnum.as_deref()
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) wind: Option<f64>,
    pub(super) gust: Option<f64>,
    pub(super) visibility: f64,
    pub(super) precipitation: Option<f64>,
    pub(super) fahrenheit: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    pub(super) built: Option<i64>,
    pub(super) seats: i64,
}

fn open(path: &Path) -> File {
    File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_parquet(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(open(path))
        .and_then(|builder| builder.build())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader
        .map(|batch| batch.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

/// Reads one cell of one type; the column's name is the file's.
struct Cells<'a>(&'a RecordBatch);

impl Cells<'_> {
    fn column(&self, name: &str) -> &dyn Array {
        self.0
            .column_by_name(name)
            .unwrap_or_else(|| panic!("no column `{name}`"))
            .as_ref()
    }

    fn text(&self, name: &str, row: usize) -> Option<String> {
        let column = self.column(name);
        column
            .is_valid(row)
            .then(|| column.as_string::<i32>().value(row).to_owned())
    }

    fn int(&self, name: &str, row: usize) -> Option<i32> {
        let column = self.column(name);
        column
            .is_valid(row)
            .then(|| column.as_primitive::<Int32Type>().value(row))
    }

    fn float(&self, name: &str, row: usize) -> Option<f64> {
        let column = self.column(name);
        column
            .is_valid(row)
            .then(|| column.as_primitive::<Float64Type>().value(row))
    }

    fn instant(&self, name: &str, row: usize) -> i64 {
        self.column(name)
            .as_primitive::<TimestampMicrosecondType>()
            .value(row)
    }
}

pub(super) fn read_flights(path: &Path, flights: &mut Vec<Flight>) {
    for batch in read_parquet(path) {
        let cells = Cells(&batch);
        for row in 0..batch.num_rows() {
            let text = |name| {
                cells
                    .text(name, row)
                    .unwrap_or_else(|| panic!("null in `{name}`"))
            };
            let int = |name| {
                cells
                    .int(name, row)
                    .unwrap_or_else(|| panic!("null in `{name}`"))
            };
            let year = int("year");
            flights.push(Flight {
                day: format!("{year}-{:02}-{:02}", int("month"), int("day")),
                year,
                carrier: text("carrier"),
                number: int("flight"),
                tailnum: cells.text("tailnum", row),
                origin: text("origin"),
                dest: text("dest"),
                time_hour: cells.instant("time_hour", row),
                minute: int("minute"),
                delay: cells.int("dep_delay", row),
                cancelled: cells.int("dep_time", row).is_none(),
                air_time: cells.int("air_time", row),
                distance: int("distance"),
            });
        }
    }
}

pub(super) fn read_weather(path: &Path) -> HashMap<(String, i64), Weather> {
    let mut weather = HashMap::new();
    for batch in read_parquet(path) {
        let cells = Cells(&batch);
        for row in 0..batch.num_rows() {
            let origin = cells
                .text("origin", row)
                .expect("every report is of an airport");
            let report = Weather {
                wind: cells.float("wind_speed", row),
                gust: cells.float("wind_gust", row),
                precipitation: cells.float("precip", row),
                fahrenheit: cells.float("temp", row),
                visibility: cells
                    .float("visib", row)
                    .expect("every report has a visibility"),
            };
            let before = weather.insert((origin, cells.instant("time_hour", row)), report);
            assert!(
                before.is_none(),
                "two reports of one hour would double flights in a join"
            );
        }
    }
    weather
}

/// The rows of a CSV file without quotes, as maps from column to text; `NA` is left out.
fn read_csv(path: &Path) -> Vec<HashMap<String, String>> {
    let text = io::read_to_string(open(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        !text.contains('"'),
        "{}: has quotes, which this reader does not know",
        path.display()
    );
    let mut lines = text.lines();
    let header: Vec<&str> = lines
        .next()
        .expect("a CSV file has a header")
        .split(',')
        .collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), header.len(), "{}: {line}", path.display());
            header
                .iter()
                .zip(cells)
                .filter(|(_, cell)| *cell != "NA")
                .map(|(name, cell)| ((*name).to_owned(), cell.to_owned()))
                .collect()
        })
        .collect()
}

pub(super) fn read_places(path: &Path) -> HashMap<String, (f64, f64)> {
    read_csv(path)
        .into_iter()
        .map(|row| {
            let degrees = |name: &str| row[name].parse().expect("degrees are a number");
            (row["faa"].clone(), (degrees("lat"), degrees("lon")))
        })
        .collect()
}

pub(super) fn read_planes(path: &Path) -> HashMap<String, Plane> {
    read_csv(path)
        .into_iter()
        .map(|row| {
            let number = |name: &str| {
                row.get(name)
                    .map(|text| text.parse().expect("a whole number"))
            };
            let seats = number("seats").expect("every aircraft has its seats");
            (
                row["tailnum"].clone(),
                Plane {
                    built: number("year"),
                    seats,
                },
            )
        })
        .collect()
}

pub(super) fn read_airlines(path: &Path) -> HashMap<String, String> {
    read_csv(path)
        .into_iter()
        .map(|row| (row["carrier"].clone(), row["name"].clone()))
        .collect()
}
