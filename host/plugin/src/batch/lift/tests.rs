//! What is taken from a guest, what is refused, and what is copied on the way.

use super::*;
use arrow::datatypes::Fields;

/// How many values that take no bytes there may be in these tests.
const FREE: usize = 100;

fn node(length: u32, null_count: u32) -> types::Node {
    types::Node { length, null_count }
}

/// Little-endian bytes of numbers.
fn i32s(numbers: &[i32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn i64s(numbers: &[i64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn lift_one(
    data_type: DataType,
    rows: u32,
    nodes: Vec<types::Node>,
    buffers: Vec<Vec<u8>>,
) -> Result<ArrayRef, String> {
    let field = Arc::new(Field::new("a", data_type, true));
    let batch = types::BatchResult {
        rows,
        nodes,
        buffers,
    };
    lift(batch, &[field], FREE).map(|mut columns| columns.remove(0))
}

/// What is said about a column of one node.
fn problem(data_type: DataType, rows: u32, nulls: u32, buffers: Vec<Vec<u8>>) -> String {
    lift_one(data_type, rows, vec![node(rows, nulls)], buffers).unwrap_err()
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

#[test]
fn rows_nodes_and_buffers_must_be_as_many_as_the_schema_says() {
    let int = || DataType::Int32;
    let values = || vec![vec![], i32s(&[1, 2])];
    assert!(lift_one(int(), 2, vec![node(2, 0)], values()).is_ok());
    for (nodes, buffers, text) in [
        (vec![], values(), "column `a`: its node is missing"),
        (
            vec![node(3, 0)],
            values(),
            "column `a`: 3 rows where 2 were expected",
        ),
        (
            vec![node(2, 0)],
            vec![],
            "column `a`: its validity buffer is missing",
        ),
        (
            vec![node(2, 0)],
            vec![vec![]],
            "column `a`: its values buffer is missing",
        ),
        (
            vec![node(2, 0), node(2, 0)],
            values(),
            "1 nodes and 0 buffers more than its schema has",
        ),
        (
            vec![node(2, 0)],
            vec![vec![], i32s(&[1, 2]), vec![]],
            "0 nodes and 1 buffers more than its schema has",
        ),
    ] {
        assert_eq!(lift_one(int(), 2, nodes, buffers).unwrap_err(), text);
    }
    let nothing = types::BatchResult {
        rows: u32::MAX,
        nodes: vec![],
        buffers: vec![],
    };
    assert!(lift(nothing, &[], FREE).unwrap().is_empty());
}

#[test]
fn padding_may_end_anywhere() {
    let list = DataType::List(item(DataType::Int64));
    let mut offsets = i32s(&[0, 1]);
    offsets.push(0);
    let buffers = vec![vec![], offsets, vec![], i64s(&[7])];
    let lists = lift_one(list, 1, vec![node(1, 0), node(1, 0)], buffers).unwrap();
    assert_eq!(lists.as_list::<i32>().value_length(0), 1);
}

#[test]
fn values_must_fill_their_rows_and_may_be_padded() {
    let short = problem(DataType::Int64, 2, 0, vec![vec![], vec![0; 15]]);
    assert_eq!(
        short,
        "column `a`: its values buffer has 15 bytes and needs 16"
    );
    let long = problem(DataType::Int64, 2, 0, vec![vec![], vec![0; 80]]);
    assert_eq!(
        long,
        "column `a`: its values buffer has 80 bytes where 16 were expected"
    );
    let padded = lift_one(
        DataType::Int64,
        2,
        vec![node(2, 0)],
        vec![vec![], vec![0; 64]],
    );
    assert_eq!(padded.unwrap().len(), 2);
    let bits = problem(DataType::Boolean, 9, 0, vec![vec![], vec![0xff]]);
    assert_eq!(bits, "column `a`: its values buffer has 1 byte and needs 2");
    let fixed = problem(DataType::FixedSizeBinary(3), 2, 0, vec![vec![], vec![0; 5]]);
    assert_eq!(
        fixed,
        "column `a`: its values buffer has 5 bytes and needs 6"
    );
    let many = problem(DataType::Int64, u32::MAX, 0, vec![vec![], vec![0; 8]]);
    assert!(
        many.ends_with("has 8 bytes and needs 34359738360"),
        "{many}"
    );
}

#[test]
fn null_counts_must_be_those_of_the_bitmap() {
    let counted = |bits: Vec<u8>, nulls| {
        lift_one(
            DataType::Int32,
            3,
            vec![node(3, nulls)],
            vec![bits, i32s(&[1, 2, 3])],
        )
    };
    assert_eq!(counted(vec![0b101], 1).unwrap().null_count(), 1);
    assert_eq!(counted(vec![0b111], 0).unwrap().null_count(), 0);
    for (bits, nulls, text) in [
        (
            vec![0b101],
            0,
            "a null count of 0 and 1 nulls in the validity buffer",
        ),
        (
            vec![0b101],
            2,
            "a null count of 2 and 1 nulls in the validity buffer",
        ),
        (vec![], 1, "a null count of 1 without a validity buffer"),
        (
            vec![0; 66],
            3,
            "its validity buffer has 66 bytes where 1 were expected",
        ),
    ] {
        assert_eq!(
            counted(bits, nulls).unwrap_err(),
            format!("column `a`: {text}")
        );
    }
    let null = problem(DataType::Null, 3, 2, vec![]);
    assert_eq!(null, "column `a`: a null count of 2 in a column of 3 nulls");
}

#[test]
fn a_column_without_nulls_must_have_none() {
    let batch = || types::BatchResult {
        rows: 1,
        nodes: vec![node(1, 1)],
        buffers: vec![vec![0], vec![0; 4]],
    };
    let field = Arc::new(Field::new("a", DataType::Int32, false));
    let error = lift(batch(), &[field], FREE).unwrap_err();
    assert_eq!(error, "column `a`: 1 nulls in a column that has none");
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, false)]);
    let nested = lift_one(
        DataType::Struct(fields),
        1,
        vec![node(1, 0), node(1, 1)],
        vec![vec![], vec![0], vec![0; 4]],
    );
    assert!(nested.unwrap_err().contains("non-nullable child"));
}

#[test]
fn offsets_must_start_at_0_rise_and_end_within_the_data() {
    let texts = |offsets: &[i32], data: &[u8]| {
        let rows = offsets.len() as u32 - 1;
        lift_one(
            DataType::Utf8,
            rows,
            vec![node(rows, 0)],
            vec![vec![], i32s(offsets), data.to_vec()],
        )
    };
    assert_eq!(texts(&[0, 1, 3], b"abc").unwrap().len(), 2);
    for (offsets, text) in [
        (&[1, 3][..], "offsets start at 1 and not at 0"),
        (&[-1, 3], "offsets start at -1 and not at 0"),
        (&[0, -3], "the last offset is -3"),
        (&[0, i32::MIN], "the last offset is -2147483648"),
        (
            &[0, i32::MAX],
            "its data buffer has 3 bytes and needs 2147483647",
        ),
        (&[0, 4], "its data buffer has 3 bytes and needs 4"),
        (&[0, 3, 1, 3], "non-monotonic offset"),
        (&[0, -1, 3], "offset"),
        (&[0, 100, 3], "out of bounds: 100 > 3"),
    ] {
        let error = texts(offsets, b"abc").unwrap_err();
        assert!(error.to_lowercase().contains(text), "{error} lacks {text}");
    }
    let few = problem(
        DataType::Utf8,
        3,
        0,
        vec![vec![], i32s(&[0, 1]), vec![b'a']],
    );
    assert_eq!(
        few,
        "column `a`: its offsets buffer has 8 bytes and needs 16"
    );
    let large = |offsets: &[i64]| {
        let rows = offsets.len() as u32 - 1;
        problem(
            DataType::LargeBinary,
            rows,
            0,
            vec![vec![], i64s(offsets), vec![0; 3]],
        )
    };
    assert!(large(&[0, i64::MAX]).contains("its data buffer has 3 bytes and needs"));
    assert!(large(&[0, i64::MIN]).contains("the last offset is -9223372036854775808"));
    assert!(
        large(&[0, 3, 2, 3])
            .to_lowercase()
            .contains("non-monotonic")
    );
}

#[test]
fn no_rows_need_no_offsets() {
    for offsets in [vec![], i32s(&[0])] {
        let buffers = vec![vec![], offsets, vec![]];
        assert!(
            lift_one(DataType::Utf8, 0, vec![node(0, 0)], buffers)
                .unwrap()
                .is_empty()
        );
    }
    let odd = problem(DataType::Utf8, 0, 0, vec![vec![], i32s(&[5]), vec![]]);
    assert_eq!(odd, "column `a`: offsets start at 5 and not at 0");
}

#[test]
fn texts_must_be_utf8_each_for_itself() {
    let texts = |offsets: &[i32], data: &[u8]| {
        let rows = offsets.len() as u32 - 1;
        problem(
            DataType::Utf8,
            rows,
            0,
            vec![vec![], i32s(offsets), data.to_vec()],
        )
    };
    assert!(texts(&[0, 2], b"a\xff").contains("UTF"));
    // The whole is UTF-8, but the first text ends within a character.
    assert!(texts(&[0, 1, 2], "ä".as_bytes()).contains("incomplete utf-8"));
    // Bytes are bytes.
    let bytes = lift_one(
        DataType::Binary,
        1,
        vec![node(1, 0)],
        vec![vec![], i32s(&[0, 2]), vec![0xff, 0xfe]],
    );
    assert!(bytes.is_ok());
}

#[test]
fn decimals_must_fit_their_precision_unless_they_are_null() {
    let price = |value: i128, bits: Vec<u8>, nulls| {
        lift_one(
            DataType::Decimal128(4, 2),
            1,
            vec![node(1, nulls)],
            vec![bits, value.to_le_bytes().to_vec()],
        )
    };
    assert!(price(9999, vec![], 0).is_ok());
    assert!(price(i128::MAX, vec![0], 1).is_ok());
    let scaled = DataType::Decimal32(4, -2);
    assert!(lift_one(scaled, 1, vec![node(1, 0)], vec![vec![], i32s(&[9999])]).is_ok());
    for value in [10_000, -10_000, i128::MIN] {
        let error = price(value, vec![], 0).unwrap_err();
        assert!(error.contains("precision 4"), "{error}");
    }
    let small = problem(
        DataType::Decimal32(4, 2),
        1,
        0,
        vec![vec![], i32s(&[10_000])],
    );
    assert!(small.contains("precision 4"), "{small}");
    let medium = problem(
        DataType::Decimal64(4, 2),
        1,
        0,
        vec![vec![], i64s(&[10_000])],
    );
    assert!(medium.contains("precision 4"), "{medium}");
    let wide = problem(
        DataType::Decimal256(76, 0),
        1,
        0,
        vec![vec![], {
            let mut bytes = vec![0xff; 32];
            bytes[31] = 0x7f;
            bytes
        }],
    );
    assert!(wide.contains("precision 76"), "{wide}");
    let listed = lift_one(
        DataType::List(item(DataType::Decimal128(4, 2))),
        1,
        vec![node(1, 0), node(1, 0)],
        vec![
            vec![],
            i32s(&[0, 1]),
            vec![],
            10_000_i128.to_le_bytes().to_vec(),
        ],
    );
    assert!(listed.unwrap_err().contains("precision 4"));
}

#[test]
fn times_and_dates_are_within_their_day_unless_they_are_null() {
    const DAY: i64 = 86_400;
    let check = |data_type: DataType, values: [i64; 2], beyond: &str| {
        let bytes = |value: i64| match fixed_width(&data_type) {
            4 => i32s(&[i32::try_from(value).unwrap()]),
            _ => i64s(&[value]),
        };
        let one = |value, bits: Vec<u8>, nulls| {
            let buffers = vec![bits, bytes(value)];
            lift_one(data_type.clone(), 1, vec![node(1, nulls)], buffers)
        };
        let [last, after] = values;
        let nodes = |count: usize| (0..count).map(|_| node(1, 0)).collect::<Vec<_>>();
        assert!(one(0, vec![], 0).is_ok(), "{data_type}");
        assert!(one(last, vec![], 0).is_ok(), "{data_type}");
        assert!(one(after, vec![0], 1).is_ok(), "{data_type}");
        for value in [after, -1] {
            let error = one(value, vec![], 0).unwrap_err();
            let start = format!("column `a`: {value} is no {beyond} in {data_type}: ");
            assert!(error.starts_with(&start), "{error}");
        }
        let map = DataType::Map(
            Arc::new(Field::new(
                "entries",
                DataType::Struct(Fields::from(vec![
                    Field::new("key", DataType::Int32, false),
                    Field::new("value", data_type.clone(), true),
                ])),
                false,
            )),
            false,
        );
        let fields = Fields::from(vec![Field::new("x", data_type.clone(), true)]);
        for (outer, nodes, mut buffers) in [
            (
                DataType::List(item(data_type.clone())),
                nodes(2),
                vec![vec![], i32s(&[0, 1])],
            ),
            (
                DataType::LargeList(item(data_type.clone())),
                nodes(2),
                vec![vec![], i64s(&[0, 1])],
            ),
            (
                DataType::FixedSizeList(item(data_type.clone()), 1),
                nodes(2),
                vec![vec![]],
            ),
            (DataType::Struct(fields), nodes(2), vec![vec![]]),
            (
                map,
                nodes(4),
                vec![vec![], i32s(&[0, 1]), vec![], vec![], i32s(&[7])],
            ),
        ] {
            buffers.extend([vec![], bytes(after)]);
            let error = lift_one(outer, 1, nodes, buffers).unwrap_err();
            assert!(
                error.contains(&format!("{after} is no {beyond}")),
                "{error}"
            );
        }
    };
    let time = "time of day";
    check(DataType::Time32(TimeUnit::Second), [DAY - 1, DAY], time);
    let millis = [DAY * 1_000 - 1, DAY * 1_000];
    check(DataType::Time32(TimeUnit::Millisecond), millis, time);
    let micros = [DAY * 1_000_000 - 1, DAY * 1_000_000];
    check(DataType::Time64(TimeUnit::Microsecond), micros, time);
    let nanos = [DAY * 1_000_000_000 - 1, i64::MAX];
    check(DataType::Time64(TimeUnit::Nanosecond), nanos, time);
    check(DataType::Date64, [DAY * -1_000, DAY * 1_000 + 1], "date");
}

#[test]
fn children_must_be_as_long_as_their_parent_says() {
    let wrong = |data_type, child: u32, buffers| {
        lift_one(data_type, 2, vec![node(2, 0), node(child, 0)], buffers).unwrap_err()
    };
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, true)]);
    let error = wrong(
        DataType::Struct(fields),
        3,
        vec![vec![], vec![], i32s(&[1, 2, 3])],
    );
    assert_eq!(error, "column `a`: field `x`: 3 rows where 2 were expected");
    let error = wrong(
        DataType::List(item(DataType::Int32)),
        2,
        vec![vec![], i32s(&[0, 1, 3]), vec![], i32s(&[1, 2])],
    );
    assert_eq!(error, "column `a`: 2 rows where 3 were expected");
    let error = wrong(
        DataType::FixedSizeList(item(DataType::Int32), 2),
        3,
        vec![vec![], vec![], i32s(&[1, 2, 3])],
    );
    assert_eq!(error, "column `a`: 3 rows where 4 were expected");
    let huge = DataType::FixedSizeList(item(DataType::Null), i32::MAX);
    let error = wrong(huge, u32::MAX, vec![vec![]]);
    assert!(
        error.contains("rows where 4294967294 were expected"),
        "{error}"
    );
    let missing = lift_one(
        DataType::List(item(DataType::Int32)),
        1,
        vec![node(1, 0)],
        vec![vec![], i32s(&[0, 0])],
    );
    assert_eq!(missing.unwrap_err(), "column `a`: its node is missing");
}

