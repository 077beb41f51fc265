//! What is measured: `PLUGIN[.NAME]` to functions and transforms with rows for each.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::FieldRef;
use fastrand::Rng;
use transom_file::{Pipeline, StepKind, TransformStep};
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sources};
use transom_pipeline::read_rows;
use transom_pipeline::report::counted;
use transom_plugin::{
    Accepts, Description, FunctionDescription, Plugin, Runtime, TransformDescription,
};

use super::BenchCommand;
use crate::context::Context;
use crate::failure::Failure;
use crate::made_up::made_up;
use crate::plugin_named::plugin_named;

/// Rows of a transform's input, as a number of the largest batches: it gets one after the other.
const BATCHES: usize = 8;

/// A plugin with what is measured of it.
pub(super) struct Subjects {
    pub(super) plugin: Arc<Plugin>,
    pub(super) subjects: Vec<Subject>,
}

/// A function or transform with rows for it.
pub(super) struct Subject {
    pub(super) name: String,
    /// Where the rows come from.
    pub(super) origin: String,
    /// Whether they are made up, so that a function may refuse them.
    pub(super) is_made_up: bool,
    pub(super) work: Work,
}

/// What is called, with what.
pub(super) enum Work {
    /// A function with its arguments' columns.
    Function {
        name: String,
        fields: Vec<FieldRef>,
        columns: Vec<ArrayRef>,
    },
    /// A transform with all rows of its input.
    Transform {
        name: String,
        options: String,
        input: RecordBatch,
    },
}

impl Subject {
    pub(super) fn is_in(&self, description: &Description) -> bool {
        match &self.work {
            Work::Function { name, .. } => description.function(name).is_some(),
            Work::Transform { name, .. } => description.transform(name).is_some(),
        }
    }
}

impl Subjects {
    /// The functions and transforms that the command names.
    pub(super) fn find(
        command: &BenchCommand,
        context: &Context,
        runtime: &Runtime,
    ) -> Result<Self, Failure> {
        let (plugin, name) = split(&command.plugin, context, runtime)?;
        let description = plugin.description();
        let finder = Finder {
            command,
            context,
            plugin: &plugin,
            given: match &command.data {
                Some(file) => {
                    let rows = command.rows * BATCHES;
                    let read = context.block_on(async { Ok(read_rows(file, rows).await?) })?;
                    if read.num_rows() == 0 {
                        return Err(Failure::Usage {
                            message: format!("`{}` has no rows", file.display()),
                            hint: None,
                        });
                    }
                    Some(read)
                }
                None => None,
            },
        };
        let mut subjects = Vec::new();
        match name {
            Some(name) => match (description.function(&name), description.transform(&name)) {
                (Some(function), _) => subjects.push(finder.function(function)?),
                (None, Some(transform)) => {
                    subjects.push(finder.transform(transform)?.ok_or_else(|| {
                        let plugin = plugin.name();
                        Failure::Usage {
                            message: format!("there are no rows for the transform `{plugin}.{name}`"),
                            hint: Some(
                                "no step of a pipeline here uses it: name a file with `--data`, for example one of `transom \
                                 preview STEP --rows 100000 --format parquet > FILE.parquet`"
                                    .to_owned(),
                            ),
                        }
                    })?);
                }
                (None, None) => return Err(unknown(&plugin, &name)),
            },
            None => {
                for function in &description.functions {
                    match finder.function(function) {
                        Ok(subject) => subjects.push(subject),
                        Err(failure) => context.printer.warn(failure),
                    }
                }
                for transform in &description.transforms {
                    match finder.transform(transform)? {
                        Some(subject) => subjects.push(subject),
                        None => context.printer.warn(format_args!(
                            "`{}.{}` is passed over: no step of a pipeline here uses it",
                            plugin.name(),
                            transform.name
                        )),
                    }
                }
            }
        }
        Ok(Self { plugin, subjects })
    }
}

/// The plugin and the name behind its last point, if the whole is no plugin.
fn split(
    named: &str,
    context: &Context,
    runtime: &Runtime,
) -> Result<(Arc<Plugin>, Option<String>), Failure> {
    let is_component = [".wasm", ".zip"].iter().any(|end| named.ends_with(end));
    let is_plugin = is_component || std::path::Path::new(named).exists();
    match named.rsplit_once('.') {
        Some((plugin, name)) if !is_plugin && !name.contains(std::path::is_separator) => {
            let plugin = plugin_named(plugin, context, runtime)?;
            Ok((plugin, Some(name.to_owned())))
        }
        _ => Ok((plugin_named(named, context, runtime)?, None)),
    }
}

fn unknown(plugin: &Plugin, name: &str) -> Failure {
    let description = plugin.description();
    let functions = description.functions.iter().map(|function| &function.name);
    let transforms = description
        .transforms
        .iter()
        .map(|transform| &transform.name);
    let names: Vec<String> = functions
        .chain(transforms)
        .map(|name| format!("`{name}`"))
        .collect();
    Failure::Usage {
        message: format!(
            "the plugin `{}` has no function or transform `{name}`",
            plugin.name()
        ),
        hint: Some(format!("it has {}", names.join(", "))),
    }
}

struct Finder<'a> {
    command: &'a BenchCommand,
    context: &'a Context,
    plugin: &'a Plugin,
    /// The rows of `--data`.
    given: Option<RecordBatch>,
}

