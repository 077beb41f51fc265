//! YAML text as a tree in which everything has a position.
//!
//! Serde would stop at the first mistake and forget where things are. This tree keeps both the position and the text of
//! each value as it was written, so that the reader can go on after a mistake and say what stood there.
//! Only what a pipeline needs is read: one document, without aliases and tags.

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::problem::{Problem, Source, Span};

/// A value with its position.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it holds.
    pub value: Yaml,
    /// Where it is written.
    pub span: Span,
}

/// A YAML value. Scalars keep their text: `1e3` is a number for one key and a word for another.
#[derive(Debug, Clone)]
pub enum Yaml {
    /// Nothing, `~` or `null`.
    Null(String),
    /// `true` or `false`, and how it is written.
    Bool(bool, String),
    /// A whole number; its text is decimal.
    Int(String),
    /// A number with a point or an exponent, and how it is written.
    Float(f64, String),
    /// A text.
    Text(String, TextStyle),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// How a text was written, as far as it matters for finding a position inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextStyle {
    /// Without quotes: its characters are those of the file.
    Plain,
    /// `|`: its lines are those of the file, moved to the right.
    Literal,
    /// In quotes: its characters are those of the file, but for escapes.
    Quoted,
    /// Folded: positions inside it are not followed.
    Other,
}

/// A key of a map.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it is written.
    pub span: Span,
}

impl Yaml {
    /// The kind of value, as messages name it.
    pub fn kind(&self) -> String {
        match self {
            Self::Null(text) if text.is_empty() => "nothing".to_owned(),
            Self::Null(text) => format!("`{text}`"),
            Self::Bool(_, text) => format!("the truth value `{text}`"),
            Self::Int(text) | Self::Float(_, text) => format!("the number `{text}`"),
            Self::Text(text, _) if text.is_empty() => "an empty text".to_owned(),
            Self::Text(text, _) if text.contains('\n') => "a text".to_owned(),
            Self::Text(text, _) => format!("the text `{text}`"),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }
}

/// Reads `source` as one YAML document.
///
/// Returns the tree, which is as large as the text allows, and the mistakes of YAML itself: no tree if the text is not
/// YAML; a tree without the offending parts for equal keys, aliases and tags.
pub fn parse(source: &Source) -> (Option<Node>, Vec<Problem>) {
    let mut builder = Builder {
        source,
        problems: Vec::new(),
    };
    let mut parser = Parser::new_from_str(&source.text);
    match builder.document(&mut parser) {
        Ok(node) => (node, builder.problems),
        Err(error) => {
            let at = span_of(*error.marker(), *error.marker());
            let problem = Problem::new("the file is not valid YAML")
                .at(source.place(at))
                .with_label(error.info());
            let problem = match advice(&error.info()) {
                Some(hint) => problem.with_hint(hint),
                None => problem,
            };
            builder.problems.push(problem);
            (None, builder.problems)
        }
    }
}

/// What is most often behind a mistake that the parser tells in its own words: a part of those, and what to do.
const ADVICE: [(&str, &str); 11] = [
    (
        "tab",
        "YAML is indented with spaces: put them in place of the tab",
    ),
    (
        "mapping values are not allowed",
        "a value that holds `: ` stands in quotes, and keys that belong together begin in one column",
    ),
    ("unknown anchor", BEGINS_WITH_A_SIGN),
    ("anchor or alias", BEGINS_WITH_A_SIGN),
    (
        "a block scalar, did not find",
        "what follows `|` or `>` begins on the next line",
    ),
    ("unclosed bracket", IS_NOT_CLOSED),
    ("a flow mapping", IS_NOT_CLOSED),
    ("a flow sequence", IS_NOT_CLOSED),
    ("did not find expected key", BEGIN_IN_ONE_COLUMN),
    ("did not find expected '-'", BEGIN_IN_ONE_COLUMN),
    ("invalid indentation", BEGIN_IN_ONE_COLUMN),
];

const BEGINS_WITH_A_SIGN: &str =
    "a value that begins with `*` or `&` stands in quotes: `\"*.csv\"`";
const IS_NOT_CLOSED: &str = "a `{` or `[` is not closed, here or in the lines above";
const BEGIN_IN_ONE_COLUMN: &str = "look at the indentation here and in the lines above: keys that belong together begin in one column";

fn advice(info: &str) -> Option<&'static str> {
    let advice = ADVICE.iter().find(|(part, _)| info.contains(part));
    advice.map(|(_, advice)| *advice)
}

struct Builder<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

type Events<'a> = Parser<'a, granit_parser::StrInput<'a>>;

