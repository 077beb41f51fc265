//! `transom test`: what a test may give and expect, and what is told of one that fails.

use crate::program::{Project, Ran};
use crate::watching::Watching;
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
fn variables_and_targets_are_those_of_the_test_and_the_command_line() {
    let project = shop_with(
        "\
tests:
  a_variable:
    variables: { smallest: 30 }
    given: { orders: [{ id: 1, customer: 1, day: 2024-03-01, amount: 12.50 }] }
    expect: { large: { count: 0 } }
",
    );
    passes(&project.run(&["test", "--var", "smallest=1"]));
    project.replace("tests/shop.yaml", "    variables: { smallest: 30 }\n", "");
    passes(&project.run(&["test", "--target", "strict"]));
    assert_eq!(project.run(&["test"]).code, 1);
}

#[test]
fn a_variable_without_a_value_may_be_set_by_the_test() {
    let project =
        shop_with(&LARGE.replace("    given:", "    variables: { smallest: 5 }\n    given:"));
    project.replace(
        "transom.yaml",
        "smallest: { type: float64, default: 5 }",
        "smallest: { type: float64 }",
    );
    project.replace(
        "transom.yaml",
        "  strict: { variables: { smallest: 20 } }\n",
        "",
    );
    passes(&project.run(&["test"]));
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

#[test]
fn a_file_of_tests_that_is_no_such_file_ends_the_command() {
    let project = shop_with(
        "\
tests:
  one:
    clock: yesterday
    seed: -1
    given: { orders: { rows: [], file: a.csv }, customers: {} }
    expected: []
  two:
    expect:
      large: { error: no, count: 1 }
      by_day: { ordered: true }
",
    );
    assert_snapshot!(project.run(&["test"]).all());
}

#[test]
fn without_tests_there_is_nothing_to_pass() {
    let nothing = shop().run(&["test"]);
    let unmatched = shop_with(LARGE).run(&["test", "--filter", "big", "--filter", "huge"]);
    assert_snapshot!([nothing, unmatched].map(|ran| ran.all()).join("\n"));
}

#[test]
fn tests_are_chosen_by_file_and_by_name() {
    let project = shop_with(LARGE);
    project.write("tests/more/other.yml", LARGE.replace("small", "tiny"));
    let names = |ran: Ran| {
        passes(&ran);
        ran.stdout
    };
    let all = names(project.run(&["test"]));
    assert!(
        all.contains("small_orders") && all.contains("tiny_orders"),
        "{all}"
    );
    let one = names(project.run(&["test", "--filter", "tiny"]));
    assert!(
        !one.contains("small_orders") && one.contains("tiny_orders"),
        "{one}"
    );
    let one = names(project.run(&["test", "tests/shop.yaml"]));
    assert!(
        one.contains("small_orders") && !one.contains("tiny_orders"),
        "{one}"
    );
}

#[test]
fn a_quiet_test_tells_failures_alone() {
    let project = shop_with(LARGE);
    let ran = project.run(&["test", "--quiet"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
    project.replace("tests/shop.yaml", "count: 2", "count: 3");
    let ran = project.run(&["test", "--quiet"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("has 2 rows, expected 3 rows"),
        "{}",
        ran.all()
    );
}

#[test]
fn in_json_everything_is_told_in_one_value() {
    let project = shop_with(LARGE);
    let ran = project.run(&["test", "--json"]);
    passes(&ran);
    assert_eq!(
        (&ran.json()["passed"], &ran.json()["failed"]),
        (&1.into(), &0.into())
    );
    project.replace(
        "tests/shop.yaml",
        "orders: 1, amount: 40.00",
        "orders: 2, amount: 40.00",
    );
    let json = project.run(&["test", "--json"]).json();
    assert_eq!(json["error"]["exit_code"], 1);
    let failure = &json["tests"][0]["failures"][0];
    assert_eq!(
        (&failure["table"], &failure["kind"]),
        (&"by_day".into(), &"rows".into())
    );
    assert_eq!(failure["diff"]["rows"][0]["found"]["cells"][1], "1");
    assert_eq!(
        failure["diff"]["rows"][0]["differing"],
        serde_json::json!([1])
    );
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
fn the_clock_of_a_test_stands_still() {
    let project = shop_with(
        "\
tests:
  now_is_when_the_test_says:
    clock: 2024-02-29T23:30:00+01:00
    given: { orders: [{ id: 1, customer: 1, day: 2024-03-01, amount: 9 }] }
    expect:
      today:
        - { day: 2024-02-29, hour: 22, age: 1 }
",
    );
    project.replace(
        "transom.yaml",
        "steps:\n",
        "steps:\n  today: { sql: \"SELECT current_date() AS day, date_part('hour', now()) AS hour, \
         date_part('day', CAST(day AS timestamp) - date_trunc('day', CAST(now() AS timestamp))) AS age FROM large\" }\n",
    );
    passes(&project.run(&["test"]));
    project.replace("tests/shop.yaml", "2024-02-29T23:30:00+01:00", "2024-02-28");
    assert_eq!(project.run(&["test"]).code, 1);
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
        "steps:\n  third: { sql: SELECT 1.0e0 / 3 AS share FROM large }\n",
    );
    passes(&project.run(&["test"]));
    project.replace("tests/shop.yaml", "        tolerance: 0.001\n", "");
    assert_eq!(project.run(&["test"]).code, 1);
}

#[test]
fn a_test_is_written_from_real_data_and_passes() {
    let project = shop();
    let unlocked = project.run(&["test", "--create", "by_customer"]);
    project.run(&["lock"]);
    let created = project.run(&["test", "--create", "by_customer", "--rows", "2"]);
    let again = project.run(&["test", "--create", "by_customer"]);
    let written = std::fs::read_to_string(project.path().join("tests/by_customer.yaml")).unwrap();
    let told = [unlocked, created, again].map(|ran| ran.all()).join("\n");
    assert_snapshot!(format!(
        "{told}\n----- tests/by_customer.yaml -----\n{written}"
    ));
    passes(&project.run(&["test"]));
}

#[test]
fn an_update_expects_what_was_found_and_leaves_the_rest_as_it_is() {
    let tests = LARGE
        .replace("orders: 1, amount: 40.00", "orders: 3, amount: 40.00")
        .replace("count: 2", "# Two of three.\n        count: 5");
    let project = shop_with(&format!(
        "{tests}          - {{ day: 2024-03-03, orders: 1, amount: 1.00 }}\n  # The end.\n"
    ));
    let ran = project.run(&["test", "--update"]);
    let written = std::fs::read_to_string(project.path().join("tests/shop.yaml")).unwrap();
    assert_snapshot!(format!(
        "{}\n----- tests/shop.yaml -----\n{written}",
        ran.all()
    ));
    passes(&project.run(&["test"]));
}

#[test]
fn an_update_writes_files_that_were_expected() {
    let project = shop_with(
        "\
tests:
  files:
    given: { orders: { file: orders.csv } }
    expect:
      large: { file: large.jsonl }
      by_day: { file: by_day.csv, ordered: true }
",
    );
    let orders =
        "id,customer,day,amount\n1,1,2024-03-01,12.50\n2,1,2024-03-01,1\n3,1,2024-03-02,40\n";
    project.write("tests/orders.csv", orders);
    project.write("tests/large.jsonl", "{\"id\": 3}\n");
    project.write("tests/by_day.csv", "day,orders,amount\n2024-03-02,7,40\n");
    let ran = project.run(&["test", "--update"]);
    assert!(
        ran.code == 0 && ran.stderr.contains("2 values"),
        "{}",
        ran.all()
    );
    let written = std::fs::read_to_string(project.path().join("tests/by_day.csv")).unwrap();
    assert_eq!(
        written,
        "day,orders,amount\n2024-03-01,1,12.50\n2024-03-02,1,40.00\n"
    );
    passes(&project.run(&["test"]));
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
fn what_stands_within_a_line_is_not_updated() {
    let project = shop_with(
        "\
tests:
  flow:
    given: { orders: [{ id: 1, customer: 1, day: 2024-03-01, amount: 9 }] }
    expect: { large: { count: 7 } }
",
    );
    let before = std::fs::read_to_string(project.path().join("tests/shop.yaml")).unwrap();
    let ran = project.run(&["test", "--update"]);
    assert!(
        ran.stderr.contains("a key must begin its line"),
        "{}",
        ran.all()
    );
    let after = std::fs::read_to_string(project.path().join("tests/shop.yaml")).unwrap();
    assert_eq!(after, before);
}

#[test]
fn watching_runs_again_what_a_saved_file_touches() {
    let project = shop_with(LARGE);
    let other = LARGE
        .replace("small", "tiny")
        .replace("by_day", "by_customer");
    let customers = "    given:\n      customers: [{ id: 1, name: Ada, country: GB }]";
    let other = other.replace("    given:", customers);
    let rows = other.find("        rows:").unwrap();
    project.write(
        "tests/other.yaml",
        format!("{}        count: 1\n", &other[..rows]),
    );
    let watching = Watching::of(&project, &["test", "--watch"]);
    let first = watching.until_it_waits();
    assert!(first.contains("2 tests passed"), "{first}");
    // A file of tests touches its own, a query those whose steps it makes, the pipeline all.
    project.replace("tests/other.yaml", "count: 1", "count: 4");
    let told = watching.until_it_waits();
    assert!(
        told.contains("saved: tests/other.yaml") && told.contains("by_customer: has 1 row"),
        "{told}"
    );
    assert!(told.contains("1 failed, 0 passed"), "{told}");
    project.replace("tests/other.yaml", "count: 4", "count: 1");
    assert!(watching.until_it_waits().contains("1 test passed"));
    project.replace("sql/by_customer.sql", "ORDER BY", "-- sorted\nORDER BY");
    let told = watching.until_it_waits();
    assert!(
        told.contains("tiny_orders") && told.contains("1 test passed"),
        "{told}"
    );
    // A mistake does not end it.
    project.replace("transom.yaml", "from: by_day", "from: by_dya");
    let told = watching.until_it_waits();
    assert!(told.contains("by_dya"), "{told}");
    project.replace("transom.yaml", "from: by_dya", "from: by_day");
    let told = watching.until_it_waits();
    assert!(told.contains("2 tests passed"), "{told}");
}

#[test]
fn lists_structs_and_times_are_written_as_they_are_read() {
    let project = shop_with(
        "\
tests:
  nested:
    given:
      orders: [{ id: 1, customer: 1, day: 2024-03-01, amount: 9 }]
      customers:
        - { id: 1, tags: [a, null], place: { lat: 1.5, seen: [2] } }
        - { id: 2, tags: null, place: null }
        - { id: 3, tags: [], place: { seen: [] } }
    expect:
      everything:
        - { id: 3, tags: [], place: { lat: null, seen: [] } }
        - { id: 2, tags: null, place: null }
        - { id: 1, tags: [a, \"\"], place: { lat: 1.5, seen: [2] } }
      times:
        schema: { at: \"timestamp(ns)\", after: date }
        rows: [{ at: 2024-03-01 10:30:00, after: 2024-03-02 }]
",
    );
    project.replace(
        "transom.yaml",
        "steps:\n",
        "steps:\n  everything: { sql: SELECT * FROM customers }\n  times: { sql: \"SELECT TIMESTAMP '2024-03-01 10:30:00' \
         AS at, DATE '2024-03-02' AS after FROM large\" }\n",
    );
    assert_snapshot!(project.run(&["test"]).all());
}

#[test]
fn plugins_see_the_clock_and_the_seed_of_the_test() {
    let project = Project::empty();
    project.write(
        "chance/pyproject.toml",
        "[project]\nname = \"chance\"\nversion = \"0.1.0\"\n",
    );
    project.write(
        "chance/chance.py",
        "\
import random, time
import transom

@transom.function(volatility=\"volatile\")
def roll(sides: int) -> int:
    return random.randrange(10**9)

@transom.function(volatility=\"volatile\")
def seconds(sides: int) -> int:
    return int(time.time())
",
    );
    project.write(
        "transom.yaml",
        "\
name: games
plugins: { chance: { path: chance } }
sources: { games: { path: games.csv } }
steps:
  rolls:
    sql: >-
      SELECT chance.roll(sides) AS roll, chance.seconds(sides) AS plugin, CAST(to_unixtime(now()) AS bigint) AS query
      FROM games
",
    );
    let test = |name: &str, seed: u64| {
        format!(
            "  {name}:\n    clock: 2024-01-01\n    seed: {seed}\n    given: {{ games: [{{ sides: 6 }}] }}\n    \
             expect: {{ rolls: [{{ roll: -1, plugin: 1704067200, query: 1704067200 }}] }}\n"
        )
    };
    let tests = [test("one", 1), test("two", 2), test("one_again", 1)].concat();
    project.write("tests/chance.yaml", format!("tests:\n{tests}"));
    let json = project.run(&["test", "--json"]).json();
    let found = |test: usize| &json["tests"][test]["failures"][0]["diff"]["rows"][0];
    // Nothing but the roll is not as expected.
    assert_eq!(found(0)["differing"], serde_json::json!([0]), "{json:#}");
    let roll = |test: usize| &found(test)["found"]["cells"][0];
    assert_eq!(roll(0), roll(2));
    assert_ne!(roll(0), roll(1));
}
