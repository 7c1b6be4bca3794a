//! What the reference makes of the inputs.

use std::collections::BTreeMap;

use anyhow::Result;
use kafka::Brokers;
use workload::Input;

use crate::log::{self, Record};
use crate::names::Names;
use crate::reference::{self, Counts, Fault, Final, Outcome};
use crate::verdict::Origin;

/// No log is so long: in the second life of a topic offsets begin at 0 again, and are told from those of the first by
/// this.
const SECOND_LIFE: i64 = 1 << 40;

/// What has to come out of a schedule.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) records: usize,
    pub(super) finals: BTreeMap<Vec<u8>, Final>,
    pub(super) dead: BTreeMap<Origin, Vec<Fault>>,
    pub(super) counts: Counts,
}

/// What an input held before it was deleted and made anew: a list a partition.
pub(super) type FirstLife = (Input, Vec<Vec<Record>>);

impl Truth {
    /// Reads the logs, and folds them as pods do that read them at `now`, ms since the epoch.
    pub(super) async fn read(
        brokers: &Brokers,
        names: &Names,
        first_life: Option<FirstLife>,
        now: i64,
    ) -> Result<Self> {
        let mut requests = log::read(brokers, &names.input(Input::Requests)).await?;
        let mut responses = log::read(brokers, &names.input(Input::Responses)).await?;
        if let Some((input, first)) = first_life {
            let logs = if input == Input::Requests { &mut requests } else { &mut responses };
            for (log, first) in logs.iter_mut().zip(first) {
                let second = std::mem::replace(log, first);
                log.extend(
                    second.into_iter().map(|record| Record { offset: record.offset + SECOND_LIFE, ..record }),
                );
            }
        }
        let mut truth = Self::default();
        for (partition, (requests, responses)) in (0..).zip(requests.iter().zip(&responses)) {
            truth.records += requests.len() + responses.len();
            truth.add(names, partition, fold(requests, responses, now));
        }
        Ok(truth)
    }

    fn add(&mut self, names: &Names, partition: u32, outcome: Outcome) {
        let Outcome { finals, dead, counts } = outcome;
        self.finals.extend(finals);
        self.counts += counts;
        for ((input, offset), fault) in dead {
            let offset = offset % SECOND_LIFE;
            self.dead.entry(Origin { topic: names.input(input), partition, offset }).or_default().push(fault);
        }
    }
}

/// Folds two logs of which one may have a second life. Its `rq-offset` is the highest number, in whichever life.
fn fold(requests: &[Record], responses: &[Record], now: i64) -> Outcome {
    let Outcome { dead, counts, .. } = reference::fold(requests, responses, now);
    let number = |record: &Record| Record { offset: record.offset % SECOND_LIFE, ..record.clone() };
    let requests: Vec<Record> = requests.iter().map(number).collect();
    let Outcome { finals, .. } = reference::fold(&requests, responses, now);
    Outcome { finals, dead, counts }
}
