//! Walks a YAML tree into the types of the file model and goes on after every mistake.
//!
//! A type that can be read implements [`Read`]; a map with fixed keys asks a [`Fields`] for each of them, and what nobody
//! asked for is an unknown key. So the list of allowed keys in a message is the list of keys that are really read.
//! The reader knows shapes only; whether names exist and values make sense together is checked in `resolve`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::names::{NAME_PATTERN, check_name};
use super::node::{Key, Node, Yaml};
use super::problem::{Place, Problem, Source, Span, list};

/// Collects the problems of one file, and knows where in it the reading is.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The text that is read.
    pub source: &'a Source,
    /// All mistakes so far.
    pub problems: Vec<Problem>,
    /// The keys from the top of the file to the value that is read now.
    path: Vec<Key>,
}

/// A type that can be read from a YAML node; `None` means that a problem was reported.
pub trait Read: Sized {
    /// The value, or `None` after the mistake was reported.
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self>;
}

/// An enumeration that is written as one of a few words.
pub trait Word: Copy + 'static {
    /// Every word with what it means.
    const WORDS: &'static [(&'static str, Self)];

    /// The word for this value.
    fn word(self) -> &'static str
    where
        Self: PartialEq,
    {
        Self::WORDS
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| word)
    }
}

/// A value with the position at which it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where the pipeline's file says it.
    #[serde(skip)]
    pub span: Span,
}

/// A map from names that the author chooses to values of one type, in the order of the file.
///
/// An entry whose value could not be read stays, so that references to its name do not become problems of their own.
#[derive(Debug)]
pub struct Entries<T>(pub(crate) Vec<Entry<T>>);

/// A name and its value.
#[derive(Debug)]
pub struct Entry<T> {
    /// The key.
    pub name: Spanned<String>,
    /// `None` if it could not be read.
    pub value: Option<T>,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    /// The keys, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|entry| entry.name.value.as_str())
    }

    /// The entry of a key.
    pub fn get(&self, name: &str) -> Option<&Entry<T>> {
        self.0.iter().find(|entry| entry.name.value == name)
    }
}

impl<'a> Reader<'a> {
    /// A reader of this text, which has reported nothing.
    pub fn new(source: &'a Source) -> Self {
        let top = Key {
            name: String::new(),
            span: Span {
                line: 1,
                column: 1,
                length: 1,
            },
        };
        Self {
            source,
            problems: Vec::new(),
            path: vec![top],
        }
    }

    /// A place in the text.
    pub fn place(&self, span: Span) -> Place {
        self.source.place(span)
    }

    /// Adds a mistake.
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The value that is read now, as messages name it: `` `steps.clean.sql` `` or `the pipeline`.
    pub fn here(&self) -> String {
        let names: Vec<&str> = self.path[1..].iter().map(|key| key.name.as_str()).collect();
        if names.is_empty() {
            return "the pipeline".to_owned();
        }
        format!("`{}`", names.join(".").replace(".[", "["))
    }

    /// The position of the key whose value is read now.
    pub fn key_span(&self) -> Span {
        self.path.last().map(|key| key.span).unwrap_or_default()
    }

    /// Reads the value of `key`; messages name it by its place below the keys around it.
    pub fn value<T: Read>(&mut self, key: &Key, node: &Node) -> Option<T> {
        self.path.push(key.clone());
        let value = T::read(self, node);
        self.path.pop();
        value
    }

    /// Reports a value of another kind than `expected`, which stands for what is allowed.
    pub fn wrong_type(&mut self, node: &Node, expected: &str) {
        let message = format!(
            "{} must be {expected}, not {}",
            self.here(),
            node.value.kind()
        );
        // An empty value has no characters to point at, its key has.
        let empty = matches!(&node.value, Yaml::Null(text) if text.is_empty());
        let span = if empty { self.key_span() } else { node.span };
        let mut problem = Problem::new(message)
            .at(self.place(span))
            .with_label(format!("expected {expected}"));
        if empty && expected == "a map" {
            problem = problem.with_hint("write `{}` for an empty map, or remove the key");
        }
        self.report(problem);
    }

    /// Reports a problem at `node`.
    pub fn refuse(&mut self, node: &Node, message: String, label: impl Into<String>) {
        let problem = Problem::new(message)
            .at(self.place(node.span))
            .with_label(label);
        self.report(problem);
    }

    /// The keys and values of a map.
    pub fn map<'n>(&mut self, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        if let Yaml::Map(entries) = &node.value {
            return Some(entries);
        }
        self.wrong_type(node, "a map");
        None
    }

    /// The keys of a map with fixed keys.
    pub fn fields<'r, 'n>(&'r mut self, node: &'n Node) -> Option<Fields<'r, 'n, 'a>> {
        let entries = self.map(node)?;
        Some(Fields {
            reader: self,
            entries,
            asked: Vec::new(),
        })
    }
}

