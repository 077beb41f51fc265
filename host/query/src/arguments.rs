//! Arguments that plugins' functions do not take: which they are, and the cast to write.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use parking_lot::Mutex;
use transom_plugin::Accepts;
use transom_sql::lossless::{self, Fit};
use transom_sql::walk::visit_expressions;
use transom_sql::{can_cast, type_name};

/// Mistakes of one query, collected while it is planned: all are reported at once.
pub(crate) type Mistakes = Arc<Mutex<Vec<Mistake>>>;

/// A mistake of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mistake {
    /// An argument that the function does not take.
    Argument(ArgumentMistake),
    /// More or fewer arguments than it takes.
    Count(CountMistake),
}

/// A call with another number of arguments than the function takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CountMistake {
    /// `plugin.function`.
    pub(crate) function: String,
    /// The function with its arguments, as messages show it.
    pub(crate) usage: String,
    pub(crate) expected: usize,
    pub(crate) given: usize,
}

/// An argument of a call that the function does not take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArgumentMistake {
    /// `plugin.function`.
    pub(crate) function: String,
    /// Its place in the call, from 0.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) argument: String,
    pub(crate) accepts: Accepts,
    pub(crate) given: DataType,
    /// The value that is passed, where the query says it.
    pub(crate) constant: Option<ScalarValue>,
    /// The column that is passed, or the text of the expression in DataFusion's words.
    pub(crate) column: String,
}

/// A query passes arguments that functions do not take, or another number of them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct WrongArguments(pub Vec<WrongArgument>);

/// One of them.
#[derive(Debug, Clone)]
pub struct WrongArgument {
    /// `plugin.function`.
    pub function: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write in its place, if there is a cast to what the function takes.
    pub cast: Option<String>,
    /// Line, column and length of what is passed, or of the call, from 1; none where it is not found in the query.
    pub place: Option<(usize, usize, usize)>,
}

impl fmt::Display for WrongArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl WrongArguments {
    /// Finds the mistakes in the statement that they were made in.
    pub(crate) fn of(mistakes: &[Mistake], statement: &Statement) -> Self {
        let mut calls = Vec::new();
        if let Statement::Statement(statement) = statement {
            let _ = visit_expressions(statement.as_ref(), |expression| {
                if let Expr::Function(function) = expression {
                    calls.push(function.clone());
                }
                ControlFlow::<()>::Continue(())
            });
        }
        Self(
            mistakes
                .iter()
                .map(|mistake| match mistake {
                    Mistake::Argument(mistake) => mistake.placed(&calls),
                    Mistake::Count(mistake) => mistake.placed(&calls),
                })
                .collect(),
        )
    }
}

/// The calls of a function, with the place of its name.
fn calls_of<'a>(
    calls: &'a [Function],
    function: &'a str,
) -> impl Iterator<Item = (&'a Function, Span)> {
    calls.iter().filter_map(move |call| {
        let mut names = call.name.0.iter().filter_map(|part| part.as_ident());
        let name = names.find(|ident| ident.value == function)?;
        Some((call, name.span))
    })
}

impl CountMistake {
    fn placed(&self, calls: &[Function]) -> WrongArgument {
        let Self {
            function,
            usage,
            expected,
            given,
        } = self;
        let has_as_many = |call: &Function| match &call.args {
            FunctionArguments::List(list) => list.args.len() == *given,
            FunctionArguments::None => *given == 0,
            FunctionArguments::Subquery(_) => *given == 1,
        };
        let found = calls_of(calls, function).find(|(call, _)| has_as_many(call));
        let plural = if *expected == 1 { "" } else { "s" };
        WrongArgument {
            function: function.clone(),
            message: format!("`{usage}` takes {expected} argument{plural}, not {given}"),
            cast: None,
            place: found.and_then(|(_, name)| place(name)),
        }
    }
}

impl ArgumentMistake {
    fn placed(&self, calls: &[Function]) -> WrongArgument {
        let passed: Vec<&Expr> = calls_of(calls, &self.function)
            .map(|(call, _)| call)
            .filter_map(|call| argument(call, self.index))
            .collect();
        // A function may be called more than once; a column is known by its name.
        let is_passed = |expression: &&&Expr| match expression {
            Expr::Identifier(ident) => ident.value.eq_ignore_ascii_case(&self.column),
            Expr::CompoundIdentifier(parts) => parts
                .last()
                .is_some_and(|part| part.value.eq_ignore_ascii_case(&self.column)),
            _ => false,
        };
        let is_computed = |expression: &&&Expr| {
            !matches!(
                expression,
                Expr::Identifier(_) | Expr::CompoundIdentifier(_)
            )
        };
        let found = passed
            .iter()
            .find(is_passed)
            .or_else(|| passed.iter().find(is_computed))
            .or(passed.first())
            .copied();
        let cast = match &self.accepts {
            Accepts::Exact(to) if can_cast(&self.given, to, self.constant.as_ref()) => {
                found.and_then(|found| cast(found, &self.given, to))
            }
            _ => None,
        };
        let message = format!(
            "`{}` of `{}` must be {}, but the query passes {}",
            self.argument,
            self.function,
            accepts_name(&self.accepts),
            type_name(&self.given)
        );
        WrongArgument {
            function: self.function.clone(),
            message,
            cast,
            place: found.and_then(|found| place(found.span())),
        }
    }
}

