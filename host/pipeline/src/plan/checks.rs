//! Checks as plans: each gives the rows that fail it, or their number.

use std::collections::BTreeSet;

use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use transom_file::ErrorPolicy;
use transom_sql::text::{Origin, column};
use transom_sql::type_name;

use super::convert::params;
use super::messages::{plan_message, sql_problem};
use super::planner::Planner;
use crate::error::{Error, Result};
use transom_file::{Check, CheckKind, Problem, Spanned, list};

/// A check that can be run.
#[derive(Debug, Clone)]
pub(crate) struct PlannedCheck {
    /// The source or step that it belongs to.
    pub(crate) table: String,
    pub(crate) check: Check,
    /// Gives the rows that fail; for `row_count`, one row with the number of rows.
    pub(crate) plan: LogicalPlan,
}

impl Planner<'_> {
    /// The checks of the tables that are needed; none if the caller computes single tables, which publishes nothing.
    pub(super) async fn checks(&mut self, needed: &BTreeSet<&str>) -> Result<Vec<PlannedCheck>> {
        let mut planned = Vec::new();
        if self.part.tables.is_some() {
            return Ok(planned);
        }
        for (table, check) in self.pipeline.checks() {
            let table = table.value.as_str();
            // A table that could not be planned has a problem of its own.
            if !needed.contains(table) || !self.tables.contains(table) {
                continue;
            }
            if let Some(plan) = self.check(table, check).await? {
                planned.push(PlannedCheck {
                    table: table.to_owned(),
                    check: check.clone(),
                    plan,
                });
            }
        }
        Ok(planned)
    }

    async fn check(&mut self, table: &str, check: &Check) -> Result<Option<LogicalPlan>> {
        if let CheckKind::Sql(sql) = &check.kind {
            if let Err(error) = self.session.tables_of(&sql.text) {
                let problem = sql_problem(self.pipeline, self.looked, sql, &error);
                self.problems.push(problem);
                return Ok(None);
            }
            return self.sql(table, sql).await;
        }
        let schema = self.schema_of(table).await?;
        if !self.columns_exist(table, &schema, check).await? {
            return Ok(None);
        }
        let condition = match &check.condition {
            // A comment at the end of the condition ends with its line.
            Some(condition) => format!("({}\n)", condition.value),
            None => "TRUE".to_owned(),
        };
        let rows = format!("(SELECT * FROM {} WHERE {condition})", quoted(table));
        let query = failing(&check.kind, &rows);
        let params = params(self.pipeline);
        let planned = self
            .session
            .plan_sql(&query, &params, |_| ErrorPolicy::Fail);
        let plan = match (planned.await, &check.condition) {
            (Ok(plan), _) => plan,
            (Err(error), Some(condition)) => {
                let message = format!(
                    "`where` of the check `{}`: {}",
                    check.name,
                    plan_message(&error)
                );
                self.problems
                    .push(self.pipeline.problem_at(condition.span, message));
                return Ok(None);
            }
            (Err(error), None) => {
                let message = format!("the check `{}`: {}", check.name, plan_message(&error));
                self.problems
                    .push(self.pipeline.problem_at(check.span, message));
                return Ok(None);
            }
        };
        let CheckKind::AcceptedValues { column, values } = &check.kind else {
            return Ok(Some(plan));
        };
        let Some(values) = self.accepted(&schema, column, values) else {
            return Ok(None);
        };
        // The values are of the column's type, so that nothing is converted when they are compared. NULL is neither in the list
        // nor outside of it.
        let column = Expr::Column(Column::new_unqualified(column.value.clone()));
        let others = LogicalPlanBuilder::from(plan).filter(column.in_list(values, true));
        let others = others.and_then(LogicalPlanBuilder::build);
        Ok(Some(others.map_err(|error| {
            Error::of_query("planning checks", error)
        })?))
    }

    async fn schema_of(&self, table: &str) -> Result<Schema> {
        let plan = self.session.plan_scan(table).await;
        let plan = plan.map_err(|error| Error::of_query("planning checks", error))?;
        Ok(Schema::new(plan.schema().fields().to_vec()))
    }

    /// Reports columns that are not there, and columns of two tables that cannot be compared.
    async fn columns_exist(&mut self, table: &str, schema: &Schema, check: &Check) -> Result<bool> {
        let columns: Vec<&Spanned<String>> = match &check.kind {
            CheckKind::NotNull { column }
            | CheckKind::AcceptedValues { column, .. }
            | CheckKind::Relationships { column, .. } => vec![column],
            CheckKind::Unique { columns } => columns.iter().collect(),
            CheckKind::RowCount { .. } | CheckKind::Sql(_) => vec![],
        };
        let before = self.problems.len();
        for column in columns {
            if schema.index_of(&column.value).is_err() {
                self.problems.push(self.no_column(table, schema, column));
            }
        }
        if let CheckKind::Relationships { column, to, field } = &check.kind {
            if !self.tables.contains(&to.value) {
                return Ok(false);
            }
            let parents = self.schema_of(&to.value).await?;
            let Ok(parent) = parents.field_with_name(&field.value) else {
                self.problems
                    .push(self.no_column(&to.value, &parents, field));
                return Ok(false);
            };
            if let Ok(child) = schema.field_with_name(&column.value)
                && !are_comparable(child.data_type(), parent.data_type())
            {
                let message = format!(
                    "`{table}.{}` is {}, which cannot be compared with `{}.{}`, which is {}",
                    column.value,
                    type_name(child.data_type()),
                    to.value,
                    field.value,
                    type_name(parent.data_type())
                );
                let problem = self.pipeline.problem_at(field.span, message);
                self.problems
                    .push(problem.with_hint("cast one of them in the step that computes it"));
            }
        }
        Ok(self.problems.len() == before)
    }

    fn no_column(&self, table: &str, schema: &Schema, column: &Spanned<String>) -> Problem {
        let names = || schema.fields().iter().map(|field| field.name().as_str());
        let message = format!("`{table}` has no column `{}`", column.value);
        let problem = self.pipeline.problem_at(column.span, message);
        let problem = problem.with_label(format!("columns: {}", list(names())));
        problem.with_near_name(&column.value, names())
    }

    /// The values as literals of the column's type; `None` if one was reported.
    fn accepted(
        &mut self,
        schema: &Schema,
        column: &Spanned<String>,
        values: &[Spanned<String>],
    ) -> Option<Vec<Expr>> {
        let data_type = schema.field_with_name(&column.value).ok()?.data_type();
        let mut literals = Vec::new();
        for value in values {
            match value_of(&value.value, data_type) {
                Some(value) => literals.push(lit(value)),
                None => {
                    let name = type_name(data_type);
                    let message = format!(
                        "column `{}` is {name}, which cannot hold `{}`",
                        column.value, value.value
                    );
                    let problem = self.pipeline.problem_at(value.span, message);
                    self.problems
                        .push(problem.with_label(format!("expected {name}")));
                }
            }
        }
        (literals.len() == values.len()).then_some(literals)
    }
}

