use workload::{FrameHeader, Hit, Machine, Zone};

use super::*;

fn machine() -> Machine {
    Machine::new(42).unwrap()
}

/// A record of a session that begins at `ts`, with so many frames of one hit each.
fn record(ts: i64, frames: u32, is_final: bool) -> Record {
    let hit = Hit::from_hex("c3ff8ab13000e9c5").unwrap();
    let session = GameSession {
        hits: vec![hit; frames as usize],
        machine: machine().to_string(),
        frames,
        count: frames,
        start: ts,
        end: ts,
        is_final,
        ..GameSession::default()
    };
    Record {
        key: Some(avro::encode_header(&FrameHeader { ts, machine: machine(), zone: Zone::EU })),
        value: Some(avro::encode_session(&session)),
        headers: vec![("rq-offset".to_owned(), "7".to_owned())],
        ..Record::default()
    }
}

/// Two sessions are expected, at 1 with 2 frames and at 5 with 3.
#[track_caller]
fn check(written: &[Record], expected: &[Wrong]) {
    let finals = [record(1, 2, true), record(5, 3, true)];
    let finals = finals
        .into_iter()
        .map(|record| (record.key.unwrap(), Final { value: record.value.unwrap(), rq_offset: 7 }));
    assert_eq!(kinds(&sessions(&finals.collect(), &[written.to_vec()], &[1])), expected);
}

fn kinds(complaints: &[Complaint]) -> Vec<Wrong> {
    let kind = |complaint: &Complaint| match complaint {
        Complaint::Output(wrong, _) => *wrong,
        other => panic!("{other}"),
    };
    complaints.iter().map(kind).collect()
}

#[test]
fn final_sessions_must_come_exactly_once_and_be_equal() {
    let (one, two) = (record(1, 2, true), record(5, 3, true));
    check(&[record(1, 1, false), one.clone(), two.clone()], &[]);
    check(std::slice::from_ref(&one), &[Wrong::FinalMissing]);
    check(&[one.clone(), two.clone(), record(9, 1, true)], &[Wrong::FinalUnexpected]);
    check(&[one.clone(), record(5, 2, true)], &[Wrong::FinalDifferent]);
    check(&[one.clone(), two.clone(), two.clone()], &[Wrong::FinalTwice]);
    check(&[one, Record { headers: Vec::new(), ..two }], &[Wrong::FinalDifferent]);
}

#[test]
fn updates_do_not_contradict_final_sessions() {
    let (one, two) = (record(1, 2, true), record(5, 3, true));
    check(&[record(1, 3, false), one.clone(), two.clone()], &[Wrong::UpdateOfMore]);
    check(&[one.clone(), record(1, 1, false), two.clone()], &[Wrong::UpdateAfterFinal]);
    check(&[record(9, 21, false), one.clone(), two.clone()], &[Wrong::UpdateHits]);
    check(&[Record { value: None, ..one.clone() }, one, two], &[Wrong::NoSession]);
}

#[test]
fn a_complaint_shows_ten_examples_and_counts_all() {
    let twenty_five = (0..25).map(|ts| record(ts, 1, true)).collect();
    let complaints = sessions(&BTreeMap::new(), &[twenty_five], &[1]);
    let [Complaint::Output(Wrong::FinalUnexpected, examples)] = &complaints[..] else {
        panic!("{complaints:?}")
    };
    assert_eq!((examples.first.len(), examples.all), (10, 25));
}

#[test]
fn a_machine_may_be_in_its_partition_of_any_count_that_the_inputs_had() {
    let one = record(1, 2, true);
    let expected = BTreeMap::from([(
        one.key.clone().unwrap(),
        Final { value: one.value.clone().unwrap(), rq_offset: 7 },
    )]);
    let in_partition = |partition: u32| {
        let mut written = vec![Vec::new(); 7];
        written[partition as usize].push(one.clone());
        written
    };
    for count in [4, 7] {
        assert_eq!(sessions(&expected, &in_partition(machine().partition(count)), &[4, 7]), []);
    }
    let other =
        (0..7).find(|&other| [4, 7].iter().all(|&count| machine().partition(count) != other)).unwrap();
    assert_eq!(kinds(&sessions(&expected, &in_partition(other), &[4, 7])), [Wrong::SessionMisplaced]);
}

#[test]
fn dead_letters_must_come_exactly_once_with_their_origin() {
    let letter_for = |offset: i64, reason: &str| Record {
        headers: [("topic", "t"), ("partition", "0"), ("offset", &offset.to_string()), ("reason", reason)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Record::default()
    };
    let letter = |offset| letter_for(offset, "datum");
    let origin = |offset| Origin { topic: "t".to_owned(), partition: 0, offset };
    let expected = BTreeMap::from([(origin(1), vec![Fault::Value]), (origin(2), vec![Fault::Key])]);
    assert_eq!(dead_letters(&expected, &[vec![letter(1)], vec![letter(2)]]), []);
    let wrong = letter_for(1, "key");
    let complaints = dead_letters(&expected, &[vec![wrong.clone(), wrong, letter(3), Record::default()]]);
    assert_eq!(
        kinds(&complaints),
        [
            Wrong::LetterMissing,
            Wrong::LetterUnexpected,
            Wrong::LetterReason,
            Wrong::LetterTwice,
            Wrong::LetterOrigin
        ]
    );
}

#[test]
fn an_offset_of_a_topic_that_was_made_anew_may_be_dead_twice() {
    let letter = |reason: &str| Record {
        headers: [("topic", "t"), ("partition", "0"), ("offset", "1"), ("reason", reason)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Record::default()
    };
    let origin = Origin { topic: "t".to_owned(), partition: 0, offset: 1 };
    let expected = BTreeMap::from([(origin, vec![Fault::Key, Fault::Time])]);
    assert_eq!(dead_letters(&expected, &[vec![letter("key"), letter("time")]]), []);
    assert_eq!(kinds(&dead_letters(&expected, &[vec![letter("key")]])), [Wrong::LetterMissing]);
}
