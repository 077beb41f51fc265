//! `COPY`: which columns a file has, and where its rows go.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::records::{Format, Json, Records};
use super::source::{self, Source};
use super::{csv, json, parquet};
use crate::catalog::{Catalog, Column, Table};
use crate::error::{self, Error, Result};
use crate::run::rows::{Usual, usual, write};
use crate::run::{Done, Environment, locked};
use crate::session::Outcome;
use crate::syntax::{OptionValue, Options};
use crate::transaction::Transaction;
use crate::types::Type;

/// Options that a COPY of columns takes; all else is refused.
const COLUMNAR: &[&str] = &[
    "parquet",
    "iam_role",
    "credentials",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "acceptinvchars",
    "fillrecord",
    "statupdate",
    "manifest",
    "explicit_ids",
    "serializetojson",
];

/// Options of texts that are not read yet.
const NOT_YET: &[&str] = &[
    "fixedwidth",
    "ssh",
    "readratio",
    "master_symmetric_key",
    "encrypted",
    "noload",
    "lzop",
    "ignoreallerrors",
    "shapefile",
    "orc",
    "avro",
    "extension",
];

/// Options of UNLOAD alone.
const OF_UNLOAD: &[&str] = &[
    "header",
    "allowoverwrite",
    "cleanpath",
    "parallel",
    "maxfilesize",
    "rowgroupsize",
    "verbose",
    "kms_key_id",
    "partition",
    "addquotes",
];

/// Options that a format of texts does not take.
const REFUSED: &[(&str, &[&str])] = &[
    ("csv", &["escape", "removequotes"]),
    (
        "json",
        &[
            "delimiter",
            "escape",
            "fillrecord",
            "ignoreblanklines",
            "null",
            "quote",
            "removequotes",
        ],
    ),
];

/// What a column holds that a file says nothing of.
#[derive(Debug, Clone)]
enum Filling {
    /// The same in all rows.
    Same(ScalarValue),
    /// Another value in each row.
    Each(Arc<dyn PhysicalExpr>),
}

impl Filling {
    async fn new(
        environment: &Environment<'_>,
        catalog: &Catalog,
        column: &Column,
    ) -> Result<Self> {
        Ok(match usual(environment, catalog, column).await? {
            Usual::Same(value) => Self::Same(value),
            Usual::Each(query) => Self::Each(query.computed().await?),
        })
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Same(value) if value.is_null())
    }

    /// The values for so many rows.
    fn values(&self, rows: usize) -> Result<ArrayRef> {
        Ok(match self {
            Self::Same(value) => value.to_array_of_size(rows)?,
            Self::Each(computed) => {
                let count = RecordBatchOptions::new().with_row_count(Some(rows));
                let schema = Arc::new(Schema::empty());
                let batch = RecordBatch::try_new_with_options(schema, Vec::new(), &count);
                let batch = batch.map_err(Error::internal)?;
                computed.evaluate(&batch)?.into_array(rows)?
            }
        })
    }
}

/// What a COPY fills.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) table: Arc<Table>,
    /// Places of the file's columns in the table.
    pub(super) places: Vec<usize>,
    /// What the file's columns hold instead of NULL, where they are NOT NULL and have a default.
    defaults: Vec<Option<Filling>>,
    /// What the other columns hold.
    others: Vec<(usize, Filling)>,
    pub(super) schema: SchemaRef,
}

impl Target {
    /// The columns that a file has.
    pub(super) fn columns(&self) -> Vec<&Column> {
        let places = self.places.iter();
        places.map(|place| &self.table.columns[*place]).collect()
    }

    /// Whether a column of the file, by its place in the file, holds something else instead of NULL.
    pub(super) fn has_default(&self, at: usize) -> bool {
        self.default(at).is_some()
    }

    fn default(&self, at: usize) -> Option<&Filling> {
        self.defaults.get(at)?.as_ref()
    }

    /// Rows of the table from columns of a file.
    pub(super) fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; self.table.columns.len()];
        for (at, (place, column)) in self.places.iter().zip(columns).enumerate() {
            let column = match self.default(at) {
                Some(default) if column.null_count() > 0 => {
                    let given = is_not_null(&column).map_err(Error::internal)?;
                    let usual = default.values(column.len())?;
                    zip(&given, &column, &usual).map_err(Error::internal)?
                }
                _ => column,
            };
            arrays[*place] = Some(column);
        }
        for (place, value) in &self.others {
            arrays[*place] = Some(value.values(rows)?);
        }
        let arrays: Vec<ArrayRef> = arrays.into_iter().flatten().collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(Error::internal)
    }
}

