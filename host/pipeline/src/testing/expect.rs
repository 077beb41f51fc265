//! Holds what was computed of a table against what is expected of it, and says what differs.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::case::Case;
use super::compare::{How, compare};
use super::report::{Mismatch, TypeDiff};
use super::update::Edit;
use crate::preview::Computed;
use transom_file::Spanned;
use transom_file::format_of_file;
use transom_file::test_file::{Data, ExpectEntry, RejectedEntry};
use transom_sql::type_name;

/// The column of rejected rows that says why.
const REASON: &str = "_reason";
/// How far floating-point numbers may be apart unless a test says it.
const TOLERANCE: f64 = 1e-9;

impl Case<'_> {
    pub(super) async fn compare(
        &mut self,
        name: &Spanned<String>,
        entry: &ExpectEntry,
        computed: &Computed,
    ) -> Result<(), ArrowError> {
        let found = &computed.rows;
        if let Some(types) = &entry.schema {
            self.compare_types(name, &types.0, &found.schema());
        }
        if let Some(data) = &entry.data {
            self.depends_on(data);
            let found = match &entry.columns {
                None => found.clone(),
                Some(columns) => {
                    let names: Vec<&str> = columns
                        .0
                        .iter()
                        .map(|column| column.value.as_str())
                        .collect();
                    let schema = found.schema();
                    let missing = names.iter().filter(|name| schema.index_of(name).is_err());
                    let missing: Vec<String> = missing.map(|&name| name.to_owned()).collect();
                    if !missing.is_empty() {
                        let extra = Vec::new();
                        self.fail(name, Mismatch::Columns { missing, extra });
                    }
                    let kept = names.iter().filter_map(|name| schema.index_of(name).ok());
                    found.project(&kept.collect::<Vec<_>>())?
                }
            };
            let how = How {
                ordered: entry.ordered.unwrap_or(false),
                tolerance: entry.tolerance.map_or(TOLERANCE, |tolerance| tolerance.0),
            };
            let only = entry.columns.as_ref().map(|columns| &columns.0);
            self.compare_rows(name, data, &found, how, only).await?;
        }
        if let Some(count) = entry.count {
            let rows = found.num_rows() as u64;
            if count.rows != rows {
                self.edits.push(Edit::count(count.key, rows));
                let mismatch = Mismatch::Count {
                    expected: count.rows,
                    found: rows,
                    rejected: false,
                };
                self.fail(name, mismatch);
            }
        }
        Ok(())
    }

    async fn compare_rows(
        &mut self,
        name: &Spanned<String>,
        data: &Data,
        found: &RecordBatch,
        how: How,
        only: Option<&Vec<Spanned<String>>>,
    ) -> Result<(), ArrowError> {
        let folder = self.folder();
        let loader = self.tester.loader(&self.pipeline, self.test, None, &folder);
        let schema = found.schema();
        let loading = loader.expected(&name.value, data, &schema, &mut self.reported);
        let Some((expected, mut names)) = loading.await else {
            return Ok(());
        };
        if let Some(only) = only {
            // A column that is not there is a mistake, also if it is not to be compared.
            names.retain(|name| {
                only.iter().any(|column| column.value == *name) || schema.index_of(name).is_err()
            });
        }
        let is_there = |name: &String| schema.index_of(name).is_ok();
        let missing: Vec<String> = names
            .iter()
            .filter(|name| !is_there(name))
            .cloned()
            .collect();
        let fields = schema.fields().iter().map(|field| field.name().clone());
        let extra: Vec<String> = fields.filter(|field| !names.contains(field)).collect();
        let mut rewritten = !missing.is_empty() || !extra.is_empty();
        if rewritten {
            self.fail(name, Mismatch::Columns { missing, extra });
        }
        let shared: Vec<usize> = (0..schema.fields().len())
            .filter(|&at| names.contains(schema.field(at).name()))
            .collect();
        let comparison = compare(&expected, &found.project(&shared)?, how)?;
        if let Some(diff) = comparison.diff {
            rewritten = true;
            self.fail(name, Mismatch::Rows { diff });
        }
        if !rewritten {
            return Ok(());
        }
        match data {
            Data::Rows(rows) => {
                let edit = Edit::rows(rows.key, found, &comparison.placed)?;
                self.edits.push(edit);
            }
            Data::File(path) => {
                let placed = comparison.placed.iter().map(|&row| row as u64);
                let found = take_record_batch(found, &UInt64Array::from_iter_values(placed))?;
                let format = format_of_file(&path.value);
                let file = self.folder().join(&path.value);
                let edit = format.and_then(|format| Edit::file(file, format, &found));
                self.edits.extend(edit);
            }
            Data::Sql(_) => {}
        }
        Ok(())
    }

    fn compare_types(
        &mut self,
        name: &Spanned<String>,
        types: &[(Spanned<String>, String)],
        found: &Schema,
    ) {
        let is_expected = |column: &str| types.iter().any(|(name, _)| name.value == column);
        let fields = found.fields().iter().map(|field| field.name().clone());
        let extra: Vec<String> = fields.filter(|field| !is_expected(field)).collect();
        let mut missing = Vec::new();
        let mut columns = Vec::new();
        for (column, expected) in types {
            let Ok(field) = found.field_with_name(&column.value) else {
                missing.push(column.value.clone());
                continue;
            };
            if !is_named(field.data_type(), expected) {
                columns.push(TypeDiff {
                    column: column.value.clone(),
                    expected: expected.clone(),
                    found: type_name(field.data_type()),
                });
            }
        }
        if !missing.is_empty() || !extra.is_empty() {
            self.fail(name, Mismatch::Columns { missing, extra });
        }
        if !columns.is_empty() {
            self.fail(name, Mismatch::Types { columns });
        }
    }

    /// Rejected rows are compared by the columns that the test names and the reason: a row is known by its key.
    pub(super) async fn compare_rejected(
        &mut self,
        name: &Spanned<String>,
        entry: Option<&RejectedEntry>,
        computed: &Computed,
    ) -> Result<(), ArrowError> {
        let Some(entry) = entry else { return Ok(()) };
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let found = computed.rejected.as_ref().unwrap_or(&nothing);
        if let Some(count) = entry.count
            && count.rows != found.num_rows() as u64
        {
            let rows = found.num_rows() as u64;
            self.edits.push(Edit::count(count.key, rows));
            let mismatch = Mismatch::Count {
                expected: count.rows,
                found: rows,
                rejected: true,
            };
            self.fail(name, mismatch);
        }
        let Some(rows) = &entry.rows else {
            return Ok(());
        };
        let mut names: Vec<String> = rows
            .columns()
            .into_iter()
            .map(|column| column.value)
            .collect();
        let schema = found.schema();
        let unknown = names.iter().filter(|name| schema.index_of(name).is_err());
        let missing: Vec<String> = unknown.cloned().collect();
        if !missing.is_empty() {
            let extra = Vec::new();
            self.fail(name, Mismatch::Columns { missing, extra });
            return Ok(());
        }
        if names.is_empty() {
            names = schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect();
        } else if !names.iter().any(|name| name == REASON) {
            names.push(REASON.to_owned());
        }
        let kept: Vec<usize> = (0..schema.fields().len())
            .filter(|&at| names.contains(schema.field(at).name()))
            .collect();
        let found = found.project(&kept)?;
        let what = format!("rejected rows of {}", name.value);
        let Some(expected) = super::rows::batch(rows, &found.schema(), &what, &mut self.reported)
        else {
            return Ok(());
        };
        let how = How {
            ordered: false,
            tolerance: TOLERANCE,
        };
        let comparison = compare(&expected, &found, how)?;
        if let Some(diff) = comparison.diff {
            self.edits
                .push(Edit::rows(rows.key, &found, &comparison.placed)?);
            self.fail(name, Mismatch::RejectedRows { diff });
        }
        Ok(())
    }
}

/// Whether a type may be called `name`: as messages and the pipeline's file do, or as Arrow does.
fn is_named(data_type: &DataType, name: &str) -> bool {
    let same = |other: &str| {
        let without_blanks = |text: &str| text.replace(' ', "").to_lowercase();
        without_blanks(other) == without_blanks(name)
    };
    let meant = transom_sql::parse_field("column", name);
    same(&type_name(data_type))
        || same(&data_type.to_string())
        || meant.is_ok_and(|meant| type_name(meant.data_type()) == type_name(data_type))
}
