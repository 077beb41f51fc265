//! Compiled code on disk, so that a plugin is compiled once.
//!
//! Loading compiled code is as unsafe as running it, so the cache must only ever hand out bytes that this program wrote. An entry
//! lies in an envelope: a magic word, then the key (component digest, wasmtime's compatibility hash, this crate's version) and a
//! SHA-256 over key and code. What is torn, belongs to another key or does not add up is taken for missing and written anew.
//! A checksum cannot stop somebody who can write to the folder and computes it again, so folder and entries must belong to
//! the user and be writable by nobody else; otherwise the cache is not used.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

const MAGIC: &[u8; 16] = b"transom-cwasm-1\n";
/// Bytes of a SHA-256.
pub(crate) const DIGEST: usize = 32;

/// A folder with compiled components.
#[derive(Debug, Clone)]
pub(crate) struct CompiledCache {
    folder: PathBuf,
}

impl CompiledCache {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The compiled component for `wasm` (with that SHA-256), from the cache or made now.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        wasm: &[u8],
        digest: &[u8; DIGEST],
    ) -> wasmtime::Result<Component> {
        let key = key(engine, digest);
        let path = self.path(&key);
        if let Some(component) = load(engine, &path, &key) {
            return Ok(component);
        }
        let component = Component::new(engine, wasm)?;
        // A cache that cannot be written costs time, not correctness.
        if let Err(error) = self.store(&path, &key, &component.serialize()?) {
            tracing::warn!(path = %path.display(), %error, "compiled code was not cached");
        }
        Ok(component)
    }

    /// Whether there is an entry for the component with that SHA-256, whatever it is worth.
    pub(crate) fn has(&self, engine: &Engine, digest: &[u8; DIGEST]) -> bool {
        self.path(&key(engine, digest)).is_file()
    }

    fn path(&self, key: &[u8; DIGEST]) -> PathBuf {
        self.folder.join(format!("{}.cwasm", hex(key)))
    }

    fn store(&self, path: &Path, key: &[u8; DIGEST], code: &[u8]) -> std::io::Result<()> {
        create_private_folder(&self.folder)?;
        // Written beside and renamed: a reader sees a whole entry or none. Temporary files are private to the user.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&header(key, code))?;
        file.write_all(code)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn load(engine: &Engine, path: &Path, key: &[u8; DIGEST]) -> Option<Component> {
    let bytes = fs::read(path).ok()?;
    if !belongs_to_user_only(path) || !path.parent().is_some_and(belongs_to_user_only) {
        tracing::warn!(path = %path.display(), "compiled code is writable by others and was not used");
        return None;
    }
    let code = open_envelope(&bytes, key)?;
    // SAFETY: the bytes carry the checksum that `store` wrote for this very key, in a file that only this user can write;
    // wasmtime itself refuses code of another version or configuration.
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// What stands before the code in an envelope.
pub(crate) fn header(key: &[u8; DIGEST], code: &[u8]) -> Vec<u8> {
    [MAGIC, &key[..], &checksum(key, code)].concat()
}

/// The code in an envelope, if all of it is as [`CompiledCache::store`] wrote it for `key`.
pub(crate) fn open_envelope<'a>(bytes: &'a [u8], key: &[u8; DIGEST]) -> Option<&'a [u8]> {
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(key)?;
    let (sum, code) = rest.split_at_checked(DIGEST)?;
    (checksum(key, code) == sum).then_some(code)
}

fn key(engine: &Engine, digest: &[u8; DIGEST]) -> [u8; DIGEST] {
    // The compatibility hash covers wasmtime's version, target, CPU features and every setting that changes code.
    let mut compatibility = DefaultHasher::new();
    engine
        .precompile_compatibility_hash()
        .hash(&mut compatibility);
    let mut hasher = Sha256::new();
    hasher.update(digest);
    hasher.update(compatibility.finish().to_le_bytes());
    hasher.update(env!("CARGO_PKG_VERSION"));
    hasher.finalize().into()
}

fn checksum(key: &[u8; DIGEST], code: &[u8]) -> [u8; DIGEST] {
    Sha256::new()
        .chain_update(key)
        .chain_update(code)
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
    // The folder of the process itself tells the user's id without a system call of our own.
    let Ok(me) = std::fs::metadata("/proc/self").map(|process| process.uid()) else {
        return true;
    };
    fs::metadata(path).is_ok_and(|file| file.uid() == me && file.mode() & 0o022 == 0)
}

#[cfg(not(unix))]
fn belongs_to_user_only(_path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached() -> (tempfile::TempDir, Engine, CompiledCache, Vec<u8>, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::new(folder.path().join("cwasm"));
        let engine = Engine::new(wasmtime::Config::new().wasm_component_model(true)).unwrap();
        // The shortest component there is: a preamble.
        let wasm = b"\0asm\x0d\0\x01\0".to_vec();
        let digest = Sha256::digest(&wasm).into();
        cache.component(&engine, &wasm, &digest).unwrap();
        let path = cache
            .folder
            .join(format!("{}.cwasm", hex(&key(&engine, &digest))));
        (folder, engine, cache, wasm, path)
    }

    #[test]
    fn an_entry_is_found_again() {
        let (_folder, engine, _, wasm, path) = cached();
        assert!(load(&engine, &path, &key(&engine, &Sha256::digest(&wasm).into())).is_some());
    }

    #[test]
    fn torn_foreign_and_tampered_entries_are_made_anew() {
        let (_folder, engine, cache, wasm, path) = cached();
        let digest: [u8; DIGEST] = Sha256::digest(&wasm).into();
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let mut other_key = whole.clone();
        other_key[MAGIC.len()] ^= 1;
        for bad in [
            &whole[..whole.len() - 1],
            &whole[..10],
            b"",
            &flipped,
            &other_key,
        ] {
            fs::write(&path, bad).unwrap();
            assert!(load(&engine, &path, &key(&engine, &digest)).is_none());
            cache.component(&engine, &wasm, &digest).unwrap();
            assert_eq!(fs::read(&path).unwrap()[..MAGIC.len()], *MAGIC);
            assert!(
                load(&engine, &path, &key(&engine, &digest)).is_some(),
                "it was written anew"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_that_others_can_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, engine, _, wasm, path) = cached();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(load(&engine, &path, &key(&engine, &Sha256::digest(&wasm).into())).is_none());
    }
}
