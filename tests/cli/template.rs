//! `transom template`: what deploys a pipeline.

use crate::assert_snapshot;
use crate::fixture;
use crate::invoke::succeeds;
use crate::program::Project;

#[test]
fn a_target_is_deployed_by_a_template_and_state_machines() {
    let project = Project::copy_of(&fixture("orders"));
    succeeds(
        &project,
        &["template", "--target", "prod", "--out", "deploy"],
    );
    let text = |name: &str| {
        let path = project.path().join("deploy").join(name);
        std::fs::read_to_string(path).expect("a file")
    };
    assert_snapshot!("template", text("template.yaml"));
    assert_snapshot!("states", text("states.json"));
    assert_snapshot!("backfill", text("backfill.json"));
}

#[test]
fn what_lies_on_this_machine_is_not_deployed() {
    let project = Project::copy_of(&fixture("orders"));
    project.write("rates.csv", "currency,rate\nEUR,1\n");
    project.replace(
        "transom.yaml",
        "sources:\n",
        "sources:\n  rates: { path: rates.csv }\n",
    );
    let refused = project.run(&["template", "--target", "prod", "--out", "deploy"]);
    assert_eq!(refused.code, 2, "{}", refused.all());
    let said = "the source `rates` is on this machine, where a function cannot reach it";
    assert!(refused.stderr.contains(said), "{}", refused.all());
    assert!(!project.path().join("deploy").exists());
    // A run from here may mean it so.
    let checked = project.run(&["check", "--target", "prod"]);
    let warned = format!("warning: {said}: `transom package` refuses the target `prod`");
    assert!(checked.stderr.contains(&warned), "{}", checked.all());
}
