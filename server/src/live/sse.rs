//! Server-sent events as bytes: written once, shared by all who read them.

use std::io::Write;

use bytes::Bytes;
use model::wire::FrameId;
use rand::RngExt;
use serde::Serialize;

/// A comment that keeps proxies from closing a quiet stream.
pub(super) const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");
/// When a page may come back after a break, in milliseconds; spread, so that a room does not come back at once.
const RETRY_MS: std::ops::Range<u32> = 500..2_000;

/// One event; with an id if a page may go on from here.
pub(super) fn event(name: &str, id: Option<FrameId>, value: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(512);
    // Writing into memory does not fail, and neither does writing these types as JSON.
    let _ = id.map(|id| writeln!(text, "id: {id}"));
    let _ = write!(text, "event: {name}\ndata: ");
    let _ = serde_json::to_writer(&mut text, value);
    text.extend(b"\n\n");
    text.into()
}

/// Tells the browser how long to wait before it comes back.
pub(super) fn retry() -> Bytes {
    format!("retry: {}\n", rand::rng().random_range(RETRY_MS)).into()
}

/// Several pieces as one.
pub(super) fn joined(pieces: &[Bytes]) -> Bytes {
    pieces.concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_an_id_and_one_line_of_data() {
        let id = FrameId { epoch: 7, seq: 12 };
        let event = event("tick", Some(id), &serde_json::json!({"t": 12, "text": "a\nb"}));
        assert_eq!(event, "id: 7:12\nevent: tick\ndata: {\"t\":12,\"text\":\"a\\nb\"}\n\n");
    }
}
