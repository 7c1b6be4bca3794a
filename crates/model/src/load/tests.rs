use super::*;

const NOW: Millis = 1_700_000_000_000;

fn settings(shape: Shape) -> LoadSettings {
    LoadSettings { shape: Some(Running { shape, from_ms: NOW }), ..LoadSettings::default() }
}

/// Targets at seconds since the shape was picked.
fn check(load: &LoadSettings, expected: &[(f64, u32)]) {
    for &(second, target) in expected {
        let at_ms = NOW.saturating_add_signed((second * 1_000.0) as i64);
        assert_eq!(load.target(at_ms), target, "{load:?} after {second} s");
    }
}

/// Whole frames between two seconds since the shape was picked.
fn frames(load: &LoadSettings, from: Millis, to: Millis) -> u64 {
    load.millionths(NOW + 1_000 * from, NOW + 1_000 * to) / 1_000_000
}

#[test]
fn each_shape_has_its_rate_at_each_time() {
    check(&LoadSettings::default(), &[(-1.0, 400), (0.0, 400), (9e9, 400)]);
    check(&settings(Shape::Step), &[(-0.001, 400), (0.0, 1_600), (9e6, 1_600)]);
    check(
        &settings(Shape::Ramp),
        &[(-1.0, 400), (0.0, 400), (15.0, 1_100), (30.0, 1_800), (59.999, 3_199), (60.0, 400), (600.0, 400)],
    );
    check(
        &settings(Shape::Sine),
        &[
            (-1.0, 400),
            (0.0, 400),
            (15.0, 1_200),
            (30.0, 2_000),
            (45.0, 1_200),
            (60.0, 400),
            (90.0, 2_000),
            (6e6, 400),
        ],
    );
    check(
        &settings(Shape::Trace),
        &[
            (-1.0, 400),
            (0.0, 400),
            (5.0, 290),
            (40.0, 20),
            (190.0, 3_400),
            (239.999, 400),
            (240.0, 400),
            (9e6, 400),
        ],
    );
}

#[test]
fn a_burst_stands_in_front_of_a_shape_that_then_goes_on() {
    let burst = Some(Burst { factor: 10, from_ms: NOW + 10_000, until_ms: NOW + 30_000 });
    let load = LoadSettings { burst, ..settings(Shape::Sine) };
    check(&load, &[(5.0, 507), (10.0, 4_000), (29.999, 4_000), (30.0, 2_000)]);
    let sine = settings(Shape::Sine);
    assert_eq!(frames(&load, 0, 60), frames(&sine, 0, 10) + 80_000 + frames(&sine, 30, 60));
}

#[test]
fn the_frames_of_a_shape_are_the_area_under_it() {
    assert_eq!(frames(&LoadSettings::default(), 0, 3_600), 1_440_000);
    assert_eq!(frames(&settings(Shape::Step), 0, 60), 96_000);
    assert_eq!(frames(&settings(Shape::Ramp), 0, 30), 33_000);
    assert_eq!(frames(&settings(Shape::Ramp), 0, 60), 108_000);
    assert_eq!(frames(&settings(Shape::Ramp), 30, 90), 75_000 + 12_000);
    assert_eq!(frames(&settings(Shape::Sine), 0, 60), 72_000);
    assert_eq!(frames(&settings(Shape::Sine), 15, 45), 51_264);
    assert_eq!(frames(&settings(Shape::Sine), 0, 60_000), 72_000_000);
    assert_eq!(frames(&settings(Shape::Trace), 0, 10), 2_900);
    assert_eq!(frames(&settings(Shape::Trace), 240, 250), 4_000);
    let begins = NOW - 10_000;
    assert_eq!(settings(Shape::Step).millionths(begins, NOW + 1_000), 5_600_000_000, "it began on the way");
}

