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

/// Objects that kubectl prints one after the other, or as one list.
fn objects(text: &str) -> serde_json::Result<Vec<Object>> {
    let mut objects = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>() {
        match document? {
            serde_json::Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                let items = list.remove("items").unwrap_or_default();
                objects.extend(serde_json::from_value::<Vec<Object>>(items)?);
            }
            object => objects.push(serde_json::from_value(object)?),
        }
    }
    Ok(objects)
}

/// Many of them, as `kubectl get` answers in JSON.
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

    /// Everything that a folder says, after the cluster was asked whether it knows such things. Nothing is changed, and
    /// what is there already is of no account.
    pub(super) fn describe(&self, folder: &Path) -> Result<Vec<Object>> {
        let dry = ["create", "--dry-run=client", "--output", "json", "-k"];
        let text = self.text(|command| command.args(dry).arg(folder))?;
        objects(&text).context("cannot read kubectl's answer")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_one_after_the_other_and_as_a_list() {
        let one = |name: &str| {
            format!(r#"{{"kind": "Service", "metadata": {{"name": "{name}", "namespace": "a"}}}}"#)
        };
        let list = format!(r#"{{"kind": "List", "items": [{}, {}]}}"#, one("c"), one("d"));
        let read = objects(&format!("{}\n{}\n{list}", one("a"), one("b"))).unwrap();
        let names: Vec<&str> = read.iter().map(|object| object.metadata.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(read[0].metadata.namespace.as_deref(), Some("a"));
    }
}
