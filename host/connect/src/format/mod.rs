//! How rows become files: what each format holds, and the names of partition folders.

mod csv;
mod encode;
pub(crate) mod hive;
pub(crate) mod json;
pub(crate) mod marks;
mod parquet;
mod stored;
mod unwritable;
mod values;

pub(crate) use self::encode::Encoder;
pub use self::{
    encode::{WriteProgress, encode},
    unwritable::Unwritable,
};
pub(crate) use self::{
    stored::Stored,
    unwritable::sql_name,
    values::{lost, quoted, shown},
};
