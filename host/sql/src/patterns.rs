//! `LIKE .. ESCAPE` with any character, `SIMILAR TO` as SQL defines it, and regular expressions as PostgreSQL reads them.
//!
//! DataFusion's `LIKE` knows the backslash alone and takes it for one before a letter; its `SIMILAR TO` is a search for a regular
//! expression. Regular expressions are
//! those of Rust, in which a dot is no line break and `$` has a meaning in replacements. So patterns are translated: constants once, when
//! a query is planned.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::ValueError;

/// A `LIKE` pattern as DataFusion reads it.
pub(crate) fn like(pattern: Expr) -> Expr {
    let is_the_same = match &pattern {
        Expr::Literal(pattern, _) => pattern
            .try_as_str()
            .is_some_and(|pattern| pattern.is_none_or(|pattern| !pattern.contains('\\'))),
        _ => false,
    };
    match is_the_same {
        true => pattern,
        false => call(Dialect::Like, pattern),
    }
}

/// A `SIMILAR TO` pattern as a regular expression.
pub(crate) fn similar(pattern: Expr) -> Expr {
    call(Dialect::Similar, pattern)
}

/// `like_escape(pattern, escape)`, as PostgreSQL has it: the pattern with another escape character, or with none if `escape` is
/// empty, as one with the backslash. `LIKE .. ESCAPE` and `SIMILAR TO .. ESCAPE` call it.
pub(crate) fn like_escape() -> ScalarUDF {
    ScalarUDF::from(LikeEscape {
        signature: Signature::string(2, Volatility::Immutable),
    })
}

/// A regular expression of PostgreSQL, with its flags, as one of Rust.
pub(crate) fn regex(pattern: Expr, flags: &str) -> Result<Expr> {
    let flags = Flags::of(flags)?;
    Ok(call(Dialect::Regex(flags), pattern))
}

/// What replaces a match: `\1` and `\&` name parts of it.
pub(crate) fn replacement(text: Expr) -> Expr {
    call(Dialect::Replacement, text)
}

