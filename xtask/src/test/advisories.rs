//! Whether a library that we build with has a known weakness, by a copy of the RustSec database that is beside this
//! program: CI has no way to the outside. `xtask/advisories/renew.py` renews it.

use anyhow::{Context, Result, bail};
use semver::{Version, VersionReq};

use crate::console;
use crate::workspace::Workspace;

const DATABASE: &str = include_str!("../../advisories/advisories.tsv");
/// What we know and live with.
const KNOWN: [(&str, &str); 1] =
    [("RUSTSEC-2024-0436", "paste has no maintainer: Leptos uses it while it is compiled")];

/// A weakness of some versions of a library.
#[derive(Debug)]
struct Advisory<'d> {
    package: &'d str,
    id: &'d str,
    /// `vulnerability`, `unsound`, `unmaintained` or `notice`.
    kind: &'d str,
    /// Versions that do not have it.
    free: Vec<VersionReq>,
}

/// Looks at every library of `Cargo.lock`.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let lock = workspace.root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let packages = packages(&lock)?;
    let advisories = advisories(DATABASE)?;
    let mut found = Vec::new();
    for (name, version) in &packages {
        for advisory in
            advisories.iter().filter(|advisory| advisory.package == name && advisory.concerns(version))
        {
            match KNOWN.iter().find(|(id, _)| *id == advisory.id) {
                Some((id, remark)) => console::step(format_args!("{id} is known: {remark}")),
                None => found.push(format!(
                    "  {name} {version}: {} ({}), https://rustsec.org/advisories/{}",
                    advisory.id, advisory.kind, advisory.id
                )),
            }
        }
    }
    if !found.is_empty() {
        bail!(
            "Stopped: these libraries have known weaknesses; `cargo update` gets others:\n{}",
            found.join("\n")
        );
    }
    let date = DATABASE.split_whitespace().find(|word| word.starts_with("20")).unwrap_or("an unknown day");
    console::step(format_args!("{} libraries: no other advisory as of {date}", packages.len()));
    Ok(())
}

impl Advisory<'_> {
    fn concerns(&self, version: &Version) -> bool {
        !self.free.iter().any(|free| free.matches(version))
    }
}

fn advisories(database: &str) -> Result<Vec<Advisory<'_>>> {
    let lines = database.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().with_context(|| format!("an advisory is cut short: {line}"));
            let (package, id, kind) = (next()?, next()?, next()?);
            let free = [next()?, next()?].into_iter().flat_map(|list| list.split('|'));
            let free = free.filter(|requirement| !requirement.is_empty()).map(VersionReq::parse);
            let free = free.collect::<Result<_, _>>().with_context(|| format!("{id} has odd versions"))?;
            Ok(Advisory { package, id, kind, free })
        })
        .collect()
}

/// Names and versions of what comes from a registry.
fn packages(lock: &str) -> Result<Vec<(String, Version)>> {
    let mut packages = Vec::new();
    for package in lock.split("[[package]]").filter(|package| package.contains("\nsource = ")) {
        let field = |name: &str| {
            let value = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            value
                .and_then(|value| value.strip_suffix('"'))
                .with_context(|| format!("Cargo.lock lacks a {name}"))
        };
        packages.push((field("name")?.to_owned(), field("version")?.parse()?));
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"time\"\nversion = \"0.3.46\"\nsource = \"registry\"\n";

    #[test]
    fn a_library_is_told_by_its_version() {
        let advisories =
            advisories("# of a day\ntime\tRUSTSEC-1\tvulnerability\t>= 0.3.47\t< 0.3.6\n").unwrap();
        let [(name, version)] = &packages(LOCK).unwrap()[..] else { panic!("one from a registry") };
        assert_eq!(name, "time");
        assert!(advisories[0].concerns(version));
        for free in ["0.3.47", "0.3.5", "1.0.0"] {
            assert!(!advisories[0].concerns(&free.parse().unwrap()), "{free}");
        }
    }

    #[test]
    fn the_whole_database_can_be_read() {
        let advisories = advisories(DATABASE).unwrap();
        assert!(advisories.len() > 1_000, "{}", advisories.len());
        for (id, _) in KNOWN {
            assert!(advisories.iter().any(|advisory| advisory.id == id), "{id} is not in force any more");
        }
    }
}
