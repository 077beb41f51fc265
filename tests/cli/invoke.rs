//! `transom invoke`: the pipeline as a function, over the local AWS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::assert_snapshot;
use crate::fixture;
use crate::local::Server;
use crate::program::{Project, Ran};

/// The pipeline with so many files of two rows on S3, locked.
pub(crate) fn orders(files: usize) -> Project {
    let project = Project::copy_of(&fixture("orders"));
    for file in 1..=files {
        let rows = format!("id,customer,amount\n{file}a,x,{file}\n{file}b,\"y, z\",-{file}\n");
        project.write(&format!("raw/{file:02}.csv"), rows);
    }
    succeeds(&project, &["local", "cp", "raw", "s3://raw/orders/"]);
    succeeds(&project, &["lock"]);
    project
}

/// What a command did that must not fail.
pub(crate) fn succeeds(project: &Project, arguments: &[&str]) -> Ran {
    let ran = project.run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}\n{}", ran.all());
    ran
}

/// All rows of both sinks, sorted.
pub(crate) fn rows(project: &Project) -> (Vec<String>, Value) {
    let to = format!("got-{}", uuid::Uuid::new_v4().simple());
    succeeds(project, &["local", "cp", "s3://lake/orders/", &to]);
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(project.path().join(to)).expect("the table") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("text");
        lines.extend(text.lines().skip(1).map(str::to_owned));
    }
    lines.sort();
    project.write(
        "select.sql",
        "SELECT id, customer, amount FROM public.orders ORDER BY 1, 2, 3",
    );
    let table = succeeds(project, &["local", "sql", "select.sql", "--json"]).json();
    assert_eq!(
        table[0]["result"]["rows"].as_array().map(Vec::len),
        Some(lines.len())
    );
    (lines, table[0]["result"]["rows"].clone())
}

/// What one run loads.
pub(crate) fn of_one_run(files: usize) -> (Vec<String>, Value) {
    let project = orders(files);
    succeeds(&project, &["run"]);
    let rows = rows(&project);
    assert_eq!(rows.0.len(), 2 * files);
    rows
}

