//! One connection: its prepared statements, its portals, the state of its transaction.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use transom_redshift::{Column, Outcome, Parameter, Rows, Session, TransactionState};

use super::messages::{Format, Incoming, Message, Refusal, Target, Wire};
use super::startup::{self, ENCODING};
use super::{AUTHENTICATION, Shared, deallocate, values};

/// The type that a parameter without a declared one is described with.
const VARCHAR: u32 = 1043;

/// A prepared statement.
#[derive(Debug, Clone)]
struct Statement {
    sql: String,
    /// One for each parameter; 0 if the client leaves it open.
    types: Vec<u32>,
    /// What its rows have, if it gives some.
    columns: Option<Vec<Column>>,
}

/// A statement with its values, and how far its rows were sent.
#[derive(Debug)]
struct Portal {
    sql: String,
    parameters: Vec<Parameter>,
    formats: Vec<Format>,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Ready,
    /// Rows that are left, from a row of a batch on.
    Rows {
        rows: Rows,
        batch: usize,
        row: usize,
        tag: String,
    },
    Done,
}

struct Connection<'a> {
    wire: Wire,
    session: Arc<Session>,
    shared: &'a Shared,
    statements: HashMap<String, Statement>,
    portals: HashMap<String, Portal>,
    /// As the client knows it.
    encoding: String,
    /// After an error, what the client has sent on is skipped up to its Sync.
    is_skipping: bool,
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    shared: &Shared,
    is_one_too_many: bool,
) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    let begun = tokio::time::timeout(
        AUTHENTICATION,
        startup::begin(&mut wire, shared, is_one_too_many),
    );
    let session = match begun.await {
        Ok(begun) => match begun? {
            Some(Ok(session)) => session,
            Some(Err(refusal)) => {
                wire.put_error(&Refusal {
                    is_fatal: true,
                    ..refusal
                });
                return wire.flush().await;
            }
            None => return Ok(()),
        },
        Err(_) => return Ok(()),
    };
    let pid = session.pid() as i32;
    let encoding = session.setting(ENCODING).await.unwrap_or_default();
    let mut connection = Connection {
        wire,
        session,
        shared,
        statements: HashMap::new(),
        portals: HashMap::new(),
        encoding,
        is_skipping: false,
    };
    let ended = connection.run().await;
    connection.shared.sessions().remove(&pid);
    ended
}

