//! From a parsed query to a plan of DataFusion's.
//!
//! [`Binder`] walks over a query and lets through what Redshift has, node by node and field by field: what it does
//! not know is refused. On the way names become objects, functions become those that compute them, and what
//! DataFusion lacks (`TOP`, `MINUS`, names of unnamed columns) becomes what it has.

mod blanks;
mod branches;
mod calls;
mod expr;
mod from;
mod intervals;
mod late;
mod lengths;
mod list;
mod literals;
mod names;
mod path;
mod plan;
mod query;
mod recursion;
mod scope;
mod subquery;
mod used;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart};

pub(crate) use expr::{call, call_cast, query, select};
pub(crate) use names::{Resolved, ident, table};
pub(crate) use plan::{Query, constants, planner, run, streams};
pub(crate) use used::uses;

use self::scope::{Finished, Place, Scope};
use crate::catalog::{Catalog, Id};
use crate::engine::Isolation;
use crate::error::{self, Error, Result};
use crate::run::settings::Settings;
use crate::syntax::check_names;
use crate::types::show::Digits;

/// What a statement runs in.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) pid: u32,
    /// Schemas in which names without one are looked up.
    pub(crate) path: Vec<Id>,
    /// The schema of the session's temporary tables.
    pub(crate) temporary: Id,
    /// When the statement and its transaction started, in microseconds since 1970.
    pub(crate) now: i64,
    pub(crate) transaction_started: i64,
    /// Rows of the last COPY and UNLOAD.
    pub(crate) last_copy: i64,
    pub(crate) last_unload: i64,
    /// Numbers of the statement, and of those before it.
    pub(crate) number: u64,
    pub(crate) last_ids: LastIds,
    /// How many digits floats have as texts.
    pub(crate) digits: Digits,
    pub(crate) settings: Settings,
    pub(crate) isolation: Isolation,
}

/// Numbers of statements that a session ran.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastIds {
    /// The last one that compute nodes had to do with.
    pub(crate) query: Option<u64>,
    pub(crate) copy: Option<u64>,
    pub(crate) unload: Option<u64>,
}

impl Context {
    /// The value of a parameter of the session.
    fn setting(&self, name: &str) -> Result<String> {
        self.settings.shown(name, self.isolation)
    }
}

/// Rewrites a query.
#[derive(Debug)]
pub(crate) struct Binder<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) context: &'a Context,
    /// Names of WITH clauses around, with their columns if these are known.
    with: Vec<BTreeMap<String, Option<BTreeSet<String>>>>,
    /// What names stand for within a view.
    bound: Vec<BTreeMap<String, Id>>,
    /// The columns of tables that a view was made with.
    bound_columns: BTreeMap<Id, Vec<(u32, String)>>,
    /// Tables that are read.
    pub(crate) tables: BTreeSet<Id>,
    /// Objects by the names that were used for them.
    pub(crate) used: BTreeMap<String, Id>,
    /// A function of the leader node.
    leader: Option<String>,
    /// Whether a function is used that only compute nodes have.
    is_for_tables: bool,
    /// What names mean in the queries around, the innermost last.
    scopes: Vec<Scope>,
    /// Where the next query stands.
    place: Place,
    /// What is known of the query that was rewritten last.
    finished: Finished,
    depth: usize,
    /// Expressions that were written out again; see [`Binder::note_copies`].
    copied: usize,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(catalog: &'a Catalog, context: &'a Context) -> Self {
        Self {
            catalog,
            context,
            with: Vec::new(),
            bound: Vec::new(),
            bound_columns: BTreeMap::new(),
            tables: BTreeSet::new(),
            used: BTreeMap::new(),
            leader: None,
            is_for_tables: false,
            scopes: Vec::new(),
            place: Place::default(),
            finished: Finished::default(),
            depth: 0,
            copied: 0,
        }
    }

    /// An error for functions of the leader node beside tables, and for those of compute nodes without any.
    fn check_leader(&self) -> Result<()> {
        if self.is_for_tables && self.tables.is_empty() {
            return Err(Error::new(&error::TABLE_ONLY, &[]));
        }
        match &self.leader {
            Some(function) if !self.tables.is_empty() => Err(Error::new(&error::LEADER_ONLY, &[])
                .hint(format!("Function \"{function}\" not supported."))),
            _ => Ok(()),
        }
    }
}

/// The parts of a name.
pub(crate) fn plain_name(name: &ObjectName) -> Vec<String> {
    let parts = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => ident.value.clone(),
        ObjectNamePart::Function(function) => function.to_string(),
    });
    parts.collect()
}

/// The names of a list of columns.
pub(crate) fn column_names(columns: &[ObjectName]) -> Result<Vec<String>> {
    columns.iter().try_for_each(check_names)?;
    Ok(columns.iter().flat_map(plain_name).collect())
}

/// What Redshift does not parse.
fn syntax(near: &str) -> Error {
    Error::new(&error::SYNTAX_ERROR, &[&near])
}

fn unsupported(what: &str) -> Error {
    Error::new(&error::UNSUPPORTED, &[&what])
}
