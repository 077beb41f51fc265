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
fn variables_of_the_command_line_are_deployed() {
    let project = Project::copy_of(&fixture("orders"));
    project.replace(
        "transom.yaml",
        "sources:\n",
        "variables: { least: { type: int64 }, day: { type: utf8, default: none } }\nsources:\n",
    );
    project.replace(
        "transom.yaml",
        "FROM raw",
        "FROM raw WHERE id >= $least AND $day <> ''",
    );
    let template = ["template", "--target", "prod", "--var", "least=3"];
    succeeds(&project, &[&template[..], &["--var", "day=a b"]].concat());
    let states = std::fs::read_to_string(project.path().join("states.json")).unwrap();
    let states: serde_json::Value = serde_json::from_str(&states).unwrap();
    let event = &states["States"]["Load"]["Parameters"]["Payload"];
    let variables = serde_json::json!({ "least": "3", "day": "a b" });
    assert_eq!(event["variables"], variables, "{event}");
    let text = std::fs::read_to_string(project.path().join("template.yaml")).unwrap();
    let command: Vec<&str> = text
        .lines()
        .skip_while(|line| line.trim() != "Command:")
        .skip(1)
        .map_while(|line| line.trim().strip_prefix("- "))
        .collect();
    let expected = ["--target", "prod", "--var", "day=a b", "--var", "least=3"];
    assert_eq!(command, expected.map(|word| format!("\"{word}\"")));
    for replaced in ["day=${Function}", "day=Ref::day"] {
        let refused = project.run(&[&template[..], &["--var", replaced]].concat());
        assert_eq!(refused.code, 2, "{}", refused.all());
        let said = "the value of the variable `day` has `";
        assert!(refused.stderr.contains(said), "{}", refused.all());
    }
}

/// The texts of a template's policies, without what CloudFormation puts around them.
fn texts(project: &Project, source: &str) -> Vec<String> {
    project.write(
        "transom.yaml",
        format!(
            "name: p\nsources: {{ raw: {{ path: '{source}', format: csv }} }}\n\
             sinks: {{ out: {{ from: raw, path: 's3://lake/out', format: csv }} }}\ntargets: {{ prod: {{}} }}\n"
        ),
    );
    succeeds(project, &["template", "--target", "prod"]);
    let text = std::fs::read_to_string(project.path().join("template.yaml")).unwrap();
    let items = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "));
    let items = items.map(|item| item.trim_start_matches("Fn::Sub: ").trim_matches('"'));
    let items = items.map(|item| item.replace("arn:${AWS::Partition}:s3:::", ""));
    items.collect()
}

#[test]
fn a_part_of_a_published_table_may_be_read_and_its_folders_listed() {
    let project = Project::empty();
    for (source, may) in [
        (
            "s3://raw/lake/daily/month=1/",
            &[
                "raw/lake/_transom/current",
                "raw/lake/daily/_transom/current",
                "raw/lake/.daily.versions/*",
                "lake/.daily.versions/*",
                "",
                "lake/",
                "lake/daily/",
            ][..],
        ),
        (
            "s3://raw/daily/month=*/*.csv",
            &[
                "raw/daily/month=*",
                "raw/daily/_transom/current",
                "raw/.daily.versions/*",
                ".daily.versions/*",
                "daily/",
            ],
        ),
        ("s3://raw/dai*/*.csv", &["raw/dai*", "raw/.dai*.versions/*"]),
    ] {
        let texts = texts(&project, source);
        for text in may {
            assert!(
                texts.iter().any(|it| it == text),
                "{source}: {text} in {texts:?}"
            );
        }
    }
}

#[test]
fn iam_takes_what_the_template_says() {
    let project = Project::empty();
    let any = texts(&project, "s3://raw/日本\u{1f5fe}?.csv");
    assert!(any.iter().any(|text| text == "raw/??**"), "{any:?}");

    let project = Project::copy_of(&fixture("orders"));
    let key = "arn:aws:kms:eu-west-1:999999999999:alias/lake";
    let aws = format!("region: eu-west-1, kms_key: '{key}' }}");
    project.replace("transom.yaml", "region: eu-west-1 }", &aws);
    let secret = "workgroup: dwh, secret_arn: loader,";
    project.replace("transom.yaml", "workgroup: dwh,", secret);
    succeeds(&project, &["template", "--target", "prod"]);
    let text = std::fs::read_to_string(project.path().join("template.yaml")).unwrap();
    for resource in [
        "\"arn:aws:kms:eu-west-1:999999999999:key/*\"",
        ":secret:loader-??????\"",
    ] {
        assert!(text.contains(resource), "{resource} in {text}");
    }
    // The role of COPY reads, and writes nothing.
    for (action, policies) in [("\"kms:Decrypt\"", 2), ("\"kms:GenerateDataKey\"", 1)] {
        assert_eq!(text.matches(action).count(), policies, "{action} in {text}");
    }
}

/// The lines of a template with a text in them, without blanks around them.
fn lines_with(text: &str, part: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn data_may_be_in_another_region_than_the_stack() {
    let template = |region: &str| {
        let project = Project::copy_of(&fixture("orders"));
        let aws = format!("aws: {{ {region}kms_key: alias/lake }}");
        project.replace("transom.yaml", "aws: { region: eu-west-1 }", &aws);
        let cluster = "cluster: dwh, db_user: loader,";
        project.replace("transom.yaml", "workgroup: dwh,", cluster);
        succeeds(&project, &["template", "--target", "prod"]);
        std::fs::read_to_string(project.path().join("template.yaml")).unwrap()
    };
    let arns = |region: &str| {
        let of = |resource: &str| {
            format!(
                "- Fn::Sub: \"arn:${{AWS::Partition}}:redshift:{region}:${{AWS::AccountId}}:{resource}\""
            )
        };
        ["cluster:dwh", "dbname:dwh/dev", "dbuser:dwh/loader"].map(of)
    };
    for (said, region) in [("region: eu-west-1, ", "eu-west-1"), ("", "${AWS::Region}")] {
        let text = template(said);
        assert_eq!(lines_with(&text, ":redshift:"), arns(region));
        // A key is where its bucket is, wherever that is.
        let keys = "- Fn::Sub: \"arn:${AWS::Partition}:kms:*:${AWS::AccountId}:key/*\"";
        // The function's policy and COPY's.
        assert_eq!(lines_with(&text, ":kms:"), [keys; 2]);
        let alias = "\"kms:ResourceAliases\": \"alias/lake\"";
        assert_eq!(lines_with(&text, "ResourceAliases"), [alias; 2]);
    }
}

#[test]
fn policies_hold_as_much_as_iam_takes() {
    let project = Project::empty();
    let mut yaml =
        "name: p\nsources: { raw: { path: 's3://raw/in/', format: csv } }\nsinks:\n".to_owned();
    for table in 1..=17 {
        yaml += &format!("  t{table}: {{ from: raw, path: 's3://lake/t{table}', format: csv }}\n");
    }
    project.write("transom.yaml", yaml + "targets: { prod: {} }\n");
    succeeds(&project, &["template", "--target", "prod"]);
    let text = std::fs::read_to_string(project.path().join("template.yaml")).unwrap();
    // About 90 statements of 140 bytes; with their comments they have twice as many.
    let policies = text.matches("AWS::IAM::ManagedPolicy").count();
    assert!((2..=3).contains(&policies), "{policies}");
    // There is no warehouse.
    assert!(!text.contains("CopyPolicy"), "{text}");
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
