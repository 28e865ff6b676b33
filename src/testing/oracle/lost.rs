//! Whether what is recorded as lost is gone. Invariant: it is judged by what exists.

use super::{Oracle, Violation};
use crate::record::Record;
use crate::testing::sim::Decoded;
use crate::testing::world::Thing;

/// Something that this write records as lost, or takes out of its set as lost, and that exists.
pub(crate) fn wrongly_lost(old: &Decoded, new: &Record, things: &[Thing]) -> Option<Violation> {
    // A loss is recorded at rest, and what is undone has an intent.
    if old.record.intent.is_some() {
        return None;
    }
    let live = old.record.undo.iter().zip(old.live()).filter(|(live, _)| !live.lost);
    let is_lost = |of| new.undo.iter().find(|it| it.of() == of).map(|it| it.lost);
    let mut lost = live.filter(|(live, _)| is_lost(live.of()).unwrap_or(live.subject.is_some()));
    let (live, _) = lost.find(|(live, key)| {
        let is_retained = new.retained.iter().any(|it| (&it.transition, it.life) == (&live.transition, live.life));
        !is_retained && things.iter().any(|thing| thing.key.as_ref() == Some(*key))
    })?;
    let of = live.subject.as_deref().map(|subject| format!(" for {subject}")).unwrap_or_default();
    Some(Violation::new(Oracle::Edge, format!("`{}`{of} is recorded as lost, and exists", live.transition)))
}
