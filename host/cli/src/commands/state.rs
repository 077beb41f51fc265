//! `transom state`, `rewind`, `reset` and `slice`: what the log of a pipeline that runs in slices says, and what people change in it.

use std::sync::Arc;

use transom_pipeline::lock::Lock;
use transom_pipeline::report::{Bytes, Count, counted};
use transom_pipeline::slices::{Backfill, Command, Commanded, Decided, History};

use super::run::SLICED_BY;
use crate::context::Context;
use crate::failure::Failure;
use crate::printer::{FAINT, NAME, Printer};

/// Entries that are shown unless more are asked for.
const ENTRIES: u64 = 20;

/// See what was loaded.
#[derive(Debug, clap::Args)]
pub(crate) struct StateCommand {
    #[command(subcommand)]
    command: StateOf,
}

#[derive(Debug, clap::Subcommand)]
enum StateOf {
    Show(ShowCommand),
    History(HistoryCommand),
}

/// Show how far the pipeline is: the last entry of its log, what counts as loaded, how far the sinks are.
#[derive(Debug, clap::Args)]
struct ShowCommand {
    /// Writes it as JSON to stdout.
    #[arg(long)]
    json: bool,
}

/// Show what was decided, the last entry first: slices, rewinds, discards, with who and when.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom state history                  the last 20 entries
  transom state history --entries 1000 --json")]
struct HistoryCommand {
    /// Entries to show.
    #[arg(long, value_name = "N", default_value_t = ENTRIES)]
    entries: u64,
    /// Writes them as JSON to stdout.
    #[arg(long)]
    json: bool,
}

/// Take back what was loaded after an entry; the next run loads it again.
///
/// Rows and files of later entries go from tables that are appended to, and tables that are replaced show their earlier version. The log
/// keeps everything: a rewind is an entry of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom state history              which entries there are
  transom rewind --to 40             says what goes
  transom rewind --to 40 --yes       takes it back
  transom rewind --to 0 --yes        everything, as `transom reset` does")]
pub(crate) struct RewindCommand {
    /// The last entry that stays in force.
    #[arg(long, value_name = "ENTRY")]
    to: u64,
    /// Does it. Without this it is only said.
    #[arg(long)]
    yes: bool,
    /// Does it although files are gone from which rows were loaded: they are lost.
    #[arg(long)]
    force: bool,
    /// Writes what became of it as JSON to stdout.
    #[arg(long)]
    json: bool,
}

/// Take back all that was loaded; the next run begins anew.
#[derive(Debug, clap::Args)]
pub(crate) struct ResetCommand {
    /// Does it. Without this it is only said.
    #[arg(long)]
    yes: bool,
    /// Does it although files are gone from which rows were loaded: they are lost.
    #[arg(long)]
    force: bool,
    /// Writes what became of it as JSON to stdout.
    #[arg(long)]
    json: bool,
}

/// Give a slice up that cannot be loaded.
#[derive(Debug, clap::Args)]
pub(crate) struct SliceCommand {
    #[command(subcommand)]
    command: SliceOf,
}

#[derive(Debug, clap::Subcommand)]
enum SliceOf {
    Discard(DiscardCommand),
    Skip(SkipCommand),
}

/// Give up a slice that the warehouse refuses, before any sink has it.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("inputs").args(["redo", "skip"]).required(true),
    after_help = "\
Examples:
  transom slice discard 42 --redo            says what would be loaded again
  transom slice discard 42 --redo --yes      gives it up
  transom slice discard 42 --skip --yes      gives it up with its rows"
)]
struct DiscardCommand {
    /// The number of the slice.
    #[arg(value_name = "ENTRY")]
    entry: u64,
    /// Loads its inputs again, with the next slice.
    #[arg(long)]
    redo: bool,
    /// Counts its inputs as loaded: their rows are lost.
    #[arg(long)]
    skip: bool,
    /// Does it. Without this it is only said.
    #[arg(long)]
    yes: bool,
    /// Writes what became of it as JSON to stdout.
    #[arg(long)]
    json: bool,
}

/// Bring a slice into all sinks but one. The history shows that for ever.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom slice skip 42 --sink mart2          says which rows the sink would lack
  transom slice skip 42 --sink mart2 --yes    moves it past them")]
struct SkipCommand {
    /// The number of the slice.
    #[arg(value_name = "ENTRY")]
    entry: u64,
    /// The sink that goes without it.
    #[arg(long, value_name = "SINK")]
    sink: String,
    /// Does it. Without this it is only said.
    #[arg(long)]
    yes: bool,
    /// Writes what became of it as JSON to stdout.
    #[arg(long)]
    json: bool,
}

