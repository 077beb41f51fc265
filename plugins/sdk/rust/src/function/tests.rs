//! What authors' functions see and give: NULL, rejected rows, and every type of a single value.

use super::{Accepts, Called, Gives, Registered, Volatility};
use crate::ErrorKind;
use crate::prelude::*;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, DurationMicrosecondType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{
    Decimal128Array, DurationMicrosecondArray, LargeStringArray, PrimitiveArray,
    Time64MicrosecondArray,
};

fn call<F: Registered>(arguments: &[ArrayRef], rows: usize) -> Called {
    let given: Vec<DataType> = arguments
        .iter()
        .map(|argument| argument.data_type().clone())
        .collect();
    let promised = F::FUNCTION.open(&given).unwrap();
    let called = F::FUNCTION.call(arguments, rows, &promised).unwrap();
    called.column.to_data().validate_full().unwrap();
    called
}

fn integers(values: impl Into<Vec<Option<i64>>>) -> ArrayRef {
    Arc::new(Int64Array::from(values.into()))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Difference of two numbers.
///
/// The second is subtracted.
#[function]
fn minus(left: i64, _right: i64) -> i64 {
    left - _right
}

#[test]
fn a_null_in_gives_a_null_out_without_a_call() {
    // The value beneath a NULL is not read: i64::MIN - 1 would panic.
    let left = Int64Array::new(
        vec![i64::MIN, 5, 9].into(),
        Some(vec![false, true, true].into()),
    );
    let called = call::<minus>(&[Arc::new(left), integers([Some(1), Some(2), None])], 3);
    assert_eq!(
        called.column.as_ref(),
        integers([None, Some(3), None]).as_ref()
    );
    assert!(called.rejected.is_empty());
}

#[test]
fn columns_without_nulls_give_one_without() {
    let called = call::<minus>(
        &[integers([Some(4), Some(3)]), integers([Some(1), Some(2)])],
        2,
    );
    assert_eq!(
        called
            .column
            .as_primitive::<arrow_array::types::Int64Type>()
            .values(),
        &[3, 1]
    );
    assert!(called.column.nulls().is_none());
}

#[test]
fn the_description_is_derived_from_the_code() {
    let function = minus::FUNCTION;
    assert_eq!(function.name, "minus");
    assert_eq!(
        function.doc,
        "Difference of two numbers.\n\nThe second is subtracted."
    );
    let int = || Accepts::Exact(DataType::Int64);
    assert_eq!((function.arguments)(), [("left", int()), ("right", int())]);
    assert_eq!((function.gives)(), Gives::Exact(DataType::Int64));
    assert_eq!(function.volatility, Volatility::Immutable);
    assert_eq!(minus(5, 3), 2);
}

#[function]
fn describe(text: Option<&str>) -> Option<String> {
    match text {
        Some("") => None,
        Some(text) => Some(format!("<{text}>")),
        None => Some("nothing".to_owned()),
    }
}

#[test]
fn an_option_sees_null_and_gives_it() {
    let called = call::<describe>(&[texts(&[Some("a"), None, Some("")])], 3);
    assert_eq!(
        called.column.as_ref(),
        texts(&[Some("<a>"), Some("nothing"), None]).as_ref()
    );
}

#[function(name = "parse_int", volatile)]
fn parse(text: &str) -> Result<Option<i64>, String> {
    match text {
        "-" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("`{text}` is not a number")),
    }
}

#[test]
fn an_error_rejects_its_row_alone() {
    let called = call::<parse>(&[texts(&[Some("1"), Some("x"), None, Some("-")])], 4);
    assert_eq!(
        called.column.as_ref(),
        integers([Some(1), None, None, None]).as_ref()
    );
    assert_eq!(called.rejected, [(1, "`x` is not a number".to_owned())]);
    assert_eq!(
        (parse::FUNCTION.name, parse::FUNCTION.volatility),
        ("parse_int", Volatility::Volatile)
    );
}

