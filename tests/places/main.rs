//! Sources and sinks in all places where tables can lie, and what is S3's alone. `TRANSOM_S3_ENDPOINT` adds a server of S3 by its address.

mod faults;
mod kills;
mod places;
mod s3;

#[path = "../../host/connect/tests/it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of sources and sinks, which use more of it"
)]
mod support;
