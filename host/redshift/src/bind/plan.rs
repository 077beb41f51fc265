//! Plans: DataFusion with Redshift's operators, over one version of the catalog.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, collect, execute_stream_partitioned};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{self, BinaryOperator};

use super::blanks;
use super::from::LATE_BINDING;
use super::late;
use super::list::AGAIN;
use super::names::{NUMBERED, TABLE};
use crate::catalog::{Catalog, Id, Object};
use crate::engine::Shared;
use crate::error::{self, Error, Result};
use crate::functions::{self, Op, Parameters};
use crate::store::Rows as TableRows;
use crate::types::show::Digits;
use crate::types::{Column, MAX_VARCHAR, Type};

/// A planned query.
pub(crate) struct Query {
    shared: Arc<Shared>,
    state: SessionState,
    pub(crate) plan: LogicalPlan,
    /// Which columns are texts that were written into the query.
    pub(crate) literals: Vec<bool>,
    digits: Digits,
}

/// The session of DataFusion from which those of queries are made.
pub(crate) fn planner() -> SessionState {
    let mut config = transom_sql::configure(SessionConfig::new());
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    let builder = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config);
    let mut builder = transom_sql::install(builder, None);
    builder
        .expr_planners()
        .get_or_insert_default()
        .insert(0, Arc::new(Operators));
    builder
        .scalar_functions()
        .get_or_insert_default()
        .extend(functions::scalars());
    let aggregates = builder.aggregate_functions().get_or_insert_default();
    let own = functions::aggregates(aggregates);
    aggregates.extend(own);
    if let Some(analyzer) = builder.analyzer() {
        // Before the casts of the room `sql`, which are PostgreSQL's.
        let last = analyzer.rules.len().saturating_sub(1);
        analyzer.rules.insert(last, Arc::new(Casts));
    }
    builder.build()
}

/// The session for rows of constants, in which there is nothing to optimize: trying took a fourth of the time of small statements.
pub(crate) fn constants(planner: SessionState) -> SessionState {
    SessionStateBuilder::from(planner)
        .with_optimizer_rules(Vec::new())
        .with_physical_optimizer_rules(Vec::new())
        .build()
}

/// Tells functions how many digits floats have as texts.
fn set_digits(state: &mut SessionState, digits: Digits) {
    if let Digits::Extra(extra_float_digits) = digits
        && digits != Digits::default()
    {
        let options = state.config_mut().options_mut();
        options.extensions.insert(Parameters { extra_float_digits });
        // From there calls that are executed get them.
        let options = Arc::clone(state.config_options());
        state.execution_props_mut().config_options = Some(options);
    }
}

