//! A plugin as `plugin!` registers it, and the host's calls on it in the contract's types.
//!
//! Nothing here is bound to Wasm: the calls work natively on the same types. Handles count upwards and are never used again,
//! so that a closed one differs from every other.

use crate::bindings::exports::transom::plugin::{meta, scalar, table};
use crate::bindings::transom::plugin::types::{self, Batch, Field as WireField};
use crate::codec::decode::{decode_batch, decode_columns};
use crate::codec::encode::encode_batch;
use crate::codec::schema::{decode_schema, encode_one};
use crate::function::{Accepts, Function, Gives, Volatility};
use crate::transform::{End, Outcome, OutputColumn, Source, Table, TransformEntry};
use crate::{Error, ErrorKind};
use arrow_schema::{DataType, Field, Schema};
use std::collections::BTreeMap;

/// Everything a plugin offers. Made by `plugin!`.
#[derive(Debug, Clone, Copy)]
pub struct Plugin {
    /// Name of the author's package.
    pub name: &'static str,
    /// Version of the author's package.
    pub version: &'static str,
    /// The functions.
    pub functions: &'static [Function],
    /// The transforms.
    pub transforms: &'static [TransformEntry],
}

/// What is open in one instance of a plugin.
#[derive(Default)]
pub struct Handles {
    last: u32,
    functions: BTreeMap<u32, OpenFunction>,
    tables: BTreeMap<u32, Box<dyn Table>>,
}

struct OpenFunction {
    function: &'static Function,
    arguments: Schema,
    output: Field,
}

fn not_open(handle: u32) -> Error {
    Error::internal(format!("the handle {handle} is not open"))
}

/// An error without columns' places, for calls that have none.
pub fn wire_error(error: Error) -> types::Error {
    located(error, |_| None)
}

fn located(error: Error, place: impl Fn(&str) -> Option<usize>) -> types::Error {
    let kind = match error.kind {
        ErrorKind::BadData => types::ErrorKind::BadData,
        ErrorKind::Config => types::ErrorKind::Config,
        ErrorKind::Retryable => types::ErrorKind::Retryable,
        ErrorKind::Internal => types::ErrorKind::Internal,
    };
    let column = error.column.as_deref().and_then(&place);
    let mut message = error.message;
    if let (Some(name), None) = (&error.column, column) {
        // A name that is no column of the input must not be lost.
        message = format!("{message} (column `{name}`)");
    }
    types::Error {
        kind,
        message,
        row: error.row,
        column: column.map(|place| place as u32),
    }
}

fn wire_rejected(rejected: Vec<(u32, String)>) -> Vec<types::Rejected> {
    rejected
        .into_iter()
        .map(|(row, reason)| types::Rejected { row, reason })
        .collect()
}

impl Plugin {
    /// What `meta.describe` answers.
    ///
    /// # Errors
    ///
    /// Internal, when a function gives a type that cannot cross.
    pub fn describe(&self) -> Result<meta::Description, Error> {
        Ok(meta::Description {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            functions: self
                .functions
                .iter()
                .map(describe_function)
                .collect::<Result<_, _>>()?,
            transforms: self.transforms.iter().map(describe_transform).collect(),
        })
    }

    fn function(&self, name: &str) -> Result<&'static Function, Error> {
        let found = self.functions.iter().find(|function| function.name == name);
        found.ok_or_else(|| {
            self.unknown(
                "function",
                name,
                self.functions.iter().map(|function| function.name),
            )
        })
    }

    fn transform(&self, name: &str) -> Result<&'static TransformEntry, Error> {
        let found = self.transforms.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| {
            self.unknown(
                "transform",
                name,
                self.transforms.iter().map(|entry| entry.name),
            )
        })
    }

    fn unknown<'a>(&self, what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Error {
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        Error::config(format!(
            "the plugin `{}` has no {what} `{name}`; it has {names}",
            self.name
        ))
    }
}

