//! Where bad ends lead. Invariant: a bad end knows nothing that the step which failed would have made.

use syn::Type;
use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{Kind, Model};
use crate::parse::FactDecl;

pub(super) fn validate(model: &Model, errors: &mut Errors) {
    let ends = model.transitions.iter().filter(|step| matches!(step.kind, Kind::End { .. }));
    for (end, target) in ends.flat_map(|end| end.to.iter().map(move |target| (end, *target))) {
        let state = &model.states()[target];
        let own: Vec<&FactDecl> = state.facts.iter().filter(|fact| !is_given(fact)).collect();
        let failures = own.iter().filter(|fact| is_failure(&fact.ty)).count();
        if let Some(other) = own.iter().find(|fact| !is_failure(&fact.ty)) {
            errors.at(
                end.name.span(),
                format!(
                    "{0} is a bad end, and adds `{1}`, which nobody makes there: let {0} add nothing, or one fact of type `durable_fsm::Failure`, or mark `{1}` with `#[fsm(default)]`",
                    state.ident,
                    other.ident.unraw()
                ),
            );
        } else if failures > 1 {
            errors.at(
                end.name.span(),
                format!("{} has two facts of type `Failure`, and there is one: remove one", state.ident),
            );
        }
    }
}

fn is_given(fact: &FactDecl) -> bool {
    fact.each.is_some() || fact.default
}

fn is_failure(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Failure"))
}
