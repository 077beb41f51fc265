//! Requests whose signature is not checked.
//!
//! s3s takes a signed request only if it can check the signature, and it decodes `aws-chunked` bodies only then. By
//! default this server takes the credentials of anyone, as no secret protects data on loopback: [`accept`] takes the
//! signature off and decodes the body. With signatures checked, s3s does both.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures::Stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use s3s::stream::{ByteStream, DynByteStream, RemainingLength};
use s3s::{Body, StdError};

/// Query parameters of presigned URLs, of versions 4 and 2.
const SIGNING: &[&str] = &[
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "AWSAccessKeyId",
    "Expires",
    "Signature",
];

/// Headers that follow a body, once it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    pub(crate) fn read<T>(&self, read: impl FnOnce(&HeaderMap) -> Option<T>) -> Option<T> {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn insert(&self, name: HeaderName, value: HeaderValue) {
        let mut headers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        headers.insert(name, value);
    }
}

/// The request without its signature and, if its body is `aws-chunked`, with that decoded.
pub(crate) fn accept(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().remove(AUTHORIZATION);
    if let Some(uri) = without_signature(request.uri()) {
        *request.uri_mut() = uri;
    }
    let headers = request.headers_mut();
    let hash = headers.get("x-amz-content-sha256");
    if !hash.is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-")) {
        return request;
    }
    // Without this header s3s does not know the length, and the request is refused as S3 refuses it.
    let length = headers.remove("x-amz-decoded-content-length");
    headers.remove(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length else {
        return request;
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    let trailers = Trailers::default();
    request.extensions_mut().insert(trailers.clone());
    request.map(|body| {
        let decoded: DynByteStream = Box::pin(Chunked {
            body,
            buffer: BytesMut::new(),
            state: State::Header,
            remaining: length,
            trailers,
        });
        Body::from(decoded)
    })
}

fn without_signature(uri: &Uri) -> Option<Uri> {
    let kept = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        !SIGNING
            .iter()
            .any(|signing| signing.eq_ignore_ascii_case(name))
    };
    let query = uri.query()?;
    let query: Vec<&str> = query.split('&').filter(kept).collect();
    let path = match query.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{}", uri.path(), query.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Decodes `aws-chunked`: chunks of `<length in hex>[;extensions]\r\n<bytes>\r\n`, an empty one, then trailing
/// headers.
struct Chunked {
    body: Body,
    buffer: BytesMut,
    state: State,
    /// Bytes that are still to come, once decoded.
    remaining: u64,
    trailers: Trailers,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Header,
    /// Bytes that the chunk still has.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    End,
}

#[derive(Debug, thiserror::Error)]
enum ChunkError {
    #[error("the aws-chunked body is malformed: {0}")]
    Malformed(&'static str),
    #[error("the aws-chunked body ends early")]
    Short,
    #[error("the aws-chunked body has another length than x-amz-decoded-content-length")]
    Length,
}

/// Longer lines are no header of a chunk.
const LONGEST_LINE: usize = 16 << 10;

impl Chunked {
    /// The next line, if it is there.
    fn line(&mut self) -> Result<Option<Bytes>, ChunkError> {
        let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") else {
            return match self.buffer.len() > LONGEST_LINE {
                true => Err(ChunkError::Malformed("a line is too long")),
                false => Ok(None),
            };
        };
        let line = self.buffer.split_to(end).freeze();
        self.buffer.advance(2);
        Ok(Some(line))
    }

    /// Goes as far as what has come allows: bytes of a chunk, or nothing until more comes.
    fn step(&mut self) -> Result<Option<Bytes>, ChunkError> {
        loop {
            match self.state {
                State::Header => {
                    let Some(line) = self.line()? else {
                        return Ok(None);
                    };
                    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                    let length = std::str::from_utf8(digits)
                        .ok()
                        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
                        .ok_or(ChunkError::Malformed("a chunk has no length"))?;
                    self.remaining = self
                        .remaining
                        .checked_sub(length)
                        .ok_or(ChunkError::Length)?;
                    self.state = match length {
                        0 if self.remaining > 0 => return Err(ChunkError::Length),
                        0 => State::Trailers,
                        length => State::Chunk(length),
                    };
                }
                State::Chunk(0) => self.state = State::ChunkEnd,
                State::Chunk(length) => {
                    if self.buffer.is_empty() {
                        return Ok(None);
                    }
                    let take = self
                        .buffer
                        .len()
                        .min(usize::try_from(length).unwrap_or(usize::MAX));
                    self.state = State::Chunk(length - take as u64);
                    return Ok(Some(self.buffer.split_to(take).freeze()));
                }
                State::ChunkEnd => match self.line()? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => self.state = State::Header,
                    Some(_) => return Err(ChunkError::Malformed("a chunk is longer than it says")),
                },
                State::Trailers => {
                    let Some(line) = self.line()? else {
                        return Ok(None);
                    };
                    if line.is_empty() {
                        self.state = State::End;
                        continue;
                    }
                    let mut sides = line.splitn(2, |byte| *byte == b':');
                    let (name, value) = (sides.next().unwrap_or_default(), sides.next());
                    let value = value.map(|value| HeaderValue::from_bytes(value.trim_ascii()));
                    match (HeaderName::from_bytes(name.trim_ascii()), value) {
                        (Ok(name), Some(Ok(value))) => self.trailers.insert(name, value),
                        _ => return Err(ChunkError::Malformed("a trailing header is none")),
                    }
                }
                // What follows the end belongs to nothing.
                State::End => return Ok(None),
            }
        }
    }
}

