//! What many batches leave behind in a plugin: its memory after 10,000 of them, and after 100,000.
//!
//! Each goes through a transform with state and through one that computes every column again. An instance that is worn is replaced
//! as a run does it, its state handed on: Python's runner loses what it hands over, and memory never shrinks.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use transom_plugin::{Input, Instance, InstanceOptions, OpenedTransform, Plugin};

use crate::common::Result;
use crate::common::guests::{self, LANGUAGES, conformance};

const FEW: usize = 10_000;
const MANY: usize = 100_000;
const ROWS: usize = 128;

/// How much larger the memory after many batches may be than after few.
const FLAT: f64 = 1.1;

/// Prints a table of all languages.
pub(crate) fn report() -> Result<()> {
    let runtime = guests::runtime()?;
    println!(
        "| {MANY} batches of {ROWS} rows, two transforms | time | guest's memory: largest after {FEW} | after {MANY} | \
         this process after {FEW} | after {MANY} | instances replaced | flat |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    for language in LANGUAGES {
        let plugin = guests::load(&runtime, &conformance(language))?;
        let start = Instant::now();
        let mut running = Running::start(&plugin)?;
        let few = running.run(FEW)?;
        let many = running.run(MANY - FEW)?;
        let is_flat = |few: usize, many: usize| many as f64 <= FLAT * few as f64;
        let flat = is_flat(few.largest, many.largest) && is_flat(few.resident, many.resident);
        let mebibytes = |bytes| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
        println!(
            "| {language} | {:.1?} | {} | {} | {} | {} | {} | {} |",
            start.elapsed(),
            mebibytes(few.largest),
            mebibytes(many.largest),
            mebibytes(few.resident),
            mebibytes(many.resident),
            running.replaced,
            if flat { "yes" } else { "no" }
        );
    }
    Ok(())
}

/// Bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    /// Linear memory of any instance so far, at its largest.
    largest: usize,
    /// This process's, at its largest whenever it was looked at.
    resident: usize,
}

/// An instance is replaced after some thousand batches, and before that memory is at its largest.
const LOOK_EVERY: usize = 100;

struct Running {
    plugin: Arc<Plugin>,
    batch: RecordBatch,
    guest: Guest,
    total: i64,
    memory: Memory,
    replaced: usize,
}

impl Running {
    fn start(plugin: &Arc<Plugin>) -> Result<Self> {
        let texts = (0..ROWS).map(|row| format!("{row:0100}"));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
        let batch = RecordBatch::try_from_iter([("v", numbers), ("s", texts)])?;
        Ok(Self {
            plugin: Arc::clone(plugin),
            guest: Guest::start(plugin, &batch)?,
            batch,
            total: 0,
            memory: Memory {
                largest: 0,
                resident: 0,
            },
            replaced: 0,
        })
    }

    fn run(&mut self, batches: usize) -> Result<Memory> {
        for number in 0..batches {
            let Guest {
                instance,
                sum,
                echo,
            } = &mut self.guest;
            let summed = process(instance, sum, &self.batch)?;
            self.total += (ROWS * (ROWS - 1) / 2) as i64;
            let sums = summed.column(2).as_primitive::<Int64Type>();
            assert_eq!(sums.value(ROWS - 1), self.total, "no row is lost");
            let echoed = process(instance, echo, &self.batch)?;
            assert_eq!(echoed, self.batch, "what came back is what went in");
            let memory = &mut self.memory;
            memory.largest = memory.largest.max(instance.peak_memory());
            if number % LOOK_EVERY == 0 {
                memory.resident = memory.resident.max(resident()?);
            }
            self.replace_worn()?;
        }
        Ok(self.memory)
    }

    fn replace_worn(&mut self) -> Result<()> {
        if !self.guest.instance.is_worn() {
            return Ok(());
        }
        let guest = &mut self.guest;
        let state = guest.instance.save(&guest.sum)?;
        self.guest = Guest::start(&self.plugin, &self.batch)?;
        self.guest.instance.restore(&self.guest.sum, &state)?;
        self.guest.instance.settle();
        self.replaced += 1;
        Ok(())
    }
}

/// An instance with both transforms open.
struct Guest {
    instance: Instance,
    sum: OpenedTransform,
    echo: OpenedTransform,
}

impl Guest {
    fn start(plugin: &Arc<Plugin>, batch: &RecordBatch) -> Result<Self> {
        let mut instance = plugin.instantiate(InstanceOptions::default())?;
        let schema = batch.schema();
        Ok(Self {
            sum: instance.open_transform("running_sum", &schema, r#"{"column": "v"}"#)?,
            echo: instance.open_transform("echo", &schema, "{}")?,
            instance,
        })
    }
}

fn process(
    instance: &mut Instance,
    transform: &OpenedTransform,
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    let columns: Vec<Option<ArrayRef>> = batch.columns().iter().cloned().map(Some).collect();
    let keep: Vec<usize> = (0..transform.output.len()).collect();
    let input = Input::new(&columns, batch.num_rows(), &keep, &transform.schema);
    let mut outcome = instance.process(transform, &input)?;
    Ok(outcome.batches.pop().ok_or("the guest gave nothing back")?)
}

/// Resident memory of this process, in bytes.
fn resident() -> Result<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split(' ').nth(1).ok_or("`statm` has another form")?;
    // SAFETY: it asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(resident.parse::<usize>()? * usize::try_from(page)?)
}
