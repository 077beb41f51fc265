//! What random transactions saw, and whether it can have been: an order of all of them under SERIALIZABLE, a snapshot
//! for each under SNAPSHOT.
//!
//! A register is a row, and a write replaces a value that the transaction has read by one that is new. So the versions
//! of a register are a chain, and what depends on what follows from the values that were read. Rows that are inserted
//! are registers, too, with three versions: not there, there, and deleted. Who reads all rows of a kind reads each
//! of them, also those that are not there yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use transom_redshift::{Engine, Isolation, Mutant, Session};

use crate::{Fresh, fresh};

const TABLES: u64 = 3;
/// Rows that are there at the start; those that are inserted have higher numbers.
const ROWS: u64 = 2;
const SESSIONS: u64 = 6;
const TRANSACTIONS: u64 = 10;
/// Rounds within which random transactions meet what one in three or so of them meets.
const ENOUGH: u64 = 40;

/// The value of registers at the start, and of a row that is not there yet.
const NONE: u64 = 0;
/// The values of a row that was inserted.
const INSERTED: u64 = 1;
const DELETED: u64 = 2;

/// A table and a row.
type Register = (u64, u64);

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A transaction that has committed.
#[derive(Debug, Default)]
struct Committed {
    begun: u64,
    acknowledged: u64,
    /// Values that were read before the transaction wrote itself.
    reads: BTreeMap<Register, u64>,
    /// All inserted rows of a table, as they were read first; without those that the transaction had written itself.
    scans: BTreeMap<u64, BTreeMap<u64, u64>>,
    /// The values that were replaced, and the last ones that took their place.
    writes: BTreeMap<Register, (u64, u64)>,
}

/// What sessions share: moments, values and rows are numbered.
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl Clock {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// A transaction that runs, with what it must see when it reads once more. Steps give nothing if the engine refuses them.
struct Running<'a> {
    session: &'a Session,
    clock: &'a Clock,
    done: Committed,
    values: BTreeMap<Register, u64>,
    inserted: BTreeMap<u64, BTreeMap<u64, u64>>,
}

impl Running<'_> {
    async fn rows(&self, query: &str) -> Option<Vec<Vec<u64>>> {
        let outcome = self.session.run(query, &[]).await.ok()?;
        let rows = outcome.rows.unwrap();
        let number = |cell: &Option<String>| cell.as_ref().unwrap().parse::<u64>().unwrap();
        let numbers = rows.texts().map(|row| row.iter().map(number).collect());
        Some(numbers.collect())
    }

    async fn change(&self, statement: &str) -> Option<()> {
        let outcome = self.session.run(statement, &[]).await.ok()?;
        assert_eq!(outcome.affected, Some(1), "{statement}");
        Some(())
    }

    fn note(&mut self, register: Register, replaced: u64, new: u64) {
        let writes = &mut self.done.writes;
        let first = writes.get(&register).map_or(replaced, |(first, _)| *first);
        writes.insert(register, (first, new));
    }

    async fn read(&mut self, register: Register) -> Option<u64> {
        let (table, row) = register;
        let query = format!("select v from r{table} where k = {row}");
        let found = self.rows(&query).await?;
        assert_eq!(found.len(), 1, "{query}");
        let value = found[0][0];
        if let Some(before) = self.values.insert(register, value) {
            assert_eq!(before, value, "two reads of a transaction differ");
        }
        if !self.done.writes.contains_key(&register) {
            self.done.reads.insert(register, value);
        }
        Some(value)
    }

    async fn update(&mut self, register: Register, before: u64) -> Option<()> {
        let (table, row) = register;
        let new = self.clock.next();
        let update = format!("update r{table} set v = {new} where k = {row}");
        self.change(&update).await?;
        self.values.insert(register, new);
        self.note(register, before, new);
        Some(())
    }

    async fn insert(&mut self, table: u64) -> Option<()> {
        let row = ROWS + self.clock.next();
        let insert = format!("insert into r{table} values ({row}, {INSERTED})");
        self.change(&insert).await?;
        if let Some(rows) = self.inserted.get_mut(&table) {
            rows.insert(row, INSERTED);
        }
        self.note((table, row), NONE, INSERTED);
        Some(())
    }

    /// Reads all rows of a table that were inserted, and gives those that are not deleted.
    async fn scan(&mut self, table: u64) -> Option<Vec<u64>> {
        let query = format!("select k, v from r{table} where k >= {ROWS}");
        let found = self.rows(&query).await?;
        let rows: BTreeMap<u64, u64> = found.iter().map(|row| (row[0], row[1])).collect();
        assert_eq!(rows.len(), found.len(), "a row is there twice: {found:?}");
        match self.inserted.insert(table, rows.clone()) {
            Some(before) => assert_eq!(before, rows, "two reads of a transaction differ"),
            None => {
                let mut others = rows.clone();
                others.retain(|row, _| !self.done.writes.contains_key(&(table, *row)));
                self.done.scans.insert(table, others);
            }
        }
        let left = rows.iter().filter(|(_, value)| **value == INSERTED);
        Some(left.map(|(row, _)| *row).collect())
    }

    /// Deletes a row that was inserted. A mark stays, so that who reads later is not taken for one who read before the row was there.
    async fn delete(&mut self, table: u64, row: u64) -> Option<()> {
        let delete = format!("delete from r{table} where k = {row} and v = {INSERTED}");
        self.change(&delete).await?;
        let mark = format!("insert into r{table} values ({row}, {DELETED})");
        self.change(&mark).await?;
        self.inserted.entry(table).or_default().insert(row, DELETED);
        self.note((table, row), INSERTED, DELETED);
        Some(())
    }

    async fn step(&mut self, random: &mut Random) -> Option<()> {
        let table = random.below(TABLES);
        match random.below(6) {
            0 => self.insert(table).await,
            1 | 2 => {
                let rows = self.scan(table).await?;
                match rows.len() as u64 {
                    0 => Some(()),
                    _ if random.below(2) == 0 => Some(()),
                    most => {
                        let row = rows[random.below(most) as usize];
                        self.delete(table, row).await
                    }
                }
            }
            _ => {
                let register = (table, random.below(ROWS));
                let value = self.read(register).await?;
                match random.below(2) {
                    0 => self.update(register, value).await,
                    _ => Some(()),
                }
            }
        }
    }
}

