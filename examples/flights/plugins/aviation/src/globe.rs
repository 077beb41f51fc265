//! Distances on the globe.

use transom_sdk::prelude::*;

/// Mean radius of the earth in statute miles (6,371.0088 km, as the IUGG defines it).
const EARTH_RADIUS_MILES: f64 = 3958.7613;

/// Length in statute miles of the shortest way between two places on a sphere, by the haversine formula, which unlike the
/// law of cosines stays exact for places close together. Degrees; north and east are positive.
///
/// The earth is no sphere: an ellipsoid gives up to half a percent more or less.
#[function]
pub fn great_circle(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
    let half_latitude = ((lat2 - lat1) / 2.0).sin();
    let half_longitude = ((lon2 - lon1).to_radians() / 2.0).sin();
    let haversine =
        half_latitude * half_latitude + lat1.cos() * lat2.cos() * half_longitude * half_longitude;
    // For antipodes rounding may give a little more than one, of which there is no arcsine.
    2.0 * EARTH_RADIUS_MILES * haversine.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::{EARTH_RADIUS_MILES, great_circle};

    const JFK: (f64, f64) = (40.639751, -73.778925);
    const LAX: (f64, f64) = (33.942536, -118.408075);

    fn miles(from: (f64, f64), to: (f64, f64)) -> f64 {
        great_circle(from.0, from.1, to.0, to.1)
    }

    #[test]
    fn new_york_to_los_angeles_is_as_far_as_the_airlines_say() {
        // They say 2,475 miles, on an ellipsoid.
        assert!(
            (miles(JFK, LAX) - 2469.45675858393).abs() < 1e-6,
            "{}",
            miles(JFK, LAX)
        );
    }

    #[test]
    fn the_way_back_is_as_long() {
        assert_eq!(miles(JFK, LAX), miles(LAX, JFK));
    }

    #[test]
    fn a_place_is_nowhere_away_from_itself() {
        assert_eq!(miles(JFK, JFK), 0.0);
    }

    #[test]
    fn antipodes_are_half_the_circumference_apart() {
        for place in [JFK, LAX, (0.0, 0.0), (90.0, 0.0), (12.345, 67.89)] {
            let antipode = (-place.0, place.1 + 180.0);
            assert!((miles(place, antipode) - PI * EARTH_RADIUS_MILES).abs() < 1e-3);
        }
    }

    #[test]
    fn the_date_line_is_no_obstacle() {
        let degree = PI * EARTH_RADIUS_MILES / 180.0;
        assert!((great_circle(0.0, 179.5, 0.0, -179.5) - degree).abs() < 1e-9);
    }
}
