//! Paths of a pipeline: where they lead, and which of them must keep apart.
//!
//! A sink replaces what is at its path, so it must hold nothing else: no other sink, no file that a source reads, and not
//! the pipeline itself. All of this is decided on the paths alone, since the files need not exist yet.

use std::path::{Component, Path, PathBuf};

use super::problem::{Problem, Source, Span};
use super::spec::{Place, S3Url};

/// A place that is written.
#[derive(Debug)]
pub(crate) struct Output {
    /// What it is, for messages: `` sink `daily` ``.
    pub(crate) what: String,
    pub(crate) path: PathBuf,
    /// Where its path is said.
    pub(crate) span: Span,
    /// What to do if it is in the way.
    pub(crate) hint: Option<&'static str>,
}

/// Files that are read: a source's, or the pipeline's own.
#[derive(Debug)]
pub(crate) struct Input {
    /// What they belong to, for messages: ``source `flights` ``.
    pub(crate) of: String,
    pub(crate) path: PathBuf,
    /// Where their path is said; `None` if it is said nowhere.
    pub(crate) span: Option<Span>,
}

/// `path` without `.` and `..`, so that two ways to write a place are seen to be one; follows no link.
pub(crate) fn normalized(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// Whether a path leads from any folder to something in it, and not by way of what is above.
pub(crate) fn stays_inside(path: &str) -> bool {
    let mut depth = 0_usize;
    for component in Path::new(path).components() {
        let deeper = match component {
            Component::CurDir => Some(depth),
            Component::ParentDir => depth.checked_sub(1),
            Component::Normal(_) => Some(depth + 1),
            Component::RootDir | Component::Prefix(_) => None,
        };
        match deeper {
            Some(deeper) => depth = deeper,
            None => return false,
        }
    }
    true
}

/// The place for a text that the file says: absolute, or in a bucket.
pub(crate) fn place(
    root: &Path,
    text: &str,
    span: Span,
    source: &Source,
) -> Result<Place, Box<Problem>> {
    let wrong = |label: String| {
        let problem = Problem::new(format!("`{text}` is no path of a table"));
        Box::new(problem.at(source.place(span)).with_label(label))
    };
    if S3Url::is_meant(text) {
        return S3Url::parse(text).map(Place::S3).map_err(wrong);
    }
    match text.split_once("://") {
        None => Ok(Place::Local(normalized(&root.join(text)))),
        Some((scheme, _)) => Err(Box::new(
            wrong(format!("`{scheme}://` is not known"))
                .with_hint("name a local path, or `s3://bucket/prefix/`"),
        )),
    }
}

/// The absolute path for one that the file says; a problem if it leads out of the file system.
pub(crate) fn resolve(
    root: &Path,
    text: &str,
    span: Span,
    source: &Source,
) -> Result<PathBuf, Box<Problem>> {
    match text.split_once("://") {
        None => Ok(normalized(&root.join(text))),
        Some((scheme, _)) => {
            let problem = Problem::new(format!("`{text}` is no path of a file"))
                .at(source.place(span))
                .with_label(format!("`{scheme}://` cannot stand here"))
                .with_hint("name a path on this machine");
            Err(Box::new(problem))
        }
    }
}

/// Whether a path holds characters of a pattern.
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The problems of outputs that meet each other, a source, or the pipeline's folder `root`.
pub(crate) fn collisions(
    outputs: &[Output],
    inputs: &[Input],
    root: &Path,
    source: &Source,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, output) in outputs.iter().enumerate() {
        let place = source.place(output.span);
        let mut report = |message: String, label: &str, related: Option<(String, Span)>, hint| {
            let mut problem = Problem::new(message).at(place.clone()).with_label(label);
            if let Some((message, span)) = related {
                problem = problem.with_related(message, source.place(span));
            }
            if let Some(hint) = hint {
                problem = problem.with_hint(hint);
            }
            problems.push(problem);
        };
        if root.starts_with(&output.path) {
            let message = format!("{} writes over the pipeline itself", output.what);
            report(
                message,
                "the pipeline's folder lies in it",
                None,
                output.hint,
            );
            continue;
        }
        for other in &outputs[..at] {
            let relation = if output.path == other.path {
                "writes to the path of"
            } else if output.path.starts_with(&other.path) {
                "writes into the folder of"
            } else if other.path.starts_with(&output.path) {
                "writes around the folder of"
            } else {
                continue;
            };
            let message = format!("{} {relation} {}", output.what, other.what);
            let related = (format!("{} is here", other.what), other.span);
            report(
                message,
                "must keep apart",
                Some(related),
                other.hint.or(output.hint),
            );
        }
        for input in inputs {
            if may_hold(&output.path, &input.path) {
                let message = format!("{} writes to files of the {}", output.what, input.of);
                let related = input
                    .span
                    .map(|span| (format!("{} is here", input.of), span));
                report(message, "must keep apart", related, output.hint);
            }
        }
    }
    problems
}

/// Whether a file that `pattern` finds can lie in `folder`. A path without a pattern may be a folder of files.
fn may_hold(folder: &Path, pattern: &Path) -> bool {
    let folder: Vec<String> = parts(folder);
    let pattern: Vec<String> = parts(pattern);
    for (at, part) in folder.iter().enumerate() {
        match pattern.get(at).map(String::as_str) {
            // Everything below the path is read.
            None => return !pattern.iter().any(|part| is_pattern(part)),
            Some("**") => return true,
            Some(wanted) if matches(wanted, part) => {}
            Some(_) => return false,
        }
    }
    true
}

fn parts(path: &Path) -> Vec<String> {
    path.components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect()
}

/// Whether a part of a path fits a part of a pattern; a class of characters `[..]` counts as any text, to be careful.
fn matches(pattern: &str, part: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => part.is_empty(),
        Some('[') => true,
        Some('*') => {
            let ends = part.char_indices().map(|(at, _)| at).chain([part.len()]);
            ends.into_iter()
                .any(|at| matches(rest.as_str(), &part[at..]))
        }
        Some(wanted) => {
            let mut part = part.chars();
            let fits = part
                .next()
                .is_some_and(|found| wanted == '?' || found == wanted);
            fits && matches(rest.as_str(), part.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::may_hold;

    #[test]
    fn a_folder_holds_the_files_that_a_pattern_can_find_in_it() {
        for (folder, pattern) in [
            ("/p/data", "/p/data/a.csv"),
            ("/p/data", "/p/data/*.csv"),
            ("/p/data/out", "/p/data/**/*.csv"),
            ("/p/data/out", "/p/*/out/a.csv"),
            ("/p/data/out", "/p/data"),
            ("/p/data/a.csv", "/p/data/a.csv"),
            ("/p/data/day=1", "/p/data/day=?/a.csv"),
        ] {
            assert!(
                may_hold(Path::new(folder), Path::new(pattern)),
                "{folder} {pattern}"
            );
        }
    }

    #[test]
    fn a_folder_beside_the_files_holds_none_of_them() {
        for (folder, pattern) in [
            ("/p/out", "/p/data/a.csv"),
            ("/p/data2", "/p/data"),
            ("/p/data/out", "/p/data/*.csv"),
            ("/p/data/day=10", "/p/data/day=?/a.csv"),
        ] {
            assert!(
                !may_hold(Path::new(folder), Path::new(pattern)),
                "{folder} {pattern}"
            );
        }
    }
}
