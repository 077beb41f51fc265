//! WASI for language runners, empty: what an interpreter asks for when it starts is there, and all of it is nothing.
//!
//! No arguments, no environment, no files, no sockets. The clock shows the run's logical time, the stopwatch counts how often it
//! was read, and randomness comes from the run's seed, so that a retry computes the same. What a program prints goes to the log. Whatever else is called ends the guest with the name of
//! what it asked for.
//!
//! Not `wasmtime-wasi`: its synchronous form waits on the threads that run plans, where a guest that sleeps would stop the
//! plan's other tasks and could not be cancelled; and what is not linked cannot be granted by mistake.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::bindings::host;
use crate::interrupt::Interrupt;
use crate::state::State;

/// Interfaces of this package are answered here.
pub(crate) const PACKAGE: &str = "wasi:";

/// What is shown to the guest in place of the machine: when it is, and what randomness is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogicalTime {
    /// What every clock shows, for the whole run.
    pub now: SystemTime,
    /// Where randomness starts. The same seed gives every instance the same numbers.
    pub seed: u64,
}

impl Default for LogicalTime {
    /// The beginning of 1970 and the seed 0.
    fn default() -> Self {
        Self {
            now: UNIX_EPOCH,
            seed: 0,
        }
    }
}

/// What WASI shows to one instance.
#[derive(Debug)]
pub(crate) struct Wasi {
    time: LogicalTime,
    /// Readings of the monotonic clock so far: each is later than the one before, as programs wait for it to go on.
    readings: u64,
    /// Blocks of randomness so far.
    blocks: u64,
    /// Lines that have not come to their end, of stdout and stderr.
    lines: [Vec<u8>; 2],
    /// Handles of streams that the guest holds.
    streams: usize,
}

/// Streams by the number that stands for them in the guest; no other resource exists.
const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Nanoseconds from one reading of the monotonic clock to the next, as many as seconds in a float tell apart.
const READING: u64 = 1000;

/// Streams that a guest may hold at once: each takes memory of the host.
const MAX_STREAMS: usize = 1000;

/// A longer line is logged in pieces.
const LINE_BYTES: usize = 64 << 10;

impl Wasi {
    pub(crate) fn new(time: LogicalTime) -> Self {
        Self {
            time,
            readings: 0,
            blocks: 0,
            lines: [Vec::new(), Vec::new()],
            streams: 0,
        }
    }

