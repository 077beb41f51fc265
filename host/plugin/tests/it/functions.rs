//! Scalar functions of the guest: one value a row, NULLs, rejected rows, no arguments, other types than numbers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, NullArray, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, UInt64Type};
use transom_plugin::{Error, FunctionOutcome, GuestErrorKind, Instance};

use crate::support;

fn fields(columns: &[ArrayRef]) -> Vec<FieldRef> {
    columns
        .iter()
        .map(|column| Arc::new(Field::new("", column.data_type().clone(), true)))
        .collect()
}

fn call_in(
    instance: &mut Instance,
    name: &str,
    columns: &[ArrayRef],
    rows: usize,
) -> FunctionOutcome {
    let function = instance.open_function(name, &fields(columns)).unwrap();
    assert_eq!(function.output.name(), name);
    let outcome = instance.call_function(&function, columns, rows).unwrap();
    assert_eq!(outcome.column.data_type(), function.output.data_type());
    assert_eq!(outcome.column.len(), rows);
    instance.close_function(function).unwrap();
    outcome
}

fn call(name: &str, columns: &[ArrayRef]) -> FunctionOutcome {
    call_in(
        &mut support::instance(),
        name,
        columns,
        columns.first().map_or(0, |column| column.len()),
    )
}

#[test]
fn a_null_argument_makes_the_result_null() {
    let a = Int64Array::from(vec![Some(12), None, Some(i64::MIN), Some(0)]);
    let b = Int64Array::from(vec![Some(18), Some(1), Some(-1), None]);
    let outcome = call("gcd", &[Arc::new(a), Arc::new(b)]);
    let expected = Int64Array::from(vec![Some(6), None, Some(1), None]);
    assert_eq!(outcome.column.as_primitive::<Int64Type>(), &expected);
    assert_eq!(outcome.rejected, []);
}

#[test]
fn a_function_may_take_null_and_give_null() {
    let texts = StringArray::from(vec![Some("äh"), None, Some("")]);
    let outcome = call("shout", &[Arc::new(texts)]);
    let expected = StringArray::from(vec![Some("ÄH"), Some("NULL"), None]);
    assert_eq!(outcome.column.as_string::<i32>(), &expected);
}

#[test]
fn rows_that_fail_are_rejected_with_their_reason() {
    let texts = StringArray::from(vec![Some("1"), Some("x"), None, Some("2")]);
    let outcome = call("parse", &[Arc::new(texts)]);
    let numbers = outcome.column.as_primitive::<Int64Type>();
    assert_eq!((numbers.value(0), numbers.value(3)), (1, 2));
    assert!(numbers.is_null(2));
    assert_eq!(outcome.rejected.len(), 1);
    assert_eq!(outcome.rejected[0].row, 1);
    assert!(
        outcome.rejected[0]
            .reason
            .starts_with("`x` is not a number"),
        "{:?}",
        outcome.rejected
    );
}

#[test]
fn a_function_over_whole_columns_gives_a_column() {
    let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MAX)]));
    let outcome = call("add", &[Arc::clone(&a), a]);
    let expected = Int64Array::from(vec![Some(2), None, Some(-2)]);
    assert_eq!(outcome.column.as_primitive::<Int64Type>(), &expected);
}

#[test]
fn a_function_without_arguments_gives_a_value_for_each_row() {
    let outcome = call_in(&mut support::instance(), "nothing", &[], 3);
    let expected = Int64Array::from(vec![42, 42, 42]);
    assert_eq!(outcome.column.as_primitive::<Int64Type>(), &expected);
    let none = call_in(&mut support::instance(), "nothing", &[], 0);
    assert!(none.column.is_empty());
}

#[test]
fn a_decimal_that_needs_more_digits_is_rejected() {
    let decimals = |values: Vec<Option<i128>>| {
        Decimal128Array::from(values)
            .with_precision_and_scale(10, 2)
            .unwrap()
    };
    let prices = decimals(vec![Some(125), None, Some(-9_999_999_999)]);
    let outcome = call("doubled", &[Arc::new(prices)]);
    assert_eq!(outcome.column.data_type(), &DataType::Decimal128(10, 2));
    assert_eq!(
        outcome.column.slice(0, 2).to_data(),
        decimals(vec![Some(250), None]).to_data()
    );
    assert_eq!(outcome.rejected.len(), 1);
    assert_eq!(outcome.rejected[0].row, 2);
}

#[test]
fn dates_and_instants_keep_their_meaning() {
    let days = Date32Array::from(vec![Some(0), None, Some(-1)]);
    let outcome = call("next_day", &[Arc::new(days)]);
    let expected = Date32Array::from(vec![Some(1), None, Some(0)]);
    assert_eq!(outcome.column.to_data(), expected.to_data());
    let at = |micros: i64| TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC");
    let outcome = call("an_hour_later", &[Arc::new(at(1))]);
    assert_eq!(
        outcome.column.to_data(),
        at(1 + 3_600_000_000).with_timezone("UTC").to_data()
    );
}

#[test]
fn each_instance_has_a_memory_of_its_own() {
    let (mut one, mut other) = (support::instance(), support::instance());
    let roll = |instance: &mut Instance, rows| {
        let outcome = call_in(instance, "roll_call", &[], rows);
        outcome.column.as_primitive::<UInt64Type>().clone()
    };
    assert_eq!(roll(&mut one, 2), UInt64Array::from(vec![0, 1]));
    assert_eq!(roll(&mut one, 1), UInt64Array::from(vec![2]));
    assert_eq!(roll(&mut other, 1), UInt64Array::from(vec![0]));
}

#[test]
fn a_function_of_any_type_has_the_result_type_of_its_argument() {
    let columns: [ArrayRef; 2] = [
        Arc::new(StringArray::from(vec![Some("a"), None])),
        Arc::new(NullArray::new(2)),
    ];
    let mut instance = support::instance();
    for column in columns {
        let outcome = call_in(&mut instance, "any_identity", &[Arc::clone(&column)], 2);
        assert_eq!(&outcome.column, &column);
    }
}

#[test]
fn a_function_refuses_arguments_it_does_not_take() {
    let mut instance = support::instance();
    let texts = [Arc::new(Field::new("a", DataType::Utf8, true)) as FieldRef];
    for (name, arguments) in [("gcd", &texts[..]), ("nothing", &texts), ("no_such", &[])] {
        let error = instance.open_function(name, arguments).unwrap_err();
        assert!(
            matches!(error, Error::Guest { ref error, .. } if error.kind == GuestErrorKind::Config),
            "{error:?}"
        );
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(!instance.is_dead());
}

#[test]
fn an_argument_that_cannot_cross_is_named() {
    let runs = DataType::RunEndEncoded(
        Field::new("run_ends", DataType::Int32, false).into(),
        Field::new("values", DataType::Int64, true).into(),
    );
    let error = support::instance()
        .open_function("any_identity", &[Arc::new(Field::new("runs", runs, true))])
        .unwrap_err();
    assert!(
        matches!(error, Error::Unsupported { ref column, .. } if column == "runs"),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("arrow_cast"));
}
