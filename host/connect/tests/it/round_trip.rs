//! Any table of any types, written and read again: it is the same, or it was refused.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
        Int64Array, ListArray, MapArray, NullArray, PrimitiveArray, RecordBatch, StringArray,
        StructArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::concat_batches,
    datatypes::{
        ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal128Type,
        Decimal256Type, Field, FieldRef, Fields, Float16Type, Float32Type, Float64Type, Int8Type,
        Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Schema, Time32MillisecondType,
        Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
    },
};
use proptest::prelude::*;
use tempfile::tempdir;
use transom_connect::{FileSource, Sink as _, SinkError, WriteProgress};
use transom_file::spec::{Compression, CsvOptions, Format, SinkFormat};
use transom_sql::lossless;

use crate::support::{begin, publish_staged, query, sink, source, stream};

/// Texts that formats tend to lose.
const TEXTS: [&str; 16] = [
    "",
    "a",
    "NA",
    "NULL",
    "null",
    "0",
    "01220",
    "1e3",
    "true",
    " x ",
    "a,b;c",
    "\"q\"",
    "a\r\nb",
    "\u{feff}#é漢",
    "\\N",
    "2024-01-31",
];
/// Names that formats tend to lose.
const NAMES: [&str; 12] = [
    "a", "A", "a b", "a.b", "a,b", "\"q\"", "a\nb", "#x", " y ", "é漢", "select", "[]",
];

/// Name of the column of numbers.
const ROW: &str = "row_number";

/// A source of numbers to make values of; nanoseconds are whole multiples of the other number.
#[derive(Debug)]
struct Seeds(u64, i64);

impl Seeds {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// NULL in one of four rows.
    fn options<T>(&mut self, rows: usize, mut value: impl FnMut(&mut Self) -> T) -> Vec<Option<T>> {
        (0..rows)
            .map(|_| (self.below(4) > 0).then(|| value(self)))
            .collect()
    }

    fn numbers<P: ArrowPrimitiveType>(
        &mut self,
        rows: usize,
        value: impl FnMut(&mut Self) -> P::Native,
    ) -> PrimitiveArray<P> {
        PrimitiveArray::from_iter(self.options(rows, value))
    }

    /// A number below `end`, often 0 or the last one; below 0 in half of all cases.
    fn within(&mut self, end: i64) -> i64 {
        let size = match self.below(4) {
            0 => 0,
            1 => end - 1,
            _ => self.below(end as u64) as i64,
        };
        if self.below(2) == 0 { -size } else { size }
    }

    fn text(&mut self) -> String {
        self.one_of(&TEXTS).to_owned()
    }

    fn nulls(&mut self, rows: usize) -> NullBuffer {
        NullBuffer::from_iter((0..rows).map(|_| self.below(4) > 0))
    }

    fn offsets(&mut self, rows: usize) -> OffsetBuffer<i32> {
        OffsetBuffer::from_lengths((0..rows).map(|_| self.below(3) as usize))
    }
}

/// Days of years 1 to 9999.
const DAYS: i64 = 719_162;
const DAY: i64 = 86_400;

