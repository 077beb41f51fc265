//! Tests of a plugin: its own unit tests, then the contract's checks on what was built from it.
//!
//! `check` names the checks, `function` and `transform` make them. Rows are made up, since no source is read in a test: what a
//! plugin refuses of them is passed over, what breaks it is a failure.

mod check;
mod function;
mod transform;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::compute::SortOptions;
use serde::Serialize;
use transom_build::UnitTests;
use transom_file::{Pipeline, TransformStep};
use transom_pipeline::TransformColumns;
use transom_plugin::Plugin;

use self::check::{Check, Checked, Checks, Verdict};
use self::transform::TransformInput;
use crate::context::Context;
use crate::failure::Failure;
use crate::plugin_named::plugin_named;
use crate::printer::{FAILED, FAINT, NAME, STRONG};
use crate::transform_steps::{TransformOfStep, first_steps};

/// How far what is said of a test stands below its first line.
const INDENT: &str = "      ";
const NO_STEP: &str = "no step of a pipeline here uses it: run `transom test --plugins` in the folder of one that does";

/// What became of the tests of one plugin.
#[derive(Debug, Serialize)]
pub(super) struct PluginReport {
    plugin: String,
    /// `None` of a plugin that was built already.
    unit_tests: Option<UnitTestReport>,
    checks: Vec<Checked>,
}

#[derive(Debug, Serialize)]
struct UnitTestReport {
    folder: PathBuf,
    command: &'static str,
    passed: bool,
    output: String,
    seconds: f64,
}

/// The inputs of transforms, by plugin and transform, or why there is none.
type Inputs = BTreeMap<(String, String), Result<TransformInput, String>>;

/// Tests the plugin in a folder.
pub(super) fn test_folder(
    context: &Context,
    folder: &Path,
    quiet: bool,
) -> Result<PluginReport, Failure> {
    let plugin = plugin_named(
        &folder.display().to_string(),
        context,
        &context.plugin_runtime()?,
    )?;
    test(context, &plugin, Some(folder), &Inputs::new(), quiet)
}

/// Tests each plugin of a pipeline.
pub(super) fn test_all(
    context: &Context,
    pipeline: &Pipeline,
    plugins: &[Arc<Plugin>],
    quiet: bool,
) -> Result<Vec<PluginReport>, Failure> {
    let inputs = inputs(context, pipeline, plugins)?;
    let reports = plugins.iter().map(|plugin| {
        let declared = pipeline.plugins.iter();
        let mut paths = declared
            .filter(|declared| declared.name.value == plugin.name())
            .map(|declared| declared.path.value.as_path());
        let folder = paths.next().filter(|path| path.is_dir());
        test(context, plugin, folder, &inputs, quiet)
    });
    reports.collect()
}

fn test(
    context: &Context,
    plugin: &Arc<Plugin>,
    folder: Option<&Path>,
    inputs: &Inputs,
    quiet: bool,
) -> Result<PluginReport, Failure> {
    let show = |text: String, passed: bool| match quiet || passed && context.global.quiet {
        true => Ok(()),
        false => context.printer.data(text),
    };
    let unit_tests = match folder {
        Some(folder) => {
            let report = unit_tests(folder)?;
            show(report.text(plugin.name()), report.passed)?;
            Some(report)
        }
        None => None,
    };
    let mut all = Vec::new();
    let mut add = |checks: Vec<Checked>| {
        let passed = checks.iter().all(|checked| !checked.failed());
        show(text(&checks), passed)?;
        all.extend(checks);
        Ok::<(), Failure>(())
    };
    add(described(plugin))?;
    let description = plugin.description();
    for described in &description.functions {
        add(function::check(plugin, described))?;
    }
    for described in &description.transforms {
        let key = (plugin.name().to_owned(), described.name.clone());
        let none = Err(NO_STEP.to_owned());
        let input = inputs.get(&key).unwrap_or(&none);
        add(transform::check(plugin, described, input))?;
    }
    Ok(PluginReport {
        plugin: plugin.name().to_owned(),
        unit_tests,
        checks: all,
    })
}

fn unit_tests(folder: &Path) -> Result<UnitTestReport, Failure> {
    let ran = transom_build::unit_tests(folder).map_err(|source| Failure::Build {
        folder: folder.to_owned(),
        source,
    })?;
    let UnitTests {
        command,
        passed,
        output,
        took,
    } = ran;
    Ok(UnitTestReport {
        folder: folder.to_owned(),
        command,
        passed,
        output,
        seconds: took.as_secs_f64(),
    })
}

