//! Messages of the protocol, version 3.0: their bytes, and where they end.
//!
//! Lengths are what a client says: memory is taken as its bytes arrive, and up to a limit.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Bytes of a message that is read: a statement of 16 MB, and what is around it.
const MOST_BYTES: usize = 17 << 20;
/// A longer message is skipped and refused up to here; beyond, the connection ends.
const MOST_SKIPPED: usize = 256 << 20;
/// Bytes of what a client sends first.
const MOST_STARTUP: usize = 10_000;
/// Bytes that are collected before they are sent.
const MOST_HELD: usize = 64 << 10;

/// Why something is refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// Whether the connection ends.
    pub(super) is_fatal: bool,
    pub(super) sqlstate: &'static str,
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(sqlstate: &'static str, text: impl Into<String>) -> Self {
        Self {
            is_fatal: false,
            sqlstate,
            text: text.into(),
            hint: None,
        }
    }

    pub(super) fn fatal(sqlstate: &'static str, text: impl Into<String>) -> Self {
        Self {
            is_fatal: true,
            ..Self::new(sqlstate, text)
        }
    }

    /// What breaks the protocol: from there on no byte can be trusted.
    fn violation(text: impl Into<String>) -> Self {
        Self::fatal("08P01", text)
    }
}

impl From<transom_redshift::Error> for Refusal {
    fn from(error: transom_redshift::Error) -> Self {
        Self {
            hint: error.advice().map(str::to_owned),
            ..Self::new(error.sqlstate(), error.text())
        }
    }
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

/// What a client sends first.
#[derive(Debug)]
pub(super) enum Start {
    /// It asks for encryption.
    Encrypt,
    /// It cancels what another connection runs.
    Cancel { pid: i32, secret: i32 },
    /// Names and values.
    Session(Vec<(String, String)>),
}

/// What is described or closed.
#[derive(Debug)]
pub(super) enum Target {
    Statement(String),
    Portal(String),
}

/// What a client sends in a session.
#[derive(Debug)]
pub(super) enum Message {
    Password(String),
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind {
        portal: String,
        statement: String,
        /// One for each value, or one for all; none means text.
        formats: Vec<Format>,
        values: Vec<Option<Vec<u8>>>,
        result_formats: Vec<Format>,
    },
    Describe(Target),
    Execute {
        portal: String,
        /// Rows at most; 0 is all.
        most: usize,
    },
    Close(Target),
    Flush,
    Sync,
    Terminate,
    /// Data of a COPY that has failed: to be ignored.
    CopyData,
    FunctionCall,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Message),
    /// One that cannot be done. The next one can be read if it is not fatal.
    Refused {
        refusal: Refusal,
        /// Whether the client waits for an answer now, and not after its Sync.
        is_query: bool,
    },
    /// The client is gone.
    End,
}

