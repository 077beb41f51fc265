//! What DataFusion and Arrow refuse in words of their own, by the rule that Redshift has for it.
//!
//! Their errors have no codes, so they are told apart by their words; `tests/redshift/statements/planner.slt` meets each, and fails where a
//! new version says it in another way. What the binder can see is refused there, before they see it.

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;

use super::{
    ALIAS_COLUMNS, DISTINCT_ORDER, Error, GROUPING, INTEGER_RANGE, INVALID_ARGUMENT, MOMENT_RANGE,
    NEGATIVE_LIMIT, NEGATIVE_OFFSET, NO_PLACE, NO_SIGN, NO_TABLES, NTILE_ARGUMENT, NUMERIC_RANGE,
    SUBQUERY_COLUMNS, SUBQUERY_ROWS, SUBSTRING_LENGTH, UNION_COLUMNS, WITH_NAME, WRONG_ARGUMENTS,
};
use crate::types::Type;

/// The rule of an error, and what it says.
pub(super) fn known(error: &DataFusionError, text: &str) -> Option<Error> {
    of_sign(error)
        .or_else(|| of_query(text))
        .or_else(|| of_call(text))
        .or_else(|| of_value(text))
        .or_else(|| to_come(text))
}

/// A sign before what has none; the type is in what DataFusion adds for people.
fn of_sign(error: &DataFusionError) -> Option<Error> {
    let note = &error.diagnostic()?.message;
    let (sign, data_type) = note.split_once(" cannot be used with ")?;
    let data_type = sql_name(data_type)?;
    Some(Error::new(&NO_SIGN, &[&sign, &data_type]))
}

/// Clauses, and what they are made of.
fn of_query(text: &str) -> Option<Error> {
    let has = |words: &str| text.contains(words);
    let quoted = || text.split('"').nth(1).unwrap_or("?column?");
    Some(match () {
        () if has("must be in GROUP BY") || has("must appear in the GROUP BY") => {
            Error::new(&GROUPING, &[&quoted()])
        }
        () if has("For SELECT DISTINCT, ORDER BY expressions") => Error::new(&DISTINCT_ORDER, &[]),
        () if has("WITH query name") => Error::new(&WITH_NAME, &[&quoted()]),
        () if has("more than one row") => Error::new(&SUBQUERY_ROWS, &[]),
        () if has("subquery should only return one column") => {
            Error::new(&SUBQUERY_COLUMNS, &[&"must return only one column"])
        }
        () if has(" queries have different number of columns") => {
            let before = between(text, "", " queries have different")?;
            Error::new(&UNION_COLUMNS, &[&before.rsplit(' ').next()?])
        }
        () if has("names given as column alias") => {
            let columns = number(text, "Source table contains ")?;
            let names = number(text, "but only ")?;
            match names > columns {
                true => Error::new(&ALIAS_COLUMNS, &[&columns, &names]),
                // Those that are left keep their own.
                false => Error::not_yet("fewer names for columns than there are columns"),
            }
        }
        () if has("Cannot find column with position ") => {
            let place = number(text, "Cannot find column with position ")?;
            Error::new(&NO_PLACE, &[&"GROUP BY", &place])
        }
        () if has("Order by column out of bounds") => {
            let place = number(text, "specified: ")?;
            Error::new(&NO_PLACE, &[&"ORDER BY", &place])
        }
        () if has("SELECT * with no tables") => Error::new(&NO_TABLES, &[]),
        () if has("LIMIT must be >=") => Error::new(&NEGATIVE_LIMIT, &[]),
        () if has("OFFSET must be >=") => Error::new(&NEGATIVE_OFFSET, &[]),
        () => return None,
    })
}

