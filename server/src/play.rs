//! A tap's way: drawn in the game, written to Kafka as a request and its response, seen again in `SESSIONS`.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use kafka::taps::Taps;
use model::Millis;
use model::clocks::Watch;
use model::controls::Refusal;
use model::play::{Direction, Key, TapAnswer};
use phone_game::{Draft, Returned};
use schema_registry::Schemas;
use workload::avro::{Codec, DecodeError};
use workload::{Frame, Machine};

use crate::state::Server;

/// Writes a player's frame to Kafka.
#[async_trait]
pub trait TapWriter: Send + Sync {
    /// Writes request and response; returns the request's partition and offset when Kafka has both.
    async fn write(&self, frame: &Frame, partition: u32) -> Result<(u32, i64), Refusal>;
}

/// Writes taps as the other programs write frames.
pub struct EncodedTaps {
    /// Their way into Kafka.
    pub taps: Taps,
    /// How they are encoded, once a schema registry has told; the adapters say so.
    pub schemas: Arc<OnceLock<Schemas>>,
}

#[async_trait]
impl TapWriter for EncodedTaps {
    async fn write(&self, frame: &Frame, partition: u32) -> Result<(u32, i64), Refusal> {
        let Some(codec) = self.schemas.get().map(Schemas::codec) else {
            return Err(Refusal::Unavailable("the schema registry does not answer yet".to_owned()));
        };
        let key = codec.encode_header(&frame.header);
        let [request, response] = [false, true].map(|approval| codec.encode_body(approval, &frame.hits));
        let tap = kafka::taps::Tap { partition, key: &key, request: &request, response: &response };
        match self.taps.tap(tap).await {
            Ok(receipt) => Ok((receipt.partition, receipt.offset)),
            Err(error) => Err(Refusal::Unavailable(error.to_string())),
        }
    }
}

/// Sends a tap of a player who has joined.
pub async fn tap(server: &Server, machine: Machine, key: Key, direction: Option<Direction>) -> TapAnswer {
    let answer = match draft(server, machine, key, direction) {
        Ok(draft) => send(server, &draft).await,
        Err(answer) => answer,
    };
    server.metrics.tapped(&answer);
    answer
}

fn draft(
    server: &Server,
    machine: Machine,
    key: Key,
    direction: Option<Direction>,
) -> Result<Draft, TapAnswer> {
    server.game().tap(server.clock.now_ms(), machine, (key, direction), &mut rand::rng())
}

async fn send(server: &Server, draft: &Draft) -> TapAnswer {
    match server.taps.write(&draft.frame, draft.partition).await {
        Ok((partition, offset)) => {
            let tap = server.game().acked(server.clock.now_ms(), draft, partition, offset);
            tap.map_or(TapAnswer::Unknown, TapAnswer::Sent)
        }
        Err(refusal) => {
            server.game().failed(draft);
            TapAnswer::Unavailable { reason: refusal.to_string() }
        }
    }
}

/// Whether a record of `SESSIONS` is a player's, by the bytes of its key; also when only a registry can tell.
#[must_use]
pub fn is_players(codec: &Codec, key: &[u8]) -> bool {
    match codec.decode_header(key) {
        Ok(header) => header.machine.is_player(),
        Err(error) => matches!(error, DecodeError::UnknownId { .. }),
    }
}

/// Looks at the times in a record of `SESSIONS`, anybody's: that of its first frame, and the pod's when it joined.
pub fn look_at_clocks(
    clocks: &mut Watch,
    now_ms: Millis,
    codec: &Codec,
    key: &[u8],
    joined: Option<(&str, Millis)>,
) {
    if let Ok(header) = codec.decode_header(key) {
        clocks.frame(now_ms, header.machine.is_player(), header.ts);
    }
    if let Some((pod, at_ms)) = joined {
        clocks.joined(now_ms, pod, at_ms);
    }
}

/// What a record of `SESSIONS` tells of a player's taps; `None` where it lacks what is needed.
///
/// # Errors
/// When the registry does not say what its id means. The next record with this id is another chance; until then its
/// player waits.
pub async fn returned(
    schemas: &Schemas,
    record: &kafka::sessions::SessionRecord,
) -> Result<Option<(Machine, Returned)>, schema_registry::Error> {
    if let Err(DecodeError::UnknownId { id }) = schemas.codec().decode_header(&record.key) {
        schemas.explain(id).await?;
    }
    Ok(read(schemas.codec(), record))
}

fn read(codec: &Codec, record: &kafka::sessions::SessionRecord) -> Option<(Machine, Returned)> {
    let machine = codec.decode_header(&record.key).ok()?.machine;
    let joined_at_ms: Millis = record.joined_at_ms?;
    let (rq_offset, pod) = (record.rq_offset?, record.pod.clone()?);
    Some((machine, Returned { partition: record.partition, rq_offset, pod, joined_at_ms }))
}
