use std::sync::atomic::Ordering;

use http::Request;

use super::*;
use crate::testing::{Authority, access, user};

const METRIC: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/king/kafka_lag";

fn request(headers: &[(&str, &str)], certificate: Option<CertificateDer<'static>>) -> Parts {
    let mut request = Request::get(METRIC);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let certificates: Vec<CertificateDer<'static>> = certificate.into_iter().collect();
    request.extension(PeerCertificates(certificates.into())).body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn the_front_proxy_is_believed() {
    let ca = Authority::new("ca");
    let (access, reviewed, _believed) = access(&ca);
    let certificate = ca.client("aggregator").certificate;
    let mut request =
        request(&[("x-remote-user", "robot"), ("x-remote-group", "machines")], Some(certificate));
    let admitted = access.admit(&mut request).await.unwrap();
    assert_eq!((admitted.name.as_str(), admitted.groups), ("robot", vec!["machines".to_owned()]));
    let asked = "robot: list kafka_lag of external.metrics.k8s.io in namespace \"king\"";
    assert_eq!(reviewed.asked(), [asked]);
}

#[tokio::test]
async fn a_forged_header_gets_nowhere() {
    let (ca, stranger) = (Authority::new("ca"), Authority::new("ca"));
    let (access, reviewed, _believed) = access(&ca);
    let forged = [("x-remote-user", "robot"), ("x-remote-group", "system:masters")];
    for certificate in [
        None,
        Some(stranger.client("aggregator").certificate),
        Some(ca.client("somebody-else").certificate),
        Some(ca.expired_client("aggregator").certificate),
        Some(CertificateDer::from(vec![1, 2, 3])),
    ] {
        let mut request = request(&forged, certificate);
        assert!(matches!(access.admit(&mut request).await, Err(Refused::Unauthenticated)));
        assert!(request.headers.is_empty(), "what claims an identity is gone");
    }
    assert_eq!(reviewed.asked(), Vec::<String>::new());
    // With a token beside it, the token counts.
    let mut request = request(&[forged[0], forged[1], ("authorization", "Bearer valid")], None);
    let admitted = access.admit(&mut request).await.unwrap();
    assert_eq!(admitted, user("robot"));
}

#[tokio::test]
async fn a_rotated_ca_counts_from_the_next_request() {
    let (old, new) = (Authority::new("ca"), Authority::new("ca"));
    let (access, _reviewed, believed) = access(&old);
    let headers = [("x-remote-user", "robot")];
    let of = |ca: &Authority| request(&headers, Some(ca.client("aggregator").certificate));
    assert!(access.admit(&mut of(&old)).await.is_ok());
    let front_proxy = FrontProxy::read(&crate::testing::front_proxy_data(&new, &["aggregator"])).unwrap();
    believed.send_replace(Some(Arc::new(front_proxy)));
    assert!(access.admit(&mut of(&new)).await.is_ok());
    assert!(matches!(access.admit(&mut of(&old)).await, Err(Refused::Unauthenticated)));
    believed.send_replace(None);
    assert!(matches!(access.admit(&mut of(&new)).await, Err(Refused::Unauthenticated)));
}

#[tokio::test]
async fn a_token_is_whose_the_cluster_says() {
    let (access, _reviewed, _believed) = access(&Authority::new("ca"));
    for (header, expected) in [
        ("Bearer valid", true),
        ("bearer  valid", true),
        ("Bearer guess", false),
        ("Bearer ", false),
        ("Basic valid", false),
    ] {
        let admitted = access.admit(&mut request(&[("authorization", header)], None)).await;
        assert_eq!(admitted.is_ok(), expected, "{header}");
    }
}

#[tokio::test]
async fn who_may_not_is_told_why() {
    let ca = Authority::new("ca");
    let (access, _reviewed, _believed) = access(&ca);
    let certificate = ca.client("aggregator").certificate;
    let mut request = request(&[("x-remote-user", "jane")], Some(certificate));
    let refused = access.admit(&mut request).await.unwrap_err().to_string();
    assert!(
        refused.starts_with("jane may not list kafka_lag") && refused.ends_with("no role says so"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn reviews_hold_for_ten_seconds() {
    let (access, reviewed, _believed) = access(&Authority::new("ca"));
    let ask = async || access.admit(&mut request(&[("authorization", "Bearer valid")], None)).await.is_ok();
    assert!(ask().await && ask().await);
    assert_eq!(reviewed.asked().len(), 2);
    tokio::time::advance(REVIEW_HOLDS).await;
    assert!(ask().await);
    assert_eq!(reviewed.asked().len(), 4);
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_permits_nothing_and_is_asked_again() {
    let (access, reviewed, _believed) = access(&Authority::new("ca"));
    let ask = async || access.admit(&mut request(&[("authorization", "Bearer valid")], None)).await;
    reviewed.is_away.store(true, Ordering::Relaxed);
    assert!(matches!(ask().await, Err(Refused::Review(_))));
    reviewed.is_away.store(false, Ordering::Relaxed);
    assert!(ask().await.is_ok());
}

#[tokio::test]
async fn discovery_by_the_api_server_itself_needs_no_review() {
    let ca = Authority::new("ca");
    let (access, reviewed, _believed) = access(&ca);
    let headers = [("x-remote-user", "system:kube-aggregator")];
    reviewed.is_away.store(true, Ordering::Relaxed);
    let mut request = request(&headers, Some(ca.client("aggregator").certificate));
    request.uri = "/apis/external.metrics.k8s.io/v1beta1".parse().unwrap();
    assert!(access.admit(&mut request).await.is_ok());
}
