//! Functions of the Python guest in this machine's own Python.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use arrow::array::ArrayRef;
use serde_json::{Value, json};

use super::functions::lists;
use crate::common::Result;
use crate::common::guests;

/// A `python3` that calls a function over lists whenever it is asked to, and says what processor time that took. It does so itself,
/// so that pipes do not count.
pub(super) struct Native {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    result: Vec<Value>,
}

impl Native {
    /// Starts it with a function of the conformance guest (module and name) and its columns.
    pub(super) fn start(
        (module, function): (&str, &str),
        by_column: bool,
        columns: &[ArrayRef],
    ) -> Result<Self> {
        let repository = guests::repository();
        let path = [
            repository.join("plugins/sdk/python"),
            repository.join(guests::conformance("python")),
        ];
        let mut child = Command::new("python3")
            .arg(repository.join("tests/benches/ratios/languages/native.py"))
            .env("PYTHONPATH", std::env::join_paths(path)?)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("python3 has no pipes".into());
        };
        let mut native = Self {
            child,
            questions: Some(questions),
            answers: BufReader::new(answers),
            result: Vec::new(),
        };
        let task = json!({
            "module": module,
            "function": function,
            "by_column": by_column,
            "columns": lists(columns),
        });
        native.result = serde_json::from_str(&native.ask(&task.to_string())?)?;
        Ok(native)
    }

    /// What the function gives.
    pub(super) fn result(&self) -> &Vec<Value> {
        &self.result
    }

    /// Calls the function over all rows once more.
    pub(super) fn time(&mut self) -> Result<Duration> {
        let nanoseconds = self.ask("again")?;
        Ok(Duration::from_nanos(nanoseconds.trim().parse()?))
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        let questions = self.questions.as_mut().ok_or("python3 is ended")?;
        writeln!(questions, "{question}")?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer)? {
            0 => Err("python3 gave no answer".into()),
            _ => Ok(answer),
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.questions = None;
        // Nothing depends on how it ended: it has given all its answers.
        let _ = self.child.wait();
    }
}
