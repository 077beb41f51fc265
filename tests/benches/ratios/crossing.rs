//! A transform that is handed the same batch again and again.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use transom_plugin::{Input, Instance, InstanceOptions, OpenedTransform, Plugin, Timing};

use super::common::Result;

/// A transform that is ready to be given a batch. It keeps no state.
pub(crate) struct Crossing {
    plugin: Arc<Plugin>,
    transform: String,
    options: String,
    batch: RecordBatch,
    instance: Instance,
    opened: OpenedTransform,
    columns: Vec<Option<ArrayRef>>,
    keep: Vec<usize>,
}

impl Crossing {
    /// Opens `transform` in an instance of its own for the columns of `batch`.
    pub(crate) fn open(
        plugin: &Arc<Plugin>,
        transform: &str,
        options: &str,
        batch: &RecordBatch,
    ) -> Result<Self> {
        let mut instance = plugin.instantiate(InstanceOptions::default())?;
        let opened = instance.open_transform(transform, &batch.schema(), options)?;
        Ok(Self {
            plugin: Arc::clone(plugin),
            transform: transform.to_owned(),
            options: options.to_owned(),
            batch: batch.clone(),
            instance,
            keep: (0..opened.output.len()).collect(),
            opened,
            columns: batch.columns().iter().cloned().map(Some).collect(),
        })
    }

    /// Hands the batch over once; gives what came of it.
    pub(crate) fn cross(&mut self) -> Result<RecordBatch> {
        let rows = self.batch.num_rows();
        let input = Input::new(&self.columns, rows, &self.keep, &self.opened.schema);
        let mut outcome = self.instance.process(&self.opened, &input)?;
        let answer = outcome.batches.pop().ok_or("the guest gave nothing back")?;
        if !outcome.batches.is_empty() || outcome.more {
            return Err("the guest gave its answer in parts, and one is measured".into());
        }
        // As a run does, and within the time as in a run.
        if self.instance.is_worn() {
            *self = Self::open(&self.plugin, &self.transform, &self.options, &self.batch)?;
        }
        Ok(answer)
    }

    /// Where the time of the instance's calls went.
    pub(crate) fn timing(&self) -> Timing {
        self.instance.timing()
    }
}
