//! Rows that are written in YAML as a record batch.
//!
//! A column's type is known from the table that the rows are for, or inferred from the values. A value has to be of the column's type
//! as it stands there: a number is no text, and a text that is no date does not become NULL. What does not fit is reported at
//! its place.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeListArray, Int64Array, LargeListArray, ListArray, MapArray, RecordBatch,
    RecordBatchOptions, StringArray, StructArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use arrow::error::ArrowError;
use transom_sql::text::Origin;

use transom_file::node::{Node, Yaml};
use transom_file::test_file::{Reported, Row, Rows};
use transom_sql::type_name;

/// The rows as a batch of `schema`, in which every column may hold NULL; `None` if something was reported.
///
/// A column that a row does not name is NULL there; one that `schema` does not have is passed over.
pub(super) fn batch(
    rows: &Rows,
    schema: &Schema,
    table: &str,
    reported: &mut Reported<'_>,
) -> Option<RecordBatch> {
    let before = reported.problems.len();
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for field in schema.fields() {
        let nodes: Vec<Option<&Node>> = rows
            .rows
            .iter()
            .map(|row| cell(row, field.name()))
            .collect();
        let what = format!("column `{}` of `{table}`", field.name());
        let array = column(&nodes, field.data_type(), &what, reported);
        columns.push(array.unwrap_or_else(|| new_null_array(field.data_type(), nodes.len())));
        fields.push(field.as_ref().clone().with_nullable(true));
    }
    if reported.problems.len() > before {
        return None;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.rows.len()));
    let schema = Arc::new(Schema::new(fields));
    match RecordBatch::try_new_with_options(schema, columns, &options) {
        Ok(batch) => Some(batch),
        Err(error) => {
            let problem = reported.at(rows.key, format!("the rows of `{table}` make no table"));
            reported.report(problem.with_label(error.to_string()));
            None
        }
    }
}

/// The columns that the rows name, with types inferred from their values, unless `types` has them; `None` if something was reported.
pub(super) fn inferred(
    rows: &Rows,
    types: &Schema,
    table: &str,
    reported: &mut Reported<'_>,
) -> Option<Schema> {
    let before = reported.problems.len();
    let mut fields = Vec::new();
    for column in rows.columns() {
        let name = &column.value;
        if let Ok(field) = types.field_with_name(name) {
            fields.push(field.clone());
            continue;
        }
        let nodes: Vec<&Node> = rows.rows.iter().filter_map(|row| cell(row, name)).collect();
        let data_type = told_type(&nodes).unwrap_or_else(|node| {
            let message = format!("column `{name}` of `{table}` has values of several types");
            let problem = reported.at(node.span, message);
            reported
                .report(problem.with_label(format!("{}, unlike those before", node.value.kind())));
            DataType::Utf8
        });
        fields.push(Field::new(name, data_type, true));
    }
    (reported.problems.len() == before).then(|| Schema::new(fields))
}

fn cell<'n>(row: &'n Row, column: &str) -> Option<&'n Node> {
    let (_, node) = row.cells.iter().find(|(key, _)| key.name == column)?;
    Some(node)
}

/// The one type that all values have, or the first value that has another.
fn told_type<'n>(nodes: &[&'n Node]) -> Result<DataType, &'n Node> {
    let mut inferred: Option<DataType> = None;
    for node in nodes {
        let of_value = match &node.value {
            Yaml::Null(_) => continue,
            Yaml::Bool(..) => DataType::Boolean,
            Yaml::Int(_) => DataType::Int64,
            Yaml::Float(..) => DataType::Float64,
            Yaml::Text(..) => DataType::Utf8,
            // Of the items and members of all values together, below.
            Yaml::List(_) => DataType::new_list(DataType::Null, true),
            Yaml::Map(_) => DataType::Struct(Vec::<Field>::new().into()),
        };
        inferred = Some(match (inferred, of_value) {
            (None, of_value) => of_value,
            (Some(inferred), of_value) if inferred == of_value => inferred,
            (Some(DataType::Int64), DataType::Float64)
            | (Some(DataType::Float64), DataType::Int64) => DataType::Float64,
            _ => return Err(node),
        });
    }
    match inferred {
        None => Ok(DataType::Utf8),
        Some(DataType::List(_)) => {
            let items = nodes.iter().filter_map(|node| match &node.value {
                Yaml::List(items) => Some(items),
                _ => None,
            });
            let items: Vec<&Node> = items.flatten().collect();
            Ok(DataType::new_list(told_type(&items)?, true))
        }
        Some(DataType::Struct(_)) => {
            let members = nodes.iter().filter_map(|node| match &node.value {
                Yaml::Map(members) => Some(members),
                _ => None,
            });
            let mut by_name: Vec<(&str, Vec<&Node>)> = Vec::new();
            for (key, node) in members.flatten() {
                match by_name.iter_mut().find(|(name, _)| *name == key.name) {
                    Some((_, nodes)) => nodes.push(node),
                    None => by_name.push((&key.name, vec![node])),
                }
            }
            let fields = by_name
                .into_iter()
                .map(|(name, nodes)| Ok(Field::new(name, told_type(&nodes)?, true)));
            Ok(DataType::Struct(
                fields.collect::<Result<Vec<_>, _>>()?.into(),
            ))
        }
        Some(simple) => Ok(simple),
    }
}

