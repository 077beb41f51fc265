//! The keys of a step, against those that its transform requires.

use datafusion::logical_expr::LogicalPlan;
use transom_file::{Problem, Spanned, TransformStep};
use transom_plugin::{SortKey, TransformDescription};

use super::planner::Planner;
use crate::error::{Error, Result};

/// `partition_by` and `order_by` as a step has to write them for a transform that requires these columns.
pub fn required_keys(partition_by: &[String], order_by: &[SortKey]) -> String {
    let mut keys = Vec::new();
    if !partition_by.is_empty() {
        let columns: Vec<String> = partition_by.iter().map(|column| in_yaml(column)).collect();
        keys.push(format!("`partition_by: [{}]`", columns.join(", ")));
    }
    if !order_by.is_empty() {
        let columns = order_by.iter().map(|key| match key.descending {
            true => format!("{{ column: {}, desc: true }}", in_yaml(&key.column)),
            false => in_yaml(&key.column),
        });
        let columns: Vec<String> = columns.collect();
        keys.push(format!("`order_by: [{}]`", columns.join(", ")));
    }
    keys.join(" and ")
}

/// A name within a list in YAML, in quotes unless it is a plain word.
fn in_yaml(name: &str) -> String {
    let starts = |first: char| first.is_ascii_alphabetic() || first == '_';
    let is_word = name.starts_with(starts)
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let is_value = ["true", "false", "null"].contains(&name.to_ascii_lowercase().as_str());
    match is_word && !is_value {
        true => name.to_owned(),
        false => serde_json::Value::from(name).to_string(),
    }
}

impl Planner<'_> {
    /// Whether a step partitions and sorts as its transform requires; reports what it has to say instead.
    pub(super) async fn keys_fit(&mut self, name: &str, step: &TransformStep) -> Result<bool> {
        let required = self
            .described(&step.plugin)
            .and_then(|plugin| plugin.transform(&step.transform.value));
        let Some(required) = required.filter(|required| !is_free(required)).cloned() else {
            return Ok(true);
        };
        let input = self.session.plan_scan(&step.input.value).await;
        let input = input.map_err(|error| Error::of_query(&format!("step `{name}`"), error))?;
        let problems = match self.missing_key(step, &required, &input) {
            Some(problem) => vec![problem],
            None => self.wrong_keys(name, step, &required),
        };
        let fit = problems.is_empty();
        self.problems.extend(problems);
        Ok(fit)
    }

    /// A required column that the input does not have.
    fn missing_key(
        &self,
        step: &TransformStep,
        required: &TransformDescription,
        input: &LogicalPlan,
    ) -> Option<Problem> {
        let order_by = required.order_by.iter().map(|key| &key.column);
        let mut columns = required.partition_by.iter().chain(order_by);
        let known: Vec<&str> = input
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let missing = columns.find(|column| !known.contains(&column.as_str()))?;
        let message = format!(
            "{} requires {}, but `{}` has no column `{missing}`; it has: {}",
            shown(step),
            required_keys(&required.partition_by, &required.order_by),
            step.input.value,
            known.join(", ")
        );
        let problem = self.pipeline.problem_at(step.input.span, message);
        Some(problem.with_near_name(missing, known))
    }

    /// What is wrong with `partition_by`, and with `order_by`.
    fn wrong_keys(
        &self,
        name: &str,
        step: &TransformStep,
        required: &TransformDescription,
    ) -> Vec<Problem> {
        let problem = |key: Option<&Spanned<String>>, message: String, hint: String| {
            let span = key.map_or(step.transform.span, |key| key.span);
            self.pipeline.problem_at(span, message).with_hint(hint)
        };
        let mut problems = Vec::new();
        let (given, wanted) = (&step.partition_by, &required.partition_by);
        let is_same = given.len() == wanted.len()
            && given.iter().all(|column| wanted.contains(&column.value));
        if !is_same {
            let transform = shown(step);
            let (message, hint) = match wanted.is_empty() {
                true => (
                    format!(
                        "{transform} requires all rows in one partition, but step `{name}` partitions them"
                    ),
                    "leave out `partition_by`".to_owned(),
                ),
                false => (
                    format!(
                        "{transform} requires rows partitioned by {}, but step `{name}` {}",
                        names(wanted),
                        match given.is_empty() {
                            true => "has no `partition_by`".to_owned(),
                            false => format!(
                                "partitions by {}",
                                names(given.iter().map(|column| &column.value))
                            ),
                        }
                    ),
                    format!("write {}", required_keys(wanted, &[])),
                ),
            };
            problems.push(problem(given.first(), message, hint));
        }
        let (given, wanted) = (&step.order_by, &required.order_by);
        // Further columns behind the required ones order rows that would be equal.
        let is_sorted = given.len() >= wanted.len()
            && wanted.iter().zip(given).all(|(wanted, given)| {
                wanted.column == given.column.value && wanted.descending == given.desc
            });
        if !is_sorted {
            let is_desc = |desc: bool| if desc { " (descending)" } else { "" };
            let wanted_keys = wanted
                .iter()
                .map(|key| format!("`{}`{}", key.column, is_desc(key.descending)));
            let given_keys = given
                .iter()
                .map(|key| format!("`{}`{}", key.column.value, is_desc(key.desc)));
            let message = format!(
                "{} requires rows sorted by {}, but step `{name}` {}",
                shown(step),
                wanted_keys.collect::<Vec<_>>().join(", "),
                match given.is_empty() {
                    true => "has no `order_by`".to_owned(),
                    false => format!("sorts by {}", given_keys.collect::<Vec<_>>().join(", ")),
                }
            );
            let hint = format!("write {}", required_keys(&[], wanted));
            problems.push(problem(given.first().map(|key| &key.column), message, hint));
        }
        problems
    }
}

/// Whether the transform works with any keys.
fn is_free(required: &TransformDescription) -> bool {
    required.partition_by.is_empty() && required.order_by.is_empty()
}

fn shown(step: &TransformStep) -> String {
    format!("`{}.{}`", step.plugin, step.transform.value)
}

fn names<'a>(columns: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = columns
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect();
    names.join(", ")
}
