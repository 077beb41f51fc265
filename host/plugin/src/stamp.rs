//! What is known of a file's content, so that it need not be read again: its SHA-256 and which file that was.
//!
//! Hashing 50 MB takes longer than anything else that a start has to do. A stamp says which file was hashed as the kernel tells
//! files apart: device, inode, size, and the times at which content and inode changed. No program can set the last of these, so a file
//! that was changed in place shows it even if its other times were put back. What changes within one tick of the kernel's clock
//! shows no difference (git calls such an entry racy), so a file counts as seen only if it had been left alone for a while before
//! it was hashed.

use std::fs::Metadata;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err as fs;
use sha2::{Digest, Sha256};

/// A SHA-256.
pub(crate) type Sum = [u8; 32];

const MAGIC: &[u8; 16] = b"transom-stamp-1\n";

/// What a file is known by: device, inode, size, and in nanoseconds since 1970 when its content and its inode were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Identity(pub(crate) [u64; 5]);

/// What is remembered of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// SHA-256 of its content.
    pub(crate) digest: Sum,
    /// The file that had this content, if it can be known again.
    pub(crate) seen: Option<Identity>,
}

impl Stamp {
    /// A stamp of `file` as it is now. Its content is read only if `before` does not know it.
    pub(crate) fn of(file: &Path, before: Option<&Self>) -> std::io::Result<Self> {
        let now = SystemTime::now();
        let mut file = fs::File::open(file)?;
        let identity = Identity::of(&file.metadata()?);
        if let Some(before) = before
            && before.seen.is_some()
            && before.seen == identity
        {
            return Ok(*before);
        }
        let mut hasher = Sha256::new();
        std::io::copy(&mut file, &mut hasher)?;
        let after = Identity::of(&file.metadata()?);
        Ok(Self {
            digest: hasher.finalize().into(),
            seen: identity.filter(|seen| after == Some(*seen) && seen.is_quiet(now)),
        })
    }

    /// The stamp in `path`, if it is one for `key` and whole.
    pub(crate) fn read(path: &Path, key: &Sum) -> Option<Self> {
        Self::decode(&fs::read(path).ok()?, key)
    }

    /// Writes it to `path`.
    pub(crate) fn write(&self, path: &Path, key: &Sum) -> std::io::Result<()> {
        replace(path, &self.encode(key)).map(drop)
    }

    pub(crate) fn encode(&self, key: &Sum) -> Vec<u8> {
        let mut bytes = [&MAGIC[..], key, &self.digest].concat();
        for number in self.seen.unwrap_or_default().0 {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(Sha256::digest(&bytes));
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], key: &Sum) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<32>()?;
        if Sum::from(Sha256::digest(content)) != *sum {
            return None;
        }
        let rest = content.strip_prefix(MAGIC)?.strip_prefix(key)?;
        let (digest, numbers) = rest.split_first_chunk::<32>()?;
        let numbers: &[[u8; 8]; 5] = numbers.as_chunks().0.try_into().ok()?;
        let seen = Identity(numbers.map(u64::from_le_bytes));
        Some(Self {
            digest: *digest,
            seen: (seen != Identity::default()).then_some(seen),
        })
    }
}

impl Identity {
    #[cfg(unix)]
    fn of(file: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanoseconds: i64| {
            let seconds = Duration::from_secs(u64::try_from(seconds).ok()?);
            let time = seconds + Duration::from_nanos(u64::try_from(nanoseconds).ok()?);
            u64::try_from(time.as_nanos()).ok()
        };
        Some(Self([
            file.dev(),
            file.ino(),
            file.size(),
            time(file.mtime(), file.mtime_nsec())?,
            time(file.ctime(), file.ctime_nsec())?,
        ]))
    }

    /// Without a time that no program can set, a file cannot be known again.
    #[cfg(not(unix))]
    fn of(_file: &Metadata) -> Option<Self> {
        None
    }

    /// Whether a change from `now` on would show: the clock that stamps files has gone on since the last one. It ticks each 10 ms or
    /// more often where it counts nanoseconds; some file systems count seconds.
    fn is_quiet(&self, now: SystemTime) -> bool {
        let [.., changed] = self.0.map(Duration::from_nanos);
        let tick = match changed.subsec_nanos() {
            0 => Duration::from_secs(2),
            _ => Duration::from_millis(100),
        };
        now.duration_since(UNIX_EPOCH + changed)
            .is_ok_and(|quiet| quiet > tick)
    }
}

/// Ending of files that are being written, or were when their process was killed.
pub(crate) const PART: &str = "part";

/// Writes a file that only the user can read, beside its place, and renames it: readers see the one before or all of this one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<std::fs::File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .suffix(&format!(".{PART}"))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Sum = [7; 32];

    /// As long as a file has to be left alone until it counts as seen.
    fn wait() {
        std::thread::sleep(Duration::from_millis(150));
    }

    #[test]
    fn what_is_written_is_read_again_for_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stamp");
        for seen in [None, Some(Identity([1, 2, 3, 4, 5]))] {
            let stamp = Stamp {
                digest: [1; 32],
                seen,
            };
            stamp.write(&path, &KEY).unwrap();
            assert_eq!(Stamp::read(&path, &KEY), Some(stamp));
            assert_eq!(Stamp::read(&path, &[8; 32]), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_counts_as_seen_once_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        let racy = Stamp::of(&path, None).unwrap();
        assert_eq!(racy.digest, Sum::from(Sha256::digest("content")));
        assert_eq!(racy.seen, None, "a change in this tick would not show");
        wait();
        let stamp = Stamp::of(&path, Some(&racy)).unwrap();
        assert!(stamp.seen.is_some());
        // Believed without a look at the content.
        let other = Stamp {
            digest: [9; 32],
            ..stamp
        };
        assert_eq!(Stamp::of(&path, Some(&other)).unwrap(), other);
    }

    #[cfg(unix)]
    #[test]
    fn a_change_in_place_shows_though_size_and_time_are_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        wait();
        let before = Stamp::of(&path, None).unwrap();
        let times = std::fs::FileTimes::new()
            .set_modified(fs::metadata(&path).unwrap().modified().unwrap());
        fs::write(&path, "CONTENT").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.file().set_times(times).unwrap();
        let after = Identity::of(&fs::metadata(&path).unwrap()).unwrap();
        let seen = before.seen.unwrap();
        assert_eq!(after.0[..4], seen.0[..4]);
        let now = Stamp::of(&path, Some(&before)).unwrap();
        assert_eq!(now.digest, Sum::from(Sha256::digest("CONTENT")));
    }

    #[cfg(unix)]
    #[test]
    fn another_file_in_its_place_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        wait();
        let before = Stamp::of(&path, None).unwrap();
        fs::write(folder.path().join("new"), "CONTENT").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let now = Stamp::of(&path, Some(&before)).unwrap();
        assert_eq!(now.digest, Sum::from(Sha256::digest("CONTENT")));
    }
}
