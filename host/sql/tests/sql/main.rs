//! What SQL computes, as tables of queries and their values.
//!
//! Expected values are PostgreSQL's, except where a comment says otherwise.

mod conditions;
mod nested;
mod numbers;
mod text;
mod time;
mod upstream;

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

fn context(partitions: usize) -> SessionContext {
    let config = transom_sql::configure(SessionConfig::new()).with_target_partitions(partitions);
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features();
    SessionContext::new_with_state(transom_sql::install(builder, None).build())
}

async fn collect(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let mut statement = state.sql_to_statement(sql, &dialect)?;
    transom_sql::prepare(&mut statement, &|name| {
        state.scalar_functions().contains_key(name)
            && !state.aggregate_functions().contains_key(name)
    })?;
    let plan = transom_sql::planned(state.statement_to_plan(statement).await?)?;
    let planned = plan.schema().as_arrow().clone();
    let batches = context.execute_logical_plan(plan).await?.collect().await?;
    if let Some(batch) = batches.first() {
        for (planned, field) in planned.fields().iter().zip(batch.schema().fields()) {
            let (planned, run) = (planned.data_type(), field.data_type());
            assert_eq!(planned, run, "{sql}: planned as another type than it has");
        }
    }
    Ok(batches)
}

/// The rows of a query: values with `|` between them, rows with `;`.
async fn rows(context: &SessionContext, sql: &str) -> Result<String> {
    Ok(shown(&collect(context, sql).await?))
}

fn shown(batches: &[RecordBatch]) -> String {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                if column.is_null(row) {
                    return "NULL".to_owned();
                }
                array_value_to_string(column, row).expect("a value that can be shown")
            });
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows.join(";")
}

fn message(error: &DataFusionError) -> String {
    match transom_sql::ValueError::find(error) {
        Some(found) => match &found.hint {
            Some(hint) => format!("{} (hint: {hint})", found.message),
            None => found.message.clone(),
        },
        None => error.to_string(),
    }
}

/// Checks expressions as constants, and again over a column, where nothing can be folded.
async fn check_expressions(cases: &[(&str, &str)]) {
    let context = context(2);
    let mut wrong = Vec::new();
    for (expression, expected) in cases {
        let found = match rows(&context, &format!("SELECT {expression} AS x")).await {
            Ok(found) => found,
            Err(error) => format!("error: {}", message(&error)),
        };
        if !matches(&found, expected) {
            wrong.push(format!(
                "{expression}\n   expected {expected}\n   found    {found}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Checks queries over tables that are registered.
async fn check_queries(context: &SessionContext, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let found = match rows(context, sql).await {
            Ok(found) => found,
            Err(error) => format!("error: {}", message(&error)),
        };
        if !matches(&found, expected) {
            wrong.push(format!(
                "{sql}\n   expected {expected}\n   found    {found}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// `error: text` expects an error that contains the text.
fn matches(found: &str, expected: &str) -> bool {
    match expected.strip_prefix("error: ") {
        Some(text) => found.starts_with("error: ") && found.contains(text),
        None => found == expected,
    }
}

/// Registers the rows of a query as a table of several partitions, whose columns are no constants.
async fn table(context: &SessionContext, name: &str, sql: &str) {
    let batches = collect(context, sql).await.expect("rows of the table");
    let schema = batches[0].schema();
    let parts = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|row| vec![batch.slice(row, 1)]))
        .collect();
    let table = MemTable::try_new(schema, parts).expect("a table");
    context
        .register_table(name, Arc::new(table))
        .expect("a new name");
}
