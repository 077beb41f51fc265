//! Finds the row of a source again that a plugin failed on: SQL keeps no account of where a row came from, so the source is asked
//! for rows with the same values, in a stand-in that knows their places.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlanBuilder, Operator, col, lit};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select, SetExpr, TableFactor,
    Visit, Visitor,
};
use transom_file::ErrorPolicy;
use transom_sql::walk::{visit, visit_expressions};

use crate::params::Params;
use crate::session::Session;

/// The stand-in's name; no source and no step has a name with spaces.
const STAND_IN: &str = "rows with places";

/// Makes of a table the same one with columns that say where each row is, if it has places.
pub type StandIn = fn(&Arc<dyn TableProvider>) -> Option<Arc<dyn TableProvider>>;

/// How tables say where their rows are.
#[derive(Debug, Clone, Copy)]
pub struct WithPlaces<'a> {
    /// Gives a table these columns.
    pub stand_in: StandIn,
    /// The columns, in the order of the rows.
    pub columns: &'a [&'a str],
}

/// A row that was found again.
#[derive(Debug)]
pub struct Found {
    /// The source that has it.
    pub table: String,
    /// The columns of [`WithPlaces`], in a batch whose first row is this one.
    pub place: RecordBatch,
}

impl Session {
    /// The place of the first row for which a query calls `function` with these arguments. None where it is not known: the query
    /// reads more than one table there, or one that is no source.
    ///
    /// # Errors
    /// Whatever reading the source ends with.
    pub async fn place_of_call(
        &self,
        sql: &str,
        params: &Params,
        function: &str,
        arguments: &RecordBatch,
        places: &WithPlaces<'_>,
    ) -> Result<Option<Found>> {
        let statement = self.parse(sql)?;
        for call in calls(&statement, function, arguments.num_columns()) {
            if !self.stand_in(&call.table, places).await? {
                continue;
            }
            let columns = places.columns.iter().map(|column| format!("\"{column}\""));
            let arguments_of = call.arguments.iter().enumerate();
            let columns = columns.chain(
                arguments_of.map(|(index, text)| format!("({text}) AS \"argument {index}\"")),
            );
            let query = format!(
                "SELECT {} FROM \"{STAND_IN}\" AS {}{}",
                columns.collect::<Vec<_>>().join(", "),
                call.alias,
                call.condition
                    .map(|condition| format!(" WHERE {condition}"))
                    .unwrap_or_default()
            );
            let names = (0..call.arguments.len()).map(|index| format!("argument {index}"));
            let found = async {
                // An argument that is no expression of the table's columns has no place.
                let Ok(plan) = self.plan_sql(&query, params, |_| ErrorPolicy::Fail).await else {
                    return Ok(None);
                };
                self.first_like(plan, names.collect(), arguments, places, 1)
                    .await
            };
            let found = found.await;
            self.context().deregister_table(STAND_IN)?;
            if let Some(place) = found? {
                let table = call.table;
                return Ok(Some(Found { table, place }));
            }
        }
        Ok(None)
    }

    /// The place of the only row of a table that has these values.
    ///
    /// # Errors
    /// Whatever reading the source ends with.
    pub async fn place_of_row(
        &self,
        table: &str,
        row: &RecordBatch,
        places: &WithPlaces<'_>,
    ) -> Result<Option<Found>> {
        if !self.stand_in(table, places).await? {
            return Ok(None);
        }
        let found = async {
            let plan = self.plan_scan(STAND_IN).await?;
            let schema = row.schema();
            let names = schema.fields().iter().map(|field| field.name().clone());
            self.first_like(plan, names.collect(), row, places, 2).await
        };
        let found = found.await;
        self.context().deregister_table(STAND_IN)?;
        let place = found?.filter(|found| found.num_rows() == 1);
        let table = table.to_owned();
        Ok(place.map(|place| Found { table, place }))
    }

