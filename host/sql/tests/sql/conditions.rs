//! Conditions that guard others, also what several operands have in common.

use super::{check_queries, context};

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
