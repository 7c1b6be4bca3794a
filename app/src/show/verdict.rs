//! What the autoscaler just decided, in one sentence, and when it looks next.

use leptos::prelude::*;
use model::Millis;
use model::hpa::Hpa;
use model::scaling::{Decision, Emphasis, Span};
use model::topics::Topics;
use model::wire::Picture;

use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words;

/// The decision, and what the records are called of which it tells.
const SAID: [Part; 2] = [Part::Cluster, Part::Lag];

pub(super) fn verdict(store: Store) -> impl IntoView {
    // Most ticks carry a cluster with the same decision: the sentence changes when the decision does.
    let sentence = Memo::new(move |_| {
        store.read(&SAID, |picture| told(picture, Decision::sentence).unwrap_or_else(nothing_yet))
    });
    let spoken = store.text(&SAID, |picture| told(picture, Decision::spoken).unwrap_or_default());
    let at_length = store.text(&[Part::Cluster], |p| words::autoscaler_at_length(hpa(p)));
    let piece = |span: Span| {
        let class = match span.emphasis {
            Emphasis::Plain => "plain",
            Emphasis::Lag => "of-lag",
            Emphasis::Pods => "of-pods",
        };
        view! { <span class=class>{span.text}</span> }
    };
    view! {
        <section class="panel verdict" aria-labelledby="verdict-title">
            <h2 id="verdict-title" class="unseen">"The autoscaler's decision"</h2>
            <p class="sentence" aria-hidden="true">
                {move || sentence.get().into_iter().map(piece).collect_view()}
            </p>
            <p class="unseen" aria-live="polite">{spoken}</p>
            <p class="conditions" title=at_length hidden=store.flag(&[Part::Cluster], |p| hpa(p).is_none())>
                {store.text_now(&[Part::Cluster], |p, now_ms| words::autoscaler(hpa(p), hidden(p), now_ms))}
            </p>
            <p class="next" hidden=store.flag(&[Part::Cluster], |p| !looks(p))>
                <span>"next look in"</span>
                <b>{store.text_now(&[Part::Cluster], next)}</b>
            </p>
        </section>
    }
    .erased_on_server()
}

fn decision(picture: &Picture) -> Option<&Decision> {
    picture.snapshot.cluster.as_ref()?.decision.as_ref()
}

/// What is told of the decision; without known topics their records are called by the topics' names.
fn told<T>(picture: &Picture, tell: fn(&Decision, &Topics) -> T) -> Option<T> {
    let decision = decision(picture)?;
    Some(match &picture.snapshot.lag {
        Some(lag) => tell(decision, &lag.topics),
        None => tell(decision, &Topics::default()),
    })
}

/// What Kubernetes says of its autoscaler.
fn hpa(picture: &Picture) -> Option<&Hpa> {
    picture.snapshot.cluster.as_ref()?.hpa.as_ref()
}

/// The kinds of Kubernetes' objects that the server may not see.
fn hidden(picture: &Picture) -> &[String] {
    picture.snapshot.cluster.as_ref().map_or(&[], |cluster| &cluster.hidden_kinds)
}

fn nothing_yet() -> Vec<Span> {
    vec![Span { text: "The autoscaler has not looked yet.".to_owned(), emphasis: Emphasis::Plain }]
}

fn looks(picture: &Picture) -> bool {
    let enabled = picture.snapshot.cluster.as_ref().is_some_and(|cluster| cluster.policy.enabled);
    enabled && decision(picture).is_some_and(|decision| decision.next_ms.is_some())
}

fn next(picture: &Picture, now_ms: Millis) -> String {
    let next_ms = decision(picture).and_then(|decision| decision.next_ms);
    next_ms
        .map_or_else(|| words::UNKNOWN.to_owned(), |next_ms| words::age(next_ms.saturating_sub(now_ms) + 500))
}
