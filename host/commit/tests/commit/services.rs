//! Warehouses, files and a pointer in memory, and a pipeline that loads numbers into them.
//!
//! Every request may fail as requests to services do: carried out with the answer lost, carried out later, or not at
//! all. What a service holds at the end is compared with what it should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use serde_json::{Value, json};
use transom_commit::{
    Applying, Attempt, By, Claim, Counts, Decision, Disposition, Draft, Files, Ledger, Log, LogId,
    MemoryStore, Mutant, Object, Part, Pipeline, Pointer, Position, Published, Reading, Sink,
    SinkError, SinkErrorKind, SinkKind, SinkName, Slice, SourceState, Store, StoreError,
    StoreErrorKind, Stored, Submission, Warehouse, Work,
};

/// The numbers that are loaded.
pub(crate) const INPUTS: u8 = 6;

pub(crate) fn by() -> By {
    By {
        run: "test".to_owned(),
        host: "here".to_owned(),
        pid: 1,
        transom: "0".to_owned(),
    }
}

/// Chance that can be repeated.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Carried,
    Lost,
    Late(u64),
    Never,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    ledger: Option<Ledger>,
    submission: u128,
    /// Numbers, with the entries that loaded them.
    pub(crate) rows: Vec<(u64, u8)>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tables: [Table; 2],
    pub(crate) staged: BTreeMap<Attempt, Vec<u8>>,
    /// Names of files; those that a rewind has taken have no numbers.
    pub(crate) files: BTreeMap<Attempt, Vec<u8>>,
    pub(crate) pointer: u64,
    /// What the version that is pointed to holds: all of the table.
    pub(crate) version: Vec<u8>,
    /// A number that the tables refuse.
    pub(crate) refused: [Option<u8>; 2],
    /// The ledgers cannot be seen by who creates them.
    pub(crate) hidden: bool,
    /// Creating says that a key exists, and it does not.
    pub(crate) lying: bool,
    /// One of so many requests fails.
    pub(crate) faults: Option<u64>,
    chance: Chance,
}

/// The services. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    world: Arc<Mutex<World>>,
    pub(crate) store: MemoryStore,
    pub(crate) mutant: Option<Mutant>,
}

