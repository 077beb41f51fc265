//! From the file as it is written to a valid pipeline: names exist, paths keep apart, values have their types.
//!
//! Each part is resolved by itself and reports what is wrong with it; the pipeline comes about only if nothing was. A part
//! that could not be read was reported by the reader and is passed over here.

mod checks;
mod redshift;
mod steps;
mod tables;
mod targets;

pub use self::tables::format_of_file;

use std::path::{Path, PathBuf};

use super::LoadOptions;
use super::model::PipelineFile;
use super::paths::normalized;
use super::pipeline::{Limits, Pipeline, Plugin};
use super::problem::{Problem, Source, Span};
use super::reader::{Entries, Spanned};
use super::spec::{Place, SliceLimits};
use super::{cycles, paths};

/// What all parts need to be resolved, and where they report.
struct Resolver<'a> {
    file: &'a PipelineFile,
    source: &'a Source,
    /// The absolute path of the file's folder.
    root: PathBuf,
    problems: &'a mut Vec<Problem>,
}

/// Resolves `file` for the target and variables in `options`; reports to `problems`.
///
/// Returns `None` only after a problem; a pipeline may come with problems, too, and must not be used then.
pub(super) fn resolve(
    file: &PipelineFile,
    source: &Source,
    options: &LoadOptions,
    problems: &mut Vec<Problem>,
) -> Option<Pipeline> {
    let folder = source.shown.parent().unwrap_or(Path::new(""));
    // An empty path has no absolute form.
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let root = match std::path::absolute(folder) {
        Ok(root) => normalized(&root),
        Err(error) => {
            problems.push(Problem::new(format!(
                "no current folder for a relative path: {error}"
            )));
            return None;
        }
    };
    let mut resolver = Resolver {
        file,
        source,
        root,
        problems,
    };
    resolver.check_table_names();
    let plugins = resolver.plugins(options);
    let target = resolver.target(options);
    let variables = resolver.variables(&target, options);
    let sources = resolver.sources(&target);
    let steps = resolver.steps(&variables);
    let sinks = resolver.sinks(&target);
    let (dead_letters, said) = resolver.dead_letters(&target);
    let aws = resolver.aws(&target);
    let redshift = resolver.redshift(&target, &sinks, &aws);
    let mut outputs = resolver.outputs(&sinks, redshift.as_ref());
    outputs.extend(resolver.state_output(&target));
    resolver.check_paths(&plugins, &sources, &steps, outputs, (&dead_letters, said));
    resolver.check_input_cycles();
    let name = file.name.as_ref()?.0.clone();
    let state = resolver.state(&target, &name);
    resolver.check_slice_limits();
    resolver.check_states();
    Some(Pipeline {
        name,
        root: resolver.root,
        file: source.shown.clone(),
        target: target.name,
        plugins,
        sources,
        steps,
        sinks,
        dead_letters: dead_letters.value,
        state: state?,
        slices: slice_limits(file),
        aws,
        redshift: redshift.map(|said| said.value),
        variables,
        source: source.clone(),
    })
}

fn slice_limits(file: &PipelineFile) -> SliceLimits {
    let default = SliceLimits::default();
    let Some(said) = &file.slices else {
        return default;
    };
    SliceLimits {
        files: said
            .files
            .as_ref()
            .map_or(default.files, |files| files.value.0.max(1)),
        bytes: said.bytes.map_or(default.bytes, |bytes| bytes.0),
        rows: said.rows.as_ref().map(|rows| rows.value.0.max(1)),
        time: said.time.map(|time| time.0),
    }
}

