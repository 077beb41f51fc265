//! The columns of a recursion have the types of the query that it begins with.
//!
//! DataFusion fixes the types of its rows before literals have those of Redshift, and casts what a step makes of them whatever is lost.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Projection, RecursiveQuery, TableScan, TableScanBuilder,
};

use super::branches::is_written;
use crate::error::{self, Error};
use crate::functions;
use crate::types::Type;

/// The plan with recursions whose steps give the types that their rows have.
///
/// # Errors
/// If a step gives values of a type that do not become those of its column without loss.
pub(super) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut is_recursive = false;
    plan.apply_with_subqueries(|plan| {
        is_recursive |= matches!(plan, LogicalPlan::RecursiveQuery(_));
        Ok(match is_recursive {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    if !is_recursive {
        return Ok(plan);
    }
    let typed = plan.transform_up_with_subqueries(|plan| {
        let plan = match plan {
            LogicalPlan::RecursiveQuery(recursion) => of_recursion(recursion),
            plan => plan.recompute_schema(),
        };
        plan.map(Transformed::yes)
    })?;
    Ok(typed.data)
}

fn of_recursion(recursion: RecursiveQuery) -> Result<LogicalPlan> {
    let name = recursion.name;
    let (exprs, input) = parts(Arc::unwrap_or_clone(recursion.static_term));
    let types = exprs.iter().map(|expr| -> Result<Option<Type>> {
        let field = expr.to_field(input.schema())?.1;
        // Of NULL alone there is no type.
        let is_null = field.data_type() == &DataType::Null;
        Ok(Type::of(&field).filter(|_| !is_null))
    });
    let types: Vec<Option<Type>> = types.collect::<Result<_>>()?;
    let first = cast(&name, exprs, input, &types)?;

    let fields = first.schema().fields().iter();
    let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let rows = provider_as_source(Arc::new(CteWorkTable::new(&name, schema)));
    let step = Arc::unwrap_or_clone(recursion.recursive_term);
    let step = step.transform_up_with_subqueries(|plan| {
        let plan = match plan {
            LogicalPlan::TableScan(scan) if reads_rows(&scan, &name) => {
                let rows = Arc::clone(&rows);
                let scan = TableScanBuilder::new(scan.table_name, rows)
                    .with_projection(scan.projection)
                    .with_filters(scan.filters)
                    .with_fetch(scan.fetch);
                scan.build().map(LogicalPlan::TableScan)
            }
            plan => plan.recompute_schema(),
        };
        plan.map(Transformed::yes)
    })?;
    let (exprs, input) = parts(step.data);
    let exprs = exprs.into_iter().map(|expr| {
        let (relation, name) = expr.qualified_name();
        uncast(expr).alias_qualified(relation, name)
    });
    let step = cast(&name, exprs.collect(), input, &types)?;
    let is_distinct = recursion.is_distinct;
    RecursiveQuery::try_new(name, Arc::new(first), Arc::new(step), is_distinct)
        .map(LogicalPlan::RecursiveQuery)
}

/// Whether a table is that of the rows which the last step made.
fn reads_rows(scan: &TableScan, name: &str) -> bool {
    let provider = source_as_provider(&scan.source);
    provider.is_ok_and(|provider| {
        let rows = provider.downcast_ref::<CteWorkTable>();
        rows.is_some_and(|rows| rows.name() == name)
    })
}

/// The columns of a query, and what they are computed from.
fn parts(plan: LogicalPlan) -> (Vec<Expr>, Arc<LogicalPlan>) {
    match plan {
        LogicalPlan::Projection(projection) => (projection.expr, projection.input),
        plan => {
            let columns = plan.schema().columns().into_iter().map(Expr::Column);
            (columns.collect(), Arc::new(plan))
        }
    }
}

/// What is within a cast that DataFusion put around it; casts of queries are functions.
fn uncast(expr: Expr) -> Expr {
    match expr {
        Expr::Alias(alias) => uncast(*alias.expr),
        Expr::Cast(cast) => uncast(*cast.expr),
        expr => expr,
    }
}

/// A query with columns of the given types.
fn cast(
    name: &str,
    exprs: Vec<Expr>,
    input: Arc<LogicalPlan>,
    types: &[Option<Type>],
) -> Result<LogicalPlan> {
    let columns = (1..).zip(exprs).zip(types);
    let columns = columns.map(|((place, expr), to)| -> Result<Expr> {
        let field = expr.to_field(input.schema())?.1;
        let value = expr.clone().unalias();
        let from = match is_written(&value) {
            true => Some(Type::Unknown),
            false => Type::of(&field),
        };
        let (Some(from), Some(to)) = (from, *to) else {
            return Ok(expr);
        };
        if !takes(to, from) {
            return Err(mismatch(name, place, to, from).into());
        }
        let wanted = to.field("");
        if field.data_type() == wanted.data_type() && field.metadata() == wanted.metadata() {
            return Ok(expr);
        }
        let (relation, own) = expr.qualified_name();
        Ok(functions::assigned(value, to).alias_qualified(relation, own))
    });
    let columns = columns.collect::<Result<_>>()?;
    Projection::try_new(columns, input).map(LogicalPlan::Projection)
}

/// Whether values of a type become those of a column without loss. What is too great for it is an error when it is computed.
fn takes(to: Type, from: Type) -> bool {
    match (to, from) {
        (to, from) if to == from => true,
        (_, Type::Unknown) | (Type::Varbyte(_), Type::Varbyte(_)) => true,
        (to, from) if to.is_text() => from.is_text(),
        (to, from) if to.is_whole() => from.is_whole(),
        (Type::Numeric(_, scale), from) => from.digits().is_some_and(|(_, own)| own <= scale),
        (Type::Float8, from) => from.is_number(),
        (Type::Timestamp | Type::TimestampTz, Type::Date) => true,
        (Type::TimestampTz, Type::Timestamp) => true,
        _ => false,
    }
}

fn mismatch(name: &str, place: usize, to: Type, from: Type) -> Error {
    Error::new(&error::RECURSION_TYPES, &[&name, &place, &to, &from])
        .hint("cast the column in one of the two queries")
}
