//! Queries: SELECT and its clauses.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Cte, Distinct, ExcludeSelectItem, Expr, Fetch, GroupByExpr, GroupByWithModifier, Ident, Join,
    JoinConstraint, JoinOperator, LimitClause, Offset, OrderBy, OrderByExpr, OrderByKind, Query,
    Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier, TableAlias, TableFactor, TableWithJoins, Top, TopQuantity, Value,
    WildcardAdditionalOptions, With, visit_relations,
};

use super::names::{ident, named};
use super::scope::{Finished, Place, Scope};
use super::{Binder, path, syntax, unsupported};
use crate::catalog::View;
use crate::error::{self, Error, Result};
use crate::syntax::{check_label, check_name};

/// Queries inside of queries.
const DEPTH: usize = 60;

/// A function that gives the columns of views that are bound late.
pub(super) const LATE_BINDING: &str = "pg_get_late_binding_view_cols";

/// What follows a name that stands twice in a list.
pub(super) const AGAIN: char = '\u{1}';

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
        let scopes = self.with.len();
        let with = with.map(|with| self.with(with)).transpose()?;
        let mut limit_clause = limit_clause.map(|clause| self.limit(clause)).transpose()?;
        if let Some(fetch) = fetch {
            let Fetch {
                with_ties: false,
                percent: false,
                quantity: Some(quantity),
            } = fetch
            else {
                return Err(syntax("fetch"));
            };
            limit_clause = Some(limit(self.expr(quantity)?));
        }
        let mut body = body;
        if let SetExpr::Select(select) = body.as_mut()
            && let Some(top) = select.top.take()
        {
            if limit_clause.is_some() {
                return Err(syntax("limit"));
            }
            limit_clause = Some(self.top(top)?);
        }
        let body = Box::new(self.body(*body)?);
        self.scopes.push(Scope::closed());
        let order_by = order_by.map(|order| self.order(order)).transpose()?;
        self.scopes.pop();
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

    fn with(&mut self, with: With) -> Result<With> {
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

    fn body(&mut self, body: SetExpr) -> Result<SetExpr> {
        match body {
            SetExpr::Select(select) => Ok(SetExpr::Select(Box::new(self.select(*select)?))),
            SetExpr::Query(query) => Ok(SetExpr::Query(Box::new(self.query(*query)?))),
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
                let left = Box::new(self.body(*left)?);
                let finished = std::mem::take(&mut self.finished);
                let right = Box::new(self.body(*right)?);
                self.finished = Finished {
                    is_correlated: finished.is_correlated || self.finished.is_correlated,
                    ..finished
                };
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

    fn select(&mut self, select: Select) -> Result<Select> {
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
        let place = std::mem::take(&mut self.place);
        self.scopes.push(Scope::new(place));
        let from = from
            .into_iter()
            .map(|table| self.tables(table))
            .collect::<Result<Vec<_>>>()?;
        distinct_names(&from)?;
        let projection = self.projection(projection)?;
        self.begin_item();
        let selection = self.optional(selection)?;
        self.check_rows("WHERE")?;
        let group_by = self.group(group_by)?;
        let having = self.optional(having)?;
        let qualify = self.optional(qualify)?;
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

    fn projection(&mut self, items: Vec<SelectItem>) -> Result<Vec<SelectItem>> {
        let is_wildcard = |item: &SelectItem| {
            matches!(
                item,
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
            )
        };
        let has_wildcard = items.iter().any(is_wildcard);
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut unique = |name: String, is_covered: bool| {
            let count = names.entry(name.clone()).or_insert(usize::from(is_covered));
            *count += 1;
            match *count {
                1 => ident(&name),
                count => ident(&format!("{name}{AGAIN}{count}")),
            }
        };
        let mut projection = Vec::new();
        for item in items {
            projection.push(match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = shown_name(&expr);
                    let is_column =
                        matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                    self.begin_item();
                    let expr = self.expr(expr)?;
                    self.end_item(None, &expr);
                    let is_plain = is_column
                        && matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                    let alias = unique(name.clone(), has_wildcard && is_plain);
                    match is_plain && alias.value == name {
                        true => SelectItem::UnnamedExpr(expr),
                        false => SelectItem::ExprWithAlias { expr, alias },
                    }
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    check_label(&alias)?;
                    self.begin_item();
                    let expr = self.expr(expr)?;
                    self.end_item(Some(&alias.value), &expr);
                    SelectItem::ExprWithAlias {
                        expr,
                        alias: unique(alias.value, false),
                    }
                }
                SelectItem::ExprWithAliases { .. } => return Err(syntax("as")),
                SelectItem::Wildcard(options) => SelectItem::Wildcard(plain_wildcard(options)?),
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    let options = plain_wildcard(options)?;
                    // Tables are known by their last name.
                    let last = super::plain_name(&name).pop().unwrap_or_default();
                    let name = ident(&last).into();
                    let kind = SelectItemQualifiedWildcardKind::ObjectName(name);
                    SelectItem::QualifiedWildcard(kind, options)
                }
                SelectItem::QualifiedWildcard(..) => return Err(syntax("*")),
            });
        }
        Ok(projection)
    }

    /// The names of a list's columns; `None` if they are not known.
    fn output(&self, projection: &[SelectItem]) -> Option<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for item in projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => {
                    names.insert(alias.value.clone());
                }
                SelectItem::UnnamedExpr(expr) => {
                    names.insert(shown_name(expr));
                }
                // With EXCLUDE, or for one table, it is more than there is: then no alias has the name either.
                _ => names.extend(self.all_columns()?),
            }
        }
        Some(names)
    }

    pub(crate) fn tables(&mut self, tables: TableWithJoins) -> Result<TableWithJoins> {
        let relation = self.factor(tables.relation)?;
        let mut joins = Vec::new();
        for join in tables.joins {
            let Join {
                relation,
                global: false,
                join_operator,
            } = join
            else {
                return Err(syntax("global"));
            };
            let relation = self.factor(relation)?;
            use JoinOperator as Op;
            let is_outer = matches!(
                join_operator,
                Op::Left(_)
                    | Op::LeftOuter(_)
                    | Op::Right(_)
                    | Op::RightOuter(_)
                    | Op::FullOuter(_)
            );
            if let Some(scope) = self.scopes.last_mut() {
                scope.is_on_outer = is_outer;
            }
            let join_operator = match join_operator {
                Op::Join(on) => Op::Join(self.constraint(on)?),
                Op::Inner(on) => Op::Inner(self.constraint(on)?),
                Op::Left(on) => Op::Left(self.constraint(on)?),
                Op::LeftOuter(on) => Op::LeftOuter(self.constraint(on)?),
                Op::Right(on) => Op::Right(self.constraint(on)?),
                Op::RightOuter(on) => Op::RightOuter(self.constraint(on)?),
                Op::FullOuter(on) => Op::FullOuter(self.constraint(on)?),
                Op::CrossJoin(JoinConstraint::None) => Op::CrossJoin(JoinConstraint::None),
                _ => return Err(syntax("join")),
            };
            if let Some(scope) = self.scopes.last_mut() {
                scope.is_on_outer = false;
            }
            joins.push(Join {
                relation,
                global: false,
                join_operator,
            });
        }
        Ok(TableWithJoins { relation, joins })
    }

    fn constraint(&mut self, constraint: JoinConstraint) -> Result<JoinConstraint> {
        Ok(match constraint {
            JoinConstraint::On(on) => JoinConstraint::On(self.expr(on)?),
            JoinConstraint::Using(columns) => JoinConstraint::Using(columns),
            JoinConstraint::Natural => JoinConstraint::Natural,
            JoinConstraint::None => return Err(syntax("join")),
        })
    }

    fn factor(&mut self, factor: TableFactor) -> Result<TableFactor> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if let Some(args) = &args
                    && args.args.is_empty()
                    && super::plain_name(&name)
                        .last()
                        .is_some_and(|name| name == LATE_BINDING)
                {
                    let mut alias = alias.unwrap_or_else(|| named(LATE_BINDING));
                    // Their types are those that the function has.
                    for column in &mut alias.columns {
                        column.data_type = None;
                    }
                    return self.relation(name, Some(alias));
                }
                if args.is_some() {
                    let name = super::plain_name(&name).join(".");
                    return Err(unsupported(&format!("the table function {name}()")));
                }
                let is_foreign = !with_hints.is_empty()
                    || version.is_some()
                    || with_ordinality
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || sample.is_some()
                    || !index_hints.is_empty();
                if is_foreign {
                    return Err(syntax("table"));
                }
                self.relation(name, alias.map(plain_alias).transpose()?)
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample,
            } => {
                if lateral {
                    return Err(unsupported("LATERAL"));
                }
                if sample.is_some() {
                    return Err(syntax("tablesample"));
                }
                // Drivers send such a subquery without an alias, so Redshift takes it.
                let alias = match alias {
                    Some(alias) => plain_alias(alias)?,
                    None => named(&format!("\u{1}{}", self.scopes.len())),
                };
                self.place = Place::From;
                let subquery = Box::new(self.query(*subquery)?);
                let columns = named_columns(&alias, self.finished.columns.take());
                self.add_relation(&alias.name.value, columns);
                Ok(TableFactor::Derived {
                    lateral: false,
                    subquery,
                    alias: Some(alias),
                    sample: None,
                })
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => Ok(TableFactor::NestedJoin {
                table_with_joins: Box::new(self.tables(*table_with_joins)?),
                alias: alias.map(plain_alias).transpose()?,
            }),
            TableFactor::Pivot { .. } => Err(Error::not_yet("PIVOT")),
            TableFactor::Unpivot { .. } => Err(Error::not_yet("UNPIVOT")),
            TableFactor::Function { lateral: true, .. } => Err(unsupported("LATERAL")),
            TableFactor::Function { name, .. } => {
                let name = super::plain_name(&name).join(".");
                Err(unsupported(&format!("the table function {name}()")))
            }
            TableFactor::TableFunction { .. } => Err(unsupported("TABLE()")),
            TableFactor::UNNEST { .. } => Err(unsupported("UNNEST")),
            _ => Err(syntax("from")),
        }
    }

    /// A view is its query.
    pub(super) fn view(
        &mut self,
        view: &Arc<View>,
        alias: Option<TableAlias>,
    ) -> Result<TableFactor> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Error::new(&error::TOO_DEEP, &[]));
        }
        let query = crate::syntax::parse(&view.query, &crate::syntax::Parameters::None)?;
        let Some(crate::syntax::Statement::CreateView { query, .. }) = query else {
            return Err(Error::internal("a view is no query"));
        };
        let path: Vec<_> = view
            .search_path
            .iter()
            .filter_map(|name| self.catalog.schema(name))
            .collect();
        let context = super::Context {
            path,
            ..self.context.clone()
        };
        let mut inner = Binder {
            catalog: self.catalog,
            context: &context,
            with: Vec::new(),
            bound: vec![view.bound.clone()],
            bound_columns: view.bound_columns.iter().cloned().collect(),
            tables: BTreeSet::new(),
            used: BTreeMap::new(),
            leader: None,
            is_for_tables: false,
            scopes: Vec::new(),
            place: Place::default(),
            finished: Finished::default(),
            depth: self.depth,
        };
        let query = inner.query(*query)?;
        self.tables.extend(inner.tables);
        self.leader = self.leader.take().or(inner.leader);
        self.is_for_tables |= inner.is_for_tables;
        self.depth -= 1;
        let mut alias = alias.unwrap_or_else(|| named(&view.name));
        if alias.columns.is_empty() {
            let columns = view.columns.iter();
            alias.columns = columns
                .map(
                    |(name, _)| datafusion::sql::sqlparser::ast::TableAliasColumnDef {
                        name: ident(name),
                        data_type: None,
                    },
                )
                .collect();
        }
        Ok(TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query),
            alias: Some(alias),
            sample: None,
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
                    let expr = self.expr(expr)?;
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
        let limit = self.optional(limit)?;
        let offset = match offset {
            Some(Offset { value, rows }) => Some(Offset {
                value: self.expr(value)?,
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
            TopQuantity::Expr(expr) => self.expr(expr)?,
            TopQuantity::Constant(count) => Expr::value(Value::Number(count.to_string(), false)),
        }))
    }

    pub(super) fn optional(&mut self, expr: Option<Expr>) -> Result<Option<Expr>> {
        expr.map(|expr| self.expr(expr)).transpose()
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

fn plain_alias(alias: TableAlias) -> Result<TableAlias> {
    check_name(&alias.name)?;
    for column in &alias.columns {
        check_name(&column.name)?;
    }
    match alias.at.is_some()
        || alias
            .columns
            .iter()
            .any(|column| column.data_type.is_some())
    {
        true => Err(Error::not_yet("AT, and types of columns, in an alias")),
        false => Ok(alias),
    }
}

fn plain_wildcard(options: WildcardAdditionalOptions) -> Result<WildcardAdditionalOptions> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike: None,
        opt_exclude,
        opt_except: None,
        opt_replace: None,
        opt_rename: None,
        opt_alias: None,
    } = &options
    else {
        return Err(syntax("*"));
    };
    match opt_exclude {
        None | Some(ExcludeSelectItem::Single(_) | ExcludeSelectItem::Multiple(_)) => Ok(options),
    }
}

