//! The parser of statements: ours looks first, sqlparser does the rest.

use datafusion::sql::sqlparser::ast::{
    CreateTableOptions, CreateView, Ident, ObjectName, Statement as Sql, ViewColumnDef,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::Redshift;
use super::names::{check_name, check_names};
use super::{DropKind, Statement, alter, copy, table};
use crate::error::{self, Error, Result};
use crate::run::settings::{ALL, LEVELS, READ_ONLY};

/// How deep expressions and queries are nested.
const DEPTH: usize = 100;

/// A parser that knows words, however they are written.
pub(super) struct Words<'a> {
    pub(super) parser: Parser<'a>,
}

/// A syntax error at a token.
pub(super) fn near(token: &Token) -> Error {
    match token {
        Token::EOF => Error::new(&error::SYNTAX_ERROR, &[&"end of input"]),
        token => Error::new(&error::SYNTAX_ERROR, &[token]),
    }
}

/// sqlparser says "Expected: a, found: b at Line: 1, Column: 2".
pub(super) fn failed(failure: ParserError) -> Error {
    match failure {
        ParserError::RecursionLimitExceeded => Error::new(&error::TOO_DEEP, &[]),
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
            let found = text
                .split_once("found: ")
                .map_or(text.as_str(), |(_, found)| found);
            let found = found
                .split_once(" at Line")
                .map_or(found, |(found, _)| found);
            match found {
                "EOF" => Error::new(&error::SYNTAX_ERROR, &[&"end of input"]),
                found => Error::new(&error::SYNTAX_ERROR, &[&found]),
            }
        }
    }
}

impl Words<'_> {
    /// The word at a place ahead; empty for other tokens and for quoted names.
    pub(super) fn word(&self, ahead: usize) -> String {
        match self.parser.peek_nth_token(ahead).token {
            Token::Word(word) if word.quote_style.is_none() => word.value,
            _ => String::new(),
        }
    }

    pub(super) fn is(&self, words: &str) -> bool {
        let mut words = words.split(' ').enumerate();
        words.all(|(ahead, word)| self.word(ahead) == word)
    }

    /// Takes these words if they come next.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let is_next = self.is(words);
        if is_next {
            for _ in words.split(' ') {
                self.parser.next_token();
            }
        }
        is_next
    }

    pub(super) fn expect(&mut self, words: &str) -> Result<()> {
        match self.take(words) {
            true => Ok(()),
            false => Err(near(&self.parser.peek_token().token)),
        }
    }

    pub(super) fn is_token(&self, token: &Token) -> bool {
        self.parser.peek_token().token == *token
    }

    pub(super) fn take_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(super) fn expect_token(&mut self, token: &Token) -> Result<()> {
        match self.take_token(token) {
            true => Ok(()),
            false => Err(near(&self.parser.peek_token().token)),
        }
    }

    pub(super) fn next(&mut self) -> Token {
        self.parser.next_token().token
    }

    pub(super) fn name(&mut self) -> Result<ObjectName> {
        let name = self.parser.parse_object_name(false).map_err(failed)?;
        check_names(&name)?;
        Ok(name)
    }

    pub(super) fn names(&mut self) -> Result<Vec<ObjectName>> {
        let names = self
            .parser
            .parse_comma_separated(|parser| parser.parse_object_name(false));
        let names = names.map_err(failed)?;
        names.iter().try_for_each(check_names)?;
        Ok(names)
    }

    pub(super) fn ident(&mut self) -> Result<Ident> {
        let name = self.parser.parse_identifier().map_err(failed)?;
        check_name(&name)?;
        Ok(name)
    }

    /// How a column is compressed. Many of the words are reserved.
    pub(super) fn encoding(&mut self) -> Result<String> {
        match self.next() {
            Token::Word(word) if word.quote_style.is_none() => Ok(word.value),
            other => Err(near(&other)),
        }
    }

    /// Names in parentheses.
    pub(super) fn columns(&mut self) -> Result<Vec<Ident>> {
        self.expect_token(&Token::LParen)?;
        let columns = self.parser.parse_comma_separated(Parser::parse_identifier);
        let columns = columns.map_err(failed)?;
        columns.iter().try_for_each(check_name)?;
        self.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    pub(super) fn text(&mut self) -> Result<String> {
        match self.next() {
            Token::SingleQuotedString(text) => Ok(text),
            Token::DollarQuotedString(text) => Ok(text.value),
            other => Err(near(&other)),
        }
    }

    pub(super) fn number(&mut self) -> Result<i64> {
        let sign = if self.take_token(&Token::Minus) {
            -1
        } else {
            1
        };
        match self.next() {
            Token::Number(digits, _) => match digits.parse::<i64>() {
                Ok(number) => Ok(sign * number),
                Err(_) => Err(Error::new(&error::SYNTAX_ERROR, &[&digits])),
            },
            other => Err(near(&other)),
        }
    }

    pub(super) fn at_end(&self) -> bool {
        matches!(
            self.parser.peek_token().token,
            Token::EOF | Token::SemiColon
        )
    }

    /// `CASCADE` or `RESTRICT`
    pub(super) fn cascade(&mut self) -> bool {
        let cascade = self.take("cascade");
        if !cascade {
            self.take("restrict");
        }
        cascade
    }
}

