use app::actions::SignIn;
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode, header};
use model::play::{Player, Stage as TapStage, TapAnswer};

use crate::testing::{LOCAL, PASSCODE, ROOM, Stage, Visitor, cookie, stage, stage_at, text};

const BURST: &str = r#"{"command":{"Burst":{"factor":2}}}"#;
const TAP: &str = r#"{"key":"X","direction":"Up"}"#;

fn typed(passcode: &str) -> String {
    serde_json::json!({ "passcode": passcode }).to_string()
}

async fn sign_in(stage: &Stage, visitor: &Visitor, passcode: &str) -> SignIn {
    serde_json::from_str(&text(stage.call(visitor, "sign_in", &typed(passcode)).await).await).unwrap()
}

/// Somebody who comes by the public name; whoever sends it says for whom it asks.
fn by_public_name(peer: &'static str, forwarded_for: &str) -> Visitor {
    Visitor::at(peer)
        .with("host", "king.example")
        .with("origin", "https://king.example")
        .with("x-forwarded-for", forwarded_for)
}

fn header_of(response: &Response, name: header::HeaderName) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_stranger_may_look_and_may_not_touch() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    assert_eq!(stage.get("/").await.status(), StatusCode::OK);
    for peer in [LOCAL, ROOM] {
        let answer = stage.call(&Visitor::at(peer), "present", BURST).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    assert!(stage.record.take().is_empty());
}

