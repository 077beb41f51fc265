//! The suite of stores, for the two that are here; and what only folders have.

use std::sync::Arc;

use transom_commit::{FolderStore, MemoryStore, Store, StoreErrorKind, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_is_a_store() {
    conformance::check(Arc::new(MemoryStore::new()), 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_folder_is_a_store() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(Arc::new(FolderStore::new(folder.path().join("state"))), 10).await;
}

#[tokio::test]
async fn a_folder_keeps_no_file_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path());
    store.create("log/1", "a".into()).await.unwrap();
    store.create("log/1", "b".into()).await.unwrap_err();
    store.put("log/2", "c".into()).await.unwrap();
    assert_eq!(
        std::fs::read_dir(folder.path().join("unnamed"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(store.list("", None).await.unwrap(), ["log/1", "log/2"]);
}

#[tokio::test]
async fn a_folder_refuses_keys_that_lead_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path().join("state"));
    for key in ["../x", "/x", "a//b", "a/./b", "", "unnamed/x", "a\\b"] {
        let error = store.create(key, "x".into()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Refused, "{key}");
    }
}
