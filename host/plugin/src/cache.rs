//! Compiled code on disk, so that a plugin is compiled once.
//!
//! Loading compiled code is as unsafe as running it, so the cache must only ever hand out what this program wrote. An entry is two
//! files, named after its key (component digest, wasmtime's compatibility hash, this crate's version): `.cwasm` is the code as
//! wasmtime maps it into memory, `.stamp` its SHA-256, with which it is compared whenever the file is not the one that was seen
//! before ([`Stamp`]). What is torn, belongs to another key or does not add up is taken for missing and written again.
//! A checksum cannot stop an attacker who can write to the folder and computes it again, so folder and entries must belong to
//! the user and be writable by no other user; otherwise the cache is not used.
//!
//! Mapped code is only read when it is used: cut short under a running process it would end that process. So files are only
//! ever replaced, by renaming, and never written in place; what was mapped stays until it is closed everywhere.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compiler;
use crate::stamp::{PART, Stamp, Sum, replace};

/// Entries that were not used for so long are deleted when one is stored.
const UNUSED: Duration = Duration::from_secs(30 * DAY.as_secs());

/// A use is noted once in so long: by the time of the stamp, since file systems seldom keep the time of a reading.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Endings of the files of an entry: what wasmtime or a language runner made, and its stamp.
const CODE: &str = "cwasm";
const BYTECODE: &str = "bytecode";
const STAMP: &str = "stamp";

/// A folder with compiled components.
#[derive(Debug, Clone)]
pub(crate) struct CompiledCache {
    folder: PathBuf,
}

impl CompiledCache {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The compiled component whose source has that SHA-256, if it is here and whole.
    pub(crate) fn find(&self, engine: &Engine, digest: &Sum) -> Option<Component> {
        let code = self.checked(&key(engine, digest), CODE)?;
        // SAFETY: the file has the digest that `store` wrote for this very key, and only this user can write the two; wasmtime
        // itself refuses code of another version or configuration.
        unsafe { Component::deserialize_file(engine, &code) }
            .or_else(|_| {
                // Some file systems let no code be mapped (`noexec`).
                let bytes = fs::read(&code)?;
                // SAFETY: as above.
                unsafe { Component::deserialize(engine, bytes) }
            })
            .ok()
    }

    /// Compiles `wasm`, which has that SHA-256, and keeps the result.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        wasm: &[u8],
        digest: &Sum,
    ) -> wasmtime::Result<Component> {
        let component = compiler::compile(engine, wasm)?;
        self.keep(&key(engine, digest), CODE, &component.serialize()?);
        Ok(component)
    }

    /// What a runner has compiled a plugin to, both given by their SHA-256.
    pub(crate) fn find_bytecode(&self, runner: &Sum, plugin: &Sum) -> Option<Vec<u8>> {
        fs::read(self.checked(&bytecode_key(runner, plugin), BYTECODE)?).ok()
    }

    /// Keeps what a runner has compiled a plugin to.
    pub(crate) fn keep_bytecode(&self, runner: &Sum, plugin: &Sum, bytecode: &[u8]) {
        self.keep(&bytecode_key(runner, plugin), BYTECODE, bytecode);
    }

    /// SHA-256 of a file somewhere else, remembered here.
    pub(crate) fn digest_of(&self, file: &Path) -> std::io::Result<Sum> {
        let path = std::path::absolute(file)?;
        let key = Sha256::digest(path.as_os_str().as_encoded_bytes()).into();
        let known = self.stamp(&key);
        let now = Stamp::of(&path, known.as_ref())?;
        match known {
            Some(known) => self.note(&key, &known, &now),
            None => self.write(&key, &now),
        }
        Ok(now.digest)
    }

    fn path(&self, key: &Sum, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", hex(key)))
    }

    /// The file of an entry, if it is whole.
    fn checked(&self, key: &Sum, ending: &str) -> Option<PathBuf> {
        let file = self.path(key, ending);
        let known = self.stamp(key)?;
        if !belongs_to_user_only(&file) {
            tracing::warn!(path = %file.display(), "compiled code is writable by others and was not used");
            return None;
        }
        let now = Stamp::of(&file, Some(&known)).ok()?;
        if now.digest != known.digest {
            return None;
        }
        self.note(key, &known, &now);
        Some(file)
    }

    fn stamp(&self, key: &Sum) -> Option<Stamp> {
        let path = self.path(key, STAMP);
        let stamp = Stamp::read(&path, key)?;
        if [&self.folder, &path]
            .into_iter()
            .all(|path| belongs_to_user_only(path))
        {
            return Some(stamp);
        }
        tracing::warn!(path = %path.display(), "the cache of compiled code is writable by others and was not used");
        None
    }

    /// Notes what has become known, and once a day that it was used.
    fn note(&self, key: &Sum, known: &Stamp, now: &Stamp) {
        if now != known || age(&self.path(key, STAMP)).is_some_and(|age| age > DAY) {
            self.write(key, now);
        }
    }

    /// A stamp that cannot be written costs time, at the next start.
    fn write(&self, key: &Sum, stamp: &Stamp) {
        let path = self.path(key, STAMP);
        let written = create_private_folder(&self.folder).and_then(|()| stamp.write(&path, key));
        if let Err(error) = written {
            tracing::debug!(path = %path.display(), %error, "a digest was not kept");
        }
    }

    /// A cache that cannot be written costs time, not correctness.
    fn keep(&self, key: &Sum, ending: &str, code: &[u8]) {
        if let Err(error) = self.store(key, ending, code) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "compiled code was not cached");
        }
    }

    fn store(&self, key: &Sum, ending: &str, code: &[u8]) -> std::io::Result<()> {
        create_private_folder(&self.folder)?;
        self.delete_unused();
        // A stamp must not outlive a power failure that its file did not.
        replace(&self.path(key, ending), code)?.sync_all()?;
        let stamp = Stamp {
            digest: Sha256::digest(code).into(),
            // Read once more at the next start: what happened to the file since it was written does not show.
            seen: None,
        };
        stamp.write(&self.path(key, STAMP), key)
    }

    /// Deletes what was not used for long, what processes that were killed have left too.
    fn delete_unused(&self) {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let ours = |file: &PathBuf| {
            let ending = file.extension();
            [CODE, BYTECODE, STAMP, PART]
                .iter()
                .any(|known| ending == Some(known.as_ref()))
        };
        for file in files.map(|entry| entry.path()).filter(ours) {
            let stamp = file.with_extension(STAMP);
            let last_use = if stamp.exists() { &stamp } else { &file };
            if age(last_use).is_some_and(|age| age > UNUSED)
                && let Err(error) = fs::remove_file(&file)
            {
                tracing::debug!(%error, "unused compiled code was not deleted");
            }
        }
    }
}

