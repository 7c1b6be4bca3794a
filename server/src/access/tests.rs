use super::sessions::{IDLE_MS, LONGEST_MS};
use super::*;

const NOW: Millis = 1_000_000;
const LOCAL: Client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), is_local: true, is_secure: false };
const ROOM: Client =
    Client { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), is_local: false, is_secure: false };
const TUNNEL: Client = Client { is_secure: true, ..ROOM };

use std::net::{IpAddr, Ipv4Addr};

fn access(passcode: &str) -> Access {
    Access::new(Some(passcode.to_owned()), &[7; 64], Front::default(), 8930)
}

/// Signs in, with the cookies that came before.
fn sign_in(access: &Access, now_ms: Millis, client: &Client, passcode: &str) -> (SignIn, Vec<HeaderValue>) {
    access.sign_in(now_ms, client, &HeaderMap::new(), passcode)
}

/// The request headers of a browser that keeps what it was told to.
fn with_cookies(set: &[HeaderValue]) -> HeaderMap {
    let pair = |set: &HeaderValue| set.to_str().unwrap().split(';').next().unwrap().to_owned();
    let pairs: Vec<String> = set.iter().map(pair).collect();
    HeaderMap::from_iter([(http::header::COOKIE, pairs.join("; ").parse().unwrap())])
}

#[test]
fn the_passcode_makes_a_presenter_for_a_day_on_stage() {
    let access = access("kumite");
    let (answer, cookies) = sign_in(&access, NOW, &LOCAL, "kumite");
    assert_eq!(answer, SignIn::Welcome);
    let headers = with_cookies(&cookies);
    assert!(access.presenter(NOW, &LOCAL, &headers).is_some());
    assert!(access.presenter(NOW, &ROOM, &headers).is_none(), "not in the clear");
    assert!(access.presenter(NOW, &LOCAL, &HeaderMap::new()).is_none());
    assert!(access.presenter(NOW + LONGEST_MS, &LOCAL, &headers).is_none());
}

#[test]
fn a_copy_of_a_cookie_is_worth_nothing_after_signing_out() {
    let access = access("kumite");
    let [one, other] = [1, 2].map(|_| with_cookies(&sign_in(&access, NOW, &LOCAL, "kumite").1));
    let removal = access.sign_out(NOW, &LOCAL, &one).unwrap();
    let removal = removal.to_str().unwrap();
    assert!(removal.starts_with("king-presenter-8930=") && removal.contains("Max-Age=0"), "{removal}");
    assert!(access.presenter(NOW + 1, &LOCAL, &one).is_none());
    assert!(access.presenter(NOW + 1, &LOCAL, &other).is_some(), "another session");
    assert!(access.presenter(NOW + 1 + IDLE_MS, &LOCAL, &other).is_none(), "nobody used it");
}

#[test]
fn a_presenters_cookie_is_for_no_script_and_no_other_site() {
    let (_, cookies) = sign_in(&access("kumite"), NOW, &TUNNEL, "kumite");
    assert_eq!(cookies.len(), 2);
    for cookie in &cookies {
        let cookie = cookie.to_str().unwrap();
        for part in ["__Host-king-", "-8930=", "HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
    }
    let (_, cookies) = sign_in(&access("kumite"), NOW, &LOCAL, "kumite");
    assert!(cookies.iter().all(|cookie| !cookie.to_str().unwrap().contains("Secure")));
    assert!(cookies[0].to_str().unwrap().starts_with("king-presenter-8930="));
}

#[test]
fn servers_beside_each_other_keep_their_cookies_apart() {
    let one = access("kumite");
    let other = Access::new(Some("kumite".to_owned()), &[7; 64], Front::default(), 9000);
    let both = [&one, &other].map(|access| sign_in(access, NOW, &LOCAL, "kumite").1).concat();
    let headers = with_cookies(&both);
    assert!([&one, &other].iter().all(|access| access.presenter(NOW, &LOCAL, &headers).is_some()));
    assert!(one.presenter(NOW, &LOCAL, &with_cookies(&both[2..])).is_none());
}

#[test]
fn a_restart_keeps_presenters_and_another_passcode_does_not() {
    let (_, cookies) = sign_in(&access("kumite"), NOW, &LOCAL, "kumite");
    let headers = with_cookies(&cookies);
    assert!(access("kumite").presenter(NOW, &LOCAL, &headers).is_some());
    assert!(access("hadouken").presenter(NOW, &LOCAL, &headers).is_none());
}

#[test]
fn a_forged_cookie_is_nobodys() {
    let access = access("kumite");
    let (_, cookies) = sign_in(&access, NOW, &LOCAL, "kumite");
    let good = with_cookies(&cookies[..1]);
    assert!(access.presenter(NOW, &LOCAL, &good).is_some());
    let value = good[http::header::COOKIE].to_str().unwrap();
    for forged in [format!("{value}0"), value.replacen(&format!("{}", NOW + LONGEST_MS), "99999999999999", 1)]
    {
        let headers = HeaderMap::from_iter([(http::header::COOKIE, forged.parse().unwrap())]);
        assert!(access.presenter(NOW, &LOCAL, &headers).is_none(), "{forged}");
    }
}

#[test]
fn wrong_passcodes_slow_their_sender_down_also_on_this_machine() {
    let access = access("kumite");
    for (client, now) in [(TUNNEL, NOW), (LOCAL, NOW + 60_000)] {
        assert_eq!(sign_in(&access, now, &client, "x").0, SignIn::Wrong { retry_in_ms: 1_000 });
        assert_eq!(sign_in(&access, now + 1, &client, "kumite").0, SignIn::TooMany { retry_in_ms: 999 });
        let other = Client { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 8)), ..client };
        assert_eq!(sign_in(&access, now + 1, &other, "kumite").0, SignIn::Welcome);
        assert_eq!(sign_in(&access, now + 1_000, &client, "kumite").0, SignIn::Welcome);
    }
}

