//! A program that runs until it is ended, and what it writes meanwhile.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::program::Project;

/// A watching program, whose lines are read as they come.
pub(crate) struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watching {
    pub(crate) fn of(project: &Project, arguments: &[&str]) -> Self {
        let mut command = project.command(arguments);
        // The compiled standard library of the user's own cache: compiling it again takes minutes.
        command.env_remove("TRANSOM_CACHE_DIR");
        command.stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// The lines up to the one that says that it waits.
    pub(crate) fn until_it_waits(&self) -> String {
        let mut text = String::new();
        loop {
            let patience = Duration::from_secs(60);
            let line = self.lines.recv_timeout(patience).expect(&text);
            if line.starts_with("waiting for a file") {
                // The other stream's last lines may come a little later.
                let late = Duration::from_millis(100);
                text.extend(std::iter::from_fn(|| self.lines.recv_timeout(late).ok()));
                return text;
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
