//! `SELECT -x AS x .. ORDER BY -x`: in an expression of ORDER BY a name is a column, and only alone it is a result's name.
//!
//! DataFusion takes the result's first, everywhere (<https://www.postgresql.org/docs/current/queries-order.html> says what is right).

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, VisitorMut,
};

use crate::error::ValueError;
use crate::walk::{visit_expressions, visit_mut};

/// Sorts by the results that ORDER BY writes out again, by their names.
///
/// # Errors
/// If an expression of ORDER BY has a name that is a column, and a result that is another one.
pub(crate) fn restore(statement: &mut Statement) -> Result<(), ValueError> {
    match visit_mut(statement, &mut Restoring) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Restoring;

impl VisitorMut for Restoring {
    type Break = ValueError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<ValueError> {
        let (SetExpr::Select(select), Some(order)) = (query.body.as_ref(), &mut query.order_by)
        else {
            return ControlFlow::Continue(());
        };
        let OrderByKind::Expressions(keys) = &mut order.kind else {
            return ControlFlow::Continue(());
        };
        for key in keys {
            if let Err(error) = restored(&mut key.expr, select) {
                return ControlFlow::Break(error);
            }
        }
        ControlFlow::Continue(())
    }
}

fn restored(key: &mut Expr, select: &Select) -> Result<(), ValueError> {
    if matches!(
        key,
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_)
    ) {
        return Ok(());
    }
    let named = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } => Some((expr, alias)),
        _ => None,
    });
    let named: Vec<(&Expr, &Ident)> = named.collect();
    let is_only = |alias: &Ident| {
        let same = named.iter().filter(|(_, other)| is_same(other, alias));
        same.count() == 1
    };
    // What is selected is what is meant, whatever its name.
    if let Some((_, alias)) = named
        .iter()
        .find(|(expr, alias)| *expr == key && is_only(alias))
    {
        *key = Expr::Identifier((*alias).clone());
        return Ok(());
    }
    let used = names(key);
    let columns = columns_of(select);
    let other = named.iter().find(|(expr, alias)| {
        let is_itself = match expr {
            Expr::Identifier(name) => is_same(name, alias),
            Expr::CompoundIdentifier(parts) => {
                parts.last().is_some_and(|name| is_same(name, alias))
            }
            _ => false,
        };
        !is_itself && used.contains(&folded(alias)) && columns.contains(&folded(alias))
    });
    match other {
        None => Ok(()),
        Some((_, alias)) => Err(ValueError::refused(format!(
            "`{alias}` in an expression of ORDER BY is a column, and a result of the SELECT has its name"
        ))
        .hint(format!(
            "give the result another name, or write ORDER BY {alias} alone for the result"
        ))),
    }
}

/// The names without a table that an expression uses.
fn names(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _ = visit_expressions(expr, |expr| {
        if let Expr::Identifier(name) = expr {
            names.insert(folded(name));
        }
        ControlFlow::<()>::Continue(())
    });
    names
}

/// The names that must be columns: what is selected and what conditions use are no results.
fn columns_of(select: &Select) -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item {
            columns.extend(names(expr));
        }
    }
    if let Some(condition) = &select.selection {
        columns.extend(names(condition));
    }
    columns
}

fn is_same(left: &Ident, right: &Ident) -> bool {
    folded(left) == folded(right)
}

/// A name as it is looked up.
pub(crate) fn folded(name: &Ident) -> String {
    match name.quote_style {
        None => name.value.to_lowercase(),
        Some(_) => name.value.clone(),
    }
}
