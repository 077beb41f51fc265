//! Plugin functions in SQL.

use std::collections::BTreeSet;

use datafusion::error::DataFusionError;
use transom_file::ErrorPolicy;
use transom_plugin::LogicalTime;
use transom_query::{Params, SessionOptions, WrongArgument, WrongArguments};

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
async fn a_value_that_an_argument_cannot_hold_fails_its_row() {
    let sql = "SELECT n, echo.doubled(CAST(n AS DECIMAL(18, 4)) + CAST(0.0050 AS DECIMAL(18, 4)) * CAST(n = 1 AS INT)) \
               FROM t ORDER BY s";
    let text = whole(&answer(&session(), sql).await.unwrap_err());
    assert!(
        text.contains("`echo.doubled` failed on 1 of 4 rows, first at row ")
            && text.contains("cannot hold 1.0050"),
        "{text}"
    );
    let session = session();
    let no_params = Params::new();
    let plan = session
        .plan_sql(sql, &no_params, |_| ErrorPolicy::Null)
        .await;
    let rows = rows_of(&run(&session, plan.unwrap()).await.unwrap().0);
    assert_eq!(rows, ["0|0.00", "1|", "2|4.00", "|"]);
    assert_eq!(session.failures()["echo.doubled"].count, 1);
}

#[tokio::test]
async fn a_constant_is_taken_by_its_value() {
    let rows = answer(&session(), "SELECT echo.gcd(4.0, 6)").await.unwrap();
    assert_eq!(rows, ["2"]);
    let text = refused("SELECT echo.gcd(4.5, 2)").await;
    assert!(text.contains("`a` of `echo.gcd` must be int64"), "{text}");
}

/// The mistakes that a query is refused for.
async fn wrong_arguments(sql: &str) -> Vec<WrongArgument> {
    let error = plan(&session(), sql).await.unwrap_err();
    let DataFusionError::External(error) = error else {
        panic!("{error}");
    };
    let WrongArguments(wrong) = *error.downcast().unwrap();
    wrong
}

#[tokio::test]
async fn all_arguments_of_another_type_are_refused_at_once_with_their_place() {
    let sql = "SELECT echo.gcd(s, 1),\n  echo.gcd(n, t.k) FROM t";
    let wrong = wrong_arguments(sql).await;
    let shown: Vec<_> = wrong
        .iter()
        .map(|wrong| {
            (
                wrong.to_string(),
                wrong.cast.clone().unwrap(),
                wrong.place.unwrap(),
            )
        })
        .collect();
    let message = |argument: &str| {
        format!("`{argument}` of `echo.gcd` must be int64, but the query passes utf8")
    };
    assert_eq!(
        shown,
        [
            (message("a"), "CAST(s AS BIGINT)".to_owned(), (1, 17, 1)),
            (message("b"), "CAST(t.k AS BIGINT)".to_owned(), (2, 15, 3)),
        ]
    );
}

#[tokio::test]
async fn functions_are_found_by_their_quoted_names_too() {
    let rows = answer(&session(), "SELECT \"echo\".\"gcd\"(4, 6), ECHO.GCD(8, 6)")
        .await
        .unwrap();
    assert_eq!(rows, ["2|2"]);
    let text = refused("SELECT echo.trim(s), echo.\"Gcd\"(1, 2) FROM t").await;
    assert!(text.contains("echo.trim"), "{text}");
}

#[tokio::test]
async fn functions_of_a_plugin_that_is_only_described_can_be_planned() {
    let mut session = session();
    session.add_description("other", crate::support::plugin().description().clone());
    let sql = "SELECT other.gcd(n, 2) AS g, other.shout(s) AS t FROM t";
    let planned = plan(&session, sql).await.unwrap();
    let types: Vec<String> = planned
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().to_string())
        .collect();
    assert_eq!(types, ["Int64", "Utf8"]);
    let error = plan(&session, "SELECT other.gcd(s, 2) FROM t")
        .await
        .unwrap_err();
    assert!(whole(&error).contains("`a` of `other.gcd` must be int64"));
}

#[tokio::test]
async fn a_wrong_number_of_arguments_is_refused_while_planning() {
    let text = refused("SELECT echo.gcd(n) FROM t").await;
    assert!(
        text.contains("`echo.gcd(a int64, b int64)` takes 2 arguments, not 1"),
        "{text}"
    );
    let text = refused("SELECT echo.nothing(n) FROM t").await;
    assert!(
        text.contains("`echo.nothing()` takes 0 arguments, not 1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_wrong_number_of_arguments_is_told_with_the_other_mistakes_of_a_query() {
    let sql = "SELECT echo.gcd(s, 1),\n  echo.gcd(n, 1, 2), echo.gcd(n) FROM t";
    let wrong = wrong_arguments(sql).await;
    let shown: Vec<_> = wrong
        .iter()
        .map(|wrong| (wrong.to_string(), wrong.place.unwrap()))
        .collect();
    let count =
        |given: usize| format!("`echo.gcd(a int64, b int64)` takes 2 arguments, not {given}");
    assert_eq!(
        shown,
        [
            (
                "`a` of `echo.gcd` must be int64, but the query passes utf8".to_owned(),
                (1, 17, 1)
            ),
            (count(3), (2, 3, 8)),
            (count(1), (2, 22, 8)),
        ]
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
        text.contains(
            "`echo.parse` failed on 1 of 4 rows, first at row 2 of the batch: `x1` is not a number"
        ),
        "{text}"
    );
    // A run that failed has ended with its session.
    let session = self::session();
    let plan = session
        .plan_sql(sql, &Params::new(), |name| match name {
            "echo.parse" => ErrorPolicy::Null,
            _ => ErrorPolicy::Fail,
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
async fn conditions_and_cases_guard_a_function() {
    // It fails for the row in which n is 1.
    let number = "echo.parse(replace(s, 's', CASE WHEN n = 1 THEN 'x' ELSE '' END))";
    for (sql, rows) in [
        (
            "SELECT s FROM t WHERE n <> 1 AND {f} >= 0 ORDER BY s",
            "s0 s2",
        ),
        (
            "SELECT s FROM t WHERE {f} >= 0 AND n <> 1 ORDER BY s",
            "s0 s2",
        ),
        (
            "SELECT s FROM t WHERE n = 1 OR {f} > 1 ORDER BY s",
            "s1 s2 s3",
        ),
        (
            "SELECT s, CASE WHEN n <> 1 THEN {f} END, CASE WHEN n <> 1 THEN {f} + 1 END FROM t ORDER BY s",
            "s0|0|1 s1|| s2|2|3 s3||",
        ),
        ("SELECT sum({f}) FILTER (WHERE n <> 1) FROM t", "2"),
        (
            "SELECT t.s FROM t JOIN (SELECT s AS other FROM t) AS u ON t.s = u.other AND n <> 1 AND {f} > 0",
            "s2",
        ),
    ] {
        let sql = sql.replace("{f}", number);
        let found = answer(&session(), &sql).await;
        let found = found.unwrap_or_else(|error| panic!("{sql}: {}", whole(&error)));
        assert_eq!(found.join(" "), rows, "{sql}");
    }
}

#[tokio::test]
async fn an_error_names_the_step_whose_query_calls_the_function() {
    let session = session();
    let no_params = Params::new();
    let sql = "SELECT echo.parse(s) FROM t";
    let plan = session
        .plan_step("parsed", sql, &no_params, |_| ErrorPolicy::Fail)
        .await;
    let text = whole(&run(&session, plan.unwrap()).await.unwrap_err());
    assert!(
        text.contains("`echo.parse` in step `parsed` failed on"),
        "{text}"
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
