//! The program's log, on stderr.
//!
//! Without options warnings are shown, and what plugins say from `info` on: a plugin's author has no other window. Times are
//! left out: a log line is read beside the progress that it belongs to.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::printer::Printer;

/// Environment variable that chooses what is logged, in the syntax of `tracing_subscriber::EnvFilter`.
const VARIABLE: &str = "TRANSOM_LOG";

/// Starts logging.
pub(crate) fn start(quiet: bool, verbose: u8, printer: &Printer) {
    // What `aws_config` warns of, the error says in a sentence.
    let default = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn,aws_config=error,plugin=info",
        (false, 1) => {
            "warn,transom=info,plugin=debug,transom_pipeline=debug,transom_query=debug,transom_connect=debug,transom_plugin=debug"
        }
        (false, _) => "debug,plugin=trace",
    };
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    // Fails only if something else has taken the log already, which then has it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .without_time()
        .compact()
        .with_ansi(true)
        // A line for each run, slice, sink and step that is over, with its time: where spans are asked for.
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(Logs(printer.clone()))
        .try_init();
}

/// Writes through the printer, so that logs do not tear progress apart.
struct Logs(Printer);

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

/// One event; the subscriber writes it in one piece.
struct Line<'a>(&'a Printer);

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.log(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
