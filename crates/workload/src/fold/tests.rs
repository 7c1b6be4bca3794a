use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::Zone;
use crate::sessions::{GameSession, KEPT_HITS};

const NOW: EventTime = 1_700_000_000_000;
/// A clock that is ahead of all records: they are read long after they were written.
const LATER: EventTime = NOW + 10_000_000;
const LIMITS: Limits = Limits { gap_ms: 10_000, longest_ms: 60_000, most_hits: 500 };

fn header(machine: u32, ts: EventTime) -> FrameHeader {
    FrameHeader { ts: NOW + ts, machine: Machine::new(machine).unwrap(), zone: Zone::US }
}

fn hits(count: usize) -> Vec<Hit> {
    vec![Hit::from_hex("c3ff8ab13000e9c5").unwrap(); count]
}

/// A record of one of the two logs.
#[derive(Debug, Clone)]
struct Record {
    side: Side,
    header: FrameHeader,
    at: EventTime,
    hits: usize,
}

fn take(fold: &mut Fold, record: &Record, offset: i64) -> Taken {
    take_at(fold, record, offset, LATER)
}

fn take_at(fold: &mut Fold, record: &Record, offset: i64, now: EventTime) -> Taken {
    match record.side {
        Side::Request => fold.request(record.header, record.at, offset, hits(record.hits), now),
        Side::Response => fold.response(record.header, record.at, now),
    }
}

/// Joins a frame of machine 1 whose halves come at the same time.
fn frame(fold: &mut Fold, ts: EventTime, hits: usize) {
    for side in Side::ALL {
        let _ = take(fold, &Record { side, header: header(1, ts), at: NOW + ts, hits }, ts);
    }
}

fn outputs(fold: &mut Fold) -> Vec<Output> {
    let mut outputs = Vec::new();
    fold.take_outputs(&mut outputs);
    outputs
}

fn finals(fold: &mut Fold) -> Vec<GameSession> {
    outputs(fold).into_iter().map(|output| output.session).filter(|session| session.is_final).collect()
}

/// Lets both inputs follow the clock, which shows this time after `NOW`.
fn both_idle(fold: &mut Fold, now: EventTime) {
    for side in Side::ALL {
        fold.idle(side, NOW + now);
    }
}

/// Lets both inputs follow the clock to where everything is over.
fn end(fold: &mut Fold) {
    both_idle(fold, LATER - NOW);
}

/// Folds frames of one machine, given as (ts, hits); what is final in the end, as (start, end, hits).
fn sessions(frames: &[(EventTime, usize)]) -> Vec<(EventTime, EventTime, u32)> {
    let mut fold = Fold::new(LIMITS);
    for &(ts, hits) in frames {
        frame(&mut fold, ts, hits);
    }
    end(&mut fold);
    assert_eq!(fold.size(), Size::default());
    finals(&mut fold).iter().map(|session| (session.start - NOW, session.end - NOW, session.count)).collect()
}

#[test]
fn sessions_are_cut_at_gaps_after_a_minute_and_after_500_hits() {
    assert_eq!(sessions(&[(0, 2), (9_999, 3)]), [(0, 9_999, 5)]);
    assert_eq!(sessions(&[(0, 2), (10_000, 3)]), [(0, 0, 2), (10_000, 10_000, 3)]);
    let minute: Vec<_> = (0..14).map(|nth| (nth * 5_000, 1)).collect();
    assert_eq!(sessions(&minute), [(0, 60_000, 13), (65_000, 65_000, 1)]);
    assert_eq!(sessions(&[(0, 300), (1, 199), (2, 60), (3, 1)]), [(0, 2, 559), (3, 3, 1)]);
}

#[test]
fn frames_count_in_the_order_of_event_time_and_a_late_one_joins_two_sessions() {
    assert_eq!(sessions(&[(2_000, 1), (1_000, 1), (0, 1)]), [(0, 2_000, 3)]);
    // The newest frame is at 14 s: what is more than 5 s older is late.
    assert_eq!(sessions(&[(0, 1), (14_000, 1), (9_500, 1)]), [(0, 14_000, 3)]);
    assert_eq!(sessions(&[(0, 1), (14_000, 1), (8_999, 1)]), [(0, 0, 1), (14_000, 14_000, 1)], "late");
}

