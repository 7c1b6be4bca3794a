//! What the server says of itself at `/metrics`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use model::command::Outcome;
use model::play::TapAnswer;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::live::Place;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Seconds from the reading of the log ends to the frame that tells them.
const DELAYS: [f64; 8] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.6, 2.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// All metrics. Parts of the server change them, `/metrics` reads them.
pub struct Metrics {
    registry: Registry,
    streams: Gauge,
    players: Gauge,
    taps: Family<OutcomeLabel, Counter>,
    commands: Family<OutcomeLabel, Counter>,
    ticks: Counter,
    delay: Histogram,
    sample_seconds: Gauge<f64, AtomicU64>,
    resident: Gauge<i64>,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("king"),
            streams: Gauge::default(),
            players: Gauge::default(),
            taps: Family::default(),
            commands: Family::default(),
            ticks: Counter::default(),
            delay: Histogram::new(DELAYS),
            sample_seconds: Gauge::default(),
            resident: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("streams_open", "Streams that are read now", self.streams.clone());
        registry.register("players", "People who have joined", self.players.clone());
        registry.register("taps", "Taps by what came of them", self.taps.clone());
        registry.register("commands", "Commands by what came of them", self.commands.clone());
        registry.register("ticks", "Steps of the picture", self.ticks.clone());
        let help = "From the reading of the log ends to the frame that tells them";
        registry.register_with_unit("sample_to_frame", help, Unit::Seconds, self.delay.clone());
        let help = "How long a sample of all partitions took, median";
        registry.register_with_unit("sample", help, Unit::Seconds, self.sample_seconds.clone());
        let help = "Memory of this process";
        registry.register_with_unit("resident_memory", help, Unit::Bytes, self.resident.clone());
    }

    /// Counts a stream for as long as the answer lives; `place` is what bounds their number.
    #[must_use]
    pub fn stream_opened(&self, place: Place) -> OpenStream {
        self.streams.inc();
        OpenStream { streams: self.streams.clone(), _place: place }
    }

    pub(crate) fn tapped(&self, answer: &TapAnswer) {
        let outcome = match answer {
            TapAnswer::Sent(_) => "sent",
            TapAnswer::Limited { room: false, .. } => "limited",
            TapAnswer::Limited { room: true, .. } => "room limited",
            TapAnswer::Unavailable { .. } => "unavailable",
            TapAnswer::Unknown => "unknown",
        };
        self.taps.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn commanded(&self, outcome: Option<&Outcome>) {
        let outcome = match outcome {
            Some(Outcome::Done) => "done",
            Some(Outcome::Confirm { .. }) => "confirm",
            Some(Outcome::Refused { .. }) => "refused",
            None => "forbidden",
        };
        self.commands.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn ticked(&self) {
        self.ticks.inc();
    }

    pub(crate) fn sample_folded(&self, age_ms: model::Millis) {
        self.delay.observe(std::time::Duration::from_millis(age_ms).as_secs_f64());
    }

    pub(crate) fn sample_took(&self, median: std::time::Duration) {
        self.sample_seconds.set(median.as_secs_f64());
    }

    pub(crate) fn players(&self, players: u32) {
        self.players.set(players.into());
    }
}

impl Metrics {
    /// All of them, as OpenMetrics.
    ///
    /// # Errors
    /// When one of them cannot be written, which is a fault of ours.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A stream that is open: dropping it counts it out and gives its place to somebody else.
pub struct OpenStream {
    streams: Gauge,
    _place: Place,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams.dec();
    }
}

/// `GET /metrics`, for the admin port: they are nobody's business who only looks on.
pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(serve)).with_state(metrics)
}

async fn serve(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The memory that this process has in use, where the system tells it: the second field of Linux' `statm`, in pages.
fn resident_bytes() -> Option<i64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * i64::try_from(rustix::param::page_size()).ok()?)
}
