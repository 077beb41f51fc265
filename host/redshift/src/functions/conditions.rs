//! What must be a boolean, while a query is planned: DataFusion casts some numbers and texts to one, and has no words of Redshift's for others.
//! The plan gets the condition itself once its type is known (`bind/branches`).

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::scalar::scalar;
use crate::error::{self, Error, Result};
use crate::types::Type;

/// Each with its name in messages.
pub(crate) const CONDITIONS: [(&str, &str); 14] = [
    ("redshift_where", "WHERE"),
    ("redshift_having", "HAVING"),
    ("redshift_qualify", "QUALIFY"),
    ("redshift_on", "JOIN/ON"),
    ("redshift_and", "AND"),
    ("redshift_or", "OR"),
    ("redshift_not", "NOT"),
    ("redshift_when", "CASE/WHEN"),
    ("redshift_is_true", "IS TRUE"),
    ("redshift_is_not_true", "IS NOT TRUE"),
    ("redshift_is_false", "IS FALSE"),
    ("redshift_is_not_false", "IS NOT FALSE"),
    ("redshift_is_unknown", "IS UNKNOWN"),
    ("redshift_is_not_unknown", "IS NOT UNKNOWN"),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let each = CONDITIONS.iter().map(|(name, shown)| {
        scalar(
            *name,
            |arguments| {
                check_condition(shown, arguments.types[0])?;
                Ok((vec![Type::Bool], Type::Bool))
            },
            |columns, _, _| Ok(Arc::clone(&columns[0])),
        )
    });
    each.collect()
}

/// An error for a type that no condition has.
pub(crate) fn check_condition(shown: &str, data_type: Type) -> Result<()> {
    match data_type {
        Type::Bool | Type::Unknown => Ok(()),
        Type::Super => Err(Error::not_yet("conditions that are SUPER values")),
        other => {
            let name = other.base_name();
            Err(Error::new(&error::NOT_BOOLEAN, &[&shown, &name]))
        }
    }
}
