//! From lines of JSON to Arrow arrays, along the types of the columns.
//!
//! serde_json says whether a line is JSON. What its values mean is decided in [`leaf`](super::leaf), on their text: a number that
//! went through a float64 would have lost digits before anybody could see it.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use arrow::{
    array::ArrayRef,
    datatypes::{FieldRef, Schema, SchemaRef},
    error::ArrowError,
};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    column::{Column, Entries, Members, Values},
    leaf::Misfit,
    problem::{Problem, Refused, Step},
};
use transom_file::spec::Unknown;
use transom_sql::text::Origin;

/// Rows in the making.
pub(super) struct Decoder {
    /// Columns that the query reads, in their order, then those that are only checked.
    members: Members,
    wanted: usize,
    context: Context,
}

/// What all columns share while a line is decoded.
struct Context {
    unknown: Unknown,
    /// Keys that no row may have, since its path has them.
    in_path: Vec<String>,
    /// The number of the row that is decoded, from 1.
    row: u64,
    /// Keys that no column has, by path: in how many rows they were met, and in which one last.
    passed_over: BTreeMap<String, (u64, u64)>,
    problem: Option<Problem>,
    /// The way to the problem, innermost step first.
    path: Vec<Step>,
}

impl Context {
    /// What is wrong is kept here, since serde's errors are texts.
    fn refuse<E: serde::de::Error>(&mut self, problem: Problem) -> E {
        self.problem.get_or_insert(problem);
        E::custom("refused")
    }

    /// A row may have a key more than once: in the items of a list, or twice in one object.
    fn pass_over(&mut self, path: String) {
        let (rows, last) = self.passed_over.entry(path).or_default();
        if *last != self.row {
            *rows += 1;
            *last = self.row;
        }
    }
}

impl Decoder {
    /// `read` are the positions in `schema` of the columns that [`Self::finish`] gives; others, and the keys that are `hidden`, are
    /// checked for their form alone. `declared` are the columns whose types the pipeline file says.
    ///
    /// # Errors
    /// If a column has a type that is not read from JSON.
    pub(super) fn try_new(
        schema: &SchemaRef,
        read: &[usize],
        hidden: &[FieldRef],
        declared: Option<&Schema>,
        unknown: Unknown,
    ) -> Result<Self, ArrowError> {
        let wanted = read.iter().map(|at| &schema.fields()[*at]);
        let is_declared = |name: &str| declared.is_some_and(|schema| schema.index_of(name).is_ok());
        let mut columns = wanted
            .map(|field| {
                let origin = match is_declared(field.name()) {
                    true => Origin::Declared,
                    false => Origin::Inferred,
                };
                Column::try_new(Arc::clone(field), field.name(), origin)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let fields = schema.fields().iter().enumerate();
        let checked = fields
            .filter(|(at, _)| !read.contains(at))
            .map(|(_, field)| Column::checked(field, field.name()));
        columns.extend(checked);
        // A key that is a partition too has two values: only the user knows which one is meant.
        let in_path = match unknown {
            Unknown::Fail => hidden.iter().map(|field| field.name().clone()).collect(),
            Unknown::Warn | Unknown::Ignore => {
                columns.extend(hidden.iter().map(Column::hidden));
                Vec::new()
            }
        };
        Ok(Self {
            members: Members::new(columns, String::new()),
            wanted: read.len(),
            context: Context {
                unknown,
                in_path,
                row: 0,
                passed_over: BTreeMap::new(),
                problem: None,
                path: Vec::new(),
            },
        })
    }

    /// Adds a row: one object. After an error nothing more can be added.
    pub(super) fn decode(&mut self, line: &str) -> Result<(), Refused> {
        self.context.row += 1;
        let mut json = serde_json::Deserializer::from_str(line);
        let object = Object {
            members: &mut self.members,
            context: &mut self.context,
        };
        let decoded = (&mut json).deserialize_map(object);
        decoded.and_then(|()| json.end()).map_err(|error| {
            let mut path = std::mem::take(&mut self.context.path);
            path.reverse();
            let problem = match self.context.problem.take() {
                Some(problem) => problem,
                None if error.is_data() => Problem::NotObject,
                None => Problem::Syntax(error),
            };
            Refused { path, problem }
        })
    }

    /// How many rows were added since the last [`Self::finish`].
    pub(super) fn rows(&self) -> usize {
        self.members.rows()
    }

    /// The wanted columns of the rows so far.
    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.members.finish_rows();
        for column in &mut self.members.columns[self.wanted..] {
            column.clear();
        }
        let wanted = self.members.columns[..self.wanted].iter_mut();
        wanted.map(Column::finish).collect()
    }

    /// Keys that no column has, with the number of rows that had them since the last call.
    pub(super) fn take_passed_over(&mut self) -> BTreeMap<String, u64> {
        let passed_over = std::mem::take(&mut self.context.passed_over).into_iter();
        passed_over.map(|(key, (rows, _))| (key, rows)).collect()
    }
}

/// Takes one value into a column.
struct Value<'a> {
    column: &'a mut Column,
    context: &'a mut Context,
}