impl Services {
    pub(crate) fn new(seed: u64, faults: Option<u64>) -> Self {
        let world = World {
            tables: Default::default(),
            staged: BTreeMap::new(),
            files: BTreeMap::new(),
            pointer: 0,
            version: Vec::new(),
            refused: [None; 2],
            hidden: false,
            lying: false,
            faults,
            chance: Chance::new(seed),
        };
        Self {
            world: Arc::new(Mutex::new(world)),
            store: MemoryStore::new(),
            mutant: None,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The same sinks, with another store for the log.
    pub(crate) fn with_new_store(&self) -> Self {
        Self {
            store: MemoryStore::new(),
            ..self.clone()
        }
    }

    fn fate(&self) -> Fate {
        let mut world = self.world();
        let Some(faults) = world.faults else {
            return Fate::Carried;
        };
        match world.chance.below(faults) {
            0 => Fate::Lost,
            1 => Fate::Late(world.chance.below(60)),
            2 => Fate::Never,
            _ => Fate::Carried,
        }
    }

    /// Sends a request; nothing comes back if it is not known what became of it.
    async fn request<T, F>(&self, work: impl FnOnce(Self) -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        tokio::task::yield_now().await;
        let work = work(self.clone());
        match self.fate() {
            Fate::Carried => Some(work.await),
            Fate::Lost => {
                work.await;
                None
            }
            Fate::Late(turns) => {
                tokio::spawn(async move {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                    work.await;
                });
                None
            }
            Fate::Never => None,
        }
    }

    /// What is wrong with what the sinks hold, if all is at rest, these numbers are loaded,
    /// and the pointer is at this version.
    pub(crate) fn wrong(&self, loaded: &[u8], version: &[u8], pointer: u64) -> Option<String> {
        let world = self.world();
        for (number, table) in world.tables.iter().enumerate() {
            let mut rows: Vec<u8> = table.rows.iter().map(|(_, input)| *input).collect();
            rows.sort_unstable();
            if rows != loaded {
                return Some(format!(
                    "warehouse {number} holds {rows:?} instead of {loaded:?}"
                ));
            }
        }
        let mut files: Vec<u8> = world.files.values().flatten().copied().collect();
        files.sort_unstable();
        if files != loaded {
            return Some(format!("the lake shows {files:?} instead of {loaded:?}"));
        }
        if (world.pointer, &*world.version) != (pointer, version) {
            return Some(format!(
                "the pointer is at {} and shows {:?} instead of {version:?} at {pointer}",
                world.pointer, world.version
            ));
        }
        None
    }
}

fn unclear() -> SinkError {
    SinkError::new(SinkErrorKind::Unclear, "no answer")
}

/// The numbers that were staged.
pub(crate) fn numbers(staged: &Value) -> Vec<u8> {
    staged["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_u64().unwrap() as u8)
        .collect()
}

/// One of the tables.
pub(crate) struct Mart(Services, usize);

#[async_trait]
impl Warehouse for Mart {
    async fn read(&self, _: &Applying<'_>) -> Result<Reading, SinkError> {
        tokio::task::yield_now().await;
        if self.0.fate() != Fate::Carried {
            return Err(unclear());
        }
        let world = self.0.world();
        let ledger = world.tables[self.1]
            .ledger
            .clone()
            .filter(|_| !world.hidden);
        Ok(ledger.map_or(Reading::Missing, Reading::Ledger))
    }

    async fn create(&self, applying: &Applying<'_>) -> Result<(), SinkError> {
        let (table, log) = (self.1, applying.log());
        let create = move |services: Services| async move {
            services.world().tables[table]
                .ledger
                .get_or_insert(Ledger::new(log));
        };
        self.0.request(create).await.ok_or_else(unclear)
    }

    async fn submit(
        &self,
        applying: &Applying<'_>,
        claim: &Claim,
        submission: Submission,
        skip: bool,
    ) -> Result<(), SinkError> {
        let (table, claim, seq) = (self.1, *claim, applying.entry.seq);
        let rows = applying
            .part()
            .map(|part| numbers(&part.staged))
            .unwrap_or_default();
        let rewind = match applying.entry.decision {
            Decision::Rewind { to, .. } => Some(to),
            _ => None,
        };
        let submit = move |services: Services| async move {
            let mut world = services.world();
            let refused = world.refused[table];
            let table = &mut world.tables[table];
            let ledger = table.ledger.as_mut().ok_or_else(unclear)?;
            let moved = (ledger.log, ledger.position, ledger.blocked)
                == (claim.log, claim.from, claim.blocked);
            if !moved && (ledger.position != claim.to || table.submission != submission.0) {
                return Err(unclear());
            }
            if !skip && refused.is_some_and(|number| rows.contains(&number)) {
                return Err(SinkError::new(SinkErrorKind::Refused, "a row is refused"));
            }
            *ledger = Ledger {
                position: claim.to,
                skipped: skip,
                ..Ledger::new(claim.log)
            };
            table.submission = submission.0;
            if !skip {
                table.rows.extend(rows.iter().map(|number| (seq, *number)));
            }
            if let Some(to) = rewind {
                table.rows.retain(|(row, _)| *row <= to || *row > seq);
            }
            Ok(())
        };
        self.0
            .request(submit)
            .await
            .unwrap_or_else(|| Err(unclear()))
    }

    async fn block(
        &self,
        applying: &Applying<'_>,
        disposition: Disposition,
    ) -> Result<(), SinkError> {
        let (table, seq, prev) = (self.1, applying.entry.seq, applying.prev);
        let block = move |services: Services| async move {
            if let Some(ledger) = &mut services.world().tables[table].ledger
                && ledger.position == prev
                && [0, seq].contains(&ledger.blocked)
            {
                (ledger.blocked, ledger.disposition) = (seq, Some(disposition));
            }
        };
        self.0.request(block).await.ok_or_else(unclear)
    }
}

/// The files.
pub(crate) struct Lake(Services);

#[async_trait]
impl Files for Lake {
    async fn publish(&self, applying: &Applying<'_>) -> Result<Published, SinkError> {
        let attempt = applying.entry.attempt;
        let deletes = self.0.mutant == Some(Mutant::RewindDeletes);
        let publish = move |services: Services| async move {
            let source = {
                let world = services.world();
                match world.files.get(&attempt) {
                    Some(file) if !deletes => {
                        return if file.is_empty() {
                            Published::TakenBack
                        } else {
                            Published::All
                        };
                    }
                    _ => {}
                }
                world.staged.get(&attempt).cloned()
            };
            let Some(source) = source else {
                return Published::Gone;
            };
            // The copy has read its source, and takes a while, sometimes a long one.
            let turns = {
                let chance = &mut services.world().chance;
                if chance.below(4) == 0 {
                    chance.below(150)
                } else {
                    0
                }
            };
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            let mut world = services.world();
            let file = world.files.entry(attempt).or_insert_with(|| source.clone());
            if file.is_empty() {
                Published::TakenBack
            } else {
                Published::All
            }
        };
        self.0.request(publish).await.ok_or_else(unclear)
    }

    async fn delete_staged(&self, applying: &Applying<'_>) -> Result<(), SinkError> {
        let attempts: Vec<Attempt> = applying
            .taken_back
            .iter()
            .map(|entry| entry.attempt)
            .collect();
        let delete = |services: Services| async move {
            let mut world = services.world();
            attempts
                .iter()
                .for_each(|attempt| drop(world.staged.remove(attempt)));
        };
        self.0.request(delete).await.ok_or_else(unclear)
    }

    async fn occupy(&self, applying: &Applying<'_>) -> Result<(), SinkError> {
        let names: Vec<Attempt> = applying
            .parts_taken_back()
            .filter_map(|(position, _)| position.attempt)
            .collect();
        let deletes = self.0.mutant == Some(Mutant::RewindDeletes);
        let occupy = move |services: Services| async move {
            let mut world = services.world();
            for name in names {
                match deletes {
                    true => drop(world.files.remove(&name)),
                    false => drop(world.files.insert(name, Vec::new())),
                }
            }
        };
        self.0.request(occupy).await.ok_or_else(unclear)
    }
}

/// The pointer.
pub(crate) struct Version(Services);

#[async_trait]
impl Pointer for Version {
    async fn read(&self) -> Result<u64, SinkError> {
        tokio::task::yield_now().await;
        if self.0.fate() != Fate::Carried {
            return Err(unclear());
        }
        Ok(self.0.world().pointer)
    }

    async fn write(&self, version: &transom_commit::Version<'_>) -> Result<(), SinkError> {
        let seq = version.position.seq;
        let numbers = version
            .part
            .map(|(_, part)| numbers(&part.staged))
            .unwrap_or_default();
        let write = move |services: Services| async move {
            let mut world = services.world();
            (world.pointer, world.version) = (seq, numbers);
        };
        self.0.request(write).await.ok_or_else(unclear)
    }
}

/// A store whose requests fail.
#[derive(Debug, Clone)]
pub(crate) struct FaultyStore(pub(crate) Services);

#[async_trait]
impl Store for FaultyStore {
    async fn create(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        if self.0.world().lying {
            return Err(StoreError::new(StoreErrorKind::Exists, "create", key));
        }
        let unclear = || StoreError::new(StoreErrorKind::Unclear, "create", key);
        let name = key.to_owned();
        let create =
            |services: Services| async move { services.store.create(&name, content).await };
        self.0
            .request(create)
            .await
            .unwrap_or_else(|| Err(unclear()))
    }

    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let unclear = || StoreError::new(StoreErrorKind::Unclear, "put", key);
        let name = key.to_owned();
        let put = |services: Services| async move { services.store.put(&name, content).await };
        self.0.request(put).await.unwrap_or_else(|| Err(unclear()))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        tokio::task::yield_now().await;
        match self.0.fate() {
            Fate::Carried => self.0.store.get(key).await,
            _ => Err(StoreError::new(StoreErrorKind::Temporary, "get", key)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        self.0.store.list(prefix, after).await
    }

    async fn objects(&self) -> Result<Vec<Stored>, StoreError> {
        self.0.store.objects().await
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), StoreError> {
        self.0.store.delete(objects).await
    }

    async fn delete_spent(&self, keys: &[String]) -> Result<(), StoreError> {
        self.0.store.delete_spent(keys).await
    }
}

/// What a pipeline is asked to plan.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// Slices of some numbers, until all are loaded.
    Slices,
    /// One entry.
    Entry(Draft),
    /// A gc of an attempt that is staged and not in the log.
    Gc,
    /// An attempt that was staged before.
    Staged(Attempt, Draft),
}

/// The pipeline.
pub(crate) struct Numbers {
    services: Services,
    marts: [Mart; 2],
    lake: Lake,
    version: Version,
    chance: Chance,
    pub(crate) plan: Plan,
}

impl Numbers {
    pub(crate) fn new(services: &Services, seed: u64, plan: Plan) -> Self {
        Self {
            marts: [Mart(services.clone(), 0), Mart(services.clone(), 1)],
            lake: Lake(services.clone()),
            version: Version(services.clone()),
            services: services.clone(),
            chance: Chance::new(seed),
            plan,
        }
    }

    /// Stages an attempt at these numbers.
    pub(crate) fn stage(&self, log: &Log, inputs: &[u8]) -> (Attempt, Draft) {
        let attempt = Attempt::random();
        self.services
            .world()
            .staged
            .insert(attempt, inputs.to_vec());
        let mut all = loaded(&log.state().sources);
        all.extend(inputs);
        let part = |name: &str, kind| Part {
            name: name.into(),
            kind,
            prev: Position::START,
            rows: inputs.len() as u64,
            staged: match kind {
                SinkKind::Pointer => json!({ "inputs": all }),
                _ => json!({ "inputs": inputs }),
            },
        };
        let text: Vec<String> = all.iter().map(u8::to_string).collect();
        let state = SourceState {
            cursor: Some(text.join(",")),
            ..SourceState::default()
        };
        let slice = Slice {
            pipeline: Pipeline {
                digest: String::new(),
                plugins: BTreeMap::new(),
            },
            clock: DateTime::UNIX_EPOCH,
            seed: 0,
            inputs: BTreeMap::new(),
            sinks: vec![
                part("mart", SinkKind::Warehouse),
                part("mart2", SinkKind::Warehouse),
                part("lake", SinkKind::Files),
                part("table", SinkKind::Pointer),
            ],
            counts: Counts::default(),
        };
        let sources = BTreeMap::from([("numbers".to_owned(), state)]);
        (
            attempt,
            Draft::Slice {
                slice: Box::new(slice),
                sources,
                buckets: Vec::new(),
            },
        )
    }
}

/// The numbers that count as loaded.
pub(crate) fn loaded(sources: &BTreeMap<String, SourceState>) -> BTreeSet<u8> {
    let cursor = sources
        .get("numbers")
        .and_then(|state| state.cursor.as_deref())
        .unwrap_or("");
    cursor
        .split(',')
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().unwrap())
        .collect()
}

#[async_trait]
impl Work for Numbers {
    async fn plan(
        &mut self,
        log: &Log,
    ) -> Result<Option<(Attempt, Draft)>, Box<dyn Error + Send + Sync>> {
        tokio::task::yield_now().await;
        Ok(match self.plan.clone() {
            Plan::Entry(draft) => Some((Attempt::random(), draft)),
            Plan::Staged(attempt, draft) => Some((attempt, draft)),
            Plan::Gc => {
                let staged: Vec<Attempt> = self.services.world().staged.keys().copied().collect();
                let named = (1..=log.tail())
                    .filter_map(|seq| log.get(seq))
                    .map(|entry| entry.attempt);
                let named: BTreeSet<Attempt> = named.collect();
                let dead: Vec<Attempt> = staged
                    .into_iter()
                    .filter(|attempt| !named.contains(attempt))
                    .collect();
                (!dead.is_empty()).then(|| (Attempt::random(), Draft::Gc { dead, keeps: 0 }))
            }
            Plan::Slices => {
                let seen = loaded(&log.state().sources);
                let unseen: Vec<u8> = (0..INPUTS)
                    .filter(|number| !seen.contains(number))
                    .collect();
                let count = 1 + self.chance.below(3) as usize;
                let inputs: Vec<u8> = unseen.into_iter().take(count).collect();
                (!inputs.is_empty()).then(|| self.stage(log, &inputs))
            }
        })
    }

    fn sink(&self, name: &SinkName) -> Option<Sink<'_>> {
        Some(match name.as_str() {
            "mart" => Sink::Warehouse(&self.marts[0]),
            "mart2" => Sink::Warehouse(&self.marts[1]),
            "lake" => Sink::Files(&self.lake),
            "table" => Sink::Pointer(&self.version),
            _ => return None,
        })
    }

    async fn delete_staged(&self, _: LogId, attempts: &[Attempt]) -> Result<(), SinkError> {
        let attempts = attempts.to_vec();
        let delete = |services: Services| async move {
            let mut world = services.world();
            attempts
                .iter()
                .for_each(|attempt| drop(world.staged.remove(attempt)));
        };
        self.services.request(delete).await.ok_or_else(unclear)
    }
}