/// The query that gives the rows that fail, out of `rows`; of `accepted_values` all of them. No table has a name with a blank.
fn failing(kind: &CheckKind, rows: &str) -> String {
    match kind {
        CheckKind::NotNull { column } => {
            format!(
                "SELECT * FROM {rows} AS \"the rows\" WHERE {} IS NULL",
                quoted(&column.value)
            )
        }
        CheckKind::Unique { columns } => {
            let keys: Vec<String> = columns.iter().map(|column| quoted(&column.value)).collect();
            let joined = |part: fn(&String) -> String, by| {
                keys.iter().map(part).collect::<Vec<_>>().join(by)
            };
            let present = joined(|key| format!("{key} IS NOT NULL"), " AND ");
            let same = joined(
                |key| format!("\"the rows\".{key} = \"the keys\".{key}"),
                " AND ",
            );
            let keys = keys.join(", ");
            format!(
                "SELECT \"the rows\".* FROM {rows} AS \"the rows\" LEFT SEMI JOIN (
                    SELECT {keys} FROM {rows} AS \"the rows\" WHERE {present}
                    GROUP BY {keys} HAVING count(*) > 1
                ) AS \"the keys\" ON {same}"
            )
        }
        CheckKind::Relationships { column, to, field } => {
            let (column, to, field) = (
                quoted(&column.value),
                quoted(&to.value),
                quoted(&field.value),
            );
            format!(
                "SELECT \"the rows\".* FROM {rows} AS \"the rows\" LEFT ANTI JOIN {to} AS \"the parents\"
                    ON \"the rows\".{column} = \"the parents\".{field}
                    WHERE \"the rows\".{column} IS NOT NULL"
            )
        }
        CheckKind::RowCount { .. } => {
            format!("SELECT count(*) AS rows FROM {rows} AS \"the rows\"")
        }
        CheckKind::AcceptedValues { .. } | CheckKind::Sql(_) => {
            format!("SELECT * FROM {rows} AS \"the rows\"")
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether two columns hold values of one kind. SQL would compare a number with a text as texts, which is rarely meant.
fn are_comparable(one: &DataType, other: &DataType) -> bool {
    let (one, other) = (plain(one), plain(other));
    let both = |is: fn(&DataType) -> bool| is(one) && is(other);
    let is_day = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
        )
    };
    one == other
        || both(DataType::is_numeric)
        || both(is_text)
        || (is_day(one) && is_day(other))
        || both(DataType::is_binary)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// The type of the values, however they are stored.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// The value that `text` writes, in a column's type; `None` if the type cannot hold it exactly.
fn value_of(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    let values = column([Some(text)].into_iter(), plain(data_type), Origin::Declared).ok()?;
    let values = cast(&values, data_type).ok()?;
    ScalarValue::try_from_array(&values, 0).ok()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn accepted_values_are_exact_in_the_type_of_their_column() {
        let decimal = DataType::Decimal128(4, 2);
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (text, data_type, fits) in [
            ("5", &DataType::Int8, true),
            ("500", &DataType::Int8, false),
            ("1.5", &DataType::Int64, false),
            ("18446744073709551615", &DataType::UInt64, true),
            ("1.25", &decimal, true),
            ("1.255", &decimal, false),
            ("125.00", &decimal, false),
            ("true", &DataType::Boolean, true),
            ("2024-01-31", &DataType::Date32, true),
            ("2024-01-31 10:00:00", &DataType::Date32, false),
            ("2024-01-31 10:00:00", &timestamp, true),
            ("soon", &timestamp, false),
            ("007", &DataType::Utf8, true),
            ("x", &DataType::Binary, false),
            ("[1]", &DataType::new_list(DataType::Int8, true), false),
        ] {
            let value = value_of(text, data_type);
            assert_eq!(value.is_some(), fits, "{text} as {data_type}: {value:?}");
            if let Some(value) = value {
                assert_eq!(value.data_type(), *data_type);
            }
        }
    }

    #[test]
    fn numbers_and_texts_are_not_compared() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        assert!(are_comparable(
            &DataType::Int32,
            &DataType::Decimal128(10, 2)
        ));
        assert!(are_comparable(&dictionary, &DataType::Utf8View));
        assert!(!are_comparable(&DataType::Int64, &DataType::Utf8));
        assert!(!are_comparable(&DataType::Boolean, &DataType::Date32));
    }
}
