//! What people ask of the log: `load`, `backfill`, `rewind`, `reset`, `gc` and what is refused.

use std::path::Path;

use serde_json::json;

use super::{one_file_a_slice, pipeline, rows_in, with_slices};
use crate::assert_snapshot;
use crate::invoke::{orders, succeeds};

#[test]
fn a_slice_is_looked_at_before_it_is_loaded() {
    let project = pipeline(
        ", incremental: new_files",
        "SELECT * FROM raw",
        ", mode: append",
    );
    assert_eq!(project.run(&["lock"]).code, 0);
    let output = project
        .command(&["run", "--stage-only", "--json"])
        .output()
        .expect("it starts");
    let staged: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let attempt = staged["staged"]["attempt"].as_str().expect("an attempt");
    assert_eq!(staged["staged"]["sinks"][0]["rows"], 2, "{staged}");
    assert!(!Path::new(&project.path().join("out")).exists());
    let loaded = project.run(&["load", attempt]);
    assert_eq!(loaded.code, 0, "{}", loaded.all());
    let again = project.run(&["load", attempt]);
    assert!(
        again.stderr.contains("nothing was to be done"),
        "{}",
        again.all()
    );
    assert_snapshot!("load_unknown", project.run(&["load", "x"]).all());

    // A quiet program writes the name alone, for a script.
    project.write("raw/day=2024-01-02/a.csv", "customer,amount\nc,3\n");
    let quiet = project
        .command(&["run", "--stage-only", "--quiet"])
        .output()
        .expect("it starts");
    let attempt = String::from_utf8(quiet.stdout).expect("text");
    succeeds(&project, &["load", attempt.trim_end()]);
}

#[test]
fn a_backfill_is_computed_by_jobs_and_loaded_by_one() {
    let project = pipeline(
        ", incremental: { by: day }",
        "SELECT day, sum(amount) AS amount FROM raw GROUP BY day",
        ", partition_by: [day], mode: overwrite_partitions",
    );
    for day in 2..=4 {
        let name = format!("raw/day=2024-01-0{day}/a.csv");
        project.write(&name, format!("customer,amount\na,{day}\n"));
    }
    assert_eq!(project.run(&["lock"]).code, 0);
    let planned = project
        .run(&["backfill", "plan", "--shares", "2", "--json"])
        .json();
    assert_eq!(planned["shares"], 2, "{planned}");
    // What would be given up is told first, and nothing is.
    let would = succeeds(&project, &["backfill", "end"]).stderr;
    let said = "would close backfill 2: 0 of 2 shares loaded, which stay; 0 computed and not loaded, which are given up; \
                2 not computed; say `--yes` to do it";
    assert!(would.contains(said), "{would}");
    let would = succeeds(&project, &["backfill", "end", "--json"]).json();
    assert_eq!(
        would,
        json!({ "entry": 2, "shares": 2, "loaded": 0, "missing": 2 })
    );
    // A scheduled run does not do the work of the jobs.
    let waits = project.run(&["run"]);
    assert_eq!(waits.code, 0);
    assert_snapshot!("backfill_waits", waits.stderr);
    // Nor does it look like success to what has started it.
    let quiet = project.run(&["run", "--quiet"]);
    assert_eq!((quiet.code, &quiet.stderr), (0, &waits.stderr));
    let report = project.run(&["run", "--json"]).json();
    assert_eq!(report["done"], false, "{report}");
    assert_eq!(
        report["backfill"],
        json!({ "entry": 2, "shares": 2, "loaded": 0, "missing": 2 })
    );
    let state = succeeds(&project, &["state", "show"]).stdout;
    assert!(
        state.contains("backfill 2 is open: 0 of 2 shares loaded"),
        "{state}"
    );
    let turned = [
        "backfill",
        "plan",
        "--from",
        "2024-01-03",
        "--to",
        "2024-01-01",
    ];
    assert_eq!(project.run(&turned).code, 1);
    let child = |index: &str| {
        let mut command = project.command(&["run", "--batch", "--quiet"]);
        command.env("AWS_BATCH_JOB_ARRAY_INDEX", index);
        project.outcome(command.output().expect("it starts")).all()
    };
    assert_snapshot!("backfill_share", child("1"));
    assert_snapshot!("backfill_no_such_share", child("7"));
    assert_snapshot!("backfill_no_index", child("first"));
    let loader = project.run(&["run", "--batch", "--json"]).json();
    assert_eq!(loader["done"], true, "{loader}");
    assert_eq!(
        loader["slices"].as_array().map(Vec::len),
        Some(2),
        "{loader}"
    );
    let again = project.run(&[
        "backfill",
        "--from",
        "2024-01-02",
        "--to",
        "2024-01-03",
        "--json",
    ]);
    assert_eq!(again.json()["slices"][0]["files"], 2, "{}", again.all());
    let preview = project.run(&["run"]);
    assert!(preview.stderr.contains("nothing new"), "{}", preview.all());
    let listed = succeeds(&project, &["runs", "list"]).stdout;
    for line in [
        "backfill 2, opened\n",
        "share 1 of backfill 2, 3 rows\n",
        "share 7, there is no share 7: ",
        "2 slices, 4 rows\n",
    ] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    let runs = succeeds(&project, &["runs", "list", "--json"]).json();
    let of_share = runs.as_array().expect("a list").iter();
    let of_share = of_share.filter(|run| run["share"] == 1);
    let ids: Vec<&str> = of_share.filter_map(|run| run["id"].as_str()).collect();
    let shown = succeeds(&project, &["runs", "show", ids[0]]).stdout;
    let staged = "staged     share 1 of backfill 2, 3 files; rows: 3 read, 3 written, 0 rejected";
    assert!(shown.contains(staged), "{shown}");
    let plan = ["backfill", "plan", "--from", "2024-01-02"];
    succeeds(&project, &plan);
    let ended = succeeds(&project, &["backfill", "end", "--yes"]).stderr;
    assert!(ended.contains("is in the log and in all sinks"), "{ended}");
    assert_snapshot!(
        "backfill_none_open",
        project.run(&["backfill", "end"]).all()
    );
}

