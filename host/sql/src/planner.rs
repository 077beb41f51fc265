//! Operators of SQL as they are planned: checked arithmetic, dates with intervals, and no `^`.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr,
};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::arithmetic::{self, Op, is_rounded};
use crate::error::ValueError;
use crate::time::{between, days, micros, of_time, scaled};
use crate::unify::{self, is_date};

#[derive(Debug)]
pub(crate) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match expr.op {
            BinaryOperator::Plus => Op::Add,
            BinaryOperator::Minus => Op::Subtract,
            BinaryOperator::Multiply => Op::Multiply,
            BinaryOperator::Divide => Op::Divide,
            BinaryOperator::Modulo => Op::Remainder,
            // 8 in PostgreSQL, 1 in MySQL and DataFusion.
            BinaryOperator::BitwiseXor => {
                return Err(
                    ValueError::refused("`2 ^ 3` is 8 in some dialects and 1 in others")
                        .hint("write power(2, 3) for the power, (2 | 3) - (2 & 3) for the exclusive or")
                        .into(),
                );
            }
            BinaryOperator::StringConcat => {
                refuse_joined(&expr, schema)?;
                return Ok(PlannerResult::Original(expr));
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                return Ok(PlannerResult::Original(of_one_unit(expr, schema)));
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        let RawBinaryExpr {
            op: operator,
            left: left_expr,
            right: right_expr,
        } = expr;
        // As in PostgreSQL; DataFusion's dates drop the hours.
        let is_span = |data_type: &DataType| {
            matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
        };
        if is_date(&left) && is_span(&right) {
            return Ok(PlannerResult::Original(RawBinaryExpr {
                op: operator,
                left: cast(left_expr, micros()),
                right: right_expr,
            }));
        }
        if op == Op::Add && is_span(&left) && is_date(&right) {
            return Ok(PlannerResult::Original(RawBinaryExpr {
                op: operator,
                left: left_expr,
                right: cast(right_expr, micros()),
            }));
        }
        let is_moment = |data_type: &DataType| {
            is_date(data_type) || matches!(data_type, DataType::Timestamp(..))
        };
        let is_time =
            |data_type: &DataType| matches!(data_type, DataType::Time32(_) | DataType::Time64(_));
        let moment = |expr: Expr, data_type: &DataType| match is_date(data_type) {
            true => cast(expr, micros()),
            false => expr,
        };
        if is_moment(&left) && is_time(&right) && matches!(op, Op::Add | Op::Subtract) {
            return Ok(PlannerResult::Original(RawBinaryExpr {
                op: operator,
                left: moment(left_expr, &left),
                right: of_time(right_expr),
            }));
        }
        if is_time(&left) && is_moment(&right) && op == Op::Add {
            return Ok(PlannerResult::Original(RawBinaryExpr {
                op: operator,
                left: moment(right_expr, &right),
                right: of_time(left_expr),
            }));
        }
        if is_span(&left) && right.is_numeric() && matches!(op, Op::Multiply | Op::Divide) {
            return Ok(PlannerResult::Planned(scaled(op, left_expr, right_expr)));
        }
        if left.is_numeric() && is_span(&right) && op == Op::Multiply {
            return Ok(PlannerResult::Planned(scaled(op, right_expr, left_expr)));
        }
        if is_date(&left) && right.is_integer() && matches!(op, Op::Add | Op::Subtract) {
            return Ok(PlannerResult::Planned(days(op, left_expr, right_expr)));
        }
        if is_date(&left) && is_date(&right) && op == Op::Subtract {
            return Ok(PlannerResult::Planned(between(left_expr, right_expr)));
        }
        if left.is_integer() && is_date(&right) && op == Op::Add {
            return Ok(PlannerResult::Planned(days(op, right_expr, left_expr)));
        }
        if let Some(types) = arithmetic::types(op, &left, &right) {
            let op = match left.is_integer() && right.is_integer() && types.left.is_decimal() {
                true if op == Op::Divide => Op::DivideWhole,
                _ if op == Op::Multiply && (is_rounded(&left_expr) || is_rounded(&right_expr)) => {
                    Op::MultiplyRounded
                }
                _ => op,
            };
            // The digits of a constant are known; its type has 19.
            let (left_expr, right_expr) = match types.left.is_decimal()
                && types.right.is_decimal()
                && op != Op::DivideWhole
            {
                true => (narrowed(left_expr), narrowed(right_expr)),
                false => (left_expr, right_expr),
            };
            let call = arithmetic::call(op, left_expr, right_expr);
            return Ok(PlannerResult::Planned(call));
        }
        let (left_expr, right_expr) = match unify::number(&[left, right]) {
            Some(float) => (cast(left_expr, float.clone()), cast(right_expr, float)),
            None => (left_expr, right_expr),
        };
        Ok(PlannerResult::Original(RawBinaryExpr {
            op: operator,
            left: left_expr,
            right: right_expr,
        }))
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        refuse_missing(&expr, schema)?;
        Ok(PlannerResult::Original(expr))
    }
}

/// An error for a field that a struct does not have, with those that it has.
fn refuse_missing(expr: &RawFieldAccessExpr, schema: &DFSchema) -> Result<()> {
    let GetFieldAccess::NamedStructField { name } = &expr.field_access else {
        return Ok(());
    };
    let (Some(Some(name)), Ok(DataType::Struct(fields))) =
        (name.try_as_str(), expr.expr.get_type(schema))
    else {
        return Ok(());
    };
    if fields.find(name).is_some() {
        return Ok(());
    }
    let known = fields.iter().map(|field| format!("`{}`", field.name()));
    let known = known.collect::<Vec<_>>().join(", ");
    let value = match &expr.expr {
        Expr::Column(column) => format!("`{}`", column.name),
        _ => "the struct".to_owned(),
    };
    Err(ValueError::refused(format!("{value} has no field `{name}`; it has {known}")).into())
}

/// A comparison of times of day in the finer of two units: DataFusion has no type for both, and says so before rules see the expression.
fn of_one_unit(expr: RawBinaryExpr, schema: &DFSchema) -> RawBinaryExpr {
    let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
        return expr;
    };
    match unify::time_of_day(&[left, right]) {
        Some(finest) => RawBinaryExpr {
            op: expr.op,
            left: cast(expr.left, finest.clone()),
            right: cast(expr.right, finest),
        },
        None => expr,
    }
}

/// An error for a text and something nested that no text can be put into.
fn refuse_joined(expr: &RawBinaryExpr, schema: &DFSchema) -> Result<()> {
    let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
        return Ok(());
    };
    let takes =
        |list: &DataType| matches!(list, DataType::List(item) if item.data_type().is_string());
    match (left.is_string(), right.is_string()) {
        (true, false) if !takes(&right) => unify::refuse_nested(&right, &left),
        (false, true) if !takes(&left) => unify::refuse_nested(&left, &right),
        _ => Ok(()),
    }
}

/// A whole number in a query as a decimal of its digits.
fn narrowed(expr: Expr) -> Expr {
    match &expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => {
            let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
            match u8::try_from(digits) {
                Ok(digits) => cast(expr, DataType::Decimal128(digits, 0)),
                Err(_) => expr,
            }
        }
        _ => expr,
    }
}
