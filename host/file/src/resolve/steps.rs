//! Steps: queries with their texts, transforms with what they read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use super::super::model::{ErrorPolicy, OnReject, StepEntry};
use super::super::names::is_name;
use super::super::options::Options;
use super::super::parts::{OnErrorEntry, OrderEntry, SqlText};
use super::super::paths;
use super::super::pipeline::{OnError, OrderBy, SqlStep, Step, StepKind, TransformStep};
use super::super::problem::list;
use super::super::reader::Spanned;
use super::super::value::Value;
use super::{Resolver, entries};

impl Resolver<'_> {
    pub(super) fn steps(&mut self, variables: &BTreeMap<String, Value>) -> Vec<Step> {
        let mut steps = Vec::new();
        for entry in entries(self.file.steps.as_ref()) {
            let Some(step) = &entry.value else { continue };
            let query = step
                .sql
                .as_ref()
                .and_then(|sql| self.query(sql, step.on_error.as_ref()));
            let transform = self.transform(&entry.name.value, step, variables);
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
            moves_along: paths::stays_inside(said),
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
            Ok(Ok(text)) if !text.trim().is_empty() => {
                // Windows' editors begin with a byte order mark, which is no SQL.
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
                return Some((text, path.value));
            }
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

    fn transform(
        &mut self,
        step: &str,
        entry: &StepEntry,
        variables: &BTreeMap<String, Value>,
    ) -> Option<TransformStep> {
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
                .map(|options| self.with_variables(options, variables))
                .unwrap_or_default(),
            option_spans: options.map_or_else(BTreeMap::new, |options| options.spans.clone()),
            on_reject: on_reject?,
            max_rejects: entry.max_rejects.as_ref().map(|limit| limit.value),
        })
    }
}

impl Resolver<'_> {
    /// The options with the values of variables in the place of `$name`; `$$` stands for a dollar.
    fn with_variables(
        &mut self,
        options: &Options,
        variables: &BTreeMap<String, Value>,
    ) -> Map<String, Json> {
        let mut values = options.values.clone();
        for (option, value) in &mut values {
            let mut unknown = Vec::new();
            set_variables(value, variables, &mut unknown);
            let span = options.spans.get(option).copied();
            for (name, span) in unknown.iter().zip(span.into_iter().cycle()) {
                let declared = || variables.keys().map(String::as_str);
                let problem = self
                    .at(
                        span,
                        format!("unknown variable `${name}` in the option `{option}`"),
                    )
                    .with_label(format!("declared: {}", list(declared())))
                    .with_hint(format!("for a text that begins so, write `$${name}`"))
                    .with_near_name(name, declared());
                self.report(problem);
            }
        }
        values
    }
}

/// Replaces each text that is `$name` as a whole, within lists and maps too.
fn set_variables(json: &mut Json, variables: &BTreeMap<String, Value>, unknown: &mut Vec<String>) {
    match json {
        Json::Array(items) => {
            let items = items.iter_mut();
            items.for_each(|item| set_variables(item, variables, unknown));
        }
        Json::Object(map) => {
            let items = map.values_mut();
            items.for_each(|item| set_variables(item, variables, unknown));
        }
        Json::String(text) => {
            let Some(name) = text.strip_prefix('$') else {
                return;
            };
            if name.starts_with('$') {
                *json = Json::String(name.to_owned());
            } else if let Some(value) = variables.get(name) {
                *json = to_json(value);
            } else if is_name(name) {
                unknown.push(name.to_owned());
            }
        }
        _ => {}
    }
}

/// A number or truth value as JSON has it; anything else as the text that the file would hold.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::Int64(value) => Json::from(*value),
        Value::Float64(value) => Json::from(*value),
        Value::Utf8(text) => Json::String(text.clone()),
        Value::Date(date) => Json::String(date.to_string()),
        Value::Timestamp(time) => Json::String(time.format("%Y-%m-%d %H:%M:%S%.f").to_string()),
        Value::Decimal {
            unscaled, scale, ..
        } => Json::String(decimal(*unscaled, usize::from(*scale))),
    }
}

fn decimal(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    match scale {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

pub(super) fn order_by(entry: &OrderEntry) -> Option<OrderBy> {
    let desc = entry.desc.unwrap_or(false);
    let nulls_first = entry.nulls_first.unwrap_or(desc);
    Some(OrderBy {
        column: entry.column.clone()?,
        desc,
        nulls_first,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_put_into_options_at_any_depth() {
        let variables = BTreeMap::from([
            ("gap".to_owned(), Value::Int64(30)),
            ("day".to_owned(), Value::Utf8("monday".to_owned())),
            (
                "rate".to_owned(),
                Value::Decimal {
                    unscaled: -5,
                    precision: 4,
                    scale: 2,
                },
            ),
        ]);
        let mut options = json!({
            "gap": "$gap", "days": ["$day", "$$day", "the $day"], "deep": { "rate": "$rate" }, "pattern": "$", "n": 1,
        });
        let mut unknown = Vec::new();
        set_variables(&mut options, &variables, &mut unknown);
        let expected = json!({
            "gap": 30, "days": ["monday", "$day", "the $day"], "deep": { "rate": "-0.05" }, "pattern": "$", "n": 1,
        });
        assert_eq!(options, expected);
        assert!(unknown.is_empty());
        set_variables(&mut json!(["$no_such"]), &variables, &mut unknown);
        assert_eq!(unknown, ["no_such"]);
    }
}
