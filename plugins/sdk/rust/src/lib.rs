//! Write Transom plugins in plain Rust.
//!
//! A plugin offers *functions*, which SQL calls for each row, and *transforms*, which turn a table into a table. Both are
//! ordinary Rust: `cargo test` runs them on the machine at hand, and `transom build` compiles them to a Wasm component.
//! `Cargo.toml` needs `crate-type = ["cdylib", "rlib"]` and this package, nothing else. A whole plugin:
//!
//! ```
//! use transom_sdk::prelude::*;
//!
//! /// Great-circle distance in statute miles between two points given in degrees.
//! #[function]
//! fn great_circle(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
//!     let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
//!     let half = |angle: f64| (angle / 2.0).sin().powi(2);
//!     let chord = half(lat2 - lat1) + lat1.cos() * lat2.cos() * half((lon2 - lon1).to_radians());
//!     2.0 * 3_958.8 * chord.sqrt().asin()
//! }
//!
//! /// Numbers the visits of an aircraft: a new one begins after a gap.
//! #[transform]
//! struct Visits {
//!     gap_minutes: i64,
//!     state: Progress,
//! }
//!
//! #[options]
//! struct VisitOptions {
//!     /// Minutes without a departure that end a visit.
//!     gap_minutes: i64,
//! }
//!
//! /// What the next slice goes on from.
//! #[state]
//! #[derive(Clone, Default)]
//! struct Progress {
//!     visit: i64,
//!     last_departure: Option<i64>,
//! }
//!
//! impl Transform for Visits {
//!     type Options = VisitOptions;
//!     type State = Progress;
//!
//!     fn open(_input: &Schema, options: VisitOptions) -> Result<Opened<Self>, Error> {
//!         if options.gap_minutes <= 0 {
//!             return Err(Error::config("`gap_minutes` must be more than 0"));
//!         }
//!         let visits = Visits { gap_minutes: options.gap_minutes, state: Progress::default() };
//!         Ok(Opened::new(visits)
//!             .reads(["dep_minute"])
//!             .passes_all()
//!             .computes(Field::new("visit", DataType::Int64, false)))
//!     }
//!
//!     fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
//!         let departures = column::<Int64Array>(batch, "dep_minute")?;
//!         let mut visits = Vec::with_capacity(batch.num_rows());
//!         for row in 0..batch.num_rows() {
//!             if departures.is_null(row) {
//!                 output.reject(row, "`dep_minute` is missing");
//!             } else {
//!                 let departure = departures.value(row);
//!                 if self.state.last_departure.is_none_or(|last| departure - last > self.gap_minutes) {
//!                     self.state.visit += 1;
//!                 }
//!                 self.state.last_departure = Some(departure);
//!             }
//!             visits.push(self.state.visit);
//!         }
//!         output.emit([Arc::new(Int64Array::from(visits)) as ArrayRef])
//!     }
//!
//!     fn save(&self) -> Result<Progress, Error> {
//!         Ok(self.state.clone())
//!     }
//!
//!     fn restore(&mut self, state: Progress) -> Result<(), Error> {
//!         self.state = state;
//!         Ok(())
//!     }
//! }
//!
//! plugin! { functions: [great_circle], transforms: [Visits] }
//!
//! // In `#[cfg(test)]`: functions are called as they stand, transforms through `testing`.
//! # fn main() -> Result<(), Error> {
//! assert!((great_circle(40.64, -73.78, 33.94, -118.41) - 2_469.0).abs() < 5.0);
//!
//! let minutes: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(30), None, Some(600)]));
//! let flights = RecordBatch::try_from_iter([("dep_minute", minutes)])?;
//! let ran = transom_sdk::testing::run_transform::<Visits>(r#"{"gap_minutes": 120}"#, vec![flights])?;
//! let visits = column::<Int64Array>(&ran.batches[0], "visit")?;
//! assert_eq!(visits.values(), &[1, 1, 2]);
//! assert_eq!(ran.rejected[0].row, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Functions
//!
//! [`function`] takes plain arguments: a row with a NULL gives NULL without a call; an `Option` argument sees NULL. Giving an
//! `Option` gives NULL, giving `Err` rejects the row with that reason. Where every argument is a reference to an Arrow array
//! the function sees whole columns.
//!
//! # Transforms
//!
//! [`Transform`] says in `open` which columns it reads and makes ([`Opened`]), and puts rows into an [`Output`]. Columns that
//! it passes on without reading them never leave the host. A [`RowTransform`] takes one row at a time, as a struct with [`row`].
//!
//! # Errors
//!
//! [`Error`] ends the run; its kind says whose fault it is. A panic does so too: its message, file and line are logged, and
//! the instance is gone.

// The attributes name this crate by its name, in its own tests as well.
extern crate self as transom_sdk;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(target_arch = "wasm32")]
mod allocator;
#[doc(hidden)]
pub mod bindings;
mod codec;
#[doc(hidden)]
pub mod component;
mod decimal;
mod error;
mod function;
pub mod log;
#[doc(hidden)]
pub mod plugin;
pub mod prelude;
pub mod testing;
mod transform;

pub use decimal::Decimal;
pub use error::{Error, ErrorKind};
pub use transform::{
    Column, Described, Emitter, End, NoOptions, Opened, Output, Row, RowTransform, SortKey,
    Transform, column,
};

