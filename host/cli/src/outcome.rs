//! What a call gave, and where two plugins do not give the same.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use transom_plugin::Rejected;

/// What a call gave.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Of one schema.
    pub(crate) batches: Vec<RecordBatch>,
    /// Rows of the input that were rejected.
    pub(crate) rejected: Vec<u32>,
}

impl Outcome {
    pub(crate) fn reject(&mut self, rejected: &[Rejected]) {
        self.rejected
            .extend(rejected.iter().map(|rejected| rejected.row));
    }

    /// Where this differs from `other`; `None` if both are the same, or if one has more than a batch can hold.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        if let Some(row) = first_of_one(&self.rejected, &other.rejected) {
            return Some(format!("row {} is rejected by one of them", row + 1));
        }
        let count = |what: &str, ours: usize, theirs: usize| {
            (ours != theirs)
                .then(|| format!("it gives {ours} {what} here and {theirs} {what} there"))
        };
        if let Some(rows) = count("rows", self.rows(), other.rows()) {
            return Some(rows);
        }
        let (ours, theirs) = (self.batch()?, other.batch()?);
        count("columns", ours.num_columns(), theirs.num_columns()).or_else(|| {
            let schema = ours.schema();
            let columns = ours.columns().iter().zip(theirs.columns());
            let mut columns = columns.zip(schema.fields());
            columns.find_map(|((ours, theirs), field)| differ(field.name(), ours, theirs))
        })
    }

    fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn batch(&self) -> Option<RecordBatch> {
        let schema = self.batches.first()?.schema();
        concat_batches(&schema, &self.batches).ok()
    }
}

/// The first row, by number, that only one of the two has.
fn first_of_one(ours: &[u32], theirs: &[u32]) -> Option<u32> {
    let missing = |from: &[u32], rows: &[u32]| {
        let mut rows = rows.iter().copied();
        rows.find(|row| !from.contains(row))
    };
    if ours == theirs {
        return None;
    }
    let (mut ours, mut theirs) = (ours.to_vec(), theirs.to_vec());
    ours.sort_unstable();
    theirs.sort_unstable();
    [missing(&ours, &theirs), missing(&theirs, &ours)]
        .into_iter()
        .flatten()
        .min()
}

fn differ(name: &str, ours: &ArrayRef, theirs: &ArrayRef) -> Option<String> {
    let (here, there) = (ours.data_type(), theirs.data_type());
    if here != there {
        return Some(format!("`{name}` is {here} here and {there} there"));
    }
    let (ours, theirs) = (plain(ours), plain(theirs));
    let row = (0..ours.len()).find(|row| ours.slice(*row, 1) != theirs.slice(*row, 1))?;
    Some(format!("`{name}` of row {} is not the same", row + 1))
}

/// Floats that languages write differently and mean the same, made the same: NaN has many forms, and zero has a sign.
fn plain(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => {
            let plain = |value: f32| {
                if value.is_nan() {
                    f32::NAN
                } else {
                    value + 0.0
                }
            };
            Arc::new(
                column
                    .as_primitive::<Float32Type>()
                    .unary::<_, Float32Type>(plain),
            )
        }
        DataType::Float64 => {
            let plain = |value: f64| {
                if value.is_nan() {
                    f64::NAN
                } else {
                    value + 0.0
                }
            };
            Arc::new(
                column
                    .as_primitive::<Float64Type>()
                    .unary::<_, Float64Type>(plain),
            )
        }
        _ => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};

    use super::*;

    fn outcome(column: ArrayRef, rejected: &[u32]) -> Outcome {
        Outcome {
            batches: vec![RecordBatch::try_from_iter([("x", column)]).unwrap()],
            rejected: rejected.to_vec(),
        }
    }

    #[test]
    fn floats_that_mean_the_same_are_the_same() {
        let other_nan = f64::from_bits(f64::NAN.to_bits() ^ (1 << 63) ^ 1);
        let floats = |nan, zero| {
            let column = Float64Array::from(vec![Some(nan), Some(zero), None]);
            outcome(Arc::new(column), &[])
        };
        let ours = floats(f64::NAN, 0.0);
        assert_eq!(ours.difference(&floats(other_nan, -0.0)), None);
        let expected = "`x` of row 2 is not the same";
        assert_eq!(
            ours.difference(&floats(f64::NAN, 1e-300)).unwrap(),
            expected
        );
    }

    #[test]
    fn what_differs_is_told_with_its_row() {
        let numbers = |values: Vec<Option<i64>>, rejected: &[u32]| {
            outcome(Arc::new(Int64Array::from(values)), rejected)
        };
        let ours = numbers(vec![Some(1), None, Some(3)], &[1]);
        let difference = |other: Outcome| ours.difference(&other);
        assert_eq!(
            difference(numbers(vec![Some(1), None, Some(3)], &[1])),
            None
        );
        assert_eq!(
            difference(numbers(vec![Some(1), None, Some(3)], &[])).unwrap(),
            "row 2 is rejected by one of them"
        );
        assert_eq!(
            difference(numbers(vec![Some(1), None, Some(4)], &[1])).unwrap(),
            "`x` of row 3 is not the same"
        );
        assert_eq!(
            difference(numbers(vec![Some(1), None], &[1])).unwrap(),
            "it gives 3 rows here and 2 rows there"
        );
    }
}
