//! What only Python has: clocks and randomness that the host answers, and an interpreter that tries the rest of WASI.

use std::io::{Cursor, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::datasource::MemTable;
use futures::TryStreamExt;
use transom_plugin::{Cancel, Error, InstanceOptions, Limits, LogicalTime, Plugin};
use transom_query::{DeadLetters, OnReject, RejectedRows, Session, SessionOptions, TransformStep};

use crate::guest::{Language, Tests, runtime};

/// Tests by name.
pub(crate) const TESTS: Tests = &[
    ("clocks and randomness are those of the run", |_| clocks()),
    ("nothing of the machine is there", |_| machine()),
    ("a run replaces a worn guest and loses nothing", |_| {
        worn_guests();
    }),
    (
        "a worn guest hands on the rows that it holds, and what it rejects",
        |_| worn_guests_that_hold_rows(),
    ),
    ("a column comes in the type that is declared", |_| {
        declared_types();
    }),
    ("a mistake in the source is expected with its place", |_| {
        mistakes();
    }),
];

/// A plugin of one file, packed as `transom build` does.
fn plugin(source: &str) -> transom_plugin::Result<Arc<Plugin>> {
    plugin_with(source, Limits::default())
}

fn plugin_with(source: &str, limits: Limits) -> transom_plugin::Result<Arc<Plugin>> {
    runtime().load_bytes("probe", &archive(&[("probe.py", source)]), limits)
}

/// Files packed as `transom build` does; the entry module is `probe.py`.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let manifest = r#"{"format": 1, "language": "python", "contract": "0.1.0", "name": "probe", "version": "0.1.0",
        "entry": "probe", "roots": [""]}"#;
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("transom.json", manifest)].iter().chain(files) {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// What the function `probe` says of the numbers from 0 to `questions`.
pub(crate) fn ask(
    plugin: &Arc<Plugin>,
    time: LogicalTime,
    questions: i64,
) -> Vec<Result<String, String>> {
    let options = InstanceOptions {
        time,
        ..InstanceOptions::default()
    };
    let mut instance = plugin.instantiate(options).unwrap();
    let argument = Arc::new(Field::new("question", DataType::Int64, true));
    let opened = instance.open_function("probe", &[argument]).unwrap();
    (0..questions)
        .map(|question| {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![question]));
            let outcome = instance.call_function(&opened, &[column], 1);
            match outcome {
                Ok(outcome) => Ok(outcome.column.as_string::<i32>().value(0).to_owned()),
                Err(error) => {
                    if instance.is_dead() {
                        instance = plugin.instantiate(InstanceOptions::default()).unwrap();
                    }
                    Err(error.to_string())
                }
            }
        })
        .collect()
}

fn clocks() {
    let plugin = plugin(
        r#"
import datetime, os, random, time, uuid
import transom

@transom.function(volatility="volatile")
def probe(question: int) -> str:
    """What time and chance say."""
    match question:
        case 0: return datetime.datetime.now(datetime.UTC).isoformat()
        case 1: return str(time.time())
        case 2: return os.urandom(8).hex()
        case 3: return str(random.random())
        case 4: return str(uuid.uuid4())
        case 5: return str(hash("salted?"))
        case _: return str(time.monotonic() < time.monotonic())
"#,
    )
    .unwrap();
    let at = |seed| LogicalTime {
        now: UNIX_EPOCH + Duration::from_millis(1_700_000_000_500),
        seed,
    };
    let first = ask(&plugin, at(1), 7);
    assert_eq!(first[0].as_deref(), Ok("2023-11-14T22:13:20.500000+00:00"));
    assert_eq!(first[1].as_deref(), Ok("1700000000.5"));
    assert_eq!(first[6].as_deref(), Ok("True"));
    assert_eq!(first, ask(&plugin, at(1), 7), "a retry computes the same");
    let other = ask(&plugin, at(2), 7);
    for chance in [2, 3, 4] {
        assert_ne!(first[chance], other[chance], "question {chance}");
    }
}

