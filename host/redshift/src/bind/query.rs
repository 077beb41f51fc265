//! Queries: SELECT and its clauses.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, GroupByWithModifier, LimitClause, Offset, OffsetRows,
    OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr,
    SetOperator, SetQuantifier, TableAlias, Top, TopQuantity, UnaryOperator, Value, With,
};

use transom_sql::walk::visit_relations;

use super::expr::unnested;
use super::from::{distinct_names, named_columns, plain_alias};
use super::scope::{Finished, Place, Scope};
use super::{Binder, syntax, unsupported};
use crate::error::{self, Error, Result};
use crate::types::{Type, read};

/// Queries inside of queries.
pub(super) const DEPTH: usize = 60;

impl Binder<'_> {
    /// A query of a statement.
    pub(crate) fn statement(&mut self, query: Query) -> Result<Query> {
        let query = self.query(query)?;
        self.check_leader()?;
        Ok(query)
    }

    pub(super) fn query(&mut self, query: Query) -> Result<Query> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Error::new(&error::TOO_DEEP, &[]));
        }
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty() || for_clause.is_some() {
            return Err(unsupported("FOR UPDATE"));
        }
        if settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty() {
            return Err(syntax("settings"));
        }
        if fetch.is_some() {
            return Err(syntax("fetch").hint("Redshift has LIMIT, OFFSET and TOP"));
        }
        let place = std::mem::take(&mut self.place);
        let scopes = self.with.len();
        let with = with.map(|with| self.with(with, place)).transpose()?;
        let mut limit_clause = limit_clause.map(|clause| self.limit(clause)).transpose()?;
        let mut body = body;
        if let SetExpr::Select(select) = body.as_mut()
            && let Some(top) = select.top.take()
        {
            if limit_clause.is_some() {
                return Err(syntax("limit"));
            }
            limit_clause = Some(self.top(top)?);
        }
        let body = Box::new(self.body(*body, place)?);
        // Subqueries of ORDER BY are not what is asked for afterwards.
        let finished = std::mem::take(&mut self.finished);
        self.scopes.push(Scope::order(place, &finished));
        let order_by = order_by.map(|order| self.order(order)).transpose()?;
        check_set_order(&body, order_by.as_ref())?;
        self.scopes.pop();
        self.finished = finished;
        self.with.truncate(scopes);
        self.depth -= 1;
        Ok(Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch: None,
            locks: Vec::new(),
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators: Vec::new(),
        })
    }

    fn with(&mut self, with: With, place: Place) -> Result<With> {
        let With {
            with_token,
            recursive,
            cte_tables,
        } = with;
        let mut tables = Vec::new();
        self.with.push(BTreeMap::new());
        for table in cte_tables {
            let Cte {
                alias,
                query,
                from: None,
                materialized: None,
                closing_paren_token,
            } = table
            else {
                return Err(syntax("materialized"));
            };
            let alias = plain_alias(alias)?;
            let name = alias.name.value.clone();
            if recursive && refers_to(&query, &name) {
                check_recursion(&alias, &query)?;
            }
            if recursive && let Some(names) = self.with.last_mut() {
                names.insert(name.clone(), None);
            }
            self.place = place;
            let query = Box::new(self.query(*query)?);
            let columns = named_columns(&alias, self.finished.columns.take());
            if let Some(names) = self.with.last_mut() {
                names.insert(name, columns);
            }
            tables.push(Cte {
                alias,
                query,
                from: None,
                materialized: None,
                closing_paren_token,
            });
        }
        Ok(With {
            with_token,
            recursive,
            cte_tables: tables,
        })
    }

    fn body(&mut self, body: SetExpr, place: Place) -> Result<SetExpr> {
        match body {
            SetExpr::Select(select) => Ok(SetExpr::Select(Box::new(self.select(*select, place)?))),
            SetExpr::Query(query) => {
                self.place = place;
                Ok(SetExpr::Query(Box::new(self.query(*query)?)))
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let name = match op {
                    SetOperator::Union => "UNION",
                    SetOperator::Except | SetOperator::Minus => "EXCEPT",
                    SetOperator::Intersect => "INTERSECT",
                };
                match (set_quantifier, &op) {
                    (SetQuantifier::None | SetQuantifier::Distinct, _)
                    | (SetQuantifier::All, SetOperator::Union) => {}
                    (SetQuantifier::All, _) => {
                        return Err(unsupported(&format!("{name} ALL")));
                    }
                    _ => return Err(syntax("by name")),
                }
                let op = match op {
                    SetOperator::Minus => SetOperator::Except,
                    other => other,
                };
                let left = Box::new(self.body(*left, place)?);
                let finished = std::mem::take(&mut self.finished);
                let right = Box::new(self.body(*right, place)?);
                self.finished = Finished::set_operation(finished, &self.finished);
                if let (Some(left), Some(right)) = (width(&left), width(&right))
                    && left != right
                {
                    return Err(Error::new(&error::UNION_COLUMNS, &[&name]));
                }
                Ok(SetExpr::SetOperation {
                    left,
                    op,
                    set_quantifier,
                    right,
                })
            }
            SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Insert(_) => {
                Err(Error::not_yet("WITH before a statement that changes rows"))
            }
            // Redshift has none.
            SetExpr::Merge(_) => Err(syntax("merge")),
            SetExpr::Values(_) => Err(unsupported("VALUES as a table")),
            _ => Err(syntax("table")),
        }
    }

    fn select(&mut self, select: Select, place: Place) -> Result<Select> {
        let Select {
            select_token,
            optimizer_hints: _,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify,
            value_table_mode,
            flavor,
        } = select;
        match &distinct {
            None | Some(Distinct::Distinct | Distinct::All) => {}
            Some(Distinct::On(_)) => return Err(unsupported("SELECT DISTINCT ON")),
        }
        if top.is_some() {
            return Err(Error::not_yet("TOP inside of a set operation"));
        }
        if into.is_some() {
            return Err(Error::not_yet("SELECT INTO here"));
        }
        if !connect_by.is_empty() {
            return Err(Error::not_yet("CONNECT BY"));
        }
        if exclude.is_some() {
            return Err(Error::not_yet("EXCLUDE"));
        }
        let is_foreign = select_modifiers.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !cluster_by.is_empty()
            || !distribute_by.is_empty()
            || !sort_by.is_empty()
            || value_table_mode.is_some()
            || flavor != SelectFlavor::Standard;
        if is_foreign || !named_window.is_empty() {
            return Err(syntax("select"));
        }
        self.scopes.push(Scope::new(place));
        let from = from
            .into_iter()
            .map(|table| self.tables(table))
            .collect::<Result<Vec<_>>>()?;
        distinct_names(&from)?;
        let projection = self.projection(projection)?;
        let selection = self.selection(selection)?;
        let group_by = self.group(group_by)?;
        let having = self.optional_condition("redshift_having", having)?;
        let qualify = self.optional_condition("redshift_qualify", qualify)?;
        let output = self.output(&projection);
        self.end_scope(output)?;
        Ok(Select {
            select_token,
            optimizer_hints: Vec::new(),
            distinct,
            select_modifiers: None,
            top: None,
            top_before_distinct: false,
            projection,
            exclude: None,
            into: None,
            from,
            lateral_views: Vec::new(),
            prewhere: None,
            selection,
            connect_by: Vec::new(),
            group_by,
            cluster_by: Vec::new(),
            distribute_by: Vec::new(),
            sort_by: Vec::new(),
            having,
            named_window: Vec::new(),
            qualify,
            window_before_qualify,
            value_table_mode: None,
            flavor,
        })
    }

    fn group(&mut self, group: GroupByExpr) -> Result<GroupByExpr> {
        match group {
            GroupByExpr::Expressions(expressions, modifiers) => {
                if modifiers
                    .iter()
                    .any(|modifier| !matches!(modifier, GroupByWithModifier::GroupingSets(_)))
                {
                    return Err(syntax("with"));
                }
                if !modifiers.is_empty() {
                    return Err(Error::not_yet("GROUPING SETS"));
                }
                let mut group = Vec::new();
                for expr in expressions {
                    self.begin_item();
                    let expr = self.expr(item("GROUP BY", expr)?)?;
                    self.check_rows("GROUP BY")?;
                    self.check_group(&expr)?;
                    group.push(expr);
                }
                Ok(GroupByExpr::Expressions(group, Vec::new()))
            }
            GroupByExpr::All(modifiers) if modifiers.is_empty() => {
                Err(Error::not_yet("GROUP BY ALL"))
            }
            GroupByExpr::All(_) => Err(syntax("with")),
        }
    }

    fn order(&mut self, order: OrderBy) -> Result<OrderBy> {
        let OrderBy {
            kind: OrderByKind::Expressions(expressions),
            interpolate: None,
        } = order
        else {
            return Err(syntax("order by all"));
        };
        let places = expressions.into_iter().map(|order| {
            let expr = item("ORDER BY", order.expr)?;
            Ok(OrderByExpr { expr, ..order })
        });
        let expressions = places.collect::<Result<Vec<_>>>()?;
        Ok(OrderBy {
            kind: OrderByKind::Expressions(self.orders(expressions)?),
            interpolate: None,
        })
    }

    pub(super) fn orders(&mut self, expressions: Vec<OrderByExpr>) -> Result<Vec<OrderByExpr>> {
        expressions
            .into_iter()
            .map(|order| {
                if order.with_fill.is_some() {
                    return Err(syntax("with"));
                }
                Ok(OrderByExpr {
                    expr: self.expr(order.expr)?,
                    options: order.options,
                    with_fill: None,
                })
            })
            .collect()
    }

    fn limit(&mut self, clause: LimitClause) -> Result<LimitClause> {
        let LimitClause::LimitOffset {
            limit,
            offset,
            limit_by,
        } = clause
        else {
            return Err(syntax(","));
        };
        if !limit_by.is_empty() {
            return Err(syntax("by"));
        }
        if let Some(Offset {
            rows: OffsetRows::Row | OffsetRows::Rows,
            ..
        }) = offset
        {
            return Err(syntax("rows"));
        }
        let limit = limit.map(|limit| self.count(limit)).transpose()?;
        let offset = match offset {
            Some(Offset { value, rows }) => Some(Offset {
                value: self.count(value)?,
                rows,
            }),
            None => None,
        };
        Ok(LimitClause::LimitOffset {
            limit,
            offset,
            limit_by: Vec::new(),
        })
    }

    /// How many rows: a text that was written, as a parameter without a type is, becomes the number that it says.
    fn count(&mut self, expr: Expr) -> Result<Expr> {
        let number = match unnested(&expr) {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Some(read::whole(text, Type::Int8)?),
                _ => None,
            },
            _ => None,
        };
        Ok(match number {
            Some(number) => Expr::value(Value::Number(number.to_string(), false)),
            None => self.expr(expr)?,
        })
    }

    fn top(&mut self, top: Top) -> Result<LimitClause> {
        let Top {
            with_ties: false,
            percent: false,
            quantity: Some(quantity),
        } = top
        else {
            return Err(syntax("top"));
        };
        Ok(limit(match quantity {
            TopQuantity::Expr(expr) => self.count(expr)?,
            TopQuantity::Constant(count) => Expr::value(Value::Number(count.to_string(), false)),
        }))
    }

    /// The condition of WHERE, whose rows are not grouped yet.
    pub(crate) fn selection(&mut self, selection: Option<Expr>) -> Result<Option<Expr>> {
        self.begin_item();
        let selection = self.optional_condition("redshift_where", selection)?;
        self.check_rows("WHERE")?;
        Ok(selection)
    }

    fn optional_condition(&mut self, place: &str, expr: Option<Expr>) -> Result<Option<Expr>> {
        expr.map(|expr| self.condition(place, expr)).transpose()
    }
}

