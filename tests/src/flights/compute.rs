//! What became of each flight, and what that makes of a day: maps, loops and sorting.

use std::collections::HashMap;

use super::Daily;
use super::read::{Flight, Plane, Weather};

/// A departure is late from so many minutes on: the default of the pipeline's `late_minutes`.
const LATE: i32 = 15;
/// Minutes after which an aircraft's lateness is forgotten: `options.longest` of the step `turnarounds`.
const LONGEST: i64 = 10 * 60;
const EARTH_RADIUS_MILES: f64 = 3958.7613;

/// What became of a flight in the step `turnarounds`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trace {
    Cancelled,
    Refused,
    /// With the lateness of the aircraft's last departure, where there was one in the same rotation.
    Traced(Option<i32>),
}

impl Trace {
    pub(super) const fn is_traced(self) -> bool {
        matches!(self, Self::Traced(_))
    }
}

pub(super) fn trace(flights: &[Flight]) -> Vec<Trace> {
    let mut traces = vec![Trace::Cancelled; flights.len()];
    let mut departures: HashMap<&str, Vec<(i64, usize)>> = HashMap::new();
    for (index, flight) in flights.iter().enumerate() {
        let Some(departed) = flight.departed() else {
            continue;
        };
        match &flight.tailnum {
            Some(tailnum) if tailnum.starts_with('N') => {
                departures
                    .entry(tailnum)
                    .or_default()
                    .push((departed, index));
            }
            _ => traces[index] = Trace::Refused,
        }
    }
    for mut departures in departures.into_values() {
        departures.sort_unstable();
        let mut last: Option<(i64, &Flight)> = None;
        for (departed, index) in departures {
            let gap = last.map(|(before, flight)| (departed - before, flight));
            traces[index] = match gap {
                Some((minutes, before))
                    if before.air_time.is_some_and(|air| minutes < air.into()) =>
                {
                    Trace::Refused
                }
                Some((minutes, before)) if minutes <= LONGEST => Trace::Traced(before.delay),
                _ => Trace::Traced(None),
            };
            if traces[index].is_traced() {
                last = Some((departed, &flights[index]));
            }
        }
    }
    traces
}

pub(super) struct Row<'a> {
    pub(super) flight: &'a Flight,
    pub(super) trace: Trace,
    pub(super) weather: Option<Weather>,
    pub(super) plane: Option<Plane>,
    pub(super) great_circle: Option<f64>,
}

pub(super) fn summarise(airline: &str, rows: &[Row<'_>]) -> Daily {
    let mut delays: Vec<i32> = rows.iter().filter_map(|row| row.flight.delay).collect();
    delays.sort_unstable();
    let late: Vec<&Row<'_>> = rows
        .iter()
        .filter(|row| row.flight.delay.is_some_and(|delay| delay >= LATE))
        .collect();
    let inherited: Vec<i32> = late
        .iter()
        .filter_map(|row| match (row.trace, row.flight.delay) {
            (Trace::Traced(Some(before)), Some(now)) if before >= LATE => Some(before.min(now)),
            _ => None,
        })
        .collect();
    let late_minutes: i32 = late.iter().filter_map(|row| row.flight.delay).sum();

    let flown: Vec<&Row<'_>> = rows.iter().filter(|row| !row.flight.cancelled).collect();
    let seats: Vec<i64> = flown
        .iter()
        .filter_map(|row| Some(row.plane?.seats))
        .collect();
    let ages: Vec<i64> = flown
        .iter()
        .filter_map(|row| Some(i64::from(row.flight.year) - row.plane?.built?))
        .collect();
    let deviations = rows.iter().filter_map(|row| {
        row.great_circle
            .map(|miles| (miles - f64::from(row.flight.distance)).abs())
    });

    Daily {
        airline: airline.to_owned(),
        flights: count(rows.len()),
        cancelled: count(rows.len() - flown.len()),
        mean_delay: ratio(
            delays.iter().map(|delay| i64::from(*delay)).sum(),
            count(delays.len()),
        ),
        median_delay: median(&delays),
        late: count(late.len()),
        late_again: count(inherited.len()),
        inherited_share: ratio(inherited.iter().sum::<i32>().into(), late_minutes.into()),
        worst_gust: rows
            .iter()
            .filter_map(|row| row.weather?.gust)
            .reduce(f64::max),
        worst_visibility: rows
            .iter()
            .filter_map(|row| Some(row.weather?.visibility))
            .reduce(f64::min),
        rough: count(
            rows.iter()
                .filter(|row| row.weather.is_some_and(is_rough))
                .count(),
        ),
        seats: (!seats.is_empty()).then(|| seats.iter().sum()),
        seats_known: count(seats.len()),
        mean_age: ratio(ages.iter().sum(), count(ages.len())),
        untraced: count(flown.iter().filter(|row| !row.trace.is_traced()).count()),
        max_deviation: deviations.reduce(f64::max),
    }
}

/// Poor or severe, by the thresholds of the plugin `weather`: one thing that is bad, or one that is not good in freezing rain.
fn is_rough(weather: Weather) -> bool {
    // One station reported a wind of more than a thousand miles per hour.
    let winds = [weather.wind, weather.gust].into_iter().flatten();
    let wind = winds.filter(|wind| *wind <= 231.0).fold(0.0, f64::max);
    let rain = weather.precipitation.unwrap_or(0.0);
    let freezing = rain > 0.0 && weather.fahrenheit.is_some_and(|degrees| degrees <= 32.0);
    let exceeds = |winds: f64, miles: f64, inches: f64| {
        wind >= winds || weather.visibility <= miles || rain >= inches
    };
    // `visibility < 3` for poor; the reports are multiples of a hundredth.
    exceeds(39.0, 2.995, 0.3) || freezing && exceeds(25.0, 5.0, 0.1)
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).expect("no table has more rows than an i64 counts")
}

/// Null where there is nothing to divide by, as in SQL's averages.
fn ratio(sum: i64, over: i64) -> Option<f64> {
    // Both are far below 2^53.
    (over != 0).then(|| sum as f64 / over as f64)
}

fn median(sorted: &[i32]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::from(lower + upper) / 2.0)
}

/// Along the sphere, from the angle between the two places as seen from the middle of the earth.
pub(super) fn miles(from: (f64, f64), to: (f64, f64)) -> f64 {
    let [a, b] = [from, to].map(|(latitude, longitude)| {
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        [
            latitude.cos() * longitude.cos(),
            latitude.cos() * longitude.sin(),
            latitude.sin(),
        ]
    });
    let dot: f64 = (0..3).map(|axis| a[axis] * b[axis]).sum();
    let cross: f64 = (0..3)
        .map(|axis| {
            let (next, after) = ((axis + 1) % 3, (axis + 2) % 3);
            (a[next] * b[after] - a[after] * b[next]).powi(2)
        })
        .sum();
    EARTH_RADIUS_MILES * cross.sqrt().atan2(dot)
}
