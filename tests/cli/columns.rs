//! What `transom check` says of the columns that a pipeline gives to a transform.

use crate::assert_snapshot;
use crate::program::Project;

/// It reads three columns as values of certain types, and says no to one at a time.
const TYPED: &str = r#"import transom


class Typed(transom.Transform):
    def open(self, input):
        for name, format in {"id": "l", "price": "d:10,2", "first name": "u"}.items():
            found = input[name]
            if found.format != format:
                raise transom.Config(f"the column `{name}` is {found.format}, not {format}", column=name)
        return transom.Opened(reads=["id", "price"], passes=["id"])

    def process(self, batch, output):
        output.emit({})
"#;

fn project(columns: &str) -> Project {
    let project = Project::empty();
    let ran = project.run(&["init", "privacy", "--lang", "python"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    project.write("privacy/privacy.py", TYPED);
    project.write(
        "transom.yaml",
        format!(
            "name: typed\n\
             plugins: {{ privacy: {{ path: privacy }} }}\n\
             sources: {{ rows: {{ path: rows.csv }} }}\n\
             steps:\n  given: {{ sql: 'SELECT {columns} FROM rows' }}\n  \
             typed: {{ transform: privacy.typed, input: given }}\n\
             sinks: {{ typed: {{ from: typed, path: out, format: csv }} }}\n"
        ),
    );
    project.write("rows.csv", "id,price,first name\n1,2.5,3\n");
    project
}

fn checked(columns: &str) -> String {
    let project = project(columns);
    let ran = project.run(&["lock"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    project.run(&["check"]).all()
}

#[test]
fn all_columns_of_wrong_types_are_told_with_the_casts_to_write() {
    assert_snapshot!(checked("CAST(id AS VARCHAR) AS id, price, \"first name\""));
}

#[test]
fn a_missing_column_is_told_beside_those_of_wrong_types() {
    assert_snapshot!(checked("\"first name\", price"));
}

#[test]
fn a_column_that_is_cast_without_loss_is_taken() {
    let taken =
        checked("CAST(id AS INT) AS id, 2.50 AS price, CAST(id AS VARCHAR) AS \"first name\"");
    assert!(taken.starts_with("exit code 0"), "{taken}");
}

/// It reads all columns, whatever they are.
const READS_ALL: &str = r#"import transom


class Typed(transom.Transform):
    def open(self, input):
        return transom.Opened(reads=transom.ALL, passes=transom.ALL)

    def process(self, batch, output):
        output.emit({})
"#;

#[test]
fn a_column_that_a_language_cannot_read_is_told_with_the_reason_and_what_it_reads() {
    // In a query in single quotes, which are written twice.
    let project = project(
        "make_array(id) AS ids, named_struct(''a b'', id) AS pair, INTERVAL ''1 day'' AS span",
    );
    project.write("privacy/privacy.py", READS_ALL);
    let ran = project.run(&["lock"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let checked = project.run(&["check"]).all();
    for part in [
        "column `ids` is list<int64>, which a plugin in Python cannot read",
        "write `array_to_string(ids, ',') AS ids` in the query of step `given`",
        "column `pair` is struct<\"a b\": int64>, which a plugin in Python cannot read",
        "write `pair['a b'] AS \"a b\"`",
        "column `span` is interval, which a plugin in Python cannot read",
    ] {
        assert!(checked.contains(part), "no {part} in:\n{checked}");
    }
    assert!(!checked.contains("must be"), "{checked}");
}
