//! The program that Lambda starts: it takes events from Lambda's Runtime API and answers them, one at a time.

use std::sync::Arc;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use transom_lambda::{Answer, Failure, Function, Logs, Settings};

// As in the program `transom`: batches from plugins are lifted in less than half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Work has threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let logs = Logs::start();
    let function = Arc::new(Function::new(Settings::of(|name| std::env::var_os(name))));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let (function, logs) = (Arc::clone(&function), logs.clone());
        async move { answer(function, &logs, event).await.map_err(diagnostic) }
    }))
    .await
}

async fn answer(
    function: Arc<Function>,
    logs: &Logs,
    event: LambdaEvent<Value>,
) -> Result<Answer, Failure> {
    let (event, context) = event.into_parts();
    logs.of_request(&context.request_id);
    let work = move || function.invoke(event, &context.request_id, context.deadline());
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn diagnostic(failure: Failure) -> Diagnostic {
    tracing::error!(kind = failure.kind(), "{failure}");
    Diagnostic {
        error_type: failure.kind().to_owned(),
        error_message: failure.to_string(),
    }
}
