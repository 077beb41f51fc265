//! Transforms of the guest: carried columns, other numbers of rows, output in parts, state, rejected rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StringViewArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use transom_plugin::{
    End, Error, GuestErrorKind, Input, Instance, OpenedTransform, OutputColumn, Rejected,
};

use crate::support::{self, batch, process, process_and_pull};

fn open(
    instance: &mut Instance,
    name: &str,
    batch: &RecordBatch,
    options: &str,
) -> OpenedTransform {
    instance
        .open_transform(name, &batch.schema(), options)
        .unwrap()
}

fn letters_and_numbers() -> RecordBatch {
    batch(vec![
        Arc::new(StringViewArray::from(vec![
            Some("a"),
            None,
            Some("c"),
            Some("d"),
        ])),
        Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4)])),
    ])
}

#[test]
fn columns_that_are_passed_on_do_not_change_and_need_no_type_of_the_border() {
    let mut instance = support::instance();
    let sent = letters_and_numbers();
    let opened = open(&mut instance, "pass", &sent, r#"{"column": "c1"}"#);
    assert_eq!(opened.reads, [1]);
    assert_eq!(
        opened.output,
        [OutputColumn::Input(0), OutputColumn::Input(1)]
    );
    // The view stays a view: it never crosses.
    assert_eq!(opened.schema.as_ref(), sent.schema().as_ref());
    let outcome = process(&mut instance, &opened, &sent).unwrap();
    assert_eq!(outcome.batches, std::slice::from_ref(&sent));
    assert!(Arc::ptr_eq(outcome.batches[0].column(0), sent.column(0)));
    assert_eq!(instance.take_counters()["nulls"], 1);
    assert!(instance.take_counters().is_empty());
}

#[test]
fn rows_are_carried_over_by_the_numbers_that_the_guest_names() {
    let mut instance = support::instance();
    let sent = letters_and_numbers();
    let opened = open(&mut instance, "filter", &sent, r#"{"column": "c0"}"#);
    let kept = &process(&mut instance, &opened, &sent).unwrap().batches[0];
    let letters = StringViewArray::from(vec!["a", "c", "d"]);
    assert_eq!(kept.column(0).as_string_view(), &letters);
    let numbers = Int64Array::from(vec![Some(1), None, Some(4)]);
    assert_eq!(kept.column(1).as_primitive::<Int64Type>(), &numbers);

    let every_second = open(&mut instance, "filter", &sent, "{}");
    assert!(every_second.reads.is_empty());
    let kept = &process(&mut instance, &every_second, &sent)
        .unwrap()
        .batches[0];
    assert_eq!(
        kept.column(1).as_primitive::<Int64Type>(),
        &Int64Array::from(vec![Some(1), None])
    );
}

#[test]
fn only_the_columns_that_are_wanted_are_put_together() {
    let mut instance = support::instance();
    let sent = letters_and_numbers();
    let opened = open(
        &mut instance,
        "explode",
        &sent,
        r#"{"times": 2, "part_rows": 100}"#,
    );
    // Column 0 was pruned; the count and column 1 are wanted, in this order.
    let columns = [None, Some(Arc::clone(sent.column(1)))];
    let keep = [2, 1];
    let schema = Arc::new(opened.schema.project(&keep).unwrap());
    let input = Input::new(&columns, 4, &keep, &schema);
    let outcome = instance.process(&opened, &input).unwrap();
    let got = &outcome.batches[0];
    assert_eq!(got.schema(), schema);
    assert_eq!(
        got.column(0).as_primitive::<Int64Type>().values(),
        &[0, 1, 0, 1, 0, 1, 0, 1]
    );
    assert_eq!(got.column(1).null_count(), 2);
}

#[test]
fn a_column_that_is_read_must_be_given() {
    let mut instance = support::instance();
    let sent = letters_and_numbers();
    let opened = open(&mut instance, "pass", &sent, r#"{"column": "c1"}"#);
    let input = Input::new(&[None, None], 4, &[], &opened.schema);
    let error = instance.process(&opened, &input).unwrap_err();
    assert!(
        support::whole(&error).contains("a column that the transform reads was not given"),
        "{error:?}"
    );
    assert!(!instance.is_dead());
}

#[test]
fn output_in_parts_is_pulled_until_there_is_no_more() {
    let mut instance = support::instance();
    let sent = letters_and_numbers();
    let options = r#"{"times": 3, "part_rows": 5}"#;
    let opened = open(&mut instance, "explode", &sent, options);
    for _ in 0..2 {
        let parts = process_and_pull(&mut instance, &opened, &sent);
        let rows: Vec<usize> = parts.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(rows, [5, 5, 2]);
        let whole = arrow::compute::concat_batches(&opened.schema, &parts).unwrap();
        let numbers: Vec<Option<i64>> =
            whole.column(1).as_primitive::<Int64Type>().iter().collect();
        let expected = [Some(1), Some(2), None, Some(4)];
        assert_eq!(
            numbers,
            expected
                .iter()
                .flat_map(|&value| [value; 3])
                .collect::<Vec<_>>()
        );
    }
    let none = process_and_pull(&mut instance, &opened, &sent.slice(0, 0));
    assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[test]
fn state_is_saved_and_goes_on_in_another_instance() {
    let sent = letters_and_numbers();
    let sums = |outcome: transom_plugin::TransformOutcome| {
        let sums = outcome.batches[0].column(2).as_primitive::<Int64Type>();
        sums.values().to_vec()
    };
    let options = r#"{"column": "c1"}"#;
    let mut first = support::instance();
    let opened = open(&mut first, "running", &sent, options);
    assert_eq!(
        sums(process(&mut first, &opened, &sent).unwrap()),
        [1, 3, 3, 7]
    );
    let end = first.finish(&opened, End::Slice).unwrap();
    assert!(end.batches.is_empty() && !end.more);
    let state = first.save(&opened).unwrap();
    drop(first);

    let mut second = support::instance();
    let opened = open(&mut second, "running", &sent, options);
    second.restore(&opened, &state).unwrap();
    assert_eq!(
        sums(process(&mut second, &opened, &sent).unwrap()),
        [8, 10, 10, 14]
    );
    let error = second.restore(&opened, b"\xff").unwrap_err();
    assert!(matches!(error, Error::Guest { .. }), "{error:?}");
}

#[test]
fn an_error_names_row_and_column_of_the_input() {
    let sent = batch(vec![
        Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef,
        Arc::new(Int64Array::from(vec![i64::MAX, 1])),
    ]);
    let mut instance = support::instance();
    let opened = open(&mut instance, "running", &sent, r#"{"column": "c1"}"#);
    let error = process(&mut instance, &opened, &sent).unwrap_err();
    match &error {
        Error::Guest { error, .. } => assert_eq!(
            (error.kind, error.row, error.column),
            (GuestErrorKind::BadData, Some(1), Some(1))
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        error.to_string(),
        "plugin `echo` reports bad data: the running sum overflows (row index 1 of the batch, input column index 1)"
    );
}

#[test]
fn rejected_rows_come_with_their_reasons_and_the_others_are_kept() {
    let mut instance = support::instance();
    let sent = letters_and_numbers();
    let opened = open(&mut instance, "reject_odd", &sent, "{}");
    let outcome = process(&mut instance, &opened, &sent).unwrap();
    assert_eq!(
        outcome.rejected,
        [1, 3].map(|row| Rejected {
            row,
            reason: format!("row {row} is odd")
        })
    );
    let kept: Vec<_> = outcome.batches[0]
        .column(0)
        .as_string_view()
        .iter()
        .collect();
    assert_eq!(kept, [Some("a"), Some("c")]);
}

#[test]
fn two_transforms_of_one_instance_do_not_disturb_each_other() {
    let mut instance = support::instance();
    let sent = letters_and_numbers();
    let one = open(&mut instance, "running", &sent, r#"{"column": "c1"}"#);
    let other = open(&mut instance, "running", &sent, r#"{"column": "c1"}"#);
    process(&mut instance, &one, &sent).unwrap();
    instance.close_transform(one).unwrap();
    let outcome = process(&mut instance, &other, &sent).unwrap();
    let sums = outcome.batches[0].column(2).as_primitive::<Int64Type>();
    assert_eq!(sums.value(3), 7);
}

#[test]
fn options_that_the_transform_does_not_know_are_refused() {
    let mut instance = support::instance();
    let schema = letters_and_numbers().schema();
    for (options, text) in [
        ("{}", "column"),
        (r#"{"column": 1}"#, "string"),
        (r#"{"column": "no_such"}"#, "no_such"),
        ("not json", "expected ident"),
    ] {
        let error = instance
            .open_transform("pass", &schema, options)
            .unwrap_err();
        assert!(
            matches!(error, Error::Guest { ref error, .. } if error.kind == GuestErrorKind::Config),
            "{error:?}"
        );
        assert!(error.to_string().contains(text), "{error} lacks {text}");
    }
}

#[test]
fn a_column_that_cannot_cross_is_named_with_its_type() {
    let runs = DataType::RunEndEncoded(
        Field::new("run_ends", DataType::Int32, false).into(),
        Field::new("values", DataType::Int64, true).into(),
    );
    let union = DataType::Union(
        [(0, Arc::new(Field::new("a", DataType::Int8, true)))]
            .into_iter()
            .collect(),
        arrow::datatypes::UnionMode::Dense,
    );
    let listed = DataType::List(Field::new_list_field(union.clone(), true).into());
    for (data_type, word) in [(runs, "RunEndEncoded"), (union, "Union"), (listed, "Union")] {
        let schema = Arc::new(Schema::new(vec![
            Field::new("fine", DataType::Int8, true),
            Field::new("odd", data_type, true),
        ]));
        let error = support::instance()
            .open_transform("echo", &schema, r#"{"reads": "all"}"#)
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("column `odd` of type ") && text.contains(word),
            "{text}"
        );
        assert!(text.ends_with("cannot be passed to a plugin"), "{text}");
    }
}

#[test]
fn lists_of_no_items_that_would_lose_their_rows_are_refused() {
    let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
    let column = crate::arrays::array(
        &mut crate::arrays::Numbers(1),
        &DataType::FixedSizeList(item, 0),
        3,
        crate::arrays::Nulls::None,
    );
    let sent = batch(vec![column]);
    let mut instance = support::instance();
    let opened = open(&mut instance, "echo", &sent, r#"{"reads": "all"}"#);
    let error = process(&mut instance, &opened, &sent).unwrap_err();
    assert!(
        matches!(error, Error::Unsupported { ref column, .. } if column == "c0"),
        "{error:?}"
    );
}
