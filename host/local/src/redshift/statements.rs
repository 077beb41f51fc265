//! Statements that were submitted, and what became of them, for a day.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use transom_redshift::{Engine, Outcome, Parameter, QueryId, Rows, Session};

use super::USER;
use super::faults::{FaultKind, Faults, Met};
use super::sessions::{Listed, Place, Sessions, Taken};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Results and states are kept this long.
const KEPT: Duration = DAY;
/// Tokens are remembered this long.
const TOKENS: Duration = Duration::from_secs(8 * 60 * 60);

/// How much there may be at once, and for how long.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Statements that run.
    active: usize,
    /// Sessions that are open.
    sessions: usize,
    /// Requests that wait for one statement. Amazon does not say how many it allows.
    waiting: usize,
    /// How long a statement runs, and a session is open.
    longest: Duration,
    /// Bytes of a row of a result.
    row: usize,
    /// Bytes of a result. Amazon counts them after compression.
    result: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active: 500,
            sessions: 500,
            waiting: 10,
            longest: DAY,
            row: 64 << 10,
            result: 500 << 20,
        }
    }
}

/// The SQLSTATE of a statement that was cancelled.
const CANCELLED: &str = "57014";

/// What a fault reports of a statement, whether it has committed or not.
const LOST: &str = "ERROR: connection to the database was lost";

/// What is said of a statement that was stopped.
const STOPPED: &str = "Query cancelled on user's request";

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
    /// Bytes of these.
    pub(super) bytes: usize,
    pub(super) affected: Option<u64>,
    pub(super) query: Option<QueryId>,
    pub(super) created: f64,
    pub(super) updated: f64,
    pub(super) took: Duration,
}

/// What a client asked for.
#[derive(Debug, Clone)]
pub(super) struct Submission {
    pub(super) sqls: Vec<String>,
    pub(super) is_batch: bool,
    pub(super) parameters: Vec<Parameter>,
    /// Whether each statement of a batch is a transaction of its own.
    pub(super) auto_commit: bool,
    pub(super) name: Option<String>,
    pub(super) token: Option<String>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) at: At,
    pub(super) is_csv: bool,
    /// It starts so much later than it could.
    pub(super) late: Option<Duration>,
}

/// Where statements run.
#[derive(Debug, Clone)]
pub(super) enum At {
    /// In a session that is kept.
    Session(String),
    /// In a new session.
    New(Place),
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
    pub(super) place: Place,
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
    /// Requests that wait hold it, too.
    waiting: Arc<()>,
    /// None once it is over: what is left of its session is given up then.
    running: Option<Stop>,
}

/// What stops a statement.
#[derive(Debug)]
struct Stop {
    session: Arc<Session>,
    is_cancelled: Arc<AtomicBool>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct State {
    statements: HashMap<String, Kept>,
    tokens: HashMap<(Target, String), (String, Instant)>,
    sessions: Sessions,
    submitted: u64,
}

/// What runs.
struct Running {
    statement: Statement,
    session: Arc<Session>,
    finished: watch::Sender<bool>,
    is_cancelled: Arc<AtomicBool>,
    fault: Option<Met>,
    until: Instant,
}

/// Why a statement ended without what it was to do.
#[derive(Debug, Clone)]
struct Failed {
    error: String,
    is_cancelled: bool,
}

impl Failed {
    fn stopped() -> Self {
        Self {
            error: format!("ERROR: {STOPPED}"),
            is_cancelled: true,
        }
    }
}

impl From<transom_redshift::Error> for Failed {
    fn from(error: transom_redshift::Error) -> Self {
        Self {
            error: format!("ERROR: {}", error.text()),
            is_cancelled: error.sqlstate() == CANCELLED,
        }
    }
}

/// What a statement gave, with the bytes of its rows.
type Ended = Result<(Outcome, usize), Failed>;

/// All of them.
#[derive(Debug)]
pub(super) struct Statements {
    engine: Engine,
    pub(super) faults: Faults,
    limits: Limits,
    state: Mutex<State>,
}

/// Why a statement was not taken, or a request cannot wait.
#[derive(Debug)]
pub(super) enum NotTaken {
    TooMany,
    TooManySessions,
    TooManyWait,
    NoSession(String),
    /// It is closed, or something runs in it.
    SessionNotAvailable,
}

pub(super) fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as f64 / 1_000.0
}

