//! Rows as a table for people: names with types under them, NULL to be seen, and no wider than there is room.
//!
//! A table that is too wide loses columns from its middle: the first ones name a row and the last ones are what was computed.

use arrow::array::{Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{FormatOptions, array_value_to_string};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use transom_pipeline::{show, type_name};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The widest value that is shown whole.
const VALUE: usize = 40;
/// The line and the blanks that each column costs beside its text.
const FRAME: usize = 3;
const MORE: &str = "…";

struct Column {
    /// Name and type.
    header: String,
    cells: Vec<String>,
    right: bool,
    width: usize,
}

/// The batches, which have one schema, as a table of at most `width` characters; `None` if there are none.
pub(crate) fn rows(batches: &[RecordBatch], width: usize) -> Result<Option<String>, ArrowError> {
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    let mut columns = Vec::new();
    for (index, field) in first.schema().fields().iter().enumerate() {
        let cells = batches.iter().map(|batch| cells(batch.column(index)));
        columns.push(Column::new(
            field.name(),
            &type_name(field.data_type()),
            field.data_type().is_numeric(),
            cells.collect::<Result<Vec<_>, _>>()?.concat(),
        ));
    }
    Ok(Some(draw(&columns, width)))
}

/// Texts as a table of at most `width` characters. Columns have names, and types of SQL.
pub(crate) fn texts<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    rows: &[Vec<Option<String>>],
    width: usize,
) -> String {
    let columns = headers.into_iter().enumerate();
    let columns: Vec<Column> = columns
        .map(|(at, (name, data_type))| {
            let cells = rows.iter().map(|row| match &row[at] {
                Some(text) => short(text),
                None => "NULL".to_owned(),
            });
            let is_number = ["smallint", "integer", "bigint", "real", "double", "numeric"]
                .iter()
                .any(|number| data_type.starts_with(number));
            Column::new(name, data_type, is_number, cells.collect())
        })
        .collect();
    draw(&columns, width)
}

/// The first row of a batch, a line for each column: what is looked at closely loses no column.
pub(crate) fn row(batch: &RecordBatch) -> Result<String, ArrowError> {
    let schema = batch.schema();
    let fields = schema.fields().iter();
    let column = |header: &str, cells| Column {
        header: header.to_owned(),
        cells,
        right: false,
        width: 0,
    };
    let values = batch
        .columns()
        .iter()
        .map(|values| cells(&values.slice(0, 1)));
    let values = values.collect::<Result<Vec<_>, _>>()?.concat();
    let columns = [
        column(
            "column",
            fields.clone().map(|field| short(field.name())).collect(),
        ),
        column(
            "type",
            fields
                .map(|field| short(&type_name(field.data_type())))
                .collect(),
        ),
        column("value", values),
    ];
    Ok(draw(&columns, usize::MAX))
}

impl Column {
    fn new(name: &str, data_type: &str, right: bool, cells: Vec<String>) -> Self {
        let header = format!("{}\n{}", name, short(data_type));
        let widest = cells
            .iter()
            .map(String::as_str)
            .chain(header.lines())
            .map(UnicodeWidthStr::width)
            .max();
        Self {
            cells,
            right,
            width: widest.unwrap_or(0) + FRAME,
            header,
        }
    }
}

fn cells(array: &dyn Array) -> Result<Vec<String>, ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    let formatter = show::formatter(array, &options)?;
    (0..array.len())
        .map(|row| {
            let text = formatter.value(row).try_to_string();
            Ok(short(&text.unwrap_or_else(|_| beyond(array, row))))
        })
        .collect()
}

/// A date or time beyond the calendar, by the number that stands for it.
fn beyond(array: &dyn Array, row: usize) -> String {
    let days = cast(&array.slice(row, 1), &DataType::Int32);
    let number = days.or_else(|_| cast(&array.slice(row, 1), &DataType::Int64));
    let number = number.and_then(|number| array_value_to_string(&number, 0));
    match number {
        Ok(number) => format!("{number} (beyond the calendar)"),
        Err(_) => "(beyond the calendar)".to_owned(),
    }
}

/// One line of at most [`VALUE`] characters, with control characters escaped: data must not steer a terminal.
pub(crate) fn short(text: &str) -> String {
    cut(text, VALUE)
}

/// One line of at most `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut width = 0;
    for character in text.chars() {
        let shown: String = match character.is_control() {
            true => character.escape_debug().collect(),
            false => character.into(),
        };
        width += shown
            .chars()
            .map(|character| character.width().unwrap_or(0))
            .sum::<usize>();
        if width > most {
            line.push_str(MORE);
            break;
        }
        line.push_str(&shown);
    }
    line
}