#[tokio::test]
async fn the_presenter_may_until_signing_out() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    let presenter = stage.presenter().await;
    assert_eq!(stage.call(&presenter, "present", BURST).await.status(), StatusCode::OK);
    assert_eq!(stage.record.take().len(), 1);
    let answer = stage.call(&presenter, "sign_out", "{}").await;
    let gone = Visitor { cookie: Some(cookie(answer.headers())), ..presenter };
    assert_eq!(stage.call(&gone, "present", BURST).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_presenters_cookie_is_worth_nothing_in_the_clear() {
    let stage = stage();
    let elsewhere = Visitor { peer: ROOM, ..stage.presenter().await };
    assert_eq!(stage.call(&elsewhere, "present", BURST).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(sign_in(&stage, &Visitor::at(ROOM), PASSCODE).await, SignIn::NeedsTls);
}

#[tokio::test]
async fn behind_tls_the_presenter_may_be_anywhere() {
    let stage = stage_at(Some("https://king.example"));
    let visitor = by_public_name(LOCAL, "198.51.100.1");
    let answer = stage.call(&visitor, "sign_in", &typed(PASSCODE)).await;
    assert!(header_of(&answer, header::SET_COOKIE).contains("Secure"));
    let presenter = Visitor { cookie: Some(cookie(answer.headers())), ..visitor };
    assert_eq!(stage.call(&presenter, "present", BURST).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn another_sites_page_cannot_use_a_presenters_cookie() {
    let stage = stage();
    let presenter = stage.presenter().await;
    for forged in [
        presenter.clone().with("origin", "http://evil.example"),
        presenter.clone().with("origin", "null"),
        presenter.clone().with("sec-fetch-site", "cross-site"),
        presenter.clone().with("sec-fetch-site", "same-site"),
        Visitor { headers: http::HeaderMap::new(), ..presenter.clone() },
    ] {
        let answer = stage.call(&forged, "present", BURST).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{:?}", forged.headers);
    }
    assert!(stage.record.take().is_empty());
    let own = presenter.with("sec-fetch-site", "same-origin");
    assert_eq!(stage.call(&own, "present", BURST).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn nothing_is_done_by_a_get() {
    let stage = stage();
    let presenter = stage.presenter().await;
    for function in ["sign_in", "sign_out", "present", "join", "tap"] {
        let request = Request::get(format!("/api/{function}?command=Burst"))
            .header(header::COOKIE, presenter.cookie.clone().unwrap())
            .body(Body::empty())
            .unwrap();
        assert_eq!(stage.ask(LOCAL, request).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    assert!(stage.record.take().is_empty());
}

#[tokio::test]
async fn wrong_passcodes_slow_down_that_client_alone() {
    let stage = stage_at(Some("https://king.example"));
    let [one, other] = ["198.51.100.1", "198.51.100.2"].map(|address| by_public_name(LOCAL, address));
    assert_eq!(sign_in(&stage, &one, "guess").await, SignIn::Wrong { retry_in_ms: 1_000 });
    assert_eq!(sign_in(&stage, &one, PASSCODE).await, SignIn::TooMany { retry_in_ms: 1_000 });
    assert_eq!(sign_in(&stage, &other, PASSCODE).await, SignIn::Welcome);
    assert_eq!(sign_in(&stage, &Visitor::at(LOCAL), "guess").await, SignIn::Wrong { retry_in_ms: 1_000 });
    stage.pass(1_000);
    assert_eq!(sign_in(&stage, &one, PASSCODE).await, SignIn::Welcome);
}

#[tokio::test]
async fn what_makes_no_sense_is_the_callers_fault() {
    let stage = stage();
    let presenter = stage.presenter().await;
    for (function, body, expected) in [
        ("sign_in", typed(&"x".repeat(20_000)), StatusCode::PAYLOAD_TOO_LARGE),
        ("sign_in", "{".to_owned(), StatusCode::BAD_REQUEST),
        ("sign_in", String::new(), StatusCode::BAD_REQUEST),
        ("sign_in", "\u{1}\u{2}".to_owned(), StatusCode::BAD_REQUEST),
        ("sign_in", "[]".to_owned(), StatusCode::BAD_REQUEST),
        ("present", r#"{"command":{"Burst":{"factor":"two"}}}"#.to_owned(), StatusCode::BAD_REQUEST),
        ("join", r#"{"fighter":-1}"#.to_owned(), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(stage.call(&presenter, function, &body).await.status(), expected, "{function} {body:.40}");
    }
    assert!(stage.record.take().is_empty());
    for path in [format!("/{}", "x".repeat(250)), format!("/live?from={}", "x".repeat(3_000))] {
        assert_eq!(stage.get(&path).await.status(), StatusCode::URI_TOO_LONG);
    }
    assert_eq!(stage.get(&format!("/{}", "x".repeat(150))).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let stage = stage();
    let half = futures::stream::iter([Ok::<_, std::convert::Infallible>(bytes::Bytes::from("{"))]);
    let endless = futures::StreamExt::chain(half, futures::stream::pending());
    let mut request = Visitor::at(LOCAL).request("sign_in", "");
    *request.body_mut() = Body::from_stream(endless);
    assert_eq!(stage.ask(LOCAL, request).await.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn only_behind_tls_browsers_are_told_to_keep_to_it() {
    let stage = stage_at(Some("https://king.example"));
    let request = || Request::get("/").header(header::HOST, "king.example").body(Body::empty()).unwrap();
    let by_proxy = stage.ask(LOCAL, request()).await;
    assert_eq!(header_of(&by_proxy, header::STRICT_TRANSPORT_SECURITY), "max-age=31536000");
    let directly = stage.ask(ROOM, request()).await;
    assert_eq!(header_of(&directly, header::STRICT_TRANSPORT_SECURITY), "", "ROOM is no proxy of ours");
    assert!(
        header_of(&directly, header::HeaderName::from_static("permissions-policy")).contains("camera=()")
    );
}

#[tokio::test]
async fn whoever_reaches_the_port_directly_is_not_believed() {
    let stage = stage_at(Some("https://king.example"));
    let forged = by_public_name(ROOM, "127.0.0.1").with("x-forwarded-proto", "https");
    assert_eq!(sign_in(&stage, &forged, PASSCODE).await, SignIn::NeedsTls);
    let presenter = stage.presenter().await;
    let forged = Visitor { cookie: presenter.cookie, ..forged };
    assert_eq!(stage.call(&forged, "present", BURST).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_phone_joins_taps_and_is_known_again() {
    let stage = stage();
    let answer = stage.call(&Visitor::at(ROOM), "tap", TAP).await;
    assert_eq!(serde_json::from_str::<TapAnswer>(&text(answer).await).unwrap(), TapAnswer::Unknown);

    let answer = stage.call(&Visitor::at(ROOM), "join", r#"{"fighter":3}"#).await;
    let set = header_of(&answer, header::SET_COOKIE);
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    let phone = Visitor { cookie: Some(cookie(answer.headers())), ..Visitor::at(ROOM) };
    let player: Player = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!(player.fighter, "Red Comet");

    let answer = text(stage.call(&phone, "tap", TAP).await).await;
    let TapAnswer::Sent(tap) = serde_json::from_str(&answer).unwrap() else { panic!("{answer}") };
    assert!(matches!(tap.stage, TapStage::Waiting { ahead: None, .. }));

    let request = Request::get("/play").header(header::COOKIE, phone.cookie.clone().unwrap());
    let page = text(stage.ask(ROOM, request.body(Body::empty()).unwrap()).await).await;
    assert!(page.contains("Red Comet") && page.contains(&player.machine));

    let restarted = crate::testing::stage();
    let answer = text(restarted.call(&phone, "tap", TAP).await).await;
    assert!(matches!(serde_json::from_str(&answer).unwrap(), TapAnswer::Sent(_)), "{answer}");
    assert_eq!(restarted.server.game().len(), 1);
}

#[tokio::test]
async fn a_fast_thumb_is_told_to_wait() {
    let stage = stage();
    let phone = stage.player(0).await;
    for _ in 0..10 {
        stage.call(&phone, "tap", TAP).await;
    }
    let answer = text(stage.call(&phone, "tap", TAP).await).await;
    let limited = TapAnswer::Limited { retry_in_ms: 200, room: false };
    assert_eq!(serde_json::from_str::<TapAnswer>(&answer).unwrap(), limited);
}

#[tokio::test]
async fn files_with_a_hash_are_kept_for_ever_and_come_in_their_smallest_form() {
    let stage = stage();
    let plain = stage.get("/app-1.js").await;
    assert_eq!(header_of(&plain, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    let modified = header_of(&plain, header::LAST_MODIFIED);
    assert_eq!(text(plain).await, "script");

    let ask = |name, value: &str| Request::get("/app-1.js").header(name, value).body(Body::empty()).unwrap();
    let small = stage.ask(ROOM, ask(header::ACCEPT_ENCODING, "gzip, br")).await;
    assert_eq!(header_of(&small, header::CONTENT_ENCODING), "br");
    assert_eq!(header_of(&small, header::VARY), "accept-encoding");
    assert_eq!(text(small).await, "smaller");
    let known = stage.ask(ROOM, ask(header::IF_MODIFIED_SINCE, &modified)).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    for path in ["/app-2.js", "/../Cargo.toml", "/%2e%2e/secret", "/pkg"] {
        let answer = stage.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header_of(&answer, header::CACHE_CONTROL), "", "{path}");
    }
    assert!(stage.site().join("manifest.json").exists());
    assert_eq!(header_of(&stage.get("/manifest.json").await, header::CACHE_CONTROL), "");
}

#[tokio::test]
async fn a_page_has_its_numbers_is_compressed_and_keeps_other_sites_out() {
    let stage = stage();
    stage.pods(&["kstreams-a"]).await;
    stage.sample(1_000, 9_485).await;
    let page = stage.get("/").await;
    assert_eq!(header_of(&page, header::CACHE_CONTROL), "no-store");
    let policy = header_of(&page, header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("'wasm-unsafe-eval'"), "{policy}");
    assert_eq!(header_of(&page, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    let page = text(page).await;
    assert!(page.contains("101.8"), "12 partitions, 8,485 records each");
    let request = Request::get("/").header(header::ACCEPT_ENCODING, "br").body(Body::empty()).unwrap();
    assert_eq!(header_of(&stage.ask(ROOM, request).await, header::CONTENT_ENCODING), "br");
}

#[tokio::test]
async fn machines_are_told_how_the_server_is() {
    let stage = stage();
    assert_eq!(text(stage.get("/healthz").await).await, "ok\n");
    let phone = stage.player(0).await;
    stage.call(&phone, "tap", TAP).await;
    stage.call(&phone, "present", BURST).await;
    assert_eq!(stage.get("/metrics").await.status(), StatusCode::NOT_FOUND, "they are for the admin port");
    let metrics = stage.server.metrics.text().unwrap();
    for line in [r#"king_taps_total{outcome="sent"} 1"#, r#"king_commands_total{outcome="forbidden"} 1"#] {
        assert!(metrics.contains(line), "{metrics}");
    }
}
