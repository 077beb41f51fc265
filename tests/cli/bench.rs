//! `transom bench`: figures differ from run to run, so tests look at what there are figures of and how they fit together.

use serde_json::Value;

use crate::program::Project;
use crate::{assert_snapshot, plugged};

/// Measures for a short time and returns the results.
fn results(project: &Project, arguments: &[&str]) -> Vec<Value> {
    let ran = project.run(&[&["bench", "--json", "--seconds", "0.01"], arguments].concat());
    let report = ran.json();
    report["results"].as_array().unwrap().clone()
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_function_is_measured_over_made_up_rows() {
    let results = results(&plugged(), &["echo.gcd", "--rows", "1000"]);
    let [result] = results.as_slice() else {
        panic!("one function is one result: {results:?}")
    };
    assert_eq!(
        (&result["name"], &result["data"]),
        (&"echo.gcd".into(), &"made-up rows".into())
    );
    let figures = &result["plugins"][0];
    assert_eq!(figures["plugin"], "echo");
    assert_eq!(figures["largest"]["rows"], 1000);
    for figure in ["once_seconds", "peak_memory"] {
        assert!(number(&figures[figure]) > 0.0, "{figure}: {figures}");
    }
    // A call with 1000 rows takes a thousand times what the line says of one, and what it says of a call.
    let (call, row) = (
        number(&figures["call_seconds"]),
        number(&figures["row_seconds"]),
    );
    let (whole, off) = (
        number(&figures["largest"]["seconds"]),
        number(&figures["off"]),
    );
    let expected = call + 1000.0 * row;
    assert!(
        (expected - whole).abs() <= whole * (off + 1e-9),
        "{figures}"
    );
    let shares = figures["shares"].as_object().unwrap();
    assert!(
        shares.values().map(number).all(|share| share > 0.0),
        "{figures}"
    );
}

#[test]
fn a_transform_gets_the_rows_and_options_of_the_step_that_uses_it() {
    let results = results(&plugged(), &["echo.running"]);
    assert_eq!(results[0]["name"], "echo.running");
    assert_eq!(results[0]["data"], "rows of step `running`, 3 rows");
    assert_eq!(results[0]["plugins"][0]["largest"]["rows"], 3);
}

#[test]
fn rows_of_a_file_are_taken_by_the_names_of_arguments_and_cast() {
    let project = plugged();
    project.write("pairs.csv", "b,a,more\n4,6,x\n9,6,y\n");
    let found = results(&project, &["echo.gcd", "--data", "pairs.csv"]);
    assert_eq!(found[0]["data"], "rows of pairs.csv");
    assert_eq!(found[0]["plugins"][0]["largest"]["rows"], 2);
    let found = results(&project, &["echo.wasm.reject_odd", "--data", "pairs.csv"]);
    assert_eq!(
        found[0]["plugins"][0]["rejected"], 1,
        "the second: {found:?}"
    );
}

#[test]
fn all_functions_and_the_transforms_in_use_are_measured_unless_one_is_named() {
    let project = plugged();
    let ran = project.run(&["bench", "echo", "--seconds", "0.001", "--rows", "8"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let names: Vec<&str> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        names.contains(&"echo.gcd") && names.contains(&"echo.running"),
        "{names:?}"
    );
    assert!(
        !names.contains(&"echo.explode"),
        "no step uses it: {names:?}"
    );
    assert!(
        ran.stderr
            .contains("`echo.explode` is passed over: no step of a pipeline here uses it"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_plugin_is_compared_with_another_and_told_where_they_differ() {
    let project = plugged();
    let ran = project.run(&[
        "bench",
        "echo.gcd",
        "--compare",
        "echo.wasm",
        "--seconds",
        "0.01",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let labels: Vec<&str> = ran
        .stdout
        .lines()
        .skip(2)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        labels[..5],
        ["once", "per", "per", "whole", "memory"],
        "{}",
        ran.stdout
    );
    assert!(
        !ran.stderr.contains("differs"),
        "a plugin is the same as itself: {}",
        ran.stderr
    );

    // The same name and another result.
    for (folder, mark) in [("mine", "!"), ("yours", "?")] {
        project.write(
            &format!("{folder}/pyproject.toml"),
            "[project]\nname = \"loud\"\nversion = \"0.1.0\"\n",
        );
        project.write(
            &format!("{folder}/loud.py"),
            format!("import transom\n\n\n@transom.function\ndef shout(text: str) -> str:\n    return text + \"{mark}\"\n"),
        );
    }
    let mut command = project.command(&[
        "bench",
        "mine.shout",
        "--compare",
        "yours",
        "--seconds",
        "0.01",
    ]);
    // The compiled standard library of the user's own cache: compiling it again takes minutes.
    command.env_remove("TRANSOM_CACHE_DIR");
    let ran = project.outcome(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.all());
    let expected = "`loud.shout` differs between the two plugins: `shout` of row 1 is not the same";
    assert!(ran.stderr.contains(expected), "{}", ran.all());
}

#[test]
fn what_cannot_be_measured_is_told_with_what_can() {
    let project = plugged();
    project.write("pairs.csv", "a,c\n1,2\n");
    project.write("empty.csv", "a,b\n");
    let expected = [
        &["bench", "nothing.gcd"][..],
        &["bench", "echo.nope"],
        &["bench", "echo.explode"],
        &["bench", "echo.gcd", "--data", "pairs.csv"],
        &["bench", "echo.gcd", "--data", "pairs.txt"],
        &["bench", "echo.gcd", "--data", "empty.csv"],
        &["bench", "echo.gcd", "--rows", "4611686018427387904"],
        &["bench", "echo.gcd", "--seconds", "1e19"],
        &["bench", "none.wasm"],
        &["bench", "echo.gcd", "--data", "none.csv"],
        &["bench", "echo.gcd", "--seconds", "0"],
        &["bench", "echo.running", "--options", "[]"],
        &["bench", "echo.running", "--options", "{\"column\": \"w\"}"],
    ]
    .map(|arguments| {
        format!(
            "$ transom {}\n{}",
            arguments.join(" "),
            project.run(arguments).all()
        )
    });
    assert_snapshot!(expected.join("\n"));
}
