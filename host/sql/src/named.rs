//! Expressions that differ in casts alone: `min(t), min(CAST(t AS DATE))`, `GROUP BY t, CAST(t AS DATE)`.
//!
//! DataFusion leaves casts out of the names of columns, so that both are called `min(t)`, which it refuses. Where a query has several of
//! them, their casts get names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, Value, Visitor,
};

use crate::same::NAMED;
use crate::statement::call;
use crate::walk::{visit, visit_expressions_mut};

/// Names the casts in what would be called alike without them: keys of `GROUP BY`, then calls of functions.
pub(crate) fn casts(query: &mut Query) {
    let mut grouped = Grouped::default();
    let _ = visit(query, &mut grouped);
    grouped.0.name(query);
    let mut called = Called::default();
    let _ = visit(query, &mut called);
    called.0.name(query);
}

/// Expressions as they are written, by what they are without casts.
#[derive(Default)]
struct Alike(BTreeMap<String, BTreeSet<String>>);

impl Alike {
    fn add(&mut self, expr: &Expr) {
        let mut plain = expr.clone();
        let _ = visit_expressions_mut(&mut plain, |expr| {
            if let Expr::Cast { expr: inner, .. } = expr {
                *expr = std::mem::replace(inner, Expr::value(Value::Null));
            }
            ControlFlow::<()>::Continue(())
        });
        let written = self.0.entry(plain.to_string()).or_default();
        written.insert(expr.to_string());
    }

    fn name(self, query: &mut Query) {
        let alike = self.0.into_values().filter(|written| written.len() > 1);
        let alike: BTreeSet<String> = alike.flatten().collect();
        if alike.is_empty() {
            return;
        }
        let _ = visit_expressions_mut(query, |expr| {
            if alike.contains(&expr.to_string()) {
                let _ = visit_expressions_mut(expr, |expr| {
                    if let Expr::Cast { .. } = expr {
                        let name = Expr::value(Value::SingleQuotedString(expr.to_string()));
                        *expr = call(NAMED, [expr.clone(), name]);
                    }
                    ControlFlow::<()>::Continue(())
                });
            }
            ControlFlow::<()>::Continue(())
        });
    }
}

/// What queries with `GROUP BY` select and group by.
#[derive(Default)]
struct Grouped(Alike);

impl Visitor for Grouped {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let GroupByExpr::Expressions(keys, _) = &select.group_by else {
            return ControlFlow::Continue(());
        };
        if !keys.is_empty() {
            let selected = select.projection.iter().filter_map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    Some(expr)
                }
                _ => None,
            });
            selected.chain(keys).for_each(|expr| self.0.add(expr));
        }
        ControlFlow::Continue(())
    }
}

/// Calls of functions.
#[derive(Default)]
struct Called(Alike);

impl Visitor for Called {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(_) = expr {
            self.0.add(expr);
        }
        ControlFlow::Continue(())
    }
}
