//! What an invocation is asked for.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// Length of a `run_id` at most, in bytes.
const RUN_ID: usize = 128;

/// What an invocation is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// The target; the file's default if none.
    pub(crate) target: Option<String>,
    /// Values of variables, as text.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Value>,
    /// Names the run that the invocation belongs to, in the log and in the answer.
    pub(crate) run_id: Option<String>,
    /// Slices after which the invocation ends.
    pub(crate) max_slices: Option<NonZeroU64>,
}

impl Event {
    pub(crate) fn read(event: Value) -> Result<Self, Failure> {
        if !event.is_object() {
            return Err(wrong("the event must be a JSON object".to_owned()));
        }
        let event: Self =
            serde_json::from_value(event).map_err(|error| wrong(format!("the event: {error}")))?;
        if let Some(id) = &event.run_id
            && (id.is_empty() || id.len() > RUN_ID || id.chars().any(char::is_control))
        {
            return Err(wrong(format!(
                "the event: `run_id` must have 1 to {RUN_ID} bytes and no control characters"
            )));
        }
        Ok(event)
    }

    /// The values of the variables, by name.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut variables = BTreeMap::new();
        for (name, value) in &self.variables {
            // A number in JSON may have lost digits on its way.
            let Value::String(text) = value else {
                return Err(wrong(format!(
                    "the event: the variable `{name}` must be a text, like \"2024-01-31\" or \"30\""
                )));
            };
            variables.insert(name.clone(), text.clone());
        }
        Ok(variables)
    }
}

fn wrong(message: String) -> Failure {
    Failure::pipeline(
        message,
        "an event has the keys `target`, `variables`, `run_id` and `max_slices`, all optional",
    )
}
