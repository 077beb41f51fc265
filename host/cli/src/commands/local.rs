//! `transom local`: the local AWS, started, asked and emptied.

mod objects;
mod sql;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use transom_file::spec::{AwsOptions, Endpoint, S3Url};
use transom_local::{
    Client, ClientError, Contents, Credentials, FolderError, Isolation, LocalAws, Objects, Options,
    Owner, RedshiftPort, StartError, Status, clear_folder, environment, owner_of,
};
use transom_pipeline::S3Error;
use transom_pipeline::report::{Bytes, counted};
use transom_plugin::Cancel;

use crate::context::Context;
use crate::failure::Failure;
use crate::local_aws;
use crate::printer::NAME;
use crate::signals;
use crate::values::positive;

/// Run Amazon's services on this machine: S3 and Redshift.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom local up                     until Ctrl-C
  eval \"$(transom local env)\"          then `aws s3 mb s3://lake`, boto3, dbt and others use it
  transom local cp data/raw s3://raw/  copies files into a bucket
  transom local status
  echo 'select 1' | transom local sql  statements for Redshift; a file as well
  transom local reset                  deletes all buckets and tables
  transom local lifecycle --at 2030-01-01

One process owns a data folder. It answers on 127.0.0.1 alone and accepts any credentials.")]
pub(crate) struct LocalCommand {
    #[command(subcommand)]
    action: Action,
    /// The folder of the data.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = local_aws::DATA
    )]
    data: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start it, and serve until Ctrl-C or SIGTERM.
    Up {
        /// The port on 127.0.0.1; 0 takes a free one.
        #[arg(long, value_name = "PORT", default_value_t = Options::HTTP_PORT)]
        http_port: u16,
        /// The port of Redshift's wire protocol on 127.0.0.1, for psql and drivers; 0 takes a free one.
        /// [default: 5439, or a free one if that is taken]
        #[arg(long, value_name = "PORT")]
        redshift_port: Option<u16>,
        /// The region that it is in.
        #[arg(long, value_name = "NAME", default_value = "us-east-1")]
        region: String,
        /// How transactions of Redshift see each other.
        #[arg(long, value_name = "HOW", value_enum, default_value_t = Isolated::Snapshot)]
        isolation: Isolated,
        /// COPY and UNLOAD of Redshift reach the buckets of another S3 instead of the local one: an address such as
        /// `http://127.0.0.1:9000`, or `aws` for Amazon's. They use the credentials that AWS's tools use.
        #[arg(long, value_name = "URL", value_parser = objects::endpoint)]
        s3_endpoint: Option<Endpoint>,
        /// Writes what clients ask for to the end of this file, as IAM would judge it: one action on one resource a line, in JSON.
        #[arg(long, value_name = "FILE")]
        access_log: Option<PathBuf>,
        /// Refuses requests that are not signed with the keys that `transom local env` prints.
        #[arg(long)]
        check_signatures: bool,
    },
    /// Show whether it runs, and what it holds.
    Status {
        /// Writes it as JSON to stdout.
        #[arg(long)]
        json: bool,
    },
    /// Delete all data, whether it runs or not.
    Reset,
    /// Print the variables that make AWS's tools use it, for `eval` in a shell.
    Env {
        /// Writes them as JSON to stdout.
        #[arg(long)]
        json: bool,
    },
    /// Copy files into a bucket, which is made if there is none, or out of one.
    Cp {
        /// A file or folder of this machine, or `s3://bucket/key`, `s3://bucket/prefix/`.
        from: String,
        /// Where to: the other of the two.
        to: String,
    },
    /// Run statements on the local Redshift, and show their results.
    ///
    /// Each statement is a transaction of its own, unless BEGIN and COMMIT are among them; the first error ends it.
    /// Without a local AWS that runs, one is started for as long as the command takes.
    Sql {
        /// A file of statements; `-` is stdin.
        // Not `file`: that is the pipeline's, an option of all commands.
        #[arg(value_name = "FILE", default_value = "-")]
        statements: PathBuf,
        /// Rows of a result to show at most. [default: 20]
        #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "json")]
        rows: Option<usize>,
        /// Writes all results as JSON to stdout, values as the texts that Redshift shows.
        #[arg(long)]
        json: bool,
    },
    /// Run the lifecycle rules of all buckets at once.
    Lifecycle {
        /// As if it were the beginning of this day, in UTC. [default: now]
        #[arg(long, value_name = "DATE", value_parser = day)]
        at: Option<i64>,
        /// Writes what was deleted as JSON to stdout.
        #[arg(long)]
        json: bool,
    },
}

