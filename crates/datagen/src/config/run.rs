//! A run: a load that is given on the command line, and that the same seed replays frame by frame.

use std::path::Path;

use clap::{Args, ValueEnum};
use model::load::curve::Curve;
use model::load::{
    BURST_MS, Burst, DEFAULT_FRAMES_PER_SECOND, HOT_PERCENT, HotPartition, LoadSettings, Running, Shape,
    trace,
};
use model::{Millis, PARTITIONS};
use process::ConfigError;

use crate::plan::Plan;

/// By how much a burst multiplies the base rate.
const BURST: u32 = 10;
/// No run is longer: ten years.
const LONGEST_MS: Millis = 315_360_000_000;

/// How the load goes over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Load {
    /// The base rate
    Constant,
    /// Four times the base rate
    Step,
    /// Ten times the base rate for 20 s, then the base rate
    Burst,
    /// To eight times the base rate within a minute, then the base rate
    Ramp,
    /// Between one and five times the base rate, a wave a minute
    Sine,
    /// The base rate, half of it in one partition
    Hot,
    /// A day in the arcades in four minutes, then the base rate
    Trace,
}

/// A load of its own. With any of these options the control topic is left aside.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "A load of its own, instead of what the control topic says")]
pub struct RunArgs {
    /// The base rate, in frames per second [default: 400]
    #[arg(long, value_name = "N")]
    pub frames_per_second: Option<u32>,
    /// How the load goes over time [default: constant]
    #[arg(long, value_enum, value_name = "SHAPE")]
    pub shape: Option<Load>,
    /// A recorded load: lines of SECONDS,FRAMES_PER_SECOND, meant for a base rate of 400
    #[arg(long, value_name = "FILE", value_parser = read_trace, conflicts_with = "shape")]
    pub trace: Option<Curve>,
    /// A partition that gets half of all frames
    #[arg(long, value_name = "PARTITION", value_parser = clap::value_parser!(u32).range(..i64::from(PARTITIONS)))]
    pub hot: Option<u32>,
    /// End after so many frames, once Kafka has them all
    #[arg(long, value_name = "N")]
    pub frames: Option<u64>,
    /// End after so many seconds of the load, once Kafka has all its frames
    #[arg(long, value_name = "S")]
    pub seconds: Option<u32>,
    /// Send as fast as Kafka takes it; the frames' times still follow the load, up to about now
    #[arg(long)]
    pub unpaced: bool,
    /// Time of the run's beginning, in milliseconds since the epoch: with the seed it decides every byte [default: now]
    #[arg(long, value_name = "MS")]
    pub start_ms: Option<Millis>,
}

/// A run as it is carried out.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// The load, in milliseconds since the beginning of the run.
    pub(crate) plan: Plan,
    /// After how many frames it ends.
    pub(crate) frames: u64,
    /// After how many milliseconds of the load it ends.
    pub(crate) ends_ms: Millis,
    /// Whether it goes as fast as it can.
    pub(crate) unpaced: bool,
    /// When it begins.
    pub(crate) start_ms: Millis,
    /// How far the times of its frames are ahead of the clock at the most; 0 where they are not.
    pub(crate) ahead_ms: Millis,
}

impl RunArgs {
    /// The run that is asked for, as of now; `None` where the control topic counts.
    ///
    /// # Errors
    /// When it would send without waiting, and never end.
    pub(crate) fn run(&self, now_ms: Millis) -> Result<Option<Run>, ConfigError> {
        let is_asked_for = self.frames_per_second.is_some()
            || self.shape.is_some()
            || self.trace.is_some()
            || self.hot.is_some()
            || self.frames.is_some()
            || self.seconds.is_some()
            || self.start_ms.is_some()
            || self.unpaced;
        if !is_asked_for {
            return Ok(None);
        }
        let plan = Plan::new(self.settings(), self.trace.clone());
        let frames = self.frames.unwrap_or(u64::MAX);
        let ends_ms = self.seconds.map_or(LONGEST_MS, |seconds| Millis::from(seconds) * 1_000);
        let reached = plan.reaches(frames, ends_ms);
        if self.unpaced && reached == LONGEST_MS {
            return Err(ConfigError::new(
                "--unpaced needs an end: --frames N that it comes to, or --seconds S",
            ));
        }
        let before = if self.unpaced { reached } else { 0 };
        let start_ms = self.start_ms.unwrap_or_else(|| now_ms.saturating_sub(before));
        let ahead_ms = start_ms.saturating_add(before).saturating_sub(now_ms);
        Ok(Some(Run { plan, frames, ends_ms, unpaced: self.unpaced, start_ms, ahead_ms }))
    }

