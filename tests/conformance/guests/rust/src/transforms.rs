//! Transforms of every shape: carried over and computed columns, fewer and more rows, state, rejects, errors, logs.

use std::collections::BTreeMap;

use transom_sdk::prelude::*;

/// The column that a transform looks at, or the error that it is not there.
fn known(input: &Schema, column: &str) -> Result<(), Error> {
    if input.field_with_name(column).is_ok() {
        return Ok(());
    }
    let names: Vec<String> = input
        .fields()
        .iter()
        .map(|field| format!("`{}`", field.name()))
        .collect();
    Err(Error::config(format!(
        "there is no column `{column}`; the input has {}",
        names.join(", ")
    )))
}

/// Computes every column again, unchanged.
#[transform]
pub struct Echo;

impl Transform for Echo {
    type Options = NoOptions;
    type State = ();

    fn open(input: &Schema, _options: NoOptions) -> Result<Opened<Self>, Error> {
        let fields = input.fields().iter().map(|field| field.as_ref().clone());
        Ok(fields.fold(Opened::new(Echo).reads_all(), Opened::computes))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        output.emit(batch.columns().iter().cloned())
    }
}

/// Options of `keep`.
#[options]
pub struct KeepOptions {
    /// The int64 column to look at.
    column: String,
    /// Rows are kept whose value is more than this.
    above: i64,
}

/// Keeps the rows whose int64 column is above a number.
#[transform]
pub struct Keep(KeepOptions);

impl Transform for Keep {
    type Options = KeepOptions;
    type State = ();

    fn open(input: &Schema, options: KeepOptions) -> Result<Opened<Self>, Error> {
        known(input, &options.column)?;
        let column = options.column.clone();
        Ok(Opened::new(Keep(options)).reads([column]).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let values = column::<Int64Array>(batch, &self.0.column)?;
        let above = |&row: &u32| {
            let row = row as usize;
            values.is_valid(row) && values.value(row) > self.0.above
        };
        let kept: Vec<u32> = (0..batch.num_rows() as u32).filter(above).collect();
        output.emit_rows([], kept)
    }
}

/// Rows that `repeat` hands over at once.
const PART_ROWS: usize = 1000;

/// Options of `repeat`.
#[options]
pub struct RepeatOptions {
    /// How often each row comes out.
    times: u32,
}

/// Gives each row several times.
#[transform]
pub struct Repeat {
    times: u64,
    /// Rows that are still to come out, of all for the current batch.
    left: std::ops::Range<u64>,
}

impl Transform for Repeat {
    type Options = RepeatOptions;
    type State = ();

    fn open(_input: &Schema, options: RepeatOptions) -> Result<Opened<Self>, Error> {
        let repeat = Repeat {
            times: options.times.into(),
            left: 0..0,
        };
        Ok(Opened::new(repeat).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        self.left = 0..batch.num_rows() as u64 * self.times;
        self.pull(output)
    }

    fn pull(&mut self, output: &mut Output) -> Result<(), Error> {
        let part = self.left.by_ref().take(PART_ROWS);
        let rows: Vec<u32> = part.map(|row| (row / self.times) as u32).collect();
        output.emit_rows([], rows)?;
        if !self.left.is_empty() {
            output.more();
        }
        Ok(())
    }
}

/// Names a column.
#[options]
pub struct ColumnOption {
    /// The int64 column to look at.
    column: String,
}

/// The option of transforms that look at one text column.
#[options]
pub struct TextOption {
    /// The text column to look at.
    column: String,
}

/// What `running_sum` keeps.
#[state]
#[derive(Clone, Default)]
pub struct Total {
    /// Of all rows so far.
    total: i64,
}

/// Adds the running total of an int64 column; null counts as 0.
#[transform]
pub struct RunningSum {
    column: String,
    state: Total,
}

impl Transform for RunningSum {
    type Options = ColumnOption;
    type State = Total;

