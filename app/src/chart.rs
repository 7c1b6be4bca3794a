//! The geometry of the chart: numbers in, numbers and path strings out. No markup, no window, no clock.
//!
//! Horizontally and vertically everything is a fraction of the plot, so one geometry serves every size of screen: the
//! drawing is stretched over its box, and texts are put at percentages of it.

mod axis;
mod curve;
mod drawing;
mod flags;
mod lanes;

pub(crate) use axis::{TimeAxis, ValueAxis, apart};
pub(crate) use curve::{HEIGHT, WIDTH, area, band, line, steps};
pub(crate) use drawing::{Drawing, lag_of, topics};
pub(crate) use flags::{Flag, Kind, Room, flags};
pub(crate) use lanes::{Cross, Lane, Lanes, crosses, lane, outline};
