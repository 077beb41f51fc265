//! Errors of planning as problems in the pipeline's files: in which words, and at which place of a query.

use datafusion::error::DataFusionError;
use transom_query::{CallError, UnknownParam, WrongArguments};
use transom_sql::ValueError;

use super::nested;
use crate::error::source_of;
use crate::plugins::Looked;
use transom_file::list;
use transom_file::{Pipeline, Problem, Span, SqlStep};

/// The mistakes of a query at their places in it.
pub(super) fn sql_problems(
    pipeline: &Pipeline,
    looked: &Looked,
    sql: &SqlStep,
    error: &DataFusionError,
) -> Vec<Problem> {
    let Some(WrongArguments(wrong)) = source_of::<WrongArguments>(error) else {
        return vec![sql_problem(pipeline, looked, sql, error)];
    };
    let problems = wrong.iter().map(|wrong| {
        let place = wrong.place.map(|(line, column, length)| Span {
            line,
            column,
            length,
        });
        let place = place.unwrap_or_else(|| find_word(&sql.text, &wrong.function));
        let problem = pipeline.problem_in_sql(sql, place, wrong.to_string());
        match &wrong.cast {
            Some(cast) => problem.with_hint(format!("write `{cast}`")),
            None => problem,
        }
    });
    problems.collect()
}

/// An SQL error at its place in the query.
pub(super) fn sql_problem(
    pipeline: &Pipeline,
    looked: &Looked,
    sql: &SqlStep,
    error: &DataFusionError,
) -> Problem {
    let message = plan_message(error);
    let span = diagnostic_span(error);
    if let Some(problem) = unknown_function(pipeline, looked, sql, &message, span) {
        return problem;
    }
    if let Some(problem) = nested::dot_after_a_word(pipeline, sql, &message) {
        return problem;
    }
    if let Some(unknown) = source_of::<UnknownParam>(error) {
        let declared: Vec<&str> = pipeline.variables.keys().map(String::as_str).collect();
        let at = find_word(&sql.text, &format!("${}", unknown.name));
        let message = format!(
            "{message}; declared are: {}",
            if declared.is_empty() {
                "none".into()
            } else {
                declared.join(", ")
            }
        );
        return pipeline
            .problem_in_sql(sql, at, message)
            .with_near_name(&unknown.name, declared);
    }
    let span = span.or_else(|| parser_span(&message)).unwrap_or_else(|| {
        // Messages about functions name them, and a function's call is easily found.
        let quoted = message
            .split(['`', '\'', '('])
            .find(|word| word.contains('.') && find_in(&sql.text, word).is_some());
        quoted.map_or(
            Span {
                line: 1,
                column: 1,
                length: usize::MAX,
            },
            |word| find_word(&sql.text, word),
        )
    });
    if let Some(ValueError { hint, .. }) = ValueError::find(error) {
        let problem = pipeline.problem_in_sql(sql, span, message);
        return match hint {
            Some(hint) => problem.with_hint(hint.clone()),
            None => problem,
        };
    }
    if let Some(hint) = nested::hint(&message) {
        return pipeline.problem_in_sql(sql, span, message).with_hint(hint);
    }
    if let Some(name) = message.strip_prefix("Invalid function '")
        && let Some((name, rest)) = name.split_once('\'')
        && transom_sql::instead_of(name).is_none()
    {
        // DataFusion has a guess for every name.
        let guess = rest.split('\'').nth(1);
        let problem = pipeline.problem_in_sql(sql, span, format!("there is no function `{name}`"));
        return problem.with_near_name(name, guess);
    }
    if let Some((translated, hint)) = transom_sql::translated(&message) {
        return pipeline
            .problem_in_sql(sql, span, translated.unwrap_or(message))
            .with_hint(hint);
    }
    let internal = ValueError::of_internal(error).and_then(|internal| {
        let hint = internal.hint?;
        Some((internal.message, hint))
    });
    match internal {
        Some((message, hint)) => pipeline.problem_in_sql(sql, span, message).with_hint(hint),
        None => pipeline.problem_in_sql(sql, span, message),
    }
}

/// A function of a plugin that is not there. DataFusion would suggest any of its own whose name is as long.
fn unknown_function(
    pipeline: &Pipeline,
    looked: &Looked,
    sql: &SqlStep,
    message: &str,
    span: Option<Span>,
) -> Option<Problem> {
    let name = message.strip_prefix("Invalid function '")?;
    let name = name.split('\'').next()?;
    let (plugin, function) = name.split_once('.')?;
    // A name in quotes or capitals stands there in another way.
    let at = span.unwrap_or_else(|| find_word(&sql.text, name));
    let mut declared = pipeline.plugins.iter();
    let Some(found) = looked.described(plugin) else {
        if declared.any(|declared| declared.name.value == plugin) {
            let message = format!("what `{plugin}` offers is not known before it is built");
            return Some(pipeline.problem_in_sql(sql, at, message));
        }
        let known = || looked.names();
        let message = format!(
            "there is no plugin `{plugin}`; the pipeline has: {}",
            list(known())
        );
        let problem = pipeline.problem_in_sql(sql, at, message);
        return Some(problem.with_near_name(plugin, known()));
    };
    let functions = &found.functions;
    let known = || functions.iter().map(|function| function.name.as_str());
    let message = no_function(plugin, function, known());
    let problem = pipeline.problem_in_sql(sql, at, message);
    Some(problem.with_near_name(function, known()))
}

