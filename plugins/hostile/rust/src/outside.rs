//! What lies outside of a guest's memory, asked for through the standard library.

use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use transom_sdk::prelude::*;

/// The names of users.
#[function]
pub fn reads_a_file(a: i64) -> i64 {
    a + std::fs::read("/etc/passwd").expect("a file").len() as i64
}

/// A file for the next one to find.
#[function]
pub fn writes_a_file(a: i64) -> i64 {
    std::fs::write("/tmp/transom-was-here", "a").expect("a file");
    a
}

/// What lies around.
#[function]
pub fn lists_a_folder(a: i64) -> i64 {
    a + std::fs::read_dir(".").expect("a folder").count() as i64
}

/// Somebody's password.
#[function]
pub fn reads_the_environment(a: i64) -> i64 {
    let secret = std::env::var("AWS_SECRET_ACCESS_KEY").expect("a variable");
    panic!("{a} {secret}");
}

/// How the host was called.
#[function]
pub fn reads_its_arguments(a: i64) -> i64 {
    let arguments: Vec<String> = std::env::args().collect();
    a + arguments[0].len() as i64
}

/// The machine's own services, the metadata of EC2 first.
#[function]
pub fn opens_a_socket(a: i64) -> i64 {
    TcpStream::connect("169.254.169.254:80").expect("a socket");
    a
}

/// A door for others.
#[function]
pub fn waits_for_a_caller(a: i64) -> i64 {
    TcpListener::bind("0.0.0.0:0").expect("a socket");
    a
}

/// A question to a name server, which is told what is asked.
#[function]
pub fn resolves_a_name(a: i64) -> i64 {
    a + "secret.example.com:80"
        .to_socket_addrs()
        .expect("an address")
        .count() as i64
}

/// How long something takes: what tells one machine's caches from another's.
#[function]
pub fn looks_at_the_clock(a: i64) -> i64 {
    a + Instant::now().elapsed().as_nanos() as i64
}

/// What day it is.
#[function]
pub fn looks_at_the_calendar(a: i64) -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("a time");
    a + since.as_secs() as i64
}

/// Time that nobody has.
#[function]
pub fn sleeps(a: i64) -> i64 {
    thread::sleep(Duration::from_secs(3600));
    a
}

/// One core more.
#[function]
pub fn starts_a_thread(a: i64) -> i64 {
    thread::spawn(move || a).join().expect("a thread")
}

/// A shell.
#[function]
pub fn runs_a_program(a: i64) -> i64 {
    Command::new("sh").status().expect("a program");
    a
}
