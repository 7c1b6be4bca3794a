use super::*;

const NOW: i64 = 1_700_000_000_000;
/// Where the tables' times begin.
const START: i64 = NOW - 600_000;

fn header(ts: i64, zone: Zone) -> FrameHeader {
    FrameHeader { ts: START + ts, machine: Machine::new(42).unwrap(), zone }
}

fn a_hit() -> Hit {
    Hit::from_hex("c3ff8ab13000e9c5").unwrap()
}

/// The records of one input: at (`ts`, record time, hits), offsets from 0 on.
fn log(input: Input, records: &[(i64, i64, usize)]) -> Vec<Record> {
    let record = |(offset, &(ts, time, hits)): (usize, &(i64, i64, usize))| Record {
        offset: offset as i64,
        timestamp: Some(START + time),
        key: Some(avro::encode_header(&header(ts, Zone::EU))),
        value: Some(avro::encode_body(input == Input::Responses, &vec![a_hit(); hits])),
        headers: Vec::new(),
    };
    records.iter().enumerate().map(record).collect()
}

fn fold_both(requests: &[(i64, i64, usize)], responses: &[(i64, i64, usize)]) -> Outcome {
    fold(&log(Input::Requests, requests), &log(Input::Responses, responses), NOW)
}

/// Makes one of a record's hits one that does not decode.
fn spoil(record: &mut Record) {
    let hex = a_hit().to_hex();
    let value = record.value.as_mut().unwrap();
    let at = value.windows(hex.len()).position(|window| window == hex.as_bytes()).unwrap();
    value[at] = b'z';
}

/// The sessions as (start, end, frames, hits), in the order of their start.
fn sessions(outcome: &Outcome) -> Vec<(i64, i64, u32, u32)> {
    let decode = |is: &Final| avro::decode_session(&is.value).unwrap();
    let mut sessions: Vec<_> = outcome
        .finals
        .values()
        .map(decode)
        .map(|session| (session.start - START, session.end - START, session.frames, session.count))
        .collect();
    sessions.sort_unstable();
    sessions
}

/// Frames of (`ts`, hits) in the order of both logs become these sessions.
#[track_caller]
fn check(frames: &[(i64, usize)], expected: &[(i64, i64, u32, u32)]) {
    let records: Vec<_> = frames.iter().map(|&(ts, hits)| (ts, ts, hits)).collect();
    let outcome = fold_both(&records, &records);
    assert_eq!(sessions(&outcome), expected);
}

#[test]
fn frames_less_than_ten_seconds_apart_are_one_session() {
    check(&[(0, 1), (9_999, 2)], &[(0, 9_999, 2, 3)]);
    check(&[(0, 1), (10_000, 2)], &[(0, 0, 1, 1), (10_000, 10_000, 1, 2)]);
}

#[test]
fn a_session_lasts_sixty_seconds_at_most() {
    let frames = |last: i64| -> Vec<_> { (0..12).map(|n| (n * 5_000, 1)).chain([(last, 1)]).collect() };
    check(&frames(60_000), &[(0, 60_000, 13, 13)]);
    check(&frames(60_001), &[(0, 55_000, 12, 12), (60_001, 60_001, 1, 1)]);
}

#[test]
fn a_session_with_500_hits_is_full() {
    let full: Vec<_> = (0..10).map(|n| (n, 50)).collect();
    let with = |more: &[(i64, usize)]| [&full[..], more].concat();
    check(&with(&[(10, 1)]), &[(0, 9, 10, 500), (10, 10, 1, 1)]);
    let almost: Vec<_> = [&full[..9], &[(9, 49)], &[(10, 60), (11, 1)]].concat();
    check(&almost, &[(0, 10, 11, 559), (11, 11, 1, 1)]);
    check(&[(0, 0)], &[(0, 0, 1, 0)]);
}

