//! The presenter's commands on their way: what is asked, what needs a yes, what went wrong, each where it was clicked.

use leptos::prelude::*;
use leptos::task::spawn_local;
use model::command::{Command, Outcome};
use model::controls::Manner;

use crate::actions::PresentRequest;
use crate::browser;
use crate::store::Store;

/// Where a command was given, and so where its answer appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The presenter's bar.
    Bar,
    /// The card of the pod in this slot.
    Pod(u8),
}

/// What is to be said to the presenter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// The command waits for a yes.
    Question(String, Command),
    /// The command was not carried out.
    Error(String),
}

/// The presenter's commands in flight: at most one answer is shown at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commands {
    /// The page's state, to read the policy from.
    pub(super) store: Store,
    /// The answer to the last command, while there is something to say.
    pub(super) reply: RwSignal<Option<(Place, Reply)>>,
}

impl Commands {
    pub(super) fn new(store: Store) -> Self {
        Self { store, reply: RwSignal::new(None) }
    }

    /// Sends a command; what comes back is shown at `place`.
    pub(super) fn send(self, place: Place, command: Command) {
        self.reply.set(None);
        spawn_local(async move {
            let reply = match browser::call(PresentRequest { command: command.clone() }).await {
                Ok(Outcome::Done) => None,
                Ok(Outcome::Confirm { question }) => Some(Reply::Question(question, confirmed(command))),
                Ok(Outcome::Refused { reason }) => Some(Reply::Error(reason)),
                Err(said) => Some(Reply::Error(said)),
            };
            self.reply.set(reply.map(|reply| (place, reply)));
        });
    }

    /// Kills one pod; `None`: one that the server draws.
    pub(super) fn kill(self, place: Place, pod: Option<String>, manner: Manner) {
        self.send(place, Command::Kill { pod, manner, confirmed: false });
    }

    /// Says yes to the question, if there is one.
    pub(super) fn yes(self) {
        if let Some((place, Reply::Question(_, command))) = self.reply.get_untracked() {
            self.send(place, command);
        }
    }

    /// Drops the question or the error.
    pub(super) fn no(self) {
        self.reply.set(None);
    }
}

/// The same command, with the presenter's yes.
fn confirmed(command: Command) -> Command {
    match command {
        Command::Kill { pod, manner, .. } => Command::Kill { pod, manner, confirmed: true },
        Command::RestartAll { .. } => Command::RestartAll { confirmed: true },
        Command::Reset { .. } => Command::Reset { confirmed: true },
        other => other,
    }
}
