//! Functions over windows: exact frames of floats, defaults that fit.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, LogicalPlan, ReversedUDAF,
    Signature, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
    cast,
};
use datafusion::logical_expr_common::type_coercion::binary::type_union_coercion;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use crate::casts;
use crate::distinct;
use crate::error::ValueError;
use crate::subqueries::{with, without};
use crate::time::{micros, zone};
use crate::type_name;
use crate::unify::{align, is_date, ordered, sorted, transformed};

/// The function with the keys of its window as SQL orders them, and the default of `lag` and `lead` in one type with the column.
pub(crate) fn unified(mut window: WindowFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let name = window.fun.name().to_owned();
    let is_counted = distinct::counted_in_window(&mut window);
    let params = &mut window.params;
    let mut changed = without_constants(params)? || is_counted;
    if let Some(sort) = params.order_by.first_mut()
        && has_range(&params.window_frame)
    {
        match sort.expr.get_type(schema)? {
            date if is_date(&date) => {
                // Dates plus intervals are timestamps here, too: DataFusion's drop the hours.
                sort.expr = cast(std::mem::take(&mut sort.expr), micros());
                changed = true;
            }
            span @ (DataType::Interval(_) | DataType::Duration(_)) => {
                return Err(ValueError::refused(format!(
                    "a window has no RANGE of values of type {}",
                    type_name(&span)
                ))
                .hint("write ROWS, or order by date_part('epoch', ..): seconds")
                .into());
            }
            // The offset is added to the value, which may be the largest of its type.
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => {
                sort.expr = cast(std::mem::take(&mut sort.expr), DataType::Int64);
                changed = true;
            }
            DataType::Int64 | DataType::UInt64 => {
                let wide = DataType::Decimal128(38, 0);
                sort.expr = cast(std::mem::take(&mut sort.expr), wide);
                changed = true;
            }
            _ => {}
        }
    }
    changed |= sorted(&mut params.order_by, schema)?;
    let mut parts: Vec<&mut Expr> = params.partition_by.iter_mut().collect();
    changed |= ordered(&mut parts, schema)?;
    changed |= without_range(params, schema)?;
    if matches!(name.as_str(), "lag" | "lead") {
        match params.args.as_mut_slice() {
            // DataFusion takes it for 1.
            [_, Expr::Literal(offset, _), ..] if offset.is_null() => {
                return Err(
                    ValueError::refused(format!("the offset of `{name}` is NULL"))
                        .hint("write the number of rows, or leave it out for 1")
                        .into(),
                );
            }
            [value, _, default] => changed |= widened(&name, value, default, schema)?,
            _ => {}
        }
    }
    Ok(transformed(Expr::WindowFunction(Box::new(window)), changed))
}

/// Leaves out keys that are the same for all rows. DataFusion sorts by none of them, and then misses them. All rows of a partition are
/// peers if there are no others.
fn without_constants(params: &mut WindowFunctionParams) -> Result<bool> {
    let is_constant = |sort: &Sort| {
        let key = &sort.expr;
        !key.any_column_refs() && !key.is_volatile() && !key.contains_outer()
    };
    if !params.order_by.iter().any(is_constant) {
        return Ok(false);
    }
    let asks = |sort: &Sort| matches!(sort.expr, Expr::ScalarSubquery(_));
    if params.order_by.iter().any(asks) {
        return Err(ValueError::refused(
            "a window is ordered by a subquery, which is the same for all rows",
        )
        .hint("leave it out: row_number() OVER ()")
        .into());
    }
    params.order_by.retain(|sort| !is_constant(sort));
    if params.order_by.is_empty() && params.window_frame.units != WindowFrameUnits::Rows {
        let frame = &params.window_frame;
        let has_own = !matches!(frame.start_bound, WindowFrameBound::Following(_))
            && !matches!(frame.end_bound, WindowFrameBound::Preceding(_));
        if !has_own {
            return Err(ValueError::refused(
                "a window has the same key for all rows, and a frame without the row itself",
            )
            .hint("order it by a column")
            .into());
        }
        params.window_frame = WindowFrame::new(None);
    }
    Ok(true)
}

/// Gives a frame that ends with the peers of a row GROUPS instead of RANGE, which is the same. DataFusion has no RANGE over the keys of
/// nested values, bytes and times of day, also where nothing is added to them.
fn without_range(params: &mut WindowFunctionParams, schema: &DFSchema) -> Result<bool> {
    let Some(sort) = params.order_by.first() else {
        return Ok(false);
    };
    let frame = &params.window_frame;
    if frame.units != WindowFrameUnits::Range || has_range(frame) {
        return Ok(false);
    }
    let is_ranged = !matches!(
        sort.expr.get_type(schema)?,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Time32(_)
            | DataType::Time64(_)
    );
    if is_ranged {
        return Ok(false);
    }
    let unbounded = || ScalarValue::UInt64(None);
    let counted = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(_) => WindowFrameBound::Preceding(unbounded()),
        WindowFrameBound::Following(_) => WindowFrameBound::Following(unbounded()),
        WindowFrameBound::CurrentRow => WindowFrameBound::CurrentRow,
    };
    let (start, end) = (counted(&frame.start_bound), counted(&frame.end_bound));
    params.window_frame = WindowFrame::new_bounds(WindowFrameUnits::Groups, start, end);
    Ok(true)
}

