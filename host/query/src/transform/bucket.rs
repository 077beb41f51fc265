//! Which bucket of a transform's state a row belongs to.
//!
//! State lies in buckets from one slice to the next, for years and whatever program reads it. So the bucket of a key is defined here,
//! byte by byte, and never by a hash of a library that may change:
//!
//! ```text
//! bucket = XXH64(key, seed 0) modulo the number of buckets
//! key    = its columns one after another, in the order of `partition_by`
//! column = 00          for NULL
//!        | 01 value
//! value  = 1 byte      bool: 00 or 01
//!        | 16 bytes    whole numbers, of any width
//!        | 32 bytes    decimals: all digits as a whole number
//!        | 8 bytes     floats, as float64; there is one zero and one NaN
//!        | 8 bytes     dates: days since 1970; times, timestamps and durations: a whole number of their unit
//!        | 8 bytes n, then n bytes    text and binary
//! ```
//!
//! Numbers are little-endian, whole numbers in two's complement. How a column is stored (its width of offsets, views, dictionaries) makes
//! no difference.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float64Type, Int64Type, Schema,
};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use transom_sql::type_name;
use twox_hash::XxHash64;

/// How many buckets a new state of a step with `partition_by` has. A state that was saved keeps the number that it has.
pub const BUCKETS: u32 = 16;

/// What a key column of this type is encoded as, for the record of a state; none if no bucket can be told of it.
#[must_use]
pub fn key_type(data_type: &DataType) -> Option<String> {
    Some(match values(data_type) {
        integer if integer.is_integer() => "integer".to_owned(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "float".to_owned(),
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => format!("decimal with {scale} digits after the point"),
        DataType::FixedSizeBinary(_) => "binary".to_owned(),
        simple @ (DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(_, _)
        | DataType::Duration(_)) => type_name(simple),
        _ => return None,
    })
}

/// The type of the values, however they are stored.
fn values(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, of) => values(of),
        DataType::RunEndEncoded(_, of) => values(of.data_type()),
        plain => plain,
    }
}

/// The bucket of each row, by its key.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BucketOf {
    pub(super) keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) buckets: u32,
}

impl BucketOf {
    /// The bucket of the first row of a batch that is sorted by bucket, and how many rows it has there.
    pub(super) fn first(&self, batch: &RecordBatch) -> Result<(u32, usize)> {
        let buckets = self.of(batch)?;
        let Some(&first) = buckets.values().first() else {
            return internal_err!("a batch without rows has no bucket");
        };
        let rows = buckets.values().iter().take_while(|next| **next == first);
        Ok((first, rows.count()))
    }

    fn of(&self, batch: &RecordBatch) -> Result<UInt32Array> {
        let columns = self.keys.iter();
        let columns = columns.map(|key| key.evaluate(batch)?.into_array(batch.num_rows()));
        buckets(
            &columns.collect::<Result<Vec<_>>>()?,
            batch.num_rows(),
            self.buckets,
        )
    }
}

impl fmt::Display for BucketOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "bucket({})", keys.join(", "))
    }
}

