//! Columns of views that are bound late: those that their queries have now.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{SelectItem, TableWithJoins, WildcardAdditionalOptions};

use super::{Binder, Context, LastIds, Query};
use crate::catalog::{Catalog, Object, View};
use crate::engine::Shared;
use crate::error::{self, Result, Rule};
use crate::run::settings::Settings;
use crate::types::Column;
use crate::types::show::Digits;

/// Views that are bound late, with their columns. A view is left out whose tables are not there.
pub(super) async fn columns(
    shared: &Arc<Shared>,
    catalog: &Catalog,
) -> Result<Vec<(Arc<View>, Vec<Column>)>> {
    let mut all = Vec::new();
    for object in catalog.objects() {
        if let Object::View(view) = object
            && view.late_binding
        {
            match columns_of(shared, catalog, view).await {
                Ok(columns) => all.push((Arc::clone(view), columns)),
                Err(error) if GONE.contains(&error.rule()) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(all)
}

/// What a view fails with whose tables have changed.
const GONE: [&Rule; 3] = [
    &error::UNDEFINED_TABLE,
    &error::UNDEFINED_SCHEMA,
    &error::UNDEFINED_COLUMN,
];

async fn columns_of(
    shared: &Arc<Shared>,
    catalog: &Catalog,
    view: &Arc<View>,
) -> Result<Vec<Column>> {
    let context = Context {
        user: crate::run::system::OWNER.to_owned(),
        database: shared.database.clone(),
        pid: 0,
        path: Vec::new(),
        temporary: 0,
        now: 0,
        transaction_started: 0,
        last_copy: 0,
        last_unload: 0,
        number: 0,
        last_ids: LastIds::default(),
        digits: Digits::default(),
        settings: Settings::default(),
        isolation: shared.isolation,
    };
    whole(shared, catalog, &context, view).await?.columns()
}

/// All columns of a view.
pub(super) async fn whole(
    shared: &Arc<Shared>,
    catalog: &Catalog,
    context: &Context,
    view: &Arc<View>,
) -> Result<Query> {
    let relation = Binder::new(catalog, context).view(view, None)?;
    let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    let from = TableWithJoins {
        relation,
        joins: Vec::new(),
    };
    let query = super::select(vec![all], vec![from], None);
    Query::plan(shared, catalog, query, context.digits).await
}
