//! What the enum says for all effects. Invariant: each such key says something for one effect at least.

use crate::errors::Errors;
use crate::model::{Kind, Model};
use crate::parse::TransitionDecl;

pub(super) fn validate(model: &Model, errors: &mut Errors) {
    let defaults = &model.declaration.defaults;
    let effects = || {
        let typed = model.states().iter().flat_map(|state| &state.transitions);
        typed.filter(|it| it.broken || it.in_doubt.is_some())
    };
    let takes = |has_own: fn(&TransitionDecl) -> bool| effects().any(|effect| effect.broken || !has_own(effect));
    let keys = [
        ("timeout", defaults.timeout.map(|(_, span)| span), takes(|it| it.timeout.is_some())),
        ("settle", defaults.settle.map(|(_, span)| span), takes(|it| it.settle.is_some())),
        ("retry", defaults.retry.map(|(_, span)| span), takes(|it| it.retry.is_some())),
    ];
    if !errors.is_empty() {
        return;
    }
    for (key, span, is_taken) in keys {
        if let Some(span) = span.filter(|_| !is_taken) {
            errors.at(
                span,
                format!("this `{key}` has no effect, because every effect has its own or there is none: remove this"),
            );
        }
    }
    let ends = [&defaults.rejected, &defaults.exhausted, &defaults.overdue];
    for end in ends.into_iter().flatten() {
        let mut steps = model.transitions.iter().filter(|step| matches!(step.kind, Kind::End { .. }));
        // The end of a transition that gives none of its own has that transition's name as its token.
        let is_taken = steps.any(|step| {
            let Kind::End { of, .. } = step.kind else { return false };
            let typed = model.typed(of);
            let key = end.key.to_string();
            let has_own = typed.is_some_and(|it| it.keys.iter().any(|own| *own == key));
            step.name.to_string().ends_with(&format!("_{key}")) && !has_own
        });
        if !is_taken {
            let what = if end.key == "overdue" { "transition that waits and says `within`" } else { "effect" };
            errors.at(
                end.key.span(),
                format!(
                    "this `{0}` has no effect, because every {what} has its own or there is none: remove this",
                    end.key
                ),
            );
        }
    }
}
