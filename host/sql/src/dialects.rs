//! Names of other dialects, and what to write here.
//!
//! Users bring queries from Redshift, Snowflake, BigQuery, MySQL and PostgreSQL. DataFusion would suggest any name of its own that is as
//! long.

/// What to write instead of a function or a word without parentheses, by its name in small letters.
const FUNCTIONS: &[(&str, &str)] = &[
    ("dateadd", "t + INTERVAL '1 day'"),
    ("date_add", "t + INTERVAL '1 day'"),
    ("timestampadd", "t + INTERVAL '1 day'"),
    ("date_sub", "t - INTERVAL '1 day'"),
    ("adddate", "t + INTERVAL '1 day'"),
    ("subdate", "t - INTERVAL '1 day'"),
    ("add_months", "t + INTERVAL '1 month'"),
    (
        "datediff",
        "CAST(b AS DATE) - CAST(a AS DATE) for days; (date_part('year', b) - date_part('year', a)) * 12 + date_part('month', b) - date_part('month', a) for months",
    ),
    (
        "date_diff",
        "CAST(b AS DATE) - CAST(a AS DATE) for days; (date_part('year', b) - date_part('year', a)) * 12 + date_part('month', b) - date_part('month', a) for months",
    ),
    (
        "timestampdiff",
        "date_part('epoch', b) - date_part('epoch', a) for seconds",
    ),
    (
        "months_between",
        "(date_part('year', b) - date_part('year', a)) * 12 + date_part('month', b) - date_part('month', a)",
    ),
    (
        "last_day",
        "CAST(date_trunc('month', t) + INTERVAL '1 month' - INTERVAL '1 day' AS DATE)",
    ),
    ("age", "b - a"),
    ("getdate", "now()"),
    ("sysdate", "now()"),
    ("sysdatetime", "now()"),
    ("systimestamp", "now()"),
    ("current_datetime", "now()"),
    ("localtimestamp", "now()"),
    ("statement_timestamp", "now()"),
    ("clock_timestamp", "now()"),
    ("curdate", "current_date"),
    ("unix_timestamp", "date_part('epoch', t)"),
    ("to_unixtime", "floor(date_part('epoch', t))"),
    ("dayofweek", "date_part('dow', t)"),
    ("dayofmonth", "date_part('day', t)"),
    ("dayofyear", "date_part('doy', t)"),
    ("year", "date_part('year', t)"),
    ("quarter", "date_part('quarter', t)"),
    ("month", "date_part('month', t)"),
    ("week", "date_part('week', t)"),
    ("day", "date_part('day', t)"),
    ("hour", "date_part('hour', t)"),
    ("minute", "date_part('minute', t)"),
    ("second", "date_part('second', t)"),
    ("date_format", "to_char(t, '%Y-%m-%d')"),
    ("format_date", "to_char(t, '%Y-%m-%d')"),
    ("strftime", "to_char(t, '%Y-%m-%d')"),
    ("str_to_date", "to_date(text, '%Y-%m-%d')"),
    ("parse_date", "to_date(text, '%Y-%m-%d')"),
    ("parse_timestamp", "to_timestamp(text, '%Y-%m-%d %H:%M:%S')"),
    ("strptime", "to_timestamp(text, '%Y-%m-%d %H:%M:%S')"),
    ("try_to_timestamp", "TRY_CAST(text AS TIMESTAMP)"),
    ("try_to_date", "TRY_CAST(text AS DATE)"),
    ("convert_timezone", "t AT TIME ZONE 'Europe/Berlin'"),
    ("timezone", "t AT TIME ZONE 'Europe/Berlin'"),
    ("time_bucket", "date_bin(INTERVAL '15 minutes', t)"),
    ("time_slice", "date_bin(INTERVAL '15 minutes', t)"),
    ("timestamp_trunc", "date_trunc('day', t)"),
    ("datetime_trunc", "date_trunc('day', t)"),
    ("isnull", "coalesce(a, b), or a IS NULL"),
    ("ifnull", "coalesce(a, b)"),
    ("nvl", "coalesce(a, b)"),
    ("nvl2", "CASE WHEN a IS NOT NULL THEN b ELSE c END"),
    ("zeroifnull", "coalesce(a, 0)"),
    ("nullifzero", "nullif(a, 0)"),
    ("iff", "CASE WHEN condition THEN a ELSE b END"),
    ("iif", "CASE WHEN condition THEN a ELSE b END"),
    ("if", "CASE WHEN condition THEN a ELSE b END"),
    ("decode", "CASE a WHEN 1 THEN 'x' ELSE 'y' END"),
    ("choose", "CASE a WHEN 1 THEN 'x' WHEN 2 THEN 'y' END"),
    ("convert", "CAST(a AS INT)"),
    ("try_convert", "TRY_CAST(a AS INT)"),
    ("safe_cast", "TRY_CAST(a AS INT)"),
    ("try_to_number", "TRY_CAST(text AS DECIMAL(18, 2))"),
    ("to_number", "CAST(text AS DECIMAL(18, 2))"),
    ("to_decimal", "CAST(text AS DECIMAL(18, 2))"),
    (
        "to_varchar",
        "CAST(a AS VARCHAR), or to_char(t, '%Y-%m-%d')",
    ),
    ("listagg", "string_agg(x, ',')"),
    ("group_concat", "string_agg(x, ',')"),
    ("collect_list", "array_agg(x)"),
    ("collect_set", "array_agg(DISTINCT x)"),
    ("len", "length(text)"),
    ("datalength", "octet_length(text)"),
    ("charindex", "strpos(text, 'x')"),
    ("locate", "strpos(text, 'x')"),
    ("replicate", "repeat(text, 3)"),
    ("space", "repeat(' ', 3)"),
    ("regexp_substr", "regexp_match(text, '[0-9]+')[1]"),
    ("regexp_extract", "regexp_match(text, '[0-9]+')[1]"),
    ("regexp_contains", "text ~ '[0-9]+'"),
    ("rlike", "text ~ '[0-9]+'"),
    ("startswith", "starts_with(text, 'x')"),
    ("endswith", "ends_with(text, 'x')"),
    ("sign", "signum(a)"),
    ("truncate", "trunc(a, 2)"),
    ("ceiling", "ceil(a)"),
    ("mod", "a % b"),
    (
        "div",
        "trunc(a / b); of whole numbers a / b is whole already",
    ),
    (
        "width_bucket",
        "floor((a - low) / (high - low) * buckets) + 1",
    ),
    ("div0", "a / nullif(b, 0)"),
    ("safe_divide", "a / nullif(b, 0)"),
    ("ratio_to_report", "a / sum(a) OVER ()"),
    ("every", "bool_and(condition)"),
    (
        "mode",
        "(SELECT x FROM t GROUP BY x ORDER BY count(*) DESC, x LIMIT 1)",
    ),
    ("countif", "count(*) FILTER (WHERE condition)"),
    ("count_if", "count(*) FILTER (WHERE condition)"),
    ("sumif", "sum(a) FILTER (WHERE condition)"),
    ("approx_count_distinct", "approx_distinct(a)"),
    ("any_value", "first_value(a)"),
    ("arbitrary", "first_value(a)"),
    (
        "percentile_disc",
        "(SELECT min(a) FROM (SELECT a, cume_dist() OVER (ORDER BY a) AS share FROM t WHERE a IS NOT NULL) AS u WHERE share >= 0.5); percentile_cont gives a value between two",
    ),
    ("variance", "var(a)"),
    ("stdev", "stddev(a)"),
    ("rand", "random()"),
    ("newid", "uuid()"),
    ("gen_random_uuid", "uuid()"),
    ("generate_uuid", "uuid()"),
    ("sha2", "sha256(text)"),
    ("hash", "md5(text)"),
    ("split", "string_to_array(text, ',')"),
    ("strtok", "split_part(text, ',', 1)"),
    ("explode", "unnest(list)"),
    ("flatten", "unnest(list)"),
    ("array_size", "array_length(list)"),
];

