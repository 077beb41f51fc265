//! What is asked of the places of tables: nothing twice, and nothing that is not needed.

use std::sync::Arc;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
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

/// Whether one of the pipeline's files is read.
fn reads_a_file(method: &Method, url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    *method == Method::GET && path.contains("/raw/")
}

/// Puts an object again in one part, as restoring it may: it has another ETag and the same content.
async fn put_in_a_part(world: &World, key: &str) {
    let client = world.s3();
    let get = client.get_object().bucket("lake").key(key);
    let content = get.send().await.unwrap().body.collect().await.unwrap();
    let begin = client.create_multipart_upload().bucket("lake").key(key);
    let upload = begin.send().await.unwrap().upload_id.unwrap();
    let put = client.upload_part().bucket("lake").key(key);
    let put = put.upload_id(&upload).part_number(1);
    let put = put.body(content.to_vec().into()).send().await.unwrap();
    let part = CompletedPart::builder().part_number(1);
    let part = part.set_e_tag(put.e_tag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = client.complete_multipart_upload().bucket("lake").key(key);
    let complete = complete.upload_id(upload).multipart_upload(parts);
    complete.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_looks_changed_is_read_by_one_run_alone() {
    let key = "raw/day=2024-01-01/first.csv";
    let hint = "state/hints/comparisons.json";
    for kind in [Kind::Append, Kind::Days] {
        let world = World::new(kind, At::S3).await;
        world.read_from_s3().await;
        world.run().await.unwrap();
        let (job, proxy) = counted(&world, reads_a_file).await;
        let options = SliceOptions::default();
        // The requests of a run, and whether it went well.
        let asked = async || {
            let before = proxy.met();
            let ran = job.run_slices(&options, &Silent).await;
            let slices = ran.map(|report| report.slices.len());
            (proxy.met() - before, slices.map_err(drop))
        };
        assert_eq!(asked().await, (0, Ok(0)), "{kind:?}");
        put_in_a_part(&world, key).await;
        for (damage, reads) in [(None, 1), (None, 0), (Some("{"), 1), (None, 0)] {
            if let Some(text) = damage {
                world.put(hint, text).await;
            }
            assert_eq!(asked().await, (reads, Ok(0)), "{kind:?} {damage:?}");
        }
        let lost = world.s3().delete_object().bucket("lake").key(hint);
        lost.send().await.unwrap();
        assert_eq!(asked().await, (1, Ok(0)), "{kind:?}");
        world.check("put again").await;

        // What was found says nothing of another content, whose object has the same size.
        world.put(key, "customer,amount\na,9\nb,2\na,3\n").await;
        let (reads, slices) = asked().await;
        assert!(reads > 0, "{kind:?}");
        match kind {
            Kind::Days => assert_eq!(slices, Ok(1)),
            _ => {
                assert_eq!(slices, Err(()), "it has changed");
                // That it is another one is known as well.
                assert_eq!(asked().await, (0, Err(())));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_changed_in_a_partition_that_is_kept_is_read_by_one_run_alone() {
    let mut world = World::new(Kind::Days, At::S3).await;
    world.add("day=2024-01-01/second.csv", &[("c", 4)]);
    world.edit(
        "transom.yaml",
        "incremental: { by: day }",
        "incremental: { by: day }, on_missing: keep",
    );
    world.read_from_s3().await;
    world.run().await.unwrap();
    let gone = world.s3().delete_object().bucket("lake");
    let gone = gone.key("raw/day=2024-01-01/second.csv");
    gone.send().await.unwrap();
    let other = "customer,amount\na,9\nb,2\na,3\n";
    world.put("raw/day=2024-01-01/first.csv", other).await;
    let (job, proxy) = counted(&world, reads_a_file).await;
    let options = SliceOptions::default();
    for _ in 0..3 {
        let report = job.run_slices(&options, &Silent).await.unwrap();
        assert_eq!((report.slices.len(), proxy.met()), (0, 1));
    }
    world.check("the day stays as it was").await;
}