/// One column; `None` if something was reported.
fn column(
    nodes: &[Option<&Node>],
    data_type: &DataType,
    what: &str,
    reported: &mut Reported<'_>,
) -> Option<ArrayRef> {
    let Err(first) = array(nodes, data_type) else {
        return array(nodes, data_type).ok();
    };
    // Each value that does not fit has a line of its own to change.
    let before = reported.problems.len();
    for node in nodes.iter().flatten() {
        if let Err(wrong) = array(&[Some(node)], data_type) {
            misfit(wrong.unwrap_or(node), data_type, what, reported);
        }
    }
    let node = first.or_else(|| nodes.iter().flatten().next().copied());
    if let (true, Some(node)) = (reported.problems.len() == before, node) {
        misfit(node, data_type, what, reported);
    }
    None
}

fn misfit(node: &Node, data_type: &DataType, what: &str, reported: &mut Reported<'_>) {
    let name = type_name(data_type);
    let message = format!("{what} is {name}, which {} is not", node.value.kind());
    let mut problem = reported.at(node.span, message);
    problem = match (&node.value, data_type) {
        (Yaml::Int(text) | Yaml::Float(_, text) | Yaml::Bool(_, text), _) if is_text(data_type) => {
            problem.with_hint(format!("write `\"{text}\"` for a text"))
        }
        (_, DataType::Date32) => problem.with_hint("write a date like `2024-01-31`"),
        (_, DataType::Timestamp(..)) => {
            problem.with_hint("write a time like `2024-01-31 10:00:00`")
        }
        _ => problem,
    };
    reported.report(problem.with_label(format!("expected {name}")));
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// The values as an array of exactly this type, or the node that is none, where one is to blame.
fn array<'n>(
    nodes: &[Option<&'n Node>],
    data_type: &DataType,
) -> Result<ArrayRef, Option<&'n Node>> {
    let present: Vec<Option<&'n Node>> = nodes.iter().map(|node| node.filter(is_value)).collect();
    let nulls = NullBuffer::from_iter(present.iter().map(Option::is_some));
    let failed = |_: ArrowError| None;
    let built: ArrayRef = match data_type {
        DataType::Null => match present.iter().flatten().next() {
            Some(value) => return Err(Some(value)),
            None => new_null_array(data_type, nodes.len()),
        },
        DataType::Dictionary(_, values) => {
            let values = array(nodes, values)?;
            cast(&values, data_type).map_err(failed)?
        }
        DataType::RunEndEncoded(_, values) => {
            let values = array(nodes, values.data_type())?;
            cast(&values, data_type).map_err(failed)?
        }
        DataType::List(item) => {
            let (lengths, items) = items(&present, 0)?;
            let values = array(&items, item.data_type())?;
            let ends = OffsetBuffer::from_lengths(lengths);
            let lists = ListArray::try_new(Arc::clone(item), ends, values, Some(nulls));
            Arc::new(lists.map_err(failed)?)
        }
        DataType::LargeList(item) => {
            let (lengths, items) = items(&present, 0)?;
            let values = array(&items, item.data_type())?;
            let ends = OffsetBuffer::from_lengths(lengths);
            let lists = LargeListArray::try_new(Arc::clone(item), ends, values, Some(nulls));
            Arc::new(lists.map_err(failed)?)
        }
        DataType::ListView(item) => {
            let lists = array(nodes, &DataType::List(Arc::clone(item)))?;
            cast(&lists, data_type).map_err(failed)?
        }
        DataType::LargeListView(item) => {
            let lists = array(nodes, &DataType::LargeList(Arc::clone(item)))?;
            cast(&lists, data_type).map_err(failed)?
        }
        DataType::FixedSizeList(item, size) => {
            let length = usize::try_from(*size).unwrap_or_default();
            let (lengths, items) = items(&present, length)?;
            if let Some(row) = lengths.iter().position(|found| *found != length) {
                return Err(present[row]);
            }
            let values = array(&items, item.data_type())?;
            let item = Arc::clone(item);
            let lists = FixedSizeListArray::try_new(item, *size, values, Some(nulls));
            Arc::new(lists.map_err(failed)?)
        }
        DataType::Struct(fields) => structs(&present, fields, nulls)?,
        DataType::Map(entries, sorted) => maps(&present, entries, *sorted, nulls)?,
        simple => {
            let texts = present.iter().map(|node| match node {
                Some(node) => text_of(node, simple).map(Some).ok_or(Some(*node)),
                None => Ok(None),
            });
            let texts: Vec<Option<&str>> = texts.collect::<Result<_, _>>()?;
            scalars(&texts, simple).map_err(|row| row.and_then(|row| present[row]))?
        }
    };
    Ok(built)
}