#[test]
fn a_session_is_final_once_nothing_can_belong_to_it() {
    let mut fold = Fold::new(LIMITS);
    frame(&mut fold, 0, 1);
    let mut later = |machine: u32, ts| {
        for side in Side::ALL {
            let _ = take(&mut fold, &Record { side, header: header(machine, ts), at: NOW + ts, hits: 1 }, 0);
        }
        finals(&mut fold).len()
    };
    assert_eq!(later(2, 14_999), 0, "complete up to 9.999 s");
    assert_eq!(later(2, 15_000), 1, "complete up to 10 s");
}

#[test]
fn a_pair_is_joined_once_in_either_order_and_only_when_near_enough() {
    let check = |response_at: EventTime, first: Side, joined: u64| {
        let mut fold = Fold::new(LIMITS);
        let request = Record { side: Side::Request, header: header(1, 0), at: NOW, hits: 1 };
        let response = Record { side: Side::Response, at: NOW + response_at, ..request.clone() };
        let order = if first == Side::Request { [&request, &response] } else { [&response, &request] };
        for record in order.into_iter().chain(order) {
            let _ = take(&mut fold, record, 0);
        }
        end(&mut fold);
        let counts = fold.counts();
        assert_eq!((counts.joined, counts.duplicates), (joined, 2), "{response_at}");
        assert_eq!((counts.expired_requests, counts.expired_responses), (1 - joined, 1 - joined));
    };
    for first in Side::ALL {
        check(0, first, 1);
        check(3_000, first, 1);
        check(-3_000, first, 1);
        check(3_001, first, 0);
        check(-3_001, first, 0);
    }
}

#[test]
fn what_stays_alone_is_given_up_when_both_inputs_have_passed_it() {
    let mut fold = Fold::new(LIMITS);
    let _ = take(&mut fold, &Record { side: Side::Request, header: header(1, 0), at: NOW, hits: 1 }, 0);
    let _ = take(&mut fold, &Record { side: Side::Request, header: header(2, 60_000), at: NOW, hits: 1 }, 1);
    assert_eq!(fold.counts().expired_requests, 0, "the responses may still be on their way");
    let _ = take(&mut fold, &Record { side: Side::Response, header: header(2, 5_000), at: NOW, hits: 0 }, 0);
    assert_eq!(fold.counts().expired_requests, 0);
    let _ = take(&mut fold, &Record { side: Side::Response, header: header(2, 5_001), at: NOW, hits: 0 }, 1);
    assert_eq!(fold.counts().expired_requests, 1);
}

#[test]
fn an_update_holds_the_last_hits_and_a_final_record_all() {
    let mut fold = Fold::new(LIMITS);
    frame(&mut fold, 1_000, 12);
    frame(&mut fold, 2_000, 13);
    let updates = outputs(&mut fold);
    let [Output { key, session, request_offset }] = &updates[..] else { panic!("one update a session") };
    assert_eq!((*key, *request_offset), (header(1, 1_000), 2_000));
    assert_eq!((session.frames, session.count, session.hits.len()), (2, 25, KEPT_HITS));
    assert_eq!((session.score, session.machine.as_str(), session.is_final), (25 * 48, "000001", false));
    assert_eq!(outputs(&mut fold), [], "nothing changed since");
    end(&mut fold);
    let finals = finals(&mut fold);
    assert_eq!((finals[0].hits.len(), finals[0].count), (25, 25));
}