/// A transaction of some steps; none, if the engine refused it.
async fn transaction(session: &Session, random: &mut Random, clock: &Clock) -> Option<Committed> {
    let mut running = Running {
        session,
        clock,
        done: Committed {
            begun: clock.next(),
            ..Committed::default()
        },
        values: BTreeMap::new(),
        inserted: BTreeMap::new(),
    };
    session.run("begin", &[]).await.unwrap();
    for _ in 0..2 + random.below(3) {
        running.step(random).await?;
        tokio::task::yield_now().await;
    }
    if random.below(8) == 0 {
        session.run("rollback", &[]).await.unwrap();
        return None;
    }
    session.run("commit", &[]).await.ok()?;
    let mut done = running.done;
    done.acknowledged = clock.next();
    Some(done)
}

async fn run(engine: Engine, seed: u64) -> Vec<Committed> {
    let setup = engine.session("setup");
    for table in 0..TABLES {
        let create = format!("create table r{table} (k int, v bigint)");
        setup.run(&create, &[]).await.unwrap();
        for row in 0..ROWS {
            let insert = format!("insert into r{table} values ({row}, 0)");
            setup.run(&insert, &[]).await.unwrap();
        }
    }
    let clock = Arc::new(Clock::default());
    let mut sessions = tokio::task::JoinSet::new();
    for number in 0..SESSIONS {
        let (engine, clock) = (engine.clone(), Arc::clone(&clock));
        sessions.spawn(async move {
            let session = engine.session("s");
            let mut random = Random(seed * 1_000 + number + 1);
            let mut all = Vec::new();
            for _ in 0..TRANSACTIONS {
                match transaction(&session, &mut random, &clock).await {
                    Some(committed) => all.push(committed),
                    None => {
                        session.run("rollback", &[]).await.unwrap();
                    }
                }
            }
            all
        });
    }
    sessions.join_all().await.into_iter().flatten().collect()
}

/// Edges from a transaction to those that come after it.
type Edges = Vec<BTreeSet<usize>>;

