//! Texts and patterns.

use super::{check_expressions, check_queries, context, table};

#[tokio::test]
async fn patterns_have_escape_characters() {
    check_expressions(&[
        ("'100%' LIKE '%!%' ESCAPE '!'", "true"),
        ("'100x' LIKE '%!%' ESCAPE '!'", "false"),
        ("'a_b' LIKE 'a#_b' ESCAPE '#'", "true"),
        ("'axb' NOT LIKE 'a#_b' ESCAPE '#'", "true"),
        ("'A_B' ILIKE 'a#_b' ESCAPE '#'", "true"),
        ("'a\\b' LIKE 'a\\b' ESCAPE '!'", "true"),
        ("'a_b' LIKE 'a\\_b'", "true"),
        (
            "'a' LIKE 'a!' ESCAPE '!'",
            "error: ends with its escape character",
        ),
        ("'abc' SIMILAR TO '%(b|d)%'", "true"),
        ("'abc' SIMILAR TO 'b'", "false"),
        ("'abc' SIMILAR TO 'abc'", "true"),
        ("'abc' NOT SIMILAR TO '_b_'", "false"),
        ("'a%' SIMILAR TO 'a!%' ESCAPE '!'", "true"),
        ("NULL LIKE 'a!%' ESCAPE '!'", "NULL"),
    ])
    .await;
}

#[tokio::test]
async fn patterns_may_be_columns() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT v, p FROM (VALUES ('100%', '%!%'), ('100x', '%!%'), ('1', NULL)) AS t(v, p)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT v FROM t WHERE v LIKE p ESCAPE '!'", "100%"),
            ("SELECT v FROM t WHERE v LIKE '%!%' ESCAPE '!'", "100%"),
            ("SELECT count(*) FROM t WHERE v SIMILAR TO '[0-9]+%'", "3"),
        ],
    )
    .await;
}

#[tokio::test]
async fn regular_expressions_are_those_of_postgresql() {
    check_expressions(&[
        ("regexp_replace('abab', 'a', '<\\&>', 'g')", "<a>b<a>b"),
        ("regexp_replace('abc', '(a)(b)', '\\2\\1')", "bac"),
        ("regexp_replace('a$1b', 'b', '$1 ${y}')", "a$1$1 ${y}"),
        ("regexp_replace('x', 'x', 'a\\\\b')", "a\\b"),
        ("regexp_replace('x', '(x)', '\\\\1')", "\\1"),
        ("regexp_replace('USD5', 'USD(\\d)', '$$\\1')", "$$5"),
        ("regexp_replace('ABC', 'b', 'x', 'gi')", "AxC"),
        ("regexp_replace('cat in', '\\mi', 'X')", "cat Xn"),
        ("regexp_replace('a' || chr(10) || 'b', 'a.b', 'Z')", "Z"),
        (
            "regexp_replace('a' || chr(10) || 'b', 'a.b', 'Z', 'p') = 'a' || chr(10) || 'b'",
            "true",
        ),
        ("regexp_count('a' || chr(10) || 'b', '^.', 1, 'n')", "2"),
        ("'a' || chr(10) || 'b' ~ 'a.b'", "true"),
        ("'foo' ~* 'F.O'", "true"),
        ("'a]b' ~ '[]]'", "true"),
        ("regexp_like('AB', 'b', 'i')", "true"),
        ("regexp_match('b', '(a)?(b)')", "[, b]"),
        ("regexp_match('abc', 'b.')", "[bc]"),
        ("regexp_match('ABC', '(b)', 'i')[1]", "B"),
        ("regexp_match('x', 'b')", "NULL"),
        (
            "regexp_replace('a', 'a', 'b', 'z')",
            "error: 'z' is not a flag of regular expressions",
        ),
        ("'foo' ~ 'f(?=o)'", "error: look-around"),
    ])
    .await;
}

#[tokio::test]
async fn texts_have_the_length_of_their_type() {
    check_expressions(&[
        ("CAST('abcdef' AS VARCHAR(2))", "ab"),
        ("CAST('é😀x' AS VARCHAR(2))", "é😀"),
        ("CAST(12345 AS VARCHAR(2))", "12"),
        ("TRY_CAST('abc' AS VARCHAR(3))", "abc"),
        ("CAST(NULL AS VARCHAR(3))", "NULL"),
        ("'abc'::varchar(1) || 'x'", "ax"),
        (
            "CAST('a' AS CHAR(3))",
            "error: CHAR(3) would fill texts up with blanks",
        ),
        (
            "CAST(make_array('abc') AS VARCHAR(2)[])",
            "error: VARCHAR has no length inside a list",
        ),
    ])
    .await;
}

