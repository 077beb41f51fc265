//! The `transom` command.
//!
//! [`arguments`] says what can be asked for, and each command is a file in [`commands`] with its help, its options and what it
//! does. What all of them share: [`context`] (files, threads, the plugin engine), [`printer`] (the only place that writes),
//! [`failure`] (messages and exit codes), [`signals`] (Ctrl-C, SIGTERM). The work itself is `transom-pipeline`'s.

mod arguments;
mod commands;
mod compilers;
mod context;
mod diff;
mod failure;
mod local_aws;
mod logs;
mod made_up;
mod memory;
mod outcome;
mod package;
mod plugin_named;
mod printer;
mod progress;
mod reserved;
mod signals;
mod table;
mod transform_steps;
mod values;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::context::Context;

// glibc gives large blocks back to the kernel when they are freed, and every batch that comes out of a plugin is a few of them:
// lifting batches takes 2 to 3 times as long with it as with an allocator that keeps pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => {
            let context = Context::new(arguments.global);
            signals::listen(&context.printer);
            arguments.command.execute(&context)
        }
        Err(error) => {
            // Help and mistakes, each on its stream. If that stream is closed, there is nowhere to report it.
            let _ = error.print();
            u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}
