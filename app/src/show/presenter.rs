//! What the presenter has and a visitor has not: one bar for the clicker hand, its keys, and the way to sign in.

mod keys;
mod shapes;
mod sign_in;

use leptos::prelude::*;
use model::command::Command;
use model::controls::Manner;
use model::figures::count;
use model::load::{DEFAULT_FRAMES_PER_SECOND, LoadSettings, MAX_FRAMES_PER_SECOND};
use model::policy::{MAX_REPLICAS, Policy};
use model::snapshot::Cluster;
use model::wire::Picture;
use model::{Millis, PARTITIONS};

use super::commands::{Commands, Place, Reply};
use crate::erased::ErasedOnServer;
use crate::store::{Part, Store};
use crate::words;

pub(super) use sign_in::sign_in;

pub(super) fn presenter(store: Store, commands: Commands) -> impl IntoView {
    keys::listen(commands);
    view! {
        <section class="panel presenter" aria-labelledby="presenter-title">
            <h2 id="presenter-title" class="unseen">"Presenter"</h2>
            {load(store, commands)}
            {hurt(commands)}
            {upgrade(store, commands)}
            {replicas(store, commands)}
            {rest(commands)}
            {answer(commands, Place::Bar)}
            {progress(store)}
        </section>
    }
    .erased_on_server()
}

fn load(store: Store, commands: Commands) -> impl IntoView {
    let burst = |factor: u32| {
        let class = store.text_now(&[Part::Load], move |picture, now_ms| {
            let on = load_of(picture).is_some_and(|load| load.factor(now_ms) == factor);
            if on { "on".to_owned() } else { String::new() }
        });
        view! {
            <button type="button" class=class title="For 20 seconds"
                on:click=move |_| commands.send(Place::Bar, Command::Burst { factor })>{format!("×{factor}")}</button>
        }
    };
    let base = store.text(&[Part::Load], |picture| {
        load_of(picture).map_or(DEFAULT_FRAMES_PER_SECOND, |load| load.base).to_string()
    });
    let dragged = RwSignal::new(None::<String>);
    let shown = Signal::derive(move || dragged.get().unwrap_or_else(|| base.get()));
    let hot = store.text(&[Part::Load], |picture| {
        load_of(picture).and_then(|load| load.hot).map(|hot| hot.partition.to_string()).unwrap_or_default()
    });
    let choose =
        move |chosen: String| commands.send(Place::Bar, Command::Hot { partition: chosen.parse().ok() });
    view! {
        <fieldset>
            <legend>{store.text_now(&[Part::Load, Part::Rates], target)}</legend>
            <div class="row">
                {[2, 5, 10].map(burst).collect_view()}
                {shapes::shapes(store, commands)}
                <label class="slider">
                    <span class="unseen">"Base load, frames a second"</span>
                    <input type="range" min="0" max=MAX_FRAMES_PER_SECOND step="50" prop:value=shown value=shown
                        on:input:target=move |event| dragged.set(Some(event.target().value()))
                        on:change:target=move |event| {
                            if let Ok(frames_per_second) = event.target().value().parse() {
                                commands.send(Place::Bar, Command::Base { frames_per_second });
                            }
                            dragged.set(None);
                        } />
                    <output>{shown}"/s"</output>
                </label>
                <label>
                    <span>"hot"</span>
                    <select prop:value=hot on:change:target=move |event| choose(event.target().value())>
                        <option value="">"none"</option>
                        {(0..PARTITIONS).map(|p| view! { <option value=p>{p}</option> }).collect_view()}
                    </select>
                </label>
            </div>
        </fieldset>
    }
    .erased_on_server()
}

fn hurt(commands: Commands) -> impl IntoView {
    view! {
        <fieldset>
            <legend>"A random pod"</legend>
            <div class="row">
                <button type="button" class="danger" title="SIGTERM: another pod takes its place"
                    on:click=move |_| commands.kill(Place::Bar, None, Manner::Graceful)>"Kill"</button>
                <button type="button" class="danger" title="SIGKILL: the same pod starts again"
                    on:click=move |_| commands.kill(Place::Bar, None, Manner::Crash)>"Crash"</button>
                <button type="button" class="danger"
                    on:click=move |_| commands.send(Place::Bar, Command::RestartAll { confirmed: false })>"All pods"</button>
            </div>
        </fieldset>
    }
    .erased_on_server()
}

