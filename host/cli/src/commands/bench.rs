//! `transom bench`: what a plugin costs, by itself and beside another one.

mod fit;
mod measure;
mod show;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use transom_plugin::Plugin;

use self::measure::{Measured, measure};
use self::subject::Subjects;
use crate::context::Context;
use crate::failure::Failure;
use crate::plugin_named::plugin_named;
use crate::values::{object, positive};

/// Rows of a batch, as runs have them.
const ROWS: usize = 8192;
const MOST_ROWS: usize = 1_000_000;

/// Measure what a plugin's functions and transforms cost: once, per call, per row.
///
/// Each is called with batches of different sizes, on one core; a straight line through the medians tells what a call costs and what a
/// row adds. Functions get made-up rows, or those of `--data` whose columns are named as their arguments. A transform gets the rows
/// that it gets in the pipeline, or those of `--data`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom bench conditions                       all functions, and the transforms that the pipeline uses
  transom bench conditions.wind_chill
  transom bench conditions.wind_chill --compare plugins/conditions-in-go
  transom bench aviation.wasm.turnarounds --data departures.parquet --options '{\"longest\": \"10h\"}'")]
pub(crate) struct BenchCommand {
    /// A component, a plugin's folder, or the name of a plugin in the pipeline; with a function or a transform of it, or all.
    #[arg(value_name = "PLUGIN[.NAME]")]
    plugin: String,
    /// Measures another plugin in turns with it, and says how many times as long it takes.
    #[arg(long, value_name = "PLUGIN")]
    compare: Option<String>,
    /// Rows to call it with: Parquet, CSV or JSON lines. [default: made up, or the pipeline's]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Options of a transform. [default: those of the pipeline's step]
    #[arg(long, value_name = "JSON", value_parser = object)]
    options: Option<String>,
    /// Rows of the largest batch.
    #[arg(long, value_name = "N", default_value_t = ROWS, value_parser = rows)]
    rows: usize,
    /// How long each function and transform is measured.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// Writes the figures as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A function or transform with its figures, in the order of the plugins.
struct Figures {
    subject: subject::Subject,
    measured: Vec<Measured>,
}

impl BenchCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let runtime = context.plugin_runtime()?;
        let Subjects {
            plugin,
            mut subjects,
        } = Subjects::find(&self, context, &runtime)?;
        let mut plugins = vec![plugin];
        if let Some(other) = &self.compare {
            let other = plugin_named(other, context, &runtime)?;
            subjects.retain(|subject| self.is_shared(subject, &plugins[0], &other, context));
            plugins.push(other);
        }
        if subjects.is_empty() {
            return Err(Failure::Usage {
                message: format!("there is nothing to measure in `{}`", self.plugin),
                hint: Some("name a function, or a transform together with `--data`".to_owned()),
            });
        }
        let is_one = subjects.len() == 1;
        let mut all = Vec::new();
        for subject in subjects {
            let measured = match measure(&plugins, &subject.work, self.rows, self.seconds) {
                Ok(measured) => measured,
                Err(error) if is_one => return Err(error.into()),
                // Made-up values may be what a function crashes of; the others have figures all the same.
                Err(error) => {
                    let name = &subject.name;
                    context
                        .printer
                        .warn(format_args!("`{name}` is passed over: {error}"));
                    continue;
                }
            };
            let figures = Figures { subject, measured };
            if let [ours, other] = figures.measured.as_slice()
                && let Some(difference) = ours.outcome.difference(&other.outcome)
            {
                context.printer.warn(format_args!(
                    "`{}` differs between the two plugins: {difference}",
                    figures.subject.name
                ));
            }
            if !self.json {
                context.printer.data(show::text(&plugins, &figures))?;
            }
            all.push(figures);
        }
        if self.json {
            let all: Vec<_> = all
                .iter()
                .map(|figures| show::to_json(&plugins, figures))
                .collect();
            context.printer.json(&json!({ "results": all }))?;
        }
        Ok(())
    }

    /// Whether both plugins have the subject; if only one has, that is said.
    fn is_shared(
        &self,
        subject: &subject::Subject,
        plugin: &Plugin,
        other: &Plugin,
        context: &Context,
    ) -> bool {
        let has = subject.is_in(other.description());
        if !has {
            let (name, plugin, other) = (&subject.name, plugin.name(), other.name());
            context.printer.warn(format_args!(
                "`{other}` has no `{name}` to compare with that of `{plugin}`"
            ));
        }
        has
    }
}

/// Rows of a batch: some millions are the most that a transform may return of one.
fn rows(text: &str) -> Result<usize, String> {
    positive(text)
        .ok()
        .filter(|rows| *rows <= MOST_ROWS)
        .ok_or_else(|| format!("expected a whole number from 1 to {MOST_ROWS}"))
}

/// A time of more than nothing and less than a day, in seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let day = Duration::from_secs(24 * 60 * 60);
    duration
        .filter(|duration| !duration.is_zero() && *duration < day)
        .ok_or_else(|| "expected seconds, like `0.5`".to_owned())
}
