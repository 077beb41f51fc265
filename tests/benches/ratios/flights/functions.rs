//! The functions of the plugins `geography` (Go) and `conditions` (Python) without a sandbox: the same rules in Rust, as
//! DataFusion functions under the names that the example's SQL calls.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, StringArray};
use arrow::datatypes::DataType::{Float64, Utf8};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// All of `geography`.
pub(super) fn geography() -> [ScalarUDF; 3] {
    [
        function("geography.initial_bearing", Float64, |places| {
            let bearings = rows(places).map(|place| Ok(place.and_then(initial_bearing)));
            Ok(Arc::new(bearings.collect::<Result<Float64Array>>()?))
        }),
        function("geography.compass", Utf8, |[bearings]| {
            let points = bearings.iter().map(|bearing| bearing.map(compass));
            let points = points.map(Option::transpose);
            Ok(Arc::new(points.collect::<Result<StringArray>>()?))
        }),
        function("geography.geodesic", Float64, |places| {
            let miles = rows(places).map(|place| place.map(geodesic).transpose());
            Ok(Arc::new(miles.collect::<Result<Float64Array>>()?))
        }),
    ]
}

/// All of `conditions`.
pub(super) fn conditions() -> [ScalarUDF; 1] {
    [function("conditions.severity", Utf8, |reports: [_; 5]| {
        let rows = 0..reports[0].len();
        let severities = rows.map(|row| Some(severity(reports.map(|report| at(report, row)))));
        Ok(Arc::new(severities.collect::<StringArray>()))
    })]
}

/// A function of `N` columns of float64.
fn function<const N: usize>(
    name: &str,
    output: DataType,
    call: impl Fn([&Float64Array; N]) -> Result<Arc<dyn Array>> + Send + Sync + 'static,
) -> ScalarUDF {
    create_udf(
        name,
        vec![Float64; N],
        output,
        Volatility::Immutable,
        Arc::new(move |arguments: &[ColumnarValue]| {
            let columns = ColumnarValue::values_to_arrays(arguments)?;
            let columns = std::array::from_fn(|index| columns[index].as_primitive::<Float64Type>());
            Ok(ColumnarValue::Array(call(columns)?))
        }),
    )
}

fn at(column: &Float64Array, row: usize) -> Option<f64> {
    column.is_valid(row).then(|| column.value(row))
}

/// The values of each row; `None` where one is null.
fn rows<const N: usize>(columns: [&Float64Array; N]) -> impl Iterator<Item = Option<[f64; N]>> {
    (0..columns[0].len()).map(move |row| {
        let is_valid = columns.iter().all(|column| column.is_valid(row));
        is_valid.then(|| columns.map(|column| column.value(row)))
    })
}

fn initial_bearing([lat1, lon1, lat2, lon2]: [f64; 4]) -> Option<f64> {
    let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
    let east = (lon2 - lon1).to_radians();
    let x = lat1.cos() * lat2.sin() - lat1.sin() * lat2.cos() * east.cos();
    let y = east.sin() * lat2.cos();
    if x.hypot(y) < 1e-12 {
        return None;
    }
    let degrees = y.atan2(x).to_degrees();
    let degrees = if degrees < 0.0 {
        degrees + 360.0
    } else {
        degrees
    };
    Some(degrees % 360.0)
}

fn compass(bearing: f64) -> Result<&'static str> {
    const POINTS: [&str; 8] = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
    if !(0.0..=360.0).contains(&bearing) {
        return exec_err!("a direction is 0 to 360 degrees, not {bearing}");
    }
    let width = 360.0 / POINTS.len() as f64;
    Ok(POINTS[(bearing / width + 0.5).floor() as usize % POINTS.len()])
}

const EQUATORIAL_RADIUS: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
const POLAR_RADIUS: f64 = EQUATORIAL_RADIUS * (1.0 - FLATTENING);
const METERS_PER_MILE: f64 = 1609.344;

