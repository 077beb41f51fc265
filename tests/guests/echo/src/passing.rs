//! Transforms that hand rows on: computed, carried over by the host, or along source rows.

use transom_sdk::prelude::*;

/// Which columns `Echo` reads.
#[options]
#[serde(untagged)]
pub enum Reads {
    /// `all`
    All(All),
    /// The names of the columns.
    Names(Vec<String>),
}

/// The word `all`.
#[options]
#[serde(rename_all = "snake_case")]
pub enum All {
    /// Every column.
    All,
}

/// Options of `Echo`.
#[options]
pub struct EchoOptions {
    /// `all`, or the names of the columns.
    reads: Reads,
}

/// Computes every column that it reads by handing it back: every type crosses both ways.
#[transform]
pub struct Echo;

impl Transform for Echo {
    type Options = EchoOptions;
    type State = ();

    fn open(input: &Schema, options: EchoOptions) -> Result<Opened<Self>, Error> {
        let opened = Opened::new(Echo);
        match options.reads {
            Reads::All(All::All) => {
                let fields = input.fields().iter().map(|field| field.as_ref().clone());
                Ok(fields.fold(opened.reads_all(), Opened::computes))
            }
            Reads::Names(names) => {
                let mut opened = opened.reads(&names);
                for name in &names {
                    let field = input.field_with_name(name).map_err(|_| {
                        Error::config(format!("there is no column `{name}` to echo")).column(name)
                    })?;
                    opened = opened.computes(field.clone());
                }
                Ok(opened)
            }
        }
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        output.emit(batch.columns().iter().cloned())
    }
}

/// Names a column.
#[options]
pub struct ColumnOption {
    /// The column that is read.
    column: String,
}

/// Reads one column, counts its nulls, and passes every column on.
#[transform]
pub struct Pass;

impl Transform for Pass {
    type Options = ColumnOption;
    type State = ();

    fn open(_input: &Schema, options: ColumnOption) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(Pass).reads([options.column]).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        log::count("nulls", batch.column(0).null_count() as u64);
        log::info(format_args!("passed {} rows", batch.num_rows()));
        output.emit([])
    }
}

/// Options of `Filter`.
#[options]
pub struct FilterOptions {
    /// Rows where this column is NULL are dropped; without it every second row is.
    column: Option<String>,
}

/// Keeps some of the rows.
#[transform]
pub struct Filter;

impl Transform for Filter {
    type Options = FilterOptions;
    type State = ();

    fn open(_input: &Schema, options: FilterOptions) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(Filter).reads(options.column).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let rows = 0..batch.num_rows() as u32;
        let kept: Vec<u32> = match batch.columns().first() {
            Some(column) => rows.filter(|row| column.is_valid(*row as usize)).collect(),
            None => rows.step_by(2).collect(),
        };
        output.emit_rows([], kept)
    }
}

/// Keeps the first row of each key.
#[transform(partition_by = ["k"], order_by = [desc("v"), "id"])]
#[derive(Default)]
pub struct First {
    last: Option<String>,
}

impl Transform for First {
    type Options = NoOptions;
    type State = ();

    fn open(_input: &Schema, _options: NoOptions) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(First::default()).reads(["k"]).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let mut kept = Vec::new();
        for (row, key) in column::<StringArray>(batch, "k")?.iter().enumerate() {
            if key != self.last.as_deref() {
                kept.push(row as u32);
                self.last = key.map(str::to_owned);
            }
        }
        output.emit_rows([], kept)
    }
}
