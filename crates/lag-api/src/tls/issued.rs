//! A certificate of our own making, under a CA of its own that exists in this process only and has signed nothing else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// How long a certificate is valid.
pub(super) const LIFETIME: Duration = Duration::from_hours(7 * 24);
/// The API server's clock may be behind ours.
const BACKDATED: Duration = Duration::from_hours(1);

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The parts do not make a certificate.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The certificate cannot be shown.
    #[error("cannot use the certificate that was made")]
    Use(#[from] rustls::Error),
}

/// A certificate with its CA.
#[derive(Debug, Clone)]
pub struct Issued {
    /// What we show.
    pub certificate: Arc<CertifiedKey>,
    /// Whom others have to trust, in PEM.
    pub ca: String,
    /// When it ends.
    pub ends: SystemTime,
    renew_at: SystemTime,
}

impl Issued {
    /// Makes one for these host names.
    ///
    /// # Errors
    /// When a name is no host name.
    pub fn new(host_names: &[String], now: SystemTime) -> Result<Self, IssueError> {
        let ca = CertifiedIssuer::self_signed(ca_params(now), KeyPair::generate()?)?;
        let mut params = CertificateParams::new(host_names)?;
        name(&mut params, host_names.first().map_or("lag-api", String::as_str));
        validity(&mut params, now);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &ca)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certificate = CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider())?;
        Ok(Self {
            certificate: Arc::new(certificate),
            ca: ca.pem(),
            ends: now + LIFETIME,
            renew_at: now + LIFETIME * 2 / 3,
        })
    }

    /// Whether it is time for another one.
    #[must_use]
    pub fn is_due(&self, now: SystemTime) -> bool {
        now >= self.renew_at
    }
}

fn ca_params(now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    name(&mut params, "lag-api self-made CA");
    validity(&mut params, now);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn name(params: &mut CertificateParams, common_name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
}

fn validity(params: &mut CertificateParams, now: SystemTime) {
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + LIFETIME).into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_well_before_it_expires() {
        let now = SystemTime::now();
        let issued = Issued::new(&["lag-api.king.svc".to_owned()], now).unwrap();
        assert!(!issued.is_due(now + LIFETIME / 2));
        assert!(issued.is_due(now + LIFETIME * 3 / 4));
    }

    #[test]
    fn what_is_no_host_name_gets_no_certificate() {
        assert!(Issued::new(&["läg".to_owned()], SystemTime::now()).is_err());
    }
}