fn call(dialect: Dialect, pattern: Expr) -> Expr {
    ScalarUDF::from(Pattern {
        dialect,
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![pattern])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Dialect {
    Like,
    Similar,
    Regex(Flags),
    Replacement,
}

/// Flags of a regular expression: `icg` and those for lines, `x` and `q`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Flags {
    ignores_case: bool,
    /// A dot is no line break.
    dot_ends: bool,
    /// `^` and `$` are the begin and the end of a line.
    has_lines: bool,
    is_spaced: bool,
    is_literal: bool,
}

impl Flags {
    fn of(flags: &str) -> Result<Self> {
        let mut read = Self::default();
        for flag in flags.chars() {
            match flag {
                'g' => {}
                'i' => read.ignores_case = true,
                'c' => read.ignores_case = false,
                'n' | 'm' => (read.dot_ends, read.has_lines) = (true, true),
                's' => (read.dot_ends, read.has_lines) = (false, false),
                'p' => (read.dot_ends, read.has_lines) = (true, false),
                'w' => (read.dot_ends, read.has_lines) = (false, true),
                'x' => read.is_spaced = true,
                'q' => read.is_literal = true,
                other => {
                    return Err(ValueError::new(format!(
                        "'{other}' is not a flag of regular expressions"
                    ))
                    .hint("'g' all matches, 'i' any case, 'n' lines, 's' dots are line breaks, too")
                    .into());
                }
            }
        }
        Ok(read)
    }

    fn written(self) -> String {
        let flags = [
            (self.ignores_case, 'i'),
            (!self.dot_ends, 's'),
            (self.has_lines, 'm'),
            (self.is_spaced, 'x'),
        ];
        let flags: String = flags
            .into_iter()
            .filter_map(|(is_set, flag)| is_set.then_some(flag))
            .collect();
        match flags.is_empty() {
            true => String::new(),
            false => format!("(?{flags})"),
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Pattern {
    dialect: Dialect,
    signature: Signature,
}

impl ScalarUDFImpl for Pattern {
    fn name(&self) -> &str {
        match self.dialect {
            Dialect::Like => "like_pattern",
            Dialect::Similar => "similar_pattern",
            Dialect::Regex(_) => "regex",
            Dialect::Replacement => "replacement",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match &arguments[0] {
            DataType::LargeUtf8 => DataType::LargeUtf8,
            DataType::Utf8View => DataType::Utf8View,
            _ => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let (values, is_scalar) = match &arguments.args[0] {
            ColumnarValue::Array(values) => (Arc::clone(values), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        let texts = cast(&values, &DataType::Utf8)?;
        let translate = |pattern: &str| match self.dialect {
            Dialect::Like => like_pattern(pattern),
            Dialect::Similar => similar_pattern(pattern),
            Dialect::Regex(flags) => Ok(rust_regex(pattern, flags)),
            Dialect::Replacement => Ok(rust_replacement(pattern)),
        };
        let texts = texts
            .as_string::<i32>()
            .iter()
            .map(|pattern| pattern.map(translate).transpose())
            .collect::<std::result::Result<StringArray, _>>()?;
        let texts: ArrayRef = cast(&texts, &result)?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?),
            false => ColumnarValue::Array(texts),
        })
    }
}

fn unfinished(pattern: &str, escape: char) -> ValueError {
    ValueError::new(format!(
        "the pattern '{pattern}' ends with its escape character '{escape}'"
    ))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LikeEscape {
    signature: Signature,
}

impl ScalarUDFImpl for LikeEscape {
    fn name(&self) -> &'static str {
        "like_escape"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = arguments
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let texts = ColumnarValue::values_to_arrays(&arguments.args)?
            .iter()
            .map(|texts| cast(texts, &DataType::Utf8))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let (patterns, escapes) = (texts[0].as_string::<i32>(), texts[1].as_string::<i32>());
        let escaped = patterns
            .iter()
            .zip(escapes)
            .map(|pair| match pair {
                (Some(pattern), Some(escape)) => with_backslash(pattern, escape).map(Some),
                _ => Ok(None),
            })
            .collect::<std::result::Result<StringArray, _>>()?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&escaped, 0)?),
            false => ColumnarValue::Array(Arc::new(escaped)),
        })
    }
}

/// The pattern with the backslash as its escape character.
fn with_backslash(pattern: &str, escape: &str) -> std::result::Result<String, ValueError> {
    let mut characters = escape.chars();
    let escape = characters.next();
    if characters.next().is_some() {
        let hint = "write one character, or '' for none";
        return Err(ValueError::new("ESCAPE has more than one character").hint(hint));
    }
    let mut translated = String::with_capacity(pattern.len() + 2);
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = match escape {
            Some(escape) if character == escape => characters
                .next()
                .ok_or_else(|| unfinished(pattern, escape))?,
            _ if character == '\\' => character,
            _ => {
                translated.push(character);
                continue;
            }
        };
        translated.extend(['\\', literal]);
    }
    Ok(translated)
}

/// DataFusion takes a backslash for one unless it is before `%`, `_` or another.
fn like_pattern(pattern: &str) -> std::result::Result<String, ValueError> {
    let mut translated = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            translated.push(character);
            continue;
        }
        let literal = characters.next().ok_or_else(|| unfinished(pattern, '\\'))?;
        if matches!(literal, '%' | '_' | '\\') {
            translated.push('\\');
        }
        translated.push(literal);
    }
    Ok(translated)
}

