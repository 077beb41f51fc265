//! What has changed between two runs: the pipeline, its tables, where they are. No rows are lost or doubled by it.

use std::time::{Duration, SystemTime};

use super::shapes::collect_emptied;
use super::{
    APPEND, BY, NEW, PARTITIONS, one_file_a_slice, pipeline, refuses, rows_in, with_slices,
};
use crate::assert_snapshot;
use crate::invoke::succeeds;
use crate::program::Project;

#[test]
fn a_project_is_moved_and_copied_with_its_state() {
    for (source, sink) in [(NEW, APPEND), (BY, PARTITIONS)] {
        let project = pipeline(source, "SELECT * FROM raw", sink);
        assert_eq!(project.run(&["lock"]).code, 0);
        for day in ["02", "03"] {
            succeeds(&project, &["run", "--quiet"]);
            let file = format!("raw/day=2024-01-{day}/a.csv");
            project.write(&file, "customer,amount\nc,3\n");
        }
        succeeds(&project, &["run", "--quiet"]);
        let whole = rows_in(&project.path().join("out"));
        // A copy is another project from then on.
        let copy = Project::empty();
        let copied = std::process::Command::new("cp")
            .args(["-a", "."])
            .arg(copy.path())
            .current_dir(project.path())
            .status();
        assert!(copied.expect("cp runs").success());
        succeeds(&copy, &["reset", "--yes"]);
        assert_eq!(rows_in(&copy.path().join("out")), 0, "{sink}");
        succeeds(&copy, &["run", "--quiet"]);
        assert_eq!(rows_in(&project.path().join("out")), whole, "{sink}");
        let nothing = project.run(&["run"]);
        assert!(nothing.stderr.contains("nothing new"), "{}", nothing.all());
        for of in [&project, &copy] {
            succeeds(of, &["verify"]);
        }
        assert_eq!(rows_in(&copy.path().join("out")), whole, "{sink}");
    }
}

#[test]
fn a_table_that_is_not_where_it_was_is_an_error() {
    let project = with_slices();
    project.replace("transom.yaml", "path: out", "path: other");
    let refused = project.run(&["run"]);
    assert_snapshot!("table_elsewhere", refused.all());
    let rewind = project.run(&["reset", "--yes"]);
    assert_snapshot!("table_elsewhere_reset", rewind.all());
    project.replace("transom.yaml", "path: other", "path: out");
    // Nothing of it stands in the log.
    succeeds(&project, &["run", "--quiet"]);
    std::fs::rename(project.path().join("out"), project.path().join("other")).expect("it moves");
    let beside = |name: &str| project.path().join(format!(".{name}.transom"));
    std::fs::rename(beside("out"), beside("other")).expect("it moves");
    project.replace("transom.yaml", "path: out", "path: other");
    succeeds(&project, &["verify"]);
    succeeds(&project, &["reset", "--yes"]);
    project.replace("transom.yaml", "path: other", "path: third");
    succeeds(&project, &["run", "--quiet"]);
    assert_eq!(rows_in(&project.path().join("third")), 4);
}

#[test]
fn a_source_with_another_name_or_path_loads_nothing_twice() {
    let project = with_slices();
    succeeds(&project, &["run", "--quiet"]);
    let whole = rows_in(&project.path().join("out"));
    let root = project.path().display().to_string();
    let beside = project.path().with_extension("beside");
    std::os::unix::fs::symlink(project.path(), &beside).expect("a link");
    let folder = project.path().file_name().expect("it has a name");
    let paths = [
        "./raw/".to_owned(),
        format!("{root}/raw"),
        format!("{root}/raw/*/*.csv"),
        format!("../{}/raw", folder.display()),
        format!("{}/raw", beside.display()),
    ];
    for path in paths {
        project.replace("transom.yaml", "path: raw/", &format!("path: \"{path}\""));
        succeeds(&project, &["lock"]);
        let ran = project.run(&["run"]);
        let is_same = ran.stderr.contains("nothing new");
        assert!(
            is_same || ran.stderr.contains("was loaded before, as `raw/day="),
            "{path}: {}",
            ran.all()
        );
        assert_eq!(rows_in(&project.path().join("out")), whole, "{path}");
        project.replace("transom.yaml", &format!("path: \"{path}\""), "path: raw/");
    }
    std::fs::remove_file(beside).expect("a link");
    succeeds(&project, &["lock"]);
    let said = "was loaded before, from the source `raw`, as `raw/day=";
    refuses(&project, said, |project| {
        for (from, to) in [("raw: {", "orders: {"), ("FROM raw", "FROM orders")] {
            project.replace("transom.yaml", from, to);
        }
        succeeds(project, &["lock"]);
    });
    // The way out that it names.
    project.replace(
        "transom.yaml",
        "incremental: new_files",
        "incremental: new_files, on_change: ignore",
    );
    project.write("raw/day=2024-01-09/a.csv", "customer,amount\nc,3\n");
    succeeds(&project, &["run", "--quiet"]);
    assert_eq!(rows_in(&project.path().join("out")), whole + 1);
}

