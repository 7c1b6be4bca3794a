//! Files of CAs that people give: whether OpenSSL finds certificates in them, and if not, what they are and how to
//! convert them.

use model::text::{self, Encoding};

/// The names under which OpenSSL takes a certificate.
const CERTIFICATES: [&str; 3] = ["CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"];
const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// What a file is, if it holds no certificates in PEM, and what makes some of it. `FILE` stands for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoCa {
    #[error("it is empty")]
    Empty,
    #[error("it is in UTF-16: `iconv -f UTF-16 -t UTF-8 FILE > ca.pem` converts it")]
    Utf16,
    #[error("it is a certificate in DER: `openssl x509 -inform der -in FILE -out ca.pem` converts it")]
    Der,
    #[error(
        "it is a PKCS#12 store: `openssl pkcs12 -in FILE -cacerts -nokeys -out ca.pem` takes its CAs out"
    )]
    Pkcs12,
    #[error(
        "it holds certificates as PKCS#7 in DER: `openssl pkcs7 -inform der -in FILE -print_certs -out ca.pem` takes them out"
    )]
    Pkcs7Der,
    #[error(
        "it holds certificates as PKCS#7: `openssl pkcs7 -in FILE -print_certs -out ca.pem` takes them out"
    )]
    Pkcs7,
    #[error(
        "it is a Java key store: `keytool -exportcert -rfc -keystore FILE -alias NAME -file ca.pem` takes one out"
    )]
    JavaKeyStore,
    #[error("its lines end with a carriage return alone: `tr '\\r' '\\n' < FILE > ca.pem` converts it")]
    CarriageReturns,
    #[error("its lines are indented: `sed 's/^[[:blank:]]*//' FILE > ca.pem` converts it")]
    Indented,
    #[error("a certificate in it has no end: the file was cut off")]
    CutOff,
    #[error("it is a private key, not the CA's certificate")]
    PrivateKey,
    #[error("it is a request for a certificate, which its CA has to sign first")]
    Request,
    #[error("it is a public key, not the CA's certificate")]
    PublicKey,
    #[error("it holds no certificate in PEM, which begins with `-----BEGIN CERTIFICATE-----`")]
    Nothing,
}

/// Whether OpenSSL finds certificates in the bytes of a file. Remarks may be in any encoding.
pub(super) fn check(bytes: &[u8]) -> Result<(), NoCa> {
    if bytes.is_empty() {
        return Err(NoCa::Empty);
    }
    let Some((text, encoding)) = text::decode(bytes) else { return Err(binary(bytes)) };
    if encoding == Encoding::Utf16 {
        return Err(NoCa::Utf16);
    }
    let mut found = 0;
    let mut open = None;
    for line in text.split('\n') {
        if let Some(name) = open {
            if marker(line, "-----END ") == Some(name) {
                open = None;
                found += 1;
            } else if line.starts_with(DASHES) {
                return Err(NoCa::CutOff);
            }
        } else {
            open = marker(line, BEGIN).filter(|name| CERTIFICATES.contains(name));
        }
    }
    match (open, found) {
        (Some(_), _) => Err(NoCa::CutOff),
        (None, 0) => Err(what_else(bytes, &text)),
        (None, _) => Ok(()),
    }
}

/// The name in a line such as `-----BEGIN CERTIFICATE-----`. OpenSSL passes over what is white at its end.
fn marker<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(begin)?.strip_suffix(DASHES)
}

/// A text without a certificate that OpenSSL finds.
fn what_else(bytes: &[u8], text: &str) -> NoCa {
    let names = || text.split(BEGIN).skip(1).filter_map(|rest| rest.split(DASHES).next());
    if names().any(|name| CERTIFICATES.contains(&name)) {
        // It is there, and not where a line begins and ends.
        return if text.contains('\n') { NoCa::Indented } else { NoCa::CarriageReturns };
    }
    names()
        .find_map(|name| match name {
            "PKCS7" | "CMS" => Some(NoCa::Pkcs7),
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Some(NoCa::Request),
            "PUBLIC KEY" => Some(NoCa::PublicKey),
            name if name.ends_with("PRIVATE KEY") => Some(NoCa::PrivateKey),
            _ => None,
        })
        .unwrap_or_else(|| binary(bytes))
}