#[test]
fn a_presenter_signs_in_again_beside_a_guesser_at_the_same_address() {
    let access = access("kumite");
    let known = with_cookies(&sign_in(&access, NOW, &TUNNEL, "kumite").1);
    let (mut guesses, mut welcomes) = (0, 0);
    for second in 1..=41 {
        let now_ms = NOW + second * 1_000;
        for ms in 0..100 {
            let answer = sign_in(&access, now_ms + ms, &TUNNEL, "guess").0;
            guesses += usize::from(matches!(answer, SignIn::Wrong { .. }));
        }
        welcomes += usize::from(access.sign_in(now_ms + 50, &TUNNEL, &known, "kumite").0 == SignIn::Welcome);
    }
    assert_eq!(welcomes, 41);
    assert!(guesses < 10, "{guesses} guesses were looked at");
}

#[test]
fn a_device_that_was_shown_the_token_signs_in_for_the_first_time_beside_a_guesser() {
    let access = access("kumite").with_device_token(Some("a long token".to_owned()));
    assert!(access.know_device(&TUNNEL, "a long toke").is_none());
    assert!(access.know_device(&ROOM, "a long token").is_none(), "in the clear");
    assert!(self::access("kumite").know_device(&TUNNEL, "").is_none(), "there is no token");
    let known = with_cookies(&[access.know_device(&TUNNEL, "a long token").unwrap()]);
    assert!(access.presenter(NOW, &TUNNEL, &known).is_none(), "it has not signed in");
    for ms in 0..100 {
        sign_in(&access, NOW + ms, &TUNNEL, "guess");
    }
    assert!(matches!(sign_in(&access, NOW + 100, &TUNNEL, "kumite").0, SignIn::TooMany { .. }));
    assert_eq!(access.sign_in(NOW + 100, &TUNNEL, &known, "kumite").0, SignIn::Welcome);
    // Who finds the token is one device with one wait, however often they ask for another.
    let again = || with_cookies(&[access.know_device(&TUNNEL, "a long token").unwrap()]);
    assert!(matches!(access.sign_in(NOW + 200, &TUNNEL, &again(), "guess").0, SignIn::Wrong { .. }));
    assert!(matches!(access.sign_in(NOW + 201, &TUNNEL, &again(), "guess").0, SignIn::TooMany { .. }));
}

#[test]
fn a_passcode_in_the_clear_is_not_even_looked_at() {
    assert_eq!(sign_in(&access("kumite"), NOW, &ROOM, "kumite"), (SignIn::NeedsTls, Vec::new()));
    let nobody = Access::new(None, &[7; 64], Front::default(), 8930);
    assert!(!nobody.can_present(&LOCAL));
    assert_eq!(sign_in(&nobody, NOW, &LOCAL, "").0, SignIn::NeedsTls);
}

#[test]
fn a_player_is_found_again_also_after_a_restart() {
    let identity = "900123.3.2.beef".parse().unwrap();
    for client in [ROOM, TUNNEL] {
        let cookie = access("kumite").player_cookie(&client, &identity).unwrap();
        assert!(cookie.to_str().unwrap().contains("SameSite=Lax"));
        let headers = with_cookies(&[cookie]);
        assert_eq!(access("hadouken").player(&headers), Some(identity));
        let stranger = Access::new(None, &[8; 64], Front::default(), 8930);
        assert_eq!(stranger.player(&headers), None);
    }
}
