//! The echo guest, built and loaded once, and shorthands that every test needs.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use transom_plugin::{
    Input, Instance, InstanceOptions, Limits, OpenedTransform, Plugin, Runtime, RuntimeOptions,
    TransformOutcome,
};

#[path = "../../../../tests/guests/echo.rs"]
mod echo;

pub(crate) use echo::component;

/// The one engine of this process.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Runtime::new(RuntimeOptions {
            // Kept between runs of the tests, so that Cranelift runs once for each guest.
            cache: transom_build::cache_folder()
                .map(|folder| folder.join("compiled"))
                .ok(),
            ..RuntimeOptions::default()
        })
        .expect("the engine starts")
    })
}

/// The echo plugin with the default limits.
pub(crate) fn plugin() -> Arc<Plugin> {
    static PLUGIN: OnceLock<Arc<Plugin>> = OnceLock::new();
    Arc::clone(PLUGIN.get_or_init(|| load(Limits::default())))
}

/// The echo plugin with limits of its own.
pub(crate) fn plugin_with(limits: Limits) -> Arc<Plugin> {
    // Loaded once before, its compiled code is in the cache.
    plugin();
    load(limits)
}

fn load(limits: Limits) -> Arc<Plugin> {
    runtime()
        .load("echo", component(), limits)
        .expect("the echo guest loads")
}

/// An instance of the echo plugin with the default limits.
pub(crate) fn instance() -> Instance {
    plugin().instantiate(InstanceOptions::default()).unwrap()
}

/// A batch of columns without names; they are called `c0`, `c1` and so on.
pub(crate) fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let names = (0..columns.len()).map(|index| format!("c{index}"));
    RecordBatch::try_from_iter_with_nullable(
        names
            .zip(columns)
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

/// Calls `process` with all columns of a batch, and keeps every column of the output.
pub(crate) fn process(
    instance: &mut Instance,
    transform: &OpenedTransform,
    batch: &RecordBatch,
) -> transom_plugin::Result<TransformOutcome> {
    with_input(transform, batch, |input| instance.process(transform, input))
}

/// As [`process`], then `pull` until there is no more; every batch of the output.
pub(crate) fn process_and_pull(
    instance: &mut Instance,
    transform: &OpenedTransform,
    batch: &RecordBatch,
) -> Vec<RecordBatch> {
    with_input(transform, batch, |input| {
        let mut outcome = instance.process(transform, input).unwrap();
        let mut batches = std::mem::take(&mut outcome.batches);
        while outcome.more {
            outcome = instance.pull(transform, Some(input)).unwrap();
            batches.append(&mut outcome.batches);
        }
        batches
    })
}

fn with_input<T>(
    transform: &OpenedTransform,
    batch: &RecordBatch,
    call: impl FnOnce(&Input<'_>) -> T,
) -> T {
    let columns: Vec<Option<ArrayRef>> = batch.columns().iter().cloned().map(Some).collect();
    let keep: Vec<usize> = (0..transform.output.len()).collect();
    call(&Input::new(
        &columns,
        batch.num_rows(),
        &keep,
        &transform.schema,
    ))
}

/// A batch of `rows` rows without columns.
pub(crate) fn without_columns(schema: SchemaRef, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, vec![], &options).unwrap()
}

/// An error with everything that caused it.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
