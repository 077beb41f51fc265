//! The function in a root that has nothing but its package, libraries of C, certificates and a `/tmp`, as a user who can write nowhere
//! else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use transom_file::spec::{AwsOptions, S3Url};
use transom_local::{FunctionOptions, LocalAws, LocalFunction, Options};
use transom_pipeline::Aws;

use crate::answer;
use crate::world::World;

/// Where Lambda puts a function's files.
const TASK: &str = "var/task";
/// Certificates of authorities: where they are here, as one of these, and where the runtime `provided.al2023` has them.
const CERTIFICATES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// A user whom no file belongs to.
const NOBODY: &str = "65534:65534";

#[tokio::test(flavor = "multi_thread")]
async fn a_package_needs_certificates_and_nothing_else() {
    let world = World::with_plugin(2);
    let root = match bare_root(&world) {
        Ok(root) => root,
        Err(reason) => {
            eprintln!("skipped: no root of its own for the function: {reason}");
            return;
        }
    };
    let s3 = TempDir::new().unwrap();
    let options = Options {
        http_port: 0,
        ..Options::new(s3.path())
    };
    let local = LocalAws::start(options).await.unwrap();
    upload(&world, &local).await;
    let environment = local.environment().into_iter();
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let mut function = LocalFunction::new(FunctionOptions {
        name: "orders".to_owned(),
        program: root.path().join("start"),
        task_root: root.path().join(TASK),
        environment: environment.collect(),
        timeout: Duration::from_secs(120),
        memory_mb: 512,
    });
    let loaded = answer(&mut function, json!({}), "request-1").await;
    assert_eq!((&loaded["slices"], &loaded["rows"]), (&json!(2), &json!(4)));
    let again = answer(&mut function, json!({}), "request-2").await;
    assert_eq!(
        (&again["slices"], &again["done"]),
        (&json!(0), &json!(true))
    );
}

/// The world's files on S3, and its pipeline with its places there.
async fn upload(world: &World, local: &LocalAws) {
    let environment = local.environment();
    let value = |name: &str| {
        let found = environment.iter().find(|(variable, _)| *variable == name);
        found.unwrap().1.clone()
    };
    let aws = Aws::at(
        AwsOptions::default(),
        local.endpoint(),
        &value("AWS_ACCESS_KEY_ID"),
        &value("AWS_SECRET_ACCESS_KEY"),
    );
    for bucket in ["raw", "lake"] {
        aws.create_bucket(bucket).await.unwrap();
    }
    for entry in fs::read_dir(world.path().join("raw")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let to = S3Url::parse(&format!("s3://raw/{name}")).unwrap();
        aws.upload(&path, &to).await.unwrap();
    }
}

/// A folder with the package and the libraries of the program, and a file `start` that starts the program with that folder as its
/// root; or why there can be none.
fn bare_root(world: &World) -> Result<TempDir, String> {
    let root = TempDir::new().unwrap();
    // The temporary folder is the user's own, and the function's user is another.
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let is_allowed = Command::new("chroot")
        .arg("--userspec")
        .arg(NOBODY)
        .arg("/")
        .arg("true")
        .output();
    match is_allowed {
        Ok(output) if output.status.success() => {}
        Ok(output) => return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => return Err(format!("chroot: {error}")),
    }
    let program = Path::new(env!("CARGO_BIN_EXE_bootstrap"));
    for library in libraries(program)? {
        copy(
            &library,
            &root.path().join(library.strip_prefix("/").unwrap()),
        );
    }
    let certificates = CERTIFICATES.iter().find(|path| Path::new(path).is_file());
    let certificates = certificates.ok_or("there are no certificates")?;
    copy(
        Path::new(certificates),
        &root.path().join(&CERTIFICATES[1][1..]),
    );
    let task = root.path().join(TASK);
    copy(program, &task.join("bootstrap"));
    for file in [
        "transom.lock",
        "compiled/plugins.json",
        "compiled/echo.cwasm",
    ] {
        copy(&world.path().join(file), &task.join(file));
    }
    let pipeline = fs::read_to_string(world.pipeline()).unwrap();
    let pipeline = pipeline.replace("path: raw/", "path: 's3://raw/'");
    let pipeline = pipeline.replace("path: out", "path: 's3://lake/out/'");
    let pipeline = pipeline.replace("path: state", "path: 's3://lake/state/'");
    fs::write(task.join("transom.yaml"), pipeline).unwrap();
    let temporary = root.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)).unwrap();
    let start = root.path().join("start");
    let folder = root.path().display();
    let script = format!(
        "#!/bin/sh\nexport LAMBDA_TASK_ROOT=/{TASK}\nexec chroot --userspec={NOBODY} '{folder}' /{TASK}/bootstrap\n"
    );
    fs::write(&start, script).unwrap();
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755)).unwrap();
    Ok(root)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

/// The libraries that a program is linked to, and its loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.map_err(|error| format!("ldd: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.lines().filter_map(|line| {
        line.split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(PathBuf::from)
    });
    Ok(words.collect())
}
