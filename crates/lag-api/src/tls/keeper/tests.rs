use std::sync::Mutex;

use super::*;
use crate::testing::Authority;
use crate::tls::issued::LIFETIME;

/// Remembers what was to be trusted, and does as it is told.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<(Vec<String>, Option<String>)>>);

impl Recorder {
    fn trusted(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    fn fail(&self, reason: Option<&str>) {
        self.0.lock().unwrap().1 = reason.map(str::to_owned);
    }
}

#[async_trait]
impl Trust for Recorder {
    async fn trust(&mut self, ca: &str, _: SystemTime) -> Result<(), String> {
        let mut state = self.0.lock().unwrap();
        if let Some(reason) = &state.1 {
            return Err(reason.clone());
        }
        if state.0.last().is_none_or(|last| last != ca) {
            state.0.push(ca.to_owned());
        }
        Ok(())
    }
}

fn keeper(directory: Option<PathBuf>) -> (Keeper, Recorder) {
    let trust = Recorder::default();
    let hosts = vec!["lag-api.king.svc".to_owned()];
    (Keeper::new(directory, hosts, Arc::default(), Box::new(trust.clone())), trust)
}

#[tokio::test]
async fn a_certificate_of_our_own_is_renewed_and_trusted_before_it_is_shown() {
    let ((mut keeper, trust), now) = (keeper(None), SystemTime::now());
    assert!(keeper.keep(now).await.unwrap());
    let first = keeper.current.clone().unwrap();
    assert!(keeper.keep(now + LIFETIME / 2).await.unwrap());
    assert_eq!(
        (trust.trusted().len(), keeper.current.clone().unwrap().cert.clone()),
        (1, first.cert.clone())
    );
    trust.fail(Some("refused"));
    let due = now + LIFETIME * 3 / 4;
    assert!(!keeper.keep(due).await.unwrap());
    assert_eq!(keeper.current.clone().unwrap().cert, first.cert, "the old one is still trusted");
    trust.fail(None);
    assert!(keeper.keep(due).await.unwrap());
    assert_ne!(keeper.current.clone().unwrap().cert, first.cert);
    assert_eq!(trust.trusted().len(), 2);
}

#[tokio::test]
async fn without_an_api_server_there_is_a_certificate_all_the_same() {
    let (mut keeper, trust) = keeper(None);
    trust.fail(Some("refused"));
    assert!(!keeper.keep(SystemTime::now()).await.unwrap());
    assert!(keeper.current.is_some());
}

#[tokio::test]
async fn what_is_mounted_comes_first_and_is_read_anew() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new("ca"));
    let write = |file: &str, text: &str| std::fs::write(directory.path().join(file), text).unwrap();
    let (mut keeper, trust) = keeper(Some(directory.path().to_owned()));
    let now = SystemTime::now();
    keeper.keep(now).await.unwrap();
    let own = keeper.current.clone().unwrap();
    for _ in 0..2 {
        let leaf = authority.server("lag-api.king.svc");
        write("tls.crt", &leaf.certificate_pem);
        write("tls.key", &leaf.key_pem);
        assert!(keeper.keep(now).await.unwrap());
        assert_eq!(keeper.current.clone().unwrap().cert, [leaf.certificate]);
    }
    assert_eq!(trust.trusted().len(), 1, "a CA that is not beside it is somebody else's business");
    write("ca.crt", &authority.pem());
    keeper.keep(now).await.unwrap();
    assert_eq!(trust.trusted().last(), Some(&authority.pem()));
    // Half a Secret is no reason to fall back, and none to stop.
    let mounted = keeper.current.clone().unwrap();
    std::fs::remove_file(directory.path().join("tls.key")).unwrap();
    assert!(keeper.keep(now).await.is_err());
    assert_eq!(keeper.current.clone().unwrap().cert, mounted.cert);
    std::fs::remove_file(directory.path().join("tls.crt")).unwrap();
    keeper.keep(now).await.unwrap();
    assert_eq!(keeper.current.clone().unwrap().cert, own.cert);
}

#[tokio::test]
async fn what_is_mounted_is_not_shown_once_it_has_expired() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new("ca"));
    let mount = |leaf: &crate::testing::Leaf| {
        std::fs::write(directory.path().join("tls.crt"), &leaf.certificate_pem).unwrap();
        std::fs::write(directory.path().join("tls.key"), &leaf.key_pem).unwrap();
    };
    let (mut keeper, trust) = keeper(Some(directory.path().to_owned()));
    mount(&authority.expired_server("lag-api.king.svc"));
    assert!(keeper.keep(SystemTime::now()).await.unwrap(), "one of our own is better");
    assert_eq!(trust.trusted().len(), 1);
    let renewed = authority.server("lag-api.king.svc");
    mount(&renewed);
    keeper.keep(SystemTime::now()).await.unwrap();
    assert_eq!(keeper.current.clone().unwrap().cert, [renewed.certificate]);
}