impl Builder<'_> {
    fn document(&mut self, events: &mut Events<'_>) -> Result<Option<Node>, ScanError> {
        let mut first = None;
        while let Some(next) = events.next_event() {
            let (event, span) = next?;
            if !event.is_node() {
                continue;
            }
            let node = self.node(event, span, events)?;
            if first.is_none() {
                first = Some(node);
            } else {
                self.refuse(
                    node.span,
                    "a pipeline is one YAML document",
                    "a second one starts here",
                );
            }
        }
        Ok(first)
    }

    fn refuse(&mut self, span: Span, message: &str, label: &str) {
        self.problems.push(
            Problem::new(message)
                .at(self.source.place(span))
                .with_label(label),
        );
    }

    /// The node that starts with `event`; takes the events up to its end.
    fn node(
        &mut self,
        event: Event<'_>,
        at: granit_parser::Span,
        events: &mut Events<'_>,
    ) -> Result<Node, ScanError> {
        let span = span_of(at.start, at.end);
        if let Some(tag) = event.tag() {
            let message = format!("the tag `{}` has no meaning here", tag.original());
            self.refuse(span, &message, "remove the tag");
        }
        let value = match event {
            // The parser writes `~` for a value that is not there.
            Event::Scalar(_, ScalarStyle::Plain, ..) if at.is_empty() => Yaml::Null(String::new()),
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                while let Some((event, span)) = next_node(events)? {
                    items.push(self.node(event, span, events)?);
                }
                Yaml::List(items)
            }
            Event::MappingStart(..) => Yaml::Map(self.entries(events)?),
            _ => {
                self.refuse(
                    span,
                    "an alias cannot be used in a pipeline",
                    "write the value out",
                );
                Yaml::Null(String::new())
            }
        };
        Ok(Node { value, span })
    }

    fn entries(&mut self, events: &mut Events<'_>) -> Result<Vec<(Key, Node)>, ScanError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        while let Some((event, at)) = next_node(events)? {
            let name = event.scalar().map(|(text, _)| text.to_owned());
            let key = self.node(event, at, events)?;
            // A key without a value is followed by an empty scalar, so the value is there.
            let Some((event, at)) = next_node(events)? else {
                break;
            };
            let value = self.node(event, at, events)?;
            let Some(name) = name else {
                self.refuse(key.span, "a key must be a word", "this is no word");
                continue;
            };
            if let Some((first, _)) = entries.iter().find(|(key, _)| key.name == name) {
                let problem = Problem::new(format!("the key `{name}` is there twice"))
                    .at(self.source.place(key.span))
                    .with_related("the first is here", self.source.place(first.span));
                self.problems.push(problem);
                continue;
            }
            entries.push((
                Key {
                    name,
                    span: key.span,
                },
                value,
            ));
        }
        Ok(entries)
    }
}

/// The next node's first event, or `None` at the end of the collection (or of the text).
fn next_node<'a>(
    events: &mut Events<'a>,
) -> Result<Option<(Event<'a>, granit_parser::Span)>, ScanError> {
    while let Some(next) = events.next_event() {
        let (event, span) = next?;
        if event.is_node() {
            return Ok(Some((event, span)));
        }
        if matches!(
            event,
            Event::SequenceEnd | Event::MappingEnd | Event::StreamEnd
        ) {
            break;
        }
    }
    Ok(None)
}

/// A scalar as YAML 1.2's core schema understands it.
fn scalar(text: &str, style: ScalarStyle) -> Yaml {
    let owned = text.to_owned();
    match style {
        ScalarStyle::Plain => {}
        ScalarStyle::Literal => return Yaml::Text(owned, TextStyle::Literal),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            return Yaml::Text(owned, TextStyle::Quoted);
        }
        _ => return Yaml::Text(owned, TextStyle::Other),
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null(owned),
        "true" | "True" | "TRUE" => return Yaml::Bool(true, owned),
        "false" | "False" | "FALSE" => return Yaml::Bool(false, owned),
        ".nan" | ".NaN" | ".NAN" => return Yaml::Float(f64::NAN, owned),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Yaml::Int(text.strip_prefix('+').unwrap_or(text).to_owned());
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(number) = text.strip_prefix(prefix)
            && let Ok(number) = u64::from_str_radix(number, radix)
        {
            return Yaml::Int(number.to_string());
        }
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        let infinity = if text.starts_with('-') {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        };
        return Yaml::Float(infinity, owned);
    }
    // Rust also reads `inf` and `nan`, which are words to YAML.
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    match text.parse() {
        Ok(number) if is_number => Yaml::Float(number, owned),
        _ => Yaml::Text(owned, TextStyle::Plain),
    }
}

fn span_of(start: Marker, end: Marker) -> Span {
    let length = if start.line() == end.line() {
        end.col().saturating_sub(start.col())
    } else {
        usize::MAX
    };
    Span {
        line: start.line().max(1),
        column: start.col() + 1,
        length,
    }
}