impl Connection<'_> {
    async fn run(&mut self) -> io::Result<()> {
        self.ready().await?;
        loop {
            match self.wire.next().await? {
                Incoming::End | Incoming::Message(Message::Terminate) => return Ok(()),
                Incoming::Refused { refusal, .. } if refusal.is_fatal => {
                    self.wire.put_error(&refusal);
                    return self.wire.flush().await;
                }
                Incoming::Refused { refusal, is_query } => {
                    if is_query || !self.is_skipping {
                        self.refuse(&refusal).await;
                    }
                    if is_query {
                        self.sync().await?;
                    }
                }
                Incoming::Message(Message::Sync) => self.sync().await?,
                Incoming::Message(Message::Flush) => self.wire.flush().await?,
                Incoming::Message(Message::Query(text)) => {
                    self.query(&text).await?;
                    self.sync().await?;
                }
                Incoming::Message(_) if self.is_skipping => {}
                Incoming::Message(message) => {
                    if let Err(refusal) = self.take(message).await? {
                        self.refuse(&refusal).await;
                    }
                }
            }
            self.wire.flush_if_large().await?;
        }
    }

    /// Says that something is refused. A transaction ends with it.
    async fn refuse(&mut self, refusal: &Refusal) {
        self.session.fail().await;
        self.wire.put_error(refusal);
        self.is_skipping = true;
    }

    /// Ends what was sent together.
    async fn sync(&mut self) -> io::Result<()> {
        if let Err(error) = self.session.settle().await {
            self.wire.put_error(&error.into());
        }
        // As it is when that is over, for what SET did with it.
        if let Ok(encoding) = self.session.setting(ENCODING).await
            && encoding != self.encoding
        {
            self.wire.put_parameter(ENCODING, &encoding);
            self.encoding = encoding;
        }
        self.is_skipping = false;
        self.ready().await
    }

    async fn ready(&mut self) -> io::Result<()> {
        let state = match self.session.transaction_state().await {
            TransactionState::Idle => b'I',
            TransactionState::Active => b'T',
            TransactionState::Failed => b'E',
        };
        if state == b'I' {
            self.portals.clear();
        }
        self.wire.put(b'Z', |body| body.bytes(&[state]));
        self.wire.flush().await
    }

    /// The simple protocol: the statements of a text, all results as texts.
    async fn query(&mut self, text: &str) -> io::Result<()> {
        let statements = match Session::split(text) {
            Ok(statements) => statements,
            Err(error) => {
                self.refuse(&error.into()).await;
                return Ok(());
            }
        };
        if statements.is_empty() {
            self.wire.put(b'I', |_| {});
        }
        let is_one = statements.len() == 1;
        for statement in statements {
            if let Some(name) = deallocate::name(statement) {
                if let Err(refusal) = self.forget(name).await {
                    self.refuse(&refusal).await;
                    return Ok(());
                }
                continue;
            }
            let outcome = match is_one {
                true => self.session.run(statement, &[]).await,
                false => self.session.run_together(statement, &[]).await,
            };
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    self.refuse(&error.into()).await;
                    return Ok(());
                }
            };
            if let Some(rows) = &outcome.rows {
                self.row_description(rows.columns(), &[]);
            }
            let mut progress = self.progress(outcome);
            self.send(&mut progress, &[], 0).await?;
        }
        Ok(())
    }

    /// A message of the extended protocol.
    async fn take(&mut self, message: Message) -> io::Result<Result<(), Refusal>> {
        Ok(match message {
            Message::Parse { name, sql, types } => self.parse(name, sql, types).await,
            Message::Bind {
                portal,
                statement,
                formats,
                values,
                result_formats,
            } => self.bind(portal, &statement, &formats, values, result_formats),
            Message::Describe(target) => self.describe(target).await,
            Message::Execute { portal, most } => return self.execute(&portal, most).await,
            Message::Close(target) => {
                match target {
                    Target::Statement(name) => {
                        self.statements.remove(&name);
                    }
                    Target::Portal(name) => {
                        self.portals.remove(&name);
                    }
                }
                self.wire.put(b'3', |_| {});
                Ok(())
            }
            Message::FunctionCall => {
                let text = "function calls of the protocol are not supported";
                Err(Refusal::new("0A000", text))
            }
            Message::CopyData => Ok(()),
            Message::Password(_) => Err(Refusal::new("08P01", "the password was given already")),
            Message::Query(_) | Message::Sync | Message::Flush | Message::Terminate => Ok(()),
        })
    }

    /// A statement that cannot run is refused here: drivers use its name again.
    async fn parse(
        &mut self,
        name: String,
        sql: String,
        mut types: Vec<u32>,
    ) -> Result<(), Refusal> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            let text = format!("prepared statement \"{name}\" already exists");
            return Err(Refusal::new("42P05", text));
        }
        let count = Session::parameters(&sql)?;
        if types.len() < count {
            types.resize(count, 0);
        }
        let parameters: Vec<_> = types.iter().map(|oid| values::unset(*oid)).collect();
        let columns = match deallocate::name(&sql).transpose()? {
            Some(_) => None,
            None => self.session.describe(&sql, &parameters).await?,
        };
        let statement = Statement {
            sql,
            types,
            columns,
        };
        self.statements.insert(name, statement);
        self.wire.put(b'1', |_| {});
        Ok(())
    }

    /// Forgets a prepared statement, and says so.
    async fn forget(&mut self, name: Result<String, Refusal>) -> Result<(), Refusal> {
        let name = name?;
        if self.session.transaction_state().await == TransactionState::Failed {
            let text =
                "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Refusal::new("25P02", text));
        }
        self.statement(&name)?;
        self.statements.remove(&name);
        self.wire.put(b'C', |body| body.text("DEALLOCATE"));
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<&Statement, Refusal> {
        let missing = || format!("prepared statement \"{name}\" does not exist");
        let found = self.statements.get(name);
        found.ok_or_else(|| Refusal::new("26000", missing()))
    }

    fn bind(
        &mut self,
        portal: String,
        statement: &str,
        formats: &[Format],
        values: Vec<Option<Vec<u8>>>,
        result_formats: Vec<Format>,
    ) -> Result<(), Refusal> {
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            let text = format!("portal \"{portal}\" already exists");
            return Err(Refusal::new("42P03", text));
        }
        let found = self.statement(statement)?;
        let (needed, given) = (found.types.len(), values.len());
        if needed != given {
            let text = format!(
                "bind message supplies {given} parameters, but prepared statement \
                 \"{statement}\" requires {needed}"
            );
            return Err(Refusal::new("08P01", text));
        }
        if formats.len() > 1 && formats.len() != given {
            let count = formats.len();
            let text = format!("bind message has {count} parameter formats but {given} parameters");
            return Err(Refusal::new("08P01", text));
        }
        let values = values.into_iter().zip(&found.types).enumerate();
        let parameters = values
            .map(|(at, (value, oid))| values::parameter(value, format_of(formats, at), *oid))
            .collect::<Result<_, _>>()?;
        let bound = Portal {
            sql: found.sql.clone(),
            parameters,
            formats: result_formats,
            progress: Progress::Ready,
        };
        self.portals.insert(portal, bound);
        self.wire.put(b'2', |_| {});
        Ok(())
    }

    async fn describe(&mut self, target: Target) -> Result<(), Refusal> {
        let (columns, formats) = match target {
            Target::Statement(name) => {
                let Statement { types, columns, .. } = self.statement(&name)?.clone();
                self.wire.put(b't', |body| {
                    body.i16(types.len() as i16);
                    for oid in &types {
                        let oid = if *oid == 0 { VARCHAR } else { *oid };
                        body.i32(oid as i32);
                    }
                });
                (columns, Vec::new())
            }
            Target::Portal(name) => {
                let portal = self.portals.get(&name).ok_or_else(|| no_portal(&name))?;
                let columns = match &portal.progress {
                    _ if deallocate::name(&portal.sql).is_some() => None,
                    Progress::Rows { rows, .. } => Some(rows.columns().to_vec()),
                    _ => {
                        self.session
                            .describe(&portal.sql, &portal.parameters)
                            .await?
                    }
                };
                (columns, portal.formats.clone())
            }
        };
        match columns {
            Some(columns) => self.row_description(&columns, &formats),
            None => self.wire.put(b'n', |_| {}),
        }
        Ok(())
    }

    async fn execute(&mut self, name: &str, most: usize) -> io::Result<Result<(), Refusal>> {
        let Some(mut portal) = self.portals.remove(name) else {
            return Ok(Err(no_portal(name)));
        };
        let forgotten = deallocate::name(&portal.sql);
        match (&portal.progress, forgotten) {
            (Progress::Ready, Some(name)) => {
                if let Err(refusal) = self.forget(name).await {
                    return Ok(Err(refusal));
                }
                portal.progress = Progress::Done;
            }
            (Progress::Ready, None) => {
                let outcome = self
                    .session
                    .run_together(&portal.sql, &portal.parameters)
                    .await;
                portal.progress = match outcome {
                    Ok(outcome) => self.progress(outcome),
                    Err(error) => return Ok(Err(error.into())),
                };
            }
            (Progress::Rows { .. }, _) => {}
            (Progress::Done, _) => {
                let text = format!("portal \"{name}\" cannot be run anymore");
                return Ok(Err(Refusal::new("55000", text)));
            }
        }
        let columns = match &portal.progress {
            Progress::Rows { rows, .. } => rows.columns().len(),
            _ => 0,
        };
        let count = portal.formats.len();
        if count > 1 && count != columns {
            let text =
                format!("bind message has {count} result formats but query has {columns} columns");
            return Ok(Err(Refusal::new("08P01", text)));
        }
        self.send(&mut portal.progress, &portal.formats, most)
            .await?;
        self.portals.insert(name.to_owned(), portal);
        Ok(Ok(()))
    }

    /// What is to be sent of an outcome. One without rows is answered at once.
    fn progress(&mut self, outcome: Outcome) -> Progress {
        for notice in &outcome.notices {
            self.wire.put_notice(notice);
        }
        match outcome.rows {
            Some(rows) => Progress::Rows {
                rows,
                batch: 0,
                row: 0,
                tag: outcome.tag,
            },
            None if outcome.tag.is_empty() => {
                self.wire.put(b'I', |_| {});
                Progress::Done
            }
            None => {
                self.wire.put(b'C', |body| body.text(&outcome.tag));
                Progress::Done
            }
        }
    }

    /// Sends rows that are left: at most so many, or all for 0.
    async fn send(
        &mut self,
        progress: &mut Progress,
        formats: &[Format],
        most: usize,
    ) -> io::Result<()> {
        let Progress::Rows {
            rows,
            batch,
            row,
            tag,
        } = progress
        else {
            return Ok(());
        };
        let mut sent = 0;
        while let Some(current) = rows.batches().get(*batch) {
            while *row < current.num_rows() {
                if most > 0 && sent == most {
                    self.wire.put(b's', |_| {});
                    return Ok(());
                }
                self.wire.put(b'D', |body| {
                    let columns = rows.columns().len();
                    body.i16(columns as i16);
                    for at in 0..columns {
                        let format = format_of(formats, at);
                        let value = values::of_result(rows, (*batch, *row), at, format);
                        body.value(value.as_deref());
                    }
                });
                self.wire.flush_if_large().await?;
                *row += 1;
                sent += 1;
            }
            *batch += 1;
            *row = 0;
        }
        self.wire.put(b'C', |body| body.text(tag));
        Ok(())
    }

    fn row_description(&mut self, columns: &[Column], formats: &[Format]) {
        self.wire.put(b'T', |body| {
            body.i16(columns.len() as i16);
            for (at, Column { name, data_type }) in columns.iter().enumerate() {
                body.text(name);
                // No table, no column of one.
                body.i32(0);
                body.i16(0);
                body.i32(data_type.oid() as i32);
                body.i16(data_type.size());
                body.i32(data_type.modifier());
                body.i16(match format_of(formats, at) {
                    Format::Text => 0,
                    Format::Binary => 1,
                });
            }
        });
    }
}

fn no_portal(name: &str) -> Refusal {
    Refusal::new("34000", format!("portal \"{name}\" does not exist"))
}

/// The format of one of several: none given is text, one is for all.
fn format_of(formats: &[Format], at: usize) -> Format {
    match formats {
        [] => Format::Text,
        [one] => *one,
        each => each.get(at).copied().unwrap_or(Format::Text),
    }
}
