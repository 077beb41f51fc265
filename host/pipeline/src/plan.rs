//! From a pipeline to plans: every step planned, every mistake that SQL, types and plugins reveal placed in its file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use transom_connect::{self as connect, FileSink, FileSource, ParquetCompression};
use transom_plugin::{Cancel, Plugin};
use transom_query::{
    CallError, OnError, OnReject, OrderBy, Params, Session, SessionOptions, TransformStep,
    UnknownParam,
};

use crate::dead_letters::DeadLetterSpool;
use crate::error::{Error, Result};
use crate::file::{
    self, ErrorPolicy, Pipeline, Problem, Problems, Span, SqlStep, Step, StepKind, Value, ValueType,
};
use crate::lock::Lock;

/// Whether sources are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// Their files are listed and, without a lock file, their schemas told from them.
    Open,
    /// Only the lock file says what they are; a plan made so cannot be run.
    FromLock,
}

/// A pipeline whose steps have been planned.
#[derive(Debug)]
pub struct Planned {
    pub(crate) session: Session,
    pub(crate) sources: Vec<PlannedSource>,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) sinks: Vec<PlannedSink>,
}

#[derive(Debug)]
pub(crate) struct PlannedSource {
    pub(crate) source: FileSource,
    pub(crate) schema: SchemaRef,
}

/// A step in the order in which steps can run.
#[derive(Debug)]
pub(crate) struct PlannedStep {
    pub(crate) name: String,
    /// The sources and steps that it reads, each once.
    pub(crate) reads: Vec<String>,
    pub(crate) plan: LogicalPlan,
    /// How often steps and sinks read it; more than once makes it run once, into a spool.
    pub(crate) readers: usize,
    pub(crate) dead_letters: Option<Arc<DeadLetterSpool>>,
}

#[derive(Debug)]
pub(crate) struct PlannedSink {
    pub(crate) sink: FileSink,
    pub(crate) from: String,
}

impl Planned {
    /// Schemas of the sources by name.
    pub fn source_schemas(&self) -> BTreeMap<String, SchemaRef> {
        self.sources
            .iter()
            .map(|planned| (planned.source.name.clone(), Arc::clone(&planned.schema)))
            .collect()
    }

    /// Names of the steps in the order in which they can run, with their readers and schemas.
    pub fn steps(&self) -> impl Iterator<Item = (&str, usize, SchemaRef)> {
        self.steps.iter().map(|step| {
            let schema = Arc::new(Schema::new(step.plan.schema().fields().to_vec()));
            (step.name.as_str(), step.readers, schema)
        })
    }

    /// The sources and steps that a step reads, each once; none if there is no such step.
    pub fn reads(&self, step: &str) -> &[String] {
        self.steps
            .iter()
            .find(|planned| planned.name == step)
            .map_or(&[], |planned| &planned.reads)
    }

    /// The operators that would run for a step, as DataFusion shows them.
    pub async fn explain(&self, step: &str) -> Result<Option<String>> {
        let Some(planned) = self.steps.iter().find(|planned| planned.name == step) else {
            return Ok(None);
        };
        let what = format!("planning step `{step}`");
        let plan = self
            .session
            .optimize(planned.plan.clone())
            .await
            .map_err(|error| Error::of_query(&what, error))?;
        Ok(Some(
            datafusion::physical_plan::displayable(plan.as_ref())
                .indent(false)
                .to_string(),
        ))
    }
}

/// Plans a pipeline. All mistakes are reported at once; a step that reads a wrong one is passed over.
pub async fn plan(
    pipeline: &Pipeline,
    plugins: &[Arc<Plugin>],
    lock: Option<&Lock>,
    sources: Sources,
    options: &SessionOptions,
    cancel: Cancel,
) -> Result<Planned> {
    let mut session = Session::new(options, cancel)
        .map_err(|error| Error::of_query("starting the session", error))?;
    plugins
        .iter()
        .for_each(|plugin| session.add_plugin(Arc::clone(plugin)));
    let mut planner = Planner {
        pipeline,
        problems: Vec::new(),
        tables: BTreeSet::new(),
        session,
    };
    let planned_sources = planner.sources(lock, sources).await?;
    let order = planner.order()?;
    let mut steps = Vec::new();
    for step in order {
        if let Some(planned) = planner.step(step).await? {
            steps.push(planned);
        }
    }
    let sinks = planner.sinks(&planned_sources, &steps);
    count_readers(&mut steps, &sinks)?;
    let Planner {
        problems, session, ..
    } = planner;
    match problems.is_empty() {
        true => Ok(Planned {
            session,
            sources: planned_sources,
            steps,
            sinks,
        }),
        false => Err(Problems(problems).into()),
    }
}