fn geodesic([lat1, lon1, lat2, lon2]: [f64; 4]) -> Result<f64> {
    for (lat, lon) in [(lat1, lon1), (lat2, lon2)] {
        if !((-90.0..=90.0).contains(&lat) && (-360.0..=360.0).contains(&lon)) {
            return exec_err!("there is no place at latitude {lat}, longitude {lon}");
        }
    }
    let reduced = |latitude: f64| ((1.0 - FLATTENING) * latitude.to_radians().tan()).atan();
    let (sin_u1, cos_u1) = reduced(lat1).sin_cos();
    let (sin_u2, cos_u2) = reduced(lat2).sin_cos();
    let east = (lon2 - lon1).to_radians();
    // The IEEE remainder, from -pi to pi.
    let east = east - TAU * (east / TAU).round_ties_even();

    let mut lambda = east;
    for _ in 0..100 {
        let (sin_lambda, cos_lambda) = lambda.sin_cos();
        let sin_sigma = (cos_u2 * sin_lambda).hypot(cos_u1 * sin_u2 - sin_u1 * cos_u2 * cos_lambda);
        if sin_sigma == 0.0 {
            return Ok(0.0);
        }
        let cos_sigma = sin_u1 * sin_u2 + cos_u1 * cos_u2 * cos_lambda;
        let sigma = sin_sigma.atan2(cos_sigma);
        let sin_alpha = cos_u1 * cos_u2 * sin_lambda / sin_sigma;
        let cos2_alpha = 1.0 - sin_alpha * sin_alpha;
        let cos_2_middle = if cos2_alpha > 0.0 {
            cos_sigma - 2.0 * sin_u1 * sin_u2 / cos2_alpha
        } else {
            0.0
        };
        let c = FLATTENING / 16.0 * cos2_alpha * (4.0 + FLATTENING * (4.0 - 3.0 * cos2_alpha));
        let next = east
            + (1.0 - c)
                * FLATTENING
                * sin_alpha
                * (sigma
                    + c * sin_sigma
                        * (cos_2_middle
                            + c * cos_sigma * (2.0 * cos_2_middle * cos_2_middle - 1.0)));
        if (next - lambda).abs() < 1e-12 {
            let angle = series(cos2_alpha, sigma, sin_sigma, cos_sigma, cos_2_middle);
            return Ok(POLAR_RADIUS * angle / METERS_PER_MILE);
        }
        if next.abs() > PI {
            break;
        }
        lambda = next;
    }
    exec_err!("the two places are almost opposite each other on the globe")
}

fn series(cos2_alpha: f64, sigma: f64, sin_sigma: f64, cos_sigma: f64, cos_2_middle: f64) -> f64 {
    const SQUARES: f64 = (EQUATORIAL_RADIUS * EQUATORIAL_RADIUS - POLAR_RADIUS * POLAR_RADIUS)
        / (POLAR_RADIUS * POLAR_RADIUS);
    let u2 = cos2_alpha * SQUARES;
    let a = 1.0 + u2 / 16384.0 * (4096.0 + u2 * (-768.0 + u2 * (320.0 - 175.0 * u2)));
    let b = u2 / 1024.0 * (256.0 + u2 * (-128.0 + u2 * (74.0 - 47.0 * u2)));
    let squared = cos_2_middle * cos_2_middle;
    let inner = cos_sigma * (2.0 * squared - 1.0)
        - b / 6.0 * cos_2_middle * (4.0 * sin_sigma * sin_sigma - 3.0) * (4.0 * squared - 3.0);
    a * (sigma - b * sin_sigma * (cos_2_middle + b / 4.0 * inner))
}

/// The plugin also counts winds that cannot be true; nobody here asks how many.
fn severity([wind_speed, wind_gust, visib, precip, temp]: [Option<f64>; 5]) -> &'static str {
    const LEVELS: [&str; 4] = ["good", "marginal", "poor", "severe"];
    const FREEZING: f64 = 32.0;
    let mut level = [
        of_wind(wind_speed),
        of_wind(wind_gust),
        of_visibility(visib),
        of_rain(precip),
    ]
    .into_iter()
    .fold(0, usize::max);
    let falls = precip.is_some_and(|inches| inches != 0.0);
    if falls && temp.is_some_and(|temp| temp <= FREEZING) {
        level += 1;
    }
    LEVELS[level.min(LEVELS.len() - 1)]
}

fn of_wind(speed: Option<f64>) -> usize {
    match speed {
        Some(58.0..=231.0) => 3,
        Some(39.0..58.0) => 2,
        Some(25.0..39.0) => 1,
        _ => 0,
    }
}

fn of_visibility(miles: Option<f64>) -> usize {
    match miles {
        Some(..1.0) => 3,
        Some(1.0..3.0) => 2,
        Some(3.0..=5.0) => 1,
        _ => 0,
    }
}

fn of_rain(inches: Option<f64>) -> usize {
    match inches {
        Some(0.30..) => 2,
        Some(0.10..0.30) => 1,
        _ => 0,
    }
}
