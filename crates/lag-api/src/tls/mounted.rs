//! A certificate from a mounted Secret, in the files that cert-manager writes: `tls.crt`, `tls.key` and `ca.crt`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// The files do not make a certificate.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM of the right kind.
    #[error("{file} is not what it should be, in PEM")]
    Parse {
        /// The file.
        file: &'static str,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in tls.crt, or none that says when it ends.
    #[error("tls.crt has no certificate")]
    Unreadable,
    /// Certificate and key do not fit together.
    #[error("tls.key does not belong to tls.crt")]
    Use(#[source] rustls::Error),
}

/// A certificate, with the CA beside it if there is one.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// What we show.
    pub certificate: Arc<CertifiedKey>,
    /// Whom others have to trust, in PEM; `None` where that is somebody else's business.
    pub ca: Option<String>,
    /// When it ends.
    pub ends: SystemTime,
}

impl Mounted {
    /// Reads the directory; `None` where it holds no certificate (the Secret is optional).
    ///
    /// # Errors
    /// When what is there is no certificate with its key.
    pub fn read(directory: &Path) -> Result<Option<Self>, MountError> {
        let Some(certificate) = read(directory, "tls.crt")? else { return Ok(None) };
        let key = read(directory, "tls.key")?.unwrap_or_default();
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|source| MountError::Parse { file: "tls.crt", source })?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|source| MountError::Parse { file: "tls.key", source })?;
        let ends = chain.first().and_then(end).ok_or(MountError::Unreadable)?;
        let certificate = CertifiedKey::from_der(chain, key, &provider()).map_err(MountError::Use)?;
        let ca = read(directory, "ca.crt")?.filter(|ca| !ca.trim().is_empty());
        Ok(Some(Self { certificate: Arc::new(certificate), ca, ends }))
    }
}

/// When a certificate ends.
fn end(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn read(directory: &Path, file: &str) -> Result<Option<String>, MountError> {
    let path = directory.join(file);
    match std::fs::read(&path) {
        // Remarks between the certificates may be in any encoding.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(MountError::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Authority;

    #[test]
    fn a_secret_that_is_not_there_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Mounted::read(directory.path()).unwrap().is_none());
        assert!(Mounted::read(&directory.path().join("nowhere")).unwrap().is_none());
    }

    #[test]
    fn a_remark_in_another_encoding_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let server = Authority::new("ca").server("lag-api.king.svc");
        let certificate =
            [b"Ausgestellt f\xFCr lag-api\n".as_slice(), server.certificate_pem.as_bytes()].concat();
        std::fs::write(directory.path().join("tls.crt"), certificate).unwrap();
        std::fs::write(directory.path().join("tls.key"), &server.key_pem).unwrap();
        assert!(Mounted::read(directory.path()).unwrap().is_some());
    }

    #[test]
    fn a_certificate_needs_the_key_that_belongs_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let (authority, write) = (Authority::new("ca"), |file: &str, text: &str| {
            std::fs::write(directory.path().join(file), text).unwrap()
        });
        let (server, other) = (authority.server("lag-api.king.svc"), authority.server("lag-api.king.svc"));
        write("tls.crt", &server.certificate_pem);
        assert!(matches!(Mounted::read(directory.path()), Err(MountError::Parse { file: "tls.key", .. })));
        write("tls.key", &other.key_pem);
        assert!(matches!(Mounted::read(directory.path()), Err(MountError::Use(_))));
        write("tls.key", &server.key_pem);
        assert_eq!(Mounted::read(directory.path()).unwrap().unwrap().ca, None);
        write("ca.crt", &authority.pem());
        assert_eq!(Mounted::read(directory.path()).unwrap().unwrap().ca, Some(authority.pem()));
    }
}
