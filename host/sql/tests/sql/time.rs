//! Dates and timestamps: any year, any zone.

use super::{check_expressions, check_queries, context, table};

#[tokio::test]
async fn any_year_works_everywhere() {
    check_expressions(&[
        ("date_trunc('month', CAST('9999-12-31' AS TIMESTAMP))", "9999-12-01T00:00:00"),
        ("date_trunc('week', DATE '2024-01-03')", "2024-01-01T00:00:00"),
        ("date_trunc('quarter', TIMESTAMP '0001-05-05 10:00:00')", "0001-04-01T00:00:00"),
        ("date_trunc('century', TIMESTAMP '2000-05-05')", "1901-01-01T00:00:00"),
        ("date_trunc('decade', TIMESTAMP '1969-05-05')", "1960-01-01T00:00:00"),
        ("date_trunc('second', TIMESTAMP '1969-12-31 23:59:59.5')", "1969-12-31T23:59:59"),
        ("date_trunc('fortnight', TIMESTAMP '2000-05-05')", "error: `date_trunc` knows no unit 'fortnight'"),
        ("date_trunc('month', '2024-02-29')", "2024-02-01T00:00:00"),
        ("date_bin(interval '1 day', CAST('9999-12-31' AS TIMESTAMP))", "9999-12-31T00:00:00"),
        ("date_bin(interval '15 minutes', TIMESTAMP '2020-02-11 15:44:17', TIMESTAMP '2001-01-01 00:02:30')", "2020-02-11T15:32:30"),
        ("date_bin(interval '1 month', DATE '0001-05-05')", "0001-05-01T00:00:00"),
        ("date_bin(interval '0 days', DATE '2001-05-05')", "error: longer than nothing"),
        ("CASE WHEN true THEN TIMESTAMP '9999-12-31 00:00:00' ELSE now() END", "9999-12-31T00:00:00"),
        ("coalesce(DATE '9999-12-31', now())", "9999-12-31T00:00:00"),
        ("CASE WHEN true THEN DATE '9999-12-31' ELSE TIMESTAMP '2020-01-01' END", "9999-12-31T00:00:00"),
        ("least(TIMESTAMP '9999-12-31', now()) < TIMESTAMP '9999-12-31'", "true"),
        ("greatest(DATE '9999-12-31', TIMESTAMP '0001-01-01')", "9999-12-31T00:00:00"),
        ("DATE '9999-12-31' > TIMESTAMP '2020-01-01'", "true"),
        ("DATE '9999-12-31' IN (TIMESTAMP '9999-12-31')", "true"),
        ("DATE '9999-12-31' BETWEEN TIMESTAMP '0001-01-01' AND now()", "false"),
        ("to_timestamp('9999-12-31 00:00:00')", "9999-12-31T00:00:00"),
        ("to_timestamp_micros('9999-12-31 00:00:00')", "9999-12-31T00:00:00"),
        ("to_timestamp_seconds('9999-12-31 00:00:00')", "9999-12-31T00:00:00"),
        ("to_timestamp_millis('0001-01-01')", "0001-01-01T00:00:00"),
        ("to_timestamp(0)", "1970-01-01T00:00:00"),
        ("to_timestamp('2024-01-01 00:00:00+02:00')", "2023-12-31T22:00:00"),
        ("to_timestamp_millis('2024-01-01 00:00:00.9996')", "2024-01-01T00:00:00.999600"),
        ("to_timestamp_seconds(TIMESTAMP '2024-01-01 00:00:00.9')", "2024-01-01T00:00:00.900"),
        ("to_timestamp_seconds('2024-01-01 00:00:00.9', '%Y-%m-%d %H:%M:%S%.f')", "2024-01-01T00:00:00.900"),
        ("to_timestamp(1.5)", "1970-01-01T00:00:01.500"),
        ("to_timestamp(-1.5)", "1969-12-31T23:59:58.500"),
        ("to_timestamp(9223372036854775807)", "error: out of range"),
        ("to_timestamp('31.01.2024', '%d.%m.%Y')", "2024-01-31T00:00:00"),
        ("to_timestamp('x', '%d.%m.%Y')", "error: 'x' is not written as '%d.%m.%Y'"),
        ("to_timestamp('x')", "error: 'x' is not a timestamp"),
        ("date_part('year', DATE '9999-12-31')", "9999"),
        ("extract(epoch from TIMESTAMP '9999-12-31')", "253402214400.0"),
        ("extract(epoch from interval '1 year 1 month')", "34149600.0"),
        ("extract(epoch from interval '-1.5 seconds')", "-1.5"),
        ("extract(second from TIMESTAMP '1969-12-31 23:59:10.75')", "10.750000"),
        ("date_part('seconds', TIME '00:00:10.75')", "10.750000000"),
        ("extract(millisecond from TIMESTAMP '2024-01-01 00:00:10.7554')", "10755.400"),
        ("extract(microsecond from TIMESTAMP '2024-01-01 00:00:10.75')", "10750000"),
        ("extract(second from interval '100.5 seconds')", "40.500000000"),
        ("extract(second from DATE '2024-01-01')", "0.000000"),
        ("extract(century from DATE '2000-12-31')", "20"),
        ("extract(millennium from TIMESTAMP '2001-01-01')", "3"),
        ("extract(decade from '2024-01-01')", "202"),
        ("to_unixtime(now())", "error: Invalid function 'to_unixtime'"),
        ("DATE '9999-12-30' + interval '1 day'", "9999-12-31T00:00:00"),
        ("TIMESTAMP '9999-12-30' + interval '1 day'", "9999-12-31T00:00:00"),
        ("DATE '2024-01-31' + interval '1 month'", "2024-02-29T00:00:00"),
        ("DATE '2024-01-31' + interval '1 hour'", "2024-01-31T01:00:00"),
        ("DATE '2024-01-31' - interval '36 hours'", "2024-01-29T12:00:00"),
        ("interval '90 minutes' + DATE '0001-01-01'", "0001-01-01T01:30:00"),
        ("DATE '9999-12-31' - interval '1 second'", "9999-12-30T23:59:59"),
        ("DATE '2024-01-31' + (TIMESTAMP '2024-01-02' - TIMESTAMP '2024-01-01')", "2024-02-01T00:00:00"),
        ("DATE '2024-01-31' + interval '1 day' = DATE '2024-02-01'", "true"),
        ("DATE '2024-01-31' + 1", "2024-02-01"),
        ("DATE '2024-01-31' - DATE '2024-01-01'", "30"),
        ("TIMESTAMP '9999-12-31' - TIMESTAMP '9999-12-30'", "PT86400S"),
        ("CAST(TIMESTAMP '9999-12-31' - TIMESTAMP '2024-01-01' + INTERVAL '1 day' AS VARCHAR)", "2913174 days"),
        ("CAST(INTERVAL '1 day' - (TIMESTAMP '2024-03-01 10:00:00' - TIMESTAMP '2024-02-28 12:00:00') AS VARCHAR)", "-22:00:00"),
        ("CAST(CAST(TIMESTAMP '0001-01-01 10:00:00' - TIMESTAMP '9999-12-31 12:00:00' AS INTERVAL) AS VARCHAR)", "-3652058 days -02:00:00"),
        ("coalesce(TIMESTAMP '9999-12-31' - TIMESTAMP '2024-01-01', INTERVAL '1 day') > INTERVAL '30 days'", "true"),
        ("date_part('hour', coalesce(TIMESTAMP '2024-03-01 10:00:00' - TIMESTAMP '2024-02-28 12:00:00', INTERVAL '1 day'))", "22"),
        ("TIMESTAMP '9999-12-31 00:00:00' - TIMESTAMP '0001-01-01 00:00:00' > interval '1 day'", "true"),
        ("interval '1 day' >= TIMESTAMP '9999-12-31' - TIMESTAMP '9999-12-30'", "true"),
        ("TIMESTAMP '9999-12-31' - TIMESTAMP '9999-12-30' BETWEEN interval '0 days' AND interval '36 hours'", "true"),
        ("TIMESTAMP '9999-12-31' - TIMESTAMP '9999-12-30' IN (interval '24 hours', NULL)", "true"),
        ("interval '36 hours' > interval '1 day'", "true"),
        ("interval '1 month' = interval '30 days'", "true"),
        ("interval '-1 day' < interval '0 days'", "true"),
        ("interval '1 day' > NULL", "NULL"),
        ("'2024-12-31 23:59:59.9999999'::timestamp", "2025-01-01T00:00:00"),
        ("CAST('2024-12-31 23:59:59.1234564' AS TIMESTAMP)", "2024-12-31T23:59:59.123456"),
        ("TIMESTAMP '1969-12-31 23:59:59.9999999'", "1970-01-01T00:00:00"),
        ("CAST('2024-01-31' AS TIMESTAMP)", "2024-01-31T00:00:00"),
        ("CAST('0001-01-01 00:00:00' AS TIMESTAMP)", "0001-01-01T00:00:00"),
        ("CAST('x' AS TIMESTAMP)", "error: 'x' is not a valid timestamp"),
        ("TRY_CAST('x' AS TIMESTAMP)", "NULL"),
        ("CAST('2024-01-05T23:00:00-05:00' AS TIMESTAMP)", "2024-01-05T23:00:00"),
        ("CAST('2024-01-05T23:00:00-05:00' AS DATE)", "2024-01-05"),
        ("CAST('2024-01-05 23:00:00 America/New_York' AS TIMESTAMPTZ)", "2024-01-06T04:00:00Z"),
        ("CAST('2024-01-05 10:00 PM' AS TIMESTAMP)", "error: is not a valid timestamp"),
        ("CAST('2024-01-05 24:00:00' AS TIMESTAMP)", "2024-01-06T00:00:00"),
        ("CAST('10000-01-01' AS DATE)", "+10000-01-01"),
        ("CAST('2024-02-30' AS DATE)", "error: '2024-02-30' is not a valid date"),
        ("CAST('24:00:00' AS TIME)", "error: '24:00:00' is not a valid time(ns)"),
        ("CAST('2024-01-05 10:00:00.9999999' AS TIMESTAMPTZ)", "2024-01-05T10:00:01Z"),
        ("CAST(TIMESTAMP '2024-01-05 10:00:00.9996' AS TIMESTAMP(3))", "2024-01-05T10:00:01"),
        ("CAST(TIMESTAMP '2024-01-05 10:00:00.5' AS TIMESTAMP(0))", "2024-01-05T10:00:01"),
        ("CAST(TIMESTAMP '1999-12-31 23:59:59.5' AS TIMESTAMP(0))", "1999-12-31T23:59:59"),
        ("CAST(CAST('2024-01-05 10:00:00.0000005' AS TIMESTAMP(9)) AS TIMESTAMP)", "2024-01-05T10:00:00.000001"),
        ("CAST(TIMESTAMP '2024-01-05 10:00:00.50' AS VARCHAR)", "2024-01-05 10:00:00.5"),
        ("CAST(CAST('2024-01-05 10:00:00+02' AS TIMESTAMPTZ) AS VARCHAR)", "2024-01-05 08:00:00+00"),
        ("concat(TIMESTAMP '2024-01-05', ' or later')", "2024-01-05 00:00:00 or later"),
        ("CAST(TIME '10:00:00.50' AS VARCHAR)", "10:00:00.5"),
        ("CAST(interval '14 months 3 days' AS VARCHAR)", "1 year 2 mons 3 days"),
        ("CAST(TIMESTAMP '2024-03-01' - TIMESTAMP '2024-02-01' AS VARCHAR)", "29 days"),
        ("CAST(1704067200 AS TIMESTAMP)", "error: a cast from int64 to timestamp does not say what the number counts (hint: to_timestamp_seconds(..)"),
        ("CAST(DATE '2024-01-01' AS INT)", "error: a cast from date to int32"),
        ("make_date(9999, 12, 31)", "9999-12-31"),
        ("arrow_typeof(now())", "Timestamp(µs)"),
        ("arrow_typeof(current_timestamp)", "Timestamp(µs)"),
        ("CAST('2024-01-31 10:00:00+02:00' AS TIMESTAMPTZ)", "2024-01-31T08:00:00Z"),
        ("CAST('9999-12-31' AS TIMESTAMP WITH TIME ZONE)", "9999-12-31T00:00:00Z"),
    ])
    .await;
}

