//! `transom test --create` and `--update`: tests that the program writes.

use super::{LARGE, passes, shop_with};
use crate::{assert_snapshot, shop};

#[test]
fn a_test_is_written_from_real_data_and_passes() {
    let project = shop();
    let unlocked = project.run(&["test", "--create", "by_customer"]);
    project.run(&["lock"]);
    let created = project.run(&["test", "--create", "by_customer", "--rows", "2"]);
    let again = project.run(&["test", "--create", "by_customer"]);
    let written = std::fs::read_to_string(project.path().join("tests/by_customer.yaml")).unwrap();
    let expected = [unlocked, created, again].map(|ran| ran.all()).join("\n");
    assert_snapshot!(format!(
        "{expected}\n----- tests/by_customer.yaml -----\n{written}"
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
        schema: { at: \"timestamp(us)\", after: date }
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
fn a_test_from_real_data_that_depends_on_the_day_has_a_clock_and_its_durations_are_read() {
    let project = shop();
    let steps = "steps:\n  ages:\n    sql: >-\n      SELECT id, CAST(now() AS timestamp) - CAST(day AS timestamp) AS age, now() AS seen FROM orders\n";
    project.replace("transom.yaml", "steps:\n", steps);
    project.run(&["lock", "--quiet"]);
    let ran = project.run(&["test", "--create", "ages", "--rows", "2"]);
    passes(&ran);
    let written = std::fs::read_to_string(project.path().join("tests/ages.yaml")).unwrap();
    assert!(written.contains("\n    clock: 20"), "{written}");
    assert!(written.contains("age: PT"), "{written}");
    passes(&project.run(&["test"]));
}
