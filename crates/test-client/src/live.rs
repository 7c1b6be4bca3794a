//! The live stream as a client reads it: server-sent events and their ids.

use std::collections::VecDeque;
use std::pin::Pin;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use model::wire::{FrameId, Picture};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, COOKIE};

/// Which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// That of the show.
    Show,
    /// That of a phone.
    Phone,
}

/// An event with all its lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// `hello`, `picture`, `tick`, `phone`.
    pub name: String,
    /// Which frame it is.
    pub id: Option<FrameId>,
    /// JSON.
    pub data: String,
}

impl Event {
    /// Brings a picture up to date, as the page does; whether this event is of that kind.
    ///
    /// # Errors
    /// When its data are not what its name says.
    pub fn apply(&self, picture: &mut Picture) -> Result<bool> {
        match self.name.as_str() {
            "picture" => *picture = serde_json::from_str(&self.data)?,
            "tick" => picture.apply(serde_json::from_str(&self.data)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// An open stream.
pub struct Live {
    body: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    parser: Parser,
    arrived: VecDeque<Event>,
    bytes: u64,
}

impl Live {
    /// Opens a stream as a page does: after `from` if the page has a picture already, with the page's cookies.
    ///
    /// # Errors
    /// When there is no such stream there.
    pub async fn open(
        http: &reqwest::Client,
        url: &str,
        view: View,
        from: Option<FrameId>,
        cookie: &str,
    ) -> Result<Self> {
        let mut query = Vec::new();
        query.extend((view == View::Phone).then(|| "view=phone".to_owned()));
        query.extend(from.map(|from| format!("from={from}")));
        let response = http
            .get(format!("{url}/live?{}", query.join("&")))
            .header(ACCEPT, "text/event-stream")
            .header(ACCEPT_ENCODING, "identity")
            .header(COOKIE, cookie)
            .send()
            .await
            .context("the live stream was not opened")?;
        if !response.status().is_success() || response.headers().contains_key(CONTENT_ENCODING) {
            bail!("the live stream was answered with {} and {:?}", response.status(), response.headers());
        }
        let body = Box::pin(response.bytes_stream());
        Ok(Self { body, parser: Parser::default(), arrived: VecDeque::new(), bytes: 0 })
    }

    /// The next event.
    ///
    /// # Errors
    /// When the stream has ended.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.arrived.pop_front() {
                return Ok(event);
            }
            let chunk = self.body.next().await.context("the live stream has ended")??;
            self.bytes += chunk.len() as u64;
            self.arrived.extend(self.parser.push(&chunk));
        }
    }

    /// Bytes of the body so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Cuts bytes into events; comments and retry times are passed over.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    event: Event,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = &self.rest[begin..begin + length];
            begin += length + 1;
            events.extend(take_line(&mut self.event, &String::from_utf8_lossy(line)));
        }
        self.rest.drain(..begin);
        events
    }
}

/// Adds a line to the event under way; the empty line that ends it gives it out.
fn take_line(event: &mut Event, line: &str) -> Option<Event> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        let whole = std::mem::take(event);
        return (!whole.data.is_empty()).then_some(whole);
    }
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match field {
        "event" => value.clone_into(&mut event.name),
        "id" => event.id = value.parse().ok(),
        "data" => {
            if !event.data.is_empty() {
                event.data.push('\n');
            }
            event.data.push_str(value);
        }
        _ => {}
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_bytes_are_cut() {
        let text = b"retry: 900\n\n: heartbeat\n\nid: 3:14\nevent: tick\ndata: {\"t\":14}\n\nid: 3:15\r\nevent: tick\r\ndata: {\"t\":15}\r\n\r\n";
        let tick = |seq| Event {
            name: "tick".to_owned(),
            id: Some(FrameId { epoch: 3, seq }),
            data: format!("{{\"t\":{seq}}}"),
        };
        for size in [1, 7, text.len()] {
            let mut parser = Parser::default();
            let events: Vec<Event> = text.chunks(size).flat_map(|chunk| parser.push(chunk)).collect();
            assert_eq!(events, [tick(14), tick(15)], "in pieces of {size}");
        }
    }
}
