//! The border as others draw it: every batch an Arrow IPC stream in one `list<u8>`, each way.
//!
//! Engine, allocator and interruption are set as ours are. What ours does beside (limits on memory and output, its clock) is left
//! out here, so the comparison errs against ours.

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
};

use super::common::{Result, guests};

mod bindings {
    #![allow(missing_docs, reason = "generated code")]
    #![allow(missing_debug_implementations, reason = "generated code")]
    #![allow(unreachable_pub, reason = "generated code")]

    wasmtime::component::bindgen!({
        world: "transom:ipc/ipc",
        path: ["../wit", "guests/ipc/wit"],
    });
}

/// The guest, and a batch to send through it.
pub(crate) struct Ipc {
    store: Store<()>,
    guest: bindings::Ipc,
    batch: RecordBatch,
    encoded: Vec<u8>,
}

impl Ipc {
    pub(crate) fn start(batch: RecordBatch) -> Result<Self> {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .concurrency_support(false)
            .epoch_interruption(true)
            .memory_init_cow(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(
                PoolingAllocationConfig::default(),
            ));
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, guests::component("tests/guests/ipc")?)?;
        let mut store = Store::new(&engine, ());
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        store.set_epoch_deadline(1);
        let linker = Linker::new(&engine);
        let guest = bindings::Ipc::instantiate(&mut store, &component, &linker)?;
        Ok(Self {
            store,
            guest,
            batch,
            encoded: Vec::new(),
        })
    }

    /// Sends the batch through.
    pub(crate) fn cross(&mut self) -> Result<RecordBatch> {
        self.encoded.clear();
        let mut writer = StreamWriter::try_new(&mut self.encoded, self.batch.schema_ref())?;
        writer.write(&self.batch)?;
        writer.finish()?;
        let answer = self.guest.call_run(&mut self.store, &self.encoded)??;
        let mut batches = StreamReader::try_new(answer.as_slice(), None)?;
        Ok(batches.next().ok_or("the guest gave nothing back")??)
    }
}
