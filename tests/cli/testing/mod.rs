//! `transom test`: what a test may give and expect, and what is expected of one that fails.

mod chance;
mod choosing;
mod created;
mod plugins;
mod writing;

use crate::program::{Project, Ran};
use crate::{assert_snapshot, plugged, shop};

/// The pipeline of SQL alone with these tests, without the data of its sources: tests do not read them.
fn shop_with(tests: &str) -> Project {
    let project = shop();
    std::fs::remove_dir_all(project.path().join("data")).unwrap();
    project.write("tests/shop.yaml", tests);
    project
}

/// The pipeline with a plugin and these tests.
fn plugged_with(tests: &str) -> Project {
    let project = plugged();
    std::fs::remove_dir_all(project.path().join("data")).unwrap();
    project.write("tests/plugged.yaml", tests);
    project
}

fn passes(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.all());
}

const LARGE: &str = "\
tests:
  small_orders_are_left_out:
    given:
      orders:
        - { id: 1, customer: 1, day: 2024-03-01, amount: 12.50 }
        - { id: 2, customer: 1, day: 2024-03-01, amount: 1.5 }
        - { id: 3, customer: 2, day: 2024-03-02, amount: 40 }
    expect:
      large:
        count: 2
      by_day:
        rows:
          - { day: 2024-03-02, orders: 1, amount: 40.00 }
          - { day: 2024-03-01, orders: 1, amount: 12.5 }
";

#[test]
fn a_test_needs_only_the_sources_of_the_steps_it_expects() {
    assert_snapshot!(shop_with(LARGE).run(&["test"]).all());
}

#[test]
fn a_test_that_fails_shows_every_row_that_differs() {
    let tests = LARGE
        .replace("orders: 1, amount: 40.00", "orders: 3, amount: 40.00")
        .replace("count: 2", "count: 5");
    let project = shop_with(&format!(
        "{tests}          - {{ day: 2024-03-03, orders: 1, amount: 1.00 }}\n"
    ));
    assert_snapshot!(project.run(&["test"]).all());
}

#[test]
fn a_source_that_is_needed_must_be_given() {
    let tests = LARGE.replace("      large:", "      by_customer:");
    assert_snapshot!(shop_with(&tests).run(&["test"]).all());
}

#[test]
fn columns_that_are_missing_or_not_expected_fail_unless_some_are_chosen() {
    let tests = LARGE.replace("orders: 1, amount", "order: 1, amount");
    let project = shop_with(&tests);
    assert_snapshot!(project.run(&["test"]).all());
    let chosen = LARGE.replace("orders: 1, ", "").replace(
        "        rows:",
        "        columns: [day, amount]\n        rows:",
    );
    project.write("tests/shop.yaml", chosen);
    passes(&project.run(&["test"]));
}

#[test]
fn the_order_of_rows_counts_if_the_test_says_so() {
    let ordered = LARGE.replace("        rows:", "        ordered: true\n        rows:");
    assert_snapshot!(shop_with(&ordered).run(&["test"]).all());
}

