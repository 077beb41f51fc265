//! Python's columns in native code and in Python: the same plugin and the same rows through both codecs of its SDK.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use transom_plugin::Plugin;

use super::ROWS;
use super::functions::{Calls, Codec};
use crate::common::Result;
use crate::common::data::{self, Random};
use crate::common::measure::{Comparison, Target, processor_time, taking_turns};

const ROUNDS: usize = 100;

/// A function of the guest and the columns that it is called with.
struct Work {
    name: &'static str,
    function: &'static str,
    columns: Vec<ArrayRef>,
    target: Target,
}

/// All comparisons; the plugin is the guest in Python.
pub(super) fn compare(python: &Arc<Plugin>) -> Result<Vec<Comparison>> {
    works()?
        .iter()
        .map(|work| compare_one(python, work))
        .collect()
}

fn works() -> Result<Vec<Work>> {
    let mut random = Random::new(11);
    let words = made_up(&mut random);
    let long = data::words(&mut random, ROWS);
    let repeated = carriers(&mut random);
    let (delays, distances) = (below(&mut random, 120), below(&mut random, 3000));
    let flights = |carrier: &ArrayRef| {
        vec![
            Arc::clone(carrier),
            Arc::clone(&delays),
            Arc::clone(&distances),
        ]
    };
    let nullable = flights(&repeated)
        .iter()
        .map(with_nulls)
        .collect::<Result<Vec<_>>>()?;
    let seconds = below(&mut random, 1 << 30);
    let days = Date32Array::from_iter_values((0..ROWS).map(|row| row as i32 * 7 % 365));
    let moments = TimestampMicrosecondArray::from_iter_values(
        (0..ROWS).map(|row| row as i64 * 61_000_001 - 400_000),
    );
    let amounts = Decimal128Array::from_iter_values((0..ROWS).map(|row| row as i128 * 37 - 1_000))
        .with_precision_and_scale(18, 2)?;
    let work = |name, function, columns, target| Work {
        name,
        function,
        columns,
        target,
    };
    let least = Target::Faster;
    let (few, made) = (flights(&repeated), flights(&words));
    Ok(vec![
        work(
            "carrier as it is, made-up words",
            "carrier",
            made.clone(),
            least(2.5),
        ),
        work(
            "carrier as it is, 50 carriers",
            "carrier",
            few.clone(),
            least(2.5),
        ),
        work(
            "carrier as it is, 50 carriers with nulls",
            "carrier",
            nullable.clone(),
            least(2.5),
        ),
        work(
            "lower case, made-up words",
            "lower",
            vec![words],
            least(2.3),
        ),
        work(
            "lower case, 50 carriers",
            "lower",
            vec![repeated],
            least(2.3),
        ),
        work(
            "lower case, 8 to 24 ASCII letters",
            "lower",
            vec![long],
            Target::None,
        ),
        work("label, made-up words", "label", made, least(1.7)),
        work("label, 50 carriers", "label", few, least(1.7)),
        work(
            "label, 50 carriers with nulls",
            "label",
            nullable,
            least(1.7),
        ),
        work(
            "a + b of int64",
            "plus",
            vec![seconds.clone(), seconds],
            Target::None,
        ),
        work(
            "day of the week of date",
            "day",
            vec![Arc::new(days)],
            Target::None,
        ),
        work(
            "a timestamp as it is",
            "moment",
            vec![Arc::new(moments)],
            least(8.0),
        ),
        work(
            "a decimal as it is",
            "amount",
            vec![Arc::new(amounts)],
            least(3.0),
        ),
    ])
}

fn compare_one(python: &Arc<Plugin>, work: &Work) -> Result<Comparison> {
    let open = |codec| Calls::open(python, work.function, &work.columns, codec);
    let mut calls = [open(Codec::Python)?, open(Codec::Native)?];
    let expected = calls[0].call()?;
    assert_eq!(&calls[1].call()?, &expected, "both codecs give the same");
    let [in_python, native] = taking_turns(ROUNDS, |codec| processor_time(|| calls[codec].call()))?;
    Ok(Comparison {
        name: format!("{}, {ROWS} rows: Python by row", work.name),
        baseline: ("codec in Python", in_python),
        ours: native,
        target: work.target,
        split: Some(calls[1].timing()),
    })
}

/// Words as `transom bench` makes them up: of 4 to 12 letters, some of them not ASCII.
fn made_up(random: &mut Random) -> ArrayRef {
    let mut word = |_| {
        let letters = 4 + random.next() % 9;
        let word = (0..letters).map(|_| char::from(b'a' + (random.next() % 26) as u8));
        let word = word.collect::<String>();
        match random.next() % 16 {
            0 => String::new(),
            1 => format!("Ünï {word}"),
            _ => word,
        }
    };
    Arc::new(StringArray::from_iter_values((0..ROWS).map(&mut word)))
}

/// Texts of two capitals, as airlines have them.
fn carriers(random: &mut Random) -> ArrayRef {
    let mut carrier = |_| {
        let letters = [random.next() % 5, random.next() % 10];
        letters
            .map(|letter| char::from(b'A' + letter as u8))
            .iter()
            .collect::<String>()
    };
    Arc::new(StringArray::from_iter_values((0..ROWS).map(&mut carrier)))
}

/// Whole numbers from -10 on.
fn below(random: &mut Random, most: u64) -> ArrayRef {
    let values = (0..ROWS).map(|_| (random.next() % most) as i64 - 10);
    Arc::new(Int64Array::from_iter_values(values))
}

/// The column with every seventh row null.
fn with_nulls(column: &ArrayRef) -> Result<ArrayRef> {
    let valid: NullBuffer = (0..ROWS).map(|row| row % 7 != 3).collect();
    Ok(arrow::array::make_array(
        column.to_data().into_builder().nulls(Some(valid)).build()?,
    ))
}
