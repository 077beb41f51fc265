//! What shows only after a while: state from slice to slice, many calls, memory that stays flat, the same result again.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use transom_plugin::{
    End, Error, GuestErrorKind, Instance, InstanceOptions, Limits, OpenedTransform, SortKey,
};

use crate::guest::{Language, Tests, run};

/// Tests by name.
pub(crate) const TESTS: Tests = &[
    ("state moves to a new instance", state_moves),
    ("the state of all keys moves along", keyed_state),
    ("the same state is saved as the same bytes", same_state),
    ("a state that is none is refused", foreign_state),
    (
        "the keys that a transform requires are described",
        required_keys,
    ),
    ("handles do not know of each other", handles),
    ("a handle that is closed is an error", closed_handles),
    ("twenty thousand calls leave memory flat", many_calls),
    ("an instance goes on after an error of the guest", goes_on),
    ("two runs give the same bytes", same_again),
];

const SUM: &str = r#"{"column": "v"}"#;

fn values(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_from_iter_with_nullable([("v", column, true)]).unwrap()
}

fn sums(batches: &[RecordBatch]) -> Vec<i64> {
    let columns = batches
        .iter()
        .map(|batch| batch.column(1).as_primitive::<Int64Type>());
    columns
        .flat_map(|column| column.values().to_vec())
        .collect()
}

fn opened(instance: &mut Instance) -> OpenedTransform {
    let schema = values([]).schema();
    instance
        .open_transform("running_sum", &schema, SUM)
        .unwrap()
}

fn state_moves(language: Language) {
    let mut first = language.instance();
    let sum = opened(&mut first);
    let ran = run(&mut first, &sum, &[values([1, 2]), values([3])], End::Slice).unwrap();
    assert_eq!(sums(&ran.batches), [1, 3, 6]);
    let state = first.save(&sum).unwrap();
    drop(first);

    let mut second = language.instance();
    let sum = opened(&mut second);
    second.restore(&sum, &state).unwrap();
    let ran = run(&mut second, &sum, &[values([4])], End::Input).unwrap();
    assert_eq!(sums(&ran.batches), [10]);

    let described = language.plugin();
    let stateful = |name| described.description().transform(name).unwrap().stateful;
    assert!(stateful("running_sum"));
}

fn texts(values: &[Option<&str>]) -> RecordBatch {
    let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("k", column, true)]).unwrap()
}

fn numbering(instance: &mut Instance) -> OpenedTransform {
    let schema = texts(&[]).schema();
    let options = r#"{"column": "k"}"#;
    instance
        .open_transform("number_rows", &schema, options)
        .unwrap()
}

/// As the host goes from slice to slice: each has an instance of its own.
fn keyed_state(language: Language) {
    let slices = [
        (
            vec![Some("a"), Some("b"), None, Some("a")],
            vec![1, 1, 1, 2],
        ),
        (vec![Some("Zoë"), None], vec![1, 2]),
        (
            vec![Some("b"), Some("Zoë"), Some("a"), None],
            vec![2, 2, 3, 3],
        ),
    ];
    let mut state: Option<Vec<u8>> = None;
    for (keys, expected) in slices {
        let mut instance = language.instance();
        let opened = numbering(&mut instance);
        if let Some(state) = &state {
            instance.restore(&opened, state).unwrap();
        }
        let ran = run(&mut instance, &opened, &[texts(&keys)], End::Slice).unwrap();
        assert_eq!(sums(&ran.batches), expected);
        state = Some(instance.save(&opened).unwrap());
    }
}

/// So a slice that changes nothing of a state writes nothing.
fn same_state(language: Language) {
    let keys: Vec<String> = (0..50).map(|number| format!("key {number}")).collect();
    let keys: Vec<Option<&str>> = keys.iter().map(|key| Some(key.as_str())).collect();
    let mut first = language.instance();
    let opened = numbering(&mut first);
    run(&mut first, &opened, &[texts(&keys)], End::Slice).unwrap();
    let state = first.save(&opened).unwrap();
    let mut second = language.instance();
    let opened = numbering(&mut second);
    second.restore(&opened, &state).unwrap();
    assert_eq!(second.save(&opened).unwrap(), state);
}

fn required_keys(language: Language) {
    let plugin = language.plugin();
    let described = plugin.description().transform("latest").unwrap();
    assert_eq!(described.partition_by, ["key"]);
    let key = |column: &str, descending| SortKey {
        column: column.to_owned(),
        descending,
    };
    assert_eq!(described.order_by, [key("time", true), key("id", false)]);
    let free = plugin.description().transform("echo").unwrap();
    assert!(free.partition_by.is_empty() && free.order_by.is_empty());
}

