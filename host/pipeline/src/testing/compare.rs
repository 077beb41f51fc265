//! Compares the rows that were expected with those that were found: every one of them.
//!
//! Rows have no names, so which found row is meant by an expected one follows from their values: equal rows belong together, then
//! rows that differ in as few columns as possible. What is left over is missing, or was not expected.

use std::collections::{HashMap, VecDeque};

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use serde::Serialize;

use super::yaml;
use transom_sql::{show, type_name};

/// More rows than this are not looked at for pairs that are alike: a diff of so many rows is not read.
const PAIRED_ROWS: usize = 500;

/// How rows are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) ordered: bool,
    /// Floating-point numbers are equal if they differ by at most so much, absolutely or relative to the expected one.
    pub(super) tolerance: f64,
}

/// Rows that are not as expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowDiff {
    /// The columns that were compared.
    pub columns: Vec<DiffColumn>,
    /// Rows that differ, in the order of the expected ones; then those that were not expected.
    pub rows: Vec<DiffRow>,
    /// Rows that are as expected.
    pub agreeing: usize,
    /// All rows are as expected, and only their order is not.
    pub only_order: bool,
}

/// A column of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether it holds numbers.
    #[serde(skip)]
    pub is_numeric: bool,
}

/// An expected row beside the found one, or one of them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffRow {
    /// What was expected; `None` for a row that was not.
    pub expected: Option<DiffSide>,
    /// What was found; `None` for a row that is missing.
    pub found: Option<DiffSide>,
    /// Positions of the columns that differ, if there are both.
    pub differing: Vec<usize>,
}

/// One row of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffSide {
    /// Its number among the rows of its side, from 1.
    pub row: usize,
    /// Its values as text; `None` for NULL.
    pub cells: Vec<Option<String>>,
}

/// What comparing gave.
#[derive(Debug)]
pub(super) struct Comparison {
    /// `None` if all rows are as expected.
    pub(super) diff: Option<RowDiff>,
    /// All found rows in the order of the expected ones that they belong to; then the others.
    pub(super) placed: Vec<usize>,
}

/// Compares two batches of the same columns.
pub(super) fn compare(
    expected: &RecordBatch,
    found: &RecordBatch,
    how: How,
) -> Result<Comparison, ArrowError> {
    let (left, right) = (Cells::of(expected)?, Cells::of(found)?);
    let mut pairs = match how.ordered {
        true => in_order(&left, &right, how.tolerance),
        false => equal_rows(&left, &right, how.tolerance),
    };
    let agreeing = pairs.iter().flatten().count();
    let differs = agreeing < left.rows || agreeing < right.rows;
    let only_order = differs && how.ordered && left.rows == right.rows && {
        let unordered = equal_rows(&left, &right, how.tolerance);
        unordered.iter().all(Option::is_some)
    };
    let equal = pairs.clone();
    match how.ordered {
        true => pair_by_position(&mut pairs, right.rows),
        false => pair_alike(&mut pairs, &left, &right, how.tolerance),
    }
    let mut is_placed = vec![false; right.rows];
    let mut placed: Vec<usize> = pairs.iter().flatten().copied().collect();
    placed.iter().for_each(|&row| is_placed[row] = true);
    let extra: Vec<usize> = (0..right.rows).filter(|&row| !is_placed[row]).collect();
    placed.extend(&extra);
    if how.ordered {
        placed = (0..right.rows).collect();
    }
    if !differs {
        return Ok(Comparison { diff: None, placed });
    }
    let of_expected = (0..left.rows)
        .filter(|&row| equal[row].is_none())
        .map(|row| DiffRow {
            expected: Some(left.side(row)),
            found: pairs[row].map(|found| right.side(found)),
            differing: match pairs[row] {
                Some(found) => left.differing(row, &right, found, how.tolerance),
                None => Vec::new(),
            },
        });
    let of_found = extra.iter().map(|&row| DiffRow {
        expected: None,
        found: Some(right.side(row)),
        differing: Vec::new(),
    });
    let columns = found
        .schema()
        .fields()
        .iter()
        .map(|field| DiffColumn {
            name: field.name().clone(),
            data_type: type_name(field.data_type()),
            is_numeric: field.data_type().is_numeric(),
        })
        .collect();
    let diff = RowDiff {
        columns,
        rows: of_expected.chain(of_found).collect(),
        agreeing,
        only_order,
    };
    Ok(Comparison {
        diff: Some(diff),
        placed,
    })
}

