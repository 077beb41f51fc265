//! `+ - * / %` and negation of whole numbers and decimals: the exact result, or an error.
//!
//! DataFusion's own operators wrap around (<https://github.com/apache/datafusion/issues/12140>), in constants too, which are folded
//! before there is a physical plan. So the operators of SQL become functions when a query is planned. Comparisons stay what they
//! are: pruning, joins and simplification work on those.

mod decimals;
mod integers;
mod operands;

use std::fmt;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result, internal_err, plan_datafusion_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::error::ValueError;
pub(crate) use decimals::{QUOTIENT_SCALE, digits, divided, rescaled};

/// An operator on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Add,
    Subtract,
    Multiply,
    /// With a quotient, which was rounded before.
    MultiplyRounded,
    Divide,
    /// Of whole numbers that have only a decimal in common: int64 and uint64. The quotient is cut, as theirs is.
    DivideWhole,
    Remainder,
}

impl Op {
    pub(crate) fn of(operator: Operator) -> Option<Self> {
        Some(match operator {
            Operator::Plus => Self::Add,
            Operator::Minus => Self::Subtract,
            Operator::Multiply => Self::Multiply,
            Operator::Divide => Self::Divide,
            Operator::Modulo => Self::Remainder,
            _ => return None,
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply | Self::MultiplyRounded => "*",
            Self::Divide | Self::DivideWhole => "/",
            Self::Remainder => "%",
        })
    }
}

/// Types of the operands, to which they are cast, and of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Types {
    pub(crate) left: DataType,
    pub(crate) right: DataType,
    pub(crate) result: DataType,
}

/// How `left op right` is computed here; `None` where it is left to DataFusion: floats, dates, intervals.
pub(crate) fn types(op: Op, left: &DataType, right: &DataType) -> Option<Types> {
    let (left, right) = (stored(left), stored(right));
    let (left, right) = match (left, right) {
        (DataType::Null, DataType::Null) => return None,
        (DataType::Null, other) => (other, other),
        (other, DataType::Null) => (other, other),
        both => both,
    };
    if left.is_integer() && right.is_integer() {
        let common = integers::common(left, right);
        let both = |result| Types {
            left: common.clone(),
            right: common.clone(),
            result,
        };
        return Some(match &common {
            DataType::Decimal128(..) => both(decimals::result(op, (20, 0), (20, 0))),
            _ => both(common.clone()),
        });
    }
    decimals::types(op, left, right)
}

/// The type of the values, however they are stored.
pub(crate) fn stored(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => stored(values),
        DataType::RunEndEncoded(_, values) => stored(values.data_type()),
        other => other,
    }
}

/// `left op right` as a function.
pub(crate) fn call(op: Op, left: Expr, right: Expr) -> Expr {
    ScalarUDF::from(Arithmetic::new(op)).call(vec![left, right])
}

/// Whether an operand was rounded: a quotient, or something made of one.
pub(crate) fn is_rounded(operand: &Expr) -> bool {
    operand
        .exists(|expr| {
            Ok(match expr {
                Expr::ScalarFunction(call) => {
                    let function = call.func.inner();
                    function
                        .downcast_ref::<Arithmetic>()
                        .is_some_and(|arithmetic| arithmetic.op == Op::Divide)
                }
                Expr::AggregateFunction(call) => call.func.name() == "avg",
                Expr::WindowFunction(call) => call.fun.name() == "avg",
                _ => false,
            })
        })
        .unwrap_or(false)
}

/// `-value` as a function.
pub(crate) fn negated(value: Expr) -> Expr {
    ScalarUDF::from(Negation::new()).call(vec![value])
}

/// Whether [`negated`] takes values of this type.
pub(crate) fn can_negate(data_type: &DataType) -> bool {
    data_type.is_signed_integer()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    op: Op,
    signature: Signature,
}

