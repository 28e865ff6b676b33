//! Durations in attributes. Invariant: what is accepted is exact; there is no unit to guess.

use std::time::Duration;

use syn::LitStr;

/// The longest time that anything may be declared to take: far beyond any use, and far from where times run over.
const YEAR: Duration = Duration::from_secs(8760 * 3600);

/// The longest wait that the driver keeps to.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `"250ms"`, `"30s"`, `"10m"` or `"1h"`.
pub(crate) fn duration(text: &LitStr) -> syn::Result<Duration> {
    let error = |what: &str| Err(syn::Error::new(text.span(), what));
    match parse(&text.value()) {
        Some(time) if time <= YEAR => Ok(time),
        Some(_) => error("longer than a year; write at most \"8760h\""),
        None => error("not a duration; write a whole number and a unit, such as \"250ms\", \"30s\", \"10m\" or \"1h\""),
    }
}

/// Reads how often something is done: a time that is not zero, and no longer than the driver waits.
pub(crate) fn interval(text: &LitStr) -> syn::Result<Duration> {
    let time = duration(text)?;
    let error = |what: &str| Err(syn::Error::new(text.span(), what));
    match time {
        Duration::ZERO => error("nothing is done all the time; write at least \"1ms\""),
        time if time > DAY => error("nothing waits longer than a day; write at most \"24h\""),
        time => Ok(time),
    }
}

/// Reads `"1s..5m"`.
pub(crate) fn range(text: &LitStr) -> syn::Result<(Duration, Duration)> {
    let value = text.value();
    let parsed = value.split_once("..").and_then(|(base, max)| Some((parse(base)?, parse(max)?)));
    let error = |what: &str| Err(syn::Error::new(text.span(), what));
    match parsed {
        Some((base, max)) if base <= max && !base.is_zero() && max <= DAY => Ok((base, max)),
        Some((_, max)) if max > DAY => {
            error("nothing waits longer than a day; write at most \"24h\", such as \"1s..24h\"")
        }
        _ => error("not a backoff; write the first and the longest wait, such as \"1s..5m\""),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return None;
    }
    // A number that is too large is a time that is too long, and no mistake of writing.
    let number: u64 = number.parse().unwrap_or(u64::MAX);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.saturating_mul(60))),
        "h" => Some(Duration::from_secs(number.saturating_mul(3600))),
        _ => None,
    }
}
