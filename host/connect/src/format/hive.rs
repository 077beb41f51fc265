//! Names of Hive partition folders, `column=value`, as Hive and Spark write and read them. Both directions live here, so
//! that they cannot drift apart.

use std::fmt::Write as _;

/// Stands for NULL in a folder name. Spark writes the empty string so as well, and cannot read a folder named `column=`.
pub(crate) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Characters that Spark escapes besides control characters (`ExternalCatalogUtils.escapePathName`).
const ESCAPED: &str = "\"#%'*/:=?\\{[]^";

/// The folder's name for one value.
pub(crate) fn folder_name(column: &str, value: Option<&str>) -> String {
    let mut name = escape(column);
    name.push('=');
    match value {
        Some(value) => name.push_str(&escape(value)),
        None => name.push_str(NULL_PARTITION),
    }
    name
}

/// The escapes of a folder's name are not UTF-8. Spark takes each for a character of Latin-1, Polars the folder for no partition, and DuckDB
/// and Arrow refuse it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

/// Column and value of a folder's name; none if the folder is not a partition. A value of `None` is NULL.
pub(crate) fn parse_folder_name(name: &str) -> Result<Option<(String, Option<String>)>, NotUtf8> {
    let Some((column, value)) = name.split_once('=') else {
        return Ok(None);
    };
    if column.is_empty() {
        return Ok(None);
    }
    let value = match value {
        NULL_PARTITION => None,
        value => Some(unescape(value)?),
    };
    Ok(Some((unescape(column)?, value)))
}

/// Whether a text has characters that a folder's name has in another form.
pub(crate) fn is_escaped(text: &str) -> bool {
    text.chars().any(escapes)
}

fn escapes(character: char) -> bool {
    character.is_ascii_control() || ESCAPED.contains(character)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if escapes(character) {
            write!(escaped, "%{:02X}", u32::from(character)).expect("a String takes all writes");
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Leaves alone what is no escape, as all readers do: `100%` is a value that other writers do not escape.
fn unescape(text: &str) -> Result<String, NotUtf8> {
    let bytes = text.as_bytes();
    let mut unescaped = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let decoded = (bytes[position] == b'%')
            .then(|| bytes.get(position + 1..position + 3))
            .flatten()
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(byte) => {
                unescaped.push(byte);
                position += 3;
            }
            None => {
                unescaped.push(bytes[position]);
                position += 1;
            }
        }
    }
    String::from_utf8(unescaped).map_err(|_| NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_survives_the_way_to_a_folder_and_back() {
        for value in [
            "a/b=c%20d:e\u{1}é 漢\"#'*?\\{[]^\n.",
            "%FF",
            "100%",
            "%4",
            "%zz",
        ] {
            let name = folder_name("k=y", Some(value));
            assert!(!name.contains('/'));
            assert_eq!(
                parse_folder_name(&name),
                Ok(Some(("k=y".to_owned(), Some(value.to_owned()))))
            );
        }
    }

    #[test]
    fn what_is_no_escape_is_read_as_it_is() {
        for value in ["100%", "%", "%4", "%zz", "%%", "%é"] {
            assert_eq!(
                parse_folder_name(&format!("k={value}")),
                Ok(Some(("k".to_owned(), Some(value.to_owned()))))
            );
        }
        assert_eq!(
            parse_folder_name("k=%C3%A9"),
            Ok(Some(("k".to_owned(), Some("é".to_owned()))))
        );
        for name in ["k=%FF", "k=%C3", "k=é%E9", "%FF=1"] {
            assert_eq!(parse_folder_name(name), Err(NotUtf8), "{name}");
        }
    }

    #[test]
    fn names_are_those_that_spark_writes() {
        assert_eq!(folder_name("day", Some("a b:c")), "day=a b%3Ac");
        assert_eq!(folder_name("day", None), "day=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(
            parse_folder_name("share=100%"),
            Ok(Some(("share".into(), Some("100%".into()))))
        );
        assert_eq!(parse_folder_name("plain"), Ok(None));
        assert_eq!(parse_folder_name("=x"), Ok(None));
    }
}
