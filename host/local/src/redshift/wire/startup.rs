//! How a connection begins: who it is, its password, what the server says of itself.

use std::io;
use std::sync::Arc;

use md5::{Digest, Md5};
use transom_redshift::Session;

use super::Shared;
use super::messages::{Incoming, Message, Refusal, Start, Wire};
use crate::redshift::{DATABASE, USER};

/// What a client hears of the server. Drivers parse the version, and compare the others.
const PARAMETERS: &[(&str, &str)] = &[
    ("server_version", "8.0.2"),
    ("server_encoding", "UNICODE"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "off"),
    ("is_superuser", "off"),
];
/// What drivers say of themselves, which changes nothing.
const OF_DRIVERS: &[&str] = &[
    "client_protocol_version",
    "driver_version",
    "driver_discovery_version",
    "os_version",
    "plugin_name",
];
/// The one parameter that clients change and have to know.
pub(super) const ENCODING: &str = "client_encoding";
/// A session, or why there is none; `None` if nothing is to be said.
type Begun = Option<Result<Arc<Session>, Refusal>>;

/// Greets a client and checks its password; `None` if it is gone, or only cancels.
pub(super) async fn begin(
    wire: &mut Wire,
    shared: &Shared,
    is_one_too_many: bool,
) -> io::Result<Begun> {
    let parameters = loop {
        match wire.start().await? {
            None => return Ok(None),
            Some(Err(refusal)) => return Ok(Some(Err(refusal))),
            Some(Ok(Start::Encrypt)) => {
                wire.put_letter(b'N');
                wire.flush().await?;
            }
            Some(Ok(Start::Cancel { pid, secret })) => {
                shared.cancel(pid, secret);
                return Ok(None);
            }
            Some(Ok(Start::Session(parameters))) => break parameters,
        }
    };
    if is_one_too_many {
        let text = "connection limit \"500\" exceeded for non-bootstrap users";
        return Ok(Some(Err(Refusal::new("53300", text))));
    }
    let find = |name: &str| {
        let found = parameters.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    };
    let Some(user) = find("user").filter(|user| !user.is_empty()) else {
        let text = "no user name specified in startup packet";
        return Ok(Some(Err(Refusal::new("28000", text))));
    };
    let number = uuid::Uuid::new_v4();
    let [a, b, c, d, e, f, g, h, ..] = *number.as_bytes();
    let (salt, secret) = ([a, b, c, d], i32::from_be_bytes([e, f, g, h]));
    wire.put(b'R', |body| {
        body.i32(5);
        body.bytes(&salt);
    });
    wire.flush().await?;
    let given = match wire.next().await? {
        Incoming::Message(Message::Password(given)) => given,
        Incoming::Message(_) => return Ok(Some(Err(Refusal::new("08P01", "expected a password")))),
        Incoming::Refused { refusal, .. } => return Ok(Some(Err(refusal))),
        Incoming::End => return Ok(None),
    };
    if given != hashed(user, &shared.password, salt) {
        let text = format!("password authentication failed for user \"{user}\"");
        return Ok(Some(Err(Refusal {
            hint: Some("`transom local env` prints the password".to_owned()),
            ..Refusal::new("28P01", text)
        })));
    }
    let database = find("database").unwrap_or(user);
    if database != DATABASE {
        let text = format!("database \"{database}\" does not exist");
        return Ok(Some(Err(Refusal {
            hint: Some(format!("the database is called `{DATABASE}`")),
            ..Refusal::new("3D000", text)
        })));
    }
    // Temporary credentials name their user after `IAM:`.
    let name = user.rsplit(':').next().unwrap_or(USER);
    let session = Arc::new(shared.engine.session(name));
    for (name, value) in &parameters {
        let is_setting = !["user", "database"].contains(&name.as_str())
            && !OF_DRIVERS.contains(&name.as_str())
            && !value.is_empty();
        if is_setting && let Err(error) = session.set(name, value).await {
            return Ok(Some(Err(error.into())));
        }
    }
    wire.put(b'R', |body| body.i32(0));
    // Without a choice of the client the encoding is UNICODE, a name that psycopg 3 does not know.
    let encoding = session.setting(ENCODING).await.unwrap_or_default();
    let own = [
        (ENCODING, encoding.as_str()),
        ("session_authorization", user),
    ];
    for (name, value) in PARAMETERS.iter().copied().chain(own) {
        wire.put_parameter(name, value);
    }
    let pid = session.pid() as i32;
    let weak = Arc::downgrade(&session);
    shared.sessions().insert(pid, (secret, weak));
    wire.put(b'K', |body| {
        body.i32(pid);
        body.i32(secret);
    });
    Ok(Some(Ok(session)))
}

/// A password as clients send it.
fn hashed(user: &str, password: &str, salt: [u8; 4]) -> String {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let inner = hex(&Md5::digest(format!("{password}{user}")));
    let mut outer = inner.into_bytes();
    outer.extend(salt);
    format!("md5{}", hex(&Md5::digest(outer)))
}
