//! Problems that are found after a pipeline was loaded, placed in its files.
//!
//! A planner knows that a column is missing or that a query is wrong; only the file model knows where that is written.

use super::cycles;
use super::node::TextStyle;
use super::pipeline::{Pipeline, SqlStep, StepKind};
use super::problem::{Problem, Problems, Source, Span};
use super::reader::Spanned;

impl Pipeline {
    /// A problem at a position in the pipeline's file.
    #[must_use]
    pub fn problem_at(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(message).at(self.source.place(span))
    }

    /// A problem at a position in a step's query: `line` and `column` from 1 in the query's own text, in characters.
    ///
    /// The problem is placed in the query's file, or in the pipeline's file if the query is written there. In a query that is folded
    /// over lines, or in quotes behind an escape of YAML's own, positions cannot be followed: the whole query is marked then.
    #[must_use]
    pub fn problem_in_sql(&self, step: &SqlStep, at: Span, message: impl Into<String>) -> Problem {
        if step.file.is_some() {
            return Problem::new(message).at(Source::new(&step.shown, &step.text).place(at));
        }
        let (line, column) = (at.line.max(1), at.column.max(1));
        let span = match step.style {
            TextStyle::Plain if line == 1 => Span {
                column: step.span.column + column - 1,
                line: step.span.line,
                ..at
            },
            // A length to the end of the line would pass the closing quote.
            TextStyle::Quoted if line == 1 && at.length < usize::MAX => {
                let lines = &mut self.source.text.lines();
                let text = lines.nth(step.span.line.saturating_sub(1));
                let column =
                    text.and_then(|text| in_quotes(text, step.span.column, &step.text, column));
                column.map_or(step.span, |column| Span {
                    column,
                    line: step.span.line,
                    ..at
                })
            }
            TextStyle::Literal => self.in_literal(step, Span { line, column, ..at }),
            _ => step.span,
        };
        self.problem_at(span, message)
    }

    /// The place in the file of a position in a block text, whose lines are moved to the right by one indentation.
    fn in_literal(&self, step: &SqlStep, at: Span) -> Span {
        let lines: Vec<&str> = self.source.text.lines().collect();
        let Some(first_text) = step.text.lines().position(|line| !line.trim().is_empty()) else {
            return step.span;
        };
        let text = step.text.lines().nth(first_text).unwrap_or_default();
        // The block starts on its `|` or on its first line: look for the line that holds its first words.
        let start = step.span.line.saturating_sub(1);
        let found = (start..lines.len()).find(|number| {
            lines[*number]
                .strip_suffix(text)
                .is_some_and(|indent| indent.trim().is_empty())
        });
        let Some(found) = found else { return step.span };
        let indent = lines[found].chars().count() - text.chars().count();
        Span {
            line: found + 1 - first_text + at.line - 1,
            column: at.column + indent,
            ..at
        }
    }

    /// Checks that the steps do not read each other in a circle.
    ///
    /// `reads` names for each query the tables it reads, as (step, table); what transforms read is known already. Tables
    /// that are no steps are passed over.
    ///
    /// # Errors
    ///
    /// One problem for each circle, placed at its first step and with the whole path in its message.
    pub fn check_cycles(&self, reads: &[(String, String)]) -> Result<(), Problems> {
        let mut edges: Vec<(&str, &str)> = reads
            .iter()
            .map(|(step, table)| (step.as_str(), table.as_str()))
            .collect();
        for step in &self.steps {
            if let StepKind::Transform(transform) = &step.kind {
                edges.push((&step.name.value, &transform.input.value));
            }
        }
        let names: Vec<&Spanned<String>> = self.steps.iter().map(|step| &step.name).collect();
        let problems = cycles::problems(&names, &edges, &self.source);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems).sorted())
        }
    }
}

