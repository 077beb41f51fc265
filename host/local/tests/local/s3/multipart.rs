use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};

use crate::server::{Server, code, status, suite};

const MIB: usize = 1 << 20;

async fn create(server: &Server, key: &str) -> String {
    let create = server
        .client
        .create_multipart_upload()
        .bucket(&server.bucket)
        .key(key);
    create.send().await.unwrap().upload_id.unwrap()
}

async fn upload(server: &Server, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let part = server
        .client
        .upload_part()
        .bucket(&server.bucket)
        .key(key)
        .upload_id(id);
    let part = part
        .part_number(number)
        .body(body.into())
        .send()
        .await
        .unwrap();
    CompletedPart::builder()
        .part_number(number)
        .e_tag(part.e_tag().unwrap())
        .build()
}

fn parts(parts: &[CompletedPart]) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts.to_vec()))
        .build()
}

suite! {
    async fn parts_become_an_object_once_completed(server) {
        let id = create(&server, "k").await;
        let (first, last) = (vec![b'a'; 5 * MIB], vec![b'b'; 10]);
        let last_part = upload(&server, "k", &id, 7, last.clone()).await;
        let first_part = upload(&server, "k", &id, 3, first.clone()).await;
        upload(&server, "k", &id, 5, vec![b'c'; 6 * MIB]).await;
        assert!(server.keys().await.is_empty());
        assert_eq!(server.get("k").await, None);
        let complete = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
        let done = complete.upload_id(&id).multipart_upload(parts(&[first_part, last_part]));
        let done = done.send().await.unwrap();
        assert!(done.e_tag().unwrap().ends_with("-2\""));
        let got = server.client.get_object().bucket(&server.bucket).key("k").send().await.unwrap();
        assert!(got.body.collect().await.unwrap().to_vec() == [first, last].concat());
        let again = server.client.list_parts().bucket(&server.bucket).key("k").upload_id(&id);
        assert_eq!(code(&again.send().await.unwrap_err()), "NoSuchUpload");
    }

    async fn lists_of_parts_that_do_not_fit_are_refused(server) {
        let id = create(&server, "k").await;
        let one = upload(&server, "k", &id, 1, vec![b'a'; 10]).await;
        let two = upload(&server, "k", &id, 2, vec![b'b'; 10]).await;
        let complete = |list: CompletedMultipartUpload| {
            let complete = server.client.complete_multipart_upload().bucket(&server.bucket);
            let complete = complete.key("k").upload_id(&id).multipart_upload(list);
            async move { code(&complete.send().await.unwrap_err()) }
        };
        assert_eq!(complete(parts(&[two.clone(), one.clone()])).await, "InvalidPartOrder");
        assert_eq!(complete(parts(&[one.clone(), two.clone()])).await, "EntityTooSmall");
        let wrong = CompletedPart::builder().part_number(1).e_tag("\"00\"").build();
        assert_eq!(complete(parts(&[wrong])).await, "InvalidPart");
        let missing = CompletedPart::builder().part_number(9).e_tag(one.e_tag().unwrap()).build();
        assert_eq!(complete(parts(&[missing])).await, "InvalidPart");
        // Nothing of it has ended the upload.
        let done = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
        done.upload_id(&id).multipart_upload(parts(&[one])).send().await.unwrap();
        assert_eq!(server.get("k").await.unwrap(), "a".repeat(10));
    }

    async fn an_aborted_upload_is_gone(server) {
        let id = create(&server, "k").await;
        let part = upload(&server, "k", &id, 1, vec![b'a'; 10]).await;
        let abort = || {
            server.client.abort_multipart_upload().bucket(&server.bucket).key("k").upload_id(&id)
        };
        abort().send().await.unwrap();
        let put = server.client.upload_part().bucket(&server.bucket).key("k").upload_id(&id);
        let put = put.part_number(1).body(vec![1].into()).send().await;
        assert_eq!(code(&put.unwrap_err()), "NoSuchUpload");
        let done = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
        let done = done.upload_id(&id).multipart_upload(parts(&[part])).send().await;
        assert_eq!(code(&done.unwrap_err()), "NoSuchUpload");
        assert!(server.keys().await.is_empty());
    }

    async fn aborting_what_is_not_there_is_refused(server) {
        let abort = server.client.abort_multipart_upload().bucket(&server.bucket).key("k");
        let abort = abort.upload_id("no-such-upload").send().await;
        assert_eq!(code(&abort.unwrap_err()), "NoSuchUpload");
    }

    async fn a_completed_upload_does_not_replace_if_asked(server) {
        let id = create(&server, "k").await;
        let part = upload(&server, "k", &id, 1, b"upload".to_vec()).await;
        server.put("k", "put").await;
        let complete = || {
            let complete = server.client.complete_multipart_upload().bucket(&server.bucket);
            complete.key("k").upload_id(&id).multipart_upload(parts(std::slice::from_ref(&part)))
        };
        let refused = complete().if_none_match("*").send().await.unwrap_err();
        assert_eq!((code(&refused).as_str(), status(&refused)), ("PreconditionFailed", 412));
        assert_eq!(server.get("k").await.unwrap(), "put");
        server.client.delete_object().bucket(&server.bucket).key("k").send().await.unwrap();
        complete().if_none_match("*").send().await.unwrap();
        assert_eq!(server.get("k").await.unwrap(), "upload");
    }

    async fn uploads_and_parts_are_listed(server) {
        let first = create(&server, "a/1").await;
        let second = create(&server, "b").await;
        for number in [1, 2, 4] {
            upload(&server, "b", &second, number, vec![b'x'; number as usize]).await;
        }
        let list = || server.client.list_multipart_uploads().bucket(&server.bucket);
        let uploads = list().send().await.unwrap();
        let shown: Vec<_> =
            uploads.uploads().iter().map(|upload| (upload.key().unwrap(), upload.upload_id().unwrap())).collect();
        assert_eq!(shown, [("a/1", first.as_str()), ("b", second.as_str())]);
        let page = list().max_uploads(1).send().await.unwrap();
        assert_eq!((page.uploads().len(), page.is_truncated()), (1, Some(true)));
        let next = list().key_marker(page.next_key_marker().unwrap());
        let next = next.upload_id_marker(page.next_upload_id_marker().unwrap()).send().await.unwrap();
        assert_eq!(next.uploads()[0].key(), Some("b"));
        let groups = list().delimiter("/").send().await.unwrap();
        assert_eq!(groups.common_prefixes()[0].prefix(), Some("a/"));
        assert_eq!(groups.uploads()[0].key(), Some("b"));

        let list = || server.client.list_parts().bucket(&server.bucket).key("b").upload_id(&second);
        let all = list().send().await.unwrap();
        let parts = all.parts().iter();
        let shown: Vec<_> = parts.map(|part| (part.part_number().unwrap(), part.size().unwrap())).collect();
        assert_eq!(shown, [(1, 1), (2, 2), (4, 4)]);
        let page = list().max_parts(2).send().await.unwrap();
        assert_eq!((page.is_truncated(), page.next_part_number_marker()), (Some(true), Some("2")));
        let rest = list().part_number_marker("2").send().await.unwrap();
        assert_eq!(rest.parts()[0].part_number(), Some(4));
    }

    async fn a_part_is_replaced_by_the_next_of_its_number(server) {
        let id = create(&server, "k").await;
        upload(&server, "k", &id, 1, b"old".to_vec()).await;
        let part = upload(&server, "k", &id, 1, b"new".to_vec()).await;
        let done = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
        done.upload_id(&id).multipart_upload(parts(&[part])).send().await.unwrap();
        assert_eq!(server.get("k").await.unwrap(), "new");
    }

    async fn numbers_of_parts_have_bounds(server) {
        let id = create(&server, "k").await;
        for number in [0, 10_001] {
            let part = server.client.upload_part().bucket(&server.bucket).key("k").upload_id(&id);
            let part = part.part_number(number).body(vec![1].into()).send().await;
            assert_eq!(code(&part.unwrap_err()), "InvalidArgument", "{number}");
        }
    }

    async fn parts_are_copied_from_objects(server) {
        server.put("from", "0123456789").await;
        let id = create(&server, "k").await;
        let source = format!("{}/from", server.bucket);
        let copy = |range: &str| {
            let copy = server.client.upload_part_copy().bucket(&server.bucket).key("k");
            copy.upload_id(&id).part_number(1).copy_source(&source).copy_source_range(range)
        };
        let wrong = copy("bytes=5-10").send().await.unwrap_err();
        assert_eq!(code(&wrong), "InvalidArgument");
        let copied = copy("bytes=2-5").send().await.unwrap();
        let tag = copied.copy_part_result().unwrap().e_tag().unwrap();
        let part = CompletedPart::builder().part_number(1).e_tag(tag).build();
        let done = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
        done.upload_id(&id).multipart_upload(parts(&[part])).send().await.unwrap();
        assert_eq!(server.get("k").await.unwrap(), "2345");
    }

    async fn one_part_of_an_object_is_got(server) {
        let id = create(&server, "k").await;
        let first = upload(&server, "k", &id, 1, vec![b'a'; 5 * MIB]).await;
        let second = upload(&server, "k", &id, 2, b"second".to_vec()).await;
        let done = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
        done.upload_id(&id).multipart_upload(parts(&[first, second])).send().await.unwrap();
        let part = server.client.get_object().bucket(&server.bucket).key("k").part_number(2);
        let part = part.send().await.unwrap();
        assert_eq!(part.parts_count(), Some(2));
        assert_eq!(part.body.collect().await.unwrap().to_vec(), b"second");
        // Over the border of the two.
        let range = format!("bytes={}-{}", 5 * MIB - 1, 5 * MIB + 1);
        let got = server.client.get_object().bucket(&server.bucket).key("k").range(range);
        assert_eq!(got.send().await.unwrap().body.collect().await.unwrap().to_vec(), b"ase");
    }

    async fn a_copy_of_an_upload_is_one_object(server) {
        let id = create(&server, "k").await;
        let part = upload(&server, "k", &id, 1, b"hello".to_vec()).await;
        let done = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
        done.upload_id(&id).multipart_upload(parts(&[part])).send().await.unwrap();
        let copied = server.client.copy_object().bucket(&server.bucket).key("to")
            .copy_source(format!("{}/k", server.bucket)).send().await.unwrap();
        let tag = copied.copy_object_result().unwrap().e_tag().unwrap();
        assert_eq!(tag, "\"5d41402abc4b2a76b9719d911017c592\"");
        assert_eq!(server.get("to").await.unwrap(), "hello");
    }

    async fn checksums_of_uploads_are_composed(server) {
        for (algorithm, kind) in [
            (ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
            (ChecksumAlgorithm::Crc32, ChecksumType::Composite),
            (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
            (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
        ] {
            let create = server.client.create_multipart_upload().bucket(&server.bucket).key("k");
            let create = create.checksum_algorithm(algorithm.clone()).checksum_type(kind.clone());
            let id = create.send().await.unwrap().upload_id.unwrap();
            let mut done = Vec::new();
            for (number, body) in [(1, vec![b'a'; 5 * MIB]), (2, b"end".to_vec())] {
                let part = server.client.upload_part().bucket(&server.bucket).key("k").upload_id(&id);
                let part = part.part_number(number).checksum_algorithm(algorithm.clone());
                let part = part.body(body.into()).send().await.unwrap();
                done.push(CompletedPart::builder().part_number(number).e_tag(part.e_tag().unwrap())
                    .set_checksum_crc32(part.checksum_crc32).set_checksum_sha256(part.checksum_sha256)
                    .set_checksum_crc64_nvme(part.checksum_crc64_nvme).build());
            }
            let complete = server.client.complete_multipart_upload().bucket(&server.bucket).key("k");
            complete.upload_id(&id).multipart_upload(parts(&done)).send().await.unwrap();
            let head = server.client.head_object().bucket(&server.bucket).key("k");
            let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
            let whole = [vec![b'a'; 5 * MIB], b"end".to_vec()].concat();
            let found = [&head.checksum_crc32, &head.checksum_crc64_nvme, &head.checksum_sha256];
            let found = found.into_iter().find_map(|value| value.clone()).unwrap();
            assert_eq!(head.checksum_type(), Some(&kind));
            match kind {
                ChecksumType::Composite => assert!(found.ends_with("-2"), "{found}"),
                _ => {
                    // As an object that is put whole has it.
                    let put = server.client.put_object().bucket(&server.bucket).key("whole");
                    let put = put.checksum_algorithm(algorithm).body(whole.into()).send().await.unwrap();
                    let expected = put.checksum_crc32.or(put.checksum_crc64_nvme).unwrap();
                    assert_eq!(found, expected);
                }
            }
        }
    }
}
