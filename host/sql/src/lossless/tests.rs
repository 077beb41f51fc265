use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int8Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn nanos() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, None)
}

/// The row that is lost, or that none is.
fn lost(array: &ArrayRef, to: &DataType) -> Option<usize> {
    cast(array, to).err().map(|loss| loss.row)
}

#[test]
fn a_list_view_is_a_list() {
    let values = [
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(300)]),
    ];
    let list = array(ListArray::from_iter_primitive::<Int64Type, _, _>(values));
    let item = |data_type| Arc::new(Field::new_list_field(data_type, true));
    for view in [
        DataType::ListView(item(DataType::Int64)),
        DataType::LargeListView(item(DataType::Int64)),
    ] {
        let view = cast_with_options(&list, &view, &strict()).unwrap();
        assert_eq!(fit(view.data_type(), list.data_type()), Some(Fit::Always));
        assert_eq!(&cast(&view, list.data_type()).unwrap(), &list);
        assert_eq!(
            lost(&view, &DataType::LargeList(item(DataType::Int8))),
            Some(3)
        );
    }
}

#[test]
fn a_value_that_would_change_is_named_with_its_row() {
    let two_to_53 = 9_007_199_254_740_992_i64;
    let decimals = |values: Vec<i128>, precision, scale| {
        let decimals = Decimal128Array::from(values);
        array(decimals.with_precision_and_scale(precision, scale).unwrap())
    };
    for (given, to, row) in [
        // Digits after the point.
        (
            array(Float64Array::from(vec![1.0, 1.5])),
            DataType::Int64,
            1,
        ),
        (
            decimals(vec![150, 155], 10, 2),
            DataType::Decimal128(10, 1),
            1,
        ),
        (decimals(vec![100, 150], 10, 2), DataType::Int64, 1),
        // Digits before it.
        (
            array(Int64Array::from(vec![1, 5_000_000_000])),
            DataType::Int32,
            1,
        ),
        (array(Int32Array::from(vec![127, 128])), DataType::Int8, 1),
        (array(Int64Array::from(vec![0, -1])), DataType::UInt64, 1),
        (
            array(UInt64Array::from(vec![0, u64::MAX])),
            DataType::Int64,
            1,
        ),
        (
            array(Int64Array::from(vec![two_to_53, two_to_53 + 1])),
            DataType::Float64,
            1,
        ),
        (
            array(Int64Array::from(vec![0, i64::MAX])),
            DataType::Float64,
            1,
        ),
        (
            array(Int64Array::from(vec![99, 100])),
            DataType::Decimal128(2, 0),
            1,
        ),
        (
            array(Float64Array::from(vec![0.5, 0.1])),
            DataType::Float32,
            1,
        ),
        (
            array(Float64Array::from(vec![1.0, 1e300])),
            DataType::Float32,
            1,
        ),
        (
            array(Float64Array::from(vec![1.0, f64::NAN])),
            DataType::Int64,
            1,
        ),
        (
            array(Float64Array::from(vec![0.1, 0.125])),
            DataType::Decimal128(10, 2),
            1,
        ),
        // Time.
        (
            array(TimestampMicrosecondArray::from(vec![0, 1])),
            DataType::Date32,
            1,
        ),
        (
            array(TimestampMicrosecondArray::from(vec![0, -1])),
            DataType::Date32,
            1,
        ),
        (
            array(TimestampNanosecondArray::from(vec![1_000, 1_001])),
            micros(),
            1,
        ),
        (
            array(TimestampNanosecondArray::from(vec![-1_000, -1])),
            micros(),
            1,
        ),
        // 9999-12-31 is beyond what nanoseconds reach, the last day beyond what microseconds do.
        (
            array(TimestampMicrosecondArray::from(vec![
                0,
                253_402_214_400_000_000,
            ])),
            nanos(),
            1,
        ),
        (array(Date32Array::from(vec![0, 2_932_896])), nanos(), 1),
        (array(Date32Array::from(vec![0, i32::MAX])), micros(), 1),
        // Bytes.
        (
            array(BinaryArray::from(vec![&b"Ann"[..], b"Z\xfcrich"])),
            DataType::Utf8,
            1,
        ),
        // No counterpart at all, but for NULL.
        (
            array(StringArray::from(vec![None, Some("1")])),
            DataType::Int64,
            1,
        ),
        (
            array(BooleanArray::from(vec![None, Some(true)])),
            DataType::Int64,
            1,
        ),
        (
            array(TimestampMicrosecondArray::from(vec![None, Some(0)])),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            1,
        ),
    ] {
        assert_eq!(
            lost(&given, &to),
            Some(row),
            "{} -> {to}",
            given.data_type()
        );
        let kept = cast(&given.slice(0, row), &to);
        assert_eq!(kept.map(|kept| kept.data_type().clone()), Ok(to));
    }
}

