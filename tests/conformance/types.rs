//! Every Arrow type through `echo`: it comes back as it went, or is refused when it is opened, in the same words in each language.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use transom_plugin::{End, Error, GuestErrorKind, Instance, border_type};

use crate::arrays::{Nulls, Numbers, array, leaf_types, nested_types};
use crate::guest::{Language, Tests, run};

/// Tests by name.
pub(crate) const TESTS: Tests = &[
    (
        "every type comes back as it went or is refused by name",
        every_type,
    ),
    ("floats keep their bits", floats),
    ("texts may be large", large_texts),
];

/// Types that authors of every language meet; none may refuse them.
fn everyday_types() -> Vec<DataType> {
    use DataType::*;
    vec![
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float32,
        Float64,
        Utf8,
        Binary,
        Date32,
        Time64(TimeUnit::Microsecond),
        Timestamp(TimeUnit::Second, None),
        Timestamp(TimeUnit::Millisecond, None),
        Timestamp(TimeUnit::Microsecond, None),
        Timestamp(TimeUnit::Nanosecond, None),
        Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Duration(TimeUnit::Microsecond),
        Decimal128(10, 2),
        Decimal128(38, 38),
    ]
}

fn echo(instance: &mut Instance, column: ArrayRef) -> Result<Vec<ArrayRef>, Error> {
    let batch = RecordBatch::try_from_iter_with_nullable([("v", column, true)]).unwrap();
    let opened = instance.open_transform("echo", &batch.schema(), "{}")?;
    let ran = run(instance, &opened, &[batch], End::Input)?;
    instance.close_transform(opened)?;
    let columns = ran.batches.iter();
    Ok(columns.map(|batch| Arc::clone(batch.column(0))).collect())
}

fn every_type(language: Language) {
    let mut instance = language.instance();
    let mut numbers = Numbers(7);
    let mut types = everyday_types();
    types.extend(leaf_types());
    types.extend(nested_types(&DataType::Int64));
    types.extend(nested_types(&DataType::Utf8));
    let mut refused = Vec::new();
    'types: for data_type in &types {
        // What the border itself turns into another type comes back as that.
        let border = border_type(data_type).unwrap_or_else(|| data_type.clone());
        for nulls in [Nulls::None, Nulls::Bitmap, Nulls::Some, Nulls::All] {
            for rows in [0, 1, 77] {
                let whole = array(&mut numbers, data_type, rows + 9, nulls);
                // Sliced at a place that is no multiple of a byte of validity.
                for column in [whole.slice(3, rows), whole.slice(0, rows)] {
                    let expected = arrow::compute::cast(&column, &border).unwrap();
                    match echo(&mut instance, column) {
                        Ok(columns) => {
                            let columns: Vec<&dyn Array> =
                                columns.iter().map(AsRef::as_ref).collect();
                            let rows_back: usize = columns.iter().map(|c| c.len()).sum();
                            assert_eq!(rows_back, rows, "{data_type}");
                            if !columns.is_empty() {
                                let back = arrow::compute::concat(&columns).unwrap();
                                let cast = arrow::compute::cast(&back, &border).unwrap();
                                assert_eq!(&cast, &expected, "{data_type}");
                            }
                        }
                        // Python's dates and times end where the year 9999 does.
                        Err(error) if language == Language::Python && is_out_of_range(&error) => {
                            continue 'types;
                        }
                        Err(error) => {
                            check_refusal(&error, language, data_type);
                            refused.push(data_type.clone());
                            continue 'types;
                        }
                    }
                }
            }
        }
    }
    let everyday = everyday_types();
    let lacking: Vec<_> = refused
        .iter()
        .filter(|refused| everyday.contains(refused))
        .collect();
    assert!(lacking.is_empty(), "{language} lacks {lacking:?}");
    if language == Language::Rust {
        assert_eq!(refused, [], "Rust has Arrow's own arrays");
    }
}

fn is_out_of_range(error: &Error) -> bool {
    matches!(error, Error::Guest { error, .. }
        if error.kind == GuestErrorKind::BadData && error.message.contains("is out of the range of"))
}

fn check_refusal(error: &Error, language: Language, data_type: &DataType) {
    let Error::Guest { error, .. } = error else {
        panic!("{data_type}: {error:?}");
    };
    assert_eq!(error.kind, GuestErrorKind::Config, "{data_type}: {error}");
    assert_eq!(error.column, Some(0), "{data_type}: {error}");
    let name = match language {
        Language::Rust => "Rust",
        Language::Go => "Go",
        Language::Python => "Python",
    };
    let message = &error.message;
    assert!(
        message.starts_with("column `v` has type ")
            && message.ends_with(&format!(", which a plugin in {name} cannot read")),
        "{data_type}: {message}"
    );
}

fn floats(language: Language) {
    let bits = [
        f64::NAN.to_bits(),
        // Another NaN, with a payload and a sign.
        0xfff8_0000_dead_beef,
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        (-0.0_f64).to_bits(),
        5e-324_f64.to_bits(),
    ];
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values(bits.map(f64::from_bits)));
    let back = echo(&mut language.instance(), column).unwrap();
    let back = back[0].as_any().downcast_ref::<Float64Array>().unwrap();
    let back: Vec<u64> = back.values().iter().map(|value| value.to_bits()).collect();
    assert_eq!(back, bits);
}

fn large_texts(language: Language) {
    let megabytes = "é".repeat(2 << 20);
    let texts = [Some(megabytes.as_str()), None, Some(""), Some("end")];
    let column: ArrayRef = Arc::new(StringArray::from_iter(texts));
    let back = echo(&mut language.instance(), Arc::clone(&column)).unwrap();
    assert_eq!(&back[0], &column);
}
