//! The invented pictures.

use app::{Boot, Page, PlayerView};
use model::Millis;
use model::clocks::{Apart, Clocks, Whose};
use model::dead_letters::{DeadLetter, DeadLetters};
use model::history::{Condition, Event, Life, Marker, Point};
use model::lag::{Doubt, Outage};
use model::load::{LoadSettings, Running, Shape};
use model::play::{Direction, Impact, Key, Player, Stage, Standing, Tap};
use model::policy::Policy;
use model::scaling::{Decision, Reading, Verdict};
use model::snapshot::{
    Cluster, EndReason, Handover, Lag, Leader, OtherMember, Outages, Owner, Ownership, Phase, Players, Pod,
    Progress, Rates, Source,
};
use model::topics::{Tasks, Topic, TopicPartition, Topics};
use model::wire::{Picture, Snapshot};

const NOW: Millis = 1_800_000_000_000;
const REQUESTS: &str = "GAME-FRAME-RQ";
const RESPONSES: &str = "GAME-FRAME-RS";
const SUFFIXES: [&str; 12] = [
    "kx7w2", "p9qd4", "m2zt8", "v6bnh", "c4rlx", "t8jwq", "h5ndz", "b7vxk", "w3fgp", "z9smc", "l6tqr",
    "d2hjv",
];

/// Every scene: its name, its page, what it is rendered from.
pub(crate) fn all() -> Vec<(&'static str, Page, Boot)> {
    let busy = boot(story(4, 101_800, 4));
    let twelve = boot(story(12, 48_200, 12));
    let mut one = story(1, 0, 1);
    one.snapshot.players = Players::default();
    let mut outage = story(3, 22_000, 3);
    outage.snapshot.outages = Outages {
        kafka: Some(Outage { since_ms: NOW - 12_000, reason: "Connection refused.".into() }),
        cluster: None,
    };
    outage.history.points.retain(|point| point.at_ms < NOW - 12_000);
    if let Some(lag) = &mut outage.snapshot.lag {
        lag.sampled_ms = NOW - 12_000;
    }
    let mut reset = story(2, 4_000, 2);
    reset.snapshot.progress = Some(Progress {
        what: "Reset".into(),
        step: "waiting for the pods to leave".into(),
        number: 2,
        of: 5,
    });
    let mut behind = story(4, 101_800, 4);
    if let Some(rates) = &mut behind.snapshot.rates {
        rates.asked = Some(34_000);
    }
    behind.snapshot.load = Some(LoadSettings {
        shape: Some(Running { shape: Shape::Trace, from_ms: NOW - 190_000 }),
        ..LoadSettings::default()
    });
    let letters = behind.snapshot.dead_letters.insert(DeadLetters::default());
    for (offset, reason) in (88_210..).zip(["datum", "hits", "datum", "schema"]) {
        letters.add(DeadLetter {
            topic: Some(REQUESTS.into()),
            partition: Some(7),
            offset: Some(offset),
            reason: Some(reason.into()),
            error: Some("written with an unknown schema, fingerprint 5bd1e9951f00d9b5".into()),
            pod: Some("kstreams-7c9d8f6b5-kx7w2".into()),
            at_ms: Some(NOW - 12_000),
        });
    }
    behind.snapshot.clocks = Clocks(vec![Apart { whose: Whose::Generator, by_ms: 8_000 }]);
    let presenter = |picture| Boot { presenter: true, ..boot(picture) };
    vec![
        ("busy", Page::Show, busy),
        ("presenter", Page::Show, presenter(story(4, 101_800, 4))),
        ("presenter-twelve", Page::Show, presenter(story(12, 48_200, 12))),
        ("twelve", Page::Show, twelve),
        ("one", Page::Show, boot(one)),
        ("huge", Page::Show, boot(story(4, 10_400_000, 4))),
        ("outage", Page::Show, boot(outage)),
        ("behind", Page::Show, boot(behind.clone())),
        ("behind-presenter", Page::Show, presenter(behind)),
        ("reset", Page::Show, presenter(reset)),
        ("troubles", Page::Show, boot(troubles(story(4, 101_800, 4)))),
        ("troubles-presenter", Page::Show, presenter(troubles(story(4, 101_800, 4)))),
        ("one-broker-gone", Page::Show, boot(one_broker_gone(story(3, 22_000, 3)))),
        ("other-member", Page::Show, boot(other_member(story(3, 22_000, 3)))),
        ("coordinator", Page::Show, boot(coordinator(story(3, 22_000, 3)))),
        ("thirteen", Page::Show, boot(grown(story(4, 48_200, 4), 13))),
        ("twenty-four", Page::Show, presenter(grown(story(12, 48_200, 12), 24))),
        ("sixty", Page::Show, boot(grown(story(4, 101_800, 4), 60))),
        ("one-topic", Page::Show, boot(unjoined(story(3, 22_000, 3), &["orders"], 6))),
        (
            "three-topics",
            Page::Show,
            boot(unjoined(story(4, 101_800, 4), &["shop.orders", "shop.payments", "shop.returns"], 4)),
        ),
        ("nothing", Page::Show, boot(Picture::default())),
        ("play", Page::Play, player(phone_taps())),
        ("play-waiting", Page::Play, player(waiting_taps())),
        ("play-first", Page::Play, player(Vec::new())),
        ("pick", Page::Play, boot(story(4, 101_800, 4))),
    ]
}

