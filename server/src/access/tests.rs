use super::*;

const NOW: Millis = 1_000_000;
const LOCAL: Client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), is_local: true, is_secure: false };
const ROOM: Client =
    Client { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), is_local: false, is_secure: false };
const TUNNEL: Client = Client { is_secure: true, ..ROOM };

use std::net::{IpAddr, Ipv4Addr};

fn access(passcode: &str) -> Access {
    Access::new(Some(passcode.to_owned()), &[7; 64], None)
}

/// The request headers of a browser that keeps what it was told to.
fn with_cookie(set: &HeaderValue) -> HeaderMap {
    let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
    HeaderMap::from_iter([(http::header::COOKIE, pair.parse().unwrap())])
}

#[test]
fn the_passcode_makes_a_presenter_for_a_day_on_stage() {
    let access = access("kumite");
    let (answer, cookie) = access.sign_in(NOW, &LOCAL, "kumite");
    assert_eq!(answer, SignIn::Welcome);
    let headers = with_cookie(&cookie.unwrap());
    assert!(access.presenter(NOW, &LOCAL, &headers).is_some());
    assert!(access.presenter(NOW, &ROOM, &headers).is_none(), "not in the clear");
    assert!(access.presenter(NOW + PRESENTER_FOR_MS, &LOCAL, &headers).is_none());
    assert!(access.presenter(NOW, &LOCAL, &HeaderMap::new()).is_none());
}

#[test]
fn a_presenters_cookie_is_for_no_script_and_no_other_site() {
    let (_, cookie) = access("kumite").sign_in(NOW, &TUNNEL, "kumite");
    let cookie = cookie.unwrap();
    let cookie = cookie.to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (_, cookie) = access("kumite").sign_in(NOW, &LOCAL, "kumite");
    assert!(!cookie.unwrap().to_str().unwrap().contains("Secure"));
}

#[test]
fn a_restart_keeps_presenters_and_another_passcode_does_not() {
    let (_, cookie) = access("kumite").sign_in(NOW, &LOCAL, "kumite");
    let headers = with_cookie(&cookie.unwrap());
    assert!(access("kumite").presenter(NOW, &LOCAL, &headers).is_some());
    assert!(access("hadouken").presenter(NOW, &LOCAL, &headers).is_none());
}

#[test]
fn a_forged_cookie_is_nobodys() {
    let access = access("kumite");
    let (_, cookie) = access.sign_in(NOW, &LOCAL, "kumite");
    let headers = with_cookie(&cookie.unwrap());
    let forged = headers[http::header::COOKIE].to_str().unwrap().replace("44", "45");
    let value = format!("{forged}0");
    let headers = HeaderMap::from_iter([(http::header::COOKIE, value.parse().unwrap())]);
    assert!(access.presenter(NOW, &LOCAL, &headers).is_none());
}

#[test]
fn wrong_passcodes_slow_that_client_down_but_never_this_machine() {
    let access = access("kumite");
    assert_eq!(access.sign_in(NOW, &TUNNEL, "x").0, SignIn::Wrong { retry_in_ms: 1_000 });
    assert_eq!(access.sign_in(NOW + 1, &TUNNEL, "kumite").0, SignIn::TooMany { retry_in_ms: 999 });
    let other = Client { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 8)), ..TUNNEL };
    assert_eq!(access.sign_in(NOW + 1, &other, "kumite").0, SignIn::Welcome);
    assert_eq!(access.sign_in(NOW + 1_000, &TUNNEL, "kumite").0, SignIn::Welcome);
    for _ in 0..100 {
        assert_eq!(access.sign_in(NOW, &LOCAL, "x").0, SignIn::Wrong { retry_in_ms: 0 });
    }
    assert_eq!(access.sign_in(NOW, &LOCAL, "kumite").0, SignIn::Welcome);
}

#[test]
fn a_passcode_in_the_clear_is_not_even_looked_at() {
    assert_eq!(access("kumite").sign_in(NOW, &ROOM, "kumite"), (SignIn::NeedsTls, None));
    let nobody = Access::new(None, &[7; 64], None);
    assert!(!nobody.can_present(&LOCAL));
    assert_eq!(nobody.sign_in(NOW, &LOCAL, "").0, SignIn::NeedsTls);
}

#[test]
fn a_player_is_found_again_also_after_a_restart() {
    let identity = "900123.3.2.beef".parse().unwrap();
    let cookie = access("kumite").player_cookie(&ROOM, &identity).unwrap();
    assert!(cookie.to_str().unwrap().contains("SameSite=Lax"));
    assert_eq!(access("hadouken").player(&with_cookie(&cookie)), Some(identity));
    let stranger = Access::new(None, &[8; 64], None);
    assert_eq!(stranger.player(&with_cookie(&cookie)), None);
}
