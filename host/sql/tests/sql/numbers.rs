//! Whole numbers, decimals, floats: arithmetic, casts, totals.

use super::{check_expressions, check_queries, context, table};

#[tokio::test]
async fn whole_numbers_overflow_with_an_error() {
    check_expressions(&[
        (
            "9223372036854775807 + 1",
            "error: integer overflow: 9223372036854775807 + 1 does not fit int64",
        ),
        (
            "CAST(70000 AS INT) * CAST(40000 AS INT)",
            "error: integer overflow: 70000 * 40000 does not fit int32",
        ),
        (
            "CAST(200 AS TINYINT UNSIGNED) + CAST(100 AS TINYINT UNSIGNED)",
            "error: does not fit uint8",
        ),
        (
            "CAST(1 AS BIGINT UNSIGNED) - CAST(5 AS BIGINT UNSIGNED)",
            "error: 1 - 5 does not fit uint64",
        ),
        ("CAST(1 AS BIGINT UNSIGNED) - 5", "-4"),
        ("CAST(7 AS BIGINT UNSIGNED) / 2", "3"),
        (
            "-(-9223372036854775807 - 1)",
            "error: integer overflow: -(-9223372036854775808) does not fit int64",
        ),
        ("(-9223372036854775807 - 1) / -1", "error: integer overflow"),
        ("(-9223372036854775807 - 1) % -1", "0"),
        ("abs(-9223372036854775807 - 1)", "error: "),
        ("1 / 0", "error: division by zero: 1 / 0"),
        ("1 % 0", "error: division by zero: 1 % 0"),
        ("CASE WHEN false THEN 1 / 0 ELSE 7 END", "7"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("-7 % 2", "-1"),
        ("NULL + 1", "NULL"),
        ("1 + 2 * 3", "7"),
        (
            "2 ^ 3",
            "error: `2 ^ 3` is 8 in some dialects and 1 in others (hint: write power(2, 3)",
        ),
    ])
    .await;
}

#[tokio::test]
async fn columns_overflow_with_an_error() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT CAST(a AS INT) AS a, b, CAST(b AS BIGINT UNSIGNED) AS u FROM (VALUES (70000, 1), (NULL, 9223372036854775807), (2, NULL)) AS v(a, b)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT a * 40000 AS x FROM t ORDER BY x", "80000;2800000000;NULL"),
            ("SELECT a * CAST(40000 AS INT) AS x FROM t", "error: integer overflow: 70000 * 40000 does not fit int32 (hint: CAST(a AS BIGINT) * 40000)"),
            ("SELECT b + 1 AS x FROM t", "error: 9223372036854775807 + 1 does not fit int64 (hint: CAST(b AS DECIMAL(38, 0)) + 1)"),
            ("SELECT -b AS x FROM t ORDER BY x", "-9223372036854775807;-1;NULL"),
            ("SELECT a FROM t WHERE a + 1 > 5", "70000"),
            ("SELECT a + 1, count(*) FROM t GROUP BY a + 1 ORDER BY a + 1", "3|1;70001|1;NULL|1"),
            ("SELECT t.a FROM t JOIN t AS s ON t.a + 1 = s.a + 1 ORDER BY t.a", "2;70000"),
            ("SELECT u - 5 AS x FROM t ORDER BY x", "-4;9223372036854775802;NULL"),
        ],
    )
    .await;
}

