//! The local AWS of a pipeline on a target that uses it: the one that runs on its folder, or one that lives as long as the command.

use std::path::Path;
use transom_file::spec::{AwsOptions, Place, S3Url};
use transom_file::{Pipeline, SinkKind};
use transom_local::{
    Credentials, FolderError, LocalAws, Options, StartError, environment, owner_of,
};
use transom_pipeline::{Aws, S3Error};

use crate::failure::Failure;

/// Where its data lies, relative to the pipeline: where `transom local up` puts it.
pub(crate) const DATA: &str = ".transom/local";

/// A local AWS, joined or started.
#[derive(Debug)]
pub(crate) struct Joined {
    endpoint: String,
    region: String,
    credentials: Credentials,
    #[expect(dead_code, reason = "serves as long as it lives")]
    own: Option<LocalAws>,
}

impl Joined {
    /// Where it answers.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The variables with which another program uses it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.endpoint, None, &self.region, &self.credentials)
    }

    /// How it is reached.
    pub(crate) fn aws(&self, options: &AwsOptions) -> Aws {
        let Credentials {
            access_key,
            secret_key,
        } = &self.credentials;
        Aws::at(options.clone(), &self.endpoint, access_key, secret_key)
    }
}

/// What S3 refused.
pub(crate) fn of_s3(error: S3Error) -> Failure {
    transom_pipeline::Error::from(error).into()
}

/// Joins the one that runs on the pipeline's folder, or starts one. Buckets that the pipeline writes to are made.
pub(crate) async fn join(pipeline: &Pipeline) -> Result<Joined, Failure> {
    join_at(&pipeline.root.join(DATA), pipeline).await
}

/// The same for the one that runs on a data folder.
pub(crate) async fn join_at(folder: &Path, pipeline: &Pipeline) -> Result<Joined, Failure> {
    let joined = find_or_start(folder).await?;
    let aws = joined.aws(&pipeline.aws);
    let files = pipeline.sinks.iter().filter_map(|sink| match &sink.kind {
        SinkKind::Files(files) => Some(&files.path.value),
        SinkKind::Redshift { .. } => None,
    });
    let state = pipeline.is_sliced().then_some(&pipeline.state);
    let places = files.chain([&pipeline.dead_letters]).chain(state);
    let places = places.filter_map(|place| match place {
        Place::S3(url) => Some(url),
        Place::Local(_) => None,
    });
    let staging = pipeline.redshift.as_ref().map(|redshift| &redshift.staging);
    for S3Url { bucket, .. } in places.chain(staging) {
        aws.create_bucket(bucket).await.map_err(of_s3)?;
    }
    Ok(joined)
}

/// Joins the one that runs on a data folder, or starts one.
pub(crate) async fn find_or_start(folder: &Path) -> Result<Joined, Failure> {
    let running = || {
        let owner = owner_of(folder).map_err(|source| Failure::Io {
            what: format!("the data folder `{}` cannot be used", folder.display()),
            source,
        })?;
        Ok::<_, Failure>(owner.map(|owner| Joined {
            endpoint: owner.endpoint,
            region: owner.region,
            credentials: Credentials::default(),
            own: None,
        }))
    };
    if let Some(joined) = running()? {
        return Ok(joined);
    }
    let options = Options {
        http_port: 0,
        ..Options::new(folder)
    };
    let (region, credentials) = (options.region.clone(), options.credentials.clone());
    match LocalAws::start(options).await {
        Ok(own) => Ok(Joined {
            endpoint: own.endpoint().to_owned(),
            region,
            credentials,
            own: Some(own),
        }),
        // Another command was faster.
        Err(StartError::Folder(FolderError::InUse { .. })) => {
            running()?.ok_or_else(|| Failure::Usage {
                message: "another command is starting the local AWS".to_owned(),
                hint: Some("try again, or start it first with `transom local up`".to_owned()),
            })
        }
        Err(error) => Err(Failure::Usage {
            message: format!("the local AWS cannot be started: {error}"),
            hint: Some(format!("its data lie in `{}`", folder.display())),
        }),
    }
}