#[tokio::test]
async fn local_times_that_are_skipped_or_doubled_have_a_rule() {
    check_expressions(&[
        (
            "TIMESTAMP '2024-11-03 01:30:00' AT TIME ZONE 'America/New_York'",
            "2024-11-03T06:30:00Z",
        ),
        (
            "TIMESTAMP '2024-03-10 02:30:00' AT TIME ZONE 'America/New_York'",
            "2024-03-10T07:30:00Z",
        ),
        (
            "TIMESTAMP '2024-06-01 12:00:00' AT TIME ZONE 'Europe/Berlin'",
            "2024-06-01T10:00:00Z",
        ),
        (
            "TIMESTAMP '2024-06-01 12:00:00' AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin'",
            "2024-06-01T14:00:00",
        ),
        (
            "TIMESTAMP '9999-12-31 12:00:00' AT TIME ZONE '+02:00'",
            "9999-12-31T10:00:00Z",
        ),
        (
            "DATE '2024-06-01' AT TIME ZONE 'Europe/Berlin'",
            "2024-05-31T22:00:00Z",
        ),
        (
            "TIMESTAMP '2024-06-01' AT TIME ZONE 'Mars'",
            "error: there is no time zone 'Mars'",
        ),
        (
            "'2024-06-01' AT TIME ZONE 'UTC'",
            "error: AT TIME ZONE takes a timestamp, not utf8",
        ),
    ])
    .await;
}

