//! `transom invoke`: the pipeline as a Lambda function on this machine, with the local AWS behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use transom_file::spec::Place;
use transom_local::{FunctionOptions, InvokeApi, LocalFunction, request_id};
use transom_pipeline::Error;
use transom_pipeline::plugins::COMPILED;
use transom_pipeline::report::counted;
use transom_plugin::Cancel;

use crate::context::Context;
use crate::failure::Failure;
use crate::local_aws;
use crate::package::program::Program;
use crate::package::{self, BOOTSTRAP, states};
use crate::printer::NAME;
use crate::signals;
use crate::values::{address, time};

/// What a caller has to send to `--serve`.
const PATH: &str = "/2015-03-31/functions";
/// Pause before a failed invocation is repeated; doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Run the pipeline as a Lambda function on this machine.
///
/// The function's program is started as Lambda starts it: it gets an event and a deadline, and is killed when that has passed. S3 and
/// Redshift are the local AWS, for every target that names no other endpoint; keys and profiles of this machine are not used.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom invoke                                       one invocation with the event `{}`
  transom invoke --event '{\"max_slices\": 2}'
  transom invoke --event @event.json --timeout 60s
  transom invoke --timeout 30s --until-done            again and again, as a state machine does
  transom invoke --serve                               for `aws lambda invoke`, SDKs and local Step Functions
  transom invoke --function .transom/package/lambda    what `transom package` has written

The answer goes to stdout as JSON, the function's log and its errors to stderr.")]
pub(crate) struct InvokeCommand {
    /// The event: JSON, `@` and a file, or `-` for stdin.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    event: String,
    /// Time for one invocation, like `30s`; after it the program is killed.
    #[arg(long, value_name = "TIME", default_value = "900s", value_parser = time)]
    timeout: Duration,
    /// Megabytes of memory in the function's configuration, from which it plans its work. Nothing here limits it.
    #[arg(long, value_name = "MB", default_value_t = 1769, value_parser = clap::value_parser!(u32).range(128..=32_768))]
    memory: u32,
    /// Invokes again while there is more to load, and after errors that a repetition may solve.
    #[arg(long)]
    until_done: bool,
    /// Serves Lambda's Invoke API until Ctrl-C, for callers on this machine; one invocation at a time, others get 429.
    /// [default: 127.0.0.1:9001]
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:9001",
        value_parser = address,
        conflicts_with_all = ["event", "until_done"]
    )]
    serve: Option<SocketAddr>,
    /// The function's folder, with its program `bootstrap`. [default: the pipeline's folder, with the program that came with `transom`]
    #[arg(long, value_name = "DIR")]
    function: Option<PathBuf>,
}

