//! Mistakes in a pipeline's files: what is wrong, where, what is allowed, and how it is shown.
//!
//! A mistake is data, not a failure of the program: all of them are collected and shown together, so that one run of
//! `transom check` is enough to fix a file. Each carries the text of its own line, so that showing it needs no file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

/// A range of characters on one line of a file; which file is known from where the span is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Span {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters; a range that goes on to the next line ends with its first one.
    pub length: usize,
}

/// A text that was read from a file, with the name that messages call it by.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path as messages show it.
    pub shown: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// The text of a file, under the path that messages show.
    pub fn new(shown: &Path, text: &str) -> Self {
        Self {
            shown: shown.to_path_buf(),
            text: text.into(),
        }
    }

    /// The place of `span` in this text, together with the line that shows it.
    pub fn place(&self, span: Span) -> Place {
        let excerpt = self
            .text
            .lines()
            .nth(span.line.saturating_sub(1))
            .unwrap_or_default();
        let room = excerpt
            .chars()
            .count()
            .saturating_sub(span.column.saturating_sub(1));
        Place {
            file: self.shown.clone(),
            line: span.line,
            column: span.column,
            length: span.length.min(room).max(1),
            excerpt: excerpt.to_owned(),
        }
    }
}

/// Where a problem is: a file, a position and the line that is found there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, relative in the same way as the pipeline's own path was given.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters, at least 1.
    pub length: usize,
    /// The text of the line.
    pub excerpt: String,
}

/// A second place that explains a problem, such as the first of two equal keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Related {
    /// What is to be seen there.
    pub message: String,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
}

/// One mistake in a pipeline's files or in the values that were given for one run of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where it is; `None` if it is on the command line, in no file.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong with which thing: lowercase, names in backticks.
    pub message: String,
    /// A few words that stand beside the caret, such as the allowed values.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that explain it.
    pub related: Vec<Related>,
    /// Whether the pipeline's files are right and the data that they name is not.
    #[serde(skip)]
    pub in_data: bool,
}

impl Problem {
    /// A problem that is in no file.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
            label: None,
            hint: None,
            related: Vec::new(),
            in_data: false,
        }
    }

    /// Says where the problem is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds the words beside the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds `did you mean`, if one of the allowed names is near to `word`.
    #[must_use]
    pub fn with_near_name<'a>(
        self,
        word: &str,
        allowed: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match did_you_mean(word, allowed) {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }

    /// Adds a second place.
    #[must_use]
    pub fn with_related(mut self, message: impl Into<String>, place: Place) -> Self {
        self.related.push(Related {
            message: message.into(),
            place,
        });
        self
    }

    /// The problem as text, without a line break at its end; `color` adds ANSI escapes.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut group = match &self.place {
            Some(place) => place.show(Group::with_title(title), self.label.as_deref(), true),
            None => Group::with_title(title),
        };
        for related in &self.related {
            group = group.element(Level::NOTE.message(related.message.as_str()));
            group = related.place.show(group, None, false);
        }
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let Some(hint) = &self.hint else {
            return renderer.render(&[group]);
        };
        let hint = Group::with_title(Level::HELP.with_name("hint").secondary_title(hint.as_str()));
        if self.place.is_some() {
            return renderer.render(&[group, hint]);
        }
        // Without a line of the file there is no margin to join the two with.
        format!(
            "{}\n{}",
            renderer.render(&[group]),
            renderer.render(&[hint])
        )
    }
}

impl Place {
    /// Adds the line with its mark to `group`; a place in an empty line is named without one.
    fn show<'a>(&'a self, group: Group<'a>, label: Option<&'a str>, primary: bool) -> Group<'a> {
        let path = self.file.to_string_lossy();
        let mut bounds = self
            .excerpt
            .char_indices()
            .map(|(at, _)| at)
            .skip(self.column - 1);
        let Some(start) = bounds.next() else {
            return group.element(Origin::path(path).line(self.line).char_column(self.column));
        };
        let end = bounds.nth(self.length - 1).unwrap_or(self.excerpt.len());
        let kind = if primary {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let mut mark = kind.span(start..end);
        if let Some(label) = label {
            mark = mark.label(label);
        }
        group.element(
            Snippet::source(self.excerpt.as_str())
                .path(path)
                .line_start(self.line)
                .annotation(mark),
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

/// All mistakes that were found, in the order of the files' lines; never empty when it is returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// All problems as text, an empty line between two; `color` adds ANSI escapes.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let shown: Vec<String> = self.0.iter().map(|problem| problem.render(color)).collect();
        shown.join("\n\n")
    }

    /// Puts the problems into the order of their places, and drops what was found twice.
    pub fn sorted(mut self) -> Self {
        self.0.sort();
        self.0.dedup();
        self
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The names as messages list them: `` `a`, `b` ``, or `none`.
#[must_use]
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// The allowed name that was most likely meant by `word`, if one is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One edit in a short word, one in three characters of a longer one: more suggests unrelated words.
    let limit = (word.chars().count() / 3).max(1);
    // Another case may be many letters, but is the likeliest mistake.
    let word = word.to_lowercase();
    allowed
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&word, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// `did you mean` with the [`nearest`] of the allowed names.
#[must_use]
pub fn did_you_mean<'a>(word: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, allowed).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::{Problem, Source, Span, did_you_mean};

    fn problem() -> Problem {
        let source = Source::new("transom.yaml".as_ref(), "name: größe\nsteps: {}\n");
        let span = Span {
            line: 1,
            column: 7,
            length: 99,
        };
        Problem::new("`größe` is not a name")
            .at(source.place(span))
            .with_hint("write `groesse`")
    }

    #[test]
    fn color_adds_escapes_and_changes_no_word() {
        let (plain, colored) = (problem().render(false), problem().render(true));
        assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
        for word in [
            "`größe` is not a name",
            "transom.yaml:1:7",
            "write `groesse`",
        ] {
            assert!(plain.contains(word) && colored.contains(word), "{word}");
        }
    }

    #[test]
    fn a_mark_ends_with_its_line() {
        assert_eq!(problem().place.map(|place| place.length), Some(5));
        assert!(problem().to_string().contains(" ^^^^^\n"));
    }

    #[test]
    fn a_problem_as_json_has_its_place_beside_its_message() {
        let json = serde_json::to_value(problem()).expect("JSON");
        assert_eq!((&json["line"], &json["column"]), (&1.into(), &7.into()));
        assert_eq!(json["hint"], "write `groesse`");
    }

    #[test]
    fn only_a_near_name_is_meant() {
        let allowed = ["min_delay", "carrier"];
        assert_eq!(
            did_you_mean("mindelay", allowed).as_deref(),
            Some("did you mean `min_delay`?")
        );
        assert_eq!(did_you_mean("since", allowed), None);
    }
}