fn count_readers(steps: &mut [PlannedStep], sinks: &[PlannedSink]) -> Result<()> {
    let plans: Vec<LogicalPlan> = steps.iter().map(|step| step.plan.clone()).collect();
    for step in steps {
        let by_sinks = sinks.iter().filter(|sink| sink.from == step.name).count();
        let by_steps = plans
            .iter()
            .map(|plan| Session::reads_of(plan, &step.name))
            .sum::<Result<usize, _>>();
        step.readers =
            by_sinks + by_steps.map_err(|error| Error::of_query("counting readers", error))?;
    }
    Ok(())
}

struct Planner<'a> {
    pipeline: &'a Pipeline,
    problems: Vec<Problem>,
    /// Sources and steps that can be read.
    tables: BTreeSet<String>,
    session: Session,
}

impl<'a> Planner<'a> {
    async fn sources(&mut self, lock: Option<&Lock>, how: Sources) -> Result<Vec<PlannedSource>> {
        let mut planned = Vec::new();
        for source in &self.pipeline.sources {
            let name = &source.name.value;
            let locked = lock.and_then(|lock| lock.schema(source));
            let files = file_source(self.pipeline, source);
            let state = self.session.context().state();
            let table = match (how, locked) {
                (Sources::Open, locked) => match open_source(&files, &state, locked).await {
                    Ok(table) => table,
                    Err(error) => {
                        let mut problem = self
                            .pipeline
                            .problem_at(source.path.span, error_chain(&error));
                        problem.hint = error.hint();
                        self.problems.push(problem);
                        continue;
                    }
                },
                (Sources::FromLock, Some(schema)) => Arc::new(EmptyTable::new(schema)) as _,
                (Sources::FromLock, None) => {
                    let message = format!(
                        "source `{name}` is not in the lock file, so its columns are not known"
                    );
                    let problem = self.pipeline.problem_at(source.name.span, message);
                    self.problems.push(
                        problem.with_hint("run `transom lock`, which looks at the sources once"),
                    );
                    continue;
                }
            };
            let schema = table.schema();
            self.session
                .add_table(name, table)
                .map_err(|error| Error::of_query("registering sources", error))?;
            self.tables.insert(name.clone());
            planned.push(PlannedSource {
                source: files,
                schema,
            });
        }
        Ok(planned)
    }

