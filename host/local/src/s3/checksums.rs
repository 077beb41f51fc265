//! Checksums: what a request asks for, what its bytes give, and how parts make an object.
//!
//! Every object has one. Where the client names no algorithm, S3 computes CRC64NVME, and so does this.

use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::{S3ErrorCode, S3Result, TrailingHeaders, dto};
use serde::{Deserialize, Serialize};

use super::errors::{invalid_request, refuse, refuse_custom, refuse_with};
use super::signature::Trailers;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

use Algorithm::{Crc32 as A32, Crc32c as A32c, Crc64nvme as A64, Sha1 as A1, Sha256 as A256};

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [A32, A32c, A64, A1, A256];

    pub(crate) fn name(self) -> &'static str {
        match self {
            A32 => "CRC32",
            A32c => "CRC32C",
            A64 => "CRC64NVME",
            A1 => "SHA1",
            A256 => "SHA256",
        }
    }

    /// The header, or trailing header, that carries a checksum of this kind.
    pub(crate) fn header(self) -> &'static str {
        match self {
            A32 => "x-amz-checksum-crc32",
            A32c => "x-amz-checksum-crc32c",
            A64 => "x-amz-checksum-crc64nvme",
            A1 => "x-amz-checksum-sha1",
            A256 => "x-amz-checksum-sha256",
        }
    }

    pub(crate) fn parse(name: &str) -> S3Result<Self> {
        let found = Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| {
            invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                             [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        })
    }

    fn crc(self) -> Option<crc_fast::CrcAlgorithm> {
        match self {
            A32 => Some(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            A32c => Some(crc_fast::CrcAlgorithm::Crc32Iscsi),
            A64 => Some(crc_fast::CrcAlgorithm::Crc64Nvme),
            A1 | A256 => None,
        }
    }
}

/// How the checksum of a multipart upload came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Kind {
    /// Of all bytes.
    FullObject,
    /// Of the parts' checksums, with their number.
    Composite,
}

impl Kind {
    pub(crate) fn dto(self) -> dto::ChecksumType {
        dto::ChecksumType::from_static(match self {
            Self::FullObject => dto::ChecksumType::FULL_OBJECT,
            Self::Composite => dto::ChecksumType::COMPOSITE,
        })
    }

    /// The kind that an upload has, or S3's refusal of one that the algorithm does not offer.
    pub(crate) fn of_upload(asked: Option<&str>, algorithm: Algorithm) -> S3Result<Self> {
        let kind = match (asked, algorithm) {
            (None, A64) | (Some("FULL_OBJECT"), A32 | A32c | A64) => Self::FullObject,
            (None, _) | (Some("COMPOSITE"), A32 | A32c | A1 | A256) => Self::Composite,
            (Some(kind), _) => {
                return Err(invalid_request(format!(
                    "The {kind} checksum type cannot be used with the {} checksum algorithm.",
                    algorithm.name().to_lowercase()
                )));
            }
        };
        Ok(kind)
    }
}

/// The checksum of an object, in base64; of a composite one with `-` and the number of parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: Kind,
    pub(crate) value: String,
}

/// Writes a checksum into the fields that many of S3's answers have.
macro_rules! set_checksum {
    ($into:expr, $algorithm:expr, $value:expr) => {{
        let value = Some($value);
        match $algorithm {
            $crate::s3::checksums::Algorithm::Crc32 => $into.checksum_crc32 = value,
            $crate::s3::checksums::Algorithm::Crc32c => $into.checksum_crc32c = value,
            $crate::s3::checksums::Algorithm::Crc64nvme => $into.checksum_crc64nvme = value,
            $crate::s3::checksums::Algorithm::Sha1 => $into.checksum_sha1 = value,
            $crate::s3::checksums::Algorithm::Sha256 => $into.checksum_sha256 = value,
        }
    }};
}
pub(crate) use set_checksum;

/// The checksums that a request's fields give.
macro_rules! given_checksums {
    ($from:expr) => {
        $crate::s3::checksums::one_given([
            (
                $crate::s3::checksums::Algorithm::Crc32,
                &$from.checksum_crc32,
            ),
            (
                $crate::s3::checksums::Algorithm::Crc32c,
                &$from.checksum_crc32c,
            ),
            (
                $crate::s3::checksums::Algorithm::Crc64nvme,
                &$from.checksum_crc64nvme,
            ),
            ($crate::s3::checksums::Algorithm::Sha1, &$from.checksum_sha1),
            (
                $crate::s3::checksums::Algorithm::Sha256,
                &$from.checksum_sha256,
            ),
        ])
    };
}
pub(crate) use given_checksums;

/// The one checksum that is given; S3 takes no second one.
pub(crate) fn one_given(
    fields: [(Algorithm, &Option<String>); 5],
) -> S3Result<Option<(Algorithm, String)>> {
    let mut given = fields
        .into_iter()
        .filter_map(|(algorithm, value)| Some((algorithm, value.clone()?)));
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )),
        (one, None) => Ok(one),
    }
}

/// What the bytes of a request are held against.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    md5: Option<[u8; 16]>,
    sha256: Option<Vec<u8>>,
    checksum: Option<(Algorithm, String)>,
    trailing: Option<Trailing>,
}

