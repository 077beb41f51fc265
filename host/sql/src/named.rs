//! Aggregates that differ in casts alone: `min(t), min(CAST(t AS DATE))`.
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
    Expr, FunctionArguments, Query, Value, Visit, VisitMut, Visitor, VisitorMut,
    visit_expressions_mut,
};

use crate::statement::call;

/// Names the casts in calls that would be called alike without them.
pub(crate) fn casts(query: &mut Query) {
    let mut calls = Calls::default();
    let _ = Visit::visit(query, &mut calls);
    let alike = calls.0.into_values().filter(|calls| calls.len() > 1);
    let alike: BTreeSet<String> = alike.flatten().collect();
    if !alike.is_empty() {
        let _ = VisitMut::visit(query, &mut Naming(&alike));
    }
}

/// Calls of functions, by what they are without casts.
#[derive(Default)]
struct Calls(BTreeMap<String, BTreeSet<String>>);

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            let mut plain = expr.clone();
            let _ = visit_expressions_mut(&mut plain, |expr| {
                if let Expr::Cast { expr: inner, .. } = expr {
                    *expr = std::mem::replace(inner, Expr::value(Value::Null));
                }
                ControlFlow::<()>::Continue(())
            });
            let calls = self.0.entry(plain.to_string()).or_default();
            calls.insert(function.to_string());
        }
        ControlFlow::Continue(())
    }
}

struct Naming<'a>(&'a BTreeSet<String>);

impl VisitorMut for Naming<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && self.0.contains(&function.to_string())
            && let FunctionArguments::List(arguments) = &mut function.args
        {
            let _ = visit_expressions_mut(arguments, |expr| {
                if let Expr::Cast { .. } = expr {
                    let name = expr.to_string();
                    let name = Expr::value(Value::SingleQuotedString(name));
                    *expr = call(NAME, [expr.clone(), name]);
                }
                ControlFlow::<()>::Continue(())
            });
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
