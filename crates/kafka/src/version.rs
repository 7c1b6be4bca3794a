//! Which release of Kafka a broker runs, asked with one `ApiVersions` request over a connection of our own.
//!
//! librdkafka does not expose the answer's features. A broker never says its release; but the newest `metadata.version`
//! that it supports belongs to exactly one. Only plaintext listeners are asked: we speak TLS through librdkafka alone.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::client::{Brokers, Security};

const TIMEOUT: Duration = Duration::from_secs(1);
/// An honest answer has a few kilobytes.
const MAX_ANSWER: usize = 256 * 1024;
/// How [`exchange`] reports that the answer is TLS.
const TLS_ALERT: ErrorKind = ErrorKind::Unsupported;
const CORRELATION_ID: [u8; 4] = *b"king";

/// The release, for example `4.3`; `None` where it cannot be learned.
pub(crate) fn ask(brokers: &Brokers) -> Option<&'static str> {
    match brokers.security() {
        Security::Plaintext => brokers.addresses().find_map(ask_one),
        Security::Tls { .. } => None,
    }
}

/// Whether a listener that was asked in plaintext answers with a TLS alert.
pub(crate) fn is_tls_expected(brokers: &Brokers) -> bool {
    brokers.addresses().any(|address| exchange(address).is_err_and(|error| error.kind() == TLS_ALERT))
}

fn ask_one(address: &str) -> Option<&'static str> {
    let answer = exchange(address)
        .inspect_err(|error| tracing::debug!(address, %error, "cannot ask the broker for its version"))
        .ok()?;
    let mut answer = Fields(answer.strip_prefix(&CORRELATION_ID)?);
    release(answer.newest_metadata_version()?)
}

/// Sends `ApiVersions`, version 3, and returns the bytes of the answer after its length.
fn exchange(address: &str) -> std::io::Result<Vec<u8>> {
    let mut last = std::io::Error::from(ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return exchange_on(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange_on(mut stream: TcpStream) -> std::io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // Key 18, version 3, no client id, no tagged fields; then name and version of the client.
    let mut request = vec![0, 18, 0, 3];
    request.extend(CORRELATION_ID);
    request.extend([0xFF, 0xFF, 0]);
    request.extend(b"\x05king\x021\0");
    let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
    stream.write_all(&[&length.to_be_bytes()[..], &request].concat())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    // A record of the type "alert", of any TLS since 1.0.
    if length.starts_with(&[0x15, 0x03]) {
        return Err(TLS_ALERT.into());
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_ANSWER {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// What is left of an answer; every read shortens it, and is `None` past its end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take(2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = usize::from(*self.take(1)?.first()?);
            value |= (byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn skip_tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Some(())
    }

    /// Reads an `ApiVersionsResponse` as far as its first tagged field, the supported features.
    fn newest_metadata_version(&mut self) -> Option<i16> {
        if self.i16()? != 0 {
            return None;
        }
        for _ in 1..self.varint()? {
            self.take(6)?;
            self.skip_tags()?;
        }
        self.take(4)?;
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let length = self.varint()?;
            let mut field = Fields(self.take(length)?);
            if tag == 0 {
                return field.feature("metadata.version");
            }
        }
        None
    }

    /// The newest supported version of one feature in a compact array of them.
    fn feature(&mut self, wanted: &str) -> Option<i16> {
        for _ in 1..self.varint()? {
            let length = self.varint()?.checked_sub(1)?;
            let name = self.take(length)?;
            let (_oldest, newest) = (self.i16()?, self.i16()?);
            self.skip_tags()?;
            if name == wanted.as_bytes() {
                return Some(newest);
            }
        }
        None
    }
}

/// The release whose newest production `metadata.version` this is (`MetadataVersion.java` of Kafka 4.3).
fn release(metadata_version: i16) -> Option<&'static str> {
    Some(match metadata_version {
        5..=7 => "3.3",
        8 => "3.4",
        9..=11 => "3.5",
        12..=14 => "3.6",
        15..=19 => "3.7",
        20 => "3.8",
        21 => "3.9",
        22..=25 => "4.0",
        26..=27 => "4.1",
        28..=29 => "4.2",
        30 => "4.3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No error, one API, no throttling, then the tagged fields of an answer.
    fn answer(tagged: &[u8]) -> Vec<u8> {
        [b"\0\0\x02\0\x12\0\0\0\x04\0\0\0\0\0".as_slice(), tagged].concat()
    }

    #[test]
    fn the_newest_supported_metadata_version_is_found_among_the_features() {
        let features = b"\x03\x0Ekraft.version\0\0\0\x01\0\x11metadata.version\0\x07\0\x1B\0";
        // A compact string's length is one more than its bytes.
        let features = [&features[..1], b"\x0E", &features[2..]].concat();
        let length = u8::try_from(features.len()).unwrap();
        let bytes = answer(&[&[1, 0, length][..], &features].concat());
        assert_eq!(Fields(&bytes).newest_metadata_version().and_then(release), Some("4.1"));
    }

    #[test]
    fn an_answer_that_is_cut_or_has_no_features_says_nothing() {
        assert_eq!(Fields(&answer(b"\0")).newest_metadata_version(), None);
        assert_eq!(Fields(&answer(b"\x01\0\x20")).newest_metadata_version(), None);
        assert_eq!(Fields(b"\0\x23").newest_metadata_version(), None);
    }

    #[test]
    fn a_newer_release_than_we_know_has_no_name() {
        assert_eq!(release(1_000), None);
    }
}
