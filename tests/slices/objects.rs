//! What others do to the bucket of a pipeline and to its objects: rules that delete, tags, files in the place of ours.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, Tag, Tagging,
};
use transom_pipeline::slices::{Command, Probed};

use crate::world::{At, Kind, World};

const BUCKET: &str = "lake";
const STAGED: &str = ".out.transom/staged/";

fn below(prefix: &str) -> LifecycleRuleFilter {
    LifecycleRuleFilter::builder().prefix(prefix).build()
}

fn tag() -> Tag {
    let tag = Tag::builder().key("owner").value("somebody");
    tag.build().unwrap()
}

/// Gives the bucket one rule.
async fn set_rule(world: &World, filter: LifecycleRuleFilter, days: i32) {
    let rule = LifecycleRule::builder()
        .id("r")
        .status(ExpirationStatus::Enabled)
        .filter(filter)
        .expiration(LifecycleExpiration::builder().days(days).build());
    let rules = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap());
    let put = world.s3().put_bucket_lifecycle_configuration();
    let put = put.bucket(BUCKET);
    let put = put.lifecycle_configuration(rules.build().unwrap());
    put.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_before_a_rule_can_delete_its_log() {
    let world = World::new(Kind::Append, At::S3).await;
    for (prefix, what) in [
        ("", "all objects"),
        ("st", "objects below `st`"),
        ("state/", "objects below `state/`"),
        ("state/log/", "objects below `state/log/`"),
    ] {
        set_rule(&world, below(prefix), 3650).await;
        let error = world.run().await.unwrap_err().error;
        assert_eq!(
            error.to_string(),
            format!(
                "the state cannot be kept in `s3://lake/state`: the rule `r` of bucket `lake` deletes {what} after 3650 days"
            )
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("no rule may cover the state"), "{hint}");
        assert_eq!(world.job().history(0).await.unwrap().tail, 0);
    }
    set_rule(&world, below("state-of-others/"), 1).await;
    world.run().await.unwrap();
    // Nothing that is written has tags.
    let tagged = LifecycleRuleFilter::builder().tag(tag()).build();
    set_rule(&world, tagged, 1).await;
    world.run().await.unwrap();
    world.check("beside rules of other objects").await;
}

/// The places that are broken, and those that come with a warning, by what their names begin with.
async fn probed(world: &World, names: &[&'static str]) -> (Vec<&'static str>, Vec<&'static str>) {
    let places = world.job().probe().await;
    assert_eq!(places.len(), names.len(), "{places:?}");
    let those = |is: fn(&Probed) -> bool| {
        let those: Vec<&Probed> = places.iter().filter(|place| is(place)).collect();
        let mut known = names.to_vec();
        known.retain(|name| those.iter().any(|place| place.what.starts_with(name)));
        known
    };
    let warns = |place: &Probed| place.found.as_ref().is_ok_and(|fit| fit.warning.is_some());
    (those(|place| place.found.is_err()), those(warns))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_rules_by_what_they_would_delete() {
    const STATE: &str = "state in";
    const SINK: &str = "sink `out` in";
    const STAGING: &str = "staging of sink `out` in";
    let files: [(&str, i32, &[&str], &[&str]); 8] = [
        ("unrelated/logs/", 1, &[], &[]),
        ("out-of-others/", 1, &[], &[]),
        ("out/", 45, &[SINK], &[]),
        ("out/day=2024-01-01/", 3650, &[SINK], &[]),
        (".out.transom/", 45, &[SINK], &[]),
        (STAGED, 45, &[], &[SINK]),
        (STAGED, 29, &[SINK], &[]),
        ("", 3650, &[STATE, SINK], &[]),
    ];
    let warehouse: [(&str, i32, &[&str], &[&str]); 4] = [
        ("staging-of-others/", 1, &[], &[]),
        ("staging/", 29, &[STAGING], &[]),
        ("staging/", 45, &[], &[STAGING]),
        ("", 45, &[STATE], &[STAGING]),
    ];
    for (at, names, cases) in [
        (At::S3, [STATE, SINK], &files[..]),
        (At::Redshift, [STATE, STAGING], &warehouse[..]),
    ] {
        let world = World::new(Kind::Append, at).await;
        world.run().await.unwrap();
        let before = world.stored().await;
        for (prefix, days, broken, warned) in cases {
            set_rule(&world, below(prefix), *days).await;
            let found = probed(&world, &names).await;
            let expected = (broken.to_vec(), warned.to_vec());
            assert_eq!(found, expected, "{at:?}: {prefix}, {days} days");
        }
        assert!(world.stored().await == before, "{at:?}: something is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_what_is_staged_are_not_published() {
    let world = World::new(Kind::Append, At::S3).await;
    let attempt = world.stage().await;
    let s3 = world.s3();
    let keys = async |prefix: &'static str| {
        let stored = world.stored().await.into_keys();
        let keys: Vec<String> = stored.filter(|key| key.starts_with(prefix)).collect();
        assert!(!keys.is_empty(), "{prefix}");
        keys
    };
    for key in keys(STAGED).await {
        let tags = Tagging::builder().tag_set(tag()).build().unwrap();
        let put = s3.put_object_tagging().bucket(BUCKET).key(key);
        put.tagging(tags).send().await.unwrap();
    }
    world.ask(Command::Load { attempt }).await.unwrap();
    world.check("with tags").await;
    for key in keys("out/").await {
        let got = s3.get_object_tagging().bucket(BUCKET).key(&key);
        assert!(got.send().await.unwrap().tag_set().is_empty(), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_place_of_ours_is_not_taken_for_it() {
    let world = World::new(Kind::Append, At::S3).await;
    let attempt = world.stage().await;
    let folder = format!("{STAGED}{attempt}/");
    let stored = world.stored().await;
    let mut staged = stored
        .iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix(&folder)?, bytes)));
    let (path, bytes) = staged.next().unwrap();
    let (day, name) = path.rsplit_once('/').unwrap();
    let key = format!("out/{day}/{attempt}-{name}");
    // Of the same size.
    world.put(&key, &"x".repeat(bytes.len())).await;
    let load = Command::Load { attempt };
    let error = world.ask(load).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a file of entry 2 for sink `out` was replaced by another one"
    );
    let gone = world.s3().delete_object().bucket(BUCKET).key(&key);
    gone.send().await.unwrap();
    world.run().await.unwrap();
    world.check("once it is gone").await;
    assert!(world.job().verify(true).await.unwrap().findings.is_empty());
}
