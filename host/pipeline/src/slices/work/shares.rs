//! Shares of a backfill: which inputs each of them reads, and how they are computed and loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;
use transom_commit::{self as commit, After, Draft, Log, OpenBackfill, Share, StagedAttempt};
use transom_connect::{self as connect, Publish};
use transom_file::spec::Incremental;

use super::compare::{check_parts, staged_earlier};
use super::computer::Order;
use super::{Slicer, TEXT_KEYS, after_of, left, list_sources, slice_span};
use crate::error::{Error, Result};
use crate::report::{Outcome, RunReport, SinkReport};
use crate::run::RunFailure;
use crate::slices::backfill::{Backfill, BackfillOptions, Frozen};
use crate::slices::choose::{Bounds, Chosen, Range};
use crate::slices::pace::Pace;
use crate::slices::seen::Seen;

/// What to do about a backfill of another pipeline.
const PLAN_ANEW: &str = "close the backfill with `transom backfill end`, and plan it anew";

impl Slicer<'_> {
    /// What comes next of the open backfill: its next share, if that is computed, or its end.
    pub(super) async fn next_share(
        &mut self,
        log: &Log,
        state: &After,
        open: OpenBackfill,
    ) -> Result<Option<(commit::Attempt, Draft)>, Box<RunFailure>> {
        self.is_done = false;
        if open.next == open.shares {
            return Ok(Some((commit::Attempt::random(), Draft::BackfillEnd {})));
        }
        self.is_late = left(self.options).is_some_and(|left| !self.pace.fits(left));
        if self.ends_here() {
            return Ok(None);
        }
        if let Err(error) = self.check_for_shares(log).await {
            return Err(RunFailure::new(self.job, error));
        }
        let begun = Instant::now();
        let failed = |error| RunFailure::new(self.job, error);
        let frozen = match &self.frozen {
            Some(frozen) if frozen.seq() == open.seq => Arc::clone(frozen),
            _ => Arc::new(
                Frozen::read(self.store.as_ref(), open.seq)
                    .await
                    .map_err(failed)?,
            ),
        };
        self.frozen = Some(Arc::clone(&frozen));
        let staged = frozen.staged(self.store.as_ref(), open.next).await;
        let (staged, report) = match staged.map_err(failed)? {
            Some(staged) => (staged, None),
            None if self.options.compute_shares => {
                let report = self.compute_share(log, &frozen, open.next).await?;
                let staged = frozen.staged(self.store.as_ref(), open.next).await;
                let failed = |error| RunFailure::new(self.job, error);
                let staged = staged.map_err(failed)?.ok_or_else(|| {
                    let message = format!(
                        "share {} of backfill {} was staged just now, and is gone",
                        open.next, open.seq
                    );
                    failed(Error::State {
                        message,
                        hint: None,
                    })
                })?;
                (staged, report)
            }
            None => {
                let open = Backfill::read(self.store.as_ref(), open).await;
                self.backfill = Some(open.map_err(failed)?);
                return Ok(None);
            }
        };
        let failed = |error| RunFailure::new(self.job, error);
        check_parts(self.job, &staged.draft, PLAN_ANEW).map_err(failed)?;
        let draft = self.follow(state, staged.draft).await.map_err(failed)?;
        let report = report.unwrap_or_else(|| self.report_of(&draft));
        self.note_staged(staged.attempt, begun, &draft, report);
        Ok(Some((staged.attempt, draft)))
    }

    /// Computes a share of a backfill, and leaves the attempt that stands for it; its report, if it is this one.
    pub(in crate::slices) async fn compute_share(
        &mut self,
        log: &Log,
        frozen: &Frozen,
        index: u32,
    ) -> Result<Option<RunReport>, Box<RunFailure>> {
        let failed = |error| RunFailure::new(self.job, error);
        frozen.check_variables(self.job).map_err(failed)?;
        let chosen = frozen
            .share(self.store.as_ref(), index)
            .await
            .map_err(failed)?;
        let mut incremental = self.incremental();
        if let Some((source, _)) =
            incremental.find(|(source, _)| !chosen.inputs.contains_key(&source.name.value))
        {
            return Err(failed(Error::Slice {
                message: format!(
                    "the backfill of entry {} was planned without the source `{}`, all of which each of its shares would read",
                    frozen.seq(),
                    source.name.value
                ),
                hint: format!("if the source was renamed, give it its old name; else {PLAN_ANEW}"),
            }));
        }
        if self.listed.is_empty() {
            let is_planned = |name: &str| chosen.inputs.contains_key(name);
            let listed = list_sources(self.job, is_planned).await;
            self.listed = Arc::new(listed.map_err(failed)?);
        }
        let attempt = commit::Attempt::random_of_share(Share {
            backfill: frozen.seq(),
            index,
        });
        let order = Order {
            attempt,
            log: log.id().map(|id| id.to_string()),
            time: frozen.time(self.seed(attempt)),
            state: log.state(),
            chosen,
            listed: Arc::clone(&self.listed),
        };
        let computing = self.compute(&order);
        let computed = computing.instrument(slice_span(log)).await;
        let computed = computed.map_err(|mut failure| {
            if let Error::Source(source) = &failure.error
                && let Some(name) = source.unlisted()
                && order.chosen.inputs.contains_key(name)
            {
                failure.error = Error::Share {
                    backfill: frozen.seq(),
                    share: index,
                    source: Arc::clone(source),
                };
            }
            failure
        })?;
        let (draft, report) = self.draft(&order.state, computed);
        let staged = StagedAttempt::new(attempt, frozen.seq(), draft);
        match staged.stand_for_share(self.store.as_ref()).await {
            Ok(stands) => Ok(stands.then_some(report)),
            Err(error) => Err(Box::new(RunFailure {
                error: error.into(),
                report,
            })),
        }
    }

    /// A share as it comes after those before it, which were computed at the same time.
    async fn follow(&self, state: &After, draft: Draft) -> Result<Draft> {
        let Draft::Slice {
            mut slice,
            sources,
            buckets,
        } = draft
        else {
            return Ok(draft);
        };
        for part in &mut slice.sinks {
            let name = part.name.as_str();
            let Some(sink) = self.sinks.get(name) else {
                continue;
            };
            let publish = serde_json::from_value(part.staged.clone());
            let publish = publish.map_err(|error| Error::State {
                message: format!("what share was staged for the sink `{name}` is no document of this version: {error}"),
                hint: None,
            })?;
            let after = after_of(state, name);
            let publish = sink.follow(publish, after.as_deref()).await;
            let publish = publish.map_err(|error| staged_earlier(error, PLAN_ANEW))?;
            part.staged = serde_json::to_value(&publish).expect(TEXT_KEYS);
        }
        Ok(Draft::Slice {
            slice,
            sources,
            buckets,
        })
    }

    /// The report of a slice that another process has computed.
    fn report_of(&self, draft: &Draft) -> RunReport {
        let mut report = RunReport::nothing(&self.job.pipeline);
        report.outcome = Outcome::Published;
        let Draft::Slice { slice, .. } = draft else {
            return report;
        };
        report.rows_read = slice.counts.rows_in;
        report.rows_rejected = slice.counts.rejected;
        for part in &slice.sinks {
            let publish = serde_json::from_value::<Publish>(part.staged.clone());
            if let Ok(publish) = publish {
                report.sinks.push(SinkReport {
                    name: part.name.to_string(),
                    at: publish.table(),
                    rows: part.rows,
                    files: usize::try_from(publish.files()).unwrap_or(usize::MAX),
                    bytes: publish.bytes(),
                    rows_rejected: None,
                    head: vec![],
                });
            }
        }
        report
    }

    /// Divides what is new, or the partitions of a range, into the shares of a backfill, which are loaded in order.
    pub(in crate::slices) async fn divide(
        &mut self,
        state: &After,
        options: &BackfillOptions,
    ) -> Result<Vec<Chosen>> {
        let mut range = self.range(options)?;
        self.look(state).await?;
        let own = self.seen.iter();
        let mut seen: BTreeMap<String, Seen> = own
            .map(|(name, (_, seen))| (name.clone(), seen.clone()))
            .collect();
        let all = Bounds {
            files: u64::MAX,
            bytes: u64::MAX,
        };
        let pick = |seen: &BTreeMap<String, Seen>, bounds, range: Option<&Range>| {
            self.choose_from(&|name| seen.get(name), bounds, range)
        };
        let total = match options.shares {
            Some(_) => pick(&seen, all, range.as_ref())?.map_or(0, |all| all.bytes()),
            None => 0,
        };
        let (mut shares, mut bytes): (Vec<Chosen>, u64) = (Vec::new(), 0);
        loop {
            let bounds = match options.shares {
                None => Pace::most(self.job.pipeline.slices),
                // Up to its part of all: so the last one has room for the rest.
                Some(count) => {
                    let upto = u128::from(total) * (shares.len() as u128 + 1);
                    let upto = upto.div_ceil(u128::from(count.max(1)));
                    let upto = u64::try_from(upto).unwrap_or(u64::MAX);
                    Bounds {
                        files: u64::MAX,
                        bytes: upto.saturating_sub(bytes),
                    }
                }
            };
            let Some(chosen) = pick(&seen, bounds, range.as_ref())? else {
                return Ok(shares);
            };
            bytes += chosen.bytes();
            seen.extend(chosen.seen.clone());
            if let Some(range) = &mut range {
                range.taken.extend(chosen.partitions.iter().cloned());
            }
            shares.push(Chosen {
                seen: BTreeMap::new(),
                ..chosen
            });
        }
    }

    /// The partitions that a backfill loads whatever was loaded before.
    fn range(&self, options: &BackfillOptions) -> Result<Option<Range>> {
        let refused = |message: String, hint: &str| Error::Slice {
            message,
            hint: hint.to_owned(),
        };
        let mut incremental = self.incremental().peekable();
        if incremental.peek().is_none() {
            return Err(refused(
                "no source of the pipeline is `incremental`: a backfill would load all of it, as a run does".to_owned(),
                "give a source `incremental: new_files` or `incremental: { by: COLUMN }`, or use `transom run`",
            ));
        }
        if options.from.is_none() && options.to.is_none() {
            return Ok(None);
        }
        let by = incremental.find_map(|(source, incremental)| match incremental {
            Incremental::By { column, .. } => Some((source.name.value.as_str(), column)),
            Incremental::NewFiles { .. } => None,
        });
        let (source, column) = by.ok_or_else(|| {
            refused(
                "`--from` and `--to` choose partitions, and no source is read by partition"
                    .to_owned(),
                "without them, a backfill loads all files that no slice has read",
            )
        })?;
        let field = self.field(source, column)?;
        let bound = |value: &Option<String>| {
            let Some(value) = value else {
                return Ok(None);
            };
            let path = format!("{column}={value}/-");
            connect::partition_value(Path::new(&path), &field).map_err(|why| {
                refused(
                    format!("`{value}` is no value of `{column}`: {why}"),
                    "write it as the names of the source's folders do",
                )
            })
        };
        let range = Range {
            from: bound(&options.from)?,
            to: bound(&options.to)?,
            data_type: Some(field.data_type().clone()),
            taken: BTreeSet::new(),
        };
        if let (Some(from), Some(to)) = (&range.from, &range.to)
            && range.order(from, to).is_gt()
        {
            return Err(refused(
                format!(
                    "no value of `{column}` is from `{from}` to `{to}`: the first one is the later one"
                ),
                "`--from` is the first partition, `--to` the last one",
            ));
        }
        Ok(Some(range))
    }
}
