//! What every store must do: one suite for memory, folders and buckets.

use std::sync::Arc;

use bytes::Bytes;

use super::{Store, StoreErrorKind};
use crate::id::{Attempt, Object};

/// Tries an empty store. `rounds` is how often 32 writers race for one key.
///
/// # Panics
///
/// If the store does not do what the trait says; the message says what.
pub async fn check(store: Arc<dyn Store>, rounds: usize) {
    documents(&*store).await;
    listings(&store).await;
    objects(&*store).await;
    spent(&*store).await;
    keys(&*store).await;
    for round in 0..rounds {
        race(&store, round).await;
    }
}

async fn objects(store: &dyn Store) {
    let attempt = Attempt::random();
    let content = || Bytes::from_static(b"content");
    let kept = Object::put(store, None, content())
        .await
        .expect("a put succeeds");
    let own = Object::put(store, Some(attempt), content())
        .await
        .expect("a put succeeds");
    let listed = store.objects().await.expect("they are listed");
    let listed: Vec<_> = listed
        .iter()
        .map(|stored| (stored.object, stored.bytes))
        .collect();
    assert_eq!(
        listed,
        [(own, 7)],
        "objects of attempts are listed, with their sizes"
    );
    for _ in 0..2 {
        store.delete(&[kept, own]).await.expect("a delete succeeds");
    }
    let get = async |object: Object| object.get(store).await.expect("a get answers");
    assert_eq!(get(own).await, None, "what was deleted is gone");
    assert_eq!(
        get(kept).await,
        Some(content()),
        "objects of no attempt stay"
    );
}

async fn spent(store: &dyn Store) {
    let keys = [
        "runs/a.json",
        "runs/b.json",
        "backfill/1/0.json",
        "staged/a.json",
        "log/a.json",
        "done/a.json",
    ];
    for key in keys {
        let put = store.put(key, Bytes::from_static(b"{}")).await;
        put.expect("a put succeeds");
    }
    let deleted = [
        "runs/a.json",
        "backfill/1/0.json",
        "staged/a.json",
        "log/a.json",
        "done/a.json",
        "runs/gone.json",
    ]
    .map(str::to_owned);
    for _ in 0..2 {
        let deleted = store.delete_spent(&deleted).await;
        deleted.expect("a delete succeeds");
    }
    let mut left = Vec::new();
    for key in keys {
        let found = store.get(key).await.expect("a get answers");
        left.extend(found.map(|_| key));
    }
    assert_eq!(
        left,
        ["runs/b.json", "log/a.json", "done/a.json"],
        "what was deleted is gone, and what decides stays"
    );
}

async fn documents(store: &dyn Store) {
    let get = async |key: &str| store.get(key).await.expect("a get answers");
    assert_eq!(
        get("documents/a").await,
        None,
        "what was never written is not there"
    );
    store
        .create("documents/a", Bytes::from_static(b"first"))
        .await
        .expect("the first create succeeds");
    assert_eq!(
        get("documents/a").await.as_deref(),
        Some(&b"first"[..]),
        "what was created is read"
    );

    for content in ["second", "first"] {
        let error = store
            .create("documents/a", content.into())
            .await
            .expect_err("a second create fails");
        assert_eq!(
            error.kind(),
            StoreErrorKind::Exists,
            "a second create of `{content}` says that the key exists"
        );
    }
    assert_eq!(
        get("documents/a").await.as_deref(),
        Some(&b"first"[..]),
        "a create that fails changes nothing"
    );

    store
        .put("documents/a", "third".into())
        .await
        .expect("a put succeeds over what is there");
    assert_eq!(
        get("documents/a").await.as_deref(),
        Some(&b"third"[..]),
        "a put replaces"
    );
    store
        .put("documents/b", Bytes::new())
        .await
        .expect("a put succeeds where nothing is");
    assert_eq!(
        get("documents/b").await.as_deref(),
        Some(&b""[..]),
        "an empty document is there"
    );
    let error = store
        .create("documents/b", "x".into())
        .await
        .expect_err("a create after a put fails");
    assert_eq!(
        error.kind(),
        StoreErrorKind::Exists,
        "a create after a put says that the key exists"
    );

    let large = Bytes::from(vec![7; 1 << 20]);
    store
        .create("documents/large", large.clone())
        .await
        .expect("a large document is created");
    assert_eq!(
        get("documents/large").await,
        Some(large),
        "a large document is read"
    );
}

