//! One test: what it gives as tables, what it expects of which table, and what became of it.

use std::path::{Path, PathBuf};

use transom_query::SessionOptions;

use super::report::{Mismatch, TestFailure, error_text};
use super::run::{Given, Tester, options, table_of};
use super::update::Edit;
use transom_file::test_file::{Data, ExpectEntry, GivenEntry, Reported, Test};
use transom_file::{Pipeline, Problem, Spanned, StepKind, list};

/// A running test.
pub(super) struct Case<'a> {
    pub(super) tester: &'a Tester,
    pub(super) test: &'a Test,
    /// With the test's variables.
    pub(super) pipeline: Pipeline,
    /// Whether transforms move to new instances.
    pub(super) moves: bool,
    pub(super) reported: Reported<'a>,
    pub(super) failures: Vec<TestFailure>,
    pub(super) untyped: Vec<String>,
    pub(super) edits: Vec<Edit>,
    pub(super) files: Vec<PathBuf>,
}

impl Case<'_> {
    pub(super) async fn all(&mut self) {
        self.variables();
        let given = self.given().await;
        let mut expected = Vec::new();
        for (name, entry) in &self.test.expect {
            if let Some(table) = self.expected_table(name, entry, &given) {
                expected.push((name, entry, table));
            }
        }
        // A test that is written wrongly tells nothing of the pipeline.
        if !self.reported.problems.is_empty() {
            return;
        }
        for (name, entry, table) in expected {
            self.expect(name, entry, &table, &given).await;
        }
    }

    fn variables(&mut self) {
        for (name, scalar) in &self.test.variables {
            let Some(value) = self.pipeline.variables.get(&name.value) else {
                let known = self.pipeline.variables.keys().map(String::as_str);
                let message = format!("the pipeline has no variable `{}`", name.value);
                let problem = self.reported.at(name.span, message);
                let allowed = format!("allowed: {}", list(known.clone()));
                let problem = problem.with_label(allowed);
                self.reported
                    .report(problem.with_near_name(&name.value, known));
                continue;
            };
            let value_type = value.value_type();
            match value_type.value_of(scalar) {
                Some(value) => {
                    self.pipeline.variables.insert(name.value.clone(), value);
                }
                None => {
                    let message = format!(
                        "the variable `{}` is {value_type}, which {} is not",
                        name.value, scalar.shown
                    );
                    let problem = self.reported.at(name.span, message);
                    let expected = format!("expected {}", value_type.looks_like());
                    self.reported.report(problem.with_label(expected));
                }
            }
        }
    }

    async fn given(&mut self) -> Given {
        let mut given = Given::new();
        for (name, entry) in &self.test.given {
            let GivenEntry { data, columns } = entry;
            if self.pipeline.source(&name.value).is_none()
                && self.pipeline.step(&name.value).is_none()
            {
                let tables: Vec<&str> = tables(&self.pipeline).collect();
                let message = format!("the pipeline has no source or step `{}`", name.value);
                let problem = self.reported.at(name.span, message);
                let allowed = format!("allowed: {}", list(tables.iter().copied()));
                let problem = problem.with_label(allowed);
                self.reported
                    .report(problem.with_near_name(&name.value, tables));
                continue;
            }
            let Some(data) = data else { continue };
            let mut known = self.tester.known(&self.pipeline, &name.value).await;
            if let Some(columns) = columns {
                let types = columns.value.0.iter();
                let types =
                    types.map(|(name, value_type)| (name.clone(), value_type.data_type().clone()));
                known.types.extend(types);
            }
            let is_source = self.pipeline.source(&name.value).is_some();
            if is_source && known.is_inferred(data) {
                self.untyped.push(name.value.clone());
            }
            self.depends_on(data);
            let folder = self.folder();
            let loader = self
                .tester
                .loader(&self.pipeline, self.test, Some(&name.value), &folder);
            let Some(rows) = loader.given(name, data, &known, &mut self.reported).await else {
                continue;
            };
            match table_of(rows) {
                Ok(table) => {
                    given.insert(name.value.clone(), table);
                }
                Err(error) => {
                    let problem = self.reported.at(name.span, error_text(&error));
                    self.reported.report(problem);
                }
            }
        }
        given
    }

    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.test.source.shown.parent().unwrap_or(Path::new(""));
        std::path::absolute(folder.join(".")).unwrap_or_else(|_| folder.to_owned())
    }

    pub(super) fn depends_on(&mut self, data: &Data) {
        if let Data::File(path) = data {
            let folder = self.test.source.shown.parent().unwrap_or(Path::new(""));
            self.files.push(folder.join(&path.value));
        }
    }

    /// The source or step whose rows are expected under `name`.
    fn expected_table(
        &mut self,
        name: &Spanned<String>,
        entry: &ExpectEntry,
        given: &Given,
    ) -> Option<String> {
        let pipeline = &self.pipeline;
        let steps = pipeline.steps.iter().map(|step| step.name.value.as_str());
        let sinks = pipeline.sinks.iter().map(|sink| sink.name.value.as_str());
        let sink = pipeline
            .sinks
            .iter()
            .find(|sink| sink.name.value == name.value);
        let table = match (pipeline.step(&name.value), sink) {
            (Some(step), _) => step.name.value.clone(),
            (None, Some(sink)) => sink.from.value.clone(),
            (None, None) => {
                let mut known: Vec<&str> = steps.collect();
                known.extend(sinks.filter(|sink| self.pipeline.step(sink).is_none()));
                let message = format!("the pipeline has no step or sink `{}`", name.value);
                let problem = self.reported.at(name.span, message);
                let problem = problem
                    .with_label(format!("allowed: {}", list(known.iter().copied())))
                    .with_near_name(&name.value, known);
                self.reported.report(problem);
                return None;
            }
        };
        if given.contains_key(&table) {
            let message = format!(
                "`{}` is given, so nothing is to be expected of it",
                name.value
            );
            let problem = self.reported.at(name.span, message);
            self.reported
                .report(problem.with_label("expect what is computed from it"));
            return None;
        }
        let is_transform = self
            .pipeline
            .step(&table)
            .is_some_and(|step| matches!(step.kind, StepKind::Transform(_)));
        if entry.rejected.is_some() && !is_transform {
            let message = format!("`{}` is no transform, so it rejects no rows", name.value);
            let problem = self.reported.at(name.span, message);
            self.reported.report(problem.with_label("has `rejected`"));
            return None;
        }
        Some(table)
    }

    async fn expect(
        &mut self,
        name: &Spanned<String>,
        entry: &ExpectEntry,
        table: &str,
        given: &Given,
    ) {
        let options = SessionOptions {
            move_instances: self.moves,
            ..options(self.test.clock, self.test.seed)
        };
        let keep_rejected = entry.rejected.is_some();
        let tester = self.tester;
        let computing = tester.compute(&self.pipeline, table, given, &options, keep_rejected);
        let computed = computing.await;
        // Which steps a plan would have had that did not come about is not known.
        let all = || {
            self.pipeline
                .steps
                .iter()
                .map(|step| step.name.value.clone())
        };
        let steps = match &computed {
            Ok((_, steps)) => steps.clone(),
            Err(_) => all().collect(),
        };
        self.depends_on_steps(&steps);
        let expected_error = entry.error.as_ref().map(|error| &error.value);
        let computed = match (computed, expected_error) {
            (Ok((computed, _)), None) => computed,
            (Ok((computed, _)), Some(expected)) => {
                let mismatch = Mismatch::NoError {
                    expected: expected.clone(),
                    rows: computed.rows.num_rows(),
                };
                return self.fail(name, mismatch);
            }
            (Err(error), Some(expected)) if error_text(&error).contains(expected.as_str()) => {
                return;
            }
            (Err(error), Some(expected)) => {
                let mismatch = Mismatch::Failed {
                    message: error_text(&error),
                    hint: None,
                    expected: Some(expected.clone()),
                };
                return self.fail(name, mismatch);
            }
            (Err(error), None) => {
                let place = self.test.source.place(name.span);
                let mismatch = Mismatch::of_error(error, |mut problem: Problem| {
                    problem.place.get_or_insert(place.clone());
                    problem
                });
                return self.fail(name, mismatch);
            }
        };
        let compared = self.compare(name, entry, &computed).await;
        let rejected = match compared {
            Ok(()) => {
                self.compare_rejected(name, entry.rejected.as_ref(), &computed)
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = rejected {
            let mismatch = Mismatch::Failed {
                message: format!("the rows of `{table}` cannot be compared: {error}"),
                hint: None,
                expected: None,
            };
            self.fail(name, mismatch);
        }
    }

    /// What runs changes with the queries that it was made of.
    fn depends_on_steps(&mut self, steps: &[String]) {
        let steps = steps.iter().filter_map(|step| self.pipeline.step(step));
        let queries = steps.filter_map(|step| match &step.kind {
            StepKind::Sql(sql) => sql.file.clone(),
            StepKind::Transform(_) => None,
        });
        self.files.extend(queries);
    }

    pub(super) fn fail(&mut self, name: &Spanned<String>, what: Mismatch) {
        let table = Some(name.value.clone());
        self.failures.push(TestFailure { table, what });
    }
}

fn tables(pipeline: &Pipeline) -> impl Iterator<Item = &str> {
    let sources = pipeline
        .sources
        .iter()
        .map(|source| source.name.value.as_str());
    sources.chain(pipeline.steps.iter().map(|step| step.name.value.as_str()))
}
