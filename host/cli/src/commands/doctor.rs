//! `transom doctor`: what there is on this machine, and what is missing for what.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use transom_build::{BuildError, BuildOptions, cache_folder, toolchains};
use transom_pipeline::slices::{Fit, Probed, Unfit};
use transom_plugin::Limits;

use crate::context::{Context, python_runner};
use crate::failure::Failure;
use crate::printer::{FAINT, NAME};

/// See what there is on this machine to build and run plugins with, and whether the pipeline's places can be used.
///
/// Of a pipeline that runs in slices, the places of its state, of its tables and of what waits for a warehouse are tried with files that are
/// removed again: whether one of many writers creates a name, and whether rules of a bucket would delete what is needed.
///
/// Each line says what was found, or what is missing, what that is needed for, and the command that installs it. Ends with 1 if
/// something is broken; a language whose tools are missing is only reported.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom doctor
  transom doctor --json | jq '.checks[] | select(.state != \"ok\")'")]
pub(crate) struct DoctorCommand {
    /// Writes what was found as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// Nothing is broken, and something may become it.
    Warning,
    /// Nothing is broken, but something cannot be done.
    Missing,
    /// Runs fail, or are slower than they need be.
    Broken,
}

struct Check {
    what: String,
    state: State,
    found: String,
    hint: Option<String>,
}

impl DoctorCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let here = Path::new(".");
        let mut checks: Vec<Check> = toolchains(here).into_iter().map(of_toolchain).collect();
        checks.push(runner(context));
        checks.push(cache());
        checks.push(links(here));
        checks.push(temporary());
        checks.extend(places(context));
        let broken = checks
            .iter()
            .filter(|check| check.state == State::Broken)
            .count();
        let report = json!({ "checks": checks.iter().map(to_json).collect::<Vec<_>>() });
        if !self.json {
            context.printer.data(text(&checks))?;
        }
        match broken {
            0 if self.json => context.printer.json(&report),
            0 => Ok(()),
            _ => Err(Failure::Unfit { broken, report }),
        }
    }
}

impl Check {
    /// What was found; or what is wrong and what to do about it, which is as bad as `otherwise` says.
    fn of(
        what: impl Into<String>,
        found: Result<String, (String, Option<String>)>,
        otherwise: State,
    ) -> Self {
        let (state, found, hint) = match found {
            Ok(found) => (State::Ok, found, None),
            Err((wrong, hint)) => (otherwise, wrong, hint),
        };
        Self {
            what: what.into(),
            state,
            found,
            hint,
        }
    }
}

fn of_toolchain(toolchain: transom_build::Toolchain) -> Check {
    let what = format!("plugins in {}", toolchain.language);
    Check::of(what, toolchain.found.map_err(in_words), State::Missing)
}

fn in_words(error: BuildError) -> (String, Option<String>) {
    (error.to_string(), error.hint())
}

/// A plugin of three lines is packed and loaded: a runner of another release, or half of one, shows only then.
fn runner(context: &Context) -> Check {
    let what = "running plugins in Python";
    let hint = "install the release with its `lib` folder, or name the runner's file in `TRANSOM_PYTHON_RUNNER`";
    let missing =
        |wrong: String| Check::of(what, Err((wrong, Some(hint.to_owned()))), State::Missing);
    match python_runner() {
        Some(runner) if runner.is_file() => {
            let found = probe(context).map(|()| runner.display().to_string());
            Check::of(what, found, State::Broken)
        }
        Some(runner) => missing(format!("there is no `{}`", runner.display())),
        None => missing("there is no runner beside this program".to_owned()),
    }
}

fn probe(context: &Context) -> Result<(), (String, Option<String>)> {
    let failed = |wrong: std::io::Error| (wrong.to_string(), None);
    let folder = tempfile::tempdir().map_err(failed)?;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    write(
        "pyproject.toml",
        "[project]\nname = \"probe\"\nversion = \"0\"\n",
    )
    .and_then(|()| {
        write(
            "probe.py",
            "import transom\n\n\n@transom.function\ndef same(a: int) -> int:\n    return a\n",
        )
    })
    .map_err(failed)?;
    let built = transom_build::build(folder.path(), &BuildOptions::default()).map_err(in_words)?;
    let runtime = context
        .plugin_runtime()
        .map_err(|failure| (failure.to_string(), None))?;
    runtime
        .load(&built.name, &built.component, Limits::default())
        .map(drop)
        .map_err(|error| (error.to_string(), error.hint()))
}

