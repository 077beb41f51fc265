//! A pipeline that loads files of a folder into a table, one file per slice.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use transom_file::{LoadOptions, load};
use transom_pipeline::Job;
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sources};
use transom_plugin::{Limits, Machine, Plugin, Runtime, RuntimeOptions, compile_ahead};

#[path = "../../../tests/guests/echo.rs"]
mod echo;

const PIPELINE: &str = "name: orders
sources:
  raw: { path: raw/, format: csv, incremental: new_files }
steps:
  out: { sql: 'SELECT customer, amount FROM raw' }
sinks:
  out: { from: out, path: out, format: csv, mode: append }
slices: { files: 1 }
targets:
  test: { state: { path: state } }
";

/// The pipeline's folder, with some files of two rows each.
pub(crate) struct World {
    folder: TempDir,
    files: usize,
}

impl World {
    pub(crate) fn new(files: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("transom.yaml"), PIPELINE).unwrap();
        std::fs::create_dir(folder.path().join("raw")).unwrap();
        for file in 0..files {
            let path = folder.path().join(format!("raw/{file}.csv"));
            std::fs::write(path, format!("customer,amount\na,{file}\nb,{file}\n")).unwrap();
        }
        let world = Self { folder, files };
        world.lock(vec![]);
        world
    }

    /// With a function of a plugin in the query, compiled as `transom package` does.
    pub(crate) fn with_plugin(files: usize) -> Self {
        let world = Self::new(files);
        let pipeline = PIPELINE.replace(
            "SELECT customer, amount",
            "SELECT customer, echo.gcd(amount, 0) AS amount",
        );
        // Nothing is at the path.
        let pipeline = format!("plugins:\n  echo: {{ path: plugins/echo }}\n{pipeline}");
        std::fs::write(world.pipeline(), pipeline).unwrap();
        let runtime = Runtime::new(RuntimeOptions {
            cache: transom_build::cache_folder()
                .map(|folder| folder.join("compiled"))
                .ok(),
            ..RuntimeOptions::default()
        });
        let (runtime, path) = (runtime.unwrap(), echo::component().to_owned());
        let plugin = runtime.load("echo", &path, Limits::default()).unwrap();
        let machine = Machine::of_this_program().unwrap();
        let compiled = world.path().join("compiled");
        compile_ahead(&runtime, &[(Arc::clone(&plugin), path)], machine, &compiled).unwrap();
        world.lock(vec![plugin]);
        world
    }

    fn lock(&self, plugins: Vec<Arc<Plugin>>) {
        let options = LoadOptions {
            is_packaged: true,
            ..LoadOptions::default()
        };
        let job = Job::new(load(&self.pipeline(), &options).unwrap(), plugins);
        let (sources, part) = (Sources::Open, Part::default());
        let plan = || {
            tokio::runtime::Runtime::new()
                .unwrap()
                .block_on(job.plan(sources, &part))
        };
        // A test may be on a thread of a runtime of its own.
        let planned = std::thread::scope(|scope| scope.spawn(plan).join().unwrap().unwrap());
        let lock = Lock::new(&job.pipeline, &planned.source_schemas(), &job.plugins);
        lock.write(&Lock::path_of(&job.pipeline)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pipeline(&self) -> PathBuf {
        self.path().join("transom.yaml")
    }

    /// The rows that the table should hold, as lines of CSV.
    pub(crate) fn expected(&self) -> Vec<String> {
        let rows = |customer| (0..self.files).map(move |file| format!("{customer},{file}"));
        let mut rows: Vec<String> = rows("a").chain(rows("b")).collect();
        rows.sort();
        rows
    }

    /// The rows that readers find in the table.
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for text in texts(&self.path().join("out")) {
            rows.extend(text.lines().skip(1).map(str::to_owned));
        }
        rows.sort();
        rows
    }

    /// All documents of the log.
    pub(crate) fn log(&self) -> String {
        texts(&self.path().join("state")).join("\n")
    }
}

/// The texts of all files in a folder and below, as readers of tables find them: without hidden names.
fn texts(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_hidden = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(['.', '_'])
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| !is_hidden(path));
    let of = |path: PathBuf| match path.is_dir() {
        true => texts(&path),
        false => vec![String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()],
    };
    paths.flat_map(of).collect()
}