#[test]
fn a_frame_that_comes_late_but_not_too_late_bridges_two_sessions_or_moves_a_cut() {
    check(&[(0, 1), (12_000, 1), (7_000, 1)], &[(0, 12_000, 3, 3)]);
    let frames: Vec<_> = (0..13).map(|n| (3_000 + n * 5_000, 1)).collect();
    check(&frames, &[(3_000, 63_000, 13, 13)]);
    let with_an_older_one = [&frames[..1], &[(0, 1)], &frames[1..]].concat();
    check(&with_an_older_one, &[(0, 58_000, 13, 13), (63_000, 63_000, 1, 1)]);
}

#[test]
fn frames_of_one_instant_are_in_the_order_of_their_zones() {
    let log = |input: Input| {
        let record = |(offset, zone): (usize, &Zone)| Record {
            key: Some(avro::encode_header(&header(0, *zone))),
            ..log(input, &[(0, 0, 1 + offset)]).remove(0)
        };
        [Zone::AU, Zone::US].iter().enumerate().map(record).collect::<Vec<_>>()
    };
    let outcome = fold(&log(Input::Requests), &log(Input::Responses), NOW);
    let keys: Vec<_> = outcome.finals.keys().map(|key| avro::decode_header(key).unwrap()).collect();
    assert_eq!(keys, [header(0, Zone::US)]);
}

#[test]
fn a_record_more_than_five_seconds_below_the_highest_before_it_is_late() {
    let on_time = [(10_000, 10_000, 1), (5_000, 5_000, 1)];
    let late = [(10_000, 10_000, 1), (4_999, 4_999, 1)];
    let outcome = fold_both(&on_time, &on_time);
    assert_eq!(outcome.counts, Counts { joined: 2, ..Counts::default() });
    let outcome = fold_both(&late, &late);
    assert_eq!(outcome.counts, Counts { joined: 1, late: 2, ..Counts::default() });
    let dead = Input::ALL.map(|input| ((input, 1), Fault::Late));
    assert_eq!(outcome.dead, BTreeMap::from(dead));
    // Each input has a high time of its own.
    let responses_first = [(4_999, 4_999, 1), (10_000, 10_000, 1)];
    let outcome = fold_both(&late, &responses_first);
    assert_eq!(outcome.counts, Counts { joined: 1, late: 1, expired: 1, ..Counts::default() });
}

#[test]
fn a_record_ahead_of_the_clock_brings_the_high_time_one_second_above_it() {
    // 600 s is the clock's time.
    let after = |ts: i64| [(655_000, 655_000, 1), (ts, ts, 1)];
    let outcome = fold_both(&after(596_000), &after(596_000));
    assert_eq!(outcome.counts, Counts { joined: 2, ..Counts::default() });
    let outcome = fold_both(&after(595_999), &after(595_999));
    assert_eq!(outcome.counts, Counts { joined: 1, late: 2, ..Counts::default() });
}

#[test]
fn each_writer_has_a_high_time_and_the_others_is_a_minute_ahead_at_most() {
    let of = |player: bool, ts: i64| {
        let machine = Machine::new(if player { 900_000 } else { 42 }).unwrap();
        let key = avro::encode_header(&FrameHeader { machine, ..header(ts, Zone::EU) });
        Record { key: Some(key), ..log(Input::Requests, &[(ts, ts, 1)]).remove(0) }
    };
    for player in [false, true] {
        let late = |requests: &[Record]| fold(requests, &[], NOW).counts.late;
        assert_eq!(late(&[of(!player, 100_000), of(player, 40_000)]), 0);
        assert_eq!(late(&[of(!player, 100_000), of(player, 35_000)]), 0);
        assert_eq!(late(&[of(!player, 100_000), of(player, 34_999)]), 1);
        assert_eq!(late(&[of(!player, 100_000), of(player, 50_000), of(player, 44_999)]), 1);
    }
}

#[test]
fn a_late_record_with_a_bad_hit_is_late() {
    let mut requests = log(Input::Requests, &[(10_000, 10_000, 1), (4_999, 4_999, 1)]);
    spoil(&mut requests[1]);
    let outcome = fold(&requests, &[], NOW);
    assert_eq!(outcome.dead, BTreeMap::from([((Input::Requests, 1), Fault::Late)]));
}