pub(super) fn statement(mut tokens: Vec<TokenWithSpan>, text: &str) -> Result<Statement> {
    // `DELETE t` is Redshift's alone.
    let is = |at: usize, keyword| matches!(tokens.get(at).map(|token| &token.token), Some(Token::Word(word)) if word.keyword == keyword);
    let is_insert = is(0, Keyword::INSERT) && is(1, Keyword::INTO);
    if is(0, Keyword::DELETE) && !is(1, Keyword::FROM) {
        let from = Token::make_word("from", None);
        tokens.insert(1, TokenWithSpan::wrap(from));
    }
    if is_insert {
        // As many as are nested elsewhere.
        for _ in 0..DEPTH {
            let Some((open, close)) = parentheses_of_source(&tokens) else {
                break;
            };
            tokens.remove(close);
            tokens.remove(open);
        }
    }
    // sqlparser knows UNPIVOT after a table only.
    let is_of_super = tokens.windows(3).any(|three| {
        matches!(
            [&three[0].token, &three[1].token, &three[2].token],
            [Token::Comma, Token::Word(word), Token::Word(_)]
                if word.keyword == Keyword::UNPIVOT && word.quote_style.is_none()
        )
    });
    if is_of_super {
        return Err(Error::not_yet("UNPIVOT of SUPER values"));
    }
    let parser = Parser::new(&Redshift)
        .with_recursion_limit(DEPTH)
        .with_tokens_with_locations(tokens);
    let mut words = Words { parser };
    let statement = dispatch(&mut words, text)?;
    match words.at_end() {
        true => Ok(statement),
        false => Err(near(&words.parser.peek_token().token)),
    }
}

