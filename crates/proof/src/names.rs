//! The topics and the group of one schedule: nobody else's.

use workload::Input;

/// What belongs to one schedule in Kafka begins with this name.
#[derive(Debug, Clone)]
pub(crate) struct Names(String);

impl Names {
    pub(crate) fn new(seed: u64) -> Self {
        let millis = crate::clock::now_ms();
        Self(format!("proof-{seed}-{}-{millis}", std::process::id()))
    }

    pub(crate) fn group(&self) -> &str {
        &self.0
    }

    pub(crate) fn input(&self, input: Input) -> String {
        match input {
            Input::Requests => format!("{}-rq", self.0),
            Input::Responses => format!("{}-rs", self.0),
        }
    }

    pub(crate) fn sessions(&self) -> String {
        format!("{}-sessions", self.0)
    }

    pub(crate) fn changelog(&self) -> String {
        format!("{}-CHANGELOG", self.0)
    }

    pub(crate) fn dead_letters(&self) -> String {
        format!("{}-DEAD-LETTERS", self.0)
    }

    /// The topics that the application writes.
    pub(crate) fn own(&self) -> [String; 3] {
        [self.sessions(), self.changelog(), self.dead_letters()]
    }

    pub(crate) fn topics(&self) -> [String; 5] {
        let [requests, responses] = Input::ALL.map(|input| self.input(input));
        let [sessions, changelog, dead_letters] = self.own();
        [requests, responses, sessions, changelog, dead_letters]
    }
}
