//! The local AWS as clients see it.
//!
//! `s3/` is a suite of S3's behaviours through the AWS SDK for Rust. It asks for a server ([`server::server`]) and
//! does not know which it gets: `just test-s3-peers` runs it against SeaweedFS as well, and `server.rs` lists what
//! differs there, each with a reason. `raw.rs` looks at what an SDK hides. `races.rs`, `kills.rs` and `redshift_kills.rs`
//! hold what a commit protocol stands on. `lambda.rs` has programs that do what a function's program should not.

mod admin;
mod kills;
mod lambda;
mod races;
mod raw;
mod redshift;
mod redshift_kills;
mod s3;
mod server;
mod speed;
mod wire;

/// How often slow tests try: 100 times, or as `TRANSOM_MANY` says.
fn many() -> u16 {
    let asked = std::env::var("TRANSOM_MANY").ok();
    asked.map_or(100, |asked| {
        asked.parse().expect("a number in TRANSOM_MANY")
    })
}