/// All values of a batch, by column.
struct Cells {
    rows: usize,
    texts: Vec<Vec<Option<String>>>,
    /// For columns of floating-point numbers.
    numbers: Vec<Option<Vec<f64>>>,
}

impl Cells {
    fn of(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let mut cells = Self {
            rows: batch.num_rows(),
            texts: Vec::new(),
            numbers: Vec::new(),
        };
        for array in batch.columns() {
            cells.texts.push(texts(array)?);
            cells.numbers.push(match array.data_type() {
                DataType::Float64 => Some(array.as_primitive::<Float64Type>().values().to_vec()),
                DataType::Float32 => {
                    let values = array.as_primitive::<Float32Type>().values();
                    Some(values.iter().copied().map(f64::from).collect())
                }
                _ => None,
            });
        }
        Ok(cells)
    }

    fn row(&self, row: usize) -> impl Iterator<Item = Option<&str>> {
        self.texts.iter().map(move |column| column[row].as_deref())
    }

    /// The values by which rows can be found that may be equal: those that are equal or not.
    fn exact(&self, row: usize) -> Vec<Option<&str>> {
        let columns = self.texts.iter().zip(&self.numbers);
        columns
            .filter(|(_, numbers)| numbers.is_none())
            .map(|(texts, _)| texts[row].as_deref())
            .collect()
    }

    fn side(&self, row: usize) -> DiffSide {
        DiffSide {
            row: row + 1,
            cells: self.row(row).map(|cell| cell.map(str::to_owned)).collect(),
        }
    }

    fn differing(&self, row: usize, other: &Self, at: usize, tolerance: f64) -> Vec<usize> {
        (0..self.texts.len())
            .filter(|&column| !self.agrees(column, row, other, at, tolerance))
            .collect()
    }

    fn agrees(&self, column: usize, row: usize, other: &Self, at: usize, tolerance: f64) -> bool {
        let (left, right) = (&self.texts[column][row], &other.texts[column][at]);
        if left == right {
            return true;
        }
        match (left, right, &self.numbers[column], &other.numbers[column]) {
            (Some(_), Some(_), Some(left), Some(right)) => close(left[row], right[at], tolerance),
            _ => false,
        }
    }
}

/// The values as text; `None` for NULL.
fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    if array.data_type().is_nested() {
        // In JSON a NULL within differs from an empty text.
        let texts = yaml::nested(array)?.into_iter().enumerate();
        return Ok(texts
            .map(|(row, text)| array.is_valid(row).then_some(text))
            .collect());
    }
    let options = FormatOptions::default();
    let formatter = show::formatter(array, &options)?;
    let text = |row| match array.is_null(row) {
        true => Ok(None),
        false => formatter.value(row).try_to_string().map(Some),
    };
    (0..array.len()).map(text).collect()
}

fn close(expected: f64, found: f64, tolerance: f64) -> bool {
    // Infinities are equal to themselves alone, NaN to NaN.
    if !expected.is_finite() || !found.is_finite() {
        return expected == found || (expected.is_nan() && found.is_nan());
    }
    (expected - found).abs() <= tolerance * expected.abs().max(1.0)
}

/// For each expected row the found one at its place, if they are equal.
///
/// The equal rows at the beginning and at the end hold their places, so that one row more or less between them does not make all
/// that follow differ.
fn in_order(left: &Cells, right: &Cells, tolerance: f64) -> Vec<Option<usize>> {
    let mut pairs = vec![None; left.rows];
    let equal = |row, at| left.differing(row, right, at, tolerance).is_empty();
    let shorter = left.rows.min(right.rows);
    let first = (0..shorter).take_while(|&row| equal(row, row)).count();
    let last = (0..shorter - first)
        .take_while(|&back| equal(left.rows - 1 - back, right.rows - 1 - back))
        .count();
    (0..first).for_each(|row| pairs[row] = Some(row));
    (0..last).for_each(|back| pairs[left.rows - 1 - back] = Some(right.rows - 1 - back));
    let between = pairs
        .iter_mut()
        .enumerate()
        .take(shorter - last)
        .skip(first);
    for (row, pair) in between.filter(|(row, _)| equal(*row, *row)) {
        *pair = Some(row);
    }
    pairs
}