impl Value<'_> {
    fn refuse<E: serde::de::Error>(self, misfit: Misfit) -> E {
        let field = Arc::clone(&self.column.field);
        self.context.refuse(Problem::Value { misfit, field })
    }

    fn null<E: serde::de::Error>(self) -> Result<(), E> {
        if !self.column.field.is_nullable() {
            return Err(self.refuse(Misfit::Missing));
        }
        self.column.append_null();
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match &mut self.column.values {
            Values::Skip => IgnoredAny::deserialize(json).map(drop),
            Values::Cast(inner) => Value {
                column: inner,
                context: self.context,
            }
            .deserialize(json),
            Values::Leaf(leaf) => match <&RawValue>::deserialize(json)?.get() {
                "null" => self.null(),
                value => leaf.append(value).map_err(|misfit| self.refuse(misfit)),
            },
            Values::Struct(_) | Values::List { .. } | Values::Map { .. } => {
                json.deserialize_any(self)
            }
        }
    }
}

/// Nested values. serde_json calls the method of what is there.
impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a nested value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.null()
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let context = &mut *self.context;
        match &mut self.column.values {
            Values::Struct(members) => Object { members, context }.visit_map(map),
            Values::Map(entries) => match take_entries(entries, context, map)? {
                true => Ok(()),
                false => Err(self.refuse(Misfit::TooLong)),
            },
            _ => Err(self.refuse(Misfit::Kind)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Values::List(list) = &mut self.column.values else {
            return Err(self.refuse(Misfit::Kind));
        };
        let mut length = 0;
        loop {
            let item = Value {
                column: &mut list.item,
                context: self.context,
            };
            match items.next_element_seed(item) {
                Ok(Some(())) => length += 1,
                Ok(None) => break,
                Err(error) => {
                    self.context.path.push(Step::Index(length));
                    return Err(error);
                }
            }
        }
        match list.spans.append(length) {
            true => Ok(()),
            false => Err(self.refuse(Misfit::TooLong)),
        }
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.refuse(Misfit::Kind))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.refuse(Misfit::Kind))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.refuse(Misfit::Kind))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.refuse(Misfit::Kind))
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.refuse(Misfit::Kind))
    }
}

/// `false` if there are more entries than an array holds.
fn take_entries<'de, A: MapAccess<'de>>(
    entries: &mut Entries,
    context: &mut Context,
    mut map: A,
) -> Result<bool, A::Error> {
    let mut length = 0;
    entries.seen.clear();
    while let Some(key) = map.next_key::<Cow<'de, str>>()? {
        let key = key.into_owned();
        let column = &mut *entries.keys;
        let taken = match &mut column.values {
            _ if entries.seen.contains(&key) => Err(Problem::Duplicate),
            Values::Leaf(leaf) => leaf.append_text(&key).map_err(|misfit| Problem::Value {
                misfit,
                field: Arc::clone(&column.field),
            }),
            _ => Ok(()),
        };
        let value = Value {
            column: &mut entries.values,
            context,
        };
        let taken = match taken {
            Ok(()) => map.next_value_seed(value),
            Err(problem) => Err(context.refuse(problem)),
        };
        if let Err(error) = taken {
            context.path.push(Step::Key(key));
            return Err(error);
        }
        entries.seen.insert(key);
        length += 1;
    }
    Ok(entries.spans.append(length))
}

/// Takes one object into the columns of its keys.
struct Object<'a> {
    members: &'a mut Members,
    context: &'a mut Context,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { members, context } = self;
        let row = members.begin();
        let mut next = 0;
        let mut named = 0;
        loop {
            let key = Key { members, next };
            let at = match map.next_key_seed(key)? {
                None => break,
                Some(Known::Column(at)) => at,
                Some(Known::Unknown(name)) => {
                    let taken = if context.unknown == Unknown::Fail {
                        let in_path = members.path.is_empty() && context.in_path.contains(&name);
                        Err(context.refuse(match in_path {
                            true => Problem::InPath,
                            false => Problem::Unknown {
                                near: members.near(&name),
                            },
                        }))
                    } else {
                        let path = format!("{}{name}", members.path);
                        context.pass_over(path);
                        map.next_value::<IgnoredAny>()
                    };
                    if let Err(error) = taken {
                        context.path.push(Step::Key(name));
                        return Err(error);
                    }
                    continue;
                }
            };
            next = at + 1;
            named += 1;
            let column = &mut members.columns[at];
            let again = std::mem::replace(&mut column.row, row) == row;
            let taken = if again {
                Err(context.refuse(Problem::Duplicate))
            } else {
                map.next_value_seed(Value { column, context })
            };
            if let Err(error) = taken {
                let name = members.columns[at].field.name().clone();
                context.path.push(Step::Key(name));
                return Err(error);
            }
        }
        if named == members.columns.len() {
            return Ok(());
        }
        for column in &mut members.columns {
            if column.row == row {
                continue;
            }
            if let Err(error) = (Value { column, context }).null() {
                context.path.push(Step::Key(column.field.name().clone()));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Finds the column of a key; most often it is the one after the last.
struct Key<'a> {
    members: &'a Members,
    next: usize,
}

enum Known {
    Column(usize),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Known, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Known;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Known, E> {
        Ok(match self.members.position(name, self.next) {
            Some(at) => Known::Column(at),
            None => Known::Unknown(name.to_owned()),
        })
    }
}
