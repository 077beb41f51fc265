//! `DISTINCT` of aggregates that do not know it.
//!
//! DataFusion groups the rows first where one `DISTINCT` of one argument is all there is. Beside another one, `stddev` and `approx_median`
//! refused it when the query ran, `corr`, `covar_pop`, `regr_slope` and the like passed over it without a word
//! (<https://github.com/apache/datafusion/blob/55.2.0/datafusion/functions-aggregate/src>). Here the rows that differ are kept, and
//! given to the function in the end.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    Signature, WindowFunctionDefinition,
};

use crate::windows::Call;

/// Aggregates of one argument that count equal values once if they are asked to, or do not care.
const KNOW: &[&str] = &[
    "approx_distinct",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "median",
    "min",
    "sum",
    "var",
    "var_pop",
    "var_samp",
];

/// The same of a value and constants.
const KNOW_WITH_CONSTANTS: &[&str] = &["nth_value", "percentile_cont", "string_agg"];

fn knows(function: &AggregateUDF, arguments: usize) -> bool {
    let name = function.name();
    match arguments {
        _ if is_counted(function) => true,
        0 | 1 => KNOW.contains(&name),
        _ => KNOW_WITH_CONSTANTS.contains(&name),
    }
}

/// Has an aggregate with `DISTINCT` count equal rows once; whether it has become another one.
pub(crate) fn counted(call: &mut AggregateFunction) -> bool {
    if !call.params.distinct || knows(&call.func, call.params.args.len()) {
        return false;
    }
    call.func = distinct(&call.func);
    // DataFusion's own way, rows in groups, is for one argument. It would take several for a mistake.
    call.params.distinct = call.params.args.len() == 1;
    true
}

/// The same over a window.
pub(crate) fn counted_in_window(window: &mut WindowFunction) -> bool {
    let WindowFunctionDefinition::AggregateUDF(function) = &window.fun else {
        return false;
    };
    if !window.params.distinct || knows(function, window.params.args.len()) {
        return false;
    }
    window.fun = WindowFunctionDefinition::AggregateUDF(distinct(function));
    true
}

/// Whether a function is one of these.
pub(crate) fn is_counted(function: &AggregateUDF) -> bool {
    function.inner().downcast_ref::<Distinct>().is_some()
}

fn distinct(function: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Distinct {
        function: Arc::clone(function),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Distinct {
    function: Arc<AggregateUDF>,
}

impl Distinct {
    /// With one argument DataFusion may have grouped the rows, and asks for all of them.
    fn is_asked(is_distinct: bool, arguments: usize) -> bool {
        is_distinct || arguments != 1
    }
}

impl AggregateUDFImpl for Distinct {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.function.return_type(arguments)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        self.function.return_field(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.function.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.function.default_value(data_type)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if !Self::is_asked(args.is_distinct, args.exprs.len()) {
            return self.function.accumulator(args);
        }
        let call = Call::of(&AccumulatorArgs {
            is_distinct: false,
            ..args
        });
        let fields = call.expr_fields.iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        Ok(Box::new(Rows {
            function: Arc::clone(&self.function),
            converter: RowConverter::new(fields.collect())?,
            call,
            rows: HashSet::new(),
            bytes: 0,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if !Self::is_asked(args.is_distinct, args.input_fields.len()) {
            return self.function.state_fields(args);
        }
        let row = Field::new_list_field(DataType::Binary, true);
        let name = format_state_name(args.name, "distinct rows");
        Ok(vec![Arc::new(Field::new_list(name, row, true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !Self::is_asked(args.is_distinct, args.exprs.len())
            && self.function.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.function.create_groups_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.function.order_sensitivity()
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.function.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.function.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

/// The rows of arguments that differ.
#[derive(Debug)]
struct Rows {
    function: Arc<AggregateUDF>,
    call: Call,
    converter: RowConverter,
    rows: HashSet<Box<[u8]>>,
    /// Of all rows.
    bytes: usize,
}

impl Rows {
    fn insert(&mut self, row: &[u8]) {
        if !self.rows.contains(row) {
            self.bytes += row.len();
            self.rows.insert(row.into());
        }
    }

    fn sorted(&self) -> Vec<&[u8]> {
        // One order of the rows gives floats one sum.
        let mut rows: Vec<&[u8]> = self.rows.iter().map(AsRef::as_ref).collect();
        rows.sort_unstable();
        rows
    }
}

impl Accumulator for Rows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // Behind the arguments come the columns of an ORDER BY.
        let arguments = &values[..self.call.expr_fields.len()];
        let rows = self.converter.convert_columns(arguments)?;
        rows.iter().for_each(|row| self.insert(row.data()));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for rows in states[0].as_list::<i32>().iter().flatten() {
            for row in rows.as_binary::<i32>().iter().flatten() {
                self.insert(row);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let rows: Vec<ScalarValue> = self
            .rows
            .iter()
            .map(|row| ScalarValue::Binary(Some(row.to_vec())))
            .collect();
        let rows = ScalarValue::new_list_nullable(&rows, &DataType::Binary);
        Ok(vec![ScalarValue::List(rows)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let rows = BinaryArray::from_iter_values(self.sorted());
        let columns = self
            .converter
            .convert_rows(&self.converter.from_binary(rows))?;
        let mut accumulator = self.function.accumulator(self.call.args())?;
        accumulator.update_batch(&columns)?;
        accumulator.evaluate()
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.converter.size()
            + self.rows.capacity() * size_of::<Box<[u8]>>()
            + self.bytes
    }
}
