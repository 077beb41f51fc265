//! Arrow fields to and from the contract's depth-first list of format strings.
//!
//! Leaf types are translated by arrow's own implementation of the C data interface; the few nested ones are put together here,
//! since a guest's children are untrusted and arrow's code asserts on them.

use std::sync::Arc;

use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};

use crate::bindings::types;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Bytes of a format string: the longest is a timestamp's with the name of its time zone.
const MAX_FORMAT: usize = 256;

/// Nesting that no real schema reaches; deeper ones would only serve to overflow a stack.
const MAX_DEPTH: usize = 32;

/// The type in which a column of `data_type` crosses: string and binary views as plain strings and binaries, dictionaries
/// decoded, everything else as it is. `None` if it cannot cross (unions, run-end encoding, list views).
pub fn border_type(data_type: &DataType) -> Option<DataType> {
    let child = |field: &FieldRef| -> Option<FieldRef> {
        let inner = border_type(field.data_type())?;
        Some(match inner == *field.data_type() {
            true => Arc::clone(field),
            false => Arc::new(field.as_ref().clone().with_data_type(inner)),
        })
    };
    Some(match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => border_type(values)?,
        DataType::List(field) => DataType::List(child(field)?),
        DataType::LargeList(field) => DataType::LargeList(child(field)?),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(child(field)?, *size),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(child).collect::<Option<Fields>>()?)
        }
        DataType::Map(field, sorted) => DataType::Map(child(field)?, *sorted),
        DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => {
            return None;
        }
        plain => plain.clone(),
    })
}

/// The field as it crosses, or [`Error::Unsupported`] naming it.
pub(crate) fn border_field(field: &Field) -> Result<Field> {
    match border_type(field.data_type()) {
        Some(data_type) => Ok(field.clone().with_data_type(data_type)),
        None => Err(Error::Unsupported {
            column: field.name().clone(),
            data_type: field.data_type().to_string(),
        }),
    }
}

/// Fields of a schema in the contract's form. Types must be [`border_type`]s.
pub(crate) fn fields_to_wire<'a>(
    fields: impl IntoIterator<Item = &'a Field>,
) -> Result<Vec<types::FieldResult>> {
    let mut wire = Vec::new();
    for field in fields {
        push_field(field, &mut wire)?;
    }
    Ok(wire)
}

fn push_field(field: &Field, wire: &mut Vec<types::FieldResult>) -> Result<()> {
    let children: Vec<&Field> = match field.data_type() {
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => vec![child],
        DataType::Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        _ => vec![],
    };
    let format = FFI_ArrowSchema::try_from(field.data_type()).map_err(|_| Error::Unsupported {
        column: field.name().clone(),
        data_type: field.data_type().to_string(),
    })?;
    let mut metadata: Vec<(String, String)> = field
        .metadata()
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    metadata.sort();
    wire.push(types::FieldResult {
        name: field.name().clone(),
        format: format.format().to_owned(),
        nullable: field.is_nullable(),
        metadata,
        children: children.len() as u32,
    });
    children
        .into_iter()
        .try_for_each(|child| push_field(child, wire))
}

