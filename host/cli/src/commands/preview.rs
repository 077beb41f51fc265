//! `transom preview`: the first rows of any table of the pipeline, computed alone.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use clap::ValueEnum;
use transom_file::{Pipeline, list};
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sources};
use transom_pipeline::report::counted;
use transom_pipeline::{Encoding, encode, type_name};

use crate::context::Context;
use crate::failure::Failure;
use crate::printer::NAME;
use crate::table;
use crate::values::positive;

/// Rows that are shown by default.
const ROWS: usize = 20;

/// Show what comes out of a step, a source or a sink, without running the rest and without publishing anything.
///
/// Reads only what the table needs. On a terminal the rows are a table that fits it, elsewhere CSV, or JSON lines if a column
/// holds lists, structs or maps.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom preview daily
  transom preview daily --where \"carrier = 'UA' AND flights > 100\"
  transom preview turnarounds --source-rows 1000     of the first rows of each source, which is quick
  transom preview daily --rows 100000 --format parquet > daily.parquet")]
pub(crate) struct PreviewCommand {
    /// The step, source or sink. Without one the command fails and tells which there are.
    #[arg(value_name = "STEP")]
    table: Option<String>,
    /// Rows to show at most. [default: 20]
    #[arg(long, value_name = "N", value_parser = positive)]
    rows: Option<usize>,
    /// Shows the rows alone for which this condition holds.
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Reads so many rows of each source at most.
    #[arg(long, value_name = "N", value_parser = positive)]
    source_rows: Option<usize>,
    /// How the rows are written. [default: table on a terminal; elsewhere csv, or json for nested columns]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Shows the values of the row that a plugin failed on with its error.
    #[arg(long)]
    pub(crate) show_row: bool,
}

/// Whether values of a type are lists, structs or maps, also where they are stored as a dictionary.
fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_nested(values),
        other => other.is_nested(),
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    // No doc comments: each would make the help of all options long.
    Table,
    Csv,
    // One object on each line.
    Json,
    Parquet,
}

impl PreviewCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        let (name, table) = self.table(&pipeline)?;
        if self.format == Some(Format::Parquet) && context.printer.is_terminal() {
            return Err(Failure::Usage {
                message: "Parquet is not for terminals".to_owned(),
                hint: Some("write it to a file with `> FILE`".to_owned()),
            });
        }
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let plugins = context.plugins(&pipeline)?;
        let part = Part {
            source_rows: self.source_rows,
            ..Part::of(table)
        };
        let rows = self.rows.unwrap_or(ROWS);
        let batch = context.block_on(async {
            let job = context.job(pipeline.clone(), plugins, lock).await?;
            let planned = job.plan(Sources::Open, &part).await?;
            let condition = self.condition.as_deref();
            Ok(planned.preview(&pipeline, table, condition, rows).await?)
        })?;
        let schema = batch.schema();
        let nested = schema
            .fields()
            .iter()
            .find(|field| is_nested(field.data_type()));
        let format = match (self.format, nested) {
            (Some(Format::Csv), Some(field)) => {
                return Err(Failure::Usage {
                    message: format!(
                        "CSV cannot hold the column `{}`, which is {}",
                        field.name(),
                        type_name(field.data_type())
                    ),
                    hint: Some("write JSON with `--format json`".to_owned()),
                });
            }
            (Some(format), _) => format,
            (None, _) if context.printer.is_terminal() => Format::Table,
            (None, Some(_)) => Format::Json,
            (None, None) => Format::Csv,
        };
        self.show(context, name, &batch, format)
    }

    /// What is meant, as it was named, and the source or step whose rows it has.
    fn table<'p>(&self, pipeline: &'p Pipeline) -> Result<(&'p str, &'p str), Failure> {
        let steps = pipeline.steps.iter().map(|step| step.name.value.as_str());
        let sources = pipeline.sources.iter();
        let sources = sources.map(|source| source.name.value.as_str());
        let sinks = pipeline.sinks.iter();
        let sinks = sinks.map(|sink| (sink.name.value.as_str(), sink.from.value.as_str()));
        let own = steps.clone().chain(sources.clone());
        let tables = own.map(|name| (name, name)).chain(sinks.clone());
        let hint = || {
            format!(
                "the steps are {}; the sources are {}; the sinks are {}",
                list(steps.clone()),
                list(sources.clone()),
                list(sinks.clone().map(|(name, _)| name))
            )
        };
        let Some(wanted) = self.table.as_deref() else {
            return Err(Failure::Usage {
                message: "say which step to preview: `transom preview STEP`".to_owned(),
                hint: Some(hint()),
            });
        };
        tables
            .clone()
            .find(|(name, _)| *name == wanted)
            .ok_or_else(|| {
                let message = format!("there is no step, source or sink `{wanted}`");
                Failure::unknown(message, wanted, tables.map(|(name, _)| name), hint())
            })
    }

    fn show(
        &self,
        context: &Context,
        name: &str,
        batch: &RecordBatch,
        format: Format,
    ) -> Result<(), Failure> {
        let printer = &context.printer;
        let failed = |error: std::io::Error| Failure::Io {
            what: format!("the rows of `{name}` cannot be written"),
            source: error,
        };
        let encoding = match format {
            Format::Table => None,
            Format::Csv => Some(Encoding::Csv),
            Format::Json => Some(Encoding::Json),
            Format::Parquet => Some(Encoding::Parquet),
        };
        if let Some(encoding) = encoding {
            let bytes = encode(batch, encoding).map_err(|source| Failure::Unwritable {
                name: name.to_owned(),
                source: Box::new(source),
            })?;
            return printer.bytes(&bytes);
        }
        let shown = batch.num_rows() as u64;
        let count = match (shown, self.rows.unwrap_or(ROWS) as u64) {
            (0, _) => "no rows".to_owned(),
            (rows, limit) if rows < limit => counted(rows, "row"),
            (rows, _) => format!("the first {}", counted(rows, "row")),
        };
        printer.data(format_args!("{NAME}{name}{NAME:#}: {count}"))?;
        let text = table::rows(std::slice::from_ref(batch), printer.width());
        match text.map_err(|error| failed(std::io::Error::other(error)))? {
            Some(text) => printer.data(text),
            None => Ok(()),
        }
    }
}
