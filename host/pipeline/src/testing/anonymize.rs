//! Made-up values in place of real ones, for tests that are committed.
//!
//! Equal values become equal ones in all tables of a test, so that joins and groups stay what they are, and different values stay
//! different wherever the type has room. The key is drawn for each test and kept nowhere: who has the file cannot try out which
//! value a made-up one stands for.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use transom_sql::{show, type_name};

use super::rows::scalars;
use crate::error::{Error, Result};
use transom_file::{Problem, Problems};

/// How often another made-up value is tried where one is taken or does not fit the type.
const TRIES: u64 = 100;

/// Replaces the values of some columns.
pub(super) struct Anonymous<'a> {
    columns: &'a [String],
    found: BTreeSet<&'a str>,
    key: RandomState,
    made_up: HashMap<String, String>,
    taken: HashSet<String>,
}

impl<'a> Anonymous<'a> {
    pub(super) fn new(columns: &'a [String]) -> Self {
        Self {
            columns,
            found: BTreeSet::new(),
            key: RandomState::new(),
            made_up: HashMap::new(),
            taken: HashSet::new(),
        }
    }

    /// The rows with made-up values in the columns that are to have them; NULL stays NULL.
    pub(super) fn replace(&mut self, rows: &RecordBatch) -> Result<RecordBatch> {
        let schema = rows.schema();
        let mut columns = rows.columns().to_vec();
        for (field, values) in schema.fields().iter().zip(&mut columns) {
            let Some(name) = self.columns.iter().find(|name| *name == field.name()) else {
                continue;
            };
            self.found.insert(name);
            *values = self.column(name, values)?;
        }
        let replaced = RecordBatch::try_new(schema, columns);
        replaced.map_err(failed)
    }

    /// Reports columns that no table has: a name with a mistake must not leave real values in the file.
    pub(super) fn all_found(&self) -> Result<()> {
        let missing = self.columns.iter();
        let missing = missing.filter(|name| !self.found.contains(name.as_str()));
        let problems: Vec<Problem> = missing
            .map(|name| Problem::new(format!("nothing that the step reads has a column `{name}`")))
            .collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Problems(problems).into()),
        }
    }

    fn column(&mut self, name: &str, values: &ArrayRef) -> Result<ArrayRef> {
        let data_type = values.data_type();
        if let DataType::Dictionary(_, plain) = data_type {
            let values = self.column(name, &cast(values, plain).map_err(failed)?)?;
            return cast(&values, data_type).map_err(failed);
        }
        if let Some(year) = year_of(data_type) {
            return self.shifted(values, year).map_err(failed);
        }
        if data_type.is_nested()
            || matches!(data_type, DataType::Duration(_) | DataType::Interval(_))
        {
            let message = format!(
                "column `{name}` is {}, for which no values are made up",
                type_name(data_type)
            );
            let problem = Problem::new(message);
            let hint = "leave the column out of `--anonymize`, and replace its values by hand";
            return Err(Problems::from(problem.with_hint(hint)).into());
        }
        let options = FormatOptions::default();
        let shown = show::formatter(values, &options).map_err(failed)?;
        let mut texts = Vec::with_capacity(values.len());
        for row in 0..values.len() {
            texts.push(match values.is_null(row) {
                true => None,
                false => {
                    let shown = shown.value(row).try_to_string().map_err(failed)?;
                    Some(self.text(&shown, data_type))
                }
            });
        }
        let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        let misfit = |_| failed(ArrowError::ComputeError(format!("column `{name}`")));
        scalars(&texts, data_type).map_err(misfit)
    }

    /// Dates and times, moved back by less than a year.
    fn shifted(&self, values: &ArrayRef, year: u64) -> Result<ArrayRef, ArrowError> {
        let counts = match values.data_type() {
            DataType::Date32 | DataType::Time32(_) => cast(values, &DataType::Int32)?,
            _ => Arc::clone(values),
        };
        let counts = cast(&counts, &DataType::Int64)?;
        let is_time = matches!(
            values.data_type(),
            DataType::Time32(_) | DataType::Time64(_)
        );
        let moved = counts.as_primitive::<Int64Type>().iter().map(|count| {
            count.map(|count| {
                let by = self.key.hash_one(count) % year;
                // A time of day stays within the day.
                match (is_time, i64::try_from(by)) {
                    (true, Ok(by)) => by,
                    (_, by) => count.saturating_sub(by.unwrap_or_default() + 1),
                }
            })
        });
        let moved: ArrayRef = Arc::new(moved.collect::<Int64Array>());
        match values.data_type() {
            DataType::Date32 | DataType::Time32(_) => {
                cast(&cast(&moved, &DataType::Int32)?, values.data_type())
            }
            other => cast(&moved, other),
        }
    }

    /// A text of the same letters and digits in number and kind, which the type can hold.
    fn text(&mut self, shown: &str, data_type: &DataType) -> String {
        let fits = |text: &str| scalars(&[Some(text)], data_type).is_ok();
        if let Some(made_up) = self.made_up.get(shown).filter(|text| fits(text)) {
            return made_up.clone();
        }
        let candidates = (0..TRIES).map(|attempt| self.candidate(shown, data_type, attempt));
        let candidates: Vec<String> = candidates.filter(|text| fits(text)).collect();
        let free = candidates
            .iter()
            .find(|text| *text != shown && !self.taken.contains(*text));
        // A column of few possible values has none left: two of them become one.
        let text = free
            .or(candidates.first())
            .cloned()
            .unwrap_or_else(|| shown.to_owned());
        self.taken.insert(text.clone());
        self.made_up.insert(shown.to_owned(), text.clone());
        text
    }

    fn candidate(&self, shown: &str, data_type: &DataType, attempt: u64) -> String {
        if *data_type == DataType::Boolean {
            return self
                .key
                .hash_one((shown, attempt))
                .is_multiple_of(2)
                .to_string();
        }
        let is_number = data_type.is_numeric();
        let is_bytes = data_type.is_binary() || matches!(data_type, DataType::FixedSizeBinary(_));
        let mut leading = true;
        let letters = shown.chars().enumerate().map(|(at, letter)| {
            let drawn = self.key.hash_one((shown, attempt, at));
            let of = |first: char, count: u64| {
                char::from_u32(u32::from(first) + (drawn % count) as u32).unwrap_or(first)
            };
            let is_leading = std::mem::replace(&mut leading, false);
            match letter {
                '0'..='9' | 'a'..='f' if is_bytes => {
                    char::from_digit((drawn % 16) as u32, 16).unwrap_or('0')
                }
                // A number keeps its length, and zero its place.
                '0' if is_number && is_leading => '0',
                '1'..='9' if is_number && is_leading => of('1', 9),
                '0'..='9' => of('0', 10),
                // The exponent, `NaN` and infinities.
                _ if is_number => {
                    leading = is_leading && letter == '-';
                    letter
                }
                'a'..='z' => of('a', 26),
                'A'..='Z' => of('A', 26),
                letter if letter.is_alphabetic() && letter.is_uppercase() => of('A', 26),
                letter if letter.is_alphabetic() => of('a', 26),
                other => other,
            }
        });
        letters.collect()
    }
}

