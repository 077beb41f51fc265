//! COALESCE, GREATEST and LEAST while a query is planned. DataFusion's own refuse texts beside other values, which Redshift casts, and take
//! numbers beside texts, which Redshift refuses. The plan gets DataFusion's once all values are of one kind (`bind/branches`).

use datafusion::logical_expr::ScalarUDF;

use super::scalar::scalar;
use crate::error::Error;
use crate::types::{MAX_VARCHAR, Type, common};

/// Each with its name in messages.
pub(crate) const BRANCHES: [(&str, &str); 3] = [
    ("redshift_coalesce", "COALESCE"),
    ("redshift_greatest", "GREATEST"),
    ("redshift_least", "LEAST"),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let each = BRANCHES.iter().map(|(name, shown)| {
        scalar(
            *name,
            |arguments| {
                let types = arguments.types.iter().copied();
                // Values of different kinds are refused once literals have their types.
                let common = common(shown, types).unwrap_or_default();
                let of_all = common.filter(|data_type| !data_type.is_text());
                let of_all = of_all.unwrap_or(Type::Varchar(MAX_VARCHAR));
                Ok((vec![of_all; arguments.types.len()], of_all))
            },
            |_, _, _| Err(Error::internal("a function that plans do not have")),
        )
    });
    each.collect()
}
