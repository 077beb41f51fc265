//! `transom inspect`: what a plugin says it offers, and what it asks for.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use serde_json::{Value, json};
use transom_pipeline::report::Bytes;
use transom_pipeline::{
    TransformColumns, field_type_name, read_rows, required_keys, transform_columns, type_name,
};
use transom_plugin::{Description, FunctionDescription, Limits, Plugin, TransformDescription};

use crate::context::Context;
use crate::failure::Failure;
use crate::plugin_named::plugin_named;
use crate::printer::{FAINT, NAME, STRONG};
use crate::transform_steps::first_steps;
use crate::values::object;

/// Show what a plugin offers: functions, transforms and their options; its imports, digest and limits.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom inspect aviation                 a plugin of the pipeline in this folder
  transom inspect plugins/aviation         a folder, built if need be
  transom inspect aviation.wasm --json
  transom inspect aviation --data departures.parquet     what transforms read and give of these columns")]
pub(crate) struct InspectCommand {
    /// A component (`.wasm`), a plugin's folder, or the name of a plugin in the pipeline.
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// Opens transforms for the columns of a file: Parquet, CSV or JSON lines. [default: those that the pipeline gives]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Options of the transforms, with `--data`. [default: none]
    #[arg(long, value_name = "JSON", requires = "data", value_parser = object)]
    options: Option<String>,
    /// Writes everything as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a transform reads and gives over an input.
struct Over {
    transform: String,
    /// Where the input comes from: a step, a file.
    origin: String,
    columns: Result<TransformColumns, String>,
}

impl InspectCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let plugin = plugin_named(&self.plugin, context, &context.plugin_runtime()?)?;
        let over = match plugin.description().transforms.is_empty() {
            true => Vec::new(),
            false => self.over(context, &plugin)?,
        };
        match self.json {
            true => context.printer.json(&to_json(&plugin, &over)),
            false => context.printer.data(text(&plugin, &over).trim_end()),
        }
    }

    /// The columns of transforms, over the rows that are named or over the inputs of the pipeline's steps.
    fn over(&self, context: &Context, plugin: &Arc<Plugin>) -> Result<Vec<Over>, Failure> {
        if let Some(file) = &self.data {
            let options = self.options.as_deref().unwrap_or("{}");
            return context.block_on(async {
                let rows = read_rows(file, 1).await?;
                let mut all = Vec::new();
                for transform in &plugin.description().transforms {
                    let columns = transform_columns(plugin, &transform.name, options, rows.clone());
                    all.push(Over {
                        transform: transform.name.clone(),
                        origin: format!("over {}", file.display()),
                        columns: columns.await.map_err(|error| error_text(&error)),
                    });
                }
                Ok(all)
            });
        }
        // What a component or a folder is called in a pipeline is not known.
        let is_named = !Path::new(&self.plugin).exists();
        if !is_named || !context.global.file.exists() {
            return Ok(Vec::new());
        }
        let pipeline = context.pipeline()?;
        // Another plugin that does not build is no reason to say nothing of this one.
        let plugins = match context.plugins(&pipeline) {
            Ok(plugins) => plugins,
            Err(failure) => {
                let what = "the columns of transforms are not known";
                context.printer.warn(format_args!("{what}: {failure}"));
                return Ok(Vec::new());
            }
        };
        let steps = first_steps(context, &pipeline, &plugins, |step| {
            step.plugin == plugin.name()
        })?;
        let over = steps.into_iter().map(|used| Over {
            transform: used.step.transform.value.clone(),
            origin: format!("in step `{}`", used.name),
            columns: used.columns,
        });
        Ok(over.collect())
    }
}