#[tokio::test]
async fn clocks_change_in_every_year() {
    let new_york = "arrow_cast(TIMESTAMPTZ '2150-07-01 02:00:00Z', 'Timestamp(Microsecond, Some(\"America/New_York\"))')";
    let cases = [
        (
            "TIMESTAMPTZ '2150-07-01 12:00:00Z' AT TIME ZONE 'Europe/Berlin'",
            "2150-07-01T14:00:00",
        ),
        (
            "TIMESTAMP '2150-07-01 12:00:00' AT TIME ZONE 'Europe/Berlin'",
            "2150-07-01T10:00:00Z",
        ),
        (
            "TIMESTAMPTZ '9999-07-01 12:00:00Z' AT TIME ZONE 'America/New_York'",
            "9999-07-01T08:00:00",
        ),
        (
            "TIMESTAMP '2101-11-06 01:30:00' AT TIME ZONE 'America/New_York'",
            "2101-11-06T06:30:00Z",
        ),
        (
            "TIMESTAMP '2101-03-13 02:30:00' AT TIME ZONE 'America/New_York'",
            "2101-03-13T07:30:00Z",
        ),
        (
            "CAST('2150-07-01 12:00:00 America/New_York' AS TIMESTAMPTZ)",
            "2150-07-01T16:00:00Z",
        ),
        (
            "to_timestamp('2150-07-01 12:00:00 America/New_York')",
            "2150-07-01T16:00:00",
        ),
        ("date_part('hour', {z})", "22"),
        ("date_part('day', {z})", "30"),
        ("date_part('decade', {z})", "215"),
        (
            "date_part('epoch', {z}) = date_part('epoch', TIMESTAMP '2150-07-01 02:00:00')",
            "true",
        ),
        ("CAST({z} AS VARCHAR)", "2150-06-30 22:00:00-04"),
        ("CAST({z} AS DATE)", "2150-06-30"),
        ("TRY_CAST({z} AS DATE)", "2150-06-30"),
        ("CAST(CAST({z} AS TIME) AS VARCHAR)", "22:00:00"),
        ("to_char({z}, '%d.%m. %H:%M')", "30.06. 22:00"),
        ("to_char({z}, '%H:%M %z')", "22:00 -0400"),
        ("to_char({z}, concat('%H', '%:z %Z'))", "22-04:00 -04:00"),
        (
            "date_format({z}, '%+ %s')",
            "2150-06-30T22:00:00-04:00 5695927200",
        ),
        (
            "to_char({z}, CASE WHEN random() < 2 THEN '%z' END)",
            "-0400",
        ),
        ("to_local_time({z})", "2150-06-30T22:00:00"),
        ("CAST(to_time({z}) AS VARCHAR)", "22:00:00"),
        ("CAST({z} AS TIMESTAMP)", "2150-06-30T22:00:00"),
        (
            "arrow_cast(make_array({z}), 'List(Date32)')",
            "[2150-06-30]",
        ),
        (
            "arrow_cast({z}, 'Dictionary(Int32, Utf8)')",
            "2150-06-30 22:00:00-04",
        ),
        (
            "arrow_cast(make_array(TIMESTAMP '2150-06-30 22:00:00'), 'List(Timestamp(Microsecond, Some(\"America/New_York\")))')[1] = {z}",
            "true",
        ),
        (
            "array_to_string(make_array({z}, NULL), ', ', '-')",
            "2150-06-30 22:00:00-04, -",
        ),
        (
            "{z} + INTERVAL '6 months' = TIMESTAMPTZ '2150-12-31 03:00:00Z'",
            "true",
        ),
        (
            "INTERVAL '1 day' + {z} = TIMESTAMPTZ '2150-07-02 02:00:00Z'",
            "true",
        ),
        (
            "{z} - INTERVAL '1 day 2 hours' = TIMESTAMPTZ '2150-06-30 00:00:00Z'",
            "true",
        ),
        ("{z} > '2150-06-30 21:59:59'", "true"),
        ("{z} = '2150-07-01 02:00:00+00'", "true"),
        (
            "arrow_cast({z}, 'Timestamp(Second, Some(\"America/New_York\"))') + INTERVAL '1.5 seconds'",
            "error: the interval is finer than timestamp(s, America/New_York)",
        ),
        (
            "date_trunc('day', {z}) = TIMESTAMPTZ '2150-06-30 04:00:00Z'",
            "true",
        ),
        ("{z} = TIMESTAMP '2150-06-30 22:00:00'", "true"),
    ];
    let cases = cases.map(|(expression, value)| (expression.replace("{z}", new_york), value));
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(expression, value)| (expression.as_str(), *value))
        .collect();
    check_expressions(&cases).await;
}

