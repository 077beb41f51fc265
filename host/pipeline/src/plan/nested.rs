//! Parts of nested columns that a query asks for in a way that SQL does not know.

use transom_file::{Pipeline, Problem, Span, SqlStep};

/// `user.id` where `user` is a word of SQL's own, so that the dot is taken for something else, or `(user).id`. The parser's message shows
/// its tree; there is a column of that name as often as not.
pub(super) fn dot_after_a_word(
    pipeline: &Pipeline,
    sql: &SqlStep,
    message: &str,
) -> Option<Problem> {
    let tree = message.strip_prefix("Dot access not supported for non-string expr: ")?;
    let name = tree.split("value: \"").nth(1)?.split('"').next()?;
    // The tree says where the name stands.
    let place = tree.split("Location(").nth(1)?.split(')').next()?;
    let (line, column) = place.split_once(',')?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let text = sql.text.lines().nth(line.checked_sub(1)?)?;
    let (path, word, start) = path_at(
        text,
        column.checked_sub(1)?,
        tree.starts_with("Function("),
        name,
    )?;
    let at = Span {
        line,
        column: start + 1,
        length: path.chars().count(),
    };
    let message = match word.as_str() {
        "" => format!("`{path}` behind brackets is not read as a part of what is in them"),
        word => format!("`{word}` is a word of SQL, so `{path}` is not read as a part of a column"),
    };
    let (columns, parts) = path.split_at(path.find(&word)? + word.len());
    let parts: String = parts
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| format!("['{part}']"))
        .collect();
    let columns = match columns {
        "" => "(..)",
        columns => columns,
    };
    let problem = pipeline.problem_in_sql(sql, at, message);
    Some(problem.with_hint(format!("write `{columns}{parts}`")))
}

/// The path with dots around a position in a line, the word of SQL in it, and where the path begins: all in characters.
fn path_at(line: &str, at: usize, is_word: bool, name: &str) -> Option<(String, String, usize)> {
    let letters: Vec<char> = line.chars().collect();
    let of_path = |letter: &char| letter.is_alphanumeric() || *letter == '_' || *letter == '.';
    let before = letters
        .get(..at)?
        .iter()
        .rev()
        .take_while(|letter| of_path(letter));
    let start = at - before.count();
    let path = letters[start..].iter().take_while(|letter| of_path(letter));
    let path: String = path.collect();
    let word = if is_word {
        name
    } else {
        path.split('.').next()?
    };
    let word = word.to_owned();
    path.contains(&format!("{word}."))
        .then_some((path, word, start))
}

/// Advice for a part of a list, whose items have the parts.
pub(super) fn hint(message: &str) -> Option<&'static str> {
    let is_list = message.starts_with("Cannot access field") && message.contains("type List(");
    is_list.then_some(
        "the column is a list: write `[1]` after its name for the first item, or `unnest(..)` for a row for each",
    )
}

#[cfg(test)]
mod tests {
    use super::path_at;

    #[test]
    fn the_path_around_a_name_is_found() {
        let found = |text: &str, at, is_word, name| path_at(text, at, is_word, name).unwrap();
        let line = "SELECT a.id, user.id FROM src";
        let of_user = ("user.id".to_owned(), "user".to_owned(), 13);
        assert_eq!(found(line, 18, false, "id"), of_user);
        let of_source = ("src.user.id".to_owned(), "user".to_owned(), 7);
        assert_eq!(
            found("SELECT src.user.id FROM src", 11, true, "user"),
            of_source
        );
        assert_eq!(path_at("SELECT id", 7, false, "id"), None);
    }
}
