//! Errors of reading a lock file.
//!
//! Invariant: each text ends with what will be accepted instead.

/// The format that this version writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// Why a text is not a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// It is not JSON of this shape.
    Json(String),
    /// It has a format that this version does not know.
    Format(u64),
    /// It names something that it does not declare.
    Unknown {
        /// `state`, `transition` or `fact`.
        what: &'static str,
        /// The name.
        name: String,
        /// Where the name stands.
        place: String,
    },
    /// Two states or two transitions have one name.
    Twice {
        /// `state` or `transition`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is not exactly one initial state.
    Initial(usize),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReadError::Json(why) => {
                write!(f, "the lock file is not a graph ({why}); write it again with the release that has the machine")
            }
            ReadError::Format(found) => write!(
                f,
                "the lock file has format {found}, and this version reads format {FORMAT}; use the version that wrote it, or a later one"
            ),
            ReadError::Unknown { what, name, place } => write!(
                f,
                "the lock file names {what} `{name}` in {place} and does not declare it; write it again with the release that has the machine"
            ),
            ReadError::Twice { what, name } => write!(
                f,
                "the lock file declares {what} `{name}` twice; write it again with the release that has the machine"
            ),
            ReadError::Initial(count) => write!(
                f,
                "the lock file has {count} initial states, and a machine has one; write it again with the release that has the machine"
            ),
        }
    }
}

impl std::error::Error for ReadError {}