/// A window whose keys are columns. DataFusion does not always see that rows which it has sorted by an expression are in the order of it.
pub(crate) fn above_keys(window: Window) -> Result<Transformed<LogicalPlan>> {
    let node = LogicalPlan::Window(window);
    let names = NamePreserver::new(&node);
    let mut keys: Vec<Expr> = Vec::new();
    let mut exprs = Vec::new();
    for expr in node.expressions() {
        let name = names.save(&expr);
        let above = expr.transform_up(|expr| {
            let Expr::WindowFunction(mut window) = expr else {
                return Ok(Transformed::no(expr));
            };
            let params = &mut window.params;
            let order = params.order_by.iter_mut().map(|sort| &mut sort.expr);
            for key in params.partition_by.iter_mut().chain(order) {
                if matches!(key, Expr::Column(_) | Expr::Literal(..)) {
                    continue;
                }
                let place = keys.iter().position(|known| known == key);
                let place = place.unwrap_or_else(|| {
                    keys.push(key.clone());
                    keys.len() - 1
                });
                *key = Expr::Column(Column::from_name(key_name(place)));
            }
            Ok(Transformed::yes(Expr::WindowFunction(window)))
        })?;
        exprs.push(name.restore(above.data));
    }
    if keys.is_empty() {
        return Ok(Transformed::no(node));
    }
    let keys = keys.into_iter().enumerate();
    let keys: Vec<Expr> = keys
        .map(|(place, key)| key.alias(key_name(place)))
        .collect();
    let inputs = node.inputs().into_iter().cloned();
    let inputs = inputs.map(|input| with(input, keys.clone()));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let above = node.with_new_exprs(exprs, inputs)?;
    Ok(Transformed::yes(without(above, &node)?))
}

fn key_name(place: usize) -> String {
    format!("\u{1}key {place}")
}

/// Whether the frame is a range of values.
fn has_range(frame: &WindowFrame) -> bool {
    let is_span = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by) => !by.is_null(),
        WindowFrameBound::CurrentRow => false,
    };
    frame.units == WindowFrameUnits::Range
        && (is_span(&frame.start_bound) || is_span(&frame.end_bound))
}

/// Days and months are counted by the clocks of a zone, whose rules DataFusion knows until 2099 alone.
fn refuse_clocks(params: &WindowFunctionParams, schema: &DFSchema) -> Result<()> {
    let frame = &params.window_frame;
    let goes_by_clocks = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by) => match by {
            ScalarValue::IntervalMonthDayNano(Some(by)) => by.months != 0 || by.days != 0,
            ScalarValue::IntervalDayTime(Some(by)) => by.days != 0,
            ScalarValue::IntervalYearMonth(by) => by.is_some(),
            _ => false,
        },
        WindowFrameBound::CurrentRow => false,
    };
    if frame.units != WindowFrameUnits::Range
        || !(goes_by_clocks(&frame.start_bound) || goes_by_clocks(&frame.end_bound))
    {
        return Ok(());
    }
    let Some(sort) = params.order_by.first() else {
        return Ok(());
    };
    let data_type = sort.expr.get_type(schema)?;
    match zone::own(&data_type) {
        None => Ok(()),
        Some(zone) => Err(ValueError::refused(format!(
            "a window has no RANGE of days or months of values of type {}",
            type_name(&data_type)
        ))
        .hint(format!(
            "ORDER BY t AT TIME ZONE '{zone}' has those of its clocks, AT TIME ZONE 'UTC' days of 24 hours"
        ))
        .into()),
    }
}

/// DataFusion would cast the default to the type of the column, and cut it.
fn widened(name: &str, value: &mut Expr, default: &mut Expr, schema: &DFSchema) -> Result<bool> {
    if align(&mut [&mut *value, &mut *default], schema)? {
        return Ok(true);
    }
    let (column, other) = (value.get_type(schema)?, default.get_type(schema)?);
    if column == other || other.is_null() {
        return Ok(false);
    }
    if let Expr::Literal(text @ ScalarValue::Utf8(_), _) = default {
        *default = Expr::Literal(casts::constant(text, &column)?, None);
        return Ok(true);
    }
    let common = match column.is_numeric() && other.is_numeric() {
        true => type_union_coercion(&column, &other),
        false => None,
    };
    let Some(common) = common else {
        return Err(ValueError::refused(format!(
            "the default of `{name}` is {}, the column {}",
            type_name(&other),
            type_name(&column)
        ))
        .hint("CAST one of them to the type of the other")
        .into());
    };
    for expr in [value, default] {
        *expr = cast(std::mem::take(expr), common.clone());
    }
    Ok(true)
}

