//! Streams and signals: colors, closed pipes, Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{plugged, shop};

#[test]
fn colors_are_for_terminals_unless_they_are_asked_for() {
    let project = shop();
    let colored = |arguments: &[&str], no_color: bool| {
        let mut command = project.command(arguments);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let output = command.output().unwrap();
        let escapes = |bytes: Vec<u8>| bytes.contains(&0x1b);
        (escapes(output.stdout), escapes(output.stderr))
    };
    assert_eq!(colored(&["run"], false), (false, false));
    assert_eq!(colored(&["run"], true), (false, false));
    assert_eq!(colored(&["run", "--color", "always"], false), (true, true));
    assert_eq!(colored(&["run", "--color", "never"], false), (false, false));
    project.replace("transom.yaml", "from: by_day", "from: by_dya");
    assert_eq!(colored(&["run", "--color", "always"], false), (false, true));
    assert_eq!(colored(&["run"], true), (false, false));
}

#[test]
fn a_reader_who_leaves_early_ends_the_program_quietly() {
    let project = shop();
    let mut child = project
        .command(&["schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn a_closed_stderr_does_not_stop_a_run() {
    let project = shop();
    let mut child = project
        .command(&["run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert!(stdout.contains("by_customer"), "{stdout}");
}

/// Sends what Ctrl-C sends.
fn interrupt(child: &std::process::Child) {
    let id = child.id().cast_signed();
    // SAFETY: a signal to a child that has not been waited for cannot reach another process.
    assert_eq!(unsafe { libc::kill(id, libc::SIGINT) }, 0);
}

/// Waits for the end, but not for ever.
fn ended(child: &mut std::process::Child) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status,
            None if begun.elapsed() > Duration::from_secs(60) => {
                child.kill().unwrap();
                panic!("it did not end");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn ctrl_c_stops_a_run_and_leaves_no_result() {
    for endless in ["a plugin", "a query"] {
        let project = plugged();
        match endless {
            "a plugin" => {
                project.replace("transom.yaml", "echo.running", "echo.fail");
                project.replace("transom.yaml", "column: v", "kind: loop");
                project.replace("transom.yaml", "max(running_sum)", "max(v)");
            }
            _ => {
                let numbers: String = (0..20_000).map(|id| format!("{id},,{id}\n")).collect();
                project.write("data/numbers.csv", format!("id,word,v\n{numbers}"));
                let hours = "sum(a.v * b.v + c.v) AS total FROM numbers AS a CROSS JOIN numbers AS b CROSS JOIN numbers AS c";
                project.replace(
                    "transom.yaml",
                    "max(running_sum) AS total FROM running",
                    hours,
                );
            }
        }
        let mut child = project
            .command(&["run"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        // The run has begun when its first stage has.
        while !text.contains("[1/") {
            assert_ne!(stderr.read_line(&mut text).unwrap(), 0, "{text}");
        }
        interrupt(&child);
        let status = ended(&mut child);
        stderr.read_to_string(&mut text).unwrap();
        assert_eq!(status.code(), Some(130), "{endless}: {text}");
        assert!(text.contains("cancelled"), "{endless}: {text}");
        assert!(!project.path().join("out/total").exists());
    }
}
