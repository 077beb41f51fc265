//! The columns that a transform reads and gives over rows that are no pipeline's.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use transom_plugin::{Cancel, Plugin};
use transom_query::{OnReject, Session, SessionOptions, TransformColumns, TransformStep};

use crate::error::{Error, Result};

/// The name of the rows; a transform does not see it.
const ROWS: &str = "rows";

/// The columns that a transform reads and gives for the columns of `rows`, with `options`, a JSON object.
///
/// # Errors
/// What the transform says against such an input.
pub async fn transform_columns(
    plugin: &Arc<Plugin>,
    transform: &str,
    options: &str,
    rows: RecordBatch,
) -> Result<TransformColumns> {
    let what = format!("opening `{}.{transform}`", plugin.name());
    let failed = |error| Error::of_query(&what, error);
    let mut session = Session::new(&SessionOptions::default(), Cancel::new()).map_err(failed)?;
    session.add_plugin(Arc::clone(plugin));
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).map_err(failed)?;
    session.add_table(ROWS, Arc::new(table)).map_err(failed)?;
    let step = TransformStep {
        name: transform.to_owned(),
        plugin: plugin.name().to_owned(),
        transform: transform.to_owned(),
        partition_by: Vec::new(),
        order_by: Vec::new(),
        options: options.to_owned(),
        on_reject: OnReject::Fail,
        max_rejects: None,
        with_origin: false,
    };
    let plan = session.plan_transform(step, ROWS).await.map_err(failed)?;
    let none = || DataFusionError::Internal("the plan is no transform's".to_owned());
    TransformColumns::of(&plan).ok_or_else(none).map_err(failed)
}