fn is_value(node: &&Node) -> bool {
    !matches!(node.value, Yaml::Null(_))
}

type Nodes<'n> = Vec<Option<&'n Node>>;

/// How many items each list has, and the items of all; a missing list has `missing` of them.
fn items<'n>(
    lists: &[Option<&'n Node>],
    missing: usize,
) -> Result<(Vec<usize>, Nodes<'n>), Option<&'n Node>> {
    let (mut lengths, mut all) = (Vec::new(), Vec::new());
    for list in lists {
        let Some(node) = list else {
            lengths.push(missing);
            all.extend(std::iter::repeat_n(None, missing));
            continue;
        };
        let Yaml::List(items) = &node.value else {
            return Err(Some(node));
        };
        lengths.push(items.len());
        all.extend(items.iter().map(Some));
    }
    Ok((lengths, all))
}

fn structs<'n>(
    nodes: &[Option<&'n Node>],
    fields: &Fields,
    nulls: NullBuffer,
) -> Result<ArrayRef, Option<&'n Node>> {
    for node in nodes.iter().flatten() {
        match &node.value {
            Yaml::Map(members)
                if members
                    .iter()
                    .all(|(key, _)| fields.find(&key.name).is_some()) => {}
            _ => return Err(Some(node)),
        }
    }
    if fields.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(
            nodes.len(),
            Some(nulls),
        )));
    }
    let columns = fields.iter().map(|field| {
        let members: Nodes<'_> = nodes
            .iter()
            .map(|node| member(*node, field.name()))
            .collect();
        array(&members, field.data_type())
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let built = StructArray::try_new(fields.clone(), columns, Some(nulls));
    Ok(Arc::new(built.map_err(|_| None)?))
}

fn member<'n>(node: Option<&'n Node>, name: &str) -> Option<&'n Node> {
    let Yaml::Map(members) = &node?.value else {
        return None;
    };
    let (_, member) = members.iter().find(|(key, _)| key.name == name)?;
    Some(member)
}

fn maps<'n>(
    nodes: &[Option<&'n Node>],
    entries: &FieldRef,
    sorted: bool,
    nulls: NullBuffer,
) -> Result<ArrayRef, Option<&'n Node>> {
    let first = || nodes.iter().flatten().next().copied();
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(first());
    };
    let [key, value] = fields.as_ref() else {
        return Err(first());
    };
    let (mut lengths, mut keys, mut values, mut owners) = (vec![], vec![], vec![], vec![]);
    for node in nodes {
        let members = match node.map(|node| (node, &node.value)) {
            None => &[][..],
            Some((_, Yaml::Map(members))) => members.as_slice(),
            Some((node, _)) => return Err(Some(node)),
        };
        lengths.push(members.len());
        for (name, member) in members {
            keys.push(Some(name.name.as_str()));
            values.push(Some(member));
            owners.push(*node);
        }
    }
    let keys = scalars(&keys, key.data_type()).map_err(|row| row.and_then(|row| owners[row]))?;
    let values = array(&values, value.data_type())?;
    let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None);
    let pairs = pairs.map_err(|_| first())?;
    let ends = OffsetBuffer::from_lengths(lengths);
    let maps = MapArray::try_new(Arc::clone(entries), ends, pairs, Some(nulls), sorted);
    Ok(Arc::new(maps.map_err(|_| first())?))
}

