//! Names of files and folders as text. On this machine they are bytes.

use std::{borrow::Cow, ffi::OsStr};

/// The name for a message: what is not UTF-8 has its bytes as escapes, so that two names never look the same.
pub(crate) fn readable(name: &OsStr) -> Cow<'_, str> {
    match name.to_str() {
        Some(name) => name.into(),
        None => name.as_encoded_bytes().escape_ascii().to_string().into(),
    }
}