fn text(plugin: &Plugin, over: &[Over]) -> String {
    let mut text = String::new();
    let Description {
        name,
        version,
        functions,
        transforms,
    } = plugin.description();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{NAME}{name}{NAME:#} {version}");
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{FAINT}{label:<8}{FAINT:#} {value}");
    };
    line("size", Bytes(plugin.bytes() as u64).to_string());
    line("sha256", plugin.digest().to_owned());
    let imports = plugin.imports();
    line(
        "imports",
        if imports.is_empty() {
            "nothing".to_owned()
        } else {
            imports.join(", ")
        },
    );
    line("limits", limits(plugin.limits()));
    if !functions.is_empty() {
        let _ = write!(text, "\n{STRONG}Functions{STRONG:#}\n");
        functions
            .iter()
            .for_each(|function| describe_function(&mut text, plugin.name(), function));
    }
    if !transforms.is_empty() {
        let _ = write!(text, "\n{STRONG}Transforms{STRONG:#}\n");
        transforms
            .iter()
            .for_each(|transform| describe_transform(&mut text, plugin.name(), transform, over));
    }
    text
}

fn limits(limits: &Limits) -> String {
    // As the pipeline's file says them.
    let size = |bytes: usize| match bytes {
        bytes if bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => Bytes(bytes as u64).to_string(),
    };
    let Limits {
        memory,
        output,
        state,
        call_time,
        ..
    } = limits;
    format!(
        "memory {}, call_time {} s, output {}, state {}",
        size(*memory),
        call_time.as_secs_f64(),
        size(*output),
        size(*state)
    )
}

fn describe_function(text: &mut String, plugin: &str, function: &FunctionDescription) {
    let FunctionDescription {
        name,
        doc,
        output,
        volatility,
        ..
    } = function;
    let output = output.as_deref().map(pipeline_type);
    let output = output.unwrap_or_else(|| "depends on the arguments".to_owned());
    let arguments = signature(function);
    let _ = writeln!(
        text,
        "  {NAME}{plugin}.{name}{NAME:#}({arguments}) -> {output}  {FAINT}{volatility:?}{FAINT:#}"
    );
    describe(text, doc);
}

/// A type of a description in the words of the pipeline file.
fn pipeline_type(arrow: &str) -> String {
    match arrow.parse() {
        Ok(data_type) => type_name(&data_type),
        // A class of types has the same name everywhere.
        Err(_) => arrow.to_owned(),
    }
}

/// `a int64, b numeric, ..`
fn signature(function: &FunctionDescription) -> String {
    let arguments = function.arguments.iter().map(|argument| {
        let accepts = pipeline_type(&argument.accepts.to_string());
        format!("{} {accepts}", argument.name)
    });
    let mut arguments: Vec<String> = arguments.collect();
    if function.variadic {
        arguments.push("..".to_owned());
    }
    arguments.join(", ")
}

fn describe_transform(
    text: &mut String,
    plugin: &str,
    transform: &TransformDescription,
    over: &[Over],
) {
    let TransformDescription {
        name,
        doc,
        options,
        stateful,
        partition_by,
        order_by,
    } = transform;
    let state = if *stateful { "  keeps state" } else { "" };
    let _ = writeln!(
        text,
        "  {NAME}{plugin}.{name}{NAME:#}{FAINT}{state}{FAINT:#}"
    );
    describe(text, doc);
    if !partition_by.is_empty() || !order_by.is_empty() {
        let requires = required_keys(partition_by, order_by);
        let _ = writeln!(text, "    requires {requires}");
    }
    for option in Options(options).all() {
        let _ = writeln!(text, "    {option}");
    }
    for over in over.iter().filter(|over| over.transform == *name) {
        match &over.columns {
            Ok(columns) => {
                let _ = writeln!(text, "    {}", over.origin);
                let parts = [
                    ("reads", &columns.reads),
                    ("computes", &columns.computes),
                    ("passes", &columns.passes),
                ];
                for (part, fields) in parts.iter().filter(|(_, fields)| !fields.is_empty()) {
                    let fields = fields.iter();
                    let fields =
                        fields.map(|field| format!("{} {}", field.name(), field_type_name(field)));
                    let fields = fields.collect::<Vec<_>>().join(", ");
                    let _ = writeln!(text, "      {FAINT}{part:<8}{FAINT:#} {fields}");
                }
            }
            Err(problem) => {
                let _ = writeln!(text, "    {}: {problem}", over.origin);
            }
        }
    }
}

fn describe(text: &mut String, doc: &str) {
    for line in doc.trim().lines() {
        // A plugin must not steer the terminal.
        let line = line
            .trim_end()
            .replace(|character: char| character.is_control(), " ");
        let _ = writeln!(text, "    {line}");
    }
}

/// How deep into an option's type is looked.
const DEPTH: usize = 8;
const MORE: &str = "..";

/// A transform's options as its JSON Schema tells them.
struct Options<'a>(&'a Value);