#[test]
fn the_first_of_two_records_with_one_header_counts() {
    let outcome = fold_both(&[(0, 0, 1), (0, 0, 5)], &[(0, 0, 1), (0, 0, 1), (0, 0, 1)]);
    assert_eq!(sessions(&outcome), [(0, 0, 1, 1)]);
    assert_eq!(outcome.counts, Counts { joined: 1, duplicates: 3, ..Counts::default() });
    assert_eq!(outcome.finals.values().next().unwrap().rq_offset, 0);
}

#[test]
fn record_times_three_seconds_apart_are_a_pair() {
    for (request, response, joined) in
        [(0, 3_000, 1), (0, 3_001, 0), (3_000, 0, 1), (3_001, 0, 0), (-500, 2_500, 1)]
    {
        let outcome = fold_both(&[(0, request, 1)], &[(0, response, 1)]);
        let expired = if joined == 1 { 0 } else { 2 };
        assert_eq!(outcome.counts, Counts { joined, expired, ..Counts::default() }, "{request} {response}");
    }
    let outcome = fold_both(&[(0, 0, 1)], &[(1, 1, 1)]);
    assert_eq!(outcome.counts.expired, 2);
}

#[test]
fn a_malformed_record_changes_nothing_else() {
    let good = log(Input::Requests, &[(0, 0, 1)]).remove(0);
    let responses = log(Input::Responses, &[(0, 0, 1), (100, 100, 1)]);
    let ahead = log(Input::Requests, &[(50_000, 50_000, 1)]).remove(0);
    let body = |approval, hits| Some(avro::encode_body(approval, &vec![a_hit(); hits]));
    let check = |bad: Record, fault: Fault| {
        let requests = [Record { offset: 3, ..bad }, Record { offset: 4, ..good.clone() }];
        let outcome = fold(&requests, &responses, NOW);
        let counts = Counts { joined: 1, expired: 1, malformed: 1, ..Counts::default() };
        assert_eq!(outcome.counts, counts, "{fault:?}");
        assert_eq!(outcome.dead, BTreeMap::from([((Input::Requests, 3), fault)]));
    };
    check(Record { key: None, ..ahead.clone() }, Fault::Key);
    check(Record { key: Some(Vec::new()), ..ahead.clone() }, Fault::Key);
    check(Record { value: None, ..ahead.clone() }, Fault::Value);
    check(Record { value: good.key.clone(), ..ahead.clone() }, Fault::Value);
    check(Record { value: body(false, 65), ..ahead.clone() }, Fault::Value);
    check(Record { value: body(true, 1), ..ahead.clone() }, Fault::Approval);
    check(Record { timestamp: None, ..ahead.clone() }, Fault::Time);
    check(Record { timestamp: Some(START - 10_001), ..ahead.clone() }, Fault::Time);
    check(Record { timestamp: Some(START + 110_001), ..ahead }, Fault::Time);
    let future = log(Input::Requests, &[(660_001, 660_001, 1)]).remove(0);
    check(future, Fault::Time);
}

#[test]
fn times_at_the_limits_are_plausible() {
    let outcome =
        fold_both(&[(0, 60_000, 1), (660_000, 660_000, 1)], &[(0, 57_000, 1), (660_000, 660_000, 1)]);
    assert_eq!(outcome.counts, Counts { joined: 2, ..Counts::default() });
}

#[test]
fn a_hit_that_does_not_decode_is_left_out_and_its_record_kept_for_inspection() {
    let mut requests = log(Input::Requests, &[(0, 0, 2)]);
    spoil(&mut requests[0]);
    let outcome = fold(&requests, &log(Input::Responses, &[(0, 0, 1)]), NOW);
    assert_eq!(sessions(&outcome), [(0, 0, 1, 1)]);
    assert_eq!(outcome.dead, BTreeMap::from([((Input::Requests, 0), Fault::Hits)]));
    assert_eq!(outcome.counts, Counts { joined: 1, ..Counts::default() });
}