/// The columns of a subquery under its alias.
fn named_columns(alias: &TableAlias, output: Option<BTreeSet<String>>) -> Option<BTreeSet<String>> {
    match alias.columns.is_empty() {
        true => output,
        false => {
            let columns = alias.columns.iter();
            Some(columns.map(|column| column.name.value.clone()).collect())
        }
    }
}

/// Columns of a body, if it has no wildcard.
fn width(body: &SetExpr) -> Option<usize> {
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

/// Two tables of one FROM clause have different names.
fn distinct_names(from: &[TableWithJoins]) -> Result<()> {
    let mut names = BTreeSet::new();
    let joined = from.iter().flat_map(|tables| {
        std::iter::once(&tables.relation).chain(tables.joins.iter().map(|join| &join.relation))
    });
    for table in joined {
        let alias = match table {
            TableFactor::Table { alias, name, .. } => match alias {
                Some(alias) => Some(alias.name.value.clone()),
                None => super::plain_name(name).pop(),
            },
            TableFactor::Derived { alias, .. } => {
                alias.as_ref().map(|alias| alias.name.value.clone())
            }
            _ => None,
        };
        if let Some(alias) = alias
            && !names.insert(alias.clone())
        {
            return Err(Error::new(&error::DUPLICATE_ALIAS, &[&alias]));
        }
    }
    Ok(())
}

/// The name of a column that has none.
fn shown_name(expr: &Expr) -> String {
    let unnamed = || "?column?".to_owned();
    match expr {
        Expr::Identifier(Ident { value, .. }) => value.clone(),
        Expr::CompoundIdentifier(parts) => {
            parts.last().map_or_else(unnamed, |part| part.value.clone())
        }
        Expr::Function(function) => {
            let name = super::plain_name(&function.name);
            name.last().cloned().unwrap_or_else(unnamed)
        }
        Expr::Nested(inner) => shown_name(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            path::last_name(access_chain, None).map_or_else(|| shown_name(root), str::to_owned)
        }
        Expr::JsonAccess { value, path } => {
            path::last_name(&[], Some(path)).map_or_else(|| shown_name(value), str::to_owned)
        }
        Expr::Cast {
            expr, data_type, ..
        } => match shown_name(expr) {
            name if name == "?column?" => crate::types::parse::sql(data_type, None)
                .map_or_else(|_| unnamed(), |data_type| data_type.short_name().to_owned()),
            name => name,
        },
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Extract { .. } => "date_part".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Position { .. } => "strpos".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::Prefixed { value, .. } => shown_name(value),
        Expr::TypedString(text) => crate::types::parse::sql(&text.data_type, None)
            .map_or_else(|_| unnamed(), |data_type| data_type.short_name().to_owned()),
        _ => unnamed(),
    }
}
