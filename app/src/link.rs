//! How well the page hangs on its stream, judged from the age of the newest frame alone.

use model::Millis;

/// The connection, as its chip says it. Ages are by the page's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// The page is as the server rendered it; no frame has come yet.
    #[default]
    Connecting,
    /// Frames come.
    Live,
    /// The page came, and no frame after it, though the connection did not break.
    HeldBack {
        /// How old the page is.
        for_ms: Millis,
    },
    /// No frame for a moment: a new connection is tried.
    Reconnecting {
        /// How old the newest frame is.
        for_ms: Millis,
    },
    /// No frame for long: the numbers are not to be trusted any more.
    Stale {
        /// How old the newest frame is.
        for_ms: Millis,
    },
}

impl Link {
    /// A frame comes four times a second; this long without one, and something is wrong.
    pub const QUIET_MS: Millis = 3_000;
    /// This long without a first frame, and something between page and server holds frames back.
    pub const HELD_MS: Millis = 8_000;
    /// This long, and the picture is of the past.
    pub const STALE_MS: Millis = 20_000;

    /// The link of a page whose newest frame (or whose HTML, before the first one) is so old, and whose connection is
    /// known to be broken, or not.
    #[must_use]
    pub const fn judge(silent_ms: Millis, had_frame: bool, is_broken: bool) -> Self {
        if silent_ms >= Self::HELD_MS && !had_frame && !is_broken {
            Self::HeldBack { for_ms: silent_ms }
        } else if silent_ms >= Self::STALE_MS {
            Self::Stale { for_ms: silent_ms }
        } else if silent_ms >= Self::QUIET_MS || is_broken {
            Self::Reconnecting { for_ms: silent_ms }
        } else if had_frame {
            Self::Live
        } else {
            Self::Connecting
        }
    }

    /// Its class in the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::HeldBack { .. } | Self::Reconnecting { .. } => "reconnecting",
            Self::Stale { .. } => "stale",
        }
    }

    /// The chip's words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Connecting => "connecting".to_owned(),
            Self::Live => "live".to_owned(),
            Self::HeldBack { for_ms } => {
                format!(
                    "no frame for {}: a proxy between may hold the stream back",
                    crate::words::age(for_ms)
                )
            }
            Self::Reconnecting { for_ms } => format!("reconnecting since {}", crate::words::age(for_ms)),
            Self::Stale { for_ms } => format!("stale since {}", crate::words::age(for_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_by_its_length() {
        assert_eq!(Link::judge(0, false, false), Link::Connecting);
        assert_eq!(Link::judge(2_999, true, false), Link::Live);
        assert_eq!(Link::judge(3_000, true, false), Link::Reconnecting { for_ms: 3_000 });
        assert_eq!(Link::judge(3_000, false, false), Link::Reconnecting { for_ms: 3_000 });
        assert_eq!(Link::judge(20_000, true, true).words().replace('\u{a0}', " "), "stale since 20 s");
    }

    #[test]
    fn a_stream_that_never_begins_though_nothing_broke_is_held_back() {
        assert_eq!(Link::judge(7_999, false, false), Link::Reconnecting { for_ms: 7_999 });
        let held = Link::judge(30_000, false, false);
        assert_eq!(held, Link::HeldBack { for_ms: 30_000 });
        assert!(held.words().contains("a proxy between"), "{}", held.words());
        assert_eq!(Link::judge(30_000, false, true), Link::Stale { for_ms: 30_000 }, "the connection breaks");
        assert_eq!(Link::judge(30_000, true, false), Link::Stale { for_ms: 30_000 }, "it has been live");
    }

    #[test]
    fn a_broken_connection_is_said_at_once() {
        assert_eq!(Link::judge(200, true, true), Link::Reconnecting { for_ms: 200 });
    }
}
