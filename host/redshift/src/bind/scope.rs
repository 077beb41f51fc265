//! What names mean: columns of FROM, expressions of the SELECT list by their aliases, columns of the query around.
//!
//! Redshift lets an expression use the alias of another (`SELECT a + 1 AS b, b * 2 AS c`), in the list and in the clauses
//! that follow it. A column of FROM goes first. Where the columns of FROM are not all known, aliases are not looked
//! for. A subquery may refer to the query around it, in the patterns that Redshift has.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast::Expr;

use super::Binder;
use crate::catalog::{TEMPORARY, is_temporary};
use crate::error::{self, Error, Result};

/// Expressions that aliases may become in all: each use writes one out again.
const MOST_WRITTEN: usize = 10_000;
/// Expressions that calls of COALESCE and its like may become in all.
const MOST_COPIED: usize = 30_000;

/// Where a query stands in the one around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// In an expression, which sees the tables around.
    #[default]
    Expression,
    /// In FROM, which does not see its neighbours.
    From,
}

/// Tables by their names in a query, with the schemas that may stand before these: none before an alias.
pub(super) type Relations = BTreeMap<String, BTreeSet<String>>;

/// What is known of an expression.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    /// How many expressions were written out for it.
    weight: usize,
    /// Whether it is another value each time.
    is_random: bool,
    /// Whether a subquery in it refers to the query around.
    has_correlated: bool,
    calls: Calls,
}

/// Which functions over rows an expression calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    has_aggregate: bool,
    has_window: bool,
}

/// An expression that has an alias.
#[derive(Debug, Clone)]
struct Aliased {
    expr: Expr,
    facts: Facts,
    /// Whether several have the name.
    is_ambiguous: bool,
}

/// The names of one SELECT.
#[derive(Debug, Default)]
pub(super) struct Scope {
    place: Place,
    columns: BTreeSet<String>,
    relations: Relations,
    has_unknown: bool,
    /// Whether it is that of an ORDER BY: which expressions names without a table mean is a matter of the plan.
    is_order: bool,
    aliases: BTreeMap<String, Aliased>,
    /// Whether each expression of the list has a correlated subquery.
    items: Vec<bool>,
    /// Of the expression that is rewritten now.
    facts: Facts,
    /// Whether the condition of an outer join is rewritten now.
    pub(super) is_on_outer: bool,
    is_correlated: bool,
    has_aggregate: bool,
    has_window: bool,
    /// What LISTAGG, PERCENTILE_CONT and MEDIAN are in the order of.
    within: Option<Vec<Expr>>,
}

/// What is known of a query that was rewritten.
#[derive(Debug, Clone, Default)]
pub(super) struct Finished {
    /// Its columns; `None` if they are not known.
    pub(super) columns: Option<BTreeSet<String>>,
    /// The tables of its FROM.
    pub(super) relations: Relations,
    /// The columns of these; `None` if they are not known.
    from_columns: Option<BTreeSet<String>>,
    /// Whether it refers to the query around.
    pub(super) is_correlated: bool,
    pub(super) has_aggregate: bool,
}

impl Scope {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            ..Self::default()
        }
    }

    /// That of the ORDER BY of a query.
    pub(super) fn order(place: Place, query: &Finished) -> Self {
        Self {
            is_order: true,
            has_unknown: query.from_columns.is_none(),
            columns: query.from_columns.clone().unwrap_or_default(),
            relations: query.relations.clone(),
            ..Self::new(place)
        }
    }
}

fn refused() -> Error {
    Error::new(&error::CORRELATION, &[])
}

fn are_same(a: &[Expr], b: &[Expr]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
}

/// Whether two expressions are the same; the table of a column may stand before it or not.
pub(super) fn is_same(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Identifier(name), Expr::CompoundIdentifier(parts))
        | (Expr::CompoundIdentifier(parts), Expr::Identifier(name)) => parts.last() == Some(name),
        (a, b) => a == b,
    }
}

