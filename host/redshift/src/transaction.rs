//! Transactions: a snapshot, a working copy of the catalog, locks on tables.
//!
//! Writers of a table wait for each other; under SNAPSHOT those that only append share the lock. A transaction reads
//! what was committed when its first statement started. A statement that changes rows of a table which somebody else
//! has changed since then fails with 1023. SERIALIZABLE looks at what was read, too, when a transaction commits.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::catalog::{Catalog, Id, Object, Table};
use crate::engine::{Isolation, Shared};
use crate::error::{self, Error, Result};
#[cfg(feature = "testing")]
use crate::mutant::Mutant;
use crate::store::{self, Change, Folder, Segment};

/// What is locked: an object, or a name that is about to be given to one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Object(Id),
    Name(Id, String),
}

/// How a lock is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// With others that append.
    Append,
    /// With nobody.
    Write,
}

#[derive(Debug, Default)]
struct Held {
    by: HashMap<Key, Vec<(u64, Mode)>>,
    waiting: HashMap<u64, Key>,
}

impl Held {
    fn in_the_way(&self, transaction: u64, key: &Key, mode: Mode) -> Vec<u64> {
        let held = self.by.get(key).map_or(&[] as &[_], Vec::as_slice);
        held.iter()
            .filter(|(holder, held)| {
                *holder != transaction && (mode == Mode::Write || *held == Mode::Write)
            })
            .map(|(holder, _)| *holder)
            .collect()
    }

    /// Whether a transaction that waits would wait for itself.
    fn is_deadlock(&self, transaction: u64, holders: &[u64]) -> bool {
        let mut open: VecDeque<u64> = holders.iter().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(holder) = open.pop_front() {
            if holder == transaction {
                return true;
            }
            if seen.insert(holder)
                && let Some(key) = self.waiting.get(&holder)
            {
                let held = self.by.get(key).map_or(&[] as &[_], Vec::as_slice);
                open.extend(
                    held.iter()
                        .map(|(next, _)| *next)
                        .filter(|next| *next != holder),
                );
            }
        }
        false
    }
}

/// Locks of all transactions.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: Mutex<Held>,
    released: Notify,
}

/// Removes the mark of a transaction that waits, also if its statement is cancelled.
struct Waiting<'a>(&'a Locks, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.held.lock().waiting.remove(&self.1);
    }
}

impl Locks {
    async fn acquire(&self, transaction: u64, key: &Key, mode: Mode) -> Result<()> {
        let _waiting = Waiting(self, transaction);
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            {
                let mut held = self.held.lock();
                let holders = held.in_the_way(transaction, key, mode);
                if holders.is_empty() {
                    held.waiting.remove(&transaction);
                    let by = held.by.entry(key.clone()).or_default();
                    match by.iter_mut().find(|(holder, _)| *holder == transaction) {
                        Some(own) if mode == Mode::Write => own.1 = mode,
                        Some(_) => {}
                        None => by.push((transaction, mode)),
                    }
                    return Ok(());
                }
                held.waiting.insert(transaction, key.clone());
                if held.is_deadlock(transaction, &holders) {
                    return Err(Error::new(&error::DEADLOCK, &[]));
                }
            }
            released.await;
        }
    }

    fn release(&self, transaction: u64) {
        let mut held = self.held.lock();
        held.by.retain(|_, holders| {
            holders.retain(|(holder, _)| *holder != transaction);
            !holders.is_empty()
        });
        drop(held);
        self.released.notify_waiters();
    }
}

/// A transaction that has committed, as far as others that ran beside it need to know.
#[derive(Debug)]
struct Committed {
    transaction: u64,
    snapshot: u64,
    commit: u64,
    reads: BTreeSet<Id>,
    writes: BTreeSet<Id>,
}

/// Transactions that committed lately.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Committed>);

/// Transactions that are remembered.
const REMEMBERED: usize = 1_000;

