//! Kubeconfigs, read as kubectl reads them: several files are one, files that are missing or empty are passed over, and
//! a context can be named.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use kube::Config;
use kube::config::{Cluster, KubeConfigOptions, Kubeconfig as Content};

use super::plugin::Plugin;
use super::proxy;
use crate::kubernetes::Error;

/// Where a cluster and its credentials are described.
#[derive(Debug, Clone)]
pub struct Kubeconfig {
    files: Vec<PathBuf>,
    context: Option<String>,
    pub(super) plugin: Arc<Plugin>,
}

impl Kubeconfig {
    /// These files, of which the first that says something counts, and a context; without one, the current context of
    /// the files.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, context: Option<String>) -> Self {
        let files = files.into_iter().filter(|file| !file.as_os_str().is_empty()).collect();
        Self { files, context, plugin: Arc::default() }
    }

    /// Whether one of the files is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.files.iter().any(|file| file.is_file())
    }

    /// Reads the files.
    pub(super) async fn config(&self) -> Result<Config, Error> {
        let content = self.content()?;
        let chosen = self.cluster(&content);
        let explicit = chosen.and_then(|cluster| cluster.proxy_url);
        let options = KubeConfigOptions { context: self.context.clone(), cluster: None, user: None };
        let config = Config::from_custom_kubeconfig(content, &options).await;
        let mut config = config.map_err(|source| self.unusable(source))?;
        config.proxy_url =
            proxy::choose(explicit.as_deref(), &config.cluster_url, |name| std::env::var(name).ok())?;
        Ok(config)
    }

    fn content(&self) -> Result<Content, Error> {
        let mut content: Option<Content> = None;
        for file in &self.files {
            if !std::fs::metadata(file).is_ok_and(|file| file.len() > 0) {
                continue;
            }
            let next = Content::read_from(file).map_err(|source| self.unusable(source))?;
            content = Some(match content {
                None => next,
                Some(before) => before.merge(next).map_err(|source| self.unusable(source))?,
            });
        }
        content.ok_or_else(|| Error::NoKubeconfig { files: self.to_string() })
    }

    fn cluster(&self, content: &Content) -> Option<Cluster> {
        let name = self.context.as_ref().or(content.current_context.as_ref())?;
        let context = content.contexts.iter().find(|context| context.name == *name)?.context.as_ref()?;
        content.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.clone()
    }

    fn unusable(&self, source: kube::config::KubeconfigError) -> Error {
        Error::ReadKubeconfig { files: self.to_string(), source }
    }
}

/// As `KUBECONFIG` lists them.
impl fmt::Display for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &str = "contexts: [{name: here, context: {cluster: there, user: me}}, {name: other, context: {cluster: elsewhere}}]";
    const CLUSTERS: &str = "clusters: [{name: there, cluster: {server: 'https://there:6443', proxy-url: 'http://proxy:3128'}}, {name: elsewhere, cluster: {server: 'https://elsewhere:6443'}}]";

    /// Files with these contents, and one that is missing first.
    fn files(directory: &tempfile::TempDir, contents: &[&str]) -> Vec<PathBuf> {
        let missing = directory.path().join("missing");
        let written = contents.iter().enumerate().map(|(number, content)| {
            let file = directory.path().join(number.to_string());
            std::fs::write(&file, content).unwrap();
            file
        });
        std::iter::once(missing).chain(written).collect()
    }

    #[tokio::test]
    async fn several_files_are_one_and_missing_and_empty_ones_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(
            &directory,
            &[
                "current-context: here",
                "",
                CLUSTERS,
                CONTEXT,
                "current-context: other\nusers: [{name: me, user: {token: mine}}]",
            ],
        );
        let config = Kubeconfig::new(files.clone(), None).config().await.unwrap();
        assert_eq!(config.cluster_url.to_string(), "https://there:6443/");
        assert_eq!(config.proxy_url.unwrap().to_string(), "http://proxy:3128/");
        assert!(config.auth_info.token.is_some());
        let other = Kubeconfig::new(files, Some("other".to_owned())).config().await.unwrap();
        assert_eq!(other.cluster_url.to_string(), "https://elsewhere:6443/");
    }

    #[tokio::test]
    async fn what_cannot_be_used_names_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let none = files(&directory, &[]);
        assert!(!Kubeconfig::new(none.clone(), None).is_there());
        let error = Kubeconfig::new(none, None).config().await.unwrap_err().to_string();
        assert!(error.contains("missing") && error.contains("no kubeconfig"), "{error}");
        let files = files(&directory, &[CLUSTERS, CONTEXT]);
        let error =
            Kubeconfig::new(files, Some("nowhere".to_owned())).config().await.unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
