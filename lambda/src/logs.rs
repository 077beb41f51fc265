//! The function's log on stdout: one line of JSON for each event, with the request id, as Lambda's own JSON logs have it, and with the
//! fields of the spans that it is in: run, slice, sink, step, plugin.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Deserializer, Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Environment variable that chooses what is logged, in the syntax of `tracing_subscriber::EnvFilter`.
const VARIABLE: &str = "TRANSOM_LOG";
/// What lambda_runtime logs of a failure, `bootstrap` has logged already; what aws_config warns of, the error says in a sentence.
const DEFAULT: &str = "warn,aws_config=error,transom=info,plugin=info,transom_lambda=info,lambda_runtime::layers::panic=off";

/// The log of a process. It serves one invocation at a time, and threads of plans log too: so the request id is the process's and not
/// that of a span.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    request_id: Arc<Mutex<String>>,
}

impl Logs {
    /// Starts logging to stdout, panics included.
    #[must_use]
    pub fn start() -> Self {
        let logs = Self::default();
        let filter = EnvFilter::try_from_env(VARIABLE);
        // Fails only if something else has taken the log already, which then has it.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT)))
            .fmt_fields(JsonFields)
            .event_format(logs.clone())
            .try_init();
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!(target: "transom_lambda", "{panic}");
        }));
        logs
    }

    /// Says which invocation the lines from now on belong to.
    pub fn of_request(&self, id: &str) {
        let request_id = self.request_id.lock();
        id.clone_into(&mut request_id.unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S, N> FormatEvent<S, N> for Logs
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(of_span) = span.extensions().get::<FormattedFields<N>>() {
                let objects = Deserializer::from_str(of_span).into_iter::<Map<String, Value>>();
                // What is no object, `JsonFields` has not written.
                fields.0.extend(objects.flatten().flatten());
            }
        }
        event.record(&mut fields);
        let about = event.metadata();
        let request_id = self.request_id.lock();
        let request_id = request_id.unwrap_or_else(PoisonError::into_inner);
        let time = DateTime::<Utc>::from(SystemTime::now());
        // Later ones win: no field of an event takes the place of these.
        let own = [
            (
                "timestamp",
                time.to_rfc3339_opts(SecondsFormat::Millis, true),
            ),
            ("level", about.level().to_string()),
            ("target", about.target().to_owned()),
            ("requestId", request_id.clone()),
        ];
        for (name, value) in own {
            fields.0.insert(name.to_owned(), Value::String(value));
        }
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

/// Writes the fields of a span as an object, and those that are recorded later as another one behind it.
struct JsonFields;

impl FormatFields<'_> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'_>, fields: R) -> fmt::Result {
        let mut object = Fields::default();
        fields.record(&mut object);
        write!(writer, "{}", Value::Object(object.0))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_fields_of_its_event_and_its_spans() {
        let (logs, written) = (Logs::default(), Written::default());
        logs.of_request("request-1");
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields)
            .event_format(logs)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let _run =
                tracing::info_span!("run", run = "load \"17\"", rows = tracing::field::Empty)
                    .entered();
            tracing::Span::current().record("rows", 7);
            let _slice = tracing::info_span!("slice", seq = 3_u64, level = "mine").entered();
            tracing::info!(seq = 4_u64, done = true, "said");
        });
        let written = written.0.lock().unwrap();
        let mut line: Map<String, Value> = serde_json::from_slice(&written).unwrap();
        assert!(line.remove("timestamp").is_some());
        let expected = serde_json::json!({
            "level": "INFO",
            "target": "transom_lambda::logs::tests",
            "requestId": "request-1",
            "message": "said",
            "run": "load \"17\"",
            "rows": 7,
            // What is nearer to the event wins.
            "seq": 4,
            "done": true,
        });
        assert_eq!(Value::Object(line), expected);
    }
}
