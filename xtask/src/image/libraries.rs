//! The shared libraries that programs need of this machine, as its own loader finds them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tool;

/// glibc before 2.34 loads these by name when it looks a host up; nothing says so in a program.
const NAME_SERVICES: [&str; 3] = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

/// Everything that the programs load, the loader among it.
pub(super) fn of(programs: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let mut libraries = BTreeSet::new();
    for program in programs {
        let answer = tool::output(Command::new("ldd").arg(program)).with_context(|| {
            format!("`ldd {}` fails: is it a program for this machine?", program.display())
        })?;
        libraries.extend(parse(&answer)?);
    }
    let beside = libraries.iter().find(|file| file.ends_with("libc.so.6")).and_then(|file| file.parent());
    let found: Vec<_> = beside
        .into_iter()
        .flat_map(|folder| NAME_SERVICES.map(|name| folder.join(name)))
        .filter(|file| file.exists())
        .collect();
    libraries.extend(found);
    Ok(libraries)
}

/// Each line is `name => path (address)`, the loader's `path (address)`, or something of the kernel that is no file.
fn parse(answer: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in answer.lines().map(str::trim) {
        if line.ends_with("not found") {
            bail!("a library is missing: {line}");
        }
        let path = line.split_once("=>").map_or(line, |(_, path)| path.trim());
        if let Some((path, _)) = path.split_once(" (")
            && Path::new(path).is_absolute()
        {
            found.push(path.into());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ldd_prints_is_read() {
        let answer = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(parse(answer).unwrap(), expected.map(PathBuf::from));
        assert_eq!(parse("\tstatically linked\n").unwrap(), Vec::<PathBuf>::new());
        assert!(parse("\tlibssl.so.3 => not found\n").unwrap_err().to_string().contains("libssl.so.3"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_very_program_needs_glibc_and_its_loader() {
        let libraries = of(&[std::env::current_exe().unwrap()]).unwrap();
        assert!(libraries.iter().any(|file| file.ends_with("libc.so.6")), "{libraries:?}");
        assert!(libraries.iter().any(|file| file.to_string_lossy().contains("ld-linux")), "{libraries:?}");
    }
}
