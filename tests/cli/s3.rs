//! Pipelines that read and write `s3://`, on the local AWS that a command embeds or that runs beside it.

use crate::local::Server;
use crate::program::{Project, repository};
use crate::shop;

/// The shop with its data and its results on S3, on the target `local`, and in folders on `year`.
fn shop_on_s3() -> Project {
    let project = shop();
    project.replace(
        "transom.yaml",
        "targets:\n  year: {}\n",
        "\
targets:
  local:
    sources:
      orders: { path: \"s3://raw/shop/orders.csv\" }
      customers: { path: \"s3://raw/shop/*.jsonl\" }
    sinks:
      by_customer: { path: \"s3://lake/shop/by_customer/\" }
      by_day: { path: \"s3://lake/shop/by_day/\" }
  year: {}
",
    );
    let copied = project.run(&["local", "cp", "data", "s3://raw/shop/"]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    assert_eq!(copied.stderr, "copied 2 files to s3://raw/shop/\n");
    project
}

/// The rows of a result on S3, copied out of the version that its pointer names.
fn rows(project: &Project, table: &str, extension: &str) -> String {
    let to = format!("got-{}", uuid::Uuid::new_v4().simple());
    let copied = project.run(&["local", "cp", "s3://lake/shop/", &to]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let folder = project.path().join(to);
    let pointer = std::fs::read(folder.join(table).join("_transom/current")).expect("a pointer");
    let pointer: serde_json::Value = serde_json::from_slice(&pointer).expect("JSON");
    let version = pointer["version"].as_str().expect("a version");
    let file = format!(".{table}.versions/{version}/part-00000-00000.{extension}");
    std::fs::read_to_string(folder.join(file)).expect("the result")
}

const ONE: [&str; 2] = ["--partitions", "1"];

#[test]
fn the_same_file_runs_on_s3_and_on_folders() {
    let project = shop_on_s3();
    let on_s3 = project.run(&[&["run", "--target", "local"], &ONE[..]].concat());
    assert_eq!(on_s3.code, 0, "{}", on_s3.stderr);
    assert!(
        on_s3.stderr.contains(" -> s3://lake/shop/by_customer/"),
        "{}",
        on_s3.stderr
    );
    let on_disk = project.run(&[&["run", "--target", "year"], &ONE[..]].concat());
    assert_eq!(on_disk.stdout, on_s3.stdout);
    let file = project.path().join("out/by_customer/part-00000-00000.csv");
    let expected = std::fs::read_to_string(file).expect("the result");
    assert_eq!(rows(&project, "by_customer", "csv"), expected);

    // Once more, with other data: the table is switched to a second version.
    project.replace("data/orders.csv", "12.50", "13.50");
    assert_eq!(
        project.run(&["local", "cp", "data", "s3://raw/shop/"]).code,
        0
    );
    let again = project.run(&[&["run", "--target", "local"], &ONE[..]].concat());
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_ne!(rows(&project, "by_customer", "csv"), expected);
}

#[test]
fn a_pipeline_uses_the_local_aws_that_runs() {
    let project = shop_on_s3();
    let server = Server::start(&project);
    let ran = project.run(&["run", "--target", "local", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["sinks"][1]["path"], "s3://lake/shop/by_day/");
    let status = project.run(&["local", "status", "--json"]).json();
    assert_eq!(status["s3"]["buckets"], 2);
    assert!(rows(&project, "by_day", "json").contains("\"orders\""));
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
fn what_is_wrong_with_s3_names_the_place_and_the_way_out() {
    let project = shop_on_s3();
    project.replace(
        "transom.yaml",
        "s3://raw/shop/orders.csv",
        "s3://raw/shop/order.csv",
    );
    let ran = project.run(&["run", "--target", "local"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("no CSV file matches `shop/order.csv` under `s3://raw/`")
            && ran.stderr.contains("holds `customers.jsonl`, `orders.csv`"),
        "{}",
        ran.stderr
    );
    project.replace(
        "transom.yaml",
        "s3://raw/shop/order.csv",
        "s3://nowhere/order.csv",
    );
    let ran = project.run(&["run", "--target", "local"]);
    assert!(
        ran.stderr.contains("there is no bucket `nowhere`"),
        "{}",
        ran.stderr
    );
    project.replace(
        "transom.yaml",
        "s3://nowhere/order.csv",
        "s3://No_Where/order.csv",
    );
    let ran = project.run(&["check", "--target", "year"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("needs the name of a bucket"),
        "{}",
        ran.stderr
    );
}

#[test]
fn dead_letters_and_failing_rows_are_kept_on_s3() {
    let case = repository().join("tests/cases/on_reject_dead_letter");
    let project = Project::copy_of(&case).with_echo();
    project.replace(
        "transom.yaml",
        "path: out/even",
        "path: \"s3://lake/even/\"",
    );
    project.replace(
        "transom.yaml",
        "path: out/dead_letters",
        "path: \"s3://lake/dead/\"",
    );
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("s3://lake/dead/even"), "{}", ran.stderr);
    let listed = project.run(&["reject", "list", "--json"]).json();
    assert_eq!(listed["steps"][0]["rows"], 3);
    assert_eq!(
        listed["steps"][0]["reasons"][0]["first"]["file"],
        "data/numbers.csv"
    );
}