fn described(plugin: &Plugin) -> Vec<Checked> {
    let mut checks = Checks::of(plugin.name().to_owned());
    let verdict = match plugin.describe() {
        Ok(again) if again == *plugin.description() => Verdict::Passed,
        Ok(_) => Verdict::failed(
            "it describes itself in another way when it is asked again",
            "offer the same functions and transforms in each instance",
        ),
        Err(error) => Verdict::Failed {
            message: error.to_string(),
            hint: error.hint(),
        },
    };
    checks.add(Check::Describe, verdict);
    checks.done
}

/// What the pipeline gives each transform: the columns, options and order of the first step that uses it.
fn inputs(
    context: &Context,
    pipeline: &Pipeline,
    plugins: &[Arc<Plugin>],
) -> Result<Inputs, Failure> {
    let steps = first_steps(context, pipeline, plugins, |_| true)?;
    let inputs = steps.into_iter().map(|used| {
        let TransformOfStep { step, columns, .. } = used;
        let key = (step.plugin.clone(), step.transform.value.clone());
        (key, columns.map(|columns| input_of(step, columns)))
    });
    Ok(inputs.collect())
}

fn input_of(step: &TransformStep, columns: TransformColumns) -> TransformInput {
    let keys = step.partition_by.iter().map(|key| {
        let options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        (key.value.clone(), options)
    });
    let order = step.order_by.iter().map(|order| {
        let options = SortOptions {
            descending: order.desc,
            nulls_first: order.nulls_first,
        };
        (order.column.value.clone(), options)
    });
    TransformInput {
        schema: columns.input,
        options: serde_json::Value::Object(step.options.clone()).to_string(),
        order: keys.chain(order).collect(),
    }
}

impl PluginReport {
    /// How many tests failed, and how many there were.
    pub(super) fn counts(&self) -> (usize, usize) {
        let unit_tests = self.unit_tests.iter().map(|report| !report.passed);
        let made = self.checks.iter().filter(|checked| checked.is_made());
        let checks = made.map(Checked::failed);
        let failed: Vec<bool> = unit_tests.chain(checks).collect();
        (
            failed.iter().filter(|failed| **failed).count(),
            failed.len(),
        )
    }
}

impl UnitTestReport {
    fn text(&self, plugin: &str) -> String {
        let subject = format!("{plugin} unit tests");
        let first = first_line(!self.passed, &subject, &format!("`{}`", self.command));
        match self.passed {
            true => first,
            false => {
                let lines = self.output.lines().map(|line| format!("\n{INDENT}{line}"));
                first + &lines.collect::<String>()
            }
        }
    }
}

impl Checked {
    fn failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. })
    }

    fn is_made(&self) -> bool {
        !matches!(self.verdict, Verdict::Skipped { .. })
    }
}

fn first_line(failed: bool, subject: &str, faint: &str) -> String {
    let (word, style) = match failed {
        true => ("FAIL", FAILED),
        false => ("ok", STRONG),
    };
    format!("{style}{word:<5}{style:#} {NAME}{subject}{NAME:#} {FAINT}{faint}{FAINT:#}")
}

/// The checks of one subject: a line with those that were made, and what is to be said of the others.
fn text(checks: &[Checked]) -> String {
    let Some(first) = checks.first() else {
        return String::new();
    };
    let names = |wanted: &dyn Fn(&Checked) -> bool| {
        let names = checks.iter().filter(|checked| wanted(checked));
        names
            .map(|checked| checked.check.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let failed = checks.iter().any(Checked::failed);
    let made = names(&|checked| checked.is_made());
    let mut text = match made.is_empty() {
        true => format!("{FAINT}skip {FAINT:#} {NAME}{}{NAME:#}", first.subject),
        false => first_line(failed, &first.subject, &made),
    };
    // Writing to a string does not fail.
    for checked in checks {
        if let Verdict::Failed { message, hint } = &checked.verdict {
            let _ = write!(
                text,
                "\n{INDENT}{}: {}",
                checked.check.name(),
                message.replace('\n', &format!("\n{INDENT}  "))
            );
            if let Some(hint) = hint {
                let _ = write!(text, "\n{INDENT}  hint: {hint}");
            }
        }
    }
    let reasons = checks.iter().filter_map(|checked| match &checked.verdict {
        Verdict::Skipped { reason } => Some(reason),
        _ => None,
    });
    for reason in reasons.collect::<BTreeSet<_>>() {
        let skipped = names(
            &|checked| matches!(&checked.verdict, Verdict::Skipped { reason: other } if other == reason),
        );
        let _ = write!(
            text,
            "\n{INDENT}{FAINT}skipped {skipped}: {reason}{FAINT:#}"
        );
    }
    text
}
