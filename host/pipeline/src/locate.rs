//! The file and the line, or the number of the row, that a plugin failed on, where the step reads a source.

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use tokio::task::spawn_blocking;
use transom_connect::{Input, Location, ORIGIN_FILE, ORIGIN_ROW, origin_line, with_origin};
use transom_file::{Pipeline, StepKind};
use transom_query::{FailedRow, Found, RowOf, WithPlaces};

use crate::error::Error;
use crate::plan::{Planned, params};

impl Planned {
    /// The error with the place in the source of the row that it names, if that is found. A source in files is read once more for it; a
    /// bucket is not, for the sake of a message.
    pub(crate) async fn located(&self, pipeline: &Pipeline, mut error: Error) -> Error {
        let row = match &error {
            Error::Plugin { row, .. } => row,
            Error::Rows { source, .. } => &source.row,
            _ => return error,
        };
        let Some(row) = row.clone() else {
            return error;
        };
        let is_object = |piece: &Input| matches!(piece.location, Location::Object { .. });
        let mut pieces = self.sources.iter().flat_map(|source| &source.inputs.pieces);
        if pieces.any(is_object) {
            return error;
        }
        let Some(place) = self.place_of(pipeline, &row).await else {
            return error;
        };
        match &mut error {
            Error::Plugin { what, .. } => what.push_str(&format!(", {place}")),
            Error::Rows { source, .. } => source.place.push_str(&format!(", {place}")),
            _ => {}
        }
        error
    }

    /// `line 4 of `data/orders.csv`` as readers say it, or `row 3 of `data/orders.parquet``; both count from 1.
    async fn place_of(&self, pipeline: &Pipeline, row: &FailedRow) -> Option<String> {
        let places = WithPlaces {
            stand_in: with_origin,
            columns: &[ORIGIN_FILE, ORIGIN_ROW],
        };
        let found = match row.of.as_ref() {
            RowOf::Call { step, function } => {
                let step = pipeline.step(step.as_deref()?)?;
                let StepKind::Sql(sql) = &step.kind else {
                    return None;
                };
                let (params, values) = (params(pipeline), row.values());
                let place = self
                    .session
                    .place_of_call(&sql.text, &params, function, values, &places);
                place.await
            }
            RowOf::Input { step } => {
                let step = pipeline.step(step)?;
                let StepKind::Transform(transform) = &step.kind else {
                    return None;
                };
                let table = &transform.input.value;
                let place = self.session.place_of_row(table, row.values(), &places);
                place.await
            }
        };
        // The run has failed already: what goes wrong here says nothing more of it.
        let found = found
            .inspect_err(|error| tracing::debug!(%error, "the row of the source was not found"))
            .ok()??;
        self.shown(found).await
    }

    async fn shown(&self, Found { table, place }: Found) -> Option<String> {
        let file = cast(place.column(0), &DataType::Utf8).ok()?;
        let file = file.as_string_opt::<i32>()?.value(0).to_owned();
        let row = place.column(1).as_primitive_opt::<Int64Type>()?.value(0);
        let row = u64::try_from(row).ok()?;
        let (table, path) = (self.session.source(&table).await?, file.clone());
        let line = spawn_blocking(move || origin_line(&table, &path, row)).await;
        Some(match line.ok()? {
            Some(line) => format!("line {line} of `{file}`"),
            None => format!("row {} of `{file}`", row + 1),
        })
    }
}
