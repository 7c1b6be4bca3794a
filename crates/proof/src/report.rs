//! What came of seeds: of one, and of many by theme.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::complaint::Complaint;
use crate::reference::Counts;
use crate::schedule::{Ground, Schedule, Theme};
use crate::silence::Silence;

/// What came of a seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was done to pods and brokers.
    pub schedule: Schedule,
    /// What was compared.
    pub compared: Compared,
    /// The longest silence of a partition; `None` when nobody looked.
    pub silence: Option<Silence>,
    /// How long it took.
    pub took: Duration,
    /// Why it was not run, if it was not.
    pub left_out: Option<String>,
    /// Everything that is wrong; nothing when the seed passed.
    pub complaints: Vec<Complaint>,
    /// What helps to find out more about it.
    pub remarks: Vec<String>,
}

/// How much was compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compared {
    /// How many records were written.
    pub records: usize,
    /// How many final sessions had to come out.
    pub sessions: usize,
    /// What the reference says became of the records.
    pub counts: Counts,
}

/// Whether a seed proves something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Passed,
    /// Kafka's one known fault has happened: a single broker that is killed while it ends a transaction may lose the
    /// markers that end it. Nothing can be said of the pods.
    None,
    /// What it needs is not here.
    LeftOut,
    /// It failed.
    Failed,
}

impl Report {
    pub(crate) fn empty(seed: u64) -> Self {
        Self {
            seed,
            schedule: Schedule::of(seed),
            compared: Compared::default(),
            silence: None,
            took: Duration::ZERO,
            left_out: None,
            complaints: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Whether the seed proves something.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is_known = |complaint: &Complaint| matches!(complaint, Complaint::OpenTransaction { .. });
        if self.left_out.is_some() {
            Verdict::LeftOut
        } else if self.complaints.is_empty() {
            Verdict::Passed
        } else if self.schedule.theme.ground() == Ground::Mortal && self.complaints.iter().any(is_known) {
            Verdict::None
        } else {
            Verdict::Failed
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, schedule, compared, silence, took, left_out, complaints, remarks } = self;
        let Compared { records, sessions, counts } = compared;
        let verdict = match self.verdict() {
            Verdict::Passed => "passed",
            Verdict::None => "has NO VERDICT, since Kafka lost markers of a transaction,",
            Verdict::LeftOut => {
                let why = left_out.as_deref().unwrap_or_default();
                return write!(f, "seed {seed} left out: {}: {why}", schedule.theme);
            }
            Verdict::Failed => "FAILED",
        };
        write!(
            f,
            "seed {seed} {verdict} in {:.1} s: {}, {records} records, {} frames, {sessions} sessions, {} late, {} duplicates, \
             {} expired, {} malformed",
            took.as_secs_f64(),
            schedule.theme,
            counts.joined,
            counts.late,
            counts.duplicates,
            counts.expired,
            counts.malformed
        )?;
        if let Some(silence) = silence {
            write!(f, ", silent for {:.1} s", silence.lasted.as_secs_f64())?;
        }
        if complaints.is_empty() {
            return Ok(());
        }
        write!(f, "\n{schedule}")?;
        complaints.iter().try_for_each(|complaint| write!(f, "\n  {complaint}"))?;
        remarks.iter().try_for_each(|remark| write!(f, "\n  {remark}"))
    }
}

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    themes: BTreeMap<Theme, Tally>,
    failed: Vec<u64>,
    silence: Option<Silence>,
}

/// What came of the seeds of one theme.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many seeds passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many have no verdict.
    pub without_verdict: usize,
    /// How many could not be run.
    pub left_out: usize,
    /// How many final sessions were compared in those that passed.
    pub sessions: usize,
}

impl Summary {
    /// Takes a report into account.
    pub fn add(&mut self, report: &Report) {
        let Report { seed, schedule, compared, silence, .. } = report;
        let tally = self.themes.entry(schedule.theme).or_default();
        match report.verdict() {
            Verdict::Passed => {
                tally.passed += 1;
                tally.sessions += compared.sessions;
            }
            Verdict::None => tally.without_verdict += 1,
            Verdict::LeftOut => tally.left_out += 1,
            Verdict::Failed => {
                tally.failed += 1;
                self.failed.push(*seed);
                self.failed.sort_unstable();
            }
        }
        let lasted = |silence: &Option<Silence>| silence.as_ref().map(|silence| silence.lasted);
        if lasted(silence) > lasted(&self.silence) {
            self.silence.clone_from(silence);
        }
    }