fn boot(picture: Picture) -> Boot {
    Boot {
        picture,
        presenter: false,
        can_present: true,
        player: None,
        join_url: "http://192.168.1.20:8930/play".into(),
        qr_svg: "<svg viewBox='0 0 8 8'><path d='M0 0h3v3h-3zM5 0h3v3h-3zM0 5h3v3h-3zM4 4h1v1h-1zM6 5h2v1h-2zM4 6h2v2h-2z'/></svg>".into(),
        now_ms: NOW,
        ..Boot::default()
    }
}

/// A bit of everything that can be special about a partition.
fn troubles(mut picture: Picture) -> Picture {
    let lag = picture.snapshot.lag.get_or_insert_default();
    let (requests, responses) = (|partition| of(0, partition), |partition| of(1, partition));
    lag.partitions[0][9] = None;
    lag.doubts = vec![
        (requests(1), Doubt::Held { records: 8_820, since_ms: NOW - 12_000 }),
        (responses(2), Doubt::Ahead),
        (requests(4), Doubt::Gone),
        (responses(4), Doubt::Gone),
        (requests(6), Doubt::Lost),
        (requests(8), Doubt::New),
        (requests(9), Doubt::NoLeader),
    ];
    lag.lost = 1_204;
    picture
}

/// Every third partition was led by the broker that has gone.
fn one_broker_gone(mut picture: Picture) -> Picture {
    let lag = picture.snapshot.lag.get_or_insert_default();
    for (topic, lags) in lag.partitions.iter_mut().enumerate() {
        for (partition, lag_of_partition) in (0..).zip(lags).skip(1).step_by(3) {
            *lag_of_partition = None;
            lag.doubts.push((of(topic, partition), Doubt::NoLeader));
        }
    }
    picture.snapshot.rates = None;
    picture
}

fn other_member(mut picture: Picture) -> Picture {
    let ownership = picture.snapshot.ownership.get_or_insert_default();
    ownership.others =
        vec![OtherMember { name: "other-app".into(), host: "127.0.0.1".into(), partitions: 8 }];
    for owner in &mut ownership.tasks[8..] {
        *owner = Owner { pod: Some("other-app".into()), idle_since_ms: Some(NOW - 22_000), handover: None };
    }
    picture
}

fn coordinator(mut picture: Picture) -> Picture {
    let reason = "the coordinator of KINGOFSCALING-APP does not answer, other brokers do: the one that keeps the \
                  group's offsets may be away";
    picture.snapshot.outages.kafka = Some(Outage { since_ms: NOW - 12_000, reason: reason.into() });
    picture
}

