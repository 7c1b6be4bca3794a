//! The other members of the group, where they own what this pod needs: half a task is of no use.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka::Brokers;
use kafka::groups::{self, GroupDescription, Member};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::Config;

/// While members come, or a topic is made anew, a half may be assigned for a moment, and its owner may not have the
/// other one yet.
const LASTS: Duration = Duration::from_secs(3);

/// Finds out who owns the other halves of tasks.
pub(super) struct Group {
    brokers: Brokers,
    group_id: String,
    pod: String,
    runtime: Handle,
    /// The halves that were assigned last.
    halves: BTreeSet<u32>,
    /// Tells of them when they have lasted.
    telling: Option<JoinHandle<()>>,
}

impl Group {
    pub(super) fn new(config: &Config, runtime: Handle) -> Self {
        let (brokers, group_id, pod) = (config.kafka.clone(), config.group.clone(), config.pod.clone());
        Self { brokers, group_id, pod, runtime, halves: BTreeSet::new(), telling: None }
    }

    /// Says, once for the same partitions and when that has lasted, that halves of tasks are refused, and who has the
    /// other ones.
    pub(super) fn name_owners_of_other_inputs(&mut self, halves: &BTreeSet<u32>, topics: &[String; 2]) {
        if *halves == self.halves {
            return;
        }
        self.halves.clone_from(halves);
        let was_told = self.telling.take().is_some_and(|telling| {
            // Asked before: what is aborted is finished, too.
            let was_told = telling.is_finished();
            telling.abort();
            was_told
        });
        if halves.is_empty() {
            if was_told {
                info!("no half of a task is assigned to this pod any more");
            }
            return;
        }
        let (brokers, group_id, pod) = (self.brokers.clone(), self.group_id.clone(), self.pod.clone());
        let (halves, topics) = (halves.clone(), topics.clone());
        self.telling = Some(self.runtime.spawn(async move {
            tokio::time::sleep(LASTS).await;
            let owners = match groups::describe(&brokers, &group_id).await {
                Ok(group) => owners_of_halves(&group, &pod, &halves, &topics),
                Err(problem) => format!("nobody knows who owns it: {problem}"),
            };
            error!(
                partitions = ?halves,
                "refusing partitions of which only one input was assigned, since their frames cannot meet here. The other input: {owners}"
            );
        }));
    }
}

/// Who owns the other inputs of these partitions, and what that means.
fn owners_of_halves(
    group: &GroupDescription,
    pod: &str,
    halves: &BTreeSet<u32>,
    topics: &[String; 2],
) -> String {
    let owns = |member: &&Member| {
        let is_half =
            |(topic, partition): &(String, u32)| topics.contains(topic) && halves.contains(partition);
        member.client_id != pod && member.assignment.iter().any(is_half)
    };
    let name = |member: &Member| format!("{} ({})", member.client_id, member.host);
    let names: Vec<String> = group.members.iter().filter(owns).map(name).collect();
    if names.is_empty() {
        "nobody owns it; both inputs must have as many partitions".to_owned()
    } else {
        format!(
            "owned by {}; another application is a member of this group, or a pod that does not use the assignor `range`",
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owns_the_other_input_of_a_partition_is_named() {
        let topics = ["RQ".to_owned(), "RS".to_owned()];
        let member = |client_id: &str, assignment: &[(&str, u32)]| Member {
            client_id: client_id.to_owned(),
            host: "/10.0.0.7".to_owned(),
            assignment: assignment.iter().map(|&(topic, partition)| (topic.to_owned(), partition)).collect(),
        };
        let pod = member("pod-a", &[("RQ", 3), ("RQ", 4), ("RS", 4)]);
        let group = |others: &[Member]| GroupDescription {
            state: "Stable".to_owned(),
            members: [std::slice::from_ref(&pod), others].concat(),
        };
        let owners =
            |others: &[Member]| owners_of_halves(&group(others), "pod-a", &BTreeSet::from([3]), &topics);
        let named = owners(&[member("other", &[("RS", 3)]), member("third", &[("RS", 9)])]);
        assert!(named.starts_with("owned by other (/10.0.0.7); another application"), "{named}");
        assert_eq!(owners(&[]), "nobody owns it; both inputs must have as many partitions");
    }
}
