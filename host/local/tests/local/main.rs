//! The local AWS as clients see it.
//!
//! `s3/` is a suite of S3's behaviours through the AWS SDK for Rust. It asks for a server ([`server::server`]) and
//! does not know which it gets: `just test-s3-peers` runs it against SeaweedFS as well, and `server.rs` lists what
//! differs there, each with a reason. `raw.rs` looks at what an SDK hides. `races.rs` and `kills.rs` hold what a
//! commit protocol stands on.

mod admin;
mod kills;
mod races;
mod raw;
mod s3;
mod server;
mod speed;
