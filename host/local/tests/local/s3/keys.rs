use crate::server::{code, suite};

suite! {
    async fn every_key_is_its_own(server) {
        let long = "ü".repeat(512);
        let mut keys = vec![
            "a", "a/", "a/b", "a//b", "a b", "a+b", "a=b&c", "a%20b", "ä/ö", "日本語", "😀", "x:y",
            "'\"`", "a;b", "~", "*", "?", "#", "a?b#c", "@", "!", "$", ",", "[", "]", "{}", "|",
            "^", "\\", "con", ".hidden", "a.", "-", "_", "<&>", "day=2024-01-01/part-0.parquet",
            long.as_str(),
        ];
        for key in &keys {
            server.put(key, key).await;
        }
        for key in &keys {
            assert_eq!(server.get(key).await.as_deref(), Some(*key), "{key}");
        }
        keys.sort_unstable();
        assert_eq!(server.keys().await, keys);
        for key in &keys {
            server.client.delete_object().bucket(&server.bucket).key(*key).send().await.unwrap();
        }
        assert!(server.keys().await.is_empty());
    }

    async fn dots_and_slashes_are_letters(server) {
        let keys = [".", "..", "../x", "./x", "/", "//", "/a", "a/../b", "a/./b"];
        for key in keys {
            server.put(key, key).await;
        }
        for key in keys {
            assert_eq!(server.get(key).await.as_deref(), Some(key), "{key}");
        }
        assert_eq!(server.keys().await.len(), keys.len());
    }

    async fn keys_have_at_most_1024_bytes(server) {
        let put = |key: String| server.client.put_object().bucket(&server.bucket).key(key);
        put("k".repeat(1024)).send().await.unwrap();
        let longer = put("k".repeat(1025)).send().await.unwrap_err();
        assert_eq!(code(&longer), "KeyTooLongError");
    }
}
