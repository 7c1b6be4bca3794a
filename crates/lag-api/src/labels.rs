//! Label selectors as they stand in an address: `app=a,tier!=b,zone in (x,y),zone notin (z),debug,!old`.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Expression, Selector, SelectorExt};

/// Labels of a pod or of a series.
pub type Labels = BTreeMap<String, String>;

/// Not a selector; shows what could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0:?} as a label selector")]
pub struct ParseSelectorError(String);

/// Reads a selector; an empty one selects everything.
///
/// # Errors
/// When a requirement is none of the forms above.
pub fn parse(text: &str) -> Result<Selector, ParseSelectorError> {
    requirements(text)
        .into_iter()
        .filter(|requirement| !requirement.is_empty())
        .map(|requirement| expression(requirement).ok_or_else(|| ParseSelectorError(requirement.to_owned())))
        .collect()
}

/// Whether these labels are selected.
#[must_use]
pub fn selects(selector: &Selector, labels: &Labels) -> bool {
    selector.matches(labels)
}

/// The parts between the commas that are in no parentheses.
fn requirements(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn expression(text: &str) -> Option<Expression> {
    if let Some(set) = text.strip_suffix(')') {
        let (left, values) = set.split_once('(')?;
        let values: BTreeSet<String> = values.split(',').map(value).collect::<Option<_>>()?;
        let mut words = left.split_whitespace();
        let (key, operator, None) = (key(words.next()?)?, words.next()?, words.next()) else { return None };
        return match operator {
            "in" => Some(Expression::In(key, values)),
            "notin" => Some(Expression::NotIn(key, values)),
            _ => None,
        };
    }
    if let Some((left, right)) = text.split_once("!=") {
        return Some(Expression::NotEqual(key(left)?, value(right)?));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Expression::Equal(key(left)?, value(right)?));
    }
    match text.strip_prefix('!') {
        Some(absent) => Some(Expression::DoesNotExist(key(absent)?)),
        None => Some(Expression::Exists(key(text)?)),
    }
}

/// A key is never empty; everything that it may consist of, prefix included.
fn key(text: &str) -> Option<String> {
    value(text).filter(|key| !key.is_empty())
}

fn value(text: &str) -> Option<String> {
    let text = text.trim();
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    text.chars().all(is_allowed).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, expected: bool) {
        let labels = [("app", "king"), ("app.kubernetes.io/name", "kstreams"), ("empty", "")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(selects(&parse(selector).unwrap(), &labels), expected, "{selector}");
    }

    #[test]
    fn a_selector_selects_what_meets_all_its_requirements() {
        check("", true);
        check("app=king", true);
        check("app==king,app.kubernetes.io/name=kstreams", true);
        check("app=king,app.kubernetes.io/name=datagen", false);
        check("app!=queen, other!=x", true);
        check("app in (queen, king),empty=", true);
        check("app in (queen)", false);
        check("app notin (queen,jack),other notin (x)", true);
        check("app notin (king)", false);
        check("app,!other", true);
        check("!app", false);
        check("other", false);
    }

    #[test]
    fn what_is_no_selector_is_named() {
        for wrong in
            ["=x", "app in king", "app in (", "app like (a)", "a b", "app=a=b", "!", "app!", "app in (a b)"]
        {
            let error = parse(&format!("app=king,{wrong}")).unwrap_err().to_string();
            assert!(error.contains(wrong), "{wrong}: {error}");
        }
    }
}
