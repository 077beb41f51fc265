//! Mixtures and casts whose value SQL does not define: refused, with what to write.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::common::{is_date, is_timestamp};
use crate::arithmetic::stored;
use crate::casts::{self, Unfit};
use crate::error::ValueError;
use crate::keys;
use crate::type_name;
use crate::type_names::length;

pub(crate) fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

/// Where DataFusion takes 30 days and a month for different intervals.
pub(crate) fn refuse_interval(data_type: &DataType, by: &str) -> Result<()> {
    match keys::holds(data_type, &is_interval) {
        false => Ok(()),
        true => Err(ValueError::refused(format!(
            "{by} would take 1 month and 30 days for different intervals, which are equal in SQL"
        ))
        .hint("write date_part('epoch', ..) of the interval: its seconds")
        .into()),
    }
}

/// Numbers and dates have no type in common. DataFusion makes days of the numbers, or a count of the dates.
pub(super) fn refuse_mixture(types: &[DataType]) -> Result<()> {
    let find =
        |is: &dyn Fn(&DataType) -> bool| types.iter().find(|data_type| is(stored(data_type)));
    let moment = find(&|data_type| is_date(data_type) || is_timestamp(data_type));
    let number = find(&|data_type| data_type.is_numeric());
    match (moment, number) {
        (Some(moment), Some(number)) => Err(ValueError::refused(format!(
            "{} and {} have no type in common",
            type_name(moment),
            type_name(number)
        ))
        .hint("to_timestamp_seconds(..) makes a timestamp of a number, date_part('epoch', ..) a number of a timestamp")
        .into()),
        _ => Ok(()),
    }
}

/// Numbers as dates and the other way around: PostgreSQL has no such cast, and readers disagree about the unit.
pub(super) fn refuse_cast(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let from = cast.expr.get_type(schema)?;
    refuse_number_of_time(&from, cast.field.data_type())?;
    refuse_nested(&from, cast.field.data_type())?;
    Ok(match length(&cast.field)? {
        Some(length) => Transformed::yes(casts::cut(*cast.expr, length, Unfit::Error)),
        None => Transformed::no(Expr::Cast(cast)),
    })
}

pub(super) fn refuse_try_cast(cast: TryCast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let from = cast.expr.get_type(schema)?;
    refuse_number_of_time(&from, cast.field.data_type())?;
    refuse_nested(&from, cast.field.data_type())?;
    Ok(match length(&cast.field)? {
        Some(length) => Transformed::yes(casts::cut(*cast.expr, length, Unfit::Null)),
        None => Transformed::no(Expr::TryCast(cast)),
    })
}

pub(crate) fn refuse_number_of_time(from: &DataType, to: &DataType) -> Result<()> {
    let hint = match (stored(from), stored(to)) {
        (from, to) if from.is_numeric() && is_date(to) => "DATE '1970-01-01' + .. counts days",
        (from, to) if from.is_numeric() && is_timestamp(to) => {
            "to_timestamp_seconds(..) and to_timestamp_millis(..) count from 1970"
        }
        (from, to) if is_date(from) && to.is_numeric() => ".. - DATE '1970-01-01' counts days",
        (from, to) if is_timestamp(from) && to.is_numeric() => {
            "date_part('epoch', ..) counts seconds since 1970"
        }
        _ => return Ok(()),
    };
    Err(ValueError::refused(format!(
        "a cast from {} to {} does not say what the number counts",
        type_name(from),
        type_name(to)
    ))
    .hint(hint)
    .into())
}

/// Lists, structs and maps are no single value, and no single value is one of them. Arrow writes lists as it shows them to programmers, and
/// makes a list of one item of anything.
pub(crate) fn refuse_nested(from: &DataType, to: &DataType) -> Result<()> {
    let (from, to) = (stored(from), stored(to));
    if from.is_nested() == to.is_nested() || from.is_null() || to.is_null() {
        return Ok(());
    }
    let hint = match (from, to) {
        (DataType::Struct(fields), _) => match fields.first() {
            Some(field) => format!("name a field: x['{}']", field.name()),
            None => "it has no fields".to_owned(),
        },
        (DataType::Map(..), _) => "name a key: x['key']".to_owned(),
        (from, _) if from.is_nested() => {
            "array_to_string(x, ',') joins the items of a list, x[1] is the first of them"
                .to_owned()
        }
        (_, DataType::Struct(_)) => "named_struct('a', x, 'b', y) makes a struct".to_owned(),
        (_, DataType::Map(..)) => "MAP {'a': x, 'b': y} makes a map".to_owned(),
        _ => "make_array(x, y) makes a list, string_to_array(x, ',') one of the parts of a text"
            .to_owned(),
    };
    let (from, to) = (type_name(from), type_name(to));
    Err(ValueError::refused(format!("{from} is not cast to {to}"))
        .hint(hint)
        .into())
}
