use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use crate::server::{code, status, suite};

suite! {
    async fn a_bucket_is_listed_until_it_is_deleted(server) {
        let name = format!("{}-other", server.bucket);
        let listed = || async {
            let buckets = server.client.list_buckets().send().await.unwrap();
            buckets.buckets().iter().any(|bucket| bucket.name() == Some(&name))
        };
        assert!(!listed().await);
        server.client.create_bucket().bucket(&name).send().await.unwrap();
        assert!(listed().await);
        server.client.head_bucket().bucket(&name).send().await.unwrap();
        server.client.delete_bucket().bucket(&name).send().await.unwrap();
        assert!(!listed().await);
        let gone = server.client.head_bucket().bucket(&name).send().await.unwrap_err();
        assert_eq!(status(&gone), 404);
    }

    async fn a_bucket_with_objects_is_not_deleted(server) {
        server.put("k", "v").await;
        let deleted = server.client.delete_bucket().bucket(&server.bucket).send().await;
        assert_eq!(code(&deleted.unwrap_err()), "BucketNotEmpty");
        assert_eq!(server.get("k").await.unwrap(), "v");
    }

    async fn without_a_bucket_nothing_works(server) {
        let (client, bucket) = (&server.client, "there-is-no-such-bucket");
        let put = client.put_object().bucket(bucket).key("k").send().await;
        assert_eq!(code(&put.unwrap_err()), "NoSuchBucket");
        let get = client.get_object().bucket(bucket).key("k").send().await;
        assert_eq!(code(&get.unwrap_err()), "NoSuchBucket");
        let list = client.list_objects_v2().bucket(bucket).send().await;
        assert_eq!(code(&list.unwrap_err()), "NoSuchBucket");
        let delete = client.delete_bucket().bucket(bucket).send().await;
        assert_eq!(code(&delete.unwrap_err()), "NoSuchBucket");
    }

    async fn names_of_buckets_are_checked(server) {
        for name in ["Ab-c", "a_b", "ab", "192.168.1.1"] {
            let created = server.client.create_bucket().bucket(name).send().await;
            assert_eq!(code(&created.unwrap_err()), "InvalidBucketName", "{name}");
        }
    }

    async fn a_bucket_has_the_region_it_was_created_in(server) {
        let name = format!("{}-eu", server.bucket);
        let region = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::EuWest1)
            .build();
        let create = server.client.create_bucket().bucket(&name);
        create.create_bucket_configuration(region).send().await.unwrap();
        let location = server.client.get_bucket_location().bucket(&name).send().await.unwrap();
        assert_eq!(location.location_constraint(), Some(&BucketLocationConstraint::EuWest1));
        let first = server.client.get_bucket_location().bucket(&server.bucket).send().await;
        assert!(first.unwrap().location_constraint().is_none_or(|name| name.as_str().is_empty()));
    }
}
