//! Lambda's side of a function: it starts the function's program, hands it events, takes answers, and kills it at the deadline.
//!
//! `api` is the Runtime API that the program asks for events. Each start of the program gets an API of its own: what is left of a
//! killed one cannot take the events of the next.

mod api;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::process::{Child, Command};

use self::api::{Api, Event};

/// Bytes of an event or of an answer at most, as Lambda has it for calls that wait for the answer.
const PAYLOAD: usize = 6 << 20;

/// How a function is run.
#[derive(Debug, Clone)]
pub struct FunctionOptions {
    /// The program, which Lambda calls `bootstrap`.
    pub program: PathBuf,
    /// The folder of the function's files: `LAMBDA_TASK_ROOT`.
    pub task_root: PathBuf,
    /// All of its environment, but for what Lambda sets.
    pub environment: BTreeMap<String, String>,
    /// Time for one invocation.
    pub timeout: Duration,
    /// MiB that the function is told to have. It is not held to that.
    pub memory_mb: u32,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer, as the function wrote it.
    Answered(Bytes),
    /// With a function error: `errorType` and `errorMessage`.
    Failed {
        /// What callers act on.
        kind: String,
        /// What it says.
        message: String,
    },
    /// It was not over at its deadline, and the program was killed.
    TimedOut,
    /// The program ended before it had answered.
    Exited(ExitStatus),
}

/// A function, with one program that serves one invocation after another.
#[derive(Debug)]
pub struct LocalFunction {
    options: FunctionOptions,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    api: Api,
    child: Child,
}

impl LocalFunction {
    /// A function. Its program is started by the first invocation.
    #[must_use]
    pub fn new(options: FunctionOptions) -> Self {
        Self {
            options,
            running: None,
        }
    }

    /// Hands an event to the function and waits until it has answered or ended, or its time is over. An event that is doubled or tried
    /// again has the same `request_id`.
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
        let running = match &mut self.running {
            Some(running) => running,
            running => running.insert(start(&self.options).await?),
        };
        let answer = running.api.hand_over(Event {
            request_id: request_id.to_owned(),
            deadline: SystemTime::now() + self.options.timeout,
            body: Bytes::copy_from_slice(event),
        });
        let outcome = tokio::select! {
            // An answer that came in time counts, also of a program that ends after it.
            biased;
            Ok(outcome) = answer => return Ok(outcome),
            status = running.child.wait() => Outcome::Exited(status?),
            () = tokio::time::sleep(self.options.timeout) => Outcome::TimedOut,
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

async fn start(options: &FunctionOptions) -> io::Result<Running> {
    let api = Api::listen().await?;
    let child = Command::new(&options.program)
        .current_dir(&options.task_root)
        .env_clear()
        .envs(&options.environment)
        .env("AWS_LAMBDA_RUNTIME_API", api.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", api::NAME)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            options.memory_mb.to_string(),
        )
        .env(
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/aws/lambda/{}", api::NAME),
        )
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
        .env("LAMBDA_TASK_ROOT", &options.task_root)
        .stdin(Stdio::null())
        // The log is for people, and stdout for what was asked for.
        .stdout(io::stderr())
        .kill_on_drop(true)
        .spawn()?;
    Ok(Running { api, child })
}