#[function]
fn judged(text: &str) -> Result<i64, Error> {
    match text {
        "data" => Err(Error::bad_data("of the data").column("text")),
        "pipeline" => Err(Error::config("of the pipeline")),
        "plugin" => Err(Error::internal("of the plugin").row(0)),
        text => Ok(text.parse()?),
    }
}

#[test]
fn an_error_of_the_data_or_of_nobody_rejects_its_row_and_any_other_ends_the_run() {
    let called = call::<judged>(&[texts(&[Some("data"), Some("x"), Some("7")])], 3);
    assert_eq!(
        called.column.as_ref(),
        integers([None, None, Some(7)]).as_ref()
    );
    let reasons = ["of the data", "invalid digit found in string"];
    let rejected = [(0, reasons[0].to_owned()), (1, reasons[1].to_owned())];
    assert_eq!(called.rejected, rejected);

    for (text, kind, row) in [
        ("pipeline", ErrorKind::Config, 1),
        ("plugin", ErrorKind::Internal, 0),
    ] {
        let given = [texts(&[Some("data"), Some(text), None])];
        let error = judged::FUNCTION.call(&given, 3, &DataType::Int64);
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.row), (kind, Some(row)), "{error}");
    }
}

#[function]
fn answer() -> i64 {
    42
}

#[test]
fn a_function_without_arguments_gives_a_value_for_each_row() {
    assert_eq!(
        call::<answer>(&[], 3).column.as_ref(),
        integers([Some(42); 3]).as_ref()
    );
    assert_eq!(call::<answer>(&[], 0).column.len(), 0);
}

macro_rules! identities {
    ($($name:ident: $ty:ty),* $(,)?) => {$(
        #[function]
        fn $name(value: $ty) -> $ty {
            value
        }
    )*};
}

identities! {
    same_bool: bool, same_i8: i8, same_i16: i16, same_i32: i32, same_u8: u8, same_u16: u16, same_u32: u32, same_u64: u64,
    same_f32: f32, same_f64: f64, same_string: String, same_bytes: Vec<u8>, same_date: NaiveDate, same_time: NaiveTime,
    same_stamp: NaiveDateTime, same_instant: DateTime<Utc>, same_delta: TimeDelta, same_decimal: Decimal<10, 2>,
}

#[function]
fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn primitives<T: ArrowPrimitiveType>(values: [T::Native; 2]) -> PrimitiveArray<T> {
    PrimitiveArray::from_iter([Some(values[0]), None, Some(values[1])])
}