/// Writes a file as of a whole second of 1970, in the project or on its local S3.
fn put(project: &Project, root: &str, path: &str, text: &str, second: u64) {
    let (folder, name) = path.rsplit_once('/').expect("a folder");
    let file = match root.starts_with("s3://") {
        true => format!("copied/{name}"),
        false => format!("{root}{path}"),
    };
    project.write(&file, text);
    let file = project.path().join(file);
    match root.starts_with("s3://") {
        true => {
            let to = format!("{root}{folder}/");
            succeeds(project, &["local", "cp", &file.display().to_string(), &to]);
        }
        false => {
            let opened = std::fs::File::options().write(true).open(file);
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let changed = opened.expect("the file is opened").set_modified(then);
            changed.expect("its time is changed");
        }
    }
}

/// A pipeline that appends the files of these sources.
fn of_sources(project: &Project, sources: &[(&str, &str)], on_change: &str) {
    let lines = sources.iter().map(|(name, path)| {
        format!("  {name}: {{ path: \"{path}\", format: csv, columns: {{ id: int64 }}, incremental: new_files, on_change: {on_change} }}\n")
    });
    let queries = sources
        .iter()
        .map(|(name, _)| format!("SELECT id FROM {name}"));
    let queries: Vec<String> = queries.collect();
    let yaml = format!(
        "name: p\nsources:\n{}steps: {{ s: {{ sql: \"{}\" }} }}\nsinks: {{ out: {{ from: s, path: out, format: parquet, mode: append }} }}\n",
        lines.collect::<String>(),
        queries.join(" UNION ALL ")
    );
    project.write("transom.yaml", yaml);
    succeeds(project, &["lock"]);
}

#[test]
fn a_source_that_is_made_narrower_takes_no_new_file_for_an_old_one() {
    for root in ["raw/", "s3://raw/"] {
        let project = Project::empty();
        let loaded = || rows_in(&project.path().join("out"));
        put(&project, root, "eu/day=1/a.csv", "id\n1\n", 0);
        put(&project, root, "eu/day=2/a.csv", "id\n1\n", 0);
        of_sources(&project, &[("raw", root)], "ignore");
        succeeds(&project, &["run"]);
        assert_eq!(loaded(), 2, "{root}");
        // Of the same content, and of the same second. The other one is not listed any more, but it is there.
        let narrow = format!("{root}us/");
        put(&project, root, "us/day=1/a.csv", "id\n1\n", 0);
        of_sources(&project, &[("raw", narrow.as_str())], "ignore");
        succeeds(&project, &["run"]);
        assert_eq!(loaded(), 3, "{root}");
        // What was loaded is not there any more: it may have been moved.
        put(&project, root, "us/day=2/a.csv", "id\n1\n", 0);
        put(&project, root, "eu/day=2/a.csv", "id\n22\n", 5);
        of_sources(&project, &[("raw", narrow.as_str())], "fail");
        let ran = project.run(&["run"]);
        let said = "us/day=2/a.csv` was loaded before, as `";
        assert!(ran.stderr.contains(said), "{root}: {}", ran.all());
        of_sources(&project, &[("raw", narrow.as_str())], "ignore");
        succeeds(&project, &["run"]);
        assert_eq!(loaded(), 3, "{root}");
    }
}

#[test]
fn a_source_that_is_divided_takes_no_new_file_for_an_old_one() {
    for root in ["raw/", "s3://raw/"] {
        let project = Project::empty();
        put(&project, root, "eu/day=1/a.csv", "id\n1\n", 0);
        of_sources(&project, &[("raw", root)], "ignore");
        succeeds(&project, &["run"]);
        put(&project, root, "us/day=1/a.csv", "id\n1\n", 0);
        let (eu, us) = (format!("{root}eu/"), format!("{root}us/"));
        of_sources(
            &project,
            &[("eu", eu.as_str()), ("us", us.as_str())],
            "ignore",
        );
        // The one part lists what was loaded, the other one a file that is like it.
        for _ in 0..2 {
            succeeds(&project, &["run"]);
            assert_eq!(rows_in(&project.path().join("out")), 2, "{root}");
        }
    }
}

