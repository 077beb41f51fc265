//! The SELECT list: its expressions, and what its columns are called.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, SelectItem, SelectItemQualifiedWildcardKind,
    WildcardAdditionalOptions,
};

use super::names::ident;
use super::{Binder, path, syntax};
use crate::error::Result;
use crate::syntax::check_label;

/// What follows a name that stands twice in a list.
pub(super) const AGAIN: char = '\u{1}';

impl Binder<'_> {
    pub(super) fn projection(&mut self, items: Vec<SelectItem>) -> Result<Vec<SelectItem>> {
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
                    let name = self.table_of_all(&name)?.into();
                    let kind = SelectItemQualifiedWildcardKind::ObjectName(name);
                    SelectItem::QualifiedWildcard(kind, options)
                }
                SelectItem::QualifiedWildcard(..) => return Err(syntax("*")),
            });
        }
        Ok(projection)
    }

    /// The names of a list's columns; `None` if they are not known.
    pub(super) fn output(&self, projection: &[SelectItem]) -> Option<BTreeSet<String>> {
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
