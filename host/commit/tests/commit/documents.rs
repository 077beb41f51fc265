//! Entries as documents: how they look, and what is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use transom_commit::{
    Attempt, By, Counts, Draft, Entry, EntryError, Inputs, LogError, MemoryStore, Object, Part,
    Pipeline, Position, Share, SinkKind, Slice, SourceState, StagedAttempt, Store, StoredLog,
    Wanted, keys,
};

fn by() -> By {
    By {
        run: "nightly".to_owned(),
        host: "batch-1".to_owned(),
        pid: 7,
        transom: "0.1.0".to_owned(),
    }
}

fn time(text: &str) -> chrono::DateTime<chrono::Utc> {
    text.parse().unwrap()
}

fn object(digit: char) -> Object {
    format!("objects/{}", String::from(digit).repeat(64))
        .parse()
        .unwrap()
}

fn attempt(number: u128) -> Attempt {
    Attempt::of(number)
}

fn slice(clock: &str, staged: Value) -> Draft {
    let part = |name: &str, kind, rows, staged| Part {
        name: name.into(),
        kind,
        prev: Position::START,
        rows,
        staged,
    };
    Draft::Slice {
        slice: Box::new(Slice {
            pipeline: Pipeline {
                digest: "sha256:aa".to_owned(),
                plugins: BTreeMap::from([("carriers".to_owned(), "sha256:bb".to_owned())]),
            },
            clock: time(clock),
            seed: 17,
            inputs: BTreeMap::from([(
                "flights".to_owned(),
                Inputs {
                    files: 12,
                    bytes: 1 << 30,
                    list: object('1'),
                },
            )]),
            sinks: vec![
                part(
                    "mart",
                    SinkKind::Warehouse,
                    2,
                    json!({"table": "analytics.daily", "mode": "merge"}),
                ),
                part("lake", SinkKind::Files, 2, staged),
            ],
            counts: Counts {
                rows_in: 3,
                rows_out: 2,
                rejected: 1,
            },
        }),
        sources: BTreeMap::from([(
            "flights".to_owned(),
            SourceState {
                seen: Some(object('2')),
                cursor: None,
                partitions: None,
            },
        )]),
        buckets: vec![],
    }
}

/// A log of an open and a slice, and its store.
async fn begun(store: &MemoryStore) -> StoredLog<'_> {
    let mut log = StoredLog::open(store, None).await.unwrap();
    let wanted = [
        Wanted::Open,
        Wanted::Draft(slice("2026-11-02T00:00:00Z", json!({"files": []}))),
    ];
    for (number, wanted) in wanted.iter().enumerate() {
        let at = time("2026-11-02T03:04:05Z");
        let entry = log
            .log()
            .next(attempt(number as u128 + 1), wanted, at, &by())
            .unwrap();
        log.append(&entry).await.unwrap();
    }
    log
}

#[tokio::test]
async fn an_entry_names_everything_that_is_needed_to_apply_it() {
    let store = MemoryStore::new();
    let log = begun(&store).await;
    let mut entry = serde_json::to_value(log.log().last().unwrap()).unwrap();
    entry["log"] = "<log>".into();
    entry["previous"] = "<digest>".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&entry).unwrap());
}

