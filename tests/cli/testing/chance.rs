//! Time and randomness in a test.

use super::{passes, shop_with};
use crate::program::Project;

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
      SELECT chance.roll(sides) AS roll, chance.seconds(sides) AS plugin, CAST(floor(date_part('epoch', now())) AS bigint) AS query,
        random() AS draw FROM games
",
    );
    let test = |name: &str, seed: u64| {
        format!(
            "  {name}:\n    clock: 2024-01-01\n    seed: {seed}\n    given: {{ games: [{{ sides: 6 }}] }}\n    \
             expect: {{ rolls: [{{ roll: -1, plugin: 1704067200, query: 1704067200, draw: -1 }}] }}\n"
        )
    };
    let tests = [test("one", 1), test("two", 2), test("one_again", 1)].concat();
    project.write("tests/chance.yaml", format!("tests:\n{tests}"));
    let json = project.run(&["test", "--json"]).json();
    let found = |test: usize| &json["tests"][test]["failures"][0]["diff"]["rows"][0];
    // Nothing but what is left to chance is not as expected.
    assert_eq!(found(0)["differing"], serde_json::json!([0, 3]), "{json:#}");
    for column in [0, 3] {
        let value = |test: usize| &found(test)["found"]["cells"][column];
        assert_eq!(value(0), value(2));
        assert_ne!(value(0), value(1));
    }
}

#[test]
fn queries_of_a_test_follow_its_clock_and_seed_whatever_ran_before() {
    let test = |name: &str, seed: u64| {
        format!(
            "  {name}:\n    clock: 2024-01-01\n    seed: {seed}\n    given:\n      orders:\n        sql: >-\n          SELECT 1 AS id, \
             1 AS customer, CAST(now() AS date) AS day, random() * 100 + 50 AS amount\n    expect: {{ large: {{ columns: [day, amount], rows: [] }} }}\n"
        )
    };
    let tests = [test("one", 1), test("two", 2), test("one_again", 1)].concat();
    let json = shop_with(&format!("tests:\n{tests}"))
        .run(&["test", "--json"])
        .json();
    let found = |test: usize| &json["tests"][test]["failures"];
    assert!(found(0).to_string().contains("2024-01-01"), "{json:#}");
    assert_eq!(found(0), found(2));
    assert_ne!(found(0), found(1));
}