/// How long ago the file was written.
fn age(file: &Path) -> Option<Duration> {
    let written = fs::metadata(file).ok()?.modified().ok()?;
    SystemTime::now().duration_since(written).ok()
}

fn key(engine: &Engine, digest: &Sum) -> Sum {
    let mut hasher = Sha256::new();
    hasher.update(digest);
    hasher.update(compiler::compatibility(engine).to_le_bytes());
    hasher.update(env!("CARGO_PKG_VERSION"));
    hasher.finalize().into()
}

fn bytecode_key(runner: &Sum, plugin: &Sum) -> Sum {
    Sha256::new()
        .chain_update(runner)
        .chain_update(plugin)
        .finalize()
        .into()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(unix)]
fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn belongs_to_user_only(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: it only reads the id of the user that the process acts as, and always succeeds.
    let me = unsafe { libc::geteuid() };
    fs::metadata(path).is_ok_and(|file| file.uid() == me && file.mode() & 0o022 == 0)
}

#[cfg(not(unix))]
fn belongs_to_user_only(_path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache with one entry, its code and its stamp as they were when the entry was used for the second time.
    struct Cached {
        _folder: tempfile::TempDir,
        engine: Engine,
        cache: CompiledCache,
        digest: Sum,
    }

    /// The shortest component there is: a preamble.
    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

    impl Cached {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let cached = Self {
                cache: CompiledCache::new(folder.path().join("cwasm")),
                engine: Engine::new(wasmtime::Config::new().wasm_component_model(true)).unwrap(),
                digest: Sha256::digest(WASM).into(),
                _folder: folder,
            };
            assert!(!cached.is_found());
            cached.compile();
            // As long as a file has to be left alone until its stamp vouches for it.
            std::thread::sleep(Duration::from_millis(150));
            assert!(cached.is_found());
            cached
        }

        fn compile(&self) {
            self.cache
                .compile(&self.engine, WASM, &self.digest)
                .unwrap();
        }

        fn is_found(&self) -> bool {
            self.cache.find(&self.engine, &self.digest).is_some()
        }

        fn file(&self, ending: &str) -> PathBuf {
            self.cache.path(&key(&self.engine, &self.digest), ending)
        }

        fn known(&self) -> Stamp {
            self.cache
                .stamp(&key(&self.engine, &self.digest))
                .expect("there is a stamp")
        }
    }

    /// Writes in place, as only another program would, and puts the time back.
    fn tamper(file: &Path, bytes: &[u8]) {
        let times =
            std::fs::FileTimes::new().set_modified(fs::metadata(file).unwrap().modified().unwrap());
        fs::write(file, bytes).unwrap();
        set_times(file, times);
    }

    fn set_times(file: &Path, times: std::fs::FileTimes) {
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.file().set_times(times).unwrap();
    }

    fn set_age(file: &Path, age: Duration) {
        set_times(
            file,
            std::fs::FileTimes::new().set_modified(SystemTime::now() - age),
        );
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_that_was_seen_is_not_read_again() {
        let cached = Cached::new();
        let known = cached.known();
        assert!(known.seen.is_some());
        // A stamp for another content would be found out if the content were looked at.
        let other = Stamp {
            digest: [0; 32],
            ..known
        };
        let key = key(&cached.engine, &cached.digest);
        other.write(&cached.file(STAMP), &key).unwrap();
        assert!(cached.is_found());
    }

    #[test]
    fn an_entry_that_was_copied_is_read_and_seen_again() {
        let cached = Cached::new();
        let code = fs::read(cached.file(CODE)).unwrap();
        let before = cached.known();
        replace(&cached.file(CODE), &code).unwrap();
        std::thread::sleep(Duration::from_millis(150));
        assert!(cached.is_found());
        let now = cached.known();
        assert_eq!(now.digest, before.digest);
        assert_eq!(now.seen.is_some(), cfg!(unix));
        assert!(now.seen != before.seen || cfg!(not(unix)));
    }

    #[test]
    fn torn_foreign_and_tampered_entries_are_made_anew() {
        let cached = Cached::new();
        for (ending, foreign) in [
            (CODE, &b"transom-cwasm-1"[..]),
            (STAMP, b"transom-stamp-1\n"),
        ] {
            let file = cached.file(ending);
            let whole = fs::read(&file).unwrap();
            let mut flipped = whole.clone();
            *flipped.last_mut().unwrap() ^= 1;
            let mut other = whole.clone();
            other[20] ^= 1;
            for bad in [
                &whole[..whole.len() - 1],
                &whole[..10],
                b"",
                foreign,
                &flipped,
                &other,
            ] {
                tamper(&file, bad);
                assert!(!cached.is_found());
                cached.compile();
                assert!(cached.is_found(), "it was written again");
            }
        }
        for ending in [CODE, STAMP] {
            fs::remove_file(cached.file(ending)).unwrap();
            assert!(!cached.is_found());
            cached.compile();
            assert!(cached.is_found(), "it was written again");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_that_others_can_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let cached = Cached::new();
        for path in [
            cached.file(CODE),
            cached.file(STAMP),
            cached.cache.folder.clone(),
        ] {
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
            assert!(!cached.is_found(), "{}", path.display());
            fs::set_permissions(&path, before).unwrap();
            assert!(cached.is_found());
        }
    }

    #[test]
    fn entries_unused_for_a_month_are_deleted_when_one_is_stored() {
        let cached = Cached::new();
        let folder = &cached.cache.folder;
        let file = |name: &str, days: u32| {
            let file = folder.join(name);
            fs::write(&file, "").unwrap();
            set_age(&file, DAY * days);
        };
        for (name, days) in [
            ("old.cwasm", 90),
            ("old.stamp", 31),
            ("used.cwasm", 90),
            ("used.stamp", 29),
            ("alone.cwasm", 31),
            (".killed.part", 31),
            ("being-written.part", 0),
            ("not-ours.txt", 90),
        ] {
            file(name, days);
        }
        set_age(&cached.file(CODE), DAY * 90);
        cached.compile();
        let mut left: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.len() < 40)
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "being-written.part",
                "not-ours.txt",
                "used.cwasm",
                "used.stamp"
            ]
        );
        assert!(cached.is_found());
    }

    #[test]
    fn bytecode_is_kept_for_one_plugin_and_one_runner() {
        let cached = Cached::new();
        let (runner, plugin) = ([1; 32], [2; 32]);
        assert_eq!(cached.cache.find_bytecode(&runner, &plugin), None);
        cached.cache.keep_bytecode(&runner, &plugin, b"code");
        let found = |runner, plugin| cached.cache.find_bytecode(runner, plugin);
        assert_eq!(found(&runner, &plugin).as_deref(), Some(&b"code"[..]));
        assert_eq!(found(&plugin, &runner), None);
        let file = cached.cache.path(&bytecode_key(&runner, &plugin), BYTECODE);
        tamper(&file, b"c0de");
        assert_eq!(found(&runner, &plugin), None);
    }

    #[test]
    fn a_use_is_noted_once_a_day() {
        let cached = Cached::new();
        let stamp = cached.file(STAMP);
        for (hours, noted) in [(20, false), (30, true)] {
            set_age(&stamp, Duration::from_secs(hours * 60 * 60));
            assert!(cached.is_found());
            assert_eq!(age(&stamp).unwrap() < Duration::from_secs(60), noted);
        }
    }

    #[test]
    fn the_digest_of_a_file_follows_the_file() {
        let cached = Cached::new();
        let file = cached.cache.folder.join("runner.wasm");
        for content in ["one", "two", "two"] {
            fs::write(&file, content).unwrap();
            std::thread::sleep(Duration::from_millis(150));
            for _ in 0..2 {
                let digest = cached.cache.digest_of(&file).unwrap();
                assert_eq!(digest, Sum::from(Sha256::digest(content)));
            }
        }
        assert!(cached.cache.digest_of(Path::new("missing")).is_err());
    }
}
