//! Keys by their position, for layouts that have no Latin letters, or other signs where the digits are.

/// The Latin letter or the digit that an American keyboard has at a position (`KeyboardEvent.code`), in small letters.
pub(super) fn at_position(code: &str) -> Option<String> {
    let letter = code.strip_prefix("Key").filter(|letter| letter.len() == 1);
    let digit = code.strip_prefix("Digit").or_else(|| code.strip_prefix("Numpad"));
    let digit = digit.filter(|digit| digit.len() == 1 && digit.bytes().all(|byte| byte.is_ascii_digit()));
    letter.or(digit).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_letter_or_a_digit() {
        for (code, expected) in [
            ("KeyX", Some("x")),
            ("Digit5", Some("5")),
            ("Numpad0", Some("0")),
            ("NumpadAdd", None),
            ("ArrowUp", None),
            ("Escape", None),
            ("", None),
        ] {
            assert_eq!(at_position(code).as_deref(), expected, "{code}");
        }
    }
}
