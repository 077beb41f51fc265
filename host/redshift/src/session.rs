//! A session: one connection, its transaction, its settings, its temporary tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::{Mutex, Notify};

use crate::bind::{Context, LastIds};
use crate::catalog::{Catalog, Id, Object};
use crate::deep::deep;
use crate::engine::Shared;
use crate::error::{self, Error, Result};
use crate::history::{QueryId, Ran};
use crate::run::{
    self,
    settings::{READ_ONLY, Settings},
};
use crate::syntax::{self, Parameters, Statement};
use crate::transaction::Transaction;
use crate::types::show::{self, Digits};
use crate::types::{Column, Type};

/// A value for a statement: of `:name`, or of `$1` by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name, if it has one.
    pub name: Option<String>,
    /// The value as text; `None` is NULL.
    pub value: Option<String>,
    /// The type, if the client says one.
    pub data_type: Option<Type>,
}

/// Rows of a result.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    columns: Vec<Column>,
    batches: Vec<RecordBatch>,
    digits: Digits,
}

impl Rows {
    pub(crate) fn new(columns: Vec<Column>, batches: Vec<RecordBatch>, digits: Digits) -> Self {
        Self {
            columns,
            batches,
            digits,
        }
    }

    /// The same rows, with all digits of floats in their texts, whatever `extra_float_digits` is.
    #[must_use]
    pub fn with_all_digits(self) -> Self {
        Self {
            digits: Digits::All,
            ..self
        }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The values as Arrow has them.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A value as text, as Redshift shows it; `None` is NULL.
    ///
    /// # Panics
    /// If there is no such batch, row or column.
    pub fn text(&self, batch: usize, row: usize, column: usize) -> Option<String> {
        let values = self.batches[batch].column(column);
        let data_type = self.columns[column].data_type;
        show::output(values, row, data_type, self.digits)
    }

    /// The rows as texts, as Redshift shows them; `None` is NULL.
    pub fn texts(&self) -> impl Iterator<Item = Vec<Option<String>>> + '_ {
        self.batches.iter().flat_map(move |batch| {
            (0..batch.num_rows()).map(move |row| {
                let columns = batch.columns().iter().zip(&self.columns);
                columns
                    .map(|(values, column)| {
                        show::output(values, row, column.data_type, self.digits)
                    })
                    .collect()
            })
        })
    }
}

/// What a statement did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// As the wire protocol names it, such as `INSERT 0 3`; empty for an empty statement.
    pub tag: String,
    /// Rows, if it is a statement that gives some.
    pub rows: Option<Rows>,
    /// Rows that it changed.
    pub affected: Option<u64>,
    /// What a client may show.
    pub notices: Vec<String>,
}

impl Outcome {
    pub(crate) fn tagged(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            ..Self::default()
        }
    }

    pub(crate) fn changed(tag: &str, rows: u64) -> Self {
        Self {
            tag: format!("{tag} {rows}"),
            affected: Some(rows),
            ..Self::default()
        }
    }
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// Each statement is a transaction.
    Idle,
    /// Between BEGIN and COMMIT.
    Active,
    /// After an error between BEGIN and COMMIT: only ROLLBACK helps.
    Failed,
}

/// A session. Its statements run one after the other; a statement whose future is dropped is cancelled.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    user: String,
    pid: u32,
    temporary: Id,
    state: Mutex<State>,
    cancel: Notify,
}

/// What statements are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Block {
    /// Each is a transaction of its own.
    #[default]
    None,
    /// All up to [`Session::settle`], without a BEGIN.
    Implied,
    /// All between BEGIN and COMMIT.
    Explicit,
}

/// What becomes of a statement that succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is part of its transaction, or commits.
    Kept,
    /// It is killed before it can commit, and its transaction with it.
    Killed,
}

