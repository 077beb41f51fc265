//! The first statements of a loading transaction, in every order of two sessions, at each level of isolation.
//!
//! A database as far as that matters: tables are sets of rows; a statement that writes takes the table's lock until
//! the transaction ends; reads see the transaction's snapshot. It is what vendors document, not what they do: before a
//! release the same is tried on real ones.

use std::collections::{BTreeMap, BTreeSet};

/// Redshift's two levels, and the one that PostgreSQL has by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Redshift before 2024: conflicts both ways between two transactions end the second one.
    Serializable,
    /// Redshift: the snapshot of the first statement; inserts share the table's lock.
    Snapshot,
    /// PostgreSQL: a snapshot for each statement.
    ReadCommitted,
}

const LEVELS: [Level; 3] = [Level::Serializable, Level::Snapshot, Level::ReadCommitted];

/// A row of the ledger, or of the target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    position: u64,
    attempt: &'static str,
    submission: &'static str,
    /// The submission that is loading, seen by its own transaction alone.
    claim: &'static str,
}

const fn row(position: u64, attempt: &'static str, submission: &'static str) -> Row {
    Row {
        position,
        attempt,
        submission,
        claim: "",
    }
}

type Tables = BTreeMap<&'static str, Vec<Row>>;

#[derive(Clone)]
enum Statement {
    /// Creates a table with rows; an error if it is there.
    Create(&'static str, Vec<Row>),
    /// Changes the rows that match.
    Update(&'static str, fn(&Row) -> bool, Box<Row>),
    /// Ends the transaction unless the rows are as they should be: a division by zero.
    Check(&'static str, fn(&[Row]) -> bool),
    /// Adds a row.
    Insert(&'static str, Row),
    /// Adds a row if there is none.
    InsertIfEmpty(&'static str, Row),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Open,
    Committed,
    Aborted,
}

struct Session {
    statements: Vec<Statement>,
    next: usize,
    end: End,
    snapshot: Option<(Tables, usize)>,
    /// What it has changed, to be repeated on what is committed.
    changes: Vec<Statement>,
    reads: BTreeSet<&'static str>,
    writes: BTreeSet<&'static str>,
}

struct Database {
    level: Level,
    tables: Tables,
    /// Of each table: who has its lock, and whether alone.
    locks: BTreeMap<&'static str, BTreeMap<usize, bool>>,
    /// What committed transactions have written and read, in order.
    commits: Vec<(BTreeSet<&'static str>, BTreeSet<&'static str>)>,
    sessions: [Session; 2],
    trace: Vec<String>,
}

impl Database {
    fn new(level: Level, tables: Tables, programs: [Vec<Statement>; 2]) -> Self {
        let sessions = programs.map(|statements| Session {
            statements,
            next: 0,
            end: End::Open,
            snapshot: None,
            changes: Vec::new(),
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
        });
        Self {
            level,
            tables,
            locks: BTreeMap::new(),
            commits: Vec::new(),
            sessions,
            trace: Vec::new(),
        }
    }

    fn lock(&mut self, who: usize, table: &'static str, alone: bool) -> bool {
        let holders = self.locks.entry(table).or_default();
        let shares = !alone && self.level == Level::Snapshot;
        let free = holders
            .iter()
            .all(|(holder, held_alone)| *holder == who || (shares && !held_alone));
        if free {
            let held = holders.entry(who).or_insert(false);
            *held |= alone;
        }
        free
    }

    fn begin(&mut self, who: usize) {
        let snapshot = (self.tables.clone(), self.commits.len());
        self.sessions[who].snapshot.get_or_insert(snapshot);
    }

    /// What a session sees of a table.
    fn seen(&self, who: usize, table: &'static str) -> Vec<Row> {
        let session = &self.sessions[who];
        let base = match &session.snapshot {
            Some((tables, _)) if self.level != Level::ReadCommitted => tables,
            _ => &self.tables,
        };
        let mut tables = base.clone();
        session
            .changes
            .iter()
            .for_each(|change| apply(&mut tables, change));
        tables.remove(table).unwrap_or_default()
    }

    fn end(&mut self, who: usize, end: End, why: &str) {
        self.trace.push(format!("session {who}: {end:?} {why}"));
        for holders in self.locks.values_mut() {
            holders.remove(&who);
        }
        let session = &mut self.sessions[who];
        session.end = end;
        if end == End::Committed {
            session
                .changes
                .iter()
                .for_each(|change| apply(&mut self.tables, change));
            self.commits
                .push((session.writes.clone(), session.reads.clone()));
        }
    }

    /// A session's next statement, or its commit; a session that waits for a lock does nothing.
    fn step(&mut self, who: usize) {
        if self.sessions[who].end != End::Open {
            return;
        }
        let Some(statement) = self.sessions[who]
            .statements
            .get(self.sessions[who].next)
            .cloned()
        else {
            let session = &self.sessions[who];
            let begun = session
                .snapshot
                .as_ref()
                .map_or(self.commits.len(), |(_, begun)| *begun);
            let conflicts = self.commits[begun..].iter().any(|(writes, reads)| {
                !writes.is_disjoint(&session.reads) && !reads.is_disjoint(&session.writes)
            });
            return match self.level == Level::Serializable && conflicts {
                true => self.end(who, End::Aborted, "1023"),
                false => self.end(who, End::Committed, ""),
            };
        };
        let (table, locks) = match statement {
            Statement::Create(table, _) | Statement::Update(table, ..) => (table, Some(true)),
            Statement::Insert(table, _) | Statement::InsertIfEmpty(table, _) => {
                (table, Some(false))
            }
            Statement::Check(table, _) => (table, None),
        };
        // What it reads to decide about its own insert is read before the lock.
        if matches!(statement, Statement::InsertIfEmpty(..)) {
            self.begin(who);
            self.sessions[who].reads.insert(table);
        }
        if locks.is_some_and(|alone| !self.lock(who, table, alone)) {
            return;
        }
        // A write has its snapshot after its lock.
        self.begin(who);
        let rows = self.seen(who, table);
        let failure = match &statement {
            Statement::Create(table, _) if self.tables.contains_key(table) => Some("42P07"),
            Statement::Check(_, holds) if !holds(&rows) => Some("division by zero"),
            Statement::Update(_, matches, _) if self.level != Level::ReadCommitted => {
                let live = self.tables.get(table).cloned().unwrap_or_default();
                let snapshot = self.sessions[who]
                    .snapshot
                    .as_ref()
                    .and_then(|(tables, _)| tables.get(table).cloned());
                let changed = snapshot
                    .unwrap_or_default()
                    .iter()
                    .any(|row| matches(row) && !live.contains(row));
                changed.then_some("1023")
            }
            _ => None,
        };
        self.trace
            .push(format!("session {who}: {}", name(&statement)));
        if let Some(code) = failure {
            return self.end(who, End::Aborted, code);
        }
        let session = &mut self.sessions[who];
        session.next += 1;
        match statement {
            Statement::Check(..) => drop(session.reads.insert(table)),
            Statement::Update(..) => {
                session.reads.insert(table);
                session.writes.insert(table);
                session.changes.push(statement);
            }
            Statement::InsertIfEmpty(table, row) => {
                if rows.is_empty() {
                    session.writes.insert(table);
                    session.changes.push(Statement::Insert(table, row));
                }
            }
            Statement::Create(..) | Statement::Insert(..) => {
                session.writes.insert(table);
                session.changes.push(statement);
            }
        }
    }
}

fn apply(tables: &mut Tables, change: &Statement) {
    match change {
        Statement::Create(table, rows) => drop(tables.insert(table, rows.clone())),
        Statement::Insert(table, row) => tables.entry(table).or_default().push(row.clone()),
        Statement::Update(table, matches, new) => {
            let rows = tables.entry(table).or_default().iter_mut();
            rows.filter(|row| matches(row))
                .for_each(|row| row.clone_from(new));
        }
        Statement::Check(..) | Statement::InsertIfEmpty(..) => {}
    }
}

fn name(statement: &Statement) -> String {
    match statement {
        Statement::Create(table, _) => format!("CREATE TABLE {table}"),
        Statement::Update(table, ..) => format!("UPDATE {table}"),
        Statement::Check(table, _) => format!("SELECT 1 / .. FROM {table}"),
        Statement::Insert(table, _) => format!("INSERT INTO {table}"),
        Statement::InsertIfEmpty(table, _) => format!("INSERT INTO {table} .. WHERE NOT EXISTS"),
    }
}

/// Every order of two sessions; the first trace that ends wrong.
fn explore(
    level: Level,
    tables: &Tables,
    programs: &[Vec<Statement>; 2],
    wrong: impl Fn(&Tables, [End; 2]) -> Option<&'static str>,
) -> Option<String> {
    let turns = programs[0].len() + programs[1].len() + 2;
    (0..1_u32 << turns).find_map(|order| {
        let mut database = Database::new(level, tables.clone(), programs.clone());
        (0..turns).for_each(|turn| database.step((order >> turn & 1) as usize));
        // Whoever has to wait comes to an end now.
        (0..2 * turns).for_each(|turn| database.step(turn % 2));
        let ends = [database.sessions[0].end, database.sessions[1].end];
        assert!(
            !ends.contains(&End::Open),
            "no two sessions wait for each other: {:?}",
            database.trace
        );
        let why = wrong(&database.tables, ends)?;
        Some(format!(
            "{level:?}: {why}\n    {}",
            database.trace.join("\n    ")
        ))
    })
}

fn holds(
    tables: &Tables,
    programs: &[Vec<Statement>; 2],
    wrong: impl Fn(&Tables, [End; 2]) -> Option<&'static str> + Copy,
) {
    for level in LEVELS {
        assert_eq!(explore(level, tables, programs, wrong), None);
    }
}

fn fails(
    levels: &[Level],
    tables: &Tables,
    programs: &[Vec<Statement>; 2],
    wrong: impl Fn(&Tables, [End; 2]) -> Option<&'static str> + Copy,
) {
    for level in LEVELS {
        let found = explore(level, tables, programs, wrong);
        assert_eq!(
            found.is_some(),
            levels.contains(&level),
            "{level:?}: {found:?}"
        );
        println!("{}", found.unwrap_or_default());
    }
}

/// Exactly one of two loads of the same entry.
fn once(tables: &Tables, ends: [End; 2]) -> Option<&'static str> {
    match tables["target"].len() {
        0 if ends.contains(&End::Committed) => Some("nothing was loaded"),
        0 | 1 => None,
        _ => Some("the rows were loaded twice"),
    }
}

fn target() -> Statement {
    Statement::Insert("target", row(5, "A", ""))
}

fn loaded_up_to_4() -> Tables {
    BTreeMap::from([("ledger", vec![row(4, "-", "-")]), ("target", Vec::new())])
}

/// Moves the ledger, then looks for the submission: what is promised.
fn claim(submission: &'static str) -> Vec<Statement> {
    let found: fn(&[Row]) -> bool = match submission {
        "first" => |rows| matches!(rows, [row] if row.submission == "first"),
        _ => |rows| matches!(rows, [row] if row.submission == "second"),
    };
    vec![
        Statement::Update(
            "ledger",
            |row| row.position == 4,
            Box::new(row(5, "A", submission)),
        ),
        Statement::Check("ledger", found),
    ]
}

#[test]
fn a_claim_with_an_id_of_its_own_lets_one_of_two_loads_through() {
    let load = |submission| [claim(submission), vec![target()]].concat();
    holds(&loaded_up_to_4(), &[load("first"), load("second")], once);
    // Claimed last, it holds as well; the loser has copied everything by then.
    let late = |submission| [vec![target()], claim(submission)].concat();
    holds(&loaded_up_to_4(), &[late("first"), late("second")], once);
}

#[test]
fn a_guard_that_looks_for_the_attempt_lets_both_through() {
    let load = vec![
        Statement::Update("ledger", |row| row.position == 4, Box::new(row(5, "A", ""))),
        Statement::Check("ledger", |rows| matches!(rows, [row] if row.attempt == "A")),
        target(),
    ];
    fails(&LEVELS, &loaded_up_to_4(), &[load.clone(), load], once);
}

#[test]
fn a_submission_that_is_carried_out_twice_needs_a_claim_that_ends_with_it() {
    // The id alone: a second execution of the same text finds what the first one left.
    let load = [claim("first"), vec![target()]].concat();
    fails(&LEVELS, &loaded_up_to_4(), &[load.clone(), load], once);

    // The claim is only there within the transaction: the last statement takes it back.
    let claimed = Row {
        claim: "first",
        ..row(5, "A", "first")
    };
    let load = vec![
        Statement::Update("ledger", |row| row.position == 4, Box::new(claimed)),
        Statement::Check(
            "ledger",
            |rows| matches!(rows, [row] if row.claim == "first"),
        ),
        target(),
        Statement::Update(
            "ledger",
            |row| row.claim == "first",
            Box::new(row(5, "A", "first")),
        ),
    ];
    holds(&loaded_up_to_4(), &[load.clone(), load], once);
}

#[test]
fn a_ledger_row_that_is_inserted_lets_both_through() {
    let load = vec![
        Statement::Check("ledger", |rows| !rows.iter().any(|row| row.position == 5)),
        target(),
        Statement::Insert("ledger", row(5, "A", "")),
    ];
    fails(
        &[Level::Snapshot, Level::ReadCommitted],
        &loaded_up_to_4(),
        &[load.clone(), load],
        once,
    );
}

#[test]
fn a_ledger_is_created_with_its_row() {
    let one = |tables: &Tables, _: [End; 2]| (tables["ledger"].len() != 1).then_some("not one row");
    let create = vec![Statement::Create("ledger", vec![row(0, "-", "-")])];
    holds(&Tables::new(), &[create.clone(), create], one);
    let insert = vec![Statement::InsertIfEmpty("ledger", row(0, "-", "-"))];
    let empty = BTreeMap::from([("ledger", Vec::new())]);
    fails(&[Level::Snapshot], &empty, &[insert.clone(), insert], one);
}