/// An aggregate function whose frames are computed again where taking out what leaves a frame would lose digits, or is not possible. Frames
/// that only grow lose nothing, unless DataFusion reads the rows from their end, as it does where another window has sorted them so.
pub(crate) fn exact(mut window: WindowFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    refuse_clocks(&window.params, schema)?;
    let WindowFunctionDefinition::AggregateUDF(function) = &window.fun else {
        return Ok(Transformed::no(Expr::WindowFunction(Box::new(window))));
    };
    let is_exact = match function.name() {
        _ if distinct::is_counted(function) => false,
        "count" => true,
        // DataFusion compares what leaves a frame in an order of its own.
        "min" | "max" => match window.params.args.first() {
            Some(value) => !value.get_type(schema)?.is_nested(),
            None => true,
        },
        // Totals of whole numbers and decimals are exact.
        "sum" | "avg" => match window.params.args.first() {
            Some(value) => !value.get_type(schema)?.is_floating(),
            None => true,
        },
        _ => false,
    };
    if is_exact || function.inner().downcast_ref::<Anew>().is_some() {
        return Ok(Transformed::no(Expr::WindowFunction(Box::new(window))));
    }
    let anew = AggregateUDF::from(Anew {
        function: Arc::clone(function),
    });
    window.fun = WindowFunctionDefinition::AggregateUDF(Arc::new(anew));
    Ok(Transformed::yes(Expr::WindowFunction(Box::new(window))))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Anew {
    function: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Anew {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
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
        self.function.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.function.state_fields(args)
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Frame {
            function: Arc::clone(&self.function),
            call: Call::of(&args),
            rows: VecDeque::new(),
        }))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(arguments)
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
}

/// What an accumulator is made from.
#[derive(Debug)]
pub(crate) struct Call {
    return_field: FieldRef,
    schema: SchemaRef,
    ignore_nulls: bool,
    order_bys: Vec<PhysicalSortExpr>,
    is_reversed: bool,
    name: String,
    is_distinct: bool,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) expr_fields: Vec<FieldRef>,
}

impl Call {
    pub(crate) fn of(args: &AccumulatorArgs<'_>) -> Self {
        Self {
            return_field: Arc::clone(&args.return_field),
            schema: Arc::new(args.schema.clone()),
            ignore_nulls: args.ignore_nulls,
            order_bys: args.order_bys.to_vec(),
            is_reversed: args.is_reversed,
            name: args.name.to_owned(),
            is_distinct: args.is_distinct,
            exprs: args.exprs.to_vec(),
            expr_fields: args.expr_fields.to_vec(),
        }
    }

    pub(crate) fn args(&self) -> AccumulatorArgs<'_> {
        AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: self.ignore_nulls,
            order_bys: &self.order_bys,
            is_reversed: self.is_reversed,
            name: &self.name,
            is_distinct: self.is_distinct,
            exprs: &self.exprs,
            expr_fields: &self.expr_fields,
        }
    }
}

/// Parts of a frame that are joined into one: a frame that moves by rows gets one for each.
const PARTS: usize = 64;

/// The rows of a frame, from which its value is computed each time.
#[derive(Debug)]
struct Frame {
    function: Arc<AggregateUDF>,
    call: Call,
    rows: VecDeque<Vec<ArrayRef>>,
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if values.first().is_none_or(|column| column.is_empty()) {
            return Ok(());
        }
        self.rows.push_back(values.to_vec());
        if self.rows.len() > PARTS {
            let joined = (0..values.len())
                .map(|column| {
                    let parts: Vec<_> =
                        self.rows.iter().map(|part| part[column].as_ref()).collect();
                    Ok(concat(&parts)?)
                })
                .collect::<Result<Vec<_>>>()?;
            self.rows = VecDeque::from([joined]);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut leaving = values.first().map_or(0, |column| column.len());
        while leaving > 0
            && let Some(part) = self.rows.pop_front()
        {
            let length = part[0].len();
            if leaving < length {
                let rest = part
                    .iter()
                    .map(|column| column.slice(leaving, length - leaving));
                self.rows.push_front(rest.collect());
                return Ok(());
            }
            leaving -= length;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut accumulator = self.function.accumulator(self.call.args())?;
        for part in &self.rows {
            accumulator.update_batch(part)?;
        }
        accumulator.evaluate()
    }

    /// Frames are never merged.
    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        datafusion::common::internal_err!("the frame of a window has no state")
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        datafusion::common::internal_err!("the frame of a window has no state")
    }

    fn size(&self) -> usize {
        let columns = self.rows.iter().flatten();
        size_of::<Self>()
            + columns
                .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
                .sum::<usize>()
    }
}
