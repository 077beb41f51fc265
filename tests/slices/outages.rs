//! The server of the tables and the log dies while slices are loaded.

use std::time::Duration;

use hyper::Method;
use transom_pipeline::ErrorKind;
use transom_pipeline::slices::SliceOptions;
use transom_tests::proxy::{Fault, Proxy, Which};

use crate::world::{At, EVERYWHERE, Kind, Silent, World};

const KILLS: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_looked_at_for_a_while_is_worth_another_try() {
    let which: Which = |method, url| *method == Method::GET && url.contains(".out.transom/last");
    let mut world = World::new(Kind::Append, At::S3).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let fault = Fault::Refused(503);
    let (address, _) = Proxy::start(world.endpoint(), fault, which, usize::MAX).await;
    let job = world.job_through(&address);
    let ran = job.run_slices(&SliceOptions::default(), &Silent).await;
    let error = ran.unwrap_err().error;
    assert_eq!(error.kind(), ErrorKind::Retryable, "{error}");
    let said = "gave up after 1 try to read how far the table of sink `out` is";
    assert_eq!(error.to_string(), said);
    world.run().await.unwrap();
    world.check("it can be looked at again").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: minutes"]
async fn a_server_that_dies_while_slices_are_loaded_loses_and_doubles_nothing() {
    for (kind, at) in EVERYWHERE {
        if at == At::Folder {
            continue;
        }
        let mut world = World::beside_a_server(kind, at).await;
        for number in 0..KILLS {
            let when = format!("{kind:?} {at:?}: kill {number}");
            for file in 0..3 {
                let name = format!("day=2024-01-0{}/{number}-{file}.csv", 1 + file);
                world.add(&name, &[("a", 1), ("b", 2)]);
            }
            let mut run = world.spawn("");
            // Anywhere between the first request and the last.
            tokio::time::sleep(Duration::from_millis(30 + 45 * number)).await;
            world.kill_server().await;
            // It tries again for a while, or says that the server is away.
            let _ = run.wait().unwrap();
            // Retries are what a person does, too.
            let mut tries = 0;
            while let Err(failure) = world.run().await {
                assert_eq!(failure.error.kind(), ErrorKind::Retryable, "{when}");
                tries += 1;
                assert!(tries < 5, "{when}: {}", failure.error);
            }
            world.check(&when).await;
        }
    }
}
