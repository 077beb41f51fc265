//! The checks of a transform, run over made-up rows of the columns that the pipeline gives it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use fastrand::Rng;
use transom_plugin::{
    Accepts, End, Input, Instance, InstanceOptions, OpenedTransform, Plugin, TransformDescription,
    TransformOutcome,
};

use super::check::{Check, Checked, Checks, Given, Verdict, given};
use crate::made_up::made_up;
use crate::outcome::Outcome;

/// Rows of the input.
const ROWS: usize = 200;
/// Of which so many are different: keys come back.
const DIFFERENT: usize = 24;
/// Where the rows are cut for smaller batches.
const CUTS: &[usize] = &[0, 1, 8, 77, ROWS];

const BATCHES: &str = "let no row depend on where a batch ends: what goes on over batches belongs into `self`, and into the state";
const TOGETHER: &str = "keep what belongs to one opening in `self`, not in variables of the module";

const REST: &[Check] = &[
    Check::Empty,
    Check::Nulls,
    Check::Batches,
    Check::Again,
    Check::Together,
];

/// What a transform is given.
#[derive(Debug, Clone)]
pub(super) struct TransformInput {
    /// With the types in which it takes the columns.
    pub(super) schema: SchemaRef,
    /// A JSON object.
    pub(super) options: String,
    /// Rows come sorted by these columns.
    pub(super) order: Vec<(String, SortOptions)>,
}

/// What happens between two batches.
#[derive(Clone, Copy, PartialEq)]
enum Between {
    Nothing,
    /// Another instance goes on from a snapshot.
    Move,
    /// A slice ends, and another instance goes on from the state.
    Save,
}

struct Subject<'a> {
    plugin: &'a Arc<Plugin>,
    name: &'a str,
    input: &'a TransformInput,
    rows: RecordBatch,
}

struct Opened {
    instance: Instance,
    transform: OpenedTransform,
    /// Rows that it was given before.
    before: u32,
}

/// Checks a transform with rows for its input; with the reason why there is none, all checks are passed over.
pub(super) fn check(
    plugin: &Arc<Plugin>,
    transform: &TransformDescription,
    input: &Result<TransformInput, String>,
) -> Vec<Checked> {
    let mut checks = Checks::of(format!("{}.{}", plugin.name(), transform.name));
    let rows = input
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|input| Ok((input, rows(input)?)));
    let (input, rows) = match rows {
        Ok(rows) => rows,
        Err(reason) => {
            checks.skip(&[Check::Open], &reason);
            checks.skip(REST, &reason);
            return checks.done;
        }
    };
    let subject = Subject {
        plugin,
        name: &transform.name,
        input,
        rows,
    };
    let verdict = match given(subject.open()) {
        Ok(Ok(_)) => Verdict::Passed,
        Ok(Err(refusal)) => Verdict::Failed {
            message: format!("it refuses its input: {refusal}"),
            hint: None,
        },
        Err(broken) => broken,
    };
    let is_open = verdict == Verdict::Passed;
    checks.add(Check::Open, verdict);
    if !is_open {
        checks.skip(REST, "it was not opened");
        return checks.done;
    }
    let either = |result: Result<Verdict, Verdict>| result.unwrap_or_else(|broken| broken);
    checks.add(
        Check::Empty,
        either(subject.run(&[], Between::Nothing).map(|_| Verdict::Passed)),
    );
    checks.add(Check::Nulls, either(subject.nulls()));
    let whole = match subject.run(std::slice::from_ref(&subject.rows), Between::Nothing) {
        Ok(Ok(whole)) => whole,
        Ok(Err(refusal)) => {
            let reason = format!("it refuses the made-up rows: {refusal}");
            checks.skip(&REST[2..], &reason);
            return checks.done;
        }
        Err(broken) => {
            checks.add(Check::Batches, broken);
            checks.skip(&REST[3..], "it does not come to the end of the rows");
            return checks.done;
        }
    };
    let same = |ran: Result<Given<Outcome>, Verdict>, what: &str, hint: &str| match ran {
        Ok(Ok(ran)) => Verdict::of_difference(whole.difference(&ran), what, hint),
        Ok(Err(refusal)) => Verdict::failed(format!("{what}: it refuses them: {refusal}"), hint),
        Err(broken) => broken,
    };
    let batches = subject.batches();
    checks.add(
        Check::Batches,
        same(
            subject.run(&batches, Between::Nothing),
            "it gives other rows for the same input in smaller batches",
            BATCHES,
        ),
    );
    checks.add(
        Check::Again,
        same(
            subject.run(std::slice::from_ref(&subject.rows), Between::Nothing),
            "it gives other rows for the same input in another instance",
            "let nothing but the input and the options decide what it gives",
        ),
    );
    checks.add(Check::Together, subject.together(&batches, &whole));
    if plugin.has_runner() {
        checks.add(
            Check::Move,
            same(
                subject.run(&batches, Between::Move),
                "it gives other rows when it moves to a new instance after each batch, as it does in long runs",
                transom_pipeline::testing::MOVED_HINT,
            ),
        );
    }
    if transform.stateful {
        checks.add(
            Check::Save,
            same(
                subject.run(&batches, Between::Save),
                "it gives other rows when its state is saved and restored after each batch",
                "`save` has to give all that the rows so far mean for those to come, and `finish` emits at the end of a slice only \
                 what no later row changes",
            ),
        );
    }
    checks.done
}

