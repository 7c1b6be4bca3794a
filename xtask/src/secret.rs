//! The two secrets of a demo: the passcode that a presenter types, and the key that signs cookies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::console;

/// Short words that are spelled as they sound: a passcode is read from one screen and typed on another.
const WORDS: [&str; 64] = [
    "alpha", "amber", "arena", "bingo", "blaze", "bonus", "brave", "cabin", "camel", "candy", "cargo",
    "chess", "cider", "cobra", "comet", "coral", "delta", "disco", "dodge", "eagle", "ember", "fable",
    "fancy", "flame", "flute", "fudge", "ghost", "giant", "green", "happy", "honey", "ivory", "jelly",
    "joker", "jumbo", "karma", "laser", "lemon", "lucky", "magic", "mango", "maple", "melon", "metro",
    "ninja", "ocean", "olive", "onion", "panda", "pearl", "piano", "pilot", "pixel", "polar", "radio",
    "robot", "royal", "salsa", "solar", "sugar", "tango", "tiger", "turbo", "zebra",
];

/// Words of a passcode, like `lemon-robot-comet-arena`: there are 17 million of them, and the server looks at five a
/// second.
const WORDS_OF_A_PASSCODE: usize = 4;

/// A new passcode.
pub(crate) fn passcode() -> Result<String> {
    let bytes: [u8; WORDS_OF_A_PASSCODE] = random()?;
    Ok(bytes.map(|byte| WORDS[usize::from(byte) % WORDS.len()]).join("-"))
}

/// The passcode that somebody has written into a file: its first line.
pub(crate) fn passcode_of(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the passcode in {}", file.display()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    ensure!(!line.is_empty(), "the first line of {} is empty: write the passcode there", file.display());
    Ok(line.to_owned())
}

/// The key that signs cookies, in hexadecimal: made once and kept with the demo's data, so that players and presenters
/// outlive a restart.
pub(crate) fn cookie_secret(file: &Path) -> Result<String> {
    match std::fs::read(file) {
        Ok(kept) => {
            if let Ok(secret) = String::from_utf8(kept)
                && secret.len() == 128
                && secret.bytes().all(|byte| byte.is_ascii_hexdigit())
            {
                return Ok(secret);
            }
            console::step(format_args!(
                "{} does not hold the key of the cookies: with a new one players begin anew",
                file.display()
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
    let secret = hexadecimal::<64>()?;
    write_private(file, secret.as_bytes())?;
    Ok(secret)
}

/// So many random bytes, in hexadecimal.
pub(crate) fn hexadecimal<const N: usize>() -> Result<String> {
    Ok(random::<N>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(file: &Path, content: &[u8]) -> Result<()> {
    let new = file.with_extension("new");
    // A leftover of a writer that was killed may have other permissions.
    let _ = std::fs::remove_file(&new);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut opened| opened.write_all(content))
        .and_then(|()| std::fs::rename(&new, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read random bytes from /dev/urandom")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passcode_is_four_words() {
        let passcode = passcode().unwrap();
        let parts: Vec<_> = passcode.split('-').collect();
        assert_eq!(parts.len(), 4);
        assert!(parts.iter().all(|part| WORDS.contains(part)), "{passcode}");
        assert_eq!(256 % WORDS.len(), 0, "all words are as likely");
    }

    #[test]
    fn a_passcode_comes_from_the_first_line_of_a_file() {
        let file = std::env::temp_dir().join(format!("king-passcode-{}", std::process::id()));
        std::fs::write(&file, "ninja-panda-comet\nfor the talk\n").unwrap();
        assert_eq!(passcode_of(&file).unwrap(), "ninja-panda-comet");
        std::fs::write(&file, "\n").unwrap();
        assert!(passcode_of(&file).is_err());
        std::fs::remove_file(&file).unwrap();
        assert!(passcode_of(&file).is_err());
    }

    #[test]
    fn the_key_of_the_cookies_is_kept_and_a_broken_one_is_replaced() {
        let file = std::env::temp_dir().join(format!("king-cookie-secret-{}", std::process::id()));
        let first = cookie_secret(&file).unwrap();
        assert_eq!(cookie_secret(&file).unwrap(), first);
        std::fs::write(&file, b"\xFF\xFE").unwrap();
        let second = cookie_secret(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_ne!(first, second);
        assert_eq!(second.len(), 128);
        // A directory cannot be read as a file, and is not written over.
        assert!(cookie_secret(&std::env::temp_dir()).is_err());
    }
}
