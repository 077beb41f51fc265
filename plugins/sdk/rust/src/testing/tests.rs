//! Transforms through the test driver: what authors rely on in their own tests.

use super::{Ran, run_slice, run_transform};
use crate::prelude::*;

fn batch(values: &[Option<i64>]) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    let names: ArrayRef = Arc::new(
        (0..values.len())
            .map(|row| Some(format!("n{row}")))
            .collect::<StringArray>(),
    );
    RecordBatch::try_from_iter_with_nullable([("value", values, true), ("name", names, true)])
        .unwrap()
}

fn names(ran: &Ran) -> Vec<String> {
    let names = ran.batches.iter().flat_map(|batch| {
        let names = column::<StringArray>(batch, "name").unwrap();
        names
            .iter()
            .flatten()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    names.collect()
}

/// Adds up and numbers.
#[transform]
#[derive(Default)]
struct RunningSum {
    step: i64,
    state: Sum,
}

#[options]
struct Steps {
    /// Added in each row.
    #[serde(default)]
    step: i64,
}

#[state]
#[derive(Clone, Default)]
struct Sum {
    sum: i64,
}

impl Transform for RunningSum {
    type Options = Steps;
    type State = Sum;

    fn open(_input: &Schema, options: Steps) -> Result<Opened<Self>, Error> {
        let running = RunningSum {
            step: options.step,
            ..Self::default()
        };
        Ok(Opened::new(running)
            .reads(["value"])
            .passes("name")
            .computes(Field::new("sum", DataType::Int64, false)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let values = column::<Int64Array>(batch, "value")?;
        let mut sums = Vec::new();
        for (row, value) in values.iter().enumerate() {
            match value {
                Some(value) => self.state.sum += value + self.step,
                None => output.reject(row, "no value"),
            }
            sums.push(self.state.sum);
        }
        output.emit([Arc::new(Int64Array::from(sums)) as ArrayRef])
    }

    fn save(&self) -> Result<Sum, Error> {
        Ok(self.state.clone())
    }

    fn restore(&mut self, state: Sum) -> Result<(), Error> {
        self.state = state;
        Ok(())
    }
}

#[test]
fn rejected_rows_are_left_out_and_the_others_keep_their_columns() {
    let input = vec![batch(&[Some(1), None, Some(3)]), batch(&[None, Some(5)])];
    let ran = run_transform::<RunningSum>("{}", input).unwrap();
    assert_eq!(names(&ran), ["n0", "n2", "n1"]);
    assert_eq!(
        column::<Int64Array>(&ran.batches[0], "sum")
            .unwrap()
            .values(),
        &[1, 4]
    );
    let rejected: Vec<_> = ran
        .rejected
        .iter()
        .map(|rejected| (rejected.batch, rejected.row))
        .collect();
    assert_eq!(rejected, [(0, 1), (1, 0)]);
}

#[test]
fn a_slice_goes_on_from_the_saved_state() {
    let first = run_slice::<RunningSum>(r#"{"step": 10}"#, None, vec![batch(&[Some(1)])]).unwrap();
    assert_eq!(first.state.as_deref(), Some(r#"{"sum":11}"#));
    let second =
        run_slice::<RunningSum>("{}", first.state.as_deref(), vec![batch(&[Some(1)])]).unwrap();
    assert_eq!(second.state.as_deref(), Some(r#"{"sum":12}"#));
}

#[test]
fn a_state_of_another_shape_is_an_error_not_a_panic() {
    let error = run_slice::<RunningSum>("{}", Some("[]x"), vec![batch(&[])]).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Config);
    assert!(
        error.message().starts_with("the saved state does not fit"),
        "{error}"
    );
}

#[test]
fn wrong_options_name_the_transform_and_the_key() {
    let error = run_transform::<RunningSum>(r#"{"stepp": 1}"#, vec![batch(&[])]).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Config);
    assert!(
        error.message().contains("`running_sum`") && error.message().contains("`stepp`"),
        "{error}"
    );
}

#[test]
fn a_missing_column_is_named_with_those_that_are_there() {
    let other =
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])
            .unwrap();
    let error = run_transform::<RunningSum>("{}", vec![other]).unwrap_err();
    assert_eq!(
        error.message(),
        "there is no column `value`; the columns are `a`"
    );
}

#[test]
fn a_column_of_another_type_is_named_with_both() {
    let error = column::<Float64Array>(&batch(&[]), "value").unwrap_err();
    assert!(
        error
            .message()
            .starts_with("the column `value` is of type Int64, which is not"),
        "{error}"
    );
    assert!(error.message().contains("Float64"), "{error}");
}

/// Gives every row twice, a row at a time.
#[transform(name = "double")]
struct Twice {
    sources: Vec<u32>,
}

impl Transform for Twice {
    type Options = NoOptions;
    type State = ();

    fn open(_input: &Schema, _options: NoOptions) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(Twice {
            sources: Vec::new(),
        })
        .passes(1))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        self.sources = (0..batch.num_rows() as u32)
            .rev()
            .flat_map(|row| [row, row])
            .collect();
        self.pull(output)
    }

    fn pull(&mut self, output: &mut Output) -> Result<(), Error> {
        if let Some(source) = self.sources.pop() {
            output.emit_rows([], vec![source])?;
            output.more();
        }
        Ok(())
    }
}

#[test]
fn an_exploding_transform_is_pulled_until_it_has_no_more() {
    let ran = run_transform::<Twice>("", vec![batch(&[None, None]), batch(&[None])]).unwrap();
    assert_eq!(names(&ran), ["n0", "n0", "n1", "n1", "n0", "n0"]);
    assert_eq!(ran.state, None);
    assert_eq!(<Twice as crate::Described>::NAME, "double");
}

/// Emits in ways that `open` did not promise.
#[transform]
struct Liar {
    lie: String,
}

#[options]
struct Lie {
    lie: String,
}

impl Transform for Liar {
    type Options = Lie;
    type State = ();

    fn open(_input: &Schema, options: Lie) -> Result<Opened<Self>, Error> {
        let liar = Liar { lie: options.lie };
        Ok(Opened::new(liar)
            .passes_all()
            .computes(Field::new("number", DataType::Int64, false)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let rows = batch.num_rows();
        let numbers = |rows: usize| [Arc::new(Int64Array::from(vec![7; rows])) as ArrayRef];
        match self.lie.as_str() {
            "columns" => output.emit([]),
            "type" => output.emit([Arc::new(Float64Array::from(vec![1.0; rows])) as ArrayRef]),
            "nulls" => output.emit([Arc::new(Int64Array::new_null(rows)) as ArrayRef]),
            "rows" => output.emit(numbers(rows + 1)),
            "source" => output.emit_rows(numbers(1), vec![rows as u32]),
            "lengths" => output.emit_rows(numbers(2), vec![0]),
            "reject" => {
                output.reject(rows, "beyond");
                Ok(())
            }
            "more" => {
                output.more();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, _end: End, output: &mut Output) -> Result<(), Error> {
        if self.lie == "finish" {
            output.emit_new([Arc::new(Int64Array::from(vec![1])) as ArrayRef])?;
        }
        Ok(())
    }
}

#[test]
fn what_was_not_promised_is_refused() {
    for (lie, expected) in [
        ("columns", "emitted 0 columns; `open` promised 1"),
        (
            "type",
            "the column `number` is of type Float64; `open` promised Int64",
        ),
        (
            "nulls",
            "the column `number` contains nulls; its field in `computes` is not nullable",
        ),
        (
            "rows",
            "emitted 3 rows for a batch of 2: a rejected row needs a value too; other rows are for `emit_rows` and `emit_new`",
        ),
        ("source", "source row 2 is not in a batch of 2 rows"),
        ("lengths", "the column `number` has 2 rows, not 1"),
        (
            "reject",
            "rejected row 2, which is not in a batch of 2 rows",
        ),
        (
            "more",
            "the transform `liar` said there was more output, but has no `pull`",
        ),
        (
            "finish",
            "columns are carried over from the current batch, so every row must have a row there",
        ),
    ] {
        let options = format!(r#"{{"lie": "{lie}"}}"#);
        let error = run_transform::<Liar>(&options, vec![batch(&[None, None])]).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (crate::ErrorKind::Internal, expected),
            "{lie}"
        );
    }
    let honest = run_transform::<Liar>(r#"{"lie": ""}"#, vec![batch(&[None])]).unwrap();
    assert!(honest.batches.is_empty());
}

/// The number of rows in each batch, and in all.
#[transform]
struct Count {
    all: i64,
}

impl Transform for Count {
    type Options = NoOptions;
    type State = ();

    fn open(_input: &Schema, _options: NoOptions) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(Count { all: 0 }).computes(Field::new("rows", DataType::Int64, false)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        self.all += batch.num_rows() as i64;
        output.emit_new([Arc::new(Int64Array::from(vec![batch.num_rows() as i64])) as ArrayRef])
    }

    fn finish(&mut self, _end: End, output: &mut Output) -> Result<(), Error> {
        assert!(output.emit([]).is_err());
        output.emit_new([Arc::new(Int64Array::from(vec![self.all])) as ArrayRef])
    }
}

#[test]
fn rows_of_their_own_may_be_as_many_as_wanted_and_come_at_the_end_too() {
    let ran = run_transform::<Count>("{}", vec![batch(&[None; 3]), batch(&[None])]).unwrap();
    let rows = ran
        .batches
        .iter()
        .map(|batch| column::<Int64Array>(batch, "rows").unwrap().value(0));
    assert_eq!(rows.collect::<Vec<_>>(), [3, 1, 4]);
}
