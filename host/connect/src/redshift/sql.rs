//! The statements of a loading transaction. All values in them are made here: positions, hex digits, counts, addresses.

#[cfg(feature = "testing")]
use transom_commit::Mutant;
use transom_commit::{Claim, Disposition, Ledger, LogId, Position, Submission};
use transom_file::spec::{LoadMode, S3Url, TableName};

use super::document::{Load, Replaced};
use super::target::{LoadColumn, SEQ, TargetColumn};
use super::types::Type;

/// The temporary table that COPY fills.
const STAGE: &str = "transom_stage";
/// The temporary table of the partitions that are replaced.
const REPLACES: &str = "transom_replaces";

/// A name in quotes, whatever is in it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in quotes. A backslash is an escape in Redshift.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A table with its schema.
pub(super) fn table_name(table: &TableName) -> String {
    format!("{}.{}", identifier(&table.schema), identifier(&table.name))
}

/// A list with commas.
fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Bytes of the column for the sink's name at least.
const LEAST_NAME: usize = 256;

/// Creates the ledger of a table at position 0, with its row: its name is the only unique key there is.
pub(super) fn create_ledger(table: &TableName, log: impl ToString, sink: &str) -> String {
    format!(
        "CREATE TABLE {} AS SELECT CAST({} AS VARCHAR(36)) AS log_id, CAST(0 AS BIGINT) AS pos, \
         CAST('-' AS VARCHAR(80)) AS attempt, CAST('-' AS VARCHAR(36)) AS loading, CAST(0 AS BIGINT) AS blocked, \
         CAST('-' AS VARCHAR(8)) AS disposition, CAST(0 AS BIGINT) AS skipped, CAST(0 AS BIGINT) AS loaded, \
         CAST('2000-01-01 00:00:00' AS TIMESTAMP) AS applied_at, CAST({} AS VARCHAR({})) AS sink",
        table_name(&table.ledger()),
        literal(&log.to_string()),
        literal(sink),
        sink.len().max(LEAST_NAME)
    )
}

pub(super) fn create_schema(table: &TableName) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(&table.schema))
}

/// Adds the column for the sink's name to a ledger that an earlier version has created.
pub(super) fn add_sink(table: &TableName, sink: &str) -> String {
    format!(
        "ALTER TABLE {} ADD COLUMN sink VARCHAR({})",
        table_name(&table.ledger()),
        sink.len().max(LEAST_NAME)
    )
}

/// Has a ledger that names no sink name this one.
pub(super) fn name_sink(table: &TableName, log: impl ToString, sink: &str) -> String {
    format!(
        "UPDATE {} SET sink = {} WHERE log_id = {} AND (sink IS NULL OR sink = '')",
        table_name(&table.ledger()),
        literal(sink),
        literal(&log.to_string())
    )
}

/// All columns, in the order in which [`create_ledger`] has them: ledgers that earlier versions have created may lack the last one.
pub(super) fn read_ledger(table: &TableName) -> String {
    let ledger = table_name(&table.ledger());
    #[cfg(feature = "testing")]
    if Mutant::from_env() == Some(Mutant::LedgerInserted) {
        return format!("SELECT * FROM {ledger} ORDER BY pos DESC LIMIT 1");
    }
    format!("SELECT * FROM {ledger}")
}