#[test]
fn every_type_of_a_value_is_read_and_written() {
    fn check<F: Registered>(column: impl Array + 'static) {
        let column: ArrayRef = Arc::new(column);
        let called = call::<F>(std::slice::from_ref(&column), column.len());
        assert_eq!(
            called.column.as_ref(),
            column.as_ref(),
            "{}",
            F::FUNCTION.name
        );
        assert!(called.rejected.is_empty());
    }
    check::<same_bool>(BooleanArray::from(vec![Some(true), None, Some(false)]));
    check::<same_i8>(primitives::<arrow_array::types::Int8Type>([
        i8::MIN,
        i8::MAX,
    ]));
    check::<same_i16>(primitives::<arrow_array::types::Int16Type>([
        i16::MIN,
        i16::MAX,
    ]));
    check::<same_i32>(primitives::<arrow_array::types::Int32Type>([
        i32::MIN,
        i32::MAX,
    ]));
    check::<same_u8>(primitives::<arrow_array::types::UInt8Type>([0, u8::MAX]));
    check::<same_u16>(primitives::<arrow_array::types::UInt16Type>([0, u16::MAX]));
    check::<same_u32>(primitives::<arrow_array::types::UInt32Type>([0, u32::MAX]));
    check::<same_u64>(primitives::<arrow_array::types::UInt64Type>([0, u64::MAX]));
    check::<same_f32>(primitives::<arrow_array::types::Float32Type>([
        -0.5,
        f32::INFINITY,
    ]));
    check::<same_f64>(primitives::<arrow_array::types::Float64Type>([
        -0.5,
        f64::MIN,
    ]));
    check::<same_string>(StringArray::from(vec![Some("é"), None, Some("")]));
    check::<same_bytes>(BinaryArray::from(vec![
        Some(b"\xff".as_slice()),
        None,
        Some(b""),
    ]));
    check::<same_date>(primitives::<Date32Type>([-719_163, 20_000]));
    check::<same_time>(primitives::<Time64MicrosecondType>([0, 86_399_999_999]));
    check::<same_stamp>(primitives::<TimestampMicrosecondType>([
        -1,
        1_700_000_000_000_001,
    ]));
    check::<same_instant>(
        primitives::<TimestampMicrosecondType>([-1, 1_700_000_000_000_001]).with_timezone("UTC"),
    );
    check::<same_delta>(primitives::<DurationMicrosecondType>([i64::MIN, i64::MAX]));
    check::<same_decimal>(
        Decimal128Array::from(vec![Some(-1), None]).with_data_type(DataType::Decimal128(10, 2)),
    );
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![b"abc".as_slice()]));
    assert_eq!(
        call::<length>(&[bytes], 1).column.as_ref(),
        &UInt64Array::from(vec![3])
    );
}

#[test]
fn a_value_beyond_the_rust_type_rejects_its_row() {
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX, 0]));
    let called = call::<same_date>(&[dates], 2);
    assert_eq!(
        called.column.as_ref(),
        &Date32Array::from(vec![None, Some(0)])
    );
    let reason = "the argument `value`: 2147483647 is out of the range of a date";
    assert_eq!(called.rejected, [(0, reason.to_owned())]);

    let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![-1, 86_400_000_000]));
    assert_eq!(call::<same_time>(&[times], 2).rejected.len(), 2);
}

#[function]
fn tenfold(price: Decimal<4, 2>) -> Decimal<4, 2> {
    Decimal::from_unscaled(price.unscaled() * 10)
}

#[function]
fn forever(_delta: TimeDelta) -> TimeDelta {
    TimeDelta::MAX
}

#[test]
fn a_value_beyond_the_arrow_type_rejects_its_row() {
    let prices = Decimal128Array::from(vec![999, 1_000]).with_data_type(DataType::Decimal128(4, 2));
    let called = call::<tenfold>(&[Arc::new(prices)], 2);
    assert_eq!(
        called.rejected,
        [(1, "100.00 does not fit its precision".to_owned())]
    );
    assert!(called.column.is_null(1));

    let deltas: ArrayRef = Arc::new(DurationMicrosecondArray::from(vec![0]));
    assert_eq!(call::<forever>(&[deltas], 1).rejected.len(), 1);
}

#[function]
fn clock(nanos: u32) -> NaiveTime {
    NaiveTime::from_hms_nano_opt(23, 59, 59, nanos).unwrap()
}

#[function]
fn stamp(nanos: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(1969, 12, 31)
        .unwrap()
        .and_time(clock(nanos))
}

#[function]
fn instant(nanos: u32) -> DateTime<Utc> {
    stamp(nanos).and_utc()
}

#[function]
fn back(nanos: u32) -> TimeDelta {
    -TimeDelta::nanoseconds(i64::from(nanos))
}

