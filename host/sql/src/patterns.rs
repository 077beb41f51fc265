//! `LIKE .. ESCAPE` with any character, and `SIMILAR TO` as SQL defines it.
//!
//! DataFusion's `LIKE` knows the backslash alone, and its `SIMILAR TO` is a search for a regular expression. So patterns are translated:
//! constants once, when a query is planned.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::ValueError;

/// A `LIKE` pattern with another escape character as one with the backslash.
pub(crate) fn like(pattern: Expr, escape: char) -> Expr {
    call(Dialect::Like, pattern, escape)
}

/// A `SIMILAR TO` pattern as a regular expression.
pub(crate) fn similar(pattern: Expr, escape: char) -> Expr {
    call(Dialect::Similar, pattern, escape)
}

fn call(dialect: Dialect, pattern: Expr, escape: char) -> Expr {
    ScalarUDF::from(Pattern {
        dialect,
        escape,
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![pattern])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Dialect {
    Like,
    Similar,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Pattern {
    dialect: Dialect,
    escape: char,
    signature: Signature,
}

impl ScalarUDFImpl for Pattern {
    fn name(&self) -> &str {
        match self.dialect {
            Dialect::Like => "like_pattern",
            Dialect::Similar => "similar_pattern",
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
            Dialect::Like => like_pattern(pattern, self.escape),
            Dialect::Similar => similar_pattern(pattern, self.escape),
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

fn like_pattern(pattern: &str, escape: char) -> std::result::Result<String, ValueError> {
    let mut translated = String::with_capacity(pattern.len() + 2);
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character == escape {
            let literal = characters
                .next()
                .ok_or_else(|| unfinished(pattern, escape))?;
            if matches!(literal, '%' | '_' | '\\') {
                translated.push('\\');
            }
            translated.push(literal);
        } else if character == '\\' {
            translated.push_str("\\\\");
        } else {
            translated.push(character);
        }
    }
    Ok(translated)
}

/// `%` and `_` as in `LIKE`; `| * + ? {m,n} ( ) [ ]` as in regular expressions; the whole value must match.
fn similar_pattern(pattern: &str, escape: char) -> std::result::Result<String, ValueError> {
    let mut regex = String::from("(?s)^(?:");
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        if character == escape {
            let literal = characters
                .next()
                .ok_or_else(|| unfinished(pattern, escape))?;
            push_literal(&mut regex, literal);
            continue;
        }
        match character {
            ']' if in_class => {
                in_class = false;
                regex.push(']');
            }
            // Within brackets the regular expressions of Rust give a meaning to more than SQL does.
            '[' | '&' | '~' if in_class => push_literal(&mut regex, character),
            _ if in_class => regex.push(character),
            '[' => {
                in_class = true;
                regex.push('[');
            }
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
            ("%!%", '!', "%\\%"),
            ("a!_b\\c", '!', "a\\_b\\\\c"),
            ("a!!b", '!', "a!b"),
            ("100#%%", '#', "100\\%%"),
        ] {
            assert_eq!(like_pattern(pattern, escape).unwrap(), translated);
        }
        assert!(like_pattern("abc!", '!').is_err());
    }

    #[test]
    fn similar_patterns_become_regular_expressions() {
        for (pattern, regex) in [
            ("%(b|d)%", "(?s)^(?:.*(?:b|d).*)$"),
            ("a.c", "(?s)^(?:a\\.c)$"),
            ("[a-c]_{2}", "(?s)^(?:[a-c].{2})$"),
            ("^a$", "(?s)^(?:\\^a\\$)$"),
        ] {
            assert_eq!(similar_pattern(pattern, '\\').unwrap(), regex);
        }
    }
}