/// A checksum that comes behind the body, in headers of s3s or, if the signature is not checked, of our own.
#[derive(Debug)]
struct Trailing {
    algorithm: Algorithm,
    of_s3s: Option<TrailingHeaders>,
    own: Option<Trailers>,
}

impl Trailing {
    /// After the body was read.
    fn value(&self) -> Option<String> {
        let value = |headers: &http::HeaderMap| {
            let value = headers.get(self.algorithm.header())?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        let of_s3s = self.of_s3s.as_ref().and_then(|headers| headers.read(value));
        of_s3s.flatten().or_else(|| self.own.as_ref()?.read(value))
    }
}

impl Expected {
    /// From `Content-MD5`, `x-amz-content-sha256`, `x-amz-checksum-*`, `x-amz-trailer` and
    /// `x-amz-sdk-checksum-algorithm`.
    pub(crate) fn of_request(
        headers: &http::HeaderMap,
        given: Option<(Algorithm, String)>,
        trailing: Option<TrailingHeaders>,
        extensions: &http::Extensions,
    ) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let md5 = text("content-md5").map(|md5| {
            let bytes = base64_simd::STANDARD.decode_to_vec(md5).ok();
            bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
        });
        let md5 = match md5 {
            Some(None) => return Err(refuse(S3ErrorCode::InvalidDigest)),
            Some(md5) => md5,
            None => None,
        };
        let sha256 = text("x-amz-content-sha256").and_then(from_hex);
        if let Some((algorithm, value)) = &given
            && base64_simd::STANDARD.decode_to_vec(value).is_err()
        {
            return Err(invalid_request(format!(
                "Value for {} header is invalid.",
                algorithm.header()
            )));
        }
        let announced = text("x-amz-trailer").and_then(|trailer| {
            Algorithm::ALL
                .into_iter()
                .find(|algorithm| trailer.trim().eq_ignore_ascii_case(algorithm.header()))
        });
        if let Some(named) = text("x-amz-sdk-checksum-algorithm") {
            Algorithm::parse(named)?;
            if given.is_none() && announced.is_none() && text("content-md5").is_none() {
                return Err(invalid_request(
                    "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer \
                     headers were found.",
                ));
            }
        }
        Ok(Self {
            md5,
            sha256,
            checksum: given,
            trailing: announced.map(|algorithm| Trailing {
                algorithm,
                of_s3s: trailing,
                own: extensions.get().cloned(),
            }),
        })
    }

    /// The algorithm that the client uses.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        let given = self.checksum.as_ref().map(|(algorithm, _)| *algorithm);
        given.or(self.trailing.as_ref().map(|trailing| trailing.algorithm))
    }

    /// Hashes for all that is to be compared, and for one more algorithm.
    pub(crate) fn hashes(&self, also: Algorithm) -> Hashes {
        let mut algorithms = vec![also];
        algorithms.extend(self.algorithm().filter(|algorithm| *algorithm != also));
        if self.sha256.is_some() && !algorithms.contains(&A256) {
            algorithms.push(A256);
        }
        Hashes::new(&algorithms)
    }

    /// Compares, after the whole body was read.
    pub(crate) fn check(&self, found: &Digests) -> S3Result<()> {
        if self.md5.is_some_and(|md5| md5 != found.md5) {
            return Err(refuse(S3ErrorCode::BadDigest));
        }
        if let Some(sha256) = &self.sha256
            && found.raw(A256) != Some(sha256)
        {
            return Err(refuse_custom(
                http::StatusCode::BAD_REQUEST,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ));
        }
        let compare = |algorithm: Algorithm, expected: &str| match found.base64(algorithm) {
            Some(computed) if computed == expected => Ok(()),
            _ => Err(refuse_with(
                S3ErrorCode::BadDigest,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ),
            )),
        };
        if let Some((algorithm, expected)) = &self.checksum {
            compare(*algorithm, expected)?;
        }
        match self
            .trailing
            .as_ref()
            .map(|trailing| (trailing, trailing.value()))
        {
            None => Ok(()),
            Some((trailing, Some(expected))) => compare(trailing.algorithm, &expected),
            Some((_, None)) => Err(refuse_custom(
                http::StatusCode::BAD_REQUEST,
                "MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our \
                 published schema.",
            )),
        }
    }
}

/// Hashes of bytes as they come.
pub(crate) struct Hashes {
    md5: Md5,
    others: Vec<(Algorithm, Hash)>,
}

