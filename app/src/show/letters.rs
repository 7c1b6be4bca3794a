//! The records that the application put aside: how many, and, on asking, why and where the newest one came from.
//! Nothing is there while there are none, or while nobody knows.

use leptos::prelude::*;
use model::Millis;
use model::dead_letters::{DeadLetter, DeadLetters};
use model::figures::count;
use model::snapshot::short_name;
use model::wire::Picture;

use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words;

const PARTS: &[Part] = &[Part::DeadLetters];

pub(super) fn letters(store: Store) -> impl IntoView {
    let none = store.flag(PARTS, |picture| known(picture).is_none());
    let total = store.text(PARTS, |picture| known(picture).map_or_else(String::new, |all| count(all.count)));
    let reasons = Memo::new(move |_| {
        store.read(PARTS, |picture| known(picture).map(|all| all.reasons.clone()).unwrap_or_default())
    });
    let line = |(reason, many): (String, u64)| {
        view! { <tr><th scope="row">{reason}</th><td>{count(many)}</td></tr> }
    };
    view! {
        <details class="letters" hidden=none>
            <summary title="Records that the application could not make use of, and put aside">
                <span>"put aside"</span>
                <b>{total}</b>
            </summary>
            <div class="sheet">
                <table>
                    <caption>"Put aside by the application"</caption>
                    <tbody>{move || reasons.get().into_iter().map(line).collect_view()}</tbody>
                </table>
                <p hidden=store.flag(PARTS, |picture| late(picture).is_empty())>{store.text(PARTS, late)}</p>
                <p>{store.text_now(PARTS, newest)}</p>
            </div>
        </details>
    }
    .erased_on_server()
}

fn known(picture: &Picture) -> Option<&DeadLetters> {
    picture.snapshot.dead_letters.as_ref().filter(|letters| letters.count > 0)
}

/// How many came too late to count, by partition; empty while none did.
fn late(picture: &Picture) -> String {
    let late = known(picture).map(|letters| letters.late.as_slice()).unwrap_or_default();
    let partitions = late.iter().map(|(partition, many)| format!("{partition}: {}", count(*many)));
    match partitions.collect::<Vec<_>>().join(", ") {
        partitions if partitions.is_empty() => String::new(),
        partitions => format!("Too late to count, by partition: {partitions}"),
    }
}

/// Where the newest one came from, by whom it was put aside, and why.
fn newest(picture: &Picture, now_ms: Millis) -> String {
    let Some(letter) = known(picture).and_then(|letters| letters.newest.first()) else {
        return String::new();
    };
    let age = letter.at_ms.map(|at_ms| format!(", {} ago", words::age(now_ms.saturating_sub(at_ms))));
    let pod = letter.pod.as_deref().map(|pod| format!(", by pod {}", short_name(pod)));
    let error = letter.error.as_deref().map(|error| format!(": {error}"));
    let parts = [age, pod, error].map(Option::unwrap_or_default).concat();
    format!("The newest: {}{parts}", origin(letter))
}

fn origin(letter: &DeadLetter) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| words::UNKNOWN.to_owned(), |n| n.to_string());
    let topic = letter.topic.as_deref().unwrap_or("a topic that it does not name");
    format!(
        "{topic}, partition {}, offset {}",
        number(letter.partition.map(Into::into)),
        number(letter.offset)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(letter: DeadLetter) -> String {
        let mut picture = Picture::default();
        let letters = picture.snapshot.dead_letters.insert(DeadLetters::default());
        letters.add(letter);
        newest(&picture, 60_000).replace('\u{a0}', " ")
    }

    #[test]
    fn late_ones_are_told_by_partition() {
        let mut picture = Picture::default();
        assert_eq!(late(&picture), "");
        let letters = picture.snapshot.dead_letters.insert(DeadLetters::default());
        for partition in [7, 3, 7] {
            let (reason, partition) = (Some("late".into()), Some(partition));
            letters.add(DeadLetter { reason, partition, ..DeadLetter::default() });
        }
        assert_eq!(late(&picture), "Too late to count, by partition: 3: 1, 7: 2");
    }

    #[test]
    fn the_newest_is_told_with_what_its_headers_say() {
        let letter = DeadLetter {
            topic: Some("GAME-FRAME-RQ".into()),
            partition: Some(7),
            offset: Some(0),
            reason: Some("datum".into()),
            error: Some("bytes follow the datum".into()),
            pod: Some("kstreams-7c9d8f6b5-kx7w2".into()),
            at_ms: Some(48_000),
        };
        assert_eq!(
            said(letter),
            "The newest: GAME-FRAME-RQ, partition 7, offset 0, 12 s ago, by pod kx7w2: bytes follow the datum"
        );
        let unknown = said(DeadLetter::default());
        assert_eq!(unknown, "The newest: a topic that it does not name, partition –, offset –");
    }
}