/// Decimals of 38 digits, 18 of them behind the point.
fn decimals(values: Vec<i128>) -> ArrayRef {
    let decimals = Decimal128Array::from(values);
    array(decimals.with_precision_and_scale(38, 18).unwrap())
}

#[test]
fn values_that_fit_are_the_same_afterwards() {
    let text = FixedSizeBinaryArray::try_from_iter([b"Ann", b"Bob"].into_iter()).unwrap();
    for (given, to, expected) in [
        (
            array(Float64Array::from(vec![Some(2.0), Some(-0.0), None])),
            DataType::Int64,
            array(Int64Array::from(vec![Some(2), Some(0), None])),
        ),
        (
            array(Float32Array::from(vec![f32::NAN, f32::INFINITY])),
            DataType::Float64,
            array(Float64Array::from(vec![f64::NAN, f64::INFINITY])),
        ),
        // What a float shows, not what its bits are.
        (
            array(Float64Array::from(vec![1.1, 0.1, 123_456.789])),
            DataType::Decimal128(38, 18),
            decimals(vec![
                1_100_000_000_000_000_000,
                100_000_000_000_000_000,
                123_456_789_000_000_000_000_000,
            ]),
        ),
        (
            array(Float32Array::from(vec![1.1, 16_777_216.0])),
            DataType::Decimal128(38, 18),
            decimals(vec![
                1_100_000_000_000_000_000,
                16_777_216_000_000_000_000_000_000,
            ]),
        ),
        (
            array(Date32Array::from(vec![2_932_896, -719_162])),
            micros(),
            array(TimestampMicrosecondArray::from(vec![
                253_402_214_400_000_000,
                -62_135_596_800_000_000,
            ])),
        ),
        (
            array(text),
            DataType::Utf8,
            array(StringArray::from(vec!["Ann", "Bob"])),
        ),
    ] {
        assert_eq!(&cast(&given, &to).unwrap(), &expected);
    }
}

#[test]
fn dictionaries_and_views_are_unpacked() {
    let text = array(StringArray::from(vec![Some("a"), None, Some("a")]));
    let packed = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    for packed in [packed, DataType::Utf8View, DataType::LargeUtf8] {
        let given = arrow::compute::cast(&text, &packed).unwrap();
        assert_eq!(&cast(&given, &DataType::Utf8).unwrap(), &text);
    }
}

#[test]
fn nested_values_are_looked_at_and_named_by_the_row_that_holds_them() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1)]),
        None,
        Some(vec![]),
        Some(vec![Some(2), None, Some(300)]),
    ]);
    let small = |data_type| DataType::List(Arc::new(Field::new("item", data_type, true)));
    let given = array(list);
    let loss = cast(&given, &small(DataType::Int8)).unwrap_err();
    assert_eq!((loss.row, loss.value.as_str()), (3, "300"));
    assert_eq!(lost(&given.slice(3, 1), &small(DataType::Int8)), Some(0));
    assert_eq!(lost(&given.slice(0, 3), &small(DataType::Int8)), None);

    let fields: Fields = vec![Field::new("n", DataType::Int64, true)].into();
    let rows = array(Int64Array::from(vec![Some(1), Some(300)]));
    let given = array(StructArray::new(
        fields,
        vec![rows],
        Some(vec![true, false].into()),
    ));
    let to = DataType::Struct(
        vec![
            Field::new("more", DataType::Utf8, true),
            Field::new("n", DataType::Int8, true),
        ]
        .into(),
    );
    let cast = cast(&given, &to).unwrap();
    assert_eq!(
        cast.as_struct().column(1).as_ref(),
        &Int8Array::from(vec![Some(1), None]),
        "what a NULL holds is no value"
    );
    assert_eq!(
        fit(&to, given.data_type()),
        None,
        "a field would be dropped"
    );
}

#[test]
fn values_outside_of_all_lists_do_not_count() {
    let values = array(Int64Array::from(vec![300, 1, 300, 2]));
    let offsets = OffsetBuffer::new(vec![1, 2, 3, 4].into());
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let nulls = Some(NullBuffer::from(vec![true, false, true]));
    let given = array(ListArray::new(item, offsets, values, nulls));
    let to = DataType::List(Arc::new(Field::new("item", DataType::Int8, true)));
    let cast = cast(&given, &to).unwrap();
    assert_eq!(
        cast.as_list::<i32>().value(2).as_ref(),
        &Int8Array::from(vec![2])
    );
    assert!(cast.is_null(1));
}