#[tokio::test]
async fn decimals_are_exact() {
    check_expressions(&[
        ("0.1 + 0.2 = 0.3", "true"),
        ("CAST(12345678901234567.89 AS DECIMAL(20,2))", "12345678901234567.89"),
        ("1e3 + 1", "1001.0"),
        ("1e3 / 7", "142.8571428571428571"),
        ("1.0 / 3", "0.3333333333333333"),
        ("2.0 / 3", "0.6666666666666667"),
        ("-2.0 / 3", "-0.6666666666666667"),
        ("1.0 / 0", "error: division by zero: 1.0 / 0"),
        ("5.5 % 2", "1.5"),
        ("1.5e300 * 2", "3e300"),
        ("CAST(99999999999999999999999999999999999999 AS DECIMAL(38,0)) * 10", "error: decimal overflow"),
        ("CAST(99999999999999999999999999999999999999 AS DECIMAL(38,0)) + 1", "error: decimal overflow"),
        ("CAST('12345678901234567890.12345678' AS DECIMAL(38,8)) * CAST('12345678901234567890.12345678' AS DECIMAL(38,8))", "error: decimal overflow"),
        ("1 / 30000000.0", "0.00000003333333333333333"),
        ("CAST(0.01 AS DECIMAL(10, 2)) / CAST(3 AS DECIMAL(10, 2))", "0.00333333333333333333333"),
        ("CAST(0.01 AS DECIMAL(10, 2)) / 100", "0.000100000000000000"),
        ("0.00000000000000000001 / CAST(3e10 AS DECIMAL(38, 0))", "error: decimal overflow: 0.00000000000000000001 / 30000000000 does not fit decimal(24,24)"),
        ("0.00000000000000000001 * 0.000000000000000003", "0.00000000000000000000000000000000000003"),
        ("CAST(0.00000000000000000001 AS DECIMAL(38, 20)) * CAST(0.123 AS DECIMAL(38, 20))", "error: decimal overflow: 0.00000000000000000001 * 0.12300000000000000000 does not fit decimal(38,22)"),
        ("CAST(0.25 AS DECIMAL(38, 20)) * CAST(0.5 AS DECIMAL(38, 20))", "0.1250000000000000000000"),
        ("(1.0 / 3) * (2.0 / 3)", "0.22222222222222221111111111111111"),
        ("CAST(2 AS DECIMAL(38, 2)) / CAST(3 AS DECIMAL(38, 2)) * 100", "66.6666666666666700"),
        ("(CAST(1 AS DECIMAL(18, 2)) / CAST(3 AS DECIMAL(18, 2))) * (CAST(1 AS DECIMAL(18, 2)) / CAST(7 AS DECIMAL(18, 2)))", "0.0476190476190476"),
        ("1.5 * CAST(2 AS DOUBLE)", "3.0"),
        ("CAST(0.1 AS REAL) * 3.0", "0.30000000447034836"),
        ("round(1.005, 2)", "1.01"),
        ("round(2.5)", "3"),
        ("power(2, 0.5)", "1.4142135623730951"),
        ("sqrt(2.0)", "1.4142135623730951"),
        ("abs(-1.5)", "1.5"),
        ("ceil(1.2)", "2.0"),
        ("ceil(CAST(99.99 AS DECIMAL(4, 2)))", "100.00"),
        ("floor(CAST(-9.5 AS DECIMAL(2, 1)))", "-10.0"),
        ("ceil(9007199254740993)", "9007199254740993"),
        ("trunc(9007199254740993)", "9007199254740993"),
        ("trunc(9223372036854775807, -1)", "9223372036854775800"),
        ("trunc(-15, -1)", "-10"),
        ("CAST(1 AS DECIMAL(50, 2))", "error: DECIMAL(50,2) has more than 38 digits"),
        ("array_sum(make_array(9007199254740993, NULL))", "9007199254740993"),
        ("array_sum(make_array(0.1, 0.2))", "0.3"),
        ("array_sum(make_array(9223372036854775807, 1))", "error: sum overflow"),
        ("array_avg(make_array(1, 2))", "1.5"),
        ("array_avg(make_array(0.1, 0.2))", "0.1500000000000000"),
        ("arrow_cast(map(make_array('a'), make_array(1.7)), 'Map(\"entries\": non-null Struct(\"keys\": non-null Utf8, \"values\": Int64), unsorted)')", "{a: 2}"),
        ("floor(-1.2)", "-2.0"),
        ("-1.5", "-1.5"),
        ("-(1.5)", "-1.5"),
        ("ln(2.0)", "0.6931471805599453"),
        ("greatest(1.5, 2)", "2.0"),
        ("coalesce(NULL, 1.5, 2)", "1.5"),
        ("CASE WHEN true THEN 1 ELSE 2.5 END", "1.0"),
        ("1.5 BETWEEN 1 AND 2", "true"),
        ("1 IN (1.0, 2.5)", "true"),
        ("CAST(1.5 AS DOUBLE) = 1.5", "true"),
        ("CAST(0.1 AS DOUBLE) = 0.1", "true"),
        ("concat('a', 1.50)", "a1.50"),
    ])
    .await;
}