impl PhysicalExpr for BucketOf {
    fn return_field(&self, _input: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("bucket", DataType::UInt32, false)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Array(Arc::new(self.of(batch)?)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.keys.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        keys: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let buckets = self.buckets;
        Ok(Arc::new(Self { keys, buckets }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bucket of each row of these columns, of so many buckets.
fn buckets(columns: &[ArrayRef], rows: usize, buckets: u32) -> Result<UInt32Array> {
    let columns = columns.iter().map(KeyColumn::new);
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let mut key = Vec::new();
    let bucket = |row: usize| {
        key.clear();
        columns
            .iter()
            .for_each(|column| column.append(row, &mut key));
        let bucket = XxHash64::oneshot(0, &key) % u64::from(buckets);
        u32::try_from(bucket).unwrap_or_default()
    };
    Ok((0..rows).map(bucket).collect::<Vec<u32>>().into())
}

/// Appends the value of a row, as it is encoded.
type Append = Box<dyn Fn(usize, &mut Vec<u8>)>;

/// A column of a key.
struct KeyColumn {
    nulls: Option<NullBuffer>,
    /// Appends the value of a row that is not NULL.
    value: Append,
}

impl KeyColumn {
    fn new(column: &ArrayRef) -> Result<Self> {
        let column = match values(column.data_type()) {
            plain if plain == column.data_type() => Arc::clone(column),
            plain => cast(column, plain)?,
        };
        Ok(Self {
            nulls: column.logical_nulls(),
            value: value(&column)?,
        })
    }

    fn append(&self, row: usize, key: &mut Vec<u8>) {
        let is_null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        key.push(u8::from(!is_null));
        if !is_null {
            (self.value)(row, key);
        }
    }
}

fn value(column: &ArrayRef) -> Result<Append> {
    let to = |data_type: DataType| cast(column, &data_type);
    Ok(match column.data_type() {
        DataType::Null => Box::new(|_, _| {}),
        DataType::Boolean => {
            let values = column.as_boolean().clone();
            Box::new(move |row, key| key.push(u8::from(values.value(row))))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let values = to(DataType::LargeUtf8)?.as_string::<i64>().clone();
            Box::new(move |row, key| append_sized(key, values.value(row).as_bytes()))
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => {
            let values = to(DataType::LargeBinary)?.as_binary::<i64>().clone();
            Box::new(move |row, key| append_sized(key, values.value(row)))
        }
        integer if integer.is_integer() => {
            let values = to(DataType::Decimal128(38, 0))?;
            let values = values.as_primitive::<Decimal128Type>().clone();
            Box::new(move |row, key| key.extend(values.value(row).to_le_bytes()))
        }
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            let values = to(DataType::Decimal256(76, *scale))?;
            let values = values.as_primitive::<Decimal256Type>().clone();
            Box::new(move |row, key| key.extend(values.value(row).to_le_bytes()))
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let values = to(DataType::Float64)?.as_primitive::<Float64Type>().clone();
            let one = |value: f64| match value {
                nan if nan.is_nan() => f64::NAN,
                0.0 => 0.0,
                other => other,
            };
            Box::new(move |row, key| key.extend(one(values.value(row)).to_le_bytes()))
        }
        DataType::Date64 => number(&to(DataType::Date32)?)?,
        DataType::Date32
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(_, _)
        | DataType::Duration(_) => number(column)?,
        // `key_type` has refused it while the pipeline was checked.
        other => return internal_err!("a key of {} has no bucket", type_name(other)),
    })
}

/// Dates, times and durations: the number that they are.
fn number(column: &ArrayRef) -> Result<Append> {
    let values = cast(column, &DataType::Int64)?;
    let values = values.as_primitive::<Int64Type>().clone();
    Ok(Box::new(move |row, key| {
        key.extend(values.value(row).to_le_bytes());
    }))
}

fn append_sized(key: &mut Vec<u8>, bytes: &[u8]) {
    key.extend((bytes.len() as u64).to_le_bytes());
    key.extend(bytes);
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray,
        Float32Array, Float64Array, Int8Array, Int64Array, LargeStringArray, NullArray,
        StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn of(columns: &[ArrayRef]) -> Vec<u32> {
        let found = buckets(columns, columns[0].len(), BUCKETS).unwrap();
        found.values().to_vec()
    }

    /// Computed by another program, from the description above: they never change.
    #[test]
    fn a_key_has_its_bucket_for_ever() {
        let texts = [
            Some("a"),
            Some("b"),
            Some(""),
            Some("Zoë"),
            None,
            Some("a longer key than thirty-two bytes has"),
        ];
        let expected = [11, 1, 6, 10, 8, 13];
        let text: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        assert_eq!(of(&[Arc::clone(&text)]), expected);
        assert_eq!(
            of(&[Arc::new(LargeStringArray::from(texts.to_vec()))]),
            expected
        );
        assert_eq!(
            of(&[Arc::new(StringViewArray::from(texts.to_vec()))]),
            expected
        );
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        assert_eq!(of(&[Arc::new(dictionary)]), expected);
        let bytes = texts.map(|text| text.map(str::as_bytes));
        assert_eq!(of(&[Arc::new(BinaryArray::from(bytes.to_vec()))]), expected);
        // A part of a column is the column's rows.
        assert_eq!(of(&[text.slice(2, 3)]), expected[2..5]);

        let numbers = [Some(0), Some(1), Some(-1), Some(16), Some(i64::MAX), None];
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
        assert_eq!(of(&[numbers]), [9, 13, 10, 11, 4, 8]);
        let narrow: ArrayRef = Arc::new(Int8Array::from(vec![0, 1, -1, 16]));
        assert_eq!(of(&[narrow]), [9, 13, 10, 11]);
        assert_eq!(of(&[Arc::new(UInt64Array::from(vec![u64::MAX]))]), [15]);

        let decimals = Decimal128Array::from(vec![Some(150), Some(-150), None]);
        let decimals = decimals.with_precision_and_scale(9, 2).unwrap();
        assert_eq!(of(&[Arc::new(decimals)]), [12, 4, 8]);
        let floats = vec![Some(0.0), Some(-0.0), Some(1.5), Some(-f64::NAN), None];
        assert_eq!(of(&[Arc::new(Float64Array::from(floats))]), [6, 6, 0, 6, 8]);
        assert_eq!(of(&[Arc::new(Float32Array::from(vec![1.5, -1.5]))]), [0, 6]);

        assert_eq!(
            of(&[Arc::new(Date32Array::from(vec![0, 19_723, -1]))]),
            [6, 12, 6]
        );
        let milliseconds = vec![0, 19_723 * 86_400_000, -86_400_000];
        assert_eq!(of(&[Arc::new(Date64Array::from(milliseconds))]), [6, 12, 6]);
        let time = TimestampMicrosecondArray::from(vec![1_700_000_000_000_000]);
        assert_eq!(of(&[Arc::new(time.with_timezone("UTC"))]), [4]);
        let truths = BooleanArray::from(vec![Some(true), Some(false), None]);
        assert_eq!(of(&[Arc::new(truths)]), [10, 1, 8]);
        assert_eq!(of(&[Arc::new(NullArray::new(1))]), [8]);

        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("a"), None]));
        let number: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1), None, None]));
        assert_eq!(of(&[text, number]), [5, 5, 9, 1]);
    }

    #[test]
    fn a_type_is_recorded_as_it_is_encoded() {
        let same = |one: DataType, other: DataType| {
            assert_eq!(key_type(&one).unwrap(), key_type(&other).unwrap());
        };
        same(DataType::Utf8, DataType::LargeUtf8);
        let dictionary = DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into());
        same(DataType::Utf8View, dictionary);
        same(DataType::Int8, DataType::UInt64);
        same(DataType::Decimal32(5, 2), DataType::Decimal256(50, 2));
        same(DataType::FixedSizeBinary(4), DataType::Binary);
        let list = DataType::new_list(DataType::Utf8, true);
        assert_eq!(key_type(&list), None);
    }
}
