//! What it costs that a batch goes into a guest and comes back.
//!
//! The guest gives the batch back as it came, so all of the time is the border's: both copies, and the checks of what came back.
//! Baselines are what no border by value can beat, two copies of the same bytes, and what others do, an Arrow IPC stream in a
//! list of bytes.

use std::hint::black_box;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use transom_plugin::{Input, Instance, InstanceOptions, OpenedTransform};

use super::common::Result;
use super::common::data;
use super::common::guests;
use super::common::measure::{Comparison, Target, interleaved};
use super::ipc::Ipc;

/// DataFusion's batches have as many.
const ROWS: usize = 8192;
const ROUNDS: usize = 3000;

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let batch = data::table(ROWS)?;
    let plugin = guests::load(&guests::runtime()?, "tests/guests/echo")?;
    let new_instance = || plugin.instantiate(InstanceOptions::default());
    let mut echo = Crossing::open(new_instance()?, "echo", r#"{"reads": "all"}"#, &batch)?;
    let mut pass = Crossing::open(new_instance()?, "pass", r#"{"column": "number_0"}"#, &batch)?;
    let mut ipc = Ipc::start(batch.clone())?;
    let mut copies = Copies::new(&batch);
    assert_eq!(echo.cross()?, batch, "what came back is what went in");
    assert_eq!(pass.cross()?, batch, "what was passed on is what went in");
    assert_eq!(ipc.cross()?, batch, "what came back is what went in");

    if std::env::var_os("ONLY").is_some() {
        for _ in 0..300 {
            echo.cross()?;
        }
        let t0 = echo.instance.timing();
        let start = std::time::Instant::now();
        for _ in 0..100000 {
            echo.cross()?;
        }
        let t = echo.instance.timing();
        let n = (t.calls - t0.calls) as u32;
        eprintln!(
            "{:?} lower {:?} guest {:?} lift {:?}",
            start.elapsed() / n,
            (t.lowering - t0.lowering) / n,
            (t.guest - t0.guest) / n,
            (t.lifting - t0.lifting) / n
        );
        return Ok(vec![]);
    }
    let [copied, echoed, passed, streamed] = interleaved(
        ROUNDS,
        [
            &mut || copies.copy(),
            &mut || echo.cross().map(drop),
            &mut || pass.cross().map(drop),
            &mut || ipc.cross().map(drop),
        ],
    )?;
    let identity = format!(
        "identity, {ROWS} rows x 6 columns, {} bytes",
        copies.bytes()
    );
    let comparison = |name: &str, baseline: (&'static str, Duration), ours, target| Comparison {
        name: name.to_owned(),
        baseline,
        ours,
        target,
    };
    Ok(vec![
        comparison(
            &identity,
            ("two copies", copied),
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

/// A transform that is ready to be given `batch`.
struct Crossing {
    instance: Instance,
    opened: OpenedTransform,
    columns: Vec<Option<ArrayRef>>,
    rows: usize,
    keep: Vec<usize>,
}

impl Crossing {
    fn open(
        mut instance: Instance,
        transform: &str,
        options: &str,
        batch: &RecordBatch,
    ) -> Result<Self> {
        let opened = instance.open_transform(transform, &batch.schema(), options)?;
        Ok(Self {
            keep: (0..opened.output.len()).collect(),
            instance,
            opened,
            columns: batch.columns().iter().cloned().map(Some).collect(),
            rows: batch.num_rows(),
        })
    }

    fn cross(&mut self) -> Result<RecordBatch> {
        let input = Input::new(&self.columns, self.rows, &self.keep, &self.opened.schema);
        let mut outcome = self.instance.process(&self.opened, &input)?;
        Ok(outcome.batches.pop().ok_or("the guest gave nothing back")?)
    }
}

/// The batch's buffers, copied into others and from there into others again.
///
/// Buffer by buffer, as the border has to: one block for all is slower, since what is not aligned in it is copied slowly.
struct Copies {
    buffers: Vec<Buffer>,
    inside: Vec<Vec<u8>>,
    outside: Vec<Vec<u8>>,
}

impl Copies {
    fn new(batch: &RecordBatch) -> Self {
        let data = batch.columns().iter().map(|column| column.to_data());
        let buffers: Vec<Buffer> = data.flat_map(|data| data.buffers().to_vec()).collect();
        let room = || buffers.iter().map(|buffer| buffer.to_vec()).collect();
        Self {
            inside: room(),
            outside: room(),
            buffers,
        }
    }

    fn bytes(&self) -> usize {
        self.buffers.iter().map(Buffer::len).sum()
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
