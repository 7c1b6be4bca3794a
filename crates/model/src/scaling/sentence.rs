//! A decision in one plain sentence: for eyes, with the figures that matter set apart, and for ears, without signs.

use super::{Bound, Decision, Millis, Obstacle, Reading, Verdict};
use crate::figures;
use crate::topics::Topics;

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its text, with the spaces around it.
    pub text: String,
    /// How it stands out.
    pub emphasis: Emphasis,
}

/// What a piece of a sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emphasis {
    /// Just words.
    Plain,
    /// The lag that decided.
    Lag,
    /// The number of pods that there are or will be.
    Pods,
}

impl Decision {
    /// The sentence for the page, with what the records of the topics are called: `Lag 101.8 k (requests) ÷ target 5 k a pod = 20.4 → 4 pods, the maximum.`
    #[must_use]
    pub fn sentence(&self, topics: &Topics) -> Vec<Span> {
        self.tell(Voice::Written, topics)
    }

    /// The same sentence for a screen reader, without signs and abbreviations.
    #[must_use]
    pub fn spoken(&self, topics: &Topics) -> String {
        self.tell(Voice::Spoken, topics).into_iter().map(|span| span.text).collect()
    }

    fn tell(&self, voice: Voice, topics: &Topics) -> Vec<Span> {
        let mut teller = Teller { voice, topics, spans: Vec::new() };
        let teller = &mut teller;
        match &self.verdict {
            Verdict::Off => {
                teller.plain("The autoscaler is off: ").pods(self.desired).plain(stay(self.desired))
            }
            Verdict::Suspended => teller
                .plain("Scaled to ")
                .pods(0)
                .plain(" by hand: the autoscaler waits until there are pods again."),
            Verdict::Idle { activation } => {
                let teller = teller.plain("No lag, so the autoscaler keeps ").pods(0).plain(" and waits for ");
                match activation {
                    None => teller.plain("records."),
                    Some(activation) => teller.plain("a lag above ").lag(*activation).plain("."),
                }
            }
            Verdict::Rivals { names } => teller
                .plain(&format!(
                    "{} want to scale this Deployment, so Kubernetes follows the metrics of neither: delete all autoscalers but one.",
                    names.join(" and ")
                )),
            Verdict::Blind { reason } => teller
                .plain(&format!("The lag is unknown ({reason}): "))
                .pods(self.desired)
                .plain(stay(self.desired)),
            Verdict::Limited { recommended, by }
                if *recommended == self.current && self.desired != self.current =>
            {
                self.tell_correction(teller, *by)
            }
            Verdict::Steady => self.tell_steady(teller.arithmetic(self.deciding())),
            Verdict::Rescaled => {
                let more = if self.desired > self.current { "more" } else { "fewer" };
                let change = format!(", {} {more} than before.", self.desired.abs_diff(self.current));
                teller.arithmetic(self.deciding()).gives().pods(self.desired).plain(&change)
            }
            Verdict::Stabilizing { recommended, until_ms } => {
                let left_ms = until_ms.map(|until_ms| until_ms.saturating_sub(self.at_ms));
                self.tell_stabilizing(teller, *recommended, left_ms)
            }
            Verdict::ScaleInBlocked { recommended, by } => self.tell_blocked(teller, *recommended, *by),
            Verdict::Limited { by: Bound::Max, .. } => {
                teller.arithmetic(self.deciding()).gives().pods(self.desired).plain(", the maximum.")
            }
            Verdict::Limited { by: Bound::Min, .. } => {
                teller.arithmetic(self.deciding()).gives().pods(self.desired).plain(", the minimum.")
            }
            Verdict::Limited { recommended, .. } => {
                let so_far = if self.desired == self.current { " stay" } else { " now" };
                let teller = self.tell_recommendation(teller, *recommended).plain("; ").pods(self.desired);
                teller.plain(so_far).plain(", the policy allows no faster change.")
            }
        };
        std::mem::take(&mut teller.spans)
    }

