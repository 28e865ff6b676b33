//! What the enum says for all effects. Invariant: each such key says something for one effect at least.

use crate::errors::Errors;
use crate::model::Model;
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
}
