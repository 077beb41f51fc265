//! Which files the next slice reads: what was listed, less what counts as loaded, within bounds.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use arrow::datatypes::DataType;
use transom_connect::{Input, Inputs, compare_partitions};
use transom_file::spec::{Incremental, OnChange, OnMissing};

use super::seen::{Seen, Stamp, path_of};
use crate::error::{Error, Result};
use crate::report::counted;

/// The value of a partition, as the names of folders have it; `None` for NULL.
pub(super) type Value = Option<String>;

/// The files that a source has now, by their paths, each with what tells it from another one in its place.
pub(super) type Paths = HashMap<String, Stamp>;

/// The paths of what was listed.
pub(super) fn paths_of(inputs: &Inputs) -> Paths {
    let pieces = inputs.pieces.iter();
    pieces
        .map(|piece| (path_of(piece), Stamp::of(piece)))
        .collect()
}

/// How much one slice may read of its incremental sources. The first file or partition is taken whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) files: u64,
    /// As they lie there.
    pub(super) bytes: u64,
}

impl Bounds {
    /// Those that both keep to.
    pub(super) fn around(self, other: Self) -> Self {
        Self {
            files: self.files.max(other.files),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

/// An incremental source, as it is now and as it was loaded.
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    /// Its path, as the pipeline has it.
    pub(super) path: &'a str,
    pub(super) incremental: &'a Incremental,
    pub(super) inputs: &'a Inputs,
    pub(super) paths: &'a Paths,
    /// Of each piece the partition that it belongs to; empty unless the source is read by partition.
    pub(super) partitions: &'a [Value],
    /// The partition that a path belongs to, of a file that was loaded.
    pub(super) partition_of: &'a (dyn Fn(&str) -> Value + Sync),
    pub(super) seen: &'a Seen,
    /// Which of its files were loaded before as other ones; none if they are loaded in any case.
    pub(super) moved: Option<&'a Moved>,
    /// What was loaded of all sources.
    pub(super) all: &'a [Loaded<'a>],
}

/// What was loaded of a source.
pub(super) struct Loaded<'a> {
    pub(super) source: &'a str,
    pub(super) seen: &'a Seen,
    /// What it has now; none of one that the pipeline does not have any more.
    pub(super) listed: Option<&'a Paths>,
}

impl Loaded<'_> {
    /// Whether a file is where it was, and as it was.
    fn has(&self, path: &str, stamp: &Stamp) -> bool {
        self.listed
            .is_some_and(|listed| listed.get(path) == Some(stamp))
    }
}

/// What a slice reads of the incremental sources.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Of each source.
    pub(super) inputs: BTreeMap<String, Inputs>,
    /// What counts as loaded after it.
    pub(super) seen: BTreeMap<String, Seen>,
    /// Of each source: files that count as loaded before it, and not after it.
    pub(super) gone: BTreeMap<String, Vec<String>>,
    /// The partitions that are read whole.
    pub(super) partitions: BTreeSet<Value>,
}

impl Chosen {
    /// Size of all that is read, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.inputs.values().map(Inputs::bytes).sum()
    }
}

/// Partitions that are loaded whether or not they have new files.
#[derive(Debug, Clone, Default)]
pub(super) struct Range {
    /// The first one, as the names of folders have it.
    pub(super) from: Option<String>,
    /// The last one.
    pub(super) to: Option<String>,
    /// The type of their column, in whose order they are; that of texts if it is none.
    pub(super) data_type: Option<DataType>,
    /// Those of them that were chosen before.
    pub(super) taken: BTreeSet<Value>,
}

impl Range {
    fn has(&self, value: &Value) -> bool {
        let Some(text) = value else {
            return false;
        };
        let is_in = |bound: &Option<String>, is: fn(Ordering) -> bool| {
            bound
                .as_ref()
                .is_none_or(|bound| is(self.order(text, bound)))
        };
        is_in(&self.from, Ordering::is_ge)
            && is_in(&self.to, Ordering::is_le)
            && !self.taken.contains(value)
    }

    /// Which of two values comes first.
    pub(super) fn order(&self, a: &str, b: &str) -> Ordering {
        match &self.data_type {
            Some(data_type) => compare_partitions(a, b, data_type),
            None => a.cmp(b),
        }
    }
}

