//! Statements that ran lately, for `sys_query_history`.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use regex::Regex;
use uuid::Uuid;

/// Statements that are remembered.
const REMEMBERED: usize = 1_000;
/// Bytes of a statement's text, and of its error's, that are remembered.
const TEXT: usize = 4_000;

/// The beginning of a text, in memory of its own: what follows it is not held.
fn shortened(text: &str) -> String {
    let mut end = text.len().min(TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A text without the credentials of COPY and UNLOAD.
fn masked(text: String) -> String {
    static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let words =
            "credentials|access_key_id|secret_access_key|session_token|master_symmetric_key";
        Regex::new(&format!(r"(?i)\b({words})(\s+as)?\s*'[^']*'")).ok()
    });
    match SECRETS.as_ref() {
        Some(secrets) if secrets.is_match(&text) => {
            secrets.replace_all(&text, "$1 '***'").into_owned()
        }
        _ => text,
    }
}

/// What `sys_query_history` calls a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryId {
    /// `query_id`, which counts from the start of this program.
    pub number: u64,
    /// `query_uuid`, which no other statement has.
    pub uuid: Uuid,
}

/// A statement that ran.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) id: QueryId,
    pub(crate) transaction: u64,
    pub(crate) pid: u32,
    pub(crate) user: String,
    pub(crate) label: String,
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// Microseconds since 1970.
    pub(crate) started: i64,
    pub(crate) ended: i64,
    pub(crate) rows: u64,
    pub(crate) error: Option<String>,
    pub(crate) is_cancelled: bool,
}

/// The last ones, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    ran: Mutex<VecDeque<Ran>>,
    next: AtomicU64,
}

impl Statements {
    /// What a statement that begins is called.
    pub(crate) fn next_id(&self) -> QueryId {
        QueryId {
            number: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            uuid: Uuid::new_v4(),
        }
    }

    /// Adds a statement that is over.
    pub(crate) fn add(&self, mut ran: Ran) {
        ran.text = shortened(&masked(ran.text));
        ran.error = ran.error.as_deref().map(shortened);
        let mut all = self.ran.lock();
        if all.len() == REMEMBERED {
            all.pop_front();
        }
        all.push_back(ran);
    }

    pub(crate) fn all(&self) -> Vec<Ran> {
        self.ran.lock().iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.ran.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_of_a_text_is_held_than_is_shown() {
        let text = format!("x{}", "é".repeat(1 << 20));
        let short = shortened(&text);
        assert_eq!(short.len(), TEXT - 1);
        assert!(text.starts_with(&short) && short.capacity() <= TEXT);
        assert_eq!(shortened("é"), "é");
    }
}
