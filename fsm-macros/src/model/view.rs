//! What a method is given. Invariant: it can be read on every state where the method may be called.

use std::collections::BTreeSet;

use syn::Ident;

use super::{FactRef, Kind, Model};
use crate::names;

/// What all states know that list a transition.
pub(crate) struct View {
    pub(crate) transition: usize,
    pub(crate) ident: Ident,
    pub(crate) names: BTreeSet<String>,
    pub(crate) known: Vec<FactRef>,
}

impl Model {
    /// The views of the transitions that are listed on several states.
    pub(crate) fn views(&self) -> Vec<View> {
        let several = |index: &usize| self.sources(*index).len() > 1 && self.is_seen(*index);
        (0..self.transitions.len()).filter(several).map(|index| self.view(index)).collect()
    }

    /// The states whose knowledge the methods of a transition are given. A set has no edges: where all states that keep it know what the
    /// first one knows, that one says it all.
    pub(crate) fn sources(&self, transition: usize) -> &[usize] {
        let step = &self.transitions[transition];
        let first = &self.names[step.from];
        if step.for_each().is_some() && step.places.iter().all(|place| first.is_subset(&self.names[*place])) {
            return &step.places[..1];
        }
        &step.places
    }

    /// Whether some method is given the view. A rewind has a guard alone.
    fn is_seen(&self, transition: usize) -> bool {
        let is_rewind = matches!(self.transitions[transition].kind, Kind::Rewind | Kind::End { .. });
        !is_rewind || self.guards_of(transition).iter().any(|(_, places)| places.len() > 1)
    }

    fn view(&self, transition: usize) -> View {
        let step = &self.transitions[transition];
        let mut places = step.places.iter().map(|place| &self.names[*place]);
        let all = places.next().cloned().unwrap_or_default();
        let mut names: BTreeSet<String> = places.fold(all, |all, some| all.intersection(some).cloned().collect());
        let any = step.places.iter().flat_map(|place| &self.names[*place]);
        names.extend(any.filter(|name| self.has_default(name)).cloned());
        View { transition, ident: names::pascal(&step.name, "From"), known: self.declared(&names, None), names }
    }

    /// The guards of a transition, each with the states on which it is asked.
    pub(crate) fn guards_of(&self, transition: usize) -> Vec<(&Ident, Vec<usize>)> {
        let mut guards: Vec<(&Ident, Vec<usize>)> = Vec::new();
        for place in &self.transitions[transition].places {
            let Some(guard) = self.guard(*place, transition) else { continue };
            match guards.iter_mut().find(|(known, _)| *known == guard) {
                Some((_, places)) => places.push(*place),
                None => guards.push((guard, vec![*place])),
            }
        }
        guards
    }

    /// The type that the methods of a transition are given where these states list it.
    pub(crate) fn source(&self, transition: usize, places: &[usize]) -> Ident {
        match places {
            [only] => self.states()[*only].ident.clone(),
            _ => names::pascal(&self.transitions[transition].name, "From"),
        }
    }
}