/// The next slice; none if there is nothing new. With a range, which only sources by partition have, its partitions are chosen and no
/// others.
///
/// # Errors
/// If a file has changed, or is gone, and the pipeline does not say that this is meant.
pub(super) fn choose(
    candidates: &[Candidate<'_>],
    bounds: Bounds,
    range: Option<&Range>,
) -> Result<Option<Chosen>> {
    let by_partition = candidates
        .iter()
        .any(|candidate| matches!(candidate.incremental, Incremental::By { .. }));
    match by_partition {
        true => dirty_partitions(candidates, bounds, range),
        false => new_files(candidates, bounds),
    }
}

/// How much a slice may still take.
struct Budget {
    left: Bounds,
    is_begun: bool,
}

impl Budget {
    fn new(bounds: Bounds) -> Self {
        Self {
            left: bounds,
            is_begun: false,
        }
    }

    fn take(&mut self, files: u64, bytes: u64) -> bool {
        let fits = files <= self.left.files && bytes <= self.left.bytes;
        if self.is_begun && !fits {
            return false;
        }
        self.is_begun = true;
        self.left.files = self.left.files.saturating_sub(files);
        self.left.bytes = self.left.bytes.saturating_sub(bytes);
        true
    }
}

fn new_files(candidates: &[Candidate<'_>], bounds: Bounds) -> Result<Option<Chosen>> {
    let mut chosen = Chosen::default();
    let mut budget = Budget::new(bounds);
    let mut is_full = false;
    for candidate in candidates {
        let mut seen = candidate.seen.clone();
        let mut pieces = Vec::new();
        let on_change = match candidate.incremental {
            Incremental::NewFiles { on_change } => *on_change,
            Incremental::By { .. } => OnChange::default(),
        };
        for piece in &candidate.inputs.pieces {
            let path = path_of(piece);
            let is_new = match seen.get(&path) {
                Some(stamp) if *stamp == Stamp::of(piece) => false,
                Some(_) => match on_change {
                    OnChange::Load => true,
                    OnChange::Ignore => false,
                    OnChange::Fail => return Err(changed(candidate, piece)),
                },
                None => match (
                    candidate.moved.and_then(|moved| moved.get(&path)),
                    on_change,
                ) {
                    (Some(before), OnChange::Fail) => {
                        return Err(loaded_before(candidate, piece, before));
                    }
                    (Some(_), OnChange::Ignore) => {
                        // Where it is now, for later changes.
                        seen.insert(piece);
                        false
                    }
                    (Some(_), OnChange::Load) | (None, _) => true,
                },
            };
            if !is_new || is_full {
                continue;
            }
            if !budget.take(1, piece.bytes) {
                // Others are looked at all the same: one of them may have changed.
                is_full = true;
                continue;
            }
            seen.insert(piece);
            pieces.push(piece.clone());
        }
        let inputs = candidate.inputs.with_pieces(pieces);
        chosen.inputs.insert(candidate.name.to_owned(), inputs);
        chosen.seen.insert(candidate.name.to_owned(), seen);
    }
    Ok(budget.is_begun.then_some(chosen))
}

/// The files of a source that were loaded before as other ones, by their paths.
pub(super) type Moved = HashMap<String, Before>;

/// A file that was loaded.
#[derive(Debug, Clone)]
pub(super) struct Before {
    pub(super) path: String,
    /// The source that it was loaded from, if that is another one.
    source: Option<String>,
}

/// The files of a source that look new, and like ones that were loaded and that no source lists any more, each with these: a source whose path
/// is written in another way, that has another name, or that was a part of another one, lists what was loaded as if it were new. Whether
/// such a file is gone only its place knows.
pub(super) fn alike<'a>(
    (name, path): (&str, &str),
    inputs: &'a Inputs,
    all: &[Loaded<'_>],
) -> Vec<(&'a Input, Before)> {
    let own = all.iter().find(|loaded| loaded.source == name);
    let is_new = |piece: &&Input| {
        let is_seen = own.is_some_and(|own| own.seen.get(&path_of(piece)).is_some());
        // A file without a byte has no rows that could come a second time.
        !is_seen && piece.bytes > 0
    };
    let mut new: HashMap<Stamp, HashMap<OsString, Vec<&Input>>> = HashMap::new();
    for piece in inputs.pieces.iter().filter(is_new) {
        let name = piece.path.file_name().unwrap_or_default().to_owned();
        let of_stamp = new.entry(Stamp::of(piece)).or_default();
        of_stamp.entry(name).or_default().push(piece);
    }
    let mut alike = Vec::new();
    if new.is_empty() {
        return alike;
    }
    for loaded in all {
        let source = (loaded.source != name).then(|| loaded.source.to_owned());
        for (was, stamp) in loaded.seen.files() {
            let name = Path::new(was).file_name().unwrap_or_default();
            let pieces = new.get(stamp).and_then(|of_stamp| of_stamp.get(name));
            for piece in pieces.into_iter().flatten() {
                // Two sources may read one file.
                let is_there = match was.as_str() == piece.path.as_os_str() {
                    true => loaded.has(was, stamp),
                    false => all.iter().any(|other| other.has(was, stamp)),
                };
                if !is_there && may_be(Path::new(was), &piece.path, stamp, path) {
                    let (path, source) = (was.clone(), source.clone());
                    alike.push((*piece, Before { path, source }));
                }
            }
        }
    }
    alike.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    alike
}

/// Whether a file that was loaded may be this one, which has its name and stamp. Where the stamp says little, folders agree as well: all that
/// one of the two has below those of the source, or those of its partitions. Each day may have a file of one name and content.
fn may_be(was: &Path, now: &Path, stamp: &Stamp, source: &str) -> bool {
    let ends = |path: &Path, part: PathBuf| part.components().count() > 1 && path.ends_with(part);
    let partitions = partitions_of(now);
    stamp.is_unique()
        || is_same_path(was, now)
        || ends(was, below(source, now))
        || ends(now, below(source, was))
        || (!partitions.is_empty() && partitions == partitions_of(was))
}

/// The folders of a path that are named after partitions.
fn partitions_of(path: &Path) -> Vec<Component<'_>> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let is_partition = |folder: &Component<'_>| folder.as_os_str().to_string_lossy().contains('=');
    folders.filter(is_partition).collect()
}

/// Whether two paths may be one, written in two ways.
pub(super) fn is_same_path(a: &Path, b: &Path) -> bool {
    a.ends_with(b) || b.ends_with(a)
}

/// A file's path below the folder that a source begins with; its name alone if the source is that file.
fn below(source: &str, path: &Path) -> PathBuf {
    let named = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    let parts: Vec<Component<'_>> = path.components().filter(named).collect();
    let folders = Path::new(source).components().filter(named);
    let same = folders.zip(&parts).take_while(|(a, b)| a == *b).count();
    parts[same.min(parts.len().saturating_sub(1))..]
        .iter()
        .collect()
}

fn dirty_partitions(
    candidates: &[Candidate<'_>],
    bounds: Bounds,
    range: Option<&Range>,
) -> Result<Option<Chosen>> {
    let compared = candidates.iter().filter_map(|candidate| {
        let Incremental::By { column, on_missing } = candidate.incremental else {
            return None;
        };
        Some((candidate, column, on_missing, differences(candidate)))
    });
    let compared: Vec<_> = compared.collect();
    // A partition is computed from the files of all sources, whichever of them has the news.
    let mut dirty: BTreeSet<&Value> = BTreeSet::new();
    for (candidate, _, _, (news, lost)) in &compared {
        match range {
            None => dirty.extend(news),
            Some(range) => {
                let all = candidate.partitions.iter().chain(lost.keys());
                dirty.extend(all.filter(|partition| range.has(partition)));
            }
        }
    }
    let mut kept: BTreeSet<&Value> = BTreeSet::new();
    for (candidate, column, on_missing, (_, lost)) in &compared {
        for partition in &dirty {
            match (lost.get(*partition), on_missing) {
                (Some(lost), OnMissing::Fail) => {
                    let why = match range {
                        None => "has new files, and lacks",
                        Some(_) => "is to be loaded again, and lacks",
                    };
                    return Err(missing(candidate, column, partition, (why, lost)));
                }
                (Some(_), OnMissing::Keep) => {
                    kept.insert(*partition);
                }
                _ => {}
            }
        }
    }
    let mut budget = Budget::new(bounds);
    let mut taken: BTreeSet<Value> = BTreeSet::new();
    for partition in dirty.difference(&kept) {
        let (files, bytes) = size(candidates, partition);
        if !budget.take(files, bytes) {
            break;
        }
        taken.insert((*partition).clone());
    }
    if taken.is_empty() {
        return Ok(None);
    }
    let mut chosen = Chosen::default();
    for candidate in candidates {
        let mut seen = candidate.seen.clone();
        let pieces = pieces_of(candidate).filter(|(_, partition)| taken.contains(*partition));
        let pieces: Vec<Input> = pieces.map(|(piece, _)| piece.clone()).collect();
        let present: BTreeSet<String> = pieces.iter().map(path_of).collect();
        let gone: Vec<String> = lost_paths(candidate)
            .filter(|(path, partition)| taken.contains(partition) && !present.contains(path))
            .filter(|(path, _)| candidate.seen.get(path).is_some())
            .map(|(path, _)| path)
            .collect();
        gone.iter().for_each(|path| seen.remove(path));
        pieces.iter().for_each(|piece| seen.insert(piece));
        let inputs = candidate.inputs.with_pieces(pieces);
        chosen.inputs.insert(candidate.name.to_owned(), inputs);
        chosen.seen.insert(candidate.name.to_owned(), seen);
        chosen.gone.insert(candidate.name.to_owned(), gone);
    }
    chosen.partitions = taken;
    Ok(Some(chosen))
}

fn pieces_of<'a>(
    candidate: &Candidate<'a>,
) -> impl Iterator<Item = (&'a Input, &'a Value)> + use<'a> {
    candidate.inputs.pieces.iter().zip(candidate.partitions)
}

