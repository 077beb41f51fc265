//! The program under test: run in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

#[path = "../guests/echo.rs"]
mod echo;

pub(crate) use echo::component as echo;

/// The repository.
pub(crate) fn repository() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder.canonicalize().expect("the repository")
}

/// A folder of its own for one test, with a copy of a fixture in it.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

/// What a command did.
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// What was written to stdout.
    pub(crate) stdout: String,
    /// What was written to stderr.
    pub(crate) stderr: String,
}

impl Project {
    /// Without any file.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// With the files of `fixture`, a folder.
    pub(crate) fn copy_of(fixture: &Path) -> Self {
        let project = Self::empty();
        copy(fixture, project.path())
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.display()));
        project
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds the component of the guest `echo` as `echo.wasm`.
    pub(crate) fn with_echo(self) -> Self {
        std::fs::copy(echo(), self.path().join("echo.wasm")).expect("the component is copied");
        self
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(path, content).expect("the file is written");
    }

    /// Replaces a text in a file, which must be there.
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join(path)).expect("the file is read");
        assert!(text.contains(from), "`{from}` is not in {path}:\n{text}");
        self.write(path, text.replace(from, to));
    }

    /// The program with these arguments in this folder, in an environment that is the same everywhere.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transom"));
        command.args(arguments).current_dir(self.path());
        // Compiled code of these tests is not the user's.
        command.env(
            "TRANSOM_CACHE_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("transom-cache"),
        );
        for variable in [
            "NO_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
            "COLUMNS",
            "RUST_BACKTRACE",
            "TRANSOM_LOG",
        ] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.outcome(
            self.command(arguments)
                .output()
                .expect("the program starts"),
        )
    }

    /// What a command wrote, with what differs from run to run replaced by names.
    pub(crate) fn outcome(&self, output: Output) -> Ran {
        let text = |bytes| {
            stable(
                &String::from_utf8(bytes).expect("output in UTF-8"),
                self.path(),
            )
        };
        let code = output.status.code().expect("the program was not killed");
        Ran {
            code,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    /// Everything together, for a snapshot.
    pub(crate) fn all(&self) -> String {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        let part = |name: &str, text: &str| match text.trim_end() {
            "" => String::new(),
            text => format!("----- {name} -----\n{text}\n"),
        };
        format!(
            "exit code {code}\n{}{}",
            part("stdout", stdout),
            part("stderr", stderr)
        )
    }

    /// What stdout holds, which must be one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}", self.all()))
    }
}

/// Replaces what differs from run to run: the folder, times, sizes of compressed files, digests.
fn stable(text: &str, folder: &Path) -> String {
    let text = text.replace('\r', "");
    let canonical = folder.canonicalize().expect("the folder is there");
    let text = text
        .replace(&*canonical.to_string_lossy(), "$ROOT")
        .replace(&*folder.to_string_lossy(), "$ROOT");
    let text = number_before(&text, " s", "0.00");
    hexadecimal(&text)
}

/// Replaces each decimal number that stands before `unit`: times are different every time.
fn number_before(text: &str, unit: &str, with: &str) -> String {
    let mut stable = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(unit) {
        let (before, after) = rest.split_at(at);
        let number = before.len()
            - before
                .bytes()
                .rev()
                .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
                .count();
        stable.push_str(&before[..number]);
        let ends = after[unit.len()..]
            .bytes()
            .next()
            .is_none_or(|byte| !byte.is_ascii_alphanumeric());
        let is_time = before[number..].contains('.') && ends;
        stable.push_str(if is_time { with } else { &before[number..] });
        stable.push_str(unit);
        rest = &after[unit.len()..];
    }
    stable + rest
}

/// Replaces digests: words of 12 or more hexadecimal digits that are no fraction of a number.
fn hexadecimal(text: &str) -> String {
    let is_hex = |word: &str| word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut stable = String::with_capacity(text.len());
    for piece in text.split_inclusive(|character: char| !character.is_ascii_alphanumeric()) {
        let word = piece.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
        // With an `e` behind it where there is an exponent, which is hexadecimal too.
        let whole = stable.strip_suffix('.');
        let is_fraction = whole.is_some_and(|whole| whole.ends_with(|c: char| c.is_ascii_digit()))
            && word
                .trim_end_matches('e')
                .bytes()
                .all(|byte| byte.is_ascii_digit());
        let is_digest = is_hex(word) && !is_fraction;
        stable.push_str(if is_digest { "$DIGEST" } else { word });
        stable.push_str(&piece[word.len()..]);
    }
    stable
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => std::fs::copy(entry.path(), to).map(drop)?,
        }
    }
    Ok(())
}
