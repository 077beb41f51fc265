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
fn what_would_not_run_in_the_cloud_is_refused() {
    let refused = |edit: &dyn Fn(&Project), code: i32, said: &str, hint: &str| {
        let project = pipeline();
        edit(&project);
        let ran = package(&project, &["--target", "s3"]);
        assert_eq!(ran.code, code, "{}", ran.all());
        assert!(ran.stderr.contains(said), "{said} in {}", ran.all());
        assert!(ran.stderr.contains(hint), "{hint} in {}", ran.all());
    };
    let with = |aws: &str| {
        let aws = format!("  s3:\n    aws: {{ {aws} }}\n");
        move |project: &Project| project.replace("transom.yaml", "  s3:\n", &aws)
    };
    refused(
        &with("profile: dwh"),
        2,
        "from the profile `dwh` of this machine",
        "leave `profile` away",
    );
    for endpoint in [
        "http://localhost:4566",
        "http://127.0.0.1",
        "http://[::1]:9000/",
    ] {
        let said = format!("the target `s3` uses `{endpoint}`");
        let with = with(&format!("endpoint: '{endpoint}'"));
        refused(&with, 2, &said, "name another one with `--target`");
    }
    let sliced = |project: &Project| {
        let (from, to) = ("pairs.csv }\n", "pairs.csv, incremental: new_files }\n");
        project.replace("transom.yaml", from, to);
        project.replace("transom.yaml", "path: out,", "path: out, mode: append,");
        let state = "  s3:\n    state: { path: 's3://lake/state/' }\n";
        project.replace("transom.yaml", "  s3:\n", state);
    };
    let said = "the lock file does not have the source `pairs`";
    refused(&sliced, 2, said, "run `transom lock`");
    let absolute = |project: &Project| {
        let file = project.path().join("sql/divisors.sql");
        let file = file.to_str().unwrap();
        project.replace(
            "transom.yaml",
            "sql: sql/divisors.sql",
            &format!("sql: {file}"),
        );
    };
    let said = "is found only where the pipeline is now";
    refused(&absolute, 2, said, "`sql/divisors.sql`");
    let by_its_name = |project: &Project| {
        let name = project.path().file_name().unwrap().to_str().unwrap();
        let path = format!("sql: ../{name}/sql/divisors.sql");
        project.replace("transom.yaml", "sql: sql/divisors.sql", &path);
    };
    refused(&by_its_name, 2, said, "`sql/divisors.sql`");
}

#[test]
fn queries_of_checks_are_in_the_package() {
    let project = pipeline();
    project.replace(
        "transom.yaml",
        "sql: sql/divisors.sql }",
        "sql: sql/divisors.sql, checks: [{ sql: sql/bad.sql }] }",
    );
    project.write("sql/bad.sql", "SELECT * FROM divisors WHERE divisor = 0");
    let ran = package(&project, &["--target", "s3"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let packaged = project.path().join(".transom/package/lambda/sql/bad.sql");
    assert!(packaged.is_file());
}

#[test]
fn a_package_that_fails_leaves_the_one_before() {
    let project = pipeline();
    let ran = package(&project, &["--target", "s3"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let out = project.path().join(".transom/package");
    let read = |name: &str| std::fs::read(out.join(name)).unwrap();
    let before = ["lambda.zip", "template.yaml", "batch/Containerfile"].map(read);
    project.write("echo.wasm", "no component");
    let failed = package(&project, &["--target", "s3"]);
    assert_ne!(failed.code, 0, "{}", failed.all());
    assert!(["lambda.zip", "template.yaml", "batch/Containerfile"].map(read) == before);
    assert!(!out.join(".new").exists());
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
fn a_program_for_a_newer_c_library_is_refused() {
    let project = pipeline();
    let mut program = std::fs::read(BOOTSTRAP).unwrap();
    // The versions of the C library that its symbols are of.
    let (old, new) = (b"GLIBC_2.", b"GLIBC_9.");
    let is_there = |at: &usize| program[*at..].starts_with(old);
    let places: Vec<usize> = (0..program.len()).filter(is_there).collect();
    assert_ne!(places.len(), 0);
    for at in places {
        program[at..at + new.len()].copy_from_slice(new);
    }
    project.write("newer", program);
    let ran = project.run(&["package", "--target", "s3", "--bootstrap", "newer"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    for said in [
        "error: `newer` needs glibc 9.",
        ", and Lambda has 2.34\n",
        "hint: `./dev bootstrap`",
    ] {
        assert!(ran.stderr.contains(said), "{said} in {}", ran.all());
    }
    assert!(!project.path().join(".transom").exists());
}

#[test]
fn what_another_has_written_is_not_replaced() {
    let project = pipeline();
    project.write("dist/lambda/mine", "");
    let ran = package(&project, &["--target", "s3", "--out", "dist"]);
    assert_snapshot!(ran.all());
    assert!(project.path().join("dist/lambda/mine").exists());
}
