//! Rules of a bucket that delete what lies there: uploads that were never ended, files that wait to be copied.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use transom_local::{Client, Expired};
use transom_pipeline::slices::Command;

use crate::census;
use crate::gc::ALL;
use crate::late::{COMPLETE, add_large, killed_at};
use crate::query::KEYS;
use crate::verify::sound;
use crate::world::{At, Kind, Task, World};

/// Gives the bucket a rule, and carries it out as it is in so many days.
async fn carry_out(world: &World, rule: LifecycleRule, days: i64) -> Expired {
    let endpoint = world.endpoint();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(&endpoint)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(KEYS.0, KEYS.1, None, None, "test"))
        .build();
    let rules = BucketLifecycleConfiguration::builder().rules(rule).build();
    aws_sdk_s3::Client::from_conf(config)
        .put_bucket_lifecycle_configuration()
        .bucket("lake")
        .lifecycle_configuration(rules.unwrap())
        .send()
        .await
        .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = i64::try_from(now.as_secs()).unwrap() + days * 86_400;
    Client::new(&endpoint)
        .run_lifecycle(Some(at))
        .await
        .unwrap()
}

fn filter(prefix: &str) -> LifecycleRuleFilter {
    LifecycleRuleFilter::builder().prefix(prefix).build()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: half a minute"]
async fn a_rule_that_ends_all_uploads_loses_no_row() {
    for kind in [Kind::Append, Kind::Days] {
        let when = format!("{kind:?}");
        let mut world = World::new(kind, At::S3).await;
        world.run().await.unwrap();
        add_large(&mut world);
        let proxy = killed_at(&world, Task::Run, COMPLETE.1, &when).await;
        let abort = AbortIncompleteMultipartUpload::builder()
            .days_after_initiation(1)
            .build();
        let rule = LifecycleRule::builder()
            .status(ExpirationStatus::Enabled)
            .filter(filter(""))
            .abort_incomplete_multipart_upload(abort)
            .build();
        let expired = carry_out(&world, rule.unwrap(), 2).await;
        assert!(
            expired.objects == 0 && expired.uploads > 0,
            "{when}: {expired:?}"
        );
        let answers = proxy.carry_out().await;
        assert!(!answers[0].is_success(), "{when}: {answers:?}");
        world.run().await.unwrap();
        world.check(&when).await;
        world.job().gc(&ALL).await.unwrap();
        census::agrees(&world, &when).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_files_that_a_rule_has_deleted_are_missed_and_can_be_skipped() {
    for (at, sink, point) in [
        (At::S3, "out", "entry.put_after:0"),
        (At::Both, "lake", "gate.applied:0"),
    ] {
        let when = format!("{at:?}");
        let mut world = World::new(Kind::Append, at).await;
        world.run().await.unwrap();
        let before = world.expected();
        world.add("day=2024-01-02/a.csv", &[("a", 7)]);
        assert!(world.killed(point), "{when}");
        let of = world.job().history(0).await.unwrap().tail;
        let rule = LifecycleRule::builder()
            .status(ExpirationStatus::Enabled)
            .filter(filter(".out.transom/staged/"))
            .expiration(LifecycleExpiration::builder().days(30).build())
            .build();
        let expired = carry_out(&world, rule.unwrap(), 31).await;
        assert!(expired.objects > 0, "{when}");
        for _ in 0..2 {
            let error = world.run().await.unwrap_err().error;
            let said = format!("staged files of entry {of} for sink `{sink}` are gone");
            assert!(error.to_string().contains(&said), "{when}: {error}");
            let way = format!("transom slice skip {of} --sink {sink}");
            assert!(error.hint().unwrap().contains(&way), "{when}: {error}");
        }
        // The way out that it names: all but this sink have the rows.
        let skip = Command::Skip {
            of,
            sink: sink.to_owned(),
        };
        world.ask(skip).await.unwrap();
        for (name, rows) in world.tables().await {
            let expected = match name == sink {
                true => before.clone(),
                false => world.expected(),
            };
            assert_eq!(rows, expected, "{when}: sink `{name}`");
        }
        world.add("day=2024-01-03/a.csv", &[("b", 8)]);
        world.run().await.unwrap();
        sound(&world, &when).await;
        // Taken back, the slice is loaded again into all.
        world.ask(Command::Rewind { to: of - 1 }).await.unwrap();
        world.run().await.unwrap();
        world.check(&when).await;
    }
}
