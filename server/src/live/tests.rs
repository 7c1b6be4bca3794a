use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use http::{Request, StatusCode, header};
use model::history::Event;
use model::play::{PhoneTick, Stage as TapStage};
use model::snapshot::{EndReason, Phase};
use model::wire::{Hello, Mode, Picture, Tick};
use phone_game::Returned;
use tokio::time::timeout;

use super::*;
use crate::listener::{self, Limits};
use crate::testing::{ROOM, Stage, pod, stage};

/// A page: reads events, and keeps the picture as a browser does.
struct Page {
    body: BodyDataStream,
    rest: String,
    last: Option<String>,
    picture: Picture,
}

struct Received {
    name: String,
    data: String,
}

impl Page {
    async fn open(stage: &Stage, path: &str, last: Option<&str>, cookie: Option<&str>) -> Self {
        let mut request = Request::get(path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let response = stage.ask(ROOM, request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store, no-transform");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let body = response.into_body().into_data_stream();
        Self { body, rest: String::new(), last: None, picture: Picture::default() }
    }

    /// The next event; `None` at the stream's end. Comments and retries are passed over.
    async fn next(&mut self) -> Option<Received> {
        loop {
            while let Some((block, rest)) =
                self.rest.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned()))
            {
                self.rest = rest;
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
                self.last = field("id: ").or(self.last.take());
                if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                    return Some(Received { name, data });
                }
            }
            let bytes = timeout(Duration::from_secs(60), self.body.next()).await.unwrap()?.unwrap();
            self.rest.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn hello(&mut self) -> Hello {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, "hello");
        serde_json::from_str(&event.data).unwrap()
    }

