//! Values as people see them, in tables, files of tests and messages: as Arrow shows them, but for the clocks of zones, which it knows until
//! 2099 alone.

use std::fmt::Write;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::error::ArrowError;
use arrow::util::display::{
    ArrayFormatter, ArrayFormatterFactory, DisplayIndex, FormatOptions, FormatResult,
};
use chrono::SecondsFormat;

use crate::time::{per_second, zone};
use crate::zones::Zone;

/// What shows the values of a column, also inside lists and structs.
///
/// # Errors
/// If Arrow shows no values of the column's type.
pub fn formatter<'a>(
    array: &'a dyn Array,
    options: &FormatOptions<'a>,
) -> Result<ArrayFormatter<'a>, ArrowError> {
    let options = options.clone().with_formatter_factory(Some(&Clocks));
    match Clocks.create_array_formatter(array, &options, None)? {
        Some(formatter) => Ok(formatter),
        None => ArrayFormatter::try_new(array, &options),
    }
}

/// Shows moments of zones with clocks of their own.
#[derive(Debug)]
struct Clocks;

impl ArrayFormatterFactory for Clocks {
    fn create_array_formatter<'formatter>(
        &self,
        array: &'formatter dyn Array,
        options: &FormatOptions<'formatter>,
        _field: Option<&'formatter Field>,
    ) -> Result<Option<ArrayFormatter<'formatter>>, ArrowError> {
        let zone = zone::own(array.data_type()).and_then(Zone::find);
        let (Some(zone), DataType::Timestamp(unit, _)) = (zone, array.data_type()) else {
            return Ok(None);
        };
        let ticks = cast(array, &DataType::Int64)?;
        let moments = Moments {
            ticks: ticks.as_primitive::<Int64Type>().clone(),
            tick: per_second(*unit),
            zone,
            null: options.null(),
        };
        Ok(Some(ArrayFormatter::new(Box::new(moments), options.safe())))
    }
}

struct Moments<'a> {
    ticks: Int64Array,
    tick: i64,
    zone: Zone,
    null: &'a str,
}

impl DisplayIndex for Moments<'_> {
    fn write(&self, index: usize, output: &mut dyn Write) -> FormatResult {
        if self.ticks.is_null(index) {
            output.write_str(self.null)?;
            return Ok(());
        }
        let ticks = self.ticks.value(index);
        let nanos = ticks.rem_euclid(self.tick) * (1_000_000_000 / self.tick);
        let moment = u32::try_from(nanos)
            .ok()
            .and_then(|nanos| self.zone.at(ticks.div_euclid(self.tick), nanos));
        let moment = moment.ok_or_else(|| {
            ArrowError::CastError(format!("the timestamp {ticks} is beyond the calendar"))
        })?;
        let text = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        output.write_str(&text)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, ListArray, TimestampMillisecondArray};
    use arrow::buffer::OffsetBuffer;

    use super::*;

    #[test]
    fn moments_are_shown_by_the_clocks_of_every_year() {
        let moments = vec![Some(1_719_835_200_500), None, Some(5_695_617_600_000)];
        let moments = TimestampMillisecondArray::from(moments).with_timezone("Europe/Berlin");
        let options = FormatOptions::default().with_null("NULL");
        let shown = |array: &dyn Array, row| {
            let formatter = formatter(array, &options).unwrap();
            formatter.value(row).try_to_string().unwrap()
        };
        assert_eq!(shown(&moments, 0), "2024-07-01T14:00:00.500+02:00");
        assert_eq!(shown(&moments, 1), "NULL");
        assert_eq!(shown(&moments, 2), "2150-06-27T14:00:00+02:00");
        let item = Arc::new(Field::new_list_field(moments.data_type().clone(), true));
        let moments: ArrayRef = Arc::new(moments);
        let list = ListArray::new(item, OffsetBuffer::from_lengths([3]), moments, None);
        assert_eq!(
            shown(&list, 0),
            "[2024-07-01T14:00:00.500+02:00, NULL, 2150-06-27T14:00:00+02:00]"
        );
    }
}
