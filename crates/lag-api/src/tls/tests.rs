//! A real TLS client over a real connection.

use std::net::SocketAddr;

use axum::Router;
use process::Shutdown;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::api::{self, Api};
use crate::served::Served;
use crate::testing::{Authority, Leaf, access, pods, sampled, sources};

const HOST: &str = "lag-api.king.svc";
const METRIC: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/king/kafka_lag_total";

/// The whole port, with everything behind it but a cluster.
struct Port {
    address: SocketAddr,
    shown: Arc<Shown>,
    /// Signs for the front proxy.
    front_proxy: Authority,
    shutdown: Shutdown,
    serving: tokio::task::JoinHandle<()>,
}

impl Port {
    async fn open() -> Self {
        let ((sources, publish), front_proxy, shutdown) = (sources(), Authority::new("ca"), Shutdown::new());
        publish.sampled.send_replace(sampled(&[(3, Some("a"))]));
        publish.pods.send_replace(pods(&["a"]));
        let api = Api {
            namespace: "king".to_owned(),
            sources,
            access: access(&front_proxy).0,
            served: Arc::new(Served::default()),
            readiness: process::Readiness::new(),
            shutdown: shutdown.clone(),
        };
        Self::serve(api::router(Arc::new(api)), front_proxy, shutdown).await
    }

    async fn serve(router: Router, front_proxy: Authority, shutdown: Shutdown) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shown) = (listener.local_addr().unwrap(), Arc::new(Shown::default()));
        let config = server_config(Arc::clone(&shown)).unwrap();
        let serving = tokio::spawn(serve(listener, config, router, shutdown.clone()));
        Self { address, shown, front_proxy, shutdown, serving }
    }

    /// The status line of the answer, over a connection of its own.
    async fn ask(&self, ca: &str, client: Option<&Leaf>, headers: &str) -> std::io::Result<String> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(HOST).unwrap();
        let mut stream =
            TlsConnector::from(Arc::new(client_config(ca, client))).connect(name, stream).await?;
        let request = format!("GET {METRIC} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }
}

fn client_config(ca: &str, client: Option<&Leaf>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ca.as_bytes()).flatten());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match client {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![leaf.certificate.clone()], key).unwrap()
        }
    }
}

fn issued() -> Issued {
    Issued::new(&[HOST.to_owned()], std::time::SystemTime::now()).unwrap()
}

#[tokio::test]
async fn headers_count_only_with_the_front_proxys_certificate() {
    let (port, own) = (Port::open().await, issued());
    port.shown.set(Arc::clone(&own.certificate));
    let (stranger, robot) = (Authority::new("ca"), "x-remote-user: robot\r\n");
    let proxy = port.front_proxy.client("aggregator");
    for (client, headers, expected) in [
        (Some(&proxy), robot, "HTTP/1.1 200 OK"),
        (Some(&proxy), "x-remote-user: jane\r\n", "HTTP/1.1 403 Forbidden"),
        (Some(&proxy), "", "HTTP/1.1 401 Unauthorized"),
        (None, robot, "HTTP/1.1 401 Unauthorized"),
        (Some(&stranger.client("aggregator")), robot, "HTTP/1.1 401 Unauthorized"),
        (Some(&port.front_proxy.client("kubelet")), robot, "HTTP/1.1 401 Unauthorized"),
        (None, "authorization: Bearer valid\r\n", "HTTP/1.1 200 OK"),
        // Somebody with a certificate that means nothing to us may still have a token.
        (Some(&stranger.client("jane")), "authorization: Bearer valid\r\n", "HTTP/1.1 200 OK"),
    ] {
        let answer = port.ask(&own.ca, client, headers).await.unwrap();
        assert_eq!(answer, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused() {
    let (port, own) = (Port::open().await, issued());
    port.shown.set(Arc::clone(&own.certificate));
    let proxy = port.front_proxy.client("aggregator");
    let stolen = Leaf { key_pem: Authority::new("ca").client("aggregator").key_pem, ..proxy };
    let key = PrivateKeyDer::from_pem_slice(stolen.key_pem.as_bytes()).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    let mut config = client_config(&own.ca, None);
    let stolen = CertifiedKey::new(vec![stolen.certificate.clone()], key);
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
    let stream = TcpStream::connect(port.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let answer = async {
        let mut stream = connector.connect(ServerName::try_from(HOST).unwrap(), stream).await?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        stream.read_u8().await
    };
    assert!(answer.await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_connection() {
    let port = Port::open().await;
    let (first, second) = (issued(), issued());
    assert!(port.ask(&first.ca, None, "").await.is_err(), "nothing is shown yet");
    port.shown.set(Arc::clone(&first.certificate));
    assert!(port.ask(&first.ca, None, "").await.is_ok());
    port.shown.set(Arc::clone(&second.certificate));
    assert!(port.ask(&first.ca, None, "").await.is_err());
    assert!(port.ask(&second.ca, None, "").await.is_ok());
}

#[tokio::test]
async fn a_stop_waits_for_a_request_that_is_under_way() {
    let (started, mut has_started) = tokio::sync::mpsc::channel(1);
    let slow = async move || {
        started.send(()).await.unwrap();
        tokio::time::sleep(super::listener::FAREWELL).await;
        "done"
    };
    let router = Router::new().route(METRIC, axum::routing::get(slow));
    let (port, own) = (Port::serve(router, Authority::new("ca"), Shutdown::new()).await, issued());
    port.shown.set(Arc::clone(&own.certificate));
    let asking = port.ask(&own.ca, None, "");
    let stopping = async {
        has_started.recv().await;
        port.shutdown.request();
    };
    let (answer, ()) = tokio::join!(asking, stopping);
    assert_eq!(answer.unwrap(), "HTTP/1.1 200 OK");
    port.serving.await.unwrap();
}