/// `%` and `_` as in `LIKE`; `| * + ? {m,n} ( ) [ ]` as in regular expressions; the whole value must match.
fn similar_pattern(pattern: &str) -> std::result::Result<String, ValueError> {
    let mut regex = String::from("(?s)^(?:");
    let mut rest = pattern;
    while let Some((character, after)) = split_first(rest) {
        rest = after;
        match character {
            '\\' => {
                let escaped = split_first(rest).ok_or_else(|| unfinished(pattern, '\\'))?;
                push_literal(&mut regex, escaped.0);
                rest = escaped.1;
            }
            '[' => rest = brackets(rest, &mut regex, push_literal),
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '(' => regex.push_str("(?:"),
            '|' | '*' | '+' | '?' | '{' | '}' | ')' => regex.push(character),
            other => push_literal(&mut regex, other),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

/// Escapes of PostgreSQL that Rust writes otherwise, and what is in brackets.
fn rust_regex(pattern: &str, flags: Flags) -> String {
    let mut regex = flags.written();
    if flags.is_literal {
        pattern.chars().for_each(|c| push_literal(&mut regex, c));
        return regex;
    }
    let mut rest = pattern;
    while let Some((character, after)) = split_first(rest) {
        let boundary = [("[[:<:]]", "\\b{start}"), ("[[:>:]]", "\\b{end}")]
            .into_iter()
            .find(|(posix, _)| rest.starts_with(posix));
        if let Some((posix, boundary)) = boundary {
            regex.push_str(boundary);
            rest = &rest[posix.len()..];
            continue;
        }
        rest = after;
        match character {
            '\\' => match split_first(rest) {
                Some((escaped, after)) => {
                    push_escaped(&mut regex, escaped);
                    rest = after;
                }
                None => regex.push('\\'),
            },
            '[' => rest = brackets(rest, &mut regex, push_escaped),
            other => regex.push(other),
        }
    }
    regex
}

/// What follows a backslash.
fn push_escaped(regex: &mut String, character: char) {
    match character {
        'd' => regex.push_str("[0-9]"),
        'D' => regex.push_str("[^0-9]"),
        'y' => regex.push_str("\\b"),
        'Y' => regex.push_str("\\B"),
        'm' => regex.push_str("\\b{start}"),
        'M' => regex.push_str("\\b{end}"),
        'Z' => regex.push_str("\\z"),
        other => regex.extend(['\\', other]),
    }
}

/// Characters in brackets, the first of which is read already; what follows them. Rust gives a meaning to more characters there.
fn brackets<'a>(
    mut rest: &'a str,
    regex: &mut String,
    escaped: impl Fn(&mut String, char),
) -> &'a str {
    regex.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        regex.push('^');
        rest = after;
    }
    // One that stands first is one of the characters.
    if let Some(after) = rest.strip_prefix(']') {
        regex.push_str("\\]");
        rest = after;
    }
    let mut is_first = true;
    while let Some((character, after)) = split_first(rest) {
        let class = rest.strip_prefix("[:");
        if let Some((name, after)) = class.and_then(|class| class.split_once(":]")) {
            push_class(regex, name);
            (rest, is_first) = (after, false);
            continue;
        }
        rest = after;
        match character {
            ']' => {
                regex.push(']');
                return rest;
            }
            '\\' => match split_first(rest) {
                Some((character, after)) => {
                    escaped(regex, character);
                    rest = after;
                }
                None => regex.push('\\'),
            },
            // From one character to another, one of which is a hyphen.
            '-' if is_first => regex.push_str("\\-"),
            '-' => {
                regex.push('-');
                if let Some(after) = rest.strip_prefix('-') {
                    regex.push_str("\\-");
                    rest = after;
                }
            }
            '[' | '&' | '~' | '#' => push_literal(regex, character),
            // Which the flag `x` leaves out.
            blank if blank.is_whitespace() => {
                regex.push_str(&format!("\\x{{{:x}}}", u32::from(blank)));
            }
            other => regex.push(other),
        }
        is_first = false;
    }
    rest
}

/// `[:alpha:]` and the others in brackets: characters of all scripts, where those of Rust are ASCII.
fn push_class(regex: &mut String, name: &str) {
    let class = match name {
        "alpha" => "\\p{Alphabetic}",
        "alnum" => "\\p{Alphabetic}\\p{Nd}",
        "lower" => "\\p{Lowercase}",
        "upper" => "\\p{Uppercase}",
        "punct" => "\\p{P}\\p{S}",
        "space" => "\\s",
        "word" => "\\w",
        other => return regex.push_str(&format!("[:{other}:]")),
    };
    regex.push_str(class);
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut characters = text.chars();
    let first = characters.next()?;
    Some((first, characters.as_str()))
}

