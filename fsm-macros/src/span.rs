//! Durations in attributes. Invariant: what is accepted is exact; there is no unit to guess.

use std::time::Duration;

use syn::LitStr;

/// Reads `"250ms"`, `"30s"`, `"10m"` or `"1h"`.
pub(crate) fn duration(text: &LitStr) -> syn::Result<Duration> {
    parse(&text.value()).ok_or_else(|| {
        syn::Error::new(
            text.span(),
            "not a duration; write a whole number and a unit, such as \"250ms\", \"30s\", \"10m\" or \"1h\"",
        )
    })
}

/// Reads `"1s..5m"`.
pub(crate) fn range(text: &LitStr) -> syn::Result<(Duration, Duration)> {
    let value = text.value();
    let parsed = value.split_once("..").and_then(|(base, max)| Some((parse(base)?, parse(max)?)));
    match parsed {
        Some((base, max)) if base <= max && !base.is_zero() => Ok((base, max)),
        _ => {
            Err(syn::Error::new(text.span(), "not a backoff; write the first and the longest wait, such as \"1s..5m\""))
        }
    }
}

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}
