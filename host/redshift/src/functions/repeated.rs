//! REPEAT, LPAD and RPAD, whose texts are no longer than a VARCHAR can be. Those of DataFusion may be, and take no numbers for texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{Arguments, scalar};
use crate::error::{self, Error, Result};
use crate::types::{MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);
/// Bytes of a text.
const MOST: usize = MAX_VARCHAR as usize;
/// Bytes of all texts of a batch of rows.
const AT_ONCE: usize = 256 << 20;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar("redshift_repeat", types, |columns, _, _| {
            by_length("repeat", columns, |text, count, _| repeated(text, count))
        }),
        scalar("redshift_lpad", types, |columns, _, _| {
            by_length("lpad", columns, |text, length, fill| {
                let (text, filling) = padded(text, length, fill)?;
                Some(filling + &text)
            })
        }),
        scalar("redshift_rpad", types, |columns, _, _| {
            by_length("rpad", columns, |text, length, fill| {
                let (text, filling) = padded(text, length, fill)?;
                Some(text + &filling)
            })
        }),
    ]
}

fn types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    if arguments.types.contains(&Type::Super) {
        return Err(Error::not_yet("REPEAT, LPAD and RPAD of SUPER values").hint("cast to VARCHAR"));
    }
    let mut types = vec![TEXT, Type::Int8];
    types.extend(arguments.types.get(2).map(|_| TEXT));
    Ok((types, TEXT))
}

/// Texts that are computed of a text, a length and what fills it. None is one that is too long.
fn by_length(
    name: &str,
    columns: &[ArrayRef],
    compute: impl Fn(&str, usize, &str) -> Option<String>,
) -> Result<ArrayRef> {
    let texts = columns[0].as_string::<i32>();
    let lengths = columns[1].as_primitive::<Int64Type>();
    let fills = columns.get(2).map(|column| column.as_string::<i32>());
    let mut bytes = 0;
    let computed = (0..texts.len()).map(|row| {
        if columns.iter().any(|column| column.is_null(row)) {
            return Ok(None);
        }
        // Less than nothing is nothing.
        let length = usize::try_from(lengths.value(row)).unwrap_or(0);
        let fill = fills.map_or(" ", |fills| fills.value(row));
        let text = compute(texts.value(row), length, fill).filter(|text| text.len() <= MOST);
        let text = text.ok_or_else(|| Error::new(&error::TEXT_LIMIT, &[&name]))?;
        bytes += text.len();
        match bytes <= AT_ONCE {
            true => Ok(Some(text)),
            false => Err(Error::not_yet(format_args!(
                "more than {AT_ONCE} bytes of {name} for a batch of rows"
            ))),
        }
    });
    Ok(Arc::new(computed.collect::<Result<StringArray>>()?))
}

fn repeated(text: &str, count: usize) -> Option<String> {
    let bytes = text.len().checked_mul(count)?;
    (bytes <= MOST).then(|| text.repeat(count))
}

/// The text in so many characters, and what fills it up.
fn padded(text: &str, length: usize, fill: &str) -> Option<(String, String)> {
    let text: String = text.chars().take(length).collect();
    let missing = match fill.is_empty() {
        true => 0,
        false => length - text.chars().count(),
    };
    let filling = || fill.chars().cycle().take(missing).collect();
    (missing <= MOST).then(|| (text, filling()))
}
