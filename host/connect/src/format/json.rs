//! Columns of type `json` as what they are: their text goes into the line as it is, not as a text in quotes.

use std::borrow::Cow;

use arrow::{
    array::{Array, AsArray, MapArray, StringArray},
    datatypes::{DataType, FieldRef},
    error::ArrowError,
    json::{
        Encoder, EncoderFactory, EncoderOptions,
        writer::{NullableEncoder, make_encoder},
    },
};
use serde_json::value::RawValue;

/// Encodes columns that a JSON source reads as `json`.
#[derive(Debug)]
pub(super) struct JsonColumns;

impl EncoderFactory for JsonColumns {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if let Some(map) = array.as_map_opt()
            && let Some(keys) = map.keys().as_string_opt()
            && let Some(value) = value_of_map(of_items(field)).filter(|value| has_json(value))
        {
            let entries = Entries {
                map,
                keys,
                values: make_encoder(value, map.values().as_ref(), options)?,
            };
            let nulls = map.nulls().cloned();
            return Ok(Some(NullableEncoder::new(Box::new(entries), nulls)));
        }
        let Some(texts) = array.as_string_opt::<i32>() else {
            return Ok(None);
        };
        if !transom_sql::is_json(of_items(field)) {
            return Ok(None);
        }
        // The marker is only a promise: SQL can put any text into the column.
        if let Some(text) = texts
            .iter()
            .flatten()
            .find(|text| serde_json::from_str::<&RawValue>(text).is_err())
        {
            return Err(ArrowError::JsonError(format!(
                "column `{}` of type json holds `{text}`, which is not JSON",
                field.name()
            )));
        }
        let nulls = texts.nulls().cloned();
        Ok(Some(NullableEncoder::new(
            Box::new(Documents(texts)),
            nulls,
        )))
    }
}

/// The encoder of a list asks for one of its items with the field of the list.
fn of_items(field: &FieldRef) -> &FieldRef {
    match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            of_items(item)
        }
        _ => field,
    }
}

fn value_of_map(field: &FieldRef) -> Option<&FieldRef> {
    match field.data_type() {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) => parts.get(1),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a map has documents for values, or maps of them.
fn has_json(value: &FieldRef) -> bool {
    let value = of_items(value);
    transom_sql::is_json(value) || value_of_map(value).is_some_and(has_json)
}

/// A map with documents in it: Arrow's encoder asks for keys and values with one field, so that they cannot be told apart.
struct Entries<'a> {
    map: &'a MapArray,
    keys: &'a StringArray,
    values: NullableEncoder<'a>,
}

impl Encoder for Entries<'_> {
    fn encode(&mut self, index: usize, output: &mut Vec<u8>) {
        let offsets = self.map.value_offsets();
        output.push(b'{');
        for at in offsets[index]..offsets[index + 1] {
            if at > offsets[index] {
                output.push(b',');
            }
            let at = usize::try_from(at).expect("offsets are not negative");
            serde_json::to_writer(&mut *output, self.keys.value(at))
                .expect("a Vec takes all writes");
            output.push(b':');
            match self.values.is_null(at) {
                true => output.extend_from_slice(b"null"),
                false => self.values.encode(at, output),
            }
        }
        output.push(b'}');
    }
}

struct Documents<'a>(&'a StringArray);

impl Encoder for Documents<'_> {
    fn encode(&mut self, index: usize, output: &mut Vec<u8>) {
        output.extend_from_slice(in_one_line(self.0.value(index)).as_bytes());
    }
}

/// A JSON value with blanks for line breaks: between values they mean the same, in a text they cannot be, and a line of JSON would end
/// with them.
pub(crate) fn in_one_line(json: &str) -> Cow<'_, str> {
    match json.contains(['\n', '\r']) {
        true => Cow::Owned(json.replace(['\n', '\r'], " ")),
        false => Cow::Borrowed(json),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, RecordBatch},
        datatypes::Schema,
        json::LineDelimitedWriter,
    };

    use super::*;

    fn written(texts: Vec<Option<&str>>) -> Result<String, ArrowError> {
        let schema = Arc::new(Schema::new(vec![transom_sql::json_field("d")]));
        let column: ArrayRef = Arc::new(StringArray::from(texts));
        let batch = RecordBatch::try_new(schema, vec![column])?;
        let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
        let builder = builder.with_encoder_factory(Arc::new(JsonColumns));
        let mut writer: LineDelimitedWriter<Vec<u8>> = builder.build(Vec::new());
        writer.write(&batch)?;
        writer.finish()?;
        Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
    }

    #[test]
    fn documents_stay_documents() {
        let texts = vec![
            Some("{\"a\":\n [1, \"x\"]}"),
            None,
            Some("\"text\""),
            Some("1.50"),
        ];
        assert_eq!(
            written(texts).unwrap(),
            "{\"d\":{\"a\":  [1, \"x\"]}}\n{\"d\":null}\n{\"d\":\"text\"}\n{\"d\":1.50}\n"
        );
    }

    #[test]
    fn a_text_that_is_no_document_is_refused() {
        let error = written(vec![Some("{\"a\":")]).unwrap_err();
        assert!(
            error.to_string().contains("`{\"a\":`, which is not JSON"),
            "{error}"
        );
    }
}