impl StateCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let (entries, json) = match self.command {
            StateOf::Show(ShowCommand { json }) => (0, json),
            StateOf::History(HistoryCommand { entries, json }) => (entries, json),
        };
        let history = history(context, entries)?;
        let printer = &context.printer;
        if json {
            return printer.json(&history);
        }
        if entries == 0 {
            return show(&history, printer);
        }
        if !history.done {
            printer.say(format_args!(
                "entry {} is not yet in all sinks: the next run finishes it",
                history.tail
            ));
        }
        let mut entries = history.entries.iter();
        entries.try_for_each(|entry| show_entry(entry, printer))
    }

    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            StateOf::Show(show) => show.json,
            StateOf::History(history) => history.json,
        }
    }
}

impl RewindCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        rewind(context, self.to, self.force, self.yes, self.json)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }
}

impl ResetCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        rewind(context, 0, self.force, self.yes, self.json)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }
}

impl SliceCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        let (command, yes, json) = match self.command {
            SliceOf::Discard(DiscardCommand {
                entry,
                redo,
                skip: _,
                yes,
                json,
            }) => (Command::Discard { of: entry, redo }, yes, json),
            SliceOf::Skip(SkipCommand {
                entry,
                sink,
                yes,
                json,
            }) => (Command::Skip { of: entry, sink }, yes, json),
        };
        if yes {
            let done = execute(context, &command)?;
            return report(context, &done, json);
        }
        let slice = check_slice(context, &command)?;
        let printer = &context.printer;
        if json {
            return printer.json(&slice.as_slice());
        }
        let Some(slice) = slice else {
            printer.say("nothing is to be done");
            return Ok(());
        };
        show_entry(&slice, printer)?;
        printer.say(format_args!(
            "would {}; say `--yes` to do it",
            would(&command, &slice)
        ));
        Ok(())
    }

    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            SliceOf::Discard(discard) => discard.json,
            SliceOf::Skip(skip) => skip.json,
        }
    }
}

/// What a command would do to a slice: what is loaded again, and what is lost.
fn would(command: &Command, slice: &Decided) -> String {
    let (entry, files) = (slice.entry, counted(slice.files, "file"));
    match command {
        Command::Discard { redo, .. } => {
            let then = match redo {
                true => format!("the next slice loads its {files} again"),
                false => format!("its {files} would count as loaded, and its rows be lost"),
            };
            format!("give up entry {entry} before any sink has it: {then}")
        }
        Command::Skip { sink, .. } => {
            let rows = slice.rows.iter().find(|(name, _)| name == sink);
            let rows = counted(rows.map_or(0, |(_, rows)| *rows), "row");
            format!(
                "bring entry {entry} into all sinks but `{sink}`, which would lack its {rows} for good"
            )
        }
        Command::Rewind { .. } | Command::Load { .. } | Command::EndBackfill => {
            unreachable!("they are not about a slice")
        }
    }
}

fn rewind(context: &Context, to: u64, force: bool, yes: bool, json: bool) -> Result<(), Failure> {
    if yes {
        let done = take_back(context, to, force)?;
        return report(context, &done, json);
    }
    let history = history(context, u64::MAX)?;
    if to > history.tail {
        return Err(Failure::Usage {
            message: format!(
                "there is no entry {to}: the log ends with entry {}",
                history.tail
            ),
            hint: Some("`transom state history` shows the entries".to_owned()),
        });
    }
    check_rewind(context, to, force)?;
    let goes: Vec<&Decided> = history
        .entries
        .iter()
        .filter(|entry| entry.entry > to && entry.kind == "slice" && !entry.taken_back)
        .collect();
    if json {
        return context.printer.json(&goes);
    }
    let slices = counted(goes.len() as u64, "slice");
    for entry in &goes {
        show_entry(entry, &context.printer)?;
    }
    context.printer.say(format_args!(
        "would take back {slices} after entry {to}; say `--yes` to do it"
    ));
    Ok(())
}

fn history(context: &Context, entries: u64) -> Result<History, Failure> {
    let pipeline = sliced(context)?;
    context.block_on(async {
        let job = context.job(pipeline, Vec::new(), None).await?;
        Ok(job.history(entries).await?)
    })
}

fn take_back(context: &Context, to: u64, force: bool) -> Result<Commanded, Failure> {
    let pipeline = sliced(context)?;
    context.block_on(async {
        let job = context.job(pipeline, Vec::new(), None).await?;
        Ok(job.rewind(to, force).await?)
    })
}

/// Refuses what `--yes` would refuse.
fn check_rewind(context: &Context, to: u64, force: bool) -> Result<(), Failure> {
    let pipeline = sliced(context)?;
    context.block_on(async {
        let job = context.job(pipeline, Vec::new(), None).await?;
        Ok(job.check_rewind(to, force).await?)
    })
}

