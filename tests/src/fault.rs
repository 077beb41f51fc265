//! Processes of their own that stop at a point, started from the tests' program.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use transom_commit::fault;

/// In the environment of a worker: where it stops, how often it gets past before, and what it does there.
const FAULT: &str = "TRANSOM_WORKER_FAULT";

/// A process that runs one test of this program with these variables, and stops at `fault`: `POINT:TIMES:kill` passes the point so many
/// times and dies there, `:stop` freezes it. Without a fault it runs to its end.
///
/// # Panics
/// If no process can be started.
#[must_use]
pub fn spawn(test: &str, fault: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(FAULT, fault)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether a process was killed where it should be.
///
/// # Panics
/// If it cannot be awaited.
pub fn was_killed(mut child: Child) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let status: ExitStatus = child.wait().unwrap();
    status.signal() == Some(9)
}

/// What a worker does first: from here on it stops where [`spawn`] was asked to.
///
/// # Panics
/// If the process has a hook already.
pub fn obey() {
    let asked = std::env::var(FAULT).unwrap_or_default();
    let [point, times, action] = asked.split(':').collect::<Vec<_>>()[..] else {
        return;
    };
    let (point, action) = (point.to_owned(), action.to_owned());
    let left = AtomicU64::new(times.parse().unwrap());
    let hook = move |passed: &str| {
        if passed != point || left.fetch_sub(1, SeqCst) != 0 {
            return;
        }
        let signal = match action.as_str() {
            "kill" => "-KILL",
            _ => "-STOP",
        };
        let own = std::process::id().to_string();
        let sent = Command::new("kill").args([signal, &own]).status();
        assert!(sent.unwrap().success());
        // A signal to all threads takes a moment.
        std::thread::sleep(Duration::from_millis(200));
    };
    fault::set_hook(hook).unwrap();
}
