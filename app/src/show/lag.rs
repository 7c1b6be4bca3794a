//! How far behind, and how many pods: the two loudest figures, above the chart.

use leptos::prelude::*;
use model::wire::Picture;

use super::chart;
use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words;

pub(super) fn lag(store: Store) -> impl IntoView {
    view! {
        <section class="panel lag" aria-labelledby="lag-title">
            <h2 id="lag-title">
                <span>"Lag"</span>
                <b class="loud worst" title=store.text(&[Part::Lag], in_full)>{store.text(&[Part::Lag], worst)}</b>
                <span title=store.text(&[Part::Lag], |picture| unknown(picture).unwrap_or_default())>
                    {store.text(&[Part::Lag], whose)}
                </span>
                <span class="old">{store.text_now(&[Part::Lag, Part::Outages], age)}</span>
                <span class="and" aria-hidden="true">"·"</span>
                <span class="whole">
                    <b class="loud ready">{store.text(&[Part::Cluster], ready)}</b>
                    <span>{store.text(&[Part::Cluster], of_desired)}</span>
                </span>
            </h2>
            {chart::chart(store)}
        </section>
    }
    .erased_on_server()
}

fn worst(picture: &Picture) -> String {
    words::count_or_unknown(picture.snapshot.lag.as_ref().and_then(|lag| lag.worst()).map(|(_, lag)| lag))
}

fn in_full(picture: &Picture) -> String {
    match picture.snapshot.lag.as_ref().and_then(|lag| lag.worst()) {
        Some((topic, lag)) => format!("{lag} records of {}", words::topic(picture, topic)),
        None => unknown(picture).unwrap_or_else(|| "not known".to_owned()),
    }
}

/// Why there is no figure, with the partitions by number.
fn unknown(picture: &Picture) -> Option<String> {
    picture.snapshot.lag.as_ref()?.unknowns()
}

fn whose(picture: &Picture) -> String {
    match &picture.snapshot.lag {
        None => "waiting for the first sample".to_owned(),
        Some(lag) => match lag.worst() {
            Some((topic, _)) => format!("{} behind", lag.topics.noun(topic)),
            None => "not all partitions answer".to_owned(),
        },
    }
}

/// How old the figure is, when Kafka does not answer.
fn age(picture: &Picture, now_ms: u64) -> String {
    match (picture.kafka_outage(), &picture.snapshot.lag) {
        (Some(_), Some(lag)) => format!("{} ago", words::age(now_ms.saturating_sub(lag.sampled_ms))),
        _ => String::new(),
    }
}

fn ready(picture: &Picture) -> String {
    picture.snapshot.cluster.as_ref().map_or_else(|| words::UNKNOWN.to_owned(), |c| c.ready().to_string())
}

fn of_desired(picture: &Picture) -> String {
    match &picture.snapshot.cluster {
        Some(cluster) => {
            let pods = if cluster.ready() == 1 { "pod" } else { "pods" };
            format!("{pods} ready of {}", cluster.desired)
        }
        None => "pods ready".to_owned(),
    }
}
