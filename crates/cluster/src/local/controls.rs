//! Commands to the actor, and its answers.

use async_trait::async_trait;
use model::controls::{ClusterControls, Manner, Refusal};
use model::policy::Policy;
use tokio::sync::{mpsc, oneshot};

/// What the actor is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Kill { pod: String, manner: Manner },
    RestartAll,
    Roll { capacity: Option<u32> },
    Scale { replicas: u32 },
    SetPolicy { policy: Policy },
}

/// A command and where its answer goes.
pub(super) type Request = (Command, oneshot::Sender<Result<(), Refusal>>);

/// Sends commands to the local cluster. An answer means that the command is under way, not that it is done: what came
/// of it shows in the state.
#[derive(Debug, Clone)]
pub struct Controls {
    requests: mpsc::Sender<Request>,
}

impl Controls {
    pub(super) fn new(requests: mpsc::Sender<Request>) -> Self {
        Self { requests }
    }

    async fn send(&self, command: Command) -> Result<(), Refusal> {
        let gone = || Refusal::Unavailable("The local pods are being stopped.".into());
        let (answer, answered) = oneshot::channel();
        self.requests.send((command, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl ClusterControls for Controls {
    async fn kill(&self, pod: &str, manner: Manner) -> Result<(), Refusal> {
        self.send(Command::Kill { pod: pod.to_owned(), manner }).await
    }

    async fn restart_all(&self) -> Result<(), Refusal> {
        self.send(Command::RestartAll).await
    }

    async fn roll(&self, capacity: Option<u32>) -> Result<(), Refusal> {
        self.send(Command::Roll { capacity }).await
    }

    async fn scale(&self, replicas: u32) -> Result<(), Refusal> {
        self.send(Command::Scale { replicas }).await
    }

    async fn set_policy(&self, policy: Policy) -> Result<(), Refusal> {
        self.send(Command::SetPolicy { policy }).await
    }
}