#[derive(Debug, Default)]
struct State {
    block: Block,
    /// Within a block it is missing after an error.
    transaction: Option<Transaction>,
    last_transaction: u64,
    temporaries: Vec<Object>,
    settings: Settings,
    last_copy: i64,
    last_unload: i64,
    last_query: Option<QueryId>,
    /// The number of the statement that runs.
    number: u64,
    last_ids: LastIds,
}

impl State {
    fn at(&self) -> TransactionState {
        match (self.block, &self.transaction) {
            (Block::None, _) => TransactionState::Idle,
            (_, Some(_)) => TransactionState::Active,
            (_, None) => TransactionState::Failed,
        }
    }

    /// Ends what SET did with its transaction, if that is over.
    fn end_settings(&mut self, is_done: bool) {
        match self.at() {
            TransactionState::Active => {}
            TransactionState::Idle if is_done => self.settings.commit(),
            TransactionState::Idle | TransactionState::Failed => self.settings.roll_back(),
        }
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, user: &str, pid: u32) -> Self {
        let temporary = shared.new_id();
        Self {
            shared,
            user: user.to_owned(),
            pid,
            temporary,
            state: Mutex::default(),
            cancel: Notify::new(),
        }
    }

    /// The number that `pg_backend_pid()` gives.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where the session stands.
    pub async fn transaction_state(&self) -> TransactionState {
        self.state.lock().await.at()
    }

    /// The statements of a text, each as it is written.
    ///
    /// # Errors
    /// If the text has a quote without an end.
    pub fn split(text: &str) -> Result<Vec<&str>> {
        syntax::split(text)
    }

    /// How many parameters a statement has: the highest `$n`.
    ///
    /// # Errors
    /// If the text has a quote without an end.
    pub fn parameters(statement: &str) -> Result<usize> {
        syntax::placeholders(statement)
    }

    /// The names of a statement's parameters as they are written: `:name`, outside of texts and comments.
    ///
    /// # Errors
    /// If the text has a quote without an end.
    pub fn parameter_names(statement: &str) -> Result<Vec<String>> {
        syntax::parameter_names(statement)
    }

    /// What `sys_query_history` calls the statement that ran last.
    pub async fn last_query(&self) -> Option<QueryId> {
        self.state.lock().await.last_query
    }

    /// Cancels the statement that runs. One that is being made durable, and one that starts later, go on.
    pub fn cancel(&self) {
        self.cancel.notify_waiters();
    }

    /// Runs one statement. Outside of a transaction it is one of its own, and durable when this returns.
    ///
    /// # Errors
    /// What Redshift would say, with its codes; the statement has changed nothing then.
    pub async fn run(&self, statement: &str, parameters: &[Parameter]) -> Result<Outcome> {
        deep(self.run_in(statement, parameters, Block::None, End::Kept)).await
    }

    /// Runs one statement that is killed when all is done but its commit: what it did is taken back, with the transaction that it is
    /// part of. Gives what a client hears of it: that it was cancelled, or the error with which it failed before that.
    pub async fn run_and_kill(&self, statement: &str, parameters: &[Parameter]) -> Error {
        let killed = deep(self.run_in(statement, parameters, Block::None, End::Killed)).await;
        killed.err().unwrap_or_else(cancelled)
    }

    /// Runs one of several statements that a client sends together. They are one transaction, which
    /// [`Session::settle`] ends, unless BEGIN and COMMIT are among them.
    ///
    /// # Errors
    /// As [`Session::run`]. The statements that came before are undone, too.
    pub async fn run_together(&self, statement: &str, parameters: &[Parameter]) -> Result<Outcome> {
        deep(self.run_in(statement, parameters, Block::Implied, End::Kept)).await
    }

