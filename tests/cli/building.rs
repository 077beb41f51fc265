//! `transom build --watch`.

use crate::program::Project;
use crate::watching::Watching;

#[test]
fn watching_builds_again_what_a_saved_file_belongs_to() {
    let project = Project::empty();
    for name in ["privacy", "other"] {
        let ran = project.run(&["init", name, "--lang", "python"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
    }
    let watching = Watching::of(&project, &["build", "--watch", "privacy", "other"]);
    let first = watching.until_it_waits();
    assert!(
        first.contains("privacy: Python") && first.contains("other: Python"),
        "{first}"
    );
    project.replace(
        "privacy/privacy.py",
        "import transom",
        "# changed\nimport transom",
    );
    let expected = watching.until_it_waits();
    assert!(expected.contains("saved: privacy/privacy.py"), "{expected}");
    assert!(
        expected.contains("privacy: Python") && !expected.contains("other: Python"),
        "{expected}"
    );
    // A mistake does not end it, nor does one that shows only when the module is loaded.
    project.replace("privacy/privacy.py", "(email: str)", "(email: strr)");
    let expected = watching.until_it_waits();
    assert!(expected.contains("strr"), "{expected}");
    project.replace("other/pyproject.toml", "[project]", "[project");
    let expected = watching.until_it_waits();
    assert!(
        expected.contains("error:") && expected.contains("pyproject.toml"),
        "{expected}"
    );
    project.replace("other/pyproject.toml", "[project", "[project]");
    let expected = watching.until_it_waits();
    assert!(
        expected.contains("other: Python") && !expected.contains("error:"),
        "{expected}"
    );
}

#[test]
fn watching_sees_sources_beside_the_plugin_and_in_a_package_named_target() {
    let project = Project::empty();
    let ran = project.run(&["init", "privacy", "--lang", "python"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    project.write("common.txt", "# nothing\n");
    project.write("privacy/requirements.txt", "-r ../common.txt\n");
    project.write("privacy/target/__init__.py", "");
    let watching = Watching::of(&project, &["build", "--watch", "privacy"]);
    watching.until_it_waits();
    for file in ["privacy/target/__init__.py", "common.txt"] {
        project.write(file, "# changed\n");
        let expected = watching.until_it_waits();
        assert!(expected.contains(&format!("saved: {file}\n")), "{expected}");
        assert!(expected.contains("privacy: Python"), "{expected}");
    }
}

#[test]
fn watching_ends_where_there_is_nothing_to_build() {
    let project = Project::empty();
    project.write("geo.wasm", "");
    project.write(
        "transom.yaml",
        "name: sealed\nplugins: { geo: { path: geo.wasm } }\n",
    );
    let ran = project.run(&["build", "--watch"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.all().contains("there is nothing to build"),
        "{}",
        ran.all()
    );
}