#[tokio::test]
async fn every_kind_of_entry_is_read_as_it_was_written() {
    let store = MemoryStore::new();
    let mut log = begun(&store).await;
    let share = |index| Attempt::random_of_share(Share { backfill: 6, index });
    let discard = Wanted::Discard {
        of: 3,
        disposition: transom_commit::Disposition::Redo,
    };
    let slice = |clock: &str| Wanted::Draft(slice(clock, json!({})));
    let entries = [
        (attempt(3), slice("2026-11-03T00:00:00Z")),
        (attempt(4), discard),
        (
            attempt(5),
            Wanted::Draft(Draft::Gc {
                dead: vec![attempt(99)],
                keeps: 1,
            }),
        ),
        (
            attempt(6),
            Wanted::Draft(Draft::Backfill {
                shares: 2,
                plan: object('3'),
            }),
        ),
        (share(0), slice("2026-11-04T00:00:00Z")),
        (share(1), slice("2026-11-04T00:00:00Z")),
        (attempt(9), Wanted::Draft(Draft::BackfillEnd {})),
        (attempt(10), Wanted::Draft(Draft::Rewind { to: 2 })),
    ];
    for (attempt, wanted) in &entries {
        let entry = log
            .log()
            .next(*attempt, wanted, time("2026-11-05T00:00:00Z"), &by())
            .unwrap();
        assert_eq!(
            Entry::parse("x", &entry.to_bytes().unwrap()).unwrap(),
            entry
        );
        log.append(&entry).await.unwrap();
    }
    let state = log.log().state();
    assert_eq!(
        state.sources,
        log.log().get(2).unwrap().after.sources,
        "a rewind goes back to the state of 2"
    );
    assert_eq!(
        state.clock,
        Some(time("2026-11-04T00:00:00Z")),
        "and the clock stays"
    );

    let mut again = StoredLog::open(&store, Some(4)).await.unwrap();
    assert_eq!(again.log().tail(), 10);
    assert!(
        again.log().get(9).is_none(),
        "the last entry is enough to begin"
    );
    again.reach(1).await.unwrap();
    assert_eq!(
        (1..=10)
            .filter(|seq| again.log().get(*seq) == log.log().get(*seq))
            .count(),
        10
    );
    let late = StoredLog::open(&store, Some(50)).await.unwrap();
    assert_eq!(late.log().tail(), 10, "a hint may be wrong");
}

#[tokio::test]
async fn while_a_backfill_is_open_its_next_share_comes_and_nothing_else() {
    let store = MemoryStore::new();
    let mut log = begun(&store).await;
    let at = time("2026-11-05T00:00:00Z");
    let backfill = Wanted::Draft(Draft::Backfill {
        shares: 2,
        plan: object('3'),
    });
    let entry = log.log().next(attempt(3), &backfill, at, &by()).unwrap();
    log.append(&entry).await.unwrap();
    let slice = Wanted::Draft(slice("2026-11-04T00:00:00Z", json!({})));
    for attempt in [
        attempt(4),
        Attempt::random_of_share(Share {
            backfill: 3,
            index: 1,
        }),
    ] {
        let error = log.log().next(attempt, &slice, at, &by()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the backfill of entry 3 is open: its share 0 comes next"
        );
    }
}

