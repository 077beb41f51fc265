//! Every rule of the table has a case, and every case names a rule that there is. Every gap between PostgreSQL and Redshift that is
//! listed has one, too.

use std::collections::BTreeSet;
use std::path::Path;

use transom_redshift::{Source, rules};

use crate::statements::files;

/// Rules that no statement of one session can meet, with the file of the test that does and names them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("INTERNAL", "sessions.rs"),
    ("SERIALIZABLE", "sessions.rs"),
    ("DEADLOCK", "sessions.rs"),
    ("UNIQUE_NAME", "sessions.rs"),
    ("TOO_LARGE", "sessions.rs"),
    ("PARAMETER_MISSING", "sessions.rs"),
    ("CANCELLED", "sessions.rs"),
    ("MULTIPLE_COMMANDS", "sessions.rs"),
    ("TOO_MANY_COLUMNS", "sessions.rs"),
];

/// How many gaps are listed.
const GAPS: u32 = 55;

/// Gaps whose case is not in `gaps.slt`, with its file and what stands there.
const OTHER_GAPS: &[(u32, &str, &str)] = &[
    (30, "statements/copy.slt", "statement error LIMIT_IN_UNLOAD"),
    (32, "sessions.rs", "\"TOO_LARGE\""),
    (43, "statements/copy.slt", "emptyasnull"),
    (47, "sessions.rs", "\"SERIALIZABLE\""),
    (52, "unloads.rs", "unload ('"),
];

/// Gaps that leave open what is right: numbers of IDENTITY columns, and the order of rows without ORDER BY.
const OPEN_GAPS: [u32; 2] = [44, 45];

/// The text of a file of these tests.
fn text(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redshift");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// What stands behind `statement error` or `query error`.
fn expected_error(line: &str) -> Option<&str> {
    let (kind, rest) = line.split_once(' ')?;
    let is_case = kind == "statement" || kind == "query";
    rest.strip_prefix("error").filter(|_| is_case)
}

#[test]
fn every_rule_has_a_case() {
    let mut met = BTreeSet::new();
    let mut unknown = Vec::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let Some(rule) = expected_error(line) else {
                continue;
            };
            let letters = rule.trim_start().chars();
            let name: String = letters
                .take_while(|letter| letter.is_ascii_uppercase() || *letter == '_')
                .collect();
            if !rules().iter().any(|rule| rule.name == name) {
                unknown.push(format!("{}: {line}", file.display()));
            }
            met.insert(name);
        }
    }
    assert!(
        unknown.is_empty(),
        "cases name no rule:\n{}",
        unknown.join("\n")
    );
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(name, _)| *name).collect();
    let missing: Vec<&str> = rules()
        .iter()
        .map(|rule| rule.name)
        .filter(|name| !met.contains(*name) && !elsewhere.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "rules without a case: {}",
        missing.join(", ")
    );
    for (name, file) in ELSEWHERE {
        let is_named = text(file).contains(&format!("\"{name}\""));
        assert!(is_named, "no test in {file} names {name}");
    }
}

/// The numbers that a comment begins with: `# 51 and 54 what Redshift alone accepts`.
fn numbers(comment: &str) -> BTreeSet<u32> {
    let words = comment.split_whitespace();
    let words = words.map_while(|word| match word {
        "and" => Some(None),
        number => number.parse::<u32>().ok().map(Some),
    });
    words.flatten().collect()
}

#[test]
fn every_gap_has_a_case() {
    let mut met = BTreeSet::new();
    let mut headed = BTreeSet::new();
    for line in text("statements/gaps.slt").lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            headed = numbers(comment);
        } else if line.starts_with("statement") || line.starts_with("query") {
            met.append(&mut headed);
        }
    }
    for (gap, file, words) in OTHER_GAPS {
        assert!(
            text(file).contains(words),
            "gap {gap}: no `{words}` in {file}"
        );
        met.insert(*gap);
    }
    met.extend(OPEN_GAPS);
    let listed: BTreeSet<u32> = (1..=GAPS).collect();
    let missing: Vec<&u32> = listed.difference(&met).collect();
    assert!(missing.is_empty(), "gaps without a case: {missing:?}");
    let unknown: Vec<&u32> = met.difference(&listed).collect();
    assert!(unknown.is_empty(), "gaps that are not listed: {unknown:?}");
}

#[test]
fn rules_differ_by_name() {
    let names: BTreeSet<&str> = rules().iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), rules().len());
    for rule in rules() {
        assert_eq!(rule.sqlstate.len(), 5, "{}", rule.name);
    }
}

/// What the documentation says of the rules.
fn documented() -> String {
    let mut text = crate::documentation::generated();
    text.push_str(
        "\n## Errors\n\n| rule | SQLSTATE | code | text | known from |\n| --- | --- | --- | --- | --- |\n",
    );
    for rule in rules() {
        let source = match rule.source {
            Source::Documented => "documentation",
            Source::Measured => "measured",
            Source::Reported => "reports",
            Source::Known => "not confirmed",
            Source::Local => "this program",
        };
        let code = match rule.code {
            0 => String::new(),
            code => code.to_string(),
        };
        let shown = rule.text.replace("{}", "..");
        text.push_str(&format!(
            "| {} | {} | {code} | {shown} | {source} |\n",
            rule.about, rule.sqlstate
        ));
    }
    text
}

#[test]
fn the_documentation_has_all_rules() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/local-redshift.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page.split_once("coverage -->\n").unwrap();
    if std::env::var_os("TRANSOM_BLESS").is_some() {
        std::fs::write(path, format!("{head}coverage -->\n{}", documented())).unwrap();
        return;
    }
    assert_eq!(rest, documented(), "bless it: TRANSOM_BLESS=1");
}
