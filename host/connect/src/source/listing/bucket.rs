//! Objects of a bucket. Folders are what stands before a `/` in keys; a table that a sink has published is followed to its version.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Wanted, compiled, holds, is_hidden, nothing};
use crate::aws::{Bucket, Listed, S3Error};
use crate::pointer::{POINTER, Pointer};
use crate::sink::{VersionFiles, list_of};
use crate::source::{FileSource, Input, Inputs, Location, SourceError};
use transom_file::spec::S3Url;

/// All objects that `source.pattern` means in its bucket.
pub(in crate::source) async fn list(
    source: &FileSource,
    bucket: &Bucket,
) -> Result<Inputs, SourceError> {
    let mut listing = Listing {
        source,
        bucket,
        found: Inputs::default(),
    };
    let (base, rest) = split(&source.pattern);
    let pattern = match rest {
        "" => None,
        rest => Some(compiled(source, rest)?),
    };
    let folder = as_folder(base);
    // Only keys that begin as the pattern does.
    let begin = rest.split(['*', '?', '[']).next().unwrap_or_default();
    let prefix = format!("{folder}{begin}");
    let wanted = |relative: &str, name: &str| match &pattern {
        None => Wanted::if_named(&source.format, name),
        Some(pattern) => Wanted::if_matching(&source.format, pattern, Path::new(relative), name),
    };
    let tables = listing.below(&prefix, &prefix, &folder, &wanted).await?;
    for table in tables {
        listing.refuse_within(&table)?;
        listing.published(&table, &folder, &wanted).await?;
    }
    if listing.found.pieces.is_empty() && pattern.is_none() && !base.is_empty() {
        // The key of one object.
        if let Some(object) = listing.failing(bucket.head(base).await)? {
            listing.take(object.key.clone(), object);
        }
    }
    if listing.found.pieces.is_empty() {
        // The pattern may lead into a published table. That the folder itself is none was seen above, unless only a part of it was listed.
        let seen = usize::from(begin.is_empty());
        for (at, _) in folder.match_indices('/').rev().skip(seen) {
            let table = &folder[..at];
            if listing.published(table, &folder, &wanted).await? {
                break;
            }
        }
    }
    let mut found = listing.found;
    // As texts: two keys that differ in a `//` are one path.
    let text = |piece: &Input| piece.path.as_os_str().to_owned();
    found.pieces.sort_by_key(text);
    found.pieces.dedup_by(|a, b| a.location == b.location);
    if found.pieces.is_empty() {
        return Err(nearest(source, bucket, &folder).await?);
    }
    Ok(found)
}

/// Objects with what follows `prefix` in their keys.
fn within(listed: Vec<Listed>, prefix: &str) -> Vec<(String, Listed)> {
    let relative = |object: Listed| {
        let relative = object.key.strip_prefix(prefix).unwrap_or(&object.key);
        (relative.to_owned(), object)
    };
    listed.into_iter().map(relative).collect()
}

/// A prefix that ends with `/`; the whole bucket is the empty one.
fn as_folder(prefix: &str) -> String {
    match prefix {
        "" => String::new(),
        prefix if prefix.ends_with('/') => prefix.to_owned(),
        prefix => format!("{prefix}/"),
    }
}

/// The part of the pattern without wildcards, up to a `/`, and the rest.
fn split(pattern: &str) -> (&str, &str) {
    match pattern.find(['*', '?', '[']) {
        None => (pattern, ""),
        Some(at) => pattern.split_at(pattern[..at].rfind('/').map_or(0, |slash| slash + 1)),
    }
}

struct Listing<'a> {
    source: &'a FileSource,
    bucket: &'a Bucket,
    found: Inputs,
}

