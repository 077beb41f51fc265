//! The engine: one folder, many sessions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use datafusion::execution::SessionState;
use parking_lot::{Mutex, RwLock};

use crate::bind;
use crate::catalog::{Catalog, Id, PUBLIC};
use crate::error::{Error, Result};
use crate::history::Statements;
use crate::load::{LoadError, Objects};
#[cfg(feature = "testing")]
use crate::mutant::Mutant;
use crate::session::Session;
pub use crate::store::OpenError;
use crate::store::{Change, Store};
use crate::transaction::{History, Locks, keep};

/// How transactions that run at once see each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Each reads what was committed when it started, and writers of the same rows conflict. The default of Redshift.
    #[default]
    Snapshot,
    /// As if they had run one after the other.
    Serializable,
}

/// How an engine is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of its data, which is created if need be.
    pub data: PathBuf,
    /// The isolation of all transactions.
    pub isolation: Isolation,
    /// Where COPY and UNLOAD find buckets.
    pub objects: Arc<dyn Objects>,
    /// The name of the database.
    pub database: String,
}

/// A Redshift over a folder.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) current: RwLock<Arc<Catalog>>,
    /// Held while a commit goes to the disk.
    pub(crate) committing: Mutex<()>,
    pub(crate) next_id: AtomicU64,
    pub(crate) next_transaction: AtomicU64,
    next_pid: AtomicU32,
    pub(crate) identities: Mutex<BTreeMap<Id, i64>>,
    pub(crate) locks: Locks,
    pub(crate) history: Mutex<History>,
    pub(crate) isolation: Isolation,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) database: String,
    /// A session of DataFusion, from which those of statements are made.
    pub(crate) planner: SessionState,
    /// For rows of constants.
    pub(crate) constants: SessionState,
    /// Rows that were not loaded; they survive a rollback.
    pub(crate) load_errors: Mutex<Vec<LoadError>>,
    pub(crate) ran: Statements,
    #[cfg(feature = "testing")]
    mutant: std::sync::OnceLock<Mutant>,
}

impl Shared {
    pub(crate) fn current(&self) -> Arc<Catalog> {
        Arc::clone(&self.current.read())
    }

    /// Whether a rule is left out.
    #[cfg(feature = "testing")]
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant.get() == Some(&mutant)
    }

    fn reset(&self) -> Result<()> {
        let _one_at_a_time = self.committing.lock();
        let current = self.current();
        let mut next = Catalog::default();
        next.number = current.number + 1;
        let mut change = Change::default();
        for object in current.objects() {
            match object.id() == PUBLIC {
                true => next.put(object.clone()),
                false => {
                    let dropped = (Some(object.clone()), None);
                    change.objects.insert(object.id(), dropped);
                }
            }
        }
        let next_id = self.next_id.load(Ordering::Relaxed);
        self.store.commit(next.number, next_id, &change)?;
        for object in current.objects() {
            keep(Some(object), None);
        }
        *self.current.write() = Arc::new(next);
        self.load_errors.lock().clear();
        self.ran.clear();
        Ok(())
    }

    pub(crate) fn new_id(&self) -> Id {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl Engine {
    /// Opens or creates the data in a folder that this process owns.
    ///
    /// # Errors
    /// If files cannot be read or written, or are damaged.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let path = &options.data;
        std::fs::create_dir_all(path).map_err(|source| OpenError::Files {
            path: path.clone(),
            source,
        })?;
        let (store, contents) = Store::open(path)?;
        let planner = bind::planner();
        let shared = Shared {
            store,
            current: RwLock::new(Arc::new(contents.catalog)),
            committing: Mutex::new(()),
            next_id: AtomicU64::new(contents.next_id),
            next_transaction: AtomicU64::new(1_000),
            next_pid: AtomicU32::new(1_073_741_825),
            identities: Mutex::new(contents.identities),
            locks: Locks::default(),
            history: Mutex::default(),
            isolation: options.isolation,
            objects: options.objects,
            database: options.database,
            constants: bind::constants(planner.clone()),
            planner,
            load_errors: Mutex::default(),
            ran: Statements::default(),
            #[cfg(feature = "testing")]
            mutant: std::sync::OnceLock::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// A new session of a user.
    pub fn session(&self, user: &str) -> Session {
        let pid = self.shared.next_pid.fetch_add(1, Ordering::Relaxed);
        Session::new(Arc::clone(&self.shared), user, pid)
    }

    /// Leaves a rule out from now on. The first one counts.
    #[cfg(feature = "testing")]
    pub fn leave_out(&self, mutant: Mutant) {
        self.shared.mutant.get_or_init(|| mutant);
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        &self.shared.database
    }

    /// Deletes everything. Transactions that are open fail when they commit.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn reset(&self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let reset = tokio::task::spawn_blocking(move || shared.reset());
        reset.await.map_err(Error::internal)?
    }

    /// Numbers of tables and of their rows, for a status.
    pub fn contents(&self) -> (u64, u64) {
        let current = self.shared.current();
        let tables = current.objects().filter_map(|object| match object {
            crate::catalog::Object::Table(table) => Some(table.rows()),
            _ => None,
        });
        tables.fold((0, 0), |(tables, rows), more| (tables + 1, rows + more))
    }
}
