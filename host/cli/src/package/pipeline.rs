//! The pipeline in a package: its file, lock file and queries as they are written, and its plugins compiled ahead of time.

use std::net::IpAddr;
use std::path::Path;

use fs_err as fs;
use transom_file::spec::{Endpoint, Place, S3Url};
use transom_file::{CheckKind, Pipeline, Problem, Problems, SinkKind, StepKind};
use transom_pipeline::lock::Lock;
use transom_pipeline::plugins::{self, COMPILED};
use transom_pipeline::{rejects, slices};
use transom_plugin::{Machine, compile_ahead};

use crate::compilers::Compilers;
use crate::context::Context;
use crate::failure::Failure;

/// What the pipeline's file is called in a package: where the function looks for it.
const FILE: &str = "transom.yaml";

/// Refuses a target that needs something of this machine.
pub(crate) fn check_reachable(pipeline: &Pipeline) -> Result<(), Failure> {
    let unreachable = match &pipeline.aws.endpoint {
        Endpoint::Local => Some("the local AWS".to_owned()),
        Endpoint::Url(url) if is_this_machine(url) => Some(format!("`{url}`")),
        Endpoint::Aws | Endpoint::Url(_) => None,
    };
    if let (true, Some(what)) = (pipeline.uses_aws(), unreachable) {
        return Err(Failure::Usage {
            message: format!(
                "the target `{}` uses {what}, which a function in the cloud cannot reach",
                pipeline.target
            ),
            hint: Some("name another one with `--target`".to_owned()),
        });
    }
    if let (true, Some(profile)) = (pipeline.uses_aws(), &pipeline.aws.profile) {
        return Err(Failure::Usage {
            message: format!(
                "the target `{}` has its credentials from the profile `{profile}` of this machine, which a function in the cloud has not",
                pipeline.target
            ),
            hint: Some(
                "a function has the role of its template: leave `profile` away, and choose it here with `AWS_PROFILE`; or package \
                 another target"
                    .to_owned(),
            ),
        });
    }
    let problems = local_places(pipeline);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Problems(problems).into()),
    }
}

/// Whether the host of an address is the machine that asks.
fn is_this_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    };
    let host = host.unwrap_or_default().to_ascii_lowercase();
    let address = host.parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

/// Refuses a pipeline in slices whose columns are not all in its lock file: no slice of it would run.
pub(crate) fn check_locked(pipeline: &Pipeline) -> Result<(), Failure> {
    if pipeline.is_sliced() {
        let lock = Lock::read(&Lock::path_of(pipeline))?;
        slices::locked_schemas(pipeline, lock.as_ref())?;
    }
    Ok(())
}

/// What [`check_reachable`] refuses, if the target is one of AWS: a run on this machine may mean it so.
pub(crate) fn out_of_reach(pipeline: &Pipeline) -> Vec<Problem> {
    match pipeline.uses_aws() && pipeline.aws.endpoint != Endpoint::Local {
        true => local_places(pipeline),
        false => vec![],
    }
}

/// Whether rows can get into the dead letters.
pub(super) fn has_dead_letters(pipeline: &Pipeline) -> bool {
    !rejects::tables(pipeline).is_empty() || pipeline.checks().next().is_some()
}

/// What lies on this machine: a function has no folder that lasts.
fn local_places(pipeline: &Pipeline) -> Vec<Problem> {
    let hint = format!(
        "give it a path on S3, `s3://..`, in the target `{}`",
        pipeline.target
    );
    let sources = pipeline.sources.iter();
    let sources = sources.filter(|source| !S3Url::is_meant(&source.path.value));
    let sources = sources.map(|source| {
        let message = format!(
            "the source `{}` is on this machine, where a function cannot reach it",
            source.name.value
        );
        pipeline.problem_at(source.path.span, message)
    });
    let sinks = pipeline.sinks.iter().filter_map(|sink| match &sink.kind {
        SinkKind::Files(files) if matches!(files.path.value, Place::Local(_)) => {
            let message = format!(
                "the sink `{}` is on this machine, where a function cannot reach it",
                sink.name.value
            );
            Some(pipeline.problem_at(files.path.span, message))
        }
        _ => None,
    });
    let is_local = |place: &Place| matches!(place, Place::Local(_));
    let others = [
        (
            "the state",
            pipeline.is_sliced() && is_local(&pipeline.state),
        ),
        (
            "the folder `dead_letters`",
            has_dead_letters(pipeline) && is_local(&pipeline.dead_letters),
        ),
    ];
    let others = others.into_iter().filter(|(_, is_local)| *is_local);
    let others = others.map(|(what, _)| {
        Problem::new(format!(
            "{what} is on this machine, where a function cannot reach it"
        ))
    });
    let all = sources.chain(sinks).chain(others);
    all.map(|problem| problem.with_hint(hint.clone())).collect()
}

/// Writes a pipeline into a folder, as programs in the cloud run it: nothing is compiled there.
pub(crate) fn write(
    context: &Context,
    pipeline: &Pipeline,
    machine: Machine,
    folder: &Path,
) -> Result<(), Failure> {
    let copy = |from: &Path, to: &Path| {
        let to = folder.join(to);
        let parent = to.parent().unwrap_or(folder);
        let copied = fs::create_dir_all(parent).and_then(|()| fs::copy(from, &to));
        copied.map(drop).map_err(|source| Failure::Io {
            what: "the package cannot be written".to_owned(),
            source,
        })
    };
    copy(&pipeline.file, FILE.as_ref())?;
    let lock = Lock::path_of(pipeline);
    if lock.is_file() {
        copy(&lock, &Path::new(FILE).with_extension("lock"))?;
    }
    let steps = pipeline.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Sql(sql) => Some(sql),
        StepKind::Transform(_) => None,
    });
    let checks = pipeline
        .checks()
        .filter_map(|(_, check)| match &check.kind {
            CheckKind::Sql(sql) => Some(sql),
            _ => None,
        });
    for sql in steps.chain(checks) {
        let Some(file) = &sql.file else { continue };
        let Ok(inside) = file.strip_prefix(&pipeline.root) else {
            let message = format!("`{}` is not in the pipeline's folder", file.display());
            let problem = pipeline.problem_at(sql.span, message);
            let problem = problem.with_hint("a package has what is in it: move the query there");
            return Err(Problems::from(problem).into());
        };
        if !sql.moves_along {
            let message = format!(
                "`{}` is found only where the pipeline is now",
                file.display()
            );
            let problem = pipeline.problem_at(sql.span, message);
            let problem = problem.with_hint(format!(
                "write its path as it is from the pipeline's file: `{}`",
                inside.display()
            ));
            return Err(Problems::from(problem).into());
        }
        copy(file, inside)?;
    }
    compile(context, pipeline, machine, &folder.join(COMPILED))
}

/// Compiles a pipeline's plugins into a folder, which is not made if there are none.
pub(crate) fn compile(
    context: &Context,
    pipeline: &Pipeline,
    machine: Machine,
    folder: &Path,
) -> Result<(), Failure> {
    let loaded = context.plugins(pipeline)?;
    let components = pipeline
        .plugins
        .iter()
        .map(|plugin| plugins::component(plugin, &Compilers, &|name| context.building(name)));
    let components = components.collect::<Result<Vec<_>, _>>()?;
    let loaded: Vec<_> = loaded.into_iter().zip(components).collect();
    if loaded.is_empty() {
        return Ok(());
    }
    context
        .printer
        .say(format_args!("compiling plugins for {machine}"));
    let runtime = context.plugin_runtime()?;
    Ok(compile_ahead(&runtime, &loaded, machine, folder)?)
}
