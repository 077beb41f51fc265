//! What a plugin says it offers, checked and in Arrow's terms.

use std::collections::HashSet;
use std::fmt;

use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};

use crate::batch::format::{check_field_name, one_field_from_wire};
use crate::bindings::meta;
use crate::limits::Limits;
use crate::text::cut;

/// What a plugin offers. Kept in `transom.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The plugin's own name; a pipeline may call it differently.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// Scalar functions, as listed by the plugin.
    pub functions: Vec<FunctionDescription>,
    /// Transforms, as listed by the plugin.
    pub transforms: Vec<TransformDescription>,
}

/// A scalar function for SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDescription {
    /// Name after the plugin's: `great_circle` in `geo.great_circle(..)`.
    pub name: String,
    /// What it does, Markdown.
    pub doc: String,
    /// The arguments in order.
    pub arguments: Vec<Argument>,
    /// The last argument may be repeated.
    pub variadic: bool,
    /// Type of the result as shown to people; `None` when it depends on the arguments.
    pub output: Option<String>,
    /// How far calls may be moved or saved.
    pub volatility: Volatility,
}

/// One argument of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub accepts: Accepts,
}

/// Types that an argument accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepts {
    /// This type; SQL casts to it where it can.
    Exact(DataType),
    /// Any type.
    Any,
    /// Integers, floats, decimals.
    Numeric,
    /// Dates, times, timestamps, durations.
    Temporal,
    /// Strings.
    Text,
}

/// Written as text: Arrow's own `Display` and `FromStr` of a type are inverse to each other.
impl Serialize for Accepts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Accepts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "any" => Self::Any,
            "numeric" => Self::Numeric,
            "temporal" => Self::Temporal,
            "text" => Self::Text,
            exact => Self::Exact(exact.parse().map_err(serde::de::Error::custom)?),
        })
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(data_type) => write!(f, "{data_type}"),
            Self::Any => f.write_str("any"),
            Self::Numeric => f.write_str("numeric"),
            Self::Temporal => f.write_str("temporal"),
            Self::Text => f.write_str("text"),
        }
    }
}

/// How far calls of a function may be moved or saved; DataFusion's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Volatility {
    /// Same arguments, same result, always.
    Immutable,
    /// The same within a run.
    Stable,
    /// May differ from row to row.
    Volatile,
}

/// A function from a table to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformDescription {
    /// Name after the plugin's: `visits` in `transform: flights.visits`.
    pub name: String,
    /// What it does, Markdown.
    pub doc: String,
    /// JSON Schema of its options.
    pub options: serde_json::Value,
    /// Whether it has state to save.
    pub stateful: bool,
    /// The columns by which its step has to partition the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// The columns by which its step has to sort the rows of a partition. If both are empty, the step decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<SortKey>,
}

/// One column of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    /// Its name.
    pub column: String,
    /// Largest first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub descending: bool,
}

impl Description {
    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&FunctionDescription> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The transform of that name.
    pub fn transform(&self, name: &str) -> Option<&TransformDescription> {
        self.transforms
            .iter()
            .find(|transform| transform.name == name)
    }