fn array(data_type: &DataType, rows: usize, seeds: &mut Seeds) -> ArrayRef {
    macro_rules! integers {
        ($type:ty) => {
            Arc::new(seeds.numbers::<$type>(rows, |seeds| {
                let number = seeds.next();
                match seeds.below(4) {
                    0 => <$type as ArrowPrimitiveType>::Native::MIN,
                    1 => <$type as ArrowPrimitiveType>::Native::MAX,
                    _ => number as _,
                }
            }))
        };
    }
    let finest = seeds.1;
    macro_rules! moments {
        ($type:ty, $second:expr, $whole:expr, $zone:expr) => {
            Arc::new(
                seeds
                    .numbers::<$type>(rows, |seeds| {
                        let end = (DAYS * DAY).min(i64::MAX / $second);
                        let moment =
                            seeds.within(end) * $second + seeds.below($second as u64) as i64 / 2;
                        let whole: i64 = $whole;
                        moment / whole * whole
                    })
                    .with_timezone_opt($zone.clone()),
            )
        };
    }
    match data_type {
        DataType::Null => Arc::new(NullArray::new(rows)),
        DataType::Boolean => Arc::new(BooleanArray::from(
            seeds.options(rows, |seeds| seeds.below(2) == 0),
        )),
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        DataType::Float16 => Arc::new(seeds.numbers::<Float16Type>(rows, |seeds| {
            <Float16Type as ArrowPrimitiveType>::Native::usize_as(seeds.below(2000) as usize)
        })),
        DataType::Float32 => Arc::new(seeds.numbers::<Float32Type>(rows, |seeds| {
            let number = f32::from_bits(seeds.next() as u32);
            if number.is_finite() { number } else { 0.1 }
        })),
        DataType::Float64 => Arc::new(seeds.numbers::<Float64Type>(rows, |seeds| {
            let number = f64::from_bits(seeds.next());
            if number.is_finite() { number } else { -0.1 }
        })),
        DataType::Decimal128(precision, scale) => {
            let end = 10i128.pow(u32::from(*precision).min(18)) as i64;
            let numbers =
                seeds.numbers::<Decimal128Type>(rows, |seeds| i128::from(seeds.within(end)));
            Arc::new(
                numbers
                    .with_precision_and_scale(*precision, *scale)
                    .unwrap(),
            )
        }
        DataType::Decimal256(precision, scale) => {
            let numbers = seeds.numbers::<Decimal256Type>(rows, |seeds| {
                i256::from(seeds.within(1 << 60)).wrapping_mul(i256::from(1i64 << 62))
            });
            Arc::new(
                numbers
                    .with_precision_and_scale(*precision, *scale)
                    .unwrap(),
            )
        }
        DataType::Date32 => {
            Arc::new(seeds.numbers::<Date32Type>(rows, |seeds| seeds.within(DAYS) as i32))
        }
        DataType::Date64 => {
            Arc::new(seeds.numbers::<Date64Type>(rows, |seeds| seeds.within(DAYS) * DAY * 1000))
        }
        DataType::Time32(TimeUnit::Second) => Arc::new(
            seeds.numbers::<Time32SecondType>(rows, |seeds| seeds.within(DAY).abs() as i32),
        ),
        DataType::Time32(_) => {
            Arc::new(seeds.numbers::<Time32MillisecondType>(rows, |seeds| {
                seeds.within(DAY * 1000).abs() as i32
            }))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            Arc::new(seeds.numbers::<Time64MicrosecondType>(rows, |seeds| {
                seeds.within(DAY * 1_000_000).abs()
            }))
        }
        DataType::Time64(_) => Arc::new(seeds.numbers::<Time64NanosecondType>(rows, |seeds| {
            seeds.within(DAY * 1_000_000_000).abs() / finest * finest
        })),
        DataType::Timestamp(TimeUnit::Second, zone) => moments!(TimestampSecondType, 1, 1, zone),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            moments!(TimestampMillisecondType, 1_000, 1, zone)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            moments!(TimestampMicrosecondType, 1_000_000, 1, zone)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            moments!(TimestampNanosecondType, 1_000_000_000, finest, zone)
        }
        DataType::Interval(_) => Arc::new(seeds.numbers::<IntervalMonthDayNanoType>(rows, |_| {
            arrow::datatypes::IntervalMonthDayNano::new(1, 2, 3)
        })),
        DataType::Utf8 => Arc::new(StringArray::from(seeds.options(rows, Seeds::text))),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::BinaryView | DataType::LargeBinary => {
            let texts: ArrayRef = Arc::new(StringArray::from(seeds.options(rows, Seeds::text)));
            arrow::compute::cast(&texts, data_type).unwrap()
        }
        DataType::Binary => {
            let bytes = seeds.options(rows, |seeds| seeds.next().to_le_bytes());
            Arc::new(BinaryArray::from_iter(bytes))
        }
        DataType::FixedSizeBinary(size) => {
            let bytes = seeds.options(rows, |seeds| seeds.next().to_le_bytes());
            let size = *size;
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    bytes
                        .iter()
                        .map(|bytes| bytes.as_ref().map(|bytes| &bytes[..size as usize])),
                    size,
                )
                .unwrap(),
            )
        }
        DataType::Dictionary(..) => Arc::new(
            seeds
                .options(rows, Seeds::text)
                .iter()
                .map(Option::as_deref)
                .collect::<DictionaryArray<Int32Type>>(),
        ),
        DataType::List(item) => {
            let offsets = seeds.offsets(rows);
            let values = array(item.data_type(), *offsets.last().unwrap() as usize, seeds);
            let nulls = seeds.nulls(rows);
            Arc::new(ListArray::new(
                Arc::clone(item),
                offsets,
                values,
                Some(nulls),
            ))
        }
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|field| array(field.data_type(), rows, seeds));
            let columns = columns.collect();
            let nulls = seeds.nulls(rows);
            Arc::new(
                StructArray::try_new_with_length(fields.clone(), columns, Some(nulls), rows)
                    .unwrap(),
            )
        }
        DataType::Map(entries, sorted) => {
            let lengths = (0..rows).map(|_| seeds.below(2) as usize);
            let offsets = OffsetBuffer::<i32>::from_lengths(lengths.collect::<Vec<_>>());
            let len = *offsets.last().unwrap() as usize;
            let DataType::Struct(fields) = entries.data_type() else {
                unreachable!()
            };
            let keys: ArrayRef = Arc::new(StringArray::from_iter_values(
                (0..len).map(|_| seeds.text()),
            ));
            let values = array(fields[1].data_type(), len, seeds);
            let entry = StructArray::new(fields.clone(), vec![keys, values], None);
            let nulls = seeds.nulls(rows);
            Arc::new(MapArray::new(
                Arc::clone(entries),
                offsets,
                entry,
                Some(nulls),
                *sorted,
            ))
        }
        other => panic!("no values of {other}"),
    }
}

