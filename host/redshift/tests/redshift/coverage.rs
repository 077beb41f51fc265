//! Every rule of the table has a case, and every case names a rule that there is.

use std::collections::BTreeSet;

use transom_redshift::{Source, rules};

use crate::statements::files;

/// Rules that no statement of one session can meet, with the test that does.
const ELSEWHERE: &[(&str, &str)] = &[
    ("INTERNAL", "a fault of the disk"),
    ("SERIALIZABLE", "sessions.rs"),
    ("DEADLOCK", "sessions.rs"),
    ("UNIQUE_NAME", "sessions.rs"),
    ("TOO_LARGE", "sessions.rs"),
    ("PARAMETER_MISSING", "sessions.rs"),
    ("CANCELLED", "the doors"),
    ("MULTIPLE_COMMANDS", "sessions.rs"),
    ("TOO_MANY_COLUMNS", "sessions.rs"),
];

#[test]
fn every_rule_has_a_case() {
    let mut met = BTreeSet::new();
    let mut unknown = Vec::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let Some(rule) = line
                .strip_prefix("statement error ")
                .or(line.strip_prefix("query error "))
            else {
                continue;
            };
            let name: String = rule
                .chars()
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
    let mut text = String::from(
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
