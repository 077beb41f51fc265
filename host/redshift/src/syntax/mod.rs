//! Text to statements: tokens, then a parser of our own for what is Redshift's, then sqlparser for the rest.
//!
//! What comes out is syntax only. A query may still hold what Redshift refuses: `bind` lets through what it knows.

mod alter;
mod copy;
mod dialect;
mod names;
mod parser;
mod table;
mod tokens;

use datafusion::sql::sqlparser::ast::{
    Delete, Expr, Ident, Insert, Merge, ObjectName, Query, Update,
};

pub(crate) use copy::{OptionValue, Options};
pub(crate) use names::{check_label, check_name, check_names};
pub(crate) use table::{ColumnDefinition, CreateTable, KeyColumn, KeyDefinition, TableAttributes};
pub(crate) use tokens::{OTHER_PATH, Parameters, parameter_names, placeholders, split, view_query};

use crate::error::Result;

/// A statement.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
    /// `MERGE INTO target USING source ON .. REMOVE DUPLICATES`
    RemoveDuplicates {
        target: ObjectName,
        source: ObjectName,
        alias: Option<Ident>,
        on: Box<Expr>,
    },
    Truncate(ObjectName),
    CreateTable(Box<CreateTable>),
    CreateView {
        name: ObjectName,
        columns: Vec<Ident>,
        or_replace: bool,
        late_binding: bool,
        query: Box<Query>,
        /// The query as it was written.
        text: String,
    },
    CreateSchema {
        name: Ident,
        if_not_exists: bool,
    },
    Drop {
        kind: DropKind,
        names: Vec<ObjectName>,
        if_exists: bool,
        cascade: bool,
    },
    Alter {
        table: ObjectName,
        action: Box<AlterAction>,
    },
    Copy {
        table: ObjectName,
        columns: Vec<Ident>,
        from: String,
        options: Options,
    },
    Unload {
        query: String,
        to: String,
        options: Options,
    },
    Begin {
        /// Whether it only reads, if it says so.
        read_only: Option<bool>,
    },
    Commit,
    Rollback,
    Lock(Vec<ObjectName>),
    Set {
        name: String,
        value: Vec<String>,
        /// For the transaction alone.
        is_local: bool,
    },
    Reset(String),
    Show(String),
    /// `VACUUM` and `ANALYZE`, which change nothing that a client can see.
    Maintain {
        tag: &'static str,
        table: Option<ObjectName>,
    },
}

/// What `DROP` drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropKind {
    Table,
    View,
    Schema,
}

/// What `ALTER TABLE` does.
#[derive(Debug, Clone)]
pub(crate) enum AlterAction {
    AddColumn(Box<ColumnDefinition>),
    DropColumn {
        name: Ident,
        cascade: bool,
    },
    RenameTable(Ident),
    RenameColumn {
        from: Ident,
        to: Ident,
    },
    ColumnType {
        name: Ident,
        data_type: datafusion::sql::sqlparser::ast::DataType,
    },
    /// Distribution, sort keys and encodings.
    Attributes(TableAttributes),
    ColumnEncoding {
        name: Ident,
        encoding: String,
    },
    AddKey(KeyDefinition),
    DropKey {
        name: Ident,
        cascade: bool,
    },
    /// Owners, of which there is one.
    Nothing,
    AppendFrom,
}

impl Statement {
    /// What it is in `sys_query_history`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Query(_) => "SELECT",
            Self::Insert(_) => "INSERT",
            Self::Update(_) => "UPDATE",
            Self::Delete(_) => "DELETE",
            Self::Merge(_) | Self::RemoveDuplicates { .. } => "MERGE",
            Self::Copy { .. } => "COPY",
            Self::Unload { .. } => "UNLOAD",
            Self::Truncate(_)
            | Self::CreateTable(_)
            | Self::CreateView { .. }
            | Self::CreateSchema { .. }
            | Self::Drop { .. }
            | Self::Alter { .. } => "DDL",
            Self::Begin { .. }
            | Self::Commit
            | Self::Rollback
            | Self::Lock(_)
            | Self::Set { .. }
            | Self::Reset(_)
            | Self::Show(_)
            | Self::Maintain { .. } => "UTILITY",
        }
    }

    /// Whether it only reads.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self, Self::Query(_) | Self::Show(_) | Self::Unload { .. })
    }
}

/// Parses one statement; `None` if there is nothing but blanks and comments.
pub(crate) fn parse(text: &str, parameters: &Parameters<'_>) -> Result<Option<Statement>> {
    let tokens = tokens::read(text, parameters)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    parser::statement(tokens, text).map(Some)
}