/// The first two statements: the ledger moves from one entry to the next, which takes its lock; then it is looked at
/// whether this very submission has moved it. A division by zero ends the transaction.
pub(super) fn claim(
    table: &TableName,
    claim: &Claim,
    submission: Submission,
    (rows, skip): (u64, bool),
) -> [String; 2] {
    let ledger = table_name(&table.ledger());
    let at = |position: &Position| (position.seq, literal(&position.attempt_text()));
    let ((from, from_attempt), (to, to_attempt)) = (at(&claim.from), at(&claim.to));
    let log = literal(&claim.log.to_string());
    let own = format!("loading = '{submission}'");
    #[cfg(feature = "testing")]
    let own = match Mutant::from_env() {
        Some(Mutant::LedgerInserted) => {
            return [
                format!(
                    "INSERT INTO {ledger} \
                     (log_id, pos, attempt, loading, blocked, disposition, skipped, loaded, applied_at, sink) \
                     SELECT log_id, {to}, {to_attempt}, '{submission}', 0, '-', {}, {rows}, GETDATE(), sink FROM {ledger} \
                     WHERE log_id = {log} AND pos = {from} AND attempt = {from_attempt} AND blocked = {} \
                     AND (SELECT COUNT(*) FROM {ledger} WHERE pos >= {to}) = 0",
                    u8::from(skip),
                    claim.blocked
                ),
                format!(
                    "SELECT 1 / CASE WHEN SUM(CASE WHEN pos = {to} AND {own} THEN 1 ELSE 0 END) = 1 \
                     THEN 1 ELSE 0 END AS claimed FROM {ledger}"
                ),
            ];
        }
        Some(Mutant::NonceGuard) => format!("attempt = {to_attempt}"),
        _ => own,
    };
    [
        format!(
            "UPDATE {ledger} SET pos = {to}, attempt = {to_attempt}, loading = '{submission}', blocked = 0, disposition = '-', \
             skipped = {}, loaded = {rows}, applied_at = GETDATE() \
             WHERE log_id = {log} AND pos = {from} AND attempt = {from_attempt} AND blocked = {}",
            u8::from(skip),
            claim.blocked
        ),
        format!(
            "SELECT 1 / CASE WHEN COUNT(*) = 1 AND SUM(CASE WHEN pos = {to} AND {own} THEN 1 ELSE 0 END) = 1 \
             THEN 1 ELSE 0 END AS claimed FROM {ledger}"
        ),
    ]
}

/// Has the ledger say that its table is at a position, if it is as it was seen (or has not one row): a division by zero ends
/// the transaction otherwise.
pub(super) fn adopt(
    table: &TableName,
    seen: Option<&Ledger>,
    (log, position): (LogId, &Position),
    sink: &str,
    mark: Submission,
) -> Vec<String> {
    let ledger = table_name(&table.ledger());
    let log = literal(&log.to_string());
    let (seq, attempt) = (position.seq, literal(&position.attempt_text()));
    // One that names another sink has a column for it.
    let named = match seen.and_then(|seen| seen.owner.as_ref()) {
        Some(_) => format!(", sink = {}", literal(sink)),
        None => String::new(),
    };
    let mut statements = match seen {
        Some(seen) => vec![format!(
            "UPDATE {ledger} SET log_id = {log}, pos = {seq}, attempt = {attempt}, loading = '{mark}', blocked = 0, \
             disposition = '-', skipped = 0, loaded = 0, applied_at = GETDATE(){named} \
             WHERE log_id = {} AND pos = {} AND attempt = {}",
            literal(&seen.log.to_string()),
            seen.position.seq,
            literal(&seen.position.attempt_text())
        )],
        None => vec![
            format!("DELETE FROM {ledger}"),
            format!(
                "INSERT INTO {ledger} (log_id, pos, attempt, loading, blocked, disposition, skipped, loaded, applied_at) \
                 VALUES ({log}, {seq}, {attempt}, '{mark}', 0, '-', 0, 0, GETDATE())"
            ),
        ],
    };
    statements.push(format!(
        "SELECT 1 / CASE WHEN COUNT(*) = 1 AND SUM(CASE WHEN loading = '{mark}' THEN 1 ELSE 0 END) = 1 \
         THEN 1 ELSE 0 END AS adopted FROM {ledger}"
    ));
    statements
}

/// The last statement: nothing is loading any more, so that the same text, carried out again, ends at the second
/// statement.
pub(super) fn release(table: &TableName, submission: Submission) -> String {
    // Who inserts into the ledger takes no lock that others wait for.
    #[cfg(feature = "testing")]
    if let Some(Mutant::ClaimStays | Mutant::LedgerInserted) = Mutant::from_env() {
        return "SELECT 1".to_owned();
    }
    format!(
        "UPDATE {} SET loading = '-' WHERE loading = '{submission}'",
        table_name(&table.ledger())
    )
}

