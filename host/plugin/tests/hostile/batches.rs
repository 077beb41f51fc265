//! Batches with something wrong in them: rows, nodes, null counts, buffers, offsets, texts, source rows, rejected rows.

use crate::Case;
use crate::canonical::{Batch, Field, Output};
use crate::guest::Guest;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = counts();
    cases.extend(buffers());
    cases.extend(pieces());
    cases.extend(nested());
    cases.extend(free());
    cases.extend(rows());
    cases
}

/// A transform that returns a batch of columns of these fields.
fn returning(name: &str, fields: Vec<Vec<Field>>, batch: Batch) -> Case {
    Case::new(name, move || {
        let output: Vec<Output> = fields.into_iter().map(Output::Computed).collect();
        Guest::new()
            .answering("open_transform", |image| {
                image.opened_transform(&[], &output)
            })
            .answering("process", |image| image.outcome(&batch, None, &[]))
            .component()
    })
}

fn one(name: &str, format: &str, rows: u32, nodes: &[(u32, u32)], buffers: &[&[u8]]) -> Case {
    let buffers = buffers.iter().map(|buffer| buffer.to_vec()).collect();
    let nodes = nodes.to_vec();
    let batch = Batch {
        rows,
        nodes,
        buffers,
    };
    returning(name, vec![vec![Field::new("x", format)]], batch)
}

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

const NO: &[u8] = &[];

fn counts() -> Vec<Case> {
    let values = i64s(&[1, 2, 3]);
    let int =
        |name, rows, nodes: &[(u32, u32)], buffers: &[&[u8]]| one(name, "l", rows, nodes, buffers);
    vec![
        int("batch_without_nodes", 3, &[], &[NO, &values]),
        int(
            "batch_with_a_node_too_many",
            3,
            &[(3, 0), (3, 0)],
            &[NO, &values],
        ),
        int("batch_without_buffers", 3, &[(3, 0)], &[]),
        int("batch_without_its_last_buffer", 3, &[(3, 0)], &[NO]),
        int(
            "batch_with_a_buffer_too_many",
            3,
            &[(3, 0)],
            &[NO, &values, NO],
        ),
        int(
            "batch_with_more_rows_than_its_node",
            4,
            &[(3, 0)],
            &[NO, &values],
        ),
        int(
            "batch_of_four_billion_rows",
            u32::MAX,
            &[(u32::MAX, 0)],
            &[NO, &values],
        ),
        int("null_count_without_validity", 3, &[(3, 1)], &[NO, &values]),
        int(
            "null_count_of_another_validity",
            3,
            &[(3, 2)],
            &[&[0b101], &values],
        ),
        int(
            "null_count_beyond_the_rows",
            3,
            &[(3, u32::MAX)],
            &[&[0], &values],
        ),
        returning(
            "nulls_in_a_column_without_nulls",
            vec![vec![Field::new("x", "l").required()]],
            Batch {
                rows: 3,
                nodes: vec![(3, 1)],
                buffers: vec![vec![0b101], values.clone()],
            },
        ),
        one("null_column_with_values", "n", 3, &[(3, 2)], &[]),
    ]
}

fn buffers() -> Vec<Case> {
    let values = i64s(&[1, 2, 3]);
    vec![
        one(
            "values_shorter_than_the_rows",
            "l",
            3,
            &[(3, 0)],
            &[NO, &values[..23]],
        ),
        one(
            "values_longer_than_the_rows",
            "l",
            3,
            &[(3, 0)],
            &[NO, &[0; 200]],
        ),
        one(
            "values_of_another_type",
            "i",
            3,
            &[(3, 0)],
            &[NO, &[0; 512]],
        ),
        one(
            "bits_shorter_than_the_rows",
            "b",
            9,
            &[(9, 0)],
            &[NO, &[255]],
        ),
        one(
            "validity_shorter_than_the_rows",
            "l",
            3000,
            &[(3000, 0)],
            &[&[255; 3], &[0; 24_000]],
        ),
        one(
            "validity_longer_than_the_rows",
            "l",
            3,
            &[(3, 0)],
            &[&[255; 100], &values],
        ),
        one(
            "decimal_beyond_its_precision",
            "d:3,1",
            1,
            &[(1, 0)],
            &[NO, &10_000_i128.to_le_bytes()],
        ),
        one(
            "decimal_below_its_precision",
            "d:3,1",
            1,
            &[(1, 0)],
            &[NO, &(-1000_i128).to_le_bytes()],
        ),
        one(
            "time_beyond_its_day",
            "ttu",
            1,
            &[(1, 0)],
            &[NO, &86_400_000_000_i64.to_le_bytes()],
        ),
        one(
            "time_before_its_day",
            "tts",
            1,
            &[(1, 0)],
            &[NO, &(-1_i32).to_le_bytes()],
        ),
        one(
            "date_in_milliseconds_that_is_no_whole_day",
            "tdm",
            1,
            &[(1, 0)],
            &[NO, &86_400_001_i64.to_le_bytes()],
        ),
    ]
}

