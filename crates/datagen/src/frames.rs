//! Frames when they are due: as the control topic says, or as a run on the command line says, which its seed replays.

use std::time::{Duration, Instant};

use kafka::control::Control;
use model::Millis;
use tokio::sync::watch::Receiver;
use tracing::{info, warn};
use workload::Input;
use workload::avro::Codec;
use workload::generator::{Drawn, Generator};

use crate::config::Run;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::plan::{FRAME, Plan};
use crate::producer::{Producer, Record, Stopped};
use crate::watch::Watch;
use crate::{event_time, now_ms};

/// How often frames are sent: often enough that the rate is smooth, seldom enough that a step holds several frames.
const STEP: Duration = Duration::from_millis(5);
/// The load of a step that is sent without waiting: in between the process looks whether it should stop.
const UNPACED_STEP_MS: Millis = 20;
/// Arrears are made up for, but not more than this: after a long outage the load goes on as before it, and does not
/// come down on Kafka all at once. A run makes up for all of them.
const LONGEST_ARREARS_MS: Millis = 1_000;
/// Clocks that are kept right are moved by less, and nobody has to know.
const LEAP_MS: Millis = 500;

/// Draws frames and sends them.
pub(crate) struct Frames {
    generator: Generator,
    codec: Codec,
    producer: Producer,
    metrics: Metrics,
    pace: Pace,
}

impl Frames {
    pub(crate) fn new(generator: Generator, codec: Codec, producer: Producer, metrics: Metrics) -> Self {
        Self { generator, codec, producer, metrics, pace: Pace::default() }
    }

    /// Sends what the control topic asks for until a stop is requested. A frame's time is that of its sending.
    pub(crate) fn follow(&mut self, control: &Receiver<Control>) -> Result<(), Stopped> {
        let mut watch = Watch::default();
        let start = Instant::now();
        let (mut looked, mut done_ms) = (start, now_ms());
        loop {
            let plan = in_force(&control.borrow());
            let until_ms = now_ms();
            // A clock that was put back brings nothing, one that was put forward little.
            let from_ms = done_ms.clamp(until_ms.saturating_sub(LONGEST_ARREARS_MS), until_ms);
            self.tell_leap(&plan, [done_ms, from_ms], looked.elapsed());
            (looked, done_ms) = (Instant::now(), from_ms);
            while done_ms < until_ms {
                for _ in 0..self.pace.due(&plan, done_ms, done_ms + 1) {
                    self.send(&plan, now_ms())?;
                }
                done_ms += 1;
            }
            self.note(&mut watch, start, plan.target(until_ms));
            self.wait(start)?;
        }
    }

    /// Says where the load does not go on where it ended. `passed` is the time since the last step by a clock that
    /// nobody sets.
    fn tell_leap(&self, plan: &Plan, [done_ms, from_ms]: [Millis; 2], passed: Duration) {
        if from_ms + LEAP_MS < done_ms {
            let by = Duration::from_millis(done_ms - from_ms);
            warn!(
                ?by,
                "the clock was put back: the times of frames repeat, and readers may take them for late"
            );
        } else if from_ms > done_ms {
            let (frames, length) =
                (plan.millionths(done_ms, from_ms) / FRAME, Duration::from_millis(from_ms - done_ms));
            self.metrics.left_out.inc_by(frames);
            let cause = if passed < length {
                "the clock was put forward"
            } else {
                "nothing could be sent for so long"
            };
            warn!(frames, "{cause}: leaving out the load of {length:?}");
        }
    }

    /// Sends a run to its end, and returns when Kafka has all of it. A frame's time is when it was due.
    pub(crate) fn replay(&mut self, run: &Run) -> Result<(), Stopped> {
        let mut watch = Watch::default();
        let start = Instant::now();
        let (mut done_ms, mut left) = (0, run.frames);
        while left > 0 && done_ms < run.ends_ms {
            let elapsed_ms = Millis::try_from(start.elapsed().as_millis()).unwrap_or(Millis::MAX);
            let until_ms = if run.unpaced { done_ms + UNPACED_STEP_MS } else { elapsed_ms };
            while left > 0 && done_ms < until_ms.min(run.ends_ms) {
                let due = self.pace.due(&run.plan, done_ms, done_ms + 1).min(left);
                done_ms += 1;
                for _ in 0..due {
                    self.send(&run.plan, run.start_ms.saturating_add(done_ms))?;
                }
                left -= due;
            }
            if run.unpaced {
                self.producer.serve()?;
            } else {
                self.note(&mut watch, start, run.plan.target(done_ms));
                self.wait(start)?;
            }
        }
        self.producer.drain()?;
        let (frames, took_ms) = (run.frames - left, start.elapsed().as_millis());
        info!(frames, records = self.producer.acknowledged(), took_ms, "done");
        Ok(())
    }

    /// What Kafka refused of the load; `None` where it has all of it.
    pub(crate) fn loss(&self) -> Option<String> {
        let lost = self.producer.refused();
        let cause = self.producer.first_cause().map(|cause| format!(": {cause}")).unwrap_or_default();
        (lost > 0).then(|| format!("Kafka refused {lost} records of this run{cause}"))
    }

    /// Waits for the last acknowledgements, but not longer than this.
    pub(crate) fn flush(&mut self, limit: Duration) {
        self.producer.flush(limit);
    }

    fn send(&mut self, plan: &Plan, at_ms: Millis) -> Result<(), Stopped> {
        let Drawn { frame, partition, answered } = self.generator.draw(event_time(at_ms), plan.hot());
        let key = self.codec.encode_header(&frame.header);
        let ts = frame.header.ts;
        let request = self.codec.encode_body(false, &frame.hits);
        self.producer.send(Record { input: Input::Requests, partition, key: &key, value: &request, ts })?;
        if answered {
            let response = self.codec.encode_body(true, &frame.hits);
            let record = Record { input: Input::Responses, partition, key: &key, value: &response, ts };
            self.producer.send(record)?;
        }
        Ok(())
    }

    fn note(&mut self, watch: &mut Watch, start: Instant, target: u32) {
        self.metrics.target.set(target.into());
        watch.look(start.elapsed(), target, self.producer.acknowledged_of_each(), &self.metrics);
    }

    /// Until the next step, which is a multiple of [`STEP`] and thus does not drift.
    fn wait(&mut self, start: Instant) -> Result<(), Stopped> {
        let step = STEP.as_nanos();
        let left = step - start.elapsed().as_nanos() % step;
        self.producer.wait(Duration::from_nanos(u64::try_from(left).unwrap_or_default()))
    }
}

/// The settings in force.
fn in_force(control: &Control) -> Plan {
    Plan::from(control.load.clone().unwrap_or_default())
}