/// All files of a folder, one after the other.
fn texts_below(folder: &Path) -> String {
    let mut texts = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => texts += &texts_below(&path),
            false => texts += &String::from_utf8_lossy(&std::fs::read(&path).expect("a file")),
        }
    }
    texts
}

#[test]
fn all_shares_have_the_variables_of_the_plan() {
    let project = pipeline(
        ", incremental: new_files",
        "SELECT $secret AS k FROM raw",
        ", mode: append",
    );
    project.replace(
        "transom.yaml",
        "name: orders\n",
        "name: orders\nvariables: { secret: { type: utf8, default: none } }\nslices: { files: 1 }\n",
    );
    project.write("raw/day=2024-01-02/a.csv", "customer,amount\nc,3\n");
    succeeds(&project, &["lock"]);
    let planned = ["--var", "secret=hush", "backfill", "plan", "--json"];
    assert_eq!(succeeds(&project, &planned).json()["shares"], 2);
    // The log has digests of the values alone.
    let stored = texts_below(&project.path().join(".transom"));
    assert!(stored.contains("\"secret\"") && !stored.contains("hush"));
    let said =
        "the variable `secret` has not the value with which the backfill of entry 2 was planned";
    for other in [&[][..], &["--var", "secret=loud"]] {
        let child = [other, &["run", "--batch", "--share", "0"]].concat();
        let loader = [other, &["run", "--batch"]].concat();
        for command in [child, loader] {
            let refused = project.run(&command);
            assert_eq!(refused.code, 1, "{}", refused.all());
            assert!(refused.stderr.contains(said), "{}", refused.all());
            assert!(!refused.stderr.contains("hush"), "{}", refused.all());
        }
    }
    let same = ["--var", "secret=hush", "run", "--batch", "--share", "0"];
    succeeds(&project, &same);
    // A share that is computed needs no variables any more, the other one does.
    let again = ["run", "--batch", "--share", "0"];
    succeeds(&project, &again);
    succeeds(&project, &["--var", "secret=hush", "run", "--batch"]);
}