    /// The seeds that failed.
    #[must_use]
    pub fn failed(&self) -> &[u64] {
        &self.failed
    }

    /// All themes together.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.themes.values().fold(Tally::default(), |sum, tally| Tally {
            passed: sum.passed + tally.passed,
            failed: sum.failed + tally.failed,
            without_verdict: sum.without_verdict + tally.without_verdict,
            left_out: sum.left_out + tally.left_out,
            sessions: sum.sessions + tally.sessions,
        })
    }

    /// The themes of which no seed passed, though they were not left out.
    pub fn unproved(&self) -> impl Iterator<Item = Theme> {
        let is_proved = |theme: &Theme| {
            self.themes.get(theme).is_some_and(|tally| tally.passed > 0 || tally.left_out > 0)
        };
        Theme::ALL.into_iter().filter(move |theme| !is_proved(theme))
    }

    /// The longest silence of a partition in any of them.
    #[must_use]
    pub fn silence(&self) -> Option<&Silence> {
        self.silence.as_ref()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:29} passed  failed  no verdict  left out  final sessions compared", "theme")?;
        for (theme, tally) in &self.themes {
            writeln!(f, "{:29} {tally}", theme.to_string())?;
        }
        write!(f, "{:29} {}", "all", self.total())?;
        if let Some(Silence { lasted, partition }) = &self.silence {
            let seconds = lasted.as_secs_f64();
            write!(
                f,
                "\nlongest time that a partition with records and a living owner stood still without a word: {seconds:.1} s"
            )?;
            if !partition.is_empty() {
                write!(f, " ({})", partition.trim_end_matches(','))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, without_verdict, left_out, sessions } = self;
        write!(f, "{passed:6}  {failed:6}  {without_verdict:10}  {left_out:8}  {sessions:23}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(theme: Theme, complaints: Vec<Complaint>) -> Report {
        let seed = (1..=20).find(|&seed| Theme::of(seed) == theme).unwrap();
        let compared = Compared { sessions: 7, ..Compared::default() };
        Report { compared, complaints, ..Report::empty(seed) }
    }

    fn open() -> Complaint {
        Complaint::OpenTransaction { topic: "t".to_owned(), partition: Some(0) }
    }

    #[test]
    fn only_lost_markers_of_a_single_broker_that_was_killed_are_no_verdict() {
        assert_eq!(report(Theme::Broker, vec![]).verdict(), Verdict::Passed);
        assert_eq!(report(Theme::Broker, vec![open()]).verdict(), Verdict::None);
        assert_eq!(report(Theme::Chaos, vec![open()]).verdict(), Verdict::Failed);
        assert_eq!(report(Theme::BrokerOfThree, vec![open()]).verdict(), Verdict::Failed);
        let other = Complaint::NotFinal { finals: 1, expected: 2 };
        assert_eq!(report(Theme::Broker, vec![other]).verdict(), Verdict::Failed);
    }

    #[test]
    fn a_summary_tells_what_is_proved_and_what_is_not() {
        let mut summary = Summary::default();
        for theme in Theme::ALL {
            match theme {
                Theme::Chaos => {}
                Theme::Broker => summary.add(&report(theme, vec![open()])),
                Theme::DiskFull => {
                    summary.add(&Report { left_out: Some("no disk".to_owned()), ..report(theme, vec![]) });
                }
                _ => summary.add(&report(theme, vec![])),
            }
        }
        assert_eq!(summary.unproved().collect::<Vec<_>>(), [Theme::Chaos, Theme::Broker]);
        let passed = Theme::ALL.len() - 3;
        let expected = Tally { passed, failed: 0, without_verdict: 1, left_out: 1, sessions: 7 * passed };
        assert_eq!(summary.total(), expected);
        summary.add(&report(Theme::Chaos, vec![Complaint::NothingCompared]));
        assert_eq!(summary.failed().len(), 1);
    }
}
