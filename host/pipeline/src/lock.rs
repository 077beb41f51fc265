//! `transom.lock`: what checking needs to know of the world.
//!
//! The lock file holds the schema of each source and the description and digest of each plugin, so that a pipeline can be checked
//! down to its column types without reading data. It is made by `transom lock` and belongs into version control.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use transom_plugin::{Description, Plugin};
use transom_sql::{field_type_name, is_json, parse_field};

use crate::error::{Error, Result};
use transom_file::{FileSource, Pipeline};

/// Version of the lock file's own format.
const VERSION: u32 = 1;

/// The lock file of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Version of the format.
    version: u32,
    /// Sources by name.
    pub sources: BTreeMap<String, LockedSource>,
    /// Plugins by the name that the pipeline gives them.
    pub plugins: BTreeMap<String, LockedPlugin>,
}

/// A source as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedSource {
    /// How the pipeline said it is read; a source that is read in another way now is not locked.
    pub read_as: serde_json::Value,
    /// Its columns.
    pub columns: Vec<LockedColumn>,
}

/// A column of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedColumn {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow writes it; as the pipeline file does where a text is JSON.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// A plugin as it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPlugin {
    /// SHA-256 of its component, hexadecimal.
    pub digest: String,
    /// What it offers.
    pub description: Description,
}

impl Lock {
    /// Where the lock file of a pipeline lies: `transom.yaml` -> `transom.lock`.
    pub fn path_of(pipeline: &Pipeline) -> PathBuf {
        let stem = pipeline.file.file_stem().unwrap_or("transom".as_ref());
        pipeline.root.join(stem).with_extension("lock")
    }

    /// The lock of these sources and plugins.
    pub fn new(
        pipeline: &Pipeline,
        schemas: &BTreeMap<String, SchemaRef>,
        plugins: &[Arc<Plugin>],
    ) -> Self {
        let sources = pipeline.sources.iter().filter_map(|source| {
            let columns = schemas
                .get(&source.name.value)?
                .fields()
                .iter()
                .map(|field| LockedColumn {
                    name: field.name().clone(),
                    data_type: locked_type(field),
                    nullable: field.is_nullable(),
                });
            Some((
                source.name.value.clone(),
                LockedSource {
                    read_as: read_as(source),
                    columns: columns.collect(),
                },
            ))
        });
        let plugins = plugins.iter().map(|plugin| {
            let locked = LockedPlugin {
                digest: plugin.digest().to_owned(),
                description: plugin.description().clone(),
            };
            (plugin.name().to_owned(), locked)
        });
        Self {
            version: VERSION,
            sources: sources.collect(),
            plugins: plugins.collect(),
        }
    }

    /// Reads the lock file; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(Error::Io {
                    what: "the lock file cannot be read".to_owned(),
                    source,
                });
            }
        };
        let unusable = |why: String| Error::Lock {
            message: format!("`{}` {why}", path.display()),
            hint: "make it again with `transom lock`".to_owned(),
        };
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let versioned: Versioned = serde_json::from_str(&text)
            .map_err(|error| unusable(format!("is no lock file: {error}")))?;
        if versioned.version != VERSION {
            return Err(unusable(format!(
                "has version {}; this transom knows version {VERSION}",
                versioned.version
            )));
        }
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| unusable(format!("is no lock file: {error}")))
    }

    /// Writes the lock file whole; returns whether it changed.
    pub fn write(&self, path: &Path) -> Result<bool> {
        let failed = |source| Error::Io {
            what: "the lock file cannot be written".to_owned(),
            source,
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))? + "\n";
        if fs::read_to_string(path).is_ok_and(|old| old == text) {
            return Ok(false);
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
        // A temporary file is private; what belongs into version control is not.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(0o644))
                .map_err(failed)?;
        }
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(true)
    }

    /// The schema of a source, if it is still read as it was when it was locked.
    pub fn schema(&self, source: &FileSource) -> Option<SchemaRef> {
        let locked = self
            .sources
            .get(&source.name.value)
            .filter(|locked| locked.read_as == read_as(source))?;
        let fields = locked.columns.iter().map(|column| {
            let field = match column.data_type.parse::<DataType>() {
                Ok(data_type) => Field::new(&column.name, data_type, true),
                Err(_) => parse_field(&column.name, &column.data_type).ok()?,
            };
            Some(plain(&field).with_nullable(column.nullable))
        });
        Some(Arc::new(Schema::new(
            fields.collect::<Option<Vec<Field>>>()?,
        )))
    }

    /// Names of plugins that are not those that were locked.
    pub fn changed_plugins(&self, plugins: &[Arc<Plugin>]) -> Vec<String> {
        plugins
            .iter()
            .filter(|plugin| {
                self.plugins
                    .get(plugin.name())
                    .is_none_or(|locked| locked.digest != plugin.digest())
            })
            .map(|plugin| plugin.name().to_owned())
            .collect()
    }
}

/// The column without dictionaries, which older locks name.
fn plain(field: &Field) -> Field {
    let below = |item: &Arc<Field>| Arc::new(plain(item));
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::List(item) => DataType::List(below(item)),
        DataType::LargeList(item) => DataType::LargeList(below(item)),
        DataType::Map(item, sorted) => DataType::Map(below(item), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(below).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// Arrow's name of a type does not say which texts are JSON; the pipeline file's does.
fn locked_type(field: &Field) -> String {
    fn has_json(field: &Field) -> bool {
        is_json(field)
            || match field.data_type() {
                DataType::Struct(fields) => fields.iter().any(|field| has_json(field)),
                DataType::List(inner) | DataType::Map(inner, _) => has_json(inner),
                _ => false,
            }
    }
    let arrow = field.data_type().to_string();
    // What reads Arrow's names does not undo the backslashes that write them.
    match has_json(field) || arrow.contains('\\') {
        true => field_type_name(field),
        false => arrow,
    }
}

/// Format and options of a source, without its path: targets read other files of the same kind.
fn read_as(source: &FileSource) -> serde_json::Value {
    serde_json::to_value(&source.format).unwrap_or_default()
}
