//! `UNLOAD`: the rows of a query into files.

use std::collections::BTreeMap;
use std::io::Write as _;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use bytes::Bytes;
use datafusion::sql::sqlparser::ast::{Query, SetExpr};

use super::Objects;
use super::records::character;
use super::source::{self, failed};
use crate::bind;
use crate::error::{self, Error, Result};
use crate::run::{Done, Environment, query};
use crate::session::Outcome;
use crate::syntax::{self, OptionValue, Options, Parameters, Statement};
use crate::transaction::Transaction;
use crate::types::json::Json;
use crate::types::show::{self, Digits};
use crate::types::{Column, Type};

/// Options of COPY alone.
const OF_COPY: &[&str] = &[
    "quote",
    "ignoreheader",
    "dateformat",
    "timeformat",
    "maxerror",
    "truncatecolumns",
    "trimblanks",
    "blanksasnull",
    "emptyasnull",
    "acceptinvchars",
    "acceptanydate",
    "fillrecord",
    "serializetojson",
    "ignoreblanklines",
    "ignoreallerrors",
    "compupdate",
    "statupdate",
    "noload",
    "roundec",
    "explicit_ids",
    "comprows",
    "ssh",
    "readratio",
    "orc",
    "avro",
    "removequotes",
    "shapefile",
];

/// Bytes of a file at most, unless MAXFILESIZE says less: 6.2 GB.
const MOST_BYTES: u64 = (62 << 30) / 10;
/// The least that MAXFILESIZE takes: 5 MB.
const LEAST_BYTES: u64 = 5 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Parquet,
    Csv,
    Json,
    Delimited,
}

struct File {
    url: String,
    bytes: u64,
    rows: u64,
}

pub(crate) async fn unload(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    text: &str,
    to: &str,
    options: Options,
) -> Result<Done> {
    source::check_credentials(&options)?;
    let format = format(&options)?;
    let Some(Statement::Query(parsed)) = syntax::parse(text, &Parameters::None)? else {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&text]));
    };
    if has_limit(&parsed) {
        return Err(Error::new(&error::LIMIT_IN_UNLOAD, &[]).hint("put the LIMIT into a subquery"));
    }
    let (bucket, prefix) = source::address(to)?;
    let objects = environment.shared.objects.as_ref();
    let put = async |key: &str, bytes: Vec<u8>| {
        let put = objects.put(bucket, key, Bytes::from(bytes)).await;
        put.map_err(|error| failed(bucket, &error))
    };
    let planned = query::plan(
        environment.shared,
        transaction,
        environment.context,
        *parsed,
    )
    .await?;
    let columns = planned.columns()?;
    let partitions = partitions(&options, &columns)?;
    check_bytes(format, &columns, &partitions)?;
    let batches = bind::run(planned).await?;
    clear(objects, bucket, prefix, &options).await?;
    let mut files = Vec::new();
    let digits = environment.context.digits;
    for (folder, rows) in divided(&batches, &columns, &partitions, digits)? {
        let kept: Vec<usize> = (0..columns.len())
            .filter(|at| partitions.include || !partitions.places.contains(at))
            .collect();
        let rows = rows.project(&kept).map_err(Error::internal)?;
        let kept: Vec<Column> = kept.iter().map(|at| columns[*at].clone()).collect();
        let most = match options.get("maxfilesize") {
            Some(OptionValue::Size(size)) => *size,
            _ => MOST_BYTES,
        };
        for (part, rows) in (0..).zip(pieces(&rows, most)) {
            let name = name(&options, format, part);
            let key = format!("{prefix}{folder}{name}");
            let bytes = match format {
                Format::Parquet => super::parquet_file::write(&kept, &rows)?,
                _ => packed(texts(format, &options, &kept, &rows, digits)?, &options)?,
            };
            let size = bytes.len() as u64;
            put(&key, bytes).await?;
            files.push(File {
                url: format!("s3://{bucket}/{key}"),
                bytes: size,
                rows: rows.num_rows() as u64,
            });
        }
    }
    // Without rows there are no files, and no manifest of them.
    if options.has("manifest") && !files.is_empty() {
        let manifest = manifest(&files, &columns, format, options.has("verbose"));
        put(&format!("{prefix}manifest"), manifest).await?;
    }
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    Ok(Done {
        outcome: Outcome {
            notices: vec![format!(
                "UNLOAD completed, {rows} record(s) unloaded successfully."
            )],
            ..Outcome::tagged("UNLOAD")
        },
        copied: None,
        unloaded: Some(rows as i64),
    })
}

