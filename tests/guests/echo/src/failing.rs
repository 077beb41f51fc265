//! Transforms that go wrong: rejected rows, each kind of error, a panic, and the ways of not coming back.

use transom_sdk::prelude::*;

/// Rejects odd rows.
#[transform]
pub struct RejectOdd;

impl Transform for RejectOdd {
    type Options = NoOptions;
    type State = ();

    fn open(_input: &Schema, _options: NoOptions) -> Result<Opened<Self>, Error> {
        Ok(Opened::new(RejectOdd).passes_all())
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        for row in (1..batch.num_rows()).step_by(2) {
            output.reject(row, format_args!("row {row} is odd"));
        }
        output.emit([])
    }
}

/// How `Fail` fails.
#[options]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An error about row 1 of the first column.
    BadData,
    /// An error about the pipeline.
    Config,
    /// An error that may pass.
    Retryable,
    /// An error of the plugin.
    Internal,
    /// A panic.
    Panic,
    /// A loop without end.
    Loop,
    /// Memory without end.
    Allocate,
}

/// Options of `Fail`.
#[options]
pub struct FailOptions {
    /// How.
    kind: Kind,
    /// Fails when it is opened, not when it gets a batch.
    #[serde(default)]
    at_open: bool,
}

/// Fails as its options say.
#[transform]
pub struct Fail {
    kind: Kind,
    first_column: String,
}

impl Fail {
    fn fail(&self) -> Error {
        match self.kind {
            Kind::BadData => Error::bad_data("bad data, as asked")
                .row(1)
                .column(&self.first_column),
            Kind::Config => Error::config("config, as asked"),
            Kind::Retryable => Error::retryable("retryable, as asked"),
            Kind::Internal => Error::internal("internal, as asked"),
            Kind::Panic => panic!("panic, as asked"),
            Kind::Loop => loop {
                std::hint::spin_loop();
            },
            Kind::Allocate => {
                let mut kept: Vec<Vec<u8>> = Vec::new();
                loop {
                    kept.push(std::hint::black_box(vec![1; 1 << 20]));
                }
            }
        }
    }
}

impl Transform for Fail {
    type Options = FailOptions;
    type State = ();

    fn open(input: &Schema, options: FailOptions) -> Result<Opened<Self>, Error> {
        let first_column = input
            .fields()
            .first()
            .map(|field| field.name().clone())
            .unwrap_or_default();
        let fail = Fail {
            kind: options.kind,
            first_column,
        };
        if options.at_open {
            return Err(fail.fail());
        }
        Ok(Opened::new(fail).passes_all())
    }

    fn process(&mut self, _batch: &RecordBatch, _output: &mut Output) -> Result<(), Error> {
        Err(self.fail())
    }
}