#[tokio::test]
async fn formats_and_parts_know_every_year() {
    check_expressions(&[
        ("to_char(TIMESTAMPTZ '9999-12-31 10:00:00Z', '%Y %z %Z')", "9999 +0000 +00:00"),
        ("to_char('9999-12-31 10:00:00', '%Y %H')", "9999 10"),
        ("to_char(TIMESTAMP '2024-01-31 10:00:00.5', '%H%.3f')", "10.500"),
        ("to_char(DATE '9999-12-31', '%Y %H')", "9999 00"),
        ("to_char(TIME '10:00:00', '%H')", "10"),
        ("to_char(NULL, '%H')", "NULL"),
        ("to_char(now(), NULL)", "NULL"),
        ("to_char(TIMESTAMP '2024-01-31', '%H %z')", "error: cannot be written as '%H %z'"),
        ("to_char(TIMESTAMP '2024-01-31', '%Q')", "error: cannot be written as '%Q'"),
        ("to_char(INTERVAL '1 day', '%H')", "error: `to_char` takes a timestamp, a date or a time"),
        ("date_part('year', '9999-12-31 10:00:00')", "9999"),
        ("to_timestamp_nanos(TIMESTAMP '9999-12-31')", "error: exceeds the representable i64 range"),
        ("arrow_cast(TIMESTAMP '2024-01-01', 'Timestamp(Millisecond, None)') + INTERVAL '1.5 milliseconds'", "error: the interval is finer than timestamp(ms)"),
        ("arrow_cast(TIMESTAMP '2024-01-01', 'Timestamp(Millisecond, None)') - INTERVAL '1 month'", "2023-12-01T00:00:00"),
    ])
    .await;
}

