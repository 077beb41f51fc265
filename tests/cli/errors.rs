//! What users meet when something is wrong: where, what, what is allowed, and the exit code.

use crate::program::Project;
use crate::{assert_snapshot, plugged, shop};

/// What a run of the fixture says after a text in a file was replaced.
fn run_with(project: Project, path: &str, from: &str, to: &str) -> String {
    project.replace(path, from, to);
    project.run(&["run", "--quiet", "--partitions", "1"]).all()
}

#[test]
fn there_is_no_pipeline() {
    assert_snapshot!(Project::empty().run(&["run"]).all());
}

#[test]
fn a_source_has_no_file() {
    assert_snapshot!(run_with(
        shop(),
        "transom.yaml",
        "data/orders.csv",
        "data/order.csv"
    ));
}

#[test]
fn a_row_of_a_csv_file_is_broken() {
    assert_snapshot!(run_with(
        shop(),
        "data/orders.csv",
        "3,1,2024-03-02,40.00",
        "3,1,2024-03-02"
    ));
}

#[test]
fn a_value_of_a_csv_file_has_another_type() {
    assert_snapshot!(run_with(shop(), "data/orders.csv", "40.00", "forty"));
}

#[test]
fn a_parquet_file_is_corrupt() {
    let project = shop();
    project.write(
        "data/orders.parquet",
        "this is no Parquet file, but it is long enough to be one",
    );
    let source = "data/orders.csv, columns: { amount: \"decimal(10,2)\" }";
    assert_snapshot!(run_with(
        project,
        "transom.yaml",
        source,
        "data/orders.parquet"
    ));
}

#[test]
fn a_column_does_not_exist() {
    assert_snapshot!(run_with(
        shop(),
        "sql/large.sql",
        "customer, day",
        "custmer, day"
    ));
}

#[test]
fn a_column_is_in_the_file_but_not_in_the_lock() {
    let project = shop();
    project.run(&["lock", "--quiet"]);
    project.write(
        "data/customers.jsonl",
        "{\"id\": 1, \"name\": \"Ada\", \"shop\": 7}\n",
    );
    let steps = "steps:\n  shops: { sql: SELECT shop FROM customers }\n";
    assert_snapshot!(run_with(project, "transom.yaml", "steps:\n", steps));
}

#[test]
fn a_column_of_a_source_that_is_not_locked_is_looked_for_in_its_files() {
    let project = shop();
    project.run(&["lock", "--quiet"]);
    project.write("data/shops.csv", "id,name\n1,Centre\n");
    let sources = "sources:\n  shops: { path: data/shops.csv }\n";
    project.replace("transom.yaml", "sources:\n", sources);
    let steps = "steps:\n  named: { sql: SELECT nam FROM shops }\n";
    let said = run_with(project, "transom.yaml", "steps:\n", steps);
    assert!(said.contains("No field named nam"), "{said}");
    assert!(!said.contains("transom.lock"), "{said}");
}

#[test]
fn a_table_does_not_exist() {
    assert_snapshot!(run_with(
        shop(),
        "sql/by_customer.sql",
        "JOIN large",
        "JOIN larg"
    ));
}

#[test]
fn a_query_does_not_parse() {
    assert_snapshot!(run_with(
        shop(),
        "sql/large.sql",
        "WHERE amount",
        "WERE amount"
    ));
}

#[test]
fn types_of_a_query_do_not_fit() {
    assert_snapshot!(run_with(
        shop(),
        "sql/large.sql",
        "amount >=",
        "day + amount >="
    ));
}

#[test]
fn a_function_gets_another_type() {
    assert_snapshot!(run_with(
        plugged(),
        "transom.yaml",
        "echo.shout(word)",
        "echo.gcd(word, id)"
    ));
}

#[test]
fn a_function_in_quotes_that_does_not_exist_is_marked() {
    let told = run_with(
        plugged(),
        "transom.yaml",
        "echo.shout(word)",
        "echo.\\\"SHOUT\\\"(word)",
    );
    let marked = format!("\n   | {}{}\n", " ".repeat(27), "^".repeat(12));
    assert!(told.contains("transom.yaml:10:28"), "{told}");
    assert!(told.contains(&marked), "{told}");
}

#[test]
fn a_function_does_not_exist() {
    assert_snapshot!(run_with(
        plugged(),
        "transom.yaml",
        "echo.shout(word)",
        "echo.shuot(word)"
    ));
}

#[test]
fn on_error_names_a_function_that_does_not_exist() {
    assert_snapshot!(run_with(
        plugged(),
        "transom.yaml",
        "FROM numbers\" }",
        "FROM numbers\", on_error: { echo.shoutt: null } }"
    ));
}

#[test]
fn a_transform_does_not_exist() {
    assert_snapshot!(run_with(
        plugged(),
        "transom.yaml",
        "echo.running",
        "echo.runing"
    ));
}