/// Makes a function callable from SQL; it stays callable from Rust as it stands.
///
/// The doc comment describes it, its name and the names of its arguments are those queries see. In the brackets may stand
/// `name = "other_name"`, and how far results may be kept: `immutable` (the default: the same arguments always give the same
/// result), `stable` (the same within a run), `volatile` (may differ from row to row).
///
/// Row by row, the types are `bool`, `i8` to `i64`, `u8` to `u64`, `f32`, `f64`, `&str` and `String`, `&[u8]` and `Vec<u8>`,
/// chrono's `NaiveDate` (date32), `NaiveTime` (time64, microseconds), `NaiveDateTime` (timestamp without zone,
/// microseconds), `DateTime<Utc>` (timestamp in UTC, microseconds) and `TimeDelta` (duration, microseconds), and
/// [`Decimal`]; an `Option` of one sees or gives NULL, and a result may be a `Result` whose error rejects the row.
///
/// By column, every argument is a reference to an Arrow array, and the result an array of as many rows or a
/// `Result<_, Error>` of one. `&ArrayRef` takes any type; `output = "first"` says that the result has the type of the first
/// argument, as it must be said when it is an `ArrayRef`.
///
/// ```
/// use transom_sdk::prelude::*;
///
/// /// In capitals; a missing text is shouted, too.
/// #[function]
/// fn shout(text: Option<&str>) -> Option<String> {
///     text.map(str::to_uppercase)
/// }
///
/// /// The number that is written there.
/// #[function(name = "parse_int")]
/// fn parse(text: &str) -> Result<i64, std::num::ParseIntError> {
///     text.trim().parse()
/// }
///
/// /// The values as they came.
/// #[function(volatile, output = "first")]
/// fn same(values: &ArrayRef) -> ArrayRef {
///     values.clone()
/// }
///
/// plugin! { functions: [shout, parse, same] }
/// # fn main() {}
/// ```
///
/// A type that Arrow does not have is a compile error:
///
/// ```compile_fail
/// use transom_sdk::prelude::*;
///
/// #[function]
/// fn wide(value: u128) -> u64 {
///     value as u64
/// }
/// ```
pub use transom_sdk_macros::function;

/// Gives a transform its name (the type's in snake case, or `name = ".."`) and its description (the doc comment), and says which
/// keys it requires:
///
/// ```
/// # use transom_sdk::prelude::*;
/// /// Numbers the visits of each aircraft, from the last to the first.
/// #[transform(partition_by = ["tailnum"], order_by = [desc("departed"), "flight"])]
/// struct Visits;
/// ```
///
/// A step that does not partition by `tailnum` and sort by `departed`, largest first, and then by `flight`, is an error of
/// `transom check`.
pub use transom_sdk_macros::transform;

/// Makes a struct the options of a transform: read from the pipeline file, keys that it does not have refused, and described
/// to pipelines by its doc comments. Attributes of serde and schemars may stand on its fields.
pub use transom_sdk_macros::options;

/// Makes a struct the rows of a table: each field is the column of its name, or of the one in `#[column("other name")]`. The types
/// are those of functions' arguments that borrow nothing; a field that may be NULL is an `Option`. See [`RowTransform`].
pub use transom_sdk_macros::row;

/// Makes a type the state of a transform: saved at the end of a slice and read at the start of the next one. Attributes of
/// serde may stand on its fields; `#[serde(default)]` on a new field lets it read older states. A state
/// with a field that the type does not have, which a newer version has saved, is refused.
pub use transom_sdk_macros::state;

pub use {arrow_array, arrow_buffer, arrow_schema, chrono, schemars, serde, serde_json};

/// Says what the plugin offers. Stands once in the crate; name and version are those of the package.
///
/// ```
/// use transom_sdk::prelude::*;
///
/// /// One more.
/// #[function]
/// fn next(value: i64) -> i64 {
///     value + 1
/// }
///
/// plugin! { functions: [next] }
/// # fn main() {
/// assert_eq!(PLUGIN.functions[0].doc, "One more.");
/// # }
/// ```
#[macro_export]
macro_rules! plugin {
    (functions: [$($function:ty),* $(,)?] $(,)?) => {
        $crate::plugin! { functions: [$($function),*], transforms: [] }
    };
    (transforms: [$($transform:ty),* $(,)?] $(,)?) => {
        $crate::plugin! { functions: [], transforms: [$($transform),*] }
    };
    (functions: [$($function:ty),* $(,)?], transforms: [$($transform:ty),* $(,)?] $(,)?) => {
        /// What this plugin offers.
        pub const PLUGIN: $crate::plugin::Plugin = $crate::plugin::Plugin {
            name: ::std::env!("CARGO_PKG_NAME"),
            version: ::std::env!("CARGO_PKG_VERSION"),
            functions: &[$(<$function as $crate::__private::Registered>::FUNCTION),*],
            transforms: &[$($crate::__private::TransformEntry::of::<$transform>()),*],
        };

        // Only there are the symbols that the host calls; elsewhere `PLUGIN` is all there is to use.
        #[cfg(target_arch = "wasm32")]
        mod transom_component {
            pub enum Definition {}

            impl $crate::component::Definition for Definition {
                const PLUGIN: $crate::plugin::Plugin = super::PLUGIN;
            }

            type Component = $crate::component::Component<Definition>;
            $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        }
    };
}
