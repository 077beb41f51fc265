//! Plugin functions in SQL.

use std::collections::BTreeSet;

use transom_plugin::LogicalTime;
use transom_query::{OnError, Params, SessionOptions};

use crate::support::{add, answer, letters, plan, rows_of, run, session, session_with, whole};

async fn refused(sql: &str) -> String {
    let session = session();
    let error = match plan(&session, sql).await {
        Err(error) => error,
        Ok(plan) => session.optimize(plan).await.unwrap_err(),
    };
    whole(&error)
}

#[tokio::test]
async fn a_function_is_called_with_columns_literals_and_null() {
    let session = session();
    let rows = answer(
        &session,
        "SELECT echo.gcd(n * 6, 4), echo.gcd(n, NULL), echo.shout(s), echo.shout(NULL) FROM t ORDER BY s",
    )
    .await
    .unwrap();
    assert_eq!(
        rows,
        ["4||S0|NULL", "2||S1|NULL", "4||S2|NULL", "||S3|NULL"]
    );
}

#[tokio::test]
async fn a_call_with_constants_is_computed_while_planning() {
    let session = session();
    let plan = plan(
        &session,
        "SELECT echo.gcd(12, 18) AS g, echo.nothing() AS f FROM t",
    )
    .await
    .unwrap();
    let text = crate::support::operators(&session.optimize(plan.clone()).await.unwrap());
    assert!(
        text.contains("6 as g") && text.contains("42 as f"),
        "{text}"
    );
    assert_eq!(rows_of(&run(&session, plan).await.unwrap().0), ["6|42"; 4]);
}

#[tokio::test]
async fn a_volatile_function_is_asked_for_every_row() {
    let rows = answer(&session(), "SELECT count(DISTINCT echo.roll_call()) FROM t")
        .await
        .unwrap();
    assert_eq!(rows, ["4"]);
}

#[tokio::test]
async fn arguments_are_cast_where_no_value_is_lost() {
    let rows = answer(
        &session(),
        "SELECT echo.gcd(CAST(4 AS SMALLINT), n), echo.doubled(CAST(1.25 AS DECIMAL(9, 2))), echo.next_day(DATE '2024-02-28') \
         FROM t WHERE n = 2",
    )
    .await
    .unwrap();
    assert_eq!(rows, ["2|2.50|2024-02-29"]);
}

#[tokio::test]
async fn an_argument_of_another_type_is_refused_while_planning() {
    let text = refused("SELECT echo.gcd(s, 1) FROM t").await;
    assert!(
        text.contains(
            "`echo.gcd(a Int64, b Int64)`: argument 1 (`a`) is Int64 and the SQL gives Utf8"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_wrong_number_of_arguments_is_refused_while_planning() {
    let text = refused("SELECT echo.gcd(n) FROM t").await;
    assert!(
        text.contains("`echo.gcd(a Int64, b Int64)` takes 2 arguments, not 1"),
        "{text}"
    );
    let text = refused("SELECT echo.nothing(n) FROM t").await;
    assert!(
        text.contains("`echo.nothing()` takes 0 arguments, not 1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_function_that_the_plugin_does_not_have_is_named() {
    let text = refused("SELECT echo.no_such(n) FROM t").await;
    assert!(text.contains("echo.no_such"), "{text}");
}

#[tokio::test]
async fn a_row_that_fails_ends_the_run_or_becomes_null() {
    let session = session();
    let sql = "SELECT s, echo.parse(replace(s, 's', CASE WHEN n = 1 THEN 'x' ELSE '' END)) FROM t ORDER BY s";
    let error = answer(&session, sql).await.unwrap_err();
    let text = whole(&error);
    assert!(
        text.contains("`echo.parse` failed on 1 of 4 rows, first: `x1` is not a number"),
        "{text}"
    );
    // A run that failed has ended with its session.
    let session = self::session();
    let plan = session
        .plan_sql(sql, &Params::new(), |name| match name {
            "echo.parse" => OnError::Null,
            _ => OnError::Fail,
        })
        .await
        .unwrap();
    assert_eq!(
        rows_of(&run(&session, plan).await.unwrap().0),
        ["s0|0", "s1|", "s2|2", "s3|3"]
    );
    let failures = &session.failures()["echo.parse"];
    assert_eq!(failures.count, 1);
    assert!(
        failures.reason.starts_with("`x1` is not a number"),
        "{failures:?}"
    );
}

#[tokio::test]
async fn functions_work_in_filters_and_within_and_around_aggregates() {
    let session = session();
    let rows = answer(
        &session,
        "SELECT echo.shout(k), sum(echo.gcd(n, 2)), echo.gcd(count(*), 4) FROM t \
         WHERE echo.gcd(n, 2) > 0 GROUP BY k HAVING echo.shout(k) <> 'C' ORDER BY k",
    )
    .await
    .unwrap();
    assert_eq!(rows, ["A|4|2", "B|1|1"]);
}

#[tokio::test]
async fn a_function_serves_partitions_that_run_at_the_same_time() {
    let session = session();
    let partition =
        |from: i64| (0..20).map(move |part| letters(from + part * 100..from + part * 100 + 100));
    add(
        &session,
        "big",
        vec![partition(10).collect(), partition(5000).collect()],
    );
    let plan = plan(&session, "SELECT echo.add(n, 1) - n AS one FROM big")
        .await
        .unwrap();
    let physical = session.optimize(plan.clone()).await.unwrap();
    assert_eq!(physical.properties().partitioning.partition_count(), 2);
    let (batches, _) = run(&session, plan).await.unwrap();
    let rows = rows_of(&batches);
    assert_eq!(rows.len(), 4000);
    assert!(rows.iter().all(|row| row == "1"));
    let timing = session.function_timing();
    assert!(timing.calls >= 40, "{timing:?}");
    assert!(timing.guest > std::time::Duration::ZERO);
}

#[tokio::test]
async fn random_numbers_and_uuids_follow_the_seed_when_asked() {
    let of = async |seeded, seed| {
        let time = LogicalTime {
            seed,
            ..LogicalTime::default()
        };
        let session = session_with(SessionOptions {
            partitions: 1,
            time,
            seeded,
            ..SessionOptions::default()
        });
        let sql = "SELECT random(), rand(), uuid() FROM t";
        answer(&session, sql).await.unwrap()
    };
    let numbers = of(true, 7).await;
    assert_eq!(numbers, of(true, 7).await);
    assert_ne!(numbers, of(true, 8).await);
    assert_ne!(of(false, 7).await, of(false, 7).await);
    let values: BTreeSet<&str> = numbers.iter().flat_map(|row| row.split('|')).collect();
    assert_eq!(values.len(), 12, "{numbers:?}");
    for row in &numbers {
        let values: Vec<&str> = row.split('|').collect();
        assert!((0.0..1.0).contains(&values[0].parse::<f64>().unwrap()));
        assert_eq!(&values[2][14..15], "4", "a random UUID: {row}");
    }
}