/// The column in a line of a character of a text that stands there in quotes: both from 1, `opening` is that of the quote.
fn in_quotes(line: &str, opening: usize, text: &str, column: usize) -> Option<usize> {
    let mut written = line.chars().skip(opening.checked_sub(1)?);
    let quote = written.next()?;
    let escape = match quote {
        '"' => '\\',
        quote => quote,
    };
    let mut at = opening + 1;
    for letter in text.chars().take(column.checked_sub(1)?) {
        match written.next()? {
            // A quote or a backslash behind it; other escapes stand for something else.
            first if first == escape => {
                let second = written.next()?;
                if second != letter || (second != quote && second != escape) {
                    return None;
                }
                at += 2;
            }
            same if same == letter => at += 1,
            _ => return None,
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Pipeline, SqlStep, StepKind, in_quotes};
    use crate::{LoadOptions, Span, load};

    fn pipeline() -> Pipeline {
        let file = Path::new("tests/file/ok_every_key/transom.yaml");
        load(file, &LoadOptions::default()).expect("the golden pipeline is right")
    }

    fn query<'a>(pipeline: &'a Pipeline, name: &str) -> &'a SqlStep {
        match &pipeline.step(name).expect("the step is there").kind {
            StepKind::Sql(step) => step,
            StepKind::Transform(_) => panic!("`{name}` is no query"),
        }
    }

    /// The characters that a problem at `at` in the query marks, and the file in which it does.
    fn marked(step: &str, at: Span) -> (String, String) {
        let pipeline = pipeline();
        let problem = pipeline.problem_in_sql(query(&pipeline, step), at, "wrong");
        let place = problem.place.expect("a place");
        let marked = place
            .excerpt
            .chars()
            .skip(place.column - 1)
            .take(place.length)
            .collect();
        (
            marked,
            place
                .file
                .file_name()
                .expect("a file")
                .to_string_lossy()
                .into_owned(),
        )
    }

    #[test]
    fn a_problem_in_a_file_of_sql_is_placed_there() {
        let at = Span {
            line: 1,
            column: 15,
            length: 7,
        };
        assert_eq!(
            marked("clean", at),
            ("flights".to_owned(), "clean.sql".to_owned())
        );
    }

    #[test]
    fn a_problem_in_a_block_of_sql_is_placed_in_the_line_of_the_pipeline() {
        let at = Span {
            line: 3,
            column: 7,
            length: 9,
        };
        assert_eq!(
            marked("daily", at),
            ("dep_delay".to_owned(), "transom.yaml".to_owned())
        );
    }

    #[test]
    fn a_problem_in_a_plain_text_of_sql_is_placed_after_the_key() {
        let at = Span {
            line: 1,
            column: 15,
            length: 5,
        };
        assert_eq!(
            marked("count", at),
            ("daily".to_owned(), "transom.yaml".to_owned())
        );
    }

    #[test]
    fn a_problem_in_quoted_sql_is_placed_in_the_text() {
        let at = |column, length| Span {
            line: 1,
            column,
            length,
        };
        assert_eq!(marked("quoted", at(8, 6)).0, "'a: b'");
        assert_eq!(marked("quoted", at(15, 2)).0, "as");
        // What has no length, and what is on another line, is all of it.
        let whole = r#""select 'a: b' as text""#;
        assert_eq!(marked("quoted", at(1, usize::MAX)).0, whole);
        let below = Span {
            line: 2,
            ..at(1, 1)
        };
        assert_eq!(marked("quoted", below).0, whole);
    }

    #[test]
    fn escapes_of_quotes_are_counted() {
        for (line, text, column, found) in [
            (r"x: 'a ''b'' c'", "a 'b' c", 1, Some(5)),
            (r"x: 'a ''b'' c'", "a 'b' c", 4, Some(9)),
            (r"x: 'a ''b'' c'", "a 'b' c", 7, Some(13)),
            (r#"x: "a \"b\" c""#, "a \"b\" c", 7, Some(13)),
            (r#"x: "a\tb c""#, "a\tb c", 2, Some(6)),
            (r#"x: "a\tb c""#, "a\tb c", 5, None),
            // The rest of it is on the next line.
            (r#"x: "a b"#, "a b c", 5, None),
        ] {
            assert_eq!(in_quotes(line, 4, text, column), found, "{line} {column}");
        }
    }

    #[test]
    fn circles_through_queries_are_found_with_those_through_transforms() {
        let reads = |pairs: &[(&str, &str)]| {
            let owned = |name: &&str| (*name).to_owned();
            pairs
                .iter()
                .map(|(step, table)| (owned(step), owned(table)))
                .collect::<Vec<_>>()
        };
        let pipeline = pipeline();
        let fine = reads(&[
            ("clean", "flights"),
            ("daily", "visits"),
            ("count", "daily"),
        ]);
        assert_eq!(pipeline.check_cycles(&fine), Ok(()));

        let circle = reads(&[("clean", "daily"), ("daily", "visits"), ("daily", "visits")]);
        let problems = pipeline.check_cycles(&circle).expect_err("a circle");
        let [problem] = problems.0.as_slice() else {
            panic!("{problems}")
        };
        assert!(
            problem
                .message
                .ends_with("clean -> daily -> visits -> clean"),
            "{problem}"
        );
    }
}
