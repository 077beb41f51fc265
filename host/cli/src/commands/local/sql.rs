//! `transom local sql`: statements for the local Redshift.

use std::io::{self, Read as _};
use std::path::Path;

use transom_local::{Client, Ran};
use transom_pipeline::report::counted;

use super::of_client;
use crate::context::Context;
use crate::failure::Failure;
use crate::local_aws;
use crate::table;

/// Rows of a result that are shown by default.
const ROWS: usize = 20;

/// Runs the statements of a file, or of stdin, one after the other, up to the first error.
pub(super) fn run(
    context: &Context,
    data: &Path,
    file: &Path,
    rows: Option<usize>,
    json: bool,
) -> Result<(), Failure> {
    let text = read(file)?;
    let ran = context.block_on(async {
        let local = local_aws::find_or_start(data).await?;
        let client = Client::new(local.endpoint());
        client.sql(&text).await.map_err(of_client)
    })?;
    if json && ran.error.is_none() {
        return context.printer.json(&ran.statements);
    }
    if !json {
        for statement in &ran.statements {
            show(context, statement, rows.unwrap_or(ROWS))?;
        }
    }
    match ran.error {
        None => Ok(()),
        Some(error) => Err(Failure::Statement {
            message: format!("{}: {}", error.sqlstate, error.message),
            statement: table::cut(&error.statement, 100),
            hint: error.hint,
        }),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = match file == Path::new("-") {
        true => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        }
        false => std::fs::read_to_string(file),
    };
    text.map_err(|source| Failure::Usage {
        message: format!("`{}` cannot be read: {source}", file.display()),
        hint: None,
    })
}

fn show(context: &Context, ran: &Ran, most: usize) -> Result<(), Failure> {
    let printer = &context.printer;
    for notice in &ran.notices {
        printer.say(notice);
    }
    let Some(result) = &ran.result else {
        return printer.data(&ran.tag);
    };
    let all = result.rows.len();
    let count = match all {
        0 => "no rows".to_owned(),
        all if all <= most => counted(all as u64, "row"),
        all => format!("the first {most} of {}", counted(all as u64, "row")),
    };
    printer.data(count)?;
    let headers = result.columns.iter();
    let headers = headers.map(|column| (column.name.as_str(), column.data_type.as_str()));
    let shown = &result.rows[..all.min(most)];
    printer.data(table::texts(headers, shown, printer.width()))
}
