//! `plugins/hostile/errors.txt`: what the host says to each case, a line for each.

use std::collections::BTreeMap;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../plugins/hostile/errors.txt"
    ))
}

fn read() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, error)| (name.to_owned(), error.to_owned()))
        .collect()
}

/// Compares an error with that of the file; with `TRANSOM_BLESS=1` it is put there.
pub(crate) fn assert_is(name: &str, error: &str) {
    // Which trap bytes that are no program run into differs from one build of the interpreter to the next.
    let error = match name {
        "python::crafts_bytecode" => error.split_inclusive("trap:").next().unwrap_or(error),
        _ => error,
    };
    let error = short(&error.replace('\n', "\\n"));
    let mut all = read();
    if std::env::var_os("TRANSOM_BLESS").is_some() {
        all.insert(name.to_owned(), error);
        let lines = all.iter().map(|(name, error)| format!("{name}: {error}\n"));
        std::fs::write(path(), lines.collect::<String>()).unwrap();
        return;
    }
    let expected = all.get(name).map_or(
        "(nothing; look at it and set TRANSOM_BLESS=1)",
        String::as_str,
    );
    assert_eq!(error, expected);
}

/// The text, or how it begins and ends and how long it is.
fn short(text: &str) -> String {
    let length = text.chars().count();
    if length <= 600 {
        return text.to_owned();
    }
    let begin: String = text.chars().take(300).collect();
    let end: String = text.chars().skip(length - 200).collect();
    format!("{begin} [of {length} characters] {end}")
}

/// The cases that the file knows.
pub(crate) fn names() -> Vec<String> {
    read().into_keys().collect()
}
