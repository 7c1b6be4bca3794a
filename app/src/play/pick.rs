//! Picking a fighter: names come from a list, nothing is typed.

use leptos::prelude::*;
use leptos::task::spawn_local;
use model::play::FIGHTERS;

use super::hand::Hand;
use crate::actions::JoinRequest;
use crate::browser;
use crate::erased::ErasedOnServer;

pub(super) fn pick(hand: Hand) -> impl IntoView {
    let join = move |fighter: u8| {
        hand.trouble.set(String::new());
        spawn_local(async move {
            match browser::call(JoinRequest { fighter }).await {
                // The next page knows the player, and so does its stream.
                Ok(_) => browser::reload(),
                Err(said) => hand.trouble.set(said),
            }
        });
    };
    let fighter = |(index, name): (u8, &'static str)| {
        view! { <li><button type="button" on:click=move |_| join(index)>{name}</button></li> }
    };
    view! {
        <section class="pick" aria-labelledby="pick-title">
            <h2 id="pick-title">"Pick your fighter"</h2>
            <p>"Each hit is a record in Kafka. Watch it come back."</p>
            <p class="trouble" role="alert">{hand.trouble}</p>
            <ul>{(0..).zip(FIGHTERS).map(fighter).collect_view()}</ul>
        </section>
    }
    .erased_on_server()
}
