//! The CAs that an APIService trusts (`caBundle`): ours, and those of other pods of ours that may still serve.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A rolling update has two pods; more than a few are leftovers.
const MAX_CAS: usize = 4;

/// The bundle with our CA in front of the others that are still valid; `None` where it is in it already.
///
/// The others stay, so that the pod that is being replaced is trusted until it has gone: the keys of those that have
/// gone are gone as well.
#[must_use]
pub fn with_ca(bundle: &str, ca: &str, now: SystemTime) -> Option<String> {
    let ours = certificates(ca);
    let theirs = certificates(bundle);
    if ours.iter().all(|(der, _)| theirs.iter().any(|(other, _)| other == der)) {
        return None;
    }
    let others = theirs.into_iter().filter(|(der, _)| !ours.iter().any(|(our, _)| our == der));
    let valid = others.filter(|(der, _)| is_valid(der, now));
    Some(ours.iter().cloned().chain(valid).take(MAX_CAS.max(ours.len())).map(|(_, pem)| pem).collect())
}

/// Every certificate of a PEM file, with the text that it stands in.
fn certificates(pem: &str) -> Vec<(CertificateDer<'static>, String)> {
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter_map(|text| {
            let text = format!("{}\n", text.trim());
            Some((CertificateDer::from_pem_slice(text.as_bytes()).ok()?, text))
        })
        .collect()
}

fn is_valid(certificate: &CertificateDer<'_>, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    x509_parser::parse_x509_certificate(certificate).is_ok_and(|(_, certificate)| {
        i64::try_from(now).is_ok_and(|now| certificate.validity().not_after.timestamp() > now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Issued;

    fn ca(now: SystemTime) -> String {
        Issued::new(&["lag-api.king.svc".to_owned()], now).unwrap().ca
    }

    #[test]
    fn our_ca_is_put_before_those_of_other_pods() {
        let now = SystemTime::now();
        let (ours, theirs) = (ca(now), ca(now));
        assert_eq!(certificates(&with_ca("", &ours, now).unwrap()), certificates(&ours));
        let both = with_ca(&theirs, &ours, now).unwrap();
        assert_eq!(certificates(&both), [certificates(&ours), certificates(&theirs)].concat());
        assert_eq!(with_ca(&both, &ours, now), None);
        assert_eq!(with_ca(&both, &theirs, now), None);
    }

    #[test]
    fn what_has_expired_or_is_none_leaves() {
        let now = SystemTime::now();
        let old = ca(now - 2 * crate::tls::issued::LIFETIME);
        let ours = ca(now);
        let bundle = with_ca(&format!("nothing\n{old}"), &ours, now).unwrap();
        assert_eq!(certificates(&bundle), certificates(&ours));
    }

    #[test]
    fn a_bundle_does_not_grow_for_ever() {
        let now = SystemTime::now();
        let mut bundle = String::new();
        for _ in 0..2 * MAX_CAS {
            bundle = with_ca(&bundle, &ca(now), now).unwrap();
        }
        assert_eq!(certificates(&bundle).len(), MAX_CAS);
    }
}