pub(crate) fn no_function<'a>(
    plugin: &str,
    function: &str,
    known: impl Iterator<Item = &'a str>,
) -> String {
    let known = list(known);
    format!("the plugin `{plugin}` has no function `{function}`; it has: {known}")
}

/// The table and the column that a query names and that are not there. DataFusion says it in words alone: `No field named a.b. Did you
/// mean ..`, with quotes around names that are not in small letters.
pub(crate) fn missing_column(message: &str) -> Option<(Option<&str>, &str)> {
    let name = message.strip_prefix("No field named ")?;
    let name = name.lines().next()?;
    let name = name.split(". ").next()?.trim_end_matches('.');
    Some(match name.split_once('.') {
        Some((table, column)) => (Some(table.trim_matches('"')), column.trim_matches('"')),
        None => (None, name.trim_matches('"')),
    })
}

fn diagnostic_span(error: &DataFusionError) -> Option<Span> {
    let span = error.diagnostic()?.span?;
    let length = match span.end.line == span.start.line {
        true => span.end.column.saturating_sub(span.start.column),
        false => 1,
    };
    let to_usize = |number: u64| usize::try_from(number).unwrap_or(1);
    Some(Span {
        line: to_usize(span.start.line),
        column: to_usize(span.start.column),
        length: to_usize(length).max(1),
    })
}

/// The parser says `.. at Line: 3, Column: 5`.
fn parser_span(message: &str) -> Option<Span> {
    let (_, rest) = message.rsplit_once("at Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(Span {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
        length: 1,
    })
}

/// DataFusion's message without its prefixes, or a plugin's whole chain.
pub(crate) fn plan_message(error: &DataFusionError) -> String {
    if let Some(call) = source_of::<CallError>(error) {
        return call.source.to_string();
    }
    if let Some(value) = ValueError::find(error) {
        return value.message.clone();
    }
    let text = match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            return plan_message(inner);
        }
        DataFusionError::External(inner) => ValueError::without_report(&inner.to_string()),
        DataFusionError::SQL(inner, _) => inner.to_string(),
        other => ValueError::without_report(&other.message()),
    };
    // What a function says of its arguments comes wrapped into two sentences of DataFusion's.
    let own = text.split_once("user-defined coercion failed with: ");
    let own = own.and_then(|(_, own)| own.split(" No function matches").next());
    let text = own.map_or(text.as_str(), |own| {
        own.strip_prefix("Error during planning: ").unwrap_or(own)
    });
    let mut text = text.strip_prefix("sql parser error: ").unwrap_or(text);
    // An error within others has a prefix of its own.
    while let Some(rest) = [
        "Schema error: ",
        "Error during planning: ",
        "Execution error: ",
        "Internal error: ",
    ]
    .iter()
    .find_map(|prefix| text.strip_prefix(prefix))
    {
        text = rest;
    }
    // A newcomer is served better by "unknown column" than by the catalog's full names.
    transom_sql::readable(&text.replace("datafusion.public.", ""))
        .trim_end_matches('.')
        .to_owned()
}

/// An error and its causes in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The first place of a word in a text, not as a part of another word.
pub(super) fn find_word(text: &str, word: &str) -> Span {
    let length = word.chars().count();
    let at = find_in(text, word).unwrap_or(0);
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].chars().rev().take_while(|&c| c != '\n').count() + 1;
    Span {
        line,
        column,
        length,
    }
}

fn find_in(text: &str, word: &str) -> Option<usize> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        !text[..at].ends_with(part_of_word) && !text[at + word.len()..].starts_with(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        let at = find_word("SELECT flightsx\nFROM  flights", "flights");
        assert_eq!(
            at,
            Span {
                line: 2,
                column: 7,
                length: 7
            }
        );
    }

    #[test]
    fn prefixes_of_errors_within_others_are_left_out() {
        let inner = DataFusionError::Plan("Execution error: no such column.".to_owned());
        let outer = DataFusionError::External(Box::new(inner));
        assert_eq!(plan_message(&outer), "no such column");
    }

    #[test]
    fn a_missing_column_is_taken_from_the_message() {
        for (message, found) in [
            ("No field named shop.", Some((None, "shop"))),
            (
                "No field named o.shop. Did you mean 'o.shops'?",
                Some((Some("o"), "shop")),
            ),
            (
                "No field named \"O\".\"Shop\". Valid fields are o.id",
                Some((Some("O"), "Shop")),
            ),
            (
                "No field named dy. Did you mean 'orders.day'?\nValid fields are orders.id",
                Some((None, "dy")),
            ),
            ("table 'shop' not found", None),
        ] {
            assert_eq!(missing_column(message), found, "{message}");
        }
    }

    #[test]
    fn the_parser_says_where() {
        let span = parser_span("Expected: an expression, found: FROM at Line: 3, Column: 15");
        assert_eq!(
            span,
            Some(Span {
                line: 3,
                column: 15,
                length: 1
            })
        );
    }
}