impl Subject<'_> {
    fn open(&self) -> transom_plugin::Result<Opened> {
        Opened::new(self.plugin.instantiate(InstanceOptions::default())?, self)
    }

    fn batches(&self) -> Vec<RecordBatch> {
        let cuts = CUTS.windows(2);
        cuts.map(|cut| self.rows.slice(cut[0], cut[1] - cut[0]))
            .collect()
    }

    fn run(&self, batches: &[RecordBatch], between: Between) -> Result<Given<Outcome>, Verdict> {
        given(self.run_to_end(batches, between))
    }

    fn run_to_end(
        &self,
        batches: &[RecordBatch],
        between: Between,
    ) -> transom_plugin::Result<Outcome> {
        let mut all = Outcome::default();
        let mut opened = self.open()?;
        for batch in batches {
            opened.process(batch, &mut all)?;
            let before = opened.before;
            match between {
                Between::Nothing => {}
                Between::Move => {
                    let snapshot = opened.instance.snapshot(&opened.transform)?;
                    opened = self.open()?;
                    opened.instance.resume(&opened.transform, &snapshot)?;
                }
                Between::Save => {
                    opened.finish(End::Slice, &mut all)?;
                    let state = opened.instance.save(&opened.transform)?;
                    opened = self.open()?;
                    opened.instance.restore(&opened.transform, &state)?;
                }
            }
            opened.before = before;
        }
        opened.finish(End::Input, &mut all)?;
        Ok(all)
    }

    fn nulls(&self) -> Result<Verdict, Verdict> {
        let opened = given(self.open())?;
        let Ok(Opened { transform, .. }) = opened else {
            return Ok(Verdict::Passed);
        };
        let null = |indices: &[usize]| {
            let columns =
                self.rows
                    .columns()
                    .iter()
                    .enumerate()
                    .map(|(index, column)| match indices.contains(&index) {
                        true => new_null_array(column.data_type(), column.len()),
                        false => Arc::clone(column),
                    });
            RecordBatch::try_new(self.rows.schema(), columns.collect())
        };
        let can_be_null = |index: &usize| self.rows.schema().field(*index).is_nullable();
        let reads: Vec<usize> = transform
            .reads
            .iter()
            .copied()
            .filter(can_be_null)
            .collect();
        let each = reads.iter().map(|index| vec![*index]);
        for indices in each.chain([reads.clone()]) {
            if let Ok(rows) = null(&indices) {
                let _ = self.run(&[rows], Between::Nothing)?;
            }
        }
        Ok(Verdict::Passed)
    }

    /// Runs it twice in one instance, in turns.
    fn together(&self, batches: &[RecordBatch], whole: &Outcome) -> Verdict {
        let run = || -> transom_plugin::Result<[Outcome; 2]> {
            let mut ran = [Outcome::default(), Outcome::default()];
            let Opened {
                mut instance,
                transform: first,
                ..
            } = self.open()?;
            let second =
                instance.open_transform(self.name, &self.input.schema, &self.input.options)?;
            let openings = [first, second];
            let mut before = 0;
            for batch in batches {
                for (transform, all) in openings.iter().zip(&mut ran) {
                    process(&mut instance, transform, batch, before, all)?;
                }
                before += u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
            }
            for (transform, all) in openings.iter().zip(&mut ran) {
                finish(&mut instance, transform, End::Input, before, all)?;
            }
            Ok(ran)
        };
        let what = "two openings in one instance change each other's rows";
        match given(run()) {
            Ok(Ok(ran)) => {
                let difference = ran.iter().find_map(|ran| whole.difference(ran));
                Verdict::of_difference(difference, what, TOGETHER)
            }
            Ok(Err(refusal)) => Verdict::failed(format!("{what}: {refusal}"), TOGETHER),
            Err(broken) => broken,
        }
    }
}

