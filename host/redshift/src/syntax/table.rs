//! `CREATE TABLE`, whose columns and attributes sqlparser does not know.

use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, ObjectName, Query};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::Statement;
use super::dialect::Redshift;
use super::parser::{Words, failed, near};
use crate::error::{self, Error, Result};

/// `CREATE TABLE`.
#[derive(Debug, Clone)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectName,
    pub(crate) temporary: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    /// Names of columns before `AS`.
    pub(crate) names: Vec<Ident>,
    pub(crate) keys: Vec<KeyDefinition>,
    /// A table that it is made like, and whether with defaults.
    pub(crate) like: Option<(ObjectName, bool)>,
    pub(crate) attributes: TableAttributes,
    pub(crate) query: Option<Box<Query>>,
}

impl CreateTable {
    /// `CREATE TABLE name AS query`
    pub(crate) fn of_query(name: ObjectName, temporary: bool, query: Box<Query>) -> Self {
        Self {
            name,
            temporary,
            if_not_exists: false,
            columns: Vec::new(),
            names: Vec::new(),
            keys: Vec::new(),
            like: None,
            attributes: TableAttributes::default(),
            query: Some(query),
        }
    }
}

/// A column of `CREATE TABLE` or `ADD COLUMN`.
#[derive(Debug, Clone)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Ident,
    pub(crate) data_type: DataType,
    pub(crate) not_null: bool,
    /// Whether `NULL` stands there.
    pub(crate) nullable: bool,
    pub(crate) default: Option<Expr>,
    pub(crate) identity: Option<Identity>,
    pub(crate) encoding: Option<String>,
    pub(crate) distribution_key: bool,
    pub(crate) sort_key: bool,
    pub(crate) keys: Vec<KeyDefinition>,
}

/// A constraint of columns.
#[derive(Debug, Clone)]
pub(crate) struct KeyDefinition {
    pub(crate) name: Option<Ident>,
    pub(crate) kind: &'static str,
    pub(crate) columns: Vec<Ident>,
    /// What a foreign key refers to: a table, and columns if it names some.
    pub(crate) references: Option<(ObjectName, Vec<Ident>)>,
}

/// `IDENTITY(seed, step)`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) seed: i64,
    pub(crate) step: i64,
    /// Whether an INSERT may give values.
    pub(crate) by_default: bool,
}

/// What follows the columns. `None` means that it does not say.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableAttributes {
    pub(crate) distribution: Option<String>,
    pub(crate) distribution_key: Option<KeyColumn>,
    pub(crate) sort_keys: Option<Vec<KeyColumn>>,
    pub(crate) interleaved: bool,
}

/// A column of a distribution or sort key.
#[derive(Debug, Clone)]
pub(crate) enum KeyColumn {
    Named(String),
    /// A place in the query of `CREATE TABLE AS`, from 1.
    Placed(usize),
}

impl TableAttributes {
    /// An error for a column that is a place, where no query says which one it is.
    pub(super) fn check_names(&self) -> Result<()> {
        let sorted = self.sort_keys.iter().flatten();
        let mut all = self.distribution_key.iter().chain(sorted);
        let placed = all.find_map(|key| match key {
            KeyColumn::Placed(place) => Some(place),
            KeyColumn::Named(_) => None,
        });
        match placed {
            Some(place) => Err(Error::new(&error::SYNTAX_ERROR, &[place])),
            None => Ok(()),
        }
    }
}

impl KeyDefinition {
    /// One that a column has.
    fn of(column: &Ident, kind: &'static str) -> Self {
        Self {
            name: None,
            kind,
            columns: vec![column.clone()],
            references: None,
        }
    }
}

