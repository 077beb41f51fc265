//! Lists of requirements: what `dependencies` in `pyproject.toml` and `requirements.txt` ask for, with the lists that the latter names
//! (`-r`, `-c`) read in their place.
//!
//! Read here as far as has to be known before pip is asked: that no list asks for the SDK, which files the packages depend on, and
//! whether the same text will install the same packages again. What a line means beyond that is pip's matter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::BuildError;

/// Endings of packages in one file.
const ARCHIVES: &[&str] = &[".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"];

/// What a plugin asks for.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Options and lines that ask for something.
    pub(super) requirements: Vec<String>,
    /// The same of lists that `-c` names: which version to take of what is asked for.
    pub(super) constraints: Vec<String>,
    /// Lists, packages and folders here that decide what is installed.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Whether something decides that does not stand in the lines: a file, an address, a variable.
    pub(super) depends_on_more: bool,
}

impl Lists {
    /// Reads what the plugin in `folder` asks for.
    ///
    /// # Errors
    /// [`BuildError::Io`] when a list is there and cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Self, BuildError> {
        let mut lists = Self::default();
        for line in super::project::dependencies(folder) {
            if !asks_for_sdk(&line) {
                lists.depends_on_more |= names_address(&line);
                lists.requirements.push(line);
            }
        }
        let list = folder.join("requirements.txt");
        if list.is_file() {
            lists.add(folder, &list, false, &mut BTreeSet::new())?;
        }
        Ok(lists)
    }

    /// Whether no package has to be installed.
    pub(crate) fn asks_for_nothing(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Adds the lines of `list`. As pip has it, packages lie relative to the plugin's `folder`, but lists relative to the list.
    fn add(
        &mut self,
        folder: &Path,
        list: &Path,
        constrains: bool,
        seen: &mut BTreeSet<(PathBuf, bool)>,
    ) -> Result<(), BuildError> {
        let list = fs_err::canonicalize(list)?;
        if !seen.insert((list.clone(), constrains)) {
            return Ok(());
        }
        let text = fs_err::read_to_string(&list)?;
        let beside = list.parent().unwrap_or(folder);
        for mut line in logical_lines(&text) {
            let constraint = value(&line, "-c", "--constraint");
            let constrains = constrains || constraint.is_some();
            if let Some(named) = constraint.or(value(&line, "-r", "--requirement")) {
                let path = beside.join(named);
                if path.is_file() {
                    self.add(folder, &path, constrains, seen)?;
                    continue;
                }
                // An address, or a file that is missing, which is pip's to report.
                if is_path(named) {
                    line = format!("-r {}", quoted(&path));
                    self.files.insert(path);
                }
                self.depends_on_more = true;
            } else if let Some(named) = value(&line, "-f", "--find-links") {
                if is_path(named) {
                    let path = if beside.join(named).exists() {
                        beside.join(named)
                    } else {
                        folder.join(named)
                    };
                    line = format!("--find-links {}", quoted(&path));
                    self.files.insert(path);
                }
                self.depends_on_more = true;
            } else if asks_for_sdk(&line) {
                continue;
            } else if let Some(path) = local_package(&line) {
                let path = folder.join(path);
                // With a marker, one that is missing may be meant for other machines.
                if !line.contains(';') || path.exists() {
                    self.files.insert(path);
                }
                self.depends_on_more = true;
            } else if line.contains("${") || names_address(&line) {
                self.depends_on_more = true;
            }
            match constrains {
                true => self.constraints.push(line),
                false => self.requirements.push(line),
            }
        }
        self.files.insert(list);
        Ok(())
    }
}

/// `Requests[socks]>=2` -> `requests`.
pub(super) fn requirement_name(line: &str) -> String {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    line[..end.unwrap_or(line.len())].to_ascii_lowercase()
}

/// Whether a line asks for the SDK, and not for a file in a folder of its name.
fn asks_for_sdk(line: &str) -> bool {
    let name = requirement_name(line);
    name == "transom" && !line[name.len()..].starts_with(['/', '\\'])
}