fn describe_function(function: &Function) -> Result<meta::Function, Error> {
    let arguments = (function.arguments)().into_iter().map(|(name, accepts)| {
        let accepts = match accepts {
            Accepts::Exact(data_type) => {
                meta::ArgumentType::Exact(encode_one(&Field::new(name, data_type, true))?)
            }
            Accepts::Any => meta::ArgumentType::Any,
        };
        Ok(meta::Argument {
            name: name.to_owned(),
            accepts,
        })
    });
    Ok(meta::Function {
        name: function.name.to_owned(),
        doc: function.doc.to_owned(),
        arguments: arguments.collect::<Result<_, Error>>()?,
        variadic: false,
        output: match (function.gives)() {
            Gives::Exact(data_type) => encode_one(&result_field(function, data_type))?,
            Gives::First => Vec::new(),
        },
        volatility: match function.volatility {
            Volatility::Immutable => meta::Volatility::Immutable,
            Volatility::Stable => meta::Volatility::Stable,
            Volatility::Volatile => meta::Volatility::Volatile,
        },
    })
}

fn describe_transform(entry: &TransformEntry) -> meta::Transform {
    meta::Transform {
        name: entry.name.to_owned(),
        doc: entry.doc.to_owned(),
        options: (entry.options)(),
        stateful: (entry.stateful)(),
        partition_by: entry
            .partition_by
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        order_by: entry
            .order_by
            .iter()
            .map(|key| meta::SortKey {
                column: key.column.to_owned(),
                descending: key.descending,
            })
            .collect(),
    }
}

/// Any function may give NULL: for a NULL argument, or for a rejected row.
fn result_field(function: &Function, data_type: DataType) -> Field {
    Field::new(function.name, data_type, true)
}

/// Scalar functions.
impl Handles {
    fn next(&mut self) -> Result<u32, Error> {
        self.last = self
            .last
            .checked_add(1)
            .ok_or_else(|| Error::internal("all handles are used up"))?;
        Ok(self.last)
    }

    /// See `scalar.open`.
    ///
    /// # Errors
    ///
    /// Config, when there is no such function or it does not take these arguments.
    pub fn open_function(
        &mut self,
        plugin: &Plugin,
        name: &str,
        arguments: Vec<WireField>,
        options: &str,
    ) -> Result<scalar::Opened, Error> {
        let function = plugin.function(name)?;
        if !matches!(options.trim(), "" | "{}" | "null") {
            return Err(Error::config(format!(
                "the function `{name}` has no options"
            )));
        }
        let arguments = decode_schema(arguments)?;
        let given: Vec<DataType> = arguments
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let output = result_field(function, function.open(&given)?);
        let opened = scalar::Opened {
            handle: self.next()?,
            output: encode_one(&output)?,
        };
        self.functions.insert(
            opened.handle,
            OpenFunction {
                function,
                arguments,
                output,
            },
        );
        Ok(opened)
    }

    /// See `scalar.call`.
    ///
    /// # Errors
    ///
    /// The author's, or internal.
    pub fn call_function(&self, handle: u32, arguments: Batch) -> Result<scalar::Outcome, Error> {
        let open = self
            .functions
            .get(&handle)
            .ok_or_else(|| not_open(handle))?;
        let rows = arguments.rows as usize;
        let columns = decode_columns(open.arguments.fields().iter().map(AsRef::as_ref), arguments)?;
        let called = open
            .function
            .call(&columns, rows, open.output.data_type())?;
        // Without the arguments a result that shares their memory owns it.
        drop(columns);
        Ok(scalar::Outcome {
            column: encode_batch(rows, [(open.output.name().as_str(), called.column)])?,
            rejected: wire_rejected(called.rejected),
        })
    }

    /// See `scalar.close`. A handle that is not open is left alone.
    pub fn close_function(&mut self, handle: u32) {
        self.functions.remove(&handle);
    }
}

