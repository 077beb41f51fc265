//! A function that does nothing: what its start takes, the start of `bootstrap` is compared with (`just bench-lambda`).

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let hello = |_: LambdaEvent<Value>| async { Ok::<_, Error>(json!({ "done": true })) };
    lambda_runtime::run(service_fn(hello)).await
}