impl Finder<'_> {
    fn function(&self, function: &FunctionDescription) -> Result<Subject, Failure> {
        let name = format!("{}.{}", self.plugin.name(), function.name);
        let mut random = Rng::with_seed(7);
        let arguments = function.arguments.iter().map(|argument| {
            let (argument, accepts) = (&argument.name, &argument.accepts);
            match &self.given {
                Some(rows) => self.given_column(&name, argument, accepts, rows),
                None => {
                    let made = made_up(argument, accepts, self.command.rows, &mut random);
                    made.ok_or_else(|| Failure::Usage {
                        message: format!(
                            "values of `{accepts}` cannot be made up for `{argument}` of `{name}`"
                        ),
                        hint: Some("name a file with such a column with `--data`".to_owned()),
                    })
                }
            }
        });
        let (fields, columns) = arguments
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .unzip();
        Ok(Subject {
            name,
            origin: match &self.command.data {
                Some(file) => format!("rows of {}", file.display()),
                None => "made-up rows".to_owned(),
            },
            is_made_up: self.command.data.is_none(),
            work: Work::Function {
                name: function.name.clone(),
                fields,
                columns,
            },
        })
    }

    /// The column that is named as the argument, in the type that the argument wants.
    fn given_column(
        &self,
        function: &str,
        argument: &str,
        accepts: &Accepts,
        rows: &RecordBatch,
    ) -> Result<(FieldRef, ArrayRef), Failure> {
        let schema = rows.schema();
        let usage = |message, hint| Failure::Usage {
            message,
            hint: Some(hint),
        };
        let Some((index, field)) = schema.fields().find(argument) else {
            let names = schema
                .fields()
                .iter()
                .map(|field| format!("`{}`", field.name()));
            let names: Vec<String> = names.collect();
            return Err(usage(
                format!(
                    "`{function}` has an argument `{argument}`, and the rows have no column of that name"
                ),
                format!("the rows have {}", names.join(", ")),
            ));
        };
        let column = rows.column(index);
        let (Accepts::Exact(wanted), found) = (accepts, field.data_type()) else {
            return Ok((Arc::clone(field), Arc::clone(column)));
        };
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let column = cast_with_options(column, wanted, &strict).map_err(|error| {
            usage(
                format!("the column `{argument}` is `{found}`, and `{function}` takes `{wanted}`"),
                error.to_string(),
            )
        })?;
        let field = field.as_ref().clone().with_data_type(wanted.clone());
        Ok((Arc::new(field), column))
    }

    /// The transform with the rows of `--data`, or with those of the first step that uses it; `None` if there are neither.
    fn transform(&self, transform: &TransformDescription) -> Result<Option<Subject>, Failure> {
        let name = format!("{}.{}", self.plugin.name(), transform.name);
        let is_told = self.given.is_some() && self.command.options.is_some();
        let pipeline = match !is_told && self.context.global.file.exists() {
            true => Some(self.context.pipeline()?),
            false => None,
        };
        let step = pipeline
            .as_ref()
            .and_then(|pipeline| Some((pipeline, self.step(pipeline, &transform.name)?)));
        let options = match (&self.command.options, &step) {
            (Some(options), _) => options.clone(),
            (None, Some((_, (_, step)))) => {
                serde_json::Value::Object(step.options.clone()).to_string()
            }
            (None, None) => "{}".to_owned(),
        };
        let (origin, input) = match (&self.given, step) {
            (Some(rows), _) => {
                let file = self
                    .command
                    .data
                    .as_deref()
                    .unwrap_or(std::path::Path::new(""));
                (format!("rows of {}", file.display()), rows.clone())
            }
            (None, Some((pipeline, (step, uses)))) => {
                let input = self.input_of(pipeline, uses)?;
                (format!("rows of step `{step}`"), input)
            }
            (None, None) => return Ok(None),
        };
        if input.num_rows() == 0 {
            return Err(Failure::Usage {
                message: format!("there are no rows for the transform `{name}`"),
                hint: None,
            });
        }
        Ok(Some(Subject {
            name,
            origin: format!("{origin}, {}", counted(input.num_rows() as u64, "row")),
            is_made_up: false,
            work: Work::Transform {
                name: transform.name.clone(),
                options,
                input,
            },
        }))
    }

    /// The first step that uses the plugin's transform, with its name.
    fn step<'p>(
        &self,
        pipeline: &'p Pipeline,
        transform: &str,
    ) -> Option<(&'p str, &'p TransformStep)> {
        pipeline.steps.iter().find_map(|step| match &step.kind {
            StepKind::Transform(uses)
                if uses.plugin == self.plugin.name() && uses.transform.value == transform =>
            {
                Some((step.name.value.as_str(), uses))
            }
            _ => None,
        })
    }

    fn input_of(&self, pipeline: &Pipeline, step: &TransformStep) -> Result<RecordBatch, Failure> {
        let lock = Lock::read(&Lock::path_of(pipeline))?;
        let plugins = self.context.plugins(pipeline)?;
        let part = Part::of(&step.input.value);
        let rows = self.command.rows * BATCHES;
        self.context.block_on(async {
            let job = self.context.job(pipeline.clone(), plugins, lock).await?;
            let planned = job.plan(Sources::Open, &part);
            Ok(planned.await?.input_of(step, rows).await?)
        })
    }
}