fn failed(error: ArrowError) -> Error {
    Error::of_query("making up values", error.into())
}

/// How many units of a date or timestamp are in a year, of a time in a day.
fn year_of(data_type: &DataType) -> Option<u64> {
    let second = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    const DAY: u64 = 24 * 60 * 60;
    match data_type {
        DataType::Date32 => Some(365),
        DataType::Timestamp(unit, _) => Some(365 * DAY * second(unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => Some(DAY * second(unit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Decimal128Array, Int8Array, StringArray};
    use arrow::datatypes::Date32Type;

    use super::*;

    fn replaced(values: ArrayRef) -> ArrayRef {
        let columns = ["c".to_owned()];
        let rows = RecordBatch::try_from_iter_with_nullable([("c", values, true)]).unwrap();
        let replaced = Anonymous::new(&columns).replace(&rows).unwrap();
        Arc::clone(replaced.column(0))
    }

    #[test]
    fn made_up_values_have_the_shape_of_the_real_ones() {
        let names = [Some("Ann-Lee O'1"), None, Some("Ann-Lee O'1"), Some("Bob")];
        let made_up = replaced(Arc::new(StringArray::from(names.to_vec())));
        let made_up = made_up.as_string::<i32>();
        assert!(made_up.is_null(1));
        assert_eq!(made_up.value(0), made_up.value(2));
        assert_ne!(made_up.value(0), "Ann-Lee O'1");
        let shape = |text: &str| -> String {
            let kinds = text.chars().map(|letter| match letter {
                letter if letter.is_ascii_uppercase() => 'A',
                letter if letter.is_ascii_lowercase() => 'a',
                letter if letter.is_ascii_digit() => '0',
                other => other,
            });
            kinds.collect()
        };
        assert_eq!(shape(made_up.value(0)), "Aaa-Aaa A'0");
        assert_eq!(shape(made_up.value(3)), "Aaa");
    }

    #[test]
    fn made_up_numbers_and_dates_fit_their_types() {
        let small = replaced(Arc::new(Int8Array::from(vec![127, -128, 0])));
        assert_eq!(small.len(), 3);
        let decimals = Decimal128Array::from(vec![Some(12_345), None]);
        let decimals = decimals.with_precision_and_scale(5, 2).unwrap();
        let made_up = replaced(Arc::new(decimals));
        assert_eq!(made_up.data_type(), &DataType::Decimal128(5, 2));
        let days = replaced(Arc::new(Date32Array::from(vec![19_000, 19_000])));
        let days = days.as_primitive::<Date32Type>();
        assert_eq!(days.value(0), days.value(1));
        assert!((19_000 - 365..19_000).contains(&days.value(0)), "{days:?}");
    }

    #[test]
    fn a_column_that_is_not_there_is_reported() {
        let columns = ["mail".to_owned()];
        assert!(Anonymous::new(&columns).all_found().is_err());
    }
}
