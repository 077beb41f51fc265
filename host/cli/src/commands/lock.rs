//! `transom lock`: looks at the sources and plugins once and writes down what checking needs to know of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use transom_pipeline::SessionOptions;
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sample, Sources};
use transom_pipeline::report::counted;

use crate::context::Context;
use crate::failure::Failure;

/// Look at the sources and plugins and write `transom.lock`.
///
/// The lock file holds the columns of each source and the description and digest of each plugin, so that `transom check` needs
/// no data and a run uses the same types every time. Mistakes in steps and sinks do not keep it from being written. Commit it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom lock
  transom lock --sample all       with types that all values have
  transom lock --target prod      with the columns of that target's sources")]
pub(crate) struct LockCommand {
    /// How many rows of each source to look at for the types of its columns, spread over its files; or `all`.
    #[arg(long, value_name = "ROWS", default_value = "1000", value_parser = sample)]
    pub(crate) sample: Sample,
    /// Writes what changed as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl LockCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        let path = Lock::path_of(&pipeline);
        // An old lock that cannot be read is what this command repairs.
        let old = Lock::read(&path).ok().flatten();
        let plugins = context.plugins(&pipeline)?;
        let session = SessionOptions {
            partitions: 1,
            ..SessionOptions::default()
        };
        // Mistakes in steps and sinks are for `transom check` to find, which needs the lock.
        let sources = pipeline.sources.iter();
        let part = Part {
            tables: Some(sources.map(|source| source.name.value.clone()).collect()),
            ..Part::default()
        };
        let lock = context.block_on(async {
            let mut job = context.job(pipeline, plugins, None).await?;
            job.session = session;
            let planned = job.plan(Sources::Sampled(self.sample), &part).await?;
            Ok(Lock::new(
                &job.pipeline,
                &planned.source_schemas(),
                &job.plugins,
            ))
        })?;
        lock.write(&path)?;
        let changes = changes(old.as_ref(), &lock);
        if self.json {
            let changes: Vec<_> = changes
                .iter()
                .map(|(change, what)| json!({ "change": change, "what": what }))
                .collect();
            return context
                .printer
                .json(&json!({ "lock": path, "changes": changes }));
        }
        for (change, what) in &changes {
            context.printer.say(format_args!("{change} {what}"));
        }
        let file = path.file_name().unwrap_or_default().display();
        let (sources, plugins) = (lock.sources.len() as u64, lock.plugins.len() as u64);
        match changes.is_empty() {
            true => context.printer.say(format_args!("{file} is up to date")),
            false => context.printer.say(format_args!(
                "wrote {file}: {}, {}",
                counted(sources, "source"),
                counted(plugins, "plugin")
            )),
        }
        Ok(())
    }
}

fn sample(text: &str) -> Result<Sample, String> {
    match text.parse() {
        _ if text == "all" => Ok(Sample::All),
        Ok(rows) if rows > 0 => Ok(Sample::Rows(rows)),
        _ => Err("expected a number of rows, or `all`".to_owned()),
    }
}

/// What is different, sources first.
fn changes(old: Option<&Lock>, new: &Lock) -> Vec<(&'static str, String)> {
    let none = (BTreeMap::new(), BTreeMap::new());
    let (sources, plugins) = old.map_or((&none.0, &none.1), |old| (&old.sources, &old.plugins));
    let mut changes = difference("source", sources, &new.sources);
    changes.extend(difference("plugin", plugins, &new.plugins));
    changes
}

fn difference<T: PartialEq>(
    what: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
) -> Vec<(&'static str, String)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |name: &&String| match (old.get(*name), new.get(*name)) {
        (None, _) => Some("added"),
        (_, None) => Some("removed"),
        (old, new) if old != new => Some("changed"),
        _ => None,
    };
    names
        .into_iter()
        .filter_map(|name| Some((change(&name)?, format!("{what} {name}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_tells_what_was_added_changed_and_removed() {
        let map = |entries: &[(&str, u8)]| {
            entries
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect()
        };
        let found = difference(
            "source",
            &map(&[("a", 1), ("b", 1), ("c", 1)]),
            &map(&[("b", 1), ("c", 2), ("d", 1)]),
        );
        let found: Vec<String> = found
            .into_iter()
            .map(|(change, what)| format!("{change} {what}"))
            .collect();
        assert_eq!(
            found,
            ["removed source a", "changed source c", "added source d"]
        );
    }
}
