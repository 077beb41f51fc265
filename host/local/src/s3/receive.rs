//! Taking the bytes of an object or a part into a data file, hashed on the way.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use s3s::dto::StreamingBlob;
use s3s::{S3ErrorCode, S3Result};

use super::checksums::{Algorithm, Digests, Expected, Hashes};
use super::errors::{internal, refuse, refuse_custom};
use super::store::{Blobs, NewBlob, blocking};

/// Bytes that are hashed and written at once.
const PIECE_BYTES: usize = 1 << 20;

/// The largest object that one request takes, in bytes.
pub(crate) const MAX_PUT_BYTES: u64 = 5 << 30;

/// A durable data file and what hashing its bytes gave.
pub(crate) struct Received {
    pub(crate) blob: NewBlob,
    pub(crate) digests: Digests,
}

/// Reads a body to its end and compares it with what the request says of it. `also` is computed in any case.
pub(crate) async fn receive(
    blobs: &Arc<Blobs>,
    body: Option<StreamingBlob>,
    length: Option<i64>,
    expected: &Expected,
    also: Algorithm,
) -> S3Result<Received> {
    let length = length.and_then(|length| u64::try_from(length).ok());
    let length = length.ok_or_else(|| refuse(S3ErrorCode::MissingContentLength))?;
    if length > MAX_PUT_BYTES {
        return Err(refuse(S3ErrorCode::EntityTooLarge));
    }
    let mut hashes = expected.hashes(also);
    let mut received = 0;
    let mut file = None;
    let mut piece = Vec::new();
    let mut piece_bytes = 0;
    if let Some(mut body) = body {
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| broken(received == length, error.as_ref()))?;
            received += bytes.len() as u64;
            piece_bytes += bytes.len();
            piece.push(bytes);
            if piece_bytes >= PIECE_BYTES {
                let blobs = Arc::clone(blobs);
                let bytes = std::mem::take(&mut piece);
                piece_bytes = 0;
                let written = blocking(move || write(&blobs, file, hashes, &bytes)).await?;
                (file, hashes) = (Some(written.0), written.1);
            }
        }
    }
    if received != length {
        return Err(refuse(S3ErrorCode::IncompleteBody));
    }
    let blobs = Arc::clone(blobs);
    let (blob, hashes) = blocking(move || {
        let (mut blob, hashes) = write(&blobs, file, hashes, &piece)?;
        blob.finish().map_err(internal)?;
        Ok((blob, hashes))
    })
    .await?;
    let digests = hashes.finish();
    expected.check(&digests)?;
    Ok(Received { blob, digests })
}

fn write(
    blobs: &Blobs,
    file: Option<NewBlob>,
    mut hashes: Hashes,
    pieces: &[Bytes],
) -> S3Result<(NewBlob, Hashes)> {
    let mut file = match file {
        Some(file) => file,
        None => blobs.create().map_err(internal)?,
    };
    for bytes in pieces {
        hashes.update(bytes);
        file.write(bytes).map_err(internal)?;
    }
    Ok((file, hashes))
}

/// s3s reports a hash or a signature of the body that does not fit as an error behind its last byte.
fn broken(all_there: bool, error: &(dyn std::error::Error + Send + Sync)) -> s3s::S3Error {
    tracing::debug!(%error, "a body could not be read");
    match all_there {
        false => refuse(S3ErrorCode::IncompleteBody),
        true => refuse_custom(
            http::StatusCode::BAD_REQUEST,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
    }
}