/// For each expected row a found one that is equal; no found one twice.
fn equal_rows(left: &Cells, right: &Cells, tolerance: f64) -> Vec<Option<usize>> {
    let mut pairs = vec![None; left.rows];
    let mut whole: HashMap<Vec<Option<&str>>, VecDeque<usize>> = HashMap::new();
    for at in 0..right.rows {
        whole
            .entry(right.row(at).collect())
            .or_default()
            .push_back(at);
    }
    for (row, pair) in pairs.iter_mut().enumerate() {
        let key: Vec<Option<&str>> = left.row(row).collect();
        *pair = whole.get_mut(&key).and_then(VecDeque::pop_front);
    }
    // What is left may be equal but for the last digits of floating-point numbers.
    let mut nearly: HashMap<Vec<Option<&str>>, Vec<usize>> = HashMap::new();
    let mut unused: Vec<usize> = whole.into_values().flatten().collect();
    unused.sort_unstable();
    for at in unused {
        nearly.entry(right.exact(at)).or_default().push(at);
    }
    for (row, pair) in pairs.iter_mut().enumerate() {
        if pair.is_some() {
            continue;
        }
        if let Some(candidates) = nearly.get_mut(&left.exact(row))
            && let Some(position) = candidates
                .iter()
                .position(|&at| left.differing(row, right, at, tolerance).is_empty())
        {
            *pair = Some(candidates.remove(position));
        }
    }
    pairs
}

/// Pairs rows at the same place among those that are left.
fn pair_by_position(pairs: &mut [Option<usize>], found: usize) {
    let mut is_used = vec![false; found];
    pairs.iter().flatten().for_each(|&at| is_used[at] = true);
    let mut unused = (0..found).filter(|&at| !is_used[at]);
    for pair in pairs.iter_mut().filter(|pair| pair.is_none()) {
        *pair = unused.next();
    }
}