fn format(options: &Options) -> Result<Format> {
    for (name, _) in &options.0 {
        if OF_COPY.contains(name) {
            return Err(Error::new(&error::SYNTAX_ERROR, &[name]));
        }
        if [
            "master_symmetric_key",
            "lzop",
            "fixedwidth",
            "extension",
            "encoding",
        ]
        .contains(name)
        {
            return Err(Error::not_yet(format_args!(
                "{} of UNLOAD",
                name.to_uppercase()
            )));
        }
    }
    if options.has("allowoverwrite") && options.has("cleanpath") {
        return Err(Error::new(&error::REDUNDANT_OPTION, &[]));
    }
    let format = match (
        options.has("parquet"),
        options.has("csv"),
        options.has("json"),
    ) {
        (true, false, false) => Format::Parquet,
        (false, true, false) => Format::Csv,
        (false, false, true) => Format::Json,
        (false, false, false) => Format::Delimited,
        _ => return Err(Error::new(&error::REDUNDANT_OPTION, &[])),
    };
    let refused: &[&str] = match format {
        Format::Parquet => &[
            "header",
            "delimiter",
            "addquotes",
            "escape",
            "null",
            "gzip",
            "bzip2",
            "zstd",
        ],
        Format::Json => &["header", "delimiter", "addquotes", "escape", "null"],
        Format::Csv => &["addquotes"],
        Format::Delimited => &[],
    };
    if let Some(option) = refused.iter().find(|option| options.has(option)) {
        let name = match format {
            Format::Parquet => "PARQUET",
            Format::Json => "JSON",
            _ => "CSV",
        };
        let what = format!("{} with FORMAT {name}", option.to_uppercase());
        return Err(Error::new(&error::UNSUPPORTED, &[&what]));
    }
    if let Some(text) = options.text("delimiter")
        && character(text).is_none()
    {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&text]).hint("one character of ASCII"));
    }
    if format == Format::Csv && options.has("escape") {
        return Err(Error::not_yet("ESCAPE of UNLOAD with CSV"));
    }
    match options.get("maxfilesize") {
        Some(OptionValue::Size(size)) if !(LEAST_BYTES..=MOST_BYTES).contains(size) => {
            let size = format!("{size} bytes");
            let error = Error::new(&error::INVALID_ARGUMENT, &[&"MAXFILESIZE", &size]);
            Err(error.hint("5 MB to 6.2 GB"))
        }
        _ => Ok(format),
    }
}

fn has_limit(query: &Query) -> bool {
    let is_top = matches!(query.body.as_ref(), SetExpr::Select(select) if select.top.is_some());
    query.limit_clause.is_some() || query.fetch.is_some() || is_top
}

#[derive(Debug, Default)]
struct Partitions {
    places: Vec<usize>,
    include: bool,
}

fn partitions(options: &Options, columns: &[Column]) -> Result<Partitions> {
    let Some(OptionValue::Columns { names, include }) = options.get("partition") else {
        return Ok(Partitions::default());
    };
    let places = names.iter().map(|name| {
        let found = columns.iter().position(|column| column.name == *name);
        found.ok_or_else(|| Error::new(&error::UNDEFINED_COLUMN, &[name]))
    });
    Ok(Partitions {
        places: places.collect::<Result<_>>()?,
        include: *include,
    })
}