/// The same with more partitions, the last of which the responses do not have.
fn grown(mut picture: Picture, partitions: usize) -> Picture {
    let Snapshot { lag, ownership, .. } = &mut picture.snapshot;
    let lag = lag.get_or_insert_default();
    let again = |lags: &[Option<u64>], count| lags.iter().copied().cycle().take(count).collect::<Vec<_>>();
    let counts = [partitions, partitions - 1];
    lag.partitions = lag.partitions.iter().zip(counts).map(|(lags, count)| again(lags, count)).collect();
    lag.doubts = vec![(of(0, 2), Doubt::Held { records: 3_100, since_ms: NOW - 4_000 })];
    let ownership = ownership.get_or_insert_default();
    ownership.tasks = (0..partitions).map(|task| ownership.tasks[task * 12 / partitions].clone()).collect();
    picture
}

/// The same of other topics with so many partitions each, whose records have no names of their own and are not joined.
fn unjoined(mut picture: Picture, topics: &[&str], partitions: usize) -> Picture {
    let Snapshot { lag, ownership, rates, cluster, .. } = &mut picture.snapshot;
    let lag = lag.get_or_insert_default();
    lag.topics = Topics { list: topics.iter().map(|name| Topic::new(*name)).collect(), tasks: Tasks::Single };
    let lags =
        |topic: usize| lag.partitions[0].iter().map(move |lag| lag.map(|lag| lag / (topic as u64 + 1)));
    lag.partitions = (0..topics.len()).map(|topic| lags(topic).take(partitions).collect()).collect();
    let tasks = topics.len() * partitions;
    let ownership = ownership.get_or_insert_default();
    ownership.tasks = (0..tasks).map(|task| ownership.tasks[task * 12 / tasks].clone()).collect();
    let rates = rates.get_or_insert_default();
    rates.by_topic = vec![rates.produced / topics.len() as u32; topics.len()];
    rates.by_task = vec![rates.consumed / tasks as u32; tasks];
    if let Some(decision) = cluster.as_mut().and_then(|cluster| cluster.decision.as_mut()) {
        decision.readings.truncate(1);
        decision.readings.iter_mut().for_each(|reading| reading.topic = topics[0].to_owned());
    }
    for point in &mut picture.history.points {
        let first = point.lag[0];
        point.lag = (1..).take(topics.len()).map(|nth: u64| first.map(|lag| lag / nth)).collect();
    }
    picture
}

const fn of(topic: usize, partition: u32) -> TopicPartition {
    TopicPartition { topic, partition }
}

/// The topics of the demo.
fn topics() -> Topics {
    let topic = |(name, records): (&str, &str)| Topic { name: name.into(), records: Some(records.into()) };
    Topics {
        list: [(REQUESTS, "requests"), (RESPONSES, "responses")].map(topic).to_vec(),
        tasks: Tasks::Joined,
    }
}

