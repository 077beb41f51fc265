//! Runs a program and says what it used.

use std::io::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::Result;

/// What a process used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// From before it started until it was gone.
    pub(crate) time: Duration,
    /// Processor time of all its threads, its own and the kernel's for it: what is left of the former without other work on the machine
    /// and with one core.
    pub(crate) processor: Duration,
    /// Its resident memory at its largest, in bytes; files that are mapped count. Not less than what the process that measures had when
    /// it started this one.
    pub(crate) resident: u64,
}

/// The program that is measured.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Where it keeps compiled code; a folder of our own, so that nothing is there at first.
    pub(crate) cache: PathBuf,
}

impl Program {
    /// Runs it in `folder` to its end.
    pub(crate) fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Used> {
        let start = Instant::now();
        let child = Command::new(&self.path)
            .args(arguments)
            .current_dir(folder)
            .env("TRANSOM_CACHE_DIR", &self.cache)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let (status, usage) = wait(child.id())?;
        let time = start.elapsed();
        if status != 0 {
            let (program, arguments) = (self.path.display(), arguments.join(" "));
            return Err(format!("`{program} {arguments}` ended with {status}").into());
        }
        Ok(Used {
            time,
            processor: duration(usage.ru_utime)? + duration(usage.ru_stime)?,
            // Linux counts in KiB.
            resident: u64::try_from(usage.ru_maxrss)? * 1024,
        })
    }
}

fn duration(time: libc::timeval) -> Result<Duration> {
    let seconds = Duration::from_secs(time.tv_sec.try_into()?);
    Ok(seconds + Duration::from_micros(time.tv_usec.try_into()?))
}

/// Waits for a child of this process; its status as the kernel says it, and its resources, which std does not tell.
fn wait(child: u32) -> Result<(i32, libc::rusage)> {
    let child = libc::pid_t::try_from(child)?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::zeroed();
    // SAFETY: both pointers are to places of their types that live beyond the call.
    let waited = unsafe { libc::wait4(child, &raw mut status, 0, usage.as_mut_ptr()) };
    if waited != child {
        return Err(Error::last_os_error().into());
    }
    // SAFETY: all zeros is a value of the type, and the call has filled it in.
    Ok((status, unsafe { usage.assume_init() }))
}
