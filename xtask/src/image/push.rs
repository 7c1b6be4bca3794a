//! Sends an image to a registry, as the Open Container Initiative's distribution API says: blobs that it does not have
//! yet, then the manifest.

mod credentials;
mod session;

use anyhow::{Context, Result, bail};
use ureq::http::{Method, header};

use super::oci::{Archive, MANIFEST};
use crate::{console, stop};
use credentials::Credentials;
use session::{Session, explain};

/// Where an image goes: `HOST[:PORT]/PATH[:TAG]`.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    host: String,
    path: String,
    tag: Option<String>,
}

impl Target {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            format!(
                "--push takes a registry and a path in it, as in registry.example.com/king-of-scaling, not `{text}`"
            )
        };
        let (host, rest) = text.split_once('/').with_context(wrong)?;
        // Without a dot or a port it is no host, but the first part of a path at an engine's default registry.
        if !(host.contains(['.', ':']) || host == "localhost")
            || rest.is_empty()
            || rest.contains(['@', '?', '#', ' '])
        {
            bail!(wrong());
        }
        let (path, tag) =
            rest.split_once(':').map_or((rest, None), |(path, tag)| (path, Some(tag.to_owned())));
        Ok(Self { host: host.to_owned(), path: path.to_owned(), tag })
    }

    /// Engines take plain HTTP for granted at this machine, and nowhere else.
    fn origin(&self) -> String {
        let name = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name);
        let scheme = if matches!(name, "localhost" | "127.0.0.1" | "[::1]") { "http" } else { "https" };
        format!("{scheme}://{}", self.host)
    }
}

/// Sends it, and returns the repository that it is in.
pub(super) fn send(archive: &Archive, reference: &str) -> Result<String> {
    let target = Target::parse(reference)?;
    let credentials = credentials::of(&target.host)?;
    send_to(archive, &target, credentials)
}

fn send_to(archive: &Archive, target: &Target, credentials: Option<Credentials>) -> Result<String> {
    let mut session = Session::new(target.origin(), credentials);
    let base = format!("{}/v2/{}", target.origin(), target.path);
    for (digest, blob) in archive.blobs() {
        stop::check()?;
        send_blob(&mut session, &base, &digest, blob)
            .with_context(|| format!("cannot send a part of the image to {}", target.host))?;
    }
    let tag = target.tag.as_deref().unwrap_or(archive.version());
    let url = format!("{base}/manifests/{tag}");
    let mut answer = session.call(&Method::PUT, &url, Some(MANIFEST), &archive.manifest)?;
    if answer.status() != 201 {
        bail!("{} does not take the image: {}", target.host, explain(&mut answer));
    }
    let repository = format!("{}/{}", target.host, target.path);
    console::step(format_args!("sent: {repository}:{tag}"));
    Ok(repository)
}

fn send_blob(session: &mut Session, base: &str, digest: &str, blob: &[u8]) -> Result<()> {
    if session.call(&Method::HEAD, &format!("{base}/blobs/{digest}"), None, &[])?.status() == 200 {
        return Ok(());
    }
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let size = blob.len() as f64 / 1e6;
    let _waiting = (size > 1.0).then(|| console::Waiting::on(format!("sending {size:.1} MB")));
    let mut answer = session.call(&Method::POST, &format!("{base}/blobs/uploads/"), None, &[])?;
    if answer.status() != 202 {
        bail!("{}", explain(&mut answer));
    }
    let place = answer.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let place = session.absolute(place.context("the registry does not say where to send to")?);
    let separator = if place.contains('?') { '&' } else { '?' };
    let url = format!("{place}{separator}digest={digest}");
    let mut answer = session.call(&Method::PUT, &url, Some("application/octet-stream"), blob)?;
    if answer.status() != 201 {
        bail!("{}", explain(&mut answer));
    }
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
