//! Every type there and back, whole, sliced and empty.

use super::decode::decode_batch;
use super::encode::encode_batch;
use super::schema::{decode_schema, encode_field};
use crate::bindings::transom::plugin::types::{Batch, Field as WireField};
use arrow_array::builder::{
    FixedSizeBinaryBuilder, FixedSizeListBuilder, Int64Builder, LargeListBuilder, ListBuilder,
    MapBuilder, StringBuilder,
};
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, IntervalDayTime,
    IntervalMonthDayNano, TimestampNanosecondType,
};
use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::{DataType, Field, Fields, Schema};
use std::collections::HashMap;
use std::sync::Arc;

fn encoded_schema(schema: &Schema) -> Vec<WireField> {
    let mut wire = Vec::new();
    for field in schema.fields() {
        encode_field(field, &mut wire).unwrap();
    }
    wire
}

/// Encodes a copy of the batch whose buffers are held nowhere else.
fn encoded(batch: &RecordBatch) -> Batch {
    let names: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let columns = names
        .iter()
        .map(String::as_str)
        .zip(batch.columns().iter().cloned());
    encode_batch(batch.num_rows(), columns).unwrap()
}

fn there_and_back(batch: &RecordBatch) -> RecordBatch {
    let schema = Arc::new(decode_schema(encoded_schema(&batch.schema())).unwrap());
    assert_eq!(schema, batch.schema());
    let decoded = decode_batch(&schema, encoded(batch)).unwrap();
    for column in decoded.columns() {
        column.to_data().validate_full().unwrap();
    }
    decoded
}

