//! State machines of Step Functions, in the Amazon States Language: one invokes the function until everything is loaded, one runs a
//! backfill in Batch.
//!
//! They hold no data: what was loaded stands in the pipeline's log. So a state is some hundred bytes, and a machine that is stopped
//! or started twice loads nothing twice.

use serde_json::{Value, json};

use super::Variables;

/// Errors that a repetition may solve: of the function itself, of its process, and of Lambda.
const RETRIED: &[&str] = &[
    "Retryable",
    // The function was killed at its deadline, or its process ended; older runtimes of Lambda give no name.
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "Lambda.Unknown",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
];
/// Errors of Batch, which has not taken a job: it fails, is not reached, or has too many requests. These come by their name, or as
/// `AWSBatchException` with all that has no name. A job that has failed is `States.TaskFailed`.
const RETRIED_OF_BATCH: &[&str] = &[
    "Batch.ServerException",
    "Batch.AWSBatchException",
    "Batch.TooManyRequestsException",
    "Batch.SdkClientException",
];
/// The function is busy with another run, or the account is at its limit.
const BUSY: &str = "Lambda.TooManyRequestsException";
/// How often in a row what failed is repeated.
pub(crate) const RETRIES: u32 = 6;
/// Of a function that is busy: with the pauses below, for an hour.
const BUSY_RETRIES: u32 = 65;
const FIRST_PAUSE_SECONDS: u32 = 5;
const LONGEST_PAUSE_SECONDS: u32 = 60;

// What a definition leaves open: the template's `DefinitionSubstitutions` have these names.
const FUNCTION: &str = "${Function}";
const TOPIC: &str = "${Topic}";
const QUEUE: &str = "${Queue}";
const JOB: &str = "${Job}";
// `${Partition}` too stands in the ARNs of services: `aws`, or `aws-us-gov`.

/// Whether the machine repeats an invocation that failed with this error.
pub(crate) fn is_retried(kind: &str) -> bool {
    RETRIED.contains(&kind) || kind == BUSY
}

/// Invokes the function until it has loaded everything that is new, with these values of variables.
pub(crate) fn load(pipeline: &str, variables: &Variables) -> Value {
    let mut event = json!({ "run_id.$": "$$.Execution.Name" });
    if !variables.is_empty() {
        event["variables"] = json!(variables);
    }
    machine(
        &format!("Loads what is new of the pipeline {pipeline}"),
        "Load",
        pipeline,
        json!({
            "Load": {
                "Type": "Task",
                "Resource": "arn:${Partition}:states:::lambda:invoke",
                "Parameters": {
                    "FunctionName": FUNCTION,
                    "Payload": event,
                },
                "ResultSelector": { "done.$": "$.Payload.done" },
                "Retry": [retry(&[BUSY], BUSY_RETRIES), retry(RETRIED, RETRIES)],
                "Catch": catch("Notify"),
                "Next": "IsDone",
            },
            "IsDone": {
                "Type": "Choice",
                "Choices": [{ "Variable": "$.done", "BooleanEquals": true, "Next": "Done" }],
                "Default": "Load",
            },
        }),
    )
}

/// Computes the shares of a backfill in Batch, side by side, then loads them. Its input is `{"shares": 12}`, the number that
/// `transom backfill plan` says.
pub(crate) fn backfill(pipeline: &str) -> Value {
    machine(
        &format!("Runs a backfill of the pipeline {pipeline}"),
        "HasShares",
        pipeline,
        json!({
            "HasShares": {
                "Type": "Choice",
                // Batch has no arrays of one job; the job that loads shares computes those that are missing.
                "Choices": [{ "Variable": "$.shares", "NumericGreaterThan": 1, "Next": "ComputeShares" }],
                "Default": "LoadShares",
            },
            "ComputeShares": job("compute", Some(json!({ "Size.$": "$.shares" })), "LoadShares"),
            "LoadShares": job("load", None, "Done"),
        }),
    )
}

/// A machine with the states that all have.
fn machine(comment: &str, first: &str, pipeline: &str, mut states: Value) -> Value {
    states["Notify"] = json!({
        "Type": "Task",
        "Resource": "arn:${Partition}:states:::sns:publish",
        "Parameters": {
            "TopicArn": TOPIC,
            "Subject": subject(pipeline),
            "Message.$": "States.Format('{} {}: {}', $$.Execution.Id, $.error.Error, $.error.Cause)",
        },
        // The execution fails with the first error in any case.
        "ResultPath": null,
        "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.notify", "Next": "Failed" }],
        "Next": "Failed",
    });
    states["Failed"] = json!({
        "Type": "Fail",
        // A name of one's own must not begin with `States.`, as those of errors do that Step Functions gives.
        "ErrorPath": "States.Format('Transom.{}', $.error.Error)",
        "CausePath": "$.error.Cause",
    });
    states["Done"] = json!({ "Type": "Succeed" });
    json!({ "Comment": comment, "StartAt": first, "States": states })
}

/// SNS takes 100 characters, and refuses what is longer: then no one would be told.
fn subject(pipeline: &str) -> String {
    const FAILED: &str = " failed";
    let name: String = pipeline.chars().take(100 - FAILED.len()).collect();
    format!("{name}{FAILED}")
}

fn retry(errors: &[&str], attempts: u32) -> Value {
    json!({
        "ErrorEquals": errors,
        "IntervalSeconds": FIRST_PAUSE_SECONDS,
        "BackoffRate": 2,
        "MaxDelaySeconds": LONGEST_PAUSE_SECONDS,
        "MaxAttempts": attempts,
    })
}

fn catch(next: &str) -> Value {
    json!([{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": next }])
}

/// A job of Batch, or an array of them, that is waited for. One that fails is repeated by Batch, which knows its exit code; one that was not
/// taken is submitted again.
fn job(name: &str, array: Option<Value>, next: &str) -> Value {
    let mut parameters = json!({ "JobName": name, "JobQueue": QUEUE, "JobDefinition": JOB });
    if let Some(array) = array {
        parameters["ArrayProperties"] = array;
    }
    json!({
        "Type": "Task",
        "Resource": "arn:${Partition}:states:::batch:submitJob.sync",
        "Parameters": parameters,
        "ResultPath": null,
        // A job whose submission was not answered runs beside its double: shares are staged, and loaded, once.
        "Retry": [retry(RETRIED_OF_BATCH, RETRIES)],
        "Catch": catch("Notify"),
        "Next": next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sns_takes_the_subject_of_any_pipeline() {
        for length in [1, 92, 93, 94, 120] {
            let subject = subject(&"p".repeat(length));
            assert!(
                subject.len() <= 100 && subject.ends_with("p failed"),
                "{subject}"
            );
        }
    }
}
