//! A transition on several states: declared on one, and listed by its name on others. Invariant: a listing says nothing but the
//! guard that the transition has there.

use syn::Ident;

use super::{Kind, Model, Transition, contract};
use crate::errors::Errors;
use crate::suggest;

/// A listing, apart from the declaration that it stands in.
struct Listing {
    place: usize,
    name: Ident,
    when: Option<Ident>,
    /// The first key that a listing does not take.
    other: Option<Ident>,
}

impl Model {
    /// Puts each transition on the states that list it by its name.
    pub(super) fn list_again(&mut self, errors: &mut Errors) {
        let mut listings = Vec::new();
        for (place, state) in self.declaration.states.iter().enumerate() {
            for typed in state.transitions.iter().filter(|typed| self.declaration.is_listing(typed)) {
                let other = typed.keys.iter().find(|key| *key != "when" && !typed.broken).cloned();
                listings.push(Listing { place, name: typed.name.clone(), when: typed.when.clone(), other });
            }
        }
        for listing in listings {
            self.list(listing, errors);
        }
    }

    fn list(&mut self, Listing { place, name, when, other }: Listing, errors: &mut Errors) {
        let Some(index) = self.transitions.iter().position(|it| it.name == name) else {
            errors.at(name.span(), self.unknown(&name));
            // Its method may be written already.
            self.transitions.push(Transition {
                name,
                from: place,
                places: vec![place],
                to: vec![place],
                back: Vec::new(),
                guard: when,
                on_delete: false,
                preempts: false,
                retired: None,
                was: Vec::new(),
                verify: None,
                kind: Kind::NoEffect,
                loose: true,
            });
            return;
        };
        let declared = &self.declaration.states[self.transitions[index].from].ident;
        if let Some(key) = other {
            errors.at(
                key.span(),
                format!(
                    "`{name}` is declared on {declared}, and a state that lists it again may give it another `when` and nothing else: remove `{key}`, or give this transition a name and a target of its own"
                ),
            );
        }
        if self.transitions[index].places.contains(&place) {
            let state = &self.declaration.states[place].ident;
            errors.at(name.span(), format!("{state} lists `{name}` twice: remove one"));
            return;
        }
        if let Some(guard) = when {
            if self.transitions[index].for_each().is_some() {
                errors.at(guard.span(), contract::no_guard(self.transitions[index].is_kept()));
            } else {
                self.guards.insert((place, index), guard);
            }
        }
        self.transitions[index].places.push(place);
        self.listed[place].push(index);
    }

    fn unknown(&self, name: &Ident) -> String {
        let names: Vec<String> = self.transitions.iter().map(|it| it.name.to_string()).collect();
        match suggest::nearest(&name.to_string(), names.iter().map(String::as_str)) {
            Some(meant) => format!("no transition `{name}`: did you mean `{meant}`?"),
            None => format!(
                "`{name}` leads nowhere: write `{name} -> Target, in_doubt = …, undo = …`, or the name of a transition that another state declares"
            ),
        }
    }

    /// The guard that a transition has on a state.
    pub(crate) fn guard(&self, place: usize, transition: usize) -> Option<&Ident> {
        self.guards.get(&(place, transition)).or(self.transitions[transition].guard.as_ref())
    }
}
