//! What compilers say: shown as they say it, kept for the error, with paths that the user's shell knows.

use std::io::{IsTerminal, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// As much of a compiler's words as an error keeps, in bytes.
const KEPT: usize = 256 * 1024;

/// Whether colours are welcome on stderr.
pub(crate) fn is_coloured() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What a compiler said so far.
#[derive(Debug, Default)]
pub(crate) struct Said(Vec<u8>);

impl Said {
    /// Shows text on stderr and keeps it.
    pub(crate) fn say(&mut self, text: &[u8]) {
        // A closed stderr is no reason to fail the build.
        let _ = std::io::stderr().write_all(text);
        let room = KEPT.saturating_sub(self.0.len());
        self.0.extend_from_slice(&text[..text.len().min(room)]);
    }

    /// Appends what was shown already.
    pub(crate) fn extend(&mut self, other: &Self) {
        let room = KEPT.saturating_sub(self.0.len());
        self.0
            .extend_from_slice(&other.0[..other.0.len().min(room)]);
    }

    /// The text without colours.
    pub(crate) fn text(&self) -> String {
        plain(&String::from_utf8_lossy(&self.0)).trim().to_owned()
    }
}

/// Starts a command whose stderr is shown, line by line and changed by `line`, and kept.
pub(crate) fn start(
    command: &mut Command,
    line: impl Fn(&str) -> String + Send + 'static,
) -> std::io::Result<(Child, JoinHandle<Said>)> {
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut said = Said::default();
        let Some(mut stderr) = stderr else {
            return said;
        };
        let (mut open, mut chunk) = (Vec::new(), vec![0; 8192]);
        loop {
            let read = match stderr.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            open.extend_from_slice(&chunk[..read]);
            // A progress bar ends its lines with a carriage return.
            while let Some(end) = open.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
                let whole: Vec<u8> = open.drain(..=end).collect();
                said.say(line(&String::from_utf8_lossy(&whole)).as_bytes());
            }
        }
        said.say(line(&String::from_utf8_lossy(&open)).as_bytes());
        said
    });
    Ok((child, reader))
}

/// `path` as seen from `base`, both absolute: `../sdk/src/lib.rs`.
pub(crate) fn relative(path: &Path, base: &Path) -> PathBuf {
    let (mut path_parts, mut base_parts) =
        (path.components().peekable(), base.components().peekable());
    let mut common = 0;
    while path_parts.peek().is_some() && path_parts.peek() == base_parts.peek() {
        path_parts.next();
        base_parts.next();
        common += 1;
    }
    // With nothing but the root in common the whole path is clearer.
    if common < 2 && base_parts.peek().is_some() {
        return path.to_owned();
    }
    let up = base_parts.map(|_| Component::ParentDir);
    let shown: PathBuf = up.chain(path_parts).collect();
    match shown.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => shown,
    }
}

/// A file of a compiler's message, as seen from where the program runs.
pub(crate) fn shown(base: &Path, file: &str) -> String {
    let path = base.join(file);
    let path = fs_err::canonicalize(&path).unwrap_or(path);
    let here = std::env::current_dir().and_then(fs_err::canonicalize);
    here.map_or(path.clone(), |here| relative(&path, &here))
        .display()
        .to_string()
}

/// Without the sequences that colour a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after
            .split_once(|c: char| c.is_ascii_alphabetic())
            .map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_from_where_the_user_is() {
        for (path, base, shown) in [
            ("/w/plugins/one/src/lib.rs", "/w", "plugins/one/src/lib.rs"),
            ("/w/sdk/lib.rs", "/w/plugins/one", "../../sdk/lib.rs"),
            ("/w", "/w", "."),
            ("/opt/sdk", "/w/one", "/opt/sdk"),
            ("/opt/sdk", "/", "opt/sdk"),
        ] {
            assert_eq!(
                relative(Path::new(path), Path::new(base)),
                Path::new(shown),
                "{path}"
            );
        }
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\u{1b}[1m\u{1b}[91merror\u{1b}[0m: no"), "error: no");
        assert_eq!(plain("plain"), "plain");
    }
}
