//! Expressions that differ in casts alone: `min(t), min(CAST(t AS DATE))`, `GROUP BY t, CAST(t AS DATE)`.
//!
//! DataFusion leaves casts out of the names of columns, so that both are called `min(t)`, which it refuses. Where a query has several of
//! them, their casts get names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::LazyLock;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr as Planned, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, Value, Visitor,
};

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
                        *expr = call(NAME, [expr.clone(), name]);
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

const NAME: &str = "named";

/// `named(value, 'name')`: the value.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::from(Named)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Named;

static SIGNATURE: LazyLock<Signature> = LazyLock::new(|| Signature::any(2, Volatility::Immutable));

impl ScalarUDFImpl for Named {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &SIGNATURE
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(FieldRef::clone(&arguments.arg_fields[0]))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(value) => Ok(value),
            None => internal_err!("`{NAME}` has a value"),
        }
    }

    fn simplify(
        &self,
        arguments: Vec<Planned>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        match arguments.into_iter().next() {
            Some(value) => Ok(ExprSimplifyResult::Simplified(value)),
            None => internal_err!("`{NAME}` has a value"),
        }
    }

    fn schema_name(&self, arguments: &[Planned]) -> Result<String> {
        Ok(match arguments {
            [_, Planned::Literal(name, _)] => name.to_string(),
            _ => NAME.to_owned(),
        })
    }

    fn display_name(&self, arguments: &[Planned]) -> Result<String> {
        self.schema_name(arguments)
    }
}
