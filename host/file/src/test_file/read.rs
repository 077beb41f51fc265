//! How the maps of a file of tests are read: the keys of each type in `model.rs`, asked for one by one.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::model::{
    Clock, Counted, Data, ExpectEntry, GivenEntry, RejectedEntry, Row, Rows, TestEntry, TestsFile,
    Tolerance, Types,
};
use crate::node::{Key, Node, Yaml};
use crate::parts::Whole;
use crate::problem::Problem;
use crate::reader::{Fields, Read, Reader, Spanned};

impl Read for TestsFile {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let file = Self {
            tests: fields.required("tests"),
        };
        fields.finish();
        Some(file)
    }
}

impl Read for TestEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            description: fields.optional("description"),
            clock: fields.optional("clock"),
            seed: fields.optional("seed"),
            variables: fields.optional("variables"),
            given: fields.optional("given"),
            expect: fields.required("expect"),
        };
        fields.finish();
        if let Some(key) = written(node, &["expect"]).first()
            && let Some(expect) = &entry.expect
            && expect.0.is_empty()
        {
            let problem = Problem::new(format!("{} expects nothing", reader.here()))
                .at(reader.place(key.span))
                .with_label("needs a step or a sink, and what comes out of it");
            reader.report(problem);
        }
        Some(entry)
    }
}

impl Read for GivenEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if let Yaml::List(_) = node.value {
            return Some(Self {
                data: Rows::read(reader, node).map(Data::Rows),
                columns: None,
            });
        }
        let mut fields = reader.fields(node)?;
        let data = data(&mut fields);
        let columns = fields.optional("columns");
        fields.finish();
        check_data(reader, node, true);
        Some(Self { data, columns })
    }
}

impl Read for ExpectEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if let Yaml::List(_) = node.value {
            return Some(Self {
                data: Rows::read(reader, node).map(Data::Rows),
                ..Self::default()
            });
        }
        let mut fields = reader.fields(node)?;
        let entry = Self {
            data: data(&mut fields),
            columns: fields.optional("columns"),
            ordered: fields.optional("ordered"),
            tolerance: fields.optional("tolerance"),
            count: fields.optional("count"),
            schema: fields.optional("schema"),
            rejected: fields.optional("rejected"),
            error: fields.optional("error"),
        };
        fields.finish();
        check_data(reader, node, false);
        check_expected(reader, node);
        Some(entry)
    }
}

impl Read for RejectedEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if let Yaml::List(_) = node.value {
            return Some(Self {
                rows: Rows::read(reader, node),
                count: None,
            });
        }
        let mut fields = reader.fields(node)?;
        let entry = Self {
            rows: fields.optional("rows"),
            count: fields.optional("count"),
        };
        fields.finish();
        Some(entry)
    }
}

fn data(fields: &mut Fields<'_, '_, '_>) -> Option<Data> {
    let rows = fields.optional("rows").map(Data::Rows);
    let file = fields.optional("file").map(Data::File);
    let sql = fields.optional("sql").map(Data::Sql);
    rows.or(file).or(sql)
}

/// Where rows may come from; one of them.
const DATA_KEYS: [&str; 3] = ["rows", "file", "sql"];

/// Reports rows that come from several places, or from none although they must.
///
/// This looks at the keys that are written, since a value that is wrong has been reported already.
fn check_data(reader: &mut Reader<'_>, node: &Node, must: bool) {
    let keys = written(node, &DATA_KEYS);
    let problem = match keys.as_slice() {
        [] if must => Problem::new(format!("{} has no rows", reader.here()))
            .at(reader.place(reader.key_span()))
            .with_label("needs one of `rows`, `file`, `sql`"),
        [first, second, ..] => {
            let message = format!(
                "{} has both `{}` and `{}`",
                reader.here(),
                first.name,
                second.name
            );
            Problem::new(message)
                .at(reader.place(second.span))
                .with_label("rows come from one of them")
                .with_related("the other is here", reader.place(first.span))
        }
        _ => return,
    };
    reader.report(problem);
}

/// Reports expectations that say nothing, or that cannot hold together.
fn check_expected(reader: &mut Reader<'_>, node: &Node) {
    let said = [
        "rows", "file", "sql", "count", "schema", "rejected", "error",
    ];
    let keys = written(node, &said);
    let error = written(node, &["error"]);
    if let (Some(error), true) = (error.first(), keys.len() > 1) {
        let message = format!("{} expects an error and more", reader.here());
        let problem = Problem::new(message)
            .at(reader.place(error.span))
            .with_label("stands alone: after an error there are no rows");
        reader.report(problem);
    } else if keys.is_empty() {
        let allowed = crate::problem::list(said);
        let problem = Problem::new(format!("{} expects nothing", reader.here()))
            .at(reader.place(reader.key_span()))
            .with_label(format!("needs one of {allowed}"));
        reader.report(problem);
    }
}

fn written<'n>(node: &'n Node, names: &[&str]) -> Vec<&'n Key> {
    let Yaml::Map(entries) = &node.value else {
        return Vec::new();
    };
    let keys = entries.iter().map(|(key, _)| key);
    keys.filter(|key| names.contains(&key.name.as_str()))
        .collect()
}

impl Read for Rows {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let key = reader.key_span();
        let rows = Vec::read(reader, node)?;
        Some(Self { key, rows })
    }
}

impl Read for Row {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let Yaml::Map(cells) = &node.value else {
            reader.wrong_type(node, "a map from columns to values");
            return None;
        };
        Some(Self {
            cells: cells.clone(),
        })
    }
}

impl Read for Counted {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let Whole(rows) = Whole::read(reader, node)?;
        Some(Self {
            key: reader.key_span(),
            rows,
        })
    }
}

impl Read for Tolerance {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let number = match &node.value {
            Yaml::Int(text) => text.parse().ok(),
            Yaml::Float(number, _) => Some(*number),
            _ => None,
        };
        match number {
            Some(number) if number >= 0.0 && number.is_finite() => Some(Self(number)),
            _ => {
                reader.wrong_type(node, "a number from 0");
                None
            }
        }
    }
}

impl Read for Clock {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let text = match &node.value {
            Yaml::Text(text, _) => text.as_str(),
            _ => "",
        };
        let time = point_in_time(text).map(|time| Self(time.into()));
        if time.is_none() {
            reader.wrong_type(
                node,
                "a time like `2024-01-31 10:00:00` or `2024-01-31T10:00:00+01:00`",
            );
        }
        time
    }
}

/// With a zone, or in UTC; a date alone is its first moment. `None` if the text is no point in time.
pub fn point_in_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    let mut times = formats
        .iter()
        .map(|format| NaiveDateTime::parse_from_str(text, format));
    if let Some(time) = times.find_map(Result::ok) {
        return Some(time.and_utc());
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc())
}

impl Read for Types {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut types = Vec::new();
        for (key, node) in reader.map(node)? {
            let name = Spanned {
                value: key.name.clone(),
                span: key.span,
            };
            if let Some(type_name) = reader.value::<String>(key, node) {
                types.push((name, type_name));
            }
        }
        Some(Self(types))
    }
}