pub(super) fn create(words: &mut Words<'_>) -> Result<Statement> {
    words.expect("create")?;
    let _ = words.take("local");
    let temporary = words.take("temp") || words.take("temporary");
    words.expect("table")?;
    let if_not_exists = words.take("if not exists");
    let name = words.name()?;
    let mut table = CreateTable {
        name,
        temporary,
        if_not_exists,
        columns: Vec::new(),
        names: Vec::new(),
        keys: Vec::new(),
        like: None,
        attributes: TableAttributes::default(),
        query: None,
    };
    let mut elements = 0;
    if words.is_token(&Token::LParen) && is_list_of_names(words) {
        table.names = words.columns()?;
    } else if words.take_token(&Token::LParen) {
        if words.take("like") {
            let other = words.name()?;
            let with_defaults = words.take("including defaults");
            let _ = words.take("excluding defaults");
            table.like = Some((other, with_defaults));
            elements += 1;
        } else {
            loop {
                element(words, &mut table)?;
                elements += 1;
                if !words.take_token(&Token::Comma) {
                    break;
                }
            }
        }
        words.expect_token(&Token::RParen)?;
    }
    table.attributes = attributes(words)?;
    for refused in ["inherits", "partition", "tablespace", "with", "on"] {
        if words.is(refused) {
            let what = format!("{} of CREATE TABLE", refused.to_uppercase());
            return Err(Error::new(&error::UNSUPPORTED, &[&what]));
        }
    }
    if if_not_exists && words.is("as") {
        return Err(
            near(&words.parser.peek_token().token).hint("CREATE TABLE AS has no IF NOT EXISTS")
        );
    }
    if words.take("as") {
        table.query = Some(words.parser.parse_query().map_err(failed)?);
    } else if elements == 0 {
        return Err(near(&words.parser.peek_token().token));
    } else {
        table.attributes.check_names()?;
    }
    Ok(Statement::CreateTable(Box::new(table)))
}

/// `(a, b)` before `AS` has no types.
fn is_list_of_names(words: &Words<'_>) -> bool {
    matches!(words.parser.peek_nth_token(1).token, Token::Word(_))
        && matches!(
            words.parser.peek_nth_token(2).token,
            Token::Comma | Token::RParen
        )
}

fn element(words: &mut Words<'_>, table: &mut CreateTable) -> Result<()> {
    if let Some(key) = table_key(words)? {
        table.keys.push(key);
        return Ok(());
    }
    for (word, refused) in [("check", "CHECK"), ("exclude", "EXCLUDE")] {
        if words.is(word) && !matches!(words.parser.peek_nth_token(1).token, Token::Word(_)) {
            let what = format!("{refused} constraint");
            return Err(Error::new(&error::UNSUPPORTED, &[&what]));
        }
    }
    let column = column(words)?;
    table.columns.push(column);
    Ok(())
}

/// `[CONSTRAINT name] PRIMARY KEY (a, b)` and its like.
pub(super) fn table_key(words: &mut Words<'_>) -> Result<Option<KeyDefinition>> {
    let name = match words.take("constraint") {
        true => Some(words.ident()?),
        false => None,
    };
    let kind = match () {
        () if words.take("primary key") => "PRIMARY KEY",
        () if words.take("unique") => "UNIQUE",
        () if words.take("foreign key") => "FOREIGN KEY",
        // What Redshift does not have is named there.
        () if name.is_none() || words.is("check") || words.is("exclude") => return Ok(None),
        () => return Err(near(&words.parser.peek_token().token)),
    };
    let columns = words.columns()?;
    let references = match kind {
        "FOREIGN KEY" => Some(references(words)?),
        _ => None,
    };
    Ok(Some(KeyDefinition {
        name,
        kind,
        columns,
        references,
    }))
}

fn references(words: &mut Words<'_>) -> Result<(ObjectName, Vec<Ident>)> {
    words.expect("references")?;
    let table = words.name()?;
    let columns = match words.is_token(&Token::LParen) {
        true => words.columns()?,
        false => Vec::new(),
    };
    Ok((table, columns))
}