/// One column of every type that crosses, 11 rows each with nulls.
fn every_type() -> RecordBatch {
    const ROWS: usize = 11;
    let sparse = |row: usize| row % 3 != 1;
    macro_rules! numbers {
        ($array:ty) => {{
            let values = (0..ROWS).map(|row| sparse(row).then(|| (row as u8 * 11).into()));
            Arc::new(values.collect::<$array>()) as ArrayRef
        }};
    }
    fn seconds<T: types::ArrowPrimitiveType<Native = i64>>() -> PrimitiveArray<T> {
        (0..ROWS as i64)
            .map(|row| (row % 4 != 0).then_some(row * 86_400_000))
            .collect()
    }
    let texts: Vec<Option<String>> = (0..ROWS)
        .map(|row| sparse(row).then(|| "é".repeat(row)))
        .collect();
    let bytes: Vec<Option<&[u8]>> = texts
        .iter()
        .map(|text| text.as_ref().map(|text| text.as_bytes()))
        .collect();

    let mut fixed = FixedSizeBinaryBuilder::new(3);
    let mut list = ListBuilder::new(StringBuilder::new());
    let mut large_list = LargeListBuilder::new(Int64Builder::new());
    let mut pairs = FixedSizeListBuilder::new(Int64Builder::new(), 2);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for row in 0..ROWS {
        if sparse(row) {
            fixed.append_value([row as u8; 3]).unwrap();
        } else {
            fixed.append_null();
        }
        for item in 0..row % 4 {
            list.values()
                .append_option((item != 2).then(|| format!("{row}.{item}")));
            large_list.values().append_value(item as i64);
            map.keys().append_value(format!("k{item}"));
            map.values()
                .append_option((item != 1).then_some(row as i64));
        }
        list.append(sparse(row));
        large_list.append(sparse(row));
        map.append(sparse(row)).unwrap();
        pairs.values().append_value(row as i64);
        pairs.values().append_null();
        pairs.append(sparse(row));
    }
    let inner = Fields::from(vec![
        Field::new("number", DataType::Int32, true),
        Field::new("flag", DataType::Boolean, true),
    ]);
    let flags: BooleanArray = (0..ROWS)
        .map(|row| sparse(row).then_some(row % 2 == 0))
        .collect();
    let structs = StructArray::new(
        inner,
        vec![numbers!(Int32Array), Arc::new(flags.clone())],
        Some((0..ROWS).map(|row| row != 4).collect::<Vec<bool>>().into()),
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("null", Arc::new(NullArray::new(ROWS))),
        ("bool", Arc::new(flags)),
        (
            "int8",
            Arc::new(
                (0..ROWS)
                    .map(|row| sparse(row).then_some(row as i8 - 5))
                    .collect::<Int8Array>(),
            ),
        ),
        ("int16", numbers!(Int16Array)),
        ("int32", numbers!(Int32Array)),
        ("int64", numbers!(Int64Array)),
        ("uint8", numbers!(UInt8Array)),
        ("uint16", numbers!(UInt16Array)),
        ("uint32", numbers!(UInt32Array)),
        ("uint64", numbers!(UInt64Array)),
        (
            "float16",
            Arc::new(PrimitiveArray::<Float16Type>::new_null(ROWS)),
        ),
        ("float32", numbers!(Float32Array)),
        ("float64", numbers!(Float64Array)),
        ("utf8", Arc::new(StringArray::from(texts.clone()))),
        (
            "large_utf8",
            Arc::new(LargeStringArray::from(texts.clone())),
        ),
        ("binary", Arc::new(BinaryArray::from(bytes.clone()))),
        (
            "large_binary",
            Arc::new(LargeBinaryArray::from(bytes.clone())),
        ),
        ("fixed", Arc::new(fixed.finish())),
        ("date32", numbers!(Date32Array)),
        ("date64", Arc::new(seconds::<types::Date64Type>())),
        ("time_s", numbers!(Time32SecondArray)),
        ("time_ms", numbers!(Time32MillisecondArray)),
        ("time_us", numbers!(Time64MicrosecondArray)),
        ("time_ns", numbers!(Time64NanosecondArray)),
        (
            "stamp_s",
            Arc::new(seconds::<types::TimestampSecondType>().with_timezone("UTC")),
        ),
        (
            "stamp_ms",
            Arc::new(seconds::<types::TimestampMillisecondType>().with_timezone("Europe/Berlin")),
        ),
        (
            "stamp_us",
            Arc::new(seconds::<types::TimestampMicrosecondType>()),
        ),
        (
            "stamp_ns",
            Arc::new(seconds::<TimestampNanosecondType>().with_timezone("+01:00")),
        ),
        ("duration_s", numbers!(DurationSecondArray)),
        ("duration_ms", numbers!(DurationMillisecondArray)),
        ("duration_us", numbers!(DurationMicrosecondArray)),
        ("duration_ns", numbers!(DurationNanosecondArray)),
        ("months", numbers!(IntervalYearMonthArray)),
        (
            "day_time",
            Arc::new(IntervalDayTimeArray::from(vec![
                Some(IntervalDayTime::new(
                    3, -4
                ));
                ROWS
            ])),
        ),
        (
            "month_day_nano",
            Arc::new(IntervalMonthDayNanoArray::from(vec![
                Some(
                    IntervalMonthDayNano::new(1, 2, -3)
                );
                ROWS
            ])),
        ),
        (
            "decimal32",
            Arc::new(
                PrimitiveArray::<Decimal32Type>::from(vec![-7; ROWS])
                    .with_data_type(DataType::Decimal32(7, 2)),
            ),
        ),
        (
            "decimal64",
            Arc::new(
                PrimitiveArray::<Decimal64Type>::from(vec![-7; ROWS])
                    .with_data_type(DataType::Decimal64(12, 3)),
            ),
        ),
        (
            "decimal128",
            Arc::new(
                PrimitiveArray::<Decimal128Type>::from(
                    (0..ROWS)
                        .map(|row| sparse(row).then_some(-(row as i128)))
                        .collect::<Vec<_>>(),
                )
                .with_data_type(DataType::Decimal128(38, -3)),
            ),
        ),
        (
            "decimal256",
            Arc::new(
                PrimitiveArray::<Decimal256Type>::from(vec![i256::MINUS_ONE; ROWS])
                    .with_data_type(DataType::Decimal256(50, 4)),
            ),
        ),
        ("list", Arc::new(list.finish())),
        ("large_list", Arc::new(large_list.finish())),
        ("pairs", Arc::new(pairs.finish())),
        ("struct", Arc::new(structs)),
        ("map", Arc::new(map.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

#[test]
fn every_type_comes_back_as_it_went() {
    let batch = every_type();
    assert_eq!(there_and_back(&batch), batch);
}

#[test]
fn every_slice_is_cut() {
    let batch = every_type();
    for start in 0..batch.num_rows() {
        for length in 0..=batch.num_rows() - start {
            let slice = batch.slice(start, length);
            assert_eq!(
                there_and_back(&slice),
                slice,
                "rows {start} to {}",
                start + length
            );
        }
    }
}

#[test]
fn a_slice_crosses_without_the_rest() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![
        "long ".repeat(100),
        "ab".into(),
        "c".into(),
    ]));
    let wire = encode_batch(2, [("texts", texts.slice(1, 2))]).unwrap();
    assert_eq!(
        wire.buffers,
        [
            vec![],
            [0_i32, 2, 3].map(i32::to_le_bytes).concat(),
            b"abc".to_vec()
        ]
    );
}

#[test]
fn a_bitmap_without_nulls_is_left_out() {
    let numbers: ArrayRef = Arc::new(Int8Array::from(vec![None, Some(1), Some(2)]));
    assert_eq!(
        encode_batch(2, [("numbers", numbers.slice(1, 2))])
            .unwrap()
            .buffers,
        [vec![], vec![1, 2]]
    );
    assert_eq!(
        encode_batch(3, [("numbers", numbers)]).unwrap().buffers,
        [vec![0b110], vec![0, 1, 2]]
    );
}

#[test]
fn bytes_that_nobody_else_holds_are_given_away() {
    let bytes = vec![1_u8; 100];
    let at = bytes.as_ptr();
    let column: ArrayRef = Arc::new(UInt8Array::from(bytes));
    let wire = encode_batch(100, [("bytes", column)]).unwrap();
    assert_eq!(wire.buffers[1].as_ptr(), at);
}

#[test]
fn no_rows_and_no_columns_cross() {
    let empty = every_type().slice(0, 0);
    let wire = encoded(&empty);
    assert!(
        wire.nodes
            .iter()
            .all(|node| node.length <= 2 && node.null_count == 0),
        "{:?}",
        wire.nodes
    );
    let schema = empty.schema();
    let mut without_offsets = wire.clone();
    without_offsets.buffers.iter_mut().for_each(Vec::clear);
    assert_eq!(decode_batch(&schema, without_offsets).unwrap(), empty);

    let none = encode_batch(5, []).unwrap();
    let decoded = decode_batch(&Arc::new(Schema::empty()), none).unwrap();
    assert_eq!((decoded.num_rows(), decoded.num_columns()), (5, 0));
}

#[test]
fn metadata_and_nullability_are_kept() {
    let item = Field::new("item", DataType::Int64, false).with_metadata(HashMap::from([
        ("b".to_owned(), "2".to_owned()),
        ("a".to_owned(), "1".to_owned()),
    ]));
    let schema = Schema::new(vec![Field::new(
        "list",
        DataType::List(Arc::new(item)),
        false,
    )]);
    let wire = encoded_schema(&schema);
    assert_eq!(wire[0].format, "+l");
    assert_eq!(
        wire[1].metadata,
        [
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "2".to_owned())
        ]
    );
    assert_eq!(decode_schema(wire).unwrap(), schema);
}

#[test]
fn types_that_do_not_cross_are_named_with_the_way_out() {
    let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
    let error = encode_batch(1, [("carrier", views)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the column `carrier` is of type Utf8View, which cannot cross to the host: cast it to Utf8"
    );
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let error =
        encode_field(&Field::new("carrier", dictionary, true), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().ends_with("cast it to Utf8"), "{error}");
}

#[test]
fn a_host_that_breaks_the_contract_gets_an_error() {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
    let nothing = Batch {
        rows: 1,
        nodes: Vec::new(),
        buffers: Vec::new(),
    };
    assert_eq!(
        decode_batch(&schema, nothing).unwrap_err().to_string(),
        "the host sent too few nodes"
    );
    let field = |format: &str| WireField {
        name: "a".to_owned(),
        format: format.to_owned(),
        nullable: true,
        metadata: Vec::new(),
        children: 0,
    };
    for format in ["", "x", "w:", "d:1", "ts", "tsx:", "+l", "+w:2"] {
        assert!(
            decode_schema(vec![field(format)]).is_err(),
            "`{format}` was taken"
        );
    }
}
