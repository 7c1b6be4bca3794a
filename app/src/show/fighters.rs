//! The leaderboard, and the way in for phones.

use leptos::prelude::*;
use model::command::Command;
use model::snapshot::Leader;
use model::wire::Picture;

use super::commands::{Commands, Place};
use crate::boot::Boot;
use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words;

/// As many as the server ranks.
const LINES: usize = 10;

pub(super) fn fighters(store: Store, boot: &Boot, commands: Option<Commands>) -> impl IntoView + use<> {
    let address = boot.join_url.clone();
    let shown = address.trim_start_matches("https://").trim_start_matches("http://").to_owned();
    view! {
        <section class="panel fighters" aria-labelledby="fighters-title">
            <h2 id="fighters-title">"Fighters"</h2>
            <table>
                <thead class="unseen"><tr>
                    <th scope="col">"Fighter"</th><th scope="col">"Score"</th>
                    <th scope="col">"Last hit came back in"</th>
                    {commands.map(|_| view! { <th scope="col">"Remove"</th> })}
                </tr></thead>
                <tbody>{(0..LINES).map(|line| leader(store, commands, line)).collect_view()}</tbody>
            </table>
            <p class="empty" hidden=store.flag(&[Part::Players], |p| !p.snapshot.players.leaders.is_empty())>
                {store.text(&[Part::Players], invitation)}
            </p>
            <a class="join" href=address>
                <span class="qr" aria-hidden="true" inner_html=boot.qr_svg.clone()></span>
                <span class="address"><span class="unseen">"Play at "</span>{shown}</span>
                {boot.join_is_local.then(|| view! { <span class="reach">"from this machine only"</span> })}
            </a>
        </section>
    }
    .erased_on_server()
}

/// What stands where no score is yet.
fn invitation(picture: &Picture) -> String {
    match picture.snapshot.players.count {
        0 => "Nobody plays yet. Scan, pick a fighter, hit: each tap is a record in Kafka.".to_owned(),
        1 => "One fighter is here. The first hit leads: each tap is a record in Kafka.".to_owned(),
        players => {
            format!("{players} fighters are here. The first hit leads: each tap is a record in Kafka.")
        }
    }
}

fn leader(store: Store, commands: Option<Commands>, line: usize) -> impl IntoView {
    let of = move |said: fn(&Leader) -> String| {
        store.text(&[Part::Players], move |picture| at(picture, line).map(said).unwrap_or_default())
    };
    view! {
        <tr hidden=store.flag(&[Part::Players], move |picture| at(picture, line).is_none())>
            <th scope="row" title=of(|leader| leader.fighter.clone())>{of(|leader| leader.fighter.clone())}</th>
            <td class="score">{of(|leader| words::score(leader.score))}</td>
            <td class="took">{of(|leader| match leader.last_ms {
                Some(took_ms) => model::figures::duration(took_ms.into()),
                None => words::UNKNOWN.to_owned(),
            })}</td>
            {commands.map(|commands| view! { <td class="out">{remove(store, commands, line)}</td> })}
        </tr>
    }
    .erased_on_server()
}

/// Shows a player out.
fn remove(store: Store, commands: Commands, line: usize) -> impl IntoView {
    let name = move |picture: &Picture| at(picture, line).map(|leader| leader.fighter.clone());
    let label = store.text(&[Part::Players], move |p| format!("Remove {}", name(p).unwrap_or_default()));
    let press = move |_| {
        if let Some(fighter) = store.read(&[], name) {
            commands.send(Place::Bar, Command::Remove { fighter });
        }
    };
    view! { <button type="button" class="danger" aria-label=label title="Shows this player out" on:click=press>"×"</button> }
}

fn at(picture: &Picture, line: usize) -> Option<&Leader> {
    picture.snapshot.players.leaders.get(line)
}
