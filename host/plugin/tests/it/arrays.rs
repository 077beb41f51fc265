//! Arrays of any type, made from a number: the same number gives the same array, so a failed case can be run again.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayDataBuilder, ArrayRef, BinaryViewArray, BooleanArray,
    FixedSizeBinaryArray, GenericBinaryArray, GenericStringArray, OffsetSizeTrait, StringViewArray,
    make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit, i256};
use transom_plugin::border_type;

/// A small generator of numbers (SplitMix64): the arrays need variety, not randomness.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// How many of an array's values are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// None, and there is no validity bitmap.
    None,
    /// None, but there is a validity bitmap.
    Bitmap,
    /// About half.
    Some,
    /// All.
    All,
}

impl Nulls {
    fn buffer(self, numbers: &mut Numbers, rows: usize) -> Option<NullBuffer> {
        match self {
            Self::None => None,
            Self::Bitmap => Some(NullBuffer::new_valid(rows)),
            Self::Some => Some((0..rows).map(|_| numbers.flip()).collect()),
            Self::All => Some(NullBuffer::new_null(rows)),
        }
    }
}

/// Every type without children, with each of its units and parameters of different sizes.
pub(crate) fn leaf_types() -> Vec<DataType> {
    use DataType::*;
    let units = [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ];
    let mut types = vec![
        Null,
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Utf8,
        LargeUtf8,
        Utf8View,
        Binary,
        LargeBinary,
        BinaryView,
        FixedSizeBinary(1),
        FixedSizeBinary(16),
        Date32,
        Date64,
        Time32(TimeUnit::Second),
        Time32(TimeUnit::Millisecond),
        Time64(TimeUnit::Microsecond),
        Time64(TimeUnit::Nanosecond),
        Interval(IntervalUnit::YearMonth),
        Interval(IntervalUnit::DayTime),
        Interval(IntervalUnit::MonthDayNano),
        Decimal32(9, 2),
        Decimal64(18, 0),
        Decimal128(1, 0),
        Decimal128(10, 2),
        Decimal128(38, 38),
        Decimal128(5, -2),
        Decimal256(40, 38),
        Decimal256(76, 0),
    ];
    for unit in units {
        types.push(Duration(unit));
        for zone in [None, Some("UTC"), Some("+02:00"), Some("Europe/Berlin")] {
            types.push(Timestamp(unit, zone.map(Into::into)));
        }
    }
    for (keys, values) in [
        (Int8, Utf8),
        (UInt16, Utf8View),
        (Int32, Int64),
        (Int64, Decimal128(10, 2)),
        (UInt32, LargeBinary),
    ] {
        types.push(Dictionary(keys.into(), values.into()));
    }
    types
}

fn child(name: &str, data_type: &DataType, nullable: bool) -> FieldRef {
    Arc::new(
        Field::new(name, data_type.clone(), nullable)
            .with_metadata([("of".to_owned(), name.to_owned())].into()),
    )
}

/// Each nested type that has `inner` somewhere within.
pub(crate) fn nested_types(inner: &DataType) -> Vec<DataType> {
    let item = child("item", inner, true);
    let mut types = vec![
        DataType::List(Arc::clone(&item)),
        DataType::LargeList(Arc::clone(&item)),
        DataType::FixedSizeList(Arc::clone(&item), 3),
        DataType::Struct(Fields::from(vec![
            child("a", inner, true),
            child("b", &DataType::Int16, false),
        ])),
        map_of(&DataType::Utf8, inner),
    ];
    // Lists of no items cross only if they need no cast; another test looks at those that do.
    if border_type(inner).as_ref() == Some(inner) {
        types.push(DataType::FixedSizeList(item, 0));
    }
    types
}

/// A map with unsorted keys.
pub(crate) fn map_of(keys: &DataType, values: &DataType) -> DataType {
    let entries = Fields::from(vec![
        child("keys", keys, false),
        child("values", values, true),
    ]);
    DataType::Map(child("entries", &DataType::Struct(entries), false), false)
}