#[tokio::test]
async fn series_of_times_are_complete() {
    let berlin = |time: &str| {
        format!("arrow_cast('{time}', 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))')")
    };
    let by_clocks = format!(
        "array_to_string(generate_series({}, {}, INTERVAL '1 day'), ', ')",
        berlin("2024-03-30 02:30:00"),
        berlin("2024-04-02 02:30:00")
    );
    check_expressions(&[
        (
            "range(TIMESTAMP '9999-12-30', TIMESTAMP '9999-12-31', INTERVAL '12 hours')",
            "[9999-12-30T00:00:00, 9999-12-30T12:00:00]",
        ),
        (
            "generate_series(TIMESTAMPTZ '2450-01-02 00:00Z', TIMESTAMPTZ '2450-01-01 00:00Z', INTERVAL '-1 day')",
            "[2450-01-02T00:00:00Z, 2450-01-01T00:00:00Z]",
        ),
        (
            "range(DATE '2024-01-31', DATE '2024-03-01', INTERVAL '1 month')",
            "[2024-01-31, 2024-02-29]",
        ),
        (
            "generate_series(DATE '2024-01-31', DATE '2024-03-29', INTERVAL '1 month')",
            "[2024-01-31, 2024-02-29, 2024-03-29]",
        ),
        (
            "range(DATE '2024-01-02', DATE '2024-01-01', INTERVAL '1 day')",
            "[]",
        ),
        // A time that clocks skip is an hour later, and so are those after it.
        (
            &by_clocks,
            "2024-03-30 02:30:00+01, 2024-03-31 03:30:00+02, 2024-04-01 03:30:00+02",
        ),
        (
            "range(CAST(NULL AS TIMESTAMP), TIMESTAMP '2024-01-01', INTERVAL '1 day')",
            "NULL",
        ),
        ("range(1, 3)", "[1, 2]"),
        (
            "range(DATE '2024-01-01', DATE '2024-01-05', INTERVAL '36 hours')",
            "error: the step of `range` has a part of a day",
        ),
        (
            "generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-02', INTERVAL '0 days')",
            "error: the step of `generate_series` must not be 0",
        ),
    ])
    .await;
}