#[tokio::test]
async fn base64_has_padding() {
    check_expressions(&[
        ("encode('ab', 'base64')", "YWI="),
        ("encode('abcd', 'base' || '64')", "YWJjZA=="),
        ("encode('abc', 'base64')", "YWJj"),
        ("encode('ab', 'hex')", "6162"),
        ("encode(NULL, 'base64')", "NULL"),
        ("CAST(decode('YWI=', 'base64') AS VARCHAR)", "ab"),
        ("CAST(decode('YWI', 'base64') AS VARCHAR)", "ab"),
        ("length(encode(repeat('x', 300), 'base64'))", "400"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_too_large_or_of_another_dialect_is_refused() {
    check_expressions(&[
        ("length(repeat('x', 1000))", "1000"),
        (
            "repeat('x', 1000000000)",
            "error: `repeat` would make 1000000000 bytes of one value",
        ),
        ("lpad('x', 1000000000, 'y')", "error: `lpad` would make"),
        ("rpad('x', 3, 'y')", "xyy"),
        ("array_length(array_repeat('x', 3))", "3"),
        (
            "array_repeat('xxxxxxxxxx', 1000000000)",
            "error: `array_repeat` would make",
        ),
        (
            "octet_length(replace(repeat('x', 1000000), 'x', repeat('y', 1000)))",
            "error: `replace` would make 1001000000 bytes of one value",
        ),
        // What is replaced is counted, where it could be too much.
        (
            "octet_length(replace(repeat('x', 1000000), 'z', repeat('y', 1000)))",
            "1000000",
        ),
        (
            "octet_length(regexp_replace(repeat('x', 1000000), 'x', repeat('y', 1000), 'g'))",
            "error: `regexp_replace` would make",
        ),
        (
            "octet_length(regexp_replace(repeat('x', 1000000), 'X', repeat('y', 1000), 'g'))",
            "1000000",
        ),
        (
            "octet_length(regexp_replace(repeat('x', 1000000), 'X', repeat('y', 1000), 'gi'))",
            "error: `regexp_replace` would make",
        ),
        // Groups are as long as what is found.
        (
            "octet_length(regexp_replace(repeat('x', 3000000), '(y)', repeat('\\1', 100), 'g'))",
            "3000000",
        ),
        ("regexp_replace('aXa', '(x)', '<\\1>', 'i')", "a<X>a"),
        (
            "array_to_string(array_repeat('y', 100000), repeat('z', 10000))",
            "error: `array_to_string` would make",
        ),
        ("array_to_string(make_array('a', NULL, 'b'), ',', '-')", "a,-,b"),
        ("array_length(range(0, 500000000))", "error: `range` would make"),
        (
            "array_length(generate_series(500000000, 1, -1))",
            "error: `generate_series` would make",
        ),
        ("array_length(generate_series(1, 1000))", "1000"),
        ("array_length(range(5, 1))", "0"),
        (
            "array_length(generate_series(TIMESTAMP '2020-01-01', TIMESTAMP '2060-01-01', INTERVAL '1 second'))",
            "error: `generate_series` would make",
        ),
        (
            "array_length(generate_series(DATE '2020-01-01', DATE '2020-12-31', INTERVAL '1 month'))",
            "12",
        ),
        (
            "octet_length(concat_ws(repeat('y', 20000000), 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o'))",
            "error: `concat_ws` would make 280000015 bytes of one value",
        ),
        (
            "to_char(TIMESTAMP '2020-01-02', 'YYYY')",
            "error: the format 'YYYY' of `to_char` is of another dialect",
        ),
        (
            "to_timestamp(NULLIF('x', 'x'), 'YYYY-MM-DD')",
            "error: the format 'YYYY-MM-DD' of `to_timestamp` is of another dialect",
        ),
        ("to_char(TIMESTAMP '2020-01-02', '%Y')", "2020"),
        ("to_char(TIMESTAMP '9999-01-02', '%Y')", "9999"),
        (
            "to_date('02 Jan 2020', 'DD Mon YYYY')",
            "error: the format 'DD Mon YYYY' of `to_date`",
        ),
        ("to_date('02 Jan 2020', '%d %b %Y')", "2020-01-02"),
        ("to_date('9999-12-31')", "9999-12-31"),
        ("concat('a', NULL)", "a"),
        ("'a' || NULL", "NULL"),
    ])
    .await;
}
