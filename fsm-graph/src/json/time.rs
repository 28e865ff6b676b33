//! Durations in lock files, in the notation of the attributes.
//!
//! Invariant: a duration that is written reads back as the same duration.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, Serializer};

/// Units, the largest first, with their nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

pub(super) fn write(time: Duration) -> String {
    let nanos = time.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let exact = UNITS.into_iter().find(|(_, unit)| nanos.is_multiple_of(*unit));
    exact.map_or_else(String::new, |(name, unit)| format!("{}{name}", nanos / unit))
}

pub(super) fn read(text: &str) -> Option<Duration> {
    let (number, name) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, unit) = UNITS.into_iter().find(|(unit, _)| *unit == name)?;
    let nanos = number.parse::<u128>().ok()?.checked_mul(unit)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).ok()?))
}

pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*time))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| {
        serde::de::Error::custom(format!("`{text}` is not a duration; write a whole number and a unit, as in `30s`"))
    })
}

/// A duration that may be absent.
pub(super) mod option {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(in crate::json) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::json) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
