//! A secret in the host's environment: no guest learns it, and no log and no error tells it.

use std::io::Write;
use std::sync::Mutex;

/// Value of the variable; every case looks for it in all that comes out.
const SECRET: &str = "hunter2-AKIAIOSFODNN7EXAMPLE";

/// Everything that was logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

pub(crate) const TESTS: &[(&str, fn())] = &[("a_secret_that_is_logged_would_be_found", || {
    let name = "AWS_SECRET_ACCESS_KEY";
    assert_eq!(std::env::var(name).unwrap(), SECRET);
    assert!(tells(&format!("it is {SECRET}!")));
    tracing::trace!("recorded");
    assert!(String::from_utf8_lossy(&LOG.lock().unwrap()).contains("recorded"));
})];

#[expect(
    clippy::disallowed_methods,
    reason = "what the environment holds is what is tested"
)]
pub(crate) fn put_into_the_environment() {
    // SAFETY: this is the first that the program does; there is no other thread.
    unsafe { std::env::set_var("AWS_SECRET_ACCESS_KEY", SECRET) };
}

/// Keeps all that is logged, at every level.
pub(crate) fn record_the_log() {
    struct Recorder;
    impl Write for Recorder {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LOG.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(|| Recorder)
        .init();
}

fn tells(text: &str) -> bool {
    text.contains(SECRET)
}

/// Looks for the secret in `text` and in what was logged since the last time.
pub(crate) fn assert_untold(text: &str) {
    let log = std::mem::take(&mut *LOG.lock().unwrap());
    let log = String::from_utf8_lossy(&log);
    assert!(!tells(text), "the secret is in: {text}");
    assert!(!tells(&log), "the secret is in the log: {log}");
    // A guest's log cannot clear a screen or begin a line that looks like one of the host.
    let odd = log
        .chars()
        .find(|&c| c.is_control() && c != '\n' && c != '\t');
    assert_eq!(odd, None, "in the log: {log:?}");
}
