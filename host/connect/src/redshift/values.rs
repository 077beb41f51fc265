//! Values of a batch in the types of the table. What COPY would refuse, or Redshift change, is found here: before
//! anything is decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{
    DataType, Date32Type, Field, Float32Type, Float64Type, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType,
};
use transom_sql::lossless;

use super::nested;
use super::types::Type;
use crate::format::{Unwritable, lost, quoted, shown, sql_name};

/// The dates that Redshift has, as days since 1970: from 4713 BC to the year 294246.
const DATES: std::ops::RangeInclusive<i32> = -2_440_588..=106_751_990;
/// The same for timestamps, as microseconds.
const TIMESTAMPS: std::ops::RangeInclusive<i64> =
    -2_440_588 * 86_400_000_000..=106_751_990 * 86_400_000_000;

/// Rows that are sifted at once: each that is found is looked for among them.
const SIFTED: usize = 256;

/// A column of the rows on its way into a column of the table.
#[derive(Debug)]
pub(super) struct Column {
    /// Name in the rows.
    pub(super) from: String,
    /// Name in the table.
    pub(super) name: String,
    /// Type in the table. The length of texts and bytes is the most that may become of it.
    pub(super) data_type: Type,
    pub(super) not_null: bool,
    /// NaN is equal to nothing in Redshift, not even to itself: rows could not be found again.
    pub(super) not_nan: bool,
    /// Redshift compares texts without the blanks at their ends: rows of another text would be found.
    pub(super) not_padded: bool,
    /// What the rows have.
    pub(super) arrow: DataType,
    /// Bytes of the longest text seen.
    pub(super) longest: AtomicU32,
    /// What to do about a text that is too long.
    pub(super) too_long: String,
}

/// Why a value is refused: its row, the value, why, and what to do.
struct Misfit(usize, String, String, String);

