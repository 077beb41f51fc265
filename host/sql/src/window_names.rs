//! `sum(x) OVER (w ORDER BY y) .. WINDOW w AS (PARTITION BY z)`: windows that go on from one with a name.
//!
//! DataFusion passes over the name in brackets, and knows no name in ORDER BY and QUALIFY. Here every window is written out, by PostgreSQL's
//! rules: it has the partitions of the one that it names, and its order or one of its own, but never its frame.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, Query, SetExpr, Statement, VisitMut,
    VisitorMut, WindowSpec, WindowType,
};

use crate::aliases::folded;
use crate::error::ValueError;
use crate::walk::visit_mut;

type Flow = ControlFlow<ValueError>;

/// Writes windows out instead of their names.
///
/// # Errors
/// If there is no window of a name, or what stands beside the name contradicts it.
pub(crate) fn write_out(statement: &mut Statement) -> Result<(), ValueError> {
    match visit_mut(statement, &mut Queries) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Queries;

impl VisitorMut for Queries {
    type Break = ValueError;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        let windows = in_body(&mut query.body)?;
        in_calls(&mut query.order_by, &windows)
    }
}

/// Writes out the windows of a body, and gives those with names that its ORDER BY knows.
fn in_body(body: &mut SetExpr) -> ControlFlow<ValueError, Vec<Named>> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left)?;
            in_body(right)?;
            ControlFlow::Continue(vec![])
        }
        SetExpr::Select(select) => {
            let windows = match defined(std::mem::take(&mut select.named_window)) {
                Ok(windows) => windows,
                Err(error) => return ControlFlow::Break(error),
            };
            in_calls(&mut **select, &windows)?;
            ControlFlow::Continue(windows)
        }
        _ => ControlFlow::Continue(vec![]),
    }
}

/// A window with a name.
struct Named {
    name: Ident,
    spec: WindowSpec,
}

/// The windows of a WINDOW clause, each written out.
fn defined(definitions: Vec<NamedWindowDefinition>) -> Result<Vec<Named>, ValueError> {
    let mut windows: Vec<Named> = Vec::new();
    for NamedWindowDefinition(name, window) in definitions {
        if windows.iter().any(|known| is_same(&known.name, &name)) {
            return Err(
                ValueError::refused(format!("there are two windows `{name}`"))
                    .hint("give one of them another name"),
            );
        }
        let spec = match window {
            NamedWindowExpr::WindowSpec(spec) => extended(spec, &windows)?,
            NamedWindowExpr::NamedWindow(other) => find(&other, &windows)?.clone(),
        };
        windows.push(Named { name, spec });
    }
    Ok(windows)
}

fn is_same(left: &Ident, right: &Ident) -> bool {
    folded(left) == folded(right)
}

fn find<'a>(name: &Ident, windows: &'a [Named]) -> Result<&'a WindowSpec, ValueError> {
    let found = windows.iter().find(|window| is_same(&window.name, name));
    found.map(|window| &window.spec).ok_or_else(|| {
        ValueError::refused(format!("there is no window `{name}`")).hint(format!(
            "write WINDOW {name} AS (PARTITION BY .. ORDER BY ..) behind FROM, WHERE and GROUP BY of the same SELECT, \
             and before the windows that name it"
        ))
    })
}

/// A window with what it takes over from the one that it names.
fn extended(spec: WindowSpec, windows: &[Named]) -> Result<WindowSpec, ValueError> {
    let Some(name) = spec.window_name else {
        return Ok(spec);
    };
    let named = find(&name, windows)?;
    let refused = |what: &str, hint: String| Err(ValueError::refused(what).hint(hint));
    let written_out = format!("write the window out, without the name `{name}`");
    if !spec.partition_by.is_empty() {
        let what = format!(
            "a window that goes on from `{name}` has the partitions of `{name}`, and no PARTITION BY"
        );
        return refused(&what, written_out);
    }
    if !spec.order_by.is_empty() && !named.order_by.is_empty() {
        let what = format!(
            "a window that goes on from `{name}` has the ORDER BY of `{name}`, and no other"
        );
        return refused(&what, written_out);
    }
    if named.window_frame.is_some() {
        let what = format!("no window goes on from `{name}`, which has a frame");
        let hint = format!(
            "write OVER {name} without brackets for the window as it is, or name it without its frame"
        );
        return refused(&what, hint);
    }
    let order_by = match spec.order_by.is_empty() {
        true => named.order_by.clone(),
        false => spec.order_by,
    };
    Ok(WindowSpec {
        window_name: None,
        partition_by: named.partition_by.clone(),
        order_by,
        window_frame: spec.window_frame,
    })
}

fn in_calls(node: &mut impl VisitMut, windows: &[Named]) -> Flow {
    visit_mut(node, &mut Calls { windows, depth: 0 })
}

/// The calls of a SELECT; those in its subqueries know other windows.
struct Calls<'a> {
    windows: &'a [Named],
    depth: usize,
}

impl VisitorMut for Calls<'_> {
    type Break = ValueError;

    fn pre_visit_query(&mut self, _: &mut Query) -> Flow {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> Flow {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        let Expr::Function(call) = expr else {
            return ControlFlow::Continue(());
        };
        let written = match call.over.take_if(|_| self.depth == 0) {
            Some(WindowType::NamedWindow(name)) => find(&name, self.windows).cloned(),
            Some(WindowType::WindowSpec(spec)) => extended(spec, self.windows),
            None => return ControlFlow::Continue(()),
        };
        match written {
            Ok(spec) => {
                call.over = Some(WindowType::WindowSpec(spec));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}