impl Opened {
    fn new(mut instance: Instance, subject: &Subject<'_>) -> transom_plugin::Result<Self> {
        let TransformInput {
            schema, options, ..
        } = subject.input;
        let transform = instance.open_transform(subject.name, schema, options)?;
        Ok(Self {
            instance,
            transform,
            before: 0,
        })
    }

    fn process(&mut self, batch: &RecordBatch, all: &mut Outcome) -> transom_plugin::Result<()> {
        process(&mut self.instance, &self.transform, batch, self.before, all)?;
        self.before += u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        Ok(())
    }

    fn finish(&mut self, end: End, all: &mut Outcome) -> transom_plugin::Result<()> {
        finish(&mut self.instance, &self.transform, end, self.before, all)
    }
}

fn process(
    instance: &mut Instance,
    transform: &OpenedTransform,
    batch: &RecordBatch,
    before: u32,
    all: &mut Outcome,
) -> transom_plugin::Result<()> {
    let columns: Vec<Option<ArrayRef>> = batch.columns().iter().cloned().map(Some).collect();
    let keep: Vec<usize> = (0..transform.output.len()).collect();
    let input = Input::new(&columns, batch.num_rows(), &keep, &transform.schema);
    let mut outcome = instance.process(transform, &input)?;
    while take(outcome, before, all) {
        outcome = instance.pull(transform, Some(&input))?;
    }
    Ok(())
}

fn finish(
    instance: &mut Instance,
    transform: &OpenedTransform,
    end: End,
    before: u32,
    all: &mut Outcome,
) -> transom_plugin::Result<()> {
    let mut outcome = instance.finish(transform, end)?;
    while take(outcome, before, all) {
        outcome = instance.pull(transform, None)?;
    }
    Ok(())
}

/// Adds what a call gave, with rejected rows counted over all batches; whether there is more of it.
fn take(outcome: TransformOutcome, before: u32, all: &mut Outcome) -> bool {
    let rejected = outcome
        .rejected
        .iter()
        .map(|rejected| before + rejected.row);
    all.rejected.extend(rejected);
    all.batches.extend(outcome.batches);
    outcome.more
}

/// Made-up rows in the order that the pipeline asks for.
fn rows(input: &TransformInput) -> Result<RecordBatch, String> {
    let mut random = Rng::with_seed(7);
    let columns = input.schema.fields().iter().map(|field| {
        let accepts = Accepts::Exact(field.data_type().clone());
        let made = made_up(field.name(), &accepts, DIFFERENT, &mut random);
        let (_, column) = made.ok_or_else(|| {
            let (name, data_type) = (field.name(), transom_pipeline::type_name(field.data_type()));
            format!("values of the type {data_type} cannot be made up for the column `{name}`")
        })?;
        Ok(column)
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, String>>()?;
    let failed = |error: arrow::error::ArrowError| error.to_string();
    let different = RecordBatch::try_new(Arc::clone(&input.schema), columns).map_err(failed)?;
    let picked = (0..ROWS).map(|_| random.u32(0..DIFFERENT as u32));
    let rows = take_record_batch(&different, &picked.collect::<UInt32Array>()).map_err(failed)?;
    let order: Vec<SortColumn> = input
        .order
        .iter()
        .filter_map(|(name, options)| {
            Some(SortColumn {
                values: Arc::clone(rows.column_by_name(name)?),
                options: Some(*options),
            })
        })
        .collect();
    if order.is_empty() {
        return Ok(rows);
    }
    let sorted = lexsort_to_indices(&order, None).map_err(failed)?;
    take_record_batch(&rows, &sorted).map_err(failed)
}