/// A path as pip reads it after an option: as a shell does.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r#"'"'"'"#))
}

/// Lines that say something, without comments, those that end in `\` joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for line in text.trim_start_matches('\u{feff}').lines() {
        let code = match line.find('#') {
            // Elsewhere it is part of an address.
            Some(at) if line[..at].ends_with(char::is_whitespace) || at == 0 => &line[..at],
            _ => line,
        };
        let (code, ends) = match code.strip_suffix('\\') {
            Some(begun) => (begun, false),
            None => (code, true),
        };
        if let Some(last) = lines.last_mut() {
            last.push_str(code);
        }
        if ends {
            lines.push(String::new());
        }
    }
    let lines = lines.iter().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// The value of an option: `-r more.txt`, `-rmore.txt`, `--requirement more.txt`, `--requirement=more.txt`.
fn value<'line>(line: &'line str, short: &str, long: &str) -> Option<&'line str> {
    let value = match line.strip_prefix(long) {
        Some(rest) => rest.strip_prefix(['=', ' ', '\t'])?,
        None => line.strip_prefix(short)?,
    };
    Some(value.trim().trim_matches(['"', '\'']))
}

/// The file or folder of a package that is asked for by its place: `./tiny.whl`, `-e ../lib[fast]`, `lib @ file:///lib`.
fn local_package(line: &str) -> Option<&str> {
    let (named, is_editable) = match value(line, "-e", "--editable") {
        Some(named) => (named, true),
        None if line.starts_with('-') => return None,
        None => (line, false),
    };
    if let Some((_, path)) = named.split_once("file://") {
        return path.split([' ', ';', '#']).next();
    }
    let path = named.split([' ', ';', '[', '#']).next()?;
    let is_place = is_editable
        || path.starts_with('.')
        || path.contains(['/', '\\'])
        || ARCHIVES.iter().any(|ending| path.ends_with(ending));
    (is_place && is_path(named)).then_some(path)
}

/// Whether a package is asked for by an address, and not by its name in an index.
fn names_address(line: &str) -> bool {
    let is_option = line.starts_with('-') && value(line, "-e", "--editable").is_none();
    !is_option && line.contains("://")
}