fn story(pods: u32, peak: u64, desired: u32) -> Picture {
    let at = |seconds_ago: u64| NOW - seconds_ago * 1_000;
    let lag_at = |ago: u64| match ago {
        450.. => 40,
        390..450 => peak * (450 - ago) / 65,
        330..390 => peak * (ago - 330) / 65,
        175..180 => peak / 14,
        90..330 => 60,
        60..90 => peak * (90 - ago) / 34,
        _ => peak - peak * ago / 600,
    };
    let replicas = |ago: u64| match ago {
        420.. => 1,
        280..420 => desired,
        240..280 => desired.div_ceil(2),
        70..240 => 1,
        _ => desired,
    };
    let mut picture = Picture { epoch: 7, snapshot: snapshot(pods, peak, desired), ..Picture::default() };
    for ago in (0..600).rev().filter(|ago| !(300..312).contains(ago)) {
        let lag = lag_at(ago);
        let wobble = (ago * 7919) % 23;
        picture.history.points.push_back(Point {
            at_ms: at(ago),
            lag: vec![Some(lag + wobble), Some(lag * 95 / 100 + wobble / 2)],
            produced: Some(6_500),
            consumed: Some(6_700),
            desired: Some(replicas(ago)),
            ready: Some(replicas(ago)),
            allowed: Some(u64::from(replicas(ago)) * 20_000),
        });
    }
    let events = [
        (450, Event::Burst { factor: 4 }),
        (420, Event::Scaled { from: 1, to: 2, auto: true }),
        (415, Event::Scaled { from: 2, to: desired, auto: true }),
        (412, Event::Rebalance { moved: 9 }),
        (280, Event::Scaled { from: desired, to: desired.div_ceil(2), auto: true }),
        (240, Event::Scaled { from: desired.div_ceil(2), to: 1, auto: true }),
        (172, Event::Killed { pod: "kstreams-7c9d8f6b5-kx7w2".into() }),
        (90, Event::Burst { factor: 10 }),
        (70, Event::Scaled { from: 1, to: desired, auto: true }),
        (8, Event::Crashed { pod: "kstreams-7c9d8f6b5-m2zt8".into() }),
    ];
    for (id, (ago, event)) in (0..).zip(events) {
        picture.history.markers.push_back(Marker { id, at_ms: at(ago), until_ms: None, event });
    }
    for slot in 0..u8::try_from(pods).unwrap_or(12) {
        let early = u64::from(slot) * 3;
        let spans = if slot == 0 {
            vec![
                (at(600), Condition::Ready),
                (at(172), Condition::Killed),
                (at(169), Condition::Starting),
                (at(165), Condition::Ready),
            ]
        } else {
            vec![(at(70 - early.min(60)), Condition::Starting), (at(64 - early.min(60)), Condition::Ready)]
        };
        let past = vec![
            (at(418 - early), Condition::Starting),
            (at(412 - early), Condition::Ready),
            (at(282), Condition::Leaving),
        ];
        let name = |of: &str| format!("kstreams-7c9d8f6b5-{of}");
        if slot > 0 {
            picture.history.lives.push(Life {
                pod: name("past1"),
                slot,
                spans: past,
                ended_ms: Some(at(280)),
            });
        }
        picture.history.lives.push(Life {
            pod: name(SUFFIXES[usize::from(slot)]),
            slot,
            spans,
            ended_ms: None,
        });
    }
    picture
}

fn snapshot(pods: u32, peak: u64, desired: u32) -> Snapshot {
    let each = |partition: u64| {
        peak / 12 + peak * ((partition * 37) % 7) / 400 + if partition == 5 { peak / 11 } else { 0 }
    };
    let fighters = [
        "Iron Heron",
        "Neon Mantis 214",
        "Quiet Ox",
        "Red Comet",
        "Blue Badger",
        "Silver Wasp",
        "Stone Lynx",
        "Amber Fox",
    ];
    let cluster_pods: Vec<Pod> = (0..pods).map(pod).collect();
    let owner = |partition: u32| {
        let name = cluster_pods.get((partition * pods / 12) as usize).map(|pod| pod.name.clone());
        let is_idle = partition == 7 && pods > 2;
        let handover = (partition == 3).then_some(Handover { at_ms: NOW - 4_000, took_ms: 1_320 });
        Owner { pod: name, idle_since_ms: is_idle.then_some(NOW - 2_400), handover }
    };
    let reading = |topic: &str, total| Reading {
        topic: topic.to_owned(),
        total: Some(total),
        pods,
        target: 20_000,
        proposal: Some(6),
    };
    Snapshot {
        at_ms: NOW,
        source: Source {
            group: "KINGOFSCALING-APP".into(),
            deployment: "kstreams".into(),
            kafka: "Kafka 4.3".into(),
            cluster: "local pods".into(),
            transaction_hold_ms: None,
        },
        lag: Some(Lag {
            sampled_ms: NOW - 40,
            topics: topics(),
            partitions: vec![
                (0..12).map(|p| Some(each(p))).collect(),
                (0..12).map(|p| Some(each(p) * 95 / 100)).collect(),
            ],
            ..Lag::default()
        }),
        ownership: Some(Ownership {
            state: "Stable".into(),
            tasks: (0..12).map(owner).collect(),
            others: Vec::new(),
        }),
        rates: Some(Rates {
            produced: 6_510,
            consumed: 6_680,
            by_topic: vec![3_250, 3_260],
            by_task: (0..12).map(|p| 500 + p * 13).collect(),
            asked: None,
        }),
        cluster: Some(Cluster {
            pods: cluster_pods,
            desired,
            revision: 3,
            capacity: 2_000,
            policy: Policy { max: desired.max(4), ..Policy::on_lag_of([REQUESTS, RESPONSES]) },
            decision: Some(Decision {
                at_ms: NOW - 2_000,
                next_ms: Some(NOW + 3_000),
                current: desired,
                desired,
                readings: vec![reading(REQUESTS, peak), reading(RESPONSES, peak * 95 / 100)],
                verdict: if peak > 50_000 {
                    Verdict::Rescaled
                } else {
                    Verdict::Stabilizing { recommended: 1, until_ms: Some(NOW + 11_000) }
                },
            }),
            ..Cluster::default()
        }),
        load: Some(LoadSettings::default()),
        players: Players {
            count: 214,
            taps_per_second: 40,
            leaders: (0..)
                .zip(fighters)
                .map(|(place, fighter)| Leader {
                    fighter: fighter.into(),
                    score: 18_420 - place * 1_213,
                    last_ms: Some(88 + place as u32 * 7),
                })
                .collect(),
        },
        ..Snapshot::default()
    }
}