#[tokio::test]
async fn casts_round_and_refuse() {
    check_expressions(&[
        ("CAST(1.7 AS BIGINT)", "2"),
        ("CAST(2.5 AS BIGINT)", "3"),
        ("CAST(-2.5 AS INT)", "-3"),
        ("CAST(CAST(2.5 AS DOUBLE) AS INT)", "2"),
        ("CAST(CAST(3.5 AS DOUBLE) AS INT)", "4"),
        ("CAST(CAST(1.7 AS REAL) AS INT)", "2"),
        ("CAST(1e20 AS BIGINT)", "error: does not fit int64"),
        (
            "CAST(CAST(1e20 AS DOUBLE) AS BIGINT)",
            "error: does not fit int64",
        ),
        (
            "CAST(CAST('9223372036854775807' AS DOUBLE) AS BIGINT)",
            "error: does not fit int64",
        ),
        (
            "CAST(CAST('NaN' AS DOUBLE) AS INT)",
            "error: NaN (float64) does not fit int32",
        ),
        ("TRY_CAST(1e20 AS BIGINT)", "NULL"),
        ("TRY_CAST(2.5 AS INT)", "3"),
        ("CAST(-1 AS INT UNSIGNED)", "error: "),
        ("CAST(-0.4 AS INT UNSIGNED)", "0"),
        ("CAST(70000 AS SMALLINT)", "error: "),
        ("CAST(1.235 AS DECIMAL(10,2))", "1.24"),
        ("CAST(-1.235 AS DECIMAL(10,2))", "-1.24"),
        (
            "CAST(123.4 AS DECIMAL(3,2))",
            "error: 123.4 (decimal(4,1)) does not fit decimal(3,2)",
        ),
        ("CAST(123456 AS DECIMAL(4,2))", "error: "),
        ("CAST(CAST(0.285 AS DOUBLE) AS DECIMAL(10,2))", "0.29"),
        ("CAST('1.999' AS DECIMAL(10,2))", "2.00"),
        ("CAST('1.7' AS INT)", "error: "),
        ("CAST(' 12 ' AS INT)", "12"),
        ("CAST('abc' AS INT)", "error: 'abc' is not a valid int32"),
        ("CAST('' AS BIGINT)", "error: '' is not a valid int64"),
        (
            "CAST('9223372036854775808' AS BIGINT)",
            "error: is not a valid int64",
        ),
        (
            "CAST('maybe' AS BOOLEAN)",
            "error: 'maybe' is not a valid bool",
        ),
        ("CAST(' off ' AS BOOLEAN)", "false"),
        ("CAST('1e3' AS DECIMAL(10,2))", "1000.00"),
        ("CAST(' +.5 ' AS DECIMAL(10,2))", "0.50"),
        ("CAST('0.005' AS DECIMAL(5,2))", "0.01"),
        (
            "CAST('1e40' AS DECIMAL(38,0))",
            "error: is not a valid decimal(38,0)",
        ),
        (
            "CAST(CAST('1e300' AS DOUBLE) AS REAL)",
            "error: 1e300 (float64) does not fit",
        ),
        ("1 = '1' AND 2 IN ('2', '3')", "true"),
        ("TRY_CAST('abc' AS INT)", "NULL"),
        (
            "CAST('1e400' AS DOUBLE)",
            "error: '1e400' is not a valid float64",
        ),
        ("CAST('Infinity' AS DOUBLE)", "inf"),
        (
            "CAST(CAST('1e300' AS DOUBLE) AS REAL)",
            "error: does not fit float32",
        ),
        ("CAST(0.1 AS DOUBLE)", "0.1"),
        (
            "CAST(123456789012345678.123 AS DOUBLE)",
            "1.2345678901234568e17",
        ),
        (
            "CAST(TIMESTAMP '1969-12-31 23:00:00' AS DATE)",
            "1969-12-31",
        ),
        (
            "CAST(TIMESTAMP '9999-12-31 23:00:00' AS DATE)",
            "9999-12-31",
        ),
        ("arrow_cast(1.7, 'Int64')", "2"),
        ("CAST(make_array(1.7, 2.5, NULL) AS BIGINT[])", "[2, 3, ]"),
        ("CAST(make_array(1.7, 3e9) AS INT[])", "error: 3000000000.0"),
        ("TRY_CAST(make_array(1.7, 3e9) AS INT[])", "[2, ]"),
        (
            "CAST(make_array(make_array(1.235)) AS DECIMAL(10, 2)[][])",
            "[[1.24]]",
        ),
        (
            "arrow_cast(struct(1.7 AS a, 'x' AS b), 'Struct(\"a\": Int64, \"b\": Utf8)')",
            "{a: 2, b: x}",
        ),
        ("CAST(true AS INT)", "1"),
        ("CAST(2.5 AS VARCHAR)", "2.5"),
    ])
    .await;
}

