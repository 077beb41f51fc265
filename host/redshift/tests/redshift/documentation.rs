//! What the documentation says of what is here: functions by their names, and the words of errors that say "not yet".

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use transom_redshift::function_names;

/// The parts of the page before its table of errors.
pub(crate) fn generated() -> String {
    let mut text = String::from("\n## Functions\n\nHere:\n\n");
    text.push_str(&by_letter(true));
    text.push_str("\nNot yet, and neither are those that begin with `st_`, `h3_` and `hll_`:\n\n");
    text.push_str(&by_letter(false));
    text.push_str("\n## What errors call not yet here\n\n`..` stands for a name or a value.\n\n");
    for what in not_yet() {
        text.push_str(&format!("- {what}\n"));
    }
    text
}

/// Names of functions, a line for each letter.
fn by_letter(are_here: bool) -> String {
    let mut lines: BTreeMap<char, Vec<String>> = BTreeMap::new();
    for (name, is_here) in function_names() {
        if is_here == are_here {
            let letter = name.chars().next().unwrap();
            lines.entry(letter).or_default().push(format!("`{name}`"));
        }
    }
    let lines = lines.values();
    lines
        .map(|names| format!("- {}\n", names.join(", ")))
        .collect()
}

/// What the sources hand to `Error::not_yet`: as it is written there, or under a name.
fn not_yet() -> BTreeSet<String> {
    let mut sources = Vec::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut sources,
    );
    let all = sources.concat();
    let mut texts = BTreeSet::new();
    for source in &sources {
        for (at, call) in source.match_indices("::not_yet(") {
            let rest = source[at + call.len()..].trim_start();
            let name: String = rest
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                .collect();
            let constant = format!("const {name}: &str =");
            let variable = format!("let {name} =");
            let value = match (all.split_once(&constant), source[..at].rfind(&variable)) {
                (Some((_, value)), _) => value,
                (None, Some(declared)) => &source[declared + variable.len()..],
                (None, None) => rest,
            };
            // Some are made of nothing but what is put into them.
            let text = literal(value);
            texts.extend(text.filter(|text| text.chars().any(char::is_alphabetic)));
        }
    }
    texts
}

fn read(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read(&path, sources),
            false => sources.push(std::fs::read_to_string(path).unwrap()),
        }
    }
}

/// The literal that a source goes on with, with `..` for what is put into it.
fn literal(source: &str) -> Option<String> {
    let source = source.trim_start();
    let formats = ["format_args!(", "format!("];
    let formatted = formats.iter().find_map(|start| source.strip_prefix(start));
    let source = formatted.unwrap_or(source).trim_start();
    let mut letters = source.strip_prefix('"')?.chars();
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => text.extend(letters.next()),
            '{' => {
                text.push_str("..");
                let _ = letters.by_ref().find(|letter| *letter == '}');
            }
            letter => text.push(letter),
        }
    }
    Some(text)
}
