//! The columns of JSON files, from the values of sampled rows.
//!
//! A column's type holds every sampled value without loss: whole numbers are `int64`; with fractions among them `float64`, if it keeps
//! the digits of all; else `utf8`, as they are written. Texts stay texts, keys of objects become fields, and values of
//! different kinds are an error that names both.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, Schema};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use transom_sql::text::{Origin, Reason};

use super::{
    leaf::float64,
    lines::Lines,
    problem::{Path, Problem, Refused, Step},
};
use crate::source::{FileSource, SourceError, inputs::Inputs, partitions::Partitions, shown};

/// Deeper values are not inferred, as types are not declared: readers go down one call for each level.
const MAX_DEPTH: usize = 32;

/// The columns of the files: those that the source declares, with their types, and the others as the sample shows them. `None` if
/// there is no column at all. Columns come in the order in which they are met.
pub(crate) fn infer_schema(
    source: &FileSource,
    listing: &Inputs,
    partitions: &Partitions,
) -> Result<Option<Schema>, SourceError> {
    let declared = source.columns.as_deref();
    let hidden = partitions.columns.iter();
    let hidden: Vec<&str> = hidden.map(|field| field.name().as_str()).collect();
    let hidden = hidden.as_slice();
    let mut columns = Keys::default();
    let files: Vec<_> = listing
        .pieces
        .iter()
        .filter(|file| file.bytes > 0)
        .collect();
    let rows = source.sample.of_each(files.len());
    for (number, found) in files.iter().enumerate() {
        let mut lines = Lines::open(source, found, None)?;
        for _ in 0..rows {
            if lines.next()?.is_none() {
                break;
            }
            let line = lines.number()?;
            let mut look = Look {
                place: Place { file: number, line },
                conflict: None,
                path: Vec::new(),
            };
            let text = lines.text();
            let top = Top {
                columns: &mut columns,
                declared,
                hidden,
                look: &mut look,
            };
            let mut json = serde_json::Deserializer::from_str(text);
            let taken = (&mut json).deserialize_map(top).and_then(|()| json.end());
            let Err(error) = taken else {
                continue;
            };
            look.path.reverse();
            if let Some((first, second)) = look.conflict {
                return Err(mixed(
                    source,
                    &files[first.place.file].path,
                    found,
                    &look.path,
                    &first,
                    &second,
                ));
            }
            let path = look.path;
            let problem = match path.is_empty() && error.is_data() {
                true => Problem::NotObject,
                false => Problem::Syntax(error),
            };
            return Err(Refused { path, problem }.at(source, found, line, text));
        }
    }
    let inferred = columns.0.iter().map(|(name, seen)| (name, seen));
    let mut fields: Vec<Field> = inferred
        .map(
            |(name, seen)| match declared.and_then(|schema| schema.field_with_name(name).ok()) {
                Some(declared) => declared.clone(),
                None => seen.field(name),
            },
        )
        .collect();
    for field in declared.into_iter().flat_map(|schema| schema.fields()) {
        if !columns.0.iter().any(|(name, _)| name == field.name())
            && !hidden.contains(&field.name().as_str())
        {
            fields.push(field.as_ref().clone());
        }
    }
    Ok((!fields.is_empty()).then(|| Schema::new(fields)))
}

fn mixed(
    source: &FileSource,
    first_file: &std::path::Path,
    found: &crate::source::inputs::Input,
    path: &[Step],
    first: &Example,
    second: &Example,
) -> SourceError {
    let column = Path(path).to_string();
    let top = Path(&path[..path.len().min(1)]).to_string();
    let scalar = |example: &Example| !example.value.starts_with(['{', '[']);
    let whose = if path.len() > 1 {
        format!("column `{top}`")
    } else {
        "it".to_owned()
    };
    let mut hint = format!("declare {whose} as `json`: the text of whatever is there");
    if path.len() == 1 && scalar(first) && scalar(second) {
        hint.push_str(", or as `utf8`: texts, and numbers and truth values as they are written");
    }
    let earlier = if first_file == found.path {
        format!("line {}", first.place.line)
    } else {
        format!("line {} of `{}`", first.place.line, first_file.display())
    };
    SourceError::JsonLine {
        name: source.name.clone(),
        path: found.path.clone(),
        line: second.place.line,
        message: format!(
            ": `{column}` is {}, and {} in {earlier}",
            shown(&second.value),
            shown(&first.value)
        )
        .into(),
        hint: Some(hint.into()),
        source: None,
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    file: usize,
    line: u64,
}

/// A value and where it was met.
#[derive(Debug, Clone)]
struct Example {
    place: Place,
    value: String,
}

/// What is known while a line is looked at.
struct Look {
    place: Place,
    conflict: Option<(Example, Example)>,
    path: Vec<Step>,
}

/// Keys in the order in which they were met.
#[derive(Debug, Default)]
struct Keys(Vec<(String, Seen)>);

impl Keys {
    fn entry(&mut self, name: &str, next: usize) -> (usize, &mut Seen) {
        let at = match self.0.get(next) {
            Some((known, _)) if known == name => next,
            _ => self
                .0
                .iter()
                .position(|(known, _)| known == name)
                .unwrap_or(self.0.len()),
        };
        if at == self.0.len() {
            self.0.push((name.to_owned(), Seen::default()));
        }
        (at, &mut self.0[at].1)
    }
}

/// What was seen of one key.
#[derive(Debug, Default)]
struct Seen {
    kind: Option<(Kind, Example)>,
}

#[derive(Debug)]
enum Kind {
    Bool,
    Number(Numbers),
    Text,
    Object(Keys),
    List(Box<Seen>),
}

/// What the numbers of a key have in common.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    /// With a fraction or an exponent.
    fraction: bool,
    /// A whole number beyond int64.
    long: bool,
    /// A number with digits that no float64 keeps.
    exact: bool,
}