/// One connection's bytes. What is written is sent by [`Wire::flush`].
#[derive(Debug)]
pub(super) struct Wire {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            out: Vec::new(),
        }
    }

    /// Reads what a client sends first; `None` if it is gone.
    pub(super) async fn start(&mut self) -> io::Result<Option<Result<Start, Refusal>>> {
        let Some(length) = self.length().await? else {
            return Ok(None);
        };
        if !(4..=MOST_STARTUP).contains(&length) {
            let refusal = Refusal::violation("invalid length of startup packet");
            return Ok(Some(Err(refusal)));
        }
        let Some(body) = self.body(length).await? else {
            return Ok(None);
        };
        Ok(Some(start(&body)))
    }

    /// Reads the next message.
    pub(super) async fn next(&mut self) -> io::Result<Incoming> {
        let kind = match self.stream.read_u8().await {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Incoming::End),
            Err(error) => return Err(error),
        };
        let refused = |refusal| {
            Ok(Incoming::Refused {
                refusal,
                is_query: kind == b'Q',
            })
        };
        if !b"pQPBDECHSXdcfF".contains(&kind) {
            let text = format!("invalid frontend message type {kind}");
            return refused(Refusal::violation(text));
        }
        let Some(length) = self.length().await? else {
            return Ok(Incoming::End);
        };
        if length > MOST_SKIPPED {
            return refused(Refusal::violation("invalid message length"));
        }
        if length > MOST_BYTES {
            let mut rest = (&mut self.stream).take(length as u64);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
            let text = "Cannot process query string larger than 16MB";
            return refused(Refusal::new("54000", text));
        }
        let Some(body) = self.body(length).await? else {
            return Ok(Incoming::End);
        };
        match message(kind, &body) {
            Ok(message) => Ok(Incoming::Message(message)),
            Err(refusal) => refused(refusal),
        }
    }

    /// The bytes that follow a length; what cannot be one is larger than anything.
    async fn length(&mut self) -> io::Result<Option<usize>> {
        match self.stream.read_i32().await {
            Ok(length) => Ok(Some(
                usize::try_from(i64::from(length) - 4).unwrap_or(usize::MAX),
            )),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn body(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        let mut rest = (&mut self.stream).take(length as u64);
        let read = rest.read_to_end(&mut body).await?;
        Ok((read == length).then_some(body))
    }

    /// Writes a message.
    pub(super) fn put(&mut self, kind: u8, write: impl FnOnce(&mut Body<'_>)) {
        self.out.push(kind);
        let at = self.out.len();
        self.out.extend([0; 4]);
        write(&mut Body(&mut self.out));
        // A message is smaller than a result, which is in memory.
        let length = (self.out.len() - at) as u32;
        self.out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Writes an answer of one letter, as encryption is refused.
    pub(super) fn put_letter(&mut self, letter: u8) {
        self.out.push(letter);
    }

    pub(super) fn put_error(&mut self, refusal: &Refusal) {
        let severity = if refusal.is_fatal { "FATAL" } else { "ERROR" };
        self.put(b'E', |body| {
            body.field(b'S', severity);
            body.field(b'C', refusal.sqlstate);
            body.field(b'M', &refusal.text);
            if let Some(hint) = &refusal.hint {
                body.field(b'H', hint);
            }
            body.bytes(&[0]);
        });
    }

    pub(super) fn put_parameter(&mut self, name: &str, value: &str) {
        self.put(b'S', |body| {
            body.text(name);
            body.text(value);
        });
    }

    pub(super) fn put_notice(&mut self, text: &str) {
        self.put(b'N', |body| {
            body.field(b'S', "INFO");
            body.field(b'C', "00000");
            body.field(b'M', text);
            body.bytes(&[0]);
        });
    }

    /// Sends what was written if it is much.
    pub(super) async fn flush_if_large(&mut self) -> io::Result<()> {
        match self.out.len() > MOST_HELD {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends what was written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(&self.out).await?;
        self.out.clear();
        self.out.shrink_to(MOST_HELD);
        Ok(())
    }
}

/// A message that is written.
#[derive(Debug)]
pub(super) struct Body<'a>(&'a mut Vec<u8>);

impl Body<'_> {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    /// A text that ends with a zero; one within would end it early.
    pub(super) fn text(&mut self, text: &str) {
        let end = text.find('\0').unwrap_or(text.len());
        self.bytes(&text.as_bytes()[..end]);
        self.bytes(&[0]);
    }

    fn field(&mut self, kind: u8, text: &str) {
        self.bytes(&[kind]);
        self.text(text);
    }

    /// A value with its length, or NULL.
    pub(super) fn value(&mut self, value: Option<&[u8]>) {
        match value {
            Some(bytes) => {
                self.i32(bytes.len() as i32);
                self.bytes(bytes);
            }
            None => self.i32(-1),
        }
    }
}

/// The fields of a message, from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| Refusal::violation("insufficient data left in message"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Refusal> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Refusal> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn i32(&mut self) -> Result<i32, Refusal> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn text(&mut self) -> Result<String, Refusal> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| Refusal::violation("invalid string in message"))?;
        let bytes = self.take(end)?;
        self.take(1)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| not_utf8())
    }

    fn list<T>(
        &mut self,
        each: impl Fn(&mut Self) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let count = self.u16()?;
        (0..count).map(|_| each(self)).collect()
    }

    fn format(&mut self) -> Result<Format, Refusal> {
        match self.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Refusal::violation(format!("invalid format code: {other}"))),
        }
    }

    fn value(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length)
                    .map_err(|_| Refusal::violation("invalid length of a parameter"))?;
                Ok(Some(self.take(length)?.to_vec()))
            }
        }
    }

    fn target(&mut self) -> Result<Target, Refusal> {
        match self.u8()? {
            b'S' => Ok(Target::Statement(self.text()?)),
            b'P' => Ok(Target::Portal(self.text()?)),
            other => Err(Refusal::violation(format!("invalid subtype {other}"))),
        }
    }

    fn end(&self) -> Result<(), Refusal> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Refusal::violation("invalid message format")),
        }
    }
}