#[test]
fn a_file_that_is_moved_within_its_source_is_not_loaded_again() {
    let project = Project::empty();
    put(&project, "raw/", "in/day=1/a.csv", "id\n1\n", 0);
    of_sources(&project, &[("raw", "raw/")], "fail");
    succeeds(&project, &["run"]);
    let raw = project.path().join("raw");
    std::fs::create_dir(raw.join("done")).expect("a folder");
    std::fs::rename(raw.join("in/day=1"), raw.join("done/day=1")).expect("it moves");
    // Another one has come into its place.
    put(&project, "raw/", "in/day=1/a.csv", "id\n22\n", 5);
    let ran = project.run(&["run"]);
    let said = "`raw/done/day=1/a.csv` was loaded before, as `raw/in/day=1/a.csv`";
    assert!(ran.stderr.contains(said), "{}", ran.all());
    of_sources(&project, &[("raw", "raw/")], "ignore");
    succeeds(&project, &["run"]);
    assert_eq!(rows_in(&project.path().join("out")), 1);
}

#[test]
fn files_of_a_table_that_grows_have_one_shape() {
    let changes = [
        (
            "format: parquet, mode",
            "format: json, mode",
            "its files were parquet, and are json now",
        ),
        (
            "mode: append",
            "mode: append, partition_by: [customer]",
            "it was partitioned by nothing, and is by `customer` now",
        ),
        (
            "SELECT *",
            "SELECT customer, CAST(amount AS VARCHAR) AS amount",
            "column `amount` was int64, and is utf8 now",
        ),
    ];
    for (from, to, said) in changes {
        let project = pipeline(NEW, "SELECT * FROM raw", APPEND);
        succeeds(&project, &["lock"]);
        refuses(&project, said, |project| {
            project.replace("transom.yaml", from, to);
            project.write("raw/day=2024-01-02/a.csv", "customer,amount\nc,3\n");
        });
        // The way out that it names.
        succeeds(&project, &["reset", "--yes"]);
        collect_emptied(&project);
        succeeds(&project, &["run", "--quiet"]);
    }
    let project = with_slices();
    project.replace("transom.yaml", "SELECT *", "SELECT *, 1 AS more");
    succeeds(&project, &["run", "--quiet"]);
}

/// A pipeline over CSV files in folders `p=..`, with a table that it partitions by them.
fn by_p(sink: &str) -> Project {
    let project = Project::empty();
    project.write(
        "transom.yaml",
        format!(
            "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, p: utf8 }}, incremental: {{ by: p }} }} }}
sinks: {{ out: {{ from: raw, path: out, {sink}, mode: overwrite_partitions, partition_by: [p] }} }}
"
        ),
    );
    project
}

/// The rows of the table of `by_p`, sorted.
fn rows_of_out(project: &Project) -> String {
    project.write(
        "rows.yaml",
        "name: rows
sources: { out: { path: out/, format: parquet, columns: { id: int64, p: utf8 } } }
steps: { rows: { sql: 'SELECT id, p FROM out ORDER BY id' } }
sinks: { rows: { from: rows, path: rows, format: csv } }
",
    );
    succeeds(project, &["run", "--quiet", "--file", "rows.yaml"]);
    std::fs::read_to_string(project.path().join("rows/part-00000-00000.csv")).unwrap()
}

#[test]
fn a_slice_without_rows_keeps_the_partition_of_null() {
    let project = by_p("format: parquet");
    project.write("raw/p=__HIVE_DEFAULT_PARTITION__/1.csv", "id\n3\n");
    project.write("raw/p=a/1.csv", "id\n1\n");
    project.write("raw/p=b/1.csv", "id\n2\n");
    succeeds(&project, &["lock"]);
    succeeds(&project, &["run"]);
    assert_eq!(rows_of_out(&project), "id,p\n1,a\n2,b\n3,\n");
    project.write("raw/p=a/1.csv", "id\n");
    succeeds(&project, &["run"]);
    assert_eq!(rows_of_out(&project), "id,p\n2,b\n3,\n");
    succeeds(&project, &["verify"]);
    project.write("raw/p=c/1.csv", "id\n4\n");
    succeeds(&project, &["run"]);
    assert_eq!(rows_of_out(&project), "id,p\n2,b\n3,\n4,c\n");
}