fn rust_replacement(text: &str) -> String {
    let mut replacement = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(group @ '1'..='9')) => {
                replacement.push_str(&format!("${{{group}}}"));
                characters.next();
            }
            ('\\', Some('&')) => {
                replacement.push_str("${0}");
                characters.next();
            }
            ('\\', next) => {
                let is_escaped = next == Some(&'\\');
                // DataFusion takes a backslash before a digit for a group; no group has this name, so that it is nothing.
                replacement.push_str("\\${_}");
                if is_escaped {
                    characters.next();
                }
            }
            ('$', _) => replacement.push_str("$$"),
            (other, _) => replacement.push(other),
        }
    }
    replacement
}

fn push_literal(regex: &mut String, character: char) {
    if character.is_ascii_punctuation() {
        regex.push('\\');
    }
    regex.push(character);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns_get_backslashes() {
        for (pattern, escape, translated) in [
            ("%!%", "!", "%\\%"),
            ("a!_b\\c", "!", "a\\_b\\\\c"),
            ("a!!b", "!", "a!b"),
            ("100#%%", "#", "100\\%%"),
            ("a€_€€", "€", "a\\_€"),
            ("a\\_", "", "a\\\\_"),
            ("\\a", "\\", "a"),
        ] {
            let escaped = with_backslash(pattern, escape).unwrap();
            assert_eq!(like_pattern(&escaped).unwrap(), translated);
        }
        assert!(with_backslash("abc!", "!").is_err());
        assert!(with_backslash("abc", "!!").is_err());
        assert!(like_pattern("abc\\").is_err());
    }

    #[test]
    fn regular_expressions_become_those_of_rust() {
        for (pattern, flags, regex) in [
            ("a.c", "", "(?s)a.c"),
            ("a.c", "gi", "(?is)a.c"),
            ("^a.c$", "n", "(?m)^a.c$"),
            ("a.c", "p", "a.c"),
            ("a.c", "q", "(?s)a\\.c"),
            (
                "\\yfoo\\Y\\m\\M\\d",
                "",
                "(?s)\\bfoo\\B\\b{start}\\b{end}[0-9]",
            ),
            ("[[:<:]]a[[:>:]]", "", "(?s)\\b{start}a\\b{end}"),
            (
                "[][a&&b~[:alpha:]]x]",
                "",
                "(?s)[\\]\\[a\\&\\&b\\~\\p{Alphabetic}]x]",
            ),
            ("[^]]", "", "(?s)[^\\]]"),
        ] {
            assert_eq!(rust_regex(pattern, Flags::of(flags).unwrap()), regex);
        }
        assert!(Flags::of("z").is_err());
    }

    #[test]
    fn replacements_become_those_of_rust() {
        for (text, replacement) in [
            ("\\2\\1", "${2}${1}"),
            ("[\\&]", "[${0}]"),
            ("$1 ${y}", "$$1 $${y}"),
            ("a\\\\b", "a\\${_}b"),
            ("\\\\1", "\\${_}1"),
            ("\\12", "${1}2"),
        ] {
            assert_eq!(rust_replacement(text), replacement, "{text}");
        }
    }

    #[test]
    fn similar_patterns_become_regular_expressions() {
        for (pattern, regex) in [
            ("%(b|d)%", "(?s)^(?:.*(?:b|d).*)$"),
            ("a.c", "(?s)^(?:a\\.c)$"),
            ("[a-c]_{2}", "(?s)^(?:[a-c].{2})$"),
            ("^a$", "(?s)^(?:\\^a\\$)$"),
        ] {
            assert_eq!(similar_pattern(pattern).unwrap(), regex);
        }
    }
}