#[tokio::test]
async fn totals_are_exact_or_an_error() {
    let context = context(3);
    table(
        &context,
        "t",
        "SELECT g, i, CAST(i AS DECIMAL(38,0)) AS d, CAST(i AS BIGINT UNSIGNED) AS u, CAST(v AS DECIMAL(10,0)) AS v FROM (VALUES (1, 9000000000000000000, 1), (1, 9000000000000000000, 2), (2, 5, 2), (2, NULL, NULL), (3, NULL, NULL)) AS t(g, i, v)",
    )
    .await;
    table(
        &context,
        "big",
        "SELECT CAST(v AS DECIMAL(38,0)) AS v FROM (VALUES ('99999999999999999999999999999999999999'), ('99999999999999999999999999999999999998')) AS t(v)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT sum(i) FROM t", "error: sum overflow: the sum is 18000000000000000005, which does not fit int64 (hint: sum(CAST(.. AS DECIMAL(38, 0))))"),
            ("SELECT sum(i) FROM t WHERE g > 1", "5"),
            ("SELECT sum(i) FROM t WHERE g = 3", "NULL"),
            ("SELECT sum(DISTINCT i) FROM t", "9000000000000000005"),
            ("SELECT g, sum(i) FROM t GROUP BY g", "error: sum overflow"),
            ("SELECT g, sum(i) FROM t WHERE g > 1 GROUP BY g ORDER BY g", "2|5;3|NULL"),
            ("SELECT g, sum(DISTINCT i), count(DISTINCT i) FROM t GROUP BY g ORDER BY g", "1|9000000000000000000|1;2|5|1;3|NULL|0"),
            ("SELECT g, sum(DISTINCT i) FROM t GROUP BY g ORDER BY g", "1|9000000000000000000;2|5;3|NULL"),
            ("SELECT sum(i) FILTER (WHERE g = 2) FROM t", "5"),
            ("SELECT g, sum(i) FILTER (WHERE g = 2) FROM t GROUP BY g ORDER BY g", "1|NULL;2|5;3|NULL"),
            ("SELECT sum(i) OVER (ORDER BY g, v ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM t WHERE g < 3 ORDER BY g, v", "9000000000000000000;9000000000000000000;5;NULL"),
            ("SELECT sum(i) OVER (ORDER BY g ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t", "error: sum overflow"),
            ("SELECT sum(i + 0) FROM t WHERE g = 1", "error: sum overflow"),
            ("SELECT sum(i + 1) FROM t WHERE g = 2", "6"),
            ("SELECT sum(d) FROM t", "18000000000000000005"),
            ("SELECT sum(u) FROM t", "18000000000000000005"),
            ("SELECT sum(u * 2) FROM t", "36000000000000000010"),
            ("SELECT sum(v) FROM big", "error: sum overflow"),
            ("SELECT sum(DISTINCT v) FROM big", "error: sum overflow"),
            ("SELECT sum(v) OVER () FROM big", "error: sum overflow"),
            ("SELECT avg(v) FROM big", "error: "),
            ("SELECT avg(v) FROM t", "1.6666666666666667"),
            ("SELECT g, avg(v) FROM t GROUP BY g ORDER BY g", "1|1.5000000000000000;2|2.0000000000000000;3|NULL"),
            ("SELECT avg(DISTINCT v) FROM t", "1.5000000000000000"),
            ("SELECT avg(i) FROM t WHERE g < 3", "6e18"),
            ("SELECT avg(g) FROM t", "1.8"),
            ("SELECT mean(g) FROM t", "1.8"),
            ("SELECT sum(CAST(g AS DOUBLE)), avg(CAST(g AS REAL)) FROM t", "9.0|1.8"),
            ("SELECT sum(NULL), avg(NULL) FROM t", "NULL|NULL"),
            ("SELECT sum('a') FROM t", "error: `sum` takes numbers, not utf8"),
            ("SELECT sum(i) / count(i) FROM t WHERE g = 2", "5"),
        ],
    )
    .await;
}

