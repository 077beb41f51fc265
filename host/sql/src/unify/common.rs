//! The type that values of several types have in common.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL128_MAX_SCALE, DataType, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr_common::type_coercion::binary::type_union_coercion;

use super::refuse::refuse_mixture;
use crate::arithmetic::stored;
use crate::error::ValueError;
use crate::numbers;
use crate::type_name;

pub(super) fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

/// The type of the values of all, where DataFusion's would not hold them.
pub(super) fn common(types: &[DataType]) -> Option<DataType> {
    moment(types)
        .or_else(|| number(types))
        .or_else(|| time_of_day(types))
}

/// Whether values of this type have to be cast to the common one.
pub(super) fn gives_way(data_type: &DataType, common: &DataType) -> bool {
    match common {
        DataType::Float64 | DataType::Decimal256(..) => {
            stored(data_type).is_numeric() && data_type != common
        }
        DataType::Time64(_) => data_type != common && !data_type.is_null(),
        _ => is_date(data_type),
    }
}

pub(crate) fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

/// The timestamp that dates and timestamps have in common, where there are both. DataFusion makes nanoseconds of both, which end in 2262.
pub(super) fn moment(types: &[DataType]) -> Option<DataType> {
    match types.iter().any(is_date) {
        true => timestamp(types),
        false => None,
    }
}

/// The type in which values are compared, where DataFusion's would not hold all of them.
pub(super) fn compared(types: &[DataType]) -> Option<DataType> {
    numbers::comparable(types).or_else(|| spelled(types))
}

/// The timestamp that texts stand for among timestamps, as in PostgreSQL. DataFusion makes nanoseconds of all, which end in 2262.
pub(super) fn spelled(types: &[DataType]) -> Option<DataType> {
    let can_be = |data_type: &DataType| {
        is_timestamp(data_type)
            || is_date(data_type)
            || data_type.is_string()
            || data_type.is_null()
    };
    match types.iter().any(DataType::is_string) && types.iter().all(can_be) {
        true => timestamp(types),
        false => None,
    }
}

/// The timestamp that holds all timestamps among some types.
fn timestamp(types: &[DataType]) -> Option<DataType> {
    let moments = types.iter().filter_map(|data_type| match data_type {
        DataType::Timestamp(unit, zone) => Some((*unit, zone.clone())),
        _ => None,
    });
    let (unit, zone) = moments
        .reduce(|(unit, zone), (other, other_zone)| (unit.max(other), zone.or(other_zone)))?;
    Some(DataType::Timestamp(unit.max(TimeUnit::Microsecond), zone))
}

/// The finest of several times of day, for which DataFusion has no common type: literals count nanoseconds, most files microseconds.
pub(crate) fn time_of_day(types: &[DataType]) -> Option<DataType> {
    let mut finest: Option<TimeUnit> = None;
    let mut differ = false;
    for data_type in types.iter().filter(|data_type| !data_type.is_null()) {
        let (DataType::Time32(unit) | DataType::Time64(unit)) = data_type else {
            return None;
        };
        differ |= finest.is_some_and(|finest| finest != *unit);
        finest = Some(finest.map_or(*unit, |finest| finest.max(*unit)));
    }
    // A coarser unit than microseconds is one of 32 bits.
    let unit = finest?.max(TimeUnit::Microsecond);
    differ.then_some(DataType::Time64(unit))
}

/// `float64` for floats among decimals, and for `float32` among whole numbers, as in PostgreSQL. DataFusion makes decimals of the first,
/// which have no NaN and few digits, and `float32` of the others, which holds 24 bits of them.
pub(crate) fn number(types: &[DataType]) -> Option<DataType> {
    let types = || types.iter().map(stored);
    let is_mixed = types().any(DataType::is_decimal)
        || (types().any(DataType::is_integer) && !types().any(|other| *other == DataType::Float64));
    (is_mixed && types().any(DataType::is_floating)).then_some(DataType::Float64)
}

/// The type of a column of a union. Until DataFusion coerces types, it has the first one's.
pub(super) fn column_of_union(types: &[DataType]) -> Result<Option<DataType>> {
    refuse_mixture(types)?;
    if let Some(common) = common(types) {
        return Ok(Some(common));
    }
    let Some((first, others)) = types.split_first() else {
        return Ok(None);
    };
    if others.iter().all(|other| other == first) {
        return Ok(None);
    }
    let mut common = first.clone();
    for other in others {
        common = type_union_coercion(&common, other).ok_or_else(|| {
            ValueError::refused(format!(
                "a column of a set operation is {} in one query and {} in another",
                type_name(&common),
                type_name(other)
            ))
            .hint("CAST one of them to the type of the other")
        })?;
    }
    // No reader of files knows more digits.
    Ok(Some(match common {
        DataType::Decimal256(_, scale) if !types.iter().any(is_wide) => {
            DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale.min(DECIMAL128_MAX_SCALE))
        }
        other => other,
    }))
}

pub(super) fn is_wide(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal256(..))
}
