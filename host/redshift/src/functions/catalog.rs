//! Functions that show what catalogs number.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::scalar::scalar;
use crate::error::{Error, Result};
use crate::types::Type;

/// A function of the leader node that this program does not have yet; the argument is its name.
pub(crate) const LEADER_TO_COME: &str = "redshift_leader_to_come";

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(
            "redshift_format_type",
            |_| Ok((vec![Type::Int8, Type::Int4], Type::Varchar(256))),
            |columns, _, _| format_type(columns),
        ),
        // An error once a query is planned: what Redshift says of the query comes first.
        scalar(
            LEADER_TO_COME,
            |arguments| {
                let name = arguments.text(0).unwrap_or_default();
                Err(Error::not_yet(format_args!("the function {name}()")))
            },
            |_, _, _| Err(Error::internal("a function that plans do not have")),
        ),
    ]
}

/// The name of a type by its number and its modifier.
fn format_type(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let oids = columns[0].as_primitive::<Int64Type>();
    let modifiers = columns[1].as_primitive::<Int32Type>();
    let names = oids.iter().zip(modifiers).map(|(oid, modifier)| {
        let oid = u32::try_from(oid?).unwrap_or(0);
        Some(match Type::of_oid(oid, modifier.unwrap_or(-1)) {
            Some((data_type, true)) => data_type.name(),
            Some((data_type, false)) => data_type.base_name().to_owned(),
            None => "???".to_owned(),
        })
    });
    Ok(Arc::new(names.collect::<StringArray>()))
}
