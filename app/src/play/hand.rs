//! What a phone knows, and what its player does.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use model::Millis;
use model::dead_letters::LATE;
use model::play::{Direction, Key, PhoneTick, Player, Stage, TAPS_PER_SECOND, Tap, TapAnswer};

use crate::actions::TapRequest;
use crate::boot::PlayerView;
use crate::browser;
use crate::link::Link;
use crate::words;

/// Taps that a phone remembers.
const REMEMBERED: usize = 12;
/// Taps that a rested player may send at once; the server counts the same way.
pub(super) const FULL: f64 = (2 * TAPS_PER_SECOND) as f64;

/// The phone's state.
#[derive(Debug, Clone, Copy)]
pub struct Hand {
    /// Who plays, if the phone has joined.
    pub(crate) player: RwSignal<Option<Player>>,
    /// The newest tick, without its taps.
    pub(crate) tick: RwSignal<PhoneTick>,
    /// This player's taps, newest first.
    pub(crate) taps: RwSignal<Vec<Tap>>,
    /// The direction that the next hit takes.
    pub(crate) aim: RwSignal<Option<Direction>>,
    /// Hits that could be sent right now, 0 to [`FULL`].
    pub(crate) energy: RwSignal<f64>,
    /// What went wrong with the last tap, in a sentence.
    pub(crate) trouble: RwSignal<String>,
    /// Now, by the server's clock.
    pub(crate) now_ms: RwSignal<Millis>,
    /// The connection.
    pub(crate) link: RwSignal<Link>,
}

impl Hand {
    /// The state that the server rendered.
    pub(super) fn new(player: Option<PlayerView>, tick: PhoneTick, now_ms: Millis) -> Self {
        let (player, mut taps) = player.map_or((None, Vec::new()), |view| (Some(view.player), view.taps));
        taps.reverse();
        taps.truncate(REMEMBERED);
        Self {
            player: RwSignal::new(player),
            tick: RwSignal::new(tick),
            taps: RwSignal::new(taps),
            aim: RwSignal::new(None),
            energy: RwSignal::new(FULL),
            trouble: RwSignal::new(String::new()),
            now_ms: RwSignal::new(now_ms),
            link: RwSignal::new(Link::default()),
        }
    }

    /// A text from the newest tick, kept up to date.
    pub(super) fn text(self, text: fn(&PhoneTick) -> String) -> Signal<String> {
        Signal::derive(move || self.tick.with(text))
    }

    /// Brings the phone up to date.
    pub fn apply(self, mut tick: PhoneTick) {
        let taps = std::mem::take(&mut tick.taps);
        if !taps.is_empty() {
            self.taps.update(|known| taps.into_iter().for_each(|tap| put(known, tap)));
        }
        self.tick.set(tick);
    }

    /// Aims; the same direction again is no direction.
    pub(super) fn aim(self, direction: Direction) {
        browser::vibrate();
        self.aim.update(|aim| *aim = (*aim != Some(direction)).then_some(direction));
    }

    /// Hits: the phone answers at once, the record when it comes back.
    pub(super) fn hit(self, key: Key) {
        browser::vibrate();
        self.energy.update(|energy| *energy = (*energy - 1.0).max(0.0));
        let direction = self.aim.get_untracked();
        spawn_local(async move {
            match browser::call(TapRequest { key, direction }).await {
                Ok(TapAnswer::Sent(tap)) => {
                    self.taps.update(|known| put(known, tap));
                }
                Ok(TapAnswer::Limited { retry_in_ms, room }) => self.say(limited(retry_in_ms, room)),
                // The fighter left, or the server began anew: pick again.
                Ok(TapAnswer::Unknown) => browser::reload(),
                Ok(TapAnswer::Unavailable { reason }) | Err(reason) => self.say(reason),
            }
        });
    }

    /// Says what went wrong, for long enough to be read.
    fn say(self, trouble: String) {
        const READ_IN: Duration = Duration::from_millis(2_500);
        self.trouble.set(trouble.clone());
        set_timeout(
            move || {
                if self.trouble.with_untracked(|said| *said == trouble) {
                    self.trouble.set(String::new());
                }
            },
            READ_IN,
        );
    }
}

fn limited(retry_in_ms: u32, room: bool) -> String {
    let who = if room { "The whole room hits too fast" } else { "Too fast: five hits a second" };
    format!("{who}. Again in {}.", model::figures::duration(retry_in_ms.max(100).into()))
}

