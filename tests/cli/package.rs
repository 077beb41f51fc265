//! `transom package`. The function's program is played by `true`: it is for Linux, and Lambda takes it.
#![cfg(target_os = "linux")]

use serde_json::json;

use crate::program::{Project, Ran};
use crate::{assert_snapshot, plugged};

const BOOTSTRAP: &str = "/bin/true";

fn package(project: &Project, more: &[&str]) -> Ran {
    project.run(&[&["package", "--bootstrap", BOOTSTRAP], more].concat())
}

/// A pipeline with a plugin and a query in a file, for folders and for S3.
fn pipeline() -> Project {
    let project = plugged();
    project.write(
        "transom.yaml",
        "name: plugged
plugins:
  echo: { path: echo.wasm }
sources:
  pairs: { path: pairs.csv }
steps:
  divisors: { sql: sql/divisors.sql }
sinks:
  divisors: { from: divisors, path: out, format: csv }
targets:
  folder: {}
  s3:
    sources: { pairs: { path: 's3://raw/pairs.csv' } }
    sinks: { divisors: { path: 's3://lake/divisors/' } }
",
    );
    project.write("pairs.csv", "a,b\n12,18\n");
    project.write(
        "sql/divisors.sql",
        "SELECT echo.gcd(a, b) AS divisor FROM pairs",
    );
    project
}

#[test]
fn a_package_has_the_pipeline_as_it_is_written_and_its_plugins_as_machine_code() {
    let project = pipeline();
    let locked = project.run(&["lock", "--target", "folder"]);
    assert_eq!(locked.code, 0, "{}", locked.all());
    let ran = package(&project, &["--target", "s3", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = ran.json();
    let mut names: Vec<&str> = report["sizes"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file[0].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "bootstrap",
            "compiled/echo.cwasm",
            "compiled/plugins.json",
            "sql/divisors.sql",
            "transom.lock",
            "transom.yaml"
        ]
    );
    let read = |path: &str| std::fs::read(project.path().join(path)).unwrap();
    let package = ".transom/package";
    assert_eq!(
        read("transom.yaml"),
        read(&format!("{package}/lambda/transom.yaml"))
    );
    let zip = read(&format!("{package}/lambda.zip"));
    assert_eq!(report["sizes"]["zipped"], json!(zip.len()));

    // The pipeline is run from its package: without a source of the plugin.
    for file in ["echo.wasm", "transom.yaml", "sql/divisors.sql"] {
        std::fs::rename(
            project.path().join(file),
            project.path().join(file).with_extension("moved"),
        )
        .unwrap();
    }
    project.write(
        &format!("{package}/batch/pipeline/pairs.csv"),
        "a,b\n8,12\n",
    );
    let file = format!("{package}/batch/pipeline/transom.yaml");
    let ran = project.run(&["run", "--file", &file, "--target", "folder"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains('4'), "{}", ran.all());

    // The same input gives the same bytes.
    for file in ["echo.wasm", "transom.yaml", "sql/divisors.sql"] {
        std::fs::rename(
            project.path().join(file).with_extension("moved"),
            project.path().join(file),
        )
        .unwrap();
    }
    let again = self::package(&project, &["--target", "s3"]);
    assert_eq!(again.code, 0, "{}", again.all());
    assert!(zip == read(&format!("{package}/lambda.zip")));
}

#[test]
fn what_a_function_cannot_reach_is_refused() {
    let project = pipeline();
    let folders = package(&project, &["--target", "folder"]);
    project.replace(
        "transom.yaml",
        "  s3:\n",
        "  s3:\n    aws: { endpoint: local }\n",
    );
    let local = package(&project, &["--target", "s3"]);
    project.replace("transom.yaml", "    aws: { endpoint: local }\n", "");
    project.write("shared.sql", "SELECT 1 AS a");
    let text = std::fs::read_to_string(project.path().join("transom.yaml")).unwrap();
    let text = text.replace("echo.wasm", "../echo.wasm");
    project.write(
        "inner/transom.yaml",
        text.replace("sql/divisors.sql", "../shared.sql"),
    );
    let outside = package(
        &project,
        &["--target", "s3", "--file", "inner/transom.yaml"],
    );
    let all = [folders, local, outside].map(|ran| ran.all());
    assert_snapshot!(all.join("\n"));
}

#[test]
fn what_is_no_program_for_lambda_is_refused() {
    let project = pipeline();
    project.write("text", "no program");
    let all = ["missing", "text"].map(|program| {
        project
            .run(&["package", "--target", "s3", "--bootstrap", program])
            .all()
    });
    assert_snapshot!(all.join("\n"));
}

#[test]
fn what_another_has_written_is_not_replaced() {
    let project = pipeline();
    project.write("dist/lambda/mine", "");
    let ran = package(&project, &["--target", "s3", "--out", "dist"]);
    assert_snapshot!(ran.all());
    assert!(project.path().join("dist/lambda/mine").exists());
}
