//! What `pyproject.toml` says of a plugin, and which module of it is imported.

use std::path::Path;

use serde::Deserialize;

use crate::BuildError;

/// A project that is a plugin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// `project.name`.
    pub(crate) name: String,
    /// `project.version`.
    pub(crate) version: String,
    /// The module that offers functions and transforms: `tool.transom.entry`, else the name with `_` for `-` and `.`.
    pub(crate) entry: String,
}

/// Folders that modules may lie in, relative to the project's.
const ROOTS: &[&str] = &["", "src"];

#[derive(Deserialize)]
struct File {
    project: Option<Table>,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Table {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    transom: Settings,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    entry: Option<String>,
}

/// What `project.dependencies` asks for; nothing where the file cannot be read, which [`Project::read`] reports.
pub(super) fn dependencies(folder: &Path) -> Vec<String> {
    let text = fs_err::read_to_string(folder.join("pyproject.toml"));
    let file = text
        .ok()
        .and_then(|text| toml::from_str::<File>(&text).ok());
    let table = file.and_then(|file| file.project);
    table.map(|table| table.dependencies).unwrap_or_default()
}

impl Project {
    /// Reads the project in `folder`.
    ///
    /// # Errors
    /// [`BuildError::Io`], [`BuildError::ManifestSyntax`], and [`BuildError::Manifest`] when name or version are missing.
    pub(crate) fn read(folder: &Path) -> Result<Self, BuildError> {
        let path = folder.join("pyproject.toml");
        let text = fs_err::read_to_string(&path)?;
        let file: File = toml::from_str(&text).map_err(|source| BuildError::ManifestSyntax {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let missing = |what: &str| BuildError::Manifest {
            path: path.clone(),
            problem: format!(
                "it has no {what}; a plugin has `name` and `version` under `[project]`"
            ),
        };
        let table = file.project.ok_or_else(|| missing("`[project]`"))?;
        let name = table.name.ok_or_else(|| missing("`project.name`"))?;
        let version = table.version.ok_or_else(|| missing("`project.version`"))?;
        let is_plain = |name: &str| {
            let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !name.is_empty() && !name.starts_with('.') && name.chars().all(letters)
        };
        if !is_plain(&name) {
            return Err(BuildError::Manifest {
                path,
                problem: format!(
                    "`{name}` is no name of a project: it has letters, digits, `-`, `_` and `.`"
                ),
            });
        }
        let entry = file.tool.transom.entry;
        let entry = entry.unwrap_or_else(|| name.to_ascii_lowercase().replace(['-', '.'], "_"));
        Ok(Self {
            name,
            version,
            entry,
        })
    }

    /// The folder that imports start from: the one of [`ROOTS`] that holds the entry module.
    ///
    /// # Errors
    /// [`BuildError::Manifest`] when none does.
    pub(crate) fn root(&self, folder: &Path) -> Result<&'static str, BuildError> {
        let module = self.entry.replace('.', "/");
        let holds_entry = |root: &&&str| {
            let file = folder.join(root).join(&module);
            file.join("__init__.py").is_file() || file.with_extension("py").is_file()
        };
        ROOTS.iter().find(holds_entry).copied().ok_or_else(|| BuildError::Manifest {
            path: folder.join("pyproject.toml"),
            problem: format!(
                "its entry module is `{}`, and there is no `{module}.py` or `{module}/__init__.py`, nor one in `src`; \
                 `entry` under `[tool.transom]` names another",
                self.entry
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder_of;
    use super::*;

    fn folder_with(project: &str, files: &[&str]) -> tempfile::TempDir {
        let folder = folder_of(files);
        fs_err::write(folder.path().join("pyproject.toml"), project).unwrap();
        folder
    }

    fn read(project: &str) -> Result<Project, BuildError> {
        Project::read(folder_with(project, &[]).path())
    }

    const WEATHER: &str =
        "[project]\nname = \"weather-rules\"\nversion = \"1.2\"\ndependencies = [\"x\"]\n";

    #[test]
    fn the_entry_module_is_named_as_the_project_unless_it_says_otherwise() {
        assert_eq!(read(WEATHER).unwrap().entry, "weather_rules");
        let project = format!(
            "{WEATHER}[tool.transom]\nentry = \"rules.main\"\n[tool.ruff]\nline-length = 120\n"
        );
        assert_eq!(read(&project).unwrap().entry, "rules.main");
    }

    #[test]
    fn a_project_without_a_version_or_with_a_path_for_a_name_is_refused() {
        let error = read("[project]\nname = \"weather\"\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("it has no `project.version`"), "{error}");
        let error = read("[tool.ruff]\n").unwrap_err().to_string();
        assert!(error.contains("it has no `[project]`"), "{error}");
        let error = read("[project]\nname = \"../up\"\nversion = \"1\"\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`../up` is no name"), "{error}");
    }

    #[test]
    fn modules_may_lie_in_the_folder_or_in_src() {
        for (file, root) in [
            ("weather_rules.py", ""),
            ("weather_rules/__init__.py", ""),
            ("src/weather_rules/__init__.py", "src"),
        ] {
            let folder = folder_with(WEATHER, &[file]);
            let project = Project::read(folder.path()).unwrap();
            assert_eq!(project.root(folder.path()).unwrap(), root, "{file}");
        }
    }

    #[test]
    fn a_project_without_its_entry_module_is_told_which_file_is_missing() {
        let folder = folder_with(WEATHER, &["weather.py"]);
        let project = Project::read(folder.path()).unwrap();
        let error = project.root(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no `weather_rules.py`"), "{error}");
        assert!(error.contains("`[tool.transom]`"), "{error}");
    }
}