fn upgrade(store: Store, commands: Commands) -> impl IntoView {
    /// Records per second; 0 is no limit.
    const CAPACITIES: [u32; 5] = [500, 1_000, 2_000, 4_000, 0];
    let chosen = RwSignal::new(String::new());
    let now =
        store.text(&[Part::Cluster], |picture| match cluster_of(picture).map(|cluster| cluster.capacity) {
            None => "as it is".to_owned(),
            Some(0) => "as it is (no limit)".to_owned(),
            Some(capacity) => format!("as it is ({})", count(capacity.into())),
        });
    let option = |capacity: u32| {
        let said =
            if capacity == 0 { "no limit".to_owned() } else { format!("{} rec/s", count(capacity.into())) };
        view! { <option value=capacity>{said}</option> }
    };
    view! {
        <fieldset>
            <legend>"Rolling upgrade"</legend>
            <div class="row">
                <button type="button"
                    on:click=move |_| commands.send(Place::Bar, Command::Roll { capacity: chosen.get_untracked().parse().ok() })
                    >"Upgrade"</button>
                <label>
                    <span class="unseen">"Capacity of a new pod"</span>
                    <select on:change:target=move |event| chosen.set(event.target().value())>
                        <option value="">{now}</option>
                        {CAPACITIES.map(option).collect_view()}
                    </select>
                </label>
            </div>
        </fieldset>
    }
    .erased_on_server()
}

fn replicas(store: Store, commands: Commands) -> impl IntoView {
    let of = move |said: fn(&Cluster) -> String| {
        store.text(&[Part::Cluster], move |p| cluster_of(p).map_or_else(|| words::UNKNOWN.to_owned(), said))
    };
    let automatic = store.flag(&[Part::Cluster], is_automatic);
    let unknown = store.flag(&[Part::Cluster], |picture| cluster_of(picture).is_none());
    // At 0 pods the autoscaler waits: a hand wakes it up.
    let by_hand = store.flag(&[Part::Cluster], |picture| {
        cluster_of(picture).is_some_and(|cluster| !cluster.policy.enabled || cluster.desired == 0)
    });
    let cannot_step = Signal::derive(move || !by_hand.get());
    view! {
        <fieldset>
            <legend>"Replicas"</legend>
            <div class="row">
                <button type="button" role="switch" disabled=unknown
                    aria-checked=store.text(&[Part::Cluster], |picture| is_automatic(picture).to_string())
                    on:click=move |_| toggle_autoscaler(commands)>
                    "auto "<b>{Signal::derive(move || if automatic.get() { "on" } else { "off" })}</b>
                </button>
                <span class="stepper" title="By hand, while the autoscaler is off">
                    <button type="button" aria-label="One pod fewer" disabled=cannot_step
                        on:click=move |_| step_replicas(commands, -1)>"−"</button>
                    <output aria-label="Desired replicas">{of(|cluster| cluster.desired.to_string())}</output>
                    <button type="button" aria-label="One pod more" disabled=cannot_step
                        on:click=move |_| step_replicas(commands, 1)>"+"</button>
                </span>
                {bound(commands, "min", of(|cluster| cluster.policy.min.to_string()), |policy, min| {
                    Policy { min, max: policy.max.max(min), ..policy }
                })}
                {bound(commands, "max", of(|cluster| cluster.policy.max.to_string()), |policy, max| {
                    Policy { max, min: policy.min.min(max), ..policy }
                })}
            </div>
        </fieldset>
    }
    .erased_on_server()
}

fn bound(
    commands: Commands,
    name: &'static str,
    value: Signal<String>,
    with: fn(Policy, u32) -> Policy,
) -> impl IntoView {
    let change = move |chosen: String| {
        let policy =
            commands.store.read(&[], |picture| cluster_of(picture).map(|cluster| cluster.policy.clone()));
        if let (Some(policy), Ok(chosen)) = (policy, chosen.parse()) {
            commands.send(Place::Bar, Command::SetPolicy { policy: with(policy, chosen) });
        }
    };
    let option = |replicas: u32| {
        let selected = Signal::derive(move || value.get() == replicas.to_string());
        view! { <option value=replicas selected=selected>{replicas}</option> }
    };
    view! {
        <label>
            <span>{name}</span>
            <select aria-label=format!("{name} replicas") prop:value=value
                on:change:target=move |event| change(event.target().value())>
                {(1..=MAX_REPLICAS).map(option).collect_view()}
            </select>
        </label>
    }
    .erased_on_server()
}

