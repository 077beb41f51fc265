//! Walks over syntax trees.
//!
//! sqlparser compiles its walk for each visitor anew, and with it a function for everything that SQL can be: that was four fifths of the
//! code here. These do the same through one visitor, which knows the others by reference.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut,
    Visitor, VisitorMut,
};

/// `node.visit(visitor)`.
///
/// # Errors
/// What the visitor breaks with, which ends the walk.
pub fn visit<V: Visitor>(node: &impl Visit, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut kept = Kept {
        visitor,
        broken: None,
    };
    let _ = node.visit(&mut Any(&mut kept));
    kept.broken
        .map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// `node.visit(visitor)`, of a visitor that changes the tree.
///
/// # Errors
/// What the visitor breaks with, which ends the walk.
pub fn visit_mut<V: VisitorMut>(
    node: &mut impl VisitMut,
    visitor: &mut V,
) -> ControlFlow<V::Break> {
    let mut kept = KeptMut {
        visitor,
        broken: None,
    };
    let _ = node.visit(&mut AnyMut(&mut kept));
    kept.broken
        .map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Looks at every expression, each before its parts.
///
/// # Errors
/// What `look` breaks with, which ends the walk.
pub fn visit_expressions<B>(
    node: &impl Visit,
    look: impl FnMut(&Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit(node, &mut Expressions(look))
}

/// Changes every expression, each after its parts.
///
/// # Errors
/// What `change` breaks with, which ends the walk.
pub fn visit_expressions_mut<B>(
    node: &mut impl VisitMut,
    change: impl FnMut(&mut Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit_mut(node, &mut Expressions(change))
}

/// Looks at the name of every table.
///
/// # Errors
/// What `look` breaks with, which ends the walk.
pub fn visit_relations<B>(
    node: &impl Visit,
    look: impl FnMut(&ObjectName) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit(node, &mut Relations(look))
}

struct Expressions<F>(F);

impl<B, F: FnMut(&Expr) -> ControlFlow<B>> Visitor for Expressions<F> {
    type Break = B;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<B> {
        self.0(expr)
    }
}

impl<B, F: FnMut(&mut Expr) -> ControlFlow<B>> VisitorMut for Expressions<F> {
    type Break = B;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<B> {
        self.0(expr)
    }
}

struct Relations<F>(F);

impl<B, F: FnMut(&ObjectName) -> ControlFlow<B>> Visitor for Relations<F> {
    type Break = B;

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<B> {
        self.0(relation)
    }
}

/// The one visitor for which walks are compiled.
struct Any<'a>(&'a mut dyn Visitor<Break = ()>);

struct AnyMut<'a>(&'a mut dyn VisitorMut<Break = ()>);

/// A visitor, and what it has broken with.
struct Kept<'a, V: Visitor> {
    visitor: &'a mut V,
    broken: Option<V::Break>,
}

struct KeptMut<'a, V: VisitorMut> {
    visitor: &'a mut V,
    broken: Option<V::Break>,
}

fn keep<B>(broken: &mut Option<B>, flow: ControlFlow<B>) -> ControlFlow<()> {
    match flow {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(with) => {
            *broken = Some(with);
            ControlFlow::Break(())
        }
    }
}

/// All that the traits have: what is not handed on would not be seen.
macro_rules! hand_on {
    ($($hook:ident: $node:ty),+ $(,)?) => {
        impl Visitor for Any<'_> {
            type Break = ();
            $(fn $hook(&mut self, node: &$node) -> ControlFlow<()> {
                self.0.$hook(node)
            })+
        }

        impl VisitorMut for AnyMut<'_> {
            type Break = ();
            $(fn $hook(&mut self, node: &mut $node) -> ControlFlow<()> {
                self.0.$hook(node)
            })+
        }

        impl<V: Visitor> Visitor for Kept<'_, V> {
            type Break = ();
            $(fn $hook(&mut self, node: &$node) -> ControlFlow<()> {
                let flow = self.visitor.$hook(node);
                keep(&mut self.broken, flow)
            })+
        }

        impl<V: VisitorMut> VisitorMut for KeptMut<'_, V> {
            type Break = ();
            $(fn $hook(&mut self, node: &mut $node) -> ControlFlow<()> {
                let flow = self.visitor.$hook(node);
                keep(&mut self.broken, flow)
            })+
        }
    };
}

hand_on! {
    pre_visit_query: Query,
    post_visit_query: Query,
    pre_visit_select: Select,
    post_visit_select: Select,
    pre_visit_relation: ObjectName,
    post_visit_relation: ObjectName,
    pre_visit_table_factor: TableFactor,
    post_visit_table_factor: TableFactor,
    pre_visit_expr: Expr,
    post_visit_expr: Expr,
    pre_visit_statement: Statement,
    post_visit_statement: Statement,
    pre_visit_value: ValueWithSpan,
    post_visit_value: ValueWithSpan,
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Ident;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn parsed(sql: &str) -> Statement {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        statements.pop().unwrap()
    }

    #[test]
    fn expressions_are_seen_before_their_parts_and_changed_after_them() {
        let mut statement = parsed("SELECT a + b FROM t WHERE a IN (SELECT c FROM u)");
        let mut seen = Vec::new();
        let _ = visit_expressions(&statement, |expr| {
            seen.push(expr.to_string());
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(
            seen,
            ["a + b", "a", "b", "a IN (SELECT c FROM u)", "a", "c"]
        );
        let mut changed = Vec::new();
        let _ = visit_expressions_mut(&mut statement, |expr| {
            changed.push(expr.to_string());
            if let Expr::Identifier(name) = expr {
                *name = Ident::new("x");
            }
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(
            changed,
            ["a", "b", "x + x", "a", "c", "x IN (SELECT x FROM u)"]
        );
    }

    #[test]
    fn what_a_visitor_breaks_with_ends_the_walk() {
        let statement = parsed("SELECT a FROM t, u, v");
        let mut seen = 0;
        let found = visit_relations(&statement, |name| {
            seen += 1;
            match name.to_string().as_str() {
                "u" => ControlFlow::Break("found"),
                _ => ControlFlow::Continue(()),
            }
        });
        assert_eq!((found, seen), (ControlFlow::Break("found"), 2));
    }
}
