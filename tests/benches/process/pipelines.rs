//! The pipelines that are run, each in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::kernels::numeric::add;
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::common::{Result, guests};

const SECONDS_PER_YEAR: i64 = 365 * 24 * 60 * 60;

/// A few rows through a transform and a function of one plugin.
#[derive(Debug)]
pub(crate) struct Handful<'a> {
    /// Folder of the plugin, relative to the repository.
    pub(crate) plugin: &'a str,
    pub(crate) transform: &'a str,
    /// Of the transform, as YAML within braces.
    pub(crate) options: &'a str,
    /// Of two integers.
    pub(crate) function: &'a str,
}

impl Handful<'_> {
    /// Writes the pipeline to `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let Self {
            transform,
            options,
            function,
            ..
        } = self;
        fs::create_dir_all(folder)?;
        let plugin = guests::folder(self.plugin)?;
        fs::write(folder.join("pairs.csv"), "a,b\n12,18\n7,21\n10,4\n")?;
        fs::write(
            folder.join("made.sql"),
            format!("SELECT a, b, guest.{function}(a, b) AS made FROM passed\n"),
        )?;
        let file = format!(
            "name: handful\n\
             plugins:\n  guest: {{ path: {} }}\n\
             sources:\n  pairs: {{ path: pairs.csv }}\n\
             steps:\n  \
               passed: {{ transform: guest.{transform}, input: pairs, options: {{ {options} }} }}\n  \
               made: {{ sql: made.sql }}\n\
             sinks:\n  made: {{ from: made, path: out/made, format: parquet }}\n",
            plugin.display()
        );
        fs::write(folder.join("transom.yaml"), file)?;
        Ok(())
    }
}

/// The example `flights` over that many years: 2013 again and again, each time with other aircraft.
pub(crate) fn years(folder: &Path, years: i32) -> Result<PathBuf> {
    let example = guests::repository().join("examples/flights");
    for part in ["sql", "data/flights"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let mut file = fs::read_to_string(example.join("transom.yaml"))?;
    for plugin in ["aviation", "geography", "weather"] {
        let source = format!("path: plugins/{plugin} ");
        let folder = guests::folder(&format!("examples/flights/plugins/{plugin}"))?;
        let built = file.replace(&source, &format!("path: {} ", folder.display()));
        if built == file {
            return Err(format!("the example's plugin is no longer at `plugins/{plugin}`").into());
        }
        file = built;
    }
    fs::write(folder.join("transom.yaml"), file)?;
    for part in ["sql", "data"] {
        for entry in fs::read_dir(example.join(part))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.join(part).join(entry.file_name()))?;
            }
        }
    }
    for entry in fs::read_dir(example.join("data/flights"))? {
        let month = entry?.path();
        let name = month
            .file_stem()
            .ok_or("a month without a name")?
            .to_string_lossy();
        for year in 0..years {
            let copy = folder.join(format!("data/flights/{name}-{year}.parquet"));
            match year {
                0 => fs::copy(&month, copy).map(drop)?,
                _ => copy_later(&month, &copy, year)?,
            }
        }
    }
    Ok(folder.to_owned())
}

/// Copies a month's file as if it were `years` later and of other aircraft.
fn copy_later(month: &Path, copy: &Path, years: i32) -> Result<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(month)?)?.build()?;
    let mut writer: Option<ArrowWriter<fs::File>> = None;
    for batch in reader {
        let batch = later(&batch?, years)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(ArrowWriter::try_new(
                fs::File::create(copy)?,
                batch.schema(),
                None,
            )?),
        };
        writer.write(&batch)?;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(())
}

fn later(batch: &RecordBatch, years: i32) -> Result<RecordBatch> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| -> Result<ArrayRef> {
        Ok(match (field.name().as_str(), field.data_type()) {
            ("year", DataType::Int32) => add(column, &Int32Array::new_scalar(years))?,
            ("year", DataType::Int64) => add(column, &Int64Array::new_scalar(years.into()))?,
            ("tailnum", DataType::Utf8) => {
                let tailnums = column.as_string::<i32>().iter();
                let tailnums = tailnums.map(|tailnum| Some(format!("{}-{years}", tailnum?)));
                Arc::new(tailnums.collect::<StringArray>())
            }
            ("time_hour", DataType::Timestamp(unit, _)) => {
                use arrow::datatypes::TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
                let units = match unit {
                    Second => 1,
                    Millisecond => 1_000,
                    Microsecond => 1_000_000,
                    Nanosecond => 1_000_000_000,
                };
                let shift = i64::from(years) * SECONDS_PER_YEAR * units;
                let numbers = arrow::compute::cast(column, &DataType::Int64)?;
                let numbers = numbers.as_primitive::<Int64Type>();
                let shifted: Int64Array = numbers.unary(|number| number + shift);
                arrow::compute::cast(&shifted, field.data_type())?
            }
            ("year" | "tailnum" | "time_hour", other) => {
                return Err(format!("`{}` has become {other}", field.name()).into());
            }
            _ => Arc::clone(column),
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}
