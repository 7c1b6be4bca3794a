//! Whom lag-api believes, and what it does with certificates that have expired: those of its callers, and its own.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cluster_tests::Demo;
use cluster_tests::component::directory;
use cluster_tests::demo::NAMESPACE;
use cluster_tests::wait::until;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{DeleteParams, PostParams};
use kube::config::AuthInfo;
use kube::{Api, Client, Config};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};

use crate::metrics::{EXTERNAL, is_available};

const A_WHILE: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTOSCALER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
const NAMES: [&str; 2] = ["v1beta1.external.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];

/// A certificate and its key in PEM, valid from yesterday until `end`.
fn certificate(
    common: &str,
    host: Option<&str>,
    end: SystemTime,
    issuer: &Issuer<'_, impl rcgen::SigningKey>,
) -> (String, String) {
    let mut params = CertificateParams::new(host.map(str::to_owned).into_iter().collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = (SystemTime::now() - 2 * DAY).into();
    params.not_after = end.into();
    let usage = if host.is_some() {
        ExtendedKeyUsagePurpose::ServerAuth
    } else {
        ExtendedKeyUsagePurpose::ClientAuth
    };
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn authority_params(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let params = authority_params("an authority of a test's");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What lag-api answers to somebody who says to speak for the autoscaler, with this certificate or none.
async fn status(address: &str, identity: Option<(String, String)>) -> Result<u16, kube::Error> {
    let mut config = Config::new(format!("https://{address}").parse().unwrap());
    config.accept_invalid_certs = true;
    config.default_retry = false;
    if let Some((certificate, key)) = identity {
        config.auth_info = AuthInfo {
            client_certificate_data: Some(BASE64_STANDARD.encode(certificate)),
            client_key_data: Some(BASE64_STANDARD.encode(key).into()),
            ..AuthInfo::default()
        };
    }
    let request = http::Request::get(format!("{EXTERNAL}/kafka_lag_total"))
        .header("X-Remote-User", AUTOSCALER)
        .header("X-Remote-Group", "system:serviceaccounts")
        .body(kube::client::Body::empty())
        .unwrap();
    Ok(Client::try_from(config)?.send(request).await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_valid_certificate_of_the_api_servers_proxy_speaks_for_others() {
    let demo = Demo::calm().await;
    let services: Api<Service> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let address = services.get("lag-api").await.unwrap().spec.unwrap().cluster_ip.unwrap();
    let key = std::fs::read_to_string(directory().join("pki/front-proxy-ca.key")).unwrap();
    let proxy = Issuer::new(authority_params("front-proxy-ca"), KeyPair::from_pem(&key).unwrap());
    let (yesterday, tomorrow) = (SystemTime::now() - DAY, SystemTime::now() + DAY);
    let stranger = authority();

    let valid = certificate("front-proxy-client", None, tomorrow, &proxy);
    assert_eq!(status(&address, Some(valid)).await.unwrap(), 200);
    assert_eq!(status(&address, None).await.unwrap(), 401, "no certificate");
    for (what, identity) in [
        ("expired", certificate("front-proxy-client", None, yesterday, &proxy)),
        ("another name", certificate("somebody", None, tomorrow, &proxy)),
        ("another authority", certificate("front-proxy-client", None, tomorrow, &stranger)),
    ] {
        // Refused by TLS already, or let in as nobody.
        match status(&address, Some(identity)).await {
            Ok(status) => assert_eq!(status, 401, "{what}"),
            Err(error) => println!("{what}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_of_its_own_is_not_shown_and_a_renewed_one_is() {
    let demo = Demo::calm().await;
    let secrets: Api<Secret> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let services: Api<APIService> = Api::all(demo.client.clone());
    let host = "lag-api.king-of-scaling.svc";
    let ca = authority();
    let secret = |end: SystemTime| {
        let (certificate, key) = certificate(host, Some(host), end, &ca);
        let data = [("tls.crt", certificate), ("tls.key", key), ("ca.crt", ca.pem())];
        Secret {
            metadata: kube::core::ObjectMeta { name: Some("lag-api-tls".to_owned()), ..Default::default() },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(data.map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes()))).into()),
            ..Secret::default()
        }
    };
    // What there is, and whether it is shown.
    let certificates = |from: &'static str, is_shown: bool| {
        let lag_api = demo.lag_api.clone();
        async move {
            let metrics = reqwest::get(format!("{lag_api}/metrics")).await.ok()?.text().await.ok()?;
            let name = "lag_api_certificate_expires_timestamp_seconds";
            let line = format!(r#"{name}{{from="{from}",shown="{is_shown}"}}"#);
            metrics.lines().any(|found| found.starts_with(&line)).then_some(())
        }
    };
    let own = || certificates("self_made", true);
    let mounted = || certificates("mounted", true);
    let expired = || certificates("mounted", false);
    until("its own certificate", A_WHILE, own).await;
    secrets.create(&PostParams::default(), &secret(SystemTime::now() - DAY)).await.unwrap();
    until("an expired one is mounted, and not shown", A_WHILE, expired).await;
    stay_available(&services).await;
    secrets.delete("lag-api-tls", &DeleteParams::default()).await.unwrap();
    secrets.create(&PostParams::default(), &secret(SystemTime::now() + DAY)).await.unwrap();
    until("the renewed one is shown", A_WHILE, mounted).await;
    stay_available(&services).await;
    secrets.delete("lag-api-tls", &DeleteParams::default()).await.unwrap();
    until("its own certificate again", A_WHILE, own).await;
    stay_available(&services).await;
}

/// Both APIs answer through the API server now, and are Available.
async fn stay_available(services: &Api<APIService>) {
    let client = services.clone().into_client();
    crate::metrics::raw(&client, &format!("{EXTERNAL}/kafka_lag_total")).await.unwrap();
    for name in NAMES {
        assert!(is_available(&services.get(name).await.unwrap()), "{name}");
    }
}