#[test]
fn tables_of_partitions_have_one_shape() {
    let changes = [
        // What is one partition now were two.
        (
            "p: utf8",
            "p: int64",
            "column `p` was utf8, and is int64 now",
        ),
        (
            "id: int64",
            "id: float64",
            "column `id` was int64, and is float64 now",
        ),
        (
            "format: parquet",
            "format: csv",
            "its files were parquet, and are csv now",
        ),
    ];
    for (from, to, said) in changes {
        let project = by_p("format: parquet");
        project.write("raw/p=1/1.csv", "id\n1\n");
        project.write("raw/p=01/1.csv", "id\n2\n");
        succeeds(&project, &["lock"]);
        refuses(&project, said, |project| {
            let text = std::fs::read_to_string(project.path().join("transom.yaml")).unwrap();
            let (sources, sinks) = text.split_once("sinks").unwrap();
            let changed = match from.starts_with("format") {
                true => format!("{sources}sinks{}", sinks.replace(from, to)),
                false => text.replace(from, to),
            };
            project.write("transom.yaml", changed);
            succeeds(project, &["lock"]);
            project.write("raw/p=01/2.csv", "id\n3\n");
        });
        succeeds(&project, &["reset", "--yes"]);
        succeeds(&project, &["run"]);
    }
}

#[test]
fn a_table_of_partitions_takes_other_partitions_after_a_reset() {
    let project = Project::empty();
    let write = |by: &str| {
        project.write(
            "transom.yaml",
            format!(
                "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, q: utf8, p: utf8 }}, incremental: {{ by: p }} }} }}
sinks: {{ out: {{ from: raw, path: out, format: parquet, mode: overwrite_partitions, partition_by: [{by}] }} }}
"
            ),
        );
    };
    project.write("raw/p=a/1.csv", "id,q\n1,x\n2,y\n");
    project.write("raw/p=b/1.csv", "id,q\n3,x\n");
    write("p");
    succeeds(&project, &["lock"]);
    let said = "it was partitioned by `p`, and is by `q`, `p` now";
    refuses(&project, said, |project| {
        write("q, p");
        project.write("raw/p=b/2.csv", "id,q\n4,y\n");
    });
    succeeds(&project, &["reset", "--yes"]);
    succeeds(&project, &["run"]);
    let out = project.path().join("out");
    assert_eq!(rows_in(&out), 4);
    assert!(out.join("q=y/p=b").is_dir() && !out.join("p=b").exists());
    succeeds(&project, &["verify"]);
}

#[test]
fn delimited_files_that_grow_are_written_in_one_way() {
    let changes = [
        (
            "csv: { null: NA }",
            "written with null ``, and are with `NA` now",
        ),
        (
            "csv: { delimiter: \";\" }",
            "written with delimiter `,`, and are with `;` now",
        ),
        (
            "csv: { header: false }",
            "written with header `true`, and are with `false` now",
        ),
    ];
    for (csv, said) in changes {
        let project = one_file_a_slice(&[("a", "1,10\n")]);
        project.replace(
            "transom.yaml",
            "path: out, format: parquet",
            "path: out, format: csv",
        );
        refuses(&project, said, |project| {
            project.replace(
                "transom.yaml",
                "format: csv, mode",
                &format!("format: csv, {csv}, mode"),
            );
            project.write("raw/b.csv", "id,amount\n2,20\n");
        });
    }
    // Without a header, columns are where they were.
    let project = one_file_a_slice(&[("a", "1,10\n")]);
    let sink = "path: out, format: csv, csv: { header: false }";
    project.replace("transom.yaml", "path: out, format: parquet", sink);
    let said = "written with columns `id, amount`, and are with `amount, id` now";
    refuses(&project, said, |project| {
        project.replace(
            "transom.yaml",
            "sinks: { out: { from: raw,",
            "steps: { s: { sql: \"SELECT amount, id FROM raw\" } }\nsinks: { out: { from: s,",
        );
        project.write("raw/b.csv", "id,amount\n2,20\n");
    });
}

#[test]
fn columns_of_files_that_grow_differ_in_more_than_capitals() {
    let project = one_file_a_slice(&[("a", "1,10\n")]);
    let said = "it has a column `amount`, and one `Amount` comes, which readers take for the same";
    refuses(&project, said, |project| {
        project.replace(
            "transom.yaml",
            "sinks: { out: { from: raw,",
            "steps: { s: { sql: 'SELECT id, amount AS \"Amount\" FROM raw' } }\nsinks: { out: { from: s,",
        );
        project.write("raw/b.csv", "id,amount\n2,20\n");
    });
}