pub(crate) async fn copy(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    name: &ObjectName,
    columns: &[Ident],
    from: &str,
    options: Options,
) -> Result<Done> {
    let is_columnar = options.has("parquet");
    check(&options, is_columnar)?;
    let id = locked(environment, transaction, name, true).await?;
    let catalog = transaction.catalog().clone();
    let table = Arc::clone(catalog.table(id)?);
    let target = target(environment, &catalog, table, columns, &options).await?;
    if is_columnar && !options.has("serializetojson") {
        let mut columns = target.columns().into_iter();
        if columns.any(|column| column.data_type == Type::Super) {
            return Err(Error::new(&error::COPY_SUPER, &[]));
        }
    }
    if options.has("removequotes") && has_bytes(&target) {
        let what = "REMOVEQUOTES with a column of VARBYTE";
        return Err(Error::new(&error::UNSUPPORTED, &[&what]));
    }
    let objects = &environment.shared.objects;
    let is_manifest = options.has("manifest");
    let sources = source::sources(objects, from, is_manifest, is_columnar).await?;
    // A column that files have takes what they have: NULL is no value of it.
    let mut own = target.table.columns.iter();
    let identity = own.position(|column| column.identity.is_some());
    let is_given = identity.is_some_and(|place| target.places.contains(&place));
    let numbers = !is_given && !options.has("explicit_ids");
    let records = match is_columnar {
        true => None,
        false => {
            let format = Format::new(&options, objects.as_ref()).await?;
            if let Some(Json::Paths(paths)) = &format.json
                && paths.len() != target.places.len()
            {
                let counts = [paths.len(), target.places.len()];
                return Err(Error::new(&error::COPY_PATHS, &[&counts[0], &counts[1]]));
            }
            Some(Arc::new(Records::new(
                environment,
                transaction.number,
                &target,
                format,
            )))
        }
    };
    let streams = streams(&target, sources, options, records.as_ref());
    let written = write(environment, &target.table, streams, numbers).await;
    if let Some(records) = &records {
        let mut noted = environment.shared.load_errors.lock();
        noted.extend(records.take());
    }
    let written = written?;
    let rows = written.rows;
    transaction.append(id, written.segments)?;
    let table = &target.table.name;
    Ok(Done {
        outcome: Outcome {
            affected: Some(rows),
            notices: vec![format!(
                "Load into table '{table}' completed, {rows} record(s) loaded successfully."
            )],
            ..Outcome::tagged("COPY")
        },
        copied: Some(rows as i64),
        ..Done::default()
    })
}

fn has_bytes(target: &Target) -> bool {
    let mut columns = target.columns().into_iter();
    columns.any(|column| matches!(column.data_type, Type::Varbyte(_)))
}

fn check(options: &Options, is_columnar: bool) -> Result<()> {
    source::check_credentials(options)?;
    for (name, _) in &options.0 {
        if is_columnar && !COLUMNAR.contains(name) {
            let argument = name.to_uppercase();
            return Err(Error::new(&error::COPY_OPTION, &[&argument, &"PARQUET"]));
        }
        if NOT_YET.contains(name) {
            return Err(Error::not_yet(format_args!(
                "{} of COPY",
                name.to_uppercase()
            )));
        }
        if OF_UNLOAD.contains(name) {
            return Err(Error::new(&error::SYNTAX_ERROR, &[name]));
        }
    }
    let formats = ["parquet", "csv", "json"];
    if formats.iter().filter(|format| options.has(format)).count() > 1 {
        return Err(Error::new(&error::REDUNDANT_OPTION, &[]));
    }
    for (format, refused) in REFUSED {
        let mut refused = refused.iter().filter(|name| options.has(name));
        if options.has(format)
            && let Some(name) = refused.next()
        {
            let names = [name.to_uppercase(), format.to_uppercase()];
            return Err(Error::new(&error::COPY_OPTION, &[&names[0], &names[1]]));
        }
    }
    if let Some(encoding) = options.text("encoding") {
        check_encoding(encoding)?;
    }
    if options.has("quote") && !options.has("csv") {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&"quote"]).hint("QUOTE goes with CSV"));
    }
    if let Some(null @ ("\n" | "\\n")) = options.text("null") {
        let null = format!("{null:?}");
        let error = Error::new(&error::INVALID_ARGUMENT, &[&"NULL AS", &null]);
        return Err(error.hint("it is what ends lines"));
    }
    match options.get("json") {
        Some(OptionValue::Text(how)) if how == "noshred" => Err(Error::not_yet("JSON 'noshred'")),
        _ => Ok(()),
    }
}

