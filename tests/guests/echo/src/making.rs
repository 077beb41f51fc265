//! Transforms that change the number of rows, in parts, or keep state.

use transom_sdk::prelude::*;

/// Options of `Explode`.
#[options]
#[derive(Clone)]
pub struct ExplodeOptions {
    /// How often each row comes out.
    times: u32,
    /// Rows of a part, at least 1.
    part_rows: u32,
}

/// Gives each row several times, numbered, in parts of a given size.
#[transform]
pub struct Explode {
    options: ExplodeOptions,
    /// Rows of the current batch that are still to come out, times included.
    next: u64,
    end: u64,
}

impl Explode {
    fn part(&mut self, output: &mut Output) -> Result<(), Error> {
        let end = self.end.min(self.next + u64::from(self.options.part_rows));
        let times = u64::from(self.options.times);
        let copies: Int64Array = (self.next..end)
            .map(|at| (at % times) as i64)
            .collect::<Vec<_>>()
            .into();
        let sources: Vec<u32> = (self.next..end).map(|at| (at / times) as u32).collect();
        self.next = end;
        output.emit_rows([Arc::new(copies) as ArrayRef], sources)?;
        if self.next < self.end {
            output.more();
        }
        Ok(())
    }
}

impl Transform for Explode {
    type Options = ExplodeOptions;
    type State = ();

    fn open(_input: &Schema, options: ExplodeOptions) -> Result<Opened<Self>, Error> {
        if options.part_rows == 0 {
            return Err(Error::config("`part_rows` must be at least 1"));
        }
        let explode = Explode {
            options,
            next: 0,
            end: 0,
        };
        Ok(Opened::new(explode)
            .passes_all()
            .computes(Field::new("copy", DataType::Int64, false)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        self.next = 0;
        self.end = batch.num_rows() as u64 * u64::from(self.options.times);
        self.part(output)
    }

    fn pull(&mut self, output: &mut Output) -> Result<(), Error> {
        self.part(output)
    }
}

/// Options of `Running`.
#[options]
pub struct RunningOptions {
    /// The int64 column to sum.
    column: String,
}

/// What `Running` keeps.
#[state]
#[derive(Clone, Default)]
pub struct Sum {
    /// Of all rows so far.
    sum: i64,
}

/// Adds the running sum of a column, over slices as well; NULL counts as 0.
#[transform]
pub struct Running {
    column: String,
    state: Sum,
}

impl Transform for Running {
    type Options = RunningOptions;
    type State = Sum;

    fn open(_input: &Schema, options: RunningOptions) -> Result<Opened<Self>, Error> {
        let column = options.column;
        let running = Running {
            column: column.clone(),
            state: Sum::default(),
        };
        Ok(Opened::new(running)
            .reads_as(column, DataType::Int64)
            .passes_all()
            .computes(Field::new("running_sum", DataType::Int64, false)))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let values = column::<Int64Array>(batch, &self.column)?;
        let mut sums = Vec::with_capacity(values.len());
        for (row, value) in values.iter().enumerate() {
            let sum = self.state.sum.checked_add(value.unwrap_or(0));
            let overflow = || {
                Error::bad_data("the running sum overflows")
                    .row(row)
                    .column(&self.column)
            };
            self.state.sum = sum.ok_or_else(overflow)?;
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