/// An array of `rows` rows. Nulls of children are as many as those of the array itself.
pub(crate) fn array(
    numbers: &mut Numbers,
    data_type: &DataType,
    rows: usize,
    nulls: Nulls,
) -> ArrayRef {
    let validity = nulls.buffer(numbers, rows);
    match data_type {
        DataType::Boolean => {
            let values: BooleanBuffer = (0..rows).map(|_| numbers.flip()).collect();
            Arc::new(BooleanArray::new(values, validity))
        }
        DataType::Utf8 => strings::<i32>(numbers, rows, validity),
        DataType::LargeUtf8 => strings::<i64>(numbers, rows, validity),
        DataType::Binary => binaries::<i32>(numbers, rows, validity),
        DataType::LargeBinary => binaries::<i64>(numbers, rows, validity),
        DataType::Utf8View => {
            let values = StringViewArray::from_iter_values((0..rows).map(|_| text(numbers)));
            let (views, buffers, _) = values.into_parts();
            Arc::new(StringViewArray::new(views, buffers, validity))
        }
        DataType::BinaryView => {
            let values = BinaryViewArray::from_iter_values((0..rows).map(|_| bytes(numbers)));
            let (views, buffers, _) = values.into_parts();
            Arc::new(BinaryViewArray::new(views, buffers, validity))
        }
        DataType::FixedSizeBinary(width) => {
            let bytes: Vec<u8> = (0..rows * *width as usize)
                .map(|_| numbers.next() as u8)
                .collect();
            Arc::new(FixedSizeBinaryArray::new(*width, bytes.into(), validity))
        }
        DataType::Null => make_array(ArrayData::new_null(data_type, rows)),
        nested => {
            let data = ArrayDataBuilder::new(nested.clone())
                .len(rows)
                .nulls(validity);
            let data = with_parts(numbers, data, nested, rows, nulls);
            make_array(data.build().unwrap())
        }
    }
}

/// Adds the buffers and children of the types that have no simpler way.
fn with_parts(
    numbers: &mut Numbers,
    data: ArrayDataBuilder,
    data_type: &DataType,
    rows: usize,
    nulls: Nulls,
) -> ArrayDataBuilder {
    match data_type {
        DataType::List(item) | DataType::Map(item, _) => {
            let offsets = offsets::<i32>(numbers, rows);
            let items = field_data(numbers, item, offsets[rows] as usize, nulls);
            data.add_buffer(offsets.into_inner().into_inner())
                .add_child_data(items)
        }
        DataType::LargeList(item) => {
            let offsets = offsets::<i64>(numbers, rows);
            let items = field_data(numbers, item, offsets[rows] as usize, nulls);
            data.add_buffer(offsets.into_inner().into_inner())
                .add_child_data(items)
        }
        DataType::FixedSizeList(item, size) => {
            let items = field_data(numbers, item, rows * *size as usize, nulls);
            data.add_child_data(items)
        }
        DataType::Struct(fields) => fields.iter().fold(data, |data, field| {
            data.add_child_data(field_data(numbers, field, rows, nulls))
        }),
        DataType::Dictionary(keys, values) => {
            let values = array(numbers, values, 5, nulls);
            let width = keys.primitive_width().unwrap();
            let keys: Vec<u8> = (0..rows)
                .flat_map(|_| (numbers.below(5) as u64).to_le_bytes()[..width].to_vec())
                .collect();
            data.add_buffer(Buffer::from_vec(keys))
                .align_buffers(true)
                .add_child_data(values.to_data())
        }
        fixed => {
            let width = fixed.primitive_width().unwrap();
            let values: Vec<u8> = (0..rows)
                .flat_map(|_| value(numbers, fixed, width))
                .collect();
            data.add_buffer(Buffer::from_vec(values))
                .align_buffers(true)
        }
    }
}

fn field_data(numbers: &mut Numbers, field: &FieldRef, rows: usize, nulls: Nulls) -> ArrayData {
    let nulls = match field.is_nullable() {
        true => nulls,
        false => Nulls::None,
    };
    array(numbers, field.data_type(), rows, nulls).to_data()
}

