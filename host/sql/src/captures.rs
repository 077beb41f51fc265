//! `regexp_match`: all groups of the first match, NULL for those that took no part in it. DataFusion leaves these out, so that the others
//! move to the front.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use regex::Regex;

use crate::error::ValueError;

pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(RegexpMatch {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RegexpMatch {
    signature: Signature,
}

impl ScalarUDFImpl for RegexpMatch {
    fn name(&self) -> &str {
        "regexp_match"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments.len() {
            2 | 3 => Ok(vec![DataType::Utf8; arguments.len()]),
            _ => plan_err!("`regexp_match` takes a text, a pattern and flags"),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        let item = Field::new_list_field(DataType::Utf8, true);
        Ok(DataType::List(Arc::new(item)))
    }

    /// The flags are in the pattern already.
    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, patterns, ..] = arguments.args.as_slice() else {
            return plan_err!("`regexp_match` takes a text and a pattern");
        };
        let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let rows = match is_constant(texts) && is_constant(patterns) {
            true => 1,
            false => arguments.number_rows,
        };
        let one_pattern = is_constant(patterns);
        let texts = cast(&texts.to_array(rows)?, &DataType::Utf8)?;
        let patterns = patterns.to_array(if one_pattern { 1 } else { rows })?;
        let patterns = cast(&patterns, &DataType::Utf8)?;
        let patterns = patterns.as_string::<i32>();
        let mut known: HashMap<&str, Regex> = HashMap::new();
        let mut matches = ListBuilder::new(StringBuilder::new());
        for (row, text) in texts.as_string::<i32>().iter().enumerate() {
            let pattern_row = if one_pattern { 0 } else { row };
            let (Some(text), true) = (text, patterns.is_valid(pattern_row)) else {
                matches.append_null();
                continue;
            };
            let pattern = patterns.value(pattern_row);
            if !known.contains_key(pattern) {
                let regex = Regex::new(pattern).map_err(|error| {
                    ValueError::new(format!("'{pattern}' is not a regular expression: {error}"))
                })?;
                known.insert(pattern, regex);
            }
            let Some(found) = known.get(pattern).and_then(|regex| regex.captures(text)) else {
                matches.append_null();
                continue;
            };
            // Without groups, the match itself.
            let skipped = usize::from(found.len() > 1);
            for group in found.iter().skip(skipped) {
                matches
                    .values()
                    .append_option(group.map(|group| group.as_str()));
            }
            matches.append(true);
        }
        let matches: ArrayRef = Arc::new(matches.finish());
        Ok(match is_constant(&arguments.args[0]) && one_pattern {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&matches, 0)?),
            false => ColumnarValue::Array(matches),
        })
    }
}
