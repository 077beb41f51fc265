//! Lambda's side of a function: it starts the function's program, hands it events, takes answers, and kills it at the deadline.
//!
//! - [`api`]: the Runtime API that the program asks for events. Each start of the program gets an API of its own: what is left of a
//!   killed one cannot take the events of the next.
//! - [`invoke`]: the Invoke API that callers send events to,
//! - [`http`]: how both are served.

mod api;
mod http;
mod invoke;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use self::api::{Api, Event, Started};

pub use self::invoke::InvokeApi;

/// Bytes of an event or of an answer at most, as Lambda has it for calls that wait for the answer.
const PAYLOAD: usize = 6 << 20;
const SIGKILL: i32 = 9;
/// Time for a program's start, until it asks for an event: Lambda's, which no configuration changes.
const START: Duration = Duration::from_secs(10);

/// How a function is run.
#[derive(Debug, Clone)]
pub struct FunctionOptions {
    /// What callers call it.
    pub name: String,
    /// The program, which Lambda calls `bootstrap`.
    pub program: PathBuf,
    /// The folder of the function's files: `LAMBDA_TASK_ROOT`.
    pub task_root: PathBuf,
    /// All of its environment, but for what Lambda sets.
    pub environment: BTreeMap<String, String>,
    /// Time for one invocation, once the program has started.
    pub timeout: Duration,
    /// MiB in the function's configuration. Nothing here limits it.
    pub memory_mb: u32,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer, as the function wrote it.
    Answered(Bytes),
    /// With a function error.
    Failed(FunctionError),
    /// It was not over after this time, and the program was killed.
    TimedOut(Duration),
    /// The program ended before it had answered.
    Exited(ExitStatus),
}

/// Why an invocation failed, as callers read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionError {
    /// What callers act on.
    #[serde(rename = "errorType")]
    pub kind: String,
    /// What it says.
    #[serde(rename = "errorMessage")]
    pub message: String,
}

impl Outcome {
    /// The answer, or the error in Lambda's words.
    ///
    /// # Errors
    /// If the function failed, was killed at its deadline, or its program ended.
    pub fn answer(self, request_id: &str) -> Result<Bytes, FunctionError> {
        let (kind, message) = match self {
            Self::Answered(body) => return Ok(body),
            Self::Failed(error) => return Err(error),
            Self::TimedOut(after) => (
                "Sandbox.Timedout",
                format!("Task timed out after {:.2} seconds", after.as_secs_f64()),
            ),
            Self::Exited(status) => (
                "Runtime.ExitError",
                match (status.code(), status.signal()) {
                    (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
                    (_, Some(SIGKILL)) => "Runtime exited with error: signal: killed".to_owned(),
                    (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
                    _ => format!("Runtime exited with error: {status}"),
                },
            ),
        };
        Err(FunctionError {
            kind: kind.to_owned(),
            message: format!("RequestId: {request_id} Error: {message}"),
        })
    }
}

/// A function, with one program that serves one invocation after another.
#[derive(Debug)]
pub struct LocalFunction {
    options: FunctionOptions,
    start: Duration,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    api: Api,
    child: Child,
    /// What comes of its start; none once that is known.
    starting: Option<oneshot::Receiver<Started>>,
}

impl Running {
    /// Waits until the program asks for an event, for so long at most; what it has come to if it does not.
    async fn started(&mut self, limit: Duration) -> io::Result<Option<Outcome>> {
        let Some(starting) = &mut self.starting else {
            return Ok(None);
        };
        let outcome = tokio::select! {
            biased;
            Ok(started) = starting => started.err().map(Outcome::Failed),
            status = self.child.wait() => Some(Outcome::Exited(status?)),
            () = tokio::time::sleep(limit) => Some(Outcome::TimedOut(limit)),
        };
        self.starting = None;
        Ok(outcome)
    }
}

impl LocalFunction {
    /// A function. Its program is started by the first invocation.
    #[must_use]
    pub fn new(options: FunctionOptions) -> Self {
        Self {
            options,
            start: START,
            running: None,
        }
    }

    /// The same, with another time for the program's start than Lambda's 10 seconds.
    #[must_use]
    pub fn with_start(self, start: Duration) -> Self {
        Self { start, ..self }
    }

    /// Hands an event to the function and waits until it has answered or ended, or its time is over. An event that is doubled or tried
    /// again has the same `request_id`.
    ///
    /// The time is the function's own once its program has started, which has ten seconds. A program that takes longer is started once
    /// more, and then that is a part of the invocation's time. A program that has ended, whenever that was, is started anew.
    ///
    /// Dropping the future leaves the program at work; [`Self::kill`] ends it.
    ///
    /// # Errors
    /// If the event is larger than Lambda takes, or the program cannot be started.
    pub async fn invoke(&mut self, event: &[u8], request_id: &str) -> io::Result<Outcome> {
        if event.len() > PAYLOAD {
            let message = format!(
                "the event has {} bytes, and Lambda takes {PAYLOAD}",
                event.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let timeout = self.options.timeout;
        // It may have ended since its last answer.
        if let Some(running) = &mut self.running
            && running.child.try_wait()?.is_some()
        {
            self.running = None;
        }
        let mut begun = None;
        let outcome = loop {
            let (running, is_new) = match &mut self.running {
                Some(running) => (running, false),
                none => (none.insert(start(&self.options).await?), true),
            };
            let limit = begun.map_or(self.start, |_| timeout);
            match running.started(limit).await? {
                None => {}
                Some(Outcome::TimedOut(_)) if begun.is_none() => {
                    self.kill().await?;
                    begun = Some(SystemTime::now());
                    continue;
                }
                Some(outcome) => break outcome,
            }
            let deadline = begun.unwrap_or_else(SystemTime::now) + timeout;
            let answer = running.api.hand_over(Event {
                request_id: request_id.to_owned(),
                deadline,
                body: Bytes::copy_from_slice(event),
            });
            let left = deadline.duration_since(SystemTime::now());
            tokio::select! {
                // An answer that came in time counts, also of a program that ends after it.
                biased;
                Ok(outcome) = answer => return Ok(outcome),
                status = running.child.wait() => {
                    // It was about to end after an earlier answer, and did not ask for this event.
                    if !is_new && running.api.take_back() {
                        self.running = None;
                        continue;
                    }
                    break Outcome::Exited(status?);
                }
                () = tokio::time::sleep(left.unwrap_or_default()) => break Outcome::TimedOut(timeout),
            }
        };
        self.kill().await?;
        Ok(outcome)
    }

    /// Kills the program, as Lambda does without notice. The next invocation starts another one.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn kill(&mut self) -> io::Result<()> {
        match self.running.take() {
            Some(mut running) => running.child.kill().await,
            None => Ok(()),
        }
    }
}

/// A name for an invocation, as Lambda gives each one.
#[must_use]
pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The full name of a function.
fn arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

async fn start(options: &FunctionOptions) -> io::Result<Running> {
    let (api, starting) = Api::listen(&options.name).await?;
    let child = Command::new(&options.program)
        .current_dir(&options.task_root)
        .env_clear()
        .envs(&options.environment)
        .env("AWS_LAMBDA_RUNTIME_API", api.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", &options.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            options.memory_mb.to_string(),
        )
        .env(
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/aws/lambda/{}", options.name),
        )
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
        .env("LAMBDA_TASK_ROOT", &options.task_root)
        .stdin(Stdio::null())
        // The log is for people, and stdout for what was asked for.
        .stdout(io::stderr())
        .kill_on_drop(true)
        .spawn()?;
    Ok(Running {
        api,
        child,
        starting: Some(starting),
    })
}
