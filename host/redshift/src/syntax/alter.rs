//! `ALTER TABLE`: one change per statement.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parser::{Words, failed, near};
use super::{AlterAction, Statement, table};
use crate::error::{self, Error, Result};

pub(super) fn alter(words: &mut Words<'_>) -> Result<Statement> {
    words.expect("alter table")?;
    let name = words.name()?;
    let action = Box::new(action(words)?);
    if words.is_token(&Token::Comma) {
        return Err(near(&Token::Comma));
    }
    Ok(Statement::Alter {
        table: name,
        action,
    })
}

fn action(words: &mut Words<'_>) -> Result<AlterAction> {
    if words.take("append from") {
        words.name()?;
        let _ = words.take("filltarget") || words.take("ignoreextra");
        return Ok(AlterAction::AppendFrom);
    }
    if words.take("rename to") {
        return Ok(AlterAction::RenameTable(words.ident()?));
    }
    if words.take("rename") {
        words.take("column");
        let from = words.ident()?;
        words.expect("to")?;
        let to = words.ident()?;
        return Ok(AlterAction::RenameColumn { from, to });
    }
    if words.take("owner to") {
        words.ident()?;
        return Ok(AlterAction::Nothing);
    }
    if words.take("add") {
        if let Some(key) = table::table_key(words)? {
            return Ok(AlterAction::AddKey(key));
        }
        if words.is("check") {
            return Err(Error::new(&error::UNSUPPORTED, &[&"CHECK constraint"]));
        }
        if words.is("partition") || words.is("if not exists partition") {
            return Err(Error::not_yet("partitions of external tables"));
        }
        words.take("column");
        if words.is("if not exists") {
            return Err(near(&words.parser.peek_token().token));
        }
        return Ok(AlterAction::AddColumn(Box::new(table::column(words)?)));
    }
    if words.take("drop") {
        if words.take("constraint") {
            let name = words.ident()?;
            let cascade = words.cascade();
            return Ok(AlterAction::DropKey { name, cascade });
        }
        words.take("column");
        let name = words.ident()?;
        let cascade = words.cascade();
        return Ok(AlterAction::DropColumn { name, cascade });
    }
    if words.take("alter") {
        let starts = [
            "diststyle",
            "distkey",
            "sortkey",
            "compound",
            "interleaved",
            "encode",
        ];
        if starts.iter().any(|start| words.is(start)) {
            let attributes = table::attributes(words)?;
            attributes.check_names()?;
            return Ok(AlterAction::Attributes(attributes));
        }
        words.take("column");
        let name = words.ident()?;
        if words.take("type") {
            let data_type = words.parser.parse_data_type().map_err(failed)?;
            return Ok(AlterAction::ColumnType { name, data_type });
        }
        if words.take("encode") {
            let encoding = words.encoding()?;
            return Ok(AlterAction::ColumnEncoding { name, encoding });
        }
        return Err(Error::new(
            &error::UNSUPPORTED,
            &[&"ALTER COLUMN other than TYPE and ENCODE"],
        ));
    }
    if words.is("set") || words.is("row") || words.is("mask") {
        return Err(Error::not_yet(format_args!(
            "ALTER TABLE .. {}",
            words.word(0).to_uppercase()
        )));
    }
    Err(near(&words.parser.peek_token().token))
}