/// Calls with arguments that a function does not take.
fn of_call(text: &str) -> Option<Error> {
    if let Some(reason) = between(text, "regex parse error:", "error:") {
        let pattern = reason.trim_start().lines().next().unwrap_or_default();
        return Some(Error::new(
            &INVALID_ARGUMENT,
            &[&"regular expression", &pattern.trim()],
        ));
    }
    if text.contains("NTILE requires a positive integer") && !text.contains("NULL") {
        return Some(Error::new(&NTILE_ARGUMENT, &[]));
    }
    if text.contains("negative count not allowed") {
        return Some(Error::new(&SUBSTRING_LENGTH, &[]));
    }
    let call = between(text, "the given name and argument types '", "'")?;
    let (name, types) = call.strip_suffix(')')?.split_once('(')?;
    let name = name.trim_start_matches("redshift_");
    // A text is no number, but PostgreSQL 8.0 writes numbers and dates out where a function wants a text; some functions of Redshift take more.
    let signature = between(text, "to the signature ", " failed").unwrap_or_default();
    let wants_text = text.contains("requires String")
        || text.contains("expects String")
        || signature.contains("String")
        || signature.contains("Utf8");
    if wants_text || !types.contains("Utf8") {
        return Some(Error::not_yet(format_args!("{name}() of these types")));
    }
    let types = types.split(", ").map(|name| sql_name(name).unwrap_or(name));
    let types = types.collect::<Vec<_>>().join(", ");
    Some(Error::new(&WRONG_ARGUMENTS, &[&name, &types]))
}

/// Values that their types do not hold.
fn of_value(text: &str) -> Option<Error> {
    let has = |words: &str| text.contains(words);
    Some(match () {
        () if has("Decimal overflow")
            || has("too large to store in a Decimal")
            || has("too small to store in a Decimal") =>
        {
            Error::new(&NUMERIC_RANGE, &[])
        }
        () if has("Array overflow on ") => {
            let data_type = between(text, "", "Array overflow on ")?;
            let data_type = sql_name(data_type.rsplit(' ').next()?)?;
            Error::new(&INTEGER_RANGE, &[&data_type])
        }
        () if has("Overflow happened on") => Error::new(&INTEGER_RANGE, &[&"value"]),
        () if has("Timestamp out of range") => Error::new(&MOMENT_RANGE, &[&"timestamp"]),
        () => return None,
    })
}

/// What Redshift has, or what is not known of it.
fn to_come(text: &str) -> Option<Error> {
    let has = |words: &str| text.contains(words);
    Some(match () {
        () if has("QUALIFY clause requires window functions") => {
            Error::not_yet("QUALIFY without a window function")
        }
        () if has("Projections require unique expression names") => {
            Error::not_yet("columns of one name in this place").hint("give them different names")
        }
        () if has("common string type for string concat") => {
            Error::not_yet("|| of two values that are no texts").hint("cast one to VARCHAR")
        }
        () if has("common type to coerce") && has("LIKE expression") => {
            Error::not_yet("LIKE of a value that is no text").hint("cast it to VARCHAR")
        }
        () if has("common type to coerce") && has("SIMILAR TO expression") => {
            Error::not_yet("SIMILAR TO of a value that is no text").hint("cast it to VARCHAR")
        }
        () if has("common argument type for regex operation") => {
            Error::not_yet("~ of a value that is no text").hint("cast it to VARCHAR")
        }
        () if has("NTILE requires a positive integer") => Error::not_yet("NTILE of NULL"),
        () if has("only support Literal types for field")
            || has("literal for the second argument of nth_value") =>
        {
            Error::not_yet("an offset of a window function that is computed")
        }
        () if has("Physical plan does not support logical expression") => {
            Error::not_yet("a function over rows in this place")
        }
        () if has("Unsupported LIMIT expression") || has("Unsupported OFFSET expression") => {
            Error::not_yet("a subquery in LIMIT or OFFSET")
        }
        () => return None,
    })
}

/// What stands between two pieces of a text.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    Some(found)
}

/// The number that follows some words.
fn number(text: &str, before: &str) -> Option<usize> {
    let (_, rest) = text.split_once(before)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// What SQL calls a type of Arrow's.
fn sql_name(data_type: &str) -> Option<&'static str> {
    let data_type = data_type.parse::<DataType>().ok()?;
    Some(Type::of_arrow(&data_type)?.base_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_taken_from_the_words() {
        let text = "Source table contains 1 columns but only 2 names given as column alias";
        let found = of_query(text).unwrap();
        assert_eq!(found.rule().name, "ALIAS_COLUMNS");
        assert_eq!(
            found.text(),
            "table has 1 columns available but 2 columns specified"
        );
        let found = of_value("Compute error: Int16Array overflow on abs(-32768)").unwrap();
        assert_eq!(found.text(), "smallint out of range");
        let text = "Error during planning: EXCEPT queries have different number of columns";
        let found = of_query(text).unwrap();
        assert_eq!(
            found.text(),
            "each EXCEPT query must have the same number of columns"
        );
        assert!(known(&DataFusionError::Plan(String::new()), "another").is_none());
    }
}