    fn open(input: &Schema, options: ColumnOption) -> Result<Opened<Self>, Error> {
        let column = options.column;
        known(input, &column)?;
        let sum = RunningSum {
            column: column.clone(),
            state: Total::default(),
        };
        Ok(Opened::new(sum)
            .reads_as(column, DataType::Int64)
            .passes_all()
            .computes(Field::new("sum", DataType::Int64, false)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let values = column::<Int64Array>(batch, &self.column)?;
        let mut sums = Vec::with_capacity(values.len());
        for value in values {
            self.state.total += value.unwrap_or(0);
            sums.push(self.state.total);
        }
        output.emit([Arc::new(Int64Array::from(sums)) as ArrayRef])
    }

    fn save(&self) -> Result<Total, Error> {
        Ok(self.state.clone())
    }

    fn restore(&mut self, state: Total) -> Result<(), Error> {
        self.state = state;
        Ok(())
    }
}

/// What `number_rows` keeps: of all keys, not of the last one alone.
#[state]
#[derive(Clone, Default)]
pub struct Numbers {
    /// How many rows each key has had.
    rows: BTreeMap<String, i64>,
    /// How many rows had none.
    without_key: i64,
}

/// Numbers the rows of each key of a text column; null is a key, too.
#[transform]
pub struct NumberRows {
    column: String,
    state: Numbers,
}

impl Transform for NumberRows {
    type Options = TextOption;
    type State = Numbers;

    fn open(input: &Schema, options: TextOption) -> Result<Opened<Self>, Error> {
        let column = options.column;
        known(input, &column)?;
        let numbers = NumberRows {
            column: column.clone(),
            state: Numbers::default(),
        };
        Ok(Opened::new(numbers)
            .reads([column])
            .passes_all()
            .computes(Field::new("number", DataType::Int64, false)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let mut numbers = Vec::with_capacity(batch.num_rows());
        for key in column::<StringArray>(batch, &self.column)? {
            let rows = match key {
                Some(key) => self.state.rows.entry(key.to_owned()).or_default(),
                None => &mut self.state.without_key,
            };
            *rows += 1;
            numbers.push(*rows);
        }
        output.emit([Arc::new(Int64Array::from(numbers)) as ArrayRef])
    }

    fn save(&self) -> Result<Numbers, Error> {
        Ok(self.state.clone())
    }

    fn restore(&mut self, state: Numbers) -> Result<(), Error> {
        self.state = state;
        Ok(())
    }
}

/// Rejects the rows whose int64 column is odd.
#[transform]
pub struct RejectOdd(String);

impl Transform for RejectOdd {
    type Options = ColumnOption;
    type State = ();

    fn open(input: &Schema, options: ColumnOption) -> Result<Opened<Self>, Error> {
        known(input, &options.column)?;
        let column = options.column.clone();
        Ok(Opened::new(RejectOdd(options.column))
            .reads([column])
            .passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let values = column::<Int64Array>(batch, &self.0)?;
        for (row, value) in values.iter().enumerate() {
            if let Some(value) = value
                && value % 2 != 0
            {
                output.reject(row, format_args!("odd: {value}"));
            }
        }
        output.emit([])
    }
}

/// One row at the end: how many rows there were, and the total of an int64 column.
#[transform]
pub struct Totals {
    column: String,
    rows: i64,
    total: i64,
}

impl Transform for Totals {
    type Options = ColumnOption;
    type State = ();

    fn open(input: &Schema, options: ColumnOption) -> Result<Opened<Self>, Error> {
        let column = options.column;
        known(input, &column)?;
        let totals = Totals {
            column: column.clone(),
            rows: 0,
            total: 0,
        };
        let opened = Opened::new(totals).reads([column]);
        let field = |name| Field::new(name, DataType::Int64, false);
        Ok(opened.computes(field("rows")).computes(field("total")))
    }

    fn process(&mut self, batch: &RecordBatch, _output: &mut Output) -> Result<(), Error> {
        let values = column::<Int64Array>(batch, &self.column)?;
        self.rows += values.len() as i64;
        self.total += values.iter().flatten().sum::<i64>();
        Ok(())
    }

    fn finish(&mut self, end: End, output: &mut Output) -> Result<(), Error> {
        match end {
            End::Slice => Ok(()),
            End::Input => output.emit_new(
                [self.rows, self.total]
                    .map(|value| Arc::new(Int64Array::from(vec![value])) as ArrayRef),
            ),
        }
    }
}

/// How `fail` fails.
#[options]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An error about the data.
    BadData,
    /// An error about the pipeline.
    Config,
    /// An error that may pass.
    Retryable,
    /// An error of the plugin.
    Internal,
    /// A panic.
    Panic,
}

/// When `fail` fails.
#[options]
#[derive(PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// When it is opened.
    Open,
    /// When it gets a batch.
    Process,
    /// At the end.
    Finish,
}

/// Options of `fail`.
#[options]
pub struct FailOptions {
    /// How.
    kind: Kind,
    /// When.
    at: At,
    /// The row to blame, when processing.
    row: Option<usize>,
}

/// Fails as its options say.
#[transform]
pub struct Fail(FailOptions);

impl Fail {
    fn fail_at(&self, at: &At) -> Result<(), Error> {
        if self.0.at != *at {
            return Ok(());
        }
        let message = "as asked";
        let error = match self.0.kind {
            Kind::BadData => Error::bad_data(message),
            Kind::Config => Error::config(message),
            Kind::Retryable => Error::retryable(message),
            Kind::Internal => Error::internal(message),
            Kind::Panic => panic!("{message}"),
        };
        Err(match self.0.row {
            Some(row) if *at == At::Process => error.row(row),
            _ => error,
        })
    }
}

impl Transform for Fail {
    type Options = FailOptions;
    type State = ();

    fn open(_input: &Schema, options: FailOptions) -> Result<Opened<Self>, Error> {
        let fail = Fail(options);
        fail.fail_at(&At::Open)?;
        Ok(Opened::new(fail).passes_all())
    }

    fn process(&mut self, _batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        self.fail_at(&At::Process)?;
        output.emit([])
    }

    fn finish(&mut self, _end: End, _output: &mut Output) -> Result<(), Error> {
        self.fail_at(&At::Finish)
    }
}

/// Logs and counts the rows of each batch.
#[transform]
pub struct Talk;

impl Transform for Talk {
    type Options = NoOptions;
    type State = ();

    fn open(_input: &Schema, _options: NoOptions) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(Talk).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        log::info(format_args!("batch of {} rows", batch.num_rows()));
        log::count("rows", batch.num_rows() as u64);
        output.emit([])
    }
}

/// A flight as `rate` takes it.
#[row]
pub struct Flight {
    carrier: String,
    delay: Option<i64>,
}

/// What `rate` adds to it.
#[row]
pub struct Rated {
    late: bool,
}

/// Whether a flight was late; rejects one without a delay.
#[transform]
pub struct Rate;

impl RowTransform for Rate {
    type Options = NoOptions;
    type State = ();
    type Input = Flight;
    type Output = Rated;

    fn open(_options: NoOptions) -> Result<Self, Error> {
        Ok(Rate)
    }

    fn row(&mut self, flight: Flight, output: &mut Emitter<Rated>) -> Result<(), Error> {
        let delay = flight.delay.ok_or_else(|| {
            let carrier = flight.carrier;
            Error::bad_data(format!("the delay of {carrier} is missing"))
        })?;
        output.emit(Rated { late: delay > 15 });
        Ok(())
    }
}

/// Keeps the latest row of each key; of several, the one with the smallest id.
#[transform(partition_by = ["key"], order_by = [desc("time"), "id"])]
#[derive(Default)]
pub struct Latest {
    last: Option<String>,
}

impl Transform for Latest {
    type Options = NoOptions;
    type State = ();

    fn open(_input: &Schema, _options: NoOptions) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(Latest::default()).reads(["key"]).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let keys = column::<StringArray>(batch, "key")?;
        let mut kept = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            if key != self.last.as_deref() {
                kept.push(row as u32);
                self.last = key.map(str::to_owned);
            }
        }
        output.emit_rows([], kept)
    }
}
