//! `transom local`: started, asked, emptied and stopped.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use transom_local::{Client, Fault, FaultKind};

use crate::assert_snapshot;
use crate::program::Project;

/// A server that ends with the test.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(project: &Project) -> Self {
        Self::start_with(project, &[])
    }

    pub(crate) fn start_with(project: &Project, options: &[&str]) -> Self {
        Self::start_in(project, options, &[])
    }

    /// With variables in its environment.
    fn start_in(project: &Project, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let arguments = [&["local", "up", "--http-port", "0"], options].concat();
        let mut command: Command = project.command(&arguments);
        let child = command
            .envs(variables.iter().copied())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let server = Self(child);
        let begin = Instant::now();
        while project
            .run(&["local", "status"])
            .stdout
            .contains("not running")
        {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "the server does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Lets each statement with a text in it wait before it starts, however fast this machine is.
    pub(crate) fn slow_down(&self, project: &Project, contains: &str, by: Duration) {
        let status = project.run(&["local", "status", "--json"]).json();
        let endpoint = status["owner"]["endpoint"].as_str().expect("an endpoint");
        let milliseconds = by.as_millis().try_into().expect("some milliseconds");
        let fault = Fault {
            contains: contains.to_owned(),
            what: FaultKind::StayPicked(milliseconds),
            times: u32::MAX,
        };
        let client = Client::new(endpoint);
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let set = runtime.block_on(client.set_faults(&[fault]));
        set.expect("the server takes faults");
    }

    /// As Ctrl-C does; returns the exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        let process = i32::try_from(self.0.id()).expect("the number of a process");
        // SAFETY: sends a signal to a child that was not waited for.
        unsafe { libc::kill(process, libc::SIGINT) };
        self.0.wait().expect("the server ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_local_aws_is_started_asked_and_stopped() {
    let project = Project::empty();
    let server = Server::start(&project);
    let status = project.run(&["local", "status", "--json"]).json();
    let endpoint = status["owner"]["endpoint"]
        .as_str()
        .expect("an endpoint")
        .to_owned();
    assert_eq!(status["s3"]["buckets"], 0);

    let variables = project.run(&["local", "env"]).stdout;
    assert!(
        variables.contains(&format!("export AWS_ENDPOINT_URL={endpoint}\n")),
        "{variables}"
    );
    assert!(
        variables.contains("export AWS_ACCESS_KEY_ID=transom\n"),
        "{variables}"
    );

    let port = &status["owner"]["redshift_port"];
    assert!(
        variables.contains(&format!("export PGPORT={port}\n")),
        "{variables}"
    );
    assert_eq!(status["redshift"]["tables"], 0);

    let second = project.run(&["local", "up", "--http-port", "0"]);
    assert_eq!(second.code, 2, "{}", second.stderr);
    let number = server.0.id();
    let expected = format!("error: `.transom/local` is in use by process {number} ({endpoint})");
    assert!(second.stderr.contains(&expected), "{}", second.stderr);

    let expired = project.run(&["local", "lifecycle", "--at", "2030-01-01"]);
    assert_eq!(expired.stdout, "deleted 0 objects, aborted 0 uploads\n");
    assert_eq!(project.run(&["local", "reset"]).code, 0);
    assert_eq!(server.interrupt(), Some(0));
    assert_eq!(project.run(&["local", "status"]).stdout, "not running\n");
}

#[test]
fn without_a_server_the_data_can_be_deleted_and_nothing_else() {
    let project = Project::empty();
    let reset = project.run(&["local", "reset"]);
    assert_eq!(reset.code, 0, "{}", reset.stderr);
    let lifecycle = project.run(&["local", "lifecycle"]);
    assert_eq!(lifecycle.code, 2);
    assert!(
        lifecycle
            .stderr
            .contains("no local AWS runs on `.transom/local`"),
        "{}",
        lifecycle.stderr
    );
    project.write("other/file", "x");
    let foreign = project.run(&["local", "reset", "--data", "other"]);
    assert_eq!(foreign.code, 2);
    assert!(
        foreign
            .stderr
            .contains("is not a data folder of the local AWS"),
        "{}",
        foreign.stderr
    );
    assert!(project.path().join("other/file").exists());
}

#[test]
fn files_are_copied_into_a_bucket_and_out_of_it() {
    let project = Project::empty();
    project.write("data/a.txt", "one");
    project.write("data/below/b c+d.txt", "two");
    let copy = |from: &str, to: &str| {
        let ran = project.run(&["local", "cp", from, to]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr
    };
    assert_eq!(
        copy("data", "s3://raw/x/"),
        "copied 2 files to s3://raw/x/\n"
    );
    copy("data/a.txt", "s3://raw/y/");
    copy("data/a.txt", "s3://raw/z");
    copy("s3://raw/x/", "out");
    copy("s3://raw/z", "out/z");
    copy("s3://raw/y/a.txt", "out/y");
    let read = |path: &str| std::fs::read_to_string(project.path().join(path)).expect(path);
    assert_eq!(read("out/a.txt"), "one");
    assert_eq!(read("out/below/b c+d.txt"), "two");
    assert_eq!((read("out/y"), read("out/z")), ("one".into(), "one".into()));
    let wrong = project.run(&["local", "cp", "data", "elsewhere"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("one of the two places must be on S3"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn statements_run_on_the_local_redshift_whether_it_runs_or_not() {
    let project = Project::empty();
    project.write(
        "all.sql",
        "create table t (id int, name varchar(5), v numeric(6, 2));\n\
         -- a comment; with a semicolon\n\
         insert into t values (1, 'a;b', 1.5), (2, null, null);\n\
         select id, name, v, v as v from t order by id;",
    );
    let ran = project.run(&["local", "sql", "all.sql"]);
    assert_snapshot!(ran.all());
    let server = Server::start(&project);
    project.write("next.sql", "select count(*) from t; select 1 / 0; select 2");
    assert_snapshot!(project.run(&["local", "sql", "next.sql"]).all());
    project.write(
        "json.sql",
        "begin; delete from t where id = 1; select id from t; rollback",
    );
    let json = project.run(&["local", "sql", "json.sql", "--json"]).json();
    let tags: Vec<_> = json
        .as_array()
        .expect("a list")
        .iter()
        .map(|ran| &ran["tag"])
        .collect();
    assert_eq!(tags, ["BEGIN", "DELETE 1", "SELECT", "ROLLBACK"]);
    assert_eq!(json[2]["result"]["columns"][0]["type"], "integer");
    assert_eq!(json[2]["result"]["rows"], serde_json::json!([["2"]]));
    let failed = project.run(&["local", "sql", "next.sql", "--json"]);
    assert_eq!(failed.code, 1);
    assert_eq!(failed.json()["error"]["message"], "22012: division by zero");
    assert_eq!(project.run(&["local", "sql", "nope.sql"]).code, 2);
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
fn copy_and_unload_reach_another_s3() {
    let elsewhere = Project::empty();
    let _s3 = Server::start(&elsewhere);
    let status = elsewhere.run(&["local", "status", "--json"]).json();
    let endpoint = status["owner"]["endpoint"].as_str().expect("an endpoint");
    elsewhere.write("raw/one.csv", "1,a\n2,b\n");
    elsewhere.write("raw/two.csv", "3,c\n");
    let copied = elsewhere.run(&["local", "cp", "raw", "s3://lake/raw/"]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);

    let project = Project::empty();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "transom"),
        ("AWS_SECRET_ACCESS_KEY", "transom-local"),
        ("AWS_REGION", "us-east-1"),
    ];
    let options = ["--s3-endpoint", endpoint];
    let _server = Server::start_in(&project, &options, &variables);
    let run = |sql: &str| {
        project.write("all.sql", sql);
        project.run(&["local", "sql", "all.sql", "--json"]).json()
    };
    let loaded = run("create table t (id int, name varchar(5));\n\
         copy t from 's3://lake/raw/' iam_role default csv;\n\
         unload ('select name from t order by id') to 's3://lake/out/names_' iam_role default csv parallel off;\n\
         copy t from 's3://lake/raw/t' iam_role default csv;\n\
         select count(*) from t;");
    assert_eq!(loaded[4]["result"]["rows"], serde_json::json!([["4"]]));
    for (sql, expected) in [
        (
            "unload ('select name from t') to 's3://lake/out/names_' iam_role default csv",
            "Specified unload destination on S3 is not empty",
        ),
        (
            "copy t from 's3://nope/x' iam_role default csv",
            "The specified bucket does not exist: nope",
        ),
        (
            "copy t from 's3://lake/nope' iam_role default csv manifest",
            "it does not exist",
        ),
    ] {
        let failed = run(sql);
        let message = failed["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(expected), "{sql}: {failed}");
    }
    run(
        "unload ('select 1 from t where id = 1') to 's3://lake/out/names_' iam_role default csv parallel off cleanpath",
    );
    let copied = elsewhere.run(&["local", "cp", "s3://lake/out/", "out"]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let mut files = std::fs::read_dir(elsewhere.path().join("out")).expect("a folder");
    let file = files.next().expect("a file").expect("a file");
    assert_eq!(std::fs::read_to_string(file.path()).expect("a text"), "1\n");
    assert!(files.next().is_none());
    // The local S3 has none of it.
    let status = project.run(&["local", "status", "--json"]).json();
    assert_eq!(status["s3"]["buckets"], 0);

    let wrong = project.run(&["local", "up", "--s3-endpoint", "lake.example"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("expected `aws`, or an address"),
        "{}",
        wrong.stderr
    );
}

/// Each of these commands starts a local AWS more than once.
#[test]
fn what_was_loaded_locally_is_taken_back_although_nothing_runs() {
    let project = Project::empty();
    project.write(
        "transom.yaml",
        "name: taken_back\n\
         sources:\n\
         \x20 raw: { path: raw/, format: csv, incremental: new_files }\n\
         sinks:\n\
         \x20 lake: { from: raw, path: \"s3://lake/rows/\", format: parquet, mode: append }\n\
         \x20 mart: { from: raw, redshift: { table: analytics.rows_of_files, mode: append } }\n\
         targets:\n\
         \x20 local: {}\n",
    );
    project.write("raw/a.csv", "id,v\n1,1\n");
    let succeeds = |arguments: &[&str]| {
        let ran = project.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
    };
    succeeds(&["lock"]);
    succeeds(&["run", "--quiet"]);
    project.write("raw/b.csv", "id,v\n2,1\n");
    succeeds(&["run", "--quiet"]);
    succeeds(&["rewind", "--to", "1", "--yes"]);
    succeeds(&["reset", "--yes"]);
    succeeds(&["run", "--quiet"]);
    succeeds(&["verify"]);
    // Rows without a number of their entry could not be taken back.
    project.replace(
        "transom.yaml",
        "rows_of_files, mode: append",
        "rows_of_files, mode: merge, keys: [id], order_by: [v]",
    );
    project.write("raw/c.csv", "id,v\n3,1\n");
    let refused = project.run(&["run", "--quiet"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("were loaded with `mode: append`, and it is `merge` now"),
        "{}",
        refused.stderr
    );
}
