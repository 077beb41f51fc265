//! Days since 1970-01-01 as year, month and day, in the years that Python's dates have: 1 to 9999.
//!
//! The arithmetic is that of Howard Hinnant's `chrono-Compatible Low-Level Date Algorithms`: years begin in March, so
//! that the day that comes every four years is the last one.

use core::ops::RangeInclusive;

/// 0001-01-01 to 9999-12-31.
pub(crate) const DAYS: RangeInclusive<i64> = -719_162..=2_932_896;

/// Days from 0000-03-01 to 1970-01-01.
const TO_MARCH: i64 = 719_468;
/// Days of 400 years.
const ERA: u32 = 146_097;

/// Year, month and day of one of [`DAYS`].
pub(crate) fn civil(days: i64) -> (i32, i32, i32) {
    let shifted = (days + TO_MARCH) as u32;
    let (era, day) = (shifted / ERA, shifted % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + u32::from(month <= 2);
    let day = day - (153 * from_march + 2) / 5 + 1;
    (year as i32, month as i32, day as i32)
}

/// The days of a date of the years 1 to 9999.
pub(crate) fn days(year: i32, month: i32, day: i32) -> i64 {
    let year = (year - i32::from(month <= 2)) as u32;
    let (era, year) = (year / 400, year % 400);
    let from_march = if month > 2 { month - 3 } else { month + 9 } as u32;
    let day = (153 * from_march + 2) / 5 + day as u32 - 1;
    i64::from(era * ERA + year * 365 + year / 4 - year / 100 + day) - TO_MARCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_comes_after_the_one_before_and_goes_back() {
        let (mut year, mut month, mut day) = (1, 1, 1);
        // Every day takes Miri minutes.
        let step = if cfg!(miri) { 997 } else { 1 };
        for number in DAYS {
            if number % step == 0 {
                assert_eq!(civil(number), (year, month, day));
                assert_eq!(days(year, month, day), number);
            }
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + i32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }
}