/// Files are UTF-8, whether COPY says so or not.
fn check_encoding(encoding: &str) -> Result<()> {
    match encoding {
        "utf8" => Ok(()),
        "utf16" | "utf16le" | "utf16be" => Err(Error::not_yet("ENCODING of COPY other than UTF8")),
        other => Err(Error::new(&error::SYNTAX_ERROR, &[&other])),
    }
}

async fn target(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: Arc<Table>,
    columns: &[Ident],
    options: &Options,
) -> Result<Target> {
    let explicit = options.has("explicit_ids");
    let takes = |column: &Column| {
        column
            .identity
            .is_none_or(|identity| identity.by_default || explicit)
    };
    let mut places = Vec::new();
    for name in columns {
        let name = &name.value;
        let found = table.columns.iter().position(|column| column.name == *name);
        let place =
            found.ok_or_else(|| Error::new(&error::UNDEFINED_COPY_COLUMN, &[name, &table.name]))?;
        if places.contains(&place) {
            return Err(Error::new(&error::DUPLICATE_COLUMN, &[name]));
        }
        if !takes(&table.columns[place]) {
            return Err(Error::new(&error::IDENTITY_INSERT, &[]));
        }
        places.push(place);
    }
    if columns.is_empty() {
        places = (0..table.columns.len())
            .filter(|place| takes(&table.columns[*place]))
            .collect();
    }
    let mut defaults = Vec::new();
    for place in &places {
        let column = &table.columns[*place];
        let default = match column.not_null && column.default.is_some() {
            true => {
                let filling = Filling::new(environment, catalog, column).await?;
                Some(filling).filter(|filling| !filling.is_null())
            }
            false => None,
        };
        defaults.push(default);
    }
    let mut others = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        if places.contains(&place) {
            continue;
        }
        if column.not_null && column.default.is_none() && column.identity.is_none() {
            return Err(Error::new(&error::COPY_NOT_NULL, &[]));
        }
        others.push((place, Filling::new(environment, catalog, column).await?));
    }
    let fields: Vec<_> = table
        .columns
        .iter()
        .map(|column| column.data_type.field(column.name.as_str()))
        .collect();
    Ok(Target {
        table,
        places,
        defaults,
        others,
        schema: Arc::new(Schema::new(fields)),
    })
}

/// Two streams read the files, one file after the other each.
fn streams(
    target: &Target,
    sources: Vec<Source>,
    options: Options,
    records: Option<&Arc<Records>>,
) -> Vec<SendableRecordBatchStream> {
    let options = Arc::new(options);
    let count = sources.len().clamp(1, 2);
    let mut parts: Vec<Vec<Source>> = vec![Vec::new(); count];
    for (at, source) in sources.into_iter().enumerate() {
        parts[at % count].push(source);
    }
    let parts = parts.into_iter().map(|part| {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&target.schema), 2);
        let sender = builder.tx();
        let target = target.clone();
        let options = Arc::clone(&options);
        let records = records.cloned();
        builder.spawn(async move {
            for source in part {
                let sender = sender.clone();
                let read = async {
                    match &records {
                        None => {
                            let bytes = source.bytes().await?;
                            let (target, options) = (target.clone(), Arc::clone(&options));
                            tokio::task::spawn_blocking(move || {
                                parquet::read(&target, &source, bytes, &options, |batch| {
                                    sender.blocking_send(Ok(batch)).is_ok()
                                })
                            })
                            .await
                            .map_err(Error::internal)?
                        }
                        Some(records) => {
                            let text = source.text(&options).await?;
                            let records = Arc::clone(records);
                            tokio::task::spawn_blocking(move || {
                                let hand_over = |batch| sender.blocking_send(Ok(batch)).is_ok();
                                match records.format.is_json() {
                                    true => json::read(&records, &source, &text, hand_over),
                                    false => csv::read(&records, &source, &text, hand_over),
                                }
                            })
                            .await
                            .map_err(Error::internal)?
                        }
                    }
                };
                read.await.map_err(DataFusionError::from)?;
            }
            Ok(())
        });
        builder.build()
    });
    parts.collect()
}
