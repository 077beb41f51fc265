use std::collections::BTreeSet;

use aws_sdk_s3::types::EncodingType;

use crate::server::{code, suite};

/// Puts objects without waiting for each.
async fn fill(server: &crate::server::Server, keys: impl Iterator<Item = String>) {
    let mut puts = tokio::task::JoinSet::new();
    for key in keys {
        while puts.len() >= 64 {
            puts.join_next().await.unwrap().unwrap();
        }
        let put = server.client.put_object().bucket(&server.bucket).key(key);
        puts.spawn(async move {
            put.body(b"x".to_vec().into()).send().await.unwrap();
        });
    }
    while let Some(put) = puts.join_next().await {
        put.unwrap();
    }
}

suite! {
    async fn pages_of_many_keys_make_the_whole(server) {
        let keys: BTreeSet<String> =
            (0..2500).map(|n| format!("day={:02}/part-{n:04}", n % 40)).collect();
        fill(&server, keys.iter().cloned()).await;
        let list = || server.client.list_objects_v2().bucket(&server.bucket);

        let mut found = Vec::new();
        let mut pages = list().into_paginator().send();
        let mut lengths = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            lengths.push(page.contents().len());
            found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        assert_eq!(lengths, [1000, 1000, 500]);
        assert!(found.iter().eq(keys.iter()));

        let mut groups = Vec::new();
        let mut pages = list().delimiter("/").max_keys(7).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            assert!(page.contents().is_empty() && page.common_prefixes().len() <= 7);
            assert_eq!(page.key_count(), Some(page.common_prefixes().len() as i32));
            groups.extend(page.common_prefixes().iter().map(|group| group.prefix().unwrap().to_owned()));
        }
        assert_eq!(groups, (0..40).map(|day| format!("day={day:02}/")).collect::<Vec<_>>());

        let part = list().prefix("day=07/").delimiter("/").send().await.unwrap();
        assert_eq!(part.contents().len(), keys.iter().filter(|key| key.starts_with("day=07/")).count());
        assert_eq!(part.is_truncated(), Some(false));
    }

    async fn a_listing_begins_after_a_key(server) {
        fill(&server, ["a", "b", "b/1", "c"].into_iter().map(str::to_owned)).await;
        let list = server.client.list_objects_v2().bucket(&server.bucket).start_after("b");
        let found = list.send().await.unwrap();
        let keys: Vec<_> = found.contents().iter().map(|object| object.key().unwrap()).collect();
        assert_eq!(keys, ["b/1", "c"]);
        assert_eq!(found.start_after(), Some("b"));
    }

    async fn the_first_version_lists_by_marker(server) {
        fill(&server, ["a/1", "a/2", "b", "c/1", "d"].into_iter().map(str::to_owned)).await;
        let list = |marker: &str| {
            server.client.list_objects().bucket(&server.bucket).delimiter("/").max_keys(2)
                .marker(marker)
        };
        let first = list("").send().await.unwrap();
        assert_eq!(first.common_prefixes()[0].prefix(), Some("a/"));
        assert_eq!(first.contents()[0].key(), Some("b"));
        assert_eq!((first.is_truncated(), first.next_marker()), (Some(true), Some("b")));
        let second = list("b").send().await.unwrap();
        assert_eq!(second.common_prefixes()[0].prefix(), Some("c/"));
        assert_eq!(second.contents()[0].key(), Some("d"));
        assert_eq!(second.is_truncated(), Some(false));
    }

    async fn a_marker_that_is_a_group_is_behind_it(server) {
        fill(&server, ["a/1", "a/2", "b"].into_iter().map(str::to_owned)).await;
        let list = server.client.list_objects().bucket(&server.bucket).delimiter("/").marker("a/");
        let found = list.send().await.unwrap();
        assert!(found.common_prefixes().is_empty());
        assert_eq!(found.contents()[0].key(), Some("b"));
    }

    async fn names_are_encoded_on_request(server) {
        fill(&server, ["a b+c/ü", "\u{1}"].into_iter().map(str::to_owned)).await;
        let list = server.client.list_objects_v2().bucket(&server.bucket);
        let found = list.encoding_type(EncodingType::Url).send().await.unwrap();
        let keys: Vec<_> = found.contents().iter().map(|object| object.key().unwrap()).collect();
        assert_eq!(keys, ["%01", "a%20b%2Bc/%C3%BC"]);
    }

    async fn pages_can_be_empty(server) {
        server.put("k", "v").await;
        let list = server.client.list_objects_v2().bucket(&server.bucket).max_keys(0);
        let found = list.send().await.unwrap();
        assert_eq!((found.contents().len(), found.is_truncated()), (0, Some(false)));
        let wrong = server.client.list_objects_v2().bucket(&server.bucket).max_keys(-1);
        assert_eq!(code(&wrong.send().await.unwrap_err()), "InvalidArgument");
    }

    async fn tokens_are_not_invented(server) {
        let list = server.client.list_objects_v2().bucket(&server.bucket);
        let wrong = list.continuation_token("?nonsense?").send().await.unwrap_err();
        assert_eq!(code(&wrong), "InvalidArgument");
    }

    async fn entries_say_what_they_are(server) {
        let tag = server.put("k", "hello").await;
        let list = server.client.list_objects_v2().bucket(&server.bucket).fetch_owner(true);
        let found = list.send().await.unwrap();
        let object = &found.contents()[0];
        assert_eq!((object.e_tag(), object.size()), (Some(tag.as_str()), Some(5)));
        assert_eq!(object.storage_class().unwrap().as_str(), "STANDARD");
        assert!(object.last_modified().is_some() && object.owner().is_some());
    }
}