fn cache() -> Check {
    let hint =
        "plugins are compiled at every start without it: name another in `TRANSOM_CACHE_DIR`";
    let found = cache_folder().map_err(in_words).and_then(|folder| {
        let probed = std::fs::create_dir_all(&folder).and_then(|()| {
            tempfile::Builder::new()
                .prefix("doctor-")
                .tempfile_in(&folder)
        });
        writable(&folder, probed, hint)
    });
    Check::of("cache", found, State::Broken)
}

/// The folder, if something could be made in it.
fn writable<T>(
    folder: &Path,
    probed: std::io::Result<T>,
    hint: &str,
) -> Result<String, (String, Option<String>)> {
    let shown = folder.display();
    match probed {
        Ok(_) => Ok(shown.to_string()),
        Err(error) => Err((
            format!("`{shown}` cannot be written: {error}"),
            Some(hint.to_owned()),
        )),
    }
}

/// A result is switched by a symbolic link, so the file system of the results must have them.
fn links(here: &Path) -> Check {
    let probed = tempfile::Builder::new()
        .prefix(".transom-doctor-")
        .tempdir_in(here)
        .and_then(|folder| {
            link(&folder.path().join("link"))?;
            // As a switch does it: over one that is there.
            link(&folder.path().join("next"))?;
            std::fs::rename(folder.path().join("next"), folder.path().join("link"))
        });
    let found = match probed {
        Ok(()) => Ok("the file system has links, and replaces them in one step".to_owned()),
        Err(error) => Err((
            format!("no link can be made and replaced here: {error}"),
            Some("results need a folder on a file system with symbolic links".to_owned()),
        )),
    };
    Check::of("results in this folder", found, State::Broken)
}

#[cfg(unix)]
fn link(path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink("version", path)
}

#[cfg(not(unix))]
fn link(_path: &Path) -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

/// The places of the pipeline here, if there is one that runs in slices: whether one writer of many creates a name in each, and rules of
/// buckets spare what is needed.
fn places(context: &Context) -> Vec<Check> {
    // Whatever is wrong with the file itself, `transom check` says.
    let Ok(pipeline) = context.pipeline() else {
        return Vec::new();
    };
    if !pipeline.is_sliced() {
        return Vec::new();
    }
    let probed = context.block_on(async {
        let job = context.job(pipeline, Vec::new(), None).await?;
        Ok(job.probe().await)
    });
    match probed {
        Ok(probed) => probed.into_iter().map(of_place).collect(),
        Err(failure) => {
            let wrong = Err((failure.to_string(), None));
            vec![Check::of("places of the pipeline", wrong, State::Broken)]
        }
    }
}

fn of_place(Probed { what, found }: Probed) -> Check {
    let (state, found, hint) = match found {
        Ok(Fit { found, warning }) => match warning {
            None => (State::Ok, found, None),
            Some(warning) => (State::Warning, found, Some(warning)),
        },
        Err(Unfit { problem, hint }) => (State::Broken, problem, hint),
    };
    Check {
        what,
        state,
        found,
        hint,
    }
}

fn temporary() -> Check {
    let hint = "name another folder in `TMPDIR`";
    let found = writable(&std::env::temp_dir(), tempfile::tempdir(), hint);
    Check::of("spilling to disk", found, State::Broken)
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Missing => "missing",
        State::Broken => "broken",
    }
}

fn text(checks: &[Check]) -> String {
    let mut text = String::new();
    for Check {
        what,
        state,
        found,
        hint,
    } in checks
    {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<8} {NAME}{what}{NAME:#}: {found}", word(*state));
        for line in hint.iter().flat_map(|hint| hint.lines()) {
            let _ = writeln!(text, "         {FAINT}{line}{FAINT:#}");
        }
    }
    text.trim_end().to_owned()
}

fn to_json(check: &Check) -> serde_json::Value {
    json!({ "what": check.what, "state": word(check.state), "found": check.found, "hint": check.hint })
}