#[test]
fn several_invocations_load_what_one_run_loads() {
    let project = orders(12);
    let event = r#"{"max_slices": 5}"#;
    let first = succeeds(&project, &["invoke", "--event", event]).json();
    assert_eq!(
        (&first["done"], &first["slices"]),
        (&json!(false), &json!(5))
    );
    assert_eq!(first["state_uri"], "s3://lake/state/");

    let rest = succeeds(&project, &["invoke", "--event", event, "--until-done"]);
    let said = |line: &str| {
        line.starts_with("loaded 5 slices in ") && line.ends_with("; there is more to load")
    };
    assert!(rest.stderr.lines().any(said), "{}", rest.stderr);
    let rest = rest.json();
    assert_eq!((&rest["done"], &rest["slices"]), (&json!(true), &json!(2)));
    assert_eq!(rows(&project), of_one_run(12));

    // The same event again.
    let again = succeeds(&project, &["invoke", "--event", event]).json();
    assert_eq!(
        (&again["done"], &again["slices"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(rows(&project), of_one_run(12));
}

#[test]
fn a_package_keeps_no_state() {
    let project = Project::empty();
    project.write(
        "package/transom.yaml",
        "name: orders
sources: { raw: { path: raw/, format: csv, incremental: new_files } }
sinks: { out: { from: raw, path: out, format: csv, mode: append } }
",
    );
    let refused = project.run(&["invoke", "--function", "package"]);
    assert_eq!(refused.code, 2);
    assert_snapshot!("state_in_a_package", refused.all());
}

#[test]
fn the_functions_log_has_metrics_and_what_each_line_is_about() {
    let project = orders(2);
    let ran = succeeds(&project, &["invoke", "--event", r#"{"run_id": "load-17"}"#]);
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        // The time is masked as a digest is.
        .filter_map(|line| serde_json::from_str(&line.replace(":$DIGEST", ":0")).ok())
        .collect();
    let slices = lines
        .iter()
        .filter(|line| line["message"] == "slice loaded");
    let slices = slices.map(|line| {
        assert_eq!(line["run"], "load-17", "{line}");
        (line["seq"].clone(), line["rows_written"].clone())
    });
    let expected = [(json!(2), json!(4)), (json!(3), json!(4))];
    assert_eq!(slices.collect::<Vec<_>>(), expected, "{}", ran.stderr);

    let metrics = lines.iter().find(|line| line.get("_aws").is_some());
    let metrics = metrics.unwrap_or_else(|| panic!("no metrics: {}", ran.stderr));
    let described = &metrics["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(described["Namespace"], "Transom");
    for metric in described["Metrics"].as_array().expect("metrics") {
        let name = metric["Name"].as_str().expect("a name");
        assert!(metrics[name].is_number(), "{name}: {metrics}");
    }
    let values = [
        "pipeline",
        "run",
        "Slices",
        "RowsRead",
        "RowsWritten",
        "RowsRejected",
    ];
    let values = values.map(|name| metrics[name].clone());
    assert_eq!(json!(values), json!(["orders", "load-17", 2, 4, 8, 0]));

    let runs = succeeds(&project, &["runs", "list", "--json"]).json();
    assert_eq!(runs[0]["run"], "load-17", "{runs}");
    assert_eq!(runs[0]["outcome"], "done", "{runs}");
}

#[test]
fn functions_that_are_killed_at_any_time_load_nothing_twice() {
    let project = orders(12);
    let invoke = ["invoke", "--event", r#"{"max_slices": 3}"#, "--until-done"];
    let mut command: Command = project.command(&invoke);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut killed = Vec::new();
    for milliseconds in [100, 700, 300, 1100] {
        let function = loop {
            match function_of(&child) {
                Some(function) if !killed.contains(&function) => break Some(function),
                _ if child.try_wait().expect("a child").is_some() => break None,
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let Some(function) = function else { break };
        std::thread::sleep(Duration::from_millis(milliseconds));
        // SAFETY: sends a signal to the function of a child that was not waited for, or that was and has ended its function.
        unsafe { libc::kill(function, libc::SIGKILL) };
        killed.push(function);
    }
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("stderr")
        .read_to_string(&mut said)
        .expect("text");
    assert_eq!(child.wait().expect("ends").code(), Some(0), "{said}");
    assert!(said.contains("signal: killed; trying again"), "{said}");
    assert_eq!(rows(&project), of_one_run(12));
}

/// The process of the function that a command has started.
pub(crate) fn function_of(child: &Child) -> Option<i32> {
    let is_of = |entry: std::fs::DirEntry| {
        let process: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        (name.ends_with("(bootstrap") && parent == child.id()).then_some(process)
    };
    let mut processes = std::fs::read_dir("/proc").ok()?;
    processes.find_map(|entry| is_of(entry.ok()?))
}

#[test]
fn an_event_that_comes_twice_at_once_loads_nothing_twice() {
    let project = orders(12);
    // One local AWS for both.
    let _server = Server::start(&project);
    let event = r#"{"run_id": "load-17", "max_slices": 5}"#;
    let invoke = ["invoke", "--event", event, "--until-done"];
    let both = [(), ()].map(|()| {
        let mut command: Command = project.command(&invoke);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts")
    });
    // The program of the first one is killed while both are at work.
    let function = loop {
        match function_of(&both[0]) {
            Some(function) => break function,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    std::thread::sleep(Duration::from_millis(700));
    // SAFETY: sends a signal to the function of a child that was not waited for, or that was and has ended its function.
    unsafe { libc::kill(function, libc::SIGKILL) };
    for child in both {
        let output = child.wait_with_output().expect("ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    assert_eq!(rows(&project), of_one_run(12));
}

#[test]
fn a_function_error_has_the_exit_code_of_its_kind() {
    let project = orders(1);
    let wrong = project.run(&["invoke", "--event", r#"{"max_slice": 1}"#]);
    assert_eq!(wrong.code, 2, "{}", wrong.all());
    assert!(
        wrong
            .stderr
            .contains("error: Pipeline: the event: unknown key `max_slice`"),
        "{}",
        wrong.stderr
    );
    assert_eq!(wrong.json()["error"]["kind"], "pipeline");

    let late = project.run(&["invoke", "--timeout", "1ms"]);
    assert_eq!(late.code, 75, "{}", late.all());
    assert!(late.stderr.contains("Sandbox.Timedout"), "{}", late.stderr);

    let of_events = project.run(&["invoke", "--serve", "0", "--var", "day=1"]);
    assert_eq!(of_events.code, 2, "{}", of_events.all());

    let no_json = project.run(&["invoke", "--event", "target"]);
    assert_eq!(no_json.code, 2, "{}", no_json.all());

    project.write("bad.csv", "id,customer,amount\n1,x,many\n");
    succeeds(&project, &["local", "cp", "bad.csv", "s3://raw/orders/"]);
    let bad = project.run(&["invoke", "--event", "{}"]);
    assert_eq!(bad.code, 1, "{}", bad.all());
    assert!(bad.stderr.contains("error: Data: "), "{}", bad.stderr);
}

/// A function that is served; it ends with the test.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(project: &Project, arguments: &[&str]) -> Self {
        let arguments = [&["invoke", "--serve", "0"], arguments].concat();
        let mut command: Command = project.command(&arguments);
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let mut lines = stderr.lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("http://")));
        let line = line.expect("where it serves");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let address = address.expect("an address").to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The status, the headers in small letters, the body.
    fn call(&self, function: &str, event: &str) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        let request = format!(
            "POST /2015-03-31/functions/{function}/invocations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{event}",
            event.len()
        );
        stream.write_all(request.as_bytes()).expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let status = head
            .split(' ')
            .nth(1)
            .expect("a status")
            .parse()
            .expect("a number");
        (
            status,
            head.to_lowercase(),
            serde_json::from_str(body).expect("JSON"),
        )
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let process = i32::try_from(self.child.id()).expect("the number of a process");
        // SAFETY: sends a signal to a child that was not waited for.
        unsafe { libc::kill(process, libc::SIGTERM) };
        let _ = self.child.wait();
    }
}

#[test]
fn callers_find_lambdas_invoke_api() {
    let project = orders(3);
    let served = Served::start(&project, &[]);
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:orders";
    let (status, head, answer) = served.call("orders", r#"{"max_slices": 1}"#);
    assert_eq!((status, &answer["done"]), (200, &json!(false)), "{answer}");
    assert!(head.contains("x-amz-executed-version: $latest"), "{head}");
    assert!(!head.contains("x-amz-function-error"), "{head}");

    let (status, head, answer) = served.call(&arn.replace(':', "%3A"), r#"{"nothing": 1}"#);
    assert_eq!(
        (status, &answer["errorType"]),
        (200, &json!("Pipeline")),
        "{answer}"
    );
    assert!(head.contains("x-amz-function-error: unhandled"), "{head}");

    let (status, head, answer) = served.call("other", "{}");
    assert_eq!(status, 404, "{answer}");
    assert!(
        head.contains("x-amzn-errortype: resourcenotfoundexception"),
        "{head}"
    );
    let (status, head, _) = served.call("orders", "{");
    assert_eq!(status, 400);
    assert!(head.contains("invalidrequestcontentexception"), "{head}");

    // One invocation at a time.
    let (status, head) = std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            // The other caller may be first.
            loop {
                let (status, _, answer) = served.call("orders", "{}");
                if status != 429 {
                    return answer;
                }
            }
        });
        let mut refused = None;
        while !first.is_finished() {
            let (status, head, _) = served.call("orders", r#"{"nothing": 1}"#);
            if status == 429 {
                refused = Some((status, head));
            }
        }
        assert_eq!(first.join().expect("an answer")["done"], true);
        refused.expect("two calls at once")
    });
    assert_eq!(status, 429);
    assert!(
        head.contains("x-amzn-errortype: toomanyrequestsexception"),
        "{head}"
    );
}