    /// The steps in an order in which each comes after what it reads.
    fn order(&mut self) -> Result<Vec<&'a Step>> {
        let pipeline = self.pipeline;
        let mut reads: Vec<(String, String)> = Vec::new();
        for step in &pipeline.steps {
            match &step.kind {
                StepKind::Transform(transform) => {
                    reads.push((step.name.value.clone(), transform.input.value.clone()))
                }
                StepKind::Sql(sql) => match self.session.tables_of(&sql.text) {
                    Ok(tables) => reads.extend(
                        tables
                            .into_iter()
                            .map(|table| (step.name.value.clone(), table)),
                    ),
                    Err(error) => {
                        let problem = sql_problem(pipeline, sql, &error);
                        self.problems.push(problem);
                    }
                },
            }
        }
        pipeline.check_cycles(&reads)?;
        let mut order: Vec<&Step> = Vec::new();
        // Steps come in the file's order wherever they can; there is no cycle, so every round places at least one.
        while order.len() < pipeline.steps.len() {
            let placed: BTreeSet<&str> =
                order.iter().map(|step| step.name.value.as_str()).collect();
            let ready = |step: &&Step| {
                !placed.contains(step.name.value.as_str())
                    && reads
                        .iter()
                        .filter(|(reader, _)| *reader == step.name.value)
                        .all(|(_, table)| {
                            pipeline.step(table).is_none()
                                || placed.contains(table.as_str())
                                || *table == step.name.value
                        })
            };
            match pipeline.steps.iter().find(ready) {
                Some(step) => order.push(step),
                None => break,
            }
        }
        Ok(order)
    }

    async fn step(&mut self, step: &Step) -> Result<Option<PlannedStep>> {
        let name = &step.name.value;
        let mut dead_letters = None;
        let plan = match &step.kind {
            StepKind::Sql(sql) => self.sql(sql).await?,
            StepKind::Transform(transform) => {
                if matches!(transform.on_reject, file::OnReject::DeadLetter) {
                    dead_letters = Some(Arc::new(DeadLetterSpool::new(name)?));
                }
                self.transform(name, transform, dead_letters.clone())
                    .await?
            }
        };
        let Some(plan) = plan else { return Ok(None) };
        let mut names = BTreeSet::new();
        if let Some(twice) = plan
            .schema()
            .fields()
            .iter()
            .find(|field| !names.insert(field.name()))
        {
            let message = format!("step `{name}` has two columns named `{}`", twice.name());
            let problem = self.pipeline.problem_at(step.name.span, message);
            self.problems
                .push(problem.with_hint("give one of them another name with `AS`"));
            return Ok(None);
        }
        self.session
            .add_step(name, plan.clone())
            .map_err(|error| Error::of_query(&format!("step `{name}`"), error))?;
        self.tables.insert(name.clone());
        let mut reads = match &step.kind {
            StepKind::Sql(sql) => self.session.tables_of(&sql.text).unwrap_or_default(),
            StepKind::Transform(transform) => vec![transform.input.value.clone()],
        };
        let mut seen = BTreeSet::new();
        reads.retain(|table| seen.insert(table.clone()));
        Ok(Some(PlannedStep {
            name: name.clone(),
            reads,
            plan,
            readers: 0,
            dead_letters,
        }))
    }

    async fn sql(&mut self, sql: &SqlStep) -> Result<Option<LogicalPlan>> {
        let Ok(tables) = self.session.tables_of(&sql.text) else {
            return Ok(None);
        };
        let mut complete = true;
        for table in tables.iter().filter(|table| !self.tables.contains(*table)) {
            complete = false;
            // A table that is declared but could not be planned has a problem of its own.
            if self.pipeline.source(table).is_some() || self.pipeline.step(table).is_some() {
                continue;
            }
            let known = self
                .pipeline
                .sources
                .iter()
                .map(|source| source.name.value.as_str());
            let known: Vec<&str> = known
                .chain(
                    self.pipeline
                        .steps
                        .iter()
                        .map(|step| step.name.value.as_str()),
                )
                .collect();
            let message = format!(
                "there is no source or step `{table}`; there are: {}",
                known.join(", ")
            );
            let problem = self
                .pipeline
                .problem_in_sql(sql, find_word(&sql.text, table), message);
            self.problems.push(problem.with_near_name(table, known));
        }
        if !complete {
            return Ok(None);
        }
        let params = params(self.pipeline);
        let on_error = |function: &str| match sql.on_error.policy(function) {
            ErrorPolicy::Fail => OnError::Fail,
            ErrorPolicy::Null => OnError::Null,
        };
        match self.session.plan_sql(&sql.text, &params, on_error).await {
            Ok(plan) => Ok(Some(plan)),
            Err(error) => {
                self.problems.push(sql_problem(self.pipeline, sql, &error));
                Ok(None)
            }
        }
    }

    async fn transform(
        &mut self,
        name: &str,
        transform: &file::TransformStep,
        dead_letters: Option<Arc<DeadLetterSpool>>,
    ) -> Result<Option<LogicalPlan>> {
        if !self.tables.contains(&transform.input.value) {
            return Ok(None);
        }
        let step = TransformStep {
            name: name.to_owned(),
            plugin: transform.plugin.clone(),
            transform: transform.transform.value.clone(),
            partition_by: transform
                .partition_by
                .iter()
                .map(|column| column.value.clone())
                .collect(),
            order_by: transform
                .order_by
                .iter()
                .map(|order| OrderBy {
                    column: order.column.value.clone(),
                    descending: order.desc,
                    nulls_first: order.nulls_first,
                })
                .collect(),
            options: serde_json::Value::Object(transform.options.clone()).to_string(),
            on_reject: match (&transform.on_reject, dead_letters) {
                (file::OnReject::DeadLetter, Some(spool)) => OnReject::DeadLetter(spool),
                (file::OnReject::Drop, _) => OnReject::Drop,
                _ => OnReject::Fail,
            },
        };
        let planned = self
            .session
            .plan_transform(step, &transform.input.value)
            .await;
        let Err(error) = planned else {
            return Ok(planned.ok());
        };
        self.problems
            .push(self.transform_problem(transform, error)?);
        Ok(None)
    }

    /// Where in the file a transform's mistake is: at a column of its keys, at one of its options, at the transform's name.
    fn transform_problem(
        &self,
        transform: &file::TransformStep,
        error: DataFusionError,
    ) -> Result<Problem> {
        let message = plan_message(&error);
        let columns = transform
            .partition_by
            .iter()
            .chain(transform.order_by.iter().map(|order| &order.column));
        let column = columns
            .into_iter()
            .find(|column| message.contains(&format!("no column `{}`", column.value)));
        let option = transform
            .option_spans
            .iter()
            .find(|(option, _)| message.contains(&format!("`{option}`")));
        let span = match (column, option) {
            (Some(column), _) => column.span,
            (None, Some((_, span))) => *span,
            (None, None) => transform.transform.span,
        };
        let mut problem = self.pipeline.problem_at(span, message);
        if let Error::Plugin { source, .. } = Error::of_query("", error) {
            match source {
                // What the guest says of options and columns is the pipeline's mistake; a crash while opening is the plugin's.
                transom_plugin::Error::Guest { .. } | transom_plugin::Error::Unsupported { .. } => {
                    problem.hint = source.hint();
                }
                source => {
                    let what = format!(
                        "opening `{}.{}`",
                        transform.plugin, transform.transform.value
                    );
                    return Err(Error::Plugin {
                        what: format!("{what} failed"),
                        source,
                    });
                }
            }
        }
        Ok(problem)
    }

    fn sinks(&mut self, sources: &[PlannedSource], steps: &[PlannedStep]) -> Vec<PlannedSink> {
        let mut sinks = Vec::new();
        for sink in &self.pipeline.sinks {
            let from = &sink.from.value;
            let planned = FileSink {
                name: sink.name.value.clone(),
                path: sink.path.value.clone(),
                format: sink_format(&sink.format),
                partition_by: sink
                    .partition_by
                    .iter()
                    .map(|column| column.value.clone())
                    .collect(),
                limits: connect::SinkLimits::default(),
            };
            let of_source = sources.iter().find(|planned| planned.source.name == *from);
            let of_step = steps.iter().find(|step| step.name == *from);
            let schema = of_source
                .map(|planned| Arc::clone(&planned.schema))
                .or_else(|| {
                    of_step.map(|step| Arc::new(Schema::new(step.plan.schema().fields().to_vec())))
                });
            if let Some(Err(error)) = schema.map(|schema| planned.check(&schema)) {
                let message = error_chain(&error);
                let column = sink
                    .partition_by
                    .iter()
                    .find(|column| message.contains(&format!("`{}`", column.value)));
                let mut problem = self
                    .pipeline
                    .problem_at(column.map_or(sink.name.span, |column| column.span), message);
                problem.hint = error.hint();
                self.problems.push(problem);
            }
            sinks.push(PlannedSink {
                sink: planned,
                from: from.clone(),
            });
        }
        sinks
    }
}

