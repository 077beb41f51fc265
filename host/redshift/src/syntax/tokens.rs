//! Tokens: names folded, parameters put in, statements divided.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use transom_sql::points;

use super::dialect::Redshift;
use crate::error::{self, Error, Result};
use crate::session::Parameter;
use crate::types::Type;

/// Bytes of a statement over the wire protocol.
const MOST_BYTES: usize = 16 << 20;
/// Operators in one expression, which nest to the left.
const MOST_OPERATORS: usize = 500;
/// Conditions that AND and OR join.
const MOST_CONDITIONS: usize = 10_000;
/// Queries that UNION and its like join.
const MOST_QUERIES: usize = 500;

/// Bytes of a name; what is longer is cut, as `CREATE TABLE` documents it.
const NAME_BYTES: usize = 127;

/// Values for `$1` or `:name`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Parameters<'a> {
    None,
    Given(&'a [Parameter]),
}

fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&Redshift, text)
        // The tokenizer's escapes are those of MySQL.
        .with_unescape(false)
        .tokenize_with_location();
    let mut tokens = tokens.map_err(|failure| {
        let message = failure.to_string();
        let near = match message.split_once(" at Line") {
            Some((what, _)) => what.to_owned(),
            None => message,
        };
        Error::new(&error::SYNTAX_ERROR, &[&near])
    })?;
    let mut is_after_null = false;
    for TokenWithSpan { token, .. } in &mut tokens {
        match token {
            Token::SingleQuotedString(written) | Token::NationalStringLiteral(written) => {
                *written = unescaped(written, is_after_null)?;
            }
            Token::Word(word) if word.quote_style == Some('"') => {
                word.value = word.value.replace("\"\"", "\"");
            }
            _ => {}
        }
        // A text after NULL, or after NULL AS, is the null string of COPY or UNLOAD: nowhere else does one stand there.
        is_after_null = match token {
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::NULL => true,
                Keyword::AS => is_after_null,
                _ => false,
            },
            Token::Whitespace(_) => is_after_null,
            _ => false,
        };
    }
    Ok(tokens)
}

/// The text of a literal: `\n` and the like are characters of control, `\101` is a byte in octal digits, and a backslash before anything else
/// is left out, as in PostgreSQL 8.0. A null string may hold the byte 0, and keeps a backslash before a capital letter: `'\N'` is documented to
/// be a backslash and an N.
fn unescaped(written: &str, is_null_string: bool) -> Result<String> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\'', [b'\'', after @ ..]) => {
                bytes.push(b'\'');
                rest = after;
            }
            (b'\\', [b'0'..=b'7', ..]) => {
                let digits = after.iter().take(3);
                let digits = digits.take_while(|digit| matches!(digit, b'0'..=b'7'));
                let count = digits.clone().count();
                let octal =
                    digits.fold(0_u32, |number, digit| number * 8 + u32::from(digit - b'0'));
                // PostgreSQL keeps the lower eight bits.
                bytes.push((octal & 0xff) as u8);
                rest = &after[count..];
            }
            (b'\\', [escaped, after @ ..]) => {
                if is_null_string && escaped.is_ascii_uppercase() {
                    bytes.push(b'\\');
                }
                bytes.push(match escaped {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                rest = after;
            }
            (other, _) => bytes.push(*other),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) if is_null_string || !text.contains('\0') => Ok(text),
        _ => Err(Error::not_yet(
            "octal digits in a text that make no UTF-8, or the byte 0",
        )),
    }
}

/// Where a token is in a text: tokens count lines and characters.
fn offsets(text: &str) -> impl Fn(&TokenWithSpan) -> usize + '_ {
    let mut lines = vec![0];
    lines.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    move |token| {
        let location = token.span.start;
        let line = lines.get(location.line as usize - 1).copied();
        let start = line.unwrap_or(text.len());
        let rest = &text[start..];
        let within = rest.char_indices().nth(location.column as usize - 1);
        start + within.map_or(rest.len(), |(at, _)| at)
    }
}

/// The query of a `CREATE VIEW`, as it is written.
pub(crate) fn view_query(text: &str) -> Result<&str> {
    let tokens = tokenize(text)?;
    let is = |token: &TokenWithSpan, keyword| match &token.token {
        Token::Word(word) => word.quote_style.is_none() && word.keyword == keyword,
        _ => false,
    };
    let offset = offsets(text);
    let start = tokens.iter().find(|token| is(token, Keyword::AS));
    let start = start.map_or(0, |token| offset(token) + "as".len());
    // `WITH NO SCHEMA BINDING` at the end.
    let words = tokens
        .iter()
        .rev()
        .filter(|token| matches!(token.token, Token::Word(_)));
    let last: Vec<_> = words.take(4).collect();
    let end = match last.as_slice() {
        [_, _, no, with] if is(with, Keyword::WITH) && is(no, Keyword::NO) => offset(with),
        _ => text.len(),
    };
    Ok(text
        .get(start..end)
        .unwrap_or(text)
        .trim()
        .trim_end_matches(';'))
}

