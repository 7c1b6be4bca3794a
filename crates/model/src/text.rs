//! Text in files that people give: what its bytes are, and how to show a part of it in a sentence.
//!
//! Editors and shells write more than UTF-8: PowerShell's `>` UTF-16, old spreadsheets Latin-1, many a byte-order mark.

use std::borrow::Cow;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// No sentence shows more of a file than so many characters.
const SHOWN: usize = 40;

/// How a text was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte-order mark; ASCII.
    Utf8,
    /// UTF-16 of either byte order, with or without its mark.
    Utf16,
    /// One byte a character. Which of its many tables it was, nobody knows: they agree on ASCII.
    Latin1,
}

/// The text of a file, without its byte-order mark; `None` where the bytes are no text.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(Cow<'_, str>, Encoding)> {
    if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        return utf16(rest, u16::from_be_bytes);
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if bytes.contains(&0) {
        // ASCII in UTF-16 is every other byte.
        let (pairs, _) = bytes.as_chunks::<2>();
        return match pairs.first()? {
            [_, 0] => utf16(bytes, u16::from_le_bytes),
            [0, _] => utf16(bytes, u16::from_be_bytes),
            _ => None,
        };
    }
    match str::from_utf8(bytes) {
        Ok(text) => Some((Cow::Borrowed(text), Encoding::Utf8)),
        Err(_) => Some((bytes.iter().copied().map(char::from).collect(), Encoding::Latin1)),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<(Cow<'_, str>, Encoding)> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    let text = String::from_utf16(&units).ok().filter(|text| !text.contains('\0'))?;
    Some((Cow::Owned(text), Encoding::Utf16))
}

/// A part of a file as a sentence shows it: what cannot be seen is written as `\u{feff}`, and what is long is cut.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (place, character) in text.chars().enumerate() {
        if place == SHOWN {
            shown.push_str("...");
            break;
        }
        if is_visible(character) { shown.push(character) } else { shown.extend(character.escape_unicode()) }
    }
    shown
}

fn is_visible(character: char) -> bool {
    // Debug output escapes these as well, and of these we know that they are seen.
    matches!(character, '\'' | '"' | '\\') || character.escape_debug().eq([character])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn text_is_read_however_it_was_written() {
        let text = "# für\n0,400\n";
        let marked = format!("\u{feff}{text}");
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), Encoding::Utf8),
            (marked.as_bytes().to_vec(), Encoding::Utf8),
            (b"# f\xFCr\n0,400\n".to_vec(), Encoding::Latin1),
            (utf16(&marked, u16::to_le_bytes), Encoding::Utf16),
            (utf16(&marked, u16::to_be_bytes), Encoding::Utf16),
            (utf16(text, u16::to_le_bytes), Encoding::Utf16),
            (utf16(text, u16::to_be_bytes), Encoding::Utf16),
        ] {
            assert_eq!(decode(&bytes), Some((Cow::Borrowed(text), encoding)), "{bytes:?}");
        }
        assert_eq!(decode(b""), Some((Cow::Borrowed(""), Encoding::Utf8)));
    }

    #[test]
    fn bytes_that_are_no_text_are_none() {
        for bytes in [&b"\0\0"[..], b"ab\0cd", b"\x30\x82\x03\x00\x00", b"\xFF\xFE\0", b"\xFF\xFE\0\xD8"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn nothing_that_is_shown_is_invisible_or_long() {
        for (text, expected) in [
            ("0,400", "0,400"),
            ("\u{feff}0", "\\u{feff}0"),
            ("4\u{a0}000\u{200b}", "4\\u{a0}000\\u{200b}"),
            ("a\rb\t", "a\\u{d}b\\u{9}"),
            ("it's \"über\" \\", "it's \"über\" \\"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&"x".repeat(1_000)).len(), SHOWN + 3);
    }
}