/// The table of a source: locked columns hold as they are, declared ones replace what the files tell.
async fn open_source(
    files: &FileSource,
    state: &dyn datafusion::catalog::Session,
    locked: Option<SchemaRef>,
) -> Result<Arc<dyn TableProvider>, connect::SourceError> {
    let known = match (locked, &files.columns) {
        (Some(locked), _) => Some(locked),
        // Without a header the declaration is all that names the columns.
        (None, Some(declared)) if !has_names(&files.format) => Some(Arc::clone(declared)),
        (None, Some(declared)) => {
            let undeclared = FileSource { columns: None, ..files.clone() };
            Some(with_declared(&*undeclared.infer_schema(state).await?, declared))
        }
        (None, None) => None,
    };
    files.table(state, known).await
}

fn has_names(format: &connect::Format) -> bool {
    !matches!(format, connect::Format::Csv(options) if !options.header)
}

/// The columns that were told from the files, with the declared types; declared columns that no row had come last.
fn with_declared(told: &Schema, declared: &Schema) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = told
        .fields()
        .iter()
        .map(|field| match declared.fields().find(field.name()) {
            Some((_, declared)) => Arc::clone(declared),
            None => Arc::clone(field),
        })
        .collect();
    fields.extend(declared.fields().iter().filter(|field| told.index_of(field.name()).is_err()).cloned());
    Arc::new(Schema::new(fields))
}

