//! Parquet files into a table: column by column, by place, with the types that the table has.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Schema, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use super::copy::Target;
use super::parquet_schema::{is_int96, moments, stored};
use super::records::{replaced, replacement};
use super::source::Source;
use crate::catalog::Column;
use crate::error::{self, Error, Result};
use crate::syntax::Options;
use crate::types::cast::{Mode, cast, plain};
use crate::types::json::Json;
use crate::types::{Type, read, show};

/// Bytes of a text within a SUPER value.
const SUPER_TEXT: usize = 65_535;

/// Hands the rows of a file over until they are not wanted any more.
pub(super) fn read(
    target: &Target,
    source: &Source,
    bytes: Bytes,
    options: &Options,
    mut hand_over: impl FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let replace_invalid = replacement(options)?;
    // Hints of Arrow's writers do not count: Redshift reads what Parquet itself says.
    let reader_options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let footer = ArrowReaderMetadata::load(&bytes, reader_options.clone())
        .map_err(|error| source.unreadable(error))?;
    let columns = target.columns();
    let fields = footer.schema().fields().clone();
    let schema = footer.metadata().file_metadata().schema_descr_ptr();
    let is_int96: Vec<bool> = schema
        .root_schema()
        .get_fields()
        .iter()
        .map(|field| is_int96(field))
        .collect();
    let counts = (columns.len(), fields.len());
    let is_filled = options.has("fillrecord") && fields.len() < columns.len();
    if counts.0 != counts.1 && !is_filled {
        return Err(Error::new(
            &error::COPY_COLUMN_COUNT,
            &[&counts.0, &counts.1, &source.url],
        ));
    }
    for ((column, field), is_int96) in columns.iter().zip(&fields).zip(&is_int96) {
        if !fits(field.data_type(), *is_int96, column.data_type) {
            let names = (column.data_type.name(), field.data_type());
            return Err(Error::new(
                &error::COPY_INCOMPATIBLE,
                &[&source.url, &column.name, &names.0, names.1],
            ));
        }
    }
    let footer = stored(footer.metadata())
        .and_then(|footer| ArrowReaderMetadata::try_new(Arc::new(footer), reader_options))
        .map_err(|error| source.unreadable(error))?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, footer)
        .with_batch_size(8_192)
        .build();
    for batch in reader.map_err(|error| source.unreadable(error))? {
        let batch = batch.map_err(|error| match error.to_string().contains("non UTF-8") {
            // The reader gives no bytes of a column of texts that are none.
            true if replace_invalid.is_some() => {
                Error::not_yet("ACCEPTINVCHARS of columns that Parquet declares as texts")
            }
            true => invalid_text(source),
            false => source.unreadable(error),
        })?;
        let rows = batch.num_rows();
        let arrays = columns
            .iter()
            .enumerate()
            .map(|(at, column)| match is_int96.get(at) {
                Some(true) => value(&moments(batch.column(at))?, column, source, replace_invalid),
                Some(false) => value(batch.column(at), column, source, replace_invalid),
                None => Ok(new_null_array(&column.data_type.arrow(), rows)),
            });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        if !hand_over(target.batch(arrays, rows)?) {
            return Ok(());
        }
    }
    Ok(())
}

/// Which types of Parquet a column takes. Whole numbers keep their width, decimals their digits.
fn fits(from: &DataType, is_int96: bool, to: Type) -> bool {
    match (from, to) {
        (DataType::Boolean, Type::Bool)
        | (DataType::Int8 | DataType::Int16 | DataType::Int32, Type::Int2 | Type::Int4)
        | (DataType::Int64, Type::Int8)
        | (DataType::Float32, Type::Float4)
        | (DataType::Float64, Type::Float8)
        | (DataType::Date32, Type::Date)
        | (
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
            Type::Char(_) | Type::Varchar(_),
        )
        | (DataType::Binary | DataType::LargeBinary | DataType::BinaryView, Type::Varbyte(_))
        | (_, Type::Super) => true,
        // Text without its annotation.
        (DataType::Binary | DataType::BinaryView, Type::Varchar(_)) => true,
        (DataType::Decimal128(precision, scale), Type::Numeric(p, s)) => {
            *precision == p && u8::try_from(*scale) == Ok(s)
        }
        // INT96 has nanoseconds; INT64 must not.
        (DataType::Timestamp(unit, _), Type::Timestamp | Type::TimestampTz) => match unit {
            TimeUnit::Nanosecond => is_int96,
            _ => true,
        },
        _ => false,
    }
}