fn limit(count: Expr) -> LimitClause {
    LimitClause::LimitOffset {
        limit: Some(count),
        offset: None,
        limit_by: Vec::new(),
    }
}

fn refers_to(query: &Query, table: &str) -> bool {
    let found = visit_relations(query, |name| {
        match super::plain_name(name).as_slice() == [table.to_owned()] {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    found.is_break()
}

/// A query of WITH that refers to itself has a list of columns, and UNION ALL between its two parts.
fn check_recursion(alias: &TableAlias, query: &Query) -> Result<()> {
    if alias.columns.is_empty() {
        return Err(unsupported("a recursive WITH without a list of columns"));
    }
    match query.body.as_ref() {
        SetExpr::SetOperation {
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            ..
        } => Ok(()),
        _ => Err(unsupported("a recursive WITH without UNION ALL")),
    }
}

/// An item of ORDER BY or GROUP BY: a constant is a place in the list, in parentheses, too. What is beyond its end, plans know.
fn item(clause: &str, expr: Expr) -> Result<Expr> {
    let number = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    };
    let inner = unnested(&expr);
    let place = match inner {
        Expr::Value(_) => number(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: digits,
        } if number(digits).is_some() => number(digits).map(|digits| format!("-{digits}")),
        _ => return Ok(expr),
    };
    match place.and_then(|place| place.parse::<i64>().ok()) {
        None => Err(Error::new(&error::NON_INTEGER, &[&clause])),
        Some(place) if place < 1 => Err(Error::new(&error::NO_PLACE, &[&clause, &place])),
        Some(_) => Ok(inner.clone()),
    }
}

/// An error for an ORDER BY of a set operation by anything but its columns.
fn check_set_order(body: &SetExpr, order_by: Option<&OrderBy>) -> Result<()> {
    let Some(OrderBy {
        kind: OrderByKind::Expressions(expressions),
        ..
    }) = order_by
    else {
        return Ok(());
    };
    let is_column = |order: &OrderByExpr| {
        let expr = unnested(&order.expr);
        matches!(expr, Expr::Identifier(_) | Expr::Value(_))
    };
    match matches!(body, SetExpr::SetOperation { .. }) && !expressions.iter().all(is_column) {
        true => {
            Err(Error::new(&error::SET_ORDER, &[])
                .hint("put the operation into a subquery in FROM"))
        }
        false => Ok(()),
    }
}

/// Columns of a body, if it has no wildcard.
pub(super) fn width(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let mut items = select.projection.iter();
            let is_plain = items.all(|item| {
                matches!(
                    item,
                    SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
                )
            });
            is_plain.then_some(select.projection.len())
        }
        SetExpr::Query(query) => width(&query.body),
        SetExpr::SetOperation { left, .. } => width(left),
        _ => None,
    }
}
