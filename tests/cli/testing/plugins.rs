//! `transom test` of plugins: their unit tests, and the checks of the contract.

use crate::assert_snapshot;
use crate::program::{Project, Ran};

fn python() -> Project {
    let project = Project::empty();
    let ran = project.run(&["init", "privacy", "--lang", "python"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    // Whether pytest is there differs from machine to machine.
    project.replace(
        "privacy/pyproject.toml",
        "[tool.pytest.ini_options]",
        "[tool.other]",
    );
    project
}

fn test(project: &Project, arguments: &[&str]) -> Ran {
    let mut all = vec!["test"];
    all.extend(arguments);
    project.run(&all)
}

#[test]
fn a_plugin_is_built_and_its_unit_tests_run_before_the_checks() {
    let ran = test(&python(), &["privacy"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_snapshot!(ran.stdout);
    assert!(ran.stderr.contains("7 tests passed"), "{}", ran.all());
}

#[test]
fn unit_tests_that_fail_are_shown() {
    let project = python();
    project.replace(
        "privacy/test_privacy.py",
        "a***@example.com",
        "b***@example.com",
    );
    let ran = test(&project, &["privacy"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(
        ran.stdout.contains("FAIL  privacy unit tests"),
        "{}",
        ran.all()
    );
    let differ = "'a***@example.com' != 'b***@example.com'";
    assert!(ran.stdout.contains(differ), "{}", ran.all());
    assert!(ran.stderr.contains("1 of 7 tests failed"), "{}", ran.all());
    let json = test(&project, &["privacy", "--json"]).json();
    assert_eq!(json["plugins"][0]["unit_tests"]["passed"], false);
    assert_eq!(json["plugins"][0]["checks"][1]["verdict"], "passed");
}

/// Each breaks one promise.
const CARELESS: &str = r#"import datetime
import transom

calls = 0
last = None


@transom.function
def numbered(x: int) -> int:
    global calls
    calls += 1
    return calls


@transom.function
def age(born: datetime.date) -> int:
    return (datetime.date.today() - born).days


@transom.function
def initial(name: str | None) -> str:
    return name[0] if name else name.upper()


class Gaps(transom.Transform):
    def open(self, input):
        return transom.Opened(reads=["id"], computes={"gap": int})

    def process(self, batch, output):
        global last
        gaps = []
        for value in batch["id"]:
            gaps.append((value or 0) - (last or 0))
            last = value
        output.emit({"gap": gaps})


class Totals(transom.Transform):
    def open(self, input):
        self.total = 0
        self.rows = 0
        return transom.Opened(reads=["id"], computes={"total": int})

    def process(self, batch, output):
        self.rows += 1
        for value in batch["id"]:
            self.total += value or 0

    def finish(self, end, output):
        output.emit_new({"total": [self.total]})

    def save(self):
        return self.rows

    def restore(self, state):
        self.rows = state
"#;

#[test]
fn a_plugin_that_breaks_the_contract_is_told_how() {
    let project = python();
    project.write("privacy/privacy.py", CARELESS);
    project.write("privacy/test_privacy.py", "");
    project.write(
        "transom.yaml",
        "name: careless\n\
         plugins: { privacy: { path: privacy } }\n\
         sources: { ids: { path: ids.csv, columns: { id: int64 } } }\n\
         steps:\n  gaps: { transform: privacy.gaps, input: ids }\n  \
         totals: { transform: privacy.totals, input: ids }\n\
         sinks: { gaps: { from: gaps, path: out, format: csv } }\n",
    );
    project.write("ids.csv", "id\n1\n");
    let ran = test(&project, &["--plugins"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_snapshot!(ran.stdout);
}

#[test]
fn options_of_a_pipelines_tests_are_not_for_plugins() {
    let ran = test(&python(), &["privacy", "--update"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
}

const REMEMBERING: &str = r#"import transom

seen = 0


class Numbered(transom.Transform):
    def open(self, input):
        return transom.Opened(reads=[], passes=transom.ALL, computes={"number": int})

    def process(self, batch, output):
        global seen
        numbers = range(seen + 1, seen + 1 + len(batch))
        seen += len(batch)
        output.emit({"number": list(numbers)})
"#;

const NUMBERED: &str = "\
tests:
  rows_are_numbered:
    given: { ids: [{ id: 7 }, { id: 8 }, { id: 9 }] }
    expect:
      numbered: [{ id: 7, number: 1 }, { id: 8, number: 2 }, { id: 9, number: 3 }]
";

#[test]
fn a_transform_with_state_in_its_module_fails_since_it_moves() {
    let project = python();
    project.write("privacy/privacy.py", REMEMBERING);
    project.write(
        "transom.yaml",
        "name: numbers\n\
         plugins: { privacy: { path: privacy } }\n\
         sources: { ids: { path: ids.csv, columns: { id: int64 } } }\n\
         steps: { numbered: { transform: privacy.numbered, input: ids } }\n\
         sinks: { numbered: { from: numbered, path: out, format: csv } }\n",
    );
    project.write("tests/numbers.yaml", NUMBERED);
    let ran = test(&project, &[]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_snapshot!(ran.stdout);
    assert_eq!(
        test(&project, &["--json"]).json()["tests"][0]["failures"][0]["kind"],
        "moved"
    );

    // In an attribute it moves along.
    let kept = REMEMBERING
        .replace("        global seen\n", "")
        .replace("        return", "        self.seen = 0\n        return")
        .replace("seen += ", "self.seen += ")
        .replace("range(seen + 1, seen", "range(self.seen + 1, self.seen");
    project.write("privacy/privacy.py", kept);
    let ran = test(&project, &[]);
    assert_eq!(ran.code, 0, "{}", ran.all());

    // A test that is wrong anyway is expected as it would be without moves.
    project.replace("tests/numbers.yaml", "number: 3", "number: 4");
    let ran = test(&project, &[]);
    assert!(!ran.stdout.contains("instance"), "{}", ran.all());
    let ran = test(&project, &["--update"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}
