//! The two secrets of a demo: the passcode that a presenter types, and the key that signs cookies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

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

/// A passcode like `lemon-robot-47`: about 360,000 of them, and the server limits attempts.
pub(crate) fn passcode() -> Result<String> {
    let bytes: [u8; 4] = random()?;
    let first = usize::from(bytes[0]) % WORDS.len();
    // Never the same word twice.
    let second = (first + 1 + usize::from(bytes[1]) % (WORDS.len() - 1)) % WORDS.len();
    let number = 10 + u16::from_le_bytes([bytes[2], bytes[3]]) % 90;
    Ok(format!("{}-{}-{number}", WORDS[first], WORDS[second]))
}

/// The key that signs cookies, in hexadecimal: made once and kept with the demo's data, so that players and presenters outlive a restart.
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
    fn a_passcode_is_two_words_and_two_digits() {
        let passcode = passcode().unwrap();
        let parts: Vec<_> = passcode.split('-').collect();
        assert_eq!(parts.len(), 3);
        assert!(WORDS.contains(&parts[0]) && WORDS.contains(&parts[1]));
        assert!((10..100).contains(&parts[2].parse::<u32>().unwrap()));
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