#[test]
fn the_common_type_holds_both() {
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let zone = |unit, zone: &str| DataType::Timestamp(unit, Some(zone.into()));
    for (a, b, expected) in [
        (DataType::Int32, DataType::Int64, Some(DataType::Int64)),
        (DataType::UInt32, DataType::Int32, Some(DataType::Int64)),
        (
            DataType::UInt64,
            DataType::Int64,
            Some(DataType::Decimal128(20, 0)),
        ),
        (DataType::Int64, DataType::Float32, Some(DataType::Float64)),
        (DataType::Int8, DataType::Float32, Some(DataType::Float32)),
        (
            DataType::Decimal128(10, 2),
            DataType::Decimal128(10, 4),
            Some(DataType::Decimal128(12, 4)),
        ),
        (
            DataType::Decimal128(10, 2),
            DataType::Int64,
            Some(DataType::Decimal128(21, 2)),
        ),
        (
            DataType::Decimal128(38, 0),
            DataType::Decimal128(38, 10),
            Some(DataType::Decimal128(38, 10)),
        ),
        (DataType::Decimal128(10, 2), DataType::Float64, None),
        (micros(), nanos(), Some(nanos())),
        (micros(), zone(TimeUnit::Microsecond, "UTC"), None),
        (
            zone(TimeUnit::Millisecond, "Europe/Berlin"),
            zone(TimeUnit::Microsecond, "UTC"),
            Some(zone(TimeUnit::Microsecond, "UTC")),
        ),
        (DataType::Date32, micros(), Some(micros())),
        (
            DataType::LargeUtf8,
            DataType::Utf8View,
            Some(DataType::Utf8),
        ),
        (DataType::Null, DataType::Date32, Some(DataType::Date32)),
        (DataType::Utf8, DataType::Int64, None),
        (DataType::Boolean, DataType::Int64, None),
        (
            DataType::List(item(DataType::Int32)),
            DataType::LargeList(item(DataType::Int64)),
            Some(DataType::List(item(DataType::Int64))),
        ),
    ] {
        assert_eq!(common(&a, &b), expected, "{a} and {b}");
        if let Some(common) = expected {
            assert!(
                fit(&a, &common).is_some() && fit(&b, &common).is_some(),
                "{a}, {b} in {common}"
            );
        }
    }
}

#[test]
fn common_structs_have_the_fields_of_both() {
    let fields = |names: &[(&str, DataType, bool)]| {
        let field = |(name, data_type, nullable): &(&str, DataType, bool)| {
            Field::new(*name, data_type.clone(), *nullable)
        };
        DataType::Struct(names.iter().map(field).collect())
    };
    let a = fields(&[("a", DataType::Int32, false), ("b", DataType::Utf8, false)]);
    let b = fields(&[
        ("c", DataType::Date32, false),
        ("a", DataType::Int64, false),
    ]);
    let both = fields(&[
        ("a", DataType::Int64, false),
        ("b", DataType::Utf8, true),
        ("c", DataType::Date32, true),
    ]);
    assert_eq!(common(&a, &b), Some(both));
}

proptest! {
    /// What comes out of a cast that is allowed reads, as text, as what went in.
    #[test]
    fn whole_numbers_keep_their_digits(values in proptest::collection::vec(any::<i64>(), 0..20)) {
        let given = array(Int64Array::from(values.clone()));
        for to in [DataType::Int8, DataType::Int32, DataType::UInt64, DataType::Float64, DataType::Decimal128(12, 0)] {
            if let Ok(cast) = cast(&given, &to) {
                let digits = arrow::compute::cast(&cast, &DataType::Decimal128(38, 0)).unwrap();
                let expected = arrow::compute::cast(&given, &DataType::Decimal128(38, 0)).unwrap();
                prop_assert_eq!(&digits, &expected);
            }
        }
    }
}

#[test]
fn a_batch_of_no_rows_casts_to_anything() {
    let given = array(StringArray::from(Vec::<&str>::new()));
    let cast = cast(&given, &DataType::Int64).unwrap();
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![Field::new(
        "n",
        DataType::Int64,
        true,
    )]));
    assert_eq!(
        RecordBatch::try_new(schema, vec![cast]).unwrap().num_rows(),
        0
    );
}