    /// Takes a guest's description in, or says what is wrong with it.
    pub(crate) fn from_wire(wire: meta::Description, limits: &Limits) -> Result<Self, String> {
        let meta::Description {
            name,
            version,
            functions,
            transforms,
        } = wire;
        let of_functions: usize = functions.iter().map(|f| 1 + f.arguments.len()).sum();
        let of_transforms = transforms
            .iter()
            .map(|t| 1 + t.partition_by.len() + t.order_by.len());
        if of_functions + of_transforms.sum::<usize>() > limits.fields {
            return Err(format!(
                "it describes more than {} functions, arguments, transforms and columns",
                limits.fields
            ));
        }
        let mut names = HashSet::new();
        for name in functions
            .iter()
            .map(|f| &f.name)
            .chain(transforms.iter().map(|t| &t.name))
        {
            check_name(name, "function or transform")?;
            if !names.insert(name.clone()) {
                return Err(format!("it describes `{name}` twice"));
            }
        }
        Ok(Self {
            name: cut(&name, 256),
            version: cut(&version, 256),
            functions: functions
                .into_iter()
                .map(|f| function(f, limits))
                .collect::<Result<_, _>>()?,
            transforms: transforms
                .into_iter()
                .map(|t| transform(t, limits))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn function(wire: meta::Function, limits: &Limits) -> Result<FunctionDescription, String> {
    let meta::Function {
        name,
        doc,
        arguments,
        variadic,
        output,
        volatility,
    } = wire;
    let in_function = |problem: String| format!("in the description of `{name}`: {problem}");
    let arguments = arguments
        .into_iter()
        .map(|argument| {
            check_name(&argument.name, "argument")?;
            let accepts = match argument.accepts {
                meta::ArgumentType::Exact(fields) => {
                    let data_type = one_field_from_wire(&fields, limits)?.data_type().clone();
                    // Arrow reads no type with a nameless field, and some others, from their own text.
                    if data_type.to_string().parse().ok().as_ref() != Some(&data_type) {
                        return Err(format!(
                            "argument `{}` has a type that the lock file cannot hold: {data_type}",
                            argument.name
                        ));
                    }
                    Accepts::Exact(data_type)
                }
                meta::ArgumentType::Any => Accepts::Any,
                meta::ArgumentType::Numeric => Accepts::Numeric,
                meta::ArgumentType::Temporal => Accepts::Temporal,
                meta::ArgumentType::Text => Accepts::Text,
            };
            Ok(Argument {
                name: argument.name,
                accepts,
            })
        })
        .collect::<Result<Vec<_>, String>>()
        .map_err(in_function)?;
    let output: Option<Field> = match output.is_empty() {
        true => None,
        false => Some(one_field_from_wire(&output, limits).map_err(in_function)?),
    };
    Ok(FunctionDescription {
        doc: cut(&doc, limits.text),
        arguments,
        variadic,
        output: output.map(|field| field.data_type().to_string()),
        volatility: match volatility {
            meta::Volatility::Immutable => Volatility::Immutable,
            meta::Volatility::Stable => Volatility::Stable,
            meta::Volatility::Volatile => Volatility::Volatile,
        },
        name,
    })
}

fn transform(wire: meta::Transform, limits: &Limits) -> Result<TransformDescription, String> {
    let meta::Transform {
        name,
        doc,
        options,
        stateful,
        partition_by,
        order_by,
    } = wire;
    if options.len() > limits.text {
        return Err(format!(
            "the option schema of `{name}` is longer than {} bytes",
            limits.text
        ));
    }
    let options = match options.trim() {
        "" => serde_json::Value::Bool(true),
        text => serde_json::from_str(text)
            .map_err(|error| format!("the option schema of `{name}` is not JSON: {error}"))?,
    };
    if !options.is_object() && !options.is_boolean() {
        return Err(format!(
            "the option schema of `{name}` is neither an object nor a boolean"
        ));
    }
    let options = as_written(options)
        .map_err(|problem| format!("the option schema of `{name}` {problem}"))?;
    let order_by: Vec<SortKey> = order_by
        .into_iter()
        .map(|meta::SortKey { column, descending }| SortKey { column, descending })
        .collect();
    let mut columns = HashSet::new();
    for column in partition_by
        .iter()
        .chain(order_by.iter().map(|key| &key.column))
    {
        check_field_name(column, limits)
            .map_err(|problem| format!("in the description of `{name}`: {problem}"))?;
        if !columns.insert(column) {
            return Err(format!(
                "`{name}` requires the column `{}` twice in `partition_by` and `order_by`",
                cut(column, 64)
            ));
        }
    }
    Ok(TransformDescription {
        doc: cut(&doc, limits.text),
        options,
        stateful,
        partition_by,
        order_by,
        name,
    })
}

/// The value as it is when it was written and read again, which the lock file does with it. Reading a number of many digits may
/// be off by the last bit; what comes of it is mostly read as it was written.
fn as_written(mut value: serde_json::Value) -> Result<serde_json::Value, String> {
    for _ in 0..4 {
        let read = serde_json::from_str(&value.to_string())
            .map_err(|error| format!("cannot be written and read again: {error}"))?;
        if read == value {
            return Ok(value);
        }
        value = read;
    }
    Err("holds a number that cannot be written".to_owned())
}

/// Names end up in SQL, so they are plain identifiers.
fn check_name(name: &str, what: &str) -> Result<(), String> {
    let plain = name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match plain {
        true => Ok(()),
        false => Err(format!(
            "`{}` is no name for a {what}: allowed are at most 128 of a-z, 0-9 and _, not starting with a digit",
            cut(name, 64)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_types_survive_the_lock_file() {
        for accepts in [
            Accepts::Any,
            Accepts::Text,
            Accepts::Exact(DataType::Decimal128(12, 2)),
            Accepts::Exact(DataType::Timestamp(
                arrow_schema::TimeUnit::Microsecond,
                Some("UTC".into()),
            )),
            Accepts::Exact(DataType::List(
                Field::new_list_field(DataType::Int64, true).into(),
            )),
        ] {
            let json = serde_json::to_string(&accepts).unwrap();
            assert_eq!(
                serde_json::from_str::<Accepts>(&json).unwrap(),
                accepts,
                "{json}"
            );
        }
    }

    #[test]
    fn numbers_of_an_option_schema_survive_the_lock_file() {
        let text = r#"{"default": 333333333333333333333333333333333333333333}"#;
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let value = as_written(value).unwrap();
        let read: serde_json::Value = serde_json::from_str(&value.to_string()).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn names_are_identifiers() {
        assert!(check_name("great_circle2", "function").is_ok());
        for name in ["", "2nd", "Great", "a.b", "a b", &"x".repeat(129)] {
            assert!(check_name(name, "function").is_err(), "{name}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "ä… (4 bytes more)");
    }
}