fn pieces() -> Vec<Case> {
    let text = |name, offsets: &[i32], data: &[u8]| {
        let rows = offsets.len() as u32 - 1;
        one(name, "u", rows, &[(rows, 0)], &[NO, &i32s(offsets), data])
    };
    vec![
        text("offsets_that_fall", &[0, 3, 1, 4], b"text"),
        text("offsets_that_begin_late", &[1, 3, 3, 4], b"text"),
        text("offsets_below_zero", &[0, -4, 3, 4], b"text"),
        text("offsets_that_end_below_zero", &[0, 3, 3, -1], b"text"),
        text("offsets_past_the_data", &[0, 1, 2, 2_000_000], b"text"),
        text("offsets_past_the_data_in_between", &[0, 1, 9, 4], b"text"),
        text("data_that_nothing_points_to", &[0, 1], &[b'a'; 100]),
        text("text_that_is_no_utf8", &[0, 2, 4], b"ok\xc3\x28"),
        text("text_cut_within_a_character", &[0, 1, 2], "ü".as_bytes()),
        text("text_of_a_surrogate", &[0, 3], b"\xed\xa0\x80"),
        one(
            "offsets_that_are_missing",
            "u",
            3,
            &[(3, 0)],
            &[NO, NO, b"text"],
        ),
        one(
            "offsets_that_are_short",
            "u",
            3,
            &[(3, 0)],
            &[NO, &i32s(&[0, 1]), b"text"],
        ),
        one(
            "large_offsets_beyond_all_memory",
            "U",
            1,
            &[(1, 0)],
            &[NO, &i64s(&[0, i64::MAX]), b"text"],
        ),
        one(
            "large_offsets_below_zero",
            "U",
            1,
            &[(1, 0)],
            &[NO, &i64s(&[0, i64::MIN]), b"text"],
        ),
        one(
            "large_binary_that_wraps_around",
            "Z",
            2,
            &[(2, 0)],
            &[NO, &i64s(&[0, i64::MAX, 4]), b"text"],
        ),
    ]
}

fn nested() -> Vec<Case> {
    let list = || vec![Field::parent("x", "+l", 1), Field::new("item", "l")];
    let of = |name: &str, fields: Vec<Field>, nodes: &[(u32, u32)], buffers: Vec<Vec<u8>>| {
        let batch = Batch {
            rows: nodes.first().map_or(0, |node| node.0),
            nodes: nodes.to_vec(),
            buffers,
        };
        returning(name, vec![fields], batch)
    };
    let of_two = || vec![vec![], i32s(&[0, 1, 2]), vec![], i64s(&[7, 8])];
    let mut structs = vec![Field::parent("x", "+s", 1), Field::new("y", "l").required()];
    let optional_struct = structs.clone();
    structs[0].nullable = false;
    let map = vec![
        Field::parent("x", "+m", 1),
        Field::parent("entries", "+s", 2).required(),
        Field::new("key", "u").required(),
        Field::new("value", "l"),
    ];
    vec![
        of(
            "list_with_fewer_items_than_its_offsets",
            list(),
            &[(2, 0), (1, 0)],
            of_two(),
        ),
        of(
            "list_with_more_items_than_its_offsets",
            list(),
            &[(2, 0), (3, 0)],
            of_two(),
        ),
        of("list_whose_items_are_missing", list(), &[(2, 0)], of_two()),
        of(
            "list_with_offsets_that_fall",
            list(),
            &[(2, 0), (2, 0)],
            vec![vec![], i32s(&[0, 5, 2]), vec![], i64s(&[7, 8])],
        ),
        of(
            "fixed_list_with_fewer_items",
            vec![Field::parent("x", "+w:2", 1), Field::new("item", "l")],
            &[(2, 0), (3, 0)],
            vec![vec![], vec![], i64s(&[1, 2, 3])],
        ),
        of(
            "fixed_list_of_more_items_than_numbers",
            vec![
                Field::parent("x", "+w:2147483647", 1),
                Field::new("item", "n"),
            ],
            &[(3, 0), (u32::MAX, u32::MAX)],
            vec![vec![]],
        ),
        of(
            "struct_with_a_shorter_field",
            optional_struct,
            &[(2, 0), (1, 0)],
            vec![vec![], vec![], i64s(&[1])],
        ),
        of(
            "struct_with_nulls_in_a_field_without",
            structs,
            &[(2, 0), (2, 1)],
            vec![vec![], vec![0b01], i64s(&[1, 2])],
        ),
        of(
            "map_with_a_null_for_a_key",
            map,
            &[(1, 0), (1, 0), (1, 1), (1, 0)],
            vec![
                vec![],
                i32s(&[0, 1]),
                vec![],
                vec![0],
                i32s(&[0, 0]),
                vec![],
                vec![],
                i64s(&[1]),
            ],
        ),
        of(
            "decimal_in_a_list_beyond_its_precision",
            vec![Field::parent("x", "+l", 1), Field::new("item", "d:3,1")],
            &[(1, 0), (1, 0)],
            vec![
                vec![],
                i32s(&[0, 1]),
                vec![],
                10_000_i128.to_le_bytes().to_vec(),
            ],
        ),
        of(
            "time_in_a_list_beyond_its_day",
            vec![Field::parent("x", "+l", 1), Field::new("item", "ttn")],
            &[(1, 0), (1, 0)],
            vec![
                vec![],
                i32s(&[0, 1]),
                vec![],
                86_400_000_000_000_i64.to_le_bytes().to_vec(),
            ],
        ),
    ]
}

