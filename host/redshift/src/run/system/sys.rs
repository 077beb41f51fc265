//! What statements did.

use super::{Columns, OWNER_ID, View, rows};
use crate::history::Statements;

/// Rows that COPY did not load.
pub(super) fn load_errors(view: &View<'_>) -> Columns {
    rows(view.load_errors)
        .number("query_id", |error| error.query as i64)
        .number("transaction_id", |error| error.transaction as i64)
        .number("session_id", |error| i64::from(error.pid))
        .text("database_name", |_| view.database.to_owned())
        .number("table_id", |error| error.table as i64)
        .moment("start_time", |error| error.at)
        .text("file_name", |error| error.file.clone())
        .number("line_number", |error| error.line as i64)
        .text("column_name", |error| error.column.clone())
        .text("column_type", |error| error.data_type.clone())
        .text("column_length", |error| error.length.clone())
        .number("error_code", |error| error.code)
        .text("error_message", |error| error.message.clone())
        .text("raw_field_value", |error| error.value.clone())
        .done()
}

/// Statements that ran. The row of one that runs appears when it is over.
pub(super) fn queries(view: &View<'_>) -> Columns {
    rows(view.ran.map(Statements::all).unwrap_or_default())
        .number("user_id", |_| OWNER_ID)
        .number("query_id", |ran| ran.id.number as i64)
        .text("query_label", |ran| ran.label.clone())
        .number("transaction_id", |ran| ran.transaction as i64)
        .number("session_id", |ran| i64::from(ran.pid))
        .text("database_name", |_| view.database.to_owned())
        .text("query_type", |ran| ran.kind.to_owned())
        .text("status", |ran| {
            let status = match ran.error {
                Some(_) if ran.is_cancelled => "canceled",
                Some(_) => "failed",
                None => "success",
            };
            status.to_owned()
        })
        .flag("result_cache_hit", |_| false)
        .moment("start_time", |ran| ran.started)
        .moment("end_time", |ran| ran.ended)
        .number("elapsed_time", |ran| ran.ended - ran.started)
        .number("queue_time", |_| 0)
        .number("execution_time", |ran| ran.ended - ran.started)
        .text("error_message", |ran| ran.error.clone())
        .number("returned_rows", |ran| ran.rows as i64)
        .text("query_text", |ran| ran.text.clone())
        .text("username", |ran| ran.user.clone())
        .text("query_uuid", |ran| ran.id.uuid.to_string())
        .done()
}
