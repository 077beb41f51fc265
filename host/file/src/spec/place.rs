//! Where tables lie: below a folder of this machine, or below a prefix of a bucket.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What the address of an object or a prefix begins with.
const SCHEME: &str = "s3://";
/// Bytes of a bucket's name, by Amazon's rules for buckets.
const BUCKET: std::ops::RangeInclusive<usize> = 3..=63;
/// Bytes of a key at most.
const MAX_KEY: usize = 1024;

/// An object of S3, or a prefix of objects: `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct S3Url {
    /// Name of the bucket.
    pub bucket: String,
    /// The key, or what keys begin with; no `/` at its beginning unless the keys have one, and as it is: nothing in it is encoded.
    pub key: String,
}

impl S3Url {
    /// Whether a text is meant to be an address of S3, right or wrong.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.get(..SCHEME.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(SCHEME))
    }

    /// # Errors
    /// What is wrong with the address, as the end of a sentence about it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Err(format!("must begin with `{SCHEME}`"));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
        };
        if !BUCKET.contains(&bucket.len()) || !bucket.bytes().all(is_plain) {
            return Err(
                "needs the name of a bucket: 3 to 63 small letters, digits, `-` and `.`".to_owned(),
            );
        }
        if key.len() > MAX_KEY {
            return Err(format!(
                "has a key of {} bytes; {MAX_KEY} are allowed",
                key.len()
            ));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The address of what is called `name` below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let key = match self.key.as_str() {
            "" => name.to_owned(),
            key if key.ends_with('/') => format!("{key}{name}"),
            key => format!("{key}/{name}"),
        };
        Self {
            bucket: self.bucket.clone(),
            key,
        }
    }

    /// The prefix that this lies in and its name there; none if the bucket is all there is.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &str)> {
        let key = self.key.strip_suffix('/').unwrap_or(&self.key);
        let (above, name) = key.rsplit_once('/').unwrap_or(("", key));
        let above = Self {
            bucket: self.bucket.clone(),
            key: above.to_owned(),
        };
        (!name.is_empty()).then_some((above, name))
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

/// Where a table, or the tables below it, lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In a bucket.
    S3(S3Url),
}

impl Place {
    /// What is called `name` below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(name)),
            Self::S3(url) => Self::S3(url.join(name)),
        }
    }

    /// The path, if it is on this machine.
    #[must_use]
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::S3(_) => None,
        }
    }

    /// As a path, to compare places: those of S3 begin with `s3:`, as no absolute path does.
    #[must_use]
    pub fn as_path(&self) -> PathBuf {
        match self {
            Self::Local(path) => path.clone(),
            Self::S3(url) => PathBuf::from(url.to_string()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::S3(url) => url.fmt(f),
        }
    }
}

impl From<S3Url> for String {
    fn from(url: S3Url) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for S3Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::Local(path)
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::Local(path.to_owned())
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match S3Url::is_meant(&text) {
            true => S3Url::parse(&text).map(Self::S3),
            false => Ok(Self::Local(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_as_they_are() {
        for key in ["", "a", "a/", "a//b/", "a b+c=d/é%20?x#y"] {
            let url = S3Url::parse(&format!("s3://lake/{key}")).expect("an address");
            assert_eq!((url.bucket.as_str(), url.key.as_str()), ("lake", key));
            assert_eq!(url.to_string(), format!("s3://lake/{key}"));
        }
        assert_eq!(S3Url::parse("s3://lake").expect("an address").key, "");
    }

    #[test]
    fn what_no_bucket_can_be_called_is_refused() {
        for wrong in [
            "s3://",
            "s3:///key",
            "s3://My_Bucket/key",
            "s3://ab/",
            "S3://lake/a",
            "/lake",
        ] {
            assert!(S3Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_name_of_a_prefix_is_the_tables() {
        let split = |text: &str| {
            let url = S3Url::parse(text).expect("an address");
            url.split()
                .map(|(above, name)| (above.key, name.to_owned()))
        };
        assert_eq!(split("s3://lake/a/b/"), Some(("a".into(), "b".into())));
        assert_eq!(split("s3://lake/a/b"), Some(("a".into(), "b".into())));
        assert_eq!(split("s3://lake/a"), Some(("".into(), "a".into())));
        assert_eq!(split("s3://lake/"), None);
        assert_eq!(split("s3://lake/a//"), None);
    }
}