/// Isolation as an argument.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Isolated {
    /// Each reads what was committed when it started; writers of the same table conflict.
    Snapshot,
    /// As if they had run one after the other.
    Serializable,
}

#[derive(Debug, Serialize)]
struct Shown<'s> {
    data: &'s Path,
    owner: Option<&'s Owner>,
    s3: Option<Contents>,
    redshift: Option<Tables>,
}

/// What Redshift holds.
#[derive(Debug, Serialize)]
struct Tables {
    tables: u64,
    rows: u64,
}

impl LocalCommand {
    /// Whether stdout is to hold one JSON value and nothing else.
    pub(crate) fn is_json(&self) -> bool {
        match self.action {
            Action::Status { json }
            | Action::Env { json }
            | Action::Lifecycle { json, .. }
            | Action::Sql { json, .. } => json,
            Action::Up { .. } | Action::Reset | Action::Cp { .. } => false,
        }
    }

    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let data = &self.data;
        match self.action {
            Action::Up {
                http_port,
                redshift_port,
                region,
                isolation,
                s3_endpoint,
                access_log,
                check_signatures,
            } => {
                let other = s3_endpoint.map(objects::OtherS3::new);
                let options = Options {
                    http_port,
                    redshift_port: redshift_port.map_or(RedshiftPort::Usual, RedshiftPort::At),
                    region,
                    isolation: match isolation {
                        Isolated::Snapshot => Isolation::Snapshot,
                        Isolated::Serializable => Isolation::Serializable,
                    },
                    access_log,
                    check_signatures,
                    objects: other.map(|other| Arc::new(other) as Arc<dyn Objects>),
                    ..Options::new(data)
                };
                context.block_on(serve(context, options))
            }
            Action::Status { json } => context.block_on(status(context, data, json)),
            Action::Reset => {
                match owner(data)? {
                    Some(owner) => context.block_on(async {
                        let reset = Client::new(owner.endpoint).reset().await;
                        reset.map_err(of_client)
                    })?,
                    None => clear_folder(data).map_err(of_folder)?,
                }
                context.printer.say("deleted all data");
                Ok(())
            }
            Action::Env { json } => {
                let owner = owner(data)?.unwrap_or_else(|| Owner {
                    process: 0,
                    endpoint: format!("http://127.0.0.1:{}", Options::HTTP_PORT),
                    redshift_port: Some(RedshiftPort::USUAL),
                    region: Options::new(data).region,
                });
                let variables = environment(
                    &owner.endpoint,
                    owner.redshift_port,
                    &owner.region,
                    &Credentials::default(),
                );
                if json {
                    let variables: serde_json::Map<_, _> = variables
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value.into()))
                        .collect();
                    return context.printer.json(&variables);
                }
                for (name, value) in variables {
                    context
                        .printer
                        .data(format_args!("export {name}={value}"))?;
                }
                Ok(())
            }
            Action::Cp { from, to } => {
                let copied = context.block_on(copy(data, &from, &to))?;
                let files = counted(copied, "file");
                context.printer.say(format_args!("copied {files} to {to}"));
                Ok(())
            }
            Action::Sql {
                statements,
                rows,
                json,
            } => sql::run(context, data, &statements, rows, json),
            Action::Lifecycle { at, json } => context.block_on(async {
                let owner = owner(data)?.ok_or_else(|| not_running(data))?;
                let client = Client::new(owner.endpoint);
                let expired = client.run_lifecycle(at).await.map_err(of_client)?;
                if json {
                    return context.printer.json(&expired);
                }
                context.printer.data(format_args!(
                    "deleted {} objects, aborted {} uploads",
                    expired.objects, expired.uploads
                ))
            }),
        }
    }
}

