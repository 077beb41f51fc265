//! From a pattern to the files it means. The files are found once and the list is kept: what was checked is what is read,
//! even if the table is published again in between.

use std::{
    collections::HashSet,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use glob::{MatchOptions, Pattern};

use transom_file::spec::Format;

use super::{FileSource, Input, Inputs, SourceError};
use crate::lease::{self, Asked};

/// Names shown when nothing matches.
const NAMES_SHOWN: usize = 8;
/// How often a version may disappear under the listing before it gives up. Each time means that two runs were published
/// between two system calls.
const RESOLVE_ATTEMPTS: usize = 16;

/// `*` stays within a folder, and takes no hidden file.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Blocking: touches the disk.
pub(super) fn list(source: &FileSource) -> Result<Inputs, SourceError> {
    let mut walk = Walk {
        source,
        listing: Inputs::default(),
        above: HashSet::new(),
    };
    let (base, rest) = split(source);
    if rest.is_empty() {
        match walk.metadata(&base)? {
            Some(metadata) if metadata.is_dir() => walk.folder(&base)?,
            Some(metadata) => {
                let resolved = walk.resolve(&base)?;
                walk.take(base.clone(), resolved, &metadata)?;
            }
            None => {}
        }
    } else {
        let pattern = rest.join("/");
        let compiled = Pattern::new(&pattern).map_err(|error| SourceError::Pattern {
            name: source.name.clone(),
            pattern: source.pattern.clone(),
            source: error,
        })?;
        if walk
            .metadata(&base)?
            .is_some_and(|metadata| metadata.is_dir())
        {
            walk.matching(&base, &base, &compiled)?;
        }
    }
    let mut listing = walk.listing;
    listing.pieces.sort_by(|a, b| a.path.cmp(&b.path));
    listing.pieces.dedup_by(|a, b| a.path == b.path);
    if listing.pieces.is_empty() {
        return Err(nothing(source, &base));
    }
    Ok(listing)
}

/// Holds the versions of published tables that the inputs are pieces of, unless they were listed in this process and hold them. Blocking.
pub(super) fn held(source: &FileSource, mut inputs: Inputs) -> Result<Inputs, SourceError> {
    if !inputs.leases.is_empty() {
        return Ok(inputs);
    }
    let mut folders = HashSet::new();
    for piece in &inputs.pieces {
        for folder in piece.location.ancestors().skip(1) {
            if !folders.insert(folder) {
                break;
            }
            match lease::hold(folder) {
                Asked::Held(lease) => inputs.leases.push(Arc::new(lease)),
                Asked::NotLeased => {}
                Asked::Leaving => {
                    return Err(SourceError::Replaced {
                        name: source.name.clone(),
                        path: piece.path.clone(),
                    });
                }
            }
        }
    }
    Ok(inputs)
}

/// The part of the pattern without wildcards, and the rest. A name that exists is taken literally, whatever characters it
/// holds.
fn split(source: &FileSource) -> (PathBuf, Vec<String>) {
    let mut base = PathBuf::new();
    let mut rest = Vec::new();
    for component in Path::new(&source.pattern).components() {
        if component == Component::CurDir {
            continue;
        }
        let text = component.as_os_str().to_string_lossy();
        let literal = !text.contains(['*', '?', '['])
            || fs::symlink_metadata(source.root.join(&base).join(component)).is_ok();
        if rest.is_empty() && literal {
            base.push(component);
        } else {
            rest.push(text.into_owned());
        }
    }
    (base, rest)
}

/// Spark's rule: `_SUCCESS`, `_delta_log` and `.part.crc` are not data, `_year=2024` is.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// Whether a file is one of the source's.
enum Wanted {
    Yes,
    /// It lies in a folder of the source, but its name ends in another way.
    PassedOver,
    No,
}

impl Wanted {
    fn if_named(format: &Format, name: &str) -> Self {
        if format.takes(name) {
            Self::Yes
        } else {
            Self::PassedOver
        }
    }
}

struct Walk<'a> {
    source: &'a FileSource,
    listing: Inputs,
    /// Resolved folders above the current one: a link back to one of them would never end.
    above: HashSet<PathBuf>,
}