#[test]
fn the_input_that_is_behind_is_read_first_and_the_other_one_waits_for_it() {
    let turn = |behind, ahead| Turn { behind, ahead };
    let mut fold = Fold::new(LIMITS);
    assert_eq!(fold.turn(), turn(Side::Request, Ahead::MayBeRead));
    let _ = take(&mut fold, &Record { side: Side::Request, header: header(1, 0), at: NOW, hits: 1 }, 0);
    assert_eq!(
        fold.turn(),
        turn(Side::Response, Ahead::Waits),
        "whether there are responses is not known yet"
    );
    let _ = take(&mut fold, &Record { side: Side::Response, header: header(1, 0), at: NOW, hits: 0 }, 0);
    let _ = take(&mut fold, &Record { side: Side::Request, header: header(1, 2_000), at: NOW, hits: 1 }, 1);
    assert_eq!(fold.turn(), turn(Side::Response, Ahead::MayBeRead));
    let _ = take(&mut fold, &Record { side: Side::Request, header: header(1, 2_001), at: NOW, hits: 1 }, 2);
    assert_eq!(fold.turn(), turn(Side::Response, Ahead::Waits));
    fold.idle(Side::Response, NOW + 60_000);
    assert_eq!(fold.turn(), turn(Side::Request, Ahead::Waits), "55 s: now the requests are behind");
    let _ = take(&mut fold, &Record { side: Side::Request, header: header(1, 62_000), at: NOW, hits: 1 }, 3);
    assert_eq!(
        fold.turn(),
        turn(Side::Response, Ahead::MayBeRead),
        "an idle input holds the other one back at the clock only"
    );
    let _ = take(&mut fold, &Record { side: Side::Request, header: header(1, 62_001), at: NOW, hits: 1 }, 4);
    assert_eq!(fold.turn(), turn(Side::Response, Ahead::Waits));
}

/// Both records of a frame, read at this time after `NOW`; what became of them.
fn play(fold: &mut Fold, machine: u32, ts: EventTime, now: EventTime) -> [Taken; 2] {
    let record = |side| Record { side, header: header(machine, ts), at: NOW + ts, hits: 1 };
    Side::ALL.map(|side| take_at(fold, &record(side), ts, NOW + now))
}

const COUNTS: [Taken; 2] = [Taken::Waiting, Taken::Joined];

#[test]
fn one_pair_far_ahead_makes_nothing_late_that_is_written_at_the_right_time() {
    let mut fold = Fold::new(LIMITS);
    assert_eq!(play(&mut fold, 1, 0, 0), COUNTS);
    assert_eq!(play(&mut fold, 2, 55_000, 100), COUNTS, "it counts, too");
    for ts in (200..70_000).step_by(200) {
        assert_eq!(play(&mut fold, 3, ts, ts + 50), COUNTS, "{ts}");
    }
    assert_eq!((fold.counts().late_requests, fold.counts().late_responses), (0, 0));
    let ends = finals(&mut fold).iter().map(|session| session.end - NOW).collect::<Vec<_>>();
    assert_eq!(
        ends,
        [0, 60_200],
        "a gap after the first frame and a minute; the pair ahead has its time to come"
    );
    end(&mut fold);
    let finals = finals(&mut fold);
    let ends = finals.iter().map(|session| (session.machine.as_str(), session.end - NOW)).collect::<Vec<_>>();
    assert_eq!(ends, [("000002", 55_000), ("000003", 69_800)]);
}

#[test]
fn frames_of_a_clock_eight_seconds_ahead_and_of_a_right_one_count_alike_and_are_final_once() {
    let mut fold = Fold::new(LIMITS);
    let mut written = Vec::new();
    for now in (0..30_000).step_by(100) {
        assert_eq!(play(&mut fold, 1, now + 8_000, now), COUNTS);
        assert_eq!(play(&mut fold, 2, now, now), COUNTS);
        written.append(&mut finals(&mut fold));
    }
    let [request, response] = Side::ALL.map(|side| fold.time(side));
    assert_eq!((request, response), (Some(NOW + 30_900), Some(NOW + 30_900)), "a second ahead of the clock");
    // The session of the fast clock is final when the pod's clock gets there: its last frame, the gap, the grace.
    for (now, sessions) in [(44_900, 1), (52_899, 1), (52_900, 2)] {
        both_idle(&mut fold, now + IDLE_MS);
        written.append(&mut finals(&mut fold));
        assert_eq!(written.len(), sessions, "{now}");
    }
    end(&mut fold);
    written.append(&mut finals(&mut fold));
    let frames: Vec<_> = written.iter().map(|session| (session.machine.as_str(), session.frames)).collect();
    assert_eq!(frames, [("000002", 300), ("000001", 300)]);
    assert_eq!(fold.size(), Size::default());
}