fn file_source(pipeline: &Pipeline, source: &file::FileSource) -> FileSource {
    let (format, columns) = match &source.format {
        file::SourceFormat::Csv { csv, columns } => {
            (connect::Format::Csv(csv_options(csv)), Some(columns))
        }
        file::SourceFormat::Json { columns } => (connect::Format::Json, Some(columns)),
        file::SourceFormat::Parquet => (connect::Format::Parquet, None),
    };
    let declared = columns
        .filter(|columns| !columns.is_empty())
        .map(|columns| {
            let fields = columns
                .iter()
                .map(|(name, value_type)| Field::new(name, data_type(value_type), true));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        });
    FileSource {
        name: source.name.value.clone(),
        root: pipeline.root.clone(),
        pattern: source.path.value.clone(),
        format,
        columns: declared,
        read: connect::ReadProgress::default(),
    }
}

fn csv_options(csv: &file::CsvOptions) -> connect::CsvOptions {
    let file::CsvOptions {
        delimiter,
        header,
        quote,
        null,
    } = csv.clone();
    connect::CsvOptions {
        delimiter,
        header,
        quote,
        null,
    }
}

fn sink_format(format: &file::SinkFormat) -> connect::SinkFormat {
    match format {
        file::SinkFormat::Csv { csv } => connect::SinkFormat::Csv(csv_options(csv)),
        file::SinkFormat::Json => connect::SinkFormat::Json,
        file::SinkFormat::Parquet { compression } => connect::SinkFormat::Parquet {
            compression: match compression {
                file::Compression::Zstd => ParquetCompression::Zstd(1),
                file::Compression::Snappy => ParquetCompression::Snappy,
                file::Compression::None => ParquetCompression::Uncompressed,
            },
        },
    }
}

fn data_type(value_type: &ValueType) -> DataType {
    use arrow::datatypes::TimeUnit;
    match value_type {
        ValueType::Bool => DataType::Boolean,
        ValueType::Int64 => DataType::Int64,
        ValueType::Float64 => DataType::Float64,
        ValueType::Utf8 => DataType::Utf8,
        ValueType::Date => DataType::Date32,
        ValueType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ValueType::Decimal { precision, scale } => {
            DataType::Decimal128(*precision, scale.cast_signed())
        }
    }
}

fn params(pipeline: &Pipeline) -> Params {
    let value = |value: &Value| match value {
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::Int64(value) => ScalarValue::Int64(Some(*value)),
        Value::Float64(value) => ScalarValue::Float64(Some(*value)),
        Value::Utf8(value) => ScalarValue::Utf8(Some(value.clone())),
        Value::Date(value) => {
            ScalarValue::Date32(Some(arrow::datatypes::Date32Type::from_naive_date(*value)))
        }
        Value::Timestamp(value) => {
            ScalarValue::TimestampMicrosecond(Some(value.and_utc().timestamp_micros()), None)
        }
        Value::Decimal {
            unscaled,
            precision,
            scale,
        } => ScalarValue::Decimal128(Some(*unscaled), *precision, scale.cast_signed()),
    };
    pipeline
        .variables
        .iter()
        .map(|(name, variable)| (name.clone(), value(variable)))
        .collect()
}