async fn listings(store: &Arc<dyn Store>) {
    let list = async |prefix: &str, after: Option<&str>| {
        store.list(prefix, after).await.expect("a list answers")
    };
    assert_eq!(
        list("listings/", None).await,
        Vec::<String>::new(),
        "an empty listing"
    );
    let numbers: Vec<String> = (0..1200)
        .map(|number| format!("listings/{number:04}"))
        .collect();
    // Not in order, and more than one page of a bucket's.
    let mut writers = tokio::task::JoinSet::new();
    for start in 0..30 {
        let store = Arc::clone(store);
        let keys: Vec<String> = numbers.iter().skip(start).step_by(30).cloned().collect();
        writers.spawn(async move {
            for key in keys {
                store
                    .create(&key, "x".into())
                    .await
                    .expect("a create succeeds");
            }
        });
    }
    writers.join_all().await;
    store
        .create("listings-not/x", "x".into())
        .await
        .expect("a create succeeds");
    assert_eq!(
        list("listings/", None).await,
        numbers,
        "all keys with the prefix, in order"
    );
    assert_eq!(
        list("listings/", Some("listings/0999")).await,
        numbers[1000..],
        "the keys after one of them"
    );
    assert_eq!(
        list("listings/", Some("listings/09990")).await,
        numbers[1000..],
        "the keys after one that is not there"
    );
    assert_eq!(
        list("listings/1199", None).await,
        numbers[1199..],
        "a prefix that ends within a name"
    );
    assert_eq!(
        list("listings/", Some("listings/1199")).await,
        Vec::<String>::new(),
        "nothing after the last one"
    );
}

async fn keys(store: &dyn Store) {
    let keys = [
        "keys/a/b.json",
        "keys/a-b",
        "keys/A",
        "keys/a b=c+d%20",
        "keys/\u{e4}",
    ];
    for key in keys {
        store
            .create(key, key.to_owned().into())
            .await
            .expect("a create succeeds");
    }
    for key in keys {
        let content = store.get(key).await.expect("a get answers");
        assert_eq!(
            content.as_deref(),
            Some(key.as_bytes()),
            "`{key}` is a key of its own"
        );
    }
    let mut sorted: Vec<&str> = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(
        store.list("keys/", None).await.expect("a list answers"),
        sorted,
        "keys are in the order of bytes"
    );
}

/// Of 32 writers one succeeds, all others get the answer that the key exists, and all read what the one wrote.
async fn race(store: &Arc<dyn Store>, round: usize) {
    let key = format!("race/{round:05}");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..32 {
        let (store, key) = (Arc::clone(store), key.clone());
        writers.spawn(async move {
            let content = Bytes::from(format!("writer {writer}"));
            // A conflict of two requests is no answer: as in the protocol, look and try again.
            let won = loop {
                match store.create(&key, content.clone()).await {
                    Ok(()) => break true,
                    Err(error) if error.kind() == StoreErrorKind::Exists => break false,
                    Err(error) if error.kind() == StoreErrorKind::Refused => panic!("{error}"),
                    Err(_) => match store.get(&key).await.expect("a get answers") {
                        Some(found) => break found == content,
                        None => tokio::task::yield_now().await,
                    },
                }
            };
            (won, content, store.get(&key).await.expect("a get answers"))
        });
    }
    let outcomes = writers.join_all().await;
    let won: Vec<&Bytes> = outcomes
        .iter()
        .filter(|(won, ..)| *won)
        .map(|(_, content, _)| content)
        .collect();
    assert_eq!(
        won.len(),
        1,
        "of 32 writers of `{key}` one succeeds, not {won:?}"
    );
    for (_, _, read) in &outcomes {
        assert_eq!(
            read.as_ref(),
            Some(won[0]),
            "all read what the one wrote to `{key}`"
        );
    }
}