#[test]
fn rows_come_from_files_and_queries_too() {
    let project = shop_with(
        "\
tests:
  from_files:
    given:
      orders: { file: orders.csv }
      customers:
        sql: SELECT * FROM (VALUES (1, 'Ada', 'GB'), (2, 'Boris', NULL)) AS t (id, name, country)
    expect:
      by_customer: { file: expected.jsonl }
  of_a_step:
    given:
      large: { file: orders.csv, columns: { day: date, amount: \"decimal(10,2)\" } }
    expect:
      by_day:
        schema: { day: date, orders: int64, amount: \"decimal(20,2)\" }
        sql: SELECT DATE '2024-03-01' AS day, 2 AS orders, 52.5 AS amount
",
    );
    project.write(
        "tests/orders.csv",
        "id,customer,day,amount\n1,1,2024-03-01,12.50\n3,1,2024-03-01,40\n",
    );
    project.write(
        "tests/expected.jsonl",
        "{\"name\": \"Ada\", \"country\": \"GB\", \"orders\": 2, \"amount\": 52.5}\n\
         {\"name\": \"Boris\", \"country\": null, \"orders\": 0, \"amount\": null}\n",
    );
    assert_snapshot!(project.run(&["test"]).all());
}

#[test]
fn types_come_from_the_lock_file_and_columns_that_are_left_out_are_null() {
    let project = shop();
    project.run(&["lock"]);
    project.write(
        "tests/shop.yaml",
        "\
tests:
  days_are_dates:
    given:
      orders:
        - { id: 1, amount: 12.50 }
        - { id: 2, amount: 22.50, day: 2024-03-01 }
    expect:
      large:
        schema: { id: int64, customer: int64, day: date, amount: \"decimal(10,2)\" }
        rows:
          - { id: 1, customer: null, day: null, amount: 12.50 }
          - { id: 2, day: 2024-03-01, amount: 22.50 }
  no_rows_at_all:
    given: { orders: [] }
    expect: { by_day: [] }
",
    );
    assert_snapshot!(project.run(&["test"]).all());
}

#[test]
fn mistakes_in_a_test_are_shown_where_they_are() {
    let project = shop_with(
        "\
tests:
  unknown_names:
    variables: { smalest: 1 }
    given:
      order: []
      customers: [{ id: 1 }]
    expect:
      by_days: { count: 1 }
      customers: []
  wrong_values:
    variables: { smallest: much }
    given:
      orders:
        - { id: 1, customer: 1, day: 2024-03-01, amount: a lot }
        - { id: one, customer: 1, day: 2024-03-01, amount: 2 }
    expect:
      large: { rejected: { count: 1 } }
  given_is_not_expected:
    given: { large: [{ id: 1 }] }
    expect: { large: [] }
  values_of_another_type:
    given: { orders: [{ id: 1, customer: 1, day: 2024-03-01, amount: 12 }] }
    expect:
      large:
        - { id: \"1\", customer: 1, day: 20240301, amount: 12 }
",
    );
    assert_snapshot!(project.run(&["test"]).all());
}

const REJECTING: &str = "\
tests:
  odd_rows_are_rejected:
    given:
      numbers:
        - { id: 1, word: one, v: 10 }
        - { id: 2, word: two, v: 20 }
        - { id: 3, word: three, v: 30 }
    expect:
      even:
        rows:
          - { id: 1, word: ONE, v: 10 }
          - { id: 3, word: THREE, v: 30 }
        rejected:
          - { id: 2, _reason: row 1 is odd }
";

/// A step that rejects rows, and drops them.
fn rejecting(tests: &str) -> Project {
    let project = plugged_with(tests);
    project.replace(
        "transom.yaml",
        "steps:\n",
        "steps:\n  even: { transform: echo.reject_odd, input: loud, on_reject: drop }\n",
    );
    project
}

#[test]
fn rejected_rows_are_compared_by_the_columns_that_are_named_and_the_reason() {
    passes(&rejecting(REJECTING).run(&["test"]));
    let other = REJECTING.replace("id: 2, _reason: row 1", "id: 2, _reason: row 3");
    assert_snapshot!(rejecting(&other).run(&["test"]).all());
    let unsaid = REJECTING.replace(", _reason: row 1 is odd", "");
    assert_eq!(rejecting(&unsaid).run(&["test"]).code, 1);
}

#[test]
fn an_error_is_expected_by_a_part_of_its_text() {
    let tests = REJECTING.split("        rows:").next().unwrap().to_owned();
    let failing = |expected: &str| {
        let project = rejecting(&format!("{tests}        error: {expected}\n"));
        project.replace("transom.yaml", "on_reject: drop", "on_reject: fail");
        project
    };
    passes(&failing("row 1 is odd").run(&["test"]));
    let other = failing("row 7 is odd").run(&["test"]);
    let none = rejecting(&format!("{tests}        error: row 1 is odd\n")).run(&["test"]);
    let unexpected = {
        let project = rejecting(REJECTING);
        project.replace("transom.yaml", "on_reject: drop", "on_reject: fail");
        project.run(&["test"])
    };
    assert_snapshot!([other, none, unexpected].map(|ran| ran.all()).join("\n"));
}

#[test]
fn steps_of_plugins_are_tested_like_any_other() {
    let project = plugged_with(
        "\
tests:
  a_running_sum:
    given:
      loud:
        - { id: 2, word: B, v: 20 }
        - { id: 1, word: A, v: 10 }
    expect:
      running: { columns: [id, running_sum], ordered: true, rows: [{ id: 1, running_sum: 10 }, { id: 2, running_sum: 30 }] }
      total: [{ total: 30 }]
",
    );
    assert_snapshot!(project.run(&["test"]).all());
}

#[test]
fn floating_point_numbers_are_equal_within_a_tolerance() {
    let project = shop_with(
        "\
tests:
  nearly:
    given: { orders: [{ id: 1, customer: 1, day: 2024-03-01, amount: 9 }] }
    expect:
      third:
        tolerance: 0.001
        rows: [{ share: 0.333 }]
",
    );
    project.replace(
        "transom.yaml",
        "steps:\n",
        "steps:\n  third: { sql: SELECT CAST(1 AS DOUBLE) / 3 AS share FROM large }\n",
    );
    passes(&project.run(&["test"]));
    project.replace("tests/shop.yaml", "        tolerance: 0.001\n", "");
    assert_eq!(project.run(&["test"]).code, 1);
}

#[test]
fn what_is_given_of_a_table_must_be_columns_that_it_has() {
    let project = shop_with(
        "\
tests:
  no_columns:
    given: { customers: [], orders: [] }
    expect: { by_customer: [] }
",
    );
    let unknown = project.run(&["test"]);
    let project = shop();
    project.run(&["lock"]);
    project.write(
        "tests/shop.yaml",
        LARGE.replace("customer: 1", "custommer: 1"),
    );
    let unlike = project.run(&["test"]);
    assert_snapshot!([unknown, unlike].map(|ran| ran.all()).join("\n"));
}

#[test]
fn a_test_that_expects_nothing_or_columns_that_are_not_there_fails() {
    let project = shop_with("tests:\n  nothing:\n    expect: {}\n");
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.stderr.contains("`tests.nothing` expects nothing"),
        "{}",
        ran.all()
    );
    let tests = LARGE
        .replace("orders: 1, amount", "bogus: 1, amount")
        .replace(
            "        rows:",
            "        columns: [day, amount]\n        rows:",
        );
    let ran = shop_with(&tests).run(&["test"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stdout.contains("bogus"), "{}", ran.all());
}
