//! A place of its own for a node: network, mounts and processes that nobody else sees, and that end with the first of
//! its processes.
//!
//! Whatever a node leaves behind (bridges, rules of iptables, mounts, containers) is gone with it, however it ends.
//! Only control groups and some settings of the kernel belong to the whole machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use crate::tool;

/// Where the machine has its control groups.
const GROUPS: &str = "/sys/fs/cgroup";
/// The control group of all pods; the kubelet's configuration says the same.
const OURS: &str = "king-of-scaling";

/// What a kubelet sets in `/proc/sys`.
const SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Runs this program once more, as the first process of such a place, to its end.
pub(super) fn enter(arguments: &[OsString]) -> Result<ExitStatus> {
    forget_groups();
    for group in groups() {
        std::fs::create_dir_all(&group).with_context(|| format!("cannot create {}", group.display()))?;
    }
    let settings = SETTINGS.map(|name| Path::new("/proc/sys").join(name));
    let settings = settings.map(|file| (std::fs::read(&file).unwrap_or_default(), file));
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.arg(std::env::current_exe()?).args(arguments);
    let status = tool::show(&command);
    forget_groups();
    for (value, file) in settings.iter().filter(|(value, _)| !value.is_empty()) {
        let _ = std::fs::write(file, value);
    }
    status
}

/// Our control group of each controller; where there is one tree for all of them, that one.
fn groups() -> Vec<PathBuf> {
    let root = Path::new(GROUPS);
    if root.join("cgroup.controllers").exists() {
        return vec![root.join(OURS)];
    }
    let controllers = std::fs::read_dir(root).into_iter().flatten().flatten();
    controllers.filter(|entry| entry.path().is_dir()).map(|entry| entry.path().join(OURS)).collect()
}

/// Removes what is left of our control groups: they are empty once their processes have gone.
fn forget_groups() {
    fn forget(group: &Path) {
        for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                forget(&entry.path());
            }
        }
        let _ = std::fs::remove_dir(group);
    }
    groups().iter().for_each(|group| forget(group));
}

/// Sets the place up, from inside: a bridge for the pods that this machine's own programs can use as well, Services
/// routed to it, and directories of its own where the system's programs insist on a path.
pub(super) fn furnish(address: &str, services: &str) -> Result<()> {
    for directory in ["/run", "/var/log"] {
        tool::text(Command::new("mount").args(["-t", "tmpfs", "tmpfs", directory]))?;
    }
    for words in [
        "link set lo up".to_owned(),
        "link add king0 type bridge".to_owned(),
        format!("addr add {address}/24 dev king0"),
        "link set king0 up".to_owned(),
        format!("route add {services} dev king0"),
    ] {
        tool::text(Command::new("ip").args(words.split(' ')))?;
    }
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot let packets through to pods")
}
