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
