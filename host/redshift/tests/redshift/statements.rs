//! Every file of statements, each over an engine of its own. `TRANSOM_BLESS=1` writes what came out into the files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use transom_redshift::{Error, Isolation, Session};

use crate::fresh;

/// An error by its rule, so that a case names it: `statement error DIVISION_BY_ZERO`.
#[derive(Debug)]
pub(crate) struct Named(Error);

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(
            formatter,
            "{} {}: {error}",
            error.rule().name,
            error.sqlstate()
        )
    }
}

impl std::error::Error for Named {}

struct Database(Session);

#[async_trait::async_trait]
impl AsyncDB for Database {
    type Error = Named;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Named> {
        let outcome = self.0.run(sql, &[]).await.map_err(Named)?;
        let Some(rows) = outcome.rows else {
            return Ok(DBOutput::StatementComplete(outcome.affected.unwrap_or(0)));
        };
        let types = vec![DefaultColumnType::Any; rows.columns().len()];
        let shown = rows.texts().map(|row| {
            let cells = row.into_iter();
            let shown = cells.map(|cell| match cell {
                None => "NULL".to_owned(),
                Some(text) if text.is_empty() => "(empty)".to_owned(),
                Some(text) => text.replace(' ', "·"),
            });
            shown.collect()
        });
        Ok(DBOutput::Rows {
            types,
            rows: shown.collect(),
        })
    }

    async fn shutdown(&mut self) {}

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(crate) fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redshift/statements");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_do_what_their_files_say() {
    let bless = std::env::var_os("TRANSOM_BLESS").is_some();
    let mut failures = Vec::new();
    for file in files() {
        let fresh = fresh(Isolation::Snapshot);
        crate::buckets::fill(&fresh.bucket).await;
        let engine = fresh.engine.clone();
        let connect = move || {
            let session = engine.session("transom");
            async move { Ok(Database(session)) }
        };
        let mut runner = Runner::new(connect);
        let outcome = match bless {
            true => runner
                .update_test_file(
                    &file,
                    " ",
                    sqllogictest::default_validator,
                    sqllogictest::default_normalizer,
                    sqllogictest::default_column_validator,
                )
                .await
                .map_err(|error| error.to_string()),
            false => runner
                .run_file_async(&file)
                .await
                .map_err(|error| error.to_string()),
        };
        if let Err(error) = outcome {
            failures.push(error);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
