//! Data that is random and the same every time.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

/// SplitMix64: good enough to keep branch predictors from learning the data, and no dependency.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The same `seed` gives the same numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Uniform integers of 31 bits.
pub(crate) fn integers(random: &mut Random, rows: usize) -> ArrayRef {
    let values = (0..rows).map(|_| (random.next() >> 33) as i64);
    Arc::new(Int64Array::from_iter_values(values))
}

/// Multiples of an eighth below 2^28: written as decimals they are short, and read they are the same again.
pub(crate) fn floats(random: &mut Random, rows: usize) -> ArrayRef {
    let values = (0..rows).map(|_| (random.next() >> 33) as f64 / 8.0);
    Arc::new(Float64Array::from_iter_values(values))
}

/// Words of 8 to 24 letters.
pub(crate) fn words(random: &mut Random, rows: usize) -> ArrayRef {
    let mut word = |_| {
        let length = 8 + random.next() % 17;
        let letters = (0..length).map(|_| char::from(b'a' + (random.next() % 26) as u8));
        letters.collect::<String>()
    };
    Arc::new(StringArray::from_iter_values((0..rows).map(&mut word)))
}

/// Four columns of int64 and two of utf8; at 8,192 rows about 590 kB.
pub(crate) fn table(rows: usize) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut random = Random::new(1);
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for number in 0..4 {
        columns.push((format!("number_{number}"), integers(&mut random, rows)));
    }
    for word in 0..2 {
        columns.push((format!("word_{word}"), words(&mut random, rows)));
    }
    RecordBatch::try_from_iter(columns)
}

/// Two columns `a` and `b` of [`integers`].
pub(crate) fn pairs(seed: u64, rows: usize) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut random = Random::new(seed);
    let mut column = || integers(&mut random, rows);
    RecordBatch::try_from_iter([("a", column()), ("b", column())])
}