/// Transforms.
impl Handles {
    /// See `table.open`.
    ///
    /// # Errors
    ///
    /// Config, when there is no such transform, or the author's.
    pub fn open_table(
        &mut self,
        plugin: &Plugin,
        name: &str,
        input: Vec<WireField>,
        options: &str,
    ) -> Result<table::Opened, types::Error> {
        let schema = decode_schema(input).map_err(wire_error)?;
        let place = |column: &str| schema.index_of(column).ok();
        let opened = plugin
            .transform(name)
            .and_then(|entry| (entry.open)(&schema, options));
        let (table, layout) = opened.map_err(|error| located(error, place))?;
        let output = layout.output.iter().map(|column| match column {
            OutputColumn::Computed(field) => Ok(table::Output::Computed(encode_one(field)?)),
            OutputColumn::Input(index) => Ok(table::Output::Input(*index as u32)),
        });
        let opened = table::Opened {
            output: output.collect::<Result<_, Error>>().map_err(wire_error)?,
            reads: layout.reads.iter().map(|index| *index as u32).collect(),
            handle: self.next().map_err(wire_error)?,
        };
        self.tables.insert(opened.handle, table);
        Ok(opened)
    }

    fn with_table<R>(
        &mut self,
        handle: u32,
        work: impl FnOnce(&mut dyn Table) -> Result<R, Error>,
    ) -> Result<R, types::Error> {
        let table = self
            .tables
            .get_mut(&handle)
            .ok_or_else(|| wire_error(not_open(handle)))?;
        work(table.as_mut()).map_err(|error| located(error, |column| table.place(column)))
    }

    /// See `table.process`.
    ///
    /// # Errors
    ///
    /// The author's, or internal.
    pub fn process(&mut self, handle: u32, input: Batch) -> Result<table::Outcome, types::Error> {
        self.with_table(handle, |table| {
            let batch = decode_batch(table.reads(), input)?;
            let outcome = table.process(&batch)?;
            // Without the batch a column that was handed back as it came owns its memory.
            drop(batch);
            wire_outcome(table, outcome)
        })
    }

    /// See `table.pull`.
    ///
    /// # Errors
    ///
    /// The author's, or internal.
    pub fn pull(&mut self, handle: u32) -> Result<table::Outcome, types::Error> {
        self.with_table(handle, |table| {
            let outcome = table.pull()?;
            wire_outcome(table, outcome)
        })
    }

    /// See `table.finish`.
    ///
    /// # Errors
    ///
    /// The author's, or internal.
    pub fn finish(&mut self, handle: u32, end: table::End) -> Result<table::Outcome, types::Error> {
        let end = match end {
            table::End::Slice => End::Slice,
            table::End::Input => End::Input,
        };
        self.with_table(handle, |table| {
            let outcome = table.finish(end)?;
            wire_outcome(table, outcome)
        })
    }

    /// See `table.save`.
    ///
    /// # Errors
    ///
    /// The author's, or internal.
    pub fn save(&mut self, handle: u32) -> Result<Vec<u8>, types::Error> {
        self.with_table(handle, |table| table.save())
    }

    /// See `table.restore`.
    ///
    /// # Errors
    ///
    /// Config, when the state is not this transform's; the author's, or internal.
    pub fn restore(&mut self, handle: u32, state: &[u8]) -> Result<(), types::Error> {
        self.with_table(handle, |table| table.restore(state))
    }

    /// See `table.close`. A handle that is not open is left alone.
    pub fn close_table(&mut self, handle: u32) {
        self.tables.remove(&handle);
    }
}

fn wire_outcome(table: &dyn Table, outcome: Outcome) -> Result<table::Outcome, Error> {
    let names: Vec<&str> = table
        .computes()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let parts = outcome.parts.into_iter().map(|part| {
        let source_rows = match part.source {
            Source::Rows(rows) => Some(rows.iter().flat_map(|row| row.to_le_bytes()).collect()),
            Source::OneToOne | Source::None => None,
        };
        Ok(table::Part {
            batch: encode_batch(part.rows, names.iter().copied().zip(part.columns))?,
            source_rows,
        })
    });
    Ok(table::Outcome {
        parts: parts.collect::<Result<_, Error>>()?,
        rejected: wire_rejected(outcome.rejected),
        more: outcome.more,
    })
}

#[cfg(test)]
mod tests;