/// The partitions that have new or changed files, and those that lack files which were loaded, with these.
fn differences<'a>(
    candidate: &Candidate<'a>,
) -> (BTreeSet<&'a Value>, BTreeMap<Value, Vec<String>>) {
    let mut news = BTreeSet::new();
    for (piece, partition) in pieces_of(candidate) {
        if candidate.seen.get(&path_of(piece)) != Some(&Stamp::of(piece)) {
            news.insert(partition);
        }
    }
    let mut lost: BTreeMap<Value, Vec<String>> = BTreeMap::new();
    for (path, partition) in lost_paths(candidate) {
        lost.entry(partition).or_default().push(path);
    }
    (news, lost)
}

/// Files that were loaded and are gone, with the partitions that their paths name. A partition that the source has not loaded yet may have
/// been loaded from a source that had another name.
fn lost_paths<'a>(candidate: &'a Candidate<'_>) -> impl Iterator<Item = (String, Value)> + use<'a> {
    let present: &'a Paths = candidate.paths;
    let partition_of = |path: &String| (path.clone(), (candidate.partition_of)(path));
    let own: Vec<(String, Value)> = candidate.seen.paths().map(partition_of).collect();
    let loaded: BTreeSet<Value> = own.iter().map(|(_, partition)| partition.clone()).collect();
    let former = candidate
        .all
        .iter()
        .filter(|loaded| loaded.listed.is_none());
    let former = former.flat_map(|former| former.seen.paths().map(partition_of));
    let former: Vec<(String, Value)> = former
        .filter(|(_, partition)| partition.is_some() && !loaded.contains(partition))
        .collect();
    let lost = own.into_iter().chain(former);
    lost.filter(move |(path, _)| !present.contains_key(path))
}