/// What begins as these bytes do. The ASN.1 of all three is a sequence: of a sequence (the part of a certificate that
/// is signed), of the number 3, or of an object identifier.
fn binary(bytes: &[u8]) -> NoCa {
    const SEQUENCE: u8 = 0x30;
    const NUMBER: u8 = 0x02;
    const IDENTIFIER: u8 = 0x06;
    if bytes.starts_with(b"\xFE\xED\xFE\xED") {
        return NoCa::JavaKeyStore;
    }
    let [SEQUENCE, length, rest @ ..] = bytes else { return NoCa::Nothing };
    let more = if length & 0x80 == 0 { 0 } else { usize::from(length & 0x7F) };
    match rest.get(more) {
        Some(&SEQUENCE) => NoCa::Der,
        Some(&NUMBER) => NoCa::Pkcs12,
        Some(&IDENTIFIER) => NoCa::Pkcs7Der,
        _ => NoCa::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIC+TCC\n-----END CERTIFICATE-----\n";

    #[test]
    fn certificates_are_found_as_openssl_finds_them() {
        for bytes in [
            PEM.as_bytes().to_vec(),
            [b"# die Zertifikate f\xFCr die B\xFChne\n", PEM.as_bytes()].concat(),
            format!("\u{feff}{PEM}").into_bytes(),
            format!("{PEM}{PEM}").into_bytes(),
            PEM.replace('\n', "\r\n").into_bytes(),
            PEM.replace("CERTIFICATE", "TRUSTED CERTIFICATE").into_bytes(),
            PEM.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes(),
            PEM.replace('\n', " \n").into_bytes(),
            format!("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n{PEM}").into_bytes(),
        ] {
            assert_eq!(check(&bytes), Ok(()), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn what_else_a_file_is_is_told_with_how_to_convert_it() {
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        for (bytes, expected) in [
            (Vec::new(), NoCa::Empty),
            (utf16(&format!("\u{feff}{PEM}")), NoCa::Utf16),
            (utf16(PEM), NoCa::Utf16),
            (b"\x30\x82\x02\xF9\x30\x82\x01\xE1\xA0\x03\x02\x01\x02".to_vec(), NoCa::Der),
            (b"\x30\x82\x09\xCF\x02\x01\x03\x30\x82\x09\x85".to_vec(), NoCa::Pkcs12),
            (b"\x30\x82\x03\x28\x06\x09\x2A\x86\x48\x86\xF7\x0D".to_vec(), NoCa::Pkcs7Der),
            (b"\xFE\xED\xFE\xED\0\0\0\x02".to_vec(), NoCa::JavaKeyStore),
            (PEM.replace("CERTIFICATE", "PKCS7").into_bytes(), NoCa::Pkcs7),
            (PEM.replace('\n', "\r").into_bytes(), NoCa::CarriageReturns),
            (PEM.replace("\n-", "\n  -").replace("-----BEGIN", "  -----BEGIN").into_bytes(), NoCa::Indented),
            (PEM.as_bytes()[..40].to_vec(), NoCa::CutOff),
            (format!("{PEM}{}", &PEM[..40]).into_bytes(), NoCa::CutOff),
            (format!("{}\n{PEM}", &PEM[..36]).into_bytes(), NoCa::CutOff),
            (PEM.replace("CERTIFICATE", "EC PRIVATE KEY").into_bytes(), NoCa::PrivateKey),
            (PEM.replace("CERTIFICATE", "CERTIFICATE REQUEST").into_bytes(), NoCa::Request),
            (PEM.replace("CERTIFICATE", "PUBLIC KEY").into_bytes(), NoCa::PublicKey),
            (b"MIIC+TCCAeGgAwIBAgIU".to_vec(), NoCa::Nothing),
            (b"\0\x01\x02".to_vec(), NoCa::Nothing),
        ] {
            assert_eq!(check(&bytes), Err(expected), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
