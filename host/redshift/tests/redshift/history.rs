//! What random transactions saw, and whether it can have been: an order of all of them under SERIALIZABLE, a snapshot
//! for each under SNAPSHOT.
//!
//! A register is a row, and a write replaces a value that the transaction has read by one that is new. So the versions
//! of a register are a chain, and what depends on what follows from the values that were read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use transom_redshift::{Engine, Isolation, Session};

use crate::fresh;

const TABLES: u64 = 3;
const ROWS: u64 = 2;
const SESSIONS: u64 = 6;
const TRANSACTIONS: u64 = 10;

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

/// A transaction that has committed. 0 is the value that registers have at the start.
#[derive(Debug, Default)]
struct Committed {
    begun: u64,
    acknowledged: u64,
    /// Values that were read before the transaction wrote itself.
    reads: BTreeMap<Register, u64>,
    /// The values that were replaced, and the last ones that took their place.
    writes: BTreeMap<Register, (u64, u64)>,
}

/// What sessions share: moments and values are numbered.
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl Clock {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

async fn read(session: &Session, (table, row): Register) -> Option<u64> {
    let query = format!("select v from r{table} where k = {row}");
    let outcome = session.run(&query, &[]).await.ok()?;
    let rows = outcome.rows.unwrap();
    assert_eq!(rows.len(), 1, "{query}");
    Some(
        rows.texts().next().unwrap()[0]
            .as_ref()
            .unwrap()
            .parse()
            .unwrap(),
    )
}

/// A transaction of some reads and writes; none, if the engine refused it.
async fn transaction(session: &Session, random: &mut Random, clock: &Clock) -> Option<Committed> {
    let mut done = Committed {
        begun: clock.next(),
        ..Committed::default()
    };
    let mut current = BTreeMap::new();
    session.run("begin", &[]).await.unwrap();
    for _ in 0..2 + random.below(3) {
        let register = (random.below(TABLES), random.below(ROWS));
        let value = read(session, register).await?;
        if let Some(before) = current.insert(register, value) {
            assert_eq!(before, value, "two reads of a transaction differ");
        }
        if !done.writes.contains_key(&register) {
            done.reads.insert(register, value);
        }
        if random.below(2) == 0 {
            let new = clock.next();
            let (table, row) = register;
            let update = format!("update r{table} set v = {new} where k = {row}");
            session.run(&update, &[]).await.ok()?;
            current.insert(register, new);
            let replaced = done
                .writes
                .get(&register)
                .map_or(value, |(first, _)| *first);
            done.writes.insert(register, (replaced, new));
        }
        tokio::task::yield_now().await;
    }
    if random.below(8) == 0 {
        session.run("rollback", &[]).await.unwrap();
        return None;
    }
    session.run("commit", &[]).await.ok()?;
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

/// What depends on what was written or read before; and what was read before it was written.
fn dependencies(all: &[Committed]) -> (Edges, Edges) {
    let mut writers = BTreeMap::new();
    let mut next = BTreeMap::new();
    for (at, transaction) in all.iter().enumerate() {
        for (register, (replaced, new)) in &transaction.writes {
            writers.insert((*register, *new), at);
            let other = next.insert((*register, *replaced), at);
            assert_eq!(
                other, None,
                "an update of {register:?} is lost: {replaced} is replaced twice"
            );
        }
    }
    let mut after = vec![BTreeSet::new(); all.len()];
    let mut overtaken = vec![BTreeSet::new(); all.len()];
    for (at, transaction) in all.iter().enumerate() {
        for (register, value) in &transaction.reads {
            if *value != 0 {
                let writer = writers.get(&(*register, *value));
                let writer =
                    writer.unwrap_or_else(|| panic!("{value} was read and never committed"));
                if *writer != at {
                    after[*writer].insert(at);
                }
            }
            if let Some(writer) = next.get(&(*register, *value))
                && *writer != at
            {
                let (reader, writer) = (transaction, &all[*writer]);
                assert!(
                    writer.acknowledged > reader.begun,
                    "{register:?}: {value} was read after it was replaced"
                );
                overtaken[at].insert(*next.get(&(*register, *value)).unwrap());
            }
        }
        for (register, (replaced, _)) in &transaction.writes {
            if let Some(writer) = writers.get(&(*register, *replaced)) {
                after[*writer].insert(at);
            }
        }
    }
    (after, overtaken)
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

fn check(all: &[Committed], isolation: Isolation) -> Result<(), &'static str> {
    let (after, overtaken) = dependencies(all);
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
        true => Err("the transactions have no order"),
        false => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_transactions_have_an_order() {
    let many = std::env::var("TRANSOM_MANY").ok();
    let rounds = many.map_or(2, |many| many.parse().expect("a number in TRANSOM_MANY"));
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let (mut committed, mut skewed) = (0, 0);
        for seed in 1..=rounds {
            let fresh = fresh(isolation);
            let all = run(fresh.engine.clone(), seed).await;
            committed += all.len() as u64;
            skewed += u64::from(check(&all, Isolation::Serializable).is_err());
            check(&all, isolation)
                .unwrap_or_else(|wrong| panic!("{isolation:?}, seed {seed}: {wrong}"));
        }
        // What a snapshot allows happens, so that the other isolation has something to prevent.
        assert!(
            rounds < 20 || (skewed > 0) == (isolation == Isolation::Snapshot),
            "{isolation:?}: {skewed} of {rounds} rounds have no order"
        );
        // Conflicts are many, and leave some.
        assert!(committed > rounds * SESSIONS, "{isolation:?}: {committed}");
    }
}

/// Two transactions that read what the other writes.
fn skewed() -> Vec<Committed> {
    let one = |begun, read: Register, written: Register, new| Committed {
        begun,
        acknowledged: 10,
        reads: [(read, 0), (written, 0)].into(),
        writes: [(written, (0, new))].into(),
    };
    vec![one(1, (0, 0), (0, 1), 5), one(2, (0, 1), (0, 0), 6)]
}

#[test]
fn the_checker_sees_what_is_wrong() {
    assert!(check(&skewed(), Isolation::Snapshot).is_ok());
    assert!(check(&skewed(), Isolation::Serializable).is_err());
    // One sees half of the other.
    let mut torn = skewed();
    torn[0].writes = [((0, 0), (0, 5)), ((0, 1), (0, 6))].into();
    torn[1] = Committed {
        begun: 2,
        reads: [((0, 0), 5), ((0, 1), 0)].into(),
        ..Committed::default()
    };
    assert!(check(&torn, Isolation::Snapshot).is_err());
}

#[test]
#[should_panic(expected = "is lost")]
fn the_checker_sees_an_update_that_is_lost() {
    let mut lost = skewed();
    lost[0].writes = [((0, 0), (0, 7))].into();
    let _ = check(&lost, Isolation::Snapshot);
}

#[test]
#[should_panic(expected = "never committed")]
fn the_checker_sees_values_that_were_rolled_back() {
    let mut dirty = skewed();
    dirty[0].reads.insert((2, 0), 99);
    let _ = check(&dirty, Isolation::Snapshot);
}