fn machine() {
    // A variable that the host certainly has.
    assert!(std::env::var_os("PATH").is_some());
    let plugin = plugin(
        r#"
import os, socket, sys, time
import transom

@transom.function(volatility="volatile")
def probe(question: int) -> str:
    """What is there of the machine."""
    match question:
        case 0: return repr(dict(os.environ))
        case 1: return open("/etc/passwd").read()
        case 2: return repr(os.listdir("/"))
        case 3: return repr(socket.create_connection(("127.0.0.1", 80)))
        case 4: return repr(socket.getaddrinfo("localhost", 80))
        case 5: return sys.stdin.read()
        case 6: time.sleep(3600); return "slept"
        case _: open("/tmp/probe", "w").write("x"); return "written"
"#,
    )
    .unwrap();
    let begun = std::time::Instant::now();
    let answers = ask(&plugin, LogicalTime::default(), 8);
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waited");
    assert_eq!(answers[0].as_deref(), Ok("{}"));
    for (question, answer) in answers.iter().enumerate().skip(1) {
        // What reads nothing may say so; all else is an error.
        match answer {
            Ok(text) => assert!(question == 5 && text.is_empty(), "{question}: {text}"),
            Err(error) => assert!(error.contains("plugin `probe`"), "{question}: {error}"),
        }
    }
}

/// A running total over ten million rows, of which the guest loses every byte it returned.
fn worn_guests() {
    const BATCHES: usize = 1_250;
    const ROWS: i64 = 8_192;
    let mut last = None;
    let replaced = run_step(
        Language::Python.plugin(),
        ("running_sum", r#"{"column": "v"}"#),
        OnReject::Fail,
        vec![numbers(0..ROWS); BATCHES],
        |batch| {
            let sums = batch.column_by_name("sum").unwrap();
            last = sums.as_primitive::<Int64Type>().values().last().copied();
        },
    );
    assert_eq!(last, Some(BATCHES as i64 * (ROWS * (ROWS - 1) / 2)));
    assert!(replaced >= 1, "nothing was replaced");
}

/// A transform that saves nothing, remembers much, rejects rows and hands over the rest at the end.
fn worn_guests_that_hold_rows() {
    const BATCHES: i64 = 60;
    const ROWS: i64 = 4_096;
    let plugin = plugin_with(
        r#"
from collections import Counter, deque
from dataclasses import dataclass
import re
import transom

@dataclass
class Held:
    v: int
    words: set

class Late(transom.Transform):
    """Keeps every thousandth row for the end."""

    def open(self, input):
        self.held, self.seen, self.last = deque(), Counter(), re.compile("[0-9]$")
        return transom.Opened(reads=["v"], computes={"v": int, "ballast": str})

    def process(self, batch, output):
        rows, values = [], []
        for row, v in enumerate(batch["v"]):
            self.seen[self.last.search(str(v))[0]] += 1
            if v % 1000 == 0:
                self.held.append(Held(v, {str(v)}))
            elif v % 1000 == 1:
                output.reject(row, f"seen {sum(self.seen.values())}")
            else:
                rows.append(row)
                values.append(v)
        output.emit_rows(rows, v=values, ballast=["x" * 400] * len(rows))

    def finish(self, end, output):
        words = [",".join(held.words) for held in self.held]
        output.emit_new(v=[held.v for held in self.held], ballast=words)
        output.emit_new(v=[self.seen["7"]], ballast=["7"])
"#,
        Limits {
            memory: 128 << 20,
            ..Limits::default()
        },
    )
    .unwrap();
    let letters = Arc::new(Letters::default());
    let (mut values, mut texts) = (Vec::new(), Vec::new());
    let replaced = run_step(
        plugin,
        ("late", "{}"),
        OnReject::DeadLetter(Arc::clone(&letters) as Arc<dyn DeadLetters>),
        (0..BATCHES).map(|batch| numbers(batch * ROWS..(batch + 1) * ROWS)),
        |batch| {
            values.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
            let ballast = batch.column(1).as_string::<i32>().iter().flatten();
            texts.extend(ballast.map(|text| text[..text.len().min(8)].to_owned()));
        },
    );
    assert!(replaced >= 2, "{replaced} replaced");
    let all = 0..BATCHES * ROWS;
    let at_once = || all.clone().filter(|v| v % 1000 > 1);
    let held = || all.clone().filter(|v| v % 1000 == 0);
    let sevens = all.clone().filter(|v| v % 10 == 7).count() as i64;
    assert!(at_once().chain(held()).chain([sevens]).eq(values));
    let words = at_once().map(|_| "x".repeat(8));
    let words = words
        .chain(held().map(|v| v.to_string()))
        .chain(["7".to_owned()]);
    assert!(words.eq(texts));
    let rejected = all.clone().filter(|v| v % 1000 == 1);
    let reasons = rejected.map(|v| (v, format!("seen {}", v + 1)));
    assert!(reasons.eq(letters.0.lock().unwrap().drain(..)));
}

/// Rejected rows: the number in the first column, and why.
#[derive(Debug, Default)]
struct Letters(Mutex<Vec<(i64, String)>>);

impl DeadLetters for Letters {
    fn put(&self, rejected: RejectedRows) -> datafusion::error::Result<()> {
        let numbers = rejected.rows.column(0).as_primitive::<Int64Type>().clone();
        let numbers = numbers.values().iter().copied();
        self.0.lock().unwrap().extend(numbers.zip(rejected.reasons));
        Ok(())
    }
}

/// One column of numbers, `v`.
fn numbers(values: Range<i64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_from_iter([("v", column)]).unwrap()
}

/// Runs a transform (its name and options) over batches, as a step of a plan; `take` is given what comes out. How many guests were
/// replaced on the way.
fn run_step(
    plugin: Arc<Plugin>,
    (transform, options): (&str, &str),
    on_reject: OnReject,
    batches: impl IntoIterator<Item = RecordBatch>,
    mut take: impl FnMut(RecordBatch),
) -> usize {
    let batches: Vec<RecordBatch> = batches.into_iter().collect();
    let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
    let session_options = SessionOptions {
        partitions: 1,
        ..SessionOptions::default()
    };
    let mut session = Session::new(&session_options, Cancel::new()).unwrap();
    let step = TransformStep {
        name: "step".to_owned(),
        plugin: plugin.name().to_owned(),
        transform: transform.to_owned(),
        partition_by: vec![],
        order_by: vec![],
        options: options.to_owned(),
        on_reject,
        max_rejects: None,
        with_origin: false,
    };
    session.add_plugin(plugin);
    session.add_table("t", Arc::new(table)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let plan = session.plan_transform(step, "t").await.unwrap();
        let mut execution = session.execute(plan).await.unwrap();
        for mut stream in std::mem::take(&mut execution.streams) {
            while let Some(batch) = stream.try_next().await.unwrap() {
                take(batch);
            }
        }
        let metrics = execution.plan().metrics().unwrap();
        metrics.sum_by_name("replaced_guests").unwrap().as_usize()
    })
}

