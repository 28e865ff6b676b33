//! Times in records. Invariant: a stamp is for people; no rule of the protocol compares two of them across machines.

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time of day, written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(SystemTime);

impl Stamp {
    /// The time as the standard library has it.
    #[must_use]
    pub fn time(self) -> SystemTime {
        self.0
    }

    /// How long it is from `earlier` to this; nothing if it is not later.
    #[must_use]
    pub fn after(self, earlier: Stamp) -> Duration {
        self.0.duration_since(earlier.0).unwrap_or_default()
    }

    /// This much later, in whole milliseconds, as it is written; never less. The same if there is no such time.
    #[must_use]
    pub fn later(self, time: Duration) -> Self {
        self.0.checked_add(time.saturating_add(Duration::from_nanos(999_999))).map_or(self, Self::from)
    }
}

impl From<SystemTime> for Stamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        Self(SystemTime::UNIX_EPOCH.checked_add(millis).unwrap_or(SystemTime::UNIX_EPOCH))
    }
}

impl Stamp {
    /// The text of a time before the year 9999. Several are written with each record, so the calendar is reckoned here, and not where time zones
    /// are known too.
    fn text(self) -> Option<[u8; 24]> {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        if days >= DAYS_UNTIL_9999 {
            return None;
        }
        // The year begins in March here, so that the leap day is its last one; every 400 years have the same days.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = 400 * era + year + next;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let numbers = [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, second / 3_600),
            (14..16, second / 60 % 60),
            (17..19, second % 60),
            (20..23, since.subsec_millis().into()),
        ];
        for (place, mut number) in numbers {
            for digit in text[place].iter_mut().rev() {
                *digit = b"0123456789"[(number % 10) as usize];
                number /= 10;
            }
        }
        Some(text)
    }

    /// A line that begins with this time.
    pub(super) fn followed_by(self, line: fmt::Arguments<'_>) -> String {
        // Most lines are shorter than this.
        let mut text = String::with_capacity(96);
        self.with_text(|at| text.push_str(at));
        text.push(' ');
        // A text takes whatever is written to it.
        let _ = text.write_fmt(line);
        text
    }

    /// What is done with the text.
    fn with_text<A>(self, what: impl FnOnce(&str) -> A) -> A {
        if let Some(text) = self.text()
            && let Ok(text) = std::str::from_utf8(&text)
        {
            return what(text);
        }
        // A time beyond the calendar's end can only come from a clock that is far off; it is shown as the end.
        let time = jiff::Timestamp::try_from(self.0).unwrap_or(jiff::Timestamp::MAX);
        what(&format!("{time:.3}"))
    }
}

/// From 1970 to the year 9999.
const DAYS_UNTIL_9999: u64 = 2_932_532;

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        let since = time.as_millisecond();
        // Before 1970 there were no controllers: such a stamp is read as the epoch.
        let since = Duration::from_millis(u64::try_from(since).unwrap_or_default());
        Ok(Self::from(SystemTime::UNIX_EPOCH + since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_calendar_has_it() {
        let is_right = |millis: u64| {
            let at = Stamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
            let known = jiff::Timestamp::try_from(at.time()).unwrap_or(jiff::Timestamp::MAX);
            assert_eq!(at.to_string(), format!("{known:.3}"));
            assert_eq!(serde_json::to_value(at).unwrap(), at.to_string());
        };
        // One day of each week until the calendar's end, at another time of it; and some years as a whole.
        (0..2_932_900_u64).step_by(7).for_each(|day| is_right(day * 86_400_000 + day * 12_345_677 % 86_400_000));
        for day in (0..3_000).chain(10_900..11_100).chain(47_400..47_600).chain(2_932_300..2_932_900) {
            is_right(day * 86_400_000);
            is_right(day * 86_400_000 + 86_399_999);
        }
        is_right(u64::MAX);
    }
}
