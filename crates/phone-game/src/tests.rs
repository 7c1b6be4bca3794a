use std::net::Ipv4Addr;

use model::play::Stage;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const NOW: Millis = 1_000_000_000;

struct Room {
    game: PhoneGame,
    rng: StdRng,
    now_ms: Millis,
    /// Where those come from who join next.
    from: IpAddr,
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

impl Room {
    fn new() -> Self {
        Self { game: PhoneGame::new(NOW), rng: StdRng::seed_from_u64(7), now_ms: NOW, from: address(1) }
    }

    fn join(&mut self, fighter: u8) -> Identity {
        // As people come in, not as a script does.
        self.now_ms += 100;
        self.try_join(fighter).unwrap()
    }

    fn try_join(&mut self, fighter: u8) -> Result<Identity, String> {
        self.game.join(self.now_ms, self.from, fighter, &mut self.rng)
    }

    fn tap(&mut self, player: Identity) -> Result<Draft, TapAnswer> {
        self.game.tap(self.now_ms, player.machine, (Key::X, Some(Direction::Up)), &mut self.rng)
    }

    /// A tap that hits, and its place in the log.
    fn hit(&mut self, player: Identity, offset: i64) -> (Draft, Tap) {
        loop {
            self.now_ms += 1_000;
            let draft = self.tap(player).unwrap();
            if draft.frame.hits[0].score() == 0 {
                self.game.failed(&draft);
                continue;
            }
            let tap = self.game.acked(self.now_ms + 8, &draft, draft.partition, offset).unwrap();
            return (draft, tap);
        }
    }

    fn returns(&mut self, draft: &Draft, rq_offset: i64, after_ms: Millis) {
        let returned = Returned {
            partition: draft.partition,
            rq_offset,
            pod: "kstreams-7c9d8f6b5-p9qd4".into(),
            joined_at_ms: self.now_ms + after_ms - 20,
        };
        self.game.returned(self.now_ms + after_ms, draft.machine, returned);
    }

    fn view(&mut self, player: Identity, since: u64) -> PhoneView {
        self.game.phone(self.now_ms, player.machine, since).unwrap()
    }

