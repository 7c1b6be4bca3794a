#!/usr/bin/env python3
"""Writes advisories.tsv from a clone of https://github.com/rustsec/advisory-db: `renew.py CLONE`. Needs Python 3.11 and git."""

import pathlib
import subprocess
import sys
import tomllib


def git(clone: str, *words: str) -> str:
    return subprocess.run(["git", "-C", clone, *words], check=True, capture_output=True, text=True).stdout


def rows(clone: str):
    """A row an advisory that is in force: package, id, kind, versions that are patched, versions that never had it."""
    for path in git(clone, "ls-tree", "-r", "--name-only", "HEAD", "crates").split():
        text = git(clone, "show", f"HEAD:{path}")
        if not path.endswith(".md") or "```toml" not in text:
            continue
        document = tomllib.loads(text.split("```toml", 1)[1].split("```", 1)[0])
        advisory, versions = document["advisory"], document.get("versions", {})
        if "withdrawn" in advisory:
            continue
        lists = ["|".join(versions.get(name, [])) for name in ("patched", "unaffected")]
        yield "\t".join([advisory["package"], advisory["id"], advisory.get("informational", "vulnerability"), *lists])


def main() -> None:
    clone = sys.argv[1]
    date, commit = git(clone, "log", "-1", "--format=%cs %h").split()
    header = f"# The RustSec advisory database of {date} ({commit}): CC0-1.0, what comes from GitHub's CC-BY-4.0. Written by renew.py.\n"
    target = pathlib.Path(__file__).with_name("advisories.tsv")
    target.write_text(header + "\n".join(sorted(rows(clone))) + "\n")


main()