impl Stream for Chunked {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.step() {
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    // Some clients leave out the last empty line.
                    return match self.state {
                        State::End | State::Trailers => Poll::Ready(None),
                        _ => Poll::Ready(Some(Err(ChunkError::Short.into()))),
                    };
                }
            }
        }
    }
}

impl ByteStream for Chunked {
    fn remaining_length(&self) -> RemainingLength {
        let in_chunk = match self.state {
            State::Chunk(length) => length,
            _ => 0,
        };
        let length = self.remaining.saturating_add(in_chunk);
        usize::try_from(length).map_or(RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{StreamExt, stream};
    use http::Request;
    use s3s::Body;
    use s3s::dto::StreamingBlob;

    use super::{Trailers, accept};

    /// The body, decoded from pieces of one length, and the trailing checksum.
    async fn decoded(body: &str, length: u64, piece: usize) -> Result<(String, String), String> {
        let pieces: Vec<_> = body
            .as_bytes()
            .chunks(piece)
            .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
            .collect();
        let request = Request::put("/b/k?x-id=PutObject&X-Amz-Signature=s")
            .header("authorization", "AWS4-HMAC-SHA256 secret")
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", length)
            .body(Body::from(StreamingBlob::wrap(stream::iter(pieces))))
            .unwrap();
        let mut request = accept(request);
        assert_eq!(request.uri(), "/b/k?x-id=PutObject");
        assert!(!request.headers().contains_key("authorization"));
        let mut all = Vec::new();
        while let Some(bytes) = request.body_mut().next().await {
            all.extend(bytes.map_err(|error| error.to_string())?);
        }
        let trailers: &Trailers = request.extensions().get().unwrap();
        let checksum = trailers.read(|headers| {
            let value = headers.get("x-amz-checksum-crc32")?;
            Some(value.to_str().unwrap().to_owned())
        });
        Ok((
            String::from_utf8(all).unwrap(),
            checksum.unwrap_or_default(),
        ))
    }

    #[tokio::test]
    async fn chunks_and_trailers_are_decoded_however_they_are_cut() {
        let body = "5;chunk-signature=ab\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32: DUoRhQ==\r\n\r\n";
        for piece in 1..body.len() {
            let (text, checksum) = decoded(body, 11, piece).await.unwrap();
            assert_eq!(
                (text.as_str(), checksum.as_str()),
                ("hello world", "DUoRhQ==")
            );
        }
    }

    #[tokio::test]
    async fn bodies_of_another_length_are_errors() {
        for (body, length) in [
            ("5\r\nhello\r\n0\r\n\r\n", 6),
            ("5\r\nhello\r\n0\r\n\r\n", 4),
            ("5\r\nhel", 5),
            ("5\r\nhelloo\r\n0\r\n\r\n", 5),
            ("x\r\nhello\r\n0\r\n\r\n", 5),
        ] {
            decoded(body, length, 100).await.unwrap_err();
        }
    }
}
