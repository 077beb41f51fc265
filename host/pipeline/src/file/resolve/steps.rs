//! Steps: queries with their texts, transforms with what they read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::model::{ErrorPolicy, OnReject, StepEntry};
use super::super::names::is_name;
use super::super::parts::{OnErrorEntry, OrderEntry, SqlText};
use super::super::pipeline::{OnError, OrderBy, SqlStep, Step, StepKind, TransformStep};
use super::super::reader::Spanned;
use super::{Resolver, entries};

impl Resolver<'_> {
    pub(super) fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for entry in entries(self.file.steps.as_ref()) {
            let Some(step) = &entry.value else { continue };
            let query = step
                .sql
                .as_ref()
                .and_then(|sql| self.query(sql, step.on_error.as_ref()));
            let transform = self.transform(&entry.name.value, step);
            let checks = self.checks(&entry.name.value, step.checks.as_ref());
            // A step with both was reported by the reader.
            let kind = query
                .map(StepKind::Sql)
                .or(transform.map(StepKind::Transform));
            steps.extend(kind.map(|kind| Step {
                name: entry.name.clone(),
                kind,
                checks,
            }));
        }
        steps
    }

    pub(super) fn query(
        &mut self,
        sql: &SqlText,
        on_error: Option<&OnErrorEntry>,
    ) -> Option<SqlStep> {
        let on_error = on_error
            .map(|policy| self.on_error(policy))
            .unwrap_or_default();
        let said = sql.text.trim();
        let (text, file, shown) = if said.ends_with(".sql") && !said.contains('\n') {
            let (text, file) = self.query_file(&Spanned {
                value: said.to_owned(),
                span: sql.span,
            })?;
            (text, Some(file), self.shown(said))
        } else {
            (sql.text.clone(), None, self.source.shown.clone())
        };
        Some(SqlStep {
            text,
            file,
            on_error,
            span: sql.span,
            style: sql.style,
            shown,
        })
    }

    /// The text of a query's file.
    fn query_file(&mut self, said: &Spanned<String>) -> Option<(String, PathBuf)> {
        let path = self.path(said)?;
        let (message, label) = match fs_err::read(&path.value).map(String::from_utf8) {
            Ok(Ok(text)) if !text.trim().is_empty() => return Some((text, path.value)),
            Ok(Ok(_)) => (
                format!("the SQL file `{}` is empty", said.value),
                "needs a query",
            ),
            Ok(Err(_)) => (
                format!("the SQL file `{}` is not UTF-8", said.value),
                "must be UTF-8",
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (
                format!("the SQL file `{}` does not exist", said.value),
                "nothing there",
            ),
            Err(error) => (error.to_string(), "cannot be read"),
        };
        let problem = self.at(said.span, message).with_label(label);
        self.report(problem);
        None
    }

    fn on_error(&mut self, said: &OnErrorEntry) -> OnError {
        let each = match said {
            OnErrorEntry::All(default) => {
                return OnError {
                    default: *default,
                    ..OnError::default()
                };
            }
            OnErrorEntry::Each(each) => each,
        };
        let (mut functions, mut spans) = (BTreeMap::new(), BTreeMap::new());
        for (function, policy) in each {
            if self
                .plugin_item(function, "function", "geo.parse")
                .is_some()
            {
                functions.insert(function.value.clone(), *policy);
                spans.insert(function.value.clone(), function.span);
            }
        }
        OnError {
            default: ErrorPolicy::Fail,
            functions,
            spans,
        }
    }

    /// The two names in `plugin.item`; reports what is no such name, and a plugin that is not declared.
    fn plugin_item(
        &mut self,
        said: &Spanned<String>,
        what: &str,
        like: &str,
    ) -> Option<(String, String)> {
        match said.value.split_once('.') {
            Some((plugin, item)) if is_name(plugin) && is_name(item) => {
                self.check_plugin(plugin, said.span);
                Some((plugin.to_owned(), item.to_owned()))
            }
            _ => {
                let problem = self
                    .at(
                        said.span,
                        format!("`{}` is no {what} of a plugin", said.value),
                    )
                    .with_label(format!("expected a plugin and a {what}, like `{like}`"));
                self.report(problem);
                None
            }
        }
    }

    fn transform(&mut self, step: &str, entry: &StepEntry) -> Option<TransformStep> {
        let names = entry
            .transform
            .as_ref()
            .and_then(|said| self.plugin_item(said, "transform", "geo.visits"));
        if let Some(input) = &entry.input {
            self.check_table(input, &format!("the step `{step}`"));
        }
        let on_reject = entry.on_reject.unwrap_or(Some(OnReject::Fail));
        let limit = entry.transform.as_ref().and(entry.max_rejects.as_ref());
        if let (Some(limit), Some(OnReject::Fail)) = (limit, on_reject) {
            let message = format!("the step `{step}` has `max_rejects`, but rejects no row");
            let problem = self
                .at(limit.span, message)
                .with_label("needs `on_reject: drop` or `on_reject: dead_letter`")
                .with_hint("with `on_reject: fail` the first rejected row fails the run");
            self.report(problem);
        }
        let (plugin, transform) = names?;
        let options = entry.options.as_ref();
        Some(TransformStep {
            plugin,
            transform: Spanned {
                value: transform,
                span: entry.transform.as_ref()?.span,
            },
            input: entry.input.clone()?,
            partition_by: entry
                .partition_by
                .as_ref()
                .map_or_else(Vec::new, |said| said.0.clone()),
            order_by: entry
                .order_by
                .iter()
                .flat_map(|order| &order.0)
                .filter_map(order_by)
                .collect(),
            options: options
                .map(|options| options.values.clone())
                .unwrap_or_default(),
            option_spans: options.map_or_else(BTreeMap::new, |options| options.spans.clone()),
            on_reject: on_reject?,
            max_rejects: entry.max_rejects.as_ref().map(|limit| limit.value),
        })
    }
}

fn order_by(entry: &OrderEntry) -> Option<OrderBy> {
    let desc = entry.desc.unwrap_or(false);
    let nulls_first = entry.nulls_first.unwrap_or(desc);
    Some(OrderBy {
        column: entry.column.clone()?,
        desc,
        nulls_first,
    })
}