#[tokio::test]
async fn medians_are_exact() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT g, CAST(x AS DOUBLE) AS x, d, i FROM (VALUES (1, '1e308', 1.1, 9223372036854775807), (1, '1.5e308', 2.2, 9223372036854775805), (2, 'NaN', NULL, 1), (2, '1', 7.0, 2), (2, '2', NULL, 2)) AS t(g, x, d, i)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT g, median(x), median(d), median(i) FROM t GROUP BY g ORDER BY g", "1|1.25e308|1.65|9.223372036854776e18;2|2.0|7.00|2.0"),
            ("SELECT median(DISTINCT i) FROM t WHERE g = 2", "1.5"),
            ("SELECT percentile_cont(0.3333333333) WITHIN GROUP (ORDER BY d) FROM t WHERE g = 1", "1.4666666666300001"),
            ("SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY i DESC) FROM (VALUES (1), (2), (3), (4)) AS t(i)", "3.25"),
            ("SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY i DESC) FROM unnest(range(1, 12)) AS t(i)", "2.0"),
            ("SELECT percentile_cont(1.5) WITHIN GROUP (ORDER BY d) FROM t", "error: must be between 0.0 and 1.0"),
            ("SELECT median(d) FROM t WHERE false", "NULL"),
            ("SELECT median(i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE g = 2", "1.0;1.5;2.0"),
            ("SELECT median('a') FROM t", "error: `median` takes numbers, not utf8"),
        ],
    )
    .await;
}

#[tokio::test]
async fn decimals_are_compared_beyond_38_digits() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT CAST(v AS DECIMAL(38, 0)) AS v, CAST(1.5 AS DECIMAL(10, 5)) AS w FROM (VALUES ('12345678901234567890123456789012345678'), ('2')) AS t(v)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT v = w, v > w, v IN (w, 2), v BETWEEN w AND 2.5 FROM t", "false|true|false|false;false|true|true|true"),
            ("SELECT count(*) FROM t JOIN t AS s ON t.v = s.w + 0.5", "2"),
            ("SELECT count(*) FROM t WHERE v IN (SELECT w FROM t)", "0"),
            ("SELECT v FROM t WHERE v > 2.5", "12345678901234567890123456789012345678"),
            ("SELECT v FROM t UNION ALL SELECT 0.5", "error: does not fit decimal(38,1)"),
            ("SELECT arrow_typeof(v) FROM (SELECT CAST(1 AS DECIMAL(38, 1)) AS v UNION ALL SELECT CAST(1 AS DECIMAL(38, 20)))", "Decimal128(38, 20);Decimal128(38, 20)"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_has_no_type_in_common_is_refused() {
    check_expressions(&[
        (
            "CASE WHEN true THEN 1 ELSE DATE '2024-01-01' END",
            "error: date and int64 have no type in common",
        ),
        (
            "DATE '2024-01-01' = 5",
            "error: date and int64 have no type in common",
        ),
        ("greatest(TIMESTAMP '2024-01-01', 1.5)", "error: "),
        (
            "true UNION ALL SELECT 2",
            "error: a column of a set operation is bool in one query and int64 in another",
        ),
        (
            "1 UNION SELECT DATE '2024-01-01'",
            "error: date and int64 have no type in common",
        ),
        ("2 UNION SELECT '2' UNION SELECT '2'", "2"),
    ])
    .await;
}

#[tokio::test]
async fn nan_is_the_greatest_and_equals_itself() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT CAST(x AS DOUBLE) AS x FROM (VALUES ('NaN'), ('1'), ('-0.0'), ('0.0'), ('inf')) AS t(x)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT max(x), min(x) FROM t", "NaN|-0.0"),
            ("SELECT x FROM t WHERE x = 'NaN'", "NaN"),
            ("SELECT x FROM t WHERE x > CAST('inf' AS DOUBLE)", "NaN"),
            ("SELECT count(*) FROM t WHERE x = 0", "2"),
            ("SELECT count(*) FROM (SELECT x FROM t GROUP BY x)", "4"),
            ("SELECT count(*) FROM t JOIN t AS s ON t.x = s.x", "7"),
            ("SELECT count(DISTINCT x) FROM t", "4"),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_nan_is_the_same_one() {
    let context = context(2);
    // Processors make NaNs of either sign.
    table(
        &context,
        "t",
        "SELECT CAST(x AS DOUBLE) AS x, CAST(y AS DOUBLE) AS y FROM (VALUES ('0', '0'), ('inf', 'inf'), ('NaN', '1'), ('1', '1')) AS t(x, y)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT count(*) FROM t WHERE x / y = CAST('NaN' AS DOUBLE)", "3"),
            ("SELECT count(*) FROM t WHERE x / y > CAST('inf' AS DOUBLE)", "3"),
            ("SELECT x / y AS n, count(*) FROM t GROUP BY n ORDER BY n", "1.0|1;NaN|3"),
            ("SELECT count(*) FROM (SELECT DISTINCT x / y FROM t)", "2"),
            ("SELECT max(x / y), min(x / y) FROM t", "NaN|1.0"),
            ("SELECT CAST('-nan' AS DOUBLE) = CAST('nan' AS DOUBLE)", "true"),
            ("SELECT power(-8.0, 0.5) = CAST('NaN' AS DOUBLE), ln(-1) = CAST('NaN' AS DOUBLE)", "true|true"),
            ("SELECT s = CAST('NaN' AS DOUBLE) FROM (SELECT sum(v) AS s FROM (SELECT x AS v FROM t UNION ALL SELECT CAST('-inf' AS DOUBLE)))", "true"),
            ("SELECT s > 0 FROM (SELECT stddev(x) OVER () AS s FROM t)", "true;true;true;true"),
        ],
    )
    .await;
}

