//! Schemas on the wire: fields in depth-first order, every field before its children.

use super::format::{format_of, type_of, unknown};
use crate::Error;
use crate::bindings::transom::plugin::types::Field as WireField;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};
use std::sync::Arc;

/// Reads a whole schema.
///
/// # Errors
///
/// Internal when the host's list does not follow the contract.
pub fn decode_schema(fields: Vec<WireField>) -> Result<Schema, Error> {
    let mut rest = fields.into_iter();
    let mut decoded = Vec::new();
    while let Some(field) = rest.next() {
        decoded.push(decode_field(field, &mut rest)?);
    }
    Ok(Schema::new(decoded))
}

fn decode_field(
    field: WireField,
    rest: &mut std::vec::IntoIter<WireField>,
) -> Result<FieldRef, Error> {
    let mut children = Vec::with_capacity(field.children as usize);
    for _ in 0..field.children {
        let child = rest.next().ok_or_else(|| {
            Error::internal(format!(
                "the host sent too few children of the field `{}`",
                field.name
            ))
        })?;
        children.push(decode_field(child, rest)?);
    }
    let data_type = decode_type(&field.format, children)?;
    let metadata = field.metadata.into_iter().collect();
    let decoded = Field::new(field.name, data_type, field.nullable).with_metadata(metadata);
    Ok(Arc::new(decoded))
}

fn decode_type(format: &str, children: Vec<FieldRef>) -> Result<DataType, Error> {
    if !format.starts_with('+') {
        return type_of(format);
    }
    if format == "+s" {
        return Ok(DataType::Struct(Fields::from(children)));
    }
    let [child] = <[FieldRef; 1]>::try_from(children).map_err(|_| unknown(format))?;
    match format {
        "+l" => Ok(DataType::List(child)),
        "+L" => Ok(DataType::LargeList(child)),
        // Whether keys are sorted has no place in a format string; nothing here depends on it.
        "+m" => Ok(DataType::Map(child, false)),
        _ => {
            let length = format
                .strip_prefix("+w:")
                .and_then(|length| length.parse().ok());
            let length = length.ok_or_else(|| unknown(format))?;
            Ok(DataType::FixedSizeList(child, length))
        }
    }
}

/// Writes one field and its children behind `wire`.
///
/// # Errors
///
/// Internal, naming the field, when its type cannot cross (views, dictionaries, run-end encoding, unions).
pub fn encode_field(field: &Field, wire: &mut Vec<WireField>) -> Result<(), Error> {
    let format = format_of(field.data_type())
        .ok_or_else(|| cannot_cross(field.name(), field.data_type()))?;
    let children: Vec<&FieldRef> = match field.data_type() {
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => vec![child],
        DataType::Struct(children) => children.iter().collect(),
        _ => Vec::new(),
    };
    let mut metadata: Vec<(String, String)> = field
        .metadata()
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // Metadata is a hash map: without an order a description would differ from build to build.
    metadata.sort();
    wire.push(WireField {
        name: field.name().clone(),
        format,
        nullable: field.is_nullable(),
        metadata,
        children: children.len() as u32,
    });
    children
        .into_iter()
        .try_for_each(|child| encode_field(child, wire))
}

/// One field, depth first.
///
/// # Errors
///
/// As [`encode_field`].
pub fn encode_one(field: &Field) -> Result<Vec<WireField>, Error> {
    let mut wire = Vec::with_capacity(1);
    encode_field(field, &mut wire)?;
    Ok(wire)
}

/// The error for a column whose type has no place in the contract, with the way out.
pub fn cannot_cross(name: &str, data_type: &DataType) -> Error {
    let way_out = match data_type {
        DataType::Utf8View => ": cast it to Utf8".to_owned(),
        DataType::BinaryView => ": cast it to Binary".to_owned(),
        DataType::Dictionary(_, values) => format!(": cast it to {values}"),
        DataType::RunEndEncoded(_, values) => format!(": cast it to {}", values.data_type()),
        DataType::ListView(_) => ": cast it to List".to_owned(),
        DataType::LargeListView(_) => ": cast it to LargeList".to_owned(),
        _ => String::new(),
    };
    Error::internal(format!(
        "the column `{name}` is of type {data_type}, which cannot cross to the host{way_out}"
    ))
}
