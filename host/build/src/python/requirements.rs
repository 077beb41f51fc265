//! Packages of others: what `requirements.txt` asks for, installed by pip into the cache, then taken into the archive.
//!
//! Only wheels that are pure Python for any platform are taken, for the runner's version of Python and not for that of this
//! machine. pip says of a package with native code merely that it finds none; it is asked once more, so that the error can
//! tell native code from a name that does not exist.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::VENDOR;
use super::archive::{self, Files};
use super::lists::{Lists, requirement_name};
use crate::{BuildError, BuildOptions, cache};

/// The Python that the runner is built with.
const PYTHON_VERSION: &str = "3.14";

/// Only wheels for any platform.
const PURE: &[&str] = &[
    "--python-version",
    PYTHON_VERSION,
    "--implementation",
    "py",
    "--abi",
    "none",
    "--platform",
    "any",
    "--only-binary=:all:",
];

/// Settings of the user's shell that would install to another place.
const FORGOTTEN: &[&str] = &[
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_ROOT",
    "PIP_REQUIREMENT",
    "PIP_PLATFORM",
    "PIP_PYTHON",
    "PIP_REQUIRE_VIRTUALENV",
];

/// Endings of files that are native code.
const NATIVE: &[&str] = &["so", "pyd", "dylib", "dll"];

/// Where pip puts scripts.
const SCRIPTS: &str = "vendor/bin";

/// What pip notes of an installation, beside the package's description.
const NOTES: &[&str] = &["RECORD", "INSTALLER", "REQUESTED", "direct_url.json"];

/// Settings of pip that name what may change while they stay as they are.
const REACHING_OUT: &[&str] = &["PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_CONFIG_FILE"];

