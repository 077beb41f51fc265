//! Whether a pipeline gives the right tables when it runs for one slice of its sources after another.

use arrow::datatypes::DataType;
use transom_file::spec::{Incremental, LoadMode};
use transom_file::{Problem, Sink, SinkKind, StepKind};
use transom_query::{KeepsState, NeedsAllRows, Shape, Tables, keeps_state, key_type, shape};

use super::planner::Planner;
use super::{PlannedSink, PlannedSource, PlannedStep};

/// How the incremental sources of a pipeline are read; all in the same way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    NewFiles,
    ByPartition,
}

impl How {
    fn of(incremental: &Incremental) -> Self {
        match incremental {
            Incremental::NewFiles { .. } => Self::NewFiles,
            Incremental::By { .. } => Self::ByPartition,
        }
    }
}

impl Planner<'_> {
    /// Reports steps and sinks that would be wrong for a slice, and notes which steps keep state from slice to slice and by which column
    /// sinks replace partitions.
    pub(super) fn check_slices(
        &mut self,
        sources: &[PlannedSource],
        steps: &mut [PlannedStep],
        sinks: &mut [PlannedSink],
    ) {
        let how = self.check_sources();
        self.check_partitions(sources);
        let mut tables = self.shapes_of_sources(sources, how);
        for step in steps.iter_mut() {
            let shaped = shape(&step.plan, &tables);
            let shaped = shaped.and_then(|shape| Ok((shape, keeps_state(&step.plan, &tables)?)));
            match shaped {
                Ok((shape, keeps)) => {
                    tables.shapes.insert(step.name.clone(), shape);
                    if let Some(keeps) = &keeps {
                        self.check_buckets(&step.name, keeps);
                    }
                    step.keeps = keeps;
                }
                Err(needs) => {
                    let problem = self.needs_all_rows(&step.name, &needs, how);
                    self.problems.push(problem);
                    // What reads it is reported once, here.
                    return;
                }
            }
        }
        let whole = Shape {
            is_part: false,
            by: Vec::new(),
        };
        for planned in sinks {
            let mut declared = self.pipeline.sinks.iter();
            let sink = declared.find(|sink| sink.name.value == planned.sink.name());
            // A source that has no shape is whole.
            let mut names = sources.iter().map(|planned| planned.source.name());
            let is_source = names.any(|name| name == planned.from);
            let shape = tables.shapes.get(&planned.from);
            let shape = shape.or_else(|| is_source.then_some(&whole));
            let (Some(sink), Some(shape)) = (sink, shape) else {
                continue;
            };
            let names = column_names(&planned.from, sources, steps);
            let by = shape.by.iter().zip(&names).filter(|(by, _)| **by);
            let by: Vec<&str> = by.map(|(_, name)| name.as_str()).collect();
            match unfit(sink, shape, &by, how) {
                Ok(column) => planned.by = column,
                Err((message, hint)) => {
                    let span = match &sink.kind {
                        SinkKind::Files(files) => files.mode.span,
                        SinkKind::Redshift { .. } => sink.name.span,
                    };
                    let problem = self.pipeline.problem_at(span, message);
                    self.problems.push(problem.with_hint(hint));
                }
            }
        }
    }

    /// All incremental sources are read in one way: a slice is some new files, or some whole partitions.
    fn check_sources(&mut self) -> Option<How> {
        let mut how = None;
        for source in &self.pipeline.sources {
            let Some(incremental) = &source.incremental else {
                continue;
            };
            let this = How::of(&incremental.value);
            if *how.get_or_insert(this) != this {
                let message = format!(
                    "the source `{}` is read in another way than the incremental sources before it",
                    source.name.value
                );
                let problem = self.pipeline.problem_at(incremental.span, message);
                let hint = "let all be `new_files`, or all `{ by: .. }` the same partition";
                self.problems.push(problem.with_hint(hint));
            }
        }
        how
    }

    /// A slice reads a partition of all sources: what is one value in one of them must be the same one in all. `1` is not `1.00`, and `01`
    /// is one number with `1`, but another text.
    fn check_partitions(&mut self, sources: &[PlannedSource]) {
        let mut first: Option<(&str, &str, DataType)> = None;
        for source in &self.pipeline.sources {
            let Some(incremental) = &source.incremental else {
                continue;
            };
            let Incremental::By { column, .. } = &incremental.value else {
                continue;
            };
            let name = source.name.value.as_str();
            let planned = sources.iter().find(|planned| planned.source.name() == name);
            let field = planned.and_then(|planned| planned.schema.field_with_name(column).ok());
            // A column that is not there is reported where it is looked for.
            let Some(field) = field else {
                continue;
            };
            let data_type = match field.data_type() {
                DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
                other => other.clone(),
            };
            let Some((other, of_other, wanted)) = &first else {
                first = Some((name, column.as_str(), data_type));
                continue;
            };
            if data_type == *wanted {
                continue;
            }
            let (has, wanted) = (
                transom_sql::type_name(&data_type),
                transom_sql::type_name(wanted),
            );
            let message = format!(
                "the partitions of the sources `{other}` and `{name}` cannot be compared: `{of_other}` of `{other}` is {wanted}, and `{column}` \
                 of `{name}` is {has}"
            );
            let problem = self.pipeline.problem_at(incremental.span, message);
            let hint = format!(
                "give both columns one type, such as `columns: {{ {column}: {wanted} }}` in `{name}`, and run `transom lock`"
            );
            self.problems.push(problem.with_hint(hint));
        }
    }

    /// State is kept in buckets, and each key must have one.
    fn check_buckets(&mut self, name: &str, keeps: &KeepsState) {
        let Some(StepKind::Transform(step)) = self.pipeline.step(name).map(|step| &step.kind)
        else {
            return;
        };
        for (column, data_type) in &keeps.keys {
            if key_type(data_type).is_some() {
                continue;
            }
            let mut said = step.partition_by.iter();
            let said = said.find(|said| said.value == *column);
            let message = format!(
                "step `{name}` keeps its state by `{column}`, which is {}",
                transom_sql::type_name(data_type)
            );
            let span = said.map_or(step.transform.span, |said| said.span);
            let hint = "partition by columns of single values: text, numbers, dates, times";
            let problem = self.pipeline.problem_at(span, message);
            self.problems.push(problem.with_hint(hint));
        }
    }

    fn shapes_of_sources(&mut self, sources: &[PlannedSource], how: Option<How>) -> Tables {
        let mut tables = Tables {
            are_new_files: how == Some(How::NewFiles),
            ..Tables::default()
        };
        for planned in sources {
            let name = planned.source.name();
            let declared = self.pipeline.source(name);
            let Some(incremental) = declared.and_then(|source| source.incremental.as_ref()) else {
                continue;
            };
            let fields = planned.schema.fields();
            let column = match &incremental.value {
                Incremental::NewFiles { .. } => None,
                Incremental::By { column, .. } => Some(column.as_str()),
            };
            if let Some(column) = column
                && planned.schema.index_of(column).is_err()
            {
                let message = format!("the source `{name}` has no column `{column}`");
                let names = fields.iter().map(|field| field.name().as_str());
                let problem = self.pipeline.problem_at(incremental.span, message);
                self.problems.push(problem.with_near_name(column, names));
            }
            let by = fields
                .iter()
                .map(|field| Some(field.name().as_str()) == column);
            let shape = Shape {
                is_part: true,
                by: by.collect(),
            };
            tables.shapes.insert(name.to_owned(), shape);
        }
        tables
    }

    fn needs_all_rows(&self, step: &str, needs: &NeedsAllRows, how: Option<How>) -> Problem {
        let declared = self.pipeline.step(step);
        let span = declared.map(|step| step.name.span);
        let is_transform = declared.is_some_and(|step| matches!(step.kind, StepKind::Transform(_)));
        let message = format!("step `{step}` is not right for one slice after another: {needs}");
        let hint = match how {
            Some(How::ByPartition) => {
                "group, join and partition by the column of `incremental: { by: .. }`, as it is; or leave `incremental` out, and every run reads all of the source"
            }
            Some(How::NewFiles) if is_transform => {
                "let the transform keep its state from slice to slice (`save` and `restore`), read the source by partition (`incremental: { by: .. }`) and partition by that column, or leave `incremental` out, and every run reads all of the source"
            }
            _ => {
                "read the source by partition (`incremental: { by: .. }`) and group by that column, compute this where the loaded table is read, or leave `incremental` out, and every run reads all of the source"
            }
        };
        self.pipeline
            .problem_at(span.unwrap_or_default(), message)
            .with_hint(hint)
    }
}