#[tokio::test]
async fn zeros_are_equal_whatever_their_sign() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT i, CAST(x AS DOUBLE) AS x FROM (VALUES (1, '-0.0'), (2, '0.0'), (3, '-0.0')) AS t(i, x)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT i, x FROM t ORDER BY x DESC, i", "1|-0.0;2|0.0;3|-0.0"),
            ("SELECT i, rank() OVER (ORDER BY x), count(*) OVER (PARTITION BY x), row_number() OVER (ORDER BY x, i DESC) FROM t ORDER BY i", "1|1|3|3;2|1|3|2;3|1|3|1"),
            ("SELECT array_agg(i ORDER BY x, i) FROM t", "[1, 2, 3]"),
            ("SELECT count(*) FROM (SELECT DISTINCT x FROM t)", "1"),
            ("SELECT count(*), max(i) FROM t GROUP BY x", "3|3"),
            ("SELECT count(*) FROM (SELECT DISTINCT make_array(x) FROM t)", "1"),
            ("SELECT count(*) FROM t GROUP BY struct(x)", "3"),
            ("SELECT count(DISTINCT make_array(x)) FROM t", "1"),
            ("SELECT count(*) FROM t JOIN t AS s ON t.x = s.x", "9"),
            ("SELECT count(*) FROM t JOIN t AS s USING (x)", "9"),
            ("SELECT count(*) FROM t, t AS s WHERE t.x = s.x AND t.i <> s.i", "6"),
            ("SELECT CASE x WHEN 0 THEN 'zero' END, nullif(x, 0) FROM t WHERE i = 1", "zero|NULL"),
            ("SELECT nullif(x, 1) FROM t WHERE i = 1", "-0.0"),
            ("SELECT make_array(t.x) = make_array(s.x), array_has(make_array(t.x), s.x), array_position(make_array(t.x), s.x), array_distinct(make_array(t.x, s.x)) FROM t, t AS s WHERE t.i = 1 AND s.i = 2", "true|true|1|[0.0]"),
            ("SELECT count(*) FROM (SELECT x FROM t WHERE i = 1 INTERSECT SELECT x FROM t WHERE i = 2)", "1"),
        ],
    )
    .await;
}

#[tokio::test]
async fn zeros_and_nans_are_equal_in_joins_that_sort() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT i, CAST(x AS DOUBLE) AS x FROM (VALUES (1, '-0.0'), (2, '0.0'), (3, 'NaN'), (4, '-1')) AS t(i, x)",
    )
    .await;
    context
        .state_ref()
        .write()
        .config_mut()
        .options_mut()
        .optimizer
        .prefer_hash_join = false;
    check_queries(
        &context,
        &[
            ("SELECT t.i, s.i FROM t JOIN t AS s ON t.x = s.x ORDER BY 1, 2", "1|1;1|2;2|1;2|2;3|3;4|4"),
            ("SELECT t.i, s.i FROM t LEFT JOIN (SELECT * FROM t WHERE i = 2) AS s ON t.x = s.x ORDER BY 1", "1|2;2|2;3|NULL;4|NULL"),
            ("SELECT i FROM t WHERE x IN (SELECT x FROM t WHERE i = 2) ORDER BY 1", "1;2"),
        ],
    )
    .await;
}