enum Hash {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hashes {
    pub(crate) fn new(algorithms: &[Algorithm]) -> Self {
        let others = algorithms.iter().map(|&algorithm| {
            let hash = match algorithm {
                A32 => Hash::Crc32(Crc32::new()),
                A32c => Hash::Crc32c(Crc32c::new()),
                A64 => Hash::Crc64(Crc64Nvme::new()),
                A1 => Hash::Sha1(Sha1::new()),
                A256 => Hash::Sha256(Sha256::new()),
            };
            (algorithm, hash)
        });
        Self {
            md5: Md5::new(),
            others: others.collect(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        for (_, hash) in &mut self.others {
            match hash {
                Hash::Crc32(hash) => hash.update(bytes),
                Hash::Crc32c(hash) => hash.update(bytes),
                Hash::Crc64(hash) => hash.update(bytes),
                Hash::Sha1(hash) => hash.update(bytes),
                Hash::Sha256(hash) => hash.update(bytes),
            }
        }
    }

    pub(crate) fn finish(self) -> Digests {
        let others = self.others.into_iter().map(|(algorithm, hash)| {
            let digest = match hash {
                Hash::Crc32(hash) => hash.finalize().to_vec(),
                Hash::Crc32c(hash) => hash.finalize().to_vec(),
                Hash::Crc64(hash) => hash.finalize().to_vec(),
                Hash::Sha1(hash) => hash.finalize().to_vec(),
                Hash::Sha256(hash) => hash.finalize().to_vec(),
            };
            (algorithm, digest)
        });
        Digests {
            md5: self.md5.finalize(),
            others: others.collect(),
        }
    }
}

/// What hashing gave.
#[derive(Debug)]
pub(crate) struct Digests {
    md5: [u8; 16],
    others: Vec<(Algorithm, Vec<u8>)>,
}

impl Digests {
    /// The MD5 in hexadecimal digits.
    pub(crate) fn etag(&self) -> String {
        to_hex(&self.md5)
    }

    fn raw(&self, algorithm: Algorithm) -> Option<&Vec<u8>> {
        let mut others = self.others.iter();
        others.find_map(|(found, digest)| (*found == algorithm).then_some(digest))
    }

    pub(crate) fn base64(&self, algorithm: Algorithm) -> Option<String> {
        let digest = self.raw(algorithm)?;
        Some(base64_simd::STANDARD.encode_to_string(digest))
    }

    /// The checksum of an object that came as a whole.
    pub(crate) fn checksum(&self, algorithm: Algorithm) -> Checksum {
        Checksum {
            algorithm,
            kind: Kind::FullObject,
            value: self.base64(algorithm).unwrap_or_default(),
        }
    }
}

/// The checksum of parts put together: their base64 checksums and their lengths in bytes.
pub(crate) fn of_parts(algorithm: Algorithm, kind: Kind, parts: &[(&str, u64)]) -> Checksum {
    let raw = |value: &str| {
        base64_simd::STANDARD
            .decode_to_vec(value)
            .unwrap_or_default()
    };
    let value = match (kind, algorithm.crc()) {
        (Kind::FullObject, Some(crc)) => {
            let number = |value: &str| {
                raw(value)
                    .iter()
                    .fold(0u64, |number, byte| number << 8 | u64::from(*byte))
            };
            let mut parts = parts.iter();
            let first = parts.next().map_or(0, |(value, _)| number(value));
            let whole = parts.fold(first, |whole, (value, length)| {
                crc_fast::checksum_combine(crc, whole, number(value), *length)
            });
            let bytes = whole.to_be_bytes();
            let width = match algorithm {
                A64 => 8,
                _ => 4,
            };
            base64_simd::STANDARD.encode_to_string(&bytes[8 - width..])
        }
        _ => {
            let mut hashes = Hashes::new(&[algorithm]);
            for (value, _) in parts {
                hashes.update(&raw(value));
            }
            let digest = hashes.finish().base64(algorithm).unwrap_or_default();
            format!("{digest}-{}", parts.len())
        }
    };
    Checksum {
        algorithm,
        kind,
        value,
    }
}

/// The entity tag of parts put together: the MD5 of their MD5s, and their number.
pub(crate) fn etag_of_parts<'p>(parts: impl ExactSizeIterator<Item = &'p str>) -> String {
    let count = parts.len();
    let mut hashes = Hashes::new(&[]);
    for etag in parts {
        hashes.update(&from_hex(etag).unwrap_or_default());
    }
    format!("{}-{count}", hashes.finish().etag())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of an even number of hexadecimal digits.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Hashes, Kind, etag_of_parts, of_parts};

    #[test]
    fn parts_of_a_crc_combine_to_that_of_all_bytes() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 31 % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64nvme] {
            let digest = |bytes: &[u8]| {
                let mut hashes = Hashes::new(&[algorithm]);
                hashes.update(bytes);
                hashes.finish().base64(algorithm).unwrap()
            };
            let parts: Vec<(String, u64)> = bytes
                .chunks(33_000)
                .map(|part| (digest(part), part.len() as u64))
                .collect();
            let parts: Vec<(&str, u64)> = parts
                .iter()
                .map(|(value, length)| (value.as_str(), *length))
                .collect();
            let whole = of_parts(algorithm, Kind::FullObject, &parts);
            assert_eq!(whole.value, digest(&bytes), "{algorithm:?}");
        }
    }

    #[test]
    fn the_tag_of_parts_is_the_md5_of_their_md5s() {
        // One part, `a`: the MD5 of the 16 bytes of its MD5.
        let tag = etag_of_parts(["0cc175b9c0f1b6a831c399e269772661"].into_iter());
        assert_eq!(tag, "b6ff9a06b7e20bcb2858c5b8ff744aea-1");
    }
}
