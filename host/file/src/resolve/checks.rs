//! Checks: their names, and that the tables they look into exist.

use std::collections::BTreeSet;

use super::super::checks::{Check, CheckEntry, CheckKind};
use super::super::parts::Whole;
use super::super::pipeline::SqlStep;
use super::super::reader::Spanned;
use super::super::value::{Scalar, ScalarKind};
use super::Resolver;

impl Resolver<'_> {
    /// The checks of a table, each with a name of its own.
    pub(super) fn checks(&mut self, table: &str, entries: Option<&Vec<CheckEntry>>) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        let mut names = BTreeSet::new();
        for entry in entries.into_iter().flatten() {
            for kind in self.check_kinds(table, entry) {
                let name = match &entry.name {
                    Some(said) => {
                        let name = said.value.0.clone();
                        if !names.insert(name.clone()) {
                            let message = format!("`{table}` has two checks named `{name}`");
                            let problem = self.at(said.span, message);
                            self.report(problem.with_label("give one of them another name"));
                        }
                        name
                    }
                    None => free_name(&default_name(&kind), &mut names),
                };
                checks.push(Check {
                    name,
                    kind,
                    condition: entry.condition.clone(),
                    severity: entry.severity.flatten().unwrap_or_default(),
                    span: entry.span,
                });
            }
        }
        checks
    }

    /// What an entry checks: nothing if it is wrong, several things for a list of columns that must not be NULL.
    fn check_kinds(&mut self, table: &str, entry: &CheckEntry) -> Vec<CheckKind> {
        if let Some(columns) = &entry.not_null {
            if let (Some(name), [_, second, ..]) = (&entry.name, columns.0.as_slice()) {
                let message = format!("the check `{}` looks at several columns", name.value.0);
                let problem = self
                    .at(second.span, message)
                    .with_label("a check of its own");
                self.report(
                    problem.with_hint("leave out `name`, or write a check for each column"),
                );
                return Vec::new();
            }
            let columns = columns.0.iter().cloned();
            return columns
                .map(|column| CheckKind::NotNull { column })
                .collect();
        }
        let kind = if let Some(columns) = &entry.unique {
            let columns = columns.0.clone();
            Some(CheckKind::Unique { columns })
        } else if let Some(said) = &entry.accepted_values {
            said.column
                .clone()
                .zip(said.values.as_ref())
                .map(|(column, values)| {
                    let values = values.iter().map(value_text).collect();
                    CheckKind::AcceptedValues { column, values }
                })
        } else if let Some(said) = &entry.relationships {
            if let Some(to) = &said.to {
                self.check_table(to, &format!("a check of `{table}`"));
            }
            let parts = (said.column.clone(), said.to.clone(), said.field.clone());
            match parts {
                (Some(column), Some(to), Some(field)) => {
                    Some(CheckKind::Relationships { column, to, field })
                }
                _ => None,
            }
        } else if let Some(said) = &entry.row_count {
            let rows = |whole: Option<Whole>| whole.map(|Whole(rows)| rows);
            Some(CheckKind::RowCount {
                min: rows(said.value.min),
                max: rows(said.value.max),
            })
        } else {
            let sql = entry.sql.as_ref();
            sql.and_then(|sql| self.query(sql, None))
                .map(CheckKind::Sql)
        };
        kind.into_iter().collect()
    }
}

fn value_text(scalar: &Spanned<Scalar>) -> Spanned<String> {
    let Scalar { text, kind, .. } = &scalar.value;
    Spanned {
        value: match kind {
            ScalarKind::Bool => text.to_lowercase(),
            _ => text.clone(),
        },
        span: scalar.span,
    }
}

/// As dbt names a test: its kind and its columns; of a query, its file.
fn default_name(kind: &CheckKind) -> String {
    let (kind, columns) = match kind {
        CheckKind::NotNull { column } => ("not_null", vec![&column.value]),
        CheckKind::Unique { columns } => {
            let columns = columns.iter().map(|column| &column.value);
            ("unique", columns.collect())
        }
        CheckKind::AcceptedValues { column, .. } => ("accepted_values", vec![&column.value]),
        CheckKind::Relationships { column, .. } => ("relationships", vec![&column.value]),
        CheckKind::RowCount { .. } => ("row_count", vec![]),
        CheckKind::Sql(SqlStep { file, .. }) => {
            let stem = file.as_ref().and_then(|file| file.file_stem());
            let stem = stem.map_or("sql".into(), |stem| stem.to_string_lossy());
            return as_name(&stem);
        }
    };
    let parts = [kind]
        .into_iter()
        .chain(columns.into_iter().map(String::as_str));
    as_name(&parts.collect::<Vec<_>>().join("_"))
}

/// The text in the letters that a name may have.
fn as_name(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '_',
    });
    letters.collect()
}

/// The name, with a number after it if another check has it.
fn free_name(name: &str, names: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    let free = candidates.find(|name| !names.contains(name));
    let free = free.unwrap_or_default();
    names.insert(free.clone());
    free
}
