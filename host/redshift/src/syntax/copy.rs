//! `COPY` and `UNLOAD`: options by a table that says what each takes.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Statement;
use super::parser::{Words, near};
use crate::error::{self, Error, Result};

/// What follows an option's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// A literal, or DEFAULT.
    Value,
    Perhaps,
    /// A word.
    Name,
    /// ON, OFF, ..
    Switch,
    /// A number with a unit.
    Size,
    /// `BY (columns) [INCLUDE]`
    Columns,
}

const OPTIONS: &[(&str, Takes)] = &[
    ("iam_role", Takes::Value),
    ("credentials", Takes::Value),
    ("access_key_id", Takes::Value),
    ("secret_access_key", Takes::Value),
    ("session_token", Takes::Value),
    ("region", Takes::Value),
    ("manifest", Takes::Nothing),
    ("gzip", Takes::Nothing),
    ("zstd", Takes::Nothing),
    ("bzip2", Takes::Nothing),
    ("lzop", Takes::Nothing),
    ("parquet", Takes::Nothing),
    ("orc", Takes::Nothing),
    ("avro", Takes::Perhaps),
    ("csv", Takes::Nothing),
    ("json", Takes::Perhaps),
    ("shapefile", Takes::Nothing),
    ("fixedwidth", Takes::Value),
    ("delimiter", Takes::Value),
    ("quote", Takes::Value),
    ("ignoreheader", Takes::Value),
    ("header", Takes::Nothing),
    ("dateformat", Takes::Value),
    ("timeformat", Takes::Value),
    ("maxerror", Takes::Value),
    ("null", Takes::Value),
    ("escape", Takes::Nothing),
    ("removequotes", Takes::Nothing),
    ("addquotes", Takes::Nothing),
    ("truncatecolumns", Takes::Nothing),
    ("trimblanks", Takes::Nothing),
    ("blanksasnull", Takes::Nothing),
    ("emptyasnull", Takes::Nothing),
    ("acceptinvchars", Takes::Perhaps),
    ("acceptanydate", Takes::Nothing),
    ("fillrecord", Takes::Nothing),
    ("serializetojson", Takes::Nothing),
    ("ignoreblanklines", Takes::Nothing),
    ("ignoreallerrors", Takes::Nothing),
    ("compupdate", Takes::Switch),
    ("statupdate", Takes::Switch),
    ("noload", Takes::Nothing),
    ("roundec", Takes::Nothing),
    ("explicit_ids", Takes::Nothing),
    ("encoding", Takes::Name),
    ("comprows", Takes::Value),
    ("ssh", Takes::Nothing),
    ("readratio", Takes::Value),
    ("master_symmetric_key", Takes::Value),
    ("encrypted", Takes::Nothing),
    ("kms_key_id", Takes::Value),
    ("allowoverwrite", Takes::Nothing),
    ("cleanpath", Takes::Nothing),
    ("parallel", Takes::Switch),
    ("maxfilesize", Takes::Size),
    ("rowgroupsize", Takes::Size),
    ("extension", Takes::Value),
    ("partition", Takes::Columns),
];

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OptionValue {
    Set,
    Text(String),
    Size(u64),
    Columns { names: Vec<String>, include: bool },
}

/// Options in the order in which they stand, with their names in lowercase.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options(pub(crate) Vec<(&'static str, OptionValue)>);

impl Options {
    pub(crate) fn get(&self, name: &str) -> Option<&OptionValue> {
        let found = self.0.iter().find(|(option, _)| *option == name);
        found.map(|(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(OptionValue::Text(text)) => Some(text),
            _ => None,
        }
    }
}

pub(super) fn copy(words: &mut Words<'_>) -> Result<Statement> {
    words.expect("copy")?;
    let table = words.name()?;
    let columns = match words.is_token(&Token::LParen) {
        true => words.columns()?,
        false => Vec::new(),
    };
    words.expect("from")?;
    let from = words.text()?;
    words.take("with");
    let options = options(words)?;
    Ok(Statement::Copy {
        table,
        columns,
        from,
        options,
    })
}

pub(super) fn unload(words: &mut Words<'_>) -> Result<Statement> {
    words.expect("unload")?;
    words.expect_token(&Token::LParen)?;
    let query = words.text()?;
    words.expect_token(&Token::RParen)?;
    words.expect("to")?;
    let to = words.text()?;
    words.take("with");
    let options = options(words)?;
    Ok(Statement::Unload { query, to, options })
}

fn options(words: &mut Words<'_>) -> Result<Options> {
    let mut options = Options::default();
    while !words.at_end() {
        if words.take("format") {
            words.take("as");
        }
        let word = words.word(0);
        let Some((name, takes)) = OPTIONS.iter().find(|(name, _)| *name == word) else {
            return Err(near(&words.parser.peek_token().token));
        };
        words.next();
        let value = match takes {
            Takes::Nothing => OptionValue::Set,
            Takes::Value | Takes::Perhaps => {
                let is_given = words.take("as");
                match words.parser.peek_token().token {
                    Token::SingleQuotedString(text) | Token::Number(text, _) => {
                        words.next();
                        OptionValue::Text(text)
                    }
                    Token::Word(word) if word.value == "default" => {
                        words.next();
                        OptionValue::Text("default".to_owned())
                    }
                    other if is_given || *takes == Takes::Value => return Err(near(&other)),
                    _ => OptionValue::Set,
                }
            }
            Takes::Name => {
                words.take("as");
                match words.next() {
                    Token::Word(word) if word.quote_style.is_none() => {
                        OptionValue::Text(word.value)
                    }
                    Token::SingleQuotedString(text) => OptionValue::Text(text.to_lowercase()),
                    other => return Err(near(&other)),
                }
            }
            Takes::Switch => {
                let switches = ["on", "off", "true", "false", "preset"];
                match switches.into_iter().find(|switch| words.take(switch)) {
                    Some(switch) => OptionValue::Text(switch.to_owned()),
                    None => OptionValue::Set,
                }
            }
            Takes::Size => size(words)?,
            Takes::Columns => {
                words.expect("by")?;
                let names = words.columns()?;
                OptionValue::Columns {
                    names: names.into_iter().map(|name| name.value).collect(),
                    include: words.take("include"),
                }
            }
        };
        let value = match value {
            // The byte 0, whether its backslash is escaped or not.
            OptionValue::Text(text) if *name == "null" && ["\\0", "\\000"].contains(&&*text) => {
                OptionValue::Text("\0".to_owned())
            }
            value => value,
        };
        if options.has(name) {
            return Err(Error::new(&error::REDUNDANT_OPTION, &[]));
        }
        options.0.push((name, value));
        // Nowhere else is it an option.
        if *name == "manifest" && words.take("verbose") {
            options.0.push(("verbose", OptionValue::Set));
        }
    }
    Ok(options)
}

fn size(words: &mut Words<'_>) -> Result<OptionValue> {
    words.take("as");
    let number = match words.next() {
        Token::Number(number, _) => number,
        other => return Err(near(&other)),
    };
    let amount: f64 = number
        .parse()
        .map_err(|_| Error::new(&error::SYNTAX_ERROR, &[&number]))?;
    let unit = match words.take("gb") {
        true => 1u64 << 30,
        false => {
            words.take("mb");
            1 << 20
        }
    };
    Ok(OptionValue::Size((amount * unit as f64) as u64))
}