impl Options<'_> {
    /// A line each: `option gap: string, default "30m": After so long a new visit begins`.
    fn all(&self) -> Vec<String> {
        let required = self.0["required"].as_array().cloned().unwrap_or_default();
        let Some(properties) = self.0["properties"].as_object() else {
            return Vec::new();
        };
        let line = |(name, schema): (&String, &Value)| {
            let mut line = format!("option {NAME}{name}{NAME:#}: {}", self.type_of(schema));
            if required.contains(&Value::from(name.as_str())) {
                line.push_str(", required");
            }
            if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
                let _ = write!(line, ", default {default}");
            }
            if let Some(doc) = schema["description"].as_str() {
                let _ = write!(
                    line,
                    " {FAINT}-{FAINT:#} {}",
                    doc.split_whitespace().collect::<Vec<_>>().join(" ")
                );
            }
            line
        };
        properties.iter().map(line).collect()
    }

    fn type_of(&self, schema: &Value) -> String {
        self.type_within(schema, DEPTH)
    }

    /// The schema is the plugin's own text, which may refer to itself.
    fn type_within(&self, schema: &Value, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return MORE.to_owned();
        };
        if let Some(values) = schema["enum"].as_array() {
            return values
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(" | ");
        }
        if let Some(definition) = schema["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix('#'))
        {
            return self.0.pointer(definition).map_or_else(
                || "any".to_owned(),
                |schema| self.type_within(schema, depth),
            );
        }
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        let either = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
        if let Some(schemas) = either {
            return schemas
                .iter()
                .map(|schema| self.type_within(schema, depth))
                .collect::<Vec<_>>()
                .join(" | ");
        }
        let item = |name: &str| match name {
            "array" => format!("array of {}", self.type_within(&schema["items"], depth)),
            name => name.to_owned(),
        };
        match &schema["type"] {
            Value::String(name) => item(name),
            Value::Array(names) => names
                .iter()
                .filter_map(Value::as_str)
                .map(item)
                .collect::<Vec<_>>()
                .join(" | "),
            _ => "any".to_owned(),
        }
    }
}

fn to_json(plugin: &Plugin, over: &[Over]) -> Value {
    let Limits {
        memory,
        output,
        state,
        call_time,
        ..
    } = plugin.limits();
    let mut json = json!(plugin.description());
    for function in json["functions"].as_array_mut().into_iter().flatten() {
        if let Some(output) = function["output"].as_str() {
            function["output"] = pipeline_type(output).into();
        }
        for argument in function["arguments"].as_array_mut().into_iter().flatten() {
            let accepts = argument["accepts"].as_str().unwrap_or_default();
            argument["accepts"] = pipeline_type(accepts).into();
        }
    }
    for transform in json["transforms"].as_array_mut().into_iter().flatten() {
        let name = transform["name"].as_str().unwrap_or_default().to_owned();
        let over = over.iter().filter(|over| over.transform == name);
        transform["columns"] = over.map(Over::to_json).collect();
    }
    json["digest"] = plugin.digest().into();
    json["bytes"] = plugin.bytes().into();
    json["imports"] = plugin.imports().into();
    json["limits"] = json!({
        "memory_bytes": memory, "call_time_secs": call_time.as_secs_f64(), "output_bytes": output,
        "state_bytes": state
    });
    json
}

impl Over {
    fn to_json(&self) -> Value {
        let fields = |fields: &[FieldRef]| -> Value {
            let fields = fields.iter();
            let fields =
                fields.map(|field| json!({ "name": field.name(), "type": field_type_name(field) }));
            fields.collect()
        };
        match &self.columns {
            Ok(columns) => json!({
                "origin": self.origin,
                "reads": fields(&columns.reads),
                "computes": fields(&columns.computes),
                "passes": fields(&columns.passes),
            }),
            Err(problem) => json!({ "origin": self.origin, "problem": problem }),
        }
    }
}

/// What the plugin itself says: what it was asked stands above.
fn error_text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_a_json_schema() {
        let schema = json!({
            "type": "object",
            "required": ["gap"],
            "properties": {
                "gap": { "type": "string", "description": "A new visit\nbegins." },
                "most": { "type": ["integer", "null"], "default": 3 },
                "mode": { "$ref": "#/$defs/Mode" },
                "columns": { "type": "array", "items": { "type": "string" } },
            },
            "$defs": { "Mode": { "enum": ["first", "last"] } },
        });
        let lines: Vec<String> = Options(&schema)
            .all()
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        let expected = [
            "option columns: array of string",
            "option gap: string, required - A new visit begins.",
            "option mode: \"first\" | \"last\"",
            "option most: integer | null, default 3",
        ];
        let mut sorted = lines.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
        assert!(Options(&json!(true)).all().is_empty());
        let endless = json!({ "properties": { "a": { "$ref": "#/properties/a" } } });
        assert_eq!(Options(&endless).all().len(), 1);
    }
}