/// A transform that declares types gets columns of other types, cast without loss.
fn declared_types() {
    let plugin = plugin(
        r#"
import transom

class Halved(transom.Transform):
    """Half of each value, which it reads as a float."""

    def open(self, input):
        return transom.Opened(reads={"v": float}, computes={"half": float | None})

    def process(self, batch, output):
        assert all(type(v) is float for v in batch["v"] if v is not None)
        output.emit(half=[v and v / 2 for v in batch["v"]])
"#,
    )
    .unwrap();
    let column: ArrayRef = Arc::new(Int32Array::from(vec![Some(3), None, Some(-1)]));
    let batch = RecordBatch::try_from_iter_with_nullable([("v", column, true)]).unwrap();
    let mut halves = Vec::new();
    run_step(plugin, ("halved", "{}"), OnReject::Fail, [batch], |batch| {
        halves.extend(batch.column(0).as_primitive::<Float64Type>().iter());
    });
    assert_eq!(halves, [Some(1.5), None, Some(-0.5)]);
}

fn mistakes() {
    for (source, expected) in [
        (
            "import transom\ndef f(:\n",
            ["SyntaxError", "probe.py\", line 2"],
        ),
        (
            "import transom\nimport numpy\n",
            ["numpy", "probe.py\", line 2"],
        ),
        (
            "import transom\n1 / 0\n",
            ["ZeroDivisionError", "probe.py\", line 2"],
        ),
    ] {
        let Err(Error::Guest { error, .. }) = plugin(source) else {
            panic!("{source}: loads");
        };
        for expected in expected {
            assert!(error.message.contains(expected), "no {expected}: {error}");
        }
    }
}
