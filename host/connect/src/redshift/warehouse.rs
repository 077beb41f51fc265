//! The table and its ledger, for the commit protocol.

use async_trait::async_trait;
use transom_commit::{
    Applying, Claim, Decision, Disposition, Ledger, LogId, Position, Reading, SinkError,
    SinkErrorKind, SinkName, Submission, Warehouse,
};
use transom_file::spec::LoadMode;

use super::RedshiftSink;
use super::api::{DataApi, Row};
use super::document::Load;
use super::error::{ApiError, ApiErrorKind};
use super::sql::{self, literal};
use super::target::{self, TargetColumn};
use crate::sink::Publish;

/// Statements of a transaction that come before the load's: the claim's.
const CLAIM: usize = 2;
/// How often the table is looked at, and changed, until it is ready.
const CHANGES: usize = 2_000;

#[async_trait]
impl Warehouse for RedshiftSink {
    async fn read(&self, _: &Applying<'_>) -> Result<Reading, SinkError> {
        self.read_ledger(&self.api_of("read the ledger of").await?)
            .await
    }

    async fn create(&self, applying: &Applying<'_>) -> Result<(), SinkError> {
        let api = self.api_of("create the ledger of").await?;
        let text = sql::create_ledger(&self.table.table, applying.log(), &self.name);
        let mut created = api.execute(&text).await;
        if created.as_ref().is_err_and(ApiError::is_missing) {
            // The schema is made as well, like the table.
            let schema = sql::create_schema(&self.table.table);
            match api.execute(&schema).await {
                // Another process may have been faster.
                Err(error) if !error.is_there() => {
                    return Err(self.unchanged("create the schema of", error));
                }
                _ => {}
            }
            created = api.execute(&text).await;
        }
        match created {
            Ok(()) => Ok(()),
            Err(error) if error.is_there() => Ok(()),
            Err(error) => Err(self.unchanged("create the ledger of", error)),
        }
    }

    async fn submit(
        &self,
        applying: &Applying<'_>,
        claim: &Claim,
        submission: Submission,
        skip: bool,
    ) -> Result<(), SinkError> {
        let api = self.api_of("load").await?;
        let table = &self.table.table;
        let seq = claim.to.seq;
        let (rows, body) = match &applying.entry.decision {
            _ if skip => (0, vec![]),
            Decision::Slice(_) => {
                let load = self.load_of(applying)?;
                let existing = self.prepare(&api, &load).await?;
                let role = &self.warehouse.iam_role;
                (load.rows, sql::load(&load, &existing, seq, role))
            }
            Decision::Rewind { to, .. } => (0, self.take_back(applying, *to)?),
            _ => (0, vec![]),
        };
        let mut statements = sql::claim(table, claim, submission, (rows, skip)).to_vec();
        statements.extend(body);
        statements.push(sql::release(table, submission));
        let token = submission.to_string();
        // As if the service had forgotten what all loaders of the entry share.
        #[cfg(feature = "testing")]
        let token = match transom_commit::Mutant::from_env() {
            Some(transom_commit::Mutant::NonceGuard) => Submission::random().to_string(),
            _ => token,
        };
        let loaded = api.transaction(statements, &token).await;
        loaded.map_err(|error| {
            let kind = match error.statement {
                // Of the ledger nothing is concluded from a message.
                Some(statement) if statement < CLAIM => SinkErrorKind::Unclear,
                _ if error.is_data() => SinkErrorKind::Refused,
                _ => kind_of(&error),
            };
            self.sink_error(kind, "load", error)
        })
    }

    async fn name_sink(&self, applying: &Applying<'_>) -> Result<(), SinkError> {
        let action = "name the sink in the ledger of";
        let api = self.api_of(action).await?;
        let table = &self.table.table;
        let text = sql::name_sink(table, applying.log(), &self.name);
        let mut named = api.execute(&text).await;
        if named.as_ref().is_err_and(ApiError::is_missing) {
            match api.execute(&sql::add_sink(table, &self.name)).await {
                // Another process may have been faster.
                Err(error) if !error.is_there() => return Err(self.unchanged(action, error)),
                _ => {}
            }
            named = api.execute(&text).await;
        }
        named.map_err(|error| self.unchanged(action, error))
    }

    async fn block(
        &self,
        applying: &Applying<'_>,
        disposition: Disposition,
    ) -> Result<(), SinkError> {
        let api = self.api_of("block").await?;
        let text = sql::block(
            &self.table.table,
            applying.log(),
            &applying.prev,
            applying.entry.seq,
            disposition,
        );
        let blocked = api.execute(&text).await;
        blocked.map_err(|error| self.failed("block", error))
    }
}

