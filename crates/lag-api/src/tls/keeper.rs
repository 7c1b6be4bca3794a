//! Keeps the certificate fresh: takes what is mounted, else makes one and renews it, and has the API server trust it
//! before it is shown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustls::sign::CertifiedKey;
use tracing::{error, info, warn};

use super::{Expiry, IssueError, Issued, MountError, Mounted, Shown};

/// How often the directory, the certificate's age and the APIServices are looked at.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Makes others trust a CA.
#[async_trait]
pub trait Trust: Send + Sync {
    /// Puts the CA where those who connect to us look it up, unless it is there already.
    ///
    /// # Errors
    /// One sentence that says why it may not be there.
    async fn trust(&mut self, ca: &str, now: SystemTime) -> Result<(), String>;
}

/// There is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// What is mounted is of no use.
    #[error("the mounted certificate is of no use")]
    Mounted(#[from] MountError),
    /// None could be made.
    #[error("there is no certificate")]
    Issue(#[from] IssueError),
}

/// Where the certificate comes from, and where it goes.
pub struct Keeper {
    /// Where a Secret may be mounted.
    pub directory: Option<PathBuf>,
    /// For whom a certificate of our own is made out.
    pub host_names: Vec<String>,
    /// Shows it.
    pub shown: Arc<Shown>,
    /// Makes others trust it.
    pub trust: Box<dyn Trust>,
    /// Tells when it ends.
    pub expiry: Expiry,
    /// Our own, while nothing is mounted.
    issued: Option<Issued>,
    /// What is shown.
    current: Option<Arc<CertifiedKey>>,
}

impl Keeper {
    /// Shows nothing before the first [`Keeper::keep`].
    #[must_use]
    pub fn new(
        directory: Option<PathBuf>,
        host_names: Vec<String>,
        shown: Arc<Shown>,
        trust: Box<dyn Trust>,
    ) -> Self {
        let expiry = Expiry::default();
        Self { directory, host_names, shown, trust, expiry, issued: None, current: None }
    }

    /// Does what is to be done now. Afterwards a certificate is shown; `true` where it is known to be trusted.
    ///
    /// # Errors
    /// When there is no certificate that could be shown; an earlier one stays.
    pub async fn keep(&mut self, now: SystemTime) -> Result<bool, KeepError> {
        let mounted = self.directory.as_deref().map(Mounted::read).transpose()?.flatten();
        let mounted_end = mounted.as_ref().map(|mounted| mounted.ends);
        let (certificate, ca) = match mounted.filter(|mounted| mounted.ends > now) {
            Some(mounted) => (mounted.certificate, mounted.ca),
            // Nobody would trust one that has expired.
            None => {
                let issued = self.issued(now)?;
                (Arc::clone(&issued.certificate), Some(issued.ca.clone()))
            }
        };
        let trusted = match &ca {
            Some(ca) => self.trust.trust(ca, now).await,
            None => Ok(()),
        };
        if let Err(reason) = &trusted {
            warn!(reason, "the API server may not trust our certificate");
        }
        // One that is not trusted yet is better than none, and worse than the one before.
        if trusted.is_ok() || self.current.is_none() {
            self.show(certificate);
        }
        self.tell_expiry(mounted_end);
        Ok(trusted.is_ok())
    }

    fn tell_expiry(&self, mounted_end: Option<SystemTime>) {
        let own = self.issued.as_ref();
        let own_is_shown = self.is_own(self.current.as_ref());
        self.expiry.set([
            own.map(|own| ("self_made", own.ends, own_is_shown)),
            mounted_end.map(|end| ("mounted", end, self.current.is_some() && !own_is_shown)),
        ]);
    }

    fn is_own(&self, certificate: Option<&Arc<CertifiedKey>>) -> bool {
        let own = self.issued.as_ref().map(|own| &own.certificate.cert);
        own.is_some() && own == certificate.map(|certificate| &certificate.cert)
    }

    fn issued(&mut self, now: SystemTime) -> Result<&Issued, IssueError> {
        let usable = self.issued.take().filter(|issued| !issued.is_due(now));
        let issued = match usable {
            Some(issued) => issued,
            None => Issued::new(&self.host_names, now)?,
        };
        Ok(self.issued.insert(issued))
    }

    fn show(&mut self, certificate: Arc<CertifiedKey>) {
        if self.current.as_ref().is_none_or(|current| current.cert != certificate.cert) {
            info!(self_made = self.is_own(Some(&certificate)), "a new certificate is shown");
            self.shown.set(Arc::clone(&certificate));
            self.current = Some(certificate);
        }
    }

    /// Keeps it for ever, and says after each turn whether we can be reached over TLS.
    pub async fn run(mut self, tell: impl Fn(bool)) {
        let mut interval = tokio::time::interval(INTERVAL);
        let mut was_trusted = false;
        loop {
            interval.tick().await;
            match self.keep(SystemTime::now()).await {
                Ok(trusted) => was_trusted |= trusted,
                Err(error) => {
                    error!(error = &error as &dyn std::error::Error, "the certificate stays as it is")
                }
            }
            tell(was_trusted && self.current.is_some());
        }
    }
}

#[cfg(test)]
mod tests;
