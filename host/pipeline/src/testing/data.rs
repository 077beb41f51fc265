//! Where rows of a test come from: written in the test, in a file beside it, or of a query.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use transom_connect::{Aws, FileSource, ReadProgress, Sample};
use transom_file::ErrorPolicy;
use transom_file::spec::{CsvOptions, Format, FormatName, Unknown};
use transom_plugin::Cancel;
use transom_query::{Params, Session, SessionOptions};

use super::rows;
use crate::file_rows::{Unread, file_rows};
use crate::plan::plan_message;
use crate::preview::collect;
use transom_file::test_file::{Data, Reported};
use transom_file::{Span, Spanned, format_of_file, list};
use transom_sql::type_name;

/// What is known of a table's columns before its rows are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// All columns.
    pub(super) schema: Option<SchemaRef>,
    /// The types of some columns, stronger than the schema's.
    pub(super) types: Vec<(String, DataType)>,
}

/// Reads rows for tests.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    /// For files.
    pub(super) session: &'a Session,
    /// For queries, each of which begins again with the test's clock and seed.
    pub(super) options: SessionOptions,
    /// What paths start from.
    pub(super) folder: &'a Path,
    /// How CSV files are written.
    pub(super) csv: CsvOptions,
}

impl Loader<'_> {
    /// The rows of a table whose columns are to be those that are `known`; `None` if something was reported.
    pub(super) async fn given(
        &self,
        table: &Spanned<String>,
        data: &Data,
        known: &Known,
        reported: &mut Reported<'_>,
    ) -> Option<RecordBatch> {
        let name = &table.value;
        let types = known.typed(None);
        let batch = match data {
            Data::Rows(rows) => {
                for column in rows.columns() {
                    known.check(name, &column, reported);
                }
                let schema = match &known.schema {
                    Some(_) => types,
                    None => known.typed(Some(&rows::inferred(rows, &types, name, reported)?)),
                };
                if schema.fields().is_empty() {
                    let message = format!("the columns of `{name}` are not known");
                    let problem = reported.at(table.span, message).with_hint(
                        "lock the sources with `transom lock`, or say them below `columns`",
                    );
                    reported.report(problem);
                    return None;
                }
                return rows::batch(rows, &schema, name, reported);
            }
            Data::File(path) => self.file(path, &types, reported).await?,
            Data::Sql(sql) => self.query(sql, reported).await?,
        };
        let at = data.span();
        for field in batch.schema().fields() {
            let column = Spanned {
                value: field.name().clone(),
                span: at,
            };
            known.check(name, &column, reported);
        }
        let schema = match &known.schema {
            Some(_) => types,
            None => known.typed(Some(&batch.schema())),
        };
        conform(&batch, &schema, name, at, reported)
    }

    /// The rows that are expected of a table with the columns `found`; of these, the ones that the rows name.
    pub(super) async fn expected(
        &self,
        table: &str,
        data: &Data,
        found: &Schema,
        reported: &mut Reported<'_>,
    ) -> Option<(RecordBatch, Vec<String>)> {
        let (batch, names) = match data {
            Data::Rows(rows) => {
                let columns = rows.columns().into_iter();
                let names: Vec<String> = match rows.rows.is_empty() {
                    true => found
                        .fields()
                        .iter()
                        .map(|field| field.name().clone())
                        .collect(),
                    false => columns.map(|column| column.value).collect(),
                };
                let shared = of_names(found, &names);
                return Some((rows::batch(rows, &shared, table, reported)?, names));
            }
            Data::File(path) => {
                let batch = self.file(path, found, reported).await?;
                let names = names_of(&batch);
                (batch, names)
            }
            Data::Sql(sql) => {
                let batch = self.query(sql, reported).await?;
                let names = names_of(&batch);
                (batch, names)
            }
        };
        let shared = of_names(found, &names);
        Some((
            conform(&batch, &shared, table, data.span(), reported)?,
            names,
        ))
    }

    /// The rows of a file, with the `types` of the columns that it shares with them.
    async fn file(
        &self,
        path: &Spanned<String>,
        types: &Schema,
        reported: &mut Reported<'_>,
    ) -> Option<RecordBatch> {
        let Some(format) = format_of_file(&path.value) else {
            let message = format!("the format of `{}` is not known", path.value);
            let problem = reported.at(path.span, message);
            reported.report(problem.with_label("allowed: `.csv`, `.jsonl`, `.parquet`"));
            return None;
        };
        let source = FileSource {
            name: path.value.clone(),
            root: self.folder.into(),
            aws: Aws::default(),
            pattern: path.value.clone(),
            format: match format {
                FormatName::Csv => Format::Csv(self.csv.clone()),
                other => Format::from(other),
            },
            columns: None,
            unknown: Unknown::default(),
            sample: Sample::default(),
            read: ReadProgress::default(),
        };
        let typed = (format != FormatName::Parquet).then_some(types);
        match file_rows(self.session, &source, typed, None).await {
            Ok(rows) => Some(rows),
            Err(Unread { message, hint }) => {
                let mut problem = reported.at(path.span, message);
                problem.hint = hint;
                reported.report(problem);
                None
            }
        }
    }

    async fn query(
        &self,
        sql: &Spanned<String>,
        reported: &mut Reported<'_>,
    ) -> Option<RecordBatch> {
        let params = Params::default();
        let rows = async {
            let session = Session::new(&self.options, Cancel::new())?;
            let planned = session.plan_sql(&sql.value, &params, |_| ErrorPolicy::Fail);
            collect(&session, planned.await?).await
        };
        match rows.await {
            Ok(rows) => Some(rows),
            Err(error) => {
                let problem = reported.at(sql.span, plan_message(&error));
                let hint =
                    "a query in a test reads no table: it is made of `VALUES` or `SELECT 1 AS one`";
                reported.report(problem.with_hint(hint));
                None
            }
        }
    }
}

