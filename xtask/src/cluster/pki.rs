//! Who is who in a cluster: its CAs, a certificate for each component, and the kubeconfigs that use them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

/// Keys and certificates in a directory, as `NAME.key` and `NAME.crt`.
pub(super) struct Pki {
    directory: PathBuf,
    /// Where the API server is, for kubeconfigs.
    api: String,
}

/// An authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Pki {
    /// An empty one.
    pub(super) fn new(directory: PathBuf, api: String) -> Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        Ok(Self { directory, api })
    }

    /// The path of a file.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes an authority.
    pub(super) fn authority(&self, name: &str) -> Result<Authority> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        self.write(name, &ca.key().serialize_pem(), &ca.pem())?;
        Ok(Authority(ca))
    }

    /// Makes a certificate: for a server if it has host names or addresses, else for a client.
    pub(super) fn certificate(
        &self,
        name: &str,
        (organisation, common): (Option<&str>, &str),
        authority: &Authority,
        hosts: &[&str],
    ) -> Result<()> {
        let mut params =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name = DistinguishedName::new();
        if let Some(organisation) = organisation {
            params.distinguished_name.push(DnType::OrganizationName, organisation);
        }
        params.distinguished_name.push(DnType::CommonName, common);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let usage = if hosts.is_empty() {
            ExtendedKeyUsagePurpose::ClientAuth
        } else {
            ExtendedKeyUsagePurpose::ServerAuth
        };
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority.0)?;
        self.write(name, &key.serialize_pem(), &certificate.pem())
    }

    /// Makes the pair of keys that signs the tokens of ServiceAccounts: `sa.key` and `sa.pub`.
    pub(super) fn token_keys(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        fs::write(self.file("sa.key"), key.serialize_pem())?;
        fs::write(self.file("sa.pub"), key.public_key_pem())?;
        Ok(())
    }

    /// Makes a client certificate and writes the kubeconfig that uses it.
    pub(super) fn kubeconfig(
        &self,
        file: &Path,
        name: &str,
        subject: (Option<&str>, &str),
        authority: &Authority,
    ) -> Result<()> {
        self.certificate(name, subject, authority, &[])?;
        let data = |file: &str| -> Result<String> { Ok(BASE64_STANDARD.encode(fs::read(self.file(file))?)) };
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "king",
            "contexts": [{"name": "king", "context": {"cluster": "king", "user": name}}],
            "clusters": [{"name": "king", "cluster": {
                "server": self.api,
                "certificate-authority-data": data("ca.crt")?,
            }}],
            "users": [{"name": name, "user": {
                "client-certificate-data": data(&format!("{name}.crt"))?,
                "client-key-data": data(&format!("{name}.key"))?,
            }}],
        });
        // JSON is YAML.
        fs::write(file, serde_json::to_vec_pretty(&config)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    fn write(&self, name: &str, key: &str, certificate: &str) -> Result<()> {
        fs::write(self.file(&format!("{name}.key")), key)?;
        fs::write(self.file(&format!("{name}.crt")), certificate)?;
        Ok(())
    }
}
