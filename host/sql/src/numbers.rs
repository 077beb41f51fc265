//! Types of numbers where DataFusion's would lose digits: whole numbers that are rounded, decimals that are compared.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use crate::arithmetic::{digits, stored};

/// `ceil`, `floor` and `trunc`: whole numbers stay what they are, where DataFusion makes floats of them. A decimal gets one digit more in
/// front of the point: 9.9 is 10.
pub(crate) fn rounded(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let has_digits = call.args.len() > 1;
    let Some(value) = call.args.first_mut() else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    let data_type = value.get_type(schema)?;
    let wider = match stored(&data_type) {
        integer if integer.is_integer() && !has_digits => {
            return Ok(Transformed::yes(call.args.swap_remove(0)));
        }
        // To tens or hundreds.
        integer if integer.is_integer() => DataType::Decimal128(20, 0),
        DataType::Decimal128(precision, scale)
            if *precision < DECIMAL128_MAX_PRECISION && call.func.name() != "trunc" =>
        {
            DataType::Decimal128(precision + 1, *scale)
        }
        _ => return Ok(Transformed::no(Expr::ScalarFunction(call))),
    };
    *value = cast(std::mem::take(value), wider);
    let call = Expr::ScalarFunction(call);
    Ok(Transformed::yes(match stored(&data_type) {
        integer if integer.is_integer() => cast(call, integer.clone()),
        _ => call,
    }))
}

/// `round` to a number of digits that is a constant. The type of the result depends on it, and would be another one once DataFusion has
/// folded it.
pub(crate) fn rounded_to(mut call: ScalarFunction) -> Result<Transformed<Expr>> {
    let Some(digits) = call.args.get_mut(1) else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    if digits.any_column_refs() || digits.is_volatile() {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    }
    let simplifier = ExprSimplifier::new(SimplifyContext::default());
    let schema = DFSchema::empty();
    let constant = simplifier.coerce(cast(digits.clone(), DataType::Int32), &schema);
    let constant = constant.and_then(|digits| simplifier.simplify(digits));
    Ok(match constant {
        Ok(constant @ Expr::Literal(ScalarValue::Int32(_), _)) => {
            *digits = constant;
            Transformed::yes(Expr::ScalarFunction(call))
        }
        _ => Transformed::no(Expr::ScalarFunction(call)),
    })
}

/// The type in which numbers are compared that no decimal of 38 digits holds; `None` if one does, or none of them is a decimal.
pub(crate) fn comparable(types: &[DataType]) -> Option<DataType> {
    let types = || {
        types
            .iter()
            .map(stored)
            .filter(|data_type| !data_type.is_null())
    };
    if !types().any(DataType::is_decimal) {
        return None;
    }
    let (mut whole, mut scale) = (0, 0);
    for data_type in types() {
        let (precision, of) = digits(data_type)?;
        whole = whole.max(precision.saturating_sub(of.unsigned_abs()));
        scale = scale.max(of);
    }
    (whole + scale.unsigned_abs() > DECIMAL128_MAX_PRECISION)
        .then_some(DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale))
}
