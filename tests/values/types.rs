//! Types as cases write them: the names of `transom_sql::type_name`, and those of how a column is stored.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

/// Reads a type.
pub(crate) fn parse(text: &str) -> Result<DataType, String> {
    let mut rest = text.trim();
    let found = one(&mut rest)?;
    match rest.trim() {
        "" => Ok(found),
        rest => Err(format!("`{rest}` after the type `{text}`")),
    }
}

fn one(rest: &mut &str) -> Result<DataType, String> {
    let name = word(rest);
    let arguments = if accept(rest, '(') {
        let (inside, after) = rest.split_once(')').ok_or("a bracket is not closed")?;
        *rest = after;
        inside
            .split(',')
            .map(|argument| argument.trim().to_owned())
            .collect()
    } else {
        Vec::new()
    };
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let number = |index: usize| {
        let text = argument(index).ok_or_else(|| format!("`{name}` needs a number"))?;
        text.parse()
            .map_err(|_| format!("`{text}` is not a number"))
    };
    let unit = || match argument(0) {
        None | Some("us") => Ok(TimeUnit::Microsecond),
        Some("s") => Ok(TimeUnit::Second),
        Some("ms") => Ok(TimeUnit::Millisecond),
        Some("ns") => Ok(TimeUnit::Nanosecond),
        Some(other) => Err(format!("`{other}` is not a unit")),
    };
    Ok(match name {
        "null" => DataType::Null,
        "bool" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float16" => DataType::Float16,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "utf8" => DataType::Utf8,
        "large_utf8" => DataType::LargeUtf8,
        "utf8_view" => DataType::Utf8View,
        "binary" if arguments.is_empty() => DataType::Binary,
        "binary" => DataType::FixedSizeBinary(number(0)?),
        "date" => DataType::Date32,
        "time" => match unit()? {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            unit => DataType::Time64(unit),
        },
        "duration" => DataType::Duration(unit()?),
        "timestamp" => DataType::Timestamp(unit()?, argument(1).map(Arc::from)),
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "interval" => DataType::Interval(match argument(0) {
            None => IntervalUnit::MonthDayNano,
            Some("months") => IntervalUnit::YearMonth,
            Some(_) => IntervalUnit::DayTime,
        }),
        "decimal" => {
            let precision: u8 = number(0)? as u8;
            DataType::Decimal128(precision, number(1)? as i8)
        }
        "dictionary" => {
            let values = within(rest, one)?;
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(values))
        }
        "list" => DataType::List(Arc::new(Field::new("item", within(rest, one)?, true))),
        "large_list" => DataType::LargeList(Arc::new(Field::new("item", within(rest, one)?, true))),
        "struct" => DataType::Struct(within(rest, |rest| {
            let mut fields = Vec::new();
            loop {
                let (name, after) = rest.split_once(':').ok_or("a field has no type")?;
                *rest = after;
                fields.push(Field::new(name.trim(), one(rest)?, true));
                if !accept(rest, ',') {
                    return Ok(Fields::from(fields));
                }
            }
        })?),
        "map" => {
            let (key, value) = within(rest, |rest| {
                let key = one(rest)?;
                if !accept(rest, ',') {
                    return Err("a map needs two types".to_owned());
                }
                Ok((key, one(rest)?))
            })?;
            let entries = Fields::from(vec![
                Field::new("keys", key, false),
                Field::new("values", value, true),
            ]);
            let entries = Field::new("entries", DataType::Struct(entries), false);
            DataType::Map(Arc::new(entries), false)
        }
        other => return Err(format!("there is no type `{other}`")),
    })
}

fn within<T>(
    rest: &mut &str,
    read: impl FnOnce(&mut &str) -> Result<T, String>,
) -> Result<T, String> {
    if !accept(rest, '<') {
        return Err("`<` is missing".to_owned());
    }
    let inner = read(rest)?;
    match accept(rest, '>') {
        true => Ok(inner),
        false => Err("`>` is missing".to_owned()),
    }
}

fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let end = text
        .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    *rest = &text[end..];
    &text[..end]
}

fn accept(rest: &mut &str, character: char) -> bool {
    match rest.trim_start().strip_prefix(character) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}