/// What each transaction read: of rows that were inserted, also that they were not there yet.
fn reads(all: &[Committed]) -> Vec<BTreeMap<Register, u64>> {
    let written = all.iter().flat_map(|transaction| transaction.writes.keys());
    let inserted: BTreeSet<Register> = written.copied().filter(|(_, row)| *row >= ROWS).collect();
    let of_one = |transaction: &Committed| {
        let mut reads = transaction.reads.clone();
        for (table, found) in &transaction.scans {
            let known = inserted.range((*table, 0)..(*table + 1, 0));
            let known = known.map(|(_, row)| *row);
            for row in known.chain(found.keys().copied()) {
                let register = (*table, row);
                let own = transaction.writes.get(&register);
                if own.is_none_or(|(replaced, _)| *replaced != NONE) {
                    let value = found.get(&row).copied().unwrap_or(NONE);
                    reads.insert(register, value);
                }
            }
        }
        reads
    };
    all.iter().map(of_one).collect()
}

/// What depends on what was written or read before; and what was read before it was written.
fn dependencies(all: &[Committed]) -> Result<(Edges, Edges), String> {
    let mut writers = BTreeMap::new();
    let mut next = BTreeMap::new();
    for (at, transaction) in all.iter().enumerate() {
        for (register, (replaced, new)) in &transaction.writes {
            writers.insert((*register, *new), at);
            if next.insert((*register, *replaced), at).is_some() {
                return Err(format!(
                    "an update of {register:?} is lost: {replaced} is replaced twice"
                ));
            }
        }
    }
    let mut after = vec![BTreeSet::new(); all.len()];
    let mut overtaken = vec![BTreeSet::new(); all.len()];
    let reads = reads(all);
    for (at, transaction) in all.iter().enumerate() {
        for (register, value) in &reads[at] {
            match writers.get(&(*register, *value)) {
                Some(writer) if *writer != at => {
                    after[*writer].insert(at);
                }
                None if *value != NONE => {
                    return Err(format!(
                        "{register:?}: {value} was read and never committed"
                    ));
                }
                _ => {}
            }
            if let Some(writer) = next.get(&(*register, *value))
                && *writer != at
            {
                if all[*writer].acknowledged < transaction.begun {
                    return Err(format!(
                        "{register:?}: {value} was read after it was replaced"
                    ));
                }
                overtaken[at].insert(*writer);
            }
        }
        for (register, (replaced, _)) in &transaction.writes {
            if let Some(writer) = writers.get(&(*register, *replaced)) {
                after[*writer].insert(at);
            }
        }
    }
    Ok((after, overtaken))
}

fn has_cycle(edges: &Edges) -> bool {
    let mut incoming = vec![0; edges.len()];
    for to in edges.iter().flatten() {
        incoming[*to] += 1;
    }
    let mut open: Vec<usize> = (0..edges.len()).filter(|at| incoming[*at] == 0).collect();
    let mut seen = 0;
    while let Some(at) = open.pop() {
        seen += 1;
        for to in &edges[at] {
            incoming[*to] -= 1;
            if incoming[*to] == 0 {
                open.push(*to);
            }
        }
    }
    seen < edges.len()
}

