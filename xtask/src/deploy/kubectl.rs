//! kubectl, and the cluster that it speaks to.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::tool;

/// kubectl for one context.
pub(super) struct Kubectl {
    context: Option<String>,
}

/// Something in a cluster, as far as we look at it.
#[derive(Debug, Deserialize)]
pub(super) struct Object<S = serde_json::Value> {
    /// Its kind.
    #[serde(default)]
    pub kind: String,
    /// Its name.
    pub metadata: Metadata,
    /// What is wanted of it.
    #[serde(default)]
    pub spec: S,
}

/// A name.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    /// The name, unique for its kind in its namespace.
    pub name: String,
    /// Its namespace, if it is in one.
    pub namespace: Option<String>,
}

/// Many of them, as `kubectl get` and `kubectl apply` answer in JSON.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    /// In no order that means something.
    pub items: Vec<T>,
}

impl Kubectl {
    /// Finds the program.
    pub(super) fn new(context: Option<String>) -> Result<Self> {
        if tool::find(&["kubectl"]).is_none() {
            bail!("kubectl is missing: https://kubernetes.io/docs/tasks/tools/ says how to get it.");
        }
        Ok(Self { context })
    }

    /// The context's name.
    pub(super) fn context(&self) -> Result<String> {
        match &self.context {
            Some(context) => Ok(context.clone()),
            None => Ok(self.text(|command| command.args(["config", "current-context"]))?.trim().to_owned()),
        }
    }

    /// Everything that a folder says, after the cluster was asked whether it knows such things. Nothing is changed.
    pub(super) fn describe(&self, folder: &Path) -> Result<Vec<Object>> {
        let dry = ["apply", "--dry-run=client", "--output", "json", "-k"];
        let list: List<Object> = self.json(|command| command.args(dry).arg(folder))?;
        Ok(list.items)
    }

    /// An answer in JSON.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        ask: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<T> {
        serde_json::from_str(&self.text(ask)?).context("cannot read kubectl's answer")
    }

    /// Runs with its output shown; true when it succeeds.
    pub(super) fn show(&self, ask: impl FnOnce(&mut Command) -> &mut Command) -> Result<bool> {
        let mut command = self.command();
        ask(&mut command);
        Ok(tool::show(&command)?.success())
    }

    fn text(&self, ask: impl FnOnce(&mut Command) -> &mut Command) -> Result<String> {
        let mut command = self.command();
        tool::text(ask(&mut command))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("kubectl");
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        command
    }
}
