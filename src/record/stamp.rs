//! Times in records. Invariant: a stamp is for people; no rule of the protocol compares two of them across machines.

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use serde::de::Visitor;
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
        let millis = u64::from(since.subsec_millis());
        // At each place two digits.
        let pairs = [
            (0, year / 100),
            (2, year % 100),
            (5, month),
            (8, day),
            (11, second / 3_600),
            (14, second / 60 % 60),
            (17, second % 60),
            (20, millis / 10),
        ];
        for (place, pair) in pairs {
            text[place] = b'0' + (pair / 10) as u8;
            text[place + 1] = b'0' + (pair % 10) as u8;
        }
        text[22] = b'0' + (millis % 10) as u8;
        Some(text)
    }

    /// The time whose text this is, if it is one that this library has written.
    fn read(text: &str) -> Option<Self> {
        let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
        let number = |place: std::ops::Range<usize>| {
            text[place].iter().fold(0, |number, digit| 10 * number + u64::from(digit.wrapping_sub(b'0')))
        };
        let (year, month, day) = (number(0..4), number(5..7), number(8..10));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
        let (era, of_era) = (year / 400, year % 400);
        let days = 365 * of_era + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day;
        let days = (146_097 * era + days).checked_sub(719_469)?;
        let seconds = days * 86_400 + number(11..13) * 3_600 + number(14..16) * 60 + number(17..19);
        let time = Self::from(SystemTime::UNIX_EPOCH + Duration::from_millis(1_000 * seconds + number(20..23)));
        // A text that is none, or not of such a time, is not what this time is written as.
        (time.text()? == *text).then_some(time)
    }

    fn from_calendar(time: jiff::Timestamp) -> Self {
        // Before 1970 there were no controllers: such a stamp is read as the epoch.
        let since = Duration::from_millis(u64::try_from(time.as_millisecond()).unwrap_or_default());
        Self::from(SystemTime::UNIX_EPOCH + since)
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
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Stamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Stamp, E> {
                Stamp::read(text).map_or_else(|| text.parse().map(Stamp::from_calendar).map_err(E::custom), Ok)
            }
        }
        deserializer.deserialize_str(Text)
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
            let read: jiff::Timestamp = at.to_string().parse().unwrap();
            assert_eq!(Stamp::read(&at.to_string()), at.text().map(|_| at));
            assert_eq!(serde_json::from_value::<Stamp>(at.to_string().into()).unwrap(), Stamp::from_calendar(read));
        };
        // One day of each week until the calendar's end, at another time of it; and some years as a whole.
        (0..2_932_900_u64).step_by(7).for_each(|day| is_right(day * 86_400_000 + day * 12_345_677 % 86_400_000));
        for day in (0..3_000).chain(10_900..11_100).chain(47_400..47_600).chain(2_932_300..2_932_900) {
            is_right(day * 86_400_000);
            is_right(day * 86_400_000 + 86_399_999);
        }
        is_right(u64::MAX);
    }

    #[test]
    fn a_time_that_is_written_otherwise_is_read_as_the_calendar_reads_it() {
        let texts = [
            "2023-11-14T22:13:20.5Z",
            "2023-11-14t22:13:20.500z",
            "2023-11-14T22:13:20.500+02:00",
            "2023-11-14 22:13:20.500Z",
            "2023-02-29T00:00:00.000Z",
            "2023-13-01T00:00:00.000Z",
            "2023-00-01T00:00:00.000Z",
            "2023-01-00T00:00:00.000Z",
            "2023-01-32T00:00:00.000Z",
            "2023-01-01T24:00:00.000Z",
            "2023-01-01T00:60:00.000Z",
            "2016-12-31T23:59:60.000Z",
            "2023-01-01T00:00:0:.000Z",
            "1969-12-31T23:59:59.999Z",
            "0000-01-01T00:00:00.000Z",
            "9999-12-30T22:00:00.999Z",
            "9999-12-31T23:59:59.999Z",
            "",
        ];
        for text in texts {
            let known = text.parse().map(Stamp::from_calendar).map_err(|error: jiff::Error| error.to_string());
            let read = serde_json::from_value::<Stamp>(text.into()).map_err(|error| error.to_string());
            assert_eq!(read, known, "{text}");
        }
    }
}
