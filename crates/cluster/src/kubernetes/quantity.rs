//! Kubernetes' quantities: `100000`, `100k`, `1500m`, `4Ki`, `1e5`.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// The number that a quantity stands for; `None` where it is none.
pub(super) fn number(quantity: &Quantity) -> Option<f64> {
    let text = quantity.0.as_str();
    let with_suffix =
        SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (digits, factor) = with_suffix.unwrap_or((text, 1.0));
    let number = digits.parse::<f64>().ok()? * factor;
    number.is_finite().then_some(number)
}

/// The nearest whole number of records; `None` where it is none or below 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within a u64's exact range"
)]
pub(super) fn records(quantity: &Quantity) -> Option<u64> {
    number(quantity).map(f64::round).filter(|number| (0.0..1e15).contains(number)).map(|number| number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_a_number() {
        for (text, expected) in [
            ("100000", Some(100_000)),
            ("100k", Some(100_000)),
            ("1e5", Some(100_000)),
            ("1E5", Some(100_000)),
            ("5000500m", Some(5_001)),
            ("4Ki", Some(4_096)),
            ("0", Some(0)),
            ("-1", None),
            ("", None),
            ("many", None),
            ("inf", None),
        ] {
            assert_eq!(records(&Quantity(text.into())), expected, "{text}");
        }
        assert_eq!(number(&Quantity("50m".into())), Some(0.05));
    }
}