impl Seen {
    fn field(&self, name: &str) -> Field {
        let data_type = match &self.kind {
            None => DataType::Utf8,
            Some((kind, _)) => match kind {
                Kind::Bool => DataType::Boolean,
                Kind::Text => DataType::Utf8,
                Kind::Number(numbers) => match numbers {
                    Numbers {
                        fraction: false,
                        long: false,
                        ..
                    } => DataType::Int64,
                    Numbers {
                        fraction: true,
                        exact: false,
                        ..
                    } => DataType::Float64,
                    _ => DataType::Utf8,
                },
                // No format keeps a struct without fields; what comes later may have some.
                Kind::Object(keys) if keys.0.is_empty() => return transom_sql::json_field(name),
                Kind::Object(keys) => {
                    let fields: Fields =
                        keys.0.iter().map(|(name, seen)| seen.field(name)).collect();
                    DataType::Struct(fields)
                }
                Kind::List(item) => DataType::List(Arc::new(item.field("item"))),
            },
        };
        Field::new(name, data_type, true)
    }
}

/// A line: keys that are declared, or hidden by a partition, are not looked at.
struct Top<'a> {
    columns: &'a mut Keys,
    declared: Option<&'a Schema>,
    hidden: &'a [&'a str],
    look: &'a mut Look,
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut next = 0;
        while let Some(name) = map.next_key::<String>()? {
            let hidden = self.hidden.contains(&name.as_str());
            let declared = self
                .declared
                .is_some_and(|schema| schema.index_of(&name).is_ok());
            let taken = if hidden {
                map.next_value::<&RawValue>().map(drop)
            } else {
                let (at, seen) = self.columns.entry(&name, next);
                next = at + 1;
                if declared {
                    map.next_value::<&RawValue>().map(drop)
                } else {
                    map.next_value_seed(Watch {
                        seen,
                        look: &mut *self.look,
                        depth: 0,
                    })
                }
            };
            if let Err(error) = taken {
                self.look.path.push(Step::Key(name));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Takes a value into account.
struct Watch<'a> {
    seen: &'a mut Seen,
    look: &'a mut Look,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Watch<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let value = <&RawValue>::deserialize(json)?.get();
        self.value(value).map_err(serde::de::Error::custom)
    }
}

impl Watch<'_> {
    /// Values within values are read once more for each level, which a sample can afford.
    fn value(self, value: &str) -> Result<(), String> {
        let Self { seen, look, depth } = self;
        let new = match value.as_bytes().first() {
            Some(b'n') | None => return Ok(()),
            Some(b't' | b'f') => Kind::Bool,
            Some(b'"') => Kind::Text,
            Some(b'{') => Kind::Object(Keys::default()),
            Some(b'[') => Kind::List(Box::default()),
            Some(_) => Kind::Number(Numbers::default()),
        };
        let example = |look: &Look| Example {
            place: look.place,
            value: value.chars().take(100).collect(),
        };
        let (kind, first) = seen.kind.get_or_insert_with(|| (new, example(look)));
        let nested: Result<(), serde_json::Error> = match (&mut *kind, value.as_bytes()[0]) {
            (Kind::Bool, b't' | b'f') | (Kind::Text, b'"') => return Ok(()),
            (Kind::Number(numbers), b'0'..=b'9' | b'-') => {
                let kept = float64(value, Origin::Inferred);
                if value.contains(['.', 'e', 'E']) {
                    numbers.fraction = true;
                    numbers.exact |= kept == Err(Reason::Digits);
                } else {
                    numbers.long |= value.parse::<i64>().is_err();
                    numbers.exact |= kept.is_err();
                }
                return Ok(());
            }
            (Kind::Object(_), b'{') | (Kind::List(_), b'[') if depth >= MAX_DEPTH => {
                return Err(format!(
                    "nested deeper than {MAX_DEPTH} levels: declare the column as `json`"
                ));
            }
            (Kind::Object(keys), b'{') => serde_json::Deserializer::from_str(value)
                .deserialize_map(Inner {
                    keys: Some(keys),
                    item: None,
                    look,
                    depth,
                }),
            (Kind::List(item), b'[') => {
                serde_json::Deserializer::from_str(value).deserialize_seq(Inner {
                    keys: None,
                    item: Some(item),
                    look,
                    depth,
                })
            }
            _ => {
                look.conflict = Some((first.clone(), example(look)));
                return Err("of another kind".to_owned());
            }
        };
        nested.map_err(|error| error.to_string())
    }
}

/// What is in an object or a list.
struct Inner<'a> {
    keys: Option<&'a mut Keys>,
    item: Option<&'a mut Seen>,
    look: &'a mut Look,
    depth: usize,
}

impl<'de> Visitor<'de> for Inner<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a nested value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(keys) = self.keys else {
            return Ok(());
        };
        let mut next = 0;
        while let Some(name) = map.next_key::<String>()? {
            let (at, seen) = keys.entry(&name, next);
            next = at + 1;
            let watch = Watch {
                seen,
                look: &mut *self.look,
                depth: self.depth + 1,
            };
            if let Err(error) = map.next_value_seed(watch) {
                self.look.path.push(Step::Key(name));
                return Err(error);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some(seen) = self.item else {
            return Ok(());
        };
        for index in 0.. {
            let watch = Watch {
                seen: &mut *seen,
                look: &mut *self.look,
                depth: self.depth + 1,
            };
            match items.next_element_seed(watch) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    self.look.path.push(Step::Index(index));
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
