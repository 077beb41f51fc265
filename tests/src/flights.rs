//! The figures of the example pipeline `flights`, computed a second time, from the same files, without Transom.
//!
//! What the pipeline says is only worth something if somebody else says it too. This reads Parquet and CSV by itself and
//! walks over the rows with maps and loops: no SQL, no plugin, and other formulas where there are several (distances by
//! vectors instead of haversines, medians by sorting, calendar days from the printed date).
//!
//! How exactly the two must agree: counts, medians and seats exactly; other floats to 1e-9 relative; `max_deviation`, the
//! difference of two nearly equal lengths, to 1e-6 miles. [`Daily::disagreement`] holds these rules.

mod compute;
mod read;

use std::collections::BTreeMap;
use std::path::Path;

use compute::{Row, Trace, miles, summarise, trace};
use read::{read_airlines, read_flights, read_places, read_planes, read_weather};

/// One row of the pipeline's `daily`, without its keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Daily {
    /// Name of the carrier.
    pub airline: String,
    /// All flights, cancelled ones included.
    pub flights: i64,
    /// Flights that never departed.
    pub cancelled: i64,
    /// Minutes; null when nothing departed.
    pub mean_delay: Option<f64>,
    /// Minutes; null when nothing departed.
    pub median_delay: Option<f64>,
    /// Departures of at least 15 minutes after schedule.
    pub late: i64,
    /// Late departures of an aircraft that was late last time, in the same rotation.
    pub late_again: i64,
    /// Share of the minutes of all late departures that the aircraft brought along; null without a late departure.
    pub inherited_share: Option<f64>,
    /// Miles per hour; null when none was reported.
    pub worst_gust: Option<f64>,
    /// Miles; null without a report.
    pub worst_visibility: Option<f64>,
    /// Flights in an hour of poor or severe weather.
    pub rough: i64,
    /// Seats of all departures whose aircraft is known; null without any.
    pub seats: Option<i64>,
    /// Departures whose aircraft is known.
    pub seats_known: i64,
    /// Years; null when no aircraft is known.
    pub mean_age: Option<f64>,
    /// Departures that the step `turnarounds` rejected.
    pub untraced: i64,
    /// Miles between stated distance and great circle, at most; null without a known airport.
    pub max_deviation: Option<f64>,
}

impl Daily {
    /// The first column in which two rows differ by more than the rules of this module allow.
    pub fn disagreement(&self, other: &Self) -> Option<&'static str> {
        let exact = [
            ("airline", self.airline == other.airline),
            ("flights", self.flights == other.flights),
            ("cancelled", self.cancelled == other.cancelled),
            ("late", self.late == other.late),
            ("late_again", self.late_again == other.late_again),
            ("rough", self.rough == other.rough),
            ("seats", self.seats == other.seats),
            ("seats_known", self.seats_known == other.seats_known),
            ("untraced", self.untraced == other.untraced),
            ("median_delay", self.median_delay == other.median_delay),
            ("worst_gust", self.worst_gust == other.worst_gust),
            (
                "worst_visibility",
                self.worst_visibility == other.worst_visibility,
            ),
            ("mean_delay", relative(self.mean_delay, other.mean_delay)),
            (
                "inherited_share",
                relative(self.inherited_share, other.inherited_share),
            ),
            ("mean_age", relative(self.mean_age, other.mean_age)),
            (
                "max_deviation",
                within(self.max_deviation, other.max_deviation, |_| 1e-6),
            ),
        ];
        exact
            .into_iter()
            .find_map(|(column, agrees)| (!agrees).then_some(column))
    }
}

fn relative(a: Option<f64>, b: Option<f64>) -> bool {
    within(a, b, |size| 1e-9 * size)
}

fn within(a: Option<f64>, b: Option<f64>, tolerance: impl Fn(f64) -> f64) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => (a - b).abs() <= tolerance(a.abs().max(b.abs())),
        _ => false,
    }
}

