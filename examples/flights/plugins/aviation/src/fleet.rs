//! What is remembered of each aircraft, and what a departure means in its light.
//!
//! Plain Rust without Arrow, so that the rules can be read and tested alone.

use std::collections::BTreeMap;
use std::fmt;

use transom_sdk::prelude::state;

/// One departure of an aircraft.
#[state]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Minutes since 1970-01-01, UTC.
    pub at: i64,
    /// Minutes after the scheduled time; negative when early.
    pub delay: i32,
    /// Minutes in the air; unknown when the flight was diverted.
    pub air_time: Option<i32>,
}

/// A departure, seen together with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turnaround {
    /// Number of the aircraft's rotation, from 1: its visits between two breaks.
    pub rotation: i32,
    /// Number of this departure in its rotation, from 1.
    pub visit: i32,
    /// Minutes since the last departure; `None` on the first visit of a rotation.
    pub away: Option<i32>,
    /// `delay` of the last departure; `None` on the first visit of a rotation.
    pub late_before: Option<i32>,
}

/// Why a departure says nothing about an aircraft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody knows which aircraft it was.
    NoTailNumber,
    /// The data is of airlines of the United States, whose aircraft are registered there.
    NotRegisteredInTheUs(String),
    /// The aircraft of the last flight cannot be this one. Which of the two has the wrong tail number is not known: the
    /// first stays, and so does what is remembered.
    StillInTheAir { away: i64, air_time: i32 },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTailNumber => write!(f, "departed without a tail number"),
            Self::NotRegisteredInTheUs(tailnum) => {
                write!(
                    f,
                    "tail number `{tailnum}` is not of the United States: those start with `N`"
                )
            }
            Self::StillInTheAir { away, air_time } => write!(
                f,
                "left again {away} min after its last departure, when that flight of {air_time} min was in the air"
            ),
        }
    }
}

/// What can come of a departure, other than a turnaround.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// This row is bad; the others are not.
    Refused(Refusal),
    /// It was before the aircraft's last one: the rows do not come in order, so nothing computed from them is right.
    OutOfOrder { tailnum: String },
}

#[state]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    departure: Departure,
    rotation: i32,
    visit: i32,
}

/// The last departure of every aircraft seen so far.
///
/// Ordered by tail number, so that the same history is always saved as the same bytes.
#[state]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    last: BTreeMap<String, Last>,
}

impl Fleet {
    /// Takes the next departure of an aircraft. A gap of more than `longest` minutes is a break: a new rotation begins.
    pub fn depart(
        &mut self,
        tailnum: Option<&str>,
        departure: Departure,
        longest: i64,
    ) -> Result<Turnaround, Error> {
        let tailnum = tailnum.ok_or(Error::Refused(Refusal::NoTailNumber))?;
        if !tailnum.starts_with('N') {
            return Err(Error::Refused(Refusal::NotRegisteredInTheUs(
                tailnum.to_owned(),
            )));
        }

        let Some(last) = self.last.get_mut(tailnum) else {
            let first = Last {
                departure,
                rotation: 1,
                visit: 1,
            };
            self.last.insert(tailnum.to_owned(), first);
            return Ok(Turnaround {
                rotation: 1,
                visit: 1,
                away: None,
                late_before: None,
            });
        };

        let away = departure.at - last.departure.at;
        if away < 0 {
            return Err(Error::OutOfOrder {
                tailnum: tailnum.to_owned(),
            });
        }
        if let Some(air_time) = last
            .departure
            .air_time
            .filter(|air_time| away < i64::from(*air_time))
        {
            return Err(Error::Refused(Refusal::StillInTheAir { away, air_time }));
        }

        // A gap that no `i32` of minutes holds is four thousand years long: a break by any standard.
        let turnaround = match i32::try_from(away) {
            Ok(minutes) if away <= longest => Turnaround {
                rotation: last.rotation,
                visit: last.visit + 1,
                away: Some(minutes),
                late_before: Some(last.departure.delay),
            },
            _ => Turnaround {
                rotation: last.rotation + 1,
                visit: 1,
                away: None,
                late_before: None,
            },
        };
        *last = Last {
            departure,
            rotation: turnaround.rotation,
            visit: turnaround.visit,
        };
        Ok(turnaround)
    }
}

#[cfg(test)]
mod tests {
    use super::{Departure, Error, Fleet, Refusal, Turnaround};

    const LONGEST: i64 = 600;

    fn at(at: i64, delay: i32) -> Departure {
        Departure {
            at,
            delay,
            air_time: Some(60),
        }
    }

