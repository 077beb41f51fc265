//! Where compiled dependencies of plugins are kept between builds.
//!
//! Not in the host's target folder: plugins are compiled by another compiler for another target, and a `cargo clean` of
//! the host should not cost a minute of recompiling the standard library.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::BuildError;

/// The folder for what can be made again: `$TRANSOM_CACHE_DIR`, else `$XDG_CACHE_HOME/transom`, else `~/.cache/transom`.
///
/// # Errors
/// If none of the variables, `HOME` included, says where.
pub fn cache_folder() -> Result<PathBuf, BuildError> {
    cache_in(|name| std::env::var_os(name))
}

/// Where plugins' dependencies are compiled to.
pub(crate) fn guests() -> Result<PathBuf, BuildError> {
    guests_in(|name| std::env::var_os(name))
}

fn guests_in(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, BuildError> {
    Ok(cache_in(variable)?.join("guests"))
}

fn cache_in(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, BuildError> {
    // The XDG specification has relative paths ignored; an empty variable counts as unset everywhere.
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    Ok(
        match variable("TRANSOM_CACHE_DIR").filter(|value| !value.is_empty()) {
            Some(root) => std::path::absolute(root)?,
            None => match absolute("XDG_CACHE_HOME") {
                Some(cache) => cache.join("transom"),
                None => absolute("HOME")
                    .ok_or(BuildError::NoCache)?
                    .join(".cache/transom"),
            },
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests_with(variables: &[(&str, &str)]) -> Result<PathBuf, BuildError> {
        guests_in(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_own_variable_wins_over_the_xdg_folder_and_that_over_home() {
        let all = [
            ("TRANSOM_CACHE_DIR", "/own"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/home/ada"),
        ];
        assert_eq!(guests_with(&all).unwrap(), PathBuf::from("/own/guests"));
        assert_eq!(
            guests_with(&all[1..]).unwrap(),
            PathBuf::from("/xdg/transom/guests")
        );
        assert_eq!(
            guests_with(&all[2..]).unwrap(),
            PathBuf::from("/home/ada/.cache/transom/guests")
        );
    }

    #[test]
    fn empty_and_relative_variables_count_as_unset() {
        let odd = [
            ("TRANSOM_CACHE_DIR", ""),
            ("XDG_CACHE_HOME", "relative"),
            ("HOME", "/home/ada"),
        ];
        assert_eq!(
            guests_with(&odd).unwrap(),
            PathBuf::from("/home/ada/.cache/transom/guests")
        );
        assert!(matches!(guests_with(&[]), Err(BuildError::NoCache)));
    }
}