/// The statements of a text, each as it is written.
pub(crate) fn split(text: &str) -> Result<Vec<&str>> {
    let tokens = tokenize(text)?;
    let offset = offsets(text);
    let mut statements = Vec::new();
    let mut start = 0;
    let mut is_empty = true;
    for token in &tokens {
        match token.token {
            Token::SemiColon => {
                let at = offset(token);
                if !is_empty {
                    statements.push(text[start..at].trim());
                }
                start = at + 1;
                is_empty = true;
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => is_empty = false,
        }
    }
    if !is_empty {
        statements.push(text[start..].trim());
    }
    Ok(statements)
}

/// What paths into SUPER values may hold in Redshift, and not yet here.
pub(crate) const OTHER_PATH: &str = "paths into SUPER values other than names and places";

/// The highest `$n` of a text.
pub(crate) fn placeholders(text: &str) -> Result<usize> {
    let tokens = tokenize(text)?;
    let numbers = tokens.iter().filter_map(|token| match &token.token {
        Token::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
        _ => None,
    });
    Ok(numbers.max().unwrap_or(0))
}

/// The name of a parameter, behind its colon.
fn parameter_name(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) => Some(&word.value),
        Token::Number(digits, false) => Some(digits),
        _ => None,
    }
}

/// The names of a text's `:name`, as they are written.
pub(crate) fn parameter_names(text: &str) -> Result<Vec<String>> {
    let tokens = tokenize(text)?;
    let tokens = tokens.iter().map(|token| &token.token);
    let mut tokens = tokens.filter(|token| !matches!(token, Token::Whitespace(_)));
    let mut names = Vec::new();
    while let Some(token) = tokens.next() {
        if *token == Token::Colon {
            names.extend(tokens.next().and_then(parameter_name).map(str::to_owned));
        }
    }
    Ok(names)
}

/// The tokens of one statement, without blanks.
pub(super) fn read(text: &str, parameters: &Parameters<'_>) -> Result<Vec<TokenWithSpan>> {
    if text.len() > MOST_BYTES {
        return Err(Error::new(&error::TOO_LARGE, &[&"16MB"]));
    }
    let tokens = tokenize(text)?;
    let tokens = tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let tokens = plain_operators(tokens.collect());
    if let Some(Token::Word(word)) = tokens.first().map(|token| &token.token)
        && word.keyword == Keyword::PREPARE
    {
        // Its parameters get their values later.
        return Err(Error::not_yet("PREPARE"));
    }
    let mut read: Vec<TokenWithSpan> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(mut token) = tokens.next() {
        match &mut token.token {
            // sqlparser takes `[place]` after a value for a quoted name.
            Token::Word(word) if word.quote_style == Some('[') => {
                return Err(Error::not_yet(OTHER_PATH));
            }
            Token::Word(word) if word.quote_style.is_some() && word.value.is_empty() => {
                return Err(Error::new(&error::SYNTAX_ERROR, &[&"\"\""])
                    .hint("a name in quotation marks has a letter at least"));
            }
            Token::Word(word) => fold(word),
            // The escapes are read already.
            Token::EscapedStringLiteral(text) => {
                token.token = Token::SingleQuotedString(std::mem::take(text));
            }
            Token::Placeholder(name) => {
                let index = name.trim_start_matches('$').parse::<usize>();
                let value = match (parameters, index) {
                    (Parameters::Given(given), Ok(index @ 1..)) => given.get(index - 1),
                    _ => None,
                };
                let missing = || Error::new(&error::PARAMETER_MISSING, &[name]);
                put(value.ok_or_else(missing)?, &token.span, &mut read);
                continue;
            }
            Token::Colon => {
                if let (Parameters::Given(given), Some(next)) = (parameters, tokens.peek())
                    && let Some(name) = parameter_name(&next.token)
                {
                    let value = given
                        .iter()
                        .find(|given| given.name.as_deref() == Some(name));
                    let name = format!(":{name}");
                    let missing = || Error::new(&error::PARAMETER_MISSING, &[&name]);
                    put(value.ok_or_else(missing)?, &token.span, &mut read);
                    tokens.next();
                    continue;
                }
            }
            _ => {}
        }
        read.push(token);
    }
    while read
        .last()
        .is_some_and(|token| token.token == Token::SemiColon)
    {
        read.pop();
    }
    match read.iter().any(|token| token.token == Token::SemiColon) {
        true => Err(Error::new(&error::MULTIPLE_COMMANDS, &[])),
        false => {
            check_depth(&read)?;
            match points::one_too_many(&read) {
                None => Ok(read),
                Some(_) => Err(Error::not_yet(format_args!(
                    "names and paths of more than {} parts",
                    points::MOST_POINTS
                ))),
            }
        }
    }
}

