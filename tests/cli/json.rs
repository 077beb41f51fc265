//! `--json`: stdout holds one JSON value, whatever happens.

use crate::program::Project;
use crate::{plugged, shop};

#[test]
fn a_run_reports_rows_and_files() {
    let ran = shop().run(&["run", "--json"]);
    let report = ran.json();
    assert_eq!(ran.code, 0);
    assert_eq!(report["pipeline"], "shop");
    assert_eq!(report["target"], "year");
    assert_eq!(report["sinks"][0]["name"], "by_customer");
    assert_eq!(report["sinks"][0]["rows"], 4);
    assert_eq!(report["sinks"][0]["path"], "$ROOT/out/by_customer");
    assert_eq!(report["sources"].as_array().unwrap().len(), 2);
    assert!(report["time"]["total"].as_f64().unwrap() >= 0.0);
    assert!(
        ran.stderr.contains("sink by_customer"),
        "talk stays on stderr: {}",
        ran.all()
    );
}

#[test]
fn every_command_with_json_writes_one_value() {
    let project = plugged();
    for arguments in [
        &["lock"][..],
        &["check"],
        &["plan"],
        &["inspect", "echo"],
        &["run"],
        &["run", "--head", "3"],
        &["version"],
    ] {
        let ran = project.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(ran.json().is_object(), "{arguments:?}");
    }
}

#[test]
fn a_plan_as_json_tells_who_reads_what() {
    let plan = plugged().run(&["plan", "--json"]).json();
    assert_eq!(plan["steps"][0]["reads"], serde_json::json!(["numbers"]));
    assert_eq!(plan["steps"][1]["readers"], 2);
    assert_eq!(plan["steps"][1]["columns"][3]["name"], "running_sum");
}

#[test]
fn a_failure_is_json_on_stdout_and_text_on_stderr() {
    let project = shop();
    project.write(
        "data/orders.csv",
        "id,customer,day,amount\n1,1,2024-03-01,many\n",
    );
    let ran = project.run(&["run", "--json"]);
    let error = &ran.json()["error"];
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_eq!(
        (&error["kind"], &error["exit_code"]),
        (&"data".into(), &1.into())
    );
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert!(ran.stderr.contains("error: "), "{}", ran.all());
}

#[test]
fn problems_are_listed_with_their_places() {
    let project = shop();
    project.replace("sql/large.sql", "amount >=", "amont >=");
    project.replace("transom.yaml", "from: by_day", "from: by_dya");
    let ran = project.run(&["check", "--json"]);
    assert_eq!(ran.code, 2);
    let error = &ran.json()["error"];
    assert_eq!(error["kind"], "pipeline");
    let problem = &error["problems"][0];
    assert_eq!(
        (&problem["file"], &problem["line"]),
        (&"transom.yaml".into(), &17.into()),
        "{error:#}"
    );
    assert!(
        problem["hint"].as_str().unwrap().contains("by_day"),
        "{problem:#}"
    );
}

#[test]
fn a_missing_pipeline_is_json_too() {
    let ran = Project::empty().run(&["run", "--json"]);
    assert_eq!(
        (ran.code, &ran.json()["error"]["kind"]),
        (2, &"pipeline".into())
    );
}
