//! Moments of a zone with clocks of its own as what these show, and the other way round. Arrow knows the rules of zones until 2099 alone.

use arrow::datatypes::DataType;

use crate::time::zone;

/// How a value gets from one type to another where the clocks of a zone decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way<'a> {
    /// From a moment to what clocks of its zone show.
    Shown(&'a str),
    /// From what clocks show to the moment in the zone of the new type.
    Meant(&'a str),
}

impl<'a> Way<'a> {
    pub(super) fn between(from: &'a DataType, to: &'a DataType) -> Option<Self> {
        let is_local = |data_type: &DataType| {
            matches!(
                data_type,
                DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64
            )
        };
        let is_time =
            |data_type: &DataType| matches!(data_type, DataType::Time32(_) | DataType::Time64(_));
        match (zone::own(from), zone::own(to)) {
            (Some(zone), None) if is_local(to) || is_time(to) => Some(Self::Shown(zone)),
            (None, Some(zone)) if is_local(from) => Some(Self::Meant(zone)),
            _ => None,
        }
    }
}
