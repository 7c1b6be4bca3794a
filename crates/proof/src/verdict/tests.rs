use game::{FrameHeader, Hit, Machine, Zone};

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
fn check(written: &[Record], expected: &[&str]) {
    let finals = [record(1, 2, true), record(5, 3, true)];
    let finals = finals
        .into_iter()
        .map(|record| (record.key.unwrap(), Final { value: record.value.unwrap(), rq_offset: 7 }));
    let lines = sessions(&finals.collect(), &[written.to_vec()]);
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn final_sessions_must_come_exactly_once_and_be_equal() {
    let (one, two) = (record(1, 2, true), record(5, 3, true));
    check(&[record(1, 1, false), one.clone(), two.clone()], &[]);
    check(std::slice::from_ref(&one), &["missing"]);
    check(&[one.clone(), two.clone(), record(9, 1, true)], &["unexpected"]);
    check(&[one.clone(), record(5, 2, true)], &["different"]);
    check(&[one.clone(), two.clone(), two.clone()], &["final a second time"]);
    check(&[one, Record { headers: Vec::new(), ..two }], &["different"]);
}

#[test]
fn updates_do_not_contradict_final_sessions() {
    let (one, two) = (record(1, 2, true), record(5, 3, true));
    check(&[record(1, 3, false), one.clone(), two.clone()], &["update of more"]);
    check(&[one.clone(), record(1, 1, false), two.clone()], &["update after"]);
    check(&[record(9, 21, false), one.clone(), two.clone()], &["update with a wrong number of hits"]);
    check(&[Record { value: None, ..one.clone() }, one, two], &["not a session"]);
}

#[test]
fn a_kind_of_difference_takes_ten_lines_and_one_that_counts_the_others() {
    let lines = sessions(&BTreeMap::new(), &[(0..25).map(|ts| record(ts, 1, true)).collect()]);
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[10], "unexpected: 15 more");
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
    let expected = BTreeMap::from([(origin(1), Fault::Value), (origin(2), Fault::Key)]);
    assert_eq!(dead_letters(&expected, &[vec![letter(1)], vec![letter(2)]]), [""; 0]);
    let wrong = letter_for(1, "key");
    let lines = dead_letters(&expected, &[vec![wrong.clone(), wrong, letter(3), Record::default()]]);
    let starts: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "missing dead letter",
            "unexpected dead letter",
            "dead letter for a wrong reason",
            "dead letter that comes twice",
            "dead letter without its origin"
        ]
    );
}
