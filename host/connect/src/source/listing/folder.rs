//! Files of a folder on this machine, links followed.

use std::{
    collections::HashSet,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use glob::Pattern;

use super::{Wanted, compiled, holds, is_hidden};
use crate::lease::{self, Asked};
use crate::names;
use crate::source::{FileSource, Input, Inputs, Location, SourceError};

/// How often a version may disappear under the listing before it gives up. Each time means that two runs were published
/// between two system calls.
const RESOLVE_ATTEMPTS: usize = 16;

/// Blocking: touches the disk.
pub(in crate::source) fn list(source: &FileSource, root: &Path) -> Result<Inputs, SourceError> {
    let mut walk = Walk {
        source,
        root,
        listing: Inputs::default(),
        above: HashSet::new(),
    };
    let (base, rest) = split(source, root);
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
        let compiled = compiled(source, &rest.join("/"))?;
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
        return Err(nothing(source, root, &base));
    }
    Ok(listing)
}

/// Holds the versions of published tables that the inputs are pieces of, unless they were listed in this process and hold them. Blocking.
pub(in crate::source) fn held(
    source: &FileSource,
    mut inputs: Inputs,
) -> Result<Inputs, SourceError> {
    if !inputs.leases.is_empty() {
        return Ok(inputs);
    }
    let mut folders = HashSet::new();
    for piece in &inputs.pieces {
        let Location::File(path) = &piece.location else {
            continue;
        };
        for folder in path.ancestors().skip(1) {
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
fn split(source: &FileSource, root: &Path) -> (PathBuf, Vec<String>) {
    let mut base = PathBuf::new();
    let mut rest = Vec::new();
    for component in Path::new(&source.pattern).components() {
        if component == Component::CurDir {
            continue;
        }
        let text = component.as_os_str().to_string_lossy();
        let literal = !text.contains(['*', '?', '['])
            || fs::symlink_metadata(root.join(&base).join(component)).is_ok();
        if rest.is_empty() && literal {
            base.push(component);
        } else {
            rest.push(text.into_owned());
        }
    }
    (base, rest)
}

struct Walk<'a> {
    source: &'a FileSource,
    root: &'a Path,
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
        match fs::metadata(self.root.join(path)) {
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
            Wanted::if_matching(&format, pattern, relative, name)
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
                // A link that leads nowhere has no data; but a file of the source would be missed, or a folder.
                Err(error)
                    if kind.is_symlink()
                        && error.kind() == io::ErrorKind::NotFound
                        && !matches!(wanted(&child, &name), Wanted::Yes)
                        && !may_be_folder(&name) =>
                {
                    continue;
                }
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
            } else if matches!(wanted(&child, &name), Wanted::Yes) {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no file");
                return Err(self.error(&child, error));
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
        // Partitions are told by names, and files by their paths: two of them must not be one text.
        let mut parts = path.iter().chain(resolved.iter());
        if let Some(part) = parts.find(|part| part.to_str().is_none()) {
            return Err(SourceError::NotUtf8 {
                name: self.source.name.clone(),
                part: names::readable(part).into_owned(),
                path,
            });
        }
        let modified = metadata
            .modified()
            .map_err(|error| self.error(&path, error))?;
        self.listing.pieces.push(Input {
            path,
            location: Location::File(resolved),
            bytes: metadata.len(),
            modified,
        });
        Ok(())
    }
}

/// Whether a name is one that folders have: a partition's, or one without an extension.
fn may_be_folder(name: &str) -> bool {
    name.contains('=') || !name.contains('.')
}

/// Says what is there instead, since the mistake is mostly a name.
fn nothing(source: &FileSource, root: &Path, base: &Path) -> SourceError {
    let nearest = base
        .ancestors()
        .find(|folder| root.join(folder).is_dir())
        .unwrap_or(Path::new(""));
    let folder = root.join(nearest);
    let names = fs::read_dir(&folder).map(|entries| {
        let name = |entry: fs::DirEntry| {
            let name = names::readable(&entry.file_name()).into_owned();
            match entry.path().is_dir() {
                true => format!("{name}/"),
                false => name,
            }
        };
        entries.flatten().map(name).collect()
    });
    let holds = match folder.is_dir() {
        true => holds(names.unwrap_or_default()),
        false => "does not exist".to_owned(),
    };
    let shown = match nearest.as_os_str().is_empty() {
        true => Path::new("."),
        false => nearest,
    };
    super::nothing(source, &shown.display().to_string(), &holds)
}
