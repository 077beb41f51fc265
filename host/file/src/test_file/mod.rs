//! The files of tests beside a pipeline, as they are written: [`read()`] gives the [`Test`]s of one, or all mistakes in it.
//!
//! What stands in a row is kept as it is written: only the table that it is for knows its type.

mod model;
mod read;

use std::path::Path;
use std::time::SystemTime;

use fs_err as fs;

use self::model::TestsFile;
pub use self::model::{
    Clock, Counted, Data, ExpectEntry, GivenEntry, RejectedEntry, Reported, Row, Rows, Tolerance,
    Types,
};
pub use self::read::point_in_time;
use crate::node;
use crate::problem::{Problem, Problems, Source};
use crate::reader::{Entries, Entry, Read, Reader, Spanned};
use crate::value::Scalar;

/// The folder beside the pipeline in which its tests are.
pub const FOLDER: &str = "tests";

/// A test as it is written.
#[derive(Debug)]
pub struct Test {
    /// No other test of its file has it.
    pub name: Spanned<String>,
    /// The file.
    pub source: Source,
    /// The time that SQL's `now()` and the clocks of plugins show.
    pub clock: Option<SystemTime>,
    /// Where the randomness of plugins starts.
    pub seed: u64,
    /// Values of the pipeline's variables.
    pub variables: Vec<(Spanned<String>, Scalar)>,
    /// Tables in place of sources and steps.
    pub given: Vec<(Spanned<String>, GivenEntry)>,
    /// What comes out of steps and sinks.
    pub expect: Vec<(Spanned<String>, ExpectEntry)>,
}

impl Test {
    /// Its name, which no other test of its file has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name.value
    }

    /// The file that it stands in, as it was named.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.source.shown
    }

    /// The values of variables that it sets, as text.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.value.clone(), value.text.clone()))
    }
}

/// Reads the tests in a file, in its order.
///
/// # Errors
/// All mistakes in the file.
pub fn read(path: &Path) -> Result<Vec<Test>, Problems> {
    let text = fs::read_to_string(path).map_err(|error| Problem::new(error.to_string()))?;
    let source = Source::new(path, &text);
    let (node, mut problems) = node::parse(&source);
    let mut reader = Reader::new(&source);
    let file = node.and_then(|node| TestsFile::read(&mut reader, &node));
    problems.append(&mut reader.problems);
    if file.is_none() && problems.is_empty() {
        let problem = Problem::new(format!("`{}` is empty", path.display()));
        problems.push(problem.with_hint("start with `tests:` and the name of a test below it"));
    }
    if !problems.is_empty() {
        return Err(Problems(problems).sorted());
    }
    let entries = file.and_then(|file| file.tests).unwrap_or_default().0;
    let tests = entries.into_iter().filter_map(|Entry { name, value }| {
        let entry = value?;
        Some(Test {
            name,
            source: source.clone(),
            clock: entry.clock.map(|clock| clock.0),
            seed: entry.seed.map_or(0, |seed| seed.0),
            variables: complete(entry.variables)
                .map(|(name, scalar)| (name, scalar.value))
                .collect(),
            given: complete(entry.given).collect(),
            expect: complete(entry.expect).collect(),
        })
    });
    Ok(tests.collect())
}

/// The entries of a map; all have values if nothing was reported.
fn complete<T>(entries: Option<Entries<T>>) -> impl Iterator<Item = (Spanned<String>, T)> {
    let entries = entries.unwrap_or_default().0.into_iter();
    entries.filter_map(|Entry { name, value }| Some((name, value?)))
}

/// The JSON Schema (draft 2020-12) of a file of tests.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    crate::schema::schema_of::<TestsFile>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const KEYS: &str = "\
tests:
  one:
    strange: 1
    expect:
      daily: { strange: 1 }
      hourly: { rejected: { strange: 1 } }
    given:
      flights: { strange: 1 }
strange: 1
";

    /// The keys that the reader allows, at each place of a key that it does not know.
    fn keys_of_reader() -> Vec<BTreeSet<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), KEYS).unwrap();
        let Problems(problems) = read(file.path()).unwrap_err();
        let unknown = problems
            .iter()
            .filter(|problem| problem.message.starts_with("unknown key `strange`"));
        let allowed = |problem: &Problem| {
            let label = problem.label.clone().unwrap_or_default();
            let words = label.split('`').skip(1).step_by(2);
            words.map(str::to_owned).collect()
        };
        unknown.map(allowed).collect()
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_keys() {
        let schema = json_schema();
        let keys = |map: &Value| -> BTreeSet<String> {
            assert_eq!(map["additionalProperties"], Value::Bool(false), "{map}");
            let properties = map["properties"].as_object().unwrap();
            properties.keys().cloned().collect()
        };
        let definition = |name: &str| &schema["$defs"][name];
        let of_schema = [
            keys(definition("TestEntry")),
            keys(&definition("Expect")["anyOf"][1]),
            keys(&definition("Rejected")["anyOf"][1]),
            keys(&definition("Given")["anyOf"][1]),
            keys(&schema),
        ];
        assert_eq!(keys_of_reader(), of_schema);
    }
}