/// Blocks an entry, if the ledger is at the one before it.
pub(super) fn block(
    table: &TableName,
    log: impl ToString,
    prev: &Position,
    seq: u64,
    disposition: Disposition,
) -> String {
    format!(
        "UPDATE {} SET blocked = {seq}, disposition = '{}' \
         WHERE log_id = {} AND pos = {} AND attempt = {} AND blocked IN (0, {seq})",
        table_name(&table.ledger()),
        disposition_text(disposition),
        literal(&log.to_string()),
        prev.seq,
        literal(&prev.attempt_text())
    )
}

/// As the ledger has it.
pub(super) fn disposition_text(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Redo => "redo",
        Disposition::Skip => "skip",
    }
}

/// Takes back what was appended by the entries between two.
pub(super) fn take_back(table: &TableName, to: u64, seq: u64) -> String {
    format!(
        "DELETE FROM {} WHERE {SEQ} > {to} AND {SEQ} < {seq}",
        table_name(table)
    )
}

/// A row of a table, if it has any.
pub(super) fn any_row(table: &TableName) -> String {
    format!("SELECT 1 FROM {} LIMIT 1", table_name(table))
}

/// How many rows each entry has appended.
pub(super) fn count_by_entry(table: &TableName) -> String {
    format!(
        "SELECT {SEQ}, COUNT(*) FROM {} GROUP BY {SEQ}",
        table_name(table)
    )
}

/// A temporary table with the columns of files, filled from them. It has the types of the table, and its NOT NULL, so
/// that COPY refuses what the table would.
fn copy(
    into: &str,
    columns: &[LoadColumn],
    not_null: impl Fn(&str) -> bool,
    manifest: &S3Url,
    role: &str,
) -> [String; 2] {
    let column = |column: &LoadColumn| {
        let not_null = if not_null(&column.name) {
            " NOT NULL"
        } else {
            ""
        };
        let name = identifier(&column.name);
        format!("{name} {}{not_null}", column.data_type.copied())
    };
    let is_super = columns.iter().any(|column| column.data_type == Type::Super);
    let role = match role {
        "default" => role.to_owned(),
        arn => literal(arn),
    };
    [
        format!("CREATE TEMP TABLE {into} ({})", list(columns, column)),
        format!(
            "COPY {into} ({}) FROM {} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST{}",
            list(columns, |column| identifier(&column.name)),
            literal(&manifest.to_string()),
            if is_super { " SERIALIZETOJSON" } else { "" }
        ),
    ]
}

fn complete(table: &str, rows: u64) -> String {
    format!("SELECT 1 / CASE WHEN COUNT(*) = {rows} THEN 1 ELSE 0 END AS complete FROM {table}")
}

/// What a load does with the rows of the table and with those that were staged. `existing` is the table as it is.
pub(super) fn load(load: &Load, existing: &[TargetColumn], seq: u64, role: &str) -> Vec<String> {
    let options = &load.table;
    let target = table_name(&options.table);
    let not_null = |name: &str| {
        let of_table = existing
            .iter()
            .any(|column| column.name == name && column.not_null);
        of_table
            || options
                .keys
                .iter()
                .chain(&options.order_by)
                .any(|key| key == name)
    };
    let mut statements = Vec::new();
    let mut temporary = Vec::new();
    if let Some(manifest) = &load.manifest {
        statements.extend(copy(STAGE, &load.columns, not_null, manifest, role));
        statements.push(complete(STAGE, load.rows));
        temporary.push(STAGE);
    }
    if let Some(replaces) = &load.replaces {
        let columns = load.columns.iter();
        let columns: Vec<LoadColumn> = columns
            .filter(|column| replaces.columns.contains(&column.name))
            .cloned()
            .collect();
        statements.extend(copy(
            REPLACES,
            &columns,
            |_| false,
            &replaces.manifest,
            role,
        ));
        statements.push(complete(REPLACES, replaces.rows));
        temporary.push(REPLACES);
    }
    match options.mode {
        LoadMode::Append => {}
        LoadMode::Merge if load.manifest.is_some() => statements.push(delete_older(load)),
        LoadMode::Merge => {}
        LoadMode::OverwritePartitions => {
            let replaces = load.replaces.as_ref();
            statements.extend(replaces.map(|replaces| delete_partitions(load, replaces)));
        }
        LoadMode::Overwrite => statements.push(format!("DELETE FROM {target}")),
    }
    if load.manifest.is_some() {
        statements.push(insert(load, seq));
    }
    let drop = |table: &&str| format!("DROP TABLE {table}");
    statements.extend(temporary.iter().map(drop));
    statements
}