fn check(all: &[Committed], isolation: Isolation) -> Result<(), String> {
    let (after, overtaken) = dependencies(all)?;
    let both = |at: usize| after[at].union(&overtaken[at]).copied().collect();
    let edges: Edges = match isolation {
        Isolation::Serializable => (0..all.len()).map(both).collect(),
        // A snapshot sees no transaction in part: a cycle needs two in a row that overtake each other.
        Isolation::Snapshot => after
            .iter()
            .map(|direct| {
                let beyond = direct.iter().flat_map(|at| overtaken[*at].iter());
                direct.iter().chain(beyond).copied().collect()
            })
            .collect(),
    };
    match has_cycle(&edges) {
        true => Err("the transactions have no order".to_owned()),
        false => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_transactions_have_an_order() {
    let many = std::env::var("TRANSOM_MANY").ok();
    let rounds = many.map_or(2, |many| many.parse().expect("a number in TRANSOM_MANY"));
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let mut committed = 0;
        for seed in 1..=rounds {
            let fresh = fresh(isolation);
            let all = run(fresh.engine.clone(), seed).await;
            committed += all.len() as u64;
            check(&all, isolation)
                .unwrap_or_else(|wrong| panic!("{isolation:?}, seed {seed}: {wrong}"));
        }
        // Conflicts are many, and leave some.
        assert!(committed > rounds * SESSIONS, "{isolation:?}: {committed}");
    }
}

/// What is wrong with the first round of random transactions that is not as the isolation has it.
async fn first_wrong(engine: impl Fn() -> Fresh, checked: Isolation) -> Option<String> {
    for seed in 1..=ENOUGH {
        let fresh = engine();
        let all = run(fresh.engine.clone(), seed).await;
        if let Err(wrong) = check(&all, checked) {
            return Some(wrong);
        }
    }
    None
}

/// So that the other isolation has something to prevent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_snapshot_allows_happens() {
    let wrong = first_wrong(|| fresh(Isolation::Snapshot), Isolation::Serializable).await;
    assert_eq!(wrong.as_deref(), Some("the transactions have no order"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rule_that_is_left_out_is_found() {
    for (mutant, isolation) in [
        (Mutant::VersionUnchecked, Isolation::Snapshot),
        (Mutant::AppendsReplace, Isolation::Snapshot),
        (Mutant::ReadsForgotten, Isolation::Serializable),
    ] {
        let without = || {
            let fresh = fresh(isolation);
            fresh.engine.leave_out(mutant);
            fresh
        };
        let wrong = first_wrong(without, isolation).await;
        assert!(wrong.is_some(), "{mutant:?}: {ENOUGH} rounds are in order");
    }
}

/// Two transactions that read what the other writes.
fn skewed() -> Vec<Committed> {
    let one = |begun, read: Register, written: Register, new| Committed {
        begun,
        acknowledged: 10,
        reads: [(read, 0), (written, 0)].into(),
        scans: BTreeMap::new(),
        writes: [(written, (0, new))].into(),
    };
    vec![one(1, (0, 0), (0, 1), 5), one(2, (0, 1), (0, 0), 6)]
}

/// Two transactions that each insert a row into a table of which the other has read the rows.
fn phantoms() -> Vec<Committed> {
    let one = |begun, read: u64, written: u64| Committed {
        begun,
        acknowledged: 10,
        reads: BTreeMap::new(),
        scans: [(read, BTreeMap::new())].into(),
        writes: [((written, 7), (NONE, INSERTED))].into(),
    };
    vec![one(1, 0, 1), one(2, 1, 0)]
}

fn wrong(all: &[Committed]) -> String {
    check(all, Isolation::Snapshot).unwrap_err()
}

#[test]
fn the_checker_sees_what_is_wrong() {
    for allowed in [skewed(), phantoms()] {
        assert_eq!(check(&allowed, Isolation::Snapshot), Ok(()));
        assert!(check(&allowed, Isolation::Serializable).is_err());
    }
    // One sees half of the other.
    let mut torn = skewed();
    torn[0].writes = [((0, 0), (0, 5)), ((0, 1), (0, 6))].into();
    torn[1] = Committed {
        begun: 2,
        reads: [((0, 0), 5), ((0, 1), 0)].into(),
        ..Committed::default()
    };
    assert!(check(&torn, Isolation::Snapshot).is_err());
    let mut lost = skewed();
    lost[0].writes = [((0, 0), (0, 7))].into();
    assert!(wrong(&lost).contains("is lost"));
    let mut dirty = skewed();
    dirty[0].reads.insert((2, 0), 99);
    assert!(wrong(&dirty).contains("never committed"));
}

#[test]
fn the_checker_sees_rows_that_are_wrong() {
    // A row that was acknowledged is not there.
    let mut missing = phantoms();
    missing[0].acknowledged = 2;
    missing[1].begun = 3;
    assert!(wrong(&missing).contains("after it was replaced"));
    let mut dirty = phantoms();
    dirty[0].scans = [(0, BTreeMap::from([(9, INSERTED)]))].into();
    assert!(wrong(&dirty).contains("never committed"));
    // Two delete one row.
    let mut twice = phantoms();
    twice[0].writes = [((0, 5), (INSERTED, DELETED))].into();
    twice[1].writes = [((0, 5), (INSERTED, DELETED))].into();
    assert!(wrong(&twice).contains("is lost"));
    // Who reads the mark of a deleted row comes after the one who deleted it, and so after what that one did before.
    let mut marked = phantoms();
    marked[0].writes = [((1, 7), (NONE, INSERTED)), ((0, 8), (NONE, DELETED))].into();
    marked[1].scans = [(0, BTreeMap::from([(8, DELETED)])), (1, BTreeMap::new())].into();
    marked[1].writes = BTreeMap::new();
    assert!(wrong(&marked).contains("no order"));
}
