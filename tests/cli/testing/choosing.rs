//! Which tests run with which variables, and what is expected of them; `--watch`.

use super::{LARGE, passes, shop_with};
use crate::program::Ran;
use crate::watching::Watching;
use crate::{assert_snapshot, shop};

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
    let expected = watching.until_it_waits();
    assert!(
        expected.contains("saved: tests/other.yaml") && expected.contains("by_customer: has 1 row"),
        "{expected}"
    );
    assert!(expected.contains("1 failed, 0 passed"), "{expected}");
    project.replace("tests/other.yaml", "count: 4", "count: 1");
    assert!(watching.until_it_waits().contains("1 test passed"));
    project.replace("sql/by_customer.sql", "ORDER BY", "-- sorted\nORDER BY");
    let expected = watching.until_it_waits();
    assert!(
        expected.contains("tiny_orders") && expected.contains("1 test passed"),
        "{expected}"
    );
    // A mistake does not end it.
    project.replace("transom.yaml", "from: by_day", "from: by_dya");
    let expected = watching.until_it_waits();
    assert!(expected.contains("by_dya"), "{expected}");
    project.replace("transom.yaml", "from: by_dya", "from: by_day");
    let expected = watching.until_it_waits();
    assert!(expected.contains("2 tests passed"), "{expected}");
}
