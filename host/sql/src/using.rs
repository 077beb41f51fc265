//! `a JOIN b USING (id) WHERE id > 1`: the one column `id` that the join gives. DataFusion finds it everywhere but in WHERE, where it takes
//! it for two.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, SetExpr,
    Statement, TableFactor, TableWithJoins, VisitorMut,
};

use crate::aliases::folded;
use crate::walk::visit_mut;

/// Gives the columns of USING the name of a table in WHERE. Joins whose column is no table's alone are refused elsewhere.
pub(crate) fn qualify(statement: &mut Statement) {
    let _ = visit_mut(statement, &mut Queries);
}

struct Queries;

impl VisitorMut for Queries {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        qualify_in(&mut query.body);
        ControlFlow::Continue(())
    }
}

fn qualify_in(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            qualify_in(left);
            qualify_in(right);
        }
        SetExpr::Select(select) => {
            let Select {
                from, selection, ..
            } = &mut **select;
            let tables: BTreeMap<String, Ident> = from.iter().flat_map(tables_of).collect();
            if let (Some(condition), false) = (selection, tables.is_empty()) {
                let _ = visit_mut(condition, &mut Names { tables, depth: 0 });
            }
        }
        _ => {}
    }
}

/// By its name, a table that has the value of each column of USING.
fn tables_of(from: &TableWithJoins) -> BTreeMap<String, Ident> {
    let mut tables = BTreeMap::new();
    let mut before = vec![name_of(&from.relation)];
    for Join {
        relation,
        join_operator,
        ..
    } in &from.joins
    {
        let joined = name_of(relation);
        let (constraint, is_inner) = match join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, true),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (constraint, false)
            }
            _ => (&JoinConstraint::None, false),
        };
        if let JoinConstraint::Using(columns) = constraint {
            for column in columns {
                let Some(ObjectNamePart::Identifier(column)) = column.0.last() else {
                    continue;
                };
                let table = match before.as_slice() {
                    [only] => only.clone(),
                    // Of several tables, which one has the column is not known here; the values are the same.
                    _ if is_inner => joined.clone(),
                    _ => None,
                };
                if let Some(table) = table {
                    tables.entry(folded(column)).or_insert(table);
                }
            }
        }
        before.push(joined);
    }
    tables
}

fn name_of(table: &TableFactor) -> Option<Ident> {
    let (name, alias) = match table {
        TableFactor::Table { name, alias, .. } => (Some(name), alias),
        TableFactor::Derived { alias, .. } => (None, alias),
        _ => return None,
    };
    match (alias, name.and_then(|name| name.0.last())) {
        (Some(alias), _) => Some(alias.name.clone()),
        (None, Some(ObjectNamePart::Identifier(name))) => Some(name.clone()),
        (None, _) => None,
    }
}

/// The names of a condition; those in its subqueries are others.
struct Names {
    tables: BTreeMap<String, Ident>,
    depth: usize,
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let (Expr::Identifier(name), 0) = (&*expr, self.depth)
            && let Some(table) = self.tables.get(&folded(name))
        {
            *expr = Expr::CompoundIdentifier(vec![table.clone(), name.clone()]);
        }
        ControlFlow::Continue(())
    }
}
