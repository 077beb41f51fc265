//! What the commands do when all is well.

use std::process::Command;

use crate::program::{Project, echo, repository};
use crate::{assert_snapshot, plugged, shop};

#[test]
fn a_run_shows_stages_first_rows_and_a_summary() {
    let project = shop();
    assert_snapshot!(project.run(&["run", "--partitions", "1"]).all());
    let written =
        std::fs::read_to_string(project.path().join("out/by_customer/part-00000-00000.csv"))
            .unwrap();
    assert!(
        written.starts_with("name,country,orders,amount\n"),
        "{written}"
    );
}

#[test]
fn a_run_for_a_target_with_variables_and_fewer_rows() {
    let arguments = [
        "run",
        "--partitions",
        "1",
        "--target",
        "strict",
        "--var",
        "smallest=30",
        "--head",
        "1",
    ];
    assert_snapshot!(shop().run(&arguments).all());
}

#[test]
fn a_run_with_a_plugin() {
    assert_snapshot!(
        plugged()
            .run(&[
                "run",
                "--partitions",
                "1",
                "--memory",
                "1GiB",
                "--batch-rows",
                "2"
            ])
            .all()
    );
}

#[test]
fn a_quiet_run_says_nothing() {
    let ran = plugged().run(&["run", "--quiet"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
}

#[test]
fn a_quiet_run_shows_the_rows_that_are_asked_for() {
    let ran = shop().run(&["run", "--quiet", "--head", "1"]);
    assert!(
        ran.stdout.contains("Ada") && ran.stderr.is_empty(),
        "{}",
        ran.all()
    );
}

#[test]
fn a_run_in_another_folder_finds_the_files_beside_the_pipeline() {
    let project = shop();
    let elsewhere = Project::empty();
    let ran = elsewhere.run(&[
        "run",
        "-q",
        "--file",
        project.path().join("transom.yaml").to_str().unwrap(),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(project.path().join("out/by_day").is_dir());
}

#[test]
fn a_lock_is_made_once_and_checking_needs_no_data() {
    let project = plugged();
    let expected = [
        project.run(&["check"]),
        project.run(&["lock"]),
        project.run(&["lock"]),
        {
            std::fs::remove_dir_all(project.path().join("data")).unwrap();
            project.run(&["check"])
        },
    ];
    assert_snapshot!(expected.map(|ran| ran.all()).join("\n"));
    let lock = std::fs::read_to_string(project.path().join("transom.lock")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    assert_eq!(lock["sources"]["numbers"]["columns"][0]["type"], "Int64");
}

#[test]
fn a_step_that_nothing_reads_is_warned_of() {
    let project = plugged();
    project.run(&["lock"]);
    project.replace(
        "transom.yaml",
        "steps:",
        "steps:\n  forgotten: { sql: SELECT 1 AS one }",
    );
    for command in ["check", "run"] {
        let ran = project.run(&[command]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(
            ran.stderr
                .contains("warning: step `forgotten` is read by nothing and does not run"),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn a_lock_says_what_changed() {
    let project = plugged();
    project.run(&["lock"]);
    project.write("data/numbers.csv", "id,word,v\n1,one,1.5\n");
    project.replace(
        "transom.yaml",
        "  numbers: {",
        "  more: { path: data/numbers.csv }\n  numbers: {",
    );
    project.replace("transom.yaml", "echo.running", "echo.reject_odd");
    project.replace("transom.yaml", "    options: { column: v }\n", "");
    project.replace("transom.yaml", "max(running_sum)", "max(v)");
    assert_snapshot!(project.run(&["lock"]).all());
}

#[test]
fn a_locked_run_needs_the_lock_and_the_plugins_of_the_lock() {
    let project = plugged();
    let without = project.run(&["run", "--locked"]);
    project.run(&["lock"]);
    let with = project.run(&["run", "--locked", "--quiet"]);
    assert_eq!(with.code, 0, "{}", with.all());
    let lock = std::fs::read_to_string(project.path().join("transom.lock")).unwrap();
    let digest = transom_digest(&lock);
    project.write("transom.lock", lock.replace(&digest, &"0".repeat(64)));
    let changed = project.run(&["run", "--locked"]);
    let checked = project.run(&["check"]);
    assert_snapshot!([without, changed, checked].map(|ran| ran.all()).join("\n"));
}

fn transom_digest(lock: &str) -> String {
    let lock: serde_json::Value = serde_json::from_str(lock).unwrap();
    lock["plugins"]["echo"]["digest"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_plan_shows_tables_with_columns_and_readers() {
    assert_snapshot!(plugged().run(&["plan"]).all());
}

#[test]
fn a_plan_of_one_step_shows_its_operators() {
    let ran = plugged().run(&["plan", "running", "--partitions", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    for operator in ["TransformExec", "SortExec", "echo.shout"] {
        assert!(ran.stdout.contains(operator), "{operator}: {}", ran.all());
    }
}

#[test]
fn a_plan_of_an_unknown_step_lists_the_steps() {
    assert_snapshot!(shop().run(&["plan", "larg"]).all());
}

#[test]
fn inspecting_finds_a_component_a_folder_and_a_plugin_of_the_pipeline() {
    let project = plugged();
    let by_name = project.run(&["inspect", "echo"]);
    assert_snapshot!(by_name.all().replace(&size_of_echo(), "$SIZE"));
    let folder = repository().join("tests/guests/echo");
    let of = |plugin: &str| {
        let ran = project.run(&["inspect", plugin]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        ran.stdout
    };
    let by_file = of("echo.wasm");
    assert_eq!(by_file, of(folder.to_str().unwrap()));
    // Only the pipeline knows what it gives to the transforms.
    let has_columns = |text: &str| text.contains("in step `running`");
    assert!(has_columns(&by_name.stdout) && !has_columns(&by_file));
}

fn size_of_echo() -> String {
    transom_pipeline::report::Bytes(std::fs::metadata(echo()).unwrap().len()).to_string()
}

#[test]
fn building_a_folder_gives_its_component() {
    let folder = repository().join("tests/guests/echo");
    let project = Project::empty();
    let mut command: Command =
        project.command(&["build", "--json", "--quiet", folder.to_str().unwrap()]);
    // What the plugins' own dependencies were compiled to is shared by all tests of this machine.
    let ran = project.outcome(command.env_remove("TRANSOM_CACHE_DIR").output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.all());
    let built = &ran.json()["plugins"][0];
    assert_eq!(
        (&built["name"], &built["language"]),
        (&"echo".into(), &"Rust".into())
    );
    assert!(
        built["component"]
            .as_str()
            .unwrap()
            .ends_with("tests/guests/echo/.transom/echo.wasm"),
        "{built}"
    );
}

#[test]
fn the_schemas_of_the_files_are_json_schemas() {
    for (file, key) in [("pipeline", "steps"), ("tests", "tests")] {
        let schema = Project::empty().run(&["schema", file]).json();
        assert_eq!(schema["properties"][key]["type"], "object", "{schema}");
    }
    let default = Project::empty().run(&["schema"]).stdout;
    assert_eq!(
        default,
        Project::empty().run(&["schema", "pipeline"]).stdout
    );
}

#[test]
fn inspecting_shows_the_columns_of_transforms_over_the_rows_of_a_file() {
    let project = plugged();
    project.write("rows.csv", "id,v,day\n1,2,2024-01-31\n");
    let arguments = [
        "inspect",
        "echo.wasm",
        "--data",
        "rows.csv",
        "--options",
        r#"{"column": "v"}"#,
    ];
    let ran = project.run(&arguments);
    assert_snapshot!(ran.stdout.replace(&size_of_echo(), "$SIZE"));
    let json = project
        .run(&[arguments.as_slice(), &["--json"]].concat())
        .json();
    let transforms = json["transforms"].as_array().unwrap();
    let running = transforms
        .iter()
        .find(|transform| transform["name"] == "running")
        .unwrap();
    let expected = serde_json::json!([{
        "origin": "over rows.csv",
        "reads": [{ "name": "v", "type": "int64" }],
        "computes": [{ "name": "running_sum", "type": "int64" }],
        "passes": [
            { "name": "id", "type": "int64" },
            { "name": "v", "type": "int64" },
            { "name": "day", "type": "date" },
        ],
    }]);
    assert_eq!(running["columns"], expected);
}
