//! Functions: which names there are ([`table`]), and those that this crate computes itself.

mod arithmetic;
mod branches;
mod bytes;
mod casts;
mod catalog;
mod compared;
mod conditions;
mod dates;
mod finite;
mod floats;
mod formats;
mod hashes;
mod json;
mod numbers;
mod patterns;
mod percentiles;
mod repeated;
mod scalar;
mod single;
mod sounds;
mod supers;
mod table;
mod text;
mod totals;

use std::sync::Arc;

use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::common::extensions_options;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::types::show::Digits;

pub(crate) use arithmetic::{MOD, Op, arithmetic, check_mod, equal_floats, is_arithmetic};
pub(crate) use branches::BRANCHES;
pub(crate) use casts::{assigned, check_written, explicit};
pub(crate) use catalog::LEADER_TO_COME;
pub(crate) use conditions::{CONDITIONS, check_condition};
pub(crate) use dates::{at_time, difference, divided, length, times};
pub(crate) use formats::{DateFormat, Reading};
pub(crate) use json::{SUPER_PATH, exact_of_super, number_of_super, parsed, text_of_super};
pub(crate) use percentiles::PERCENTILE_DISC;
pub(crate) use single::SINGLE;
pub use table::function_names;
pub(crate) use table::{APPROXIMATE_PERCENTILE, How, Special, find, is_to_come};
pub(crate) use totals::BETWEEN;

/// `CAST(value, 'type')`
pub(crate) const CAST: &str = "redshift_cast";
/// A cast that gives NULL instead of an error.
pub(crate) const TRY_CAST: &str = "redshift_try_cast";
/// What an assignment to a column does to a value.
pub(crate) const ASSIGN: &str = "redshift_assign";

extensions_options! {
    /// Parameters of the session that functions know; those of the start where there are none.
    pub(crate) struct Parameters {
        /// `extra_float_digits`.
        pub(crate) extra_float_digits: i32, default = 0
    }
}

impl ConfigExtension for Parameters {
    const PREFIX: &'static str = "redshift";
}

/// How many digits floats have as texts in the session that calls a function.
fn digits(options: &ConfigOptions) -> Digits {
    let parameters = options.extensions.get::<Parameters>();
    Digits::Extra(parameters.map_or(0, |parameters| parameters.extra_float_digits))
}

/// Functions that plans call.
pub(crate) fn scalars() -> Vec<Arc<ScalarUDF>> {
    let mut all = casts::functions();
    all.extend(dates::functions());
    all.extend(branches::functions());
    all.extend(bytes::functions());
    all.extend(compared::functions());
    all.extend(hashes::functions());
    all.extend(numbers::functions());
    all.extend(patterns::functions());
    all.extend(sounds::functions());
    all.extend(supers::functions());
    all.extend(floats::functions());
    all.extend(json::functions());
    all.extend(catalog::functions());
    all.extend(conditions::functions());
    all.extend(repeated::functions());
    all.extend(text::functions());
    all.extend(totals::functions());
    all.extend(arithmetic::functions());
    all.into_iter().map(Arc::new).collect()
}

/// Functions over groups that plans call, some of them made of those that there are.
pub(crate) fn aggregates(all: &[Arc<AggregateUDF>]) -> Vec<Arc<AggregateUDF>> {
    let mut own = finite::functions(all);
    own.push(single::function());
    own.push(percentiles::function());
    own
}