#[tokio::test]
async fn texts_stand_for_timestamps_of_every_year() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT at, word FROM (VALUES (TIMESTAMP '9999-12-31', '9999-12-31 00:00:00'), (TIMESTAMP '2024-01-01', '9999-12-31')) AS t(at, word)",
    )
    .await;
    check_queries(
        &context,
        &[
            ("SELECT count(*) FROM t WHERE at > '2024-01-01'", "1"),
            ("SELECT count(*) FROM t WHERE at = word", "1"),
            (
                "SELECT count(*) FROM t WHERE at BETWEEN '2024-01-01' AND word",
                "2",
            ),
            (
                "SELECT count(*) FROM t WHERE at IN ('9999-12-31', '2024-01-02')",
                "1",
            ),
            (
                "SELECT at IN (SELECT word FROM t) FROM t ORDER BY at",
                "false;true",
            ),
            (
                "SELECT count(*) FROM t WHERE word IN (SELECT at FROM t)",
                "2",
            ),
            (
                "SELECT count(*) FROM t JOIN (SELECT word AS at FROM t) AS s USING (at)",
                "2",
            ),
            (
                "SELECT nullif(at, '9999-12-31') FROM t ORDER BY at",
                "2024-01-01T00:00:00;NULL",
            ),
            (
                "SELECT coalesce(at, TIMESTAMP '2024-01-01') FROM t ORDER BY at",
                "2024-01-01T00:00:00;9999-12-31T00:00:00",
            ),
            (
                "SELECT greatest(at, '2024-06-01') FROM t ORDER BY at",
                "2024-06-01T00:00:00;9999-12-31T00:00:00",
            ),
            (
                "SELECT CASE at WHEN '9999-12-31' THEN 1 ELSE 2 END FROM t ORDER BY at",
                "2;1",
            ),
            (
                "SELECT count(*) FROM t WHERE at > 'x'",
                "error: 'x' is not a valid timestamp",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn intervals_are_ordered_by_what_they_last() {
    let context = context(2);
    table(
        &context,
        "t",
        "SELECT i, x FROM (VALUES (1, interval '1 month'), (2, interval '30 days'), (3, interval '31 days'), (4, interval '29 days')) AS t(i, x)",
    )
    .await;
    let refused = "would take 1 month and 30 days for different intervals";
    check_queries(
        &context,
        &[
            ("SELECT i FROM t ORDER BY x, i", "4;1;2;3"),
            (
                "SELECT i, rank() OVER (ORDER BY x), count(*) OVER (PARTITION BY x) FROM t ORDER BY i",
                "1|2|2;2|2|2;3|4|1;4|1|1",
            ),
            ("SELECT count(*) FROM t JOIN t AS s ON t.x = s.x", "6"),
            (
                "SELECT nullif(x, interval '30 days') IS NULL FROM t ORDER BY i",
                "true;true;false;false",
            ),
            ("SELECT max(x) FROM t", &format!("error: `max` {refused}")),
            ("SELECT count(*) FROM t GROUP BY x", &format!("error: GROUP BY {refused}")),
            ("SELECT DISTINCT x FROM t", &format!("error: DISTINCT or a set operation {refused}")),
            ("SELECT x FROM t INTERSECT SELECT x FROM t", &format!("error: {refused}")),
            ("SELECT count(DISTINCT x) FROM t", &format!("error: `count` {refused}")),
            ("SELECT greatest(x, interval '1 day') FROM t", &format!("error: `greatest` {refused}")),
            (
                "SELECT sum(i) OVER (ORDER BY x RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW) FROM t",
                "error: a window has no RANGE of values of type interval",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn dates_meet_timestamps() {
    let context = context(2);
    table(&context, "d", "SELECT DATE '9999-12-31' AS day").await;
    table(
        &context,
        "days",
        "SELECT day FROM (VALUES (DATE '2024-01-01'), (DATE '2024-01-02'), (DATE '2024-01-03')) AS t(day)",
    )
    .await;
    table(
        &context,
        "t",
        "SELECT TIMESTAMP '9999-12-31 00:00:00' AS at, 'America/New_York' AS zone",
    )
    .await;
    check_queries(
        &context,
        &[
            (
                "SELECT day FROM d UNION ALL SELECT at FROM t",
                "9999-12-31T00:00:00;9999-12-31T00:00:00",
            ),
            (
                "SELECT at FROM t UNION SELECT day FROM d",
                "9999-12-31T00:00:00",
            ),
            ("SELECT count(*) FROM d JOIN t ON day = at", "1"),
            ("SELECT count(*) FROM d, t WHERE day <= at", "1"),
            ("SELECT at - day FROM d, t", "P0D"),
            (
                "SELECT day - interval '1 hour' FROM d",
                "9999-12-30T23:00:00",
            ),
            (
                "SELECT day FROM d, t WHERE day < at + interval '1 hour'",
                "9999-12-31",
            ),
            (
                "SELECT day FROM d WHERE day - interval '1 hour' < DATE '9999-12-31'",
                "9999-12-31",
            ),
            (
                "SELECT count(*) FROM d, t WHERE at - TIMESTAMP '0001-01-01' > interval '1 day'",
                "1",
            ),
            (
                "SELECT count(*) OVER (ORDER BY day RANGE BETWEEN INTERVAL '36 hours' PRECEDING AND CURRENT ROW) FROM days ORDER BY day",
                "1;2;2",
            ),
            (
                "SELECT count(*) OVER (ORDER BY day RANGE BETWEEN INTERVAL '12 hours' PRECEDING AND INTERVAL '2 days' FOLLOWING) FROM days ORDER BY day",
                "3;2;1",
            ),
            ("SELECT at AT TIME ZONE zone FROM t", "9999-12-31T05:00:00Z"),
            (
                "SELECT TIMESTAMP '2024-11-03 01:30:00' AT TIME ZONE zone FROM t",
                "2024-11-03T06:30:00Z",
            ),
            ("SELECT date_trunc('day', at) FROM t", "9999-12-31T00:00:00"),
            ("SELECT count(*) FROM t WHERE at > now()", "1"),
            (
                "SELECT count(*) OVER (ORDER BY arrow_cast(day, 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))') RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW) FROM days",
                "error: a window has no RANGE of days or months",
            ),
            (
                "SELECT count(*) OVER (ORDER BY arrow_cast(day, 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))') RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW) FROM days ORDER BY day",
                "1;2;2",
            ),
        ],
    )
    .await;
}