impl Column {
    /// The column as files have it.
    fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.stored(&self.arrow), true)
    }

    /// # Errors
    /// The first value that was found which the column does not take.
    pub(super) fn convert(&self, array: &ArrayRef) -> Result<ArrayRef, Unwritable> {
        self.converted(array)
            .map_err(|Misfit(row, value, why, hint)| Unwritable::Value {
                column: self.from.clone(),
                value,
                row: row as u64 + 1,
                format: "the table",
                why,
                hint,
            })
    }

    /// Adds all rows that the column does not take, each with why; `from` others stand before.
    fn misfits(&self, array: &ArrayRef, from: usize, misfits: &mut BTreeMap<usize, String>) {
        let mut open = vec![(0, array.len())];
        while let Some((begin, end)) = open.pop() {
            let part = array.slice(begin, end - begin);
            let Err(Misfit(at, _, why, _)) = self.converted(&part) else {
                continue;
            };
            // Without the value, which is in the row: rows are counted by their reasons.
            let row = begin + at;
            let reason = || format!("`{}`: {why}", self.from);
            misfits.entry(from + row).or_insert_with(reason);
            // One may have been found for another rule than those before it.
            let parts = [(begin, row), (row + 1, end)].into_iter();
            open.extend(parts.filter(|(begin, end)| begin < end));
        }
    }

    fn converted(&self, array: &ArrayRef) -> Result<ArrayRef, Misfit> {
        if self.not_null
            && let Some(row) = (0..array.len()).find(|row| array.is_null(*row))
        {
            let why = "the column is NOT NULL".to_owned();
            let hint = format!(
                "leave such rows out: `WHERE {} IS NOT NULL`",
                sql_name(&self.from)
            );
            return Err(Misfit(row, "NULL".to_owned(), why, hint));
        }
        let stored = match self.data_type {
            Type::Time => times(array, self.leave_out())?,
            Type::Super => Arc::clone(array),
            data_type => lossless::cast(array, &data_type.stored(array.data_type()))
                .map_err(|loss| loss_of(&loss, data_type))?,
        };
        self.check(&stored)?;
        Ok(stored)
    }

    fn check(&self, array: &ArrayRef) -> Result<(), Misfit> {
        let rows = || (0..array.len()).filter(|row| array.is_valid(*row));
        let refused = |row: usize, why: String, hint: &str| {
            let value = match array.as_string_opt::<i32>() {
                Some(texts) => quoted(texts.value(row)),
                None => shown(array, row),
            };
            Err(Misfit(row, value, why, hint.to_owned()))
        };
        match self.data_type {
            Type::Varchar(length) => {
                let texts = array.as_string::<i32>();
                self.check_lengths(length, rows().map(|row| (row, texts.value(row).len())))
                    .map_err(|(row, bytes)| self.long(quoted(texts.value(row)), row, bytes))?;
                if let Some(row) = rows().find(|row| texts.value(*row).contains('\0')) {
                    let hint = format!(
                        "take it out: `regexp_replace({}, '\\x00', '', 'g')`",
                        sql_name(&self.from)
                    );
                    return refused(row, "it has a character NUL".to_owned(), &hint);
                }
                let padded = |row: &usize| self.not_padded && texts.value(*row).ends_with(' ');
                if let Some(row) = rows().find(padded) {
                    let why = format!(
                        "rows are found by the column, and Redshift ignores blanks at the end: it would take the value for `{}`",
                        texts.value(row).trim_end_matches(' ')
                    );
                    let hint = format!(
                        "cut the blanks, `rtrim({})`, or write another text in its place",
                        sql_name(&self.from)
                    );
                    return refused(row, why, &hint);
                }
            }
            Type::Char(length) => {
                let texts = array.as_string::<i32>();
                self.check_lengths(length, rows().map(|row| (row, texts.value(row).len())))
                    .map_err(|(row, bytes)| self.long(quoted(texts.value(row)), row, bytes))?;
                let unfit = |row: &usize| {
                    let text = texts.value(*row);
                    !text.is_ascii() || text.ends_with(' ') || text.contains('\0')
                };
                if let Some(row) = rows().find(unfit) {
                    let why = format!(
                        "the column is {}, which holds single bytes and no blanks at the end",
                        self.data_type
                    );
                    return refused(row, why, "make it a VARCHAR column");
                }
            }
            Type::Varbyte(length) => {
                let bytes = array.as_binary::<i32>();
                self.check_lengths(length, rows().map(|row| (row, bytes.value(row).len())))
                    .map_err(|(row, bytes)| self.long("bytes".to_owned(), row, bytes))?;
            }
            Type::Date => {
                let dates = array.as_primitive::<Date32Type>();
                if let Some(row) = rows().find(|row| !DATES.contains(&dates.value(*row))) {
                    return refused(row, beyond("dates"), self.leave_out());
                }
            }
            Type::Timestamp | Type::TimestampTz => {
                let moments = array.as_primitive::<TimestampMicrosecondType>();
                if let Some(row) = rows().find(|row| !TIMESTAMPS.contains(&moments.value(*row))) {
                    return refused(row, beyond("timestamps"), self.leave_out());
                }
            }
            Type::Real if self.not_nan => {
                let numbers = array.as_primitive::<Float32Type>();
                if let Some(row) = rows().find(|row| numbers.value(*row).is_nan()) {
                    return refused(row, NAN.to_owned(), &self.without_nan());
                }
            }
            Type::Double if self.not_nan => {
                let numbers = array.as_primitive::<Float64Type>();
                if let Some(row) = rows().find(|row| numbers.value(*row).is_nan()) {
                    return refused(row, NAN.to_owned(), &self.without_nan());
                }
            }
            Type::Super => {
                if let Some((row, why)) = nested::misfit(array) {
                    let hint = format!("shorten it in the last step; or {}", self.leave_out());
                    return Err(Misfit(row, quoted(&shown(array, row)), why, hint));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn leave_out(&self) -> &'static str {
        match self.not_null {
            true => "leave such rows out, or write another value in its place",
            false => "leave such rows out, or write NULL in its place",
        }
    }

    /// NULL would be refused, too, where rows are found by the column.
    fn without_nan(&self) -> String {
        let column = sql_name(&self.from);
        format!("leave such rows out: `WHERE NOT isnan({column})`; or name another column")
    }

    /// Notes the longest length; the row of the first that is longer than `most`, with its length.
    fn check_lengths(
        &self,
        most: u32,
        lengths: impl Iterator<Item = (usize, usize)>,
    ) -> Result<(), (usize, usize)> {
        let mut longest = 0;
        for (row, length) in lengths {
            match u32::try_from(length) {
                Ok(length) if length <= most => longest = length.max(longest),
                _ => return Err((row, length)),
            }
        }
        self.longest.fetch_max(longest, Ordering::Relaxed);
        Ok(())
    }

    fn long(&self, value: String, row: usize, bytes: usize) -> Misfit {
        let why = format!("it has {bytes} bytes, and the column is {}", self.data_type);
        Misfit(row, value, why, self.too_long.clone())
    }
}

const NAN: &str = "rows are found by the column, and NaN is equal to nothing";

fn beyond(what: &str) -> String {
    format!("{what} reach from 4713 BC to the year 294246")
}

fn loss_of(loss: &lossless::Loss, data_type: Type) -> Misfit {
    let why = format!("the column is {data_type}");
    let hint = "leave such rows out, convert the column in the last step, or give the table's column another type";
    Misfit(loss.row, lost(loss), why, hint.to_owned())
}

/// Times of day as text, with microseconds.
fn times(array: &ArrayRef, leave_out: &str) -> Result<ArrayRef, Misfit> {
    let micros = DataType::Time64(TimeUnit::Microsecond);
    let times = lossless::cast(array, &micros).map_err(|loss| loss_of(&loss, Type::Time))?;
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let text = |array: &dyn Array| cast_with_options(array, &DataType::Utf8, &strict);
    text(&times).map_err(|_| {
        let row = (0..times.len()).find(|row| text(&times.slice(*row, 1)).is_err());
        let row = row.unwrap_or_default();
        let why = "a time of day is before 24:00".to_owned();
        Misfit(row, shown(&times, row), why, leave_out.to_owned())
    })
}

/// The columns of the rows, in their order, on their way into the table.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    schema: SchemaRef,
}

impl Columns {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let fields: Vec<Field> = columns.iter().map(Column::field).collect();
        Self {
            columns,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// Columns of the files.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A batch as files hold it.
    ///
    /// # Errors
    /// The first value that the table does not take; rows count from 1.
    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, Unwritable> {
        let columns = self.columns.iter().zip(batch.columns());
        let columns = columns.map(|(column, array)| column.convert(array));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        // Of dictionaries and the like within a SUPER, the type stays that of the rows.
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// The rows of a batch that the table takes, as files hold them, and the places of the others, each with why.
    ///
    /// # Errors
    /// If the rows cannot be converted for another reason than their values.
    pub(super) fn sift(
        &self,
        batch: &RecordBatch,
    ) -> Result<(RecordBatch, BTreeMap<usize, String>), Unwritable> {
        let mut misfits = BTreeMap::new();
        match self.batch(batch) {
            Ok(stored) => return Ok((stored, misfits)),
            Err(Unwritable::Value { .. }) => {}
            Err(error) => return Err(error),
        }
        for from in (0..batch.num_rows()).step_by(SIFTED) {
            let rows = SIFTED.min(batch.num_rows() - from);
            for (column, array) in self.columns.iter().zip(batch.columns()) {
                column.misfits(&array.slice(from, rows), from, &mut misfits);
            }
        }
        let taken = (0..batch.num_rows()).map(|row| Some(!misfits.contains_key(&row)));
        let taken = filter_record_batch(batch, &taken.collect::<BooleanArray>())?;
        Ok((self.batch(&taken)?, misfits))
    }
}
