//! Golden cases: each folder beside this file is a pipeline with what running it gives.
//!
//! A case holds `transom.yaml`, its queries and data, and perhaps `commands.txt`: the arguments of `transom`, one command a line,
//! without which it is `run`. The outcome of the last command is either `expected/`, the files of all sinks (Parquet as text), or
//! `expected-error.txt`, what was written to stderr and the exit code. A case with both is one whose last command fails and whose
//! results are those of the commands before it. `TRANSOM_BLESS=1` rewrites the outcomes.
//!
//! A case without targets is run once more with its data and its results on the local S3, and comes to the same results.

#[path = "../cli/program.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the commands, which use more of it"
)]
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::util::pretty::pretty_format_batches;
use libtest_mimic::{Arguments, Failed, Trial};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use program::Project;

fn main() {
    let arguments = Arguments::from_args();
    let cases = program::repository().join("tests/cases");
    let folders = std::fs::read_dir(cases)
        .expect("the folder of cases")
        .map(|entry| entry.expect("a case").path());
    let mut trials: Vec<Trial> = folders
        .filter(|path| path.is_dir())
        .flat_map(|folder| {
            let name = folder
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let mut trials = Vec::new();
            if runs_on_s3(&folder) {
                let folder = folder.clone();
                trials.push(Trial::test(format!("s3::{name}"), move || {
                    check_on_s3(&folder)
                }));
            }
            trials.push(Trial::test(name, move || check(&folder)));
            trials
        })
        .collect();
    trials.sort_by(|one, other| one.name().cmp(other.name()));
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(case: &Path) -> Result<(), Failed> {
    let project = prepared(case)?;
    let error = run(case, &project)?;
    let results = results(&project.path().join("out"))?;
    let blessing = std::env::var_os("TRANSOM_BLESS").is_some();
    let outcome = |name: &str| case.join(name);
    if blessing {
        remove(&outcome("expected"))?;
        remove(&outcome("expected-error.txt"))?;
        for (path, text) in &results {
            let path = outcome("expected").join(path);
            std::fs::create_dir_all(path.parent().expect("a folder"))?;
            std::fs::write(path, text)?;
        }
        if let Some(error) = error {
            std::fs::write(outcome("expected-error.txt"), error)?;
        }
        return Ok(());
    }
    compare(
        "expected-error.txt",
        &std::fs::read_to_string(outcome("expected-error.txt")).ok(),
        &error,
    )?;
    compare_all(&files(&outcome("expected"))?, &results)
}

/// The bucket of a case's data and results.
const BUCKET: &str = "s3://case/";

/// Whether a case can be run on S3: on the only target that it has, `local`.
fn runs_on_s3(case: &Path) -> bool {
    let file = std::fs::read_to_string(case.join("transom.yaml")).unwrap_or_default();
    !file.contains("targets:") && file.contains("path: data/")
}

/// The same case with its data and results on S3 comes to the same results. What its last command says names other places.
fn check_on_s3(case: &Path) -> Result<(), Failed> {
    let project = prepared(case)?;
    let file = std::fs::read_to_string(project.path().join("transom.yaml"))?;
    let file = file
        .replace("path: data/", &format!("path: {BUCKET}data/"))
        .replace("path: out/", &format!("path: {BUCKET}out/"));
    project.write("transom.yaml", file);
    let copy = |from: &str, to: &str| {
        let ran = project.run(&["local", "cp", from, to]);
        match ran.code {
            0 => Ok(()),
            _ => Err(Failed::from(ran.all())),
        }
    };
    copy("data", &format!("{BUCKET}data/"))?;
    std::fs::remove_dir_all(project.path().join("data"))?;
    let failed = run(case, &project)?.is_some();
    let should_fail = case.join("expected-error.txt").exists();
    if failed != should_fail {
        return Err("it fails on one of folder and S3 only".into());
    }
    copy(&format!("{BUCKET}out/"), "copied")?;
    let (copied, out) = (project.path().join("copied"), project.path().join("out"));
    current_versions(&copied, &copied, &out)?;
    let same = |results: BTreeMap<PathBuf, String>| {
        let texts = results
            .into_iter()
            .map(|(path, text)| (path, without_places(&text)));
        texts.collect::<BTreeMap<_, _>>()
    };
    let expected = files(&case.join("expected"))?;
    compare_all(&same(expected), &same(results(&out)?))
}

/// A table of text without the places of files, which make columns wider.
fn without_places(text: &str) -> String {
    let text = text.replace(BUCKET, "");
    let lines = text.lines().filter(|line| !line.starts_with("+-"));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect::<Vec<_>>().join("\n")
}

/// Puts the version that each pointer below `folder` names where its table stands.
fn current_versions(root: &Path, folder: &Path, out: &Path) -> Result<(), Failed> {
    let pointer = folder.join("_transom/current");
    if pointer.is_file() {
        let pointer: serde_json::Value = serde_json::from_slice(&std::fs::read(pointer)?)?;
        let version = pointer["version"]
            .as_str()
            .ok_or("a pointer without a version")?;
        let name = folder.file_name().ok_or("a table without a name")?;
        let versions = format!(".{}.versions", name.to_string_lossy());
        let table = out.join(folder.strip_prefix(root)?);
        std::fs::create_dir_all(table.parent().ok_or("no folder")?)?;
        std::fs::rename(folder.with_file_name(versions).join(version), table)?;
        return Ok(());
    }
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            current_versions(root, &entry.path(), out)?;
        }
    }
    Ok(())
}