impl Known {
    /// The columns that are known, or else those of `inferred`, with the types that are known, and columns that only have a type.
    fn typed(&self, inferred: Option<&Schema>) -> Schema {
        let columns = self.schema.as_deref().or(inferred);
        let fields = columns.map(Schema::fields).into_iter().flatten();
        let mut fields: Vec<Field> = fields.map(|field| field.as_ref().clone()).collect();
        for (name, data_type) in &self.types {
            match fields.iter_mut().find(|field| field.name() == name) {
                Some(field) => field.set_data_type(data_type.clone()),
                None => fields.push(Field::new(name, data_type.clone(), true)),
            }
        }
        Schema::new(fields)
    }

    /// Whether the type of a column is inferred from the values of rows in a test, where a date is a text.
    pub(super) fn is_inferred(&self, data: &Data) -> bool {
        let Data::Rows(rows) = data else { return false };
        let is_typed = |column: &str| self.types.iter().any(|(name, _)| name == column);
        let mut columns = rows.columns().into_iter();
        self.schema.is_none() && columns.any(|column| !is_typed(&column.value))
    }

    /// Reports a column that the table does not have.
    fn check(&self, table: &str, column: &Spanned<String>, reported: &mut Reported<'_>) {
        let Some(schema) = &self.schema else { return };
        if self.typed(None).index_of(&column.value).is_ok() {
            return;
        }
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let message = format!("`{table}` has no column `{}`", column.value);
        let problem = reported
            .at(column.span, message)
            .with_label(format!("allowed: {}", list(names.clone())))
            .with_near_name(&column.value, names);
        reported.report(problem);
    }
}

fn names_of(batch: &RecordBatch) -> Vec<String> {
    let schema = batch.schema();
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

/// The columns with one of the names, in the schema's order.
fn of_names(schema: &Schema, names: &[String]) -> Schema {
    let fields = schema.fields().iter();
    let fields = fields.filter(|field| names.contains(field.name()));
    Schema::new(fields.cloned().collect::<Vec<_>>())
}

/// The columns of `schema`: cast where the rows have another type, NULL where they have no such column.
fn conform(
    batch: &RecordBatch,
    schema: &Schema,
    table: &str,
    at: Span,
    reported: &mut Reported<'_>,
) -> Option<RecordBatch> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for field in schema.fields() {
        let data_type = field.data_type();
        let array = match batch.column_by_name(field.name()) {
            Some(array) => cast_with_options(array, data_type, &strict),
            None => Ok(new_null_array(data_type, batch.num_rows())),
        };
        match array {
            Ok(array) => columns.push(array),
            Err(error) => {
                let message = format!(
                    "column `{}` of `{table}` does not become {}",
                    field.name(),
                    type_name(data_type)
                );
                reported.report(reported.at(at, message).with_label(error.to_string()));
                return None;
            }
        }
        fields.push(field.as_ref().clone().with_nullable(true));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(Schema::new(fields));
    let conformed = RecordBatch::try_new_with_options(schema, columns, &options);
    conformed
        .map_err(|error| reported.report(reported.at(at, error.to_string())))
        .ok()
}