/// Pairs rows that are left and agree in at least half of their columns, those that agree most first.
fn pair_alike(pairs: &mut [Option<usize>], left: &Cells, right: &Cells, tolerance: f64) {
    let mut is_used = vec![false; right.rows];
    pairs.iter().flatten().for_each(|&at| is_used[at] = true);
    let unused: Vec<usize> = (0..right.rows)
        .filter(|&at| !is_used[at])
        .take(PAIRED_ROWS)
        .collect();
    let open: Vec<usize> = (0..left.rows)
        .filter(|&row| pairs[row].is_none())
        .take(PAIRED_ROWS)
        .collect();
    let columns = left.texts.len();
    let mut alike = Vec::new();
    for &row in &open {
        for &at in &unused {
            let differing = left.differing(row, right, at, tolerance).len();
            if differing * 2 <= columns {
                alike.push((differing, row, at));
            }
        }
    }
    alike.sort_unstable();
    for (_, row, at) in alike {
        if pairs[row].is_none() && !is_used[at] {
            pairs[row] = Some(at);
            is_used[at] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, ListBuilder, StringArray, StringBuilder};

    use super::*;

    const ANY_ORDER: How = How {
        ordered: false,
        tolerance: 1e-9,
    };
    const IN_ORDER: How = How {
        ordered: true,
        tolerance: 1e-9,
    };

    fn table(rows: &[(&str, Option<i64>, f64)]) -> RecordBatch {
        let names: StringArray = rows.iter().map(|row| Some(row.0)).collect();
        let counts: Int64Array = rows.iter().map(|row| row.1).collect();
        let shares: Float64Array = rows.iter().map(|row| Some(row.2)).collect();
        RecordBatch::try_from_iter([
            ("name", Arc::new(names) as ArrayRef),
            ("count", Arc::new(counts) as ArrayRef),
            ("share", Arc::new(shares) as ArrayRef),
        ])
        .unwrap()
    }

    /// For each row of the diff the numbers of its sides and the columns that differ.
    fn diff(
        expected: &RecordBatch,
        found: &RecordBatch,
        how: How,
    ) -> Vec<(usize, usize, Vec<usize>)> {
        let diff = compare(expected, found, how).unwrap().diff;
        let row = |side: &Option<DiffSide>| side.as_ref().map_or(0, |side| side.row);
        let rows = diff.map(|diff| diff.rows).unwrap_or_default();
        rows.iter()
            .map(|diff| {
                (
                    row(&diff.expected),
                    row(&diff.found),
                    diff.differing.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn the_order_of_rows_counts_only_if_it_is_asked_for() {
        let expected = table(&[("a", Some(1), 0.5), ("b", None, 0.5)]);
        let found = table(&[("b", None, 0.5), ("a", Some(1), 0.5)]);
        assert!(
            compare(&expected, &found, ANY_ORDER)
                .unwrap()
                .diff
                .is_none()
        );
        let diff = compare(&expected, &found, IN_ORDER).unwrap().diff.unwrap();
        assert!(diff.only_order);
        assert_eq!(diff.rows.len(), 2);
    }

    #[test]
    fn equal_rows_are_counted() {
        let one = table(&[("a", Some(1), 0.5), ("b", None, 0.5)]);
        let two = table(&[("a", Some(1), 0.5), ("a", Some(1), 0.5), ("b", None, 0.5)]);
        assert_eq!(diff(&one, &two, ANY_ORDER), [(0, 2, vec![])]);
        assert_eq!(diff(&two, &one, ANY_ORDER), [(2, 0, vec![])]);
    }

    #[test]
    fn floating_point_numbers_are_equal_within_the_tolerance() {
        let expected = table(&[("a", Some(1), 0.3), ("b", Some(1), f64::NAN)]);
        let found = table(&[("b", Some(1), f64::NAN), ("a", Some(1), 0.1 + 0.2)]);
        assert_eq!(diff(&expected, &found, ANY_ORDER), []);
        let exactly = How {
            tolerance: 0.0,
            ..ANY_ORDER
        };
        assert_eq!(diff(&expected, &found, exactly), [(1, 2, vec![2])]);
    }

    #[test]
    fn a_row_that_differs_is_shown_beside_the_one_that_is_most_alike() {
        let expected = table(&[
            ("a", Some(1), 0.5),
            ("b", Some(2), 0.5),
            ("c", Some(3), 9.0),
        ]);
        let found = table(&[("b", None, 0.5), ("x", Some(7), 1.0), ("a", Some(1), 0.5)]);
        let expected_diff = [(2, 1, vec![1]), (3, 0, vec![]), (0, 2, vec![])];
        assert_eq!(diff(&expected, &found, ANY_ORDER), expected_diff);
    }

    #[test]
    fn a_row_more_in_the_middle_does_not_make_all_that_follow_differ() {
        let expected = table(&[("a", Some(1), 0.5), ("c", Some(3), 0.5)]);
        let found = table(&[
            ("a", Some(1), 0.5),
            ("b", Some(2), 0.5),
            ("c", Some(3), 0.5),
        ]);
        assert_eq!(diff(&expected, &found, IN_ORDER), [(0, 2, vec![])]);
    }

    #[test]
    fn null_is_equal_to_null_and_to_no_text() {
        let null = table(&[("a", None, 0.5)]);
        assert_eq!(diff(&null, &null, ANY_ORDER), []);
        assert_eq!(
            diff(&null, &table(&[("a", Some(0), 0.5)]), ANY_ORDER),
            [(1, 1, vec![1])]
        );
    }

    #[test]
    fn a_null_in_a_list_is_no_empty_text() {
        let list = |item: Option<&str>| {
            let mut list = ListBuilder::new(StringBuilder::new());
            list.values().append_option(item);
            list.append(true);
            RecordBatch::try_from_iter([("list", Arc::new(list.finish()) as ArrayRef)]).unwrap()
        };
        assert_eq!(diff(&list(None), &list(None), ANY_ORDER), []);
        let differing = diff(&list(None), &list(Some("")), ANY_ORDER);
        assert_eq!(differing, [(1, 0, vec![]), (0, 1, vec![])]);
    }

    #[test]
    fn found_rows_are_placed_where_they_were_expected() {
        let expected = table(&[("a", Some(1), 0.5), ("b", Some(2), 0.5)]);
        let found = table(&[
            ("z", Some(9), 0.1),
            ("b", Some(3), 0.5),
            ("a", Some(1), 0.5),
        ]);
        assert_eq!(
            compare(&expected, &found, ANY_ORDER).unwrap().placed,
            [2, 1, 0]
        );
    }
}
