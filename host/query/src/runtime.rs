//! Threads that plans run on.
//!
//! Operators and plugins compute without pause; on a runtime that also serves I/O and progress they would starve it. So plans have
//! workers of their own, and their output comes over in a small bounded channel, which keeps back-pressure.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tracing::Instrument as _;

use crate::spans;

/// Batches on their way from the plan to the reader: one being read, one waiting.
const CHANNEL: usize = 2;

/// The workers; they end with the last handle.
#[derive(Debug, Clone)]
pub struct PlanRuntime(Arc<Workers>);

#[derive(Debug)]
struct Workers(Option<Runtime>);

impl PlanRuntime {
    /// Starts `threads` workers.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        spans::inherit();
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("transom-plan")
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
        // A runtime may not be waited for inside another one; what still runs has been cancelled and ends by itself.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