    /// Puts the stand-in for a table in place, if there is one.
    async fn stand_in(&self, table: &str, places: &WithPlaces<'_>) -> Result<bool> {
        let Some(table) = self.source(table).await else {
            return Ok(false);
        };
        match (places.stand_in)(&table) {
            Some(stand_in) => {
                self.add_table(STAND_IN, stand_in)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The places of the first rows in which the columns `names` have these values; none without such a row.
    async fn first_like(
        &self,
        plan: datafusion::logical_expr::LogicalPlan,
        names: Vec<String>,
        values: &RecordBatch,
        places: &WithPlaces<'_>,
        rows: usize,
    ) -> Result<Option<RecordBatch>> {
        let mut plan = LogicalPlanBuilder::from(plan);
        for (name, column) in names.into_iter().zip(values.columns()) {
            let column_of = Expr::Column(Column::from_name(name));
            let value = ScalarValue::try_from_array(column, 0)?;
            plan = plan.filter(Expr::BinaryExpr(BinaryExpr::new(
                Box::new(column_of),
                Operator::IsNotDistinctFrom,
                Box::new(lit(value)),
            )))?;
        }
        let columns = || places.columns.iter().map(|column| col(*column));
        let plan = plan
            .project(columns())?
            .sort(columns().map(|column| column.sort(true, false)))?
            .limit(0, Some(rows))?
            .build()?;
        let found = self.first_rows(plan, rows).await?;
        let Some(first) = found.first() else {
            return Ok(None);
        };
        let found = arrow::compute::concat_batches(&first.schema(), &found)?;
        Ok((found.num_rows() > 0).then_some(found))
    }
}

/// A call in a query that reads one table alone.
struct Call {
    table: String,
    alias: String,
    arguments: Vec<String>,
    condition: Option<String>,
}

fn calls(statement: &Statement, function: &str, arguments: usize) -> Vec<Call> {
    struct Selects(Vec<Select>);
    impl Visitor for Selects {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let mut open = vec![query.body.as_ref()];
            while let Some(body) = open.pop() {
                match body {
                    SetExpr::Select(select) => self.0.push(select.as_ref().clone()),
                    SetExpr::SetOperation { left, right, .. } => {
                        open.extend([right.as_ref(), left.as_ref()]);
                    }
                    _ => {}
                }
            }
            ControlFlow::Continue(())
        }
    }
    let Statement::Statement(statement) = statement else {
        return Vec::new();
    };
    let mut selects = Selects(Vec::new());
    let _ = visit(statement, &mut selects);
    let calls = selects
        .0
        .iter()
        .flat_map(|select| calls_of(select, function, arguments));
    calls.collect()
}

fn calls_of(select: &Select, function: &str, arguments: usize) -> Vec<Call> {
    let [from] = select.from.as_slice() else {
        return Vec::new();
    };
    let TableFactor::Table { name, alias, .. } = &from.relation else {
        return Vec::new();
    };
    let [ast::ObjectNamePart::Identifier(table)] = name.0.as_slice() else {
        return Vec::new();
    };
    if !from.joins.is_empty()
        || alias
            .as_ref()
            .is_some_and(|alias| !alias.columns.is_empty())
    {
        return Vec::new();
    }
    let condition = select.selection.as_ref();
    // Where the function decides which rows there are, all are looked at.
    let condition = condition.filter(|condition| found(*condition, function).is_empty());
    let alias = alias.as_ref().map_or(table, |alias| &alias.name);
    found(select, function)
        .into_iter()
        .filter_map(|call| {
            let FunctionArguments::List(list) = call.args else {
                return None;
            };
            let texts = list.args.iter().map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                    Some(expression.to_string())
                }
                _ => None,
            });
            let texts = texts.collect::<Option<Vec<String>>>()?;
            (texts.len() == arguments).then(|| Call {
                table: table.value.clone(),
                alias: alias.to_string(),
                arguments: texts,
                condition: condition.map(ToString::to_string),
            })
        })
        .collect()
}

/// The calls of a function in a part of a query.
fn found(part: &impl Visit, function: &str) -> Vec<ast::Function> {
    let mut calls = Vec::new();
    let _ = visit_expressions(part, |expression| {
        if let ast::Expr::Function(call) = expression {
            let mut parts = call.name.0.iter().filter_map(|part| part.as_ident());
            if parts.any(|part| part.value == function) {
                calls.push(call.clone());
            }
        }
        ControlFlow::<()>::Continue(())
    });
    calls
}
