//! Runs that see each other.

use transom_pipeline::slices::{Others, SliceOptions};

use crate::world::{At, Kind, Silent, Task, World, resume, wait_until_stopped};

fn options(others: Others) -> SliceOptions {
    SliceOptions {
        others,
        ..SliceOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_leaves_the_work_to_the_first() {
    for at in [At::Folder, At::S3] {
        let world = World::new(Kind::Append, at).await;
        let mut first = world.spawn_task(Task::RespectfulRun, "attempt.staged:0:stop");
        assert!(wait_until_stopped(&mut first));
        let run = |others| {
            let job = world.job();
            async move { job.run_slices(&options(others), &Silent).await }
        };
        let error = run(Others::Respected).await.unwrap_err().error;
        let message = error.to_string();
        assert!(
            message.contains(&format!("process {}", first.id())),
            "{message}"
        );
        assert!(error.hint().unwrap().contains("--force"));
        assert_eq!(error.kind(), transom_pipeline::ErrorKind::Retryable);
        let report = run(Others::Overruled).await.unwrap();
        assert_eq!(report.slices.len(), 1);
        world.check("beside the first").await;
        resume(&first);
        first.wait().unwrap();
        world.check("both").await;

        // One that has ended, or was killed, is no reason to wait.
        run(Others::Respected).await.unwrap();
        let mut killed = world.spawn_task(Task::RespectfulRun, "log.listed:0:kill");
        killed.wait().unwrap();
        run(Others::Respected).await.unwrap();
    }
}
