//! `transom package`. The function's program is played by `true`: it is for Linux, and Lambda takes it.
#![cfg(target_os = "linux")]

use std::path::Path;

use serde_json::{Value, json};

use crate::invoke::{orders, rows, succeeds};
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
    assert_eq!(
        names(&report),
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

/// The names of the files in a package's zip, sorted.
fn names(report: &Value) -> Vec<&str> {
    let files = report["sizes"]["files"].as_array().unwrap().iter();
    let mut names: Vec<&str> = files.map(|file| file[0].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Orders whose customers go through a plugin in Python, with so many files on S3.
fn masked_orders(files: usize) -> Project {
    let project = orders(files);
    succeeds(&project, &["init", "plugins/privacy", "--lang", "python"]);
    let plugins = "plugins:\n  privacy: { path: plugins/privacy }\nsources:\n";
    project.replace("transom.yaml", "sources:\n", plugins);
    let masked = "privacy.mask_email(customer || '@example.com') AS customer";
    let masked = format!("SELECT id, {masked},");
    project.replace("transom.yaml", "SELECT id, customer,", &masked);
    succeeds(&project, &["lock"]);
    project
}

#[test]
#[ignore = "slow: compiles the runner for Python anew"]
fn a_package_with_a_plugin_in_python_has_its_runner_and_loads_what_a_run_loads() {
    let expected = {
        let project = masked_orders(3);
        succeeds(&project, &["run", "--quiet"]);
        rows(&project)
    };
    assert!(expected.0[0].contains("x***@example.com"), "{expected:?}");

    let project = masked_orders(3);
    let packaged = package(&project, &["--target", "prod", "--json"]);
    assert_eq!(packaged.code, 0, "{}", packaged.all());
    assert_eq!(
        names(&packaged.json()),
        [
            "bootstrap",
            "compiled/plugins.json",
            "compiled/privacy.bytecode",
            "compiled/privacy.zip",
            "compiled/python.runner.cwasm",
            "transom.lock",
            "transom.yaml"
        ]
    );
    let function = project.path().join(".transom/package/lambda");
    let read = |path: &Path| std::fs::read(path).unwrap();
    let built = project.path().join("plugins/privacy/.transom/privacy.zip");
    assert!(read(&built) == read(&function.join("compiled/privacy.zip")));
    let manifest: Value =
        serde_json::from_slice(&read(&function.join("compiled/plugins.json"))).unwrap();
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x86-64-v2",
        other => other,
    };
    assert_eq!(manifest["machine"], machine);

    // The function has nothing but its package, and its program in place of the one that plays it.
    std::fs::rename(
        project.path().join("plugins"),
        project.path().join("elsewhere"),
    )
    .unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_transom")).with_file_name("bootstrap");
    std::fs::copy(program, function.join("bootstrap")).unwrap();
    let function = ["--function", ".transom/package/lambda"];
    let invoke = ["invoke", "--target", "prod", "--until-done"];
    let answer = succeeds(&project, &[&invoke[..], &function].concat()).json();
    assert_eq!(
        (&answer["done"], &answer["slices"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(rows(&project), expected);
}

#[test]
fn a_function_for_arm_is_packaged_and_its_plugins_only_on_such_a_machine() {
    // As much of a program for Linux as is read of it.
    let mut program = vec![0; 64];
    program[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let halves: [(usize, u16); 5] = [(16, 3), (18, 183), (52, 64), (54, 56), (58, 64)];
    for (at, value) in halves {
        program[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    program[20] = 1;
    let package = |project: &Project| {
        project.write("arm", &program);
        project.run(&["package", "--target", "s3", "--bootstrap", "arm"])
    };
    let project = pipeline();
    let with_plugin = package(&project);
    project.replace(
        "transom.yaml",
        "plugins:\n  echo: { path: echo.wasm }\n",
        "",
    );
    project.write("sql/divisors.sql", "SELECT a AS divisor FROM pairs");
    let ran = package(&project);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let out = project.path().join(".transom/package");
    let template = std::fs::read_to_string(out.join("template.yaml")).unwrap();
    for said in ["- \"arm64\"\n", "CpuArchitecture: \"ARM64\"\n"] {
        assert!(template.contains(said), "{said}");
    }
    if std::env::consts::ARCH == "x86_64" {
        assert!(
            ran.stderr
                .contains("no image: this program is for x86-64-v2, and the function for aarch64"),
            "{}",
            ran.all()
        );
        assert_eq!(with_plugin.code, 3, "{}", with_plugin.all());
        for said in [
            "this program cannot compile for aarch64",
            "package on a machine of the function's architecture",
        ] {
            assert!(with_plugin.stderr.contains(said), "{}", with_plugin.all());
        }
    }
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