impl Walk<'_> {
    fn error(&self, path: &Path, error: io::Error) -> SourceError {
        SourceError::Io {
            name: self.source.name.clone(),
            path: path.to_owned(),
            source: error,
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<fs::Metadata>, SourceError> {
        match fs::metadata(self.source.root.join(path)) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.error(path, error)),
        }
    }

    /// Follows all links, and holds the version of a published table that they lead to.
    fn resolve(&mut self, path: &Path) -> Result<PathBuf, SourceError> {
        for _ in 0..RESOLVE_ATTEMPTS {
            let resolved = self
                .source
                .root
                .join(path)
                .canonicalize()
                .map_err(|error| self.error(path, error))?;
            // A pattern may name a folder or a file within the version.
            let mut asked = Asked::NotLeased;
            for folder in resolved.ancestors() {
                asked = lease::hold(folder);
                if !matches!(asked, Asked::NotLeased) {
                    break;
                }
            }
            match asked {
                Asked::Held(lease) => self.listing.leases.push(Arc::new(lease)),
                Asked::NotLeased => {}
                Asked::Leaving => continue,
            }
            return Ok(resolved);
        }
        let error = io::Error::new(
            io::ErrorKind::ResourceBusy,
            "the table is published again and again",
        );
        Err(self.error(path, error))
    }

    /// All files below a folder that are named as files of the format are.
    fn folder(&mut self, path: &Path) -> Result<(), SourceError> {
        let format = self.source.format.clone();
        self.walk(path, &|_: &Path, name: &str| {
            Wanted::if_named(&format, name)
        })
    }

    /// All files that match; of a folder that matches, all files below it.
    fn matching(&mut self, path: &Path, base: &Path, pattern: &Pattern) -> Result<(), SourceError> {
        let format = self.source.format.clone();
        self.walk(path, &|path: &Path, name: &str| {
            let Ok(relative) = path.strip_prefix(base) else {
                return Wanted::No;
            };
            if pattern.matches_path_with(relative, MATCHING) {
                return Wanted::Yes;
            }
            let in_folder = relative.ancestors().skip(1).any(|folder| {
                !folder.as_os_str().is_empty() && pattern.matches_path_with(folder, MATCHING)
            });
            if in_folder {
                Wanted::if_named(&format, name)
            } else {
                Wanted::No
            }
        })
    }

    fn walk(
        &mut self,
        path: &Path,
        wanted: &dyn Fn(&Path, &str) -> Wanted,
    ) -> Result<(), SourceError> {
        let resolved = self.resolve(path)?;
        self.walk_resolved(path, resolved, wanted)
    }

    fn walk_resolved(
        &mut self,
        path: &Path,
        resolved: PathBuf,
        wanted: &dyn Fn(&Path, &str) -> Wanted,
    ) -> Result<(), SourceError> {
        if !self.above.insert(resolved.clone()) {
            return Ok(());
        }
        for entry in fs::read_dir(&resolved).map_err(|error| self.error(path, error))? {
            let entry = entry.map_err(|error| self.error(path, error))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_hidden(&name) {
                continue;
            }
            let child = path.join(entry.file_name());
            let kind = entry
                .file_type()
                .map_err(|error| self.error(&child, error))?;
            let metadata = match fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                // A dangling link has no data.
                Err(_) if kind.is_symlink() => continue,
                Err(error) => return Err(self.error(&child, error)),
            };
            if metadata.is_dir() {
                let resolved = if kind.is_symlink() {
                    self.resolve(&child)?
                } else {
                    entry.path()
                };
                self.walk_resolved(&child, resolved, wanted)?;
            } else if metadata.is_file() {
                match wanted(&child, &name) {
                    Wanted::Yes => {}
                    Wanted::PassedOver => {
                        self.listing.passed_over += 1;
                        continue;
                    }
                    Wanted::No => continue,
                }
                let resolved = if kind.is_symlink() {
                    self.resolve(&child)?
                } else {
                    entry.path()
                };
                self.take(child, resolved, &metadata)?;
            }
        }
        self.above.remove(&resolved);
        Ok(())
    }

    fn take(
        &mut self,
        path: PathBuf,
        resolved: PathBuf,
        metadata: &fs::Metadata,
    ) -> Result<(), SourceError> {
        let modified = metadata
            .modified()
            .map_err(|error| self.error(&path, error))?;
        self.listing.pieces.push(Input {
            path,
            location: resolved,
            bytes: metadata.len(),
            modified,
        });
        Ok(())
    }
}

/// Says what is there instead, since the mistake is mostly a name.
fn nothing(source: &FileSource, base: &Path) -> SourceError {
    let nearest = base
        .ancestors()
        .find(|folder| source.root.join(folder).is_dir())
        .unwrap_or(Path::new(""));
    let folder = source.root.join(nearest);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if entry.path().is_dir() {
                        format!("{name}/")
                    } else {
                        name
                    }
                })
                .filter(|name| !is_hidden(name))
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    let holds = if !folder.is_dir() {
        "does not exist".to_owned()
    } else if names.is_empty() {
        "is empty".to_owned()
    } else {
        let shown = super::error::quoted(names.iter().take(NAMES_SHOWN).map(String::as_str));
        match names.len().saturating_sub(NAMES_SHOWN) {
            0 => format!("holds {shown}"),
            more => format!("holds {shown} and {more} more"),
        }
    };
    let shown = if nearest.as_os_str().is_empty() {
        Path::new(".")
    } else {
        nearest
    };
    SourceError::NoFiles {
        name: source.name.clone(),
        format: source.format.name().shown(),
        pattern: source.pattern.clone(),
        root: source.root.clone(),
        nearest: format!("`{}` {holds}", shown.display()),
    }
}