fn argument(call: &Function, index: usize) -> Option<&Expr> {
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    match list.args.get(index)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    }
}

fn place(span: Span) -> Option<(usize, usize, usize)> {
    let to_usize = |number: u64| usize::try_from(number).ok().filter(|&number| number > 0);
    let (line, column) = (to_usize(span.start.line)?, to_usize(span.start.column)?);
    let length = match span.end.line == span.start.line {
        true => span.end.column.saturating_sub(span.start.column),
        false => 1,
    };
    Some((line, column, to_usize(length).unwrap_or(1)))
}

fn cast(expression: &Expr, from: &DataType, to: &DataType) -> Option<String> {
    cast_of(&expression.to_string(), from, to)
}

/// An expression as SQL casts it: `CAST(x AS INT)`. None where such a cast never works.
pub(crate) fn cast_of(expression: &str, from: &DataType, to: &DataType) -> Option<String> {
    let is_odd = from.is_nested() || to.is_nested() || matches!(to, DataType::Interval(_));
    if is_odd || !can_cast(from, to, None) {
        return None;
    }
    Some(match sql_type(to) {
        Some(sql) => format!("CAST({expression} AS {sql})"),
        None => format!("arrow_cast({expression}, '{to}')"),
    })
}

/// The name of a type in a cast, where SQL has one.
fn sql_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        _ => return None,
    })
}

/// What an argument may be, in the words of all messages.
pub(crate) fn accepts_name(accepts: &Accepts) -> String {
    match accepts {
        Accepts::Exact(data_type) => type_name(data_type),
        Accepts::Any => "of any type".to_owned(),
        Accepts::Numeric => "a number".to_owned(),
        Accepts::Temporal => "a date or time".to_owned(),
        Accepts::Text => "text".to_owned(),
    }
}

/// Whether a function takes an argument of a type. `constant` is its value, where the query says it: then that alone has to fit.
pub(crate) fn fits(accepts: &Accepts, given: &DataType, constant: Option<&ScalarValue>) -> bool {
    if *given == DataType::Null {
        return true;
    }
    match accepts {
        Accepts::Exact(expected) => {
            is_implied(given, expected)
                || constant.is_some_and(|value| {
                    value
                        .to_array()
                        .is_ok_and(|value| lossless::cast(&value, expected).is_ok())
                })
        }
        Accepts::Any => true,
        Accepts::Numeric => given.is_numeric(),
        Accepts::Temporal => given.is_temporal(),
        Accepts::Text => matches!(
            given,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        ),
    }
}

/// Whether a cast is made without being asked for. It never loses a value ([`lossless::cast`] looks at those that may not fit), but it is
/// not made either where most values would fit by chance: from a wide integer to a narrow one, from a fraction to a whole number, from
/// bytes to text. There the author of a query says that he means it.
fn is_implied(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Date32, Date64, Decimal32, Decimal64, Decimal128, Decimal256, Dictionary, Duration,
        FixedSizeList, Float64, LargeList, List, Map, Struct, Time32, Time64, Timestamp,
    };
    match lossless::fit(from, to) {
        None => false,
        Some(Fit::Always) => true,
        Some(Fit::IfNothingIsLost) => match (from, to) {
            (Dictionary(_, from), to) => is_implied(from, to),
            (from, Float64) => from.is_numeric(),
            (from, Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..)) => {
                from.is_integer() || from.is_decimal()
            }
            (Date32 | Date64 | Timestamp(..), Timestamp(..)) => true,
            (Date32 | Date64, Date32 | Date64) => true,
            (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
            (Duration(_), Duration(_)) => true,
            (List(from) | LargeList(from), List(to) | LargeList(to)) => {
                is_implied(from.data_type(), to.data_type())
            }
            (FixedSizeList(from, _), FixedSizeList(to, _)) => {
                is_implied(from.data_type(), to.data_type())
            }
            (Map(from, _), Map(to, _)) => is_implied(from.data_type(), to.data_type()),
            (Struct(from), Struct(to)) => to.iter().all(|field| {
                let given = from.find(field.name());
                given.is_none_or(|(_, given)| is_implied(given.data_type(), field.data_type()))
            }),
            _ => false,
        },
    }
}

/// Types that a transform may want a column in that it did not take as it is: those that it is cast to without being asked, the most
/// usual first.
pub(crate) fn other_types(given: &DataType) -> impl Iterator<Item = DataType> + use<> {
    let usual = usual_types(given);
    let given = given.clone();
    usual.filter(move |other| *other != given && is_implied(&given, other))
}