    fn commits(&mut self, draft: &Draft, position: u64) {
        let mut positions = vec![None; 12];
        positions[draft.partition as usize] = Some(position);
        self.game.committed(positions);
    }
}

fn ahead(tap: &Tap) -> Option<u64> {
    match tap.stage {
        Stage::Waiting { ahead, .. } => ahead,
        Stage::Counted { .. } | Stage::PutAside { .. } => panic!("it waits no more"),
    }
}

#[test]
fn players_who_choose_the_same_fighter_are_told_apart() {
    let mut room = Room::new();
    assert_eq!(room.join(1).name(), "Neon Mantis");
    assert_eq!(room.join(1).name(), "Neon Mantis 2");
    assert_eq!(room.join(2).name(), "Quiet Ox");
    assert!(room.try_join(24).is_err());
}

#[test]
fn a_tap_is_a_frame_of_the_players_machine_with_the_servers_time() {
    let mut room = Room::new();
    let player = room.join(0);
    let drafts: Vec<Draft> = (0..3).map(|_| room.tap(player).unwrap()).collect();
    let stamps: Vec<i64> = drafts.iter().map(|draft| draft.frame.header.ts).collect();
    let now = i64::try_from(room.now_ms).unwrap();
    assert_eq!(stamps, [now, now + 1, now + 2], "strictly rising, even within a millisecond");
    assert!(drafts.iter().all(|draft| draft.frame.header.machine == player.machine));
    assert_eq!(drafts[0].frame.hits[0].direction, Some(workload::Direction::Up));
    assert_eq!(drafts[0].partition, player.machine.partition(12));
}

#[test]
fn a_tap_that_comes_back_counts_once() {
    let mut room = Room::new();
    let player = room.join(0);
    let (draft, tap) = room.hit(player, 41);
    assert_eq!((tap.acked_ms, ahead(&tap)), (8, None));
    room.returns(&draft, 41, 104);
    let view = room.view(player, 0);
    assert_eq!(view.standing.score, u64::from(tap.points));
    let counted = Stage::Counted { pod: "p9qd4".into(), joined_ms: 84, total_ms: 104, hurt: None };
    assert_eq!(view.taps[0].stage, counted);
    room.returns(&draft, 41, 300);
    assert_eq!(room.view(player, 0), PhoneView { revision: view.revision + 1, ..view });
}

fn late() -> DeadLetter {
    let (reason, error) = ("late".to_owned(), "its time is 8.0 s behind its partition's".to_owned());
    DeadLetter { reason: Some(reason), error: Some(error), ..DeadLetter::default() }
}

#[test]
fn a_tap_that_is_put_aside_waits_no_more_and_does_not_count() {
    let mut room = Room::new();
    let player = room.join(0);
    let (first, _) = room.hit(player, 41);
    let (second, counts) = room.hit(player, 42);
    let since = room.view(player, 0).revision;
    room.game.put_aside(&FrameHeader { ts: first.frame.header.ts - 1, ..first.frame.header }, late());
    assert!(room.view(player, since).taps.is_empty(), "no tap of this player");
    room.game.put_aside(&first.frame.header, DeadLetter { reason: Some("hits".into()), ..late() });
    assert!(room.view(player, since).taps.is_empty(), "its record counts");
    room.game.put_aside(&first.frame.header, late());
    let told = room.view(player, since);
    let DeadLetter { reason, error, .. } = late();
    let aside = Stage::PutAside { reason, error };
    assert_eq!((told.taps.len(), &told.taps[0].stage), (1, &aside));
    // Its response was put aside as well, and then the session of the next tap comes back, with a higher offset.
    room.game.put_aside(&first.frame.header, late());
    assert!(room.view(player, told.revision).taps.is_empty(), "told once");
    room.returns(&second, 42, 100);
    let view = room.view(player, told.revision);
    assert_eq!((view.standing.score, view.taps.len()), (u64::from(counts.points), 1));
}

#[test]
fn a_tap_that_was_counted_before_its_dead_letter_came_is_taken_back() {
    let mut room = Room::new();
    let player = room.join(0);
    let (first, _) = room.hit(player, 41);
    let (second, counts) = room.hit(player, 42);
    room.returns(&second, 42, 100);
    room.game.put_aside(&first.frame.header, late());
    let view = room.view(player, 0);
    assert_eq!(view.standing.score, u64::from(counts.points));
    assert!(matches!(view.taps[0].stage, Stage::PutAside { .. }));
    assert!(matches!(view.taps[1].stage, Stage::Counted { .. }));
}

#[test]
fn a_dead_letter_may_come_before_kafkas_acknowledgement() {
    let mut room = Room::new();
    let player = room.join(0);
    let draft = room.tap(player).unwrap();
    room.game.put_aside(&draft.frame.header, late());
    let tap = room.game.acked(room.now_ms + 8, &draft, draft.partition, 41).unwrap();
    assert!(matches!(tap.stage, Stage::PutAside { .. }));
    room.returns(&draft, 41, 100);
    assert_eq!(room.view(player, 0).standing.score, 0);
}

#[test]
fn a_session_says_which_taps_are_in_it() {
    let mut room = Room::new();
    let player = room.join(0);
    let (draft, first) = room.hit(player, 41);
    room.hit(player, 42);
    room.returns(&draft, 41, 100);
    assert_eq!(room.view(player, 0).standing.score, u64::from(first.points), "the second one is on its way");
    let elsewhere = Draft { partition: (draft.partition + 1) % 12, ..draft };
    room.returns(&elsewhere, 99, 100);
    assert_eq!(room.view(player, 0).standing.score, u64::from(first.points), "another partition's offset");
}

#[test]
fn a_session_may_come_back_before_kafkas_acknowledgement() {
    let mut room = Room::new();
    let player = room.join(0);
    let draft = loop {
        room.now_ms += 1_000;
        let draft = room.tap(player).unwrap();
        if draft.frame.hits[0].score() > 0 {
            break draft;
        }
    };
    room.returns(&draft, 41, 30);
    assert_eq!(room.view(player, 0).standing.score, 0);
    let tap = room.game.acked(room.now_ms + 31, &draft, draft.partition, 41).unwrap();
    assert!(matches!(tap.stage, Stage::Counted { total_ms: 31, .. }));
    assert!(room.view(player, 0).standing.score > 0);
}

#[test]
fn a_session_that_claims_more_than_there_is_counts_no_later_tap() {
    let mut room = Room::new();
    let player = room.join(0);
    let (first, _) = room.hit(player, 41);
    room.returns(&first, i64::MAX, 30);
    let counted = room.view(player, 0).standing.score;
    assert!(counted > 0);
    let (second, tap) = room.hit(player, 42);
    assert!(matches!(tap.stage, Stage::Waiting { .. }), "{tap:?}");
    assert_eq!(room.view(player, 0).standing.score, counted);
    room.returns(&second, 42, 30);
    assert!(room.view(player, 0).standing.score > counted);
}

#[test]
fn a_place_in_line_is_the_distance_to_what_is_committed() {
    let mut room = Room::new();
    let player = room.join(0);
    let (draft, _) = room.hit(player, 1_000);
    room.commits(&draft, 400);
    let view = room.view(player, 0);
    assert_eq!(ahead(&view.taps[0]), Some(600));
    assert!(room.view(player, view.revision).taps.is_empty(), "nothing new");
    room.commits(&draft, 900);
    assert_eq!(ahead(&room.view(player, view.revision).taps[0]), Some(100));
    room.game.committed(vec![None; 12]);
    assert_eq!(ahead(&room.view(player, 0).taps[0]), None, "unknown is not 0");
}

#[test]
fn a_tap_says_which_dead_pod_made_it_wait() {
    let mut room = Room::new();
    let player = room.join(0);
    let (draft, _) = room.hit(player, 10);
    room.game.pod_died(draft.partition as usize, "kx7w2");
    let (late, _) = room.hit(player, 11);
    room.game.pod_works_again(draft.partition as usize);
    let (healthy, _) = room.hit(player, 12);
    room.returns(&healthy, 12, 50);
    let hurts: Vec<Option<String>> = room
        .view(player, 0)
        .taps
        .into_iter()
        .map(|tap| match tap.stage {
            Stage::Counted { hurt, .. } => hurt,
            Stage::Waiting { .. } | Stage::PutAside { .. } => panic!("not counted"),
        })
        .collect();
    assert_eq!(hurts, [Some("kx7w2".to_owned()), Some("kx7w2".to_owned()), None]);
    assert_eq!(late.partition, draft.partition);
}

#[test]
fn a_player_is_limited_and_told_when_to_try_again() {
    let mut room = Room::new();
    let player = room.join(0);
    let sent = (0..30).filter(|_| room.tap(player).is_ok()).count();
    assert_eq!(sent, 10);
    assert_eq!(room.tap(player), Err(TapAnswer::Limited { retry_in_ms: 200, room: false }));
    room.now_ms += 200;
    assert!(room.tap(player).is_ok());
}

#[test]
fn the_whole_room_is_limited_and_that_costs_no_player_a_tap() {
    let mut room = Room::new();
    let mut join_from = |number: u8| {
        room.from = address(number.into());
        room.join(number % 24)
    };
    let players: Vec<Identity> = (0..100).map(&mut join_from).collect();
    let sent =
        players.iter().flat_map(|player| [*player; 10]).filter(|player| room.tap(*player).is_ok()).count();
    assert_eq!(sent, ROOM_TAPS_PER_SECOND as usize);
    assert_eq!(room.tap(players[99]), Err(TapAnswer::Limited { retry_in_ms: 2, room: true }));
    room.now_ms += 1_000;
    assert_eq!((0..20).filter(|_| room.tap(players[99]).is_ok()).count(), 10);
}

#[test]
fn a_full_room_lets_the_idlest_go_and_nobody_who_plays() {
    let mut room = Room::new();
    let first = room.join(0);
    let mut join_from = |number: usize| {
        room.from = address(u32::try_from(number % 2).unwrap());
        room.join(1)
    };
    let rest: Vec<Identity> = (1..MAX_PLAYERS).map(&mut join_from).collect();
    let newest = *rest.last().unwrap();
    room.view(first, 0);
    let guest = room.join(2);
    assert_eq!(room.game.len(), MAX_PLAYERS);
    assert!(room.game.phone(room.now_ms, rest[0].machine, 0).is_none(), "the idlest");
    for player in [first, newest, guest] {
        assert!(room.game.phone(room.now_ms, player.machine, 0).is_some());
    }
    for player in &rest[1..] {
        room.game.phone(room.now_ms, player.machine, 0);
    }
    room.now_ms += 1_000;
    assert!(room.try_join(0).is_err(), "all of them play");
}

#[test]
fn a_cookie_from_before_a_restart_brings_the_same_fighter_back() {
    let player = Room::new().join(3);
    let mut room = Room::new();
    assert_eq!(room.tap(player), Err(TapAnswer::Unknown));
    assert!(room.game.rejoin(room.now_ms, room.from, player));
    assert!(room.game.rejoin(room.now_ms, room.from, player), "and once more changes nothing");
    let view = room.view(player, 0);
    assert_eq!((view.player.fighter, view.standing.score), (player.name(), 0));
    assert_eq!(view.player.machine, player.machine.to_string());
    let other = Identity { nonce: player.nonce + 1, ..player };
    assert!(!room.game.rejoin(room.now_ms, room.from, other), "somebody else has the machine now");
}

#[test]
fn beside_a_script_with_one_address_fifty_phones_join_and_each_of_their_taps_is_sent() {
    let mut room = Room::new();
    let (script, phones) = (address(9), address(50));
    let (mut bots, mut honest) = (Vec::new(), Vec::new());
    let (mut tapped, mut sent, mut refused) = (0, 0, 0);
    for tenth in 0..300_u32 {
        room.now_ms += 100;
        // As often as it can, with all that it has.
        room.from = script;
        bots.extend((0..50).filter_map(|_| room.try_join(0).ok()));
        for bot in &bots {
            refused += u32::from(room.tap(*bot).is_err());
        }
        // Two phones come each second, and hit twice a second each.
        room.from = phones;
        if tenth % 5 == 0 && honest.len() < 50 {
            honest.push(room.try_join(1).expect("a phone gets in"));
        }
        for phone in honest.iter().skip(tenth as usize % 5).step_by(5) {
            tapped += 1;
            sent += u32::from(room.tap(*phone).is_ok());
        }
        if tenth % 10 == 0 {
            room.game.tick(room.now_ms);
        }
    }
    assert_eq!((honest.len(), sent), (50, tapped));
    assert_eq!(bots.len(), MAX_FROM_ONE, "and no more than its part");
    assert!(tapped > 1_000 && refused > 100_000, "{tapped} taps, {refused} refused");
}

#[test]
fn a_room_that_shares_one_address_gets_in_within_seconds() {
    let mut room = Room::new();
    let mut inside = 0;
    for _ in 0..30 {
        inside += (inside..300).filter(|_| room.try_join(1).is_ok()).count();
        room.now_ms += 100;
    }
    assert_eq!(inside, 300);
}

#[test]
fn who_was_shown_out_does_not_come_back_with_the_same_cookie() {
    let mut room = Room::new();
    let [stays, leaves] = [room.join(1), room.join(1)];
    assert!(room.game.remove(&leaves.name()));
    assert!(!room.game.remove(&leaves.name()), "there is none any more");
    assert_eq!(room.tap(leaves), Err(TapAnswer::Unknown));
    assert!(!room.game.rejoin(room.now_ms, room.from, leaves));
    assert!(room.tap(stays).is_ok() && room.try_join(1).is_ok());
}

#[test]
fn the_leaderboard_has_the_ten_best_and_ranks_count_from_one() {
    let mut room = Room::new();
    let players: Vec<Identity> = (0..12).map(|n| room.join(n)).collect();
    for (player, offset) in players[..11].iter().zip(1..) {
        let (draft, _) = room.hit(*player, offset);
        room.returns(&draft, offset, 90);
    }
    room.game.tick(room.now_ms);
    let standings = room.game.standings();
    assert_eq!((standings.count, standings.leaders.len()), (12, 10));
    assert!(standings.leaders.is_sorted_by_key(|leader| std::cmp::Reverse(leader.score)));
    let best = standings.leaders[0].score;
    let ranks: Vec<u32> = players.iter().map(|player| room.view(*player, 0).standing.rank).collect();
    assert_eq!(ranks[11], 12, "who has no points is last");
    let first = players.iter().find(|player| room.view(**player, 0).standing.score == best).copied().unwrap();
    assert_eq!(room.view(first, 0).standing.rank, 1);
    room.game.reset();
    assert_eq!(room.game.standings().leaders, []);
    assert_eq!(room.view(first, 0).standing, Standing { score: 0, rank: 1 });
    assert_eq!(room.game.len(), 12);
}

#[test]
fn what_never_comes_back_is_forgotten() {
    let mut room = Room::new();
    let player = room.join(0);
    let mut acked = 0;
    for n in 0..1_000 {
        room.now_ms += 200;
        if let Ok(draft) = room.tap(player) {
            room.game.acked(room.now_ms, &draft, draft.partition, n);
            acked += 1;
        }
    }
    assert!(acked > 100, "only {acked} taps were taken");
    assert!(room.view(player, 0).taps.len() <= 12, "a phone shows the last few");
    room.now_ms += 121_000;
    room.game.tick(room.now_ms);
    assert!(room.view(player, 0).taps.is_empty());
    room.now_ms += 601_000;
    room.game.tick(room.now_ms);
    assert!(room.game.is_empty(), "and who is gone for ten minutes has left");
}
