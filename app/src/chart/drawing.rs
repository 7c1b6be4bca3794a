//! The whole chart of a picture, as it is drawn once a second.

use model::Millis;
use model::history::Point;
use model::policy::MAX_REPLICAS;
use model::wire::Picture;

use super::{
    Cross, Flag, HEIGHT, Lane, Lanes, Room, TimeAxis, ValueAxis, WIDTH, area, band, crosses, curve, flags,
    lane, line, outline, steps,
};

/// All that is drawn from the last ten minutes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawing {
    /// From ten minutes ago to now.
    pub time: TimeAxis,
    /// Records.
    pub values: ValueAxis,
    /// The lag of each topic.
    pub curves: Vec<String>,
    /// What lies under the first topic's.
    pub area: String,
    /// The lag that the pods may have.
    pub allowed: String,
    /// The tolerance around it.
    pub band: String,
    /// Where `allowed` begins, as fractions from the left and from the bottom: there it says what it is. `None` while
    /// it is unknown.
    pub allowed_at: Option<(f64, f64)>,
    /// How many lanes.
    pub lanes: Lanes,
    /// One a slot.
    pub bars: Vec<Lane>,
    /// Desired replicas.
    pub outline: String,
    /// Where pods were hurt.
    pub crosses: Vec<Cross>,
    /// Flags with words.
    pub wide: Vec<Flag>,
    /// Flags without words, for narrow screens.
    pub narrow: Vec<Flag>,
}

impl Drawing {
    /// Draws the ten minutes that end at `end_ms`.
    #[must_use]
    pub(crate) fn of(picture: &Picture, end_ms: Millis) -> Self {
        let history = &picture.history;
        let cluster = picture.snapshot.cluster.as_ref();
        let time = TimeAxis { end_ms };
        let values = ValueAxis::covering(highest(picture));
        let tolerance = cluster.map_or(0.1, |cluster| cluster.policy.tolerance);
        let lanes = Lanes::holding(&history.lives, cluster.map_or(0, |cluster| cluster.desired));
        let lag = |topic| history.points.iter().map(move |point| (point.at_ms, lag_of(point, topic)));
        let allowed = history.points.iter().map(|point| (point.at_ms, point.allowed));
        let slots = 0..u8::try_from(MAX_REPLICAS).unwrap_or(u8::MAX);
        Self {
            time,
            values,
            curves: (0..topics(picture)).map(|topic| line(time, values, lag(topic))).collect(),
            area: area(time, values, lag(0)),
            allowed: steps(time, values, allowed.clone()),
            band: band(time, values, tolerance, allowed),
            allowed_at: history
                .points
                .iter()
                .filter(|point| point.at_ms >= time.start_ms())
                .find_map(|point| Some((time.at(point.at_ms), values.at(point.allowed?)))),
            lanes,
            bars: slots.map(|slot| lane(time, lanes, slot, &history.lives)).collect(),
            outline: outline(time, lanes, history.points.iter()),
            crosses: crosses(time, lanes, &history.lives),
            wide: flags(time, Room::WIDE, history.markers.iter()),
            narrow: flags(time, Room::NARROW, history.markers.iter()),
        }
    }

    /// The stroke from the last point to the value of this very moment.
    #[must_use]
    pub(crate) fn tip(&self, last: Option<(Millis, u64)>, now: Option<u64>) -> String {
        let (Some(last), Some(now)) = (last, now) else { return String::new() };
        if last.0 + curve::HOLE_MS < self.time.end_ms {
            return String::new();
        }
        let (x, y) =
            (self.time.at(last.0) * f64::from(WIDTH), (1.0 - self.values.at(last.1)) * f64::from(HEIGHT));
        let end = (1.0 - self.values.at(now)) * f64::from(HEIGHT);
        format!("M{} {}L{WIDTH} {}", x.round() as i64, y.round() as i64, end.round() as i64)
    }
}

/// How many topics have a curve: those of the group, and while nobody knows it those of the past.
pub(crate) fn topics(picture: &Picture) -> usize {
    let of_past = || picture.history.points.iter().map(|point| point.lag.len()).max().unwrap_or(0);
    picture.snapshot.lag.as_ref().map_or_else(of_past, |lag| lag.topics.list.len())
}

/// The lag of a topic in a second.
pub(crate) fn lag_of(point: &Point, topic: usize) -> Option<u64> {
    point.lag.get(topic).copied().flatten()
}

/// The highest value that has to be seen; the upper edge of the tolerance is one of them.
fn highest(picture: &Picture) -> u64 {
    let start_ms = TimeAxis { end_ms: picture.snapshot.at_ms }.start_ms();
    let of_point = |point: &Point| {
        let allowed = point.allowed.map(|allowed| allowed.saturating_add(allowed / 10));
        point.lag.iter().copied().chain([allowed]).flatten().max()
    };
    let points = picture.history.points.iter().filter(|point| point.at_ms >= start_ms).filter_map(of_point);
    let now = picture.snapshot.lag.as_ref().and_then(|lag| lag.worst()).map(|(_, lag)| lag);
    points.chain(now).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::topics::{Topic, Topics};

    #[test]
    fn a_picture_without_a_past_is_drawn_as_well() {
        let drawing = Drawing::of(&Picture::default(), 0);
        assert_eq!(drawing.curves, Vec::<String>::new());
        assert_eq!(drawing.area, "");
        assert_eq!(drawing.allowed_at, None);
        assert_eq!(drawing.bars.len(), 12);
    }

    #[test]
    fn each_topic_has_a_curve_and_the_past_tells_of_them_too() {
        let mut picture = Picture::default();
        let lag = vec![Some(0), None, Some(100)];
        picture.history.push_point(Point { at_ms: 600_000, lag, ..Point::default() });
        assert_eq!(Drawing::of(&picture, 600_000).curves, ["M6000 1000h0", "", "M6000 200h0"]);
        let list = ["a", "b"].map(Topic::new).to_vec();
        let lag = picture.snapshot.lag.get_or_insert_default();
        lag.topics = Topics { list, ..Topics::default() };
        assert_eq!(Drawing::of(&picture, 600_000).curves, ["M6000 1000h0", ""]);
    }

    #[test]
    fn the_tip_leads_from_the_last_point_to_now_and_over_no_hole() {
        let drawing = Drawing::of(&Picture::default(), 600_000);
        assert_eq!(drawing.tip(Some((599_000, 0)), Some(50)), "M5990 1000L6000 500");
        assert_eq!(drawing.tip(Some((590_000, 0)), Some(50)), "");
        assert_eq!(drawing.tip(Some((599_000, 0)), None), "");
    }
}