#[test]
fn frames_add_up_exactly_however_time_is_cut() {
    let burst = Some(Burst { factor: 5, from_ms: NOW + 7_777, until_ms: NOW + 19_999 });
    for shape in Shape::ALL {
        let load = LoadSettings { base: 397, burst, ..settings(shape) };
        let whole = load.millionths(NOW - 500, NOW + 300_000);
        for steps in [&[1_u64][..], &[5], &[1, 3, 11, 250, 4_999]] {
            let (mut at_ms, mut sum) = (NOW - 500, 0);
            for step in steps.iter().cycle() {
                let next_ms = (at_ms + step).min(NOW + 300_000);
                sum += load.millionths(at_ms, next_ms);
                at_ms = next_ms;
                if at_ms == NOW + 300_000 {
                    break;
                }
            }
            assert_eq!(sum, whole, "{shape:?} in steps of {steps:?} ms");
        }
    }
}

#[test]
fn time_that_stands_still_or_goes_back_brings_no_frames() {
    let burst = Some(Burst { factor: 10, from_ms: NOW, until_ms: NOW + 20_000 });
    for shape in Shape::ALL {
        let load = LoadSettings { burst, ..settings(shape) };
        assert_eq!(load.millionths(NOW + 5, NOW + 5), 0);
        assert_eq!(load.millionths(NOW + 30_000, NOW - 30_000), 0);
    }
}

#[test]
fn no_shape_asks_for_more_than_ten_times_the_base_rate() {
    for shape in Shape::ALL {
        let load = LoadSettings { base: MAX_FRAMES_PER_SECOND, ..settings(shape) };
        for second in 0..300 {
            assert!(load.target(NOW + 1_000 * second) <= MAX_TARGET, "{shape:?}");
        }
        assert_eq!(LoadSettings { base: 0, ..load }.millionths(NOW, NOW + 300_000), 0, "a pause stays one");
    }
}

#[test]
fn settings_from_anywhere_overflow_nothing() {
    let burst = Some(Burst { factor: u32::MAX, from_ms: Millis::MAX, until_ms: 0 });
    for shape in Shape::ALL {
        for from_ms in [0, Millis::MAX] {
            let shape = Some(Running { shape, from_ms });
            let load = LoadSettings { base: u32::MAX, burst, shape, ..LoadSettings::default() };
            assert_eq!(load.millionths(NOW, NOW), 0, "{load:?} at {}", load.target(NOW));
            assert!(load.millionths(NOW, NOW + 1_000) > 0);
        }
    }
}

#[test]
fn a_shape_that_ends_says_when() {
    for (shape, seconds) in
        [(Shape::Step, None), (Shape::Ramp, Some(60)), (Shape::Sine, None), (Shape::Trace, Some(240))]
    {
        let load = settings(shape);
        let running = load.running(NOW).unwrap();
        assert_eq!(running.until_ms(), seconds.map(|seconds| NOW + 1_000 * seconds));
        assert_eq!(load.running(NOW - 1), None);
        assert_eq!(load.running(NOW + 86_400_000).is_some(), seconds.is_none());
    }
}

#[test]
fn a_record_from_before_there_were_shapes_still_decodes() {
    let old =
        r#"{"base":700,"burst":{"factor":5,"from_ms":1,"until_ms":2},"hot":{"partition":3,"percent":50}}"#;
    let load: LoadSettings = serde_json::from_str(old).unwrap();
    assert_eq!((load.base, load.shape), (700, None));
    assert_eq!(serde_json::to_string(&load).unwrap(), old);
    let text = serde_json::to_string(&LoadSettings { base: 1, ..settings(Shape::Sine) }).unwrap();
    assert_eq!(text, r#"{"base":1,"shape":{"shape":"sine","from_ms":1700000000000}}"#);
}

#[test]
fn what_nobody_can_be_asked_for_says_why() {
    let load = LoadSettings::default();
    assert_eq!(load.problem(), None);
    let burst = |factor| Some(Burst { factor, from_ms: NOW, until_ms: NOW + BURST_MS });
    let hot = |partition, percent| Some(HotPartition { partition, percent });
    for (wrong, word) in [
        (LoadSettings { base: 2_000_000, ..load.clone() }, "frames"),
        (LoadSettings { burst: burst(1_000), ..load.clone() }, "burst"),
        (LoadSettings { hot: hot(12, 50), ..load.clone() }, "partitions"),
        (LoadSettings { hot: hot(0, 200), ..load.clone() }, "partitions"),
    ] {
        let problem = wrong.problem().unwrap_or_default();
        assert!(problem.contains(word), "{wrong:?}: {problem}");
    }
}
