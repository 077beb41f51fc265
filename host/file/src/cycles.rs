//! Steps that read each other in a circle.
//!
//! What a transform reads is written in the file, what a query reads is known only to who parses SQL; so this works on a
//! plain list of who reads whom, and both ask it.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Problem, Source};
use super::reader::Spanned;

/// One problem for each circle among `steps`; `reads` holds (reader, what it reads).
pub(crate) fn problems(
    steps: &[&Spanned<String>],
    reads: &[(&str, &str)],
    source: &Source,
) -> Vec<Problem> {
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (reader, table) in reads {
        graph.entry(reader).or_default().push(table);
    }
    let order: Vec<&str> = steps.iter().map(|name| name.value.as_str()).collect();
    let mut walk = Walk {
        graph,
        done: BTreeSet::new(),
        path: Vec::new(),
        circles: Vec::new(),
    };
    for name in &order {
        walk.visit(name);
    }
    let span_of = |name: &str| {
        steps
            .iter()
            .find(|step| step.value == name)
            .map(|step| step.span)
    };
    let mut problems = Vec::new();
    for circle in walk.circles {
        let mut path = circle.clone();
        path.push(circle[0]);
        let mut problem = Problem::new(format!(
            "the steps read each other in a circle: {}",
            path.join(" -> ")
        ))
        .with_hint("let one of them read a source or another step");
        for (at, name) in circle.iter().enumerate() {
            let Some(span) = span_of(name) else { continue };
            problem = if at == 0 {
                problem
                    .at(source.place(span))
                    .with_label(format!("reads `{}`", path[1]))
            } else {
                problem.with_related(
                    format!("`{name}` reads `{}`", path[at + 1]),
                    source.place(span),
                )
            };
        }
        problems.push(problem);
    }
    problems
}

struct Walk<'a> {
    graph: BTreeMap<&'a str, Vec<&'a str>>,
    done: BTreeSet<&'a str>,
    path: Vec<&'a str>,
    circles: Vec<Vec<&'a str>>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, name: &'a str) {
        if let Some(start) = self.path.iter().position(|other| *other == name) {
            self.circles.push(self.path[start..].to_vec());
            return;
        }
        if self.done.contains(name) {
            return;
        }
        self.path.push(name);
        for next in self.graph.get(name).cloned().unwrap_or_default() {
            self.visit(next);
        }
        self.path.pop();
        self.done.insert(name);
    }
}