/// Whether it is a path that is known here, and no address and no variable, which pip replaces.
fn is_path(named: &str) -> bool {
    !named.contains("://") && !named.contains("${")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with `weather/requirements.txt` and the lists `more`, by their path.
    fn folder_with(list: &str, more: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("weather/requirements.txt", list)].iter().chain(more) {
            let path = folder.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        folder
    }

    fn read(list: &str) -> Lists {
        Lists::read(&folder_with(list, &[]).path().join("weather")).unwrap()
    }

    #[test]
    fn the_sdk_comments_and_empty_lines_ask_for_nothing() {
        let list = "# rules\n\ntransom\ntransom==0.1.0 # tests\n transom @ file:///sdk\n python-dateutil>=2 \n\
                    Transom-Extras\nsix==1.17.0 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n";
        let lists = read(list);
        let expected = [
            "python-dateutil>=2",
            "Transom-Extras",
            "six==1.17.0     --hash=sha256:ab     --hash=sha256:cd",
        ];
        assert_eq!(lists.requirements, expected);
        assert!(!lists.depends_on_more);
        let none = Lists::read(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(none.requirements.is_empty() && none.files.is_empty());
    }

    #[test]
    fn dependencies_of_the_project_are_asked_for_too() {
        let project = "[project]\nname = \"w\"\nversion = \"1\"\n\
                       dependencies = [\"transom\", \"tzdata>=2024\", \"lib @ https://example.com/lib.whl\"]\n";
        let folder = folder_with("six\n", &[("weather/pyproject.toml", project)]);
        let lists = Lists::read(&folder.path().join("weather")).unwrap();
        assert_eq!(
            lists.requirements,
            ["tzdata>=2024", "lib @ https://example.com/lib.whl", "six"]
        );
        assert!(lists.depends_on_more);
    }

    #[test]
    fn lists_that_a_list_names_are_read_in_its_place_and_ask_for_no_sdk_either() {
        let folder = folder_with(
            "-r ../common/all.txt\n--constraint=pins.txt\n",
            &[
                ("weather/pins.txt", "transom==0.1.0\nsix==1.17.0\n"),
                ("common/all.txt", "transom\nsix\n-rdates.txt\n"),
                ("common/dates.txt", "tzdata\n-r ../common/all.txt\n"),
            ],
        );
        let lists = Lists::read(&folder.path().join("weather")).unwrap();
        assert_eq!(lists.requirements, ["six", "tzdata"]);
        assert_eq!(lists.constraints, ["six==1.17.0"]);
        assert!(!lists.depends_on_more);
        let root = folder.path().canonicalize().unwrap();
        let files = lists.files.iter().map(|file| file.strip_prefix(&root));
        let expected = [
            "common/all.txt",
            "common/dates.txt",
            "weather/pins.txt",
            "weather/requirements.txt",
        ];
        assert_eq!(
            files.map(Result::unwrap).collect::<Vec<_>>(),
            expected.map(Path::new)
        );
    }

    #[test]
    fn what_lies_in_files_or_behind_addresses_and_variables_is_more_than_the_text() {
        for (line, file) in [
            (
                "tiny-1.0-py3-none-any.whl",
                "weather/tiny-1.0-py3-none-any.whl",
            ),
            ("./tiny", "weather/./tiny"),
            ("../lib[fast]", "weather/../lib"),
            ("../common; python_version > '3.8'", "weather/../common"),
            ("transom/rules.whl", "weather/transom/rules.whl"),
            ("-e ../lib", "weather/../lib"),
            ("--editable=lib", "weather/lib"),
            ("lib @ file:///opt/lib", "/opt/lib"),
            ("--find-links ../wheels", "weather/../wheels"),
            ("-r missing.txt", "weather/missing.txt"),
        ] {
            let folder = folder_with(line, &[("common/setup.py", "")]);
            // Where the system's folder for such folders is a link, paths are shown by what it leads to.
            let root = folder.path().canonicalize().unwrap();
            let lists = Lists::read(&root.join("weather")).unwrap();
            assert!(lists.depends_on_more, "{line}");
            assert!(lists.files.contains(&root.join(file)), "{:?}", lists.files);
            assert_eq!(lists.requirements.len(), 1, "{line}");
        }
        for line in [
            "lib @ https://example.com/lib.whl",
            "git+https://example.com/lib@main",
            "-e git+https://example.com/lib@main",
            "-r https://example.com/list.txt",
            "--index-url ${INDEX}",
        ] {
            let lists = read(line);
            assert!(lists.depends_on_more, "{line}");
            assert_eq!(lists.requirements, [line]);
            assert_eq!(lists.files.len(), 1, "{line}: {:?}", lists.files);
        }
        for line in [
            "six",
            "six; python_version > '3'",
            "--index-url https://x.org",
            "--pre",
        ] {
            assert!(!read(line).depends_on_more, "{line}");
        }
    }

    #[test]
    fn a_package_for_other_machines_need_not_be_there() {
        let lists = read("../windows; sys_platform == 'win32'\n");
        assert_eq!(lists.requirements, ["../windows; sys_platform == 'win32'"]);
        assert!(lists.depends_on_more);
        assert_eq!(lists.files.len(), 1, "{:?}", lists.files);
    }

    #[test]
    fn paths_are_passed_on_as_pip_reads_them() {
        let list = "-r \"e\u{301} it's.txt\"\n--find-links e\u{301}\n";
        let folder = folder_with(list, &[("weather/e\u{301}/tiny.whl", "")]);
        let root = folder.path().canonicalize().unwrap();
        let root = root.to_str().unwrap();
        let lists = Lists::read(&Path::new(root).join("weather")).unwrap();
        let expected = [
            format!("-r '{root}/weather/e\u{301} it'\"'\"'s.txt'"),
            format!("--find-links '{root}/weather/e\u{301}'"),
        ];
        assert_eq!(lists.requirements, expected);
    }
}
