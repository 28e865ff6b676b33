//! Crossings: the points at which a crash, a fault or another controller can interfere. Invariant: the driver passes a crossing
//! before and after everything that leaves the process, and costs nothing without a probe.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Class, RecordId};

/// Watches, delays or ends a pass at its crossings. The harness uses it, and so can a program that kills itself at
/// a chosen point.
pub trait Probe: Send + Sync + 'static {
    /// Called at each crossing. The pass goes on when the future is done.
    fn cross(&self, crossing: &Crossing<'_>) -> impl Future<Output = ()> + Send {
        let _ = crossing;
        std::future::ready(())
    }

    /// Called when an attempt is over, before its outcome is durable. If it failed, with the class of its error. For metrics.
    fn attempted(&self, crossing: &Crossing<'_>, class: Option<Class>) {
        let _ = (crossing, class);
    }
}

/// The probe of a runner, if it has one. It has no type parameter, so that the driver is compiled once, and not again for each probe in each program.
#[derive(Clone, Default)]
pub(crate) struct Watch(Option<Arc<dyn Watches>>);

impl Watch {
    pub(crate) fn of(probe: impl Probe) -> Self {
        Self(Some(Arc::new(probe)))
    }

    pub(crate) async fn cross(&self, crossing: &Crossing<'_>) {
        if let Some(probe) = &self.0 {
            probe.cross(crossing).await;
        }
    }

    pub(crate) fn attempted(&self, crossing: &Crossing<'_>, class: Option<Class>) {
        if let Some(probe) = &self.0 {
            probe.attempted(crossing, class);
        }
    }
}

/// [`Probe`] behind a pointer.
trait Watches: Send + Sync {
    fn cross<'a>(&'a self, crossing: &'a Crossing<'_>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    fn attempted(&self, crossing: &Crossing<'_>, class: Option<Class>);
}

impl<P: Probe> Watches for P {
    fn cross<'a>(&'a self, crossing: &'a Crossing<'_>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(Probe::cross(self, crossing))
    }

    fn attempted(&self, crossing: &Crossing<'_>, class: Option<Class>) {
        Probe::attempted(self, crossing, class);
    }
}

/// Both, the first one first.
impl<A: Probe, B: Probe> Probe for (A, B) {
    async fn cross(&self, crossing: &Crossing<'_>) {
        self.0.cross(crossing).await;
        self.1.cross(crossing).await;
    }

    fn attempted(&self, crossing: &Crossing<'_>, class: Option<Class>) {
        self.0.attempted(crossing, class);
        self.1.attempted(crossing, class);
    }
}

/// One point of a pass.
#[derive(Debug, Clone, Copy)]
pub struct Crossing<'a> {
    /// The record.
    pub id: &'a RecordId,
    /// The transition, or an empty text.
    pub transition: &'a str,
    /// The subject, for a member of a set.
    pub subject: Option<&'a str>,
    /// What is about to happen, or has happened.
    pub site: Site,
    /// Before or after it.
    pub side: Side,
}

/// What happens at a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The record is read.
    Load,
    /// An intent is written.
    Intent,
    /// An intent in doubt is taken over.
    TakeOver,
    /// The provider is asked.
    Lookup,
    /// The transition's method runs.
    Effect,
    /// The outcome is written, usually with the next intent.
    Commit,
    /// The undo runs.
    Undo,
    /// The abort runs.
    Abort,
    /// A transition that waits looks.
    Wait,
    /// Anything else is written: a failure, a hold, a turn.
    Note,
    /// The record is removed.
    Remove,
}

/// Before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// It has not begun.
    Before,
    /// It is over.
    After,
}

impl Site {
    /// The site's name in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Site::Load => "load",
            Site::Intent => "intent",
            Site::TakeOver => "take-over",
            Site::Lookup => "lookup",
            Site::Effect => "effect",
            Site::Commit => "commit",
            Site::Undo => "undo",
            Site::Abort => "abort",
            Site::Wait => "wait",
            Site::Note => "note",
            Site::Remove => "remove",
        }
    }
}

impl fmt::Display for Crossing<'_> {
    /// The crossing's label, such as `create_room/effect:before` or `push_skill(web)/commit:after`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.transition)?;
        if let Some(subject) = self.subject {
            write!(f, "({subject})")?;
        }
        if !self.transition.is_empty() {
            f.write_str("/")?;
        }
        let side = if self.side == Side::Before { "before" } else { "after" };
        write!(f, "{}:{side}", self.site.name())
    }
}