#[test]
fn keys_of_maps_must_not_be_null() {
    let entries = Fields::from(vec![
        Field::new("keys", DataType::Int32, false),
        Field::new("values", DataType::Int32, true),
    ]);
    let entries = Arc::new(Field::new("entries", DataType::Struct(entries), false));
    let map = |bits: Vec<u8>, nulls| {
        lift_one(
            DataType::Map(Arc::clone(&entries), false),
            1,
            vec![node(1, 0), node(1, 0), node(1, nulls), node(1, 0)],
            vec![
                vec![],
                i32s(&[0, 1]),
                vec![],
                bits,
                i32s(&[1]),
                vec![],
                i32s(&[2]),
            ],
        )
    };
    assert!(map(vec![], 0).is_ok());
    assert!(map(vec![0], 1).unwrap_err().contains("non-nullable child"));
}

#[test]
fn buffers_that_are_not_aligned_are_copied() {
    // A vector of bytes with an odd capacity has any address; 16 bytes are needed here.
    let mut bytes = Vec::with_capacity(33);
    bytes.extend_from_slice(&7_i128.to_le_bytes());
    let column = lift_one(
        DataType::Decimal128(38, 0),
        1,
        vec![node(1, 0)],
        vec![vec![], bytes],
    );
    let column = column.unwrap();
    assert_eq!(column.as_primitive::<Decimal128Type>().value(0), 7);
}
