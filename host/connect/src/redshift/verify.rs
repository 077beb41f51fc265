//! Whether a table has what the log says, by its ledger and by the numbers that appended rows have.

use std::collections::BTreeMap;

use transom_commit::{Ledger, Position, Reading, SinkError};

use super::{RedshiftSink, is_appended};
use super::{sql, target};
use crate::sink::{Expected, IsThere, Verified, redo};

impl RedshiftSink {
    /// Compares the ledger with the log, and counts the rows of each entry that has appended some.
    pub(super) async fn verify_table(
        &self,
        expected: &Expected<'_>,
    ) -> Result<Verified, SinkError> {
        let mut verified = Verified::default();
        let api = self.api_of("read the ledger of").await?;
        let reading = self.read_ledger(&api).await?;
        if !self.verify_ledger(expected, &reading, &mut verified) {
            return Ok(verified);
        }
        let table = &self.table.table;
        let columns = target::columns_of(&api, table).await;
        let columns = columns.map_err(|error| self.failed("look at", error))?;
        if columns.is_none() && expected.position != Position::START {
            let problem = format!("the table `{table}` is gone, and its ledger is there");
            verified.find(&self.name, problem, self.restore());
            return Ok(verified);
        }
        if !expected.loads.iter().any(|load| is_appended(load.part)) {
            return Ok(verified);
        }
        let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
        let counted = api.query(&sql::count_by_entry(&self.table.table)).await;
        for row in counted.map_err(|error| self.failed("count the rows of", error))? {
            let number = |at: usize| row.get(at).cloned().flatten()?.parse::<u64>().ok();
            // Rows without a number were there before.
            if let (Some(entry), Some(count)) = (number(0), number(1)) {
                rows.insert(entry, count);
            }
        }
        for load in &expected.loads {
            let entry = load.position.seq;
            let found = rows.remove(&entry).unwrap_or(0);
            let loaded = match load.is_there {
                IsThere::Yes if is_appended(load.part) => load.part.rows,
                IsThere::Yes | IsThere::TakenBack | IsThere::Never => 0,
                IsThere::Perhaps => continue,
            };
            verified.rows += found;
            if found != loaded {
                let problem =
                    format!("`{table}` has {found} rows of entry {entry}, and must have {loaded}");
                verified.find(&self.name, problem, redo(entry));
            }
        }
        for (entry, found) in rows {
            let problem =
                format!("`{table}` has {found} rows of entry {entry}, which has loaded none");
            let hint = "find out whose they are, and whether the end of the log is missing";
            verified.find(&self.name, problem, hint);
        }
        Ok(verified)
    }

    /// Compares the ledger with the log; says whether it is worthwhile to look at the table.
    fn verify_ledger(
        &self,
        expected: &Expected<'_>,
        reading: &Reading,
        verified: &mut Verified,
    ) -> bool {
        let name = &self.name;
        let ledger = self.table.table.ledger();
        let replay = format!(
            "`transom sink replay {name}` loads what the table lacks; `transom sink adopt {name}` says that it is right"
        );
        let is_new = [Some(expected.position), expected.before].contains(&Some(Position::START));
        let (problem, hint) = match reading {
            Reading::Missing if is_new => return false,
            Reading::Missing => (format!("the ledger `{ledger}` is gone"), replay),
            Reading::Rows(rows) => (
                format!("the ledger `{ledger}` has {rows} rows instead of one"),
                "leave the one that is right".to_owned(),
            ),
            Reading::Ledger(found) if found.log != expected.log => (
                format!(
                    "the ledger `{ledger}` belongs to another log, {}",
                    found.log
                ),
                "write to another table, or find the right state".to_owned(),
            ),
            Reading::Ledger(Ledger {
                owner: Some(owner), ..
            }) => (
                format!("the table belongs to sink `{owner}` of this log"),
                "give the sink its old name, or let it write another table".to_owned(),
            ),
            Reading::Ledger(found)
                if found.position == expected.position
                    || Some(found.position) == expected.before =>
            {
                return true;
            }
            Reading::Ledger(found) => {
                let (at, position) = (found.position, expected.position);
                let hint = match at.seq > position.seq {
                    true => "the end of the log is missing: find the right state".to_owned(),
                    false => replay,
                };
                let problem =
                    format!("the ledger `{ledger}` is at entry {at}, and the log says {position}");
                verified.find(name, problem, hint);
                return true;
            }
        };
        verified.find(name, problem, hint);
        false
    }
}