impl Listing<'_> {
    fn failing<T>(&self, asked: Result<T, S3Error>) -> Result<T, SourceError> {
        asked.map_err(|error| SourceError::S3 {
            name: self.source.name.clone(),
            source: Box::new(error),
        })
    }

    /// Takes the wanted objects whose keys begin with `prefix`, shown as if they lay below `shown`. Gives the tables whose pointers lie
    /// among them. Whether a key is wanted depends on what follows `base` in the key that is shown.
    async fn below(
        &mut self,
        prefix: &str,
        shown: &str,
        base: &str,
        wanted: &impl Fn(&str, &str) -> Wanted,
    ) -> Result<Vec<String>, SourceError> {
        let listed = self.failing(self.bucket.list(prefix).await)?;
        Ok(self.choose(within(listed, prefix), shown, base, wanted))
    }

    /// Each object comes with its key as it follows `shown`.
    fn choose(
        &mut self,
        listed: Vec<(String, Listed)>,
        shown: &str,
        base: &str,
        wanted: &impl Fn(&str, &str) -> Wanted,
    ) -> Vec<String> {
        let mut tables = Vec::new();
        for (relative, object) in listed {
            let relative = relative.as_str();
            if let Some(table) = relative.strip_suffix(POINTER)
                && !table.split('/').any(is_hidden)
            {
                tables.push(format!("{shown}{}", table.trim_end_matches('/')));
                continue;
            }
            // Consoles make an object of a folder's name, and it is no file.
            if relative.is_empty() || relative.ends_with('/') || relative.split('/').any(is_hidden)
            {
                continue;
            }
            let key = format!("{shown}{relative}");
            let name = relative.rsplit('/').next().unwrap_or(relative);
            let Some(from_base) = key.strip_prefix(base) else {
                continue;
            };
            match wanted(from_base, name) {
                Wanted::Yes => self.take(key, object),
                Wanted::PassedOver => self.found.passed_over += 1,
                Wanted::No => {}
            }
        }
        tables
    }

    /// Takes the wanted objects of a published table's current version; says whether there is such a table.
    async fn published(
        &mut self,
        table: &str,
        base: &str,
        wanted: &impl Fn(&str, &str) -> Wanted,
    ) -> Result<bool, SourceError> {
        let url = self.bucket.url(table.trim_end_matches('/'));
        let read = Pointer::read(self.bucket, &url).await;
        let Some((pointer, _)) = self.failing(read)? else {
            return Ok(false);
        };
        let version = Pointer::folder(&url, &pointer.version);
        let version = self.failing(version.ok_or_else(|| {
            let message = "the pointer lies at the top of the bucket".to_owned();
            S3Error::other("read", url.clone(), message)
        }))?;
        if pointer.entry.is_some() {
            let listed = self.version_files(&url, &pointer).await?;
            let shown = as_folder(&url.key);
            self.choose(listed, &shown, base, wanted);
            return Ok(true);
        }
        let listed = self.failing(self.bucket.list(&version).await)?;
        let bytes = listed.iter().map(|object| object.bytes).sum::<u64>();
        if (listed.len() as u64, bytes) != (pointer.files, pointer.bytes) {
            let message = "some of its files are gone, or others were added";
            let changed = S3Error::changed("read", self.bucket.url(&version), message);
            return self.failing(Err(changed));
        }
        let shown = as_folder(&url.key);
        self.choose(within(listed, &version), &shown, base, wanted);
        Ok(true)
    }

    /// The objects of a version that has a list of its files, as if all of them lay in its folder.
    async fn version_files(
        &self,
        table: &S3Url,
        pointer: &Pointer,
    ) -> Result<Vec<(String, Listed)>, SourceError> {
        let versions = Pointer::versions(table).unwrap_or_default();
        let key = format!("{versions}{}", list_of(&pointer.version));
        let wrong = |why: String| S3Error::other("read", self.bucket.url(&key), why);
        let list = self.failing(self.bucket.get(&key).await)?;
        let list = list.ok_or_else(|| wrong("the list of a version's files is gone".to_owned()));
        let (list, _) = self.failing(list)?;
        let files = serde_json::from_slice::<VersionFiles>(&list);
        let files = self.failing(files.map_err(|error| wrong(error.to_string())))?;
        if (files.files.len() as u64, files.bytes()) != (pointer.files, pointer.bytes) {
            return self.failing(Err(wrong("it was changed".to_owned())));
        }
        let objects = files.files.into_iter().map(|file| {
            let path = file.path.to_string_lossy().into_owned();
            let object = Listed {
                key: format!("{versions}{}/{path}", file.version),
                etag: file.etag.unwrap_or_default(),
                bytes: file.bytes,
                // The ETag alone says whether it is still this object.
                modified: SystemTime::UNIX_EPOCH,
            };
            (path, object)
        });
        Ok(objects.collect())
    }

    /// What stands below a published table's prefix is no part of it; a reader cannot know whether it was meant to be.
    fn refuse_within(&self, table: &str) -> Result<(), SourceError> {
        let within = self.bucket.url(&as_folder(table)).to_string();
        let mut pieces = self.found.pieces.iter();
        let found = pieces.find(|piece| piece.path.to_string_lossy().starts_with(&within));
        found.map_or(Ok(()), |piece| {
            let message = format!(
                "it holds `{}`, which is no part of the table that transom has published there",
                piece.path.display()
            );
            self.failing(Err(S3Error::other("read", self.bucket.url(table), message)))
        })
    }

    fn take(&mut self, shown: String, object: Listed) {
        let url = |key: String| S3Url {
            bucket: self.source.bucket_name(),
            key,
        };
        self.found.pieces.push(Input {
            path: PathBuf::from(url(shown).to_string()),
            location: Location::Object {
                url: url(object.key),
                etag: object.etag,
            },
            bytes: object.bytes,
            modified: object.modified,
        });
    }
}

/// The error that nothing is there, with what the deepest folder on the way holds.
async fn nearest(
    source: &FileSource,
    bucket: &Bucket,
    folder: &str,
) -> Result<SourceError, SourceError> {
    let mut folder = folder;
    loop {
        let names = bucket.names(folder).await;
        let names = names.map_err(|error| SourceError::S3 {
            name: source.name.clone(),
            source: Box::new(error),
        })?;
        if !names.is_empty() || folder.is_empty() {
            let shown = bucket.url(folder).to_string();
            return Ok(nothing(source, &shown, &holds(names)));
        }
        let above = folder.trim_end_matches('/');
        folder = &folder[..above.rfind('/').map_or(0, |slash| slash + 1)];
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_pattern_begins_after_the_last_folder_without_wildcards() {
        assert_eq!(split("raw/day=*/x.csv"), ("raw/", "day=*/x.csv"));
        assert_eq!(split("raw/day=1/"), ("raw/day=1/", ""));
        assert_eq!(split("*.csv"), ("", "*.csv"));
        assert_eq!(split(""), ("", ""));
    }
}
