//! Zones of time, by their names or offsets.
//!
//! The table that knows their rules ends with the year 2099. Every later day has the offset of a day in the table's last years: one of the
//! same month, number and day of the week, by which rules name the days on which clocks change. Those years have no rules of their own; the
//! ones before them do, since Ramadan is known until 2087.

use std::str::FromStr;

use arrow::array::timezone::{Tz, TzOffset};
use chrono::{
    DateTime, Datelike, Days, FixedOffset, MappedLocalTime, NaiveDateTime, Offset, TimeDelta,
    TimeZone,
};

/// A zone.
#[derive(Debug, Clone, Copy)]
pub struct Zone(Tz);

/// The first year that the table does not know.
const UNKNOWN: i32 = 2100;

/// How many years before that have all days of the week for each day that every year has.
const LAST: i32 = 11;

impl Zone {
    /// The zone of a name or an offset: `Europe/Berlin`, `UTC`, `+02:00`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Tz::from_str(name).ok().map(Self)
    }

    /// Seconds east of UTC at a moment, in seconds since 1970; `None` beyond the calendar.
    #[must_use]
    pub fn offset_at(self, seconds: i64) -> Option<i64> {
        let moment = known(DateTime::from_timestamp(seconds, 0)?.naive_utc())?;
        Some(east(self.0.offset_from_utc_datetime(&moment)))
    }

    /// A moment, in seconds since 1970 and nanoseconds, as clocks show it; `None` beyond the calendar.
    #[must_use]
    pub fn at(self, seconds: i64, nanos: u32) -> Option<DateTime<FixedOffset>> {
        let offset = FixedOffset::east_opt(self.offset_at(seconds)?.try_into().ok()?)?;
        Some(DateTime::from_timestamp(seconds, nanos)?.with_timezone(&offset))
    }

    /// Seconds east of UTC of a local time, in seconds since 1970 as clocks show them. A time that comes twice has the offset before the
    /// change and the one after it; a time that is skipped counts with the offset before.
    #[must_use]
    pub fn offsets_of_local(self, seconds: i64) -> Option<(i64, i64)> {
        let local = known(DateTime::from_timestamp(seconds, 0)?.naive_utc())?;
        let (first, second) = match self.0.offset_from_local_datetime(&local) {
            MappedLocalTime::Single(offset) => (offset, offset),
            MappedLocalTime::Ambiguous(first, second) => (first, second),
            MappedLocalTime::None => {
                // No zone changes its clocks twice within a day.
                let before = local.checked_sub_signed(TimeDelta::days(1))?;
                let offset = self.0.offset_from_utc_datetime(&before);
                (offset, offset)
            }
        };
        Some((east(first), east(second)))
    }
}

fn east(offset: TzOffset) -> i64 {
    i64::from(offset.fix().local_minus_utc())
}

/// The time itself, or the one in the table's years that has its offset.
fn known(time: NaiveDateTime) -> Option<NaiveDateTime> {
    if time.year() < UNKNOWN {
        return Some(time);
    }
    let (day, later) = match (time.month(), time.day()) {
        // Clocks change neither then nor the day before, and hardly a year has it.
        (2, 29) => (time.date().pred_opt()?, Days::new(1)),
        _ => (time.date(), Days::new(0)),
    };
    let mut equal = (UNKNOWN - LAST..UNKNOWN)
        .filter_map(|year| day.with_year(year))
        .filter(|other| !other.leap_year() && other.weekday() == day.weekday());
    Some(equal.next()?.checked_add_days(later)?.and_time(time.time()))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn seconds(text: &str) -> i64 {
        let time: NaiveDateTime = text.parse().unwrap();
        time.and_utc().timestamp()
    }

    #[test]
    fn clocks_change_in_every_year() {
        // Those of Python's zoneinfo, which reads the rules themselves.
        for (zone, moment, hours) in [
            ("America/New_York", "2099-07-01T12:00:00", -4),
            ("America/New_York", "2100-01-01T12:00:00", -5),
            ("America/New_York", "2100-07-01T12:00:00", -4),
            ("America/New_York", "2101-03-13T06:59:59", -5),
            ("America/New_York", "2101-03-13T07:00:00", -4),
            ("America/New_York", "9999-12-31T00:00:00", -5),
            ("Europe/Berlin", "2150-07-01T12:00:00", 2),
            ("Europe/Berlin", "2104-02-29T12:00:00", 1),
            ("Europe/Berlin", "2104-03-30T00:59:59", 1),
            ("Europe/Berlin", "2104-03-30T01:00:00", 2),
            ("America/Santiago", "2100-01-01T00:00:00", -3),
            ("Africa/Casablanca", "2100-06-01T00:00:00", 1),
            ("Asia/Gaza", "2112-09-10T04:00:00", 3),
            ("UTC", "2150-07-01T12:00:00", 0),
            ("+02:00", "2150-07-01T12:00:00", 2),
        ] {
            let found = Zone::find(zone).unwrap().offset_at(seconds(moment));
            assert_eq!(found, Some(hours * 3_600), "{zone} {moment}");
        }
    }

    #[test]
    fn moments_have_the_offset_of_their_clocks() {
        for (zone, moment, shown) in [
            (
                "Europe/Berlin",
                "2150-07-01T12:00:00",
                "2150-07-01T14:00:00+02:00",
            ),
            (
                "Europe/Berlin",
                "2024-01-31T12:00:00",
                "2024-01-31T13:00:00+01:00",
            ),
            ("-05:30", "2150-07-01T12:00:00", "2150-07-01T06:30:00-05:30"),
        ] {
            let there = Zone::find(zone).unwrap().at(seconds(moment), 0).unwrap();
            assert_eq!(there.to_rfc3339(), shown);
        }
        assert_eq!(Zone::find("UTC").unwrap().at(i64::MAX, 0), None);
    }

    #[test]
    fn local_times_of_later_years_are_skipped_and_doubled() {
        for (zone, local, hours) in [
            ("Europe/Berlin", "2150-07-01T12:00:00", (2, 2)),
            ("America/New_York", "2101-03-13T02:30:00", (-5, -5)),
            ("America/New_York", "2101-11-06T01:30:00", (-4, -5)),
            ("Europe/Berlin", "9999-12-31T23:59:59", (1, 1)),
        ] {
            let hours = Some((hours.0 * 3_600, hours.1 * 3_600));
            let zone = Zone::find(zone).unwrap();
            assert_eq!(zone.offsets_of_local(seconds(local)), hours, "{local}");
        }
    }

    #[test]
    fn every_day_of_the_week_is_among_the_last_years() {
        let day = NaiveDate::from_ymd_opt(2100, 1, 1).unwrap();
        for day in day.iter_days().take(400 * 366) {
            let time = day.and_hms_opt(12, 0, 0).unwrap();
            let known = known(time).unwrap();
            assert!((2089..2100).contains(&known.year()), "{time}");
            assert_eq!(known.weekday(), time.weekday(), "{time}");
            if (day.month(), day.day()) != (2, 29) {
                assert_eq!((known.month(), known.day()), (day.month(), day.day()));
            }
        }
    }
}