fn foreign_state(language: Language) {
    let mut instance = language.instance();
    let sum = opened(&mut instance);
    let state = instance.save(&sum).unwrap();
    let torn = &state[..state.len() - 1];
    let other_version = br#"{"running_total": [1, 2]}"#;
    for foreign in [b"\x00no state", torn, b"\"3\"", b"1e999", other_version] {
        let error = instance.restore(&sum, foreign).unwrap_err();
        let Error::Guest { error, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind, GuestErrorKind::Config, "{error}");
        let expected = "the saved state does not fit this version of the transform `running_sum`";
        assert!(error.message.starts_with(expected), "{error}");
    }
    // A newer version has saved more than this one knows, and would lose it. In Python it is `restore` that looks.
    if language != Language::Python {
        let more = br#"{"total": 1, "rows": 2}"#;
        assert!(instance.restore(&sum, more).is_err());
    }
    // The instance is not worse for it.
    instance.restore(&sum, &state).unwrap();
    let ran = run(&mut instance, &sum, &[values([4])], End::Input).unwrap();
    assert_eq!(sums(&ran.batches), [4]);

    // Nested too deep for a parser that calls itself, which Python's does until its stack ends.
    let error = instance.restore(&sum, &b"[".repeat(100_000)).unwrap_err();
    assert!(
        matches!(error, Error::Guest { .. } | Error::Crash { .. }),
        "{error:?}"
    );
}

fn closed_handles(language: Language) {
    let is_not_open = |error: Error| {
        let Error::Guest { error, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.kind, GuestErrorKind::Internal, "{error}");
        assert!(error.message.ends_with("is not open"), "{error}");
    };
    let mut instance = language.instance();
    let sum = opened(&mut instance);
    instance.close_transform(sum.clone()).unwrap();
    is_not_open(instance.save(&sum).unwrap_err());
    is_not_open(instance.restore(&sum, b"0").unwrap_err());
    is_not_open(instance.finish(&sum, End::Input).unwrap_err());
    is_not_open(run(&mut instance, &sum, &[values([1])], End::Slice).unwrap_err());
    instance.close_transform(sum).unwrap();

    let batch = values([1]);
    let v = Arc::clone(&batch.schema().fields()[0]);
    let function = instance.open_function("or_zero", &[v]).unwrap();
    instance.close_function(function.clone()).unwrap();
    is_not_open(
        instance
            .call_function(&function, batch.columns(), 1)
            .unwrap_err(),
    );
}

fn handles(language: Language) {
    let mut instance = language.instance();
    let (one, other) = (opened(&mut instance), opened(&mut instance));
    let ran = run(&mut instance, &one, &[values([1])], End::Slice).unwrap();
    assert_eq!(sums(&ran.batches), [1]);
    let ran = run(&mut instance, &other, &[values([5])], End::Slice).unwrap();
    assert_eq!(sums(&ran.batches), [5]);
    instance.close_transform(one).unwrap();
    let ran = run(&mut instance, &other, &[values([5])], End::Slice).unwrap();
    assert_eq!(sums(&ran.batches), [10]);
}

/// Sums over 20,000 batches of numbers and texts that have to be collected, replacing the instance as a run does.
fn many_calls(language: Language) {
    let limits = Limits {
        memory: 256 << 20,
        ..Limits::default()
    };
    let plugin = language.plugin_with(limits);
    let start = || plugin.instantiate(InstanceOptions::default()).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..64).map(|row| format!("{row:0100}")),
    ));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..64));
    let batch = RecordBatch::try_from_iter([("v", numbers), ("s", texts)]).unwrap();

    let mut instance = start();
    let sum = |instance: &mut Instance| {
        let sum = instance.open_transform("running_sum", &batch.schema(), SUM);
        (
            sum.unwrap(),
            instance
                .open_transform("echo", &batch.schema(), "{}")
                .unwrap(),
        )
    };
    let (mut running, mut echo) = sum(&mut instance);
    let mut peak = 0;
    let mut total = 0;
    for call in 0..10_000 {
        let ran = run(
            &mut instance,
            &running,
            std::slice::from_ref(&batch),
            End::Slice,
        )
        .unwrap();
        total += 64 * 63 / 2;
        let column = ran.batches[0].column(2).as_primitive::<Int64Type>();
        assert_eq!(column.value(63), total, "call {call}");
        let ran = run(
            &mut instance,
            &echo,
            std::slice::from_ref(&batch),
            End::Slice,
        )
        .unwrap();
        assert_eq!(ran.batches[0], batch, "call {call}");
        peak = peak.max(instance.peak_memory());
        if instance.is_worn() {
            let snapshot = instance.snapshot(&running).unwrap();
            instance = start();
            (running, echo) = sum(&mut instance);
            instance.resume(&running, &snapshot).unwrap();
            instance.settle();
        }
    }
    assert!(peak < 128 << 20, "{peak} bytes");
}

fn goes_on(language: Language) {
    let mut instance = language.instance();
    let sum = opened(&mut instance);
    run(&mut instance, &sum, &[values([1])], End::Slice).unwrap();
    let failing = r#"{"kind": "bad-data", "at": "process"}"#;
    let schema = values([]).schema();
    let fail = instance.open_transform("fail", &schema, failing).unwrap();
    run(&mut instance, &fail, &[values([1])], End::Slice).unwrap_err();
    assert!(!instance.is_dead());
    let ran = run(&mut instance, &sum, &[values([1])], End::Slice).unwrap();
    assert_eq!(sums(&ran.batches), [2]);
}

fn same_again(language: Language) {
    let ran = || {
        let mut instance = language.instance();
        let sum = opened(&mut instance);
        let ran = run(&mut instance, &sum, &[values(0..1000)], End::Slice).unwrap();
        (ran.batches, instance.save(&sum).unwrap())
    };
    assert_eq!(ran(), ran());
}
