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

/// Whether the transaction only reads.
pub(crate) const READ_ONLY: &str = "transaction_read_only";

/// Whether the transactions to come do, if they do not say it.
const DEFAULT_READ_ONLY: &str = "default_transaction_read_only";

/// Parameters of one transaction, as if SET LOCAL had set them.
const OF_TRANSACTION: &[&str] = &["transaction_isolation", READ_ONLY];

/// Levels of isolation. All are names of the one that the database has.
pub(crate) const LEVELS: &[&str] = &[
    "serializable",
    "read committed",
    "read uncommitted",
    "repeatable read",
    "snapshot",
];

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
    (DEFAULT_READ_ONLY, "off"),
    ("describe_field_name_in_uppercase", "off"),
    ("downcase_delimited_identifier", "on"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_case_sensitive_super_attribute", "off"),
    ("enable_result_cache_for_session", "on"),
    ("enable_spectrum_oid", "true"),
    ("enable_vacuum_boost", "false"),
    ("error_on_nondeterministic_update", "off"),
    ("extra_float_digits", "0"),
    ("interval_forbid_composite_literals", "false"),
    ("intervalstyle", "postgres"),
    ("json_serialization_enable", "false"),
    ("json_serialization_parse_nested_strings", "false"),
    ("max_concurrency_scaling_clusters", "1"),
    ("max_cursor_result_set_size", "0"),
    ("mv_enable_aqmv_for_session", "true"),
    ("navigate_super_null_on_error", "on"),
    ("parse_super_null_on_error", "off"),
    ("pg_federation_repeatable_read", "true"),
    ("query_group", "default"),
    ("search_path", "$user, public"),
    ("spectrum_enable_pseudo_columns", "true"),
    ("spectrum_query_maxerror", "-1"),
    ("standard_conforming_strings", "off"),
    ("statement_timeout", "0"),
    ("stored_proc_log_min_messages", "info"),
    ("timezone", "UTC"),
    ("transaction_isolation", "serializable"),
    (READ_ONLY, "off"),
    ("use_fips_ssl", "false"),
    ("wlm_query_slot_count", "1"),
];

/// Parameters that have another value in Redshift, where this program has the one of the start alone.
const KEPT: &[&str] = &[
    "cast_super_null_on_error",
    "downcase_delimited_identifier",
    "enable_case_sensitive_identifier",
    "enable_case_sensitive_super_attribute",
    "interval_forbid_composite_literals",
    "navigate_super_null_on_error",
    "parse_super_null_on_error",
    "use_fips_ssl",
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
    "seed",
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

/// What SHOW calls one of the levels of isolation.
const SNAPSHOT: &str = "snapshot isolation";

/// Whole numbers that parameters take.
const RANGES: &[(&str, RangeInclusive<i64>)] = &[
    ("default_geometry_encoding", 1..=2),
    ("extra_float_digits", -15..=2),
    ("max_concurrency_scaling_clusters", 0..=10),
    ("max_cursor_result_set_size", 0..=14_400_000),
    ("spectrum_query_maxerror", -MOST..=MOST),
    ("statement_timeout", 0..=MOST),
    ("wlm_query_slot_count", 1..=50),
];

/// The greatest number of 32 bits.
const MOST: i64 = 2_147_483_647;

/// Values of `analyze_threshold_percent`.
const PERCENT: RangeInclusive<f64> = 0.0..=100.0;

/// Parameters of a session. What is set in a transaction is undone with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    now: Values,
    /// As they will be when the transaction has committed: without what SET LOCAL has set.
    after: Values,
    /// As they were when the transaction began.
    before: Values,
}

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

    /// Outside of a transaction a statement is one of its own, so that nothing comes of `is_local`.
    pub(crate) fn set(&mut self, name: &str, value: &[String], is_local: bool) -> Result<Outcome> {
        if Self::fixed(name).is_some() {
            return Err(Error::new(&error::SETTING_FIXED, &[&name]));
        }
        let start = Self::known(name)?;
        let text = value.join(", ");
        let lowered = text.to_lowercase();
        if lowered == "default" && value.len() == 1 {
            self.put(name, None, is_local);
            return Ok(Outcome::tagged("SET"));
        }
        let invalid = || Error::new(&error::SETTING_VALUE, &[&name, &text]);
        let range = RANGES.iter().find(|(ranged, _)| *ranged == name);
        if let Some((_, range)) = range
            && !text
                .parse::<i64>()
                .is_ok_and(|number| range.contains(&number))
        {
            return Err(invalid().hint(format!("{} to {}", range.start(), range.end())));
        }
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
            "transaction_isolation" | "default_transaction_isolation"
                if !LEVELS.contains(&lowered.as_str()) && lowered != SNAPSHOT =>
            {
                return Err(invalid().hint(LEVELS.join(", ")));
            }
            _ if start.parse::<i64>().is_err()
                && flag(start).is_some()
                && flag(&lowered).is_none() =>
            {
                return Err(invalid());
            }
            "analyze_threshold_percent"
                if !text
                    .parse::<f64>()
                    .is_ok_and(|share| PERCENT.contains(&share)) =>
            {
                return Err(invalid().hint("0 to 100"));
            }
            _ => {}
        }
        let value = match (name, lowered.as_str()) {
            ("client_encoding", "unicode") => vec!["UNICODE".to_owned()],
            ("client_encoding", _) => vec!["UTF8".to_owned()],
            _ => value.to_vec(),
        };
        self.put(name, Some(&value), is_local);
        Ok(Outcome::tagged("SET"))
    }

    pub(crate) fn reset(&mut self, name: &str) -> Result<Outcome> {
        if name == ALL {
            // The modes of the transaction are none of the session's.
            self.now
                .retain(|name, _| OF_TRANSACTION.contains(&name.as_str()));
            self.after.clear();
        } else {
            Self::known(name)?;
            self.put(name, None, false);
        }
        Ok(Outcome::tagged("RESET"))
    }

    fn put(&mut self, name: &str, value: Option<&[String]>, is_local: bool) {
        let is_local = is_local || OF_TRANSACTION.contains(&name);
        let after = (!is_local).then_some(&mut self.after);
        for values in std::iter::once(&mut self.now).chain(after) {
            match value {
                Some(value) => values.insert(name.to_owned(), value.to_vec()),
                None => values.remove(name),
            };
        }
    }

    /// After the modes of BEGIN.
    pub(crate) fn set_read_only(&mut self, is_read_only: bool) {
        let value = if is_read_only { "on" } else { "off" };
        self.put(READ_ONLY, Some(&[value.to_owned()]), true);
    }

    /// After a transaction that has committed.
    pub(crate) fn commit(&mut self) {
        self.now.clone_from(&self.after);
        self.before.clone_from(&self.after);
    }

    /// After a transaction that has not.
    pub(crate) fn roll_back(&mut self) {
        self.now.clone_from(&self.before);
        self.after.clone_from(&self.before);
    }

    pub(crate) fn text(&self, name: &str) -> Result<String> {
        let start = Self::known(name)?;
        let value = match self.now.get(name) {
            // What has been set since the transaction began is for later ones.
            None if name == READ_ONLY => self.before.get(DEFAULT_READ_ONLY),
            value => value,
        };
        Ok(match value {
            Some(value) => value.join(", "),
            None => start.to_owned(),
        })
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        let text = self.text(name).unwrap_or_default();
        flag(&text.to_lowercase()) == Some(true)
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
        match self.now.get("search_path") {
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
                Isolation::Snapshot => SNAPSHOT.to_owned(),
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
                let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
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