/// Bytes of one value: any for most types, in range for decimals, times and dates, and often the odd ones for floats.
fn value(numbers: &mut Numbers, data_type: &DataType, width: usize) -> Vec<u8> {
    let digits = |precision: u8| 10_i128.pow(u32::from(precision)) - 1;
    match data_type {
        DataType::Decimal32(precision, _)
        | DataType::Decimal64(precision, _)
        | DataType::Decimal128(precision, _) => {
            let limit = digits(*precision);
            let value = match numbers.below(4) {
                0 => limit,
                1 => -limit,
                _ => i128::from(numbers.next()) * i128::from(numbers.next() >> 2) % (limit + 1),
            };
            value.to_le_bytes()[..width].to_vec()
        }
        DataType::Decimal256(precision, _) => {
            let limit = i256::from_i128(digits(38))
                .wrapping_mul(i256::from_i128(digits(*precision - 38) + 1))
                .wrapping_add(i256::from_i128(digits(*precision - 38)));
            let value = match numbers.below(3) {
                0 => limit,
                1 => limit.wrapping_neg(),
                _ => i256::from_i128(i128::from(numbers.next())),
            };
            value.to_le_bytes().to_vec()
        }
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            let value = numbers.below(86_400 * per_second) as u64;
            value.to_le_bytes()[..width].to_vec()
        }
        DataType::Date64 => {
            let days = i64::from(numbers.next() as i32);
            (days * 86_400_000).to_le_bytes().to_vec()
        }
        DataType::Float32 if numbers.flip() => {
            let odd = [
                f32::NAN,
                f32::INFINITY,
                f32::NEG_INFINITY,
                -0.0,
                f32::MIN_POSITIVE / 2.0,
            ];
            odd[numbers.below(odd.len())].to_le_bytes().to_vec()
        }
        DataType::Float64 if numbers.flip() => {
            let odd = [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -0.0,
                f64::MIN_POSITIVE / 2.0,
            ];
            odd[numbers.below(odd.len())].to_le_bytes().to_vec()
        }
        // NaN and infinity of the half floats.
        DataType::Float16 if numbers.flip() => [0x7e00_u16, 0x7c00, 0xfc00][numbers.below(3)]
            .to_le_bytes()
            .to_vec(),
        _ => (0..width).map(|_| numbers.next() as u8).collect(),
    }
}

fn text(numbers: &mut Numbers) -> String {
    let letters = ["", "a", "ä", "漢", "🚀", "\0", "line\n"];
    (0..numbers.below(6))
        .map(|_| letters[numbers.below(letters.len())])
        .collect()
}

fn bytes(numbers: &mut Numbers) -> Vec<u8> {
    (0..numbers.below(20))
        .map(|_| numbers.next() as u8)
        .collect()
}

/// Missing values have bytes beneath them, as they may.
fn strings<O: OffsetSizeTrait>(
    numbers: &mut Numbers,
    rows: usize,
    validity: Option<NullBuffer>,
) -> ArrayRef {
    let values = GenericStringArray::<O>::from_iter_values((0..rows).map(|_| text(numbers)));
    let (offsets, values, _) = values.into_parts();
    Arc::new(GenericStringArray::new(offsets, values, validity))
}

fn binaries<O: OffsetSizeTrait>(
    numbers: &mut Numbers,
    rows: usize,
    validity: Option<NullBuffer>,
) -> ArrayRef {
    let values = GenericBinaryArray::<O>::from_iter_values((0..rows).map(|_| bytes(numbers)));
    let (offsets, values, _) = values.into_parts();
    Arc::new(GenericBinaryArray::new(offsets, values, validity))
}

fn offsets<O: OffsetSizeTrait>(numbers: &mut Numbers, rows: usize) -> OffsetBuffer<O> {
    OffsetBuffer::from_lengths((0..rows).map(|_| numbers.below(4)))
}