impl Arithmetic {
    fn new(op: Op) -> Self {
        Self {
            op,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn types(&self, arguments: &[DataType]) -> Result<Types> {
        let [left, right] = arguments else {
            return internal_err!("`{}` has two operands", self.op);
        };
        // A column of a union can turn out to be a float after the operator was planned.
        let floats = [stored(left), stored(right)];
        if floats.iter().any(|operand| operand.is_floating())
            && floats
                .iter()
                .all(|operand| operand.is_numeric() || operand.is_null())
        {
            return Ok(Types {
                left: DataType::Float64,
                right: DataType::Float64,
                result: DataType::Float64,
            });
        }
        types(self.op, left, right).ok_or_else(|| {
            plan_datafusion_err!(
                "{} {} {} is not defined",
                crate::type_name(left),
                self.op,
                crate::type_name(right)
            )
        })
    }
}

/// The names of the functions.
const NAMES: [&str; 8] = [
    "add",
    "subtract",
    "multiply",
    "multiply_rounded",
    "divide",
    "divide_whole",
    "remainder",
    "negate",
];

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        match self.op {
            Op::Add => "add",
            Op::Subtract => "subtract",
            Op::Multiply => "multiply",
            Op::MultiplyRounded => "multiply_rounded",
            Op::Divide => "divide",
            Op::DivideWhole => "divide_whole",
            Op::Remainder => "remainder",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let types = self.types(arguments)?;
        Ok(vec![types.left, types.right])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(self.types(arguments)?.result)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let [left, right] = arguments.args.as_slice() else {
            return internal_err!("`{}` has two operands", self.op);
        };
        let computed = match (left.data_type(), right.data_type()) {
            (left_type, _) if left_type.is_integer() => {
                integers::compute(self.op, left, right, &result)
            }
            (DataType::Decimal128(_, left_scale), DataType::Decimal128(_, right_scale)) => {
                decimals::compute(self.op, (left, left_scale), (right, right_scale), &result)
            }
            (DataType::Float64, _) => operands::plain(self.op, left, right).map_err(Failure::Other),
            _ => decimals::compute_wide(self.op, left, right, &result),
        };
        let name = |index: usize| {
            let name = arguments.arg_fields[index].name();
            let is_plain = matches!(arguments.args[index], ColumnarValue::Array(_))
                && name
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '_' || c == '.');
            // What is computed has the name of its operator.
            (is_plain && !NAMES.contains(&name.as_str()))
                .then(|| name.rsplit('.').next().unwrap_or(name).to_owned())
        };
        computed.map_err(|error| error.advised(self.op, name(0), name(1)))
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }

    /// As DataFusion calls a column that holds the operator's result.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [left, right] = arguments else {
            return internal_err!("`{}` has two operands", self.op);
        };
        Ok(format!(
            "{} {} {}",
            left.schema_name(),
            self.op,
            right.schema_name()
        ))
    }
}

/// Why two operands have no result.
#[derive(Debug)]
pub(crate) enum Failure {
    Overflow {
        left: String,
        right: String,
        result: DataType,
    },
    DivisionByZero {
        left: String,
    },
    Other(datafusion::error::DataFusionError),
}

impl Failure {
    fn advised(
        self,
        op: Op,
        left_name: Option<String>,
        right_name: Option<String>,
    ) -> datafusion::error::DataFusionError {
        match self {
            Self::Overflow {
                left,
                right,
                result,
            } => {
                let kind = match result.is_integer() {
                    true => "integer",
                    false => "decimal",
                };
                let left_name = left_name.unwrap_or_else(|| left.clone());
                let right_name = right_name.unwrap_or_else(|| right.clone());
                let wider = match result {
                    DataType::Int64 | DataType::UInt64 => "DECIMAL(38, 0)",
                    DataType::Decimal128(..) | DataType::Decimal256(..) => "DOUBLE",
                    _ => "BIGINT",
                };
                let message = format!(
                    "{kind} overflow: {left} {op} {right} does not fit {}",
                    crate::type_name(&result)
                );
                ValueError::overflow(&result, message)
                    .hint(format!("CAST({left_name} AS {wider}) {op} {right_name}"))
                    .into()
            }
            Self::DivisionByZero { left } => {
                let left_name = left_name.unwrap_or_else(|| left.clone());
                let right_name = right_name.unwrap_or_else(|| "divisor".to_owned());
                ValueError::division_by_zero(format!("division by zero: {left} {op} 0"))
                    .hint(format!(
                        "{left_name} {op} NULLIF({right_name}, 0) gives NULL instead"
                    ))
                    .into()
            }
            Self::Other(error) => error,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Negation {
    signature: Signature,
}

impl Negation {
    fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Negation {
    fn name(&self) -> &str {
        "negate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        integers::negate(&arguments.args[0], &result).map_err(|value| {
            let to = crate::type_name(&result);
            let message = format!("integer overflow: -({value}) does not fit {to}");
            ValueError::overflow(&result, message).into()
        })
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(format!("(- {})", arguments[0].schema_name()))
    }
}
