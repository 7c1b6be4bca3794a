//! The picture that a page shows, and the signals that tell which part of it changed.
//!
//! There is one picture. A tick touches only the parts that it carries, and what a part's readers write into the
//! document changes only where its text does: four ticks a second cost little.

use leptos::prelude::*;
use model::Millis;
use model::wire::{Picture, Tick};

pub use model::wire::Part;

use crate::boot::Boot;
use crate::link::Link;

/// The page's state.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    picture: StoredValue<Picture>,
    changed: StoredValue<[ArcTrigger; Part::ALL.len()]>,
    /// Now, by the server's clock; moves about once a second, for ages.
    pub now_ms: RwSignal<Millis>,
    /// Where the time axis ends; moves once a second.
    pub axis_ms: RwSignal<Millis>,
    /// The connection.
    pub link: RwSignal<Link>,
    /// From a commit in Kafka to this screen, about; `None` until frames come.
    pub fresh_ms: RwSignal<Option<u32>>,
}

impl Store {
    /// The state that the server rendered.
    #[must_use]
    pub fn new(boot: &Boot) -> Self {
        Self {
            picture: StoredValue::new(boot.picture.clone()),
            changed: StoredValue::new(std::array::from_fn(|_| ArcTrigger::new())),
            now_ms: RwSignal::new(boot.now_ms),
            axis_ms: RwSignal::new(boot.picture.snapshot.at_ms),
            link: RwSignal::new(Link::default()),
            fresh_ms: RwSignal::new(None),
        }
    }

    /// Reads the picture, now and whenever one of these parts changes.
    pub fn read<T>(self, parts: &[Part], read: impl FnOnce(&Picture) -> T) -> T {
        self.changed.with_value(|changed| parts.iter().for_each(|part| changed[*part as usize].track()));
        self.picture.with_value(read)
    }

    /// A text from the picture, kept up to date.
    pub fn text(
        self,
        parts: &'static [Part],
        text: impl Fn(&Picture) -> String + Send + Sync + 'static,
    ) -> Signal<String> {
        Signal::derive(move || self.read(parts, &text))
    }

    /// A text from the picture and the time, kept up to date.
    pub fn text_now(
        self,
        parts: &'static [Part],
        text: impl Fn(&Picture, Millis) -> String + Send + Sync + 'static,
    ) -> Signal<String> {
        Signal::derive(move || {
            let now_ms = self.now_ms.get();
            self.read(parts, |picture| text(picture, now_ms))
        })
    }

    /// A yes or no from the picture, kept up to date.
    pub fn flag(
        self,
        parts: &'static [Part],
        flag: impl Fn(&Picture) -> bool + Send + Sync + 'static,
    ) -> Signal<bool> {
        Signal::derive(move || self.read(parts, &flag))
    }

    /// Puts another picture in the place of this one.
    pub fn replace(self, picture: Picture) {
        self.axis_ms.set(picture.snapshot.at_ms);
        self.picture.set_value(picture);
        self.changed.with_value(|changed| changed.iter().for_each(Notify::notify));
    }

    /// Brings the picture up to date.
    pub fn apply(self, tick: Tick) {
        const SECOND_MS: Millis = 1_000;
        let at_ms = tick.at_ms;
        let has_point = !tick.points.is_empty();
        let parts = tick.parts();
        self.picture.update_value(|picture| picture.apply(tick));
        if has_point || at_ms >= self.axis_ms.get_untracked() + SECOND_MS {
            self.axis_ms.set(at_ms);
        }
        self.changed.with_value(|changed| parts.into_iter().for_each(|part| changed[part as usize].notify()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::snapshot::Rates;

    #[test]
    fn a_tick_touches_what_it_carries() {
        Owner::new_root(None).with(|| {
            let store = Store::new(&Boot::default());
            let reads = |part: Part| {
                let reads = StoredValue::new(0);
                let reader = Memo::new(move |_| {
                    reads.update_value(|reads| *reads += 1);
                    store.read(&[part], |_| reads.get_value())
                });
                (part, reader)
            };
            let readers: Vec<_> = Part::ALL.iter().copied().map(reads).collect();
            assert!(readers.iter().all(|(_, reader)| reader.get_untracked() == 1));
            store.apply(Tick { rates: Some(None), progress: Some(None), ..Tick::default() });
            let again = readers.iter().filter(|(_, reader)| reader.get_untracked() == 2);
            let again: Vec<Part> = again.map(|(part, _)| *part).collect();
            assert_eq!(again, [Part::Rates, Part::Progress]);
        });
    }

    #[test]
    fn a_reader_sees_the_newest_picture() {
        Owner::new_root(None).with(|| {
            let store = Store::new(&Boot::default());
            let said = store.text(&[Part::Rates], |picture| {
                format!("{:?}", picture.snapshot.rates.as_ref().map(|r| r.produced))
            });
            assert_eq!(said.get_untracked(), "None");
            store.apply(Tick {
                at_ms: 5_000,
                rates: Some(Some(Rates { produced: 7, ..Rates::default() })),
                ..Tick::default()
            });
            assert_eq!(said.get_untracked(), "Some(7)");
            assert_eq!(store.axis_ms.get_untracked(), 5_000);
        });
    }
}
