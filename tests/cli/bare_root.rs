//! The zip of a function, opened in a root that has nothing but what is in it, libraries of C, certificates and a `/tmp`: as a user who
//! can write nowhere else, and with no network but loopback.
#![cfg(target_os = "linux")]

use std::ffi::{c_char, c_int, c_short};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::invoke::succeeds;
use crate::plugged;
use crate::program::Project;

/// Where Lambda puts a function's files.
const TASK: &str = "var/task";
/// Certificates of authorities: where they are here, as one of these, and where the runtime `provided.al2023` has them.
const CERTIFICATES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// A user whom no file belongs to.
const NOBODY: &str = "--userspec=65534:65534";
/// A variable that names a program which `just bootstrap` has built: then the zip is opened as it is.
const PROGRAM: &str = "TRANSOM_BOOTSTRAP";

#[test]
fn a_package_needs_certificates_and_nothing_else() {
    if let Err(error) = may_be_bare() {
        eprintln!("skipped: no root and no network of its own for the function: {error}");
        return;
    }
    let project = pipeline();
    let named = std::env::var(PROGRAM).ok();
    let program = named.as_deref().unwrap_or("/bin/true");
    succeeds(
        &project,
        &["package", "--target", "prod", "--bootstrap", program],
    );
    let zip = project.path().join(".transom/package/lambda.zip");
    let (root, function) = (project.path().join("root"), project.path().join("function"));
    let task = root.join(TASK);
    unpack(&zip, &task);
    unpack(&zip, &function);
    if named.is_none() {
        // The program of this build is larger than Lambda takes, and for the C library that is here.
        let built = Path::new(env!("CARGO_BIN_EXE_transom")).with_file_name("bootstrap");
        fs::copy(built, task.join("bootstrap")).unwrap();
    }
    furnish(&root, &task.join("bootstrap"));
    // What Lambda does not set, the function is not given.
    let start = format!(
        "#!/bin/sh\nunset TMPDIR TRANSOM_PIPELINE\nexport LAMBDA_TASK_ROOT=/{TASK}\n\
         exec chroot {NOBODY} '{}' /{TASK}/bootstrap\n",
        root.display()
    );
    fs::write(function.join("bootstrap"), start).unwrap();

    let before = files(&root);
    let loaded = invoke(&project);
    let counts = |answer: &Value| json!([answer["done"], answer["slices"], answer["rows"]]);
    assert_eq!(counts(&loaded), json!([true, 2, 4]), "{loaded}");
    let again = invoke(&project);
    assert_eq!(counts(&again), json!([true, 0, 0]), "{again}");
    assert_eq!(files(&root), before, "nothing is written but below /tmp");
    succeeds(&project, &["local", "cp", "s3://lake/divisors/", "got"]);
    let mut rows: Vec<String> = files(&project.path().join("got"))
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let rows = text.lines().skip(1).map(str::to_owned);
            rows.collect::<Vec<_>>()
        })
        .collect();
    rows.sort();
    assert_eq!(rows, ["4", "5", "6", "7"]);
}

/// Files on S3, a query in a file and a plugin, which finds the divisors.
fn pipeline() -> Project {
    let project = plugged();
    project.write(
        "transom.yaml",
        "name: bare
plugins: { echo: { path: echo.wasm } }
sources: { pairs: { path: 's3://raw/pairs/', format: csv, incremental: new_files } }
steps: { divisors: { sql: sql/divisors.sql } }
sinks: { divisors: { from: divisors, path: 's3://lake/divisors/', format: csv, mode: append } }
slices: { files: 1 }
targets:
  local: { state: { path: 's3://lake/local-state/' } }
  prod: { aws: { region: eu-west-1 }, state: { path: 's3://lake/state/' } }
",
    );
    project.write(
        "sql/divisors.sql",
        "SELECT echo.gcd(a, b) AS divisor FROM pairs",
    );
    project.write("raw/1.csv", "a,b\n12,18\n8,12\n");
    project.write("raw/2.csv", "a,b\n5,10\n7,0\n");
    succeeds(&project, &["local", "cp", "raw", "s3://raw/pairs/"]);
    succeeds(&project, &["lock"]);
    project
}

/// Writes the files of a zip into a folder, as Lambda does.
fn unpack(zip: &Path, folder: &Path) {
    let mut archive = zip::ZipArchive::new(File::open(zip).unwrap()).unwrap();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let path = folder.join(&*file.name().unwrap());
        let mode = file.unix_mode().expect("what may be done with the file");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        io::copy(&mut file, &mut File::create(&path).unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Puts what the runtime `provided.al2023` has into a root.
fn furnish(root: &Path, program: &Path) {
    let copy = |from: &Path, to: &Path| {
        let to = root.join(to.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    for library in libraries(program) {
        copy(&library, &library);
    }
    let there = CERTIFICATES.iter().find(|path| Path::new(path).is_file());
    copy(
        Path::new(there.expect("certificates")),
        Path::new(CERTIFICATES[1]),
    );
    let temporary = root.join("tmp");
    fs::create_dir(&temporary).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)).unwrap();
}

/// The libraries that a program is linked to, and its loader.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    paths.map(PathBuf::from).collect()
}

/// All files below a folder but those in its `/tmp`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = open.pop() {
        match path.is_dir() {
            true if path == folder.join("tmp") => {}
            true => open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            ),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

/// What the function in its root answers. The local AWS is in its network.
fn invoke(project: &Project) -> Value {
    let function = ["--target", "prod", "--function", "function"];
    let mut command = project.command(&[&["invoke", "--timeout", "120s"][..], &function].concat());
    alone(&mut command);
    let ran = project.outcome(command.output().expect("it starts"));
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran.json()
}

/// Whether a process here may have another root, be another user, and have a network of its own.
fn may_be_bare() -> io::Result<()> {
    let mut command = Command::new("chroot");
    command.args([NOBODY, "/", "true"]);
    alone(&mut command);
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
    }
}

/// Starts a command in a network that has nothing but loopback.
fn alone(command: &mut Command) {
    // SAFETY: it makes system calls, and nothing else.
    unsafe { command.pre_exec(leave_the_network) };
}

fn leave_the_network() -> io::Result<()> {
    fn check(result: c_int) -> io::Result<c_int> {
        match result {
            -1 => Err(io::Error::last_os_error()),
            result => Ok(result),
        }
    }
    let mut name = [0; libc::IFNAMSIZ];
    for (to, letter) in name.iter_mut().zip(*b"lo") {
        *to = letter as c_char;
    }
    let loopback = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: (libc::IFF_UP | libc::IFF_RUNNING) as c_short,
        },
    };
    // SAFETY: calls of the system with what they expect; the process ends the socket.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNET))?;
        let socket = check(libc::socket(
            libc::AF_INET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0,
        ))?;
        check(libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const loopback))?;
    }
    Ok(())
}