/// Functions of JSON, none of which is here.
const JSON: &[&str] = &[
    "json_extract_path_text",
    "json_extract_path",
    "json_extract",
    "json_extract_string",
    "json_extract_scalar",
    "json_extract_array_element_text",
    "json_value",
    "json_query",
    "json_parse",
    "json_serialize",
    "json_array_length",
    "parse_json",
    "try_parse_json",
    "get_json_object",
    "get_path",
    "jsonb_extract_path_text",
    "to_json",
    "json_object",
    "json_build_object",
    "is_valid_json",
];

/// What to write instead of a function that is not here.
#[must_use]
pub fn instead_of(function: &str) -> Option<String> {
    let function = function.to_lowercase();
    if JSON.contains(&function.as_str()) {
        return Some(
            "SQL here does not parse JSON: declare the keys in the source's `columns` and write user['id'], or use a plugin"
                .to_owned(),
        );
    }
    FUNCTIONS
        .iter()
        .find(|(name, _)| *name == function)
        .map(|(name, instead)| format!("for `{name}` write {instead}"))
}

/// What to write instead of a table that other dialects have.
#[must_use]
pub fn instead_of_table(table: &str) -> Option<&'static str> {
    match table.to_lowercase().as_str() {
        "generate_series" | "range" => {
            Some("write FROM (SELECT unnest(generate_series(1, 3)) AS n) AS t")
        }
        "dual" => Some("leave FROM out"),
        _ => None,
    }
}

