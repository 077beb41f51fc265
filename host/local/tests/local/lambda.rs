//! Programs of functions that end, fail or take long where they should not: what callers see, and that the next invocation has a program
//! again.
//!
//! Such a program is this one again, with its test [`program`].

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;
use transom_local::{FunctionOptions, LocalFunction, Outcome};

/// In the environment of a program: what it does.
const DOES: &str = "TRANSOM_TEST_PROGRAM";
/// In the environment of a program: how many milliseconds it waits before.
const WAITS: &str = "TRANSOM_TEST_PROGRAM_WAITS";

const PLENTY: Duration = Duration::from_secs(60);
/// Bytes of an answer at most.
const PAYLOAD: usize = 6 << 20;

struct Function {
    local: LocalFunction,
    _folder: TempDir,
}

impl Function {
    fn new(does: &str, waits: Duration, timeout: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bootstrap");
        let this = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\nexec '{}' lambda::program --exact --nocapture >/dev/null 2>&1\n",
            this.display()
        );
        std::fs::write(&program, script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, executable).unwrap();
        let environment = [
            (DOES.to_owned(), does.to_owned()),
            (WAITS.to_owned(), waits.as_millis().to_string()),
        ];
        let local = LocalFunction::new(FunctionOptions {
            name: "tried".to_owned(),
            program,
            task_root: folder.path().to_owned(),
            environment: environment.into(),
            timeout,
            memory_mb: 128,
        });
        Self {
            local,
            _folder: folder,
        }
    }

    async fn invoke(&mut self) -> Outcome {
        self.local.invoke(b"{}", "request-1").await.unwrap()
    }

    /// The answer; panics if there is none.
    async fn answer(&mut self) -> Value {
        match self.invoke().await {
            Outcome::Answered(body) => serde_json::from_slice(&body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Kind and message of the error.
    async fn error(&mut self) -> (String, String) {
        let error = self.invoke().await.answer("request-1").unwrap_err();
        (error.kind, error.message)
    }
}

#[tokio::test]
async fn a_program_that_ends_after_its_answer_is_started_anew() {
    // It may be gone when the next event comes, or about to go.
    for waits in [0, 40] {
        let mut function = Function::new("ends", Duration::from_millis(waits), PLENTY);
        let mut processes = Vec::new();
        for round in 0..4 {
            processes.push(function.answer().await["process"].clone());
            if round == 1 {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
        processes.dedup();
        assert_eq!(processes.len(), 4, "{processes:?}");
    }
}

#[tokio::test]
async fn a_program_that_goes_on_is_the_same_for_the_next_event() {
    let mut function = Function::new("answers", Duration::ZERO, PLENTY);
    assert_eq!(
        function.answer().await["process"],
        function.answer().await["process"]
    );
}

#[tokio::test]
async fn a_program_that_says_that_it_cannot_start_is_started_anew() {
    let mut function = Function::new("fails to start", Duration::ZERO, PLENTY);
    let (kind, message) = function.error().await;
    assert_eq!(kind, "Config");
    let (_, again) = function.error().await;
    assert!(
        message.starts_with("no pipeline in process ") && message != again,
        "{message}, {again}"
    );
}

#[tokio::test]
async fn a_program_that_ends_before_it_asks_for_an_event_is_an_error() {
    let mut function = Function::new("ends at once", Duration::ZERO, PLENTY);
    for _ in 0..2 {
        let (kind, message) = function.error().await;
        assert_eq!(kind, "Runtime.ExitError");
        assert_eq!(
            message,
            "RequestId: request-1 Error: Runtime exited with error: exit status 3"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_an_error_and_the_program_goes_on() {
    let mut function = Function::new("answers too much", Duration::ZERO, PLENTY);
    let (kind, message) = function.error().await;
    assert_eq!(kind, "Function.ResponseSizeTooLarge");
    assert_eq!(message, format!("the answer has more than {PAYLOAD} bytes"));
    // The largest one that there may be.
    let Outcome::Answered(body) = function.invoke().await else {
        panic!("no answer");
    };
    assert_eq!(body.len(), PAYLOAD);
    assert_eq!(function.answer().await["events"], 3);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_not_handed_over() {
    let mut function = Function::new("answers", Duration::ZERO, PLENTY);
    let event = vec![b' '; PAYLOAD + 1];
    let refused = function
        .local
        .invoke(&event, "request-1")
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("and Lambda takes 6291456"),
        "{refused}"
    );
    assert_eq!(function.answer().await["events"], 1);
}

#[tokio::test]
async fn the_start_of_a_program_is_no_part_of_the_time_of_its_invocation() {
    let timeout = Duration::from_secs(2);
    let mut function = Function::new("answers", timeout + Duration::from_secs(1), timeout);
    let left = function.answer().await["left"].as_i64().unwrap();
    assert!((1..=2000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_program_whose_start_takes_too_long_has_the_time_of_the_invocation_as_well() {
    let start = Duration::from_millis(500);
    let mut function = Function::new("answers", Duration::from_secs(2), PLENTY);
    function.local = function.local.with_start(start);
    let left = function.answer().await["left"].as_i64().unwrap();
    // It was started within that time.
    assert!((1..=58_000).contains(&left), "{left}");
    // Now it has started.
    let left = function.answer().await["left"].as_i64().unwrap();
    assert!(left > 58_000, "{left}");

    let timeout = Duration::from_millis(300);
    let mut function = Function::new("answers", PLENTY, timeout);
    function.local = function.local.with_start(start);
    assert_eq!(function.invoke().await, Outcome::TimedOut(timeout));
}

/// What a program does that a function has started; nothing in the process of the tests.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it is a process of its own, and how it ends is the point"
)]
fn program() {
    let Ok(does) = std::env::var(DOES) else {
        return;
    };
    let waits = std::env::var(WAITS).unwrap().parse().unwrap();
    let wait = || std::thread::sleep(Duration::from_millis(waits));
    let process = std::process::id();
    match does.as_str() {
        "ends at once" => std::process::exit(3),
        "fails to start" => {
            let error = json!({
                "errorType": "Config",
                "errorMessage": format!("no pipeline in process {process}"),
            });
            ask("POST", "init/error", error.to_string().as_bytes());
            std::thread::sleep(PLENTY);
        }
        "answers" => wait(),
        _ => {}
    }
    for events in 1.. {
        let (id, left) = next_event();
        let answer = json!({ "process": process, "events": events, "left": left }).to_string();
        let mut body = answer.into_bytes();
        match (does.as_str(), events) {
            ("answers too much", 1) => body.resize(PAYLOAD + 1, b' '),
            ("answers too much", 2) => body.resize(PAYLOAD, b' '),
            _ => {}
        }
        ask("POST", &format!("invocation/{id}/response"), &body);
        if does == "ends" {
            wait();
            std::process::exit(0);
        }
    }
}

/// The next event: its id, and how many milliseconds are left until its deadline.
fn next_event() -> (String, i64) {
    let head = ask("GET", "invocation/next", b"").to_lowercase();
    let header = |name: &str| {
        let found = head.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap().trim_start_matches(':').trim().to_owned()
    };
    let deadline: i64 = header("lambda-runtime-deadline-ms").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    (header("lambda-runtime-aws-request-id"), deadline - now)
}

/// Sends a request to the Runtime API; the answer.
fn ask(method: &str, path: &str, body: &[u8]) -> String {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let head = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // A body that is too large is not read to its end.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
