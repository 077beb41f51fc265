//! What is a name: no text, and no reserved word without quotation marks.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::{self, Error, Result};

/// An error for what is no name of a table, a column or an alias.
pub(crate) fn check_name(name: &Ident) -> Result<()> {
    check_label(name)?;
    match name.quote_style.is_none() && is_reserved(&name.value) {
        true => Err(Error::new(&error::SYNTAX_ERROR, &[&name.value])
            .hint("a reserved word is a name in quotation marks")),
        false => Ok(()),
    }
}

/// The same after AS in a SELECT list and after a point, where each word is a name. sqlparser takes a text in single quotes for one.
pub(crate) fn check_label(name: &Ident) -> Result<()> {
    match name.quote_style {
        Some('\'') => {
            let text = format!("'{}'", name.value);
            Err(Error::new(&error::SYNTAX_ERROR, &[&text]))
        }
        _ => Ok(()),
    }
}

/// The same for `schema.table`.
pub(crate) fn check_names(name: &ObjectName) -> Result<()> {
    let mut parts = name.0.iter().enumerate();
    parts.try_for_each(|(at, part)| match part {
        ObjectNamePart::Identifier(ident) if at == 0 => check_name(ident),
        ObjectNamePart::Identifier(ident) => check_label(ident),
        ObjectNamePart::Function(_) => Ok(()),
    })
}

/// Whether a word is no name without quotation marks.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// Reserved words, sorted.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "aes128", "aes256", "all", "allowoverwrite", "analyse", "analyze", "and", "any", "array", "as", "asc",
    "authorization", "az64", "backup", "between", "binary", "blanksasnull", "both", "bytedict", "bzip2", "case",
    "cast", "check", "collate", "column", "connect", "constraint", "create", "credentials", "cross", "current_date",
    "current_time", "current_timestamp", "current_user", "current_user_id", "default", "deferrable", "deflate",
    "defrag", "delta", "delta32k", "desc", "disable", "distinct", "do", "else", "emptyasnull", "enable", "encode",
    "encrypt", "encryption", "end", "except", "explicit", "false", "for", "foreign", "freeze", "from", "full",
    "globaldict256", "globaldict64k", "grant", "group", "gzip", "having", "identity", "ignore", "ilike", "in",
    "initially", "inner", "intersect", "interval", "into", "is", "isnull", "join", "language", "leading", "left",
    "like", "limit", "localtime", "localtimestamp", "lun", "luns", "lzo", "lzop", "minus", "mostly16", "mostly32",
    "mostly8", "natural", "new", "not", "notnull", "null", "nulls", "off", "offline", "offset", "oid", "old", "on",
    "only", "open", "or", "order", "outer", "overlaps", "parallel", "partition", "percent", "permissions", "pivot",
    "placing", "primary", "raw", "readratio", "recover", "references", "rejectlog", "resort", "respect", "restore",
    "right", "select", "session_user", "similar", "snapshot", "some", "start", "sysdate", "system", "table", "tag",
    "tdes", "text255", "text32k", "then", "timestamp", "to", "top", "trailing", "true", "truncatecolumns", "union",
    "unique", "unnest", "unpivot", "user", "using", "verbose", "wallet", "when", "where", "with", "without",
];
