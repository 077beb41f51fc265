//! Lists, structs and maps: one order, in which NULL within a value is larger than everything else.

use super::{check_expressions, check_queries, context, table};

#[tokio::test]
async fn null_within_a_value_is_the_largest() {
    let lists = "SELECT l, i FROM (VALUES (ARRAY[1, 2], 1), (ARRAY[1, NULL], 2), (NULL, 3), (ARRAY[1, 3], 4), (ARRAY[1], 5)) AS t(l, i)";
    let structs = "SELECT s, i FROM (VALUES (named_struct('a', 1, 'b', 2), 1), (named_struct('a', 1, 'b', NULL), 2), (NULL, 3), \
                   (named_struct('a', NULL, 'b', 1), 4), (named_struct('a', 1, 'b', 3), 5)) AS t(s, i)";
    let context = context(2);
    table(&context, "lists", lists).await;
    table(&context, "structs", structs).await;
    check_queries(
        &context,
        &[
            ("SELECT i FROM lists ORDER BY l", "5;1;4;2;3"),
            ("SELECT i FROM lists ORDER BY l DESC", "3;2;4;1;5"),
            ("SELECT i FROM lists ORDER BY l NULLS FIRST", "3;5;1;4;2"),
            ("SELECT i FROM lists ORDER BY l DESC NULLS LAST", "2;4;1;5;3"),
            ("SELECT i FROM lists ORDER BY l DESC LIMIT 2", "3;2"),
            ("SELECT i FROM lists ORDER BY l DESC NULLS LAST LIMIT 1", "2"),
            ("SELECT i FROM structs ORDER BY s", "1;5;2;4;3"),
            ("SELECT i FROM structs ORDER BY s DESC NULLS LAST LIMIT 2", "4;2"),
            ("SELECT i FROM structs ORDER BY s NULLS FIRST", "3;1;5;2;4"),
            ("SELECT i FROM lists WHERE l >= ARRAY[1, 3] ORDER BY i", "2;4"),
            ("SELECT i FROM lists WHERE l < ARRAY[1, 3] ORDER BY i", "1;5"),
            ("SELECT i FROM lists WHERE l BETWEEN ARRAY[1, 2] AND ARRAY[1, 3] ORDER BY i", "1;4"),
            ("SELECT i FROM lists WHERE NOT l < ARRAY[1, 3] ORDER BY i", "2;4"),
            ("SELECT i FROM structs WHERE s > named_struct('a', 1, 'b', 2) ORDER BY i", "2;4;5"),
            ("SELECT count(*) FROM lists a JOIN lists b ON a.l > b.l", "6"),
            // Equality is as it was.
            ("SELECT i FROM lists WHERE l = ARRAY[1, NULL]", "2"),
            ("SELECT i FROM lists WHERE l <> ARRAY[1, NULL] ORDER BY i", "1;4;5"),
            ("SELECT count(*) FROM lists WHERE l IS DISTINCT FROM ARRAY[1, NULL]", "4"),
            ("SELECT count(*) FROM lists a JOIN lists b ON a.l = b.l", "4"),
            ("SELECT count(*) FROM (SELECT l FROM lists GROUP BY l)", "5"),
            ("SELECT max(l), min(l) FROM lists", "[1, ]|[1]"),
            ("SELECT max(s), min(s) FROM structs", "{a: , b: 1}|{a: 1, b: 2}"),
            ("SELECT i % 2 AS k, max(l), min(l) FROM lists GROUP BY k ORDER BY k", "0|[1, ]|[1, 3];1|[1, 2]|[1]"),
            ("SELECT i = 3 AS k, max(s), min(s) FROM structs GROUP BY k ORDER BY k", "false|{a: , b: 1}|{a: 1, b: 2};true|NULL|NULL"),
            ("SELECT max(l) FILTER (WHERE i < 2) FROM lists", "[1, 2]"),
            ("SELECT max(l) FROM lists WHERE i > 9", "NULL"),
            ("SELECT i, max(l) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS m FROM lists ORDER BY i", "1|[1, 2];2|[1, ];3|[1, ];4|[1, 3];5|[1, 3]"),
            ("SELECT i, rank() OVER (ORDER BY s DESC) AS r FROM structs ORDER BY i", "1|5;2|3;3|1;4|2;5|4"),
            ("SELECT i, count(*) OVER (ORDER BY l) AS n FROM lists ORDER BY i", "1|2;2|4;3|5;4|3;5|1"),
            ("SELECT array_agg(i ORDER BY l DESC NULLS LAST) FROM lists", "[2, 4, 1, 5, 3]"),
            ("SELECT array_agg(DISTINCT l ORDER BY l NULLS FIRST) FROM lists", "[, [1], [1, 2], [1, 3], [1, ]]"),
            ("SELECT first_value(i ORDER BY l DESC NULLS LAST) FROM lists", "2"),
            ("SELECT DISTINCT ON (l) i FROM lists ORDER BY l NULLS FIRST, i", "3;5;1;4;2"),
            ("SELECT greatest(a.l, b.l), least(a.l, b.l) FROM lists a JOIN lists b ON a.i = 1 AND b.i = 2", "[1, ]|[1, 2]"),
            ("SELECT greatest(l, ARRAY[1, 2]) FROM lists WHERE i IN (3, 5) ORDER BY i", "[1, 2];[1, 2]"),
            ("SELECT greatest(s, s), least(s, s) FROM structs WHERE i = 4", "{a: , b: 1}|{a: , b: 1}"),
        ],
    )
    .await;
}

