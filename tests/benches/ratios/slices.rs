//! What a slice costs before its first row: listing its files on S3, and a plan that is used again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, Region};
use tokio::runtime::Runtime;
use transom_connect::{Aws, FileSource, ReadProgress, Sample, Source};
use transom_file::spec::{AwsOptions, Format, Place, S3Url, Unknown};
use transom_file::{LoadOptions, load};
use transom_local::{LocalAws, Options};
use transom_pipeline::Job;
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Slice, Sources};
use transom_plugin::{Cancel, Limits};

use super::common::Result;
use super::common::guests;
use super::common::measure::{Comparison, Target, median, taking_turns};
use super::flights::PARTS;

/// Of any library.
type Error = Box<dyn std::error::Error + Send + Sync>;

const OBJECTS: usize = 100_000;
const ROUNDS: usize = 5;

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    Ok(vec![listing(&runtime)?, second_slice(&runtime)?])
}

/// A source's listing beside the pages of the SDK, of the local S3.
fn listing(runtime: &Runtime) -> Result<Comparison> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        http_port: 0,
        ..Options::new(folder.path())
    };
    let local = runtime.block_on(LocalAws::start(options))?;
    let transom_local::Credentials {
        access_key,
        secret_key,
    } = transom_local::Credentials::default();
    let aws = Aws::at(
        AwsOptions::default(),
        local.endpoint(),
        &access_key,
        &secret_key,
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .endpoint_url(local.endpoint())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            access_key, secret_key, None, None, "bench",
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    runtime.block_on(async {
        aws.create_bucket("bench").await?;
        let mut puts = tokio::task::JoinSet::new();
        for number in 0..OBJECTS {
            if puts.len() >= 64 {
                puts.join_next().await;
            }
            let put = client
                .put_object()
                .bucket("bench")
                .key(format!("many/{number:06}.json"))
                .body(b"{}\n".to_vec().into());
            puts.spawn(put.send());
        }
        while let Some(put) = puts.join_next().await {
            put??;
        }
        Ok::<_, Error>(())
    })?;

    let source = FileSource {
        name: "many".to_owned(),
        root: Place::S3(S3Url {
            bucket: "bench".to_owned(),
            key: String::new(),
        }),
        aws,
        pattern: "many/".to_owned(),
        format: Format::Json,
        columns: None,
        unknown: Unknown::Fail,
        sample: Sample::default(),
        read: ReadProgress::default(),
    };
    let [pages, ours] = taking_turns(ROUNDS, |side| {
        let start = Instant::now();
        let found = runtime.block_on(async {
            match side {
                0 => pages_of(&client).await,
                _ => Ok(source.list().await?.pieces.len()),
            }
        })?;
        assert_eq!(found, OBJECTS, "all objects are listed");
        Ok(start.elapsed())
    })?;
    Ok(Comparison {
        name: format!("listing of {OBJECTS} objects by a source"),
        baseline: ("pages of aws-sdk-s3", pages),
        ours,
        target: Target::Slower(1.2),
        split: None,
    })
}

async fn pages_of(client: &Client) -> Result<usize> {
    let listing = client
        .list_objects_v2()
        .bucket("bench")
        .prefix("many/")
        .into_paginator();
    let mut listing = listing.send();
    let mut found = 0;
    while let Some(page) = listing.next().await {
        found += page?.contents().len();
    }
    Ok(found)
}

/// The example pipeline `flights`, ready for the files of another month.
fn second_slice(runtime: &Runtime) -> Result<Comparison> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights");
    let options = LoadOptions {
        target: Some("year".to_owned()),
        ..LoadOptions::default()
    };
    let pipeline = load(&folder.join("transom.yaml"), &options).expect("the example is right");
    let engine = guests::runtime()?;
    let mut plugins = Vec::new();
    for (name, folder, _) in PARTS {
        let component = guests::component(&format!("examples/flights/plugins/{folder}"))?;
        plugins.push(engine.load(name, &component, Limits::default())?);
    }
    let lock = Lock::read(&Lock::path_of(&pipeline))?;
    let mut job = Job::new(pipeline, plugins);
    job.lock = lock.map(Arc::new);
    let part = Part::default();
    let (first, ours) = runtime.block_on(async {
        let mut first = Vec::new();
        let mut again = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut planned = job.plan(Sources::Open, &part).await?;
            first.push(start.elapsed());
            let all = planned.inputs();
            for month in 1..=12 {
                let mut inputs = all["flights"].clone();
                let file = format!("2013-{month:02}.parquet");
                inputs.pieces.retain(|piece| piece.path.ends_with(&file));
                let slice = Slice {
                    inputs: BTreeMap::from([("flights".to_owned(), inputs)]),
                    time: job.session.time,
                    cancel: Cancel::new(),
                };
                let start = Instant::now();
                planned.begin(slice).await?;
                again.push(start.elapsed());
            }
        }
        Ok::<_, Error>((median(&mut first), median(&mut again)))
    })?;
    Ok(Comparison {
        name: "pipeline `flights`, its plan ready for another slice".to_owned(),
        baseline: ("the first plan", first),
        ours,
        target: Target::Within(Duration::from_millis(5)),
        split: None,
    })
}