/// The text of a value that a type of this kind may be written as: a number is no text, and a text is no number.
fn text_of<'n>(node: &'n Node, data_type: &DataType) -> Option<&'n str> {
    match (&node.value, data_type) {
        (Yaml::Bool(true, _), DataType::Boolean) => Some("true"),
        (Yaml::Bool(false, _), DataType::Boolean) => Some("false"),
        (Yaml::Int(text), number) if number.is_numeric() => Some(text),
        (Yaml::Float(number, text), floating) if floating.is_floating() => Some(match number {
            number if number.is_nan() => "NaN",
            &f64::INFINITY => "inf",
            &f64::NEG_INFINITY => "-inf",
            _ => text,
        }),
        (Yaml::Float(number, text), decimal) if decimal.is_decimal() => {
            number.is_finite().then_some(text.as_str())
        }
        (Yaml::Text(text, _), other)
            if !(other.is_integer() || other.is_floating() || *other == DataType::Boolean) =>
        {
            Some(text)
        }
        _ => None,
    }
}

/// Texts as values of a type that is not nested, or the row of the first that is none.
pub(super) fn scalars(
    texts: &[Option<&str>],
    data_type: &DataType,
) -> Result<ArrayRef, Option<usize>> {
    // Types that hold the same values as another, which texts are read as.
    let read_as = match data_type {
        DataType::Float16 => Some(DataType::Float32),
        DataType::BinaryView => Some(DataType::Binary),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            Some(DataType::Decimal128(*precision, *scale))
        }
        _ => None,
    };
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    match (data_type, read_as) {
        (_, Some(other)) => {
            let values = scalars(texts, &other)?;
            cast_with_options(&values, data_type, &strict).map_err(|_| None)
        }
        (DataType::Duration(unit), _) => {
            let counts = texts.iter().enumerate().map(|(row, text)| match text {
                Some(text) => duration(text, *unit).map(Some).ok_or(Some(row)),
                None => Ok(None),
            });
            let counts: Int64Array = counts.collect::<Result<Vec<_>, _>>()?.into();
            cast(&counts, data_type).map_err(|_| None)
        }
        (DataType::Interval(_), _) => {
            let texts: StringArray = texts.iter().copied().collect();
            cast_with_options(&texts, data_type, &strict).map_err(|_| None)
        }
        (DataType::Dictionary(_, values), _) => {
            cast(&scalars(texts, values)?, data_type).map_err(|_| None)
        }
        _ => transom_sql::text::column(texts.iter().copied(), data_type, Origin::Declared)
            .map_err(|misfit| Some(misfit.row)),
    }
}

/// A duration as it is shown, such as `-PT90.5S` or `P0D`, as the number of its units.
fn duration(text: &str, unit: TimeUnit) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text),
    };
    // Nothing is shown in days, all else in seconds.
    if text == "P0D" {
        return Some(0);
    }
    let text = text.strip_prefix("PT")?.strip_suffix('S')?;
    let digits = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let fits = !whole.is_empty() && is_number(whole) && is_number(fraction);
    // More digits than the unit has would be lost, unless they are zeros.
    let (kept, lost) = fraction.split_at_checked(fraction.len().min(digits))?;
    (fits && lost.chars().all(|c| c == '0')).then_some(())?;
    // The smallest number has no positive counterpart.
    let count: i128 = format!("{whole}{kept:0<digits$}").parse().ok()?;
    i64::try_from(sign * count).ok()
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DurationMicrosecondType, DurationSecondType};
    use arrow::util::display::array_value_to_string;

    use super::*;

    fn durations(texts: &[String], unit: TimeUnit) -> Result<ArrayRef, Option<usize>> {
        let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
        scalars(&texts, &DataType::Duration(unit))
    }

    #[test]
    fn durations_are_read_as_they_are_shown() {
        let counts = [0, 1, -1, 90_500_000, -86_400_000_000, 1_000_001];
        let unit = TimeUnit::Microsecond;
        let numbers = Int64Array::from(counts.to_vec());
        let given = cast(&numbers, &DataType::Duration(unit)).unwrap();
        let shown = (0..counts.len()).map(|row| array_value_to_string(&given, row).unwrap());
        let read = durations(&shown.collect::<Vec<_>>(), unit).unwrap();
        let read = read.as_primitive::<DurationMicrosecondType>();
        assert_eq!(read.values().to_vec(), counts);
    }

    #[test]
    fn a_text_that_is_no_duration_of_the_unit_is_refused() {
        for text in [
            "PT1.5S", "PT", "PTS", "PT1", "1S", "PT1,5S", "a day", "PT--1S",
        ] {
            let read = durations(&[text.to_owned()], TimeUnit::Second);
            assert!(read.is_err(), "{text}: {read:?}");
        }
        let read = durations(&["PT2.0S".to_owned()], TimeUnit::Second).unwrap();
        assert_eq!(read.as_primitive::<DurationSecondType>().value(0), 2);
    }
}