/// Bytes are written as hexadecimal digits, and only where a reader takes them for that.
fn check_bytes(format: Format, columns: &[Column], partitions: &Partitions) -> Result<()> {
    let is_bytes = |column: &Column| matches!(column.data_type, Type::Varbyte(_));
    let refused = |what: &str| Err(Error::new(&error::UNSUPPORTED, &[&what]));
    if partitions.places.iter().any(|at| is_bytes(&columns[*at])) {
        return refused("a partition by a column of VARBYTE");
    }
    match format {
        Format::Parquet if columns.iter().any(is_bytes) => {
            refused("a column of VARBYTE with FORMAT PARQUET")
        }
        Format::Json if columns.iter().any(is_bytes) => {
            refused("a column of VARBYTE with FORMAT JSON")
        }
        _ => Ok(()),
    }
}

/// What is at the destination is an error, stays, or goes.
async fn clear(objects: &dyn Objects, bucket: &str, prefix: &str, options: &Options) -> Result<()> {
    if options.has("allowoverwrite") {
        return Ok(());
    }
    let existing = objects.list(bucket, prefix).await;
    let existing = existing.map_err(|error| failed(bucket, &error))?;
    if !options.has("cleanpath") {
        return match existing.is_empty() {
            true => Ok(()),
            false => Err(Error::new(&error::UNLOAD_NOT_EMPTY, &[])),
        };
    }
    for object in existing {
        let deleted = objects.delete(bucket, &object.key).await;
        deleted.map_err(|error| failed(bucket, &error))?;
    }
    Ok(())
}

/// Rows by the folder of their partition.
fn divided(
    batches: &[RecordBatch],
    columns: &[Column],
    partitions: &Partitions,
    digits: Digits,
) -> Result<Vec<(String, RecordBatch)>> {
    let Some(first) = batches.first() else {
        return Ok(Vec::new());
    };
    let all = concat_batches(&first.schema(), batches).map_err(Error::internal)?;
    if all.num_rows() == 0 {
        return Ok(Vec::new());
    }
    if partitions.places.is_empty() {
        return Ok(vec![(String::new(), all)]);
    }
    let mut folders: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for row in 0..all.num_rows() {
        let mut folder = String::new();
        for place in &partitions.places {
            let value = show::text(all.column(*place), row, digits);
            let value = value.unwrap_or_else(|| "__HIVE_DEFAULT_PARTITION__".to_owned());
            folder.push_str(&format!("{}={value}/", columns[*place].name));
        }
        folders.entry(folder).or_default().push(row as u32);
    }
    let folders = folders.into_iter().map(|(folder, rows)| {
        let rows = take_record_batch(&all, &UInt32Array::from(rows)).map_err(Error::internal)?;
        Ok((folder, rows))
    });
    folders.collect()
}

/// Rows of about so many bytes each.
fn pieces(rows: &RecordBatch, most: u64) -> Vec<RecordBatch> {
    let bytes = rows.get_array_memory_size() as u64;
    let count = bytes.div_ceil(most.max(1)).clamp(1, rows.num_rows() as u64) as usize;
    let each = rows.num_rows().div_ceil(count);
    (0..rows.num_rows())
        .step_by(each)
        .map(|start| rows.slice(start, each.min(rows.num_rows() - start)))
        .collect()
}

fn name(options: &Options, format: Format, part: usize) -> String {
    let is_one = matches!(options.text("parallel"), Some("off" | "false"));
    let name = match is_one {
        true => format!("{part:03}"),
        false => format!("0000_part_{part:02}"),
    };
    let ending = match format {
        Format::Parquet => ".parquet",
        Format::Json => ".json",
        _ => "",
    };
    let endings = [("gzip", ".gz"), ("bzip2", ".bz2"), ("zstd", ".zst")];
    let packed = endings.iter().find(|(option, _)| options.has(option));
    let packed = packed.map_or("", |(_, ending)| ending);
    format!("{name}{ending}{packed}")
}

fn packed(text: Vec<u8>, options: &Options) -> Result<Vec<u8>> {
    if options.has("gzip") {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&text).map_err(Error::internal)?;
        return encoder.finish().map_err(Error::internal);
    }
    if options.has("bzip2") {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
        encoder.write_all(&text).map_err(Error::internal)?;
        return encoder.finish().map_err(Error::internal);
    }
    match options.has("zstd") {
        true => zstd::encode_all(text.as_slice(), 0).map_err(Error::internal),
        false => Ok(text),
    }
}

