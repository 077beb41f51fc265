//! Statements that were submitted, and what became of them, for a day.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use transom_redshift::{Engine, Outcome, Parameter, Rows, Session};

use super::USER;
use super::faults::{FaultKind, Faults};

/// Results and states are kept this long.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Tokens are remembered this long.
const TOKENS: Duration = Duration::from_secs(8 * 60 * 60);
/// Statements that run at once.
const MOST_ACTIVE: usize = 500;

/// The SQLSTATE of a statement that was cancelled.
const CANCELLED: &str = "57014";

/// What a fault reports of a statement that has committed.
const LOST: &str = "ERROR: connection to the database was lost";

/// How often a statement is cancelled until it is over.
const CANCEL_AGAIN: Duration = Duration::from_millis(10);

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Submitted,
    Picked,
    Started,
    Finished,
    Aborted,
    Failed,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Picked => "PICKED",
            Self::Started => "STARTED",
            Self::Finished => "FINISHED",
            Self::Aborted => "ABORTED",
            Self::Failed => "FAILED",
        }
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Aborted | Self::Failed)
    }
}

/// One text of SQL and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) sql: String,
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) rows: Option<Rows>,
    pub(super) affected: Option<u64>,
    pub(super) created: f64,
    pub(super) updated: f64,
    pub(super) took: Duration,
}

/// What a client asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Submission {
    pub(super) sqls: Vec<String>,
    pub(super) is_batch: bool,
    pub(super) parameters: Vec<Parameter>,
    pub(super) auto_commit: bool,
    pub(super) database: String,
    pub(super) target: Target,
    pub(super) name: Option<String>,
    pub(super) token: Option<String>,
    pub(super) keep_alive: Option<u64>,
    pub(super) session: Option<String>,
    pub(super) is_csv: bool,
}

/// Which warehouse, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) workgroup: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) user: Option<String>,
    pub(super) secret: Option<String>,
}

/// A statement of the Data API.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) submission: Submission,
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) parts: Vec<Part>,
    pub(super) session: Option<String>,
    pub(super) pid: u32,
    pub(super) created: f64,
    pub(super) updated: f64,
    number: u64,
}

#[derive(Debug)]
struct Kept {
    statement: Statement,
    since: Instant,
    over: watch::Receiver<bool>,
    session: Arc<Session>,
    is_cancelled: Arc<AtomicBool>,
    task: Option<AbortHandle>,
}

#[derive(Debug)]
struct KeptSession {
    session: Arc<Session>,
    until: Instant,
    keep_alive: Duration,
}

#[derive(Debug, Default)]
struct State {
    statements: HashMap<String, Kept>,
    tokens: HashMap<(Target, String), (String, Instant)>,
    sessions: HashMap<String, KeptSession>,
    submitted: u64,
}

/// What runs.
struct Running {
    statement: Statement,
    session: Arc<Session>,
    finished: watch::Sender<bool>,
    is_cancelled: Arc<AtomicBool>,
    fault: Option<FaultKind>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Statements {
    engine: Engine,
    pub(super) faults: Faults,
    state: Mutex<State>,
}

/// Why a statement was not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    TooMany,
    NoSession(String),
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as f64 / 1_000.0
}

