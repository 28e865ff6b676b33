//! The exit codes.

/// Everything was done, and nothing is wrong.
pub(crate) const FINE: u8 = 0;
/// What was asked for was refused, or a record is not as it should be.
pub(crate) const REFUSED: u8 = 1;