fn pod(slot: u32) -> Pod {
    let phase = match slot {
        2 => Phase::Crashed { retry_ms: Some(NOW + 4_000) },
        3 => Phase::Starting,
        7 => Phase::Terminating { reason: EndReason::ScaledIn },
        _ => Phase::Ready,
    };
    Pod {
        name: format!("kstreams-7c9d8f6b5-{}", SUFFIXES[slot as usize]),
        slot: slot as u8,
        phase,
        phase_since_ms: NOW - 3_000 - u64::from(slot % 3) * 60_000,
        created_ms: NOW - 200_000,
        restarts: slot % 2,
        revision: 3,
        node: None,
        reason: None,
        message: None,
    }
}

fn player(taps: Vec<Tap>) -> Boot {
    let player = Player { fighter: "Neon Mantis".into(), machine: "900001".into() };
    Boot {
        player: Some(PlayerView { player, standing: Standing { score: 17_910, rank: 2 }, taps }),
        ..boot(story(4, 101_800, 4))
    }
}

fn tap(
    number: u32,
    key: Key,
    direction: Option<Direction>,
    impact: Impact,
    points: u32,
    stage: Stage,
) -> Tap {
    Tap { number, key, direction, impact, points, partition: 5, acked_ms: 8, stage }
}

fn counted(total_ms: u32, hurt: Option<&str>) -> Stage {
    Stage::Counted {
        pod: "p9qd4".into(),
        joined_ms: total_ms * 6 / 10,
        total_ms,
        hurt: hurt.map(str::to_owned),
    }
}

fn phone_taps() -> Vec<Tap> {
    vec![
        tap(1, Key::X, Some(Direction::Down), Impact::Fatal, 209, counted(88, None)),
        tap(2, Key::X, Some(Direction::Right), Impact::Missed, 0, counted(2_140, Some("kx7w2"))),
        tap(3, Key::O, Some(Direction::Left), Impact::Direct, 92, counted(99, None)),
        tap(4, Key::X, Some(Direction::Up), Impact::Critical, 184, counted(104, None)),
    ]
}

fn waiting_taps() -> Vec<Tap> {
    let mut taps = phone_taps();
    taps.push(tap(
        5,
        Key::O,
        None,
        Impact::Special,
        120,
        Stage::Waiting { ahead: Some(8_420), since_ms: NOW - 3_000 },
    ));
    taps
}