fn column_names(table: &str, sources: &[PlannedSource], steps: &[PlannedStep]) -> Vec<String> {
    let names = |fields: &arrow::datatypes::Fields| {
        fields.iter().map(|field| field.name().clone()).collect()
    };
    let step = steps.iter().find(|step| step.name == table);
    let source = sources
        .iter()
        .find(|planned| planned.source.name() == table);
    match (step, source) {
        (Some(step), _) => names(step.plan.schema().fields()),
        (None, Some(source)) => names(source.schema.fields()),
        (None, None) => Vec::new(),
    }
}

/// Why a sink cannot take the slices of a table, with the ways out; else the column by which it replaces partitions.
fn unfit(
    sink: &Sink,
    shape: &Shape,
    by: &[&str],
    how: Option<How>,
) -> Result<Option<String>, (String, String)> {
    let (name, from) = (&sink.name.value, &sink.from.value);
    let wrong = |message: String, hint: &str| Err((message, hint.to_owned()));
    let (mode, partition_by) = match &sink.kind {
        SinkKind::Files(files) => {
            let columns = files
                .partition_by
                .iter()
                .map(|column| column.value.as_str());
            (files.mode.value, columns.collect::<Vec<_>>())
        }
        SinkKind::Redshift { redshift, .. } => {
            let columns = redshift.partition_by.iter().map(String::as_str);
            (redshift.mode, columns.collect())
        }
    };
    match (mode, shape.is_part, how) {
        // Rows of the same keys replace one another.
        (LoadMode::Merge, _, _) => Ok(None),
        (LoadMode::Overwrite, false, _) | (LoadMode::Append, true, Some(How::NewFiles)) => Ok(None),
        (LoadMode::Append, false, _) => wrong(
            format!("the sink `{name}` would add all rows of `{from}` again with every slice"),
            "say `mode: overwrite`, or make a source that it follows from `incremental`",
        ),
        (LoadMode::Overwrite, true, Some(How::NewFiles)) => wrong(
            format!("the sink `{name}` would hold only the rows of the last slice of `{from}`"),
            "say `mode: append`",
        ),
        (LoadMode::Overwrite, true, _) => wrong(
            format!(
                "the sink `{name}` would hold only the partitions of the last slice of `{from}`"
            ),
            "say `mode: overwrite_partitions`",
        ),
        (LoadMode::Append, true, _) => wrong(
            format!(
                "the sink `{name}` would have rows twice: a partition of `{from}` that changes is read again"
            ),
            "say `mode: overwrite_partitions`",
        ),
        (LoadMode::OverwritePartitions, false, _) => wrong(
            format!(
                "each slice has all of `{from}`, so that the sink `{name}` has no partitions to keep"
            ),
            "say `mode: overwrite`, or read a source that it follows from by partition: `incremental: { by: .. }`",
        ),
        (LoadMode::OverwritePartitions, true, Some(How::NewFiles)) => wrong(
            format!(
                "a slice of new files is no whole partition, so that the sink `{name}` would lose rows"
            ),
            "say `mode: append`, or read the source by partition: `incremental: { by: .. }`",
        ),
        (LoadMode::OverwritePartitions, true, _) => {
            match partition_by.into_iter().find(|column| by.contains(column)) {
                Some(column) => Ok(Some(column.to_owned())),
                None => wrong(
                    format!(
                        "the sink `{name}` is not partitioned by the column that says which partition of the source a row is from{}",
                        match by {
                            [] => String::new(),
                            [column, ..] => format!(": `{column}`"),
                        }
                    ),
                    "select that column as it is, and name it in `partition_by`",
                ),
            }
        }
    }
}