#[test]
fn what_is_not_needed_is_shown_and_deleted() {
    let project = with_slices();
    // A third slice.
    assert_eq!(project.run(&["run", "--quiet"]).code, 0);
    let young = project.run(&["gc"]);
    assert_eq!(young.code, 0, "{}", young.all());
    let said = "nothing to delete; a rewind can go back to any entry";
    assert!(young.stderr.contains(said), "{}", young.all());
    let all = ["gc", "--older-than", "1ms", "--keep-slices", "1"];
    let would = project.run(&all);
    assert!(
        would.stdout.contains("staged; the table has the rows"),
        "{}",
        would.all()
    );
    assert!(
        would.stderr.contains("say `--yes` to do it"),
        "{}",
        would.all()
    );
    let did = project
        .run(&[&all[..], &["--yes", "--json"]].concat())
        .json();
    assert_eq!(did["keeps"], 3, "{did}");
    let again = project.run(&all);
    assert!(
        again.stderr.contains("nothing to delete"),
        "{}",
        again.all()
    );
    // What would be refused is refused before it is done.
    for rewind in [
        &["rewind", "--to", "1"][..],
        &["rewind", "--to", "1", "--yes"],
    ] {
        let refused = project.run(rewind);
        let said =
            "the gc of entry 5 has deleted what that needs; 3 is the first entry that it has kept";
        assert!(refused.stderr.contains(said), "{}", refused.all());
    }
    assert_eq!(project.run(&["reset", "--yes"]).code, 0);
}

#[test]
fn what_is_asked_in_vain_is_answered_with_the_reason() {
    let project = with_slices();
    let asked = [
        &["rewind", "--to", "99"][..],
        &["rewind", "--to", "99", "--yes"],
        &["slice", "discard", "2"],
        &["slice", "discard", "2", "--redo", "--skip"],
        &["slice", "discard", "2", "--redo"],
        &["run", "--deadline", "0s"],
    ];
    let said = asked.map(|arguments| project.run(arguments).all());
    assert_snapshot!("asked_in_vain", said.join("\n"));
}

#[test]
fn sinks_that_may_lack_the_last_entry_are_told() {
    let project = with_slices();
    let note = ".transom/state/orders/local/done/00000000000000000003.json";
    std::fs::remove_file(project.path().join(note)).expect("all sinks have it");
    let state = succeeds(&project, &["state", "show"]).stdout;
    for line in [
        "entry 3, not yet in all sinks: the next run finishes it\n",
        "out: entry 2; entry 3 is decided, and not known to be there\n",
    ] {
        assert!(state.contains(line), "{state}");
    }
    let history = succeeds(&project, &["state", "history"]);
    let said = "entry 3 is not yet in all sinks: the next run finishes it\n";
    assert!(history.stderr.contains(said), "{}", history.all());
    let state = succeeds(&project, &["state", "show", "--json"]).json();
    assert_eq!(
        state["sinks"],
        json!([{ "name": "out", "entry": 2, "decided": 3, "skipped": false }])
    );
    succeeds(&project, &["run", "--quiet"]);
    let state = succeeds(&project, &["state", "show"]).stdout;
    assert!(state.contains("out: entry 4\n"), "{state}");
}

