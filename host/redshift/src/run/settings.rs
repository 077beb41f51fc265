//! `SET`, `RESET` and `SHOW`: parameters of a session.

use crate::engine::Isolation;
use crate::error::{self, Error, Result};
use crate::session::{Outcome, Rows, Values};
use crate::types::show::Digits;
use crate::types::{Column, MAX_VARCHAR, Type};

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, StringArray};

/// Parameters with the values that they have at the start.
const KNOWN: &[(&str, &str)] = &[
    ("analyze_threshold_percent", "10"),
    ("application_name", ""),
    ("client_encoding", "UNICODE"),
    ("client_min_messages", "notice"),
    ("cursor_close", "auto"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "serializable"),
    ("describe_field_name_in_uppercase", "off"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_result_cache_for_session", "on"),
    ("error_on_nondeterministic_update", "off"),
    ("extra_float_digits", "0"),
    ("intervalstyle", "postgres"),
    ("max_concurrency_scaling_clusters", "1"),
    ("query_group", "default"),
    ("search_path", "$user, public"),
    ("standard_conforming_strings", "off"),
    ("statement_timeout", "0"),
    ("stored_proc_log_min_messages", "info"),
    ("timezone", "UTC"),
    ("transaction", ""),
    ("transaction_isolation", "serializable"),
    ("transaction_read_only", "off"),
    ("wlm_query_slot_count", "1"),
];

/// Values of `extra_float_digits`.
const DIGITS: RangeInclusive<i32> = -15..=2;

/// Parameters of a session.
#[derive(Debug, Default)]
pub(crate) struct Settings(Values);

impl Settings {
    fn known(name: &str) -> Result<&'static str> {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, value)| *value)
            .ok_or_else(|| Error::new(&error::SETTING_UNKNOWN, &[&name]))
    }

    pub(crate) fn set(&mut self, name: &str, value: &[String]) -> Result<Outcome> {
        let start = Self::known(name)?;
        let text = value.join(", ");
        let lowered = text.to_lowercase();
        if lowered == "default" && value.len() == 1 {
            return self.reset(name);
        }
        let invalid = || Error::new(&error::SETTING_VALUE, &[&name, &text]);
        match name {
            "enable_case_sensitive_identifier"
                if ["on", "true", "1"].contains(&lowered.as_str()) =>
            {
                return Err(Error::not_yet("enable_case_sensitive_identifier"));
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
            _ if (start == "on" || start == "off")
                && !["on", "off", "true", "false", "1", "0"].contains(&lowered.as_str()) =>
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
        if name == "all" {
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
        let text = self.text(name).unwrap_or_default();
        ["on", "true", "1"].contains(&text.as_str())
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

    pub(crate) fn show(&self, name: &str, isolation: Isolation) -> Result<Outcome> {
        let text = match name {
            "transaction_isolation" | "default_transaction_isolation" => match isolation {
                Isolation::Snapshot => "snapshot isolation".to_owned(),
                Isolation::Serializable => "serializable".to_owned(),
            },
            name => self.text(name)?,
        };
        let data_type = Type::Varchar(MAX_VARCHAR);
        let schema = arrow::datatypes::Schema::new(vec![data_type.field(name)]);
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![Arc::new(StringArray::from(vec![text]))],
        );
        let column = Column {
            name: name.to_owned(),
            data_type,
        };
        Ok(Outcome {
            rows: Some(Rows::new(
                vec![column],
                vec![batch.map_err(Error::internal)?],
                Digits::default(),
            )),
            ..Outcome::tagged("SHOW")
        })
    }
}