    /// There were more or fewer replicas than the policy's limits allow.
    fn tell_correction<'t, 'n>(&self, teller: &'t mut Teller<'n>, by: Bound) -> &'t mut Teller<'n> {
        let limit = if by == Bound::Max { "more than the maximum" } else { "fewer than the minimum" };
        let (there, are) =
            (figures::plural(self.current, "pod"), if self.current == 1 { "is" } else { "are" });
        teller.plain(&format!("{there} {are} {limit}")).gives().pods(self.desired).plain(".")
    }

    fn tell_steady<'t, 'n>(&self, teller: &'t mut Teller<'n>) -> &'t mut Teller<'n> {
        let Some(reading) = self.deciding() else { return teller.plain("Nothing to change.") };
        let rounded_up = reading.total.map(|total| total.div_ceil(reading.target.max(1)));
        if rounded_up == Some(u64::from(self.desired)) {
            return teller.gives().pods(self.desired).plain(", as now.");
        }
        if reading.pods < self.desired {
            return teller.plain("; ").pods(self.desired).plain(stay_while_starting(self.desired));
        }
        let near = format!(", close enough for {}: ", figures::plural(reading.pods, "pod"));
        teller.plain(&near).pods(self.desired).plain(stay(self.desired))
    }

    fn tell_stabilizing<'t, 'n>(
        &self,
        teller: &'t mut Teller<'n>,
        recommended: u32,
        left_ms: Option<Millis>,
    ) -> &'t mut Teller<'n> {
        let left = left_ms.map(figures::duration);
        let stays = if self.desired == 1 { "stays" } else { "stay" };
        let teller = self.tell_recommendation(teller, recommended).plain("; ").pods(self.desired);
        teller.plain(&match (self.desired == self.current, left) {
            (true, Some(left)) => format!(" {stays} for {left} more to be sure."),
            (true, None) => format!(" {stays} a while longer to be sure."),
            (false, Some(left)) => format!(" now, the rest in {left} to be sure."),
            (false, None) => " now, the rest later to be sure.".to_owned(),
        })
    }

    fn tell_blocked<'t, 'n>(
        &self,
        teller: &'t mut Teller<'n>,
        recommended: u32,
        by: Obstacle,
    ) -> &'t mut Teller<'n> {
        let obstacle = match (by, self.readings.iter().find(|reading| reading.total.is_none())) {
            (Obstacle::Rebalance, _) => ", but the group is rebalancing: ".to_owned(),
            (_, Some(unknown)) => {
                format!(", but the lag of the {} is unknown: ", teller.topics.noun_of(&unknown.topic))
            }
            (_, None) => ", but a lag is unknown: ".to_owned(),
        };
        self.tell_recommendation(teller, recommended)
            .plain(&obstacle)
            .pods(self.desired)
            .plain(stay(self.desired))
    }

    /// The arithmetic and what it asks for, when that is not what happens. Nobody is ever asked to run 0 pods.
    fn tell_recommendation<'t, 'n>(
        &self,
        teller: &'t mut Teller<'n>,
        recommended: u32,
    ) -> &'t mut Teller<'n> {
        let pods = figures::plural(recommended.max(1), "pod");
        let teller = teller.arithmetic(self.deciding()).gives();
        if recommended < self.current {
            teller.plain(&format!("{pods} would be enough"))
        } else {
            teller.plain(&format!("{pods} asked for"))
        }
    }

    /// The reading that asked for most.
    fn deciding(&self) -> Option<&Reading> {
        let known = self.readings.iter().filter(|reading| reading.total.is_some()).rev();
        known.max_by(|one, other| {
            one.proposal.cmp(&other.proposal).then(quotient(one).total_cmp(&quotient(other)))
        })
    }
}

fn stay(pods: u32) -> &'static str {
    if pods == 1 { " stays." } else { " stay." }
}

fn stay_while_starting(pods: u32) -> &'static str {
    if pods == 1 { " stays while others start." } else { " stay while others start." }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one or two decimals")]
fn quotient(reading: &Reading) -> f64 {
    reading.total.unwrap_or(0) as f64 / reading.target.max(1) as f64
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Written,
    Spoken,
}

/// Puts a sentence together.
struct Teller<'n> {
    voice: Voice,
    /// What the records of the topics are called.
    topics: &'n Topics,
    spans: Vec<Span>,
}