    #[test]
    fn the_first_departure_begins_the_first_rotation() {
        let turnaround = Fleet::default().depart(Some("N14228"), at(0, 20), LONGEST);
        let expected = Turnaround {
            rotation: 1,
            visit: 1,
            away: None,
            late_before: None,
        };
        assert_eq!(turnaround, Ok(expected));
    }

    #[test]
    fn the_next_departure_knows_how_late_the_last_one_was() {
        let mut fleet = Fleet::default();
        fleet.depart(Some("N14228"), at(0, 20), LONGEST).unwrap();
        let turnaround = fleet.depart(Some("N14228"), at(300, 5), LONGEST);
        let expected = Turnaround {
            rotation: 1,
            visit: 2,
            away: Some(300),
            late_before: Some(20),
        };
        assert_eq!(turnaround, Ok(expected));
    }

    #[test]
    fn only_a_gap_longer_than_the_longest_is_a_break() {
        let mut fleet = Fleet::default();
        fleet.depart(Some("N14228"), at(0, 20), LONGEST).unwrap();
        let second = fleet
            .depart(Some("N14228"), at(LONGEST, 30), LONGEST)
            .unwrap();
        assert_eq!((second.rotation, second.visit), (1, 2));
        let third = fleet
            .depart(Some("N14228"), at(2 * LONGEST + 1, 0), LONGEST)
            .unwrap();
        assert_eq!(
            third,
            Turnaround {
                rotation: 2,
                visit: 1,
                away: None,
                late_before: None
            }
        );
        let fourth = fleet
            .depart(Some("N14228"), at(2 * LONGEST + 200, 0), LONGEST)
            .unwrap();
        assert_eq!((fourth.rotation, fourth.visit), (2, 2));
    }

    #[test]
    fn aircraft_do_not_mix() {
        let mut fleet = Fleet::default();
        fleet.depart(Some("N14228"), at(0, 20), LONGEST).unwrap();
        let other = fleet.depart(Some("N24211"), at(1, 0), LONGEST).unwrap();
        assert_eq!((other.visit, other.late_before), (1, None));
    }

    #[test]
    fn an_aircraft_in_the_air_cannot_leave_and_is_not_forgotten() {
        let mut fleet = Fleet::default();
        fleet.depart(Some("N711ZX"), at(0, 20), LONGEST).unwrap();
        let refused = fleet.depart(Some("N711ZX"), at(59, 0), LONGEST);
        let refusal = Refusal::StillInTheAir {
            away: 59,
            air_time: 60,
        };
        assert_eq!(
            refusal.to_string(),
            "left again 59 min after its last departure, when that flight of 60 min was in the air"
        );
        assert_eq!(refused, Err(Error::Refused(refusal)));
        let next = fleet.depart(Some("N711ZX"), at(300, 0), LONGEST).unwrap();
        assert_eq!(
            (next.visit, next.away, next.late_before),
            (2, Some(300), Some(20))
        );
    }

    #[test]
    fn a_diverted_flight_may_be_back_at_any_time() {
        let mut fleet = Fleet::default();
        let diverted = Departure {
            at: 0,
            delay: 0,
            air_time: None,
        };
        fleet.depart(Some("N14228"), diverted, LONGEST).unwrap();
        assert_eq!(
            fleet
                .depart(Some("N14228"), at(1, 0), LONGEST)
                .unwrap()
                .away,
            Some(1)
        );
    }

    #[test]
    fn a_departure_needs_a_tail_number_of_the_united_states() {
        let mut fleet = Fleet::default();
        let nobody = fleet.depart(None, at(0, 0), LONGEST);
        assert_eq!(nobody, Err(Error::Refused(Refusal::NoTailNumber)));
        let german = fleet.depart(Some("D942DN"), at(0, 0), LONGEST);
        assert_eq!(
            german,
            Err(Error::Refused(Refusal::NotRegisteredInTheUs(
                "D942DN".into()
            )))
        );
        assert_eq!(fleet, Fleet::default());
    }

    #[test]
    fn departures_out_of_order_are_the_mistake_of_the_step_and_not_of_the_row() {
        let mut fleet = Fleet::default();
        fleet.depart(Some("N14228"), at(100, 0), LONGEST).unwrap();
        let earlier = fleet.depart(Some("N14228"), at(99, 0), LONGEST);
        assert_eq!(
            earlier,
            Err(Error::OutOfOrder {
                tailnum: "N14228".into()
            })
        );
    }
}
