//! Guests whose code is the trouble: those of `plugins/hostile/wat`, and an endless loop in each function there is.

use std::path::Path;

use crate::Case;
use crate::canonical::{Batch, Image};
use crate::guest::{Guest, exports};

pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/hostile/wat");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let files = files.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Case::new(name, move || {
            Guest::with_text(&std::fs::read_to_string(path).unwrap()).component()
        })
    });
    files.chain(loops()).chain(pulls()).collect()
}

/// Each function in turn never comes back.
fn loops() -> impl Iterator<Item = Case> {
    exports().map(|(function, signature)| {
        Case::new(format!("{function}_loops"), move || {
            let body = "(loop $again (br $again)) unreachable";
            let guest = Guest::with_text(&format!("(func ${function} {signature} {body})"));
            match function {
                "pull" => guest.answering("process", |image| image.nothing(true)),
                _ => guest,
            }
            .component()
        })
    })
}

/// There is always more to come.
fn pulls() -> Vec<Case> {
    let row = |image: &mut Image| {
        let part = Batch {
            rows: 1,
            nodes: vec![(1, 0)],
            buffers: vec![vec![], vec![0; 8]],
        };
        image.more(&part)
    };
    let nothing = |image: &mut Image| image.nothing(true);
    let with = |name: &str, answer: fn(&mut Image) -> Vec<u8>| {
        let mut case = Case::new(name, move || {
            let guest = Guest::new().answering("process", answer);
            guest.answering("pull", answer).component()
        });
        case.limits.pulls = 10_000;
        case
    };
    let mut idle = with("more_without_end_and_without_rows", nothing);
    idle.limits.pulls = usize::MAX;
    vec![idle, with("more_without_end", row)]
}