/// What the pipeline's sinks must hold.
#[derive(Debug)]
pub struct Expected {
    /// By day (`2013-01-31`) and carrier.
    pub daily: BTreeMap<(String, String), Daily>,
    /// Rows that the step `turnarounds` lets through.
    pub turnarounds: usize,
    /// Distinct tail numbers among them.
    pub aircraft: usize,
    /// Carrier, flight and tail number of every dead letter, sorted.
    pub dead_letters: Vec<(String, i32, String)>,
}

/// The rows of `daily` for the whole year.
pub fn expected_daily(data_dir: &Path) -> BTreeMap<(String, String), Daily> {
    expected(data_dir, 1..=12).daily
}

/// All that the pipeline must compute from the flights of some months.
pub fn expected(data_dir: &Path, months: impl IntoIterator<Item = u32>) -> Expected {
    let mut flights = Vec::new();
    for month in months {
        read_flights(
            &data_dir.join(format!("flights/2013-{month:02}.parquet")),
            &mut flights,
        );
    }
    let weather = read_weather(&data_dir.join("weather.parquet"));
    let places = read_places(&data_dir.join("airports.csv"));
    let planes = read_planes(&data_dir.join("planes.csv"));
    let airlines = read_airlines(&data_dir.join("airlines.csv"));

    let traces = trace(&flights);
    let mut days: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (index, flight) in flights.iter().enumerate() {
        days.entry((flight.day.clone(), flight.carrier.clone()))
            .or_default()
            .push(index);
    }
    let daily = days
        .into_iter()
        .map(|(key, rows)| {
            let rows: Vec<Row<'_>> = rows
                .into_iter()
                .map(|index| {
                    let flight = &flights[index];
                    Row {
                        flight,
                        trace: traces[index],
                        weather: weather
                            .get(&(flight.origin.clone(), flight.time_hour))
                            .copied(),
                        plane: flight
                            .registration()
                            .and_then(|tail| planes.get(tail))
                            .copied(),
                        great_circle: places
                            .get(&flight.origin)
                            .zip(places.get(&flight.dest))
                            .map(|(from, to)| miles(*from, *to)),
                    }
                })
                .collect();
            let day = summarise(&airlines[&key.1], &rows);
            (key, day)
        })
        .collect();

    let traced = || {
        flights
            .iter()
            .zip(&traces)
            .filter(|(_, trace)| trace.is_traced())
    };
    let mut dead_letters: Vec<_> = flights
        .iter()
        .zip(&traces)
        .filter(|(_, trace)| matches!(trace, Trace::Refused))
        .map(|(flight, _)| {
            (
                flight.carrier.clone(),
                flight.number,
                flight.tailnum.clone().unwrap_or_default(),
            )
        })
        .collect();
    dead_letters.sort();
    let mut aircraft: Vec<_> = traced().map(|(flight, _)| &flight.tailnum).collect();
    aircraft.sort();
    aircraft.dedup();
    Expected {
        daily,
        turnarounds: traced().count(),
        aircraft: aircraft.len(),
        dead_letters,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{expected, expected_daily};

    fn data() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights/data")
    }

    #[test]
    fn the_year_has_the_figures_that_everybody_knows_of_this_data() {
        let year = expected(&data(), 1..=12);
        let sum = |column: fn(&super::Daily) -> i64| year.daily.values().map(column).sum::<i64>();
        assert_eq!(sum(|day| day.flights), 336_776);
        assert_eq!(sum(|day| day.cancelled), 8_255);
        assert_eq!(
            sum(|day| day.untraced),
            i64::try_from(year.dead_letters.len()).unwrap()
        );
        assert_eq!(year.turnarounds + year.dead_letters.len(), 336_776 - 8_255);
    }

    #[test]
    fn a_row_that_is_off_by_a_minute_is_seen() {
        let daily = expected_daily(&data());
        let row = &daily[&("2013-03-08".to_owned(), "EV".to_owned())];
        assert_eq!(row.disagreement(row), None);
        let mut other = row.clone();
        other.median_delay = other.median_delay.map(|delay| delay + 1.0);
        assert_eq!(row.disagreement(&other), Some("median_delay"));
    }
}
