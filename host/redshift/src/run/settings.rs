//! `SET`, `RESET` and `SHOW`: parameters of a session.

use crate::engine::Isolation;
use crate::error::{self, Error, Result};
use crate::session::{Outcome, Rows, Values};
use crate::types::show::Digits;
use crate::types::{Column, MAX_VARCHAR, Type};

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};

/// All parameters, in SHOW and RESET.
pub(crate) const ALL: &str = "all";

/// Parameters with the values that they have at the start.
const KNOWN: &[(&str, &str)] = &[
    ("analyze_threshold_percent", "10"),
    ("application_name", ""),
    ("cast_super_null_on_error", "on"),
    ("client_encoding", "UNICODE"),
    ("client_min_messages", "notice"),
    ("cursor_close", "auto"),
    ("datestyle", "ISO, MDY"),
    ("default_geometry_encoding", "2"),
    ("default_transaction_isolation", "serializable"),
    ("describe_field_name_in_uppercase", "off"),
    ("downcase_delimited_identifier", "on"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_case_sensitive_super_attribute", "off"),
    ("enable_result_cache_for_session", "on"),
    ("enable_spectrum_oid", "true"),
    ("enable_vacuum_boost", "false"),
    ("error_on_nondeterministic_update", "off"),
    ("extra_float_digits", "0"),
    ("intervalstyle", "postgres"),
    ("json_serialization_enable", "false"),
    ("json_serialization_parse_nested_strings", "false"),
    ("max_concurrency_scaling_clusters", "1"),
    ("max_cursor_result_set_size", "0"),
    ("mv_enable_aqmv_for_session", "true"),
    ("navigate_super_null_on_error", "on"),
    ("query_group", "default"),
    ("search_path", "$user, public"),
    ("spectrum_enable_pseudo_columns", "true"),
    ("spectrum_query_maxerror", "-1"),
    ("standard_conforming_strings", "off"),
    ("statement_timeout", "0"),
    ("stored_proc_log_min_messages", "info"),
    ("timezone", "UTC"),
    ("transaction", ""),
    ("transaction_isolation", "serializable"),
    ("transaction_read_only", "off"),
    ("wlm_query_slot_count", "1"),
];

/// Parameters that have another value in Redshift, where this program has the one of the start alone.
const KEPT: &[&str] = &[
    "cast_super_null_on_error",
    "downcase_delimited_identifier",
    "enable_case_sensitive_identifier",
    "enable_case_sensitive_super_attribute",
    "navigate_super_null_on_error",
];

/// Parameters that SHOW alone knows, as a connection tells them.
const FIXED: &[(&str, &str)] = &[
    ("integer_datetimes", "on"),
    ("is_superuser", "off"),
    ("server_encoding", "UNICODE"),
    ("server_version", "8.0.2"),
];

/// Parameters that Redshift has and this program does not.
const TO_COME: &[&str] = &[
    "datashare_break_glass_session_var",
    "enable_large_strings_opt_in",
    "enable_numeric_rounding",
    "json_parse_truncate_strings",
    "session_authorization",
];

/// Whether a text is one of the words for yes, or one of those for no.
fn flag(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// Values of `extra_float_digits`.
const DIGITS: RangeInclusive<i32> = -15..=2;

/// Parameters of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(Values);

impl Settings {
    fn known(name: &str) -> Result<&'static str> {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        match known {
            Some((_, value)) => Ok(*value),
            None if name.contains('.') => Err(Error::not_yet("variables of sessions")),
            None if TO_COME.contains(&name) => {
                Err(Error::not_yet(format_args!("the parameter {name}")))
            }
            None => Err(Error::new(&error::SETTING_UNKNOWN, &[&name])),
        }
    }

    fn fixed(name: &str) -> Option<&'static str> {
        let fixed = FIXED.iter().find(|(fixed, _)| *fixed == name);
        fixed.map(|(_, value)| *value)
    }

    pub(crate) fn set(&mut self, name: &str, value: &[String]) -> Result<Outcome> {
        if Self::fixed(name).is_some() {
            return Err(Error::new(&error::SETTING_FIXED, &[&name]));
        }
        let start = Self::known(name)?;
        let text = value.join(", ");
        let lowered = text.to_lowercase();
        if lowered == "default" && value.len() == 1 {
            return self.reset(name);
        }
        let invalid = || Error::new(&error::SETTING_VALUE, &[&name, &text]);
        match name {
            name if KEPT.contains(&name)
                && flag(&lowered).is_some_and(|on| Some(on) != flag(start)) =>
            {
                return Err(Error::not_yet(name));
            }
            "timezone" if !["utc", "gmt", "etc/utc"].contains(&lowered.as_str()) => {
                return Err(Error::not_yet("time zones of sessions other than UTC"));
            }
            "client_encoding" if !["utf8", "utf-8", "unicode"].contains(&lowered.as_str()) => {
                return Err(Error::not_yet("encodings other than UTF8"));
            }
            "datestyle" if !["iso", "iso, mdy", "iso,mdy", "mdy"].contains(&lowered.as_str()) => {
                return Err(Error::not_yet("date styles other than ISO, MDY"));
            }
            "standard_conforming_strings" => return Err(invalid()),
            _ if start.parse::<i64>().is_err()
                && flag(start).is_some()
                && flag(&lowered).is_none() =>
            {
                return Err(invalid());
            }
            "statement_timeout" if text.parse::<i64>().is_err() => return Err(invalid()),
            "extra_float_digits" if !DIGITS.contains(&text.parse().unwrap_or(i32::MAX)) => {
                return Err(invalid().hint("-15 to 2"));
            }
            _ => {}
        }
        let value = match (name, lowered.as_str()) {
            ("client_encoding", "unicode") => vec!["UNICODE".to_owned()],
            ("client_encoding", _) => vec!["UTF8".to_owned()],
            _ => value.to_vec(),
        };
        self.0.insert(name.to_owned(), value);
        Ok(Outcome::tagged("SET"))
    }

    pub(crate) fn reset(&mut self, name: &str) -> Result<Outcome> {
        if name == ALL {
            self.0.clear();
        } else {
            Self::known(name)?;
            self.0.remove(name);
        }
        Ok(Outcome::tagged("RESET"))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String> {
        let start = Self::known(name)?;
        Ok(match self.0.get(name) {
            Some(value) => value.join(", "),
            None => start.to_owned(),
        })
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        flag(&self.text(name).unwrap_or_default()) == Some(true)
    }

    /// How long a statement may take; none is for ever.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let text = self.text("statement_timeout").unwrap_or_default();
        let milliseconds = text.parse().ok().filter(|milliseconds| *milliseconds > 0);
        milliseconds.map(Duration::from_millis)
    }

    /// How many digits floats have as texts.
    pub(crate) fn digits(&self) -> Digits {
        let text = self.text("extra_float_digits").unwrap_or_default();
        Digits::Extra(text.parse().unwrap_or_default())
    }

    pub(crate) fn search_path(&self) -> Vec<String> {
        match self.0.get("search_path") {
            Some(value) => value.clone(),
            None => vec!["$user".to_owned(), "public".to_owned()],
        }
    }

    /// The value of a parameter as SHOW gives it.
    pub(crate) fn shown(&self, name: &str, isolation: Isolation) -> Result<String> {
        if let Some(value) = Self::fixed(name) {
            return Ok(value.to_owned());
        }
        Ok(match name {
            "transaction_isolation" | "default_transaction_isolation" => match isolation {
                Isolation::Snapshot => "snapshot isolation".to_owned(),
                Isolation::Serializable => "serializable".to_owned(),
            },
            name => self.text(name)?,
        })
    }

    /// The columns that SHOW gives.
    pub(crate) fn columns(name: &str) -> Vec<Column> {
        let names = match name {
            ALL => vec!["name", "setting"],
            name => vec![name],
        };
        let columns = names.into_iter().map(|name| Column {
            name: name.to_owned(),
            data_type: Type::Varchar(MAX_VARCHAR),
        });
        columns.collect()
    }

    pub(crate) fn show(&self, name: &str, isolation: Isolation) -> Result<Outcome> {
        let texts = match name {
            ALL => {
                let settings = KNOWN.iter().filter(|(name, _)| *name != "transaction");
                let names: Vec<&str> = settings.map(|(name, _)| *name).collect();
                let values = names.iter().map(|name| self.shown(name, isolation));
                vec![
                    StringArray::from(names.clone()),
                    StringArray::from(values.collect::<Result<Vec<_>>>()?),
                ]
            }
            name => vec![StringArray::from(vec![self.shown(name, isolation)?])],
        };
        let columns = Self::columns(name);
        let fields = columns
            .iter()
            .map(|column| column.data_type.field(&column.name));
        let schema = arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
        let arrays = texts.into_iter().map(|text| Arc::new(text) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::new(schema), arrays.collect());
        Ok(Outcome {
            rows: Some(Rows::new(
                columns,
                vec![batch.map_err(Error::internal)?],
                Digits::default(),
            )),
            ..Outcome::tagged("SHOW")
        })
    }
}