impl History {
    /// The transactions of a cycle that a commit would close.
    fn cycle(&self, last: &Committed) -> Option<Vec<u64>> {
        let all: Vec<&Committed> = self.0.iter().chain([last]).collect();
        let before = |left: &Committed, right: &Committed| {
            let unseen = left.snapshot < right.commit && !left.reads.is_disjoint(&right.writes);
            let seen = left.commit <= right.snapshot
                && (!left.writes.is_disjoint(&right.reads)
                    || !left.writes.is_disjoint(&right.writes));
            let both = left.commit < right.commit && !left.writes.is_disjoint(&right.writes);
            unseen || seen || both
        };
        let end = all.len() - 1;
        let mut from: HashMap<usize, usize> = HashMap::new();
        let mut open = vec![end];
        while let Some(at) = open.pop() {
            for next in 0..all.len() {
                if next == at || !before(all[at], all[next]) {
                    continue;
                }
                if next == end {
                    let mut cycle = vec![all[at].transaction];
                    let mut step = at;
                    while let Some(previous) = from.get(&step) {
                        step = *previous;
                        cycle.push(all[step].transaction);
                    }
                    return Some(cycle);
                }
                if let Entry::Vacant(entry) = from.entry(next) {
                    entry.insert(at);
                    open.push(next);
                }
            }
        }
        None
    }
}

/// How an object was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// Rows were added to a table.
    Append,
    /// Anything else.
    Write,
}

/// A transaction. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub(crate) struct Transaction {
    shared: Arc<Shared>,
    pub(crate) number: u64,
    pid: u32,
    isolation: Isolation,
    pub(crate) read_only: bool,
    temporary: Id,
    /// What was committed when the first statement started.
    snapshot: Option<Arc<Catalog>>,
    /// The snapshot with the changes of this transaction and the session's temporary tables.
    working: Catalog,
    touched: BTreeMap<Id, Touch>,
    reads: BTreeSet<Id>,
    temporaries: Vec<Object>,
    /// The moment that `SYSDATE` shows, in microseconds since 1970.
    pub(crate) started: i64,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.shared.locks.release(self.number);
    }
}