fn size(candidates: &[Candidate<'_>], partition: &Value) -> (u64, u64) {
    let pieces = candidates.iter().flat_map(pieces_of);
    let pieces = pieces.filter(|(_, of)| *of == partition);
    pieces.fold((0, 0), |(files, bytes), (piece, _)| {
        (files + 1, bytes + piece.bytes)
    })
}

fn changed(candidate: &Candidate<'_>, piece: &Input) -> Error {
    Error::Slice {
        message: format!(
            "source `{}`: `{}` was loaded and has changed since",
            candidate.name,
            piece.path.display()
        ),
        hint: "nothing was loaded; give changed data a new name, or say `on_change: load` (its rows come a second time) or `on_change: ignore`"
            .to_owned(),
    }
}

fn loaded_before(candidate: &Candidate<'_>, piece: &Input, before: &Before) -> Error {
    let Candidate { name, path, .. } = candidate;
    let shown = piece.path.display();
    let (what, back) = match &before.source {
        Some(source) => (
            format!("from the source `{source}`, as `{}`", before.path),
            format!("if `{name}` is `{source}` by another name, give it the old one"),
        ),
        None => (
            format!("as `{}`", before.path),
            format!("if `path: {path}` names the same files as before, write it as before"),
        ),
    };
    Error::Slice {
        message: format!("source `{name}`: `{shown}` was loaded before, {what}"),
        hint: format!(
            "nothing was loaded; {back}; or say `on_change: load` (such files are loaded again) or `on_change: ignore` (they count as loaded)"
        ),
    }
}

fn missing(
    candidate: &Candidate<'_>,
    column: &str,
    partition: &Value,
    (why, lost): (&str, &[String]),
) -> Error {
    let value = partition.as_deref().unwrap_or("NULL");
    let count = counted(lost.len() as u64, "file");
    let shown = lost.first().map_or("", String::as_str);
    Error::Slice {
        message: format!(
            "source `{}`: `{column}` = {value} {why} {count} from which it was loaded, such as `{shown}`: loading it again would lose their rows",
            candidate.name
        ),
        hint: "restore the files, or say `on_missing: keep` (the partition stays as it is) or `on_missing: load` (its rows are those of the files that are there)"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use arrow::datatypes::{DataType, Field};
    use transom_connect::Location;
    use transom_file::spec::S3Url;

    use super::*;

    fn file(path: &str, bytes: u64, modified: u64) -> Input {
        Input {
            path: PathBuf::from(path),
            location: Location::File(PathBuf::from(path)),
            bytes,
            modified: UNIX_EPOCH + Duration::from_secs(modified),
        }
    }

    fn inputs(pieces: &[Input]) -> Inputs {
        Inputs::default().with_pieces(pieces.to_vec())
    }

    fn seen(pieces: &[Input]) -> Seen {
        let mut seen = Seen::default();
        pieces.iter().for_each(|piece| seen.insert(piece));
        seen
    }

    fn paths(chosen: &Option<Chosen>) -> Vec<String> {
        let inputs = chosen.iter().flat_map(|chosen| chosen.inputs.values());
        inputs
            .flat_map(|inputs| inputs.pieces.iter().map(path_of))
            .collect()
    }

    fn next(
        incremental: &Incremental,
        now: &[Input],
        loaded: &[Input],
        bounds: Bounds,
    ) -> Result<Option<Chosen>> {
        next_of(incremental, &[(now, loaded)], bounds, None)
    }

    /// Of several sources: what is there now, and what was loaded.
    fn next_of(
        incremental: &Incremental,
        sources: &[(&[Input], &[Input])],
        bounds: Bounds,
        range: Option<&Range>,
    ) -> Result<Option<Chosen>> {
        let day = Field::new("day", DataType::Utf8, true);
        let partition_of = |path: &str| {
            transom_connect::partition_value(Path::new(path), &day).unwrap_or_default()
        };
        let sources = sources.iter().map(|(now, loaded)| {
            let partitions = now.iter().map(|piece| partition_of(&path_of(piece)));
            let partitions: Vec<Value> = partitions.collect();
            let inputs = inputs(now);
            (paths_of(&inputs), inputs, seen(loaded), partitions)
        });
        let sources: Vec<_> = sources.collect();
        let names = ["raw", "other"];
        let candidates = names.into_iter().zip(&sources);
        let all: Vec<Loaded<'_>> = names
            .into_iter()
            .zip(&sources)
            .map(|(source, (paths, _, seen, _))| Loaded {
                source,
                seen,
                listed: Some(paths),
            })
            .collect();
        let candidates = candidates.map(|(name, (paths, inputs, seen, partitions))| Candidate {
            name,
            path: "",
            incremental,
            inputs,
            paths,
            partitions,
            partition_of: &partition_of,
            seen,
            moved: None,
            all: &all,
        });
        choose(&candidates.collect::<Vec<_>>(), bounds, range)
    }

    const PLENTY: Bounds = Bounds {
        files: 1000,
        bytes: 1 << 30,
    };

    const NEW: Incremental = Incremental::NewFiles {
        on_change: OnChange::Fail,
    };

    fn by(on_missing: OnMissing) -> Incremental {
        Incremental::By {
            column: "day".to_owned(),
            on_missing,
        }
    }

    #[test]
    fn new_files_are_taken_once_within_bounds() {
        let all = [file("a", 10, 1), file("b", 10, 1), file("c", 10, 1)];
        let two = Bounds {
            files: 2,
            bytes: 100,
        };
        assert_eq!(paths(&next(&NEW, &all, &[], two).unwrap()), ["a", "b"]);
        assert_eq!(paths(&next(&NEW, &all, &all[..2], two).unwrap()), ["c"]);
        assert!(next(&NEW, &all, &all, two).unwrap().is_none());
        // One that is larger than all bounds is taken alone.
        let small = Bounds { files: 9, bytes: 5 };
        assert_eq!(paths(&next(&NEW, &all, &[], small).unwrap()), ["a"]);
        // Files that retention has deleted were loaded.
        assert!(next(&NEW, &all[2..], &all, two).unwrap().is_none());
    }

    #[test]
    fn a_file_that_has_changed_is_an_error_even_beyond_the_bounds() {
        let now = [file("a", 10, 1), file("b", 10, 1), file("z", 11, 1)];
        let loaded = [file("z", 10, 1)];
        let one = Bounds {
            files: 1,
            bytes: 100,
        };
        let error = next(&NEW, &now, &loaded, one).unwrap_err().to_string();
        assert_eq!(error, "source `raw`: `z` was loaded and has changed since");
        let load = Incremental::NewFiles {
            on_change: OnChange::Load,
        };
        assert_eq!(paths(&next(&load, &now[2..], &loaded, one).unwrap()), ["z"]);
        let ignore = Incremental::NewFiles {
            on_change: OnChange::Ignore,
        };
        assert!(next(&ignore, &now[2..], &loaded, one).unwrap().is_none());
    }

    /// What a source with this path chooses of what is there now: of what was loaded, by the source `old`, nothing is there if it is none
    /// of now.
    fn chosen_of(
        incremental: &Incremental,
        path: &str,
        (now, loaded): (&[Input], &[Input]),
        old: Option<(&[Input], Option<&Paths>)>,
    ) -> Result<Option<Chosen>> {
        let (inputs, own) = (inputs(now), seen(loaded));
        let paths = paths_of(&inputs);
        let of_old = old.map(|(loaded, listed)| (seen(loaded), listed));
        let own_loaded = Loaded {
            source: "raw",
            seen: &own,
            listed: Some(&paths),
        };
        let of_old = of_old.iter().map(|(seen, listed)| Loaded {
            source: "old",
            seen,
            listed: *listed,
        });
        let all: Vec<Loaded<'_>> = [own_loaded].into_iter().chain(of_old).collect();
        // What is not listed is gone.
        let alike = alike(("raw", path), &inputs, &all).into_iter();
        let moved: Moved = alike
            .map(|(piece, before)| (path_of(piece), before))
            .collect();
        let candidate = Candidate {
            name: "raw",
            path,
            incremental,
            inputs: &inputs,
            paths: &paths,
            partitions: &[],
            partition_of: &|_| None,
            seen: &own,
            moved: Some(&moved),
            all: &all,
        };
        choose(&[candidate], PLENTY, None)
    }

    /// A file whose time of change is no whole second, or an object.
    fn exact(path: &str, is_object: bool) -> Input {
        let location = match is_object {
            false => Location::File(PathBuf::from(path)),
            true => Location::Object {
                url: S3Url {
                    bucket: "lake".to_owned(),
                    key: path.to_owned(),
                },
                etag: "9f31c2".to_owned(),
            },
        };
        Input {
            path: PathBuf::from(path),
            location,
            bytes: 10,
            modified: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        }
    }

    #[test]
    fn files_that_were_loaded_by_another_path_or_source_are_not_new() {
        let path = "/home/ann/raw";
        let at = |root: &str| [file(&format!("{root}/day=1/a.csv"), 10, 1)];
        let (loaded, now) = (at("raw"), at(path));
        let error = chosen_of(&NEW, path, (&now, &loaded), None).unwrap_err();
        insta::assert_snapshot!(error, @"source `raw`: `/home/ann/raw/day=1/a.csv` was loaded before, as `raw/day=1/a.csv`");
        let former = Some((&loaded[..], None));
        let error = chosen_of(&NEW, "raw/*/*.csv", (&loaded, &[]), former).unwrap_err();
        insta::assert_snapshot!(error, @"source `raw`: `raw/day=1/a.csv` was loaded before, from the source `old`, as `raw/day=1/a.csv`");
        // A source that is there, and does not have the file any more: it was divided.
        let none = Paths::new();
        let divided = Some((&loaded[..], Some(&none)));
        assert!(chosen_of(&NEW, "raw", (&loaded, &[]), divided).is_err());
        // Two sources may read one file.
        let same = paths_of(&inputs(&loaded));
        let both = Some((&loaded[..], Some(&same)));
        let chosen = chosen_of(&NEW, "raw", (&loaded, &[]), both);
        assert_eq!(paths(&chosen.unwrap()).len(), 1);
        let with = |on_change| Incremental::NewFiles { on_change };
        let ignored = chosen_of(&with(OnChange::Ignore), path, (&now, &loaded), None);
        assert!(ignored.unwrap().is_none());
        let again = chosen_of(&with(OnChange::Load), path, (&now, &loaded), None);
        assert_eq!(paths(&again.unwrap()).len(), 1);
    }

    #[test]
    fn a_file_that_was_moved_is_told_from_one_that_is_alike() {
        // Files of one second may be different ones, and so may objects of one content.
        for (loaded, now) in [
            (
                file("raw/day=1/a.csv", 10, 1),
                file("raw/day=2/a.csv", 10, 1),
            ),
            (
                exact("raw/day=1/a.csv", true),
                exact("raw/day=2/a.csv", true),
            ),
            (
                file("raw/day=1/a.csv", 10, 1),
                file("/raw/day=1/a.csv", 10, 2),
            ),
        ] {
            let chosen = chosen_of(&NEW, "raw", (&[now], &[loaded]), None);
            assert_eq!(paths(&chosen.unwrap()).len(), 1);
        }
        let moved = [exact("raw/done/a.csv", false)];
        let loaded = [exact("raw/in/a.csv", false)];
        let error = chosen_of(&NEW, "raw", (&moved, &loaded), None).unwrap_err();
        insta::assert_snapshot!(error, @"source `raw`: `raw/done/a.csv` was loaded before, as `raw/in/a.csv`");
    }

    /// Files of one second or objects: of one content, as far as is known.
    fn alike_files(path: &str) -> [Input; 2] {
        [file(path, 10, 1), exact(path, true)]
    }

    #[test]
    fn a_file_that_was_moved_within_its_source_is_not_new() {
        for (was, is) in [
            ("raw/in/day=1/a.csv", "raw/done/day=1/a.csv"),
            ("raw/day=1/a.csv", "raw/2024/day=1/a.csv"),
            ("raw/2024/day=1/a.csv", "raw/day=1/a.csv"),
            ("raw/2024/01/05/a.csv", "raw/old/2024/01/05/a.csv"),
            ("in/raw/a.csv", "raw/a.csv"),
        ] {
            for (loaded, now) in alike_files(was).into_iter().zip(alike_files(is)) {
                let chosen = chosen_of(&NEW, "raw", (&[now], &[loaded]), None);
                let error = chosen.unwrap_err().to_string();
                let said = format!("source `raw`: `{is}` was loaded before, as `{was}`");
                assert_eq!(error, said);
            }
        }
    }

    #[test]
    fn a_file_that_was_moved_is_not_new_beside_another_one_in_its_place() {
        let ignore = Incremental::NewFiles {
            on_change: OnChange::Ignore,
        };
        let loaded = [file("raw/in/a.csv", 10, 1)];
        let now = [
            file("raw/done/in/a.csv", 10, 1),
            file("raw/in/a.csv", 12, 5),
        ];
        let chosen = chosen_of(&ignore, "raw", (&now, &loaded), None);
        assert!(chosen.unwrap().is_none());
    }

    #[test]
    fn files_that_are_alike_are_new_while_the_others_are_there() {
        for (was, is) in [
            ("raw/eu/day=1/a.csv", "raw/us/day=1/a.csv"),
            ("raw/eu/01/a.csv", "raw/us/01/a.csv"),
        ] {
            for (loaded, now) in alike_files(was).into_iter().zip(alike_files(is)) {
                let (loaded, now) = ([loaded], [now]);
                let of = |path: &str, listed: Option<&Paths>| {
                    chosen_of(&NEW, path, (&now, &[]), Some((&loaded[..], listed)))
                };
                // The source that has loaded the one lists it still, or it is gone.
                let listed = paths_of(&inputs(&loaded));
                assert_eq!(paths(&of("raw/us", Some(&listed)).unwrap()).len(), 1);
                assert!(of("raw/us", None).is_err(), "{is}");
                // Nothing comes twice of a file without a byte.
                let empty = [Input {
                    bytes: 0,
                    ..loaded[0].clone()
                }];
                let also = [Input {
                    bytes: 0,
                    ..now[0].clone()
                }];
                let chosen = chosen_of(&NEW, "raw/us", (&also, &[]), Some((&empty[..], None)));
                assert_eq!(paths(&chosen.unwrap()).len(), 1);
            }
        }
    }

    #[test]
    fn a_file_that_a_part_of_the_source_lists_is_there() {
        let (eu, us) = (
            [file("raw/eu/day=1/a.csv", 10, 1)],
            [file("raw/us/day=1/a.csv", 10, 1)],
        );
        let (of_us, of_eu, loaded) = (inputs(&us), paths_of(&inputs(&eu)), seen(&eu));
        let none = Seen::default();
        let present = |source, listed| Loaded {
            source,
            seen: &none,
            listed: Some(listed),
        };
        let paths = paths_of(&of_us);
        let former = Loaded {
            source: "raw",
            seen: &loaded,
            listed: None,
        };
        let all = [present("us", &paths), present("eu", &of_eu), former];
        assert!(alike(("us", "raw/us"), &of_us, &all).is_empty());
        // The other part lists what was loaded, by its very path.
        let of_eu = inputs(&eu);
        assert_eq!(alike(("eu", "raw/eu"), &of_eu, &all).len(), 1);
    }

    #[test]
    fn a_partition_of_a_renamed_source_is_not_replaced_by_less() {
        let (old, now) = (
            [file("day=1/a", 1, 1), file("day=1/b", 1, 1)],
            [file("day=1/b", 1, 1)],
        );
        let (inputs, own, before) = (inputs(&now), Seen::default(), seen(&old));
        let all = [Loaded {
            source: "old",
            seen: &before,
            listed: None,
        }];
        let by = by(OnMissing::Fail);
        let candidate = Candidate {
            name: "raw",
            path: "",
            incremental: &by,
            inputs: &inputs,
            paths: &paths_of(&inputs),
            partitions: &[Some("1".to_owned())],
            partition_of: &|_| Some("1".to_owned()),
            seen: &own,
            moved: None,
            all: &all,
        };
        let error = choose(&[candidate], PLENTY, None).unwrap_err().to_string();
        assert!(error.contains("such as `day=1/a`"), "{error}");
    }

    #[test]
    fn what_any_source_lacks_of_a_partition_counts() {
        let (news, same) = ([file("day=1/b", 1, 1)], [file("day=2/a", 1, 1)]);
        let loaded = [file("day=1/x", 1, 1), same[0].clone()];
        // The other source has no news, and lacks a file of the partition that the first one makes dirty.
        let sources: [(&[Input], &[Input]); 2] = [(&news, &[]), (&same, &loaded)];
        let next = |on_missing, range| next_of(&by(on_missing), &sources, PLENTY, range);
        let error = next(OnMissing::Fail, None).unwrap_err().to_string();
        assert!(
            error.contains("source `other`") && error.contains("day=1/x"),
            "{error}"
        );
        assert!(next(OnMissing::Keep, None).unwrap().is_none());
        assert_eq!(paths(&next(OnMissing::Load, None).unwrap()), ["day=1/b"]);
        // So it does in a range, also if no source has the partition any more.
        let all = Range::default();
        assert!(next(OnMissing::Fail, Some(&all)).is_err());
        let gone: [(&[Input], &[Input]); 1] = [(&same, &loaded)];
        assert!(next_of(&by(OnMissing::Fail), &gone, PLENTY, Some(&all)).is_err());
    }

    #[test]
    fn a_range_has_what_lies_between_its_values() {
        let range = |from: &str, to: &str, data_type| Range {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            data_type: Some(data_type),
            ..Range::default()
        };
        let prices = range("2.00", "11.00", DataType::Decimal128(10, 2));
        for (value, is_in) in [("2.00", true), ("10.50", true), ("1.50", false)] {
            assert_eq!(prices.has(&Some(value.to_owned())), is_in, "{value}");
        }
        let numbers = range("-10", "9", DataType::Int64);
        assert!(numbers.has(&Some("-9".to_owned())) && !numbers.has(&Some("10".to_owned())));
        let texts = range("10", "9", DataType::Utf8);
        assert!(texts.has(&Some("100".to_owned())) && !texts.has(&None));
    }

    #[test]
    fn a_partition_is_read_whole() {
        let loaded = [file("day=1/a", 1, 1), file("day=2/a", 1, 1)];
        let now = [loaded[0].clone(), file("day=1/b", 1, 1), loaded[1].clone()];
        let chosen = next(&by(OnMissing::Fail), &now, &loaded, PLENTY).unwrap();
        assert_eq!(paths(&chosen), ["day=1/a", "day=1/b"]);
        assert_eq!(
            chosen.unwrap().partitions,
            BTreeSet::from([Some("1".to_owned())])
        );
        assert!(
            next(&by(OnMissing::Fail), &now, &now, PLENTY)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_partition_is_not_replaced_by_less() {
        let loaded = [file("day=1/a", 1, 1), file("day=1/b", 1, 1)];
        let late = [loaded[1].clone(), file("day=1/c", 1, 1)];
        let error = next(&by(OnMissing::Fail), &late, &loaded, PLENTY).unwrap_err();
        insta::assert_snapshot!(error, @"source `raw`: `day` = 1 has new files, and lacks 1 file from which it was loaded, such as `day=1/a`: loading it again would lose their rows");
        assert!(
            next(&by(OnMissing::Keep), &late, &loaded, PLENTY)
                .unwrap()
                .is_none()
        );
        let chosen = next(&by(OnMissing::Load), &late, &loaded, PLENTY).unwrap();
        assert_eq!(paths(&chosen), ["day=1/b", "day=1/c"]);
        let seen = &chosen.unwrap().seen["raw"];
        assert_eq!(seen.paths().collect::<Vec<_>>(), ["day=1/b", "day=1/c"]);
        // Files that are gone make nothing new.
        assert!(
            next(&by(OnMissing::Fail), &loaded[..1], &loaded, PLENTY)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn partitions_come_in_order_within_bounds() {
        let now = [
            file("day=1/a", 1, 1),
            file("day=2/a", 1, 1),
            file("day=2/b", 1, 1),
        ];
        let two = Bounds {
            files: 2,
            bytes: 100,
        };
        let chosen = next(&by(OnMissing::Fail), &now, &[], two).unwrap();
        assert_eq!(paths(&chosen), ["day=1/a"]);
        let chosen = next(&by(OnMissing::Fail), &now, &now[..1], two).unwrap();
        assert_eq!(paths(&chosen), ["day=2/a", "day=2/b"]);
    }
}
