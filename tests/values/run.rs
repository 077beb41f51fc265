//! Running a case, and judging what came of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde_json::json;

use crate::case::{Case, Content, Signal, Way};
use crate::files;
use crate::program::Project;
use crate::table::Table;

/// A command that takes longer hangs. The machine may be busy with other tests.
const LONGEST: Duration = Duration::from_secs(120);

/// How a case came out that is not wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With the expected values.
    Right,
    /// With the expected error.
    Refused,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs a case; the error says what is wrong.
pub(crate) fn run(case: &Case, way: &Way) -> Result<Outcome, String> {
    let project = Project::empty();
    let gzip = *way == Way::Gzip;
    project.write("transom.yaml", case.pipeline(way));
    for (name, content) in &case.files {
        files::write(project.path(), name, content, gzip)?;
    }
    let locked = |project: &Project| -> Result<Option<Ran>, String> {
        match transom(project, &["lock", "--quiet"], &mut Trouble::None)? {
            Ran { code: 0, .. } => Ok(None),
            ran => Ok(Some(ran)),
        }
    };
    let mut failed: Option<Ran> = None;
    if *way == Way::Locked {
        failed = locked(&project)?;
        if let (Some(ran), false) = (&failed, case.later.is_empty()) {
            return Err(format!("`lock` failed: {}", ran.stderr));
        }
    }
    for (name, content) in &case.later {
        match content {
            Some(content) => files::write(project.path(), name, content, gzip)?,
            None => std::fs::remove_file(project.path().join(name))
                .map_err(|error| error.to_string())?,
        }
    }
    if *way == Way::AllLocked {
        failed = locked(&project)?;
    }
    if failed.is_none() {
        for command in &case.before {
            let arguments: Vec<&str> = command.split_whitespace().collect();
            let ran = transom(&project, &arguments, &mut Trouble::None)?;
            if ran.code != 0 {
                return Err(format!("`transom {command}` failed: {}", ran.stderr));
            }
        }
    }
    let ran = match failed {
        Some(ran) => ran,
        None => {
            let command = case.command.as_deref().unwrap_or("run");
            let mut arguments: Vec<&str> = command.split_whitespace().collect();
            if arguments == ["run"] {
                arguments.extend(match way {
                    Way::Apart => ["--partitions", "4", "--batch-rows", "1"].as_slice(),
                    _ => &["--partitions", "1"],
                });
                if *way == Way::AllLocked {
                    arguments.push("--locked");
                }
            }
            transom(&project, &arguments, &mut Trouble::of(case, way, &project))?
        }
    };
    judge(case, way, &project, &ran)
}

fn judge(case: &Case, way: &Way, project: &Project, ran: &Ran) -> Result<Outcome, String> {
    let succeeds = case.rows.is_some() || case.text.is_some() || case.error.is_empty();
    if ran.code != 0 {
        if case.error.is_empty() {
            return Err(format!(
                "expected a result, found an error\nexit code {}\n{}",
                ran.code, ran.stderr
            ));
        }
        if ran.code != case.code {
            return Err(format!(
                "exit code {}, expected {}\n{}",
                ran.code, case.code, ran.stderr
            ));
        }
        contains("the error", &ran.stderr, &case.error)?;
        if project.path().join("out").exists() && !tables(&project.path().join("out"))?.is_empty() {
            return Err(format!(
                "something was published although the run failed\n{}",
                ran.stderr
            ));
        }
        return Ok(Outcome::Refused);
    }
    if !succeeds {
        let found = result(&project.path().join("out/res"))
            .map_or_else(|error| error, |found| shown(&found));
        return Err(format!(
            "expected an error with {:?}, found success\n{found}\n{}",
            case.error, ran.stderr
        ));
    }
    contains("stderr", &ran.stderr, &case.stderr)?;
    contains("stdout", &ran.stdout, &case.stdout)?;
    if let Some(expected) = &case.text {
        let mut found = String::new();
        for path in tables(&project.path().join("out/res"))? {
            found += &std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        }
        if *expected != found {
            return Err(format!("--- expected\n{expected}\n--- found\n{found}"));
        }
    }
    if let Some(rows) = &case.rows {
        let expected = Table::parse(rows)?;
        let table = match way {
            Way::Through(format) => {
                back(project, &expected, format, case)?;
                "out/back"
            }
            _ => "out/res",
        };
        expected.compare(&result(&project.path().join(table))?, true)?;
    }
    Ok(Outcome::Right)
}

