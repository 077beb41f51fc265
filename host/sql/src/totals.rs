//! `sum` and `avg` of whole numbers and decimals: exact totals, and an error where the result does not fit.
//!
//! DataFusion's `sum` wraps around (<https://github.com/apache/datafusion/issues/12140>), its `avg` cuts decimals off. Totals here have
//! twice the digits of what is added: no order of rows, partitions or frames of a window changes what comes out, and whether. Other
//! types (floats, durations, intervals) are DataFusion's.

mod accumulators;
mod lists;

use std::sync::Arc;

use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Int64Type, UInt64Type,
};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::functions_aggregate::average::Avg;
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility,
};

use crate::arithmetic::QUOTIENT_SCALE;
pub(crate) use lists::lists;

use accumulators::{Distinct, Groups, Input, Total};

/// What is made of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Sum,
    Average,
}

/// `sum` and `avg`.
pub(crate) fn functions() -> [Arc<AggregateUDF>; 2] {
    let function = |outcome, others: AggregateUDF| {
        Arc::new(AggregateUDF::from(TotalFunction {
            outcome,
            others,
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: match outcome {
                Outcome::Sum => vec![],
                Outcome::Average => vec!["mean".to_owned()],
            },
        }))
    };
    [
        function(Outcome::Sum, AggregateUDF::from(Sum::new())),
        function(Outcome::Average, AggregateUDF::from(Avg::new())),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TotalFunction {
    outcome: Outcome,
    /// DataFusion's function for the types that are none of ours.
    others: AggregateUDF,
    signature: Signature,
    aliases: Vec<String>,
}

/// Calls a generic function for the type of the values that are added.
macro_rules! for_input {
    ($data_type:expr, $function:ident ( $($argument:expr),* ), $else:expr) => {
        match $data_type {
            DataType::Int64 => $function::<Int64Type>($($argument),*),
            DataType::UInt64 => $function::<UInt64Type>($($argument),*),
            DataType::Decimal128(..) => $function::<Decimal128Type>($($argument),*),
            DataType::Decimal256(..) => $function::<Decimal256Type>($($argument),*),
            _ => $else,
        }
    };
}

fn is_ours(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int64 | DataType::UInt64 | DataType::Decimal128(..) | DataType::Decimal256(..)
    )
}

fn total<T: Input>(outcome: Outcome, args: &AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
    let input = args.expr_fields[0].data_type();
    let result = args.return_field.data_type();
    Ok(match args.is_distinct {
        true => Box::new(Distinct::<T>::new(outcome, input, result)),
        false => Box::new(Total::<T>::new(outcome, input, result)),
    })
}

fn groups<T: Input>(
    outcome: Outcome,
    args: &AccumulatorArgs<'_>,
) -> Result<Box<dyn GroupsAccumulator>> {
    let input = args.expr_fields[0].data_type();
    let result = args.return_field.data_type();
    Ok(Box::new(Groups::<T>::new(outcome, input, result)))
}

fn state_type<T: Input>(input: &DataType) -> DataType {
    T::state_type(input)
}

impl AggregateUDFImpl for TotalFunction {
    fn name(&self) -> &str {
        match self.outcome {
            Outcome::Sum => "sum",
            Outcome::Average => "avg",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return plan_err!("`{}` takes one argument", self.name());
        };
        let mut argument = argument;
        while let DataType::Dictionary(_, values) = argument {
            argument = values;
        }
        Ok(vec![match argument {
            integer if integer.is_signed_integer() => DataType::Int64,
            integer if integer.is_unsigned_integer() => DataType::UInt64,
            float if float.is_floating() => DataType::Float64,
            DataType::Null if self.outcome == Outcome::Sum => DataType::Int64,
            DataType::Null => DataType::Float64,
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                DataType::Decimal128(*precision, *scale)
            }
            DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Duration(_) => {
                argument.clone()
            }
            DataType::Interval(_) if self.outcome == Outcome::Sum => argument.clone(),
            other => {
                return plan_err!(
                    "`{}` takes numbers, not {}; write a CAST",
                    self.name(),
                    crate::type_name(other)
                );
            }
        }])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match (self.outcome, &arguments[0]) {
            (Outcome::Average, DataType::Int64 | DataType::UInt64) => Ok(DataType::Float64),
            (Outcome::Average, DataType::Decimal128(_, scale)) => {
                Ok(DataType::Decimal128(38, (*scale).max(QUOTIENT_SCALE)))
            }
            (Outcome::Average, DataType::Decimal256(_, scale)) => {
                Ok(DataType::Decimal256(76, (*scale).max(QUOTIENT_SCALE)))
            }
            _ => self.others.return_type(arguments),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        for_input!(
            args.expr_fields[0].data_type(),
            total(self.outcome, &args),
            self.others.accumulator(args)
        )
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        for_input!(
            args.expr_fields[0].data_type(),
            total(self.outcome, &args),
            self.others.create_sliding_accumulator(args)
        )
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let input = args.input_fields[0].data_type();
        if !is_ours(input) {
            return self.others.state_fields(args);
        }
        let name = |part: &str| format_state_name(args.name, part);
        if args.is_distinct {
            let item = Field::new_list_field(input.clone(), true);
            return Ok(vec![Arc::new(Field::new_list(
                name("distinct"),
                item,
                false,
            ))]);
        }
        let total = for_input!(input, state_type(input), return internal_err!("{input}"));
        Ok(vec![
            Arc::new(Field::new(name("total"), total, true)),
            Arc::new(Field::new(name("count"), DataType::UInt64, true)),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match is_ours(args.expr_fields[0].data_type()) {
            true => !args.is_distinct,
            false => self.others.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        for_input!(
            args.expr_fields[0].data_type(),
            groups(self.outcome, &args),
            self.others.create_groups_accumulator(args)
        )
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