#[test]
fn a_late_record_says_by_how_much_and_moves_nothing() {
    let mut fold = Fold::new(LIMITS);
    let _ = play(&mut fold, 1, 20_000, 20_000);
    let before = Side::ALL.map(|side| fold.time(side));
    fold.take_changes();
    assert_eq!(play(&mut fold, 1, 15_000, 20_000), COUNTS);
    fold.take_changes();
    assert_eq!(play(&mut fold, 1, 14_999, 20_000), [Taken::Late { by_ms: 5_001 }; 2]);
    assert_eq!(play(&mut fold, 1, 15_000, 20_000), [Taken::Duplicate; 2]);
    assert_eq!(Side::ALL.map(|side| fold.time(side)), before);
    assert!(!fold.has_changed());
    let counts = fold.counts();
    assert_eq!((counts.late_requests, counts.late_responses, counts.duplicates), (1, 1, 2));
    // What the clock has completed is late as well.
    both_idle(&mut fold, 60_000);
    assert_eq!(fold.complete(Writer::Generator), Some(NOW + 50_000));
    assert_eq!(play(&mut fold, 1, 49_999, 60_000), [Taken::Late { by_ms: 5_001 }; 2]);
    assert_eq!(play(&mut fold, 1, 50_000, 60_000), COUNTS);
}

#[test]
fn a_restored_fold_keeps_the_times_that_the_clock_allowed() {
    let mut fold = Fold::new(LIMITS);
    let _ = play(&mut fold, 1, 55_000, 0);
    let block = fold.take_changes();
    let mut restoring = Restoring::new(LIMITS);
    restoring.apply(&block.bytes).unwrap();
    let mut restored = restoring.finish();
    for fold in [&mut fold, &mut restored] {
        assert_eq!(fold.time(Side::Request), Some(NOW + FAST_MS));
        assert_eq!(fold.complete(Writer::Generator), Some(NOW + FAST_MS - GRACE_MS));
        assert_eq!(play(fold, 2, -4_000, 2_000), COUNTS);
        assert_eq!(play(fold, 2, -4_001, 2_000), [Taken::Late { by_ms: 5_001 }; 2]);
    }
}

/// The machine of a player.
const PLAYER: u32 = 900_000;

#[test]
fn a_generator_ahead_of_the_server_makes_no_players_frame_late_however_late_both_are_read() {
    for ahead in [8_000, 59_000] {
        let mut fold = Fold::new(LIMITS);
        let mut written = Vec::new();
        let latest = LATER - NOW;
        for ts in (0..90_000).step_by(100) {
            assert_eq!(play(&mut fold, 1, ts + ahead, latest), COUNTS);
            assert_eq!(play(&mut fold, PLAYER, ts, latest), COUNTS, "{ts}, {ahead} ahead");
            written.append(&mut finals(&mut fold));
        }
        assert_eq!(fold.complete(Writer::Server), Some(NOW + 89_900 - GRACE_MS));
        end(&mut fold);
        written.append(&mut finals(&mut fold));
        let frames = |machine: &str| -> u32 {
            written.iter().filter(|session| session.machine == machine).map(|session| session.frames).sum()
        };
        assert_eq!((frames("000001"), frames("900000")), (900, 900));
    }
}

