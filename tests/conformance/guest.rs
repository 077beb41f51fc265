//! The guest of each language, built and loaded once, and ways to call it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch};
use transom_plugin::{
    End, Error, Input, Instance, InstanceOptions, Limits, OpenedTransform, Plugin, Result, Runtime,
    RuntimeOptions, TransformOutcome,
};
use transom_tests::runner::python_runner;

/// Tests that run for each language, by name.
pub(crate) type Tests = &'static [(&'static str, fn(Language))];

/// A language that has an SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Go,
    Python,
}

impl Language {
    pub(crate) const ALL: [Self; 3] = [Self::Rust, Self::Go, Self::Python];

    /// The folder of its guest.
    pub(crate) fn folder(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("conformance/guests")
            .join(self.to_string())
    }

    /// Its guest, built if its source is newer.
    pub(crate) fn plugin(self) -> Arc<Plugin> {
        static PLUGINS: [OnceLock<Arc<Plugin>>; 3] = [const { OnceLock::new() }; 3];
        let plugin = PLUGINS[self as usize].get_or_init(|| self.plugin_with(Limits::default()));
        Arc::clone(plugin)
    }

    /// Its guest with limits of its own.
    pub(crate) fn plugin_with(self, limits: Limits) -> Arc<Plugin> {
        let options = transom_build::BuildOptions {
            quiet: true,
            ..Default::default()
        };
        let built = transom_build::up_to_date(&self.folder(), &options, || ());
        let component = built.unwrap_or_else(|error| panic!("{error}")).component;
        runtime().load("conformance", &component, limits).unwrap()
    }

    /// A fresh instance of its guest.
    pub(crate) fn instance(self) -> Instance {
        self.plugin()
            .instantiate(InstanceOptions::default())
            .unwrap()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Python => "python",
        })
    }
}

/// The one engine of this process. `just test` builds the runner before it runs the tests.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| runtime_with(compiled()))
}

/// Where [`runtime`] keeps compiled code.
pub(crate) fn compiled() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// An engine with a cache of its own.
pub(crate) fn runtime_with(cache: PathBuf) -> Runtime {
    Runtime::new(RuntimeOptions {
        cache: Some(cache),
        python_runner: Some(python_runner(env!("CARGO_TARGET_TMPDIR"))),
        python_runner_digest: Some(transom_build::python_runner_digest),
    })
    .unwrap()
}

/// What a transform gave for all its input.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// In their order.
    pub(crate) batches: Vec<RecordBatch>,
    /// Batch of the input, row in it, reason.
    pub(crate) rejected: Vec<(usize, u32, String)>,
}

impl Ran {
    fn take(&mut self, batch: usize, outcome: &mut TransformOutcome) {
        self.batches.append(&mut outcome.batches);
        let rejected = outcome.rejected.drain(..);
        self.rejected
            .extend(rejected.map(|rejected| (batch, rejected.row, rejected.reason)));
    }
}

/// Hands `input` to an opened transform, batch after batch, and then the end.
pub(crate) fn run(
    instance: &mut Instance,
    opened: &OpenedTransform,
    input: &[RecordBatch],
    end: End,
) -> Result<Ran, Error> {
    let mut ran = Ran::default();
    for (number, batch) in input.iter().enumerate() {
        let columns: Vec<Option<ArrayRef>> = batch.columns().iter().cloned().map(Some).collect();
        let keep: Vec<usize> = (0..opened.output.len()).collect();
        let input = Input::new(&columns, batch.num_rows(), &keep, &opened.schema);
        let mut outcome = instance.process(opened, &input)?;
        ran.take(number, &mut outcome);
        while outcome.more {
            outcome = instance.pull(opened, Some(&input))?;
            ran.take(number, &mut outcome);
        }
    }
    let mut outcome = instance.finish(opened, end)?;
    ran.take(input.len(), &mut outcome);
    while outcome.more {
        outcome = instance.pull(opened, None)?;
        ran.take(input.len(), &mut outcome);
    }
    Ok(ran)
}
