use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier, Tag, Tagging};

use crate::server::{code, status, suite};

suite! {
    async fn what_is_put_is_got(server) {
        let tag = server.put("k", "hello").await;
        assert_eq!(tag, "\"5d41402abc4b2a76b9719d911017c592\"");
        let got = server.client.get_object().bucket(&server.bucket).key("k").send().await.unwrap();
        assert_eq!(got.e_tag(), Some(tag.as_str()));
        assert_eq!(got.content_length(), Some(5));
        assert!(got.last_modified().is_some());
        assert_eq!(server.get("k").await.unwrap(), "hello");
        server.put("k", "").await;
        assert_eq!(server.get("k").await.unwrap(), "");
        assert_eq!(server.get("none").await, None);
    }

    async fn what_is_said_of_an_object_is_kept(server) {
        server.client.put_object().bucket(&server.bucket).key("k")
            .content_type("text/csv").content_encoding("gzip").content_language("de")
            .content_disposition("inline").cache_control("no-cache")
            .expires(DateTime::from_secs(2_000_000_000))
            .metadata("one", "1").metadata("umlaut", "ä b")
            .body(b"x".to_vec().into()).send().await.unwrap();
        let head = server.client.head_object().bucket(&server.bucket).key("k").send().await.unwrap();
        assert_eq!(head.content_type(), Some("text/csv"));
        assert_eq!(head.content_encoding(), Some("gzip"));
        assert_eq!(head.content_language(), Some("de"));
        assert_eq!(head.content_disposition(), Some("inline"));
        assert_eq!(head.cache_control(), Some("no-cache"));
        assert_eq!(head.expires_string(), Some("Wed, 18 May 2033 03:33:20 GMT"));
        assert_eq!(head.metadata().unwrap()["one"], "1");
        let got = server.client.get_object().bucket(&server.bucket).key("k")
            .response_content_type("text/plain").send().await.unwrap();
        assert_eq!(got.content_type(), Some("text/plain"));
    }

    async fn ranges_are_cut_out(server) {
        server.put("k", "0123456789").await;
        let range = |range: &'static str| {
            let get = server.client.get_object().bucket(&server.bucket).key("k").range(range);
            async move {
                match get.send().await {
                    Ok(got) => {
                        let shown = got.content_range().unwrap_or("whole").to_owned();
                        let bytes = got.body.collect().await.unwrap().to_vec();
                        format!("{} {shown}", String::from_utf8(bytes).unwrap())
                    }
                    Err(error) => code(&error),
                }
            }
        };
        assert_eq!(range("bytes=2-4").await, "234 bytes 2-4/10");
        assert_eq!(range("bytes=7-").await, "789 bytes 7-9/10");
        assert_eq!(range("bytes=-3").await, "789 bytes 7-9/10");
        assert_eq!(range("bytes=8-99").await, "89 bytes 8-9/10");
        assert_eq!(range("bytes=10-").await, "InvalidRange");
        assert_eq!(range("bytes=-0").await, "InvalidRange");
    }

    async fn ranges_that_make_no_sense_are_ignored(server) {
        server.put("k", "0123456789").await;
        for range in ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"] {
            let got = server.client.get_object().bucket(&server.bucket).key("k");
            let got = got.range(range).send().await.unwrap();
            assert_eq!(got.content_length(), Some(10), "{range}");
        }
    }

    async fn deleting_is_done_once_and_for_all(server) {
        server.put("k", "v").await;
        for _ in 0..2 {
            server.client.delete_object().bucket(&server.bucket).key("k").send().await.unwrap();
            assert_eq!(server.get("k").await, None);
        }
        let head = server.client.head_object().bucket(&server.bucket).key("k").send().await;
        assert_eq!(status(&head.unwrap_err()), 404);
    }

    async fn several_objects_are_deleted_at_once(server) {
        for key in ["a", "a/b", "ü &<>"] {
            server.put(key, "v").await;
        }
        server.put("kept", "v").await;
        let keys = ["a", "a/b", "ü &<>", "none"];
        let objects = keys.map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
        let delete = Delete::builder().set_objects(Some(objects.to_vec())).build().unwrap();
        let done = server.client.delete_objects().bucket(&server.bucket).delete(delete);
        let done = done.send().await.unwrap();
        assert_eq!(done.deleted().len(), 4);
        assert!(done.errors().is_empty());
        assert_eq!(server.keys().await, ["kept"]);
    }

    async fn tags_are_put_got_and_deleted(server) {
        server.client.put_object().bucket(&server.bucket).key("k").tagging("a=1&b=2%203")
            .body(b"x".to_vec().into()).send().await.unwrap();
        let tags = || async {
            let tags = server.client.get_object_tagging().bucket(&server.bucket).key("k");
            let tags = tags.send().await.unwrap();
            let mut tags: Vec<_> =
                tags.tag_set().iter().map(|tag| format!("{}={}", tag.key(), tag.value())).collect();
            tags.sort();
            tags
        };
        assert_eq!(tags().await, ["a=1", "b=2 3"]);
        let tagging = Tagging::builder()
            .tag_set(Tag::builder().key("c").value("4").build().unwrap())
            .build()
            .unwrap();
        server.client.put_object_tagging().bucket(&server.bucket).key("k").tagging(tagging)
            .send().await.unwrap();
        assert_eq!(tags().await, ["c=4"]);
        server.client.delete_object_tagging().bucket(&server.bucket).key("k").send().await.unwrap();
        assert!(tags().await.is_empty());
        assert_eq!(server.get("k").await.unwrap(), "x");
    }

    async fn presigned_addresses_work(server) {
        server.put("a b+c", "presigned").await;
        let signed = server.client.get_object().bucket(&server.bucket).key("a b+c");
        let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
        let signed = signed.presigned(config).await.unwrap();
        let answer = crate::raw::request(&server.endpoint, "GET", signed.uri(), &[], b"").await;
        assert!(answer.ends_with("presigned"), "{answer}");
    }

    async fn large_bodies_come_back_whole(server) {
        let body: Vec<u8> = (0..9_000_000u32).map(|n| (n * 7 % 253) as u8).collect();
        server.client.put_object().bucket(&server.bucket).key("large")
            .body(body.clone().into()).send().await.unwrap();
        let got = server.client.get_object().bucket(&server.bucket).key("large");
        let got = got.send().await.unwrap();
        assert!(got.body.collect().await.unwrap().to_vec() == body);
    }

    async fn metadata_is_replaced_by_a_copy_onto_itself(server) {
        server.put("k", "v").await;
        let source = format!("{}/k", server.bucket);
        let copy = || server.client.copy_object().bucket(&server.bucket).key("k").copy_source(&source);
        assert_eq!(code(&copy().send().await.unwrap_err()), "InvalidRequest");
        copy().metadata_directive(MetadataDirective::Replace).metadata("new", "1")
            .send().await.unwrap();
        let head = server.client.head_object().bucket(&server.bucket).key("k").send().await.unwrap();
        assert_eq!(head.metadata().unwrap()["new"], "1");
        assert_eq!(server.get("k").await.unwrap(), "v");
    }
}
