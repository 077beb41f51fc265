//! What a case holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Keys of the pipeline file, as the case gives them.
type Keys = Map<String, Value>;

/// One input and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Which kind of mistake it stands for: a word that the table of counts groups by.
    pub(crate) entry: String,
    /// The query, if there is no name.
    #[serde(default)]
    name: Option<String>,
    /// Input files. Those of the source `src` are called `data.*`, or lie in `data/`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, Content>,
    /// Files written after `transom lock` and before the run; nothing removes one.
    #[serde(default)]
    pub(crate) later: BTreeMap<String, Option<Content>>,
    /// Keys of the source `src`, without its path where that follows from the files.
    #[serde(default)]
    source: Keys,
    /// The query; `SELECT * FROM src` if there is none.
    #[serde(default)]
    sql: Option<String>,
    /// Keys of the sink `res`, which writes Parquet unless they say otherwise.
    #[serde(default)]
    pub(crate) sink: Keys,
    /// The whole pipeline file, instead of the keys above.
    #[serde(default)]
    pipeline: Option<String>,
    /// How it is run; plainly and apart, or locked if there are later files.
    #[serde(default)]
    ways: Vec<String>,
    /// Commands before the last one, which must succeed.
    #[serde(default)]
    pub(crate) before: Vec<String>,
    /// The last command, instead of `run`.
    #[serde(default)]
    pub(crate) command: Option<String>,
    /// An input file that is cut to a quarter of its size as soon as the last command has begun to run the pipeline.
    #[serde(default)]
    pub(crate) cut: Option<String>,
    /// A signal that the last command gets as soon as it has written temporary files.
    #[serde(default)]
    pub(crate) signal: Option<Signal>,
    /// The size of the disk that the last command has for temporary files: `1m`. Where nothing can be mounted, the case is ignored.
    #[serde(default)]
    pub(crate) disk: Option<String>,
    /// The rows that must come out, in any order: see `table.rs`.
    #[serde(default)]
    pub(crate) rows: Option<String>,
    /// What the sink's files must hold, for CSV and JSON.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// What the error must say. With `rows`, either is right.
    #[serde(default)]
    pub(crate) error: Vec<String>,
    /// The exit code of the error.
    #[serde(default = "data")]
    pub(crate) code: i32,
    /// What must be said on stderr although it succeeds.
    #[serde(default)]
    pub(crate) stderr: Vec<String>,
    /// What must be printed.
    #[serde(default)]
    pub(crate) stdout: Vec<String>,
    /// A query for DuckDB whose rows must be the expected ones; `same` is the case's own.
    #[serde(default)]
    pub(crate) judge: Option<String>,
}

fn data() -> i32 {
    1
}

/// A signal that asks a program to end.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Signal {
    #[serde(rename = "INT")]
    Interrupt,
    #[serde(rename = "TERM")]
    Terminate,
}

/// What a file holds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    /// Text, in which a line `@1500 x` stands for 1,500 lines `x`, and `{n}` in it for the number of each, from 1.
    Text(String),
    /// A Parquet file of these rows.
    Parquet(Parquet),
    /// These bytes, in hexadecimal.
    Hex {
        /// Pairs of digits; blanks and line breaks between them are skipped.
        hex: String,
    },
    /// A copy of a file in `files/`, made by `files/make.py`.
    Copy {
        /// The file's name.
        copy: String,
    },
}

/// A Parquet file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parquet {
    /// The rows with their types: see `table.rs`.
    pub(crate) parquet: String,
    /// Whether there are minima and maxima.
    #[serde(default = "yes")]
    pub(crate) statistics: bool,
    /// Rows of a row group.
    #[serde(default)]
    pub(crate) row_group: Option<usize>,
}

fn yes() -> bool {
    true
}

