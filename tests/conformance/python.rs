//! What only Python has: clocks and randomness that the host answers, and an interpreter that tries the rest of WASI.

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field};
use transom_plugin::{Error, InstanceOptions, Limits, LogicalTime, Plugin};

use crate::guest::{Tests, runtime};

/// Tests by name.
pub(crate) const TESTS: Tests = &[
    ("clocks and randomness are those of the run", |_| clocks()),
    ("nothing of the machine is there", |_| machine()),
    ("a mistake in the source is told with its place", |_| {
        mistakes();
    }),
];

/// A plugin of one file, packed as `transom build` does.
fn plugin(source: &str) -> transom_plugin::Result<Arc<Plugin>> {
    let manifest = r#"{"format": 1, "language": "python", "contract": "0.1.0", "name": "probe", "version": "0.1.0",
        "entry": "probe", "roots": [""]}"#;
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("transom.json", manifest), ("probe.py", source)] {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    let archive = archive.finish().unwrap().into_inner();
    runtime().load_bytes("probe", &archive, Limits::default())
}

/// What the function `probe` says of the numbers from 0 to `questions`.
fn ask(plugin: &Arc<Plugin>, time: LogicalTime, questions: i64) -> Vec<Result<String, String>> {
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
