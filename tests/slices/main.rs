//! Pipelines that run in slices: whatever is killed, frozen, doubled or taken back, the tables are what the pipeline gives over all files.

mod ahead;
mod answers;
mod backfill;
mod census;
mod chaos;
mod exact;
mod gc;
mod hints;
mod kills;
mod late;
mod lifecycle;
mod mutants;
mod objects;
mod operators;
mod outages;
#[path = "../warehouse/query.rs"]
mod query;
mod refused;
mod requests;
mod restored;
mod rivals;
mod server;
mod sinks;
mod staged;
mod stateful;
mod verify;
mod world;
