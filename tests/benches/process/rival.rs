//! The same files read and written by DuckDB and by a run, each a whole process that uses all cores.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::child::Program;
use crate::common::Result;
use crate::common::measure::{Comparison, Target, report, taking_turns};

const ROUNDS: usize = 5;
/// Rows that are written in partitions, and the values that these are of.
const WRITTEN: i64 = 300_000;
const PARTITIONS: i64 = 1000;
/// Rows of the files of text.
const READ: i64 = 2_000_000;

/// The same rows added up, from each format of text.
const TOTALS: &str =
    "SELECT count(*) AS n, sum(key) AS keys, sum(value) AS total, max(name) AS last FROM rows";

struct Work {
    name: &'static str,
    /// Of the source `rows`.
    path: &'static str,
    sql: &'static str,
    /// A column, or empty.
    partition_by: &'static str,
    target: Target,
}

const WORK: [Work; 3] = [
    Work {
        name: "300,000 rows into 1,000 partitions of Parquet",
        path: "rows.parquet",
        sql: "SELECT * FROM rows",
        partition_by: "key",
        target: Target::Slower(2.0),
    },
    Work {
        name: "2,000,000 rows of CSV, three columns added up",
        path: "rows.csv",
        sql: TOTALS,
        partition_by: "",
        target: Target::None,
    },
    Work {
        name: "2,000,000 rows of JSON, three keys added up",
        path: "rows.jsonl",
        sql: TOTALS,
        partition_by: "",
        target: Target::None,
    },
];

impl Work {
    /// The same as a statement of DuckDB, which writes to `theirs`.
    fn duckdb(&self) -> String {
        let query = self
            .sql
            .replace("FROM rows", &format!("FROM '{}'", self.path));
        let by = match self.partition_by {
            "" => String::new(),
            column => format!(", PARTITION_BY ({column}), OVERWRITE"),
        };
        format!("COPY ({query}) TO 'theirs' (FORMAT parquet{by})")
    }
}

/// Prints the comparisons. `TRANSOM_JUDGE` names a Python with DuckDB.
pub(crate) fn compare(program: &Program, folder: &Path) -> Result<()> {
    let python = std::env::var_os("TRANSOM_JUDGE")
        .map(PathBuf::from)
        .ok_or("the variable `TRANSOM_JUDGE` does not name a Python with DuckDB")?;
    let rival = Program {
        path: python,
        cache: program.cache.clone(),
    };
    fs::create_dir_all(folder)?;
    write_rows(folder)?;
    let comparisons: Vec<Comparison> = WORK
        .iter()
        .map(|work| one(program, &rival, folder, work))
        .collect::<Result<_>>()?;
    println!("{}", report(&comparisons));
    Ok(())
}

fn one(program: &Program, rival: &Program, folder: &Path, work: &Work) -> Result<Comparison> {
    let mut file = format!(
        "name: rival\nsources:\n  rows: {{ path: {} }}\nsteps:\n  made: {{ sql: made.sql }}\n\
         sinks:\n  made: {{ from: made, path: ours, format: parquet",
        work.path
    );
    if !work.partition_by.is_empty() {
        write!(file, ", partition_by: [{}]", work.partition_by)?;
    }
    file.push_str(" }\n");
    fs::write(folder.join("transom.yaml"), file)?;
    fs::write(folder.join("made.sql"), work.sql)?;
    let statement = format!("import duckdb; duckdb.sql(\"{}\")", work.duckdb());
    let [theirs, ours] = taking_turns(ROUNDS, |contender| -> Result<Duration> {
        let used = match contender {
            0 => rival.run(folder, &["-c", &statement])?,
            _ => program.run(folder, &["run", "--quiet"])?,
        };
        Ok(used.time)
    })?;
    // The next work writes a file where this one may have written a folder.
    let _ = fs::remove_dir_all(folder.join("theirs"));
    Ok(Comparison {
        name: work.name.to_owned(),
        baseline: ("DuckDB in Python, the same rows", theirs),
        ours,
        target: work.target,
        split: None,
    })
}

/// One file in each format. Keys come in no order, as days and customers do in a queue.
fn write_rows(folder: &Path) -> Result<()> {
    let key = |row: i64| row * 7919 % PARTITIONS;
    let value = |row: i64| (row % 10_007) as f64 / 8.0;
    let name = |row: i64| format!("name {}", row % 50_021);
    let columns: [(&str, ArrayRef); 3] = [
        (
            "key",
            Arc::new((0..WRITTEN).map(key).collect::<Int64Array>()),
        ),
        (
            "value",
            Arc::new((0..WRITTEN).map(value).collect::<Float64Array>()),
        ),
        (
            "name",
            Arc::new(
                (0..WRITTEN)
                    .map(|row| Some(name(row)))
                    .collect::<StringArray>(),
            ),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let parquet = fs::File::create(folder.join("rows.parquet"))?;
    let mut writer = ArrowWriter::try_new(parquet, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    let mut csv = BufWriter::new(fs::File::create(folder.join("rows.csv"))?);
    let mut json = BufWriter::new(fs::File::create(folder.join("rows.jsonl"))?);
    writeln!(csv, "key,value,name")?;
    for row in 0..READ {
        let (key, value, name) = (key(row), value(row), name(row));
        writeln!(csv, "{key},{value},{name}")?;
        writeln!(json, r#"{{"key":{key},"value":{value},"name":"{name}"}}"#)?;
    }
    csv.flush()?;
    json.flush()?;
    Ok(())
}
