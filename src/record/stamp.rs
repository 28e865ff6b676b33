//! Times in records. Invariant: a stamp is for people; no rule of the protocol compares two of them across machines.

use std::fmt;
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

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A time beyond the calendar's end can only come from a clock that is far off; it is shown as the end.
        let time = jiff::Timestamp::try_from(self.0).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{time:.3}")
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
