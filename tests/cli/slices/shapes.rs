//! What the rows of a table that is loaded in slices have in common: types of partitions, shapes of files, columns that say which rows a load
//! replaces, and the sink that the table belongs to. What would mix two kinds is refused before it is decided.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::invoke::succeeds;
use crate::program::Project;

/// Has all files below a folder be written three days ago.
fn make_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("the folder is read") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => make_old(&path),
            false => {
                let then = SystemTime::now() - Duration::from_secs(3 * 24 * 60 * 60);
                let file = File::options().write(true).open(&path);
                let changed = file.expect("the file is opened").set_modified(then);
                changed.expect("its time is changed");
            }
        }
    }
}

/// Deletes the files without rows that a rewind has put into the table `out`, as if it had been days ago.
pub(super) fn collect_emptied(project: &Project) {
    make_old(&project.path().join("out"));
    succeeds(project, &["gc", "--yes", "--older-than", "1d"]);
}

/// Runs the pipeline, which must end with an error that says this.
fn refused(project: &Project, arguments: &[&str], said: &str) -> String {
    let ran = project.run(arguments);
    assert_ne!(ran.code, 0, "{arguments:?}: {}", ran.all());
    assert!(ran.stderr.contains(said), "{}", ran.all());
    ran.stderr
}

