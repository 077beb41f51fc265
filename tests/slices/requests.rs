//! What is asked of the places of tables: nothing twice, and nothing that is not needed.

use std::sync::Arc;

use hyper::Method;
use transom_pipeline::slices::SliceOptions;
use transom_pipeline::{ErrorKind, Job};
use transom_tests::proxy::{Fault, Proxy, Which};

use crate::gc::ALL;
use crate::world::{At, Kind, Silent, World};

/// A job whose requests of a kind are counted; none of them fails.
async fn counted(world: &World, which: Which) -> (Job, Arc<Proxy>) {
    let (address, proxy) = Proxy::start(world.endpoint(), Fault::AnswerLost, which, 0).await;
    (world.job_through(&address), proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_compares_tables_with_the_log_once() {
    let which: Which = |method, url| *method == Method::GET && url.contains(".out.transom/last");
    let world = World::new(Kind::Append, At::S3).await;
    world.run().await.unwrap();
    let (job, proxy) = counted(&world, which).await;
    job.rewind(0, false).await.unwrap();
    assert_eq!(proxy.met(), 1);
    assert!(world.rows().await.is_empty());
    world.run().await.unwrap();
    world.check("loaded again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_keeps_partitions_reads_the_list_before_it_and_its_own_when_it_is_shown() {
    let which: Which = |method, url| {
        let path = url.split('?').next().unwrap_or_default();
        *method == Method::GET && path.contains(".out.versions/") && path.ends_with(".json")
    };
    let mut world = World::new(Kind::Days, At::S3).await;
    world.run().await.unwrap();
    world.add("day=2024-01-02/a.csv", &[("a", 7)]);
    let (job, proxy) = counted(&world, which).await;
    let options = SliceOptions::default();
    let report = job.run_slices(&options, &Silent).await.unwrap();
    assert_eq!((report.slices.len(), proxy.met()), (1, 2));
    world.check("through the proxy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_whose_requesters_pay_are_told_in_each_request() {
    let all: Which = |_, _| true;
    for kind in [Kind::Append, Kind::Days] {
        let mut world = World::new(kind, At::S3).await;
        let (address, _proxy) =
            Proxy::start(world.endpoint(), Fault::Unpaid, all, usize::MAX).await;
        let options = SliceOptions::default();
        let unpaid = world.job_through(&address);
        let refused = unpaid.run_slices(&options, &Silent).await.unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Refused, "{refused:?}");

        let region = "region: us-east-1";
        let pays = format!("{region}, requester_pays: true");
        world.edit("transom.yaml", region, &pays);
        for day in 2..=3 {
            world.add(&format!("day=2024-01-0{day}/a.csv"), &[("a", 7)]);
            let job = world.job_through(&address);
            job.run_slices(&options, &Silent).await.unwrap();
        }
        world.check("loaded").await;
        // Files are listed, read, replaced and deleted.
        world.job_through(&address).rewind(0, false).await.unwrap();
        world.job_through(&address).gc(&ALL).await.unwrap();
        let job = world.job_through(&address);
        job.run_slices(&options, &Silent).await.unwrap();
        world.check("loaded again").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_news_asks_the_warehouse_for_nothing() {
    let which: Which = |_, asked| asked.starts_with("RedshiftData.");
    for (kind, at) in [
        (Kind::Append, At::Redshift),
        (Kind::Days, At::Redshift),
        (Kind::Merge, At::Redshift),
        (Kind::Append, At::Both),
        (Kind::Append, At::Two),
    ] {
        let mut world = World::new(kind, at).await;
        world.run().await.unwrap();
        let options = SliceOptions::default();
        let (job, proxy) = counted(&world, which).await;
        let report = job.run_slices(&options, &Silent).await.unwrap();
        let asked = (report.slices.len(), proxy.met());
        assert_eq!(asked, (0, 0), "{kind:?} {at:?}");
        // With news it does, so that these are the requests which would be counted.
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        job.run_slices(&options, &Silent).await.unwrap();
        assert!(proxy.met() > 0, "{kind:?} {at:?}");
        world.check("through the proxy").await;
    }
}
