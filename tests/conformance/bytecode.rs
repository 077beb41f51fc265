//! The bytecode that the first instance of a plugin in Python hands to all others: it saves compiling, and nothing else changes.

use std::fs;
use std::sync::Arc;

use tempfile::TempDir;
use transom_plugin::{Limits, LogicalTime, Plugin, Runtime};

use crate::guest::{Language, Tests, compiled, runtime_with};
use crate::python::{archive, ask};

/// Tests by name.
pub(crate) const TESTS: Tests = &[
    (
        "bytecode that is known is used, and changes nothing",
        |_| {
            known();
        },
    ),
    ("bytecode is no output that a limit is for", |_| output()),
    (
        "bytecode that is far larger than its source is not kept",
        |_| {
            large();
        },
    ),
];

/// Two modules; how often the first had the second compiled is what it is described with.
const PROBE: &str = r#"
import builtins
import transom

compiled = 0
original = builtins.compile

def counted(*arguments, **named):
    global compiled
    compiled += 1
    return original(*arguments, **named)

builtins.compile = counted
import rules
builtins.compile = original

def probe(question: int) -> str:
    return f"{compiled}, {rules.divided(question)}"

probe.__doc__ = f"Compiled: {compiled}."
transom.function(probe)
"#;
const RULES: &str = "def divided(question):\n    return 1 // question\n";

/// An engine whose cache holds what the others know, without any bytecode.
struct Fresh {
    cache: TempDir,
    runtime: Runtime,
}

impl Fresh {
    fn new() -> Self {
        // Compiles the runner, if nobody has.
        Language::Python.plugin();
        let cache = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for file in fs::read_dir(compiled()).unwrap() {
            let path = file.unwrap().path();
            let ending = path.extension().unwrap_or_default();
            if ending == "cwasm" || ending == "stamp" {
                fs::copy(&path, cache.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let runtime = runtime_with(cache.path().to_owned());
        Self { cache, runtime }
    }

    fn load(&self, rules: &str, limits: Limits) -> Arc<Plugin> {
        let archive = archive(&[("probe.py", PROBE), ("rules.py", rules)]);
        self.runtime.load_bytes("probe", &archive, limits).unwrap()
    }

    /// How many files of bytecode the cache holds.
    fn kept(&self) -> usize {
        let files = fs::read_dir(self.cache.path()).unwrap();
        files
            .filter(|file| {
                let path = file.as_ref().unwrap().path();
                path.extension() == Some("bytecode".as_ref())
            })
            .count()
    }
}

fn doc(plugin: &Plugin) -> &str {
    &plugin.description().functions[0].doc
}

fn known() {
    let fresh = Fresh::new();
    let load = || fresh.load(RULES, Limits::default());
    let plugins = [load(), load()];
    assert_eq!(fresh.kept(), 1);
    let docs = plugins.each_ref().map(|plugin| doc(plugin));
    assert_eq!(docs, ["Compiled: 1.", "Compiled: 0."]);
    for plugin in &plugins {
        let answers = ask(plugin, LogicalTime::default(), 2);
        assert_eq!(answers[1].as_deref(), Ok("0, 1"));
        let error = answers[0].as_ref().unwrap_err();
        for expected in ["rules.py\", line 2, in divided", "return 1 // question"] {
            assert!(error.contains(expected), "no {expected}: {error}");
        }
    }
}

fn output() {
    let fresh = Fresh::new();
    let limits = Limits {
        output: 16 << 10,
        ..Limits::default()
    };
    let rules = format!("{RULES}TEXT = \"{}\"\n", "text ".repeat(10_000));
    let docs = [(); 2].map(|()| doc(&fresh.load(&rules, limits.clone())).to_owned());
    assert_eq!(docs, ["Compiled: 1.", "Compiled: 0."]);
}

fn large() {
    let fresh = Fresh::new();
    // Constants that the compiler computes: 4 KB for each line of 22 bytes.
    let lines = (0..1000).map(|line| format!("A{line} = \"{line:04}\" * 1000\n"));
    let rules = lines.fold(RULES.to_owned(), |rules, line| rules + &line);
    for _ in 0..2 {
        let plugin = fresh.load(&rules, Limits::default());
        assert_eq!(doc(&plugin), "Compiled: 1.");
        let answers = ask(&plugin, LogicalTime::default(), 2);
        assert_eq!(answers[1].as_deref(), Ok("1, 1"));
    }
    assert_eq!(fresh.kept(), 0);
}
