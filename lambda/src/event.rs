//! What an invocation is asked for.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Length of a `run_id` at most, in bytes.
const RUN_ID: usize = 128;

/// What an invocation is asked for.
#[derive(Debug, Default)]
pub(crate) struct Event {
    /// The target; the file's default if none.
    pub(crate) target: Option<String>,
    /// Values of variables, as text.
    pub(crate) variables: BTreeMap<String, String>,
    /// Names the run that the invocation belongs to, in the log and in the answer.
    pub(crate) run_id: Option<String>,
    /// Slices after which the invocation ends.
    pub(crate) max_slices: Option<NonZeroU64>,
}

impl Event {
    pub(crate) fn read(event: Value) -> Result<Self, Failure> {
        let Value::Object(keys) = event else {
            return Err(wrong("the event must be a JSON object".to_owned()));
        };
        let mut event = Self::default();
        for (key, value) in keys {
            let must =
                |what: &str| wrong(format!("the event: `{key}` must be {what}, not `{value}`"));
            match (key.as_str(), &value) {
                // As if it were not there.
                ("target" | "variables" | "run_id" | "max_slices", Value::Null) => {}
                ("target", Value::String(name)) => event.target = Some(name.clone()),
                ("target", _) => return Err(must("the name of a target")),
                ("run_id", Value::String(id)) => event.run_id = Some(id.clone()),
                ("run_id", _) => return Err(must("a text")),
                ("max_slices", number) => {
                    let most = number.as_u64().and_then(NonZeroU64::new);
                    let most = most.ok_or_else(|| must("a whole number from 1"))?;
                    event.max_slices = Some(most);
                }
                ("variables", Value::Object(values)) => event.variables = variables(values)?,
                ("variables", _) => return Err(must("an object")),
                _ => return Err(wrong(format!("the event: unknown key `{key}`"))),
            }
        }
        if let Some(id) = &event.run_id
            && (id.is_empty() || id.len() > RUN_ID || id.chars().any(char::is_control))
        {
            return Err(wrong(format!(
                "the event: `run_id` must have 1 to {RUN_ID} bytes and no control characters"
            )));
        }
        Ok(event)
    }
}

/// The values of variables, by name.
fn variables(values: &Map<String, Value>) -> Result<BTreeMap<String, String>, Failure> {
    let text = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        // A number in JSON may have lost digits on its way.
        _ => Err(wrong(format!(
            "the event: the variable `{name}` must be a text, like \"2024-01-31\" or \"30\""
        ))),
    };
    values.iter().map(text).collect()
}

fn wrong(message: String) -> Failure {
    Failure::pipeline(
        message,
        "an event has the keys `target`, `variables`, `run_id` and `max_slices`, all optional",
    )
}