/// Copies files between this machine and the local S3; says how many.
async fn copy(data: &Path, from: &str, to: &str) -> Result<u64, Failure> {
    let url = |text: &str| {
        S3Url::parse(text).map_err(|wrong| Failure::Usage {
            message: format!("`{text}` {wrong}"),
            hint: Some("name a place such as `s3://bucket/prefix/`".to_owned()),
        })
    };
    let files = match (S3Url::is_meant(from), S3Url::is_meant(to)) {
        (false, true) => Copies::In(files_of(Path::new(from), &url(to)?)?),
        (true, false) => Copies::Out(url(from)?, to.into()),
        _ => {
            return Err(Failure::Usage {
                message: "one of the two places must be on S3, the other on this machine"
                    .to_owned(),
                hint: None,
            });
        }
    };
    let local = local_aws::find_or_start(data).await?;
    let aws = local.aws(&AwsOptions::default());
    let failed = |path: &Path, source: io::Error| {
        let said = source
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<S3Error>());
        match said {
            Some(said) => local_aws::of_s3(said.clone()),
            None => Failure::Io {
                what: format!("cannot copy `{}`", path.display()),
                source,
            },
        }
    };
    match files {
        Copies::In(files) => {
            for (file, url) in &files {
                let made = aws.create_bucket(&url.bucket).await;
                made.map_err(local_aws::of_s3)?;
                let uploaded = aws.upload(file, url).await;
                uploaded.map_err(|error| failed(file, error))?;
            }
            Ok(files.len() as u64)
        }
        Copies::Out(from, to) => {
            let found = aws.list(&from).await.map_err(local_aws::of_s3)?;
            for (url, below) in &found {
                let file = file_for(url, below, &to)?;
                let downloaded = aws.download(url, &file).await;
                downloaded.map_err(|error| failed(&file, error))?;
            }
            Ok(found.len() as u64)
        }
    }
}

/// Where an object of a bucket goes below `to`. A key may hold what leads out of a folder.
fn file_for(url: &S3Url, below: &str, to: &Path) -> Result<PathBuf, Failure> {
    if below.is_empty() {
        let name = url.key.rsplit('/').next().unwrap_or_default();
        return Ok(if to.is_dir() {
            to.join(name)
        } else {
            to.to_owned()
        });
    }
    let leads_out = |name: &str| matches!(name, "" | "." | "..");
    match below.split('/').any(leads_out) {
        false => Ok(to.join(below)),
        true => Err(Failure::Usage {
            message: format!("`{url}` cannot be a file below `{}`", to.display()),
            hint: Some("its key has an empty part, `.` or `..`".to_owned()),
        }),
    }
}

/// What is copied which way.
enum Copies {
    In(Vec<(PathBuf, S3Url)>),
    Out(S3Url, PathBuf),
}

/// A file, or all files of a folder, with where each goes.
fn files_of(from: &Path, to: &S3Url) -> Result<Vec<(PathBuf, S3Url)>, Failure> {
    if !from.is_dir() {
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        let is_folder = to.key.is_empty() || to.key.ends_with('/');
        let to = if is_folder {
            to.join(&name)
        } else {
            to.clone()
        };
        return Ok(vec![(from.to_owned(), to)]);
    }
    let mut files = Vec::new();
    list(from, to, &mut files).map_err(|source| Failure::Io {
        what: format!("cannot copy `{}`", from.display()),
        source,
    })?;
    Ok(files)
}

/// All files of a folder and below, with where each goes.
fn list(folder: &Path, to: &S3Url, files: &mut Vec<(PathBuf, S3Url)>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let path = entry.path();
        let to = to.join(&entry.file_name().to_string_lossy());
        match path.is_dir() {
            true => list(&path, &to, files)?,
            false => files.push((path, to)),
        }
    }
    Ok(())
}