fn check_slice(context: &Context, command: &Command) -> Result<Option<Decided>, Failure> {
    let pipeline = sliced(context)?;
    context.block_on(async {
        let job = context.job(pipeline, Vec::new(), None).await?;
        Ok(job.check_slice(command).await?)
    })
}

pub(super) fn execute(context: &Context, command: &Command) -> Result<Commanded, Failure> {
    let pipeline = sliced(context)?;
    let lock = Lock::read(&Lock::path_of(&pipeline))?;
    context.block_on(async {
        let mut job = context.job(pipeline, Vec::new(), None).await?;
        job.lock = lock.map(Arc::new);
        Ok(job.command(command).await?)
    })
}

/// The pipeline, if it keeps a log.
pub(super) fn sliced(context: &Context) -> Result<transom_file::Pipeline, Failure> {
    let pipeline = context.pipeline()?;
    match pipeline.is_sliced() {
        true => Ok(pipeline),
        false => Err(Failure::Usage {
            message:
                "the pipeline does not run in slices, so that nothing is kept of what was loaded"
                    .to_owned(),
            hint: Some(SLICED_BY.to_owned()),
        }),
    }
}

pub(super) fn report(context: &Context, done: &Commanded, json: bool) -> Result<(), Failure> {
    if json {
        return context.printer.json(done);
    }
    match (done.entry, done.skipped) {
        (_, Some(entry)) => context.printer.say(format_args!(
            "entry {entry} is in all sinks but the one that was moved past it"
        )),
        (Some(entry), None) => context
            .printer
            .say(format_args!("entry {entry} is in the log and in all sinks")),
        (None, None) => context.printer.say("nothing was to be done"),
    }
    Ok(())
}

fn show(history: &History, printer: &Printer) -> Result<(), Failure> {
    let History {
        state, tail, done, ..
    } = history;
    printer.data(format_args!("{NAME}state{NAME:#}      {state}"))?;
    let at = match (tail, done) {
        (0, _) => "nothing was loaded yet".to_owned(),
        (tail, true) => format!("entry {tail}, in all sinks"),
        (tail, false) => format!("entry {tail}, not yet in all sinks: the next run finishes it"),
    };
    printer.data(format_args!("{NAME}log{NAME:#}        {at}"))?;
    if let Some(backfill) = history.backfill {
        printer.data(format_args!(
            "{NAME}backfill{NAME:#}   {backfill}; {}",
            Backfill::HINT
        ))?;
    }
    for source in &history.sources {
        printer.data(format_args!(
            "{NAME}source{NAME:#}     {}: {} loaded",
            source.name,
            counted(source.files as u64, "file")
        ))?;
    }
    for step in &history.steps {
        let versions: Vec<&str> = step.versions.iter().map(String::as_str).collect();
        let saved = match versions.as_slice() {
            [] => "no state yet".to_owned(),
            versions => format!(
                "state in {}, {}, saved by version {}",
                counted(step.buckets as u64, "bucket"),
                Bytes(step.bytes),
                versions.join(", ")
            ),
        };
        printer.data(format_args!(
            "{NAME}step{NAME:#}       {}: {saved} of `{}.{}`",
            step.name, step.plugin, step.transform
        ))?;
    }
    for sink in &history.sinks {
        let at = match sink.entry {
            0 => "nothing yet".to_owned(),
            entry => format!("entry {entry}"),
        };
        let gap = match sink.skipped {
            true => ", without its rows: it was moved past it",
            false => "",
        };
        let decided = match sink.decided {
            Some(decided) => format!("; entry {decided} is decided, and not known to be there"),
            None => String::new(),
        };
        printer.data(format_args!(
            "{NAME}sink{NAME:#}       {}: {at}{gap}{decided}",
            sink.name
        ))?;
    }
    Ok(())
}

fn show_entry(entry: &Decided, printer: &Printer) -> Result<(), Failure> {
    let at = entry.at.format("%Y-%m-%d %H:%M:%S");
    let what = match (&entry.of, entry.kind) {
        (Some(of), _) => of.clone(),
        (None, "slice") => {
            let rows = entry.rows.iter();
            let rows = rows.map(|(sink, rows)| match entry.skipped.contains(sink) {
                true => format!("{sink} none, moved past it"),
                false => format!("{sink} {}", Count(*rows)),
            });
            let rows: Vec<String> = rows.collect();
            format!(
                "{}; rows: {}",
                counted(entry.files, "file"),
                rows.join(", ")
            )
        }
        _ => String::new(),
    };
    printer.data(format_args!(
        "{NAME}{:>6}{NAME:#} {:<12} {at} {FAINT}{}{FAINT:#}  {what}",
        entry.entry, entry.kind, entry.by
    ))
}
