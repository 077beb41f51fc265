//! Sources and sinks over a real disk One binary, since each one links DataFusion.

mod csv;
mod damaged;
mod json;
mod origin;
mod parquet;
mod publish;
mod round_trip;
mod sink;
mod source;
mod support;
mod upstream;
