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
    ("isnumeric", "TRY_CAST(text AS DECIMAL(38, 10)) IS NOT NULL"),
    (
        "strtol",
        "CAST(text AS BIGINT), or a function of a plugin for other bases than ten",
    ),
    ("to_number", "CAST(text AS DECIMAL(18, 2))"),
    ("to_decimal", "CAST(text AS DECIMAL(18, 2))"),
    (
        "to_varchar",
        "CAST(a AS VARCHAR), or to_char(t, '%Y-%m-%d')",
    ),
    ("max_by", "first_value(a ORDER BY b DESC)"),
    ("arg_max", "first_value(a ORDER BY b DESC)"),
    ("argmax", "first_value(a ORDER BY b DESC)"),
    ("min_by", "first_value(a ORDER BY b)"),
    ("arg_min", "first_value(a ORDER BY b)"),
    ("argmin", "first_value(a ORDER BY b)"),
    ("listagg", "string_agg(x, ',')"),
    ("group_concat", "string_agg(x, ',')"),
    ("collect_list", "array_agg(x)"),
    ("collect_set", "array_agg(DISTINCT x)"),
    ("ucase", "upper(text)"),
    ("lcase", "lower(text)"),
    ("mid", "substr(text, 2, 3)"),
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
    ("hashbytes", "sha256(text)"),
    ("fnv_hash", "md5(text)"),
    ("split", "string_to_array(text, ',')"),
    ("strtok", "split_part(text, ',', 1)"),
    ("explode", "unnest(list)"),
    ("flatten", "unnest(list)"),
    ("array_size", "array_length(list)"),
    ("current_user", USER),
    ("session_user", USER),
    ("current_role", USER),
    ("user_name", USER),
];

const USER: &str = "a variable `$user`, declared below `variables` of the pipeline's file";

/// What to write instead of a type, by its name in small letters.
const TYPES: &[(&str, &str)] = &[
    (
        "number",
        "write DECIMAL(18, 2), or BIGINT for whole numbers",
    ),
    ("money", "write DECIMAL(19, 4)"),
    ("smallmoney", "write DECIMAL(10, 4)"),
    ("signed", "write BIGINT"),
    ("signed integer", "write BIGINT"),
    ("unsigned", "write BIGINT UNSIGNED"),
    ("unsigned integer", "write BIGINT UNSIGNED"),
    ("byteint", "write TINYINT"),
    ("bit", "write BOOLEAN"),
    ("uuid", "a UUID is a text: write VARCHAR"),
    ("uniqueidentifier", "a UUID is a text: write VARCHAR"),
    ("timestamp_ntz", "write TIMESTAMP"),
    ("datetime2", "write TIMESTAMP"),
    ("smalldatetime", "write TIMESTAMP"),
    ("timestamp_ltz", "write TIMESTAMPTZ"),
    ("timestamp_tz", "write TIMESTAMPTZ"),
    ("datetimeoffset", "write TIMESTAMPTZ"),
    ("varbinary", "write BYTEA"),
    ("varbyte", "write BYTEA"),
    ("blob", "write BYTEA"),
    ("binary", "write BYTEA"),
    ("json", JSON_TYPE),
    ("jsonb", JSON_TYPE),
    ("super", JSON_TYPE),
    ("variant", JSON_TYPE),
    ("object", JSON_TYPE),
];

const JSON_TYPE: &str = "JSON is a text in SQL: declare the column `json` in the source's `columns`, or its keys as a \
     `struct<..>`, and write user['id']";

/// What to write instead of a type that is not here.
pub(crate) fn instead_of_type(name: &str) -> &'static str {
    let found = TYPES.iter().find(|(known, _)| *known == name);
    found.map_or(
        "types are BOOLEAN, SMALLINT, INT, BIGINT, DECIMAL(18, 2), REAL, DOUBLE, VARCHAR, BYTEA, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL",
        |(_, instead)| *instead,
    )
}

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

const NO_JSON: &str = "SQL here does not parse JSON: declare the keys in the source's `columns` and write user['id'], or use a plugin";