impl Resolver<'_> {
    /// Reports a bound that lets no slice through.
    fn check_slice_limits(&mut self) {
        let Some(slices) = &self.file.slices else {
            return;
        };
        for (bound, of) in [(&slices.files, "files"), (&slices.rows, "rows")] {
            if let Some(bound) = bound.as_ref().filter(|bound| bound.value.0 == 0) {
                let problem = self.at(bound.span, format!("a slice of no {of} loads nothing"));
                self.report(problem.with_label("at least 1"));
            }
        }
    }

    /// Reports targets that keep what they have loaded in one place: one would take the inputs of the other for loaded.
    fn check_states(&mut self) {
        let mut known: Vec<(&str, &str, Span)> = Vec::new();
        for entry in entries(self.file.targets.as_ref()) {
            let state = entry
                .value
                .as_ref()
                .and_then(|target| target.state.as_ref());
            let Some(path) = state.and_then(|state| state.path.as_ref()) else {
                continue;
            };
            let (name, text) = (entry.name.value.as_str(), path.value.trim_end_matches('/'));
            match known.iter().find(|(_, other, _)| *other == text) {
                Some((other, _, span)) => {
                    let message = format!(
                        "the target `{name}` keeps its state where the target `{other}` does"
                    );
                    let problem = self
                        .at(path.span, message)
                        .with_label("each would take the inputs of the other for loaded")
                        .with_related(
                            format!("the target `{other}` is here"),
                            self.source.place(*span),
                        );
                    self.report(problem);
                }
                None => known.push((name, text, path.span)),
            }
        }
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// A problem at `span`, still to be reported.
    fn at(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(message).at(self.source.place(span))
    }

    /// The absolute path for one that the file says.
    fn path(&mut self, path: &Spanned<String>) -> Option<Spanned<PathBuf>> {
        match paths::resolve(&self.root, &path.value, path.span, self.source) {
            Ok(value) => Some(Spanned {
                value,
                span: path.span,
            }),
            Err(problem) => {
                self.report(*problem);
                None
            }
        }
    }

    /// The place for a text that the file says.
    fn place(&mut self, said: &Spanned<String>) -> Option<Spanned<Place>> {
        match paths::place(&self.root, &said.value, said.span, self.source) {
            Ok(value) => Some(Spanned {
                value,
                span: said.span,
            }),
            Err(problem) => {
                self.report(*problem);
                None
            }
        }
    }

    /// The file as messages show it, for a path that the pipeline says.
    fn shown(&self, path: &str) -> PathBuf {
        self.source
            .shown
            .parent()
            .unwrap_or(Path::new(""))
            .join(path)
    }

    /// The names of all tables: sources and steps.
    fn tables(&self) -> Vec<&str> {
        names(self.file.sources.as_ref())
            .chain(names(self.file.steps.as_ref()))
            .collect()
    }

    /// Reports `name` if it is no table; `what` says what it is for.
    fn check_table(&mut self, name: &Spanned<String>, what: &str) {
        let tables = self.tables();
        if tables.contains(&name.value.as_str()) {
            return;
        }
        let problem = self
            .at(
                name.span,
                format!("{what} reads `{}`, which is no source or step", name.value),
            )
            .with_label(format!(
                "allowed: {}",
                super::problem::list(tables.iter().copied())
            ))
            .with_near_name(&name.value, tables.iter().copied());
        self.report(problem);
    }

    /// Reports `name` if it is no plugin.
    fn check_plugin(&mut self, name: &str, span: Span) {
        let file = self.file;
        let plugins = || names(file.plugins.as_ref());
        if plugins().any(|plugin| plugin == name) {
            return;
        }
        let problem = self
            .at(span, format!("unknown plugin `{name}`"))
            .with_label(format!("plugins: {}", super::problem::list(plugins())))
            .with_near_name(name, plugins());
        self.report(problem);
    }

    /// Reports steps that have the name of a source.
    fn check_table_names(&mut self) {
        let (Some(sources), Some(steps)) = (&self.file.sources, &self.file.steps) else {
            return;
        };
        for step in &steps.0 {
            let Some(source) = sources.get(&step.name.value) else {
                continue;
            };
            let problem = self
                .at(
                    step.name.span,
                    format!("the step `{}` has the name of a source", step.name.value),
                )
                .with_label("tables need names of their own")
                .with_related("the source is here", self.source.place(source.name.span));
            self.report(problem);
        }
    }

    fn plugins(&mut self, options: &LoadOptions) -> Vec<Plugin> {
        let mut plugins = Vec::new();
        for entry in entries(self.file.plugins.as_ref()) {
            let Some(plugin) = &entry.value else { continue };
            let Some(said) = &plugin.path else { continue };
            let Some(path) = self.path(said) else {
                continue;
            };
            if !options.is_packaged {
                self.check_plugin_path(said, &path.value);
            }
            let limits = plugin
                .limits
                .as_ref()
                .map_or_else(Limits::default, |limits| Limits {
                    memory_bytes: limits.memory.map(|memory| memory.0),
                    call_time: limits.call_time.map(|time| time.0),
                    output_bytes: limits.output.map(|output| output.0),
                    state_bytes: limits.state.map(|state| state.0),
                });
            plugins.push(Plugin {
                name: entry.name.clone(),
                path,
                limits,
            });
        }
        plugins
    }

    /// Reports a plugin's path where there is neither a folder nor a component.
    fn check_plugin_path(&mut self, said: &Spanned<String>, path: &Path) {
        let (message, label) = match fs_err::metadata(path) {
            Ok(found) if found.is_dir() => return,
            Ok(_)
                if path
                    .extension()
                    .is_some_and(|extension| extension == "wasm" || extension == "zip") =>
            {
                return;
            }
            Ok(_) => (
                format!("`{}` is no plugin", said.value),
                "a file, but no `.wasm` or `.zip`",
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (
                format!("the plugin path `{}` does not exist", said.value),
                "nothing there",
            ),
            Err(error) => (error.to_string(), "cannot be read"),
        };
        let problem = self.at(said.span, message).with_label(label).with_hint(
            "name a folder with a plugin's source, or a `.wasm` or `.zip` file, relative to this file",
        );
        self.report(problem);
    }

    /// Reports steps that read each other in a circle through `input`.
    fn check_input_cycles(&mut self) {
        let steps = || entries(self.file.steps.as_ref());
        let order: Vec<&Spanned<String>> = steps().map(|entry| &entry.name).collect();
        let reads: Vec<(&str, &str)> = steps()
            .filter_map(|entry| {
                let input = entry.value.as_ref()?.input.as_ref()?;
                Some((entry.name.value.as_str(), input.value.as_str()))
            })
            .collect();
        let found = cycles::problems(&order, &reads, self.source);
        self.problems.extend(found);
    }
}

/// The names of a part that may be missing.
fn names<T>(entries: Option<&Entries<T>>) -> impl Iterator<Item = &str> + Clone {
    entries.into_iter().flat_map(Entries::names)
}

/// The entries of a part that may be missing.
fn entries<T>(entries: Option<&Entries<T>>) -> impl Iterator<Item = &super::reader::Entry<T>> {
    entries.into_iter().flat_map(|entries| entries.0.iter())
}