/// Where the parentheses are around the query of `INSERT INTO t (WITH ..)`, which sqlparser takes for those of a list of columns.
fn parentheses_of_source(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    let token = |at: usize| tokens.get(at).map(|token| &token.token);
    let open = tokens
        .iter()
        .position(|token| token.token == Token::LParen)?;
    // A name, which has points between its words.
    let mut name = tokens.get(2..open)?.iter().enumerate();
    let is_name = open % 2 == 1
        && name.all(|(at, token)| match at % 2 {
            0 => matches!(token.token, Token::Word(_)),
            _ => token.token == Token::Period,
        });
    let is_query = match token(open + 1) {
        Some(Token::Word(word)) => word.quote_style.is_none() && word.keyword == Keyword::WITH,
        other => other == Some(&Token::LParen),
    };
    let mut depth = 0;
    let close = (open..tokens.len()).find(|at| {
        match token(*at) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    (is_name && is_query && close + 1 == tokens.len()).then_some((open, close))
}

fn dispatch(words: &mut Words<'_>, text: &str) -> Result<Statement> {
    let first = words.word(0);
    let second = words.word(1);
    match (first.as_str(), second.as_str()) {
        ("copy", _) => copy::copy(words),
        ("unload", _) => copy::unload(words),
        ("create", _) => create(words, text),
        ("alter", "table") => alter::alter(words),
        ("drop", _) => drop(words),
        ("merge", _) => merge(words),
        ("truncate", _) => {
            words.next();
            words.take("table");
            Ok(Statement::Truncate(words.name()?))
        }
        ("begin", _) | ("start", "transaction") => begin(words),
        ("commit" | "end", _) => {
            words.next();
            let _ = words.take("work") || words.take("transaction");
            Ok(Statement::Commit)
        }
        ("rollback" | "abort", _) => {
            words.next();
            let _ = words.take("work") || words.take("transaction");
            match words.is("to") {
                true => Err(Error::new(&error::UNSUPPORTED, &[&"ROLLBACK TO SAVEPOINT"])),
                false => Ok(Statement::Rollback),
            }
        }
        ("savepoint" | "release", _) => Err(Error::new(&error::UNSUPPORTED, &[&"SAVEPOINT"])),
        ("lock", _) => {
            words.next();
            words.take("table");
            Ok(Statement::Lock(words.names()?))
        }
        ("set", _) => set(words),
        ("reset", _) => {
            words.next();
            Ok(Statement::Reset(setting_name(words)?))
        }
        ("show", _) => {
            words.next();
            let listings = [
                "tables",
                "columns",
                "databases",
                "schemas",
                "table",
                "view",
                "external",
            ];
            match listings.contains(&words.word(0).as_str()) {
                true => Err(Error::not_yet(format_args!(
                    "SHOW {}",
                    words.word(0).to_uppercase()
                ))),
                false => Ok(Statement::Show(setting_name(words)?)),
            }
        }
        ("vacuum" | "analyze", _) => maintain(words),
        ("with", _) if changes_rows(words) => {
            Err(Error::not_yet("WITH before a statement that changes rows"))
        }
        ("select" | "with" | "insert" | "update" | "delete", _) => through(words),
        ("values", _) => Err(Error::new(&error::UNSUPPORTED, &[&"VALUES as a query"])),
        ("", _) if words.is_token(&Token::LParen) => through(words),
        (
            "grant" | "revoke" | "comment" | "explain" | "declare" | "fetch" | "close" | "prepare"
            | "execute" | "deallocate" | "call" | "refresh" | "cancel" | "use" | "alter",
            _,
        ) => Err(Error::not_yet(
            format!("{first} {second}").trim().to_uppercase(),
        )),
        _ => Err(near(&words.parser.peek_token().token)),
    }
}

/// Whether UPDATE or DELETE follows a WITH.
fn changes_rows(words: &Words<'_>) -> bool {
    let mut depth = 0;
    for ahead in 0.. {
        match words.parser.peek_nth_token(ahead).token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::EOF => return false,
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => match word.keyword {
                Keyword::UPDATE | Keyword::DELETE => return true,
                Keyword::SELECT | Keyword::INSERT | Keyword::MERGE => return false,
                _ => {}
            },
            _ => {}
        }
    }
    false
}

/// What sqlparser parses.
fn through(words: &mut Words<'_>) -> Result<Statement> {
    let statement = words.parser.parse_statement().map_err(failed)?;
    Ok(match statement {
        Sql::Query(query) => Statement::Query(query),
        Sql::Insert(insert) => Statement::Insert(Box::new(insert)),
        Sql::Update(update) => Statement::Update(Box::new(update)),
        Sql::Delete(delete) => Statement::Delete(Box::new(delete)),
        Sql::Merge(merge) => Statement::Merge(Box::new(merge)),
        other => {
            let text = other.to_string();
            let word = text.split(' ').next().unwrap_or_default();
            return Err(Error::new(&error::SYNTAX_ERROR, &[&word.to_lowercase()]));
        }
    })
}

fn begin(words: &mut Words<'_>) -> Result<Statement> {
    words.next();
    let _ = words.take("work") || words.take("transaction");
    let read_only = match words.at_end() {
        true => None,
        false => modes(words)?,
    };
    Ok(Statement::Begin { read_only })
}

/// Modes of a transaction, with or without commas between them: whether it only reads, if they say so.
fn modes(words: &mut Words<'_>) -> Result<Option<bool>> {
    let mut read_only = None;
    loop {
        if words.take("read only") {
            read_only = Some(true);
        } else if words.take("read write") {
            read_only = Some(false);
        } else if !words.take("isolation level") || !LEVELS.iter().any(|level| words.take(level)) {
            return Err(near(&words.parser.peek_token().token));
        }
        if !words.take_token(&Token::Comma) && words.at_end() {
            return Ok(read_only);
        }
    }
}

/// Modes of this transaction, or of those to come, as the parameters that they are.
fn set_modes(words: &mut Words<'_>, is_local: bool) -> Result<Statement> {
    let (name, value) = match modes(words)? {
        Some(true) => (READ_ONLY, "on"),
        Some(false) => (READ_ONLY, "off"),
        // The isolation stays the database's.
        None => ("transaction_isolation", "default"),
    };
    Ok(Statement::Set {
        name: match is_local {
            true => name.to_owned(),
            false => format!("default_{name}"),
        },
        value: vec![value.to_owned()],
        is_local,
    })
}

fn setting_name(words: &mut Words<'_>) -> Result<String> {
    if words.take("transaction isolation level") {
        return Ok("transaction_isolation".to_owned());
    }
    if words.take("time zone") {
        return Ok("timezone".to_owned());
    }
    if words.take("all") {
        return Ok(ALL.to_owned());
    }
    let name = words.name()?;
    Ok(crate::bind::plain_name(&name).join("."))
}

fn set(words: &mut Words<'_>) -> Result<Statement> {
    words.next();
    if words.take("session authorization") {
        return Err(Error::not_yet("SET SESSION AUTHORIZATION"));
    }
    if words.take("session characteristics as transaction") {
        return set_modes(words, false);
    }
    let is_local = words.take("local");
    if !is_local {
        words.take("session");
    }
    if words.take("transaction") {
        return set_modes(words, true);
    }
    let name = setting_name(words)?;
    if !words.take("to") && !words.take_token(&Token::Eq) && name != "timezone" {
        return Err(near(&words.parser.peek_token().token));
    }
    let mut value = Vec::new();
    loop {
        value.push(match words.next() {
            Token::Word(word) => word.value,
            Token::SingleQuotedString(text) => text,
            Token::Number(number, _) => number,
            Token::Minus => format!("-{}", words.number()?),
            other => return Err(near(&other)),
        });
        if !words.take_token(&Token::Comma) {
            break;
        }
    }
    Ok(Statement::Set {
        name,
        value,
        is_local,
    })
}

fn maintain(words: &mut Words<'_>) -> Result<Statement> {
    let tag = match words.word(0).as_str() {
        "vacuum" => "VACUUM",
        _ => "ANALYZE",
    };
    words.next();
    if words.is("compression") {
        return Err(Error::not_yet("ANALYZE COMPRESSION"));
    }
    let options = [
        "full",
        "sort only",
        "delete only",
        "reindex",
        "recluster",
        "verbose",
    ];
    for option in options {
        words.take(option);
    }
    let table = match words.at_end() || words.is("boost") {
        true => None,
        false => Some(words.name()?),
    };
    if words.is_token(&Token::LParen) {
        words.columns()?;
    }
    let _ = words.take("predicate columns") || words.take("all columns");
    if words.take("to") {
        words.number()?;
        words.expect("percent")?;
    }
    words.take("boost");
    Ok(Statement::Maintain { tag, table })
}

fn create(words: &mut Words<'_>, text: &str) -> Result<Statement> {
    match (words.word(1).as_str(), words.word(2).as_str()) {
        ("table" | "temp" | "temporary" | "local", _) => table::create(words),
        ("schema", _) => {
            words.take("create schema");
            let if_not_exists = words.take("if not exists");
            let name = words.ident()?;
            if words.take("authorization") {
                words.ident()?;
            }
            if words.take("quota") {
                return Err(Error::not_yet("quotas of schemas"));
            }
            Ok(Statement::CreateSchema {
                name,
                if_not_exists,
            })
        }
        ("view", _) | ("or", "replace") if words.is("create view") || words.word(3) == "view" => {
            view(words, text)
        }
        ("index", _) | ("unique", "index") => {
            Err(Error::new(&error::INDEX_UNSUPPORTED, &[&"create index"]))
        }
        (what, _) if NO_OBJECTS.contains(&what) => {
            let what = format!("CREATE {}", what.to_uppercase());
            Err(Error::new(&error::UNSUPPORTED, &[&what]))
        }
        ("or", "replace") if REPLACED.contains(&words.word(3).as_str()) => Err(Error::not_yet(
            format_args!("CREATE OR REPLACE {}", words.word(3).to_uppercase()),
        )),
        ("or", "replace") => Err(near(&words.parser.peek_nth_token(3).token)),
        (what, _) if OTHERS.contains(&what) => Err(Error::not_yet(format_args!(
            "CREATE {}",
            what.to_uppercase()
        ))),
        _ => Err(near(&words.parser.peek_nth_token(1).token)),
    }
}

/// What Redshift creates and drops beside tables, views and schemas, each by its first word.
const OTHERS: &[&str] = &[
    "database",
    "datashare",
    "external",
    "function",
    "group",
    "identity",
    "library",
    "masking",
    "materialized",
    "model",
    "procedure",
    "rls",
    "role",
    "template",
    "user",
];

/// Those of them that `CREATE OR REPLACE` has.
const REPLACED: &[&str] = &["external", "function", "library", "procedure", "template"];

/// What PostgreSQL creates and drops, and Redshift does not.
const NO_OBJECTS: &[&str] = &[
    "aggregate",
    "cast",
    "conversion",
    "domain",
    "extension",
    "language",
    "operator",
    "rule",
    "sequence",
    "tablespace",
    "trigger",
    "type",
];

fn view(words: &mut Words<'_>, text: &str) -> Result<Statement> {
    let Sql::CreateView(CreateView {
        or_alter,
        or_replace,
        materialized: false,
        secure,
        name,
        name_before_not_exists: _,
        columns,
        query,
        options,
        cluster_by,
        comment,
        with_no_schema_binding,
        if_not_exists,
        temporary,
        copy_grants,
        to,
        params,
    }) = words.parser.parse_statement().map_err(failed)?
    else {
        return Err(Error::not_yet("this kind of view"));
    };
    if if_not_exists {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&"not"])
            .hint("CREATE VIEW has no IF NOT EXISTS: write CREATE OR REPLACE VIEW"));
    }
    let is_foreign = or_alter
        || secure
        || options != CreateTableOptions::None
        || !cluster_by.is_empty()
        || comment.is_some()
        || temporary
        || copy_grants
        || to.is_some()
        || params.is_some();
    let is_typed = |column: &ViewColumnDef| column.data_type.is_some() || column.options.is_some();
    if is_foreign || columns.iter().any(is_typed) {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&"view"]));
    }
    Ok(Statement::CreateView {
        name,
        columns: columns.into_iter().map(|column| column.name).collect(),
        or_replace,
        late_binding: with_no_schema_binding,
        query,
        text: text.to_owned(),
    })
}

