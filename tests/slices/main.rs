//! Pipelines that run in slices: whatever is killed, frozen, doubled or taken back, the tables are what the pipeline gives over all files.

mod ahead;
mod backfill;
mod census;
mod chaos;
mod exact;
mod gc;
mod hints;
mod kills;
mod late;
mod mutants;
mod outages;
#[path = "../warehouse/query.rs"]
mod query;
mod refused;
mod requests;
mod restored;
mod server;
mod staged;
mod stateful;
mod verify;
mod world;