#[tokio::test]
async fn what_is_not_exactly_an_entry_is_refused_with_its_name() {
    let store = MemoryStore::new();
    let log = begun(&store).await;
    let good = serde_json::to_value(log.log().last().unwrap()).unwrap();
    let name = keys::entry(2);
    let message = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        let error = Entry::parse(&name, value.to_string().as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error)
            .map(|source| format!("\n  {source}"))
            .unwrap_or_default();
        format!("{error}{source}")
    };
    let remove = |value: &mut Value, key: &str| drop(value.as_object_mut().unwrap().remove(key));
    let messages = [
        message(&|value| value["format"] = 2.into()),
        message(&|value| {
            value["format"] = 2.into();
            value["new"] = true.into();
        }),
        message(&|value| value["new"] = true.into()),
        message(&|value| value["decision"]["new"] = true.into()),
        message(&|value| value["decision"]["sinks"][0]["new"] = true.into()),
        message(&|value| value["decision"]["kind"] = "merge".into()),
        message(&|value| remove(value, "after")),
        message(&|value| remove(value, "format")),
        message(&|value| value["attempt"] = "C0".into()),
        message(&|value| value["decision"]["sinks"][0]["prev"] = json!({"seq": 0, "attempt": "x"})),
        message(&|value| value["after"]["sources"]["flights"]["seen"] = "objects/../x".into()),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[tokio::test]
async fn a_log_that_was_changed_is_refused() {
    let store = MemoryStore::new();
    let log = begun(&store).await;
    let changed = |seq: u64, change: &dyn Fn(&mut Entry)| {
        let mut entry = log.log().get(seq).unwrap().clone();
        change(&mut entry);
        (keys::entry(seq), Bytes::from(entry.to_bytes().unwrap()))
    };
    let cases: [(&str, (String, Bytes)); 4] = [
        (
            "says that it is entry 7",
            changed(2, &|entry| entry.seq = 7),
        ),
        (
            "belongs to another log",
            changed(2, &|entry| entry.log = transom_commit::LogId::of(9)),
        ),
        (
            "does not follow the entry before it",
            changed(1, &|entry| entry.at = time("2020-01-01T00:00:00Z")),
        ),
        (
            "has sinks at other positions",
            changed(2, &|entry| entry.after.sinks.clear()),
        ),
    ];
    for (expected, (key, content)) in cases {
        let other = MemoryStore::new();
        for name in store.list("", None).await.unwrap() {
            other
                .put(&name, store.get(&name).await.unwrap().unwrap())
                .await
                .unwrap();
        }
        other.put(&key, content).await.unwrap();
        let error = match StoredLog::open(&other, None).await {
            Ok(mut log) => log.reach(1).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_missing_entry_is_refused() {
    let store = MemoryStore::new();
    let log = begun(&store).await;
    let other = MemoryStore::new();
    other
        .put(
            &keys::entry(2),
            log.log().last().unwrap().to_bytes().unwrap().into(),
        )
        .await
        .unwrap();
    let error = StoredLog::open(&other, None)
        .await
        .unwrap()
        .reach(1)
        .await
        .unwrap_err();
    assert!(matches!(error, LogError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn an_entry_that_is_too_large_says_what_is_large() {
    let store = MemoryStore::new();
    let mut log = begun(&store).await;
    let files = vec!["s3://lake/a/rather/long/name.parquet"; 5000];
    let wanted = Wanted::Draft(slice("2026-11-05T00:00:00Z", json!({ "files": files })));
    let entry = log
        .log()
        .next(attempt(3), &wanted, time("2026-11-05T00:00:00Z"), &by())
        .unwrap();
    let error = log.append(&entry).await.unwrap_err();
    assert!(
        matches!(error, LogError::Entry(EntryError::TooLarge { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("; its largest part is what sink `lake` has staged, with 195011 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn clocks_do_not_go_back() {
    let store = MemoryStore::new();
    let log = begun(&store).await;
    let wanted = Wanted::Draft(slice("2026-11-01T00:00:00Z", json!({})));
    let error = log
        .log()
        .next(attempt(3), &wanted, time("2026-11-05T00:00:00Z"), &by())
        .unwrap_err();
    assert!(error.to_string().contains("has a clock before"), "{error}");
}

#[test]
fn attempts_have_one_spelling() {
    for attempt in [
        Attempt::of(0),
        Attempt::random(),
        Attempt::random_of_share(Share {
            backfill: 42,
            index: 7,
        }),
    ] {
        assert_eq!(attempt.to_string().parse(), Ok(attempt));
    }
    let digits = "9f".repeat(16);
    for text in [
        "",
        "9f",
        &digits.to_uppercase(),
        &format!("b07-1-{digits}"),
        &format!("b1-{digits}"),
        "b1-2-9f",
    ] {
        assert!(text.parse::<Attempt>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn the_first_result_of_a_share_stands() {
    let store = MemoryStore::new();
    let result = || {
        let attempt = Attempt::random_of_share(Share {
            backfill: 6,
            index: 0,
        });
        StagedAttempt::new(attempt, 6, slice("2026-11-04T00:00:00Z", json!({})))
    };
    let (first, second) = (result(), result());
    assert!(first.stand_for_share(&store).await.unwrap());
    assert!(!second.stand_for_share(&store).await.unwrap());
    assert!(
        first.stand_for_share(&store).await.unwrap(),
        "again is no matter"
    );
    let key = keys::share(first.attempt.share().unwrap());
    let bytes = store.get(&key).await.unwrap().unwrap();
    assert_eq!(StagedAttempt::parse(&key, &bytes).unwrap(), first);
}

#[tokio::test]
async fn an_object_that_was_changed_is_refused() {
    let store = MemoryStore::new();
    let object = Object::put(&store, None, "content".into()).await.unwrap();
    assert_eq!(
        object.get(&store).await.unwrap().as_deref(),
        Some(&b"content"[..])
    );
    store
        .put(&object.to_string(), "other".into())
        .await
        .unwrap();
    object.get(&store).await.unwrap_err();
}