fn texts(
    format: Format,
    options: &Options,
    columns: &[Column],
    rows: &RecordBatch,
    digits: Digits,
) -> Result<Vec<u8>> {
    let cell = |place: usize, row: usize| -> Option<String> {
        show::output(rows.column(place), row, columns[place].data_type, digits)
    };
    let mut out = Vec::new();
    if format == Format::Json {
        for row in 0..rows.num_rows() {
            let entries = columns.iter().enumerate().map(|(place, column)| {
                let value = match cell(place, row) {
                    None => Json::Null,
                    Some(text) => json_value(text, column.data_type),
                };
                (column.name.clone(), value)
            });
            let object = Json::Object(entries.collect());
            writeln!(out, "{object}").map_err(Error::internal)?;
        }
        return Ok(out);
    }
    let delimiter = match options.text("delimiter").and_then(character) {
        Some(byte) => char::from(byte),
        None if format == Format::Csv => ',',
        None => '|',
    };
    let null = options.text("null").unwrap_or("");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let escaped = |text: String| {
        let mut escaped = String::new();
        for letter in text.chars() {
            let is_quote = options.has("addquotes") && ['"', '\''].contains(&letter);
            if is_quote || ['\n', '\r', '\\', delimiter].contains(&letter) {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        escaped
    };
    let shown = |text: Option<String>| match text {
        None => null.to_owned(),
        Some(text) if format == Format::Csv => {
            let needs = text.contains(delimiter) || text.contains(['"', '\n', '\r']);
            if needs { quoted(&text) } else { text }
        }
        Some(text) => {
            let text = match options.has("escape") {
                true => escaped(text),
                false => text,
            };
            match options.has("addquotes") {
                true => format!("\"{text}\""),
                false => text,
            }
        }
    };
    let between = delimiter.to_string();
    let between = between.as_str();
    if options.has("header") {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        out.extend_from_slice(names.join(between).as_bytes());
        out.push(b'\n');
    }
    for row in 0..rows.num_rows() {
        let cells: Vec<String> = (0..columns.len())
            .map(|place| shown(cell(place, row)))
            .collect();
        out.extend_from_slice(cells.join(between).as_bytes());
        out.push(b'\n');
    }
    Ok(out)
}

fn json_value(text: String, data_type: Type) -> Json {
    match data_type {
        Type::Bool => Json::Bool(text == "t"),
        Type::Super => Json::read(&text).unwrap_or(Json::Null),
        // NaN is no number of JSON.
        data_type if data_type.is_number() => Json::read(&text).unwrap_or(Json::Text(text)),
        _ => Json::Text(text),
    }
}

fn manifest(files: &[File], columns: &[Column], format: Format, verbose: bool) -> Vec<u8> {
    let entries: Vec<serde_json::Value> = files
        .iter()
        .map(|file| match (verbose, format) {
            (true, _) => serde_json::json!({
                "url": file.url,
                "meta": { "content_length": file.bytes, "record_count": file.rows },
            }),
            // Who reads columns needs the size.
            (false, Format::Parquet) => serde_json::json!({
                "url": file.url,
                "meta": { "content_length": file.bytes },
            }),
            _ => serde_json::json!({ "url": file.url }),
        })
        .collect();
    let mut manifest = serde_json::json!({ "entries": entries });
    if verbose {
        let elements: Vec<serde_json::Value> = columns
            .iter()
            .map(|column| {
                serde_json::json!({
                    "name": column.name,
                    "type": { "base": column.data_type.base_name() },
                })
            })
            .collect();
        manifest["schema"] = serde_json::json!({ "elements": elements });
        manifest["meta"] = serde_json::json!({
            "content_length": files.iter().map(|file| file.bytes).sum::<u64>(),
            "record_count": files.iter().map(|file| file.rows).sum::<u64>(),
        });
    }
    serde_json::to_vec_pretty(&manifest).unwrap_or_default()
}
