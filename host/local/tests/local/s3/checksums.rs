use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ObjectAttributes};

use crate::server::{code, suite};

suite! {
    async fn every_algorithm_is_computed(server) {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "NhCmhg=="),
            (ChecksumAlgorithm::Crc32C, "mnG7TA=="),
            (ChecksumAlgorithm::Crc64Nvme, "M3eFcAZSQlc="),
            (ChecksumAlgorithm::Sha1, "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
            (ChecksumAlgorithm::Sha256, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ] {
            server.client.put_object().bucket(&server.bucket).key("k").body(b"hello".to_vec().into())
                .checksum_algorithm(algorithm.clone()).send().await.unwrap();
            let head = server.client.head_object().bucket(&server.bucket).key("k");
            let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
            let found = [
                &head.checksum_crc32, &head.checksum_crc32_c, &head.checksum_crc64_nvme,
                &head.checksum_sha1, &head.checksum_sha256,
            ];
            let found: Vec<_> = found.into_iter().flatten().collect();
            assert_eq!(found, [expected], "{algorithm}");
        }
    }

    async fn bytes_that_do_not_fit_their_checksum_are_not_stored(server) {
        let put = || {
            server.client.put_object().bucket(&server.bucket).key("k").body(b"hello".to_vec().into())
        };
        let wrong = put().checksum_crc32("AAAAAA==").send().await.unwrap_err();
        assert_eq!(code(&wrong), "BadDigest");
        let wrong = put().checksum_sha256("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCA=").send().await;
        assert_eq!(code(&wrong.unwrap_err()), "BadDigest");
        let wrong = put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await.unwrap_err();
        assert_eq!(code(&wrong), "BadDigest");
        let wrong = put().content_md5("no digest").send().await.unwrap_err();
        assert_eq!(code(&wrong), "InvalidDigest");
        assert!(server.keys().await.is_empty());
        put().content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await.unwrap();
        assert_eq!(server.get("k").await.unwrap(), "hello");
    }

    async fn attributes_are_given(server) {
        server.put("k", "hello").await;
        let attributes = server.client.get_object_attributes().bucket(&server.bucket).key("k")
            .object_attributes(ObjectAttributes::Etag)
            .object_attributes(ObjectAttributes::ObjectSize)
            .object_attributes(ObjectAttributes::StorageClass)
            .object_attributes(ObjectAttributes::Checksum)
            .send().await.unwrap();
        assert_eq!(attributes.object_size(), Some(5));
        assert_eq!(attributes.storage_class().unwrap().as_str(), "STANDARD");
        assert_eq!(attributes.checksum().unwrap().checksum_crc32(), Some("NhCmhg=="));
    }
}