impl RedshiftSink {
    /// What the ledger says.
    pub(super) async fn read_ledger(&self, api: &DataApi<'_>) -> Result<Reading, SinkError> {
        let table = &self.table.table;
        let action = "read the ledger of";
        let rows = match api.query(&sql::read_ledger(table)).await {
            Ok(rows) => rows,
            Err(error) if error.is_missing() => {
                // What is not there may also be a column, or a table that the user does not see.
                let ledger = table.ledger();
                let listed = format!(
                    "SELECT table_name FROM svv_tables WHERE table_schema = {} AND table_name = {}",
                    literal(&ledger.schema),
                    literal(&ledger.name)
                );
                let listed = api.query(&listed).await;
                let listed = listed.map_err(|error| self.failed(action, error))?;
                return match listed.is_empty() {
                    true => Ok(Reading::Missing),
                    // Another process has created it in between: it is read again.
                    false => Err(self.sink_error(SinkErrorKind::Unclear, action, error)),
                };
            }
            Err(error) => return Err(self.failed(action, error)),
        };
        match rows.as_slice() {
            [row] => self.ledger_of(row).map(Reading::Ledger),
            rows => Ok(Reading::Rows(rows.len() as u64)),
        }
    }

    fn ledger_of(&self, row: &Row) -> Result<Ledger, SinkError> {
        let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let number = |at: usize| text(at).parse::<u64>().ok();
        let position = || {
            let attempt = text(2);
            Some(match (number(1)?, attempt.as_str()) {
                (0, "-") => Position::START,
                (0, _) => return None,
                (seq, attempt) => Position::new(seq, attempt.parse().ok()?),
            })
        };
        let ledger = || {
            Some(Ledger {
                log: text(0).parse().ok()?,
                position: position()?,
                blocked: number(4)?,
                disposition: match text(5).as_str() {
                    "redo" => Some(Disposition::Redo),
                    "skip" => Some(Disposition::Skip),
                    "-" => None,
                    _ => return None,
                },
                skipped: number(6)? != 0,
                owner: sink_of(row)
                    .filter(|sink| *sink != self.name)
                    .map(SinkName::from),
                is_named: sink_of(row).is_some(),
            })
        };
        ledger().ok_or_else(|| {
            let message = format!(
                "the ledger `{}` of sink `{}` was changed: its row is not one that transom writes",
                self.table.table.ledger(),
                self.name
            );
            SinkError::new(SinkErrorKind::Broken, message)
        })
    }

    /// Has the ledger say that the table is at a position, if it says what was seen before.
    pub(super) async fn set_ledger(
        &self,
        log: LogId,
        position: Position,
        seen: &Reading,
    ) -> Result<(), SinkError> {
        let action = "change the ledger of";
        let table = &self.table.table;
        let api = self.api_of(action).await?;
        let from = match seen {
            Reading::Missing => {
                let text = sql::create_ledger(table, log, &self.name);
                let created = api.execute(&text).await;
                created.map_err(|error| self.failed(action, error))?;
                Some(Ledger::new(log))
            }
            Reading::Ledger(ledger) => Some(ledger.clone()),
            Reading::Rows(_) => None,
        };
        let mark = Submission::random();
        let at = (log, &position);
        let mut statements = sql::adopt(table, from.as_ref(), at, &self.name, mark);
        statements.push(sql::release(table, mark));
        let changed = api.transaction(statements, &mark.to_string()).await;
        changed.map_err(|error| self.failed(action, error))
    }

    /// What an entry has staged for this sink.
    fn load_of(&self, applying: &Applying<'_>) -> Result<Load, SinkError> {
        let broken = |why: String| {
            let message = format!(
                "entry {} cannot be loaded into sink `{}`: {why}",
                applying.entry.seq, self.name
            );
            SinkError::new(SinkErrorKind::Broken, message)
        };
        let part = applying.part();
        let staged = part.map(|part| part.staged.clone()).unwrap_or_default();
        let publish = serde_json::from_value(staged);
        let publish = publish.map_err(|error: serde_json::Error| {
            broken("what it has staged cannot be read".to_owned()).because(error)
        })?;
        match publish {
            Publish::Load(load) if load.table.table == self.table.table => Ok(*load),
            Publish::Load(load) => {
                let (table, now) = (&load.table.table, &self.table.table);
                Err(broken(format!(
                    "it was staged for `{table}`, and the sink is now `{now}`"
                )))
            }
            _ => Err(broken("it was staged for a sink of files".to_owned())),
        }
    }