/// A message of DataFusion's planner or parser, in the words of people who write queries: a message, and advice.
#[must_use]
pub fn translated(message: &str) -> Option<(Option<String>, String)> {
    if let Some(name) = between(message, "Invalid function '", "'") {
        let problem = format!("there is no function `{name}`");
        return instead_of(name).map(|instead| (Some(problem), instead));
    }
    if let Some(name) = between(message, "No field named ", ".") {
        let name = name.trim_matches('"');
        if let Some(instead) = instead_of(name) {
            return Some((None, instead));
        }
    }
    if message.starts_with("No field named ") && message.contains("enable_ident_normalization") {
        let name = between(message, "to refer to the ", " column").map(|name| {
            name.rsplit('.')
                .next()
                .unwrap_or(name)
                .trim_matches('"')
                .to_owned()
        });
        let problem = message.lines().next().unwrap_or(message);
        let problem = problem.split(". ").next().unwrap_or(problem);
        let quoted = match name {
            Some(name) => format!("names without quotes are lower case: write \"{name}\""),
            None => "names without quotes are lower case: write \"Name\"".to_owned(),
        };
        return Some((Some(problem.trim_end_matches('.').to_owned()), quoted));
    }
    if let Some((_, rest)) = message.split_once("Function '")
        && let Some((name, _)) = rest.split_once("' failed to match any signature")
    {
        return Some(mismatched(name, message));
    }
    if message.starts_with("Unary operator '-' only supports") {
        let problem = "`-` takes a number or an interval".to_owned();
        let instead =
            "of a difference of timestamps write `b - a` for `-(a - b)`, or `(a - b) * -1`";
        return Some((Some(problem), instead.to_owned()));
    }
    let unsupported = [
        ("TOP", "write LIMIT 10 at the end of the query"),
        ("MINUS", "write EXCEPT"),
        (
            "Pivot",
            "write sum(a) FILTER (WHERE k = 'x') for each column",
        ),
        (
            "PIVOT",
            "write sum(a) FILTER (WHERE k = 'x') for each column",
        ),
        ("DISTSTYLE", "a step is a query: write the SELECT alone"),
    ];
    if message.contains("not implemented")
        || message.contains("Unsupported ast node")
        || message == "TOP"
    {
        return unsupported
            .iter()
            .find(|(word, _)| message.contains(word))
            .map(|(_, instead)| (None, (*instead).to_owned()));
    }
    None
}

/// Of a function that has several forms, none of which takes the arguments: DataFusion says that it is a mistake of its own.
fn mismatched(name: &str, message: &str) -> (Option<String>, String) {
    let given = between(message, "argument types '", "'").unwrap_or(name);
    let problem = format!("there is no function `{given}`");
    let of_name = |line: &&str| line.starts_with(name) && line[name.len()..].starts_with('(');
    let forms: Vec<&str> = message.lines().map(str::trim).filter(of_name).collect();
    let hint = match name {
        "substr" => {
            "substr(text, 2, 3) counts characters; regexp_match(text, 'pattern')[1] is what a pattern matches"
                .to_owned()
        }
        _ if forms.is_empty() => "CAST the arguments to other types".to_owned(),
        _ => format!("it is called as {}", forms.join(", or ")),
    };
    (Some(problem), hint)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split(after).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_dialects_have_equivalents() {
        for (name, part) in [
            ("dateadd", "INTERVAL"),
            ("LISTAGG", "string_agg"),
            ("getdate", "now()"),
            ("json_extract_path_text", "JSON"),
        ] {
            let instead = instead_of(name).unwrap();
            assert!(instead.contains(part), "{instead}");
        }
        assert_eq!(instead_of("my_function"), None);
    }

    #[test]
    fn forms_of_a_function_are_named() {
        let message = "Internal error: Function 'f' failed to match any signature, errors: Error during planning: ..\n\
             This issue was likely caused by a bug in DataFusion's code. No function matches the given name and argument types \
             'f(utf8, bool)'. You might need to add explicit type casts.\n\tCandidate functions:\n\tf(int64)\n\tf(int64, bool)";
        let (problem, hint) = translated(message).unwrap();
        assert_eq!(problem.unwrap(), "there is no function `f(utf8, bool)`");
        assert_eq!(hint, "it is called as f(int64), or f(int64, bool)");
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