    fn settings(&self) -> LoadSettings {
        let shape = match self.shape {
            Some(Load::Step) => Some(Shape::Step),
            Some(Load::Ramp) => Some(Shape::Ramp),
            Some(Load::Sine) => Some(Shape::Sine),
            Some(Load::Trace) => Some(Shape::Trace),
            Some(Load::Constant | Load::Burst | Load::Hot) | None => None,
        };
        let burst = Burst { factor: BURST, from_ms: 0, until_ms: BURST_MS };
        let hot = self.hot.or_else(|| (self.shape == Some(Load::Hot)).then_some(0));
        LoadSettings {
            base: self.frames_per_second.unwrap_or(DEFAULT_FRAMES_PER_SECOND),
            burst: (self.shape == Some(Load::Burst)).then_some(burst),
            hot: hot.map(|partition| HotPartition { partition, percent: HOT_PERCENT }),
            shape: shape.map(|shape| Running { shape, from_ms: 0 }),
        }
    }
}

fn read_trace(path: &str) -> Result<Curve, String> {
    let bytes = std::fs::read(Path::new(path)).map_err(|error| error.to_string())?;
    trace::read(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Config;

    const NOW: Millis = 1_700_000_000_000;

    fn run(options: &str) -> Result<Option<Run>, String> {
        let words = std::iter::once("datagen").chain(options.split_whitespace());
        let config = Config::try_parse_from(words).map_err(|error| error.to_string())?;
        config.run.run(NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_load_of_its_own_the_control_topic_counts() {
        assert!(run("--seed 7 --machines 10").unwrap().is_none());
    }

    #[test]
    fn each_shape_has_its_rates() {
        for (options, at_20_s, at_70_s) in [
            ("--frames-per-second 100", 100, 100),
            ("--shape constant", 400, 400),
            ("--shape step --frames-per-second 100", 400, 400),
            ("--shape burst", 400, 400),
            ("--shape ramp --frames-per-second 300", 1_000, 300),
            ("--shape sine", 1_600, 800),
            ("--shape trace", 60, 190),
        ] {
            let plan = run(options).unwrap().unwrap().plan;
            assert_eq!((plan.target(20_000), plan.target(70_000)), (at_20_s, at_70_s), "{options}");
        }
        let burst = run("--shape burst").unwrap().unwrap().plan;
        assert_eq!((burst.target(0), burst.target(19_999)), (4_000, 4_000));
        let hot = |options| run(options).unwrap().unwrap().plan.hot().map(|hot| (hot.partition, hot.percent));
        assert_eq!(hot("--shape hot"), Some((0, 50)));
        assert_eq!(hot("--shape sine --hot 7"), Some((7, 50)));
        assert_eq!(hot("--shape sine"), None);
    }

    #[test]
    fn a_run_without_waiting_ends_about_now_and_one_from_the_future_is_known() {
        let unpaced = run("--unpaced --frames 40000").unwrap().unwrap();
        assert_eq!((unpaced.start_ms, unpaced.frames), (NOW - 100_000, 40_000));
        let unpaced = run("--unpaced --shape ramp --seconds 60 --start-ms 5").unwrap().unwrap();
        assert_eq!((unpaced.start_ms, unpaced.ends_ms), (5, 60_000));
        for (options, ahead_ms) in [
            (String::from("--frames 1"), 0),
            (String::from("--unpaced --frames 40000"), 0),
            (format!("--frames 1 --start-ms {}", NOW + 8_000), 8_000),
            (format!("--frames 1 --start-ms {}", NOW - 8_000), 0),
            (format!("--unpaced --seconds 60 --start-ms {}", NOW - 8_000), 52_000),
        ] {
            assert_eq!(run(&options).unwrap().unwrap().ahead_ms, ahead_ms, "{options}");
        }
        for endless in ["--unpaced", "--unpaced --frames 1 --frames-per-second 0"] {
            assert!(run(endless).unwrap_err().contains("--unpaced needs an end"), "{endless}");
        }
    }

    #[test]
    fn a_bad_trace_is_refused_with_its_line() {
        let file = std::env::temp_dir().join(format!("king-trace-{}.csv", std::process::id()));
        std::fs::write(&file, "0,400\n10,many\n").unwrap();
        let refused = run(&format!("--trace {}", file.display())).unwrap_err();
        std::fs::write(&file, "0,400\n10,800\n").unwrap();
        let read = run(&format!("--trace {} --frames-per-second 200", file.display())).unwrap().unwrap();
        std::fs::write(&file, "").unwrap();
        let empty = run(&format!("--trace {}", file.display())).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert!(empty.contains("there is nothing in it: write lines of"), "{empty}");
        assert!(refused.contains("line 2: `many` is no rate"), "{refused}");
        assert_eq!([0, 5_000, 10_000].map(|at_ms| read.plan.target(at_ms)), [200, 300, 200]);
        assert!(run("--trace /nowhere/trace.csv").unwrap_err().contains("No such file"));
        assert!(run("--hot 12").is_err() && run("--shape square").is_err());
    }
}
