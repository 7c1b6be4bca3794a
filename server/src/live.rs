//! `GET /live`: the picture as a stream of server-sent events, for as many people as look.

mod hub;
mod phone;
mod places;
mod reader;
mod sse;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use http::{HeaderMap, StatusCode, header};
use model::wire::FrameId;
use serde::Deserialize;

use crate::access::Client;
use crate::state::Server;
pub use hub::Hub;
use phone::PhoneReader;
pub use places::{Looker, Place, Places};
use reader::Reader;

/// Streams at a time. A room has a tenth of that; beyond it, memory and processor belong to those who are in.
pub const MAX_STREAMS: usize = 3_000;
/// When to ask again, in seconds, where there are too many.
const RETRY_AFTER: &str = "5";
const LAST_EVENT_ID: &str = "last-event-id";

/// The query of a stream.
#[derive(Debug, Default, Deserialize)]
pub struct StreamQuery {
    /// The id of the frame that the page was rendered from.
    #[serde(default)]
    from: Option<String>,
    /// `phone`: only what a phone shows.
    #[serde(default)]
    view: Option<String>,
}

/// Opens a stream.
pub async fn open(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Response {
    let client = Client::of(peer, &headers, server.access.front());
    let is_phone = query.view.as_deref() == Some("phone");
    let player = if is_phone { server.player(&client, &headers) } else { None };
    let looker = match player {
        _ if server.access.presenter(server.clock.now_ms(), &client, &headers).is_some() => Looker::Presenter,
        Some(player) => Looker::Player(player.machine),
        None => Looker::Other,
    };
    let Some(place) = server.places.take(client.network(), looker) else {
        let reason = "Too many people look on at this moment: try again in a few seconds.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)], reason)
            .into_response();
    };
    let open = server.metrics.stream_opened(place);
    if is_phone {
        let reader = PhoneReader::new(Arc::clone(&server), player.map(|player| player.machine), open);
        return events(reader.into_stream());
    }
    // After a break the browser repeats the first address, but names the last frame that it has seen.
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned).or(query.from);
    let last: Option<FrameId> = last.and_then(|id| id.parse().ok());
    events(Reader::new(Arc::clone(&server.hub), last, &server.shutdown, open).into_stream())
}

fn events(stream: impl Stream<Item = bytes::Bytes> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(stream.map(Ok::<_, std::convert::Infallible>))).into_response()
}
