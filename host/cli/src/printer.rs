//! The only place that writes: data to stdout, talk to stderr.
//!
//! stdout carries what was asked for and nothing else, so that it can be piped; a reader who closes it early ends the program
//! quietly ([`Failure::Closed`]). stderr carries progress, logs and errors; a closed stderr stops nothing. Colors are always
//! written and taken out again by `anstream` where the stream or the user does not want them.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;

use crate::arguments::Color;
use crate::failure::{FailedRow, Failure};

/// Headings on stdout and the beginnings of finished lines on stderr.
pub(crate) const STRONG: Style = AnsiColor::Green.on_default().bold();
/// Names of things.
pub(crate) const NAME: Style = Style::new().bold();
/// What stands beside the point.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// What is not as it should be.
pub(crate) const FAILED: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Width of a table where there is no terminal and no `COLUMNS` to tell it.
const WIDTH: usize = 120;

/// Writes for the commands.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    quiet: bool,
    bars: MultiProgress,
}

impl Printer {
    pub(crate) fn new(color: Color, quiet: bool) -> Self {
        match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
        .write_global();
        // Bars are drawn on a terminal only, and with them hidden `suspend` costs nothing.
        let target = match quiet || !io::stderr().is_terminal() {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        Self {
            quiet,
            bars: MultiProgress::with_draw_target(target),
        }
    }

    /// Writes data, and a line break after it.
    pub(crate) fn data(&self, text: impl Display) -> Result<(), Failure> {
        self.stdout(|| {
            let mut stdout = anstream::stdout().lock();
            writeln!(stdout, "{text}")?;
            stdout.flush()
        })
    }

    /// Writes data as it is.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.stdout(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        })
    }

    /// Whether data goes to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    fn stdout(&self, write: impl FnOnce() -> io::Result<()>) -> Result<(), Failure> {
        match self.bars.suspend(write) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Closed),
            Err(source) => Err(Failure::Io {
                what: "writing to stdout failed".to_owned(),
                source,
            }),
        }
    }

    /// Writes data as JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Io {
            what: "writing JSON failed".to_owned(),
            source: error.into(),
        })?;
        self.data(text)
    }

    /// Says something that a quiet program leaves out.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.quiet {
            self.talk(text);
        }
    }

    /// Says something that the user ought to know although nothing failed.
    pub(crate) fn warn(&self, text: impl Display) {
        self.say(format_args!("{WARNING}warning{WARNING:#}: {text}"));
    }

    /// The same, in a quiet program too: what it was started for is not done.
    pub(crate) fn warn_always(&self, text: impl Display) {
        self.talk(format_args!("{WARNING}warning{WARNING:#}: {text}"));
    }

    /// Says why a command failed.
    pub(crate) fn failure(&self, failure: &Failure, row: FailedRow) {
        self.talk(failure.render(self.is_colored(), row));
    }

    /// Writes a line of the log, which ends in a line break already.
    pub(crate) fn log(&self, line: &[u8]) {
        self.bars.suspend(|| {
            let _ = anstream::stderr().lock().write_all(line);
        });
    }

    /// Where progress is drawn; hidden unless stderr is a terminal.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// How many columns of text a table may have.
    pub(crate) fn width(&self) -> usize {
        let columns = || {
            std::env::var("COLUMNS")
                .ok()?
                .parse()
                .ok()
                .filter(|columns| *columns > 0)
        };
        match terminal_size::terminal_size_of(io::stdout()) {
            Some((width, _)) => usize::from(width.0),
            None => columns().unwrap_or(WIDTH),
        }
    }

    /// Whether errors are colored.
    pub(crate) fn is_colored(&self) -> bool {
        AutoStream::choice(&io::stderr()) != ColorChoice::Never
    }

    fn talk(&self, text: impl Display) {
        self.bars.suspend(|| {
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
    }
}
