//! Says in words what a record waits for, what it has made, what may be asked of it, and what a request will do.
//!
//! Invariant: the command `fsm` and the admin page take their words from here, so both say the same of the same record.
//!
//! The texts contain names and messages from records. Before you print them, remove control characters; before you put them on a page, escape them.

mod offers;
mod waits;
mod will;
mod wish;

pub use offers::{Offer, Offered, offers};
pub use waits::{made, span, waits};
pub use will::{WILL_VERIFY, left_behind, will, will_release};
pub use wish::{Wish, WishError};