/// Reads the sink's table as a source, into Parquet.
fn back(project: &Project, expected: &Table, format: &str, case: &Case) -> Result<(), String> {
    let columns = match format {
        "parquet" => String::new(),
        _ => format!("columns: {}, ", expected.declared()),
    };
    let options = match case.sink.get("csv") {
        Some(options) => format!("csv: {options}, "),
        None => String::new(),
    };
    project.write(
        "back.yaml",
        format!(
            "name: back\n\
             sources: {{ src: {{ {columns}{options}path: out/res, format: {format} }} }}\n\
             sinks: {{ back: {{ from: src, path: out/back, format: parquet }} }}\n"
        ),
    );
    let arguments = ["run", "--partitions", "1", "--file", "back.yaml"];
    match transom(project, &arguments, &mut Trouble::None)? {
        Ran { code: 0, .. } => Ok(()),
        ran => Err(format!("the sink's table cannot be read: {}", ran.stderr)),
    }
}

/// Runs the program on a broken file: it must refuse it, and name it.
pub(crate) fn refuse(path: &Path) -> Result<(), String> {
    let name = path
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let format = match name.split('.').nth(1) {
        Some("jsonl") => "json",
        Some(format) => format,
        None => return Err(format!("{name} has no ending")),
    };
    let project = Project::empty();
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    project.write(&name, bytes);
    let pipeline = json!({
        "name": "broken",
        "sources": { "src": { "path": name, "format": format } },
        "sinks": { "res": { "from": "src", "path": "out/res", "format": "parquet" } },
    });
    project.write("transom.yaml", pipeline.to_string());
    let ran = transom(&project, &["run"], &mut Trouble::None)?;
    if ran.code != 1 {
        return Err(format!(
            "exit code {}, expected 1\n{}",
            ran.code, ran.stderr
        ));
    }
    contains("the error", &ran.stderr, &[name])
}

/// What happens to a command while it runs.
enum Trouble<'a> {
    None,
    /// This file loses its end when the run has begun.
    Cut(PathBuf),
    /// It gets this signal when it has written temporary files.
    Signal(Signal),
    /// Its disk for temporary files has this size.
    Disk(&'a str),
}

impl<'a> Trouble<'a> {
    fn of(case: &'a Case, way: &Way, project: &Project) -> Self {
        if let Some(name) = &case.cut {
            let ending = if *way == Way::Gzip { ".gz" } else { "" };
            return Self::Cut(project.path().join(format!("{name}{ending}")));
        }
        match (case.signal, &case.disk) {
            (Some(signal), _) => Self::Signal(signal),
            (None, Some(size)) => Self::Disk(size),
            (None, None) => Self::None,
        }
    }

    /// Makes what happens once happen, when it is time.
    fn happen(&mut self, child: &Child, stderr: &Path, temporary: &Path) -> Result<(), String> {
        let happens = match &*self {
            Self::None | Self::Disk(_) => false,
            Self::Cut(_) => std::fs::read_to_string(stderr).is_ok_and(|text| text.contains("[1/")),
            Self::Signal(_) => spills(temporary),
        };
        if !happens {
            return Ok(());
        }
        match std::mem::replace(self, Self::None) {
            Self::Cut(path) => {
                let say = |error: std::io::Error| format!("{}: {error}", path.display());
                let file = std::fs::File::options().write(true).open(&path);
                let file = file.map_err(say)?;
                let length = file.metadata().map_err(say)?.len();
                file.set_len(length / 4).map_err(say)
            }
            Self::Signal(signal) => {
                let signal = match signal {
                    Signal::Interrupt => libc::SIGINT,
                    Signal::Terminate => libc::SIGTERM,
                };
                let process = i32::try_from(child.id()).map_err(|error| error.to_string())?;
                // SAFETY: kill(2) has no memory of ours; the process is a child that has not been waited for.
                match unsafe { libc::kill(process, signal) } {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error().to_string()),
                }
            }
            Self::None | Self::Disk(_) => Ok(()),
        }
    }
}

/// Whether a run has begun to write temporary files: its folder has more than the file that it locks.
fn spills(temporary: &Path) -> bool {
    let count = |folder: &Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
    let folders = std::fs::read_dir(temporary).into_iter().flatten();
    folders.flatten().any(|folder| count(&folder.path()) > 1)
}

/// Mounts a disk of the size `$0` where temporary files go, and becomes the program.
const ON_DISK: &str = r#"mount -t tmpfs -o "size=$0" none "$TMPDIR" && exec "$@""#;