#[tokio::test]
async fn nested_values_within_others_have_an_order() {
    let context = context(2);
    let rows = "SELECT named_struct('l', ARRAY[named_struct('x', x)]) AS u, ARRAY[ARRAY[x]] AS l, map(ARRAY['a'], ARRAY[x]) AS m, x FROM (VALUES (2), (1), (NULL), (3)) AS t(x)";
    table(&context, "deep", rows).await;
    check_queries(
        &context,
        &[
            ("SELECT max(u), min(u) FROM deep", "{l: [{x: }]}|{l: [{x: 1}]}"),
            ("SELECT x > 1 AS k, max(l), min(l) FROM deep GROUP BY k ORDER BY k", "false|[[1]]|[[1]];true|[[3]]|[[2]];NULL|[[]]|[[]]"),
            ("SELECT max(m), min(m) FROM deep", "{a: }|{a: 1}"),
            ("SELECT x FROM deep ORDER BY u DESC LIMIT 2", "NULL;3"),
            ("SELECT x FROM deep WHERE l > ARRAY[ARRAY[1]] ORDER BY x", "2;3;NULL"),
            (
                "SELECT max(f) FROM (VALUES (named_struct('f', CAST('NaN' AS DOUBLE))), (named_struct('f', CAST('1' AS DOUBLE)))) AS t(f)",
                "{f: NaN}",
            ),
            (
                "SELECT i FROM (VALUES (ARRAY[CAST('-0.0' AS DOUBLE), 2], 1), (ARRAY[CAST('0.0' AS DOUBLE), 1], 2)) AS t(l, i) ORDER BY l",
                "2;1",
            ),
            (
                "SELECT max(x) FROM (VALUES (named_struct('i', INTERVAL '1 month'))) AS t(x)",
                "error: 1 month and 30 days",
            ),
            (
                "SELECT x > ALL (SELECT ARRAY[1]) FROM (VALUES (ARRAY[2])) AS t(x)",
                "error: of a subquery",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn lists_are_sorted_and_searched() {
    check_expressions(&[
        ("array_sort(ARRAY[3, NULL, 1])", "[1, 3, ]"),
        ("array_sort(ARRAY[3, NULL, 1], 'DESC')", "[, 3, 1]"),
        (
            "array_sort(ARRAY[3, NULL, 1], 'ASC', 'NULLS FIRST')",
            "[, 1, 3]",
        ),
        (
            "array_sort(ARRAY['b', NULL, 'a'], 'desc', 'nulls last')",
            "[b, a, ]",
        ),
        (
            "array_sort(ARRAY[ARRAY[1, NULL], NULL, ARRAY[1, 2]])",
            "[[1, 2], [1, ], ]",
        ),
        (
            "array_sort(ARRAY[ARRAY[1, NULL], NULL, ARRAY[1, 2]], 'DESC', 'NULLS LAST')",
            "[[1, ], [1, 2], ]",
        ),
        ("array_sort(ARRAY[1], 'sideways')", "error: DESC or ASC"),
        (
            "array_max(ARRAY[named_struct('a', 1), named_struct('a', NULL), NULL])",
            "{a: }",
        ),
        (
            "array_min(ARRAY[ARRAY[1, NULL], NULL, ARRAY[1, 2]])",
            "[1, 2]",
        ),
        ("array_has_any(ARRAY[1, NULL], ARRAY[NULL, 2])", "false"),
        ("array_has_any(ARRAY[1, NULL], ARRAY[NULL, 1])", "true"),
        ("array_has_all(ARRAY[1, NULL], ARRAY[1])", "true"),
        ("array_has_all(ARRAY[1, NULL], ARRAY[1, NULL])", "false"),
        ("ARRAY[1, NULL] @> ARRAY[CAST(NULL AS BIGINT)]", "false"),
        ("ARRAY[2, 1] @> ARRAY[1]", "true"),
        ("ARRAY[1] <@ ARRAY[2, 1]", "true"),
        (
            "array_has_any(ARRAY[CAST('-0.0' AS DOUBLE)], ARRAY[CAST('0.0' AS DOUBLE)])",
            "true",
        ),
        ("array_has_all(range(0, 40), ARRAY[39, 0])", "true"),
        ("array_has_any(range(0, 40), ARRAY[40])", "false"),
        ("array_resize(ARRAY[1, 2], 3, 0)", "[1, 2, 0]"),
        (
            "array_resize(ARRAY[1, 2], -1, 0)",
            "error: `array_resize` makes no list of -1 items",
        ),
    ])
    .await;
    let context = context(2);
    let rows = "SELECT * FROM (VALUES (ARRAY[3, 1, 2], 'ASC', ARRAY[1]), (ARRAY[3, 1, 2], 'DESC', ARRAY[4]), (NULL, 'ASC', ARRAY[1]), (ARRAY[1], 'ASC', NULL)) AS t(l, o, m)";
    table(&context, "t", rows).await;
    check_queries(
        &context,
        &[
            (
                "SELECT array_sort(l, o) FROM t",
                "error: the same for all rows",
            ),
            (
                "SELECT l @> m, array_has_any(l, m) FROM t ORDER BY l NULLS LAST, m",
                "NULL|NULL;true|true;false|false;NULL|NULL",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn windows_are_ordered_by_values_without_a_range() {
    let context = context(2);
    let rows = "SELECT CAST(b AS BYTEA) AS b, CAST(c AS TIME) AS c, i FROM (VALUES ('b', '11:00:00', 1), ('a', '10:00:00', 2), ('b', '11:00:00', 3)) AS t(b, c, i)";
    table(&context, "t", rows).await;
    check_queries(
        &context,
        &[
            ("SELECT i, rank() OVER (ORDER BY b) AS r, sum(i) OVER (ORDER BY b) AS s FROM t ORDER BY i", "1|2|6;2|1|2;3|2|6"),
            ("SELECT i, sum(i) OVER (ORDER BY c DESC) AS s FROM t ORDER BY i", "1|4;2|6;3|4"),
            ("SELECT i, sum(i) OVER (ORDER BY c RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS s FROM t ORDER BY i", "1|4;2|6;3|4"),
        ],
    )
    .await;
}

#[tokio::test]
async fn distinct_rows_count_once_beside_other_aggregates() {
    let context = context(2);
    let rows = "SELECT * FROM (VALUES (1, 2, 'a'), (2, 2, 'a'), (2, 3, 'b'), (2, 3, 'b'), (2, 3, 'b'), (7, 1, 'b')) AS t(x, y, k)";
    table(&context, "t", rows).await;
    check_queries(
        &context,
        &[
            ("SELECT round(stddev(DISTINCT x), 4), avg(DISTINCT y) FROM t", "3.2146|2.0"),
            ("SELECT round(stddev_pop(DISTINCT x), 4), count(DISTINCT y), count(*) FROM t", "2.6247|3|6"),
            ("SELECT k, round(stddev_pop(DISTINCT x), 4), count(DISTINCT y) FROM t GROUP BY k ORDER BY k", "a|0.5|1;b|2.5|2"),
            ("SELECT round(corr(DISTINCT x, y), 4) FROM t", "-0.7538"),
            ("SELECT regr_count(DISTINCT x, y), regr_count(x, y) FROM t", "4|6"),
            ("SELECT corr(DISTINCT x, x) FROM t", "1.0"),
            ("SELECT count(DISTINCT x, y) FROM t", "4"),
            ("SELECT k, count(DISTINCT x, y), count(DISTINCT x) FROM t GROUP BY k ORDER BY k", "a|2|2;b|2|2"),
            ("SELECT approx_median(DISTINCT x), count(DISTINCT y) FROM t", "2.0|3"),
            ("SELECT x, regr_count(DISTINCT x, y) OVER (ORDER BY x) AS n FROM t WHERE k = 'a' ORDER BY x", "1|1;2|2"),
            ("SELECT round(stddev_pop(DISTINCT x), 4) FROM t", "2.6247"),
        ],
    )
    .await;
}
