//! Several results of one run, made visible together.

use std::sync::Arc;

use transom_commit::fault;

use super::{Applied, Sink, SinkError, Staged};

/// Applies the results of one run, in the order given.
///
/// Each becomes visible in one step, all of them together do not: between the first and the last, some milliseconds, a reader of two
/// tables can see one new and one old, and a process that is killed then leaves them so until the next run. That is why every result is
/// complete before: what takes time and what fails (a full disk) lies behind. Old results are deleted after the last one is visible.
///
/// # Errors
/// The first failure: nothing is visible if it is the first result's, else [`SinkError::PartlyPublished`]; tables after the failed one
/// keep their old result, and what was staged for them is deleted.
pub async fn publish_all(staged: &[(Arc<dyn Sink>, Staged)]) -> Result<Vec<Applied>, SinkError> {
    let mut applied = Vec::with_capacity(staged.len());
    for (sink, result) in staged {
        match sink.apply(result).await {
            Ok(visible) => {
                applied.push(visible);
                fault::at("publish.applied");
            }
            Err(error) => {
                let (done, rest) = staged.split_at(applied.len());
                let unsettled = matches!(
                    error,
                    SinkError::Unconfirmed { .. } | SinkError::Unclear { .. }
                );
                // Of what may be visible nothing is deleted.
                for (sink, result) in rest.iter().skip(usize::from(unsettled)) {
                    sink.abandon(result).await;
                }
                return Err(partly(done, rest, error));
            }
        }
    }
    for ((sink, _), applied) in staged.iter().zip(&applied) {
        sink.tidy(applied).await;
        fault::at("publish.tidied");
    }
    Ok(applied)
}

type Results = [(Arc<dyn Sink>, Staged)];

/// What readers see after the first of `rest` came to `error`, and `done` are visible.
fn partly(done: &Results, rest: &Results, error: SinkError) -> SinkError {
    let confirmed = !matches!(error, SinkError::Unconfirmed { .. });
    let (visible, old) = match confirmed {
        true => (done.len(), rest.first()),
        // It is visible all the same.
        false => (done.len() + 1, rest.get(1)),
    };
    let names = done.iter().chain(rest).take(visible);
    let names: Vec<String> = names
        .map(|(sink, _)| format!("`{}`", sink.name()))
        .collect();
    match old {
        Some((sink, _)) if !names.is_empty() => SinkError::PartlyPublished {
            name: sink.name().to_owned(),
            published: names.join(", "),
            source: Box::new(error),
        },
        _ => error,
    }
}
