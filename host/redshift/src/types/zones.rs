//! Zones of time: their abbreviations, their names, and offsets as POSIX writes them.

use chrono::{NaiveDateTime, TimeDelta};
use transom_sql::zones;

/// A zone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Zone {
    /// So many seconds ahead of UTC.
    Fixed(i64),
    /// With the rules of a place.
    Named(zones::Zone),
}

/// Abbreviations and the minutes by which they are ahead of UTC, whatever the season: those of PostgreSQL's list that are in
/// wide use. Where two places share one, it is the one that PostgreSQL takes.
const ABBREVIATIONS: &[(&str, i64)] = &[
    ("ACDT", 630),
    ("ACST", 570),
    ("ADT", -180),
    ("AEDT", 660),
    ("AEST", 600),
    ("AKDT", -480),
    ("AKST", -540),
    ("AST", -240),
    ("AWST", 480),
    ("BRST", -120),
    ("BRT", -180),
    ("BST", 60),
    ("CAT", 120),
    ("CDT", -300),
    ("CEST", 120),
    ("CET", 60),
    ("CETDST", 120),
    ("CHST", 600),
    ("CST", -360),
    ("EAT", 180),
    ("EDT", -240),
    ("EEST", 180),
    ("EET", 120),
    ("EETDST", 180),
    ("EST", -300),
    ("GMT", 0),
    ("HKT", 480),
    ("HST", -600),
    ("ICT", 420),
    ("IDT", 180),
    ("IST", 120),
    ("JST", 540),
    ("KST", 540),
    ("MDT", -360),
    ("MEST", 120),
    ("MESZ", 120),
    ("MET", 60),
    ("METDST", 120),
    ("MEZ", 60),
    ("MSK", 180),
    ("MST", -420),
    ("NDT", -150),
    ("NPT", 345),
    ("NST", -210),
    ("NZDT", 780),
    ("NZST", 720),
    ("NZT", 720),
    ("PDT", -420),
    ("PHT", 480),
    ("PKT", 300),
    ("PST", -480),
    ("SAST", 120),
    ("SGT", 480),
    ("SST", -660),
    ("UCT", 0),
    ("UT", 0),
    ("UTC", 0),
    ("WAT", 60),
    ("WEST", 60),
    ("WET", 0),
    ("WETDST", 60),
    ("Z", 0),
    ("ZULU", 0),
];

impl Zone {
    pub(crate) const UTC: Self = Self::Fixed(0);

    /// The zone of a name. An abbreviation that is a name, too, has a fixed offset.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let name = name.trim();
        if let Some(seconds) = abbreviated(name) {
            return Some(Self::Fixed(seconds));
        }
        if let Some(zone) = zones::Zone::find(name) {
            return Some(Self::Named(zone));
        }
        posix(name).map(Self::Fixed)
    }

    /// The moment of a local time. One that clocks skip is counted from before they do, as PostgreSQL does.
    pub(crate) fn utc_of(self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let seconds = match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(zone) => zone.offsets_of_local(local.and_utc().timestamp())?.0,
        };
        local.checked_sub_signed(TimeDelta::try_seconds(seconds)?)
    }

    /// What clocks show at a moment.
    pub(crate) fn local_of(self, utc: NaiveDateTime) -> Option<NaiveDateTime> {
        let seconds = match self {
            Self::Fixed(seconds) => seconds,
            Self::Named(zone) => zone.offset_at(utc.and_utc().timestamp())?,
        };
        utc.checked_add_signed(TimeDelta::try_seconds(seconds)?)
    }
}

fn abbreviated(name: &str) -> Option<i64> {
    let mut known = ABBREVIATIONS.iter();
    let (_, minutes) = known.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(minutes * 60)
}

/// `NEWZONE+2`: any word, then hours west of Greenwich.
fn posix(name: &str) -> Option<i64> {
    let head = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == ':');
    let offset = &name[head.len()..];
    let (word, ahead) = match (head.strip_suffix('-'), head.strip_suffix('+')) {
        (Some(word), _) => (word, 1),
        (_, Some(word)) => (word, -1),
        _ => (head, -1),
    };
    let word = word.trim_end();
    let is_word = word.len() >= 3
        && word
            .bytes()
            .all(|letter| letter.is_ascii_alphabetic() || b"/_-".contains(&letter));
    let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "0"));
    let hours = hours.parse::<i64>().ok().filter(|hours| *hours <= 167)?;
    let minutes = minutes.parse::<i64>().ok();
    let minutes = minutes.filter(|minutes| *minutes < 60)?;
    is_word.then_some(ahead * (hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_abbreviations_names_or_offsets() {
        let fixed = |name: &str| match Zone::find(name) {
            Some(Zone::Fixed(seconds)) => Some(seconds),
            _ => None,
        };
        assert_eq!(fixed("pst"), Some(-8 * 3_600));
        assert_eq!(fixed("NEWZONE +2"), Some(-2 * 3_600));
        assert_eq!(fixed("NEWZONE-2:15"), Some(2 * 3_600 + 15 * 60));
        assert_eq!(fixed("PST8"), Some(-8 * 3_600));
        assert!(matches!(
            Zone::find("America/New_York"),
            Some(Zone::Named(_))
        ));
        assert!(Zone::find("Nowhere").is_none());
        assert!(Zone::find("+").is_none());
    }
}
