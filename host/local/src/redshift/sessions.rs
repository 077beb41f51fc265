//! Sessions of the Data API, which are kept for a while after each of their statements.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transom_redshift::Session;

use super::statements::{NotTaken, Target, now};

/// Closed sessions are listed this long after they were opened.
const LISTED: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStatus {
    Available,
    Busy,
    Closed,
}

impl SessionStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Busy => "BUSY",
            Self::Closed => "CLOSED",
        }
    }
}

/// Whose session it is, and in which database.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) database: String,
}

impl Place {
    /// Whether it is in the workgroup, the cluster and the database of a request, as far as it names them.
    pub(super) fn is_in(
        &self,
        workgroup: Option<&str>,
        cluster: Option<&str>,
        database: Option<&str>,
    ) -> bool {
        let is_same = |asked: Option<&str>, own: Option<&str>| asked.is_none() || asked == own;
        is_same(workgroup, self.target.workgroup.as_deref())
            && is_same(cluster, self.target.cluster.as_deref())
            && is_same(database, Some(&self.database))
    }
}

/// A session as it is listed.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) status: SessionStatus,
    pub(super) place: Place,
    pub(super) keep_alive: Duration,
    pub(super) created: f64,
    pub(super) updated: f64,
    /// When it closes, in seconds since 1970; none of one that is closed.
    pub(super) closes: Option<f64>,
    /// The statement that runs.
    pub(super) statement: Option<String>,
    number: u64,
}

/// A session that a statement runs in.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) session: Arc<Session>,
    pub(super) place: Place,
    /// When the session is closed whatever runs in it.
    pub(super) until: Instant,
}

#[derive(Debug)]
struct Kept {
    /// None once it is closed, so that its transaction and its temporary tables are gone.
    session: Option<Arc<Session>>,
    place: Place,
    keep_alive: Duration,
    opened: Instant,
    created: f64,
    updated: f64,
    /// The statement that runs.
    statement: Option<String>,
    /// When it closes, unless another statement comes before.
    closes: Instant,
    number: u64,
}

impl Kept {
    fn status(&self) -> SessionStatus {
        match (&self.session, &self.statement) {
            (None, _) => SessionStatus::Closed,
            (Some(_), Some(_)) => SessionStatus::Busy,
            (Some(_), None) => SessionStatus::Available,
        }
    }

    fn close(&mut self) {
        self.session = None;
        self.statement = None;
        self.updated = now();
    }
}

/// All of them, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    kept: HashMap<String, Kept>,
    opened: u64,
}

impl Sessions {
    /// Forgets what is no more listed.
    pub(super) fn forget_old(&mut self) {
        self.kept
            .retain(|_, kept| kept.session.is_some() || kept.opened.elapsed() < LISTED);
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        let kept = self.kept.values();
        kept.filter(|kept| kept.session.is_some()).count()
    }

    /// Keeps a session, in which a statement runs.
    pub(super) fn keep(
        &mut self,
        session: &Arc<Session>,
        place: Place,
        keep_alive: Duration,
        statement: &str,
        until: Instant,
    ) -> String {
        self.opened += 1;
        let id = uuid::Uuid::new_v4().to_string();
        let kept = Kept {
            session: Some(Arc::clone(session)),
            place,
            keep_alive,
            opened: Instant::now(),
            created: now(),
            updated: now(),
            statement: Some(statement.to_owned()),
            closes: until,
            number: self.opened,
        };
        self.kept.insert(id.clone(), kept);
        id
    }

    /// Where a session is, also one that is closed.
    pub(super) fn place(&self, id: &str) -> Result<&Place, NotTaken> {
        let kept = self.kept.get(id);
        let kept = kept.ok_or_else(|| NotTaken::NoSession(id.to_owned()))?;
        Ok(&kept.place)
    }

    /// Takes a session for a statement.
    pub(super) fn take(
        &mut self,
        id: &str,
        keep_alive: Option<Duration>,
        statement: &str,
        longest: Duration,
    ) -> Result<Taken, NotTaken> {
        let kept = self.kept.get_mut(id);
        let kept = kept.ok_or_else(|| NotTaken::NoSession(id.to_owned()))?;
        if kept.status() == SessionStatus::Available && kept.closes <= Instant::now() {
            kept.close();
        }
        let session = match (&kept.session, &kept.statement) {
            (Some(session), None) => Arc::clone(session),
            _ => return Err(NotTaken::SessionNotAvailable),
        };
        kept.keep_alive = keep_alive.unwrap_or(kept.keep_alive);
        kept.statement = Some(statement.to_owned());
        kept.updated = now();
        kept.closes = kept.opened + longest;
        Ok(Taken {
            session,
            place: kept.place.clone(),
            until: kept.closes,
        })
    }

    /// Notes that the statement of a session is over. The session closes then, or at a moment.
    pub(super) fn end(&mut self, id: &str, longest: Duration) -> Option<Instant> {
        let kept = self.kept.get_mut(id)?;
        kept.statement = None;
        kept.updated = now();
        kept.closes = (Instant::now() + kept.keep_alive).min(kept.opened + longest);
        if kept.closes <= Instant::now() {
            kept.close();
            return None;
        }
        Some(kept.closes)
    }

    /// Closes a session whose moment has come, if no statement has come since it was set.
    pub(super) fn close_at(&mut self, id: &str, moment: Instant) {
        if let Some(kept) = self.kept.get_mut(id)
            && kept.status() == SessionStatus::Available
            && kept.closes == moment
        {
            kept.close();
        }
    }

    /// All that are listed, the newest first.
    pub(super) fn all(&self) -> Vec<Listed> {
        let listed = |(id, kept): (&String, &Kept)| {
            let left = kept.closes.saturating_duration_since(Instant::now());
            Listed {
                id: id.clone(),
                status: kept.status(),
                place: kept.place.clone(),
                keep_alive: kept.keep_alive,
                created: kept.created,
                updated: kept.updated,
                closes: kept.session.as_ref().map(|_| now() + left.as_secs_f64()),
                statement: kept.statement.clone(),
                number: kept.number,
            }
        };
        let mut all: Vec<Listed> = self.kept.iter().map(listed).collect();
        all.sort_by_key(|listed| std::cmp::Reverse(listed.number));
        all
    }
}