/// A copy of a case without its outcome.
fn prepared(case: &Path) -> Result<Project, Failed> {
    let mut project = Project::copy_of(case);
    for outcome in ["expected", "expected-error.txt"] {
        remove(&project.path().join(outcome))?;
    }
    if std::fs::read_to_string(case.join("transom.yaml"))?.contains("echo.wasm") {
        project = project.with_echo();
    }
    Ok(project)
}

/// Runs the commands of a case; returns what the last one said if it failed.
fn run(case: &Path, project: &Project) -> Result<Option<String>, Failed> {
    let commands =
        std::fs::read_to_string(case.join("commands.txt")).unwrap_or_else(|_| "run".to_owned());
    let commands: Vec<&str> = commands.lines().collect();
    let mut error = None;
    for (index, command) in commands.iter().enumerate() {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        // One partition gives files and rows one order.
        if arguments.first() == Some(&"run") {
            arguments.extend(["--quiet", "--partitions", "1"]);
        }
        let ran = project.run(&arguments);
        match (ran.code, index + 1 == commands.len()) {
            (0, _) => {}
            (code, true) => error = Some(format!("{}\nexit code {code}\n", ran.stderr.trim_end())),
            (_, false) => return Err(format!("`{command}` failed\n{}", ran.all()).into()),
        }
    }
    Ok(error)
}

fn compare_all(
    expected: &BTreeMap<PathBuf, String>,
    found: &BTreeMap<PathBuf, String>,
) -> Result<(), Failed> {
    for path in expected.keys().chain(found.keys()) {
        compare(
            &path.display().to_string(),
            &expected.get(path).cloned(),
            &found.get(path).cloned(),
        )?;
    }
    Ok(())
}

fn compare(what: &str, expected: &Option<String>, found: &Option<String>) -> Result<(), Failed> {
    if expected == found {
        return Ok(());
    }
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "(nothing)".to_owned());
    let (expected, found) = (shown(expected), shown(found));
    Err(format!("{what} differs\n--- expected\n{expected}\n--- found\n{found}\n--- TRANSOM_BLESS=1 accepts it").into())
}

/// What sinks wrote, by path, as text.
fn results(folder: &Path) -> Result<BTreeMap<PathBuf, String>, Failed> {
    let mut results = BTreeMap::new();
    for path in paths(folder)? {
        let mut shown = path.strip_prefix(folder)?.to_owned();
        let text = match path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            true => {
                shown.set_extension("parquet.txt");
                parquet_as_text(&path)?
            }
            false => std::fs::read_to_string(&path)?,
        };
        results.insert(shown, text);
    }
    Ok(results)
}

fn files(folder: &Path) -> Result<BTreeMap<PathBuf, String>, Failed> {
    let read = |path: PathBuf| {
        Ok((
            path.strip_prefix(folder)?.to_owned(),
            std::fs::read_to_string(&path)?,
        ))
    };
    paths(folder)?.into_iter().map(read).collect()
}

/// All files under a folder but those in hidden ones, where sinks keep versions.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut paths = Vec::new();
    if !folder.is_dir() {
        return Ok(paths);
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        match path.is_dir() {
            _ if entry.file_name().to_string_lossy().starts_with('.') => {}
            true => paths.extend(self::paths(&path)?),
            false => paths.push(path),
        }
    }
    Ok(paths)
}

fn parquet_as_text(path: &Path) -> Result<String, Failed> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path)?)?;
    let mut text = String::new();
    for field in reader.schema().fields() {
        text += &format!(
            "{}: {}{}\n",
            field.name(),
            field.data_type(),
            if field.is_nullable() { "" } else { " not null" }
        );
    }
    let batches = reader.build()?.collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{text}{}\n", pretty_format_batches(&batches)?))
}

fn remove(path: &Path) -> std::io::Result<()> {
    let removed = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    removed.or_else(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            Ok(())
        } else {
            Err(error)
        }
    })
}