fn plain_types() -> impl Strategy<Value = DataType> {
    let units = [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ];
    let stamps = (prop::sample::select(units.to_vec()), any::<bool>())
        .prop_map(|(unit, zoned)| DataType::Timestamp(unit, zoned.then(|| "UTC".into())));
    let plain = prop::sample::select(vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(10, 2),
        DataType::Decimal128(38, 10),
        DataType::Decimal128(5, -2),
        DataType::Decimal256(76, 5),
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time32(TimeUnit::Millisecond),
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(4),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ]);
    prop_oneof![8 => plain, 1 => stamps]
}

fn types() -> impl Strategy<Value = DataType> {
    plain_types().prop_recursive(3, 8, 3, |inner| {
        let fields = (
            prop::sample::subsequence(&NAMES[..], 1..3),
            prop::collection::vec(inner.clone(), 2),
        );
        let structs = fields.prop_map(|(names, types)| {
            let fields = names.iter().zip(types);
            DataType::Struct(
                fields
                    .map(|(name, data_type)| Field::new(*name, data_type, true))
                    .collect(),
            )
        });
        prop_oneof![
            inner
                .clone()
                .prop_map(|inner| DataType::new_list(inner, true)),
            structs,
            inner.prop_map(map),
        ]
    })
}

fn map(value: DataType) -> DataType {
    let fields = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", value, true),
    ];
    let entries = Field::new("entries", DataType::Struct(fields.into()), false);
    DataType::Map(Arc::new(entries), false)
}

/// Tables with a number of each row, to sort by: files are read in ranges. Nanoseconds are whole multiples of `finest`.
fn tables(
    types: impl Strategy<Value = DataType>,
    finest: i64,
) -> impl Strategy<Value = RecordBatch> {
    let names = prop::sample::subsequence(&NAMES[..], 1..4).prop_shuffle();
    (
        names,
        prop::collection::vec(types, 3),
        0usize..6,
        any::<u64>(),
    )
        .prop_map(move |(names, types, rows, seed)| {
            let fields = names.iter().zip(types);
            let fields: Fields = fields
                .map(|(name, data_type)| Field::new(*name, data_type, true))
                .chain([Field::new(ROW, DataType::Int64, true)])
                .collect();
            let mut seeds = Seeds(seed, finest);
            let columns = fields.iter().take(fields.len() - 1);
            let columns = columns.map(|field| array(field.data_type(), rows, &mut seeds));
            let mut columns: Vec<_> = columns.collect();
            columns.push(Arc::new(Int64Array::from_iter_values(0..rows as i64)));
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
        })
}

