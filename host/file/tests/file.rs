//! Golden cases of the file model: each folder in `tests/file/` is a pipeline with what loading it gives.
//!
//! A folder holds `transom.yaml`, perhaps `options.json` (`{"target": .., "variables": {..}}`), and the outcome: either
//! `pipeline.json` or `error.txt`. Its name says what the JSON Schema must think of it: `ok_*` is accepted, `shape_*` is
//! refused, and `bad_*` has the right shape, which only the loader finds wrong. `TRANSOM_BLESS=1` rewrites the outcomes
//! and the checked-in schemas.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use transom_file::test_file;
use transom_file::{LoadOptions, json_schema, load};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test(
        "the_checked_in_schemas_are_the_generated_ones",
        check_schemas,
    )];
    // Relative, so that messages are the same on every machine; cargo runs tests in the package's folder.
    for entry in std::fs::read_dir("tests/file").expect("the folder of cases") {
        let folder = entry.expect("a case").path();
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        trials.push(Trial::test(name.clone(), move || {
            check_case(&folder, &name)
        }));
    }
    trials.sort_by(|one, other| one.name().cmp(other.name()));
    libtest_mimic::run(&arguments, trials).exit();
}

/// What a case chooses beside its file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseOptions {
    target: Option<String>,
    variables: std::collections::BTreeMap<String, String>,
}

fn blessing() -> bool {
    std::env::var_os("TRANSOM_BLESS").is_some()
}

fn check_case(folder: &Path, name: &str) -> Result<(), Failed> {
    let options = match std::fs::read_to_string(folder.join("options.json")) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => CaseOptions::default(),
    };
    let options = LoadOptions {
        target: options.target,
        variables: options.variables,
        ..LoadOptions::default()
    };
    let file = folder.join("transom.yaml");
    let loaded = load(&file, &options);
    if loaded.is_ok() != name.starts_with("ok_") {
        return Err(format!("unexpected outcome: {loaded:#?}").into());
    }
    let (outcome, other, text) = match &loaded {
        Ok(pipeline) => {
            let text = serde_json::to_string_pretty(pipeline)?;
            let root = pipeline.root.to_string_lossy().into_owned();
            ("pipeline.json", "error.txt", text.replace(&root, "$ROOT"))
        }
        Err(problems) => {
            let shown = format!("{}/", folder.display());
            (
                "error.txt",
                "pipeline.json",
                problems.to_string().replace(&shown, ""),
            )
        }
    };
    check_against_schema(&file, name)?;
    if blessing() {
        // The other outcome may be left from before.
        let _ = std::fs::remove_file(folder.join(other));
    }
    compare(&folder.join(outcome), &format!("{text}\n"))
}

/// Compares `text` with the file at `path`, or writes it there.
fn compare(path: &Path, text: &str) -> Result<(), Failed> {
    if blessing() {
        std::fs::write(path, text)?;
        return Ok(());
    }
    let expected = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: {error}; write it with TRANSOM_BLESS=1", path.display()))?;
    // The order of a JSON object's keys depends on which crates are built together, and means nothing.
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    if expected == text || is_json && json(&expected) == json(text) {
        return Ok(());
    }
    let path = path.display();
    Err(format!("{path} differs\n--- expected\n{expected}\n--- found\n{text}").into())
}

/// Holds the case against the schema, through another YAML reader than the one that is tested.
fn check_against_schema(file: &Path, name: &str) -> Result<(), Failed> {
    let accepted = name.starts_with("ok_");
    if !accepted && !name.starts_with("shape_") {
        return Ok(());
    }
    // To most readers of YAML a bare `null` is no word, also where it is a key; quotes say the same to all of them.
    let text = std::fs::read_to_string(file)?.replace(" null: ", " \"null\": ");
    let instance: serde_json::Value = serde_saphyr::from_str(&text)?;
    let validator = jsonschema::validator_for(&json_schema())?;
    let found: Vec<String> = validator
        .iter_errors(&instance)
        .map(|error| error.to_string())
        .collect();
    if accepted == found.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the schema must {} this case: {found:?}",
        if accepted { "accept" } else { "refuse" }
    )
    .into())
}

fn check_schemas() -> Result<(), Failed> {
    let schemas = [
        ("transom", json_schema()),
        ("tests", test_file::json_schema()),
    ];
    for (name, schema) in schemas {
        let path = PathBuf::from(format!("../../schema/{name}.schema.json"));
        compare(
            &path,
            &format!("{}\n", serde_json::to_string_pretty(&schema)?),
        )?;
    }
    Ok(())
}