/// The files of what `requirements.txt` of the project asks for, by their place in the archive; none without that file.
pub(super) fn vendor(folder: &Path, options: &BuildOptions) -> Result<Files, BuildError> {
    let lists = Lists::read(folder)?;
    if lists.requirements.is_empty() {
        return Ok(Files::new());
    }
    let cache = cache::cache_folder()?.join("python");
    fs_err::create_dir_all(&cache)?;
    let kept = kept_as(&lists, std::env::vars_os()).map(|name| cache.join(name));
    if let Some(place) = kept.as_ref().filter(|place| place.is_dir()) {
        return read(place);
    }
    let made = tempfile::Builder::new()
        .prefix(".vendor-")
        .tempdir_in(&cache)?;
    let target = made.path().join("packages");
    fs_err::create_dir_all(&target)?;
    let mut list = lists.requirements.join("\n") + "\n";
    if !lists.constraints.is_empty() {
        let constraints = lists.constraints.join("\n") + "\n";
        fs_err::write(made.path().join("constraints.txt"), constraints)?;
        list.push_str("-c constraints.txt\n");
    }
    let requirements = made.path().join("requirements.txt");
    fs_err::write(&requirements, list)?;
    run_pip(folder, &requirements, &target, options)?;
    let files = read(&target)?;
    if let Some(place) = kept {
        match fs_err::rename(&target, &place) {
            // Another build was quicker, with the same packages.
            Err(error) if !place.is_dir() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(files)
}

/// The name under which an installation is kept for the next build: the same for the same lines and settings of pip. None if
/// these do not tell all of what would be installed.
fn kept_as(
    lists: &Lists,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Option<String> {
    let settings: BTreeMap<OsString, OsString> = variables
        .into_iter()
        .filter(|(name, value)| {
            let name = name.to_string_lossy();
            name.starts_with("PIP_") && !FORGOTTEN.contains(&&*name) && !value.is_empty()
        })
        .collect();
    let mut reaching_out = REACHING_OUT.iter();
    if lists.depends_on_more || reaching_out.any(|name| settings.contains_key(OsStr::new(name))) {
        return None;
    }
    let asked = format!(
        "{PYTHON_VERSION}{:?}{:?}{settings:?}",
        lists.requirements, lists.constraints
    );
    let key = format!("{:x}", Sha256::digest(asked));
    Some(format!("vendor-{}", &key[..16]))
}

/// Installs what `requirements` asks for into `target`.
fn run_pip(
    folder: &Path,
    requirements: &Path,
    target: &Path,
    options: &BuildOptions,
) -> Result<(), BuildError> {
    let mut pip = pip(folder, options);
    pip.args(PURE)
        .arg("--no-compile")
        .arg("--target")
        .arg(target)
        .arg("-r")
        .arg(requirements);
    let output = pip.stdin(Stdio::null()).output().map_err(cannot_start)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if let Some(package) = not_found(&said)
        && exists_for_this_machine(folder, requirements, options)?
    {
        return Err(BuildError::NativeCode { package });
    }
    eprint!("{said}");
    Err(BuildError::Compile {
        command: "pip install",
        folder: folder.to_owned(),
        status: output.status.to_string(),
        output: said.into_owned(),
    })
}

/// All files of an installation, by their place in the archive.
fn read(installed: &Path) -> Result<Files, BuildError> {
    archive::collect(installed, VENDOR, &|entry| {
        let (folder, name) = entry.inside.rsplit_once('/').unwrap_or_default();
        if entry.is_folder {
            // Scripts and compiled modules are of no use there.
            return Ok(entry.inside != SCRIPTS && name != "__pycache__");
        }
        let extension = entry.path.extension().and_then(OsStr::to_str);
        if extension.is_some_and(|extension| NATIVE.contains(&extension)) {
            let package = entry.inside.split('/').nth(1).unwrap_or(name);
            return Err(BuildError::NativeCode {
                package: package.split('.').next().unwrap_or(package).to_owned(),
            });
        }
        // pip's own notes tell of this machine. Licences and names, beside them, belong to what is passed on.
        Ok(!(folder.ends_with(".dist-info") && NOTES.contains(&name)))
    })
}

fn pip(folder: &Path, options: &BuildOptions) -> Command {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ])
    .current_dir(folder);
    for name in FORGOTTEN {
        pip.env_remove(name);
    }
    if options.offline {
        pip.arg("--no-index");
    }
    pip
}

fn cannot_start(source: std::io::Error) -> BuildError {
    BuildError::Start {
        program: "python3".to_owned(),
        source,
    }
}

/// The package for which pip found no pure wheel.
fn not_found(said: &str) -> Option<String> {
    let line = said
        .lines()
        .find_map(|line| line.split_once("No matching distribution found for "))?;
    Some(requirement_name(line.1.trim()))
}

/// Whether there are wheels for this machine of all that is asked for; nothing is installed.
fn exists_for_this_machine(
    folder: &Path,
    requirements: &Path,
    options: &BuildOptions,
) -> Result<bool, BuildError> {
    let mut pip = pip(folder, options);
    pip.args(["--dry-run", "--no-deps", "--ignore-installed"])
        .args(["--only-binary=:all:", "-r"])
        .arg(requirements);
    let output = pip.stdin(Stdio::null()).output().map_err(cannot_start)?;
    Ok(output.status.success())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder_of, names};
    use super::*;

    #[test]
    fn an_installation_is_kept_for_the_same_lines_and_settings_only() {
        let lists = |line: &str| Lists {
            requirements: vec![line.to_owned()],
            ..Lists::default()
        };
        let kept = |line: &str, settings: &[(&str, &str)]| {
            let settings = settings.iter();
            kept_as(
                &lists(line),
                settings.map(|(name, value)| (name.into(), value.into())),
            )
        };
        let plain = kept("six==1.17.0", &[]).unwrap();
        assert_ne!(kept("six==1.16.0", &[]).unwrap(), plain);
        let elsewhere = [("PIP_INDEX_URL", "https://example.com/simple")];
        assert_ne!(kept("six==1.17.0", &elsewhere).unwrap(), plain);
        let of_no_matter = [
            ("HOME", "/home/ada"),
            ("PIP_TARGET", "/x"),
            ("PIP_CONSTRAINT", ""),
        ];
        assert_eq!(kept("six==1.17.0", &of_no_matter).unwrap(), plain);
        assert_eq!(kept("six==1.17.0", &[("PIP_FIND_LINKS", "/wheels")]), None);
        let by_path = Lists {
            depends_on_more: true,
            ..lists("./six")
        };
        assert_eq!(kept_as(&by_path, []), None);
    }

    #[test]
    fn a_package_without_a_pure_wheel_is_found_in_what_pip_says() {
        let said = "ERROR: Could not find a version that satisfies the requirement numpy>=2 (from versions: none)\n\
                    ERROR: No matching distribution found for numpy>=2\n";
        assert_eq!(not_found(said).as_deref(), Some("numpy"));
        assert_eq!(not_found("ERROR: no network"), None);
    }

    #[test]
    fn a_wheel_that_claims_to_be_pure_and_is_not_is_refused_by_name() {
        let folder = folder_of(&["fast/core/loop.so"]);
        let error = read(folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`fast` contains native code, which a plugin in Python cannot run"
        );
    }

    #[test]
    fn code_data_and_licences_are_taken_and_pips_notes_left() {
        let folder = folder_of(&[
            "dates/__init__.py",
            "dates/zones.json",
            "dates/__pycache__/x.pyc",
            "dates-1.dist-info/LICENSE",
            "dates-1.dist-info/RECORD",
            "bin/dates",
        ]);
        let expected = [
            "vendor/dates-1.dist-info/LICENSE",
            "vendor/dates/__init__.py",
            "vendor/dates/zones.json",
        ];
        assert_eq!(names(&read(folder.path()).unwrap()), expected);
    }
}
