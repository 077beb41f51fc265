//! One step: its plan, and where in the pipeline's files its mistakes are.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use transom_query::{OnReject, TransformStep, WrongColumn, WrongColumns};

use super::PlannedStep;
use super::convert::{order_by, params};
use super::messages::{
    find_word, missing_column, no_function, plan_message, sql_problem, sql_problems,
};
use super::planner::Planner;
use crate::error::{Error, Result, source_of};
use crate::rejects::dead_letters::DeadLetterSpool;
use transom_file::{MaxRejects, Problem, SqlStep, Step, StepKind};

impl Planner<'_> {
    pub(super) async fn step(&mut self, step: &Step) -> Result<Option<PlannedStep>> {
        let name = &step.name.value;
        let mut dead_letters = None;
        let plan = match &step.kind {
            StepKind::Sql(sql) => self.sql(name, sql).await?,
            StepKind::Transform(transform) => {
                if self.part.keeps_rejected(name, transform) {
                    dead_letters = Some(Arc::new(DeadLetterSpool::new(
                        name,
                        transform.max_rejects.is_some(),
                    )?));
                }
                self.transform(name, transform, dead_letters.clone())
                    .await?
            }
        };
        let Some(plan) = plan else { return Ok(None) };
        let mut names = BTreeSet::new();
        if let Some(twice) = plan
            .schema()
            .fields()
            .iter()
            .find(|field| !names.insert(field.name()))
        {
            let message = format!("step `{name}` has two columns named `{}`", twice.name());
            let problem = self.pipeline.problem_at(step.name.span, message);
            self.problems
                .push(problem.with_hint("give one of them another name with `AS`"));
            return Ok(None);
        }
        self.session
            .add_step(name, plan.clone())
            .map_err(|error| Error::of_query(&format!("step `{name}`"), error))?;
        self.tables.insert(name.clone());
        let mut reads = match &step.kind {
            StepKind::Sql(sql) => self.session.tables_of(&sql.text).unwrap_or_default(),
            StepKind::Transform(transform) => vec![transform.input.value.clone()],
        };
        let mut seen = BTreeSet::new();
        reads.retain(|table| seen.insert(table.clone()));
        Ok(Some(PlannedStep {
            name: name.clone(),
            reads,
            plan,
            readers: 0,
            keeps: None,
            dead_letters,
            max_rejects: match &step.kind {
                StepKind::Transform(transform) => transform.max_rejects,
                StepKind::Sql(_) => None,
            },
        }))
    }

    pub(super) async fn sql(&mut self, step: &str, sql: &SqlStep) -> Result<Option<LogicalPlan>> {
        let Ok(tables) = self.session.tables_of(&sql.text) else {
            return Ok(None);
        };
        if let Err(error) = self.session.check_query(&sql.text) {
            let problem = sql_problem(self.pipeline, self.looked, sql, &error);
            self.problems.push(problem);
            return Ok(None);
        }
        let mut complete = true;
        for table in tables.iter().filter(|table| !self.tables.contains(*table)) {
            complete = false;
            // A table that is declared but could not be planned has a problem of its own.
            if self.pipeline.source(table).is_some() || self.pipeline.step(table).is_some() {
                continue;
            }
            let known = self
                .pipeline
                .sources
                .iter()
                .map(|source| source.name.value.as_str());
            let known: Vec<&str> = known
                .chain(
                    self.pipeline
                        .steps
                        .iter()
                        .map(|step| step.name.value.as_str()),
                )
                .collect();
            let message = format!(
                "there is no source or step `{table}`; there are: {}",
                known.join(", ")
            );
            let problem = self
                .pipeline
                .problem_in_sql(sql, find_word(&sql.text, table), message);
            self.problems
                .push(match transom_sql::instead_of_table(table) {
                    Some(instead) => problem.with_hint(instead),
                    None => problem.with_near_name(table, known),
                });
        }
        if !complete {
            return Ok(None);
        }
        self.check_on_error(sql);
        let params = params(self.pipeline);
        let on_error = |function: &str| sql.on_error.policy(function);
        let planned = self.session.plan_step(step, &sql.text, &params, on_error);
        match planned.await {
            Ok(plan) => Ok(Some(plan)),
            Err(error) => {
                let problems = sql_problems(self.pipeline, self.looked, sql, &error);
                let error = Error::of_query("", error);
                if matches!(&error, Error::Plugin { source, .. } if !is_of_the_pipeline(source)) {
                    return Err(error);
                }
                for problem in problems {
                    let problem = self.with_origin_of_columns(problem, &tables);
                    self.problems.push(problem);
                }
                Ok(None)
            }
        }
    }

    /// Reports functions below `on_error` that their plugins do not have: as they stand there, they would change nothing.
    fn check_on_error(&mut self, sql: &SqlStep) {
        for (function, span) in &sql.on_error.spans {
            let found = function
                .split_once('.')
                .and_then(|(plugin, function)| Some((plugin, self.described(plugin)?, function)));
            let Some((plugin, description, name)) = found else {
                continue;
            };
            let functions = &description.functions;
            if functions.iter().any(|known| known.name == name) {
                continue;
            }
            let known = || functions.iter().map(|function| function.name.as_str());
            let message = no_function(plugin, name, known());
            let problem = self.pipeline.problem_at(*span, message);
            self.problems.push(problem.with_near_name(name, known()));
        }
    }

    /// A column may be missed that its file has: then a hint says why the source does not have it.
    fn with_origin_of_columns(&self, problem: Problem, tables: &[String]) -> Problem {
        let Some((table, _)) = missing_column(&problem.message) else {
            return problem;
        };
        let reads_it = tables.iter().any(|read| {
            self.remembered.contains(read) && table.is_none_or(|table| table == read.as_str())
        });
        match reads_it && problem.hint.is_none() {
            true => problem.with_hint(self.origin_of_columns()),
            false => problem,
        }
    }

    fn origin_of_columns(&self) -> &'static str {
        match self.part.given.is_empty() {
            true => {
                "the columns of a source are those in `transom.lock`: `transom lock` looks at the files again"
            }
            false => {
                "the columns of a source are those in `transom.lock`, or else of the rows that the test gives"
            }
        }
    }

    async fn transform(
        &mut self,
        name: &str,
        transform: &transom_file::TransformStep,
        dead_letters: Option<Arc<DeadLetterSpool>>,
    ) -> Result<Option<LogicalPlan>> {
        if !self.tables.contains(&transform.input.value) {
            return Ok(None);
        }
        if dead_letters.is_some() && !self.dead_letters_fit(name, transform).await? {
            return Ok(None);
        }
        if !self.keys_fit(name, transform).await? {
            return Ok(None);
        }
        // What it gives is known when it is built, which is a problem of its own already.
        if self.is_unbuilt(&transform.plugin) {
            return Ok(None);
        }
        let with_origin = dead_letters.is_some();
        let step = TransformStep {
            name: name.to_owned(),
            plugin: transform.plugin.clone(),
            transform: transform.transform.value.clone(),
            partition_by: transform
                .partition_by
                .iter()
                .map(|column| column.value.clone())
                .collect(),
            order_by: transform.order_by.iter().map(order_by).collect(),
            options: serde_json::Value::Object(transform.options.clone()).to_string(),
            on_reject: match (&transform.on_reject, dead_letters) {
                (_, Some(spool)) => OnReject::DeadLetter(spool),
                (transom_file::OnReject::Drop, None) => OnReject::Drop,
                _ => OnReject::Fail,
            },
            // A test gives a few rows to see them rejected; a limit is for the data that is published.
            max_rejects: match transform.max_rejects {
                Some(MaxRejects::Rows(rows)) if self.part.tables.is_none() => Some(rows),
                _ => None,
            },
            with_origin,
        };
        let planned = self
            .session
            .plan_transform(step, &transform.input.value)
            .await;
        let Err(error) = planned else {
            return Ok(planned.ok());
        };
        let problems = match source_of::<WrongColumns>(&error) {
            Some(WrongColumns(wrong)) => wrong
                .iter()
                .map(|wrong| self.column_problem(transform, wrong))
                .collect(),
            None => vec![self.transform_problem(transform, error)?],
        };
        self.problems.extend(problems);
        Ok(None)
    }

    /// A column that a transform does not take, at the input that has it.
    fn column_problem(
        &self,
        transform: &transom_file::TransformStep,
        wrong: &WrongColumn,
    ) -> Problem {
        let input = &transform.input;
        let problem = self.pipeline.problem_at(input.span, wrong.to_string());
        match (&wrong.cast, &wrong.given) {
            (Some(cast), _) => {
                let query = match self.pipeline.step(&input.value) {
                    Some(step) if matches!(step.kind, StepKind::Sql(_)) => {
                        format!("in the query of step `{}`", input.value)
                    }
                    _ => "in a step of SQL before it".to_owned(),
                };
                problem.with_hint(format!("write `{cast}` {query}"))
            }
            (None, None) if self.remembered.contains(&input.value) => {
                problem.with_hint(self.origin_of_columns())
            }
            _ => problem,
        }
    }

    /// Dead letters have columns of their own beside the row's; a row that has one of them already is refused here.
    async fn dead_letters_fit(
        &mut self,
        name: &str,
        transform: &transom_file::TransformStep,
    ) -> Result<bool> {
        let input = self.session.plan_scan(&transform.input.value).await;
        let input = input.map_err(|error| Error::of_query(&format!("step `{name}`"), error))?;
        Ok(self.check_dead_letters(&transform.input, input.schema().as_arrow()))
    }

    /// Where in the file a transform's mistake is: at a column of its keys, at one of its options, at the transform's name.
    fn transform_problem(
        &self,
        transform: &transom_file::TransformStep,
        error: DataFusionError,
    ) -> Result<Problem> {
        let message = plan_message(&error);
        let columns = transform
            .partition_by
            .iter()
            .chain(transform.order_by.iter().map(|order| &order.column));
        let column = columns
            .into_iter()
            .find(|column| message.contains(&format!("no column `{}`", column.value)));
        // The first that is named: those that are allowed come after it.
        let option = transform
            .option_spans
            .iter()
            .filter_map(|(option, span)| Some((message.find(&format!("`{option}`"))?, span)))
            .min_by_key(|(at, _)| *at);
        let span = match (column, option) {
            (Some(column), _) => column.span,
            (None, Some((_, span))) => *span,
            (None, None) => transform.transform.span,
        };
        let mut problem = self.pipeline.problem_at(span, message);
        if let Some(description) = self.described(&transform.plugin) {
            let name = &transform.transform.value;
            if description.transform(name).is_none() {
                let names = description
                    .transforms
                    .iter()
                    .map(|known| known.name.as_str());
                problem = problem.with_near_name(name, names);
            }
        }
        if column.is_some() && self.remembered.contains(&transform.input.value) {
            problem.hint = Some(self.origin_of_columns().to_owned());
        }
        if let Error::Plugin { source, .. } = Error::of_query("", error) {
            if !is_of_the_pipeline(&source) {
                let (plugin, name) = (&transform.plugin, &transform.transform.value);
                return Err(Error::Plugin {
                    what: format!("opening `{plugin}.{name}` failed"),
                    source,
                    row: None,
                });
            }
            problem.hint = source.hint();
        }
        Ok(problem)
    }
}

/// What a guest says of options and columns while it is opened is the pipeline's mistake; a crash or a limit is not.
fn is_of_the_pipeline(error: &transom_plugin::Error) -> bool {
    matches!(
        error,
        transom_plugin::Error::Guest { .. } | transom_plugin::Error::Unsupported { .. }
    )
}
