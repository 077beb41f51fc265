//! `UNLOAD`: the rows of a query into files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use bytes::Bytes;
use bzip2::write::BzEncoder;
use datafusion::sql::sqlparser::ast::{Query, SetExpr};
use flate2::write::GzEncoder;

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
/// Bytes of a group of rows in Parquet, unless ROWGROUPSIZE says more.
const GROUP_BYTES: u64 = 32 << 20;
/// The most that ROWGROUPSIZE takes.
const MOST_GROUP_BYTES: u64 = 128 << 20;
/// Bytes that what packs texts may hold back: bzip2 has blocks of 900 kB.
const HELD_BACK: usize = 1 << 20;

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
    /// With the header.
    lines: u64,
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
    check_columns(format, &columns)?;
    let partitions = partitions(&options, &columns)?;
    // Folders of partitions are below the path, whether it ends as one or not.
    let is_open = !partitions.places.is_empty() && !prefix.is_empty() && !prefix.ends_with('/');
    let prefix = format!("{prefix}{}", if is_open { "/" } else { "" });
    let batches = bind::run(planned).await?;
    let digits = environment.context.digits;
    let divided = divided(&batches, &columns, &partitions, digits)?;
    let written: Vec<String> = match partitions.places.is_empty() {
        true => vec![prefix.clone()],
        false => divided
            .iter()
            .map(|(folder, _)| format!("{prefix}{folder}"))
            .collect(),
    };
    clear(objects, bucket, &prefix, &written, &options).await?;
    let kept: Vec<usize> = (0..columns.len())
        .filter(|at| partitions.include || !partitions.places.contains(at))
        .collect();
    let kept_columns: Vec<Column> = kept.iter().map(|at| columns[*at].clone()).collect();
    let mut files = Vec::new();
    let mut rows_written = 0;
    for (folder, rows) in divided {
        let rows = rows.project(&kept).map_err(Error::internal)?;
        let group_rows = group_rows(&options, &rows);
        let (mut start, mut part) = (0, 0);
        while start < rows.num_rows() {
            let rest = rows.slice(start, rows.num_rows() - start);
            let (bytes, count) = match format {
                Format::Parquet => {
                    super::parquet_file::write(&kept_columns, &rest, group_rows, most(&options))?
                }
                _ => texts(format, &options, &kept_columns, &rest, digits)
                    .map_err(Error::internal)?,
            };
            let name = name(&options, format, part);
            let key = format!("{prefix}{folder}{name}");
            let size = bytes.len() as u64;
            put(&key, bytes).await?;
            files.push(File {
                url: format!("s3://{bucket}/{key}"),
                bytes: size,
                lines: count as u64 + u64::from(options.has("header")),
            });
            start += count;
            part += 1;
        }
        rows_written += start;
    }
    // Without rows there are no files, and no manifest of them.
    if options.has("manifest") && !files.is_empty() {
        let manifest = manifest(&files, &columns, format, options.has("verbose"));
        put(&format!("{prefix}manifest"), manifest).await?;
    }
    Ok(Done {
        outcome: Outcome {
            notices: vec![format!(
                "UNLOAD completed, {rows_written} record(s) unloaded successfully."
            )],
            ..Outcome::tagged("UNLOAD")
        },
        unloaded: Some(rows_written as i64),
        ..Done::default()
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
    if format != Format::Parquet && options.has("rowgroupsize") {
        let what = "ROWGROUPSIZE without FORMAT PARQUET";
        return Err(Error::new(&error::UNSUPPORTED, &[&what]));
    }
    let wrong = |name: &str, size: u64, hint: &str| {
        let size = format!("{size} bytes");
        Err(Error::new(&error::INVALID_ARGUMENT, &[&name, &size]).hint(hint))
    };
    match (size(options, "maxfilesize"), size(options, "rowgroupsize")) {
        (Some(size), _) if !(LEAST_BYTES..=MOST_BYTES).contains(&size) => {
            wrong("MAXFILESIZE", size, "5 MB to 6.2 GB")
        }
        (_, Some(size))
            if !(GROUP_BYTES..=MOST_GROUP_BYTES).contains(&size) || size % (1 << 20) != 0 =>
        {
            wrong("ROWGROUPSIZE", size, "a whole number of MB from 32 to 128")
        }
        _ => Ok(format),
    }
}

fn size(options: &Options, name: &str) -> Option<u64> {
    match options.get(name) {
        Some(OptionValue::Size(size)) => Some(*size),
        _ => None,
    }
}

/// Bytes of a file at most. Those of Parquet are whole groups of the usual size.
fn most(options: &Options) -> u64 {
    let most = size(options, "maxfilesize").unwrap_or(MOST_BYTES);
    match options.has("parquet") && most > GROUP_BYTES {
        true => most - most % GROUP_BYTES,
        false => most,
    }
}

/// Rows of a group in Parquet, by what they take in memory: in a file it is less.
fn group_rows(options: &Options, rows: &RecordBatch) -> usize {
    let group = size(options, "rowgroupsize").unwrap_or(GROUP_BYTES);
    let row = rows.get_array_memory_size() / rows.num_rows().max(1);
    (group.min(most(options)) as usize / row.max(1)).max(1)
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
    let unsupported = |what: &str| Error::new(&error::UNSUPPORTED, &[&what]);
    let mut places = Vec::new();
    for name in names {
        let found = columns.iter().position(|column| column.name == *name);
        let place = found.ok_or_else(|| Error::new(&error::UNDEFINED_COLUMN, &[name]))?;
        if places.contains(&place) {
            return Err(Error::new(&error::DUPLICATE_COLUMN, &[name]));
        }
        let data_type = columns[place].data_type;
        if !is_key(data_type) {
            let data_type = data_type.short_name().to_uppercase();
            return Err(unsupported(&format!(
                "a partition by a column of {data_type}"
            )));
        }
        places.push(place);
    }
    if !include && places.len() == columns.len() {
        let error = unsupported("a partition by all columns");
        return Err(error.hint("the files need a column: write INCLUDE to keep all"));
    }
    Ok(Partitions {
        places,
        include: *include,
    })
}

/// Whether folders can be called by the values of a type.
fn is_key(data_type: Type) -> bool {
    match data_type {
        Type::Float8
        | Type::Time
        | Type::TimestampTz
        | Type::Varbyte(_)
        | Type::Super
        | Type::Interval => false,
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Numeric(..)
        | Type::Char(_)
        | Type::Varchar(_)
        | Type::Date
        | Type::Timestamp
        | Type::Unknown => true,
    }
}

/// Bytes are written as hexadecimal digits, and only where a reader takes them for that. Names of JSON must tell its values apart.
fn check_columns(format: Format, columns: &[Column]) -> Result<()> {
    let name = match format {
        Format::Parquet => "PARQUET",
        Format::Json => "JSON",
        Format::Csv | Format::Delimited => return Ok(()),
    };
    let mut columns_of_bytes = columns.iter();
    if columns_of_bytes.any(|column| matches!(column.data_type, Type::Varbyte(_))) {
        let what = format!("a column of VARBYTE with FORMAT {name}");
        return Err(Error::new(&error::UNSUPPORTED, &[&what]));
    }
    let mut names = BTreeSet::new();
    let again = columns.iter().find(|column| !names.insert(&column.name));
    match again {
        Some(column) if format == Format::Json => {
            let error = Error::new(&error::DUPLICATE_COLUMN, &[&column.name]);
            Err(error.hint("give one of them another name: it stands once in an object of JSON"))
        }
        _ => Ok(()),
    }
}

/// What is at the destination is an error, stays, or goes: with CLEANPATH, from where files are written.
async fn clear(
    objects: &dyn Objects,
    bucket: &str,
    prefix: &str,
    written: &[String],
    options: &Options,
) -> Result<()> {
    if options.has("allowoverwrite") {
        return Ok(());
    }
    let list = async |prefix: &str| {
        let existing = objects.list(bucket, prefix).await;
        existing.map_err(|error| failed(bucket, &error))
    };
    if !options.has("cleanpath") {
        return match list(prefix).await?.is_empty() {
            true => Ok(()),
            false => Err(Error::new(&error::UNLOAD_NOT_EMPTY, &[])),
        };
    }
    for prefix in written {
        for object in list(prefix).await? {
            let deleted = objects.delete(bucket, &object.key).await;
            deleted.map_err(|error| failed(bucket, &error))?;
        }
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

/// A file of texts and how many rows are in it: as many as fit, one at least.
fn texts(
    format: Format,
    options: &Options,
    columns: &[Column],
    rows: &RecordBatch,
    digits: Digits,
) -> io::Result<(Vec<u8>, usize)> {
    let lines = Lines::new(format, options, columns, digits);
    let out: Vec<u8> = Vec::new();
    if options.has("gzip") {
        let mut file = GzEncoder::new(out, flate2::Compression::default());
        let count = lines.fill(&mut file, |file| file.get_ref().len() + HELD_BACK, rows)?;
        Ok((file.finish()?, count))
    } else if options.has("bzip2") {
        let mut file = BzEncoder::new(out, bzip2::Compression::default());
        let count = lines.fill(&mut file, |file| file.get_ref().len() + HELD_BACK, rows)?;
        Ok((file.finish()?, count))
    } else if options.has("zstd") {
        let mut file = zstd::Encoder::new(out, 0)?;
        let count = lines.fill(&mut file, |file| file.get_ref().len() + HELD_BACK, rows)?;
        Ok((file.finish()?, count))
    } else {
        let mut file = out;
        let count = lines.fill(&mut file, Vec::len, rows)?;
        Ok((file, count))
    }
}

/// How rows become lines of a file.
struct Lines<'a> {
    format: Format,
    options: &'a Options,
    columns: &'a [Column],
    delimiter: char,
    null: &'a str,
    digits: Digits,
}

impl<'a> Lines<'a> {
    fn new(format: Format, options: &'a Options, columns: &'a [Column], digits: Digits) -> Self {
        Self {
            format,
            options,
            columns,
            delimiter: match options.text("delimiter").and_then(character) {
                Some(byte) => char::from(byte),
                None if format == Format::Csv => ',',
                None => '|',
            },
            null: options.text("null").unwrap_or(""),
            digits,
        }
    }

    /// Writes rows until a file is full, by what tells its bytes, and says how many.
    fn fill<W: Write>(
        &self,
        file: &mut W,
        bytes: impl Fn(&W) -> usize,
        rows: &RecordBatch,
    ) -> io::Result<usize> {
        let most = most(self.options);
        if self.options.has("header") {
            file.write_all(self.header().as_bytes())?;
        }
        for row in 0..rows.num_rows() {
            let line = self.row(rows, row);
            if row > 0 && (bytes(file) + line.len()) as u64 > most {
                return Ok(row);
            }
            file.write_all(line.as_bytes())?;
        }
        Ok(rows.num_rows())
    }

    /// Names are written as other texts are.
    fn header(&self) -> String {
        let names = self.columns.iter();
        self.line(names.map(|column| Some(column.name.clone())))
    }

    fn row(&self, rows: &RecordBatch, row: usize) -> String {
        let cells = rows.columns().iter().zip(self.columns);
        let cells =
            cells.map(|(values, column)| show::output(values, row, column.data_type, self.digits));
        if self.format != Format::Json {
            return self.line(cells);
        }
        let entries = cells.zip(self.columns).map(|(text, column)| {
            let value = text.map_or(Json::Null, |text| json_value(text, column.data_type));
            (column.name.clone(), value)
        });
        let object = Json::Object(entries.collect());
        format!("{object}\n")
    }

    fn line(&self, fields: impl Iterator<Item = Option<String>>) -> String {
        let mut line = String::new();
        for (at, field) in fields.enumerate() {
            if at > 0 {
                line.push(self.delimiter);
            }
            line.push_str(&self.field(field));
        }
        line.push('\n');
        line
    }

    fn field(&self, text: Option<String>) -> String {
        let Some(text) = text else {
            return self.null.to_owned();
        };
        if self.format == Format::Csv {
            let needs = text.contains(self.delimiter) || text.contains(['"', '\n', '\r']);
            return match needs {
                true => format!("\"{}\"", text.replace('"', "\"\"")),
                false => text,
            };
        }
        let text = match self.options.has("escape") {
            true => self.escaped(&text),
            false => text,
        };
        match self.options.has("addquotes") {
            true => format!("\"{text}\""),
            false => text,
        }
    }

    fn escaped(&self, text: &str) -> String {
        let mut escaped = String::new();
        for letter in text.chars() {
            let is_quote = self.options.has("addquotes") && ['"', '\''].contains(&letter);
            if is_quote || ['\n', '\r', '\\', self.delimiter].contains(&letter) {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        escaped
    }
}

fn json_value(text: String, data_type: Type) -> Json {
    match data_type {
        Type::Super => Json::read(&text).unwrap_or(Json::Null),
        // NaN is no number of JSON.
        data_type if data_type.is_number() => Json::read(&text).unwrap_or(Json::Text(text)),
        // Booleans, too, are the letters that they are in other files.
        _ => Json::Text(text),
    }
}

fn manifest(files: &[File], columns: &[Column], format: Format, verbose: bool) -> Vec<u8> {
    let entries: Vec<serde_json::Value> = files
        .iter()
        .map(|file| match (verbose, format) {
            (true, _) => serde_json::json!({
                "url": file.url,
                "meta": { "content_length": file.bytes, "record_count": file.lines },
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
                    "type": described(column.data_type),
                })
            })
            .collect();
        manifest["schema"] = serde_json::json!({ "elements": elements });
        manifest["meta"] = serde_json::json!({
            "content_length": files.iter().map(|file| file.bytes).sum::<u64>(),
            "record_count": files.iter().map(|file| file.lines).sum::<u64>(),
        });
        manifest["author"] = serde_json::json!({ "name": "Amazon Redshift", "version": "1.0.0" });
    }
    serde_json::to_vec_pretty(&manifest).unwrap_or_default()
}

/// A type in a manifest, with its length or its digits.
fn described(data_type: Type) -> serde_json::Value {
    let base = data_type.base_name();
    match data_type {
        Type::Char(length) | Type::Varchar(length) => {
            serde_json::json!({ "base": base, "max_length": length })
        }
        Type::Numeric(precision, scale) => {
            serde_json::json!({ "base": base, "precision": precision, "scale": scale })
        }
        _ => serde_json::json!({ "base": base }),
    }
}
