//! Rows of any types that are written in a test read back as the same rows.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit};
use proptest::prelude::*;

use super::{rows, yaml};
use transom_file::Source;
use transom_file::node::{Yaml, parse};
use transom_file::reader::{Read, Reader};
use transom_file::test_file::{Reported, Rows};

/// Numbers that follow from a seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn is_null(&mut self) -> bool {
        self.below(5) == 0
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 16] = [
            "",
            "null",
            "~",
            "true",
            "No",
            "1e5",
            "0x10",
            "007",
            ".nan",
            "a: b",
            "- x",
            "#",
            "'",
            "\"\\",
            " blank ",
            "2024-01-31",
        ];
        const LETTERS: [char; 20] = [
            'a', 'Z', '0', ' ', ':', ',', '{', '}', '[', ']', '\n', '\r', '\t', '\0', '\u{7f}',
            '\u{85}', '\u{2028}', '\u{feff}', 'ü', '😀',
        ];
        match self.below(2) {
            0 => self.one_of(&WORDS).to_owned(),
            _ => (0..self.below(8)).map(|_| self.one_of(&LETTERS)).collect(),
        }
    }

    fn data_type(&mut self, depth: u32) -> DataType {
        use DataType::*;
        use TimeUnit::*;
        let unit = self.one_of(&[Second, Millisecond, Microsecond, Nanosecond]);
        let item = |data_type| Arc::new(Field::new("item", data_type, true));
        let kinds = if depth == 0 { 27 } else { 34 };
        match self.below(kinds) {
            0 => Boolean,
            1 => Int8,
            2 => Int16,
            3 => Int32,
            4 => Int64,
            5 => UInt8,
            6 => UInt32,
            7 => UInt64,
            8 => Float32,
            9 | 10 => Float64,
            11 => Decimal128(20, 6),
            12 => Decimal256(60, 10),
            13 => Decimal128(5, 0),
            14 => Utf8,
            15 => LargeUtf8,
            16 => Utf8View,
            17 => Binary,
            18 => FixedSizeBinary(3),
            19 => Date32,
            20 => Timestamp(unit, None),
            21 => Timestamp(
                unit,
                Some(self.one_of(&["UTC", "+02:00", "Europe/Berlin"]).into()),
            ),
            22 => self.one_of(&[Time64(Microsecond), Time64(Nanosecond)]),
            23 => self.one_of(&[Time32(Second), Time32(Millisecond)]),
            24 => Duration(unit),
            25 => Interval(IntervalUnit::MonthDayNano),
            26 => Null,
            27 => Dictionary(Box::new(Int32), Box::new(self.one_of(&[Utf8, Int64]))),
            28 => List(item(self.data_type(depth - 1))),
            29 => LargeList(item(self.data_type(depth - 1))),
            30 => FixedSizeList(item(self.data_type(depth - 1)), 2),
            31 | 32 => {
                let names = ["a", "b c", "null"];
                let fields = names.map(|name| Field::new(name, self.data_type(depth - 1), true));
                Struct(fields.to_vec().into())
            }
            _ => {
                let keys = self.one_of(&[Utf8, Int32]);
                let entries: Fields = vec![
                    Field::new("keys", keys, false),
                    Field::new("values", self.data_type(depth - 1), true),
                ]
                .into();
                Map(
                    Arc::new(Field::new("entries", Struct(entries), false)),
                    false,
                )
            }
        }
    }

    fn nulls(&mut self, rows: usize) -> NullBuffer {
        (0..rows).map(|_| !self.is_null()).collect()
    }

    fn numbers(&mut self, rows: usize, mut number: impl FnMut(&mut Self) -> i64) -> ArrayRef {
        let numbers = (0..rows).map(|_| (!self.is_null()).then(|| number(self)));
        Arc::new(numbers.collect::<Int64Array>())
    }

    fn lengths(&mut self, rows: usize) -> (Vec<usize>, usize) {
        let lengths: Vec<usize> = (0..rows).map(|_| self.below(3) as usize).collect();
        let all = lengths.iter().sum();
        (lengths, all)
    }

    fn array(&mut self, data_type: &DataType, rows: usize) -> ArrayRef {
        use DataType::*;
        // From year 1 to 9999, the years that are written without a sign; nanoseconds reach less far.
        const FIRST: i64 = -62_135_596_800;
        const SECONDS: u64 = 315_537_897_600;
        match data_type {
            Null => new_null_array(data_type, rows),
            Boolean => {
                let values = (0..rows).map(|_| (!self.is_null()).then(|| self.below(2) == 0));
                Arc::new(values.collect::<BooleanArray>())
            }
            Float32 => {
                let values = (0..rows).map(|_| (!self.is_null()).then(|| self.float() as f32));
                Arc::new(values.collect::<Float32Array>())
            }
            Float64 => {
                let values = (0..rows).map(|_| (!self.is_null()).then(|| self.float()));
                Arc::new(values.collect::<Float64Array>())
            }
            UInt64 => {
                let values = (0..rows).map(|_| (!self.is_null()).then(|| self.next()));
                Arc::new(values.collect::<UInt64Array>())
            }
            Int64 => self.numbers(rows, |draw| draw.next() as i64),
            integer if integer.is_integer() => {
                let numbers = self.numbers(rows, |draw| draw.below(100) as i64);
                cast(&numbers, integer).unwrap()
            }
            Decimal128(..) | Decimal256(..) => {
                let numbers = self.numbers(rows, |draw| draw.below(20_000) as i64 - 10_000);
                let hundredths = cast(&numbers, &Decimal128(10, 0)).unwrap();
                cast(&hundredths, data_type).unwrap()
            }
            Utf8 | LargeUtf8 | Utf8View => {
                let values = (0..rows).map(|_| (!self.is_null()).then(|| self.text()));
                cast(&values.collect::<StringArray>(), data_type).unwrap()
            }
            Binary | FixedSizeBinary(_) => {
                let values = (0..rows).map(|_| {
                    (!self.is_null()).then(|| (0..3).map(|_| self.next() as u8).collect::<Vec<_>>())
                });
                let values: Vec<Option<Vec<u8>>> = values.collect();
                let values = BinaryArray::from_iter(values);
                cast(&values, data_type).unwrap()
            }
            Date32 => {
                let days = self.numbers(rows, |draw| (FIRST + draw.below(SECONDS) as i64) / 86_400);
                cast(&cast(&days, &Int32).unwrap(), &Date32).unwrap()
            }
            Timestamp(unit, _) => {
                let (factor, reach) = match unit {
                    TimeUnit::Second => (1, 10_000_000_000),
                    TimeUnit::Millisecond => (1_000, 10_000_000_000),
                    TimeUnit::Microsecond => (1_000_000, 10_000_000_000),
                    TimeUnit::Nanosecond => (1_000_000_000, 4_000_000_000),
                };
                let counts = self.numbers(rows, |draw| {
                    let fraction = draw.below(factor as u64) as i64;
                    (draw.below(reach) as i64 - 2_000_000_000) * factor + fraction
                });
                cast(&counts, data_type).unwrap()
            }
            Time32(unit) => {
                let factor = if *unit == TimeUnit::Second { 1 } else { 1000 };
                let counts = self.numbers(rows, |draw| draw.below(86_400 * factor) as i64);
                cast(&cast(&counts, &Int32).unwrap(), data_type).unwrap()
            }
            Time64(unit) => {
                let factor = if *unit == TimeUnit::Microsecond {
                    1_000_000
                } else {
                    1_000_000_000
                };
                let counts = self.numbers(rows, |draw| draw.below(86_400 * factor) as i64);
                cast(&counts, data_type).unwrap()
            }
            Duration(_) => {
                let counts = self.numbers(rows, |draw| draw.below(1 << 50) as i64 - (1 << 49));
                cast(&counts, data_type).unwrap()
            }
            Interval(_) => {
                let values = (0..rows).map(|_| {
                    (!self.is_null()).then(|| {
                        let (months, days) = (self.below(50) as i32 - 25, self.below(90) as i32);
                        let nanos = self.below(1 << 40) as i64;
                        arrow::datatypes::IntervalMonthDayNano::new(months, days, nanos)
                    })
                });
                Arc::new(values.collect::<IntervalMonthDayNanoArray>())
            }
            Dictionary(_, values) => cast(&self.array(values, rows), data_type).unwrap(),
            List(item) => {
                let (lengths, all) = self.lengths(rows);
                let values = self.array(item.data_type(), all);
                let ends = OffsetBuffer::from_lengths(lengths);
                let nulls = Some(self.nulls(rows));
                Arc::new(ListArray::new(Arc::clone(item), ends, values, nulls))
            }
            LargeList(item) => {
                let (lengths, all) = self.lengths(rows);
                let values = self.array(item.data_type(), all);
                let ends = OffsetBuffer::from_lengths(lengths);
                let nulls = Some(self.nulls(rows));
                Arc::new(LargeListArray::new(Arc::clone(item), ends, values, nulls))
            }
            FixedSizeList(item, size) => {
                let values = self.array(item.data_type(), rows * 2);
                let nulls = Some(self.nulls(rows));
                Arc::new(FixedSizeListArray::new(
                    Arc::clone(item),
                    *size,
                    values,
                    nulls,
                ))
            }
            Struct(fields) => {
                let columns = fields
                    .iter()
                    .map(|field| self.array(field.data_type(), rows));
                let columns = columns.collect();
                let nulls = Some(self.nulls(rows));
                Arc::new(StructArray::new(fields.clone(), columns, nulls))
            }
            Map(entries, sorted) => {
                let Struct(fields) = entries.data_type() else {
                    unreachable!("a map has entries")
                };
                let lengths: Vec<usize> = (0..rows).map(|_| self.below(3) as usize).collect();
                let all: usize = lengths.iter().sum();
                // The keys of one map are different.
                let keys: ArrayRef = match fields[0].data_type() {
                    Utf8 => {
                        let keys = (0..all).map(|at| format!("{at} {}", self.text()));
                        Arc::new(StringArray::from_iter_values(keys))
                    }
                    _ => Arc::new(Int32Array::from_iter_values((0..all).map(|at| at as i32))),
                };
                let values = self.array(fields[1].data_type(), all);
                let pairs = StructArray::new(fields.clone(), vec![keys, values], None);
                let ends = OffsetBuffer::from_lengths(lengths);
                let nulls = Some(self.nulls(rows));
                Arc::new(MapArray::new(
                    Arc::clone(entries),
                    ends,
                    pairs,
                    nulls,
                    *sorted,
                ))
            }
            other => unreachable!("{other} is not drawn"),
        }
    }

    fn float(&mut self) -> f64 {
        match self.below(4) {
            0 => self.one_of(&[
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -0.0,
                0.1,
                1e300,
                5e-324,
                f64::MAX,
                123_456_789.0,
            ]),
            1 => self.below(1000) as f64,
            _ => Some(f64::from_bits(self.next()))
                .filter(|float| !float.is_nan())
                .unwrap_or(1.5),
        }
    }
}

fn read_back(text: &str, schema: &Schema) -> RecordBatch {
    let source = Source::new("test.yaml".as_ref(), text);
    let (node, problems) = parse(&source);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    let node = node.expect("the text is YAML");
    let Yaml::Map(entries) = &node.value else {
        panic!("no map: {text}")
    };
    let mut reader = Reader::new(&source);
    let written = Rows::read(&mut reader, &entries[0].1).expect("a list of rows");
    let mut reported = Reported::new(&source);
    let batch = rows::batch(&written, schema, "t", &mut reported);
    batch.unwrap_or_else(|| panic!("{:?}\n{text}", reported.problems))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_any_types_are_read_as_they_were_written(seed: u64) {
        let mut draw = Draw(seed);
        let columns = (0..=draw.below(4)).map(|at| {
            let data_type = draw.data_type(2);
            let array = draw.array(&data_type, 4);
            (Field::new(format!("{at} {}", draw.text()), data_type, true), array)
        });
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.unzip();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let lines = yaml::items(&batch, &[0, 1, 2, 3], 2).unwrap();
        let text = format!("rows:\n{}\n", lines.join("\n"));
        let read = read_back(&text, &batch.schema());
        prop_assert_eq!(&read, &batch, "{}", text);
    }
}
