//! One page's stream. It holds no queue: a page that does not keep up gets the newest state next, in one tick.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use model::wire::{FrameId, Mode};
use process::Shutdown;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::hub::{BEHIND, Frame, Hub};
use super::sse;
use crate::metrics::OpenStream;

/// After so much silence a comment is sent.
pub(super) const HEARTBEAT_AFTER: Duration = Duration::from_secs(15);

/// Reads the hub for one page.
pub(super) struct Reader {
    hub: Arc<Hub>,
    frames: broadcast::Receiver<Frame>,
    /// The newest frame that the page has.
    last: u64,
    first: Option<Bytes>,
    heartbeat: Pin<Box<Sleep>>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Counts this stream while it is open, and keeps its place.
    _open: OpenStream,
}

impl Reader {
    pub(super) fn new(hub: Arc<Hub>, last: Option<FrameId>, shutdown: &Shutdown, open: OpenStream) -> Self {
        // Before the first look at the picture, so that no frame falls between the two.
        let frames = hub.subscribe();
        let hello = hub.hello(last);
        let mut next = match (hello.mode, last) {
            (Mode::Resume, Some(last)) => hub.since(last.seq),
            _ => hub.whole(),
        };
        let mut first = vec![sse::retry(), sse::event("hello", None, &hello), next.bytes.clone()];
        if next.seq < hub.newest() {
            // The picture was made a moment ago, for somebody else.
            next = hub.since(next.seq);
            first.push(next.bytes.clone());
        }
        let first = sse::joined(&first);
        Self {
            hub,
            frames,
            last: next.seq,
            first: Some(first),
            heartbeat: Box::pin(tokio::time::sleep(HEARTBEAT_AFTER)),
            ended: Box::pin(shutdown.token().cancelled_owned()),
            _open: open,
        }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Bytes> + Send + 'static {
        futures::stream::unfold(self, |mut reader| async move { Some((reader.next().await?, reader)) })
    }

    /// The next bytes; `None` when the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let bytes = loop {
            if self.frames.len() > BEHIND {
                break self.catch_up();
            }
            tokio::select! {
                biased;
                () = &mut self.ended => return None,
                frame = self.frames.recv() => match frame {
                    Ok(frame) if frame.seq > self.last => {
                        self.last = frame.seq;
                        break frame.bytes;
                    }
                    // It was folded before the first look at the picture, and sent after it.
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break self.catch_up(),
                    Err(RecvError::Closed) => return None,
                },
                () = &mut self.heartbeat => break sse::HEARTBEAT,
            }
        };
        self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT_AFTER);
        Some(bytes)
    }

    fn catch_up(&mut self) -> Bytes {
        self.frames = self.frames.resubscribe();
        let frame = self.hub.since(self.last);
        self.last = frame.seq;
        frame.bytes
    }
}
