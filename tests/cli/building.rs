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
    let told = watching.until_it_waits();
    assert!(told.contains("saved: privacy/privacy.py"), "{told}");
    assert!(
        told.contains("privacy: Python") && !told.contains("other: Python"),
        "{told}"
    );
    // A mistake does not end it.
    project.replace("other/pyproject.toml", "[project]", "[project");
    let told = watching.until_it_waits();
    assert!(
        told.contains("error:") && told.contains("pyproject.toml"),
        "{told}"
    );
    project.replace("other/pyproject.toml", "[project", "[project]");
    let told = watching.until_it_waits();
    assert!(
        told.contains("other: Python") && !told.contains("error:"),
        "{told}"
    );
}