#[tokio::test]
async fn frames_of_floats_are_computed_anew() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT i, CAST(x AS DOUBLE) AS x, v FROM (VALUES (1, '1e308', 'a'), (2, '1e308', 'b'), (3, '5', 'c'), (4, '7', NULL), (5, 'NaN', 'e'), (6, '1', 'f'), (7, '1e17', 'g'), (8, '1.5', 'h'), (9, '2.5', 'i')) AS t(i, x, v)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT sum(x) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t ORDER BY i", "1e308;inf;1e308;12.0;NaN;NaN;1e17;1e17;4.0"),
            ("SELECT avg(x) OVER (ORDER BY i RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t ORDER BY i", "1e308;inf;5e307;6.0;NaN;NaN;5e16;5e16;2.0"),
            ("SELECT sum(x) OVER (ORDER BY i GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE i > 6 ORDER BY i", "1e17;1e17;4.0"),
            ("SELECT sum(x) OVER (ORDER BY i ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM t WHERE i > 6 ORDER BY i", "1e17;4.0;2.5"),
            ("SELECT var_pop(x) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE i > 6 ORDER BY i", "0.0;2.5e33;0.25"),
            ("SELECT stddev(x) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE i > 6 ORDER BY i", "NULL;7.071067811865475e16;0.7071067811865476"),
            ("SELECT corr(x, i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), regr_slope(x, i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE i > 7 ORDER BY i", "NULL|NULL;1.0|1.0"),
            ("SELECT sum(x) FILTER (WHERE i <> 8) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE i > 6 ORDER BY i", "1e17;1e17;2.5"),
            ("SELECT string_agg(v, ',') OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE i < 6 ORDER BY i", "a;a,b;b,c;c;e"),
            ("SELECT array_agg(i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t WHERE i < 4 ORDER BY i", "[1, 2];[1, 2, 3];[2, 3]"),
            ("SELECT bool_and(i > 1) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WHERE i < 4 ORDER BY i", "false;false;true"),
            ("SELECT count(*), sum(s) FROM (SELECT sum(CAST(i AS DOUBLE)) OVER (ORDER BY i ROWS BETWEEN 100 PRECEDING AND CURRENT ROW) AS s FROM (SELECT unnest(range(0, 1000)) AS i))", "1000|45571200.0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn defaults_of_lag_and_lead_are_not_cut() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT i, CAST(i AS TINYINT) AS n, CAST(i AS DECIMAL(10, 1)) AS d, DATE '2024-05-05' AS day FROM (VALUES (1), (2)) AS t(i)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT lag(i, 1, 2.5) OVER (ORDER BY i) FROM t ORDER BY i", "2.5;1.0"),
            ("SELECT lag(n, 1, 300) OVER (ORDER BY i), lag(d, 1, 99999.99) OVER (ORDER BY i) FROM t ORDER BY i", "300|99999.99;1|1.00"),
            ("SELECT lead(i, 1, CAST(2.5 AS DOUBLE)) OVER (ORDER BY i) FROM t ORDER BY i", "2.0;2.5"),
            ("SELECT lag(day, 1, TIMESTAMP '2024-01-01 10:30:00') OVER (ORDER BY i) FROM t ORDER BY i", "2024-01-01T10:30:00;2024-05-05T00:00:00"),
            ("SELECT lag(i, 1, '7') OVER (ORDER BY i), lag(i, 1, NULL) OVER (ORDER BY i) FROM t ORDER BY i", "7|NULL;1|1"),
            ("SELECT lag(i, 1, 'x') OVER (ORDER BY i) FROM t", "error: 'x' is not a valid int64"),
            ("SELECT lag(i, 1, true) OVER (ORDER BY i) FROM t", "error: the default of `lag` is bool, the column int64"),
        ],
    )
    .await;
}

