//! Sources and sinks: their paths for the target, their formats, and that they keep apart.

use std::path::{Path, PathBuf};

use super::super::model::{CsvEntry, SinkEntry, SourceEntry};
use super::super::parts::IncrementalEntry;
use super::super::paths::{Input, Output, collisions, is_pattern, normalized, place};
use super::super::pipeline::{FileSource, FileTable, Plugin, Sink, SinkKind, Step, StepKind};
use super::super::problem::{Span, list};
use super::super::quantity::Bytes;
use super::super::reader::{Spanned, Word};
use super::super::spec::{
    CsvOptions, Encoding, Format, FormatName, Incremental, LoadMode, MOST_BUFFERED, Place,
    RedshiftOptions, S3Url, SinkFormat, compression_not_read,
};
use super::steps::order_by;
use super::targets::Target;
use super::{Resolver, entries};

/// Rejected rows go beside the first sink unless the file says another place.
const DEAD_LETTERS: &str = "dead_letters";
/// Bytes of a file at most: S3 copies none of more than 5 GiB, and a file may go over its size by a row group.
const MOST_OF_FILE: u64 = 4 << 30;
/// What was loaded is kept beside the file unless the target says another place.
const STATE: &str = ".transom/state";

impl Resolver<'_> {
    pub(super) fn sources(&mut self, target: &Target<'_>) -> Vec<FileSource> {
        let mut sources = Vec::new();
        for entry in entries(self.file.sources.as_ref()) {
            let Some(source) = &entry.value else { continue };
            let said = target.source(&entry.name.value).or(source.path.as_ref());
            let is_path = said.is_some_and(|said| self.place(said).is_some());
            let format = source.format.unwrap_or_else(|| {
                let endings = [said, source.path.as_ref()].into_iter().flatten();
                self.format_of(endings, format_of_file, "source", &entry.name)
            });
            let format = format.map(|format| self.source_format(&entry.name.value, source, format));
            let checks = self.checks(&entry.name.value, source.checks.as_ref());
            let incremental = self.incremental(source);
            if let (true, Some(path), Some(format)) = (is_path, said.cloned(), format) {
                sources.push(FileSource {
                    name: entry.name.clone(),
                    path,
                    format,
                    columns: source
                        .columns
                        .as_ref()
                        .map_or_else(Vec::new, |said| said.value.0.clone()),
                    checks,
                    unknown: source.unknown.flatten().unwrap_or_default(),
                    incremental,
                });
            }
        }
        sources
    }

    /// Which part of a source a slice reads; reports keys that do not go with it.
    fn incremental(&mut self, source: &SourceEntry) -> Option<Spanned<Incremental>> {
        let entry = source.incremental.as_ref();
        let is_new_files =
            entry.is_some_and(|entry| matches!(entry.value, IncrementalEntry::NewFiles));
        let is_by = entry.is_some_and(|entry| matches!(entry.value, IncrementalEntry::By(_)));
        let on_change = source.on_change.as_ref().map(|said| said.span);
        let on_missing = source.on_missing.as_ref().map(|said| said.span);
        for (key, span, fits, with) in [
            (
                "on_change",
                on_change,
                is_new_files,
                "incremental: new_files",
            ),
            ("on_missing", on_missing, is_by, "incremental: { by: .. }"),
        ] {
            if let (Some(span), false) = (span, fits) {
                let problem = self
                    .at(span, format!("`{key}` is for sources with `{with}`"))
                    .with_label("has no meaning here");
                self.report(problem);
            }
        }
        let Spanned { value, span } = entry?.clone();
        let value = match value {
            IncrementalEntry::NewFiles => Incremental::NewFiles {
                on_change: source
                    .on_change
                    .as_ref()
                    .map_or_else(Default::default, |said| said.value),
            },
            IncrementalEntry::By(column) => Incremental::By {
                column: column.value,
                on_missing: source
                    .on_missing
                    .as_ref()
                    .map_or_else(Default::default, |said| said.value),
            },
        };
        Some(Spanned { value, span })
    }

    /// The format that the endings of paths say, the first that does; reports if none does.
    fn format_of<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p Spanned<String>> + Clone,
        by_ending: fn(&str) -> Option<FormatName>,
        what: &str,
        name: &Spanned<String>,
    ) -> Option<FormatName> {
        let format = paths.clone().find_map(|path| by_ending(&path.value));
        // Without a path it was reported that it is missing.
        if let (None, Some(first)) = (format, paths.clone().next()) {
            let problem = match compression_not_read(&first.value) {
                Some((compression, inner)) if by_ending(inner).is_some() => {
                    let message = format!(
                        "the {what} `{}` is {compression}, which is not read or written here",
                        name.value
                    );
                    self.at(first.span, message)
                        .with_label("the path's ending says so")
                        .with_hint("unpack the files, or compress texts with gzip: `.csv.gz`")
                }
                _ => {
                    let message = format!("the format of the {what} `{}` is not known", name.value);
                    let formats = list(FormatName::WORDS.iter().map(|(word, _)| *word));
                    self.at(first.span, message)
                        .with_label("the path's ending does not say it")
                        .with_hint(format!("add `format`, one of {formats}"))
                }
            };
            self.report(problem);
        }
        format
    }

    /// Reports a key that belongs to other formats, if it is there.
    fn check_format(
        &mut self,
        key: &str,
        span: Option<Span>,
        what: &str,
        format: FormatName,
        allowed: &[FormatName],
    ) {
        let Some(span) = span else { return };
        if allowed.contains(&format) {
            return;
        }
        let message = format!("{what} has `{key}`, but its format is `{}`", format.word());
        let label = format!(
            "allowed with {}",
            list(allowed.iter().map(|format| format.word()))
        );
        let problem = self.at(span, message).with_label(label);
        self.report(problem);
    }

    fn source_format(&mut self, name: &str, source: &SourceEntry, format: FormatName) -> Format {
        let what = format!("the source `{name}`");
        let csv = source.csv.as_ref().map(|said| said.span);
        self.check_format("csv", csv, &what, format, &[FormatName::Csv]);
        match format {
            FormatName::Csv => Format::Csv(self.csv(source.csv.as_ref())),
            FormatName::Json => Format::Json,
            FormatName::Parquet => Format::Parquet,
        }
    }

    fn sink_format(&mut self, name: &str, sink: &SinkEntry, format: FormatName) -> SinkFormat {
        let what = format!("the sink `{name}`");
        let csv = sink.csv.as_ref().map(|said| said.span);
        self.check_format("csv", csv, &what, format, &[FormatName::Csv]);
        let compression = sink.compression.as_ref().map(|said| said.span);
        self.check_format(
            "compression",
            compression,
            &what,
            format,
            &[FormatName::Parquet],
        );
        let row_groups = sink.row_group_size.as_ref().map(|said| said.span);
        self.check_format(
            "row_group_size",
            row_groups,
            &what,
            format,
            &[FormatName::Parquet],
        );
        if let Some(said) = &sink.csv {
            let said = &said.value;
            let of_sources = [
                ("encoding", said.encoding.as_ref().map(|said| said.span)),
                ("skip", said.skip.as_ref().map(|said| said.span)),
                ("comment", said.comment.as_ref().map(|said| said.span)),
                ("escape", said.escape.as_ref().map(|said| said.span)),
            ];
            for (key, span) in of_sources {
                let Some(span) = span else { continue };
                let message = format!("{what} has `csv.{key}`, which is for sources");
                let problem = self
                    .at(span, message)
                    .with_label("sinks write UTF-8 and double quotes within quotes");
                self.report(problem);
            }
        }
        match format {
            FormatName::Csv => SinkFormat::Csv(self.csv(sink.csv.as_ref())),
            FormatName::Json => SinkFormat::Json,
            FormatName::Parquet => SinkFormat::Parquet {
                compression: sink
                    .compression
                    .as_ref()
                    .map(|said| said.value)
                    .unwrap_or_default(),
            },
        }
    }

    fn csv(&mut self, said: Option<&Spanned<CsvEntry>>) -> CsvOptions {
        let default = CsvOptions::default();
        let Some(Spanned { value: said, span }) = said else {
            return default;
        };
        let options = CsvOptions {
            delimiter: said.delimiter.map_or(default.delimiter, |byte| byte.0),
            header: said.header.unwrap_or(default.header),
            quote: said.quote.map_or(default.quote, |byte| byte.0),
            null: said.null.clone().map_or_else(Vec::new, |texts| texts.0),
            encoding: said
                .encoding
                .as_ref()
                .and_then(|name| Encoding::named(&name.value))
                .unwrap_or_default(),
            skip: said.skip.as_ref().map_or(0, |lines| lines.value.0 as usize),
            comment: said.comment.as_ref().map(|byte| byte.value.0),
            escape: said.escape.as_ref().map(|byte| byte.value.0),
        };
        if let Some(encoding) = &said.encoding
            && Encoding::named(&encoding.value).is_none()
        {
            let message = format!("the encoding `{}` is not known", encoding.value);
            let label = match encoding.value.to_ascii_lowercase().ends_with("ascii") {
                true => "text in ASCII is UTF-8, which needs no `encoding`",
                false => "for example `utf-16`, `latin-1`, `windows-1252`, `shift_jis`",
            };
            let problem = self.at(encoding.span, message).with_label(label);
            self.report(problem);
        }
        // What stands for NULL is never in quotes.
        let cuts = |byte: u8| {
            matches!(byte, b'\n' | b'\r') || byte == options.delimiter || byte == options.quote
        };
        if let Some(text) = options.null.iter().find(|text| text.bytes().any(cuts)) {
            let message = format!(
                "the text for NULL, `{}`, cannot be distinguished from other values",
                text.escape_default()
            );
            let problem = self
                .at(*span, message)
                .with_label("`null` cannot hold the delimiter, the quote or a line break");
            self.report(problem);
        }
        let marks = [
            ("delimiter", Some((options.delimiter, *span))),
            ("quote", Some((options.quote, *span))),
            (
                "comment",
                said.comment.as_ref().map(|byte| (byte.value.0, byte.span)),
            ),
            (
                "escape",
                said.escape.as_ref().map(|byte| (byte.value.0, byte.span)),
            ),
        ];
        for (at, (name, mark)) in marks.iter().enumerate().skip(2) {
            let Some((byte, span)) = mark else { continue };
            let earlier = marks[..at].iter().find(|(name, mark)| {
                // A quote that escapes itself is a doubled quote.
                *name != "quote" && mark.is_some_and(|(other, _)| other == *byte)
            });
            if let Some((other, _)) = earlier {
                let character = char::from(*byte).escape_default();
                let message = format!("`{character}` is both the {other} and the {name}");
                let problem = self.at(*span, message).with_label("must be two characters");
                self.report(problem);
            }
        }
        if options.delimiter == options.quote {
            let character = char::from(options.quote).escape_default();
            let message = format!("`{character}` is both the delimiter and the quote");
            let problem = self.at(*span, message).with_label("must be two characters");
            self.report(problem);
        }
        options
    }

    pub(super) fn sinks(&mut self, target: &Target<'_>) -> Vec<Sink> {
        let mut sinks = Vec::new();
        let mut tables = Vec::new();
        for entry in entries(self.file.sinks.as_ref()) {
            let Some(sink) = &entry.value else { continue };
            let name = &entry.name;
            if let Some(from) = &sink.from {
                self.check_table(from, &format!("the sink `{}`", name.value));
            }
            let kind = match &sink.redshift {
                Some(said) => {
                    let said = &said.value;
                    let table = target.table(&name.value).or(said.table.as_ref());
                    table.and_then(|table| {
                        let redshift = self.redshift_table(&name.value, said, table)?;
                        tables.push((redshift.table.clone(), table.span));
                        let on_reject = said.on_reject.flatten().unwrap_or_default();
                        Some(SinkKind::Redshift {
                            redshift,
                            on_reject,
                        })
                    })
                }
                None => self.file_table(name, sink, target).map(SinkKind::Files),
            };
            if let (Some(from), Some(kind)) = (sink.from.clone(), kind) {
                sinks.push(Sink {
                    name: name.clone(),
                    from,
                    kind,
                });
            }
        }
        self.check_redshift_tables(&tables);
        sinks
    }

    fn file_table(
        &mut self,
        name: &Spanned<String>,
        sink: &SinkEntry,
        target: &Target<'_>,
    ) -> Option<FileTable> {
        let said = target.sink(&name.value).or(sink.path.as_ref());
        let path = said.and_then(|said| self.output_place(said));
        let format = sink.format.unwrap_or_else(|| {
            let endings = [said, sink.path.as_ref()].into_iter().flatten();
            self.format_of(endings, format_by_ending, "sink", name)
        });
        let format = format.map(|format| self.sink_format(&name.value, sink, format));
        let partition_by = sink.partition_by.as_ref();
        let partition_by = partition_by.map_or_else(Vec::new, |said| said.0.clone());
        let mode = sink.mode.clone().unwrap_or(Spanned {
            value: LoadMode::Overwrite,
            span: name.span,
        });
        if mode.value == LoadMode::Merge {
            let message = format!(
                "the sink `{}` writes files, which cannot be merged",
                name.value
            );
            let problem = self.at(mode.span, message);
            let modes = "files have `overwrite`, `append` and `overwrite_partitions`";
            self.report(problem.with_label(modes));
        }
        if mode.value == LoadMode::OverwritePartitions && partition_by.is_empty() {
            let message = format!("the sink `{}` has no partitions", name.value);
            let problem = self.at(mode.span, message);
            self.report(problem.with_label("`overwrite_partitions` needs `partition_by`"));
        }
        Some(FileTable {
            path: path?,
            format: format?,
            mode,
            partition_by,
            sort_by: sink
                .sort_by
                .iter()
                .flat_map(|order| &order.0)
                .filter_map(order_by)
                .collect(),
            file_size: self.size(
                "file_size",
                sink.file_size.as_ref(),
                MOST_OF_FILE,
                "S3 copies no object of more than 5 GiB",
            ),
            row_group_size: self.size(
                "row_group_size",
                sink.row_group_size.as_ref(),
                MOST_BUFFERED,
                "a row group is in memory until it ends, and a sink keeps no more rows there",
            ),
        })
    }

    /// A size of what is written; reports one that is too large, and why it is.
    fn size(
        &mut self,
        key: &str,
        said: Option<&Spanned<Bytes>>,
        most: u64,
        why: &str,
    ) -> Option<u64> {
        let Spanned {
            value: Bytes(bytes),
            span,
        } = *said?;
        if bytes > most {
            let label = format!("at most {} MiB", most >> 20);
            let problem = self.at(span, format!("`{key}` is too large"));
            self.report(problem.with_label(label).with_hint(why));
        }
        Some(bytes)
    }

    /// The place of what is written, which cannot be a pattern.
    fn output_place(&mut self, said: &Spanned<String>) -> Option<Spanned<Place>> {
        if is_pattern(&said.value) {
            let problem = self
                .at(
                    said.span,
                    format!("`{}` is a pattern, not one path", said.value),
                )
                .with_label("cannot hold `*`, `?` and `[`");
            self.report(problem);
            return None;
        }
        let place = self.place(said)?;
        if let Place::S3(url) = &place.value
            && url.split().is_none()
        {
            let problem = self
                .at(said.span, format!("`{}` is a whole bucket", said.value))
                .with_label("name a prefix within it, such as `s3://bucket/daily/`");
            self.report(problem);
            return None;
        }
        Some(place)
    }

    /// Where it is kept what was loaded.
    pub(super) fn state(&mut self, target: &Target<'_>, pipeline: &str) -> Option<Place> {
        match target.state() {
            Some(said) => self.output_place(said).map(|place| place.value),
            None => {
                let folder = self.root.join(STATE).join(pipeline).join(&target.name);
                Some(Place::Local(folder))
            }
        }
    }

    /// Where rejected rows go, and whether the file says so.
    pub(super) fn dead_letters(&mut self, target: &Target<'_>) -> (Spanned<Place>, bool) {
        let file = self.file;
        let said = file
            .dead_letters
            .as_ref()
            .and_then(|said| said.path.as_ref());
        if let Some(path) = target
            .dead_letters()
            .or(said)
            .and_then(|said| self.output_place(said))
        {
            return (path, true);
        }
        let beside = entries(file.sinks.as_ref()).find_map(|entry| {
            let said = target
                .sink(&entry.name.value)
                .or(entry.value.as_ref()?.path.as_ref())?;
            let above = match place(&self.root, &said.value, said.span, self.source).ok()? {
                Place::Local(path) => Place::Local(path.parent()?.to_path_buf()),
                Place::S3(url) => Place::S3(url.split()?.0),
            };
            Some((above, said.span))
        });
        let (folder, span) =
            beside.unwrap_or_else(|| (Place::Local(self.root.clone()), Default::default()));
        (
            Spanned {
                value: folder.join(DEAD_LETTERS),
                span,
            },
            false,
        )
    }

    /// What is written, but for the dead letters.
    pub(super) fn outputs(
        &self,
        sinks: &[Sink],
        redshift: Option<&Spanned<RedshiftOptions>>,
    ) -> Vec<Output> {
        let files = sinks.iter().filter_map(|sink| match &sink.kind {
            SinkKind::Files(files) => Some(Output {
                what: format!("the sink `{}`", sink.name.value),
                path: files.path.value.as_path(),
                span: files.path.span,
                hint: None,
            }),
            SinkKind::Redshift { .. } => None,
        });
        let staging = redshift.map(|said| Output {
            what: "`redshift.staging`".to_owned(),
            path: Place::S3(said.value.staging.clone()).as_path(),
            span: said.span,
            hint: None,
        });
        files.chain(staging).collect()
    }

    /// The place of the log, if the target says one.
    pub(super) fn state_output(&self, target: &Target<'_>) -> Option<Output> {
        let said = target.state()?;
        // What is no place is reported elsewhere.
        let state = place(&self.root, &said.value, said.span, self.source).ok()?;
        Some(Output {
            what: "`state`".to_owned(),
            path: state.as_path(),
            span: said.span,
            hint: None,
        })
    }

    /// Reports outputs that meet each other, a source's files or the pipeline itself.
    pub(super) fn check_paths(
        &mut self,
        plugins: &[Plugin],
        sources: &[FileSource],
        steps: &[Step],
        mut outputs: Vec<Output>,
        (dead_letters, said): (&Spanned<Place>, bool),
    ) {
        let sources = sources.iter().map(|source| Input {
            of: format!("source `{}`", source.name.value),
            path: match S3Url::is_meant(&source.path.value) {
                true => PathBuf::from(&source.path.value),
                false => normalized(&self.root.join(&source.path.value)),
            },
            span: Some(source.path.span),
        });
        let plugins = plugins.iter().map(|plugin| Input {
            of: format!("plugin `{}`", plugin.name.value),
            path: normalized(&plugin.path.value),
            span: Some(plugin.path.span),
        });
        let queries = steps.iter().filter_map(|step| match &step.kind {
            StepKind::Sql(sql) => Some(Input {
                of: format!("step `{}`", step.name.value),
                path: normalized(sql.file.as_ref()?),
                span: Some(sql.span),
            }),
            StepKind::Transform(_) => None,
        });
        let tests = Input {
            of: "pipeline's tests".to_owned(),
            path: self.root.join(crate::test_file::FOLDER),
            span: None,
        };
        let inputs: Vec<Input> = sources
            .chain(plugins)
            .chain(queries)
            .chain([tests])
            .collect();
        let mut found = collisions(&outputs, &inputs, &self.root, self.source);
        // Where the default lies depends on the sinks, so it is of interest only when these are right.
        if said || found.is_empty() {
            outputs.insert(
                0,
                Output {
                    what: "`dead_letters`".to_owned(),
                    path: dead_letters.value.as_path(),
                    span: dead_letters.span,
                    hint: (!said).then_some("say another place with `dead_letters: { path: .. }`"),
                },
            );
            found = collisions(&outputs, &inputs, &self.root, self.source);
        }
        self.problems.extend(found);
    }
}

/// The format that a path's ending says.
fn format_by_ending(path: &str) -> Option<FormatName> {
    match Path::new(path).extension()?.to_str()? {
        "csv" => Some(FormatName::Csv),
        "json" | "jsonl" | "ndjson" => Some(FormatName::Json),
        "parquet" => Some(FormatName::Parquet),
        _ => None,
    }
}

/// The format that the ending of a file to be read says; text files may be compressed.
#[must_use]
pub fn format_of_file(path: &str) -> Option<FormatName> {
    match path.strip_suffix(".gz") {
        Some(inner) => format_by_ending(inner).filter(|format| *format != FormatName::Parquet),
        None => format_by_ending(path),
    }
}
