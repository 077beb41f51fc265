//! What `transom test --create` writes passes, whatever it is made of.

use super::passes;
use crate::program::Project;

/// Creates a test of the step `s` over `src`, and runs it.
fn created(project: &Project, query: &str, more: &[&str]) -> String {
    project.write(
        "transom.yaml",
        format!(
            "name: created\nsources: {{ src: {{ path: data.jsonl }} }}\nsteps:\n  s:\n    sql: |\n      {query}\n\
             sinks: {{ s: {{ from: s, path: out/s, format: parquet }} }}\n"
        ),
    );
    let locked = project.run(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.all());
    let arguments = [&["test", "--create", "s"], more].concat();
    let ran = project.run(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stderr.contains("real values"), "{}", ran.all());
    passes(&project.run(&["test"]));
    let path = project.path().join("tests/s.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    text
}

#[test]
fn a_test_of_any_step_passes() {
    let project = Project::empty();
    project.write(
        "data.jsonl",
        "{\"id\":1,\"t\":\"del\u{7f} next\u{85} null\\u0000\",\"f\":1.5,\"l\":[1,null],\"u\":{\"a\":\"x\",\"b\":[{\"c\":1}]}}\n\
         {\"id\":2,\"t\":null,\"f\":-0.0,\"l\":null,\"u\":null}\n",
    );
    for query in [
        "SELECT 1 AS a",
        "SELECT * FROM src",
        "SELECT count(*) AS n FROM src",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT r.n, src.t FROM r JOIN src ON r.n = src.id",
        "SELECT id, CAST('NaN' AS DOUBLE) AS nan, f / 0 AS inf, arrow_cast(t, 'Dictionary(Int32, Utf8)') AS d, arrow_cast(id, 'Dictionary(Int32, Int64)') AS di FROM src",
        "SELECT id, CAST(t AS BYTEA) AS b, CAST('12.50' AS DECIMAL(20, 4)) AS dec, arrow_cast(id, 'Duration(Second)') AS dur, make_array(CAST('NaN' AS DOUBLE), 1.5e0) AS nested FROM src",
        "SELECT id, DATE '0099-01-31' AS old, TIMESTAMP '9999-12-31 23:59:59.999999' AS far, TIME '10:00:00' AS at FROM src",
    ] {
        created(&project, query, &[]);
    }
}

#[test]
fn columns_are_anonymized_and_the_test_still_passes() {
    let project = Project::empty();
    project.write(
        "data.jsonl",
        "{\"id\":4711,\"mail\":\"ann@example.org\",\"kept\":\"open\"}\n{\"id\":4712,\"mail\":\"ann@example.org\",\"kept\":\"paid\"}\n",
    );
    let query =
        "SELECT count(*) AS n, count(DISTINCT mail) AS mails, max(kept) AS k FROM src WHERE id > 0";
    let text = created(&project, query, &["--anonymize", "mail,id"]);
    assert!(
        !text.contains("ann@") && !text.contains("id: 4711, kept: open"),
        "{text}"
    );
    assert!(
        text.contains("open") && text.contains("\"n\": 2, mails: 1"),
        "{text}"
    );
    let ran = project.run(&["test", "--create", "s", "--anonymize", "mial"]);
    assert!(
        ran.code == 2 && ran.stderr.contains("`mial`"),
        "{}",
        ran.all()
    );
}
