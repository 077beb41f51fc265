//! Conditions that guard others, also what several operands have in common, and lists of `IN`.

use super::{check_queries, context, table};

#[tokio::test]
async fn what_can_fail_is_evaluated_for_rows_that_the_rest_leaves() {
    let t = "(VALUES (1, 0), (6, 2), (20, 2)) AS t(x, y)";
    let cases = [
        (
            "SELECT x FROM {t} WHERE x / y > 1 AND x / y < 5 AND y <> 0",
            "6",
        ),
        (
            "SELECT x FROM (SELECT * FROM {t} WHERE y <> 0) AS s WHERE x / y > 1 AND x / y < 5",
            "6",
        ),
        (
            "SELECT count(DISTINCT x / y) FILTER (WHERE y <> 0) AS n, max(x / y) FILTER (WHERE y > 0) AS m FROM {t}",
            "2|10",
        ),
        (
            "SELECT array_agg(x / y ORDER BY x / y) FILTER (WHERE y <> 0) AS a, sum(x / y) FILTER (WHERE y <> 0) AS s FROM {t}",
            "[3, 10]|13",
        ),
        (
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x / y) FILTER (WHERE y <> 0) AS p FROM {t}",
            "6.5",
        ),
        (
            "SELECT x, CAST(x AS VARCHAR) AS y, count(*) AS n FROM {t} GROUP BY x, CAST(x AS VARCHAR) ORDER BY x",
            "1|1|1;6|6|1;20|20|1",
        ),
        (
            "SELECT x, count(*) OVER (PARTITION BY y <> 0 AND CAST(x AS VARCHAR) = '6') AS n FROM {t} ORDER BY x",
            "1|2;6|1;20|2",
        ),
    ];
    let cases = cases.map(|(sql, rows)| (sql.replace("{t}", t), rows));
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(sql, rows)| (sql.as_str(), *rows))
        .collect();
    check_queries(&context(2), &cases).await;
}

#[tokio::test]
async fn lists_have_items_for_each_row_and_stay_apart() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT id, a, b FROM (VALUES (1, 5, false), (2, 2, false), (3, 2, true), (4, NULL, true), (5, 9, NULL)) AS v(id, a, b)",
    )
    .await;
    check_queries(
        &context,
        &[
            (
                "SELECT a IN (6, 7, 8, CASE WHEN b THEN 2 ELSE a END) AS v FROM t ORDER BY id",
                "true;true;true;NULL;true",
            ),
            (
                "SELECT id FROM t WHERE a NOT IN (6, 7, 8, CASE WHEN b THEN 3 ELSE 5 END) ORDER BY id",
                "2;3;5",
            ),
            (
                "SELECT max(id) FILTER (WHERE a IN (6, 7, 8, CASE WHEN b THEN 2 WHEN NOT b THEN 5 END)) AS v FROM t",
                "3",
            ),
            (
                "SELECT a IN (1, 2, 3, 4) AND a IN (5, 6, 7, 8) AS v FROM t ORDER BY id",
                "false;false;false;NULL;false",
            ),
            (
                "SELECT id FROM t WHERE a NOT IN (1, 2, 3, 4) OR a NOT IN (5, 6, 7, 8) ORDER BY id",
                "1;2;3;5",
            ),
            (
                "SELECT id FROM t WHERE a IN (1, 2, 3, 4) AND a NOT IN (1, 6, 7, NULL)",
                "",
            ),
            (
                "SELECT id FROM t WHERE a IN (9, id, 30, 40) AND a IN (9, 4 - id, 50, 60) ORDER BY id",
                "2;5",
            ),
            (
                "SELECT id FROM t WHERE NOT ((a = 1 OR a = 2) AND (a = 3 OR a = 4)) ORDER BY id",
                "1;2;3;5",
            ),
        ],
    )
    .await;
}
