//! The crossings of a controller, told on standard output, so that it can be killed at one. Invariant: a controller that stands still at a crossing goes
//! no further; only a signal ends that.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use durable_fsm::{Crossing, Probe};

/// Says each crossing, if it is to, and stands still at one of them.
pub(crate) struct Crossings {
    /// What stands before each crossing's name.
    prefix: &'static str,
    stop_at: Option<String>,
    told: bool,
    seen: Mutex<BTreeMap<String, u32>>,
}

impl Crossings {
    pub(crate) fn new(prefix: &'static str, stop_at: Option<String>, told: bool) -> Self {
        Self { prefix, stop_at, told, seen: Mutex::default() }
    }

    pub(crate) async fn pass(&self, label: String) {
        if !self.told && self.stop_at.is_none() {
            return;
        }
        let count = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let count = seen.entry(label.clone()).or_default();
            *count += 1;
            *count
        };
        let label = format!("{}{label}#{count}", self.prefix);
        if self.stop_at.as_deref() == Some(&label) {
            say(&format!("at {label}"));
            std::future::pending::<()>().await;
        }
        if self.told {
            say(&format!("cross {label}"));
        }
    }
}

impl Probe for Crossings {
    async fn cross(&self, crossing: &Crossing<'_>) {
        self.pass(crossing.to_string()).await;
    }
}

/// Says a line on standard output.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // No one listens any more, so there is no reason to speak.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