#[test]
fn a_writer_who_writes_nothing_follows_the_other_one_a_minute_behind() {
    let mut fold = Fold::new(LIMITS);
    let _ = play(&mut fold, PLAYER, 0, 0);
    outputs(&mut fold);
    let _ = play(&mut fold, 1, 74_999, 75_000);
    assert_eq!((fold.complete(Writer::Server), finals(&mut fold).len()), (Some(NOW + 9_999), 0));
    assert!(!fold.outlived(Some(NOW - 60_001)), "a frame of the player's is open");
    let _ = play(&mut fold, 1, 75_000, 75_000);
    assert_eq!((fold.complete(Writer::Server), finals(&mut fold).len()), (Some(NOW + 10_000), 1));
    assert!(fold.outlived(Some(NOW - 1)), "nothing of the players is kept");
    assert!(!fold.outlived(Some(NOW)));
    assert_eq!(play(&mut fold, PLAYER, 9_999, 75_000), [Taken::Late { by_ms: 5_001 }; 2]);
    assert_eq!(play(&mut fold, PLAYER, 10_000, 75_000), COUNTS);
}

#[test]
fn a_fast_clock_on_one_input_does_not_hold_the_other_one_back() {
    let mut fold = Fold::new(LIMITS);
    let request = |ts| Record { side: Side::Request, header: header(1, ts), at: NOW + ts, hits: 1 };
    for now in (0..20_000).step_by(1_000) {
        // Nothing but requests from the future, once a second; the responses are idle.
        fold.idle(Side::Response, NOW + now);
        assert_ne!(fold.turn(), Turn { behind: Side::Response, ahead: Ahead::Waits }, "{now}");
        let _ = take_at(&mut fold, &request(now + 50_000), now, NOW + now);
    }
    let response = Record { side: Side::Response, ..request(50_000) };
    assert_eq!(take_at(&mut fold, &response, 0, NOW + 20_000), Taken::Joined);
}

/// Two logs of one partition: disorder, duplicates, lateness, halves without the other, everything from a seed.
fn logs(seed: u64) -> [Vec<Record>; 2] {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut logs = [Vec::new(), Vec::new()];
    for nth in 0..1_500 {
        let disorder = if rng.random_ratio(1, 50) { 8_000 } else { 1_500 };
        let ts = nth * 120 - rng.random_range(0..disorder);
        // Two of the seven are players, whose writer stamps by a clock of his own.
        let machine = rng.random_range(1..8);
        let machine = if machine > 5 { 900_000 + machine } else { machine };
        let ts = if machine > 900_000 { ts - 9_000 } else { ts };
        // Some play for long, some make many hits, all rest now and then.
        if (nth / 100 + EventTime::from(machine)) % 5 == 0 && machine > 2 {
            continue;
        }
        let header = header(machine, ts);
        let hits = if machine == 1 { rng.random_range(0..40) } else { rng.random_range(1..6) };
        for side in Side::ALL {
            let apart = if rng.random_ratio(1, 30) { rng.random_range(-4_000..4_000) } else { 0 };
            let record = Record { side, header, at: header.ts + apart, hits };
            if !rng.random_ratio(1, 40) {
                logs[side as usize].push(record.clone());
            }
            if rng.random_ratio(1, 40) {
                logs[side as usize].push(record);
            }
        }
    }
    // A little disorder of its own in each log.
    for log in &mut logs {
        for _ in 0..log.len() / 4 {
            let at = rng.random_range(0..log.len() - 6);
            log.swap(at, at + rng.random_range(1..6));
        }
    }
    logs
}

/// Reads two logs as a pod does; `interrupt` may replace the fold now and then, as a crash or a hand-over does.
fn run(
    logs: &[Vec<Record>; 2],
    rng: &mut StdRng,
    mut interrupt: impl FnMut(Fold) -> Fold,
) -> (Vec<Output>, Counts) {
    let mut fold = Fold::new(LIMITS);
    let mut at = [0; 2];
    let mut written = Vec::new();
    while at[0] < logs[0].len() || at[1] < logs[1].len() {
        let Turn { behind, ahead } = fold.turn();
        let has_more = |side: Side| at[side as usize] < logs[side as usize].len();
        // In a test the end of a log is its end: the other one goes on.
        let ahead_is_free = has_more(behind.other()) && (ahead == Ahead::MayBeRead || !has_more(behind));
        let side = if ahead_is_free && (!has_more(behind) || rng.random_ratio(1, 3)) {
            behind.other()
        } else {
            behind
        };
        let next = &mut at[side as usize];
        let _ = take(&mut fold, &logs[side as usize][*next], *next as i64);
        *next += 1;
        if rng.random_ratio(1, 20) {
            fold = interrupt(fold);
            fold.take_outputs(&mut written);
        }
    }
    end(&mut fold);
    fold.take_outputs(&mut written);
    let mut finals: Vec<_> = written.into_iter().filter(|output| output.session.is_final).collect();
    finals.sort_by_key(|output| output.key);
    (finals, fold.counts())
}

