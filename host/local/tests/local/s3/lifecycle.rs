use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use transom_local::{Client, Expired};

use crate::server::{code, suite};

fn rule(prefix: &str, days: i32) -> LifecycleRule {
    LifecycleRule::builder()
        .id(prefix)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .expiration(LifecycleExpiration::builder().days(days).build())
        .build()
        .unwrap()
}

suite! {
    async fn rules_are_kept(server) {
        let get = || server.client.get_bucket_lifecycle_configuration().bucket(&server.bucket);
        assert_eq!(code(&get().send().await.unwrap_err()), "NoSuchLifecycleConfiguration");
        let rules = BucketLifecycleConfiguration::builder().rules(rule("tmp/", 3)).build().unwrap();
        server.client.put_bucket_lifecycle_configuration().bucket(&server.bucket)
            .lifecycle_configuration(rules).send().await.unwrap();
        let found = get().send().await.unwrap();
        assert_eq!(found.rules()[0].expiration().unwrap().days(), Some(3));
        server.client.delete_bucket_lifecycle().bucket(&server.bucket).send().await.unwrap();
        assert_eq!(code(&get().send().await.unwrap_err()), "NoSuchLifecycleConfiguration");
    }

    async fn rules_delete_what_is_over(server) {
        // Other servers have no switch that runs them now.
        let Some(local) = server.local() else {
            return;
        };
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build();
        let aborting = LifecycleRule::builder()
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .abort_incomplete_multipart_upload(abort)
            .build()
            .unwrap();
        let rules = BucketLifecycleConfiguration::builder().rules(rule("tmp/", 3)).rules(aborting);
        server.client.put_bucket_lifecycle_configuration().bucket(&server.bucket)
            .lifecycle_configuration(rules.build().unwrap()).send().await.unwrap();
        server.put("tmp/a", "x").await;
        server.put("kept", "x").await;
        server.client.create_multipart_upload().bucket(&server.bucket).key("u").send().await.unwrap();
        let client = Client::new(local.endpoint());
        assert_eq!(client.run_lifecycle(None).await.unwrap(), Expired::default());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let in_days = |days: i64| Some(now.as_secs() as i64 + days * 86_400);
        let expired = client.run_lifecycle(in_days(2)).await.unwrap();
        assert_eq!(expired, Expired::default());
        let expired = client.run_lifecycle(in_days(4)).await.unwrap();
        assert_eq!(expired, Expired { objects: 1, uploads: 0 });
        let expired = client.run_lifecycle(in_days(8)).await.unwrap();
        assert_eq!(expired, Expired { objects: 0, uploads: 1 });
        assert_eq!(server.keys().await, ["kept"]);
    }
}