#[test]
fn what_would_be_given_up_is_told_first() {
    let project = orders(1);
    succeeds(&project, &["run", "--quiet"]);
    project.write("more/02.csv", "id,customer,amount\n2a,x,2\n2b,y,-2\n");
    succeeds(&project, &["local", "cp", "more", "s3://raw/orders/"]);
    // Not by `run`, which replaces what names attempts.
    let staged = project
        .command(&["run", "--stage-only", "--quiet"])
        .output()
        .expect("it starts");
    let attempt = String::from_utf8(staged.stdout).expect("text");
    let rename = |from: &str, to: &str| {
        let text = format!("ALTER TABLE public.{from} RENAME TO {to}");
        project.write("rename.sql", text);
        succeeds(&project, &["local", "sql", "rename.sql"]);
    };
    // A slice that the warehouse does not take.
    rename("orders", "hidden");
    let vain = project.run(&["load", attempt.trim_end()]);
    assert_ne!(vain.code, 0, "{}", vain.all());
    rename("hidden", "orders");
    for (asked, said) in [
        (
            &["slice", "discard", "3", "--redo"][..],
            "give up entry 3 before any sink has it: the next slice loads its 1 file again",
        ),
        (
            &["slice", "discard", "3", "--skip"],
            "give up entry 3 before any sink has it: its 1 file would count as loaded, and its rows be lost",
        ),
        (
            &["slice", "skip", "3", "--sink", "lake"],
            "bring entry 3 into all sinks but `lake`, which would lack its 2 rows for good",
        ),
    ] {
        let would = succeeds(&project, asked);
        let said = format!("would {said}; say `--yes` to do it\n");
        assert!(would.stderr.contains(&said), "{}", would.all());
        assert!(would.stdout.contains("1 file; rows: "), "{}", would.all());
        let would = succeeds(&project, &[asked, &["--json"]].concat()).json();
        assert_eq!(would[0]["entry"], 3, "{would}");
        let state = succeeds(&project, &["state", "show", "--json"]).json();
        assert_eq!((&state["tail"], &state["done"]), (&json!(3), &json!(false)));
    }
    let redo = ["slice", "discard", "3", "--redo"];
    succeeds(&project, &[&redo[..], &["--yes"]].concat());
    let again = succeeds(&project, &redo).stderr;
    assert!(again.contains("nothing is to be done"), "{again}");
    let report = succeeds(&project, &["run", "--json"]).json();
    assert_eq!(report["slices"][0]["files"], 1, "{report}");
}

#[test]
fn a_rewind_loses_no_rows() {
    let project = with_slices();
    assert_eq!(project.run(&["run", "--quiet"]).code, 0);
    std::fs::remove_file(project.path().join("raw/day=2024-01-03/a.csv")).expect("it is there");
    for arguments in [
        &["rewind", "--to", "2"][..],
        &["rewind", "--to", "2", "--yes"],
        &["reset", "--yes"],
    ] {
        let refused = project.run(arguments);
        assert_ne!(refused.code, 0, "{arguments:?}");
        let said = "source `raw`: 1 file, whose rows would be taken back, is gone, such as `raw/day=2024-01-03/a.csv`";
        assert!(refused.stderr.contains(said), "{}", refused.all());
        assert!(refused.stderr.contains("--force"), "{}", refused.all());
    }
    // What is not taken back is not needed.
    succeeds(&project, &["rewind", "--to", "4"]);
    succeeds(&project, &["rewind", "--to", "2", "--yes", "--force"]);
    succeeds(&project, &["run", "--quiet"]);
    assert_eq!(rows_in(&project.path().join("out")), 3);
    succeeds(&project, &["verify"]);
}

#[test]
fn a_state_whose_documents_are_gone_can_be_begun_anew() {
    let project = one_file_a_slice(&[("a", "1,10\n"), ("b", "2,20\n")]);
    succeeds(&project, &["run"]);
    let objects = project.path().join(".transom/state/p/local/objects");
    std::fs::remove_dir_all(objects).unwrap();
    let way_out = "`transom reset --yes --force`, then `transom run`";
    for arguments in [&["run"][..], &["verify"], &["reset", "--yes"]] {
        let refused = project.run(arguments);
        assert_ne!(refused.code, 0, "{}", refused.all());
        assert!(refused.all().contains(way_out), "{}", refused.all());
    }
    succeeds(&project, &["reset", "--yes", "--force"]);
    // Of what was taken back nothing is needed.
    succeeds(&project, &["gc", "--yes"]);
    succeeds(&project, &["run"]);
    succeeds(&project, &["verify"]);
}

#[test]
fn only_tables_of_a_warehouse_are_replayed() {
    let project = with_slices();
    let said = |arguments: &[&str], words: &str| {
        let ran = project.run(arguments);
        assert_ne!(ran.code, 0, "{}", ran.all());
        assert!(ran.stderr.contains(words), "{}", ran.all());
    };
    said(
        &["sink", "replay", "out"],
        "the sink `out` is not in a warehouse: it has no ledger",
    );
    said(
        &["sink", "adopt", "mart", "--yes"],
        "the sink `mart` is not in the pipeline",
    );
    said(
        &["slice", "skip", "99", "--sink", "out"],
        "there is no entry 99: the log ends with entry 3",
    );
}