impl Finished {
    /// A set operation: its columns are those of the left query, and no table has them.
    pub(super) fn set_operation(left: Self, right: &Self) -> Self {
        Self {
            relations: Relations::new(),
            from_columns: left.columns.clone(),
            is_correlated: left.is_correlated || right.is_correlated,
            ..left
        }
    }
}

impl Binder<'_> {
    /// Before the tables of a statement that changes rows, which its expressions see.
    pub(crate) fn begin_change(&mut self) {
        self.scopes.push(Scope::new(Place::Expression));
    }

    /// After it.
    pub(super) fn end_change(&mut self) {
        self.scopes.pop();
    }

    /// Adds a table of FROM, the schemas that may stand before its name, and its columns; `None` if they are not known.
    pub(super) fn add_relation(
        &mut self,
        name: &str,
        schemas: BTreeSet<String>,
        columns: Option<BTreeSet<String>>,
    ) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.relations.insert(name.to_owned(), schemas);
            match columns {
                Some(columns) => scope.columns.extend(columns),
                None => scope.has_unknown = true,
            }
        }
    }

    /// The tables of FROM so far.
    pub(super) fn relations(&self) -> Relations {
        let scope = self.scopes.last();
        scope
            .map(|scope| scope.relations.clone())
            .unwrap_or_default()
    }

    /// The name of a subquery of FROM without one, which no other has: neither beside it nor around it.
    pub(super) fn unnamed(&self) -> String {
        let scope = self.scopes.last();
        let before = scope.map_or(0, |scope| scope.relations.len());
        format!("\u{1}{}_{before}", self.scopes.len())
    }

    /// After a join with an alias, under which alone its tables are known; `before` are the tables that stand before it.
    pub(super) fn alias_join(&mut self, before: Relations, alias: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.relations = before;
            scope.relations.insert(alias.to_owned(), BTreeSet::new());
        }
    }

    /// Whether FROM has a table of the name so far.
    pub(super) fn has_relation(&self, name: &str) -> bool {
        let scope = self.scopes.last();
        scope.is_some_and(|scope| scope.relations.contains_key(name))
    }

    /// The scopes in which a name is looked for, the innermost first: a query in FROM does not see its neighbours.
    fn visible(&self) -> impl Iterator<Item = &Scope> {
        let mut at = self.scopes.len();
        std::iter::from_fn(move || {
            let current = at.checked_sub(1)?;
            let scope = &self.scopes[current];
            at = match scope.place {
                Place::Expression => current,
                Place::From => current.saturating_sub(1),
            };
            Some(scope)
        })
    }

    /// Whether this query or one around it has a table of the name.
    pub(super) fn sees_relation(&self, name: &str) -> bool {
        self.visible()
            .any(|scope| scope.relations.contains_key(name))
    }

    /// Whether this query or one around it has a table of the name that is in the schema.
    pub(super) fn sees_relation_of(&self, schema: &str, name: &str) -> bool {
        let schema = match is_temporary(schema) {
            true => TEMPORARY,
            false => schema,
        };
        self.visible().any(|scope| {
            let schemas = scope.relations.get(name);
            schemas.is_some_and(|schemas| schemas.contains(schema))
        })
    }

    /// Whether this query or one around it has a column of the name, or may have it, or has an expression with that alias.
    pub(super) fn sees_column(&self, name: &str) -> bool {
        self.visible().any(|scope| {
            scope.has_unknown || scope.columns.contains(name) || scope.aliases.contains_key(name)
        })
    }

    /// The columns of FROM; `None` if they are not known.
    pub(super) fn all_columns(&self) -> Option<BTreeSet<String>> {
        let scope = self.scopes.last()?;
        (!scope.has_unknown).then(|| scope.columns.clone())
    }

    /// Ends the SELECT whose list has these names.
    pub(super) fn end_scope(&mut self, columns: Option<BTreeSet<String>>) -> Result<()> {
        let scope = self.scopes.pop().unwrap_or_default();
        if scope.is_correlated && scope.has_window {
            return Err(refused());
        }
        self.finished = Finished {
            columns,
            from_columns: (!scope.has_unknown).then_some(scope.columns),
            relations: scope.relations,
            is_correlated: scope.is_correlated,
            has_aggregate: scope.has_aggregate,
        };
        Ok(())
    }

    /// Before an expression of which something is to be known.
    pub(super) fn begin_item(&mut self) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.facts = Facts {
                weight: 1,
                ..Facts::default()
            };
        }
    }

    /// After an expression of the list. Others can use its alias.
    pub(super) fn end_item(&mut self, alias: Option<&str>, expr: &Expr) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.items.push(scope.facts.has_correlated);
            if let Some(alias) = alias {
                let aliased = Aliased {
                    expr: expr.clone(),
                    facts: scope.facts,
                    is_ambiguous: scope.aliases.contains_key(alias),
                };
                scope.aliases.insert(alias.to_owned(), aliased);
            }
        }
    }

    /// After an expression of a clause whose rows are not grouped yet.
    pub(super) fn check_rows(&self, clause: &str) -> Result<()> {
        let scope = self.scopes.last();
        match scope.is_some_and(|scope| scope.facts.calls.has_aggregate) {
            true => Err(Error::new(&error::AGGREGATE_PLACE, &[&clause])),
            false => self.check_groups(clause),
        }
    }

    /// After an expression of a clause of which there are no windows yet.
    pub(super) fn check_groups(&self, clause: &str) -> Result<()> {
        let scope = self.scopes.last();
        match scope.is_some_and(|scope| scope.facts.calls.has_window) {
            true => Err(Error::new(&error::WINDOW_PLACE, &[&clause])
                .hint("put it into a subquery in FROM, or its condition into QUALIFY")),
            false => Ok(()),
        }
    }

    /// After an expression of GROUP BY, or the number of one of the list.
    pub(super) fn check_group(&self, expr: &Expr) -> Result<()> {
        let Some(scope) = self.scopes.last() else {
            return Ok(());
        };
        let number = match expr {
            Expr::Value(value) => value.value.to_string().parse::<usize>().ok(),
            _ => None,
        };
        let item = number.and_then(|number| scope.items.get(number.wrapping_sub(1)));
        match scope.facts.has_correlated || item == Some(&true) {
            true => Err(refused()),
            false => Ok(()),
        }
    }

    /// After a subquery of an expression.
    pub(super) fn note_subquery(&mut self) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.facts.has_correlated |= self.finished.is_correlated;
        }
    }

    /// Notes that all that was bound since a count of copies is written out so many times more: within each other, such expressions
    /// become as many as a power of their depth.
    pub(super) fn note_copies(&mut self, since: usize, more: usize) -> Result<()> {
        let copies = (self.copied - since).saturating_mul(more);
        self.copied = self.copied.saturating_add(copies).saturating_add(1);
        match self.copied > MOST_COPIED {
            true => Err(Error::not_yet(
                "COALESCE, BETWEEN, IN, CASE or DECODE nested so deeply",
            )),
            false => Ok(()),
        }
    }

    /// Notes that the expression is another value each time.
    pub(super) fn note_random(&mut self) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.facts.is_random = true;
        }
    }

    /// Before the arguments of a function over rows: the calls that the expression has without them.
    pub(super) fn begin_call(&mut self) -> Calls {
        let scope = self.scopes.last_mut();
        let calls = scope.map(|scope| std::mem::take(&mut scope.facts.calls));
        calls.unwrap_or_default()
    }

    /// After them, with the calls before. Aggregates are computed of rows, and windows of rows or groups.
    pub(super) fn end_call(&mut self, before: Calls, is_window: bool) -> Result<()> {
        let Some(scope) = self.scopes.last_mut() else {
            return Ok(());
        };
        let within = scope.facts.calls;
        match is_window {
            true if within.has_window => return Err(Error::new(&error::NESTED_WINDOW, &[])),
            false if within.has_window || within.has_aggregate => {
                return Err(Error::new(&error::NESTED_AGGREGATE, &[])
                    .hint("compute the inner one in a subquery in FROM"));
            }
            _ => {}
        }
        scope.has_window |= is_window;
        scope.has_aggregate |= !is_window;
        scope.facts.calls = Calls {
            has_aggregate: before.has_aggregate || within.has_aggregate || !is_window,
            has_window: before.has_window || is_window,
        };
        Ok(())
    }

    /// Notes what an aggregate function is in the order of, which all of a query share.
    pub(super) fn note_within(&mut self, order: Vec<Expr>) -> Result<()> {
        let Some(scope) = self.scopes.last_mut() else {
            return Ok(());
        };
        match &scope.within {
            Some(within) if !are_same(within, &order) => Err(Error::new(&error::WITHIN_GROUP, &[])),
            _ => {
                scope.within = Some(order);
                Ok(())
            }
        }
    }

    /// Looks for the query that a column belongs to, and refuses what Redshift does.
    pub(super) fn note_reference(&mut self, relation: Option<&str>, name: &str) -> Result<()> {
        let mut crossed = None;
        let mut at = self.scopes.len();
        while let Some(current) = at.checked_sub(1) {
            let scope = &self.scopes[current];
            let is_found = match relation {
                Some(relation) => scope.relations.contains_key(relation),
                None => scope.columns.contains(name),
            };
            if is_found {
                if let Some(inner) = crossed {
                    if scope.is_on_outer {
                        return Err(refused());
                    }
                    let inner: &mut Scope = &mut self.scopes[inner];
                    inner.is_correlated = true;
                }
                return Ok(());
            }
            if scope.has_unknown || scope.is_order {
                return Ok(());
            }
            at = match scope.place {
                Place::Expression => {
                    // Beyond the query around it lies one that a subquery cannot refer to.
                    if crossed.is_some() && self.is_around(current, relation, name) {
                        return Err(refused());
                    }
                    crossed = Some(crossed.unwrap_or(current));
                    current
                }
                Place::From => current.saturating_sub(1),
            };
        }
        Ok(())
    }

    /// Whether a scope outside of another has the column.
    fn is_around(&self, inner: usize, relation: Option<&str>, name: &str) -> bool {
        self.scopes[..inner].iter().any(|scope| match relation {
            Some(relation) => scope.relations.contains_key(relation),
            None => scope.columns.contains(name),
        })
    }

    /// The expression of an alias, if a name is one and no column.
    pub(super) fn aliased(&mut self, name: &str) -> Result<Option<Expr>> {
        let Some(scope) = self.scopes.last_mut() else {
            return Ok(None);
        };
        if scope.has_unknown || scope.columns.contains(name) {
            return Ok(None);
        }
        let Some(aliased) = scope.aliases.get(name) else {
            return Ok(None);
        };
        if aliased.is_ambiguous {
            return Err(Error::new(&error::AMBIGUOUS_COLUMN, &[&name]));
        }
        if aliased.facts.is_random {
            return Err(Error::not_yet(
                "the alias of a random value in another expression",
            ));
        }
        scope.facts.has_correlated |= aliased.facts.has_correlated;
        scope.facts.calls.has_aggregate |= aliased.facts.calls.has_aggregate;
        scope.facts.calls.has_window |= aliased.facts.calls.has_window;
        scope.facts.weight += aliased.facts.weight;
        match scope.facts.weight > MOST_WRITTEN {
            true => Err(Error::new(&error::TOO_DEEP, &[])),
            false => Ok(Some(Expr::Nested(Box::new(aliased.expr.clone())))),
        }
    }
}
