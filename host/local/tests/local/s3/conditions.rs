use aws_sdk_s3::primitives::DateTime;

use crate::server::{code, status, suite};

suite! {
    async fn create_only_puts_do_not_replace(server) {
        let put = |body: &'static str| {
            server.client.put_object().bucket(&server.bucket).key("k").if_none_match("*")
                .body(body.as_bytes().to_vec().into())
        };
        put("first").send().await.unwrap();
        let second = put("second").send().await.unwrap_err();
        assert_eq!((code(&second).as_str(), status(&second)), ("PreconditionFailed", 412));
        assert_eq!(server.get("k").await.unwrap(), "first");
        server.client.delete_object().bucket(&server.bucket).key("k").send().await.unwrap();
        put("third").send().await.unwrap();
        assert_eq!(server.get("k").await.unwrap(), "third");
    }

    async fn puts_replace_only_what_they_know(server) {
        let put = |tag: &str, body: &'static str| {
            server.client.put_object().bucket(&server.bucket).key("k").if_match(tag)
                .body(body.as_bytes().to_vec().into())
        };
        let missing = put("\"5d41402abc4b2a76b9719d911017c592\"", "x").send().await.unwrap_err();
        assert_eq!(status(&missing), 404);
        let first = server.put("k", "one").await;
        let second = put(&first, "two").send().await.unwrap().e_tag.unwrap();
        let late = put(&first, "three").send().await.unwrap_err();
        assert_eq!((code(&late).as_str(), status(&late)), ("PreconditionFailed", 412));
        put(&second, "four").send().await.unwrap();
        assert_eq!(server.get("k").await.unwrap(), "four");
    }

    async fn reads_are_conditional(server) {
        let tag = server.put("k", "v").await;
        let get = || server.client.get_object().bucket(&server.bucket).key("k");
        let other = "\"00000000000000000000000000000000\"";
        get().if_match(&tag).send().await.unwrap();
        get().if_match("*").send().await.unwrap();
        assert_eq!(status(&get().if_match(other).send().await.unwrap_err()), 412);
        get().if_none_match(other).send().await.unwrap();
        assert_eq!(status(&get().if_none_match(&tag).send().await.unwrap_err()), 304);
        let (past, future) = (DateTime::from_secs(1_000_000_000), DateTime::from_secs(9_000_000_000));
        get().if_modified_since(past).send().await.unwrap();
        assert_eq!(status(&get().if_unmodified_since(past).send().await.unwrap_err()), 412);
        get().if_unmodified_since(future).send().await.unwrap();
        // A tag outweighs a date.
        get().if_match(&tag).if_unmodified_since(past).send().await.unwrap();
        let head = || server.client.head_object().bucket(&server.bucket).key("k");
        assert_eq!(status(&head().if_match(other).send().await.unwrap_err()), 412);
        assert_eq!(status(&head().if_none_match(&tag).send().await.unwrap_err()), 304);
    }

    async fn an_unmodified_object_is_not_sent_again(server) {
        server.put("k", "v").await;
        let head = server.client.head_object().bucket(&server.bucket).key("k").send().await.unwrap();
        let modified = *head.last_modified().unwrap();
        let get = server.client.get_object().bucket(&server.bucket).key("k");
        let again = get.if_modified_since(modified).send().await.unwrap_err();
        assert_eq!(status(&again), 304);
    }

    async fn deletes_are_conditional(server) {
        let tag = server.put("k", "v").await;
        let delete = |tag: &str| {
            server.client.delete_object().bucket(&server.bucket).key("k").if_match(tag)
        };
        let other = delete("\"00000000000000000000000000000000\"").send().await.unwrap_err();
        assert_eq!(status(&other), 412);
        assert_eq!(server.get("k").await.unwrap(), "v");
        delete(&tag).send().await.unwrap();
        assert_eq!(server.get("k").await, None);
    }

    async fn create_only_copies_do_not_replace(server) {
        server.put("from", "one").await;
        let source = format!("{}/from", server.bucket);
        let copy = || {
            server.client.copy_object().bucket(&server.bucket).key("to").copy_source(&source)
        };
        copy().if_none_match("*").send().await.unwrap();
        server.put("from", "two").await;
        let second = copy().if_none_match("*").send().await.unwrap_err();
        assert_eq!((code(&second).as_str(), status(&second)), ("PreconditionFailed", 412));
        assert_eq!(server.get("to").await.unwrap(), "one");
        let other = copy().if_match("\"00000000000000000000000000000000\"").send().await;
        assert_eq!(status(&other.unwrap_err()), 412);
        let tag = server.put("to", "three").await;
        copy().if_match(tag).send().await.unwrap();
        assert_eq!(server.get("to").await.unwrap(), "two");
    }

    async fn sources_of_copies_are_conditional(server) {
        let tag = server.put("from", "v").await;
        let source = format!("{}/from", server.bucket);
        let copy = || {
            server.client.copy_object().bucket(&server.bucket).key("to").copy_source(&source)
        };
        let other = "\"00000000000000000000000000000000\"";
        assert_eq!(status(&copy().copy_source_if_match(other).send().await.unwrap_err()), 412);
        assert_eq!(status(&copy().copy_source_if_none_match(&tag).send().await.unwrap_err()), 412);
        copy().copy_source_if_match(&tag).send().await.unwrap();
        assert_eq!(server.get("to").await.unwrap(), "v");
    }
}