impl Statements {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine,
            faults: Faults::default(),
            limits: Limits::default(),
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
            if let Some(stop) = kept.running {
                stop.task.abort();
            }
        }
    }

    /// Takes a statement and starts it. One with a token that was seen before is that one.
    pub(super) fn submit(self: &Arc<Self>, submission: Submission) -> Result<Statement, NotTaken> {
        let Limits {
            active,
            sessions,
            longest,
            ..
        } = self.limits;
        let mut state = self.state();
        state
            .statements
            .retain(|_, kept| kept.since.elapsed() < KEPT);
        state
            .tokens
            .retain(|_, (_, since)| since.elapsed() < TOKENS);
        state.sessions.forget_old();
        let now_instant = Instant::now();
        let target = match &submission.at {
            At::Session(id) => &state.sessions.place(id)?.target,
            At::New(place) => &place.target,
        };
        let token = submission.token.clone();
        let token = token.map(|token| (target.clone(), token));
        if let Some(token) = &token
            && let Some((id, _)) = state.tokens.get(token)
            && let Some(kept) = state.statements.get(id)
        {
            return Ok(kept.statement.clone());
        }
        let running = state.statements.values();
        if running.filter(|kept| kept.running.is_some()).count() >= active {
            return Err(NotTaken::TooMany);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let until = now_instant + longest;
        let (session_id, taken) = match &submission.at {
            At::Session(session) => {
                let kept = &mut state.sessions;
                let taken = kept.take(session, submission.keep_alive, &id, longest)?;
                (Some(session.clone()), taken)
            }
            At::New(place) => {
                let user = place.target.user.as_deref().unwrap_or(USER);
                let session = Arc::new(self.engine.session(user));
                let keep_alive = submission.keep_alive.filter(|time| !time.is_zero());
                let kept = match keep_alive {
                    Some(_) if state.sessions.count() >= sessions => {
                        return Err(NotTaken::TooManySessions);
                    }
                    Some(time) => {
                        let place = place.clone();
                        Some(state.sessions.keep(&session, place, time, &id, until))
                    }
                    None => None,
                };
                let place = place.clone();
                let taken = Taken {
                    session,
                    place,
                    until,
                };
                (kept, taken)
            }
        };
        let Taken {
            session,
            place,
            until,
        } = taken;
        let created = now();
        let part = |sql: &String| Part {
            sql: sql.clone(),
            status: Status::Submitted,
            error: None,
            rows: None,
            bytes: 0,
            affected: None,
            query: None,
            created,
            updated: created,
            took: Duration::ZERO,
        };
        state.submitted += 1;
        let statement = Statement {
            id,
            parts: submission.sqls.iter().map(part).collect(),
            status: Status::Submitted,
            error: None,
            place,
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
            until: until.min(now_instant + longest),
        };
        let is_cancelled = Arc::clone(&running.is_cancelled);
        let task = tokio::spawn(Arc::clone(self).run(running)).abort_handle();
        state.statements.insert(
            statement.id.clone(),
            Kept {
                statement: statement.clone(),
                since: now_instant,
                over,
                waiting: Arc::default(),
                running: Some(Stop {
                    session,
                    is_cancelled,
                    task,
                }),
            },
        );
        Ok(statement)
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Statement)) {
        if let Some(kept) = self.state().statements.get_mut(id) {
            change(&mut kept.statement);
            kept.statement.updated = now();
        }
    }

    async fn run(self: Arc<Self>, running: Running) {
        let id = &running.statement.id;
        let picked = running.fault.and_then(|met| met.what.picked());
        pause(running.statement.submission.late, &running).await;
        if picked.is_some() {
            self.change(id, |statement| statement.status = Status::Picked);
            pause(picked, &running).await;
        }
        self.change(id, |statement| statement.status = Status::Started);
        // A session that cannot be connected is none.
        let (failure, longest) = match self.connect(&running) {
            Ok(()) => (self.run_parts(&running).await, self.limits.longest),
            Err(failed) => (Some((None, failed)), Duration::ZERO),
        };
        let what = running.fault.map(|met| met.what);
        if what == Some(FaultKind::DieAfterCommit) {
            std::process::abort();
        }
        let is_lost = what == Some(FaultKind::FailAfterCommit) && failure.is_none();
        let Running {
            statement,
            session,
            finished,
            ..
        } = running;
        drop(session);
        self.end(&statement, longest, |statement| match is_lost {
            true => lose(statement),
            false => conclude(statement, failure),
        });
        // Nobody may wait.
        let _ = finished.send(true);
    }

    /// What keeps a session from being connected.
    fn connect(&self, running: &Running) -> Result<(), Failed> {
        let database = &running.statement.place.database;
        match database == self.engine.database() {
            true => Ok(()),
            false => Err(Failed {
                error: format!("FATAL: database \"{database}\" does not exist"),
                is_cancelled: false,
            }),
        }
    }

    /// Runs the statements in their order. Gives the first that failed, with its place.
    async fn run_parts(&self, running: &Running) -> Option<(Option<usize>, Failed)> {
        let Running {
            statement,
            session,
            is_cancelled,
            fault,
            ..
        } = running;
        let Submission {
            is_batch,
            auto_commit,
            sqls,
            ..
        } = &statement.submission;
        let dies = fault.is_some_and(|met| met.what == FaultKind::DieBeforeCommit);
        let in_transaction = (*is_batch && !*auto_commit) || dies;
        let mut failure = None;
        if in_transaction && let Err(error) = session.run("begin", &[]).await {
            failure = Some((Some(0), Failed::from(error)));
        }
        for at in 0..sqls.len() {
            if is_cancelled.load(Ordering::Relaxed) || (failure.is_some() && !*auto_commit) {
                break;
            }
            let started = Instant::now();
            self.change(&statement.id, |statement| {
                statement.parts[at].status = Status::Started;
            });
            let ended = self.run_part(running, at).await;
            let took = started.elapsed();
            let query = session.last_query().await;
            self.change(&statement.id, |statement| {
                let part = &mut statement.parts[at];
                part.query = query;
                note(part, &ended, took);
            });
            if let Err(failed) = ended {
                failure.get_or_insert((Some(at), failed));
            }
        }
        if dies {
            std::process::abort();
        }
        if in_transaction {
            let ended = match failure.is_some() || is_cancelled.load(Ordering::Relaxed) {
                true => session.run("rollback", &[]).await,
                false => session.run("commit", &[]).await,
            };
            if let Err(error) = ended {
                failure.get_or_insert((Some(sqls.len().saturating_sub(1)), error.into()));
            }
        }
        failure
    }

    /// Runs one statement, at most until the moment when it must be over.
    async fn run_part(&self, running: &Running, at: usize) -> Ended {
        let Submission {
            sqls, parameters, ..
        } = &running.statement.submission;
        let (session, sql) = (&running.session, &sqls[at]);
        let met = running.fault.filter(|met| met.at == at);
        let ran = async {
            match met.map(|met| met.what) {
                Some(FaultKind::AbortWhileRunning) => {
                    Err(Failed::from(session.run_and_kill(sql, parameters).await))
                }
                Some(FaultKind::FailWhileRunning) => {
                    let killed = Failed::from(session.run_and_kill(sql, parameters).await);
                    let asked = running.is_cancelled.load(Ordering::Relaxed);
                    Err(match killed.is_cancelled && !asked {
                        true => Failed {
                            error: LOST.to_owned(),
                            is_cancelled: false,
                        },
                        false => killed,
                    })
                }
                _ => session.run(sql, parameters).await.map_err(Failed::from),
            }
        };
        let mut outcome = match tokio::time::timeout_at(running.until.into(), ran).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                running.is_cancelled.store(true, Ordering::Relaxed);
                return Err(Failed::stopped());
            }
        };
        // A number of its answers is no text: it has all digits.
        let Some(rows) = outcome.rows.take().map(Rows::with_all_digits) else {
            return Ok((outcome, 0));
        };
        outcome.rows = Some(rows.clone());
        // All of them become texts.
        let limits = self.limits;
        let measured = tokio::task::spawn_blocking(move || measure(&rows, limits)).await;
        let bytes = measured.map_err(|error| Failed {
            error: format!("ERROR: {error}"),
            is_cancelled: false,
        })??;
        Ok((outcome, bytes))
    }

    /// Notes that a statement is over, and gives up its session or keeps it for a while: both at once, since its client may go on.
    fn end(
        self: &Arc<Self>,
        statement: &Statement,
        longest: Duration,
        conclude: impl FnOnce(&mut Statement),
    ) {
        let mut state = self.state();
        if let Some(kept) = state.statements.get_mut(&statement.id) {
            conclude(&mut kept.statement);
            kept.statement.updated = now();
            kept.running = None;
        }
        let Some(id) = &statement.session else { return };
        let Some(closes) = state.sessions.end(id, longest) else {
            return;
        };
        drop(state);
        // A server that ends does not wait for it.
        let (statements, id) = (Arc::downgrade(self), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep_until(closes.into()).await;
            if let Some(statements) = statements.upgrade() {
                statements.state().sessions.close_at(&id, closes);
            }
        });
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

    /// The same beside other requests that wait for it, of which there may be so many.
    pub(super) async fn wait_beside(&self, id: &str, seconds: u64) -> Result<(), NotTaken> {
        let of = id.split(':').next().unwrap_or_default();
        let waiting = {
            let state = self.state();
            let kept = state.statements.get(of);
            let waiting = kept.map(|kept| Arc::clone(&kept.waiting));
            // The statement's own is one of them, and this one is another. Others that come now are not counted yet.
            let count = waiting.as_ref().map_or(0, Arc::strong_count);
            if count > self.limits.waiting + 1 {
                return Err(NotTaken::TooManyWait);
            }
            waiting
        };
        self.wait(id, seconds).await;
        drop(waiting);
        Ok(())
    }

    /// Stops a statement; false if it is over already, or comes to its end before it can be stopped.
    pub(super) async fn cancel(&self, id: &str) -> bool {
        let (session, is_cancelled, mut over) = match self.state().statements.get(id) {
            Some(Kept {
                running: Some(stop),
                over,
                ..
            }) => (
                Arc::clone(&stop.session),
                Arc::clone(&stop.is_cancelled),
                over.clone(),
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

    /// Sessions that were kept, the newest first.
    pub(super) fn sessions(&self) -> Vec<Listed> {
        self.state().sessions.all()
    }
}

/// Waits before a statement goes on, unless it is cancelled.
async fn pause(time: Option<Duration>, running: &Running) {
    let Some(time) = time else { return };
    let over = Instant::now() + time;
    while Instant::now() < over && !running.is_cancelled.load(Ordering::Relaxed) {
        tokio::time::sleep(CANCEL_AGAIN.min(time)).await;
    }
}

/// The bytes of a result, if it can be returned.
fn measure(rows: &Rows, limits: Limits) -> Result<usize, Failed> {
    let too_large = |what: &str, bytes: usize, most: usize| Failed {
        error: format!("ERROR: {what} has {bytes} bytes; the Data API returns at most {most}"),
        is_cancelled: false,
    };
    let mut all = 0;
    for row in rows.texts() {
        let row: usize = row.iter().flatten().map(String::len).sum();
        if row > limits.row {
            return Err(too_large("a row of the result", row, limits.row));
        }
        all += row;
        if all > limits.result {
            return Err(too_large("the result", all, limits.result));
        }
    }
    Ok(all)
}

/// Notes what became of a statement of a batch.
fn note(part: &mut Part, ended: &Ended, took: Duration) {
    part.took = took;
    part.updated = now();
    match ended {
        Ok((outcome, bytes)) => {
            part.status = Status::Finished;
            part.rows.clone_from(&outcome.rows);
            part.bytes = *bytes;
            part.affected = outcome.affected;
        }
        Err(failed) => {
            part.status = match failed.is_cancelled {
                true => Status::Aborted,
                false => Status::Failed,
            };
            part.error = Some(failed.error.clone());
        }
    }
}

/// Reports a statement that has committed as failed.
fn lose(statement: &mut Statement) {
    statement.status = Status::Failed;
    statement.error = Some(LOST.to_owned());
    if let Some(part) = statement.parts.last_mut() {
        part.status = Status::Failed;
        part.error = Some(LOST.to_owned());
        part.rows = None;
    }
}

/// Notes what became of all of it. The failure has its place, unless nothing ran.
fn conclude(statement: &mut Statement, failure: Option<(Option<usize>, Failed)>) {
    for part in &mut statement.parts {
        if !part.status.is_over() {
            part.status = Status::Aborted;
        }
    }
    // What comes after a failure is aborted, too, unless each is a transaction of its own.
    let goes_on = match &failure {
        None => true,
        Some((at, _)) => at.is_some() && statement.submission.auto_commit,
    };
    let mut parts = statement.parts.iter();
    let was_stopped = match &failure {
        Some((_, failed)) if failed.is_cancelled => true,
        _ => goes_on && parts.any(|part| part.status == Status::Aborted),
    };
    match failure {
        _ if was_stopped => {
            statement.status = Status::Aborted;
            statement.error = Some(STOPPED.to_owned());
        }
        None => statement.status = Status::Finished,
        Some((at, failed)) => {
            statement.status = Status::Failed;
            statement.error = Some(match at {
                Some(at) if statement.submission.is_batch => {
                    format!("Query #{} failed with {}", at + 1, failed.error)
                }
                _ => failed.error,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use transom_redshift::{Isolation, Options};

    use super::super::sessions::SessionStatus;
    use super::super::{Buckets, DATABASE};
    use super::*;
    use crate::access::AccessLog;
    use crate::s3::S3;

    /// Statements over a new folder, with limits that a test reaches.
    fn limited(limits: Limits) -> (tempfile::TempDir, Arc<Statements>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s3");
        let s3 = S3::open(&path, "us-east-1", None, AccessLog::default()).unwrap();
        let engine = Engine::open(Options {
            data: folder.path().join("redshift"),
            isolation: Isolation::Snapshot,
            objects: Arc::new(Buckets(s3)),
            database: DATABASE.to_owned(),
        });
        let statements = Statements {
            limits,
            ..Statements::new(engine.unwrap())
        };
        (folder, Arc::new(statements))
    }

    fn submission(sql: &str) -> Submission {
        Submission {
            sqls: vec![sql.to_owned()],
            is_batch: false,
            parameters: Vec::new(),
            auto_commit: false,
            name: None,
            token: None,
            keep_alive: None,
            at: At::New(Place {
                target: Target::default(),
                database: DATABASE.to_owned(),
            }),
            is_csv: false,
            late: None,
        }
    }

    /// A statement in a session that is kept.
    fn kept(sql: &str) -> Submission {
        Submission {
            keep_alive: Some(DAY),
            ..submission(sql)
        }
    }

    fn in_session(session: &str, sql: &str) -> Submission {
        Submission {
            at: At::Session(session.to_owned()),
            ..submission(sql)
        }
    }

    async fn over(statements: &Arc<Statements>, submission: Submission) -> Statement {
        let submitted = statements.submit(submission).unwrap();
        statements.wait(&submitted.id, 60).await;
        statements.find(&submitted.id).unwrap().0
    }

    /// A session that has a table `t` for itself.
    async fn holder(statements: &Arc<Statements>) -> String {
        let created = over(statements, submission("create table t (id int)")).await;
        assert_eq!(created.status, Status::Finished, "{created:?}");
        let session = over(statements, kept("begin")).await.session.unwrap();
        let locked = over(statements, in_session(&session, "lock t")).await;
        assert_eq!(locked.status, Status::Finished, "{locked:?}");
        session
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn so_many_run_are_kept_and_wait_at_once() {
        let (_folder, statements) = limited(Limits {
            active: 2,
            sessions: 1,
            waiting: 1,
            ..Limits::default()
        });
        let session = holder(&statements).await;
        let refused = statements.submit(kept("select 1")).unwrap_err();
        assert!(matches!(refused, NotTaken::TooManySessions), "{refused:?}");
        let first = statements.submit(submission("delete from t")).unwrap();
        let second = statements.submit(submission("delete from t")).unwrap();
        let refused = statements.submit(submission("select 1")).unwrap_err();
        assert!(matches!(refused, NotTaken::TooMany), "{refused:?}");
        let waiting = tokio::spawn({
            let (statements, id) = (Arc::clone(&statements), first.id.clone());
            async move { statements.wait_beside(&id, 60).await }
        });
        let begun = Instant::now();
        while Arc::strong_count(&statements.state().statements[&first.id].waiting) == 1 {
            assert!(begun.elapsed() < Duration::from_secs(30), "nobody waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let refused = statements.wait_beside(&first.id, 60).await.unwrap_err();
        assert!(matches!(refused, NotTaken::TooManyWait), "{refused:?}");
        statements.wait_beside(&second.id, 0).await.unwrap();
        assert!(statements.cancel(&first.id).await);
        waiting.await.unwrap().unwrap();
        assert!(statements.cancel(&second.id).await);
        over(&statements, in_session(&session, "rollback")).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sessions_are_closed_and_statements_stopped_after_the_longest_time() {
        let (_folder, statements) = limited(Limits {
            longest: Duration::from_secs(3),
            ..Limits::default()
        });
        let session = holder(&statements).await;
        let begun = Instant::now();
        while statements.sessions()[0].status != SessionStatus::Closed {
            assert!(begun.elapsed() < Duration::from_secs(30), "it stays open");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let refused = statements.submit(in_session(&session, "commit"));
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, NotTaken::SessionNotAvailable),
            "{refused:?}"
        );
        // What it held is free.
        let inserted = over(&statements, submission("insert into t values (1)")).await;
        assert_eq!(inserted.status, Status::Finished, "{inserted:?}");
        let other = statements.engine.session("other");
        other.run("begin", &[]).await.unwrap();
        other.run("lock t", &[]).await.unwrap();
        let stopped = over(&statements, submission("delete from t")).await;
        assert_eq!(stopped.status, Status::Aborted, "{stopped:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_result_has_at_most_so_many_bytes() {
        let (_folder, statements) = limited(Limits {
            result: 9,
            ..Limits::default()
        });
        let query = "select 'abc' union all select 'def' union all select 'ghi'";
        let most = over(&statements, submission(query)).await;
        assert_eq!(most.status, Status::Finished, "{most:?}");
        let more = over(&statements, submission(&format!("{query} || 'j'"))).await;
        assert_eq!(more.status, Status::Failed);
        let error = more.error.unwrap();
        assert!(error.contains("the result has 10 bytes"), "{error}");
    }
}
