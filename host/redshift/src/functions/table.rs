//! The functions that there are. What is not here does not exist.

/// How a function is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// By a function of plans.
    As(&'static str),
    /// By an aggregate function of plans.
    Aggregate(&'static str),
    /// By a window function of plans, which needs no frame.
    Ranking(&'static str),
    /// By a window function of plans over a frame.
    Framed(&'static str),
    /// By something that is written for it.
    Special(Special),
    /// Redshift has it, and this program does not yet.
    NotYet,
}

/// Functions that become other expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    Nvl2,
    Decode,
    NullIf,
    Concat,
    CharIndex,
    GetDate,
    CurrentDate,
    /// A moment that only the leader node has.
    LeaderMoment,
    /// What only the leader node has, and this program does not yet.
    LeaderToCome,
    /// The name of the user, the schema or the database.
    CurrentUser,
    CurrentSchema,
    CurrentDatabase,
    Version,
    BackendPid,
    LastCopyCount,
    LastUnloadCount,
    /// Numbers of the last query, COPY and UNLOAD.
    LastQueryId,
    LastCopyId,
    LastUnloadId,
    /// The value of a parameter of the session.
    CurrentSetting,
    TimeOfDay,
    DatePartYear,
    /// Texts are intervals.
    IntervalCmp,
    /// The first argument is a part of dates: a word or a text.
    DatePart(&'static str),
    Trunc,
    /// A number without a fraction.
    Whole(&'static str),
    ListAgg,
    PercentileCont,
    PercentileDisc,
    Median,
    Sum,
    Avg,
    /// The greatest or the least of values.
    Extreme(&'static str),
    RatioToReport,
    LeaderPrivilege,
    /// The first of its arguments.
    First,
    /// NULL: there are no comments.
    NoText,
    /// The user who owns everything.
    Owner,
    /// Whether the search path finds an object of a number under its name.
    IsVisible,
    /// The statement that would create an index, by its number.
    IndexDefinition,
    /// The query of a view, by its number.
    ViewDefinition,
}

impl How {
    fn is_to_come(self) -> bool {
        matches!(self, Self::NotYet | Self::Special(Special::LeaderToCome))
    }
}

/// A function's name, what computes it, and how many arguments it takes.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) how: How,
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// Whether Redshift has a function that this program knows by name alone.
pub(crate) fn is_to_come(name: &str) -> bool {
    FAMILIES.iter().any(|family| name.starts_with(family)) || TO_COME.contains(&name)
}

/// Functions that are not called as others are: the parser knows them.
const WORDS: &[&str] = &["current_user_id", "extract", "try_cast"];

/// The names of functions that Redshift has, in their order, and whether this program has the function, too.
pub fn function_names() -> Vec<(&'static str, bool)> {
    let known = KNOWN.iter();
    let known = known.map(|known| (known.name, !known.how.is_to_come()));
    let to_come = TO_COME.iter().map(|name| (*name, false));
    let all = known.chain(to_come);
    let mut all: Vec<_> = all
        .map(|(name, is_here)| (name, is_here || WORDS.contains(&name)))
        .collect();
    all.sort_unstable();
    all
}

/// Beginnings of names: of geometries, of hexagons, of sketches.
const FAMILIES: &[&str] = &["st_", "h3_", "hll_"];

const TO_COME: &[&str] = &[
    "addbbox",
    "array_intersection",
    "array_to_string",
    "change_query_priority",
    "change_session_priority",
    "change_user_priority",
    "collate",
    "crypt",
    "current_aws_account",
    "current_namespace",
    "current_session_arn",
    "db_collation",
    "decimal_precision",
    "decimal_scale",
    "default_iam_role",
    "dropbbox",
    "explain_model",
    "explode_map",
    "farmfingerprint64",
    "geometrytype",
    "get_number_attributes",
    "has_assumerole_privilege",
    "has_column_privilege",
    "isnull",
    "last_user_query_id",
    "lower_attribute_names",
    "mask_internal_ip",
    "murmur3_32_hash",
    "object_transform",
    "pg_cancel_backend",
    "pg_encoding_to_char",
    "pg_function_is_visible",
    "pg_get_cols",
    "pg_get_constraintdef",
    "pg_get_grantee_by_iam_role",
    "pg_get_iam_role_by_user",
    "pg_get_ruledef",
    "pg_get_session_roles",
    "pg_get_triggerdef",
    "pg_operator_is_visible",
    "pg_terminate_backend",
    "pg_type_is_visible",
    "reboot_cluster",
    "role_is_member_of",
    "set_config",
    "size",
    "slice_num",
    "supportsbbox",
    "text_to_int_alt",
    "text_to_numeric_alt",
    "try_cast",
    "typeof",
    "upper_attribute_names",
    "user_is_member_of",
];

const fn known(name: &'static str, how: How, least: usize, most: usize) -> Known {
    Known {
        name,
        how,
        least,
        most,
    }
}

use How::{Aggregate, As, Framed, NotYet, Ranking};
use Special as S;

const fn special(special: Special) -> How {
    How::Special(special)
}

const MANY: usize = 1_000;

/// A function that is two words in SQL, so that nothing else has its name.
pub(crate) const APPROXIMATE_PERCENTILE: &str = "approximate percentile_disc";

static KNOWN: &[Known] = &[
    // Texts.
    known("ascii", As("ascii"), 1, 1),
    known("btrim", As("btrim"), 1, 2),
    known("bpcharcmp", As("redshift_bpcharcmp"), 2, 2),
    known("bttext_pattern_cmp", As("redshift_bpcharcmp"), 2, 2),
    known("char_length", As("character_length"), 1, 1),
    known("character_length", As("character_length"), 1, 1),
    known("charindex", special(S::CharIndex), 2, 2),
    known("chr", As("redshift_chr"), 1, 1),
    known("concat", special(S::Concat), 2, 2),
    known("crc32", As("redshift_crc32"), 1, 1),
    known("difference", As("redshift_difference"), 2, 2),
    known("func_sha1", As("redshift_sha1"), 1, 1),
    known("initcap", As("initcap"), 1, 1),
    known("left", As("left"), 2, 2),
    known("len", As("character_length"), 1, 1),
    known("length", As("character_length"), 1, 1),
    known("lower", As("lower"), 1, 1),
    known("lpad", As("redshift_lpad"), 2, 3),
    known("ltrim", As("ltrim"), 1, 2),
    known("md5", As("redshift_md5"), 1, 1),
    known("octet_length", As("octet_length"), 1, 1),
    known("octetindex", As("redshift_octetindex"), 2, 2),
    known("quote_ident", As("redshift_quote_ident"), 1, 1),
    known("quote_literal", As("redshift_quote_literal"), 1, 1),
    known("regexp_count", As("redshift_regexp_count"), 2, 4),
    known("regexp_instr", As("redshift_regexp_instr"), 2, 6),
    known("regexp_replace", As("redshift_regexp_replace"), 2, 5),
    known("regexp_substr", As("redshift_regexp_substr"), 2, 5),
    known("repeat", As("redshift_repeat"), 2, 2),
    known("replace", As("replace"), 3, 3),
    known("replicate", As("redshift_repeat"), 2, 2),
    known("reverse", As("reverse"), 1, 1),
    known("right", As("right"), 2, 2),
    known("rpad", As("redshift_rpad"), 2, 3),
    known("rtrim", As("rtrim"), 1, 2),
    known("sha", As("redshift_sha1"), 1, 1),
    known("sha1", As("redshift_sha1"), 1, 1),
    known("sha2", As("redshift_sha2"), 2, 2),
    known("soundex", As("redshift_soundex"), 1, 1),
    known("split_part", As("redshift_split_part"), 3, 3),
    known("split_to_array", As("redshift_split_to_array"), 1, 2),
    known("strpos", As("strpos"), 2, 2),
    known("strtol", As("redshift_strtol"), 2, 2),
    known("substr", As("substr"), 2, 3),
    known("substring", As("substr"), 2, 3),
    known("textlen", As("character_length"), 1, 1),
    known("to_hex", As("redshift_to_hex"), 1, 1),
    known("translate", As("translate"), 3, 3),
    known("trim", As("btrim"), 1, 2),
    known("upper", As("upper"), 1, 1),
    known("fnv_hash", As("redshift_fnv_hash"), 1, 2),
    // Bytes.
    known("from_hex", As("redshift_from_hex"), 1, 1),
    known("from_varbyte", As("redshift_from_varbyte"), 2, 2),
    known("getbit", As("redshift_getbit"), 2, 2),
    known("to_varbyte", As("redshift_to_varbyte"), 2, 2),
    // Numbers.
    known("abs", As("abs"), 1, 1),
    known("acos", As("redshift_acos"), 1, 1),
    known("asin", As("redshift_asin"), 1, 1),
    known("atan", As("atan"), 1, 1),
    known("atan2", As("atan2"), 2, 2),
    known("cbrt", As("cbrt"), 1, 1),
    known("ceil", special(S::Whole("ceil")), 1, 1),
    known("ceiling", special(S::Whole("ceil")), 1, 1),
    known("checksum", NotYet, 1, 1),
    known("cos", As("cos"), 1, 1),
    known("cot", As("redshift_cot"), 1, 1),
    known("degrees", As("redshift_degrees"), 1, 1),
    known("dexp", As("redshift_exp"), 1, 1),
    known("dlog1", As("redshift_ln"), 1, 1),
    known("dlog10", As("redshift_log"), 1, 1),
    known("exp", As("redshift_exp"), 1, 1),
    known("floor", special(S::Whole("floor")), 1, 1),
    known("ln", As("redshift_ln"), 1, 1),
    known("log", As("redshift_log"), 1, 1),
    known("mod", As("redshift_mod"), 2, 2),
    known("pi", As("pi"), 0, 0),
    known("pow", As("redshift_power"), 2, 2),
    known("power", As("redshift_power"), 2, 2),
    known("radians", As("radians"), 1, 1),
    known("random", As("random"), 0, 0),
    known("round", As("round"), 1, 2),
    known("sign", As("redshift_sign"), 1, 1),
    known("sin", As("sin"), 1, 1),
    known("sqrt", As("redshift_sqrt"), 1, 1),
    known("tan", As("tan"), 1, 1),
    known("trunc", special(S::Trunc), 1, 2),
    known("to_number", As("redshift_to_number"), 2, 2),
    // Conditions.
    known("coalesce", As("redshift_coalesce"), 1, MANY),
    known("decode", special(S::Decode), 3, MANY),
    known("greatest", As("redshift_greatest"), 1, MANY),
    known("least", As("redshift_least"), 1, MANY),
    known("nullif", special(S::NullIf), 2, 2),
    known("nvl", As("redshift_coalesce"), 1, MANY),
    known("nvl2", special(S::Nvl2), 3, 3),
    // Dates.
    known("add_months", As("redshift_add_months"), 2, 2),
    known("convert_timezone", As("redshift_convert_timezone"), 2, 3),
    known("current_date", special(S::CurrentDate), 0, 0),
    known("date_cmp", As("redshift_date_cmp"), 2, 2),
    known(
        "date_cmp_timestamp",
        As("redshift_date_cmp_timestamp"),
        2,
        2,
    ),
    known(
        "date_cmp_timestamptz",
        As("redshift_date_cmp_timestamptz"),
        2,
        2,
    ),
    known(
        "date_part",
        special(S::DatePart("redshift_date_part")),
        2,
        2,
    ),
    known("date_part_year", special(S::DatePartYear), 1, 1),
    known("date_trunc", special(S::DatePart("date_trunc")), 2, 2),
    known("dateadd", special(S::DatePart("redshift_dateadd")), 3, 3),
    known("datediff", special(S::DatePart("redshift_datediff")), 3, 3),
    known("extract", NotYet, 1, 2),
    known("getdate", special(S::GetDate), 0, 0),
    known("interval_cmp", special(S::IntervalCmp), 2, 2),
    known("last_day", As("redshift_last_day"), 1, 1),
    known("months_between", As("redshift_months_between"), 2, 2),
    known("next_day", As("redshift_next_day"), 2, 2),
    known("sysdate", special(S::GetDate), 0, 0),
    known("timestamp_cmp", As("redshift_timestamp_cmp"), 2, 2),
    known(
        "timestamp_cmp_date",
        As("redshift_timestamp_cmp_date"),
        2,
        2,
    ),
    known(
        "timestamp_cmp_timestamptz",
        As("redshift_timestamp_cmp_timestamptz"),
        2,
        2,
    ),
    known("timestamptz_cmp", As("redshift_timestamptz_cmp"), 2, 2),
    known(
        "timestamptz_cmp_date",
        As("redshift_timestamptz_cmp_date"),
        2,
        2,
    ),
    known(
        "timestamptz_cmp_timestamp",
        As("redshift_timestamptz_cmp_timestamp"),
        2,
        2,
    ),
    known("to_char", As("redshift_to_char"), 2, 2),
    known("to_date", As("redshift_to_date"), 2, 3),
    known("to_timestamp", As("redshift_to_timestamp"), 2, 3),
    known("timezone", As("redshift_timezone"), 2, 2),
    // JSON.
    known("can_json_parse", As("redshift_is_valid_json"), 1, 1),
    known("get_array_length", As("json_array_length"), 1, 1),
    known("is_valid_json", As("redshift_is_valid_json"), 1, 1),
    known(
        "is_valid_json_array",
        As("redshift_is_valid_json_array"),
        1,
        1,
    ),
    known("json_array_length", As("json_array_length"), 1, 2),
    known(
        "json_extract_array_element_text",
        As("redshift_json_element"),
        2,
        3,
    ),
    known("json_extract_path_text", As("redshift_json_path"), 2, MANY),
    known("json_parse", As("redshift_json_parse"), 1, 1),
    known("json_serialize", As("redshift_json_serialize"), 1, 1),
    known(
        "json_serialize_to_varbyte",
        As("redshift_json_serialize_to_varbyte"),
        1,
        1,
    ),
    known("json_size", As("redshift_json_size"), 1, 1),
    known("json_typeof", As("redshift_json_typeof"), 1, 1),
    known("array", As("redshift_array"), 0, MANY),
    known("array_concat", As("redshift_array_concat"), 2, 2),
    known("array_flatten", As("redshift_array_flatten"), 1, 1),
    known("is_array", As("redshift_is_array"), 1, 1),
    known("is_bigint", As("redshift_is_bigint"), 1, 1),
    known("is_boolean", As("redshift_is_boolean"), 1, 1),
    known("is_char", As("redshift_is_char"), 1, 1),
    known("is_decimal", As("redshift_is_decimal"), 1, 1),
    known("is_float", As("redshift_is_float"), 1, 1),
    known("is_integer", As("redshift_is_integer"), 1, 1),
    known("is_object", As("redshift_is_object"), 1, 1),
    known("is_scalar", As("redshift_is_scalar"), 1, 1),
    known("is_smallint", As("redshift_is_smallint"), 1, 1),
    known("is_varchar", As("redshift_is_varchar"), 1, 1),
    known("object", As("redshift_object"), 0, MANY),
    known("subarray", As("redshift_subarray"), 3, 3),
    // Aggregates.
    known("any_value", Aggregate("first_value"), 1, 1),
    known("avg", special(S::Avg), 1, 1),
    known("bit_and", Aggregate("bit_and"), 1, 1),
    known("bit_or", Aggregate("bit_or"), 1, 1),
    known("bool_and", Aggregate("bool_and"), 1, 1),
    known("bool_or", Aggregate("bool_or"), 1, 1),
    known("count", Aggregate("count"), 0, 1),
    known("grouping", NotYet, 1, MANY),
    known("hll", NotYet, 1, 1),
    known("listagg", special(S::ListAgg), 1, 2),
    known("max", special(S::Extreme("max")), 1, 1),
    known("median", special(S::Median), 1, 1),
    known("min", special(S::Extreme("min")), 1, 1),
    known("percentile_cont", special(S::PercentileCont), 1, 1),
    known("percentile_disc", special(S::PercentileDisc), 1, 1),
    known(APPROXIMATE_PERCENTILE, special(S::PercentileDisc), 1, 1),
    known("stddev", Aggregate("stddev"), 1, 1),
    known("stddev_pop", Aggregate("stddev_pop"), 1, 1),
    known("stddev_samp", Aggregate("stddev"), 1, 1),
    known("sum", special(S::Sum), 1, 1),
    known("var_pop", Aggregate("var_pop"), 1, 1),
    known("var_samp", Aggregate("var_samp"), 1, 1),
    known("variance", Aggregate("var_samp"), 1, 1),
    // Windows.
    known("cume_dist", Ranking("cume_dist"), 0, 0),
    known("dense_rank", Ranking("dense_rank"), 0, 0),
    known("first_value", Framed("first_value"), 1, 1),
    known("lag", Ranking("lag"), 1, 2),
    known("last_value", Framed("last_value"), 1, 1),
    known("lead", Ranking("lead"), 1, 2),
    known("nth_value", Framed("nth_value"), 2, 2),
    known("ntile", Ranking("ntile"), 1, 1),
    known("percent_rank", Ranking("percent_rank"), 0, 0),
    known("rank", Ranking("rank"), 0, 0),
    known("ratio_to_report", special(S::RatioToReport), 1, 1),
    known("row_number", Ranking("row_number"), 0, 0),
    // The session, and what only the leader node knows.
    known("age", special(S::LeaderToCome), 1, 2),
    known("current_database", special(S::CurrentDatabase), 0, 0),
    known("current_schema", special(S::CurrentSchema), 0, 0),
    // Only with a subscript: there are no arrays.
    known("current_schemas", special(S::LeaderToCome), 1, 1),
    known("current_setting", special(S::CurrentSetting), 1, 1),
    known("current_time", special(S::LeaderMoment), 0, 0),
    known("current_timestamp", special(S::LeaderMoment), 0, 1),
    known("current_user", special(S::CurrentUser), 0, 0),
    known("current_user_id", NotYet, 0, 0),
    known("get_bit", special(S::LeaderToCome), 2, 2),
    known("get_byte", special(S::LeaderToCome), 2, 2),
    known("has_database_privilege", special(S::LeaderPrivilege), 2, 3),
    known("has_schema_privilege", special(S::LeaderPrivilege), 2, 3),
    known("has_table_privilege", special(S::LeaderPrivilege), 2, 3),
    known("isfinite", special(S::LeaderToCome), 1, 1),
    known("localtime", special(S::LeaderMoment), 0, 0),
    known("localtimestamp", special(S::LeaderMoment), 0, 1),
    known("now", special(S::LeaderMoment), 0, 0),
    known("format_type", As("redshift_format_type"), 2, 2),
    known("pg_backend_pid", special(S::BackendPid), 0, 0),
    known("col_description", special(S::NoText), 2, 2),
    known("obj_description", special(S::NoText), 1, 2),
    known("pg_get_expr", special(S::First), 2, 3),
    known("pg_get_userbyid", special(S::Owner), 1, 1),
    known("pg_get_indexdef", special(S::IndexDefinition), 1, 3),
    known("pg_get_viewdef", special(S::ViewDefinition), 1, 2),
    known("pg_last_copy_count", special(S::LastCopyCount), 0, 0),
    known("pg_last_copy_id", special(S::LastCopyId), 0, 0),
    known("pg_last_query_id", special(S::LastQueryId), 0, 0),
    known("pg_last_unload_id", special(S::LastUnloadId), 0, 0),
    known("pg_table_is_visible", special(S::IsVisible), 1, 1),
    known("pg_last_unload_count", special(S::LastUnloadCount), 0, 0),
    known("session_user", special(S::CurrentUser), 0, 0),
    known("set_bit", special(S::LeaderToCome), 3, 3),
    known("set_byte", special(S::LeaderToCome), 3, 3),
    known("timeofday", special(S::TimeOfDay), 0, 0),
    known("user", special(S::CurrentUser), 0, 0),
    known("version", special(S::Version), 0, 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once() {
        let mut names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.into_iter().all(|name| !is_to_come(name)));
    }
}
