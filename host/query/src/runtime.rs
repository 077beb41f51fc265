//! Threads that plans run on.
//!
//! Operators and plugins compute without pause; on a runtime that also serves I/O and progress they would starve it. So plans have
//! workers of their own, and their output comes over in a small bounded channel, which keeps back-pressure.

use std::sync::Arc;
use std::time::Instant;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use futures::StreamExt;
use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Runtime};
use tracing::Instrument as _;

use crate::spans;

/// Batches on their way from the plan to the reader: one being read, one waiting.
const CHANNEL: usize = 2;

/// How many threads the plans of some sessions have. Dropping a session does not wait for its threads: what one of them is computing, such
/// as a batch, it computes to the end.
#[derive(Debug, Clone, Default)]
pub struct PlanThreads(Arc<Alive>);

#[derive(Debug, Default)]
struct Alive {
    threads: Mutex<usize>,
    ended: Condvar,
}

impl PlanThreads {
    /// Waits until there are none, or until this moment; whether there are none. Blocks; the sessions must have been dropped.
    #[must_use]
    pub fn wait(&self, until: Instant) -> bool {
        let mut threads = self.0.threads.lock();
        while *threads > 0 {
            if self.0.ended.wait_until(&mut threads, until).timed_out() {
                break;
            }
        }
        *threads == 0
    }
}

/// The workers; they end with the last handle.
#[derive(Debug, Clone)]
pub struct PlanRuntime(Arc<Workers>);

#[derive(Debug)]
struct Workers(Option<Runtime>);

impl PlanRuntime {
    /// Starts `threads` workers, which are counted.
    pub fn new(threads: usize, counted: &PlanThreads) -> std::io::Result<Self> {
        spans::inherit();
        let (begun, ended) = (Arc::clone(&counted.0), Arc::clone(&counted.0));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("transom-plan")
            .on_thread_start(move || *begun.threads.lock() += 1)
            .on_thread_stop(move || {
                *ended.threads.lock() -= 1;
                ended.ended.notify_all();
            })
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Workers(Some(runtime)))))
    }

    fn handle(&self) -> &tokio::runtime::Handle {
        self.0.0.as_ref().expect("taken only on drop").handle()
    }

    /// Until the guard is dropped, what this thread spawns runs on the workers.
    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.handle().enter()
    }

    /// Runs a future on the workers.
    pub async fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match self.handle().spawn(future.in_current_span()).await {
            Ok(result) => result,
            Err(error) => Err(DataFusionError::ExecutionJoin(Box::new(error))),
        }
    }

    /// Drains a stream on the workers and hands its batches over. Dropping the result stops the workers' part.
    pub fn drive(&self, mut stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(stream.schema(), CHANNEL);
        let sender = builder.tx();
        builder.spawn_on(
            async move {
                while let Some(batch) = stream.next().await {
                    let failed = batch.is_err();
                    // The receiver is gone: the query was dropped.
                    if sender.send(batch).await.is_err() || failed {
                        break;
                    }
                }
                Ok(())
            },
            self.handle(),
        );
        builder.build()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // A runtime may not be waited for inside another one; what still runs has been cancelled and ends by itself. Who has to wait for
        // that has `PlanThreads`.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn threads_that_compute_to_the_end_are_waited_for() {
        let threads = PlanThreads::default();
        let runtime = PlanRuntime::new(2, &threads).unwrap();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let computing = runtime.spawn(async move {
            begin.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(500));
            Ok(())
        });
        tokio::select! {
            _ = computing => unreachable!("it sleeps"),
            begun = begun => begun.unwrap(),
        }
        drop(runtime);
        assert!(!threads.wait(Instant::now()));
        assert!(threads.wait(Instant::now() + Duration::from_secs(60)));
    }
}