fn drop(words: &mut Words<'_>) -> Result<Statement> {
    words.next();
    let kind = match words.word(0).as_str() {
        "table" => DropKind::Table,
        "view" => DropKind::View,
        "schema" => DropKind::Schema,
        "index" => return Err(Error::new(&error::INDEX_UNSUPPORTED, &[&"drop index"])),
        other if OTHERS.contains(&other) => {
            return Err(Error::not_yet(format_args!(
                "DROP {}",
                other.to_uppercase()
            )));
        }
        other if NO_OBJECTS.contains(&other) => {
            let what = format!("DROP {}", other.to_uppercase());
            return Err(Error::new(&error::UNSUPPORTED, &[&what]));
        }
        _ => return Err(near(&words.parser.peek_token().token)),
    };
    words.next();
    let if_exists = words.take("if exists");
    let names = words.names()?;
    let cascade = words.cascade();
    Ok(Statement::Drop {
        kind,
        names,
        if_exists,
        cascade,
    })
}

fn merge(words: &mut Words<'_>) -> Result<Statement> {
    let start = words.parser.index();
    words.next();
    words.take("into");
    let target = words.name()?;
    if words.take("using") && !words.is_token(&Token::LParen) {
        let source = words.name()?;
        let alias = match words.take("as") || !words.is("on") {
            true => Some(words.ident()?),
            false => None,
        };
        words.expect("on")?;
        let on = words.parser.parse_expr().map_err(failed)?;
        if words.take("remove duplicates") {
            return Ok(Statement::RemoveDuplicates {
                target,
                source,
                alias,
                on: Box::new(on),
            });
        }
    }
    while words.parser.index() > start {
        words.parser.prev_token();
    }
    through(words)
}
