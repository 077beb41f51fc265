//! Expressions, node by node.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Expr,
    Ident, JsonPathElem, Query, SelectItem, SetExpr, Subscript, TableWithJoins, TrimWhereField,
    TypedString, UnaryOperator, Value, ValueWithSpan,
};

use transom_sql::walk::visit_expressions;

use super::names::ident;
use super::query::width;
use super::{Binder, intervals, plain_name, syntax, unsupported};
use crate::error::{self, Error, Result};
use crate::functions;
use crate::syntax::check_name;
use crate::types::parse;

impl Binder<'_> {
    pub(crate) fn exprs(&mut self, expressions: Vec<Expr>) -> Result<Vec<Expr>> {
        expressions
            .into_iter()
            .map(|expr| self.expr(expr))
            .collect()
    }

    fn boxed(&mut self, expr: Box<Expr>) -> Result<Box<Expr>> {
        Ok(Box::new(self.expr(*expr)?))
    }

    pub(crate) fn expr(&mut self, expr: Expr) -> Result<Expr> {
        Ok(match expr {
            Expr::Identifier(name) => self.column(name)?,
            Expr::CompoundIdentifier(parts) => self.compound(parts)?,
            Expr::Value(value) => literal(value)?,
            Expr::Nested(inner) => Expr::Nested(self.boxed(inner)?),
            Expr::IsFalse(inner) => Expr::IsFalse(self.tested("redshift_is_false", inner)?),
            Expr::IsNotFalse(inner) => {
                Expr::IsNotFalse(self.tested("redshift_is_not_false", inner)?)
            }
            Expr::IsTrue(inner) => Expr::IsTrue(self.tested("redshift_is_true", inner)?),
            Expr::IsNotTrue(inner) => Expr::IsNotTrue(self.tested("redshift_is_not_true", inner)?),
            Expr::IsNull(inner) => Expr::IsNull(self.boxed(inner)?),
            Expr::IsNotNull(inner) => Expr::IsNotNull(self.boxed(inner)?),
            Expr::IsUnknown(inner) => Expr::IsUnknown(self.tested("redshift_is_unknown", inner)?),
            Expr::IsNotUnknown(inner) => {
                Expr::IsNotUnknown(self.tested("redshift_is_not_unknown", inner)?)
            }
            Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => {
                return Err(unsupported("IS DISTINCT FROM"));
            }
            Expr::InList {
                expr,
                list,
                negated,
            } => {
                // As comparisons, so that blanks at the end do not count.
                let since = self.copied;
                let expr = self.expr(*expr)?;
                self.note_copies(since, list.len())?;
                let list = self.exprs(list)?;
                if let Expr::Tuple(values) = expr {
                    return row_in_list(&values, list, negated);
                }
                let (op, and) = match negated {
                    true => (BinaryOperator::NotEq, BinaryOperator::And),
                    false => (BinaryOperator::Eq, BinaryOperator::Or),
                };
                return Ok(any(expr, list, &op, &and));
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => self.in_subquery(*expr, *subquery, negated)?,
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let since = self.copied;
                let expr = self.expr(*expr)?;
                self.note_copies(since, 1)?;
                let low = binary(expr.clone(), BinaryOperator::GtEq, self.expr(*low)?);
                let high = binary(expr, BinaryOperator::LtEq, self.expr(*high)?);
                let both = Expr::Nested(Box::new(binary(low, BinaryOperator::And, high)));
                match negated {
                    true => Expr::UnaryOp {
                        op: UnaryOperator::Not,
                        expr: Box::new(both),
                    },
                    false => both,
                }
            }
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::And | BinaryOperator::Or),
                right,
            } => self.conditions(*left, op, *right)?,
            Expr::BinaryOp { left, op, right } => self.binary(*left, op, *right)?,
            Expr::UnaryOp { op, expr } => self.unary(op, *expr)?,
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => Expr::Like {
                negated,
                any: false,
                expr: self.boxed(expr)?,
                pattern: self.boxed(pattern)?,
                escape_char,
            },
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => Expr::ILike {
                negated,
                any: false,
                expr: self.boxed(expr)?,
                pattern: self.boxed(pattern)?,
                escape_char,
            },
            Expr::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => Expr::SimilarTo {
                negated,
                expr: self.boxed(expr)?,
                pattern: self.boxed(pattern)?,
                escape_char,
            },
            Expr::AnyOp {
                left,
                compare_op,
                right,
                is_some: _,
            } => match (compare_op, *right) {
                (BinaryOperator::Eq, Expr::Subquery(subquery)) => {
                    self.in_subquery(*left, *subquery, false)?
                }
                (_, Expr::Subquery(_)) => {
                    return Err(unsupported("ANY with another comparison than ="));
                }
                _ => return Err(syntax("any")),
            },
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => match (compare_op, *right) {
                (BinaryOperator::NotEq, Expr::Subquery(subquery)) => {
                    self.in_subquery(*left, *subquery, true)?
                }
                (_, Expr::Subquery(_)) => {
                    return Err(unsupported("ALL with another comparison than <>"));
                }
                _ => return Err(syntax("all")),
            },
            Expr::Cast {
                kind,
                expr,
                data_type,
                array: false,
                format: None,
            } => {
                let function = match kind {
                    CastKind::Cast | CastKind::DoubleColon => functions::CAST,
                    CastKind::TryCast => functions::TRY_CAST,
                    CastKind::SafeCast => return Err(syntax("safe_cast")),
                };
                let expr = self.expr(*expr)?;
                match data_type.to_string().to_lowercase().as_str() {
                    // The name of a type by its number.
                    "regtype" | "pg_catalog.regtype" => {
                        let number = call_cast(functions::CAST, expr, "bigint");
                        let no_modifier = Expr::value(Value::Null);
                        call("redshift_format_type", vec![number, no_modifier])
                    }
                    _ => cast(function, expr, &data_type)?,
                }
            }
            Expr::Convert {
                is_try: false,
                expr,
                data_type: Some(data_type),
                charset: None,
                target_before_value: true,
                styles,
            } if styles.is_empty() => {
                let expr = self.expr(*expr)?;
                cast(functions::CAST, expr, &data_type)?
            }
            Expr::TypedString(TypedString {
                data_type,
                value,
                uses_odbc_syntax: false,
            }) => cast(functions::CAST, Expr::Value(value), &data_type)?,
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let value = self.expr(*timestamp)?;
                call("redshift_timezone", vec![self.expr(*time_zone)?, value])
            }
            Expr::Extract { field, expr, .. } => self.extract(&field.to_string(), *expr)?,
            Expr::Ceil {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.call_by_name("ceil", vec![*expr])?,
            Expr::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.call_by_name("floor", vec![*expr])?,
            Expr::Position { expr, r#in } => self.call_by_name("strpos", vec![*r#in, *expr])?,
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } if substring_from.is_some() || substring_for.is_some() => {
                let first = Expr::value(Value::Number("1".to_owned(), false));
                let mut arguments = vec![*expr, substring_from.map_or(first, |from| *from)];
                arguments.extend(substring_for.map(|length| *length));
                self.call_by_name("substring", arguments)?
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters: None,
            } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut arguments = vec![*expr];
                arguments.extend(trim_what.map(|what| *what));
                self.call_by_name(name, arguments)?
            }
            Expr::Function(function) => self.function(function)?,
            Expr::Prefixed { prefix, value } if prefix.value == "approximate" => {
                self.approximate(*value)?
            }
            Expr::Case {
                case_token,
                end_token,
                operand,
                conditions,
                else_result,
            } => {
                // Compared as `=` compares: literals take the other's type, and blanks at the end do not count.
                let since = self.copied;
                let operand = operand.map(|operand| self.expr(*operand)).transpose()?;
                if operand.is_some() {
                    self.note_copies(since, conditions.len())?;
                }
                if operand.as_ref().is_some_and(is_random) {
                    return Err(Error::not_yet("CASE of a random value"));
                }
                let conditions = conditions
                    .into_iter()
                    .map(|when| {
                        Ok(CaseWhen {
                            condition: match &operand {
                                Some(operand) => {
                                    let value = self.expr(when.condition)?;
                                    binary(operand.clone(), BinaryOperator::Eq, value)
                                }
                                None => self.condition("redshift_when", when.condition)?,
                            },
                            result: self.expr(when.result)?,
                        })
                    })
                    .collect::<Result<Vec<_>>>()?;
                let else_result = else_result.map(|result| self.boxed(result)).transpose()?;
                Expr::Case {
                    case_token,
                    end_token,
                    operand: None,
                    conditions,
                    else_result,
                }
            }
            Expr::Exists { subquery, negated } => Expr::Exists {
                subquery: Box::new(self.subquery(*subquery)?),
                negated,
            },
            Expr::Subquery(subquery) => self.scalar_subquery(*subquery)?,
            Expr::Interval(interval) => intervals::literal(interval)?,
            Expr::Tuple(values) => Expr::Tuple(self.exprs(values)?),
            Expr::OuterJoin(_) => return Err(Error::not_yet("joins with (+)")),
            Expr::Prior(_) => return Err(Error::not_yet("CONNECT BY")),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                return Err(Error::not_yet("GROUPING SETS, CUBE and ROLLUP"));
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                let schema = match access_chain.as_slice() {
                    [AccessExpr::Subscript(Subscript::Index { index })] => {
                        self.schema_of_path(&root, index)
                    }
                    _ => None,
                };
                match schema {
                    Some(schema) => schema,
                    None => self.accessed(*root, access_chain)?,
                }
            }
            Expr::JsonAccess { value, path } => {
                if let [JsonPathElem::Bracket { key }] = path.path.as_slice()
                    && let Some(schema) = self.schema_of_path(&value, key)
                {
                    return Ok(schema);
                }
                self.accessed_json(*value, path)?
            }
            Expr::Collate { .. } => return Err(Error::not_yet("COLLATE")),
            Expr::Array(_) => return Err(unsupported("ARRAY[..]")),
            Expr::Overlay { .. } => {
                return Err(Error::new(&error::UNDEFINED_FUNCTION, &[&"overlay"]));
            }
            other => {
                return Err(syntax(
                    other.to_string().split(' ').next().unwrap_or_default(),
                ));
            }
        })
    }

    /// A column, or a function that is called without parentheses.
    pub(super) fn column(&mut self, name: Ident) -> Result<Expr> {
        if name.quote_style.is_none() {
            match name.value.as_str() {
                "sysdate" => return Ok(moment(self.context.transaction_started, "timestamp")),
                "current_user_id" => {
                    let id = crate::run::system::OWNER_ID.to_string();
                    return Ok(Expr::value(Value::Number(id, false)));
                }
                "current_user" | "user" | "session_user" => {
                    let user = self.context.user.clone();
                    return Ok(Expr::value(Value::SingleQuotedString(user)));
                }
                // A column of the system's tables, which is asked for everywhere.
                "oid" => {}
                _ => check_name(&name)?,
            }
        }
        Ok(match self.aliased(&name.value)? {
            Some(expr) => expr,
            None => {
                self.note_reference(None, &name.value)?;
                Expr::Identifier(ident(&name.value))
            }
        })
    }

    fn binary(&mut self, left: Expr, op: BinaryOperator, right: Expr) -> Result<Expr> {
        use BinaryOperator as Op;
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        Ok(match op {
            Op::Plus
            | Op::Minus
            | Op::Multiply
            | Op::Divide
            | Op::Modulo
            | Op::StringConcat
            | Op::Gt
            | Op::Lt
            | Op::GtEq
            | Op::LtEq
            | Op::Eq
            | Op::NotEq
            | Op::BitwiseOr
            | Op::BitwiseAnd
            | Op::PGRegexMatch
            | Op::PGRegexIMatch
            | Op::PGRegexNotMatch
            | Op::PGRegexNotIMatch
            | Op::PGBitwiseShiftLeft
            | Op::PGBitwiseShiftRight => binary(left, op, right),
            Op::PGExp | Op::BitwiseXor => call("redshift_power", vec![left, right]),
            Op::PGBitwiseXor => binary(left, op, right),
            Op::PGLikeMatch | Op::PGILikeMatch | Op::PGNotLikeMatch | Op::PGNotILikeMatch => {
                return Err(
                    Error::not_yet(format_args!("the operator {op}")).hint("write LIKE or ILIKE")
                );
            }
            other => {
                let symbol = other.to_string();
                let is_word = symbol.starts_with(|letter: char| letter.is_ascii_alphabetic());
                if is_word || other == Op::Assignment {
                    return Err(syntax(&symbol));
                }
                // An error names the types, which plans know.
                binary(left, Op::Custom(symbol), right)
            }
        })
    }

    /// `(current_schemas(true))[1]`: there are no arrays beyond that.
    fn schema_of_path(&self, root: &Expr, index: &Expr) -> Option<Expr> {
        let Expr::Function(function) = unnested(root) else {
            return None;
        };
        let is_path = plain_name(&function.name)
            .last()
            .is_some_and(|name| name == "current_schemas");
        let Expr::Value(index) = index else {
            return None;
        };
        let index = index.value.to_string().parse::<usize>().ok()?;
        if !is_path || index == 0 {
            return None;
        }
        let is_whole = function.args.to_string().eq_ignore_ascii_case("(true)");
        let system = is_whole.then(|| "pg_catalog".to_owned());
        let path = self.context.path.iter();
        let own = path.map(|schema| self.catalog.schema_name(*schema).to_owned());
        let name = system.into_iter().chain(own).nth(index - 1);
        let name = name.map_or(Value::Null, Value::SingleQuotedString);
        Some(call_cast(
            functions::CAST,
            Expr::value(name),
            "character varying(128)",
        ))
    }

    /// Conditions that one operator joins: however many, as a tree that is not deep.
    fn conditions(&mut self, left: Expr, op: BinaryOperator, right: Expr) -> Result<Expr> {
        let mut last_first = vec![right];
        let mut rest = left;
        loop {
            match rest {
                Expr::BinaryOp {
                    left,
                    op: same,
                    right,
                } if same == op => {
                    last_first.push(*right);
                    rest = *left;
                }
                first => {
                    last_first.push(first);
                    break;
                }
            }
        }
        let place = match op {
            BinaryOperator::And => "redshift_and",
            _ => "redshift_or",
        };
        let all = last_first.into_iter().rev();
        let all = all.map(|operand| self.condition(place, operand));
        Ok(balanced(all.collect::<Result<Vec<_>>>()?, &op))
    }

    /// An expression that must be a boolean. `place` is the one of [`functions::CONDITIONS`] where it stands, which is called with it if its
    /// type is not plain to see.
    pub(crate) fn condition(&mut self, place: &str, expr: Expr) -> Result<Expr> {
        let condition = match place {
            "redshift_on" => self.of_row("ON", expr)?,
            "redshift_having" => self.of_group("HAVING", expr)?,
            _ => self.expr(expr)?,
        };
        if is_boolean(&condition) {
            return Ok(condition);
        }
        // A text that is written there is read as one.
        Ok(match is_written_text(&condition) {
            true => call_cast(functions::CAST, condition, "boolean"),
            false => call(place, vec![condition]),
        })
    }

    fn tested(&mut self, place: &str, expr: Box<Expr>) -> Result<Box<Expr>> {
        Ok(Box::new(self.condition(place, *expr)?))
    }

    fn unary(&mut self, op: UnaryOperator, expr: Expr) -> Result<Expr> {
        let expr = match op {
            UnaryOperator::Not => self.condition("redshift_not", expr)?,
            _ => self.expr(expr)?,
        };
        Ok(match op {
            UnaryOperator::Not | UnaryOperator::Minus | UnaryOperator::Plus => Expr::UnaryOp {
                op,
                expr: Box::new(expr),
            },
            UnaryOperator::PGAbs => call("abs", vec![expr]),
            UnaryOperator::PGSquareRoot => call("redshift_sqrt", vec![expr]),
            UnaryOperator::PGCubeRoot => call("cbrt", vec![expr]),
            UnaryOperator::BitwiseNot => call("redshift_bitwise_not", vec![expr]),
            other => return Err(syntax(&other.to_string())),
        })
    }

    /// `a IN (SELECT ..)` and `(a, b) IN (SELECT ..)`; the room `sql` compares rows column by column.
    fn in_subquery(&mut self, expr: Expr, subquery: Query, negated: bool) -> Result<Expr> {
        let expr = self.expr(expr)?;
        let subquery = self.subquery(subquery)?;
        let columns = match &expr {
            Expr::Tuple(values) => values.len(),
            _ => 1,
        };
        match width(&subquery.body) {
            Some(found) if found > columns => {
                return Err(Error::new(
                    &error::SUBQUERY_COLUMNS,
                    &[&"has too many columns"],
                ));
            }
            Some(found) if found < columns => {
                return Err(Error::new(
                    &error::SUBQUERY_COLUMNS,
                    &[&"has too few columns"],
                ));
            }
            _ => {}
        }
        Ok(Expr::InSubquery {
            expr: Box::new(expr),
            subquery: Box::new(subquery),
            negated,
        })
    }

    /// An expression without columns, such as a default, and the clause that it stands in.
    pub(crate) fn constant(&mut self, clause: &str, expr: Expr) -> Result<Expr> {
        self.begin_change();
        let expr = self.of_row(clause, expr);
        self.end_change();
        expr
    }

    /// An expression of a clause that has one row at a time.
    pub(crate) fn of_row(&mut self, clause: &str, expr: Expr) -> Result<Expr> {
        self.begin_item();
        let expr = self.expr(expr)?;
        self.check_rows(clause)?;
        Ok(expr)
    }

    /// An expression of a clause that has one group at a time.
    fn of_group(&mut self, clause: &str, expr: Expr) -> Result<Expr> {
        self.begin_item();
        let expr = self.expr(expr)?;
        self.check_groups(clause)?;
        Ok(expr)
    }
}

