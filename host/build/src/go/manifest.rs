//! What has to be known of a Go module before any tool runs: read from `go.mod` itself, since asking `go` costs 20 ms and
//! more per plugin, and a pipeline asks for every plugin at every run.

use std::path::{Path, PathBuf};

use crate::BuildError;

/// A Go module that is a plugin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Last part of the module's path that is no version: `privacy` of `example.com/team/privacy/v2`.
    pub(crate) package: String,
    /// Folders that modules are replaced by, as written.
    pub(crate) replacements: Vec<PathBuf>,
}

impl Manifest {
    /// Reads the `go.mod` in `folder`.
    ///
    /// # Errors
    /// [`BuildError::Io`], and [`BuildError::Manifest`] when it names no module. Anything else that is wrong in it is the
    /// compiler's to report.
    pub(crate) fn read(folder: &Path) -> Result<Self, BuildError> {
        let path = folder.join("go.mod");
        let text = fs_err::read_to_string(&path)?;
        let mut module = None;
        let mut replacements = Vec::new();
        // Directives stand alone (`replace a => b`) or in a block (`replace (`, one in each line, `)`).
        let mut block: Option<String> = None;
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            let mut words = line.split_whitespace().map(unquote).peekable();
            let directive = match &block {
                Some(_) if words.peek() == Some(&")") => {
                    block = None;
                    continue;
                }
                Some(directive) => directive.clone(),
                None => match words.next() {
                    Some(directive) => directive.to_owned(),
                    None => continue,
                },
            };
            if block.is_none() && words.peek() == Some(&"(") {
                block = Some(directive);
                continue;
            }
            match directive.as_str() {
                "module" => module = words.next().map(str::to_owned),
                "replace" => {
                    let target = words.skip_while(|word| *word != "=>").nth(1);
                    // Only a path that begins like one is a folder; anything else is a module.
                    replacements
                        .extend(target.filter(|target| is_folder(target)).map(PathBuf::from));
                }
                _ => {}
            }
        }
        let package = module.as_deref().and_then(last_part).map(str::to_owned);
        match package {
            Some(package) => Ok(Self {
                package,
                replacements,
            }),
            None => Err(BuildError::Manifest {
                path,
                problem: "it names no module; `go mod init example.com/my-plugin` writes one"
                    .to_owned(),
            }),
        }
    }
}

fn unquote(word: &str) -> &str {
    word.trim_matches(['"', '`'])
}

fn is_folder(target: &str) -> bool {
    matches!(target, "." | "..")
        || target.starts_with("./")
        || target.starts_with("../")
        || target.starts_with('/')
}

fn last_part(module: &str) -> Option<&str> {
    module
        .rsplit('/')
        .find(|part| !part.is_empty() && !is_version(part))
}

/// `v2` and on, which a module's path ends with from the second major version on.
fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, BuildError> {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("go.mod"), text).unwrap();
        Manifest::read(folder.path())
    }

    #[test]
    fn the_module_and_replaced_folders_are_read() {
        let manifest = read(
            "// A plugin.\nmodule example.com/team/privacy/v2 // the module\n\ngo 1.24\n\n\
             require (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0\n)\n\
             replace example.com/a => ../a\n\
             replace (\n\texample.com/b v1.0.0 => \"./b\" // here\n\texample.com/c => example.com/d v1.2.3\n)\n",
        )
        .unwrap();
        assert_eq!(
            manifest,
            Manifest {
                package: "privacy".to_owned(),
                replacements: vec![PathBuf::from("../a"), PathBuf::from("./b")],
            }
        );
    }

    #[test]
    fn a_module_without_a_dot_or_a_slash_is_named_as_it_is() {
        assert_eq!(read("module vat\n").unwrap().package, "vat");
        assert_eq!(
            read("module (\n\t\"example.com/v2ray\"\n)\n")
                .unwrap()
                .package,
            "v2ray"
        );
    }

    #[test]
    fn a_file_without_a_module_is_refused() {
        let error = read("go 1.24\n").unwrap_err();
        assert!(error.to_string().contains("names no module"), "{error}");
    }
}