/// The rows of `out`, as this query gives them.
fn rows_of(project: &Project, source: &str, sql: &str) -> String {
    project.write(
        "rows.yaml",
        format!(
            "name: rows
sources: {{ out: {{ path: out/, {source} }} }}
steps: {{ rows: {{ sql: \"{sql}\" }} }}
sinks: {{ rows: {{ from: rows, path: rows, format: csv }} }}
"
        ),
    );
    succeeds(project, &["run", "--quiet", "--file", "rows.yaml"]);
    std::fs::read_to_string(project.path().join("rows/part-00000-00000.csv")).expect("the rows")
}

/// What a query in the local Redshift gives.
fn sql(project: &Project, text: &str) -> String {
    project.write("ask.sql", text);
    succeeds(project, &["local", "sql", "ask.sql"]).stdout
}

fn tail(project: &Project) -> u64 {
    let history = succeeds(project, &["state", "history", "--json"]).json();
    history["tail"].as_u64().expect("a number")
}

/// A pipeline that appends one file after the other, with columns `id` and `v`, both as they are in the files.
fn appending(expressions: &str, sink: &str) -> Project {
    let project = Project::empty();
    project.write("raw/1.csv", "id,v\n1,001\n");
    select(&project, expressions, sink);
    succeeds(&project, &["lock"]);
    project
}

fn select(project: &Project, expressions: &str, sink: &str) {
    project.write(
        "transom.yaml",
        format!(
            "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, v: utf8 }}, incremental: new_files }} }}
steps: {{ s: {{ sql: \"SELECT {expressions} FROM raw\" }} }}
sinks: {{ out: {{ from: s, path: out, {sink}, mode: append }} }}
slices: {{ files: 1 }}
"
        ),
    );
}

const PARQUET: &str = "format: parquet";
const NUMBER: &str = "id, CAST(v AS BIGINT) AS v";
const TEXT: &str = "id, v";
const WAS_NUMBER: &str = "column `v` was int64, and is utf8 now";

/// Two sources that are read by partition, `a` by `p` and `b` by `q`, and their join.
fn joined(incremental: bool, p: &str, q: &str) -> String {
    let by = |column: &str| match incremental {
        true => format!(", incremental: {{ by: {column} }}"),
        false => String::new(),
    };
    let mode = match incremental {
        true => ", mode: overwrite_partitions",
        false => "",
    };
    format!(
        "name: p
sources:
  a: {{ path: raw/a/, format: csv, columns: {{ id: int64, p: \"{p}\" }}{} }}
  b: {{ path: raw/b/, format: csv, columns: {{ id: int64, q: \"{q}\" }}{} }}
steps: {{ s: {{ sql: \"SELECT a.p, a.id, b.id AS bid FROM a JOIN b ON a.p = b.q\" }} }}
sinks: {{ out: {{ from: s, path: out, format: parquet, partition_by: [p]{mode} }} }}
",
        by("p"),
        by("q")
    )
}

#[test]
fn partitions_of_all_sources_are_of_one_type() {
    for (p, value, q, other) in [
        ("int64", "1", "decimal(10,2)", "1"),
        ("int64", "1", "utf8", "01"),
        ("date", "2024-01-01", "utf8", "2024-01-01 00%3A00%3A00"),
    ] {
        let project = Project::empty();
        project.write(&format!("raw/a/p={value}/1.csv"), "id\n1\n");
        project.write(&format!("raw/b/q={other}/1.csv"), "id\n100\n");
        project.write("transom.yaml", joined(false, p, q));
        succeeds(&project, &["lock"]);
        project.write("transom.yaml", joined(true, p, q));
        let said = format!(
            "the partitions of the sources `a` and `b` cannot be compared: `p` of `a` is {p}, and `q` of `b` is {q}"
        );
        let error = refused(&project, &["check"], &said);
        let hint = format!("`columns: {{ q: {p} }}` in `b`");
        assert!(error.contains(&hint), "{error}");
    }
}

#[test]
fn folders_of_one_value_are_one_partition() {
    let project = Project::empty();
    project.write("raw/a/p=1/1.csv", "id\n1\n");
    project.write("raw/b/q=01/1.csv", "id\n100\n");
    project.write("transom.yaml", joined(true, "int64", "int64"));
    succeeds(&project, &["lock"]);
    succeeds(&project, &["run"]);
    let rows = |project: &Project| {
        rows_of(
            project,
            "format: parquet",
            "SELECT id, bid FROM out ORDER BY id",
        )
    };
    assert_eq!(rows(&project), "id,bid\n1,100\n");
    // A late file of the one makes the files of the other be read, too, and the other way round.
    project.write("raw/a/p=+1/2.csv", "id\n2\n");
    succeeds(&project, &["run"]);
    assert_eq!(rows(&project), "id,bid\n1,100\n2,100\n");
    project.write("raw/b/q=1/2.csv", "id\n200\n");
    succeeds(&project, &["run"]);
    assert_eq!(rows(&project).lines().count(), 1 + 4);
}

/// Computes a slice, and leaves it to be loaded; its attempt.
fn stage(project: &Project) -> String {
    let output = project
        .command(&["run", "--stage-only", "--quiet"])
        .output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let attempt = String::from_utf8(output.stdout).expect("text");
    attempt.trim_end().to_owned()
}

#[test]
fn a_table_has_the_shape_of_what_was_loaded_and_not_of_what_was_staged() {
    // Of two slices that were staged before the first entry, the first one is loaded.
    let project = appending(NUMBER, PARQUET);
    let number = stage(&project);
    select(&project, TEXT, PARQUET);
    stage(&project);
    succeeds(&project, &["load", &number]);
    project.write("raw/2.csv", "id,v\n2,002\n");
    refused(&project, &["run"], WAS_NUMBER);
    assert_eq!(tail(&project), 2);
    select(&project, NUMBER, PARQUET);
    succeeds(&project, &["run"]);
    succeeds(&project, &["verify"]);

    // What never came into the log leaves nothing behind.
    let project = appending(TEXT, PARQUET);
    succeeds(&project, &["run"]);
    project.write("raw/2.csv", "id,v\n2,002\n");
    select(&project, "id, v, 1 AS w", PARQUET);
    stage(&project);
    select(&project, "id, v, 'x' AS w", PARQUET);
    succeeds(&project, &["run"]);
    let sql = "SELECT id, w FROM out ORDER BY id";
    assert_eq!(rows_of(&project, PARQUET, sql), "id,w\n1,\n2,x\n");
    // From then on it counts.
    project.write("raw/3.csv", "id,v\n3,003\n");
    select(&project, "id, v, 1 AS w", PARQUET);
    refused(&project, &["run"], "column `w` was utf8, and is int64 now");
    succeeds(&project, &["verify"]);
}

#[test]
fn a_note_of_a_shape_that_was_changed_is_found_before_a_slice_is_decided() {
    let project = appending(NUMBER, PARQUET);
    succeeds(&project, &["run"]);
    project.write("raw/2.csv", "id,v\n2,002\n");
    let attempt = stage(&project);
    let name = ".out.transom/shape.00000000000000000002";
    let note = std::fs::read(project.path().join(name)).expect("the note");
    project.write(name, "{");
    let said = "shape.$DIGEST`, which says what all files of the table have in common";
    refused(&project, &["load", &attempt], said);
    assert_eq!(tail(&project), 2);
    project.write(name, note);
    succeeds(&project, &["load", &attempt]);
    succeeds(&project, &["verify"]);
}

#[test]
fn a_note_of_an_earlier_version_holds() {
    let project = appending(NUMBER, PARQUET);
    succeeds(&project, &["run"]);
    let beside = project.path().join(".out.transom");
    let note = beside.join("shape.00000000000000000002");
    std::fs::rename(note, beside.join("shape")).expect("the note is renamed");
    project.write("raw/2.csv", "id,v\n2,002\n");
    select(&project, TEXT, PARQUET);
    refused(&project, &["run"], WAS_NUMBER);
    succeeds(&project, &["verify"]);
    select(&project, &format!("{NUMBER}, 1 AS w"), PARQUET);
    succeeds(&project, &["run"]);
    assert!(beside.join("shape.00000000000000000003").exists());
    project.write("raw/3.csv", "id,v\n3,003\n");
    for (more, said) in [
        ("'x' AS w", "column `w` was int64, and is utf8 now"),
        // In a text of YAML.
        ("1 AS \\\"W\\\"", "it has a column `w`, and one `W` comes"),
    ] {
        select(&project, &format!("{NUMBER}, {more}"), PARQUET);
        refused(&project, &["run"], said);
    }
    succeeds(&project, &["verify"]);
}

#[test]
fn shares_that_were_computed_by_other_pipelines_are_not_loaded_beside_one_another() {
    let by_partition = |v: &str| {
        format!(
            "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, v: utf8, p: int64 }}, incremental: {{ by: p }} }} }}
steps: {{ s: {{ sql: \"SELECT id, {v} AS v, p FROM raw\" }} }}
sinks: {{ out: {{ from: s, path: out, format: parquet, partition_by: [p], mode: overwrite_partitions }} }}
slices: {{ files: 1 }}
"
        )
    };
    for is_by_partition in [false, true] {
        let project = Project::empty();
        for share in 1..=2 {
            let file = match is_by_partition {
                true => format!("raw/p={share}/a.csv"),
                false => format!("raw/{share}.csv"),
            };
            project.write(&file, format!("id,v\n{share},00{share}\n"));
        }
        let write = |is_number: bool| match (is_by_partition, is_number) {
            (true, true) => project.write("transom.yaml", by_partition("CAST(v AS BIGINT)")),
            (true, false) => project.write("transom.yaml", by_partition("v")),
            (false, true) => select(&project, NUMBER, PARQUET),
            (false, false) => select(&project, TEXT, PARQUET),
        };
        write(true);
        succeeds(&project, &["lock"]);
        succeeds(&project, &["backfill", "plan"]);
        succeeds(&project, &["run", "--batch", "--share", "0"]);
        write(false);
        succeeds(&project, &["run", "--batch", "--share", "1"]);
        let error = refused(&project, &["run", "--batch"], WAS_NUMBER);
        assert!(error.contains("transom backfill end"), "{error}");
        // The open entry, the backfill, and its first share.
        assert_eq!(tail(&project), 3, "{is_by_partition}");
        write(true);
        refused(&project, &["run", "--batch"], WAS_NUMBER);
        succeeds(&project, &["backfill", "end", "--yes"]);
        succeeds(&project, &["run"]);
        succeeds(&project, &["verify"]);
        let sql = "SELECT id, v FROM out ORDER BY id";
        let rows = rows_of(&project, "format: parquet", sql);
        assert_eq!(rows, "id,v\n1,1\n2,2\n", "{is_by_partition}");
    }
}

#[test]
fn files_without_rows_that_a_reset_leaves_are_of_the_tables_kind() {
    let project = appending(NUMBER, PARQUET);
    succeeds(&project, &["run"]);
    project.write("raw/2.csv", "id,v\n2,002\n");
    succeeds(&project, &["run"]);
    succeeds(&project, &["reset", "--yes"]);
    select(&project, TEXT, PARQUET);
    let error = refused(&project, &["run"], WAS_NUMBER);
    assert!(
        error.contains("transom gc --yes --older-than 1d"),
        "{error}"
    );
    // A gc leaves them as long as a copy that was under way may be carried out.
    let all = ["gc", "--yes", "--older-than", "1ms", "--json"];
    succeeds(&project, &all);
    refused(&project, &["run"], WAS_NUMBER);
    succeeds(&project, &["verify"]);
    // And as long as others may not have seen that what they have read is changed.
    make_old(&project.path().join("out"));
    succeeds(&project, &["gc", "--yes"]);
    refused(&project, &["run"], WAS_NUMBER);
    let gc = succeeds(&project, &["gc", "--yes", "--older-than", "1d", "--json"]);
    let gc = gc.json();
    let garbage = gc["garbage"].as_array().expect("a list").iter();
    let emptied = garbage.filter(|garbage| garbage["why"] == "emptied");
    assert_eq!(emptied.count(), 2, "{gc}");
    succeeds(&project, &["verify"]);
    succeeds(&project, &["run"]);
    succeeds(&project, &["verify"]);
    let sql = "SELECT id, v FROM out ORDER BY id";
    let texts = "id,v\n1,001\n2,002\n";
    assert_eq!(rows_of(&project, PARQUET, sql), texts);

    // What was taken back once does not come back with the next reset.
    succeeds(&project, &["reset", "--yes"]);
    succeeds(&project, &["verify"]);
    succeeds(&project, &["run"]);
    assert_eq!(rows_of(&project, PARQUET, sql), texts);
    succeeds(&project, &["verify"]);
}

#[test]
fn another_path_is_a_way_out_after_a_reset() {
    let project = appending(NUMBER, PARQUET);
    succeeds(&project, &["run"]);
    succeeds(&project, &["reset", "--yes"]);
    select(&project, TEXT, PARQUET);
    project.replace("transom.yaml", "path: out,", "path: other,");
    succeeds(&project, &["run"]);
    succeeds(&project, &["verify"]);
    succeeds(&project, &["reset", "--yes"]);
    succeeds(&project, &["run"]);
    succeeds(&project, &["verify"]);
}

#[test]
fn a_column_has_the_type_that_is_written() {
    // A column of nothing but NULL is written as text.
    let project = appending("id, NULL AS note", PARQUET);
    succeeds(&project, &["run"]);
    project.write("raw/2.csv", "id,v\n2,002\n");
    select(&project, "id, 'x' AS note", PARQUET);
    succeeds(&project, &["run"]);
    let sql = "SELECT id, note FROM out ORDER BY id";
    assert_eq!(rows_of(&project, PARQUET, sql), "id,note\n1,\n2,x\n");
    project.write("raw/3.csv", "id,v\n3,003\n");
    select(&project, "id, 1 AS note", PARQUET);
    refused(
        &project,
        &["run"],
        "column `note` was utf8, and is int64 now",
    );
}

#[test]
fn files_of_csv_have_the_same_columns() {
    for (expressions, columns) in [("id, v, 1 AS w", "id, v, w"), ("id", "id")] {
        let project = appending(TEXT, "format: csv");
        succeeds(&project, &["run"]);
        project.write("raw/2.csv", "id,v\n2,002\n");
        select(&project, expressions, "format: csv");
        let said =
            format!("its files were written with columns `id, v`, and are with `{columns}` now");
        refused(&project, &["run"], &said);
        // Their order does not matter to readers, who find them by their names.
        select(&project, "v, id", "format: csv");
        succeeds(&project, &["run"]);
        let source = "format: csv, columns: { id: int64, v: utf8 }";
        let sql = "SELECT id, v FROM out ORDER BY id";
        assert_eq!(rows_of(&project, source, sql), "id,v\n1,001\n2,002\n");
    }
}

#[test]
fn a_table_of_redshift_is_replaced_by_one_kind_of_partition() {
    let project = Project::empty();
    let write = |more: &str, by: &str| {
        project.write(
            "transom.yaml",
            format!(
                "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, day: date }}, incremental: {{ by: day }} }} }}
steps: {{ s: {{ sql: \"SELECT id, day{more} FROM raw\" }} }}
sinks: {{ out: {{ from: s, redshift: {{ table: a.out, mode: overwrite_partitions, partition_by: [{by}], schema: add_columns }} }} }}
"
            ),
        );
    };
    project.write("raw/day=2024-01-01/a.csv", "id\n1\n2\n");
    write("", "day");
    succeeds(&project, &["lock"]);
    succeeds(&project, &["run"]);
    project.write("raw/day=2024-01-01/a.csv", "id\n1\n2\n3\n");
    write(", day AS d", "d");
    let error = refused(
        &project,
        &["run"],
        "the rows of `a.out` were loaded by partitions of `day`, and `partition_by` is `d` now",
    );
    assert!(error.contains("DELETE FROM a.out"), "{error}");
    let count = |text: &str| {
        let told = sql(&project, "SELECT 'rows: ' || count(*) FROM a.out");
        assert!(told.contains(text), "{told}");
    };
    count("rows: 2");
    // The way out that it names. Without its middle, the rows that the reset leaves would be there twice.
    succeeds(&project, &["reset", "--yes"]);
    let error = refused(&project, &["run"], "and `partition_by` is `d` now");
    assert!(error.contains("DELETE FROM a.out"), "{error}");
    refused(&project, &["backfill", "plan"], "is `d` now");
    count("rows: 2");
    sql(&project, "DELETE FROM a.out");
    succeeds(&project, &["run"]);
    count("rows: 3");
    succeeds(&project, &["verify"]);
    // By the partitions of before, they are replaced.
    succeeds(&project, &["reset", "--yes"]);
    succeeds(&project, &["run"]);
    count("rows: 3");
}

#[test]
fn rows_that_a_reset_leaves_in_redshift_are_not_added_again() {
    for (incremental, mode) in [
        ("new_files", "merge, keys: [id], order_by: [day]"),
        ("{ by: day }", "overwrite_partitions, partition_by: [day]"),
    ] {
        let project = Project::empty();
        let write = |incremental: &str, mode: &str| {
            project.write(
                "transom.yaml",
                format!(
                    "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, day: date }}, incremental: {incremental} }} }}
sinks: {{ out: {{ from: raw, redshift: {{ table: a.out, mode: {mode}, schema: add_columns }} }} }}
"
                ),
            );
            succeeds(&project, &["lock"]);
        };
        let count = |text: &str| {
            let told = sql(&project, "SELECT 'rows: ' || count(*) FROM a.out");
            assert!(told.contains(text), "{mode}: {told}");
        };
        project.write("raw/day=2024-01-01/a.csv", "id\n1\n2\n");
        write(incremental, mode);
        succeeds(&project, &["run"]);
        succeeds(&project, &["reset", "--yes"]);
        write("new_files", "append");
        let error = refused(&project, &["run"], "and it is `append` now");
        assert!(error.contains("DELETE FROM a.out"), "{error}");
        count("rows: 2");
        // As they were loaded before, they are replaced.
        write(incremental, mode);
        succeeds(&project, &["run"]);
        count("rows: 2");
        // The way out that it names.
        succeeds(&project, &["reset", "--yes"]);
        sql(&project, "DELETE FROM a.out");
        write("new_files", "append");
        succeeds(&project, &["run"]);
        count("rows: 2");
        succeeds(&project, &["verify"]);
        // What was appended is taken back: nothing is left to be there twice.
        succeeds(&project, &["reset", "--yes"]);
        count("rows: 0");
        write(incremental, mode);
        succeeds(&project, &["run"]);
        count("rows: 2");
        project.write("raw/day=2024-01-01/b.csv", "id\n3\n");
        succeeds(&project, &["run"]);
        count("rows: 3");
    }
}

#[test]
fn two_sinks_do_not_exchange_their_tables_of_redshift() {
    let modes = [
        ("append", "append"),
        (
            "merge, keys: [id], order_by: [v]",
            "merge, keys: [c], order_by: [v]",
        ),
    ];
    for (one, two) in modes {
        let project = Project::empty();
        let write = |of_one: &str, of_two: &str| {
            project.write(
                "transom.yaml",
                format!(
                    "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, v: int64, c: utf8 }}, incremental: new_files }} }}
steps: {{ s1: {{ sql: \"SELECT * FROM raw WHERE c = 'eu'\" }}, s2: {{ sql: \"SELECT * FROM raw WHERE c <> 'eu'\" }} }}
sinks:
  one: {{ from: s1, redshift: {{ table: a.{of_one}, mode: {one} }} }}
  two: {{ from: s2, redshift: {{ table: a.{of_two}, mode: {two} }} }}
"
                ),
            );
        };
        project.write("raw/1.csv", "id,v,c\n1,1,eu\n2,1,us\n");
        write("eu", "us");
        succeeds(&project, &["lock"]);
        succeeds(&project, &["run"]);
        project.write("raw/2.csv", "id,v,c\n4,3,eu\n5,3,uk\n");
        write("us", "eu");
        refused(&project, &["run"], "belongs to sink");
        let said = "the table of sink `one` belongs to sink `two` of this log, and has its entry 2";
        refused(&project, &["sink", "adopt", "one", "--yes"], said);
        let verified = project.run(&["verify"]).all();
        let said = "the table belongs to sink `two` of this log";
        assert!(verified.contains(said), "{verified}");
        // A ledger of an earlier version does not say whose it is, but the log says which table a sink has loaded.
        let forget = || {
            for table in ["eu", "us"] {
                let text = format!("ALTER TABLE a.transom_ledger__{table} DROP COLUMN sink");
                sql(&project, &text);
            }
        };
        forget();
        let said = "sink `one`: its rows went into `a.eu`, and its table is `a.us` now, whose ledger does not say";
        refused(&project, &["run"], said);
        refused(&project, &["backfill", "plan"], said);
        assert_eq!(tail(&project), 2);
        // It goes on, and is named.
        write("eu", "us");
        succeeds(&project, &["run"]);
        succeeds(&project, &["verify"]);
        let told = sql(
            &project,
            "SELECT 'eu: ' || sink FROM a.transom_ledger__eu UNION ALL SELECT 'us: ' || sink FROM a.transom_ledger__us",
        );
        assert!(
            told.contains("eu: one") && told.contains("us: two"),
            "{told}"
        );
        let told = sql(
            &project,
            "SELECT 'eu: ' || count(*) FROM a.eu UNION ALL SELECT 'us: ' || count(*) FROM a.us",
        );
        assert!(told.contains("eu: 2") && told.contains("us: 2"), "{told}");
        // After a reset, there may be rows that it has left.
        succeeds(&project, &["reset", "--yes"]);
        forget();
        write("us", "eu");
        refused(&project, &["run"], said);
        write("eu", "us");
        succeeds(&project, &["run"]);
    }
}

/// A pipeline whose table in Redshift notes in `v` by which query a partition was computed.
fn versioned(project: &Project, p: &str, v: &str) {
    project.write(
        "transom.yaml",
        format!(
            "name: p
sources: {{ raw: {{ path: raw/, format: csv, columns: {{ id: int64, p: \"{p}\" }}, incremental: {{ by: p }} }} }}
steps: {{ s: {{ sql: \"SELECT id, p, '{v}' AS v FROM raw\" }} }}
sinks: {{ out: {{ from: s, redshift: {{ table: a.out, mode: overwrite_partitions, partition_by: [p] }} }} }}
"
        ),
    );
}

#[test]
fn a_backfill_takes_the_partitions_between_two_values() {
    for (p, partitions, from, to, loaded) in [
        (
            "decimal(10,2)",
            &["1.5", "2", "10.5"][..],
            "1",
            "2",
            &["1.50", "2.00"][..],
        ),
        (
            "decimal(10,2)",
            &["1.5", "2", "10.5"][..],
            "2",
            "11",
            &["2.00", "10.50"][..],
        ),
        (
            "int64",
            &["-10", "-1", "3", "20"][..],
            "-1",
            "10",
            &["-1", "3"][..],
        ),
        (
            "decimal(10,2)",
            &["-10.5", "-1", "3"][..],
            "-10.5",
            "-0.5",
            &["-10.50", "-1.00"][..],
        ),
    ] {
        let project = Project::empty();
        for (id, partition) in partitions.iter().enumerate() {
            project.write(&format!("raw/p={partition}/a.csv"), format!("id\n{id}\n"));
        }
        versioned(&project, p, "old");
        succeeds(&project, &["lock"]);
        succeeds(&project, &["run"]);
        versioned(&project, p, "new");
        succeeds(&project, &["backfill", "--from", from, "--to", to]);
        let told = sql(
            &project,
            "SELECT 'p=' || CAST(p AS VARCHAR) || ';' FROM a.out WHERE v = 'new'",
        );
        assert_eq!(told.matches("p=").count(), loaded.len(), "{from} {told}");
        for partition in loaded {
            assert!(told.contains(&format!("p={partition};")), "{told}");
        }
    }
}
