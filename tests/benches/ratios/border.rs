//! What it costs that a batch goes into a guest and comes back.
//!
//! The guest gives the batch back as it came, so all of the time is the border's: both copies, and the checks of what came back.
//! Baselines are two copies of the same bytes, in one piece and buffer by buffer (which is faster: long copies take another way
//! through the C library and the caches), and what others do, an Arrow IPC stream in a list of bytes.

use std::hint::black_box;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};

use super::common::Result;
use super::common::data;
use super::common::guests;
use super::common::measure::{Comparison, Target, interleaved};
use super::crossing::Crossing;
use super::ipc::Ipc;

/// DataFusion's batches have as many.
const ROWS: usize = 8192;
const ROUNDS: usize = 3000;

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let batch = data::table(ROWS)?;
    let plugin = guests::load(&guests::runtime()?, "tests/guests/echo")?;
    let mut echo = Crossing::open(&plugin, "echo", r#"{"reads": "all"}"#, &batch)?;
    let mut pass = Crossing::open(&plugin, "pass", r#"{"column": "number_0"}"#, &batch)?;
    let mut ipc = Ipc::start(batch.clone())?;
    let mut block = Copies::as_one(&batch);
    let mut pieces = Copies::in_pieces(&batch);
    assert_eq!(echo.cross()?, batch, "what came back is what went in");
    assert_eq!(pass.cross()?, batch, "what was passed on is what went in");
    assert_eq!(ipc.cross()?, batch, "what came back is what went in");

    let [block_copied, pieces_copied, echoed, passed, streamed] = interleaved(
        ROUNDS,
        [
            &mut || block.copy(),
            &mut || pieces.copy(),
            &mut || echo.cross().map(drop),
            &mut || pass.cross().map(drop),
            &mut || ipc.cross().map(drop),
        ],
    )?;
    let identity = format!(
        "identity, {ROWS} rows x 6 columns, {} bytes",
        pieces.bytes()
    );
    let comparison = |name: &str, baseline: (&'static str, Duration), ours, target| Comparison {
        name: name.to_owned(),
        baseline,
        ours,
        target,
        split: None,
    };
    Ok(vec![
        comparison(
            &identity,
            ("two copies of one block", block_copied),
            echoed,
            Target::Slower(1.5),
        ),
        comparison(
            &identity,
            ("two copies, buffer by buffer", pieces_copied),
            echoed,
            Target::Slower(1.5),
        ),
        comparison(
            &identity,
            ("Arrow IPC stream", streamed),
            echoed,
            Target::Faster(2.5),
        ),
        comparison(
            "one column of six read, six passed on",
            ("all six crossing", echoed),
            passed,
            Target::Faster(3.0),
        ),
    ])
}

/// The batch's bytes, copied from buffers into others and from there into others again.
struct Copies {
    buffers: Vec<Vec<u8>>,
    inside: Vec<Vec<u8>>,
    outside: Vec<Vec<u8>>,
}

impl Copies {
    /// Buffer by buffer, as the border has to.
    fn in_pieces(batch: &RecordBatch) -> Self {
        let data = batch.columns().iter().map(|column| column.to_data());
        let buffers = data.flat_map(|data| data.buffers().to_vec());
        Self::of(buffers.map(|buffer| buffer.to_vec()).collect())
    }

    /// As one block.
    fn as_one(batch: &RecordBatch) -> Self {
        Self::of(vec![Self::in_pieces(batch).buffers.concat()])
    }

    fn of(buffers: Vec<Vec<u8>>) -> Self {
        Self {
            inside: buffers.clone(),
            outside: buffers.clone(),
            buffers,
        }
    }

    fn bytes(&self) -> usize {
        self.buffers.iter().map(Vec::len).sum()
    }

    fn copy(&mut self) -> Result<()> {
        for (from, to) in self.buffers.iter().zip(&mut self.inside) {
            to.copy_from_slice(from);
        }
        // Without it the compiler may see through to the first buffers.
        black_box(&mut self.inside);
        for (from, to) in self.inside.iter().zip(&mut self.outside) {
            to.copy_from_slice(from);
        }
        black_box(&mut self.outside);
        Ok(())
    }
}