    /// Reads frames until the page shows what the server does.
    async fn follow(&mut self, stage: &Stage) {
        while self.picture != stage.server.hub.picture() {
            let event = self.next().await.unwrap();
            match event.name.as_str() {
                "picture" => self.picture = serde_json::from_str(&event.data).unwrap(),
                "tick" => self.picture.apply(serde_json::from_str(&event.data).unwrap()),
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_follows_has_the_servers_picture() {
    let stage = stage();
    stage.sample(10, 30).await;
    let mut page = Page::open(&stage, "/live", None, None).await;
    assert_eq!(page.hello().await.mode, Mode::Picture);
    page.follow(&stage).await;
    stage.pods(&["kstreams-a"]).await;
    for n in 0..10 {
        stage.sample(20 + n, 40 + n).await;
        page.follow(&stage).await;
    }
    assert_eq!(page.last.unwrap(), stage.server.hub.picture().id().to_string());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_comes_back_gets_what_it_missed() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    stage.sample(10, 30).await;
    let mut page = Page::open(&stage, "/live", None, None).await;
    page.hello().await;
    page.follow(&stage).await;
    for n in 0..5 {
        stage.sample(20 + n, 40 + n).await;
    }
    // The address still names an old frame; the header is the newer word.
    let path = format!("/live?from={}:0", page.picture.epoch);
    let mut again = Page::open(&stage, &path, page.last.as_deref(), None).await;
    let hello = again.hello().await;
    assert_eq!((hello.mode, hello.missed), (Mode::Resume, 5));
    again.picture = page.picture;
    assert_eq!(
        again.next().await.map(|event| again.picture.apply(serde_json::from_str(&event.data).unwrap())),
        Some(())
    );
    assert_eq!(again.picture, stage.server.hub.picture());
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_another_run_or_of_none_brings_a_whole_picture() {
    let stage = stage();
    stage.sample(10, 30).await;
    for last in ["1:2", "nonsense", &format!("{}:99999999999999", stage.server.hub.epoch())] {
        let mut page = Page::open(&stage, &format!("/live?from={last}"), None, None).await;
        assert_eq!(page.hello().await.mode, Mode::Picture, "{last}");
        page.follow(&stage).await;
    }
    let newest = stage.server.hub.picture().id();
    let mut page = Page::open(&stage, &format!("/live?from={newest}"), None, None).await;
    assert_eq!(page.hello().await.mode, Mode::Resume);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_comes_a_moment_after_another_gets_that_ones_picture_and_the_rest() {
    let stage = stage();
    stage.sample(10, 30).await;
    let mut first = Page::open(&stage, "/live", None, None).await;
    stage.sample(20, 40).await;
    let mut second = Page::open(&stage, "/live", None, None).await;
    for page in [&mut first, &mut second] {
        page.hello().await;
        page.follow(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_newest_state_and_no_queue() {
    let stage = stage();
    stage.pods(&["kstreams-a", "kstreams-b"]).await;
    let mut page = Page::open(&stage, "/live", None, None).await;
    page.hello().await;
    page.follow(&stage).await;
    for n in 0..200 {
        stage.sample(n, 2 * n).await;
        if n == 100 {
            let mut cluster = stage.cluster.borrow().clone().unwrap();
            cluster.pods[0] = pod("kstreams-a", Phase::Terminating { reason: EndReason::Killed });
            stage.cluster.send_replace(Some(cluster));
            stage.settle().await;
        }
    }
    let tick: Tick = serde_json::from_str(&page.next().await.unwrap().data).unwrap();
    let killed = |event: &Event| matches!(event, Event::Killed { pod } if pod == "kstreams-a");
    assert!(tick.markers.iter().any(|marker| killed(&marker.event)), "what happened is never left out");
    page.picture.apply(tick);
    assert_eq!(page.picture, stage.server.hub.picture(), "one frame brings it up to date");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_sends_a_heartbeat_and_all_end_when_the_server_stops() {
    let stage = stage();
    let mut page = Page::open(&stage, "/live", None, None).await;
    let mut phone = Page::open(&stage, "/live?view=phone", None, None).await;
    page.hello().await;
    page.next().await.unwrap();
    phone.hello().await;
    let silence = tokio::time::Instant::now();
    let bytes = page.body.next().await.unwrap().unwrap();
    assert_eq!((&bytes[..], silence.elapsed().as_secs()), (&b":\n\n"[..], 15));
    stage.server.shutdown.request();
    while page.body.next().await.is_some() {}
    while phone.body.next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn there_are_only_so_many_places() {
    let stage = stage();
    // Each from an address of its own.
    let taken: Vec<Place> = (0..u32::try_from(MAX_STREAMS).unwrap() - 1)
        .map(|number| stage.server.places.take(Ipv4Addr::from(number).into(), Looker::Other).unwrap())
        .collect();
    let page = Page::open(&stage, "/live", None, None).await;
    let refused = stage.get("/live").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
    drop(page);
    assert_eq!(stage.get("/live").await.status(), StatusCode::OK, "whoever leaves makes place");
    drop(taken);
    assert!(stage.server.metrics.text().unwrap().contains("king_streams_open 0"));
}

#[tokio::test(start_paused = true)]
async fn a_phone_hears_of_the_show_and_of_its_own_taps() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    stage.sample(40, 140).await;
    let visitor = stage.player(0).await;
    let player = stage.server.access.player(&http::HeaderMap::from_iter([(
        header::COOKIE,
        visitor.cookie.clone().unwrap().parse().unwrap(),
    )]));
    let machine = player.unwrap().machine;
    let mut phone = Page::open(&stage, "/live?view=phone", None, visitor.cookie.as_deref()).await;
    phone.hello().await;
    let mut next = async || -> PhoneTick { serde_json::from_str(&phone.next().await.unwrap().data).unwrap() };
    let tick = next().await;
    assert_eq!((tick.lag.unwrap().1, tick.ready, tick.desired), (1_200, Some(1), Some(1)));
    assert_eq!(tick.standing.unwrap().score, 0);

    stage.call(&visitor, "tap", r#"{"key":"O","direction":null}"#).await;
    let tick = next().await;
    assert!(matches!(tick.taps[0].stage, TapStage::Waiting { ahead: Some(60), .. }), "{tick:?}");
    assert!(next().await.taps.is_empty(), "nothing new");

    let returned = Returned {
        partition: tick.taps[0].partition,
        rq_offset: 100,
        pod: "kstreams-a".into(),
        joined_at_ms: crate::testing::START,
    };
    stage.server.game().returned(stage.pass(50), machine, returned);
    assert!(matches!(next().await.taps[0].stage, TapStage::Counted { .. }));
}

#[tokio::test]
async fn a_real_browser_reads_a_real_stream() {
    let stage = stage();
    let listener = listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, shutdown) = (stage.router.clone(), stage.server.shutdown.clone());
    let serving = tokio::spawn(listener::serve(listener, router, Limits::of_process(), shutdown));
    let mut stream = reqwest::get(format!("http://{address}/live")).await.unwrap();
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"retry: "));
    stage.server.shutdown.request();
    while stream.chunk().await.unwrap().is_some() {}
    serving.await.unwrap();
}