/// Values that take no bytes, so that no number of bytes bounds them.
fn free() -> Vec<Case> {
    let billions = i32::MAX as u32;
    let list_of = |name: &str, item: Vec<Field>, nodes: &[(u32, u32)], buffers: usize| {
        let fields = [vec![Field::parent("x", "+l", 1)], item].concat();
        let all: Vec<(u32, u32)> = [&[(1, 0)], nodes].concat();
        let mut bytes = vec![vec![], i32s(&[0, i32::MAX])];
        bytes.resize(2 + buffers, vec![]);
        let batch = Batch {
            rows: 1,
            nodes: all,
            buffers: bytes,
        };
        returning(name, vec![fields], batch)
    };
    vec![
        one(
            "rows_that_take_no_bytes",
            "n",
            billions,
            &[(billions, billions)],
            &[],
        ),
        list_of(
            "list_of_billions_of_nulls",
            vec![Field::new("item", "n")],
            &[(billions, billions)],
            0,
        ),
        list_of(
            "list_of_billions_of_empty_structs",
            vec![Field::parent("item", "+s", 0)],
            &[(billions, 0)],
            1,
        ),
        list_of(
            "list_of_billions_of_empty_binaries",
            vec![Field::new("item", "w:0")],
            &[(billions, 0)],
            2,
        ),
        list_of(
            "list_of_billions_of_empty_lists",
            vec![Field::parent("item", "+w:0", 1), Field::new("item", "l")],
            &[(billions, 0), (0, 0)],
            3,
        ),
    ]
}

/// Rows that are carried over, and rows that are rejected.
fn rows() -> Vec<Case> {
    let carrying =
        |name: &str, part: Batch, source: Option<Vec<u8>>, rejected: Vec<(u32, &'static str)>| {
            Case::new(name, move || {
                Guest::new()
                    .answering("open_transform", |image| {
                        image.opened_transform(&[], &[Output::Input(1)])
                    })
                    .answering("process", |image| {
                        image.outcome(&part, source.as_deref(), &rejected)
                    })
                    .component()
            })
        };
    let rows = |rows: u32| Batch {
        rows,
        ..Batch::default()
    };
    let finishing =
        |name: &str, part: Batch, source: Option<Vec<u8>>, rejected: Vec<(u32, &'static str)>| {
            Case::new(name, move || {
                Guest::new()
                    .answering("open_transform", |image| {
                        image.opened_transform(&[], &[Output::Input(0)])
                    })
                    .answering("process", |image| image.nothing(false))
                    .answering("finish", |image| {
                        image.outcome(&part, source.as_deref(), &rejected)
                    })
                    .component()
            })
        };
    vec![
        carrying(
            "source_row_that_is_not_there",
            rows(2),
            Some(i32s(&[0, 3])),
            vec![],
        ),
        carrying("source_row_below_zero", rows(1), Some(i32s(&[-1])), vec![]),
        carrying(
            "source_rows_fewer_than_rows",
            rows(2),
            Some(i32s(&[0])),
            vec![],
        ),
        carrying(
            "source_rows_of_half_a_number",
            rows(1),
            Some(vec![0, 0]),
            vec![],
        ),
        carrying("rows_one_to_one_that_are_not", rows(2), None, vec![]),
        carrying(
            "rows_beyond_the_limit",
            rows(100_001),
            Some(vec![0; 400_004]),
            vec![],
        ),
        carrying(
            "rejects_a_row_that_is_not_there",
            rows(3),
            None,
            vec![(3, "")],
        ),
        carrying(
            "rejects_a_row_of_a_huge_number",
            rows(3),
            None,
            vec![(u32::MAX, "")],
        ),
        carrying(
            "rejects_a_row_twice",
            rows(3),
            None,
            vec![(1, "once"), (1, "twice")],
        ),
        finishing("carries_over_rows_after_the_end", rows(1), None, vec![]),
        finishing(
            "source_rows_after_the_end",
            rows(1),
            Some(i32s(&[0])),
            vec![],
        ),
        finishing(
            "rejects_rows_after_the_end",
            rows(0),
            None,
            vec![(0, "late")],
        ),
    ]
}