/// The type in which a format gives back what was written: what `docs/pipeline-file.md` says.
fn read_as(text: bool, data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| {
        let data_type = read_as(text, field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    match data_type {
        DataType::Null | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) => read_as(text, values),
        DataType::BinaryView => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Float16 if text => DataType::Float32,
        DataType::Time32(_) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Decimal128(precision, scale @ ..0) => {
            DataType::Decimal128(precision + scale.unsigned_abs(), 0)
        }
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => TimeUnit::Microsecond,
                TimeUnit::Nanosecond if !text => TimeUnit::Microsecond,
                unit => *unit,
            };
            DataType::Timestamp(unit, zone.clone())
        }
        DataType::Time64(_) if !text => DataType::Time64(TimeUnit::Microsecond),
        DataType::List(item) => DataType::List(field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}

/// Writes a table and reads it; none if the format refuses its columns.
fn there_and_back(batch: &RecordBatch, format: SinkFormat, read: Format) -> Option<RecordBatch> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let root = tempdir().unwrap();
        let sink = sink(root.path(), format, &[]);
        let staged = match sink.check(&batch.schema()) {
            Ok(()) => begin(&sink, "run").await.unwrap(),
            Err(SinkError::Unwritable { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        let batches = stream(batch.schema(), vec![batch.clone()]);
        let progress = Arc::new(WriteProgress::default());
        staged.write(vec![batches], &progress).await.unwrap();
        publish_staged(&sink, staged.finish().await.unwrap()).await;
        let text = read != Format::Parquet;
        let schema = batch.schema();
        let fields = schema.fields().iter().map(|field| {
            let data_type = read_as(text, field.data_type());
            field.as_ref().clone().with_data_type(data_type)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        // What Parquet holds it says itself.
        let columns = text.then(|| Arc::clone(&schema));
        let source = FileSource {
            columns,
            ..source(root.path(), "out/daily", read)
        };
        let sql = format!("SELECT * FROM t ORDER BY {ROW}");
        let batches = query(&source, &sql).await.unwrap();
        let found = batches
            .first()
            .map_or_else(|| Arc::clone(&schema), RecordBatch::schema);
        Some(concat_batches(&found, &batches).unwrap())
    })
}

fn assert_same(batch: &RecordBatch, read: &RecordBatch, text: bool) {
    assert_eq!(batch.num_rows(), read.num_rows());
    for (index, field) in batch.schema().fields().iter().enumerate() {
        let found = read.column(index);
        let expected = read_as(text, field.data_type());
        assert!(
            found.data_type().equals_datatype(&expected),
            "{field}: {} instead of {expected}",
            found.data_type()
        );
        let same = lossless::cast(batch.column(index), found.data_type()).unwrap();
        assert_eq!(&same, found, "{field}");
        assert_eq!(same.logical_null_count(), found.logical_null_count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_table_survives_parquet(batch in tables(types(), 1_000)) {
        let format = SinkFormat::Parquet { compression: Compression::None };
        if let Some(read) = there_and_back(&batch, format, Format::Parquet) {
            assert_same(&batch, &read, false);
        }
    }

    #[test]
    fn any_table_survives_json(batch in tables(types(), 1)) {
        if let Some(read) = there_and_back(&batch, SinkFormat::Json, Format::Json) {
            assert_same(&batch, &read, true);
        }
    }

    #[test]
    fn any_table_survives_csv(batch in tables(plain_types(), 1), null in prop::sample::select(vec![None, Some("NA"), Some("0")])) {
        let options = CsvOptions { null: null.map(str::to_owned).into_iter().collect(), ..CsvOptions::default() };
        let read = there_and_back(&batch, SinkFormat::Csv(options.clone()), Format::Csv(options));
        if let Some(read) = read {
            assert_same(&batch, &read, true);
        }
    }
}
