//! What can be asked of the outside: one narrow trait an outside thing. The adapters implement them for real, tests
//! with a recording fake.

use async_trait::async_trait;

use crate::load::LoadSettings;
use crate::policy::Policy;

/// Why a command was not carried out, in one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The command makes no sense now; asking again the same way will not help.
    #[error("{0}")]
    Rejected(String),
    /// The outside thing did not answer; asking again may help.
    #[error("{0}")]
    Unavailable(String),
}

impl Refusal {
    /// A command that makes no sense, for the reason that [`crate::policy`] gives.
    ///
    /// # Errors
    /// [`Refusal::Rejected`] where there is a problem.
    pub fn unless_none(problem: Option<String>) -> Result<(), Self> {
        problem.map_or(Ok(()), |problem| Err(Self::Rejected(problem)))
    }
}

/// How a pod is hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Manner {
    /// Deleted: it may finish its work (SIGTERM); another pod with a new name replaces it.
    Graceful,
    /// Its process dies at once (SIGKILL); the same pod starts again.
    Crash,
}

/// Commands to the cluster that runs the pods.
#[async_trait]
pub trait ClusterControls: Send + Sync {
    /// Kills one pod.
    async fn kill(&self, pod: &str, manner: Manner) -> Result<(), Refusal>;
    /// Kills all pods at once, gracefully.
    async fn restart_all(&self) -> Result<(), Refusal>;
    /// Replaces all pods by pods of a new revision, one after the other; with a new capacity if one is given.
    async fn roll(&self, capacity: Option<u32>) -> Result<(), Refusal>;
    /// Sets the number of replicas by hand; refused while the autoscaler is on, but for 0 pods (a reset).
    async fn scale(&self, replicas: u32) -> Result<(), Refusal>;
    /// Puts another policy in force.
    async fn set_policy(&self, policy: Policy) -> Result<(), Refusal>;
}

/// Commands to Kafka.
#[async_trait]
pub trait KafkaControls: Send + Sync {
    /// Puts other load settings in force, for the generator and all who watch the control topic.
    async fn set_load(&self, load: LoadSettings) -> Result<(), Refusal>;
    /// Keeps the policy for the next start of the server.
    async fn keep_policy(&self, policy: Policy) -> Result<(), Refusal>;
    /// Moves the group's committed offsets to the end of both logs; the group must be empty.
    async fn skip_to_end(&self) -> Result<(), Refusal>;
}