/// Adds a tap or brings a known one up to date. The stream may tell what became of a tap before its own answer comes.
fn put(known: &mut Vec<Tap>, tap: Tap) {
    match known.iter_mut().find(|other| other.number == tap.number) {
        Some(Tap { stage: Stage::Counted { .. } | Stage::PutAside { .. }, .. })
            if matches!(tap.stage, Stage::Waiting { .. }) => {}
        Some(other) => *other = tap,
        None => {
            let place = known.iter().position(|other| other.number < tap.number).unwrap_or(known.len());
            known.insert(place, tap);
            known.truncate(REMEMBERED);
        }
    }
}

/// Where a tap is, in a few words.
pub(super) fn progress(tap: &Tap) -> String {
    match &tap.stage {
        Stage::Waiting { ahead: Some(0), .. } => "next in line".to_owned(),
        Stage::Waiting { ahead: Some(ahead), .. } => format!("{} before it", model::figures::count(*ahead)),
        Stage::Waiting { ahead: None, .. } => "on its way".to_owned(),
        Stage::Counted { total_ms, .. } => model::figures::duration((*total_ms).into()),
        Stage::PutAside { reason: Some(reason), .. } if reason == LATE => "too late".to_owned(),
        Stage::PutAside { .. } => "does not count".to_owned(),
    }
}

/// Why a tap took long, or does not count; empty where there is nothing to say.
pub(super) fn remark(tap: &Tap) -> String {
    match &tap.stage {
        Stage::Counted { hurt: Some(pod), total_ms, .. } => {
            format!("{pod} was killed: this hit waited {}", model::figures::duration((*total_ms).into()))
        }
        Stage::Counted { hurt: None, .. } | Stage::Waiting { .. } => String::new(),
        Stage::PutAside { reason, error } => {
            // A tap is stamped and written at once: it is late where somebody's clock is not this server's.
            let what = match reason.as_deref() {
                Some(LATE) => "clocks disagree, and this hit came too late to count",
                _ => "the application put this hit aside",
            };
            error.as_ref().map_or_else(|| what.to_owned(), |error| format!("{what}: {error}"))
        }
    }
}

/// The player's place among all.
pub(super) fn place(tick: &PhoneTick) -> String {
    match tick.standing {
        Some(standing) => format!("{} of {}", words::ordinal(standing.rank), tick.players.max(1)),
        None => match tick.players {
            0 => "nobody plays yet".to_owned(),
            players => model::figures::plural(players, "player"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::play::Impact;

    fn tap(number: u32, stage: Stage) -> Tap {
        Tap {
            number,
            key: Key::X,
            direction: None,
            impact: Impact::Direct,
            points: 9,
            partition: 1,
            acked_ms: 3,
            stage,
        }
    }

    const WAITING: Stage = Stage::Waiting { ahead: Some(3), since_ms: 0 };

    fn counted() -> Stage {
        Stage::Counted { pod: "a".into(), joined_ms: 40, total_ms: 80, hurt: None }
    }

    #[test]
    fn the_newest_tap_is_first_and_an_old_answer_changes_nothing() {
        let mut known = Vec::new();
        put(&mut known, tap(1, WAITING));
        put(&mut known, tap(3, counted()));
        put(&mut known, tap(2, WAITING));
        put(&mut known, tap(3, WAITING));
        assert_eq!(known.iter().map(|tap| tap.number).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(known[0].stage, counted());
    }

    #[test]
    fn a_tap_says_where_it_is() {
        assert_eq!(progress(&tap(1, WAITING)), "3 before it");
        assert_eq!(progress(&tap(1, counted())).replace('\u{a0}', " "), "80 ms");
    }

    #[test]
    fn a_tap_that_does_not_count_says_so_and_why() {
        let aside = |reason: &str| Stage::PutAside {
            reason: Some(reason.into()),
            error: Some("its time is 8.0 s behind its partition's".into()),
        };
        let mut known = vec![tap(1, aside("late"))];
        put(&mut known, tap(1, WAITING));
        assert_eq!(progress(&known[0]), "too late");
        assert_eq!(
            remark(&known[0]),
            "clocks disagree, and this hit came too late to count: its time is 8.0 s behind its partition's"
        );
        let other = tap(2, aside("datum"));
        assert_eq!(progress(&other), "does not count");
        assert!(remark(&other).starts_with("the application put this hit aside: "));
        assert_eq!(remark(&tap(3, WAITING)), "");
    }

    #[test]
    fn a_place_counts_oneself() {
        let standing = Some(model::play::Standing { score: 10, rank: 2 });
        assert_eq!(place(&PhoneTick { players: 214, standing, ..PhoneTick::default() }), "2nd of 214");
        assert_eq!(place(&PhoneTick::default()), "nobody plays yet");
    }
}
