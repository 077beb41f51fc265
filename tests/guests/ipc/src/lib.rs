//! The baseline of the border's benchmark: reads an Arrow IPC stream, and writes its batches as another one.
//!
//! That is how a batch crosses in projects that have no contract of their own for it. Both directions are arrow-ipc's plain
//! reader and writer; the only thing done for speed is to reserve the output.

#![allow(
    missing_docs,
    clippy::all,
    reason = "what `generate!` makes documents itself in the contract"
)]

wit_bindgen::generate!({
    world: "transom:ipc/ipc",
    path: ["../../../wit", "wit"],
    generate_all,
});

use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use exports::transom::plugin::meta;

struct Ipc;

impl meta::Guest for Ipc {
    fn describe() -> Result<meta::Description, meta::Error> {
        Ok(meta::Description {
            name: "ipc".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: Vec::new(),
            transforms: Vec::new(),
        })
    }
}

impl Guest for Ipc {
    fn run(batch: Vec<u8>) -> Result<Vec<u8>, String> {
        let said = |error: arrow_schema::ArrowError| error.to_string();
        let reader = StreamReader::try_new(batch.as_slice(), None).map_err(said)?;
        let output = Vec::with_capacity(batch.len());
        let mut writer = StreamWriter::try_new(output, &reader.schema()).map_err(said)?;
        for batch in reader {
            writer.write(&batch.map_err(said)?).map_err(said)?;
        }
        writer.into_inner().map_err(said)
    }
}

export!(Ipc);