fn rest(commands: Commands) -> impl IntoView {
    view! {
        <fieldset class="last">
            <legend>"Show"</legend>
            <div class="row">
                <button type="button" class="danger"
                    on:click=move |_| commands.send(Place::Bar, Command::Reset { confirmed: false })>"Reset"</button>
                <button type="button" on:click=move |_| sign_in::leave()>"Leave"</button>
                {keys::help()}
            </div>
        </fieldset>
    }
    .erased_on_server()
}

/// The answer to a command, over the place where it was given.
pub(super) fn answer(commands: Commands, place: Place) -> impl IntoView {
    let here = move || commands.reply.get().filter(|(at, _)| *at == place).map(|(_, reply)| reply);
    let said = Signal::derive(move || match here() {
        Some(Reply::Question(said, _) | Reply::Error(said)) => said,
        None => String::new(),
    });
    let silent = Signal::derive(move || here().is_none());
    let asks = Signal::derive(move || matches!(here(), Some(Reply::Question(..))));
    let class = Signal::derive(move || if asks.get() { "answer asks" } else { "answer errs" });
    view! {
        <div class=class role="alert" hidden=silent>
            <p>{said}</p>
            <button type="button" class="danger" hidden=move || !asks.get() on:click=move |_| commands.yes()>
                "Yes"
            </button>
            <button type="button" on:click=move |_| commands.no()>
                {Signal::derive(move || if asks.get() { "No" } else { "Close" })}
            </button>
        </div>
    }
    .erased_on_server()
}

fn progress(store: Store) -> impl IntoView {
    let said = store.text(&[Part::Progress], |picture| match &picture.snapshot.progress {
        Some(progress) => {
            format!("{} {} of {}: {}", progress.what, progress.number, progress.of, progress.step)
        }
        None => String::new(),
    });
    let width = store.text(&[Part::Progress], |picture| {
        let share =
            picture.snapshot.progress.as_ref().map_or(0.0, |p| f64::from(p.number) / f64::from(p.of.max(1)));
        format!("width:{}", words::percent(share))
    });
    view! {
        <div class="progress" role="status" hidden=store.flag(&[Part::Progress], |p| p.snapshot.progress.is_none())>
            <i style=width></i><p>{said}</p>
        </div>
    }
    .erased_on_server()
}

fn cluster_of(picture: &Picture) -> Option<&Cluster> {
    picture.snapshot.cluster.as_ref()
}

fn load_of(picture: &Picture) -> Option<&LoadSettings> {
    picture.snapshot.load.as_ref()
}

fn is_automatic(picture: &Picture) -> bool {
    cluster_of(picture).is_some_and(|cluster| cluster.policy.enabled)
}

fn toggle_autoscaler(commands: Commands) {
    let enabled = commands.store.read(&[], is_automatic);
    commands.send(Place::Bar, Command::Autoscaler { enabled: !enabled });
}

fn step_replicas(commands: Commands, by: i32) {
    let desired = commands.store.read(&[], |picture| cluster_of(picture).map(|cluster| cluster.desired));
    if let Some(replicas) = desired.and_then(|desired| desired.checked_add_signed(by)) {
        commands.send(Place::Bar, Command::Scale { replicas });
    }
}

/// What is asked of the generator, what it achieves, and what runs.
fn target(picture: &Picture, now_ms: Millis) -> String {
    let Some(load) = load_of(picture) else { return "Load".to_owned() };
    let asked = count(load.target(now_ms).into());
    let made = picture.snapshot.rates.as_ref().and_then(|rates| rates.by_topic.first());
    let made = made.map(|made| format!(", {} made", count((*made).into())));
    let runs = shapes::running(picture, now_ms).map(|runs| format!(" · {runs}"));
    format!("Load: {asked} frames/s asked{}{}", made.unwrap_or_default(), runs.unwrap_or_default())
}
