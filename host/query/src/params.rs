//! Typed `$name` parameters in SQL.
//!
//! A parameter becomes a literal of its type in the parsed statement, never in the text: nothing in a value can change the
//! statement, and the planner sees a constant from the start.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{CastKind, DataType as SqlType, Expr, Value, ValueWithSpan};
use datafusion::sql::sqlparser::tokenizer::Span;
use transom_sql::walk::visit_expressions_mut;

/// Values by name, without the `$`.
pub type Params = BTreeMap<String, ScalarValue>;

/// SQL uses a parameter that is not declared.
#[derive(Debug, Clone, thiserror::Error)]
#[error("unknown variable `${name}`")]
pub struct UnknownParam {
    /// The name without the `$`.
    pub name: String,
}

/// Puts the parameters into the statement.
pub(crate) fn bind(statement: &mut Statement, params: &Params) -> Result<(), DataFusionError> {
    let Statement::Statement(statement) = statement else {
        return Ok(());
    };
    let outcome = visit_expressions_mut(statement.as_mut(), |expr| {
        let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(placeholder),
            ..
        }) = &*expr
        else {
            return ControlFlow::Continue(());
        };
        let name = placeholder.trim_start_matches('$').to_owned();
        match params.get(&name).map(literal) {
            Some(Ok(value)) => {
                *expr = value;
                ControlFlow::Continue(())
            }
            Some(Err(error)) => ControlFlow::Break(error),
            None => ControlFlow::Break(DataFusionError::External(Box::new(UnknownParam { name }))),
        }
    });
    match outcome {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// `CAST('value' AS type)`, which the planner folds to a constant.
fn literal(value: &ScalarValue) -> Result<Expr, DataFusionError> {
    use datafusion::sql::sqlparser::ast::{ExactNumberInfo, TimezoneInfo};
    let sql_type = match value {
        ScalarValue::Boolean(_) => SqlType::Boolean,
        ScalarValue::Int64(_) => SqlType::BigInt(None),
        ScalarValue::Float64(_) => SqlType::Double(ExactNumberInfo::None),
        ScalarValue::Utf8(_) => SqlType::Varchar(None),
        ScalarValue::Date32(_) => SqlType::Date,
        ScalarValue::TimestampNanosecond(..) | ScalarValue::TimestampMicrosecond(..) => {
            SqlType::Timestamp(None, TimezoneInfo::None)
        }
        ScalarValue::Decimal128(_, precision, scale) => SqlType::Decimal(
            ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)),
        ),
        other => {
            return Err(DataFusionError::Plan(format!(
                "a variable cannot have type {}",
                other.data_type()
            )));
        }
    };
    let inner = match value.is_null() {
        true => Value::Null,
        // As Arrow shows it: a `ScalarValue` shows a time as a number.
        false => match value.cast_to(&DataType::Utf8)? {
            ScalarValue::Utf8(Some(text)) => Value::SingleQuotedString(text),
            other => return Err(DataFusionError::Plan(format!("{other} is no text"))),
        },
    };
    Ok(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(ValueWithSpan {
            value: inner,
            span: Span::empty(),
        })),
        data_type: sql_type,
        array: false,
        format: None,
    })
}