/// Lends the fields in the form in which they are passed to a guest: everything borrowed.
pub(crate) fn with_params<T>(
    wire: &[types::FieldResult],
    use_them: impl FnOnce(&[types::FieldParam<'_>]) -> T,
) -> T {
    let metadata: Vec<Vec<(&str, &str)>> = wire
        .iter()
        .map(|field| {
            field
                .metadata
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect()
        })
        .collect();
    let fields: Vec<types::FieldParam<'_>> = wire
        .iter()
        .zip(&metadata)
        .map(|(field, metadata)| types::FieldParam {
            name: &field.name,
            format: &field.format,
            nullable: field.nullable,
            metadata,
            children: field.children,
        })
        .collect();
    use_them(&fields)
}

/// The fields of a guest's schema, or what is wrong with them.
pub(crate) fn fields_from_wire(
    wire: &[types::FieldResult],
    limits: &Limits,
) -> Result<Vec<Field>, String> {
    if wire.len() > limits.fields {
        return Err(format!(
            "a schema of {} fields; allowed are {}",
            wire.len(),
            limits.fields
        ));
    }
    let mut rest = wire.iter();
    let mut fields = Vec::new();
    while rest.len() > 0 {
        fields.push(field_from_wire(&mut rest, 0, limits)?);
    }
    Ok(fields)
}

/// As [`fields_from_wire`] where exactly one field must be.
pub(crate) fn one_field_from_wire(
    wire: &[types::FieldResult],
    limits: &Limits,
) -> Result<Field, String> {
    let mut fields = fields_from_wire(wire, limits)?;
    match (fields.pop(), fields.len()) {
        (Some(field), 0) => Ok(field),
        (_, more) => Err(format!(
            "one field was expected, not {}",
            if more == 0 { 0 } else { more + 1 }
        )),
    }
}

/// Says what is wrong with a name that is too long, or that no column can have.
pub(crate) fn check_field_name(name: &str, limits: &Limits) -> Result<(), String> {
    let allowed = limits.text.min(4096);
    if name.len() > allowed {
        let length = name.len();
        return Err(format!(
            "a field name of {length} bytes; allowed are {allowed}"
        ));
    }
    // Ends a name in the C data interface, so that the field could go nowhere.
    match name.contains('\0') {
        true => Err(format!("field `{name}` has a zero byte in its name")),
        false => Ok(()),
    }
}

fn field_from_wire(
    rest: &mut std::slice::Iter<'_, types::FieldResult>,
    depth: usize,
    limits: &Limits,
) -> Result<Field, String> {
    let wire = rest
        .next()
        .ok_or("a field has fewer children than it says")?;
    check_field_name(&wire.name, limits)?;
    if wire.format.len() > MAX_FORMAT {
        return Err(format!(
            "field `{}` has a format of {} bytes; allowed are {MAX_FORMAT}",
            wire.name,
            wire.format.len()
        ));
    }
    if depth > MAX_DEPTH {
        return Err(format!("a schema nested deeper than {MAX_DEPTH} levels"));
    }
    let mut children = Vec::new();
    for _ in 0..wire.children {
        children.push(Arc::new(field_from_wire(rest, depth + 1, limits)?));
    }
    let data_type = data_type(&wire.format, children).map_err(|problem| {
        format!(
            "field `{}` has format `{}`: {problem}",
            wire.name,
            crate::text::cut(&wire.format, 64)
        )
    })?;
    let metadata_bytes: usize = wire
        .metadata
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if metadata_bytes > limits.text {
        return Err(format!(
            "field `{}` has {metadata_bytes} bytes of metadata; allowed are {}",
            wire.name, limits.text
        ));
    }
    Ok(Field::new(&wire.name, data_type, wire.nullable)
        .with_metadata(wire.metadata.iter().cloned().collect()))
}

fn data_type(format: &str, children: Vec<FieldRef>) -> Result<DataType, String> {
    let expected = match format.split(':').next() {
        Some("+l" | "+L" | "+w" | "+m") => Some(1),
        Some("+s") => None,
        _ => Some(0),
    };
    if let Some(expected) = expected.filter(|&expected| expected != children.len()) {
        return Err(format!(
            "it needs {expected} children and has {}",
            children.len()
        ));
    }
    let mut children = children.into_iter();
    let mut child = || children.next().ok_or("it needs a child");
    match format {
        "+l" => Ok(DataType::List(child()?)),
        "+L" => Ok(DataType::LargeList(child()?)),
        "+s" => Ok(DataType::Struct(children.collect())),
        "+m" => {
            let entries = child()?;
            match entries.data_type() {
                DataType::Struct(fields)
                    if fields.len() == 2 && !entries.is_nullable() && !fields[0].is_nullable() =>
                {
                    Ok(DataType::Map(entries, false))
                }
                _ => {
                    Err("a map needs one non-null struct of a non-null key and a value".to_owned())
                }
            }
        }
        _ => match format.strip_prefix("+w:") {
            Some(size) => match size.parse::<i32>() {
                Ok(size) if size >= 0 => Ok(DataType::FixedSizeList(child()?, size)),
                _ => Err("the size of a fixed-size list is a number from 0".to_owned()),
            },
            None => leaf_type(format),
        },
    }
}

fn leaf_type(format: &str) -> Result<DataType, String> {
    if format.starts_with('+') || format.starts_with('v') || format.contains(char::is_control) {
        return Err("no such type can cross from a plugin".to_owned());
    }
    let schema =
        FFI_ArrowSchema::try_new(format, vec![], None).map_err(|error| error.to_string())?;
    let data_type = DataType::try_from(&schema).map_err(|error| error.to_string())?;
    let sensible = match &data_type {
        DataType::FixedSizeBinary(width) => *width >= 0,
        DataType::Decimal32(precision, scale) => decimal_fits(*precision, *scale, 9),
        DataType::Decimal64(precision, scale) => decimal_fits(*precision, *scale, 18),
        DataType::Decimal128(precision, scale) => decimal_fits(*precision, *scale, 38),
        DataType::Decimal256(precision, scale) => decimal_fits(*precision, *scale, 76),
        _ => true,
    };
    match sensible && border_type(&data_type).as_ref() == Some(&data_type) {
        true => Ok(data_type),
        false => Err("its parameters are out of range or the type cannot cross".to_owned()),
    }
}

fn decimal_fits(precision: u8, scale: i8, max: u8) -> bool {
    (1..=max).contains(&precision) && i16::from(scale) <= i16::from(precision) && scale >= -76
}

/// The schema in which a table crosses; every column must be able to.
pub(crate) fn border_schema(schema: &Schema) -> Result<Schema> {
    let fields = schema
        .fields()
        .iter()
        .map(|field| border_field(field))
        .collect::<Result<Vec<_>>>()?;
    Ok(Schema::new(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::TimeUnit;

    #[test]
    fn fields_survive_the_way_there_and_back() {
        let point = Fields::from(vec![
            Field::new("x", DataType::Float64, false),
            Field::new("y", DataType::Float64, true),
        ]);
        let entries = Field::new(
            "entries",
            DataType::Struct(
                vec![
                    Field::new("keys", DataType::Utf8, false),
                    Field::new("values", DataType::Int8, true),
                ]
                .into(),
            ),
            false,
        );
        let fields = vec![
            Field::new("a", DataType::Int64, false)
                .with_metadata([("unit".to_owned(), "mile".to_owned())].into()),
            Field::new(
                "b",
                DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
                true,
            ),
            Field::new(
                "c",
                DataType::List(Field::new_list_field(DataType::Struct(point), true).into()),
                true,
            ),
            Field::new("d", DataType::Map(entries.into(), false), true),
            Field::new(
                "e",
                DataType::FixedSizeList(
                    Field::new_list_field(DataType::Decimal256(76, 10), true).into(),
                    3,
                ),
                true,
            ),
            Field::new("f", DataType::FixedSizeBinary(16), true),
            Field::new("g", DataType::Null, true),
        ];
        let wire = fields_to_wire(&fields).unwrap();
        assert_eq!(fields_from_wire(&wire, &Limits::default()).unwrap(), fields);
    }

    #[test]
    fn nonsense_is_refused() {
        let field = |format: &str, children| types::FieldResult {
            name: "x".into(),
            format: format.into(),
            nullable: true,
            metadata: vec![],
            children,
        };
        for (wire, text) in [
            (vec![field("l", 1)], "fewer children"),
            (vec![field("+l", 0)], "needs 1 children and has 0"),
            (vec![field("q", 0)], "format `q`"),
            (vec![field("w:-1", 0)], "out of range"),
            (vec![field("d:77,2", 0)], "out of range"),
            (vec![field("vu", 0)], "can cross"),
            (vec![field("+m", 1), field("l", 0)], "a map needs"),
            (vec![field("l\0", 0)], "can cross"),
            (
                std::iter::repeat_with(|| field("+l", 1))
                    .take(1000)
                    .collect(),
                "nested deeper",
            ),
            (
                std::iter::repeat_with(|| field("l", 0))
                    .take(10_001)
                    .collect(),
                "10001 fields",
            ),
        ] {
            let error = fields_from_wire(&wire, &Limits::default()).unwrap_err();
            assert!(error.contains(text), "{error} lacks {text}");
        }
    }

    #[test]
    fn views_and_dictionaries_cross_as_plain_types() {
        let dictionary = DataType::Dictionary(DataType::Int8.into(), DataType::Utf8View.into());
        assert_eq!(border_type(&dictionary), Some(DataType::Utf8));
        let list = DataType::List(Field::new_list_field(DataType::BinaryView, true).into());
        assert_eq!(
            border_type(&list),
            Some(DataType::List(
                Field::new_list_field(DataType::Binary, true).into()
            ))
        );
    }
}