/// The values of a map with fixed keys, asked for one by one.
#[derive(Debug)]
pub struct Fields<'r, 'n, 'a> {
    /// Takes the mistakes.
    pub reader: &'r mut Reader<'a>,
    entries: &'n [(Key, Node)],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'_, 'n, '_> {
    fn entry(&mut self, name: &'static str) -> Option<&'n (Key, Node)> {
        self.asked.push(name);
        self.entries.iter().find(|(key, _)| key.name == name)
    }

    /// The value of a key that may be missing; also `None` if it is wrong, which is reported.
    pub fn optional<T: Read>(&mut self, name: &'static str) -> Option<T> {
        let (key, node) = self.entry(name)?;
        self.reader.value(key, node)
    }

    /// The value of a key that must be there.
    pub fn required<T: Read>(&mut self, name: &'static str) -> Option<T> {
        if let Some((key, node)) = self.entry(name) {
            return self.reader.value(key, node);
        }
        let message = format!("{} lacks the key `{name}`", self.reader.here());
        let place = self.reader.place(self.reader.key_span());
        self.reader.report(
            Problem::new(message)
                .at(place)
                .with_label(format!("needs `{name}`")),
        );
        None
    }

    /// Reports the keys that were not asked for.
    pub fn finish(self) {
        let Self {
            reader,
            entries,
            asked,
        } = self;
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !asked.contains(&key.name.as_str()))
        {
            let problem = Problem::new(format!("unknown key `{}` in {}", key.name, reader.here()))
                .at(reader.place(key.span))
                .with_label(format!("allowed: {}", list(asked.iter().copied())))
                .with_near_name(&key.name, asked.iter().copied());
            // A query between braces is the usual way to get there.
            let problem = match key.name.contains(char::is_whitespace) {
                true => problem.with_hint(
                    "between `{` and `}` a comma ends a value: put a text that has one in quotes",
                ),
                false => problem,
            };
            reader.report(problem);
        }
    }
}

impl<T: Read> Read for Spanned<T> {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        Some(Self {
            value: T::read(reader, node)?,
            span: node.span,
        })
    }
}

/// What is there but wrong is not the same as what is missing: only the latter has a default.
impl<T: Read> Read for Option<T> {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        Some(T::read(reader, node))
    }
}

impl Read for String {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        match &node.value {
            Yaml::Text(text, _) if !text.is_empty() => Some(text.clone()),
            Yaml::Int(text) | Yaml::Bool(_, text) | Yaml::Float(_, text) => {
                let hint = format!("write `\"{text}\"` for a text");
                reader.wrong_type(node, "a text");
                if let Some(problem) = reader.problems.last_mut() {
                    problem.hint = Some(hint);
                }
                None
            }
            _ => {
                reader.wrong_type(node, "a text");
                None
            }
        }
    }
}

impl Read for bool {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if let Yaml::Bool(value, _) = node.value {
            return Some(value);
        }
        reader.wrong_type(node, "`true` or `false`");
        None
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let Yaml::List(items) = &node.value else {
            reader.wrong_type(node, "a list");
            return None;
        };
        // All items are read before the list is given up for one of them.
        let mut read = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let place = Key {
                name: format!("[{at}]"),
                span: item.span,
            };
            read.push(reader.value(&place, item));
        }
        read.into_iter().collect()
    }
}

impl<T: Read> Read for Entries<T> {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut entries = Vec::new();
        for (key, node) in reader.map(node)? {
            check_name(reader, &key.name, key.span);
            let value = reader.value(key, node);
            let name = Spanned {
                value: key.name.clone(),
                span: key.span,
            };
            entries.push(Entry { name, value });
        }
        Some(Self(entries))
    }
}

/// Reads a word of an enumeration, also one that YAML takes for a value of its own, such as `null`.
pub fn read_word<T: Word>(reader: &mut Reader<'_>, node: &Node) -> Option<T> {
    let words = T::WORDS.iter().map(|(word, _)| *word);
    let written = match &node.value {
        Yaml::Text(text, _) | Yaml::Null(text) if !text.is_empty() => text.as_str(),
        _ => {
            reader.wrong_type(node, &format!("one of {}", list(words)));
            return None;
        }
    };
    if let Some((_, value)) = T::WORDS.iter().find(|(word, _)| *word == written) {
        return Some(*value);
    }
    let message = format!("{} cannot be `{written}`", reader.here());
    let problem = Problem::new(message)
        .at(reader.place(node.span))
        .with_label(format!("allowed: {}", list(words.clone())))
        .with_near_name(written, words);
    reader.report(problem);
    None
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Entries_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": NAME_PATTERN },
            "additionalProperties": value,
        })
    }
}