async fn serve(context: &Context, options: Options) -> Result<(), Failure> {
    let data = options.data.clone();
    let local = LocalAws::start(options)
        .await
        .map_err(|error| match error {
            StartError::Folder(error) => of_folder(error),
            StartError::Listen { port, source } => Failure::Usage {
                message: format!("cannot listen on 127.0.0.1:{port}: {source}"),
                hint: Some(
                    "choose another port with `--http-port` or `--redshift-port`; 0 takes a free one"
                        .to_owned(),
                ),
            },
            StartError::AccessLog { ref source, .. } => Failure::Usage {
                message: format!("{error}: {source}"),
                hint: Some("name another file with `--access-log`".to_owned()),
            },
            StartError::Data { ref source, .. } => Failure::Usage {
                message: format!("{error}: {}", chain(source.as_ref())),
                hint: Some("`transom local reset` deletes all data".to_owned()),
            },
        })?;
    let cancel = Cancel::new();
    let in_order = signals::in_order(&cancel);
    let endpoint = local.endpoint();
    context.printer.say(format_args!(
        "S3 and Redshift's Data API on {NAME}{endpoint}{NAME:#}, data in {}; Ctrl-C ends it",
        data.display()
    ));
    if let Some(port) = local.redshift_port() {
        context.printer.say(format_args!(
            "Redshift for psql and drivers on {NAME}127.0.0.1:{port}{NAME:#}, without TLS"
        ));
    }
    context
        .printer
        .say("to use it in another shell: eval \"$(transom local env)\"");
    signals::cancelled(&cancel).await;
    local.shutdown().await;
    drop(in_order);
    Ok(())
}

async fn status(context: &Context, data: &Path, json: bool) -> Result<(), Failure> {
    let owner = owner(data)?;
    let status = match &owner {
        Some(owner) => {
            let status = Client::new(&owner.endpoint).status().await;
            Some(status.map_err(of_client)?)
        }
        None => None,
    };
    if json {
        return context.printer.json(&json!(Shown {
            data,
            owner: owner.as_ref(),
            s3: status.as_ref().map(|status| status.s3),
            redshift: status.map(|Status { tables, rows, .. }| Tables { tables, rows }),
        }));
    }
    let (Some(owner), Some(status)) = (owner, status) else {
        return context.printer.data("not running");
    };
    let wire = owner.redshift_port.map(|port| format!(", port {port}"));
    context.printer.data(format_args!(
        "{NAME}{}{NAME:#}, process {}\nS3: {}, {}, {}, {}\nRedshift: {}, {}{}",
        owner.endpoint,
        owner.process,
        counted(status.s3.buckets, "bucket"),
        counted(status.s3.objects, "object"),
        Bytes(status.s3.bytes),
        counted(status.s3.uploads, "open upload"),
        counted(status.tables, "table"),
        counted(status.rows, "row"),
        wire.unwrap_or_default(),
    ))
}

fn owner(data: &Path) -> Result<Option<Owner>, Failure> {
    owner_of(data).map_err(|source| Failure::Io {
        what: format!("the data folder `{}` cannot be used", data.display()),
        source,
    })
}

fn not_running(data: &Path) -> Failure {
    Failure::Usage {
        message: format!("no local AWS runs on `{}`", data.display()),
        hint: Some("start it with `transom local up`, or name its folder with `--data`".to_owned()),
    }
}

fn of_folder(error: FolderError) -> Failure {
    let hint = match &error {
        FolderError::InUse { .. } => "use the one that runs, or another folder with `--data`",
        FolderError::Foreign { .. } => "name an empty or a new folder with `--data`",
        FolderError::Format { .. } => {
            "use the program that wrote it, or another folder with `--data`"
        }
        FolderError::Io { .. } => "name another folder with `--data`",
    };
    Failure::Usage {
        message: chain(&error),
        hint: Some(hint.to_owned()),
    }
}

fn of_client(error: ClientError) -> Failure {
    Failure::Usage {
        message: chain(&error),
        hint: None,
    }
}

/// An error with its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

/// The seconds since 1970 at which a day begins.
fn day(text: &str) -> Result<i64, String> {
    let date: chrono::NaiveDate = text
        .parse()
        .map_err(|_| "expected a date, such as 2030-01-31".to_owned())?;
    Ok(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp())
}