/// One line of the last `most` characters: of a path the end tells more than the beginning.
pub(crate) fn cut_left(text: &str, most: usize) -> String {
    let line = cut(text, usize::MAX);
    let mut width = 0;
    for (at, character) in line.char_indices().rev() {
        width += character.width().unwrap_or(0);
        if width > most {
            return format!("{MORE}{}", &line[at + character.len_utf8()..]);
        }
    }
    line
}

/// The columns that fit: as many from the left as from the right, the left first.
fn fitting(columns: &[Column], width: usize) -> (usize, usize) {
    let all: usize = columns.iter().map(|column| column.width).sum::<usize>() + 1;
    if all <= width {
        return (columns.len(), 0);
    }
    let mut used = 1 + FRAME + MORE.width();
    let (mut left, mut right) = (0, 0);
    while left + right < columns.len() {
        let from_left = left <= right;
        let next = if from_left {
            left
        } else {
            columns.len() - 1 - right
        };
        used += columns[next].width;
        // Two columns stand even where they do not fit: a table of nothing tells nothing.
        if used > width && left + right >= 2 {
            break;
        }
        if from_left { left += 1 } else { right += 1 }
    }
    (left, right)
}

fn draw(columns: &[Column], width: usize) -> String {
    let (left, right) = fitting(columns, width);
    let hidden = columns.len() - left - right;
    let shown: Vec<Option<&Column>> = columns[..left]
        .iter()
        .map(Some)
        .chain((hidden > 0).then_some(None))
        .chain(columns[columns.len() - right..].iter().map(Some))
        .collect();
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(shown.iter().map(|column| match column {
        Some(column) => Cell::new(&column.header).set_alignment(alignment(column)),
        None => Cell::new(MORE),
    }));
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for row in 0..rows {
        table.add_row(shown.iter().map(|column| match column {
            Some(column) => Cell::new(&column.cells[row]).set_alignment(alignment(column)),
            None => Cell::new(MORE),
        }));
    }
    match hidden {
        0 => table.to_string(),
        1 => format!("{table}\n1 column is not shown"),
        _ => format!("{table}\n{hidden} columns are not shown"),
    }
}

fn alignment(column: &Column) -> CellAlignment {
    if column.right {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn batch(columns: usize) -> RecordBatch {
        let column = |index| {
            (
                format!("column_{index}"),
                Arc::new(Int64Array::from(vec![Some(index), None])) as ArrayRef,
            )
        };
        RecordBatch::try_from_iter((0..columns as i64).map(column)).unwrap()
    }

    #[test]
    fn a_narrow_table_is_shown_whole_with_types_and_nulls() {
        let table = rows(&[batch(2)], 80).unwrap().unwrap();
        assert_eq!(
            table,
            "\
┌──────────┬──────────┐
│ column_0 ┆ column_1 │
│    int64 ┆    int64 │
╞══════════╪══════════╡
│        0 ┆        1 │
│     NULL ┆     NULL │
└──────────┴──────────┘"
        );
    }

    #[test]
    fn a_date_beyond_the_calendar_is_shown_by_its_number() {
        let days: ArrayRef = Arc::new(arrow::array::Date32Array::from(vec![2_000_000_000]));
        let batch = RecordBatch::try_from_iter([("day", days)]).unwrap();
        let table = rows(&[batch], 80).unwrap().unwrap();
        assert!(
            table.contains("2000000000 (beyond the calendar)"),
            "{table}"
        );
    }

    #[test]
    fn a_wide_table_loses_its_middle_and_keeps_to_the_width() {
        let table = rows(&[batch(20)], 60).unwrap().unwrap();
        assert!(table.lines().all(|line| line.width() <= 60), "{table}");
        for there in ["column_0 ", "column_19 ", "┆ …", "16 columns are not shown"] {
            assert!(table.contains(there), "{there}: {table}");
        }
        assert!(!table.contains("column_10"), "{table}");
    }

    #[test]
    fn long_values_and_control_characters_stay_on_one_line() {
        assert_eq!(short("a\nb\x1b[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(short(&"é".repeat(60)), format!("{}…", "é".repeat(40)));
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        assert_eq!(cut_left("data/é\n.csv", 20), "data/é\\n.csv");
        assert_eq!(cut_left("data/2024/numbers.csv", 11), "…numbers.csv");
        assert_eq!(
            cut_left(&format!("{}漢", "é".repeat(60)), 10),
            format!("…{}漢", "é".repeat(8))
        );
    }

    #[test]
    fn several_batches_make_one_table() {
        let strings = |values: Vec<&str>| {
            RecordBatch::try_from_iter([("name", Arc::new(StringArray::from(values)) as ArrayRef)])
                .unwrap()
        };
        let table = rows(&[strings(vec!["a"]), strings(vec!["b", "c"])], 80)
            .unwrap()
            .unwrap();
        assert_eq!(table.lines().count(), 8, "{table}");
        assert_eq!(rows(&[], 80).unwrap(), None);
    }
}