/// A column with its attributes, in any order.
pub(super) fn column(words: &mut Words<'_>) -> Result<ColumnDefinition> {
    let name = words.ident()?;
    let serial = words.word(0);
    if ["serial", "bigserial", "smallserial"].contains(&serial.as_str()) {
        return Err(
            Error::new(&error::UNSUPPORTED_TYPE, &[&name.value, &serial])
                .hint("write BIGINT IDENTITY(1, 1)"),
        );
    }
    let data_type = words.parser.parse_data_type().map_err(failed)?;
    let mut column = ColumnDefinition {
        name,
        data_type,
        not_null: false,
        nullable: false,
        default: None,
        identity: None,
        encoding: None,
        distribution_key: false,
        sort_key: false,
        keys: Vec::new(),
    };
    loop {
        let name = match words.take("constraint") {
            true => Some(words.ident()?),
            false => None,
        };
        let of = |kind| KeyDefinition::of(&column.name, kind);
        let is_again = match words.word(0).as_str() {
            "default" => column.default.is_some(),
            "identity" | "generated" => column.identity.is_some(),
            "encode" => column.encoding.is_some(),
            _ => false,
        };
        // Only keys have a name afterwards, as in PostgreSQL 8.0.
        if words.take("not null") {
            column.not_null = true;
        } else if words.take("null") {
            column.nullable = true;
        } else if words.take("primary key") {
            let key = of("PRIMARY KEY");
            column.keys.push(KeyDefinition { name, ..key });
        } else if words.take("unique") {
            let key = of("UNIQUE");
            column.keys.push(KeyDefinition { name, ..key });
        } else if words.is("references") {
            let references = Some(references(words)?);
            let key = KeyDefinition {
                name,
                references,
                ..of("FOREIGN KEY")
            };
            column.keys.push(key);
        } else if words.is("check") {
            return Err(Error::new(&error::UNSUPPORTED, &[&"CHECK constraint"]));
        } else if name.is_some() {
            return Err(near(&words.parser.peek_token().token));
        } else if is_again {
            return Err(near(&words.parser.peek_token().token).hint("it stands twice"));
        } else if words.take("default") {
            // The NOT NULL of `DEFAULT 1 NOT NULL` belongs to the column, not to the value.
            let above = Redshift.prec_value(Precedence::Is);
            let value = words.parser.parse_subexpr(above).map_err(failed)?;
            column.default = Some(value);
        } else if words.take("identity") {
            column.identity = Some(match words.is_token(&Token::LParen) {
                true => identity(words, false)?,
                // The guide has it without numbers, too, and does not say which it counts by.
                false => Identity {
                    seed: 1,
                    step: 1,
                    by_default: false,
                },
            });
        } else if words.take("generated by default as identity") {
            column.identity = Some(identity(words, true)?);
        } else if words.take("encode") {
            column.encoding = Some(words.encoding()?);
        } else if words.take("distkey") {
            column.distribution_key = true;
        } else if words.take("sortkey") {
            column.sort_key = true;
        } else if words.is("collate") {
            return Err(Error::not_yet("COLLATE"));
        } else if words.is("generated") {
            return Err(Error::new(&error::UNSUPPORTED, &[&"GENERATED column"]));
        } else {
            return Ok(column);
        }
    }
}

fn identity(words: &mut Words<'_>, by_default: bool) -> Result<Identity> {
    words.expect_token(&Token::LParen)?;
    let seed = words.number()?;
    words.expect_token(&Token::Comma)?;
    let step = words.number()?;
    words.expect_token(&Token::RParen)?;
    Ok(Identity {
        seed,
        step,
        by_default,
    })
}

/// Attributes of a table, also as `ALTER TABLE` writes them.
pub(super) fn attributes(words: &mut Words<'_>) -> Result<TableAttributes> {
    let mut attributes = TableAttributes::default();
    loop {
        if words.take("backup") {
            if !words.take("yes") && !words.take("no") {
                return Err(near(&words.parser.peek_token().token));
            }
        } else if words.take("diststyle") {
            let style = words.word(0);
            if !["auto", "even", "key", "all"].contains(&style.as_str()) {
                return Err(near(&words.parser.peek_token().token));
            }
            words.next();
            attributes.distribution = Some(style);
        } else if words.take("distkey") {
            let in_parentheses = words.take_token(&Token::LParen);
            attributes.distribution_key = Some(key_column(words)?);
            if in_parentheses {
                words.expect_token(&Token::RParen)?;
            }
        } else if words.is("sortkey")
            || words.is("compound sortkey")
            || words.is("interleaved sortkey")
        {
            if attributes.sort_keys.is_some() {
                return Err(Error::new(&error::UNSUPPORTED, &[&"a second SORTKEY"]));
            }
            attributes.interleaved = words.take("interleaved");
            words.take("compound");
            words.next();
            attributes.sort_keys = match words.take("auto") || words.take("none") {
                true => Some(Vec::new()),
                false => Some(key_columns(words)?),
            };
        } else if words.take("encode auto") {
        } else {
            return Ok(attributes);
        }
    }
}

/// Columns of a key in parentheses.
fn key_columns(words: &mut Words<'_>) -> Result<Vec<KeyColumn>> {
    words.expect_token(&Token::LParen)?;
    let mut columns = vec![key_column(words)?];
    while words.take_token(&Token::Comma) {
        columns.push(key_column(words)?);
    }
    words.expect_token(&Token::RParen)?;
    Ok(columns)
}

fn key_column(words: &mut Words<'_>) -> Result<KeyColumn> {
    let Token::Number(digits, _) = words.parser.peek_token().token else {
        return Ok(KeyColumn::Named(words.ident()?.value));
    };
    words.next();
    match digits.parse::<usize>() {
        Ok(place) => Ok(KeyColumn::Placed(place)),
        Err(_) => Err(Error::new(&error::SYNTAX_ERROR, &[&digits])),
    }
}
