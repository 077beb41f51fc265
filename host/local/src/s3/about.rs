//! What a client says about an object beside its bytes: headers, metadata, tags.

use std::collections::BTreeMap;

use s3s::dto::{StorageClass, Tag};
use s3s::{S3ErrorCode, S3Result};

use super::errors::{not_here, refuse, refuse_custom, refuse_with};
use super::store::About;

/// Bytes of all names and values of user metadata.
const MAX_METADATA_BYTES: usize = 2048;
const MAX_TAGS: usize = 10;

/// The type of what was put without one.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Reads the fields that PutObject, CopyObject and CreateMultipartUpload have in common.
macro_rules! about {
    ($input:expr) => {
        $crate::s3::store::About {
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $crate::s3::about::stored_encoding($input.content_encoding.take()),
            content_language: $input.content_language.take(),
            content_type: $input.content_type.take(),
            expires: $input.expires.take().map(Into::into),
            metadata: $crate::s3::about::metadata($input.metadata.take())?,
            tags: $crate::s3::about::parse_tags($input.tagging.take())?,
            storage_class: $crate::s3::about::storage_class($input.storage_class.take())?,
            encryption: $input
                .server_side_encryption
                .take()
                .map(|kind| kind.as_str().to_owned()),
            kms_key: $input.ssekms_key_id.take(),
            website_redirect: $input.website_redirect_location.take(),
        }
    };
}
pub(crate) use about;

/// `aws-chunked` says how the bytes travelled, not what they are.
pub(crate) fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// The storage class, which has no effect here: one whose objects S3 gives back only once restored is not offered.
pub(crate) fn storage_class(class: Option<StorageClass>) -> S3Result<Option<String>> {
    let class = class.map(|class| class.as_str().to_owned());
    match class.as_deref() {
        None
        | Some(
            StorageClass::STANDARD
            | StorageClass::REDUCED_REDUNDANCY
            | StorageClass::STANDARD_IA
            | StorageClass::ONEZONE_IA
            | StorageClass::INTELLIGENT_TIERING
            | StorageClass::GLACIER_IR,
        ) => Ok(class),
        Some(StorageClass::GLACIER | StorageClass::DEEP_ARCHIVE) => Err(not_here(
            "storage classes that are restored before they are read",
        )),
        Some(_) => Err(refuse_with(
            S3ErrorCode::InvalidStorageClass,
            "The storage class you specified is not valid",
        )),
    }
}

pub(crate) fn metadata(
    given: Option<std::collections::HashMap<String, String>>,
) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<String, String> = given.unwrap_or_default().into_iter().collect();
    let bytes = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len());
    match bytes.sum::<usize>() > MAX_METADATA_BYTES {
        true => Err(refuse(S3ErrorCode::MetadataTooLarge)),
        false => Ok(metadata),
    }
}

/// Tags as a header has them: `name=value&name=value`.
pub(crate) fn parse_tags(header: Option<String>) -> S3Result<BTreeMap<String, String>> {
    let header = header.unwrap_or_default();
    check_tags(form_urlencoded::parse(header.as_bytes()).into_owned())
}

/// Tags as a body has them.
pub(crate) fn tags_of_set(set: Vec<Tag>) -> S3Result<BTreeMap<String, String>> {
    let pairs = set
        .into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    check_tags(pairs)
}

fn check_tags(pairs: impl Iterator<Item = (String, String)>) -> S3Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for (name, value) in pairs {
        if name.is_empty() || name.chars().count() > 128 {
            return Err(refuse_with(
                S3ErrorCode::InvalidTag,
                "The TagKey you have provided is invalid",
            ));
        }
        if value.chars().count() > 256 {
            return Err(refuse_with(
                S3ErrorCode::InvalidTag,
                "The TagValue you have provided is invalid",
            ));
        }
        if tags.insert(name, value).is_some() {
            return Err(refuse_with(
                S3ErrorCode::InvalidTag,
                "Cannot provide multiple Tags with the same key",
            ));
        }
    }
    match tags.len() > MAX_TAGS {
        true => Err(refuse_custom(
            http::StatusCode::BAD_REQUEST,
            "BadRequest",
            "Object tags cannot be greater than 10",
        )),
        false => Ok(tags),
    }
}

impl About {
    pub(crate) fn tag_set(&self) -> Vec<Tag> {
        let tags = self.tags.iter().map(|(name, value)| Tag {
            key: Some(name.clone()),
            value: Some(value.clone()),
        });
        tags.collect()
    }

    /// S3 encrypts everything, and says so; here only the words are the same.
    pub(crate) fn encryption(&self) -> s3s::dto::ServerSideEncryption {
        let kind = self.encryption.clone();
        kind.unwrap_or_else(|| s3s::dto::ServerSideEncryption::AES256.to_owned())
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_tags, stored_encoding};

    #[test]
    fn the_encoding_of_the_transfer_is_not_stored() {
        let stored = |text: &str| stored_encoding(Some(text.to_owned()));
        assert_eq!(stored("aws-chunked"), None);
        assert_eq!(stored("gzip, aws-chunked"), Some("gzip".to_owned()));
        assert_eq!(stored("gzip"), Some("gzip".to_owned()));
    }

    #[test]
    fn tags_are_decoded_and_counted() {
        let tags = parse_tags(Some("a=1&b%20c=d+e".to_owned())).unwrap();
        assert_eq!(tags["b c"], "d e");
        let many: Vec<String> = (0..11).map(|n| format!("t{n}=")).collect();
        parse_tags(Some(many.join("&"))).unwrap_err();
        parse_tags(Some("a=1&a=2".to_owned())).unwrap_err();
    }
}