/// The command with a disk of its own for temporary files, in a namespace that ends with it.
fn on_disk(command: &Command, size: &str) -> Command {
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    wrapped.args([ON_DISK, size]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

/// Whether this machine lets a test mount a disk, which many containers do not.
pub(crate) fn mounts() -> bool {
    static MOUNTS: OnceLock<bool> = OnceLock::new();
    *MOUNTS.get_or_init(|| {
        let mut command = Command::new("true");
        command.env("TMPDIR", std::env::temp_dir());
        let tried = on_disk(&command, "1m").stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    })
}

/// Runs the program to its end, or for `LONGEST`. It must leave no temporary files.
fn transom(
    project: &Project,
    arguments: &[&str],
    trouble: &mut Trouble<'_>,
) -> Result<Ran, String> {
    let output = tempfile::tempdir().map_err(|error| error.to_string())?;
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let open = |name: &str| {
        std::fs::File::create(output.path().join(name)).map_err(|error| error.to_string())
    };
    let mut command = project.command(arguments);
    command.env("TMPDIR", temporary.path());
    if let Trouble::Disk(size) = trouble {
        command = on_disk(&command, size);
    }
    command
        .stdin(Stdio::null())
        .stdout(open("stdout")?)
        .stderr(open("stderr")?);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        if start.elapsed() > LONGEST {
            _ = child.kill();
            _ = child.wait();
            return Err(format!("`transom {}` hangs", arguments.join(" ")));
        }
        if let Err(error) = trouble.happen(&child, &output.path().join("stderr"), temporary.path())
        {
            _ = child.kill();
            _ = child.wait();
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |name: &str| {
        let bytes = std::fs::read(output.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (read("stdout"), read("stderr"));
    if let Some(left) = std::fs::read_dir(temporary.path())
        .ok()
        .and_then(|mut files| files.next())
    {
        return Err(format!("a temporary file is left: {left:?}\n{stderr}"));
    }
    match status.code() {
        Some(code) => Ok(Ran {
            code,
            stdout,
            stderr,
        }),
        None => Err(format!("the program was killed: {status}\n{stderr}")),
    }
}

/// Whether a text has all these parts; the case of letters does not matter.
fn contains(what: &str, text: &str, expected: &[String]) -> Result<(), String> {
    let lower = text.to_lowercase();
    let is_missing = |part: &&String| !lower.contains(&part.to_lowercase());
    let missing: Vec<&String> = expected.iter().filter(is_missing).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("{what} does not say {missing:?}\n{text}")),
    }
}

/// The rows of a published table, with the types that other readers see: Arrow's own metadata is left aside.
pub(crate) fn result(folder: &Path) -> Result<Vec<RecordBatch>, String> {
    let mut batches = Vec::new();
    for path in tables(folder)? {
        batches.extend(parquet(&path)?);
    }
    Ok(batches)
}

/// The rows of a Parquet file; one batch without rows if there are none.
pub(crate) fn parquet(path: &Path) -> Result<Vec<RecordBatch>, String> {
    let say = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(|error| say(&error))?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|error| say(&error))?;
    let schema = reader.schema().clone();
    let reader = reader.build().map_err(|error| say(&error))?;
    let mut batches = vec![RecordBatch::new_empty(schema)];
    for batch in reader {
        batches.push(batch.map_err(|error| say(&error))?);
    }
    Ok(batches)
}

/// Files of a table by their paths, without those of other versions.
fn tables(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = BTreeMap::new();
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        let below = match path.is_dir() {
            true => tables(&path)?,
            false => vec![path.clone()],
        };
        found.insert(path, below);
    }
    Ok(found.into_values().flatten().collect())
}

/// The first rows, for messages.
fn shown(batches: &[RecordBatch]) -> String {
    let first: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| batch.slice(0, batch.num_rows().min(20)))
        .collect();
    arrow::util::pretty::pretty_format_batches(&first)
        .map_or_else(|error| error.to_string(), |table| table.to_string())
}

/// Writes all files of a case, as they are when the command runs.
pub(crate) fn write_files(case: &Case, project: &Project) -> Result<(), String> {
    let later = case
        .later
        .iter()
        .filter_map(|(name, content)| Some((name, content.as_ref()?)));
    for (name, content) in case.files.iter().chain(later) {
        let content: &Content = content;
        files::write(project.path(), name, content, false)?;
    }
    Ok(())
}