pub(super) fn not_utf8() -> Refusal {
    Refusal::new("22021", "invalid byte sequence for encoding \"UTF8\"")
}

fn start(body: &[u8]) -> Result<Start, Refusal> {
    let mut fields = Fields(body);
    match fields.i32()? {
        // Numbers that no version has: encryption by TLS and by GSSAPI, a cancellation.
        80_877_103 | 80_877_104 => Ok(Start::Encrypt),
        80_877_102 => Ok(Start::Cancel {
            pid: fields.i32()?,
            secret: fields.i32()?,
        }),
        196_608 => {
            let mut parameters = Vec::new();
            loop {
                let name = fields.text()?;
                if name.is_empty() {
                    return Ok(Start::Session(parameters));
                }
                parameters.push((name, fields.text()?));
            }
        }
        version => Err(Refusal::fatal(
            "0A000",
            format!(
                "unsupported frontend protocol {}.{}: server supports 3.0",
                version >> 16,
                version & 0xffff
            ),
        )),
    }
}

fn message(kind: u8, body: &[u8]) -> Result<Message, Refusal> {
    let mut fields = Fields(body);
    let message = match kind {
        b'p' => Message::Password(fields.text()?),
        b'Q' => Message::Query(fields.text()?),
        b'P' => Message::Parse {
            name: fields.text()?,
            sql: fields.text()?,
            types: fields.list(|fields| Ok(fields.i32()? as u32))?,
        },
        b'B' => Message::Bind {
            portal: fields.text()?,
            statement: fields.text()?,
            formats: fields.list(Fields::format)?,
            values: fields.list(Fields::value)?,
            result_formats: fields.list(Fields::format)?,
        },
        b'D' => Message::Describe(fields.target()?),
        b'E' => Message::Execute {
            portal: fields.text()?,
            most: usize::try_from(fields.i32()?).unwrap_or(0),
        },
        b'C' => Message::Close(fields.target()?),
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        b'F' => return Ok(Message::FunctionCall),
        // `Wire::next` lets no others through.
        _ => return Ok(Message::CopyData),
    };
    fields.end()?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: u8, body: &[u8]) -> Result<Message, Refusal> {
        message(kind, body)
    }

    #[test]
    fn a_message_that_ends_early_is_a_violation() {
        let bind = b"p\0s\0\0\x01\0\x01\0\x01\0\0\0\x02ab\0\0";
        assert!(matches!(of(b'B', bind), Ok(Message::Bind { .. })));
        for end in 0..bind.len() {
            let refusal = of(b'B', &bind[..end]).unwrap_err();
            assert_eq!(
                (refusal.is_fatal, refusal.sqlstate),
                (true, "08P01"),
                "{end}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_message_or_a_refusal(
            kind in proptest::sample::select(b"pQPBDECHSXdcfF".to_vec()),
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        ) {
            let _ = of(kind, &body);
            let _ = start(&body);
        }
    }

    #[test]
    fn counts_and_lengths_are_not_believed() {
        for body in [
            b"\0\0\xff\xff".as_slice(),
            b"\0\0\0\0\xff\xff",
            b"\0\0\0\0\0\x01\x7f\xff\xff\xff",
            b"\0\0\0\0\0\x01\xff\xff\xff\xfe",
        ] {
            assert!(of(b'B', body).unwrap_err().is_fatal, "{body:?}");
        }
        assert!(of(b'Q', b"select 1\0 ").unwrap_err().is_fatal);
        assert!(of(b'Q', b"select 1").unwrap_err().is_fatal);
    }

    #[test]
    fn a_statement_that_is_not_utf8_is_refused_and_the_connection_stays() {
        let refusal = of(b'Q', b"select '\xff'\0").unwrap_err();
        assert_eq!((refusal.is_fatal, refusal.sqlstate), (false, "22021"));
    }
}