    /// Ends what [`Session::run_together`] began: durable when this returns. After an error it is undone already.
    ///
    /// # Errors
    /// If the transaction cannot commit; it has changed nothing then.
    pub async fn settle(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        if state.block != Block::Implied {
            return Ok(());
        }
        state.block = Block::None;
        let Some(transaction) = state.transaction.take() else {
            state.settings.roll_back();
            return Ok(());
        };
        let settled = self.make_durable(&mut state, transaction).await;
        state.end_settings(settled.is_ok());
        settled
    }

    /// Ends the open transaction without its changes, for what a client did wrong outside of statements.
    pub async fn fail(&self) {
        let mut state = self.state.lock().await;
        state.transaction = None;
        state.settings.roll_back();
    }

    /// Sets a parameter of the session, as `SET` does.
    ///
    /// # Errors
    /// If there is no such parameter, or it does not take the value.
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        let mut state = self.state.lock().await;
        let value = value.split(',').map(|part| part.trim().to_owned());
        let value: Vec<String> = value.collect();
        let name = name.to_lowercase();
        let set = state.settings.set(&name, &value, false).map(|_| ());
        state.end_settings(set.is_ok());
        set
    }

    /// The value of a parameter of the session, as `SHOW` gives it.
    ///
    /// # Errors
    /// If there is no such parameter.
    pub async fn setting(&self, name: &str) -> Result<String> {
        self.state.lock().await.settings.text(name)
    }

    async fn run_in(
        &self,
        statement: &str,
        parameters: &[Parameter],
        block: Block,
        end: End,
    ) -> Result<Outcome> {
        let state = &mut *self.state.lock().await;
        let started = chrono::Utc::now().timestamp_micros();
        let id = self.shared.ran.next_id();
        state.number = id.number;
        let mut kind = "OTHER";
        let outcome = self.run_statement(state, statement, parameters, block, end, &mut kind);
        let outcome = match (outcome.await, end) {
            // A statement that has no commit of its own, such as SET.
            (Ok(_), End::Killed) => Err(cancelled()),
            (outcome, _) => outcome,
        };
        if end == End::Killed {
            state.transaction = None;
        }
        let rows = outcome
            .as_ref()
            .ok()
            .and_then(|outcome| outcome.rows.as_ref());
        let error = outcome.as_ref().err();
        // A COPY that read its files has a number, whatever it found in them.
        if kind == "COPY" && error.is_some_and(|error| error.rule() == &error::COPY_ERRORS) {
            state.last_ids.copy = Some(id.number);
        }
        self.shared.ran.add(Ran {
            id,
            transaction: state.last_transaction,
            pid: self.pid,
            user: self.user.clone(),
            label: state.settings.text("query_group").unwrap_or_default(),
            kind,
            text: statement.to_owned(),
            started,
            ended: chrono::Utc::now().timestamp_micros(),
            rows: rows.map_or(0, |rows| rows.len() as u64),
            error: error.map(|error| error.text().to_owned()),
            is_cancelled: error.is_some_and(|error| error.rule() == &error::CANCELLED),
        });
        state.last_query = Some(id);
        state.end_settings(outcome.is_ok());
        outcome
    }

    async fn run_statement(
        &self,
        state: &mut State,
        statement: &str,
        parameters: &[Parameter],
        block: Block,
        end: End,
        kind: &mut &'static str,
    ) -> Result<Outcome> {
        let parameters = match parameters {
            [] => Parameters::None,
            given => Parameters::Given(given),
        };
        let parsed = syntax::parse(statement, &parameters);
        let parsed = match parsed {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(Outcome::default()),
            Err(error) => {
                state.transaction = None;
                return Err(error);
            }
        };
        *kind = parsed.kind();
        match parsed {
            Statement::Begin { .. } | Statement::Commit | Statement::Rollback
                if end == End::Killed =>
            {
                state.transaction = None;
                return Err(cancelled());
            }
            Statement::Begin { read_only } => {
                self.check(state)?;
                return Ok(self.begin(state, read_only));
            }
            Statement::Commit => return self.commit(state).await,
            Statement::Rollback => {
                state.block = Block::None;
                state.transaction = None;
                state.settings.roll_back();
                return Ok(Outcome::tagged("ROLLBACK"));
            }
            _ => self.check(state)?,
        }
        self.run_parsed(state, parsed, block, end).await
    }

    /// The columns of a statement's result, without running it; `None` if it gives no rows.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn describe(
        &self,
        statement: &str,
        parameters: &[Parameter],
    ) -> Result<Option<Vec<Column>>> {
        deep(self.described(statement, parameters)).await
    }

    async fn described(
        &self,
        statement: &str,
        parameters: &[Parameter],
    ) -> Result<Option<Vec<Column>>> {
        let parameters = Parameters::Given(parameters);
        let mut state = self.state.lock().await;
        let described = match syntax::parse(statement, &parameters)? {
            None | Some(Statement::Commit | Statement::Rollback) => return Ok(None),
            Some(statement) => {
                self.check(&state)?;
                statement
            }
        };
        Ok(match described {
            Statement::Query(query) if run::query::into(&query).is_none() => {
                let mut transaction = self.transaction(&mut state);
                let context = self.context(&state, &transaction);
                let described =
                    run::query::describe(&self.shared, &mut transaction, &context, *query);
                let described = described.await;
                if state.block != Block::None && described.is_ok() {
                    state.transaction = Some(transaction);
                }
                Some(described?)
            }
            Statement::Show(name) => Some(Settings::columns(&name)),
            _ => None,
        })
    }

    fn check(&self, state: &State) -> Result<()> {
        match state.at() {
            TransactionState::Failed => Err(Error::new(&error::IN_FAILED_TRANSACTION, &[])),
            _ => Ok(()),
        }
    }

    fn begin(&self, state: &mut State, read_only: Option<bool>) -> Outcome {
        let mut outcome = Outcome::tagged("BEGIN");
        if state.block == Block::Explicit {
            outcome
                .notices
                .push("there is already a transaction in progress".to_owned());
            return outcome;
        }
        self.open(state, Block::Explicit);
        if let Some(read_only) = read_only {
            state.settings.set_read_only(read_only);
        }
        outcome
    }

    async fn commit(&self, state: &mut State) -> Result<Outcome> {
        let has_failed = state.at() == TransactionState::Failed;
        state.block = Block::None;
        let Some(transaction) = state.transaction.take() else {
            state.settings.roll_back();
            return Ok(match has_failed {
                true => Outcome::tagged("ROLLBACK"),
                false => Outcome::tagged("COMMIT"),
            });
        };
        self.make_durable(state, transaction).await?;
        Ok(Outcome::tagged("COMMIT"))
    }

    async fn make_durable(&self, state: &mut State, transaction: Transaction) -> Result<()> {
        let committed = tokio::task::spawn_blocking(move || transaction.commit()).await;
        state.temporaries = committed.map_err(Error::internal)??;
        Ok(())
    }

    /// The open transaction, or a new one.
    fn transaction(&self, state: &mut State) -> Transaction {
        let transaction = state.transaction.take().unwrap_or_else(|| {
            Transaction::begin(
                &self.shared,
                self.pid,
                self.shared.isolation,
                self.temporary,
                state.temporaries.clone(),
            )
        });
        state.last_transaction = transaction.number;
        transaction
    }

    /// Begins a block, in the transaction that is open if there is one.
    fn open(&self, state: &mut State, block: Block) {
        let transaction = self.transaction(state);
        state.block = block;
        state.transaction = Some(transaction);
    }

    fn context(&self, state: &State, transaction: &Transaction) -> Context {
        let catalog = transaction.preview();
        Context {
            user: self.user.clone(),
            database: self.shared.database.clone(),
            pid: self.pid,
            path: path(&state.settings, &catalog, &self.user),
            temporary: self.temporary,
            now: chrono::Utc::now().timestamp_micros(),
            transaction_started: transaction.started,
            last_copy: state.last_copy,
            last_unload: state.last_unload,
            number: state.number,
            last_ids: state.last_ids,
            digits: state.settings.digits(),
            settings: state.settings.clone(),
            isolation: self.shared.isolation,
        }
    }

    async fn run_parsed(
        &self,
        state: &mut State,
        statement: Statement,
        block: Block,
        end: End,
    ) -> Result<Outcome> {
        let is_setting = matches!(statement, Statement::Set { .. } | Statement::Reset(_));
        if is_setting && state.block == Block::None && block != Block::None {
            self.open(state, block);
        }
        let set = match &statement {
            Statement::Set {
                name,
                value,
                is_local,
            } => Some(state.settings.set(name, value, *is_local)),
            Statement::Reset(name) => Some(state.settings.reset(name)),
            Statement::Show(name) => Some(state.settings.show(name, self.shared.isolation)),
            _ => None,
        };
        if let Some(set) = set {
            return set.inspect_err(|_| state.transaction = None);
        }
        let commits = matches!(statement, Statement::Truncate(_));
        match outside_only(&statement) {
            Some(refusal) if state.block != Block::None => {
                state.transaction = None;
                return Err(refusal);
            }
            None if state.block == Block::None => state.block = block,
            _ => {}
        }
        let mut transaction = self.transaction(state);
        transaction.read_only = state.settings.is_on(READ_ONLY);
        let context = self.context(state, &transaction);
        let nondeterministic = state.settings.is_on("error_on_nondeterministic_update");
        let environment = run::Environment {
            shared: &self.shared,
            context: &context,
            one_match: nondeterministic,
        };
        // Dropped on an error, or when this future is dropped: rolled back.
        let timeout = state.settings.statement_timeout();
        let done = tokio::select! {
            done = run::run(&environment, &mut transaction, statement) => done?,
            () = self.cancel.notified() => return Err(cancelled()),
            () = after(timeout) => {
                return Err(cancelled().hint("it took longer than statement_timeout allows"));
            }
        };
        if end == End::Killed {
            return Err(cancelled());
        }
        if let Some(rows) = done.copied {
            state.last_copy = rows;
            state.last_ids.copy = Some(state.number);
        }
        if let Some(rows) = done.unloaded {
            state.last_unload = rows;
            state.last_ids.unload = Some(state.number);
        }
        if done.on_compute_nodes {
            state.last_ids.query = Some(state.number);
        }
        match state.block != Block::None && !commits {
            true => state.transaction = Some(transaction),
            false => {
                state.block = Block::None;
                self.make_durable(state, transaction).await?;
            }
        }
        Ok(done.outcome)
    }
}

fn cancelled() -> Error {
    Error::new(&error::CANCELLED, &[])
}

/// Ends after a time, or never.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Why a statement cannot run within a transaction, if it cannot.
fn outside_only(statement: &Statement) -> Option<Error> {
    let refused = |tag: &str| Some(Error::new(&error::NO_TRANSACTION_BLOCK, &[&tag]));
    match statement {
        Statement::Maintain { tag: "VACUUM", .. } => refused("VACUUM"),
        Statement::Alter { action, .. } => match action.as_ref() {
            syntax::AlterAction::AppendFrom => refused("ALTER TABLE APPEND"),
            syntax::AlterAction::ColumnType { .. } => {
                Some(Error::new(&error::ALTER_TYPE_IN_TRANSACTION, &[]))
            }
            _ => None,
        },
        _ => None,
    }
}

fn path(settings: &Settings, catalog: &Catalog, user: &str) -> Vec<Id> {
    let names = settings.search_path();
    let names = names.iter().map(|name| match name.as_str() {
        "$user" => user,
        name => name,
    });
    names.filter_map(|name| catalog.schema(name)).collect()
}

/// Settings by their names.
pub(crate) type Values = BTreeMap<String, Vec<String>>;