#[test]
fn the_outcome_does_not_depend_on_how_the_reading_of_two_logs_interleaves() {
    for seed in 0..20 {
        let logs = logs(seed);
        let (expected, counts) = run(&logs, &mut StdRng::seed_from_u64(0), |fold| fold);
        assert!(expected.len() > 20 && counts.late_requests > 0 && counts.duplicates > 0, "{counts:?}");
        assert!(counts.expired_requests > 0 && counts.expired_responses > 0, "{counts:?}");
        for other in 1..6 {
            let (finals, again) = run(&logs, &mut StdRng::seed_from_u64(other), |fold| fold);
            assert_eq!(finals, expected, "seed {seed}, interleaving {other}");
            assert_eq!(again, counts, "seed {seed}, interleaving {other}");
        }
    }
}

#[test]
fn a_fold_that_is_restored_from_its_blocks_goes_on_as_if_nothing_had_happened() {
    for seed in 0..20 {
        let logs = logs(seed);
        let (expected, _) = run(&logs, &mut StdRng::seed_from_u64(0), |fold| fold);
        let mut written = Vec::new();
        let mut blocks = std::collections::VecDeque::new();
        let mut longest = 0;
        let (rest, _) = run(&logs, &mut StdRng::seed_from_u64(seed + 100), |mut fold| {
            fold.take_outputs(&mut written);
            if fold.has_changed() {
                blocks.push_back(fold.take_changes());
            }
            while blocks.len() > 1 && blocks.front().is_some_and(|block: &Block| fold.outlived(block.high_ts))
            {
                blocks.pop_front();
            }
            longest = longest.max(blocks.len());
            let mut restoring = Restoring::new(LIMITS);
            for block in &blocks {
                restoring.apply(&block.bytes).unwrap();
            }
            let restored = restoring.finish();
            assert_eq!(restored.size().open_sessions, fold.size().open_sessions);
            restored
        });
        written.retain(|output: &Output| output.session.is_final);
        written.extend(rest);
        written.sort_by_key(|output| output.key);
        assert_eq!(written, expected, "seed {seed}");
        assert!(longest < 120, "blocks are given up: {longest}");
    }
}

#[test]
fn what_is_kept_for_one_machine_is_bounded_whatever_it_sends() {
    let mut fold = Fold::new(LIMITS);
    let (mut waiting, mut open) = (0, 0);
    for ts in 0..200_000 {
        let zone = Zone::ALL[ts as usize % 4];
        let header = FrameHeader { zone, ..header(1, ts) };
        let _ = fold.request(header, NOW + ts, ts, hits(64), LATER);
        // Every other request is answered.
        if ts % 2 == 0 {
            let _ = fold.response(header, NOW + ts, LATER);
        }
        if ts % 1_000 == 0 {
            let size = fold.size();
            (waiting, open) = (waiting.max(size.waiting), open.max(size.open_sessions));
            outputs(&mut fold);
            fold.take_changes();
        }
    }
    assert!(waiting <= 7_500, "{waiting} requests wait: those of 5 s, and of half of 5 s more");
    // Eight frames of 64 hits fill a session, so there is one every 16 ms.
    assert!(open <= 1_000, "{open} sessions are open");
    end(&mut fold);
    assert_eq!(fold.size(), Size::default());
}