/// `OPERATOR(pg_catalog.~)` is `~`.
fn plain_operators(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is = |token: &Token, name: &str| match token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name),
        _ => false,
    };
    let mut plain = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let [first, after @ ..] = rest {
        rest = after;
        plain.push(match after {
            [open, schema, point, operator, close, after @ ..]
                if is(&first.token, "operator")
                    && open.token == Token::LParen
                    && is(&schema.token, "pg_catalog")
                    && point.token == Token::Period
                    && close.token == Token::RParen =>
            {
                rest = after;
                operator.clone()
            }
            _ => first.clone(),
        });
    }
    plain
}

/// What joins terms nests them without a parenthesis, which is what the parser counts.
fn check_depth(tokens: &[TokenWithSpan]) -> Result<()> {
    #[derive(Default)]
    struct Level {
        operators: usize,
        conditions: usize,
        queries: usize,
    }
    let mut levels = vec![Level::default()];
    for token in tokens {
        let Some(level) = levels.last_mut() else {
            // More parentheses are closed than opened: a matter of the parser.
            return Ok(());
        };
        match &token.token {
            Token::LParen => levels.push(Level::default()),
            Token::RParen => {
                levels.pop();
            }
            Token::Comma => {
                level.operators = 0;
                level.conditions = 0;
            }
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::AND | Keyword::OR => {
                    level.operators = 0;
                    level.conditions += 1;
                }
                Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::MINUS
                | Keyword::JOIN => level.queries += 1,
                Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::AT
                | Keyword::COLLATE
                | Keyword::NOTNULL => level.operators += 1,
                _ => {}
            },
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Period
            | Token::LBracket
            | Token::RBracket => {}
            _ => level.operators += 1,
        }
        if let Some(level) = levels.last()
            && (level.operators > MOST_OPERATORS
                || level.conditions > MOST_CONDITIONS
                || level.queries > MOST_QUERIES)
        {
            return Err(Error::new(&error::TOO_DEEP, &[]));
        }
    }
    Ok(())
}

/// Redshift folds quoted names, too.
fn fold(word: &mut Word) {
    word.value = word.value.to_ascii_lowercase();
    if word.value.len() > NAME_BYTES {
        let mut end = NAME_BYTES;
        while !word.value.is_char_boundary(end) {
            end -= 1;
        }
        word.value.truncate(end);
    }
    if word.quote_style.is_some() {
        word.quote_style = Some('"');
    }
}

/// A value as a literal. Texts have no type of their own and become what they meet.
fn put(
    parameter: &Parameter,
    span: &datafusion::sql::sqlparser::tokenizer::Span,
    read: &mut Vec<TokenWithSpan>,
) {
    let mut push = |token| read.push(TokenWithSpan { token, span: *span });
    let keyword = |word: &str, keyword| {
        Token::Word(Word {
            value: word.to_owned(),
            quote_style: None,
            keyword,
        })
    };
    let Some(value) = &parameter.value else {
        return push(keyword("null", Keyword::NULL));
    };
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    match parameter.data_type {
        Some(data_type) if data_type.is_exact() && is_number => match value.strip_prefix('-') {
            Some(digits) => {
                push(Token::LParen);
                push(Token::Minus);
                push(Token::Number(digits.to_owned(), false));
                push(Token::RParen);
            }
            None => push(Token::Number(value.clone(), false)),
        },
        Some(Type::Bool) if value == "t" || value == "true" => push(keyword("true", Keyword::TRUE)),
        Some(Type::Bool) if value == "f" || value == "false" => {
            push(keyword("false", Keyword::FALSE));
        }
        // Floats that decimals cannot hold, and values that would be texts.
        Some(
            data_type @ (Type::Float4
            | Type::Float8
            | Type::Date
            | Type::Time
            | Type::Timestamp
            | Type::TimestampTz),
        ) => {
            push(keyword("cast", Keyword::CAST));
            push(Token::LParen);
            push(Token::SingleQuotedString(value.clone()));
            push(keyword("as", Keyword::AS));
            push(Token::make_word(data_type.short_name(), None));
            push(Token::RParen);
        }
        _ => push(Token::SingleQuotedString(value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_texts() {
        let text = "select ';' ; -- a;b\n insert into t values ('ü;', 1);;\n select $$;$$";
        let statements = split(text).unwrap();
        assert_eq!(statements.len(), 3);
        assert_eq!(statements[0], "select ';'");
        assert!(
            statements[1].ends_with("values ('ü;', 1)"),
            "{statements:?}"
        );
    }
}