/// `SELECT items FROM from WHERE condition`
pub(crate) fn select(
    projection: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    selection: Option<Expr>,
) -> Query {
    use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
    use datafusion::sql::sqlparser::ast::{GroupByExpr, Select, SelectFlavor};
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
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
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    query(SetExpr::Select(Box::new(select)))
}

/// A query of a body alone.
pub(crate) fn query(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// Whether an expression that was rewritten is a boolean or NULL, whatever the columns are.
fn is_boolean(expr: &Expr) -> bool {
    use BinaryOperator as Op;
    match expr {
        Expr::Nested(inner) => is_boolean(inner),
        Expr::Value(value) => matches!(value.value, Value::Boolean(_) | Value::Null),
        Expr::BinaryOp { op, .. } => matches!(
            op,
            Op::And
                | Op::Or
                | Op::Eq
                | Op::NotEq
                | Op::Lt
                | Op::LtEq
                | Op::Gt
                | Op::GtEq
                | Op::PGRegexMatch
                | Op::PGRegexIMatch
                | Op::PGRegexNotMatch
                | Op::PGRegexNotIMatch
        ),
        Expr::UnaryOp { op, .. } => *op == UnaryOperator::Not,
        Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::SimilarTo { .. }
        | Expr::InSubquery { .. }
        | Expr::Exists { .. } => true,
        _ => false,
    }
}

fn is_written_text(expr: &Expr) -> bool {
    match unnested(expr) {
        Expr::Value(value) => matches!(value.value, Value::SingleQuotedString(_)),
        _ => false,
    }
}

/// An expression without the parentheses around it.
pub(super) fn unnested(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

pub(super) fn is_random(expr: &Expr) -> bool {
    let visited = visit_expressions(expr, |expr| match expr {
        Expr::Function(function) if plain_name(&function.name) == ["random"] => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    visited.is_break()
}

/// `schema.table.column` is `table.column`.
pub(super) fn qualified(parts: Vec<Ident>) -> Expr {
    let skip = parts.len().saturating_sub(2);
    let parts = parts.into_iter().skip(skip);
    Expr::CompoundIdentifier(parts.map(|part| ident(&part.value)).collect())
}

fn literal(value: ValueWithSpan) -> Result<Expr> {
    Ok(Expr::Value(match value.value {
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => value,
        Value::EscapedStringLiteral(text) | Value::NationalStringLiteral(text) => ValueWithSpan {
            value: Value::SingleQuotedString(text),
            span: value.span,
        },
        Value::DollarQuotedString(text) => ValueWithSpan {
            value: Value::SingleQuotedString(text.value),
            span: value.span,
        },
        Value::Placeholder(name) => {
            return Err(Error::new(&error::PARAMETER_MISSING, &[&name]));
        }
        other => return Err(syntax(&other.to_string())),
    }))
}

pub(super) fn any(expr: Expr, list: Vec<Expr>, op: &BinaryOperator, and: &BinaryOperator) -> Expr {
    let each = list
        .into_iter()
        .map(|item| binary(expr.clone(), op.clone(), item));
    let all = balanced(each.collect(), and);
    Expr::Nested(Box::new(all))
}

/// `(a, b) IN ((1, 2), (3, 4))`, which is NULL if no row is equal and one of the comparisons is NULL.
fn row_in_list(values: &[Expr], list: Vec<Expr>, negated: bool) -> Result<Expr> {
    let rows = list.into_iter().map(|row| match row {
        Expr::Tuple(row) if row.len() == values.len() => {
            let columns = values.iter().cloned().zip(row);
            let equal = columns.map(|(value, other)| binary(value, BinaryOperator::Eq, other));
            let all = balanced(equal.collect(), &BinaryOperator::And);
            Ok(Expr::Nested(Box::new(all)))
        }
        _ => Err(Error::new(&error::ROW_ENTRIES, &[])),
    });
    let any = balanced(rows.collect::<Result<_>>()?, &BinaryOperator::Or);
    let any = Expr::Nested(Box::new(any));
    Ok(match negated {
        true => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(any),
        },
        false => any,
    })
}

/// A long list becomes a tree that is not deep.
pub(super) fn balanced(mut each: Vec<Expr>, and: &BinaryOperator) -> Expr {
    match each.len() {
        0 => Expr::value(Value::Boolean(*and == BinaryOperator::And)),
        1 => each.swap_remove(0),
        count => {
            let right = each.split_off(count / 2);
            let (left, right) = (balanced(each, and), balanced(right, and));
            binary(left, and.clone(), right)
        }
    }
}

pub(crate) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

fn cast(function: &str, expr: Expr, data_type: &DataType) -> Result<Expr> {
    let data_type = parse::sql(data_type, None)?;
    Ok(call_cast(function, expr, &data_type.name()))
}

/// A cast to a type by its name.
pub(crate) fn call_cast(function: &str, expr: Expr, data_type: &str) -> Expr {
    let data_type = Expr::value(Value::SingleQuotedString(data_type.to_owned()));
    call(function, vec![expr, data_type])
}

/// A moment as a value of a type.
pub(super) fn moment(micros: i64, data_type: &str) -> Expr {
    let text = crate::types::show::timestamp(micros);
    call_cast(
        functions::CAST,
        Expr::value(Value::SingleQuotedString(text)),
        data_type,
    )
}

/// A call of a function that computes it, whatever it is called in SQL.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    use datafusion::sql::sqlparser::ast::{
        Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    };
    Expr::Function(Function {
        name: ident(name).into(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
