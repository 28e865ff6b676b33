//! `fsm list --watch`: prints the table again whenever something has changed.
//!
//! Invariant: a place that cannot be read for a while is looked at again.

use std::io::Write as _;
use std::time::Duration;

use crate::args::List;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::table;
use crate::text::{Paint, plain};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Clears the terminal, and goes to its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Lists until it is interrupted.
pub(crate) async fn list<F, Fut>(read: F, list: &List, json: bool, paint: Paint) -> Result<u8, Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<Fleet, Error>>,
{
    let mut fleet = read().await?;
    let mut shown = None;
    let mut failed = None;
    loop {
        let told = table::told(&fleet, list)?;
        // On a terminal the ages go on, too.
        if paint.cut || shown.as_ref() != Some(&told) {
            if paint.cut {
                write!(std::io::stdout(), "{CLEAR}")?;
            } else if shown.is_some() {
                writeln!(std::io::stdout())?;
            }
            table::list(&fleet, list, json, paint)?;
            std::io::stdout().flush()?;
            shown = Some(told);
        }
        tokio::time::sleep(PAUSE).await;
        match read().await {
            Ok(again) => (fleet, failed) = (again, None),
            Err(error) => {
                let why = error.to_string();
                if failed.as_ref() != Some(&why) {
                    writeln!(std::io::stderr(), "fsm: {}", plain(&why))?;
                    failed = Some(why);
                }
            }
        }
    }
}