impl Query {
    /// Plans a query that the binder let through.
    pub(crate) async fn plan(
        shared: &Arc<Shared>,
        catalog: &Catalog,
        query: ast::Query,
        digits: Digits,
    ) -> Result<Self> {
        let mut state = shared.planner.clone();
        set_digits(&mut state, digits);
        state.register_catalog_list(Arc::new(Tables {
            catalog: Arc::new(catalog.clone()),
            shared: Arc::clone(shared),
        }));
        let statement = ast::Statement::Query(Box::new(query));
        let mut statement = DfStatement::Statement(Box::new(statement));
        let is_scalar = |name: &str| {
            state.scalar_functions().contains_key(name)
                && !state.aggregate_functions().contains_key(name)
        };
        transom_sql::prepare(&mut statement, &is_scalar)?;
        let plan = state.statement_to_plan(statement).await?;
        let columns = 0..plan.schema().fields().len();
        let literals = columns.map(|place| is_literal(&plan, place)).collect();
        let plan = super::branches::matched(super::literals::typed(plan)?)?;
        let plan = super::recursion::typed(plan)?;
        let plan = transom_sql::planned(blanks::ignored(plan)?)?;
        check_super(&plan)?;
        match plan {
            // DataFusion's changes of rows are wrong for some conditions; ours are queries.
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) => {
                Err(Error::internal("a plan that changes something"))
            }
            plan => Ok(Self {
                shared: Arc::clone(shared),
                state,
                plan,
                literals,
                digits,
            }),
        }
    }

    /// The operators that compute it.
    async fn physical(&self) -> Result<Arc<dyn ExecutionPlan>> {
        // The session for constants has the parameters of the start.
        let state = match self.digits == Digits::default() && is_constant(&self.plan)? {
            true => &self.shared.constants,
            false => &self.state,
        };
        Ok(state.create_physical_plan(&self.plan).await?)
    }

    /// The columns of the result.
    pub(crate) fn columns(&self) -> Result<Vec<Column>> {
        let fields = self.plan.schema().fields().iter();
        fields
            .enumerate()
            .map(|(place, field)| {
                let declared = match is_text(field.data_type()) {
                    true => super::lengths::declared(&self.plan, place),
                    false => None,
                };
                let data_type = declared.or_else(|| Type::of(field)).ok_or_else(|| {
                    Error::not_yet(format_args!("results of the type {}", field.data_type()))
                })?;
                let name = field.name().split(AGAIN).next().unwrap_or_default();
                Ok(Column {
                    name: name.to_owned(),
                    data_type,
                })
            })
            .collect()
    }

    /// The plan with other expressions above it, one for each column that it has.
    pub(crate) fn projected(self, expressions: Vec<Expr>) -> Result<Self> {
        let plan = datafusion::logical_expr::LogicalPlanBuilder::from(self.plan)
            .project(expressions)?
            .build()?;
        Ok(Self { plan, ..self })
    }

    /// The expression of a query that has one and no tables.
    pub(crate) fn expression(&self) -> Option<&Expr> {
        match &self.plan {
            LogicalPlan::Projection(projection)
                if matches!(*projection.input, LogicalPlan::EmptyRelation(_)) =>
            {
                match projection.expr.as_slice() {
                    [expr] => Some(expr),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What computes the expression of such a query, for as many rows as a batch has.
    pub(crate) async fn computed(&self) -> Result<Arc<dyn PhysicalExpr>> {
        let physical = self.physical().await?;
        let projection = physical.downcast_ref::<ProjectionExec>();
        let expressions = projection.map_or(&[] as &[_], ProjectionExec::expr);
        match expressions {
            [computed] => Ok(Arc::clone(&computed.expr)),
            _ => Err(Error::internal("a default is no expression")),
        }
    }

    /// References to the columns of the result.
    pub(crate) fn references(&self) -> Vec<Expr> {
        let columns = self.plan.schema().columns().into_iter();
        columns.map(Expr::Column).collect()
    }
}

/// Whether a column of a plan is a text that was written into the query.
pub(super) fn is_literal(plan: &LogicalPlan, place: usize) -> bool {
    written(plan, place).is_some()
}

/// The texts and NULLs that a column of a plan consists of, if all of them were written into the query.
pub(super) fn written(plan: &LogicalPlan, place: usize) -> Option<Vec<ScalarValue>> {
    match plan {
        LogicalPlan::Projection(projection) => match projection.expr[place].clone().unalias() {
            Expr::Literal(value, _) if value.try_as_str().is_some() || value.is_null() => {
                Some(vec![value])
            }
            _ => None,
        },
        LogicalPlan::Union(union) => {
            let inputs = union.inputs.iter().map(|input| written(input, place));
            Some(inputs.collect::<Option<Vec<_>>>()?.concat())
        }
        LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::SubqueryAlias(_) => written(plan.inputs().first()?, place),
        _ => None,
    }
}

/// Whether a plan is made of values that are written into it, and of their casts.
fn is_constant(plan: &LogicalPlan) -> Result<bool> {
    let is_cast =
        |name: &str| [functions::CAST, functions::TRY_CAST, functions::ASSIGN].contains(&name);
    let mut is_constant = true;
    plan.apply(|node| {
        is_constant &= matches!(
            node,
            LogicalPlan::Projection(_) | LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_)
        );
        for expr in node.expressions() {
            let other = expr.exists(|expr| {
                Ok(!match expr {
                    Expr::Literal(..) | Expr::Column(_) | Expr::Alias(_) => true,
                    Expr::ScalarFunction(call) => is_cast(call.name()),
                    _ => false,
                })
            });
            is_constant &= !other?;
        }
        Ok(match is_constant {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(is_constant)
}

/// Runs a query to its end.
pub(crate) async fn run(query: Query) -> Result<Vec<RecordBatch>> {
    let physical = query.physical().await?;
    Ok(collect(physical, query.state.task_ctx()).await?)
}

/// Starts a query; its parts can be read at once.
pub(crate) async fn streams(query: Query) -> Result<Vec<SendableRecordBatchStream>> {
    let physical = query.physical().await?;
    Ok(execute_stream_partitioned(
        physical,
        query.state.task_ctx(),
    )?)
}

/// The tables of a catalog, by number.
#[derive(Debug, Clone)]
struct Tables {
    catalog: Arc<Catalog>,
    shared: Arc<Shared>,
}

impl CatalogProviderList for Tables {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn catalog(&self, _name: &str) -> Option<Arc<dyn CatalogProvider>> {
        Some(Arc::new(self.clone()))
    }
}

impl CatalogProvider for Tables {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, _name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let (numbered, rest) = match name.strip_prefix(TABLE) {
            Some(rest) => (false, rest),
            None => match name.strip_prefix(NUMBERED) {
                Some(rest) => (true, rest),
                None => return Ok(None),
            },
        };
        let Ok(id) = rest.parse::<Id>() else {
            let late = match rest.ends_with(LATE_BINDING) {
                true => late::columns(&self.shared, &self.catalog).await?,
                false => Vec::new(),
            };
            let table = crate::run::system::table(rest, &self.catalog, &self.shared, &late)?;
            return Ok(Some(table));
        };
        Ok(match self.catalog.get(id) {
            Some(Object::Table(table)) => {
                Some(Arc::new(TableRows::new(Arc::clone(table), numbered)))
            }
            _ => None,
        })
    }

    fn table_exist(&self, name: &str) -> bool {
        name.starts_with(TABLE) || name.starts_with(NUMBERED)
    }
}

/// Operators of Redshift.
#[derive(Debug)]
struct Operators;

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>, DataFusionError> {
        let is_number = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
        let is_literal =
            |expr: &Expr| matches!(expr, Expr::Literal(value, _) if is_text(&value.data_type()));
        let op = arithmetic(&expr.op);
        // Nothing has an operator that the binder does not know.
        if matches!(expr.op, BinaryOperator::Custom(_)) {
            let own = |expr: &Expr| match is_literal(expr) {
                true => Type::Unknown,
                false => {
                    let data_type = expr.get_type(schema).ok();
                    let known = data_type.and_then(|data_type| Type::of_arrow(&data_type));
                    known.unwrap_or(Type::Unknown)
                }
            };
            return Err(undefined(&expr.op, own(&expr.left), own(&expr.right)).into());
        }
        // The type of a long chain is not asked for at each of its operators.
        if let Some(op) = op
            && functions::is_arithmetic(&expr.left)
            && (is_literal(&expr.right)
                || expr
                    .right
                    .get_type(schema)
                    .is_ok_and(|right| is_number(&right)))
        {
            let sum = functions::arithmetic(op, expr.left, expr.right);
            return Ok(PlannerResult::Planned(sum));
        }
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        let is_super = |expr: &Expr| {
            let field = expr.to_field(schema);
            field.is_ok_and(|(_, field)| Type::of(&field) == Some(Type::Super))
        };
        let is_interval = |data_type: &DataType| matches!(data_type, DataType::Interval(_));
        let supers = (is_super(&expr.left), is_super(&expr.right));
        let expr = match supers {
            (false, false) => expr,
            _ => of_super(expr, supers, (&left, &right))?,
        };
        let is_comparison = is_comparison(&expr.op);
        match expr.op {
            _ if is_comparison && is_text(&left) && is_text(&right) => {
                // Blanks at the end do not count.
                return Ok(PlannerResult::Original(RawBinaryExpr {
                    op: expr.op,
                    left: trimmed(expr.left),
                    right: trimmed(expr.right),
                }));
            }
            // Arrow compares the parts one by one, as if no day had 24 hours.
            _ if is_comparison && is_interval(&left) && is_interval(&right) => {
                return Ok(PlannerResult::Original(RawBinaryExpr {
                    op: expr.op,
                    left: functions::length(expr.left),
                    right: functions::length(expr.right),
                }));
            }
            BinaryOperator::Eq | BinaryOperator::NotEq
                if left == DataType::Boolean && is_literal(&expr.right)
                    || right == DataType::Boolean && is_literal(&expr.left) =>
            {
                let flag = |value| functions::explicit(value, Type::Bool);
                return Ok(PlannerResult::Original(RawBinaryExpr {
                    op: expr.op,
                    left: flag(expr.left),
                    right: flag(expr.right),
                }));
            }
            // NaN is not NaN in a scan, and is among constants.
            BinaryOperator::Eq | BinaryOperator::NotEq
                if (left.is_floating() || right.is_floating())
                    && is_number(&left)
                    && is_number(&right)
                    && (expr.left.any_column_refs() || expr.right.any_column_refs()) =>
            {
                let is_equal = functions::equal_floats(expr.left, expr.right);
                return Ok(PlannerResult::Planned(match expr.op {
                    BinaryOperator::Eq => is_equal,
                    _ => !is_equal,
                }));
            }
            // Two NULLs are texts here, as two parameters are whose values are not known yet.
            BinaryOperator::StringConcat if left.is_null() && right.is_null() => {
                return Ok(PlannerResult::Original(RawBinaryExpr {
                    left: functions::explicit(expr.left, Type::Varchar(MAX_VARCHAR)),
                    ..expr
                }));
            }
            BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseOr
            | BinaryOperator::PGBitwiseXor
            | BinaryOperator::PGBitwiseShiftLeft
            | BinaryOperator::PGBitwiseShiftRight => {
                let is_whole = |expr: &Expr, data_type: &DataType| {
                    data_type.is_integer() || data_type.is_null() || is_literal(expr)
                };
                let fits = is_whole(&expr.left, &left) && is_whole(&expr.right, &right);
                let names = (Type::of_arrow(&left), Type::of_arrow(&right));
                if let (false, (Some(left), Some(right))) = (fits, names) {
                    return Err(undefined(&expr.op, left, right).into());
                }
            }
            _ => {}
        }
        let Some(op) = op else {
            return Ok(PlannerResult::Original(expr));
        };
        let left_fits = is_number(&left) || is_literal(&expr.left);
        let right_fits = is_number(&right) || is_literal(&expr.right);
        if left_fits && right_fits && (is_number(&left) || is_number(&right)) {
            let (left, right) = (expr.left, expr.right);
            return Ok(PlannerResult::Planned(functions::arithmetic(
                op, left, right,
            )));
        }
        if op == Op::Divide && is_interval(&left) && is_number(&right) {
            return Ok(PlannerResult::Planned(functions::divided(
                expr.left, expr.right,
            )));
        }
        if op == Op::Multiply
            && (is_interval(&left) && is_number(&right) || is_number(&left) && is_interval(&right))
        {
            let (interval, count) = match is_interval(&left) {
                true => (expr.left, expr.right),
                false => (expr.right, expr.left),
            };
            return Ok(PlannerResult::Planned(functions::times(interval, count)));
        }
        let own = |expr: &Expr, data_type: &DataType| match is_literal(expr) {
            true => Some(Type::Unknown),
            false => Type::of_arrow(data_type),
        };
        let types = own(&expr.left, &left).zip(own(&expr.right, &right));
        if let Some(of) = types.and_then(|(left, right)| of_moments(op, left, right)) {
            return Ok(PlannerResult::Planned(of(expr.left, expr.right)));
        }
        let names = (Type::of_arrow(&left), Type::of_arrow(&right));
        if let (Some(left), Some(right)) = names
            && !has_operator(op, left, right)
        {
            return Err(undefined(&expr.op, left, right).into());
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// What computes two dates, timestamps or times, if that is what operands are. A literal takes the type of what it meets.
fn of_moments(op: Op, left: Type, right: Type) -> Option<fn(Expr, Expr) -> Expr> {
    let (left, right) = match (left, right) {
        (Type::Unknown, right) => (right, right),
        (left, Type::Unknown) => (left, left),
        both => both,
    };
    match (op, left, right) {
        (Op::Subtract, Type::Date, Type::Date) => Some(days_between),
        (Op::Subtract, left, right) if left.is_moment() && right.is_moment() => {
            Some(functions::difference)
        }
        (Op::Add, Type::Date, Type::Time) => Some(functions::at_time),
        (Op::Add, Type::Time, Type::Date) => Some(|time, date| functions::at_time(date, time)),
        _ => None,
    }
}

fn days_between(left: Expr, right: Expr) -> Expr {
    let whole = |value| functions::explicit(value, Type::Date);
    let days = datafusion::logical_expr::binary_expr(
        whole(left),
        datafusion::logical_expr::Operator::Minus,
        whole(right),
    );
    functions::explicit(days, Type::Int8)
}

fn arithmetic(op: &BinaryOperator) -> Option<Op> {
    Some(match op {
        BinaryOperator::Plus => Op::Add,
        BinaryOperator::Minus => Op::Subtract,
        BinaryOperator::Multiply => Op::Multiply,
        BinaryOperator::Divide => Op::Divide,
        BinaryOperator::Modulo => Op::Remainder,
        _ => return None,
    })
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// A comparison of a SUPER value with a text or a number: only one in it is equal to one. Other operators are not there yet.
fn of_super(
    expr: RawBinaryExpr,
    (is_left, is_right): (bool, bool),
    (left, right): (&DataType, &DataType),
) -> Result<RawBinaryExpr> {
    let other = if is_left { right } else { left };
    let value_of = match other {
        _ if !is_comparison(&expr.op) || (is_left && is_right) => {
            return Err(Error::not_yet(format_args!("{} of SUPER values", expr.op)));
        }
        other if is_text(other) => functions::text_of_super,
        other if other.is_floating() => functions::number_of_super,
        other if other.is_integer() => functions::exact_of_super,
        other if other.is_decimal() => {
            let what = format_args!("{} of SUPER values and decimals", expr.op);
            return Err(Error::not_yet(what).hint("cast the SUPER value to DECIMAL"));
        }
        // What is neither is cast.
        _ => return Ok(expr),
    };
    Ok(match is_left {
        true => RawBinaryExpr {
            left: value_of(expr.left),
            ..expr
        },
        false => RawBinaryExpr {
            right: value_of(expr.right),
            ..expr
        },
    })
}

/// An error for functions that would take the JSON of a SUPER value for its text, and for what would order SUPER values by it.
fn check_super(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
    plan.apply_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                let (name, arguments): (_, Vec<&Expr>) = match expr {
                    Expr::ScalarFunction(call) => {
                        let name = call.func.name();
                        match name.starts_with("redshift_") || name == "json_array_length" {
                            true => return Ok(TreeNodeRecursion::Continue),
                            false => (name.to_owned(), call.args.iter().collect()),
                        }
                    }
                    Expr::Like(like) | Expr::SimilarTo(like) => (
                        "LIKE".to_owned(),
                        vec![like.expr.as_ref(), like.pattern.as_ref()],
                    ),
                    Expr::AggregateFunction(call) if ["min", "max"].contains(&call.func.name()) => {
                        (
                            call.func.name().to_uppercase(),
                            call.params.args.iter().collect(),
                        )
                    }
                    Expr::WindowFunction(call) => {
                        let order = call.params.order_by.iter();
                        (
                            "ORDER BY".to_owned(),
                            order.map(|sort| &sort.expr).collect(),
                        )
                    }
                    sorted if matches!(plan, LogicalPlan::Sort(_)) => {
                        ("ORDER BY".to_owned(), vec![sorted])
                    }
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                let is_super = |expr: &&Expr| {
                    let field = expr.to_field(&schema);
                    field.is_ok_and(|(_, field)| Type::of(&field) == Some(Type::Super))
                };
                match arguments.iter().any(is_super) {
                    true => {
                        let what = format!("{name} of SUPER values");
                        Err(Error::not_yet(what).hint("cast to VARCHAR").into())
                    }
                    false => Ok(TreeNodeRecursion::Continue),
                }
            })
        })
    })
    .map(|_| ())
}

/// An error: two types do not have the operator.
fn undefined(op: &BinaryOperator, left: Type, right: Type) -> Error {
    let names = (left.base_name(), right.base_name());
    Error::new(&error::UNDEFINED_OPERATOR, &[&names.0, op, &names.1])
}

/// Arithmetic of dates and intervals.
fn has_operator(op: Op, left: Type, right: Type) -> bool {
    let is_moment = |data_type: Type| data_type.is_moment() || data_type == Type::Time;
    match op {
        Op::Add if right == Type::Interval => is_moment(left) || left == Type::Interval,
        Op::Add if left == Type::Interval => is_moment(right),
        Op::Add => {
            (left == Type::Date && right.is_whole()) || (left.is_whole() && right == Type::Date)
        }
        Op::Subtract if right == Type::Interval => is_moment(left) || left == Type::Interval,
        Op::Subtract => {
            (left.is_moment() && right.is_moment()) || (left == Type::Date && right.is_whole())
        }
        Op::Multiply | Op::Divide | Op::Remainder => false,
    }
}

pub(super) fn trimmed(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(value, metadata) => {
            let text = value
                .try_as_str()
                .flatten()
                .map(|text| text.trim_end_matches(' ').to_owned());
            match text {
                Some(text) => lit(text),
                None => Expr::Literal(value, metadata),
            }
        }
        expr => datafusion::functions::string::expr_fn::rtrim(vec![expr]),
    }
}

/// Casts that DataFusion adds, as Redshift's: those of texts, and those to texts that others write in another way.
#[derive(Debug)]
struct Casts;

impl AnalyzerRule for Casts {
    fn name(&self) -> &str {
        "redshift_casts"
    }

    fn analyze(
        &self,
        plan: LogicalPlan,
        _options: &ConfigOptions,
    ) -> Result<LogicalPlan, DataFusionError> {
        use datafusion::common::tree_node::TreeNode;
        let rewritten = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            let plan = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|expr| of_text(expr, &schema))?;
                Ok(match rewritten.transformed {
                    true => rewritten.update_data(|expr| name.restore(expr)),
                    false => rewritten,
                })
            })?;
            plan.map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(rewritten.data)
    }
}

fn is_dated(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

fn of_text(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>, DataFusionError> {
    let Expr::Cast(cast) = expr else {
        return Ok(Transformed::no(expr));
    };
    let from = cast.expr.get_type(schema)?;
    let to = Type::of_arrow(cast.field.data_type());
    match to {
        Some(to) if is_text(&from) && !to.is_text() && to.arrow() == *cast.field.data_type() => {
            Ok(Transformed::yes(functions::explicit(*cast.expr, to)))
        }
        // Floats with the digits of the session, years before our era.
        Some(to) if to.is_text() && (from.is_floating() || is_dated(&from)) => {
            let text = functions::explicit(*cast.expr, to);
            Ok(Transformed::yes(
                match to.arrow() == *cast.field.data_type() {
                    true => text,
                    false => Expr::Cast(Cast {
                        expr: Box::new(text),
                        field: cast.field,
                    }),
                },
            ))
        }
        _ => Ok(Transformed::no(Expr::Cast(cast))),
    }
}