impl Transaction {
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        pid: u32,
        isolation: Isolation,
        temporary: Id,
        temporaries: Vec<Object>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            number: shared.next_transaction.fetch_add(1, Ordering::Relaxed),
            pid,
            isolation,
            read_only: false,
            temporary,
            snapshot: None,
            working: Catalog::default(),
            touched: BTreeMap::new(),
            reads: BTreeSet::new(),
            temporaries,
            started: chrono::Utc::now().timestamp_micros(),
        }
    }

    /// The catalog as the next statement sees it. The first one takes the snapshot.
    pub(crate) fn catalog(&mut self) -> &Catalog {
        if self.snapshot.is_none() {
            let current = self.shared.current();
            self.working = (*current).clone();
            for object in self.temporaries.drain(..) {
                self.working.put(object);
            }
            self.snapshot = Some(current);
        }
        &self.working
    }

    /// The catalog before there is a snapshot: what a first statement looks names up in to know what it must lock.
    pub(crate) fn preview(&self) -> Catalog {
        if self.snapshot.is_some() {
            return self.working.clone();
        }
        let mut preview = (*self.shared.current()).clone();
        for object in &self.temporaries {
            preview.put(object.clone());
        }
        preview
    }

    fn is_temporary(&self, object: &Object) -> bool {
        object.key().0 == self.temporary
    }

    /// Waits until nothing else writes to the table.
    pub(crate) async fn lock(&mut self, id: Id, appends: bool) -> Result<()> {
        let mode = match appends && self.isolation == Isolation::Snapshot {
            true => Mode::Append,
            false => Mode::Write,
        };
        let shared = Arc::clone(&self.shared);
        shared
            .locks
            .acquire(self.number, &Key::Object(id), mode)
            .await?;
        let Some(snapshot) = &self.snapshot else {
            return Ok(());
        };
        #[cfg(feature = "testing")]
        if shared.is(Mutant::VersionUnchecked) {
            return Ok(());
        }
        let current = shared.current();
        let then = snapshot.get(id);
        match (then, current.get(id)) {
            // Made by this transaction, or temporary.
            (None, _) => Ok(()),
            (Some(Object::Table(then)), Some(Object::Table(now))) => {
                match appends || then.changed == now.changed {
                    true => Ok(()),
                    false => Err(self.conflict(id, now.changed)),
                }
            }
            (Some(_), Some(_)) => Ok(()),
            (Some(_), None) => Err(self.conflict(id, current.number)),
        }
    }

    /// Waits until nothing else changes what a foreign key refers to: the columns and keys of a table.
    pub(crate) async fn lock_referenced(&mut self, id: Id) -> Result<()> {
        self.lock(id, true).await?;
        let Some(snapshot) = &self.snapshot else {
            return Ok(());
        };
        match (snapshot.get(id), self.shared.current().get(id)) {
            (Some(Object::Table(then)), Some(Object::Table(now)))
                if then.columns != now.columns || then.keys != now.keys =>
            {
                Err(self.conflict(id, now.changed))
            }
            _ => Ok(()),
        }
    }

    /// An error if somebody else has committed an object that is looked for.
    pub(crate) fn check_others(&self, is_looked_for: impl Fn(&Object) -> bool) -> Result<()> {
        let current = self.shared.current();
        // What this transaction has changed itself is locked: nobody else has.
        let is_own = |object: &Object| self.touched.get(&object.id()) == Some(&Touch::Write);
        let mut others = current.objects().filter(|object| !is_own(object));
        match others.find(|object| is_looked_for(object)) {
            Some(found) => Err(self.conflict(found.id(), current.number)),
            None => Ok(()),
        }
    }

    /// Waits until nothing else creates an object of the name.
    pub(crate) async fn lock_name(&mut self, schema: Id, name: &str) -> Result<()> {
        if schema == self.temporary {
            return Ok(());
        }
        let key = Key::Name(schema, name.to_owned());
        let shared = Arc::clone(&self.shared);
        shared.locks.acquire(self.number, &key, Mode::Write).await?;
        let is_new = |catalog: &Catalog| catalog.find(schema, name).is_none();
        match &self.snapshot {
            Some(snapshot) if is_new(snapshot) && !is_new(&shared.current()) => {
                Err(Error::new(&error::UNIQUE_NAME, &[]))
            }
            _ => Ok(()),
        }
    }

    fn conflict(&self, id: Id, other: u64) -> Error {
        let cycle = format!("{}, {other} (pid:{})", self.number, self.pid);
        Error::new(&error::SERIALIZABLE, &[&id, &cycle])
    }

    pub(crate) fn has_read(&mut self, tables: impl IntoIterator<Item = Id>) {
        #[cfg(feature = "testing")]
        if self.shared.is(Mutant::ReadsForgotten) {
            return;
        }
        self.reads.extend(tables);
    }

    fn touch(&mut self, id: Id, touch: Touch) -> Result<()> {
        if self.read_only {
            return Err(Error::new(&error::READ_ONLY, &[]));
        }
        let entry = self.touched.entry(id).or_insert(touch);
        if touch == Touch::Write {
            *entry = touch;
        }
        Ok(())
    }

    /// Adds or replaces an object.
    pub(crate) fn put(&mut self, object: Object) -> Result<()> {
        self.touch(object.id(), Touch::Write)?;
        self.working.put(object);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: Id) -> Result<()> {
        self.touch(id, Touch::Write)?;
        self.working.remove(id);
        Ok(())
    }

    /// Adds rows to a table.
    pub(crate) fn append(&mut self, id: Id, segments: Vec<Arc<Segment>>) -> Result<()> {
        self.touch(id, Touch::Append)?;
        let mut table = Table::clone(self.working.table(id)?);
        table.segments.extend(segments);
        self.working.put(Object::Table(Arc::new(table)));
        Ok(())
    }

    /// Compacts the tables that nobody else changes, before the turn of this commit comes.
    fn compact(&mut self) -> Result<()> {
        for (id, touch) in &self.touched {
            if let Some(object @ Object::Table(table)) = self.working.get(*id)
                && (*touch == Touch::Write || self.is_temporary(object))
            {
                let compacted = store::compacted(&self.shared.store.folder, table)?;
                self.working.put(Object::Table(Arc::new(compacted)));
            }
        }
        Ok(())
    }

    /// Makes the changes durable and shows them to others.
    pub(crate) fn commit(mut self) -> Result<Vec<Object>> {
        self.catalog();
        self.compact()?;
        let temporaries: Vec<Object> = self
            .working
            .objects()
            .filter(|object| self.is_temporary(object))
            .cloned()
            .collect();
        let Some(snapshot) = self.snapshot.take() else {
            return Ok(temporaries);
        };
        let is_persistent = |id: &Id| {
            let object = self.working.get(*id).or_else(|| snapshot.get(*id));
            object.is_some_and(|object| !self.is_temporary(object))
        };
        let touched: BTreeMap<Id, Touch> = self
            .touched
            .iter()
            .filter(|(id, _)| is_persistent(id))
            .map(|(id, touch)| (*id, *touch))
            .collect();
        #[cfg(feature = "testing")]
        let touched: BTreeMap<Id, Touch> = match self.shared.is(Mutant::AppendsReplace) {
            true => touched.into_keys().map(|id| (id, Touch::Write)).collect(),
            false => touched,
        };
        if touched.is_empty() && (self.isolation == Isolation::Snapshot || self.reads.is_empty()) {
            return Ok(temporaries);
        }
        let shared = Arc::clone(&self.shared);
        let _one_at_a_time = shared.committing.lock();
        let current = shared.current();
        let number = current.number + 1;
        let mut history = shared.history.lock();
        let committed = Committed {
            transaction: self.number,
            snapshot: snapshot.number,
            commit: number,
            reads: std::mem::take(&mut self.reads),
            writes: touched.keys().copied().collect(),
        };
        if self.isolation == Isolation::Serializable
            && let Some(cycle) = history.cycle(&committed)
        {
            let cycle: Vec<String> = cycle.iter().map(u64::to_string).collect();
            let cycle = format!("{} (pid:{})", cycle.join(", "), self.pid);
            let table = committed
                .reads
                .first()
                .or(committed.writes.first())
                .copied();
            return Err(Error::new(
                &error::SERIALIZABLE,
                &[&table.unwrap_or(0), &cycle],
            ));
        }
        if touched.is_empty() {
            history.0.push_back(committed);
            return Ok(temporaries);
        }
        let mut merge = Merge {
            folder: &shared.store.folder,
            next: (*current).clone(),
            working: &self.working,
            snapshot: &snapshot,
            touched: &touched,
        };
        merge.next.number = number;
        let mut change = Change::default();
        for id in touched.keys() {
            let before = current.get(*id).cloned();
            let after = merge.object(*id)?;
            let identity = shared.identities.lock().get(id).copied();
            if let Some(next) = identity.filter(|_| after.is_some()) {
                change.identities.insert(*id, next);
            }
            change.objects.insert(*id, (before, after));
        }
        let next = merge.next;
        shared
            .store
            .commit(number, shared.next_id.load(Ordering::Relaxed), &change)?;
        for (before, after) in change.objects.values() {
            keep(before.as_ref(), after.as_ref());
        }
        *shared.current.write() = Arc::new(next);
        history.0.push_back(committed);
        while history.0.len() > REMEMBERED {
            history.0.pop_front();
        }
        Ok(temporaries)
    }
}