#[test]
fn an_option_of_a_transform_is_wrong() {
    assert_snapshot!(run_with(
        plugged(),
        "transom.yaml",
        "{ column: v }",
        "{ colum: v }"
    ));
}

#[test]
fn the_option_that_is_wrong_is_marked_and_no_other() {
    assert_snapshot!(run_with(
        plugged(),
        "transom.yaml",
        "options: { column: v }",
        "options: { column: v, colz: v }"
    ));
}

#[test]
fn a_sink_cannot_hold_the_type_of_a_column() {
    let project = plugged();
    project.replace(
        "transom.yaml",
        "path: out/total, format: csv",
        "path: out/total, format: parquet",
    );
    let step = "\"SELECT max(running_sum) AS total, INTERVAL '1' DAY AS day FROM running\"";
    project.replace(
        "transom.yaml",
        "SELECT max(running_sum) AS total FROM running",
        step,
    );
    assert_snapshot!(project.run(&["run", "--quiet"]).all());
}

#[test]
fn steps_read_each_other() {
    assert_snapshot!(run_with(
        shop(),
        "sql/large.sql",
        "FROM orders",
        "FROM by_customer AS o (id, customer, day, amount)"
    ));
}

#[test]
fn a_plugin_is_no_component() {
    let project = plugged();
    project.write("echo.wasm", b"\0asm\x01\0\0\0");
    assert_snapshot!(project.run(&["run"]).all());
}

#[test]
fn a_plugin_panics() {
    let project = plugged();
    project.replace("transom.yaml", "echo.running", "echo.fail");
    project.replace("transom.yaml", "column: v", "kind: panic");
    project.replace("transom.yaml", "max(running_sum)", "max(v)");
    let ran = project.run(&["run", "--quiet", "--partitions", "1"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert_snapshot!(ran.all());
}

#[test]
fn a_plugin_panics_before_rows_are_grouped() {
    let project = plugged();
    let pipeline = "\
name: grouped
plugins:
  echo: { path: echo.wasm }
sources:
  numbers: { path: data/numbers.csv }
steps:
  failing: { transform: echo.fail, input: numbers, options: { kind: panic } }
  grouped: { sql: \"SELECT word, count(*) AS rows FROM failing GROUP BY word\" }
sinks:
  grouped: { from: grouped, path: out/grouped, format: csv }
";
    project.write("transom.yaml", pipeline);
    // Each partition that waits for the rows is given the error, and which of them tells it is a matter of chance.
    for _ in 0..10 {
        let ran = project.run(&["run", "--quiet", "--partitions", "4"]);
        assert_eq!(ran.code, 3, "{}", ran.all());
        assert!(ran.stderr.contains("panic, as asked"), "{}", ran.all());
        assert!(ran.stderr.contains("hint: "), "{}", ran.all());
    }
}

#[test]
fn a_plugin_asks_to_be_tried_again() {
    let project = plugged();
    project.replace("transom.yaml", "echo.running", "echo.fail");
    project.replace("transom.yaml", "column: v", "kind: retryable");
    project.replace("transom.yaml", "max(running_sum)", "max(v)");
    let ran = project.run(&["run", "--quiet"]);
    assert_eq!(ran.code, 75, "{}", ran.all());
}

#[test]
fn several_mistakes_are_told_at_once() {
    let project = shop();
    project.replace("transom.yaml", "from: by_day", "from: by_dya");
    project.replace("transom.yaml", "format: json", "format: jsno");
    project.replace("transom.yaml", "sinks:", "snks: {}\nsinks:");
    assert_snapshot!(project.run(&["run"]).all());
}

#[test]
fn a_target_and_a_variable_do_not_exist() {
    assert_snapshot!(
        shop()
            .run(&["run", "--target", "srict", "--var", "smalest=1"])
            .all()
    );
}

#[test]
fn memory_is_not_enough() {
    let project = plugged();
    let ran = project.run(&["run", "--quiet", "--memory", "1MB"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(
        ran.stderr.contains("of the run's memory")
            && ran
                .stderr
                .contains("hint: give the run more memory with `--memory`"),
        "{}",
        ran.all()
    );
}

#[test]
fn a_folder_is_no_plugin() {
    let project = shop();
    assert_snapshot!(
        [
            project.run(&["build", "data"]),
            project.run(&["inspect", "nothing"])
        ]
        .map(|ran| ran.all())
        .join("\n")
    );
}

#[test]
fn a_lock_file_is_torn() {
    let project = shop();
    project.write("transom.lock", "{\"version\": 1, \"sour");
    let torn = project.run(&["check"]);
    project.write("transom.lock", "{\"version\": 99}");
    let newer = project.run(&["check"]);
    assert_snapshot!([torn, newer].map(|ran| ran.all()).join("\n"));
}
