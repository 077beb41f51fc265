//! `DROP`.

use datafusion::sql::sqlparser::ast::ObjectName;

use super::Environment;
use super::create::{dependents, existing};
use super::keys::{Gone, depends};
use crate::bind;
use crate::catalog::{Id, Object, PUBLIC};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::syntax::DropKind;
use crate::transaction::Transaction;

pub(super) async fn drop(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    kind: DropKind,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<Outcome> {
    let tag = match kind {
        DropKind::Table => "DROP TABLE",
        DropKind::View => "DROP VIEW",
        DropKind::Schema => "DROP SCHEMA",
    };
    let mut outcome = Outcome::tagged(tag);
    for name in names {
        let preview = transaction.preview();
        let shown = bind::plain_name(name).join(".");
        let found = match kind {
            DropKind::Schema => match preview.schema(&shown).and_then(|id| preview.get(id)) {
                Some(object) => Ok(object.clone()),
                None => Err(Error::new(&error::UNDEFINED_SCHEMA, &[&shown])),
            },
            _ => existing(environment, &preview, name),
        };
        let object = match found {
            Ok(object) => object,
            Err(error) if if_exists && ["42P01", "3F000"].contains(&error.sqlstate()) => {
                outcome
                    .notices
                    .push(format!("\"{shown}\" does not exist and will be skipped"));
                continue;
            }
            Err(error) => return Err(error),
        };
        match (kind, &object) {
            (DropKind::Table, Object::Table(_))
            | (DropKind::View, Object::View(_))
            | (DropKind::Schema, Object::Schema(_)) => {}
            (DropKind::Table, _) => return Err(Error::new(&error::NOT_A_TABLE, &[&shown])),
            _ => return Err(Error::new(&error::NOT_A_VIEW, &[&shown])),
        }
        transaction.lock(object.id(), false).await?;
        let catalog = transaction.catalog().clone();
        let mut all: Vec<Id> = vec![object.id()];
        if kind == DropKind::Schema {
            if object.id() == PUBLIC {
                return Err(Error::not_yet("DROP SCHEMA public"));
            }
            let within = catalog
                .objects()
                .filter(|other| other.key().0 == object.id());
            all.extend(within.map(Object::id));
        }
        for id in all.clone() {
            all.extend(dependents(&catalog, id));
        }
        all.sort_unstable();
        all.dedup();
        let refused = || {
            let what = match kind {
                DropKind::Table => "table",
                DropKind::View => "view",
                DropKind::Schema => "schema",
            };
            depends(&format!("{what} {shown}"))
        };
        if all.len() > 1 && !cascade {
            return Err(refused());
        }
        for id in &all {
            transaction.lock(*id, false).await?;
        }
        let gone = Gone::Tables(all.clone());
        let referring = gone.referring(transaction, &all)?;
        if !referring.is_empty() && !cascade {
            return Err(refused());
        }
        gone.release(transaction, referring).await?;
        for id in all {
            transaction.remove(id)?;
        }
    }
    Ok(outcome)
}
