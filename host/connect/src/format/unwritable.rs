//! Why rows cannot be written in a format: the column, the type or the value, and what to write in the query instead.

use arrow::error::ArrowError;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Why rows cannot be written in a format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritable {
    /// The format has no such type.
    #[error("column `{column}` of type {data_type} cannot be written as {format}{}", detail(.why))]
    Type {
        /// The column; parts of nested columns after points.
        column: String,
        /// Name of its type.
        data_type: String,
        /// Name of the format.
        format: &'static str,
        /// More about it; empty if there is nothing to say.
        why: String,
        /// What to do instead.
        hint: String,
    },
    /// The format has the type, but not this value.
    #[error("column `{column}` holds {value} in row {row}, which {format} cannot hold{}", detail(.why))]
    Value {
        /// The column; parts of nested columns after points.
        column: String,
        /// The value, as text.
        value: String,
        /// Number of the row, from 1.
        row: u64,
        /// Name of the format.
        format: &'static str,
        /// More about it; empty if there is nothing to say.
        why: String,
        /// What to do instead.
        hint: String,
    },
    /// The encoder or the disk refuses.
    #[error("{0}")]
    Other(#[from] ArrowError),
}

fn detail(why: &str) -> String {
    match why {
        "" => String::new(),
        why => format!(": {why}"),
    }
}

impl Unwritable {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Type { hint, .. } | Self::Value { hint, .. } => Some(hint),
            Self::Other(_) => None,
        }
    }

    /// The same of a row that `rows` others stand before.
    pub(crate) fn after(self, rows: u64) -> Self {
        match self {
            Self::Value {
                column,
                value,
                row,
                format,
                why,
                hint,
            } => Self::Value {
                column,
                value,
                row: row + rows,
                format,
                why,
                hint,
            },
            other => other,
        }
    }
}

/// A column as SQL names it.
pub(crate) fn sql_name(column: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts = |name: &str| {
        name.bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
    };
    // `select` is a word of SQL, not a name.
    let is_name = |name: &str| {
        let parser = Parser::new(&GenericDialect {}).try_with_sql(name);
        let expr = parser.and_then(|mut parser| parser.parse_expr());
        matches!(expr, Ok(Expr::Identifier(_)))
    };
    match starts(column) && column.bytes().all(plain) && is_name(column) {
        true => column.to_owned(),
        false => format!("\"{}\"", column.replace('"', "\"\"")),
    }
}
