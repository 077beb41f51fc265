//! The policy that `transom template` derives from a pipeline: it allows all that a run asks of AWS, and what it allows is asked.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::invoke::{orders, succeeds};
use crate::local::Server;
use crate::program::Project;

/// Incremental by partitions, into a table with versions and by merging; the warehouse is a cluster.
const PERIODS: &str = "name: periods
sources:
  raw: { path: \"s3://raw/periods/\", format: csv, incremental: { by: period } }
  names: { path: \"s3://raw/names/*.csv\" }
steps:
  named: { sql: 'SELECT raw.id, raw.period, names.name FROM raw JOIN names ON raw.id = names.id' }
sinks:
  lake: { from: named, path: \"s3://lake/named/\", format: csv, partition_by: [period], mode: overwrite_partitions }
  table: { from: named, redshift: { table: public.named, mode: merge, keys: [id, period], order_by: [name] } }
targets:
  local: {}
  prod:
    aws: { region: eu-west-1 }
    state: { path: \"s3://lake/state/periods\" }
    redshift: { cluster: dwh, database: dev, db_user: loader, staging: \"s3://staging/periods\" }
";

/// Not in slices, with rows that a check finds.
const WHOLE: &str = "name: whole
sources:
  raw: { path: \"s3://raw/whole.csv\", checks: [{ accepted_values: { column: id, values: [1] }, severity: warn }] }
steps:
  doubled: { sql: 'SELECT id * 2 AS id FROM raw' }
sinks:
  lake: { from: doubled, path: \"s3://lake/whole\", format: parquet }
targets:
  prod: { aws: { region: eu-west-1 } }
";

/// A statement of the policy, with texts as IAM has them.
#[derive(Clone)]
struct Statement {
    sid: String,
    actions: Vec<String>,
    resources: Vec<String>,
    prefixes: Option<Vec<String>>,
}

impl Statement {
    fn allows(&self, access: &Value) -> bool {
        let text = |name: &str| access[name].as_str();
        let is_like = |patterns: &[String], text: &str| {
            patterns
                .iter()
                .any(|pattern| is_like(pattern.as_bytes(), text.as_bytes()))
        };
        let prefix_is_allowed = match (&self.prefixes, text("prefix")) {
            (Some(prefixes), Some(prefix)) => is_like(prefixes, prefix),
            // `StringLikeIfExists`
            _ => true,
        };
        let action = text("action").expect("an action");
        self.actions.iter().any(|allowed| allowed == action)
            && is_like(&self.resources, text("resource").expect("a resource"))
            && prefix_is_allowed
    }
}

/// A pattern of IAM: `*`, `?`, and both as themselves in `${*}` and `${?}`.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'$', b'{', letter, b'}', pattern @ ..], [first, text @ ..]) => {
            letter == first && is_like(pattern, text)
        }
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| is_like(rest, &text[at..])),
        ([b'?', pattern @ ..], [_, text @ ..]) => is_like(pattern, text),
        ([letter, pattern @ ..], [first, text @ ..]) => letter == first && is_like(pattern, text),
        _ => false,
    }
}

/// A text of the template with the parameters that the local AWS has. The stack is in its region, the data of targets in another one.
fn resolved(value: &Value) -> String {
    let parameters = [
        ("${AWS::Partition}", "aws"),
        ("${AWS::Region}", "us-east-1"),
        ("${AWS::AccountId}", "000000000000"),
        (
            "${WorkgroupArn}",
            "arn:aws:redshift-serverless:eu-west-1:000000000000:workgroup/dwh",
        ),
        ("${!", "${"),
    ];
    let text = value
        .get("Fn::Sub")
        .unwrap_or(value)
        .as_str()
        .expect("a text");
    let replaced = |text: String, (from, to): (&str, &str)| text.replace(from, to);
    parameters.into_iter().fold(text.to_owned(), replaced)
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(resolved)
        .collect()
}

/// What the role of COPY is to be allowed.
const COPY_POLICY: &str = "CopyPolicy";

/// The statements of the pipeline's policies, and of each whether it is said to be for some runs only.
fn policy(project: &Project) -> (Vec<Statement>, BTreeMap<String, bool>) {
    let text = template(project);
    let mut only = BTreeMap::new();
    let mut reason = "";
    for line in text.lines().map(str::trim) {
        reason = line.strip_prefix("# ").unwrap_or(reason);
        if let Some(sid) = line.strip_prefix("Sid: ") {
            only.insert(
                sid.trim_matches('"').to_owned(),
                reason.contains(" Only for "),
            );
        }
    }
    (statements(&text, |policy| policy != COPY_POLICY), only)
}

fn template(project: &Project) -> String {
    succeeds(project, &["template", "--target", "prod"]);
    std::fs::read_to_string(project.path().join("template.yaml")).expect("a template")
}

/// The statements of those of a template's policies that are chosen by their names.
fn statements(template: &str, is_chosen: impl Fn(&str) -> bool) -> Vec<Statement> {
    let template: Value = serde_saphyr::from_str(template).expect("YAML");
    let resources = template["Resources"].as_object().expect("resources");
    let policies = resources.iter().filter(|(name, resource)| {
        resource["Type"] == "AWS::IAM::ManagedPolicy" && is_chosen(name)
    });
    let statements = policies.flat_map(|(_, policy)| {
        let statements = &policy["Properties"]["PolicyDocument"]["Statement"];
        statements.as_array().expect("statements").clone()
    });
    let statements = statements.map(|statement| {
        let prefixes = &statement["Condition"]["StringLikeIfExists"]["s3:prefix"];
        Statement {
            sid: statement["Sid"].as_str().expect("a name").to_owned(),
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            prefixes: prefixes.is_array().then(|| texts(prefixes)),
        }
    });
    statements.collect()
}

/// Runs the function for `prod` until it is done, and says what it asked for.
fn asked(project: &Project, code: i32) -> Vec<Value> {
    // What an earlier run has asked for is not asked by this one.
    let _ = std::fs::remove_file(project.path().join("access.jsonl"));
    let server = Server::start_with(project, &["--access-log", "access.jsonl"]);
    let invoked = project.run(&["invoke", "--target", "prod", "--until-done"]);
    drop(server);
    assert_eq!(invoked.code, code, "{}", invoked.all());
    let accesses = logged(project).into_iter();
    // The command makes the buckets of the local AWS, not the function.
    let accesses = accesses.filter(|access| access["action"] != "s3:CreateBucket");
    accesses.collect()
}

/// Opens a backfill for `prod`, computes its shares and loads them, each by a process as a job of Batch is, and says what they asked for.
/// The first slice was loaded before, so that the buckets are there.
fn asked_by_jobs(project: &Project) -> Vec<Value> {
    let first = [
        "invoke",
        "--target",
        "prod",
        "--event",
        r#"{"max_slices": 1}"#,
    ];
    succeeds(project, &first);
    let server = Server::start_with(project, &["--access-log", "access.jsonl"]);
    let environment = succeeds(project, &["local", "env"]).stdout;
    let job = |index: Option<u64>, arguments: &[&str]| {
        let arguments = [&["--target", "prod"], arguments].concat();
        let mut command = project.command(&arguments);
        let exported = environment
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        command.envs(exported);
        if let Some(index) = index {
            command.env("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string());
        }
        let ran = project.outcome(command.output().expect("it starts"));
        assert_eq!(ran.code, 0, "{arguments:?}, share {index:?}: {}", ran.all());
        ran
    };
    let planned = job(None, &["backfill", "plan", "--shares", "3", "--json"]).json();
    let shares = planned["shares"].as_u64().expect("a number");
    assert!(shares > 1, "{planned}");
    for share in 0..shares {
        job(Some(share), &["run", "--batch", "--quiet"]);
    }
    let loaded = job(None, &["run", "--batch", "--json"]).json();
    assert_eq!(loaded["done"], true, "{loaded}");
    drop(server);
    logged(project)
}

/// What was asked of the local AWS.
fn logged(project: &Project) -> Vec<Value> {
    let log = std::fs::read_to_string(project.path().join("access.jsonl")).expect("a log");
    log.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// All of this is allowed.
fn check_allowed(project: &Project, accesses: &[Value]) {
    let (statements, _) = policy(project);
    for access in accesses {
        let is_allowed = statements.iter().any(|statement| statement.allows(access));
        assert!(is_allowed, "the policy does not allow {access}");
    }
}

/// COPY may read all that was staged for it. The local Redshift reads without asking.
fn check_copied(project: &Project, accesses: &[Value]) {
    let statements = statements(&template(project), |policy| policy == COPY_POLICY);
    let is_staged = |access: &&Value| {
        let resource = access["resource"].as_str().expect("a resource");
        access["action"] == "s3:PutObject" && resource.starts_with("arn:aws:s3:::staging/")
    };
    for access in accesses.iter().filter(is_staged) {
        let mut read = access.clone();
        read["action"] = "s3:GetObject".into();
        let is_allowed = statements.iter().any(|statement| statement.allows(&read));
        assert!(is_allowed, "COPY is not allowed {read}");
        let may_write = statements.iter().any(|statement| statement.allows(access));
        assert!(!may_write, "COPY is allowed {access}");
    }
}

/// All that a function asks for is allowed, and the other way round.
fn check(project: &Project) {
    let accesses = asked(project, 0);
    check_copied(project, &accesses);
    let (statements, only) = policy(project);
    let each = |statement: &Statement| {
        let actions = statement.actions.iter().map(|action| Statement {
            actions: vec![action.clone()],
            ..statement.clone()
        });
        actions.collect::<Vec<_>>()
    };
    let mut unused: Vec<Statement> = statements.iter().flat_map(each).collect();
    for access in &accesses {
        let is_allowed = statements.iter().any(|statement| statement.allows(access));
        assert!(is_allowed, "the policy does not allow {access}");
        unused.retain(|statement| !statement.allows(access));
    }
    let unused = unused.into_iter().filter(|statement| !only[&statement.sid]);
    let unused = unused.map(|statement| format!("{} {:?}", statement.sid, statement.actions));
    assert_eq!(
        unused.collect::<Vec<_>>(),
        Vec::<String>::new(),
        "allowed and not asked for"
    );
}

#[test]
fn tables_that_grow_need_what_their_policy_allows() {
    check(&orders(3));
}

#[test]
fn the_policy_allows_what_the_jobs_of_a_backfill_ask_for() {
    for project in [orders(4), periods("", "")] {
        let accesses = asked_by_jobs(&project);
        let asks = |what: &str| accesses.iter().any(|access| access["action"] == what);
        assert!(asks("s3:PutObject") && asks("s3:GetObject"));
        check_allowed(&project, &accesses);
    }
}

/// The pipeline with three periods, locked, and something else in its file.
fn periods(from: &str, to: &str) -> Project {
    let project = Project::empty();
    project.write("transom.yaml", PERIODS);
    project.replace("transom.yaml", from, to);
    for period in ["2024-01", "2024-02", "2024-03"] {
        project.write(&format!("raw/periods/period={period}/a.csv"), "id\n1\n2\n");
    }
    project.write("raw/names/a.csv", "id,name\n1,x\n2,y\n");
    succeeds(&project, &["local", "cp", "raw", "s3://raw/"]);
    succeeds(&project, &["lock"]);
    project
}

#[test]
fn tables_with_versions_and_merges_need_what_their_policy_allows() {
    check(&periods("", ""));
}

#[test]
fn a_target_without_a_region_is_asked_in_that_of_the_stack() {
    check(&periods("    aws: { region: eu-west-1 }\n", ""));
}

#[test]
fn a_secret_that_is_named_is_read_in_the_region_of_the_target() {
    check(&periods("db_user: loader", "secret_arn: loader"));
}

#[test]
fn whole_tables_need_what_their_policy_allows() {
    let project = Project::empty();
    project.write("transom.yaml", WHOLE);
    project.write("raw/whole.csv", "id\n1\n2\n");
    succeeds(&project, &["local", "cp", "raw", "s3://raw/"]);
    check(&project);
}

#[test]
fn parts_of_published_tables_and_sources_without_files_need_what_their_policy_allows() {
    let project = Project::empty();
    project.write("raw.csv", "id,month\n1,1\n2,2\n");
    project.write(
        "make.yaml",
        "name: make
sources: { raw: { path: raw.csv } }
sinks: { daily: { from: raw, path: \"s3://lake/daily\", format: csv, partition_by: [month] } }
",
    );
    succeeds(&project, &["--file", "make.yaml", "run", "--quiet"]);
    for (path, code) in [
        ("s3://lake/daily/month=1/", 0),
        ("s3://lake/daily/month=1/*.csv", 0),
        ("s3://lake/daily/month=*/*.csv", 0),
        ("s3://lake/shop/none/", 1),
        ("s3://lake/shop/none/no*.csv", 1),
    ] {
        let part = format!(
            "name: part
sources: {{ part: {{ path: \"{path}\", format: csv, columns: {{ id: int64 }} }} }}
steps: {{ ids: {{ sql: SELECT id FROM part }} }}
sinks: {{ ids: {{ from: ids, path: \"s3://lake/ids\", format: csv }} }}
targets: {{ prod: {{ aws: {{ region: eu-west-1 }} }} }}
"
        );
        project.write("transom.yaml", part);
        check_allowed(&project, &asked(&project, code));
    }
}

#[test]
fn patterns_of_iam_escape_their_letters() {
    assert!(is_like(b"a/*", b"a/b/c") && is_like(b"a?", b"ab") && is_like(b"a/${*}x", b"a/*x"));
    assert!(!is_like(b"a/${*}x", b"a/bx") && !is_like(b"a/*", b"ab"));
}