/// How a case is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// All files are there; nothing is locked.
    Plain,
    /// `lock`, then the later files, then the command.
    Locked,
    /// All files are there, then `lock`, then the command with `--locked`.
    AllLocked,
    /// As `Plain`, with text files compressed.
    Gzip,
    /// As `Plain`, in four partitions whose batches have one row.
    Apart,
    /// As `Plain` into a sink of this format, whose table a second pipeline reads into Parquet.
    Through(String),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Locked => f.write_str("locked"),
            Self::AllLocked => f.write_str("all locked"),
            Self::Gzip => f.write_str("gz"),
            Self::Apart => f.write_str("apart"),
            Self::Through(format) => f.write_str(format),
        }
    }
}

impl Case {
    /// What the case is called.
    pub(crate) fn name(&self) -> String {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.sql().replace(['\n', '\r'], " "),
        };
        format!("{} {}", self.entry, name.trim())
    }

    /// How it is run.
    pub(crate) fn ways(&self) -> Vec<Way> {
        if self.ways.is_empty() {
            return match (self.later.is_empty(), &self.command) {
                (true, None) => vec![Way::Plain, Way::Apart],
                (true, Some(_)) => vec![Way::Plain],
                (false, _) => vec![Way::Locked],
            };
        }
        let way = |way: &String| match way.as_str() {
            "plain" => Way::Plain,
            "locked" => Way::Locked,
            "all locked" => Way::AllLocked,
            "gz" => Way::Gzip,
            "apart" => Way::Apart,
            format @ ("csv" | "json" | "parquet") => Way::Through(format.to_owned()),
            other => panic!("{}: there is no way `{other}`", self.name()),
        };
        self.ways.iter().map(way).collect()
    }

    /// The query.
    pub(crate) fn sql(&self) -> &str {
        self.sql.as_deref().unwrap_or("SELECT * FROM src")
    }

    /// The path of the source `src`, if there is one.
    pub(crate) fn path(&self) -> Option<String> {
        if let Some(path) = self.source.get("path") {
            return path.as_str().map(str::to_owned);
        }
        let mut names = self.files.keys().chain(self.later.keys());
        let name = names.find(|name| name.starts_with("data"))?;
        match name.starts_with("data/") {
            true => Some("data".to_owned()),
            false => Some(name.clone()),
        }
    }

    /// The format of the source's files, by their names.
    pub(crate) fn format(&self) -> Option<String> {
        if let Some(format) = self.source.get("format") {
            return format.as_str().map(str::to_owned);
        }
        let mut names = self.files.keys().chain(self.later.keys());
        names.find_map(|name| {
            let name = name.strip_suffix(".gz").unwrap_or(name);
            match name.rsplit_once('.')?.1 {
                "csv" => Some("csv".to_owned()),
                "json" | "jsonl" | "ndjson" => Some("json".to_owned()),
                "parquet" => Some("parquet".to_owned()),
                _ => None,
            }
        })
    }

    /// The pipeline file: JSON, which is YAML too.
    pub(crate) fn pipeline(&self, way: &Way) -> String {
        if let Some(pipeline) = &self.pipeline {
            return pipeline.clone();
        }
        let mut sources = Keys::new();
        if let Some(path) = self.path() {
            let mut source = self.source.clone();
            let is_folder = path == "data";
            if let (true, Some(format)) = (is_folder, self.format()) {
                source.entry("format").or_insert(format.into());
            }
            let compressed = match way {
                Way::Gzip if !is_folder => format!("{path}.gz"),
                _ => path,
            };
            source.insert("path".to_owned(), compressed.into());
            sources.insert("src".to_owned(), source.into());
        }
        let mut sink = self.sink.clone();
        sink.insert("from".to_owned(), "res".into());
        sink.entry("path").or_insert("out/res".into());
        let format = match way {
            Way::Through(format) => format,
            _ => "parquet",
        };
        sink.entry("format").or_insert(format.into());
        json!({
            "name": "values",
            "sources": sources,
            "steps": { "res": { "sql": self.sql() } },
            "sinks": { "res": sink },
        })
        .to_string()
    }
}