    fn since_epoch(&self) -> Duration {
        // Pipelines do not run in times before the clock's range.
        self.time.now.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn random(&mut self, bytes: usize) -> Vec<u8> {
        let mut random = Vec::with_capacity(bytes + 32);
        while random.len() < bytes {
            let mut hasher = Sha256::new();
            hasher.update(self.time.seed.to_le_bytes());
            hasher.update(self.blocks.to_le_bytes());
            random.extend_from_slice(&hasher.finalize());
            self.blocks += 1;
        }
        random.truncate(bytes);
        random
    }
}

/// Bytes of randomness that one call may ask for.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// Marks all WASI resources in the linker's types.
struct Nothing;

/// Answers every WASI interface that the component imports.
pub(crate) fn add_to_linker(
    linker: &mut Linker<State>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (name, item) in component.component_type().imports(engine) {
        let Some(interface) = name.strip_prefix(PACKAGE) else {
            continue;
        };
        // Minor versions of 0.2 only add functions.
        let interface = interface.split('@').next().unwrap_or(interface);
        if let ComponentItem::ComponentInstance(instance) = item.ty {
            add_interface(&mut linker.instance(name)?, engine, interface, &instance)?;
        }
    }
    Ok(())
}

fn add_interface(
    linker: &mut LinkerInstance<'_, State>,
    engine: &Engine,
    interface: &str,
    instance: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) => {
                // Streams are the only resources that are ever made.
                linker.resource(name, ResourceType::host::<Nothing>(), |mut store, _| {
                    let wasi = store.data_mut().wasi();
                    wasi.streams = wasi.streams.saturating_sub(1);
                    Ok(())
                })?;
            }
            ComponentItem::ComponentFunc(_) => {
                let (interface, function) = (interface.to_owned(), name.to_owned());
                linker.func_new(name, move |store, _, arguments, results| {
                    let answer = answer(store, &interface, &function, arguments)?;
                    if let (Some(result), Some(answer)) = (results.first_mut(), answer) {
                        *result = answer;
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The result of one function; `None` if it has none.
fn answer(
    mut store: StoreContextMut<'_, State>,
    interface: &str,
    function: &str,
    arguments: &[Val],
) -> wasmtime::Result<Option<Val>> {
    let none = Val::List(vec![]);
    let unit = || Val::Result(Ok(None));
    let wasi = store.data_mut().wasi();
    let value = match (interface, function) {
        ("cli/environment", "get-environment" | "get-arguments")
        | ("filesystem/preopens", "get-directories") => none,
        ("cli/environment", "initial-cwd")
        | ("cli/terminal-stdin", "get-terminal-stdin")
        | ("cli/terminal-stdout", "get-terminal-stdout")
        | ("cli/terminal-stderr", "get-terminal-stderr") => Val::Option(None),
        ("cli/stdin", "get-stdin") => stream(store, STDIN)?,
        ("cli/stdout", "get-stdout") => stream(store, STDOUT)?,
        ("cli/stderr", "get-stderr") => stream(store, STDERR)?,
        ("io/streams", "[method]input-stream.read" | "[method]input-stream.blocking-read") => {
            give_back(store, arguments)?;
            let closed = Val::Variant("closed".to_owned(), None);
            Val::Result(Err(Some(Box::new(closed))))
        }
        ("io/streams", "[method]output-stream.check-write") => {
            give_back(store, arguments)?;
            Val::Result(Ok(Some(Box::new(Val::U64(LINE_BYTES as u64)))))
        }
        (
            "io/streams",
            "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush",
        ) => {
            print(store, arguments)?;
            unit()
        }
        ("io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            give_back(store, arguments)?;
            unit()
        }
        ("clocks/wall-clock", "now") => {
            let now = wasi.since_epoch();
            datetime(now.as_secs(), now.subsec_nanos())
        }
        ("clocks/wall-clock", "resolution") => datetime(0, 1),
        ("clocks/monotonic-clock", "now") => {
            wasi.readings += 1;
            Val::U64(wasi.readings.saturating_mul(READING))
        }
        ("clocks/monotonic-clock", "resolution") => Val::U64(1),
        ("random/random" | "random/insecure", "get-random-bytes" | "get-insecure-random-bytes") => {
            let bytes = match arguments {
                [Val::U64(bytes)] if *bytes <= MAX_RANDOM_BYTES => *bytes as usize,
                _ => return Err(denied(interface, function)),
            };
            Val::List(wasi.random(bytes).into_iter().map(Val::U8).collect())
        }
        ("random/random" | "random/insecure", "get-random-u64" | "get-insecure-random-u64") => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&wasi.random(8));
            Val::U64(u64::from_le_bytes(bytes))
        }
        ("sockets/tcp-create-socket", "create-tcp-socket")
        | ("sockets/udp-create-socket", "create-udp-socket") => {
            let denied = Val::Enum("access-denied".to_owned());
            Val::Result(Err(Some(Box::new(denied))))
        }
        _ => return Err(denied(interface, function)),
    };
    Ok(Some(value))
}

fn denied(interface: &str, function: &str) -> wasmtime::Error {
    wasmtime::Error::new(Interrupt::Denied {
        what: format!("{PACKAGE}{interface}#{function}"),
    })
}

fn datetime(seconds: u64, nanoseconds: u32) -> Val {
    Val::Record(vec![
        ("seconds".to_owned(), Val::U64(seconds)),
        ("nanoseconds".to_owned(), Val::U32(nanoseconds)),
    ])
}

fn stream(mut store: StoreContextMut<'_, State>, number: u32) -> wasmtime::Result<Val> {
    let wasi = store.data_mut().wasi();
    if wasi.streams >= MAX_STREAMS {
        return Err(wasmtime::Error::new(Interrupt::Denied {
            what: format!("more than {MAX_STREAMS} streams"),
        }));
    }
    wasi.streams += 1;
    let stream = Resource::<Nothing>::new_own(number).try_into_resource_any(store)?;
    Ok(Val::Resource(stream))
}

/// Ends the loan of the streams that a method was called on: wasmtime refuses a call that keeps one.
fn give_back(mut store: StoreContextMut<'_, State>, arguments: &[Val]) -> wasmtime::Result<()> {
    arguments.iter().try_for_each(|argument| match argument {
        Val::Resource(stream) => stream.resource_drop(&mut store),
        _ => Ok(()),
    })
}

/// Logs what a program prints, line by line.
fn print(mut store: StoreContextMut<'_, State>, arguments: &[Val]) -> wasmtime::Result<()> {
    let [Val::Resource(stream), Val::List(bytes)] = arguments else {
        return Ok(());
    };
    let stream = Resource::<Nothing>::try_from_resource_any(*stream, &mut store)?.rep();
    let line = usize::from(stream == STDERR);
    let state = store.data_mut();
    for byte in bytes {
        let Val::U8(byte) = byte else { continue };
        let buffer = &mut state.wasi().lines[line];
        if *byte != b'\n' {
            buffer.push(*byte);
        }
        if *byte == b'\n' || buffer.len() >= LINE_BYTES {
            let text = std::mem::take(buffer);
            let level = match stream {
                STDERR => host::Level::Warn,
                _ => host::Level::Info,
            };
            host::Host::log(state, level, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_another_seed_gives_others() {
        let of = |seed| {
            let mut wasi = Wasi::new(LogicalTime {
                seed,
                ..LogicalTime::default()
            });
            [wasi.random(40), wasi.random(5)]
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let [long, short] = of(1);
        assert_eq!((long.len(), short.len()), (40, 5));
        assert_ne!(long[..5], short, "no number comes twice");
    }
}