/// What to write instead of a function that is not here.
#[must_use]
pub fn instead_of(function: &str) -> Option<String> {
    let function = function.to_lowercase();
    if JSON.contains(&function.as_str()) {
        return Some(NO_JSON.to_owned());
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
    if let Some((_, types)) = message.split_once(NO_MATCH) {
        let name = types.split('(').next().unwrap_or(types);
        return Some(mismatched(name, message));
    }
    if message.contains("Fail to find the coerced type") {
        let problem = match between(message, "Expect to get struct but got ", " ") {
            Some(other) => format!("a struct and {other} have no type in common"),
            None => "the arguments have no type in common".to_owned(),
        };
        let instead =
            "CAST one of them to the type of the others, or take a field of the struct: user['id']";
        return Some((Some(problem), instead.to_owned()));
    }
    if let Some(operator) = between(message, "Operator ", " is not yet supported") {
        let problem = format!("the operator `{operator}` is not supported here");
        return matches!(operator, "->" | "->>" | "#>" | "#>>")
            .then(|| (Some(problem), NO_JSON.to_owned()));
    }
    if let Some(tree) = message.strip_prefix("Unsupported ast node") {
        return Some(unsupported(tree));
    }
    let words = [
        ("TOP", "write LIMIT 10 at the end of the query"),
        ("MINUS", "write EXCEPT"),
        ("DISTSTYLE", "a step is a query: write the SELECT alone"),
    ];
    if message.contains("not implemented") || message == "TOP" {
        return words
            .iter()
            .find(|(word, _)| message.contains(word))
            .map(|(_, instead)| (None, (*instead).to_owned()));
    }
    None
}

/// What DataFusion says before the types of a call that fits no form of its function.
const NO_MATCH: &str = "No function matches the given name and argument types '";

/// Of syntax that the parser knows and the planner does not. The message shows the parser's tree.
fn unsupported(tree: &str) -> (Option<String>, String) {
    let tree = tree.trim_start_matches(" in sqltorel:").trim_start();
    let node = tree.split(|c: char| !c.is_alphanumeric()).next();
    let node = node.unwrap_or_default();
    let is_try = tree.starts_with("Convert { is_try: true");
    let (name, instead) = match node {
        "Convert" if is_try => ("TRY_CONVERT", "write TRY_CAST(a AS INT)"),
        "Convert" => ("CONVERT", "write CAST(a AS INT)"),
        "RLike" if tree.contains("regexp: true") => ("REGEXP", "write text ~ '[0-9]+'"),
        "RLike" => ("RLIKE", "write text ~ '[0-9]+'"),
        "Pivot" => (
            "PIVOT",
            "write sum(a) FILTER (WHERE k = 'x') for each column",
        ),
        "Unpivot" => (
            "UNPIVOT",
            "write a SELECT for each column, with UNION ALL between them",
        ),
        node => (node, "write it as PostgreSQL has it"),
    };
    let problem = format!("{name} is not supported here");
    (Some(problem), instead.to_owned())
}

/// Of a function that has several forms, none of which takes the arguments: DataFusion says that it is a mistake of its own.
fn mismatched(name: &str, message: &str) -> (Option<String>, String) {
    let given = between(message, "argument types '", "'. You").unwrap_or(name);
    let problem = format!("there is no function `{given}`");
    let of_name = |line: &&str| line.starts_with(name) && line[name.len()..].starts_with('(');
    let mut forms: Vec<String> = Vec::new();
    for line in message.lines().map(str::trim).filter(of_name) {
        let form = line.replace("Numeric(1)", "number");
        let form = form.replace("Numeric", "number").replace("String", "utf8");
        let form = form.to_lowercase();
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    let hint = match name {
        "substr" => {
            "substr(text, 2, 3) counts characters; regexp_match(text, 'pattern')[1] is what a pattern matches"
                .to_owned()
        }
        "array_slice" if given.starts_with("array_slice(utf8") => {
            "of a text write substr(text, 1, 2)".to_owned()
        }
        "decode" if given.matches(", ").count() > 1 => {
            instead_of(name).unwrap_or_default()
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
    fn messages_have_neither_trees_nor_signatures() {
        for (message, problem, hint) in [
            (
                "Unsupported ast node in sqltorel: Convert { is_try: false, expr: Identifier(Ident { value: \"int\" }) }",
                "CONVERT is not supported here",
                "write CAST(a AS INT)",
            ),
            (
                "Unsupported ast node in sqltorel: RLike { negated: false, regexp: true }",
                "REGEXP is not supported here",
                "write text ~ '[0-9]+'",
            ),
            (
                "Unsupported ast node Pivot { table: Table { name: ObjectName([]) } }",
                "PIVOT is not supported here",
                "write sum(a) FILTER (WHERE k = 'x') for each column",
            ),
            (
                "Operator ->> is not yet supported",
                "the operator `->>` is not supported here",
                NO_JSON,
            ),
            (
                "Function 'upper' requires String, but received Map(..) (DataType: map<utf8, int64>).. No function matches the \
                 given name and argument types 'upper(map<utf8, int64>)'. You might need to add explicit type casts.\n\t\
                 Candidate functions:\n\tupper(String)\n\tupper(String)",
                "there is no function `upper(map<utf8, int64>)`",
                "it is called as upper(utf8)",
            ),
            (
                "Function 'decode' expects 2 arguments but received 4. No function matches the given name and argument types \
                 'decode(int64, int64, int64, int64)'. You might need to add explicit type casts.\n\tCandidate functions:\n\t\
                 decode(binary, String)",
                "there is no function `decode(int64, int64, int64, int64)`",
                "for `decode` write CASE a WHEN 1 THEN 'x' ELSE 'y' END",
            ),
            (
                "Fail to find the coerced type, errors: Execution error: Expect to get struct but got binary",
                "a struct and binary have no type in common",
                "CAST one of them to the type of the others, or take a field of the struct: user['id']",
            ),
        ] {
            let (found, instead) = translated(message).unwrap();
            assert_eq!((found.as_deref(), instead.as_str()), (Some(problem), hint));
        }
    }

    #[test]
    fn no_name_stands_twice() {
        for list in [FUNCTIONS, TYPES] {
            let mut names: Vec<&str> = list.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }
}