impl Statements {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine,
            faults: Faults::default(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops all statements, and stops those that run.
    pub(super) fn forget(&self) {
        self.faults.set(Vec::new());
        let state = std::mem::take(&mut *self.state());
        for kept in state.statements.into_values() {
            if let Some(task) = kept.task {
                task.abort();
            }
        }
    }

    /// Takes a statement and starts it. One with a token that was seen before is that one.
    pub(super) fn submit(self: &Arc<Self>, submission: Submission) -> Result<Statement, NotTaken> {
        let mut state = self.state();
        state
            .statements
            .retain(|_, kept| kept.since.elapsed() < KEPT);
        state
            .tokens
            .retain(|_, (_, since)| since.elapsed() < TOKENS);
        let active = state.statements.values();
        let active = active.filter(|kept| !kept.statement.status.is_over());
        if active.count() >= MOST_ACTIVE {
            return Err(NotTaken::TooMany);
        }
        let now_instant = Instant::now();
        state.sessions.retain(|_, kept| kept.until > now_instant);
        let token = submission.token.clone();
        let token = token.map(|token| (submission.target.clone(), token));
        if let Some(token) = &token
            && let Some((id, _)) = state.tokens.get(token)
            && let Some(kept) = state.statements.get(id)
        {
            return Ok(kept.statement.clone());
        }
        let (session_id, session) = match &submission.session {
            Some(id) => match state.sessions.get_mut(id) {
                Some(kept) => {
                    if let Some(seconds) = submission.keep_alive {
                        kept.keep_alive = Duration::from_secs(seconds);
                    }
                    kept.until = now_instant + kept.keep_alive;
                    (Some(id.clone()), Arc::clone(&kept.session))
                }
                None => return Err(NotTaken::NoSession(id.clone())),
            },
            None => {
                let user = submission.target.user.as_deref().unwrap_or(USER);
                let session = Arc::new(self.engine.session(user));
                let id = submission
                    .keep_alive
                    .filter(|seconds| *seconds > 0)
                    .map(|seconds| {
                        let id = uuid::Uuid::new_v4().to_string();
                        let keep_alive = Duration::from_secs(seconds);
                        let kept = KeptSession {
                            session: Arc::clone(&session),
                            until: now_instant + keep_alive,
                            keep_alive,
                        };
                        state.sessions.insert(id.clone(), kept);
                        id
                    });
                (id, session)
            }
        };
        let created = now();
        let part = |sql: &String| Part {
            sql: sql.clone(),
            status: Status::Submitted,
            error: None,
            rows: None,
            affected: None,
            created,
            updated: created,
            took: Duration::ZERO,
        };
        state.submitted += 1;
        let statement = Statement {
            id: uuid::Uuid::new_v4().to_string(),
            parts: submission.sqls.iter().map(part).collect(),
            status: Status::Submitted,
            error: None,
            session: session_id,
            pid: session.pid(),
            created,
            updated: created,
            number: state.submitted,
            submission,
        };
        if let Some(token) = token {
            state
                .tokens
                .insert(token, (statement.id.clone(), now_instant));
        }
        let (finished, over) = watch::channel(false);
        let running = Running {
            statement: statement.clone(),
            session: Arc::clone(&session),
            finished,
            is_cancelled: Arc::default(),
            fault: self.faults.of_statement(&statement.submission.sqls),
        };
        let is_cancelled = Arc::clone(&running.is_cancelled);
        let run = Arc::clone(self).run(running);
        state.statements.insert(
            statement.id.clone(),
            Kept {
                statement: statement.clone(),
                since: now_instant,
                over,
                session,
                is_cancelled,
                task: None,
            },
        );
        let task = tokio::spawn(run).abort_handle();
        if let Some(kept) = state.statements.get_mut(&statement.id) {
            kept.task = Some(task);
        }
        Ok(statement)
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Statement)) {
        if let Some(kept) = self.state().statements.get_mut(id)
            // What was cancelled stays so.
            && !kept.statement.status.is_over()
        {
            change(&mut kept.statement);
            kept.statement.updated = now();
        }
    }

    async fn run(self: Arc<Self>, running: Running) {
        let Running {
            statement,
            session,
            finished,
            is_cancelled,
            fault,
        } = running;
        let id = &statement.id;
        if let Some(picked) = fault.and_then(FaultKind::picked) {
            self.change(id, |statement| statement.status = Status::Picked);
            let over = Instant::now() + picked;
            while Instant::now() < over && !is_cancelled.load(Ordering::Relaxed) {
                tokio::time::sleep(CANCEL_AGAIN.min(picked)).await;
            }
        }
        self.change(id, |statement| statement.status = Status::Started);
        let Submission {
            is_batch,
            auto_commit,
            parameters,
            sqls,
            ..
        } = &statement.submission;
        let dies_before = fault == Some(FaultKind::DieBeforeCommit);
        let in_transaction = (*is_batch && !*auto_commit) || dies_before;
        let mut failure = match in_transaction {
            true => session
                .run("begin", &[])
                .await
                .err()
                .map(|error| (0, error)),
            false => None,
        };
        for (at, sql) in sqls.iter().enumerate() {
            if failure.is_some() || is_cancelled.load(Ordering::Relaxed) {
                break;
            }
            let started = Instant::now();
            self.change(id, |statement| statement.parts[at].status = Status::Started);
            let outcome = session.run(sql, parameters).await;
            let took = started.elapsed();
            self.change(id, |statement| {
                note(&mut statement.parts[at], &outcome, took);
            });
            failure = outcome.err().map(|error| (at, error));
        }
        if dies_before {
            std::process::abort();
        }
        if in_transaction {
            let ended = match failure.is_some() || is_cancelled.load(Ordering::Relaxed) {
                true => session.run("rollback", &[]).await,
                false => session.run("commit", &[]).await,
            };
            if let Err(error) = ended {
                failure.get_or_insert((sqls.len().saturating_sub(1), error));
            }
        }
        if fault == Some(FaultKind::DieAfterCommit) {
            std::process::abort();
        }
        let is_lost = fault == Some(FaultKind::FailAfterCommit);
        self.change(id, |statement| {
            if is_lost && failure.is_none() {
                statement.status = Status::Failed;
                statement.error = Some(LOST.to_owned());
                if let Some(part) = statement.parts.last_mut() {
                    part.status = Status::Failed;
                    part.error = Some(LOST.to_owned());
                    part.rows = None;
                }
                return;
            }
            for part in &mut statement.parts {
                if !part.status.is_over() {
                    part.status = Status::Aborted;
                }
            }
            let was_cancelled = match &failure {
                Some((_, error)) => error.sqlstate() == CANCELLED,
                None => statement
                    .parts
                    .iter()
                    .any(|part| part.status == Status::Aborted),
            };
            match failure {
                _ if was_cancelled => {
                    statement.status = Status::Aborted;
                    statement.error = Some("Query cancelled on user's request".to_owned());
                }
                None => statement.status = Status::Finished,
                Some((at, error)) => {
                    statement.status = Status::Failed;
                    let text = format!("ERROR: {}", error.text());
                    statement.error = Some(match statement.submission.is_batch {
                        true => format!("Query #{} failed with {text}", at + 1),
                        false => text,
                    });
                }
            }
        });
        // Nobody may wait.
        let _ = finished.send(true);
    }