/// A column of the table, in a statement with several tables.
fn of_target(load: &Load, column: &str) -> String {
    format!(
        "{}.{}",
        identifier(&load.table.table.name),
        identifier(column)
    )
}

/// The value of a staged column in the table's type.
fn of_stage(load: &Load, table: &str, name: &str) -> String {
    let value = format!("{table}.{}", identifier(name));
    let column = load.columns.iter().find(|column| column.name == name);
    match column.map(|column| column.data_type) {
        Some(data_type) if data_type != data_type.copied() => {
            format!("CAST({value} AS {data_type})")
        }
        _ => value,
    }
}

fn same_keys(load: &Load, stage: &str, target: impl Fn(&str) -> String) -> String {
    let same = |key: &String| format!("{} = {}", target(key), of_stage(load, stage, key));
    let keys: Vec<String> = load.table.keys.iter().map(same).collect();
    keys.join(" AND ")
}

/// Rows that are not newer than the staged one of the same keys.
fn delete_older(load: &Load) -> String {
    let target = |name: &str| of_target(load, name);
    // (a, b) <= (c, d), column by column.
    let mut not_newer = String::new();
    for column in load.table.order_by.iter().rev() {
        let (there, staged) = (target(column), of_stage(load, STAGE, column));
        not_newer = match not_newer.as_str() {
            "" => format!("{there} <= {staged}"),
            rest => format!("({there} < {staged} OR ({there} = {staged} AND {rest}))"),
        };
    }
    format!(
        "DELETE FROM {} USING {STAGE} WHERE {} AND {not_newer}",
        table_name(&load.table.table),
        same_keys(load, STAGE, target)
    )
}

fn delete_partitions(load: &Load, replaces: &Replaced) -> String {
    let same = |column: &String| {
        let (there, replaced) = (of_target(load, column), of_stage(load, REPLACES, column));
        format!("({there} = {replaced} OR ({there} IS NULL AND {replaced} IS NULL))")
    };
    let columns: Vec<String> = replaces.columns.iter().map(same).collect();
    format!(
        "DELETE FROM {} USING {REPLACES} WHERE {}",
        table_name(&load.table.table),
        columns.join(" AND ")
    )
}

fn insert(load: &Load, seq: u64) -> String {
    let target = table_name(&load.table.table);
    let names = list(&load.columns, |column| identifier(&column.name));
    let values = |table: &str| list(&load.columns, |column| of_stage(load, table, &column.name));
    match load.table.mode {
        LoadMode::Append => format!(
            "INSERT INTO {target} ({names}, {SEQ}) SELECT {}, {seq} FROM {STAGE}",
            values(STAGE)
        ),
        LoadMode::OverwritePartitions | LoadMode::Overwrite => format!(
            "INSERT INTO {target} ({names}) SELECT {} FROM {STAGE}",
            values(STAGE)
        ),
        // Of the staged rows with the same keys the newest; of equally new ones the one with the larger values, so
        // that it is always the same one.
        LoadMode::Merge => {
            let keys = list(&load.table.keys, |key| identifier(key));
            let rest = load.columns.iter().filter(|column| {
                let is_named = |names: &[String]| names.contains(&column.name);
                column.data_type.is_comparable()
                    && !is_named(&load.table.keys)
                    && !is_named(&load.table.order_by)
            });
            let order = load.table.order_by.iter();
            let order = order.chain(rest.map(|column| &column.name));
            let order: Vec<String> = order
                .map(|name| format!("{} DESC NULLS LAST", identifier(name)))
                .collect();
            let first_key = load.table.keys.first().map(|key| identifier(key));
            format!(
                "INSERT INTO {target} ({names}) SELECT {} FROM (SELECT {names}, \
                 ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {}) AS transom_rank FROM {STAGE}) AS s \
                 LEFT JOIN {target} AS t ON {} WHERE s.transom_rank = 1 AND t.{} IS NULL",
                values("s"),
                order.join(", "),
                same_keys(load, "s", |name| format!("t.{}", identifier(name))),
                first_key.unwrap_or_default()
            )
        }
    }
}
