//! Values of options that clap does not know how to read.

use std::net::{Ipv4Addr, SocketAddr};

/// `NAME=VALUE`; the value may be empty and may hold more `=`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected a name, `=` and a value, like `late_minutes=30`".to_owned()),
    }
}

/// The text of a JSON object.
pub(crate) fn object(text: &str) -> Result<String, String> {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(_)) => Ok(text.to_owned()),
        Ok(_) => Err("expected an object, like `{\"longest\": \"10h\"}`".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

/// A size with its unit, as in the pipeline's file: `256MB`, `2GiB`.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let bytes = transom_file::parse_bytes(text)?;
    usize::try_from(bytes).map_err(|_| format!("{text} is more than this machine can address"))
}

/// A length of time with its unit: `30s`, `10m`, `14d`.
pub(crate) fn time(text: &str) -> Result<std::time::Duration, String> {
    transom_file::parse_time(text)
}

/// A port of this machine, or an address with a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse().map_err(|_| {
            "expected a port or an address, like `9001` or `127.0.0.1:9001`".to_owned()
        }),
    }
}

/// A point in time: with a zone or in UTC; a date alone is its first moment.
pub(crate) fn clock(text: &str) -> Result<std::time::SystemTime, String> {
    let time = transom_file::test_file::point_in_time(text);
    let time = time.map(std::time::SystemTime::from);
    time.ok_or_else(|| {
        "expected a time like `2024-01-31` or `2024-01-31 10:00:00`, in UTC unless it has a zone"
            .to_owned()
    })
}

/// A number of at least one.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number, at least 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        assert_eq!(bytes("256MB"), Ok(256_000_000));
        assert_eq!(bytes("2 GiB"), Ok(2 << 30));
        for wrong in [
            "",
            "256",
            "MB",
            "0MB",
            "-1MB",
            "1.5GB",
            "99999999999999999999GB",
            "1TB",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_variable_is_a_name_and_a_value() {
        assert_eq!(variable("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("a="), Ok(("a".to_owned(), String::new())));
        assert!(variable("a").is_err());
        assert!(variable("=b").is_err());
    }
}
