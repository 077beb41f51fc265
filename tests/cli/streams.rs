//! Streams and signals: colors, closed pipes, Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::Project;
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

pub(crate) fn send(signal: libc::c_int, child: &std::process::Child) {
    let id = child.id().cast_signed();
    // SAFETY: a signal to a child that has not been waited for cannot reach another process.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
}

/// Waits for the end, but not for ever.
pub(crate) fn ended(child: &mut std::process::Child) -> std::process::ExitStatus {
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
        send(libc::SIGINT, &child);
        let status = ended(&mut child);
        stderr.read_to_string(&mut text).unwrap();
        assert_eq!(status.code(), Some(130), "{endless}: {text}");
        assert!(text.contains("cancelled"), "{endless}: {text}");
        assert!(!project.path().join("out/total").exists());
    }
}

/// A pipeline that sorts for longer than a test waits, in little memory.
fn endless() -> Project {
    let project = shop();
    let rows = "(SELECT unnest(range(0, 2000)) AS v)";
    let sql = format!(
        "SELECT a.v * b.v AS day, c.v AS orders, repeat('x', 50) AS amount FROM {rows} a CROSS JOIN {rows} b CROSS JOIN {rows} c ORDER BY 1"
    );
    project.replace(
        "transom.yaml",
        "SELECT day, count(*) AS orders, sum(amount) AS amount FROM large GROUP BY day ORDER BY day",
        &sql,
    );
    project
}

/// Files that are left in the folder for temporary files.
fn left(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Whether the run has begun to write temporary files.
fn spills(folder: &Path) -> bool {
    let inside = |folder: &std::path::PathBuf| {
        std::fs::read_dir(folder).is_ok_and(|files| files.count() > 1)
    };
    left(folder).iter().any(inside)
}

#[test]
fn a_signal_stops_a_run_which_leaves_no_temporary_files() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let project = endless();
        let temporary = tempfile::tempdir().unwrap();
        let mut child = project
            .command(&["run", "--memory", "64MB"])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !spills(temporary.path()) && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        send(signal, &child);
        let status = ended(&mut child);
        let mut text = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(status.code(), Some(code), "{text}");
        assert!(text.contains("cancelled"), "{text}");
        assert_eq!(left(temporary.path()), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let project = endless();
    let temporary = tempfile::tempdir().unwrap();
    let mut child = project
        .command(&["run", "--memory", "64MB"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A folder is hidden until it is locked.
    let is_locked = |folder: &std::path::PathBuf| {
        let name = folder.file_name().unwrap().to_string_lossy();
        !name.starts_with('.')
    };
    while !left(temporary.path()).iter().any(is_locked) && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(left(temporary.path()).len(), 0);
    let mut preview = project.command(&["preview", "orders"]);
    assert!(
        preview
            .env("TMPDIR", temporary.path())
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!(left(temporary.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_failure_after_publishing_says_that_the_results_are_published() {
    let project = shop();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = project.command(&["run"]).stdout(full).output().unwrap();
    let ran = project.outcome(output);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("the results are published, but writing to stdout failed")
    );
    assert!(project.path().join("out/by_day").exists());
}

#[test]
fn a_missing_folder_for_temporary_files_is_named() {
    let project = shop();
    let mut command = project.command(&["run"]);
    let ran = project.outcome(command.env("TMPDIR", "/nonexistent").output().unwrap());
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for part in [
        "no temporary files can be written to `/nonexistent`",
        "TMPDIR",
    ] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}