    /// A statement by its number, or a part of one as `<number>:<place>`.
    pub(super) fn find(&self, id: &str) -> Option<(Statement, Option<usize>)> {
        let (id, place) = match id.split_once(':') {
            Some((id, place)) => (id, Some(place.parse::<usize>().ok()?.checked_sub(1)?)),
            None => (id, None),
        };
        let state = self.state();
        let statement = state.statements.get(id)?.statement.clone();
        match place.is_some_and(|place| place >= statement.parts.len()) {
            true => None,
            false => Some((statement, place)),
        }
    }

    /// Waits until a statement is over, or for so many seconds.
    pub(super) async fn wait(&self, id: &str, seconds: u64) {
        let id = id.split(':').next().unwrap_or_default();
        let over = self
            .state()
            .statements
            .get(id)
            .map(|kept| kept.over.clone());
        if let Some(mut over) = over {
            let wait = over.wait_for(|over| *over);
            let _ = tokio::time::timeout(Duration::from_secs(seconds), wait).await;
        }
    }

    /// Stops a statement; false if it is over already, or comes to its end before it can be stopped.
    pub(super) async fn cancel(&self, id: &str) -> bool {
        let (session, is_cancelled, mut over) = match self.state().statements.get(id) {
            Some(kept) if !kept.statement.status.is_over() => (
                Arc::clone(&kept.session),
                Arc::clone(&kept.is_cancelled),
                kept.over.clone(),
            ),
            _ => return false,
        };
        is_cancelled.store(true, Ordering::Relaxed);
        // It may be about to run something: what is cancelled is what runs.
        loop {
            session.cancel();
            let wait = over.wait_for(|over| *over);
            if tokio::time::timeout(CANCEL_AGAIN, wait).await.is_ok() {
                break;
            }
        }
        let state = self.state();
        let kept = state.statements.get(id);
        kept.is_some_and(|kept| kept.statement.status == Status::Aborted)
    }

    /// All statements, the newest first.
    pub(super) fn all(&self) -> Vec<Statement> {
        let state = self.state();
        let mut all: Vec<Statement> = state
            .statements
            .values()
            .map(|kept| kept.statement.clone())
            .collect();
        all.sort_by_key(|statement| std::cmp::Reverse(statement.number));
        all
    }

    /// Sessions that are kept.
    pub(super) fn sessions(&self) -> Vec<String> {
        let now = Instant::now();
        let state = self.state();
        let kept = state.sessions.iter().filter(|(_, kept)| kept.until > now);
        kept.map(|(id, _)| id.clone()).collect()
    }
}

fn note(part: &mut Part, outcome: &Result<Outcome, transom_redshift::Error>, took: Duration) {
    part.took = took;
    part.updated = now();
    match outcome {
        Ok(outcome) => {
            part.status = Status::Finished;
            // A number of its answers is no text: it has all digits.
            part.rows = outcome.rows.clone().map(Rows::with_all_digits);
            part.affected = outcome.affected;
        }
        Err(error) => {
            part.status = match error.sqlstate() == CANCELLED {
                true => Status::Aborted,
                false => Status::Failed,
            };
            part.error = Some(format!("ERROR: {}", error.text()));
        }
    }
}