impl InvokeCommand {
    /// Whether stdout is to hold one JSON value and nothing else.
    pub(crate) fn is_json(&self) -> bool {
        self.serve.is_none()
    }

    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        if self.serve.is_some() && !context.global.variables.is_empty() {
            return Err(Failure::Usage {
                message: "`--var` is not for `--serve`: each event has its own variables"
                    .to_owned(),
                hint: Some("callers name them in the event, as `variables`".to_owned()),
            });
        }
        let event = self.event(context)?;
        let file = match &self.function {
            Some(folder) => folder.join("transom.yaml"),
            None => context.global.file.clone(),
        };
        let target = event.get("target").and_then(Value::as_str);
        let target = target.or(context.global.target.as_deref());
        let pipeline = context.pipeline_at(&file, target)?;
        if let (Some(_), true, Place::Local(state)) =
            (&self.function, pipeline.is_sliced(), &pipeline.state)
        {
            return Err(Failure::Usage {
                message: format!(
                    "the state of the target `{}` is a folder, `{}`: a package is written anew, and what was loaded would be forgotten",
                    pipeline.target,
                    state.display()
                ),
                hint: Some(
                    "name the target for which it was packaged, with `--target`; its S3 and its Redshift are the local AWS here"
                        .to_owned(),
                ),
            });
        }
        let temporary = tempfile::tempdir().map_err(|source| Failure::Io {
            what: "there is no place for temporary files".to_owned(),
            source,
        })?;
        let program = self.program()?;
        if self.function.is_none() {
            let machine = Program::read(&program)?.machine;
            let compiled = temporary.path().join(COMPILED);
            package::pipeline::compile(context, &pipeline, machine, &compiled)?;
        }
        let mut options = FunctionOptions {
            name: pipeline.name.clone(),
            program,
            task_root: pipeline.root.clone(),
            environment: self.environment(context, temporary.path(), &pipeline.file)?,
            timeout: self.timeout,
            memory_mb: self.memory,
        };
        let cancel = Cancel::new();
        let in_order = signals::in_order(&cancel);
        context.block_on(async {
            let data = context.global.file.parent().unwrap_or(Path::new(""));
            let local = local_aws::join_at(&data.join(local_aws::DATA), &pipeline).await?;
            let of_local = local.environment().into_iter();
            let of_local = of_local.map(|(name, value)| (name.to_owned(), value));
            options.environment.extend(of_local);
            let function = LocalFunction::new(options);
            match self.serve {
                Some(address) => serve(context, address, function, &pipeline.name, &cancel).await,
                None => {
                    let answer = self.invoke(context, function, event, &cancel).await?;
                    context.printer.json(&answer)
                }
            }
        })?;
        drop(in_order);
        Ok(())
    }

    /// The event, with the target and the variables of the command line where it names none.
    fn event(&self, context: &Context) -> Result<Value, Failure> {
        let unreadable = |error: std::io::Error| Failure::Usage {
            message: format!("the event `{}` cannot be read: {error}", self.event),
            hint: None,
        };
        let text = match self.event.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()).map_err(unreadable)?,
            text => match text.strip_prefix('@') {
                Some(file) => std::fs::read_to_string(file).map_err(unreadable)?,
                None => text.to_owned(),
            },
        };
        let mut event: Value = serde_json::from_str(&text).map_err(|error| Failure::Usage {
            message: format!("the event is not JSON: {error}"),
            hint: Some(
                "write `--event '{\"max_slices\": 1}'`, or name a file: `--event @event.json`"
                    .to_owned(),
            ),
        })?;
        let variables = &context.global.variables;
        if let (Value::Object(event), false) = (&mut event, variables.is_empty()) {
            let own = event.entry("variables").or_insert_with(|| json!({}));
            for (name, value) in variables {
                if let Value::Object(own) = own {
                    own.entry(name).or_insert_with(|| value.as_str().into());
                }
            }
        }
        Ok(event)
    }

    /// What Lambda sets, and what of this machine's environment is meant for the function.
    fn environment(
        &self,
        context: &Context,
        temporary: &Path,
        pipeline: &Path,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let text = |path: &Path| {
            path.to_str()
                .map(str::to_owned)
                .ok_or_else(|| Failure::Usage {
                    message: format!("`{}` is not text in UTF-8", path.display()),
                    hint: None,
                })
        };
        let pipeline = std::path::absolute(pipeline).map_err(|source| Failure::Io {
            what: format!("`{}` cannot be found", pipeline.display()),
            source,
        })?;
        let mut environment = BTreeMap::from([
            ("TMPDIR".to_owned(), text(temporary)?),
            ("TZ".to_owned(), ":UTC".to_owned()),
            ("TRANSOM_PIPELINE".to_owned(), text(&pipeline)?),
        ]);
        if self.function.is_none() {
            environment.insert(
                "TRANSOM_COMPILED".to_owned(),
                text(&temporary.join(COMPILED))?,
            );
        }
        if let Some(target) = &context.global.target {
            environment.insert("TRANSOM_TARGET".to_owned(), target.clone());
        }
        if let Ok(filter) = std::env::var("TRANSOM_LOG") {
            environment.insert("TRANSOM_LOG".to_owned(), filter);
        }
        Ok(environment)
    }

    /// The function's program.
    fn program(&self) -> Result<PathBuf, Failure> {
        let program = match &self.function {
            None => Program::bootstrap(None)?.path,
            Some(folder) => folder.join(BOOTSTRAP),
        };
        if !program.is_file() {
            return Err(Failure::Usage {
                message: format!("there is no program `{}`", program.display()),
                hint: Some("name a folder that `transom package` has written".to_owned()),
            });
        }
        // It is started in another folder.
        std::path::absolute(&program).map_err(|source| Failure::Io {
            what: format!("`{}` cannot be found", program.display()),
            source,
        })
    }

    /// Invokes the function, with `--until-done` as often as it takes; the last answer.
    async fn invoke(
        &self,
        context: &Context,
        mut function: LocalFunction,
        mut event: Value,
        cancel: &Cancel,
    ) -> Result<Value, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        if let (true, Value::Object(event)) = (self.until_done, &mut event) {
            // All invocations are one run.
            event.entry("run_id").or_insert_with(|| request_id().into());
        }
        let event = event.to_string();
        loop {
            let id = request_id();
            let invoked = tokio::select! {
                invoked = function.invoke(event.as_bytes(), &id) => invoked,
                () = signals::cancelled(cancel) => {
                    // Ends with this program in any case.
                    let _ = function.kill().await;
                    return Err(Error::Cancelled.into());
                }
            };
            let outcome = invoked.map_err(|source| Failure::Io {
                what: "the function cannot be invoked".to_owned(),
                source,
            })?;
            match outcome.answer(&id) {
                Ok(body) => {
                    let answer = serde_json::from_slice(&body);
                    let answer: Value = answer.map_err(|source| Failure::Io {
                        what: "the function's answer is not JSON".to_owned(),
                        source: source.into(),
                    })?;
                    if !self.until_done || answer["done"] != json!(false) {
                        return Ok(answer);
                    }
                    (pause, failures) = (FIRST_PAUSE, 0);
                    let number = |name: &str| answer[name].as_u64().unwrap_or_default();
                    context.printer.say(format_args!(
                        "loaded {} in {} % of the time; there is more to load",
                        counted(number("slices"), "slice"),
                        number("work_percent"),
                    ));
                }
                Err(error) => {
                    let is_retried = self.until_done && states::is_retried(&error.kind);
                    if !is_retried || failures == states::RETRIES {
                        return Err(Failure::Function(error));
                    }
                    failures += 1;
                    context.printer.warn(format_args!(
                        "{}: {}; trying again",
                        error.kind, error.message
                    ));
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
    }
}

async fn serve(
    context: &Context,
    address: SocketAddr,
    function: LocalFunction,
    name: &str,
    cancel: &Cancel,
) -> Result<(), Failure> {
    let api = InvokeApi::listen(address, function);
    let api = api.await.map_err(|source| Failure::Usage {
        message: format!("cannot listen on {address}: {source}"),
        hint: Some("choose another address with `--serve`; port 0 takes a free one".to_owned()),
    })?;
    let address = api.address();
    context.printer.say(format_args!(
        "function {NAME}{name}{NAME:#} on {NAME}http://{address}{NAME:#}{PATH}/{name}/invocations; Ctrl-C ends it"
    ));
    signals::cancelled(cancel).await;
    api.shutdown().await.map_err(|source| Failure::Io {
        what: "the function's program cannot be ended".to_owned(),
        source,
    })
}
