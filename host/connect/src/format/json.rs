//! Columns of type `json` as what they are: their text goes into the line as it is, not as a text in quotes.

use arrow::{
    array::{Array, AsArray, StringArray},
    datatypes::{DataType, FieldRef},
    error::ArrowError,
    json::{Encoder, EncoderFactory, EncoderOptions, writer::NullableEncoder},
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
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
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

struct Documents<'a>(&'a StringArray);

impl Encoder for Documents<'_> {
    fn encode(&mut self, index: usize, output: &mut Vec<u8>) {
        // Between values a line break means nothing; here it would end the row.
        let bytes = self.0.value(index).bytes();
        output.extend(bytes.map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            other => other,
        }));
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