fn value(
    array: &ArrayRef,
    column: &Column,
    source: &Source,
    replace_invalid: Option<char>,
) -> Result<ArrayRef> {
    let to = column.data_type;
    match (array.data_type(), to) {
        (_, Type::Super) => return as_json(array),
        (DataType::Timestamp(unit, _), _) => return timestamps(array, *unit, to),
        (DataType::Date32, _) => {
            let mut days = array.as_primitive::<Date32Type>().iter().flatten();
            return match days.find(|day| show::calendar(*day).is_none()) {
                Some(day) => Err(out_of_range(&show::date(day))),
                None => Ok(Arc::clone(array)),
            };
        }
        _ => {}
    }
    let array = match (array.data_type(), to) {
        (DataType::Binary | DataType::BinaryView, Type::Varchar(_)) => {
            texts(array, source, replace_invalid)?
        }
        _ => plain(array)?,
    };
    let from = Type::of_arrow(array.data_type()).unwrap_or(to);
    if let Type::Char(length) | Type::Varchar(length) = to {
        let texts = array.as_string::<i32>();
        let longest = (0..texts.len())
            .map(|row| texts.value_length(row))
            .max()
            .unwrap_or(0);
        if longest as u32 > length {
            return Err(Error::new(
                &error::COPY_LENGTH,
                &[&column.name, &length, &longest, &source.url],
            ));
        }
        // What is short enough is taken over as it is; CHAR keeps no blanks.
        if matches!(to, Type::Varchar(_)) {
            return Ok(array);
        }
    }
    // A file can hold more digits than its type has.
    if let Type::Numeric(precision, _) = to {
        let numbers = array.as_primitive::<Decimal128Type>().iter().flatten();
        for number in numbers {
            read::fits(number, precision)?;
        }
    }
    cast(&array, from, to, Mode::Assignment)
}

fn out_of_range(moment: &str) -> Error {
    Error::new(&error::DATE_RANGE, &[&moment])
}

/// Timestamps of a file as those of a column. Zones of the file do not matter: its values are moments.
fn timestamps(array: &ArrayRef, unit: TimeUnit, to: Type) -> Result<ArrayRef> {
    let micros: TimestampMicrosecondArray = match unit {
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().clone(),
        TimeUnit::Millisecond => {
            let millis = array.as_primitive::<TimestampMillisecondType>().iter();
            let micros = millis.map(|millis| match millis {
                None => Ok(None),
                Some(millis) => match millis.checked_mul(1_000) {
                    Some(micros) => Ok(Some(micros)),
                    None => Err(out_of_range(&format!("millisecond {millis}"))),
                },
            });
            micros.collect::<Result<TimestampMicrosecondArray>>()?
        }
        other => return Err(Error::internal(format_args!("timestamps in {other:?}"))),
    };
    let mut moments = micros.iter().flatten();
    if let Some(beyond) = moments.find(|micros| show::moment(*micros).is_none()) {
        return Err(out_of_range(&show::timestamp(beyond)));
    }
    let zone: Option<Arc<str>> = (to == Type::TimestampTz).then(|| "UTC".into());
    Ok(Arc::new(micros.with_timezone_opt(zone)))
}

fn invalid_text(source: &Source) -> Error {
    Error::new(&error::COPY_TEXT, &[&source.url])
}

/// Bytes as the texts that they are. A cast would make NULL of what is no UTF-8.
fn texts(array: &ArrayRef, source: &Source, replace_invalid: Option<char>) -> Result<ArrayRef> {
    let array = plain(array)?;
    let texts = array.as_binary::<i32>().iter().map(|bytes| {
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        match (std::str::from_utf8(bytes), replace_invalid) {
            (Ok(text), _) => Ok(Some(text.to_owned())),
            (Err(_), Some(with)) => Ok(Some(replaced(bytes, with))),
            (Err(_), None) => Err(invalid_text(source)),
        }
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// Values as JSON: texts become strings, they are not parsed.
fn as_json(array: &ArrayRef) -> Result<ArrayRef> {
    let schema = Schema::new(vec![Field::new("v", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(array)]);
    let batch = batch.map_err(Error::internal)?;
    let mut lines = Vec::new();
    let mut writer = arrow::json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow::json::writer::LineDelimited>(&mut lines);
    writer
        .write(&batch)
        .and_then(|()| writer.finish())
        .map_err(Error::internal)?;
    drop(writer);
    let text = String::from_utf8_lossy(&lines);
    let values = text.lines().map(|line| {
        // `{"v":..}`
        let value = line.get(5..line.len().saturating_sub(1)).unwrap_or("null");
        match value {
            "null" => Ok(None),
            value if longest_text(value)? > SUPER_TEXT => {
                Err(Error::new(&error::COPY_SUPER_LENGTH, &[]))
            }
            value => Ok(Some(value.to_owned())),
        }
    });
    Ok(Arc::new(values.collect::<Result<StringArray>>()?))
}

fn longest_text(json: &str) -> Result<usize> {
    fn longest(value: &Json) -> usize {
        match value {
            Json::Text(text) => text.len(),
            Json::Array(items) => items.iter().map(longest).max().unwrap_or(0),
            Json::Object(entries) => {
                let values = entries.iter().map(|(_, value)| longest(value));
                values.max().unwrap_or(0)
            }
            _ => 0,
        }
    }
    if json.len() <= SUPER_TEXT {
        return Ok(0);
    }
    Ok(longest(&crate::functions::parsed(json)?))
}