#[test]
fn a_time_finer_than_a_microsecond_and_a_leap_second_reject_their_rows() {
    fn check<F: Registered>(given: [u32; 3], shown: [&str; 2]) {
        let nanos: ArrayRef = Arc::new(UInt32Array::from(given.to_vec()));
        let called = call::<F>(&[nanos], 3);
        assert!(called.column.is_valid(0), "{}", F::FUNCTION.name);
        let reasons: Vec<&str> = called.rejected.iter().map(|(_, why)| &**why).collect();
        assert_eq!(reasons, shown);
    }
    check::<clock>(
        [1_000, 1_999, 1_500_000_000],
        [
            "23:59:59.000001999 does not fit a time of day in microseconds",
            "23:59:60.500 does not fit a time of day in microseconds",
        ],
    );
    check::<stamp>(
        [1_000, 1_999, 1_500_000_000],
        [
            "1969-12-31 23:59:59.000001999 does not fit a timestamp in microseconds",
            "1969-12-31 23:59:60.500 does not fit a timestamp in microseconds",
        ],
    );
    check::<instant>(
        [1_000, 1_999, 1_500_000_000],
        [
            "1969-12-31 23:59:59.000001999 UTC does not fit a timestamp in microseconds",
            "1969-12-31 23:59:60.500 UTC does not fit a timestamp in microseconds",
        ],
    );
    check::<back>(
        [1_000, 1_999, 1],
        [
            "-PT0.000001999S does not fit a duration in microseconds",
            "-PT0.000000001S does not fit a duration in microseconds",
        ],
    );
}

#[function]
fn add(a: &Int64Array, b: &Int64Array) -> Int64Array {
    a.iter().zip(b).map(|(a, b)| Some(a? + b?)).collect()
}

#[function]
fn lengths(texts: &LargeStringArray) -> Result<UInt64Array, Error> {
    if texts.is_empty() {
        return Err(Error::bad_data("nothing there"));
    }
    Ok(texts
        .iter()
        .map(|text| text.map(|text| text.len() as u64))
        .collect())
}

#[function(output = "first", stable)]
fn first_only(values: &ArrayRef, _others: &ArrayRef) -> Result<ArrayRef, Error> {
    Ok(values.clone())
}

#[function(output = "first")]
fn shortened(values: &ArrayRef) -> ArrayRef {
    values.slice(0, 1)
}

#[test]
fn a_function_may_see_whole_columns() {
    let sum = call::<add>(
        &[integers([Some(1), None]), integers([Some(2), Some(3)])],
        2,
    );
    assert_eq!(sum.column.as_ref(), integers([Some(3), None]).as_ref());
    let text: ArrayRef = Arc::new(LargeStringArray::from(vec!["ab"]));
    assert_eq!(
        call::<lengths>(&[text], 1).column.as_ref(),
        &UInt64Array::from(vec![2])
    );
    let none: ArrayRef = Arc::new(LargeStringArray::new_null(0));
    let error = lengths::FUNCTION
        .call(&[none], 0, &DataType::UInt64)
        .unwrap_err();
    assert_eq!(error.message(), "nothing there");
}

#[test]
fn a_function_of_any_type_gives_that_of_its_first_argument() {
    assert_eq!(
        (first_only::FUNCTION.arguments)()[0],
        ("values", Accepts::Any)
    );
    assert_eq!((first_only::FUNCTION.gives)(), Gives::First);
    let column = texts(&[Some("a")]);
    let called = call::<first_only>(&[column.clone(), integers([None])], 1);
    assert_eq!(called.column.as_ref(), column.as_ref());
}

#[test]
fn a_column_of_another_length_is_refused() {
    let error = shortened::FUNCTION
        .call(&[integers([None, None])], 2, &DataType::Int64)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the function `shortened` gave 1 row for 2"
    );
}

#[test]
fn arguments_that_do_not_fit_are_named() {
    let error = minus::FUNCTION.open(&[DataType::Int64]).unwrap_err();
    assert_eq!(
        error.message(),
        "the function `minus` takes 2 arguments, not 1"
    );
    let error = minus::FUNCTION
        .open(&[DataType::Int64, DataType::Utf8])
        .unwrap_err();
    assert_eq!(
        error.message(),
        "the argument `right` of the function `minus` is Int64, not Utf8"
    );
    assert_eq!(error.kind(), crate::ErrorKind::Config);
}
