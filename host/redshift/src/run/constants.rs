//! Rows that are written into an INSERT: their values are cast one by one. A plan for them would take longer than all else that a small
//! statement does.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Int32Array, Int64Array, NullArray, RecordBatch,
    StringArray, new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{CastKind, Expr, UnaryOperator, Value, Values};

use super::rows::{Given, mismatch};
use crate::catalog::{Column, Table};
use crate::error::{Error, Result};
use crate::types::show::Digits;
use crate::types::{Type, cast, parse};

/// Digits of a decimal at most.
const MOST_DIGITS: usize = 38;

/// The rows with all columns of a table; none if a value has to be computed.
pub(super) fn rows(
    table: &Table,
    given: &Given,
    values: &Values,
    digits: Digits,
) -> Result<Option<RecordBatch>> {
    let width = values.rows.first().map_or(0, |row| row.len());
    if values.rows.iter().any(|row| row.len() != width) {
        return Ok(None);
    }
    let mut columns = Vec::with_capacity(table.columns.len());
    for (column, place) in table.columns.iter().zip(&given.places) {
        let cells = match place.filter(|place| *place < width) {
            Some(place) => column_of(column, values, place, digits)?,
            None if column.default.is_none() => {
                Some(new_null_array(&column.data_type.arrow(), values.rows.len()))
            }
            None => None,
        };
        let Some(cells) = cells else {
            return Ok(None);
        };
        columns.push(cells);
    }
    let fields = table.columns.iter();
    let fields = fields.map(|column| column.data_type.field(&column.name));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(schema, columns).map_err(Error::internal)?;
    Ok(Some(batch))
}

/// The values at a place of all rows, as the column takes them.
fn column_of(
    column: &Column,
    values: &Values,
    place: usize,
    digits: Digits,
) -> Result<Option<ArrayRef>> {
    let mut cells = Vec::with_capacity(values.rows.len());
    for row in &values.rows {
        let Some((value, from)) = value(&row.content[place], digits)? else {
            return Ok(None);
        };
        if !cast::is_assignable(from, column.data_type) {
            return Err(mismatch(column, from));
        }
        let to = column.data_type;
        let mode = cast::Mode::Assignment;
        cells.push(cast::cast_with(&value, from, to, mode, digits)?);
    }
    let cells: Vec<&dyn Array> = cells.iter().map(AsRef::as_ref).collect();
    concat(&cells).map(Some).map_err(Error::internal)
}

/// A value that is written as it is, or as a cast of such a one, with its type.
fn value(expr: &Expr, digits: Digits) -> Result<Option<(ArrayRef, Type)>> {
    let known: (ArrayRef, Type) = match expr {
        Expr::Nested(inner) => return value(inner, digits),
        Expr::Value(literal) => match &literal.value {
            Value::Null => (Arc::new(NullArray::new(1)), Type::Unknown),
            Value::Boolean(flag) => (Arc::new(BooleanArray::from(vec![*flag])), Type::Bool),
            Value::SingleQuotedString(text) => {
                let text = StringArray::from(vec![text.as_str()]);
                (Arc::new(text), Type::Unknown)
            }
            Value::Number(digits, false) => return Ok(number(digits, false)),
            _ => return Ok(None),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match expr.as_ref() {
            Expr::Value(literal) => match &literal.value {
                Value::Number(digits, false) => return Ok(number(digits, true)),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        },
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type,
            array: false,
            format: None,
        } => {
            let (Some((inner, from)), Ok(to)) = (value(expr, digits)?, parse::sql(data_type, None))
            else {
                return Ok(None);
            };
            if !cast::is_allowed(from, to) {
                return Ok(None);
            }
            let mode = cast::Mode::Explicit;
            (cast::cast_with(&inner, from, to, mode, digits)?, to)
        }
        _ => return Ok(None),
    };
    Ok(Some(known))
}

/// A number as a literal of SQL has it: the smallest of INTEGER and BIGINT, or a decimal. Others are computed.
fn number(digits: &str, is_negative: bool) -> Option<(ArrayRef, Type)> {
    let sign = if is_negative { "-" } else { "" };
    let is_whole = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits.split_once('.') {
        None if is_whole(digits) => {
            let value: i64 = format!("{sign}{digits}").parse().ok()?;
            Some(match i32::try_from(value) {
                Ok(value) => (Arc::new(Int32Array::from(vec![value])), Type::Int4),
                Err(_) => (Arc::new(Int64Array::from(vec![value])), Type::Int8),
            })
        }
        Some((whole, rest)) if is_whole(whole) && is_whole(rest) => {
            let count = whole.len() + rest.len();
            if count > MOST_DIGITS {
                return None;
            }
            let value: i128 = format!("{sign}{whole}{rest}").parse().ok()?;
            let (precision, scale) = (u8::try_from(count).ok()?, u8::try_from(rest.len()).ok()?);
            let data_type = Type::Numeric(precision, scale);
            let value = Decimal128Array::from(vec![value]).with_data_type(data_type.arrow());
            Some((Arc::new(value), data_type))
        }
        _ => None,
    }
}