/// A commit that is put on top of those of others.
struct Merge<'a> {
    folder: &'a Arc<Folder>,
    /// The next version of the catalog.
    next: Catalog,
    working: &'a Catalog,
    snapshot: &'a Catalog,
    touched: &'a BTreeMap<Id, Touch>,
}

impl Merge<'_> {
    /// Puts what became of an object into the next version.
    fn object(&mut self, id: Id) -> Result<Option<Object>> {
        let touch = self.touched.get(&id).copied().unwrap_or(Touch::Write);
        let object = match (touch, self.working.get(id)) {
            (_, None) => {
                self.next.remove(id);
                return Ok(None);
            }
            // Others may have added rows in the meantime.
            (Touch::Append, Some(Object::Table(table))) => {
                let old: BTreeSet<u64> = match self.snapshot.get(id) {
                    Some(Object::Table(old)) => {
                        old.segments.iter().map(|segment| segment.number).collect()
                    }
                    _ => BTreeSet::new(),
                };
                let mut latest = Table::clone(self.next.table(id)?);
                let added = table.segments.iter();
                let added = added.filter(|segment| !old.contains(&segment.number));
                latest.segments.extend(added.cloned());
                latest.changed = self.next.number;
                Object::Table(Arc::new(store::compacted(self.folder, &latest)?))
            }
            (_, Some(Object::Table(table))) => {
                let mut table = Table::clone(table);
                table.changed = self.next.number;
                Object::Table(Arc::new(table))
            }
            (_, Some(other)) => other.clone(),
        };
        let (schema, name) = object.key();
        // One that this transaction changes as well gets another name, or is dropped.
        let other = self.next.find(schema, name).map(Object::id);
        if other.is_some_and(|other| other != id && !self.touched.contains_key(&other)) {
            return Err(Error::new(&error::UNIQUE_NAME, &[]));
        }
        self.next.put(object.clone());
        Ok(Some(object))
    }
}

/// Files that the committed catalog names stay; others go with their last use.
pub(crate) fn keep(before: Option<&Object>, after: Option<&Object>) {
    for (object, kept) in [(before, false), (after, true)] {
        if let Some(Object::Table(table)) = object {
            for file in table.segments.iter().filter_map(|segment| segment.file()) {
                file.keep(kept);
            }
        }
    }
}
