use aws_sdk_s3::types::{ChecksumMode, TaggingDirective};

use crate::server::{code, suite};

suite! {
    async fn a_copy_has_the_bytes_and_what_is_said_of_them(server) {
        server.client.put_object().bucket(&server.bucket).key("a b/ü+").content_type("text/csv")
            .metadata("m", "1").tagging("t=1").body(b"copied".to_vec().into()).send().await.unwrap();
        let source = format!("{}/a%20b/%C3%BC%2B", server.bucket);
        let copied = server.client.copy_object().bucket(&server.bucket).key("to").copy_source(source)
            .send().await.unwrap();
        assert!(copied.copy_object_result().unwrap().e_tag().is_some());
        server.client.delete_object().bucket(&server.bucket).key("a b/ü+").send().await.unwrap();
        assert_eq!(server.get("to").await.unwrap(), "copied");
        let head = server.client.head_object().bucket(&server.bucket).key("to").send().await.unwrap();
        assert_eq!(head.content_type(), Some("text/csv"));
        assert_eq!(head.metadata().unwrap()["m"], "1");
        let tags = server.client.get_object_tagging().bucket(&server.bucket).key("to").send().await;
        assert_eq!(tags.unwrap().tag_set().len(), 1);
    }

    async fn tags_of_a_copy_are_replaced(server) {
        server.client.put_object().bucket(&server.bucket).key("from").tagging("t=1")
            .body(b"x".to_vec().into()).send().await.unwrap();
        server.client.copy_object().bucket(&server.bucket).key("to")
            .copy_source(format!("{}/from", server.bucket))
            .tagging_directive(TaggingDirective::Replace).tagging("u=2").send().await.unwrap();
        let tags = server.client.get_object_tagging().bucket(&server.bucket).key("to").send().await;
        assert_eq!(tags.unwrap().tag_set()[0].key(), "u");
    }

    async fn copies_go_from_bucket_to_bucket(server) {
        let other = format!("{}-other", server.bucket);
        server.client.create_bucket().bucket(&other).send().await.unwrap();
        server.put("k", "v").await;
        server.client.copy_object().bucket(&other).key("k")
            .copy_source(format!("{}/k", server.bucket)).send().await.unwrap();
        let got = server.client.get_object().bucket(&other).key("k").send().await.unwrap();
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"v");
    }

    async fn a_source_that_is_not_there_is_named(server) {
        let copy = |source: String| {
            server.client.copy_object().bucket(&server.bucket).key("to").copy_source(source)
        };
        let key = copy(format!("{}/none", server.bucket)).send().await.unwrap_err();
        assert_eq!(code(&key), "NoSuchKey");
        let bucket = copy("there-is-no-such-bucket/k".to_owned()).send().await.unwrap_err();
        assert_eq!(code(&bucket), "NoSuchBucket");
    }

    async fn a_copy_keeps_the_checksum(server) {
        server.put("from", "hello").await;
        server.client.copy_object().bucket(&server.bucket).key("to")
            .copy_source(format!("{}/from", server.bucket)).send().await.unwrap();
        let head = |key: &'static str| {
            let head = server.client.head_object().bucket(&server.bucket).key(key);
            let head = head.checksum_mode(ChecksumMode::Enabled);
            async move { head.send().await.unwrap().checksum_crc32().unwrap().to_owned() }
        };
        assert_eq!(head("to").await, head("from").await);
    }
}