#[tokio::test]
async fn floats_beside_decimals_are_compared_as_float64() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT x, CAST(x AS REAL) AS y, CAST(d AS DECIMAL(10, 2)) AS d, CAST(i AS BIGINT) AS i FROM (VALUES (CAST('1.0000001' AS DOUBLE), 1.0, 16777217), ('16777216', 2.5, 16777216), ('NaN', 1.0, 1)) AS t(x, d, i)",
    )
    .await;
    table(
        &context,
        "huge",
        "SELECT CAST(x AS DOUBLE) AS x FROM (VALUES ('1e300'), ('1.0000000000000002'), ('1e-20'), ('NaN')) AS t(x)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT count(*) FROM huge WHERE x > 1.0", "3"),
            ("SELECT count(*) FROM huge WHERE x = 1.0", "0"),
            ("SELECT count(*) FROM huge WHERE x IN (1.0, 2.5)", "0"),
            ("SELECT count(*) FROM huge WHERE 1.0 NOT IN (x)", "4"),
            ("SELECT count(*) FROM huge WHERE x BETWEEN 0.5 AND 1.0", "0"),
            (
                "SELECT count(*) FROM huge WHERE x IS DISTINCT FROM 1.0",
                "4",
            ),
            (
                "SELECT count(*) FROM huge WHERE x IN (SELECT d FROM t)",
                "0",
            ),
            (
                "SELECT count(*) FROM t WHERE d IN (SELECT x FROM huge)",
                "0",
            ),
            (
                "SELECT count(*) FROM huge WHERE x > (SELECT max(d) FROM t)",
                "2",
            ),
            (
                "SELECT count(*) FROM huge WHERE EXISTS (SELECT 1 FROM t WHERE t.d = huge.x)",
                "0",
            ),
            (
                "SELECT CASE x WHEN 1.0 THEN 'a' ELSE 'b' END FROM huge",
                "b;b;b;b",
            ),
            (
                "SELECT CASE WHEN x > 2.0 THEN x ELSE 0.5 END AS c FROM huge",
                "1e300;0.5;0.5;NaN",
            ),
            (
                "SELECT coalesce(x, 0.5) FROM huge",
                "1e300;1.0000000000000002;1e-20;NaN",
            ),
            (
                "SELECT nullif(x, 1.0) FROM huge",
                "1e300;1.0000000000000002;1e-20;NaN",
            ),
            (
                "SELECT greatest(x, 1.0) FROM huge",
                "1e300;1.0000000000000002;1.0;NaN",
            ),
            (
                "SELECT x * 1.5 FROM huge",
                "1.5e300;1.5000000000000004;1.4999999999999998e-20;NaN",
            ),
            ("SELECT x + 1.0 FROM huge", "1e300;2.0;1.0;NaN"),
            ("SELECT count(*) FROM huge JOIN t ON huge.x = t.d", "0"),
            ("SELECT count(*) FROM huge JOIN t ON huge.x > t.d", "8"),
            (
                "SELECT count(*) FROM (SELECT x FROM huge INTERSECT SELECT d FROM t)",
                "0",
            ),
            (
                "SELECT count(*) FROM (SELECT d FROM t EXCEPT SELECT x FROM huge)",
                "2",
            ),
            (
                "SELECT x FROM huge UNION ALL SELECT 0.5",
                "1e300;1.0000000000000002;1e-20;NaN;0.5",
            ),
            (
                "SELECT v * 2.5 FROM (SELECT 0.5 AS v UNION ALL SELECT x FROM huge) ORDER BY 1",
                "2.5e-20;1.25;2.5000000000000004;2.5e300;NaN",
            ),
            (
                "SELECT v + 1 FROM (SELECT 1 AS v UNION ALL SELECT CAST(2.5 AS DOUBLE)) ORDER BY 1",
                "2.0;3.5",
            ),
            (
                "SELECT x > 1.0 AS c, count(*) FROM huge GROUP BY x > 1.0 ORDER BY 1",
                "false|1;true|3",
            ),
            ("SELECT count(*) FROM huge HAVING max(x) > 1.5", "4"),
            (
                "SELECT y > 1.0, y = 1.0, y IN (1.0) FROM t",
                "true|false|false;true|false|false;true|false|false",
            ),
            (
                "SELECT y = i, d = 1.0, d > i FROM t",
                "false|true|false;true|false|false;false|true|false",
            ),
            (
                "SELECT d = 2.50, d IN (1, 2.5) FROM t",
                "false|true;true|true;false|true",
            ),
            (
                "SELECT v FROM (VALUES (0.1), (1.7976931348623157e308)) AS t(v)",
                "0.1;1.7976931348623157e308",
            ),
            (
                "SELECT v + 1 FROM (VALUES (5e-324), (-0.25), (3)) AS t(v)",
                "1.0;0.75;4.0",
            ),
            (
                "VALUES (0.5), (sqrt(2.0)), (2 * exp(0))",
                "0.5;1.4142135623730951;2.0",
            ),
            ("VALUES (0.1, 1.5), (0.2, -1e300)", "0.1|1.5;0.2|-1e300"),
            ("SELECT 0.1 AS v UNION ALL SELECT 5e-324", "0.1;5e-324"),
        ],
    )
    .await;
}
