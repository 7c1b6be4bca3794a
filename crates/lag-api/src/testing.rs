//! What the tests look at: samples and pods as they are published, at a time that stands still.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::lag::{Group, PartitionOffsets, Sample, Sampled};
use model::scaling::PodState;
use process::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use crate::auth::{Access, Attributes, FrontProxy, ReviewError, Reviews, User};
use crate::look::{self, Pod, Pods, Sources};

/// The time of all tests: 2026-01-01T00:00:00Z.
pub(crate) const NOW_MS: model::Millis = 1_767_225_600_000;

/// The sending ends of [`Sources`].
pub(crate) struct Publish {
    pub(crate) sampled: watch::Sender<Sampled>,
    pub(crate) pods: watch::Sender<Pods>,
}

/// Sources that know nothing yet.
pub(crate) fn sources() -> (Sources, Publish) {
    let (sampled, samples) = watch::channel(Sampled::default());
    let (pods, seen) = watch::channel(Pods::default());
    let topics = Arc::new(kafka::sampler::demo_topics());
    let group = Arc::new(look::Group { id: workload::topics::GROUP_ID.to_owned(), topics });
    let sources = Sources { group, sampled: samples, pods: seen, clock: Clock::new(|| NOW_MS) };
    (sources, Publish { sampled, pods })
}

/// A sample of now: both inputs of partition p lag by the same number, and belong to the same pod.
pub(crate) fn sampled(partitions: &[(u64, Option<&str>)]) -> Sampled {
    let offsets = |&(lag, _): &(u64, Option<&str>)| {
        let committed = 100;
        let lag = i64::try_from(lag).unwrap();
        Some(PartitionOffsets {
            committed_offset: Some(committed),
            log_start_offset: 40,
            log_end_offset: committed + lag,
            high_watermark: Some(committed + lag),
        })
    };
    let offsets: Vec<_> = partitions.iter().map(offsets).collect();
    let owners: Vec<_> = partitions.iter().map(|(_, owner)| owner.map(str::to_owned)).collect();
    let group = Some(Group { state: "Stable".to_owned(), owners: vec![owners; 2], members: Vec::new() });
    let sample = Sample {
        sampled_ms: NOW_MS,
        topics: Arc::new(kafka::sampler::demo_topics()),
        offsets: vec![offsets; 2],
        doubts: Vec::new(),
        group,
    };
    Sampled { sample: Some(sample), outage: None }
}

/// Pods that run, each with the label `name` besides that of the application.
pub(crate) fn pods(names: &[&str]) -> Pods {
    let pod = |name: &&str| {
        let labels = [("app.kubernetes.io/name", "kstreams"), ("name", *name)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Pod { name: (*name).to_owned(), labels, state: PodState::Running }
    };
    Pods { pods: Some(names.iter().map(pod).collect()), outage: None }
}

/// A CA for tests, with what it signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn client(&self, name: &str) -> Leaf {
        self.leaf(params(name), ExtendedKeyUsagePurpose::ClientAuth)
    }

    pub(crate) fn expired_client(&self, name: &str) -> Leaf {
        self.leaf(expired(params(name)), ExtendedKeyUsagePurpose::ClientAuth)
    }

    pub(crate) fn server(&self, host_name: &str) -> Leaf {
        self.leaf(for_host(host_name), ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn expired_server(&self, host_name: &str) -> Leaf {
        self.leaf(expired(for_host(host_name)), ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn leaf(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Leaf {
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

fn for_host(host_name: &str) -> CertificateParams {
    let mut params = params(host_name);
    params.subject_alt_names = vec![SanType::DnsName(host_name.try_into().unwrap())];
    params
}

fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    params
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// The data of the ConfigMap `extension-apiserver-authentication`, as a cluster writes it.
pub(crate) fn front_proxy_data(ca: &Authority, allowed_names: &[&str]) -> BTreeMap<String, String> {
    [
        ("requestheader-client-ca-file", ca.pem()),
        ("requestheader-allowed-names", serde_json::to_string(allowed_names).unwrap()),
        ("requestheader-username-headers", r#"["X-Remote-User"]"#.to_owned()),
        ("requestheader-uid-headers", r#"["X-Remote-Uid"]"#.to_owned()),
        ("requestheader-group-headers", r#"["X-Remote-Group"]"#.to_owned()),
        ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// What a [`FakeReviews`] was asked, and what it answers.
#[derive(Debug, Default)]
pub(crate) struct Reviewed {
    /// Questions, in order.
    pub(crate) asked: Mutex<Vec<String>>,
    /// Fails every question.
    pub(crate) is_away: AtomicBool,
}

impl Reviewed {
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn ask(&self, question: String) -> Result<(), ReviewError> {
        self.asked.lock().unwrap().push(question);
        let away = || ReviewError::Access(Box::new(kube::Error::LinesCodecMaxLineLengthExceeded));
        if self.is_away.load(Ordering::Relaxed) { Err(away()) } else { Ok(()) }
    }
}

/// Knows the token `valid`, which is the user `robot`'s. `robot` and `autoscaler` may do everything, others nothing.
pub(crate) struct FakeReviews(pub(crate) Arc<Reviewed>);

#[async_trait]
impl Reviews for FakeReviews {
    async fn token(&self, token: &str) -> Result<Option<User>, ReviewError> {
        self.0.ask(format!("token {token}"))?;
        Ok((token == "valid").then(|| user("robot")))
    }

    async fn permit(
        &self,
        user: &User,
        attributes: &Attributes,
    ) -> Result<Result<(), Option<String>>, ReviewError> {
        self.0.ask(format!("{}: {attributes}", user.name))?;
        let may = user.name == "robot" || user.name == AUTOSCALER;
        Ok(if may { Ok(()) } else { Err(Some("no role says so".to_owned())) })
    }
}

pub(crate) const AUTOSCALER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";

pub(crate) fn user(name: &str) -> User {
    User { name: name.to_owned(), ..User::default() }
}

/// Decides by a front proxy with this CA and the common name `aggregator`.
pub(crate) fn access(ca: &Authority) -> (Access, Arc<Reviewed>, watch::Sender<Option<Arc<FrontProxy>>>) {
    let front_proxy = FrontProxy::read(&front_proxy_data(ca, &["aggregator"])).unwrap();
    let (believed, seen) = watch::channel(Some(Arc::new(front_proxy)));
    let reviewed = Arc::new(Reviewed::default());
    (Access::new(seen, Box::new(FakeReviews(Arc::clone(&reviewed)))), reviewed, believed)
}