/// An SQL error at its place in the query.
fn sql_problem(pipeline: &Pipeline, sql: &SqlStep, error: &DataFusionError) -> Problem {
    let message = plan_message(error);
    if let Some(unknown) = source_of::<UnknownParam>(error) {
        let declared: Vec<&str> = pipeline.variables.keys().map(String::as_str).collect();
        let at = find_word(&sql.text, &format!("${}", unknown.name));
        let message = format!(
            "{message}; declared are: {}",
            if declared.is_empty() {
                "none".into()
            } else {
                declared.join(", ")
            }
        );
        return pipeline
            .problem_in_sql(sql, at, message)
            .with_near_name(&unknown.name, declared);
    }
    let span = diagnostic_span(error)
        .or_else(|| parser_span(&message))
        .unwrap_or_else(|| {
            // Messages about functions name them, and a function's call is easily found.
            let quoted = message
                .split(['`', '\'', '('])
                .find(|word| word.contains('.') && find_in(&sql.text, word).is_some());
            quoted.map_or(
                Span {
                    line: 1,
                    column: 1,
                    length: usize::MAX,
                },
                |word| find_word(&sql.text, word),
            )
        });
    pipeline.problem_in_sql(sql, span, message)
}

fn diagnostic_span(error: &DataFusionError) -> Option<Span> {
    let span = error.diagnostic()?.span?;
    let length = match span.end.line == span.start.line {
        true => span.end.column.saturating_sub(span.start.column),
        false => 1,
    };
    let to_usize = |number: u64| usize::try_from(number).unwrap_or(1);
    Some(Span {
        line: to_usize(span.start.line),
        column: to_usize(span.start.column),
        length: to_usize(length).max(1),
    })
}

/// The parser says `.. at Line: 3, Column: 5`.
fn parser_span(message: &str) -> Option<Span> {
    let (_, rest) = message.rsplit_once("at Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(Span {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
        length: 1,
    })
}

/// DataFusion's message without its prefixes, or a plugin's whole chain.
fn plan_message(error: &DataFusionError) -> String {
    if let Some(call) = source_of::<CallError>(error) {
        return call.source.to_string();
    }
    let text = match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            return plan_message(inner);
        }
        DataFusionError::External(inner) => inner.to_string(),
        DataFusionError::SQL(inner, _) => inner.to_string(),
        other => other.message().into_owned(),
    };
    let text = text.strip_prefix("sql parser error: ").unwrap_or(&text);
    // A newcomer is served better by "unknown column" than by the catalog's full names.
    text.replace("datafusion.public.", "")
        .trim_end_matches('.')
        .to_owned()
}

/// An error and its causes in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn source_of<E: std::error::Error + 'static>(error: &DataFusionError) -> Option<&E> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        // An `External` gives its inner error's source as its own, so the inner error is asked for itself.
        if let Some(DataFusionError::External(inner)) = current.downcast_ref::<DataFusionError>() {
            if let Some(found) = inner.downcast_ref::<E>() {
                return Some(found);
            }
        }
        source = current.source();
    }
    None
}

/// The first place of a word in a text, not as a part of another word.
fn find_word(text: &str, word: &str) -> Span {
    let length = word.chars().count();
    let at = find_in(text, word).unwrap_or(0);
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].chars().rev().take_while(|&c| c != '\n').count() + 1;
    Span {
        line,
        column,
        length,
    }
}

fn find_in(text: &str, word: &str) -> Option<usize> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        !text[..at].ends_with(part_of_word) && !text[at + word.len()..].starts_with(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        let at = find_word("SELECT flightsx\nFROM  flights", "flights");
        assert_eq!(
            at,
            Span {
                line: 2,
                column: 7,
                length: 7
            }
        );
    }

    #[test]
    fn the_parser_says_where() {
        let span = parser_span("Expected: an expression, found: FROM at Line: 3, Column: 15");
        assert_eq!(
            span,
            Some(Span {
                line: 3,
                column: 15,
                length: 1
            })
        );
    }
}
