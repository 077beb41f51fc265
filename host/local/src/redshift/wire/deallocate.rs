//! `DEALLOCATE [PREPARE] name`: drivers send it for a statement that they prepared by the protocol, and the engine knows none of those.

use super::messages::Refusal;

/// The name of the statement that is to be forgotten; `None` if the text says something else.
///
/// # Errors
/// If the text has no name, or `ALL`, which Redshift does not take.
pub(super) fn name(sql: &str) -> Option<Result<String, Refusal>> {
    let text = sql.trim().trim_end_matches(';').trim_end();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if !word.eq_ignore_ascii_case("deallocate") {
        return None;
    }
    let rest = rest.trim();
    let name = match rest.split_once(char::is_whitespace) {
        Some((prepare, name)) if prepare.eq_ignore_ascii_case("prepare") => name.trim(),
        _ => rest,
    };
    let is_plain = |name: &str| {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
        !name.is_empty() && name.chars().all(is_part) && !name.eq_ignore_ascii_case("all")
    };
    let quoted = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    Some(match quoted {
        Some(name) => Ok(name.replace("\"\"", "\"")),
        None if is_plain(name) => Ok(name.to_lowercase()),
        None => {
            let near = if name.is_empty() {
                "end of input"
            } else {
                name
            };
            let text = format!("syntax error at or near \"{near}\"");
            Err(Refusal::new("42601", text))
        }
    })
}