    /// Changes the table until it is what the load needs: it is created, or gets columns, or longer ones. Each change
    /// is a transaction of its own, which Redshift demands of the last kind, and the table is looked at before each.
    async fn prepare(
        &self,
        api: &DataApi<'_>,
        load: &Load,
    ) -> Result<Vec<TargetColumn>, SinkError> {
        let table = &load.table.table;
        for _ in 0..CHANGES {
            let existing = target::columns_of(api, table).await;
            let existing = existing.map_err(|error| self.failed("look at", error))?;
            if existing.is_none() && !load.creates {
                return Err(self.gone());
            }
            let change = target::next_change(&load.table, &load.columns, existing.as_deref());
            match change {
                Ok(None) => return Ok(existing.unwrap_or_default()),
                Ok(Some(change)) => match api.execute(&change).await {
                    Ok(()) => {}
                    // Another process was faster.
                    Err(error) if error.is_there() => {}
                    Err(error) => return Err(self.unchanged("change", error)),
                },
                Err(problems) => {
                    let message = format!(
                        "the table `{table}` of sink `{}` was changed since the rows were staged: {}",
                        self.name,
                        problems.join("; ")
                    );
                    return Err(SinkError::new(SinkErrorKind::Broken, message));
                }
            }
        }
        let message = format!(
            "the table `{table}` of sink `{}` changes again and again",
            self.name
        );
        Err(SinkError::new(SinkErrorKind::Unclear, message))
    }

    /// The table is gone, and its ledger is there.
    pub(super) fn gone(&self) -> SinkError {
        let (name, table) = (&self.name, &self.table.table);
        let message = format!("the table `{table}` of sink `{name}` is gone");
        SinkError::new(SinkErrorKind::Broken, message).hinted(self.restore())
    }

    /// What to do about a table that is gone while its ledger is there.
    pub(super) fn restore(&self) -> String {
        format!(
            "restore it with its ledger, from one snapshot; or drop the ledger as well, `DROP TABLE {}`, and load all again: \
             `transom sink replay {}`",
            self.table.table.ledger(),
            self.name
        )
    }

    /// What a rewind does with the table: appended rows are deleted. Rows that were merged or have replaced others
    /// stay until their inputs are loaded again.
    fn take_back(&self, applying: &Applying<'_>, to: u64) -> Result<Vec<String>, SinkError> {
        let mut appended = false;
        for (_, part) in applying.parts_taken_back() {
            let publish: Result<Publish, _> = serde_json::from_value(part.staged.clone());
            let publish = publish.map_err(|error| {
                let message = format!("what sink `{}` has loaded cannot be read", self.name);
                SinkError::new(SinkErrorKind::Broken, message).because(error)
            })?;
            if let Publish::Load(load) = publish {
                appended |= load.table.mode == LoadMode::Append;
            }
        }
        Ok(match appended {
            true => vec![sql::take_back(&self.table.table, to, applying.entry.seq)],
            false => vec![],
        })
    }

    pub(super) async fn api_of(&self, action: &'static str) -> Result<DataApi<'_>, SinkError> {
        let api = DataApi::new(&self.aws, &self.warehouse).await;
        api.map_err(|error| self.failed(action, error))
    }

    /// The failure of a statement that creates or changes a table: what is not a conflict fails again.
    fn unchanged(&self, action: &str, error: ApiError) -> SinkError {
        let kind = match error.kind {
            ApiErrorKind::Failed if !error.is_conflict() => SinkErrorKind::Broken,
            _ => kind_of(&error),
        };
        self.sink_error(kind, action, error)
    }

    pub(super) fn failed(&self, action: &str, error: ApiError) -> SinkError {
        self.sink_error(kind_of(&error), action, error)
    }

    fn sink_error(&self, kind: SinkErrorKind, action: &str, error: ApiError) -> SinkError {
        let message = format!(
            "sink `{}`: cannot {action} `{}`",
            self.name, self.table.table
        );
        SinkError::new(kind, message).because(error)
    }
}

/// The sink that the row of a ledger names, if it names one.
pub(super) fn sink_of(row: &Row) -> Option<&str> {
    let sink = row.get(9)?.as_deref();
    sink.filter(|sink| !sink.is_empty())
}

/// What the failure of a statement means, if it is not about the data.
fn kind_of(error: &ApiError) -> SinkErrorKind {
    match error.kind {
        ApiErrorKind::Refused => SinkErrorKind::Broken,
        ApiErrorKind::Failed if error.is_permission() || error.is_missing() => {
            SinkErrorKind::Broken
        }
        ApiErrorKind::Failed | ApiErrorKind::Unclear => SinkErrorKind::Unclear,
    }
}
