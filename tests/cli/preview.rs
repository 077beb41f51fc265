//! `transom preview`: what comes out of one table.

use crate::program::Project;
use crate::{assert_snapshot, plugged, shop};

#[test]
fn a_step_is_shown_as_a_table_that_fits() {
    let ran = plugged().run(&["preview", "running", "--format", "table"]);
    assert_snapshot!(ran.all());
}

#[test]
fn only_what_the_step_needs_is_read() {
    let project = shop();
    std::fs::remove_file(project.path().join("data/customers.jsonl")).unwrap();
    project.replace(
        "transom.yaml",
        "sql/by_customer.sql",
        "SELECT no_column FROM customers",
    );
    let ran = project.run(&["preview", "by_day"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(
        ran.stdout,
        "day,orders,amount\n2024-03-01,1,12.50\n2024-03-02,2,47.25\n2024-03-03,1,19.00\n"
    );
    assert!(!project.path().join("out").exists());
}

#[test]
fn rows_are_limited_filtered_and_taken_from_the_first_ones_of_sources() {
    let rows = |arguments: &[&str]| {
        let ran = shop().run(&[&["preview"], arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.all());
        ran.stdout
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&["orders", "--rows", "1"]), ["1,1,2024-03-01,12.50"]);
    let some = rows(&[
        "large",
        "--where",
        "amount > 18 AND $smallest < customer + 5 -- all",
    ]);
    assert_eq!(some, ["3,1,2024-03-02,40.00", "5,2,2024-03-03,19.00"]);
    let first = rows(&["large", "--source-rows", "2"]);
    assert_eq!(first, ["1,1,2024-03-01,12.50"]);
    // A sink is what it is written from.
    let project = shop();
    project.replace(
        "transom.yaml",
        "  by_day: { from: by_day",
        "  days: { from: by_day",
    );
    assert_eq!(
        project.run(&["preview", "days"]).stdout,
        project.run(&["preview", "by_day"]).stdout
    );
}

#[test]
fn rows_are_written_as_json_and_parquet_too() {
    let project = shop();
    let ran = project.run(&["preview", "customers", "--format", "json", "--rows", "2"]);
    assert_eq!(
        ran.stdout,
        "{\"id\":1,\"name\":\"Ada\",\"country\":\"GB\"}\n{\"id\":2,\"name\":\"Boris\",\"country\":null}\n"
    );
    let mut command = project.command(&["preview", "customers", "--format", "parquet"]);
    let bytes = command.output().unwrap().stdout;
    assert_eq!(
        (&bytes[..4], &bytes[bytes.len() - 4..]),
        (b"PAR1".as_slice(), b"PAR1".as_slice())
    );
}

#[test]
fn what_cannot_be_shown_is_told() {
    let project = shop();
    let untold = project.run(&["preview"]);
    let unknown = project.run(&["preview", "larg"]);
    let condition = project.run(&["preview", "large", "--where", "amout > 1"]);
    assert_snapshot!([untold, unknown, condition].map(|ran| ran.all()).join("\n"));
}

#[test]
fn a_character_nul_is_taken_out_as_the_hint_of_a_sink_in_redshift_says() {
    let project = Project::empty();
    project.write("raw.csv", "id,s\n1,a\0b\0\n");
    project.write(
        "transom.yaml",
        r"name: p
sources: { raw: { path: raw.csv, columns: { id: int64, s: utf8 } } }
steps: { s: { sql: out.sql } }
sinks: { s: { from: s, path: out, format: csv } }
",
    );
    let sql = r"SELECT regexp_replace(s, '\x00', '', 'g') AS s FROM raw";
    project.write("out.sql", sql);
    let ran = project.run(&["preview", "s"]);
    assert_eq!(ran.stdout, "s\nab\n", "{}", ran.all());
}