impl Teller<'_> {
    fn push(&mut self, text: String, emphasis: Emphasis) -> &mut Self {
        match self.spans.last_mut() {
            Some(last) if last.emphasis == emphasis => last.text.push_str(&text),
            _ => self.spans.push(Span { text, emphasis }),
        }
        self
    }

    fn plain(&mut self, text: &str) -> &mut Self {
        self.push(text.to_owned(), Emphasis::Plain)
    }

    fn pods(&mut self, pods: u32) -> &mut Self {
        self.push(figures::plural(pods, "pod"), Emphasis::Pods)
    }

    fn lag(&mut self, records: u64) -> &mut Self {
        let text = match self.voice {
            Voice::Written => figures::count(records),
            Voice::Spoken => figures::spoken_count(records),
        };
        self.push(text, Emphasis::Lag)
    }

    fn gives(&mut self) -> &mut Self {
        self.plain(if self.voice == Voice::Written { " → " } else { ": " })
    }

    /// The division that everything follows from.
    fn arithmetic(&mut self, reading: Option<&Reading>) -> &mut Self {
        let Some(reading) = reading else { return self };
        let (total, noun) = (reading.total.unwrap_or(0), self.topics.noun_of(&reading.topic).to_owned());
        let ratio = figures::ratio(quotient(reading));
        match self.voice {
            Voice::Written => {
                self.plain("Lag ").lag(total);
                self.plain(&format!(" ({noun}) ÷ target {} a pod = {ratio}", figures::count(reading.target)))
            }
            Voice::Spoken => {
                self.plain("Lag of ").lag(total);
                let target = figures::spoken_count(reading.target);
                self.plain(&format!(" {noun}, divided by the target of {target} a pod, is {ratio}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::joined;

    fn reading(topic: &str, total: Option<u64>, pods: u32) -> Reading {
        let proposal = total.map(|total| u32::try_from(total.div_ceil(5_000)).unwrap());
        Reading { topic: topic.to_owned(), total, pods, target: 5_000, proposal }
    }

    #[track_caller]
    fn check(
        lags: (Option<u64>, Option<u64>),
        change: (u32, u32),
        verdict: Verdict,
        expected: &str,
    ) -> Decision {
        let readings =
            vec![reading("GAME-FRAME-RQ", lags.0, change.0), reading("GAME-FRAME-RS", lags.1, change.0)];
        let (current, desired) = change;
        let decision = Decision { at_ms: 1_000, next_ms: Some(6_000), current, desired, readings, verdict };
        let written: String = decision.sentence(&joined()).into_iter().map(|span| span.text).collect();
        assert_eq!(written.replace('\u{a0}', " "), expected);
        decision
    }

    fn lags(requests: u64, responses: u64) -> (Option<u64>, Option<u64>) {
        (Some(requests), Some(responses))
    }

    #[test]
    fn the_largest_lag_is_named_and_set_apart() {
        let decision = check(
            lags(101_830, 90_000),
            (1, 4),
            Verdict::Limited { recommended: 21, by: Bound::Max },
            "Lag 101.8 k (requests) ÷ target 5 k a pod = 20.4 → 4 pods, the maximum.",
        );
        let emphases: Vec<_> =
            decision.sentence(&joined()).into_iter().map(|span| (span.text, span.emphasis)).collect();
        assert_eq!(emphases[1], ("101.8\u{a0}k".to_owned(), Emphasis::Lag));
        assert_eq!(emphases[3], ("4 pods".to_owned(), Emphasis::Pods));
        assert_eq!(
            decision.spoken(&joined()),
            "Lag of 101.8 thousand requests, divided by the target of 5 thousand a pod, is 20.4: 4 pods, the maximum."
        );
    }

    #[test]
    fn changes_say_how_many() {
        let growth = "Lag 14 k (responses) ÷ target 5 k a pod = 2.8 → 3 pods, 2 more than before.";
        check(lags(2_000, 14_000), (1, 3), Verdict::Rescaled, growth);
        let shrinking = "Lag 4 k (requests) ÷ target 5 k a pod = 0.8 → 1 pod, 2 fewer than before.";
        check(lags(4_000, 4_000), (3, 1), Verdict::Rescaled, shrinking);
    }

    #[test]
    fn no_change_says_why() {
        let as_now = "Lag 14 k (requests) ÷ target 5 k a pod = 2.8 → 3 pods, as now.";
        check(lags(14_000, 0), (3, 3), Verdict::Steady, as_now);
        let near = "Lag 5.2 k (requests) ÷ target 5 k a pod = 1.04, close enough for 1 pod: 1 pod stays.";
        check(lags(5_200, 0), (1, 1), Verdict::Steady, near);
        let minimum = "Lag 0 (requests) ÷ target 5 k a pod = 0 → 1 pod, the minimum.";
        check(lags(0, 0), (1, 1), Verdict::Limited { recommended: 0, by: Bound::Min }, minimum);
    }

    #[test]
    fn what_holds_a_change_back_is_named() {
        let window = "Lag 0 (requests) ÷ target 5 k a pod = 0 → 1 pod would be enough; 4 pods stay for 12 s more to be sure.";
        check(lags(0, 0), (4, 4), Verdict::Stabilizing { recommended: 0, until_ms: Some(13_000) }, window);
        let partly = "Lag 0 (requests) ÷ target 5 k a pod = 0 → 1 pod would be enough; 2 pods now, the rest in 12 s to be sure.";
        check(lags(0, 0), (4, 2), Verdict::Stabilizing { recommended: 0, until_ms: Some(13_000) }, partly);
        let untold = "Lag 0 (requests) ÷ target 5 k a pod = 0 → 1 pod would be enough; 4 pods stay a while longer to be sure.";
        check(lags(0, 0), (4, 4), Verdict::Stabilizing { recommended: 0, until_ms: None }, untold);
        let upwards = "Lag 15 k (requests) ÷ target 5 k a pod = 3 → 3 pods asked for; 1 pod stays for 9 s more to be sure.";
        check(
            lags(15_000, 0),
            (1, 1),
            Verdict::Stabilizing { recommended: 3, until_ms: Some(10_000) },
            upwards,
        );
        let unknown = "Lag 2 k (requests) ÷ target 5 k a pod = 0.4 → 1 pod would be enough, \
                       but the lag of the responses is unknown: 3 pods stay.";
        let by = Obstacle::UnknownMetric;
        check((Some(2_000), None), (3, 3), Verdict::ScaleInBlocked { recommended: 1, by }, unknown);
        let rebalance = "Lag 2 k (requests) ÷ target 5 k a pod = 0.4 → 1 pod would be enough, \
                         but the group is rebalancing: 3 pods stay.";
        let by = Obstacle::Rebalance;
        check(lags(2_000, 2_000), (3, 3), Verdict::ScaleInBlocked { recommended: 1, by }, rebalance);
        let rate = "Lag 50 k (requests) ÷ target 5 k a pod = 10 → 10 pods asked for; 2 pods now, \
                    the policy allows no faster change.";
        check(lags(50_000, 0), (1, 2), Verdict::Limited { recommended: 10, by: Bound::UpRate }, rate);
    }

    #[test]
    fn without_a_lag_nothing_is_divided() {
        check((None, None), (3, 3), Verdict::Off, "The autoscaler is off: 3 pods stay.");
        let outage = "The lag is unknown (the last sample is 12 s old): 3 pods stay.";
        let reason = "the last sample is 12 s old".to_owned();
        check((None, None), (3, 3), Verdict::Blind { reason }, outage);
        let suspended = "Scaled to 0 pods by hand: the autoscaler waits until there are pods again.";
        check((None, None), (0, 0), Verdict::Suspended, suspended);
        let idle = "No lag, so the autoscaler keeps 0 pods and waits for ";
        for (activation, expected) in [(None, "records."), (Some(1_200), "a lag above 1.2 k.")] {
            check((None, None), (0, 0), Verdict::Idle { activation }, &format!("{idle}{expected}"));
        }
        let rivals = "kstreams and other want to scale this Deployment, so Kubernetes follows the metrics of neither: \
                      delete all autoscalers but one.";
        let names = vec!["kstreams".to_owned(), "other".to_owned()];
        check((None, None), (3, 3), Verdict::Rivals { names }, rivals);
        let above = "5 pods are more than the maximum → 4 pods.";
        check(lags(0, 0), (5, 4), Verdict::Limited { recommended: 5, by: Bound::Max }, above);
    }
}