/// Types that a column may be read as, the most usual first: plain ones, of numbers all decimals, of long lists short ones.
pub(crate) fn usual_types(given: &DataType) -> impl Iterator<Item = DataType> + use<> {
    use DataType::{
        Binary, Boolean, Date32, Decimal128, Duration, Float32, Float64, Int8, Int16, Int32, Int64,
        LargeBinary, LargeUtf8, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
    };
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let utc = || Some("UTC".into());
    let item = match given {
        DataType::LargeList(item) => Some(DataType::List(Arc::clone(item))),
        _ => None,
    };
    let plain = [
        Int64,
        Int32,
        Int16,
        UInt64,
        UInt32,
        UInt16,
        Float64,
        Float32,
        Utf8,
        LargeUtf8,
        Binary,
        LargeBinary,
        Date32,
        Timestamp(Microsecond, None),
        Timestamp(Nanosecond, None),
        Timestamp(Millisecond, None),
        Timestamp(Second, None),
        Timestamp(Microsecond, utc()),
        Timestamp(Nanosecond, utc()),
        Timestamp(Millisecond, utc()),
        Timestamp(Second, utc()),
        Time64(Microsecond),
        Time64(Nanosecond),
        Time32(Millisecond),
        Time32(Second),
        Duration(Microsecond),
        Duration(Nanosecond),
        Duration(Millisecond),
        Duration(Second),
        Boolean,
        Int8,
        UInt8,
    ];
    let digits: u8 = match given.is_numeric() || *given == Utf8 || *given == DataType::Null {
        true => 38,
        // No decimal is made of it.
        false => 0,
    };
    let decimals = (1..=digits).rev().flat_map(|precision: u8| {
        (0..=precision.cast_signed()).map(move |scale| Decimal128(precision, scale))
    });
    plain.into_iter().chain(item).chain(decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_cast_only_where_nothing_is_lost() {
        let exact = |data_type: DataType| Accepts::Exact(data_type);
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let plain = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (accepts, given, fit) in [
            (exact(DataType::Float64), DataType::Int64, true),
            (exact(DataType::Float64), DataType::Decimal128(10, 2), true),
            (exact(DataType::Float32), DataType::Float64, false),
            (exact(DataType::Int64), DataType::Int32, true),
            (exact(DataType::Int64), DataType::UInt64, false),
            (exact(DataType::Int64), DataType::Float64, false),
            (exact(DataType::Int64), DataType::Decimal128(10, 2), false),
            (exact(DataType::Int32), DataType::Int64, false),
            (exact(DataType::Int64), DataType::Utf8, false),
            (exact(DataType::Utf8), DataType::Utf8View, true),
            (exact(DataType::Utf8), DataType::Int64, false),
            (exact(DataType::Utf8), DataType::Binary, false),
            (exact(DataType::Decimal128(12, 2)), DataType::Int64, true),
            (
                exact(DataType::Decimal128(10, 2)),
                DataType::Decimal128(18, 4),
                true,
            ),
            (exact(DataType::Decimal128(10, 2)), DataType::Float64, false),
            (exact(zoned.clone()), plain.clone(), false),
            (exact(micros.clone()), plain.clone(), true),
            (exact(micros), zoned.clone(), false),
            (exact(plain), DataType::Date32, true),
            (exact(DataType::Int64), DataType::Null, true),
            (Accepts::Temporal, zoned, true),
            (Accepts::Text, DataType::Int64, false),
            (Accepts::Numeric, DataType::Decimal128(10, 2), true),
        ] {
            assert_eq!(fits(&accepts, &given, None), fit, "{accepts} from {given}");
        }
    }

    #[test]
    fn a_column_is_offered_in_the_types_that_hold_all_its_values() {
        let others = |given: DataType| {
            let names = other_types(&given).map(|other| type_name(&other));
            names.collect::<Vec<_>>().join(" ")
        };
        assert!(others(DataType::Int32).starts_with("int64 float64 decimal(38,0)"));
        assert!(others(DataType::Int64).starts_with("float64 decimal(38,0)"));
        assert_eq!(others(DataType::LargeUtf8), "utf8");
        let of_decimals = others(DataType::Decimal128(10, 2));
        assert!(of_decimals.starts_with("float64 decimal(38,0)"));
        assert!(of_decimals.contains("decimal(9,2)") && !of_decimals.contains("decimal(10,2)"));
        assert_eq!(others(DataType::Boolean), "");
        let zoned = DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into()));
        assert!(others(zoned).starts_with("timestamptz "), "UTC first");
    }

    #[test]
    fn a_constant_fits_by_its_value() {
        let int32 = Accepts::Exact(DataType::Int32);
        let fit = |value: i64| fits(&int32, &DataType::Int64, Some(&ScalarValue::from(value)));
        assert!(fit(7));
        assert!(!fit(1 << 40));
    }
}
