//! Texts that guests give: cut to a length, and without what acts on a terminal.

/// A guest's text as it may be shown: characters that would move the cursor, colour the terminal or turn the direction of
/// what follows are replaced. Line breaks and tabs stay.
pub(crate) fn plain(text: &str) -> String {
    let acts = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text = text.replace("\r\n", "\n");
    text.replace(acts, "\u{fffd}")
}

/// A number of things: `1 row`, `3 rows`.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// At most `bytes` of the text, cut between characters, with a mark where something is missing; [`plain`].
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return plain(text);
    }
    let end = (0..=bytes)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}… ({} bytes more)", plain(&text[..end]), text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_do_nothing_to_a_terminal() {
        let text = "\u{1b}[2Jall\tis\r\nwell\r\u{9b}2J\u{202e}\u{7}";
        assert_eq!(
            plain(text),
            "\u{fffd}[2Jall\tis\nwell\u{fffd}\u{fffd}2J\u{fffd}\u{fffd}"
        );
        assert_eq!(cut(text, 1), "\u{fffd}… (24 bytes more)");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(0, "byte"), "0 bytes");
        assert_eq!(plain("Zoë 😀 שלום"), "Zoë 😀 שלום");
    }
}
