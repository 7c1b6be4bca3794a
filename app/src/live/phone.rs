//! What a phone does with its stream: a tick twice a second, and its own taps as they move.

use model::Millis;
use model::play::PhoneTick;

use leptos::prelude::*;

use super::clock::Clock;
use super::stream::{Stream, Wire};
use crate::browser::from_json;
use crate::link::Link;
use crate::play::Hand;

struct Phone {
    hand: Hand,
    clock: Clock,
}

/// Follows the stream of a phone.
pub(crate) fn phone(hand: Hand, rendered_ms: Millis) {
    Stream::follow(Phone { hand, clock: Clock::new(rendered_ms) });
}

impl Wire for Phone {
    fn address(&self) -> String {
        "/live?view=phone".to_owned()
    }

    fn names(&self) -> &'static [&'static str] {
        &["phone"]
    }

    fn heard(&self, _: &str, data: &str) -> bool {
        let Some(tick) = from_json::<PhoneTick>(data) else { return false };
        self.clock.heard(tick.at_ms);
        self.hand.apply(tick);
        true
    }

    fn looked(&self, link: Link) {
        if self.hand.link.get_untracked() != link {
            self.hand.link.set(link);
        }
        let now_ms = self.clock.now_ms();
        if now_ms.abs_diff(self.hand.now_ms.get_untracked()) >= 950 {
            self.hand.now_ms.set(now_ms);
        }
    }
}
