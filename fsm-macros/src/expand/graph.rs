//! The graph as a `const`.

use std::time::Duration;

use durable_fsm_graph::{Cause, InDoubt, Lost, Predecessor, Transport, Upgraded};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;

use super::Expansion;
use crate::model::{Contract, ForEach, Kind, Transition, Undo, Verify};

const GRAPH: &str = "The graph: states, edges and contracts, as declared.";

impl Expansion<'_> {
    pub(super) fn graph(&self) -> TokenStream {
        let fsm = self.fsm();
        let declaration = &self.model.declaration;
        let machine = &declaration.ident;
        let title = machine.unraw().to_string();
        // The first name stands in records, keys and owner tags, whatever the machine is called now.
        let first = declaration.was.iter().flatten().next().or(declaration.name.as_ref());
        let name = first.map(syn::LitStr::value).unwrap_or_default();
        let version = declaration.version.unwrap_or(1);
        let reader = declaration.reader.unwrap_or(1);
        let (doc, undo_on_rejected) = (&declaration.doc, declaration.undo_on_rejected);
        let states = (0..self.model.states().len()).map(|index| self.graph_state(index));
        let transitions = self.model.transitions.iter().map(|transition| self.graph_transition(transition));
        let upgrades = self.model.upgrades.iter().map(|it| {
            let (from, to) = (it.from, it.to);
            match it.of {
                Upgraded::State(state) => quote!(moved(#from, #state, #to)),
                Upgraded::Branch(step) => quote!(branched(#from, #step, #to)),
            }
        });
        let page = self.on_the_page("diagram");
        quote! {
            #page
            impl #machine {
                #[doc = #GRAPH]
                pub const GRAPH: #fsm::graph::Graph<'static> = {
                    use #fsm::graph::written::*;
                    Graph {
                        name: #name, title: #title, version: #version, reader: #reader, doc: #doc,
                        undo_on_rejected: #undo_on_rejected, upgrades: &[#(#upgrades),*],
                        states: &[#(#states),*],
                        transitions: &[#(#transitions),*],
                    }
                };
            }
        }
    }

    fn graph_state(&self, index: usize) -> TokenStream {
        let state = &self.model.states()[index];
        let name = state.ident.unraw().to_string();
        let doc = &state.doc;
        let rest = word(match (state.terminal.is_some(), state.resting) {
            (true, _) => "TERMINAL",
            (false, true) => "RESTING",
            (false, false) => "PASSING",
        });
        let initial = state.initial.map(|_| quote!(+ INITIAL));
        let failed = state.failed.then(|| quote!(+ FAILED));
        let leaving = state.leaving.map(|_| quote!(+ LEAVING));
        let facts = &state.facts;
        let kinds = facts.iter().map(|fact| word(if fact.each.is_some() { "set" } else { "fact" }));
        let defaults = facts.iter().map(|fact| {
            let (default, was) = (fact.default.then(|| quote!(.or_default())), was(&fact.was));
            quote!(#default #was)
        });
        let names = facts.iter().map(|fact| fact.ident.unraw().to_string());
        let types = facts.iter().map(|fact| fact.written.replace(' ', ""));
        let docs = facts.iter().map(|fact| &fact.doc);
        let known = self.model.known[index].iter().map(|fact| self.model.fact(*fact).ident.unraw().to_string());
        let transitions = &self.model.listed[index];
        let (guarded, guards): (Vec<usize>, Vec<String>) = self.guards_on(index).into_iter().unzip();
        let guards = (!guards.is_empty()).then(|| quote!(.guarded(&[#((#guarded, #guards)),*])));
        let (retired, was) = (state.retired.map(|_| quote!(.retired())), was(&state.was));
        let verify = state.verify.map(|(every, _)| millis(every)).map(|every| quote!(.verified(#every)));
        quote! {
            state(#name, #doc, #rest #initial #failed #leaving, &[#(#kinds(#names, #types, #docs) #defaults),*], &[#(#known),*], &[#(#transitions),*]) #guards #retired #was #verify
        }
    }

    /// The guards that transitions have on a state in place of their own.
    pub(super) fn guards_on(&self, state: usize) -> Vec<(usize, String)> {
        let listed = self.model.listed[state].iter();
        let guards = listed.filter_map(|index| Some((*index, self.model.guards.get(&(state, *index))?)));
        guards.map(|(index, guard)| (index, guard.unraw().to_string())).collect()
    }

    fn graph_transition(&self, transition: &Transition) -> TokenStream {
        let name = transition.name.unraw().to_string();
        let is_back = !transition.back.is_empty();
        let (from, to) = (transition.from, if is_back { &transition.back } else { &transition.to });
        let guard = option(transition.guard.as_ref().map(|guard| guard.unraw().to_string()));
        let (kind, last) = match &transition.kind {
            Kind::Effect(contract) => (word("effect"), Some(graph_contract(contract))),
            Kind::NoEffect => (word("no_effect"), None),
            Kind::Deferred(contract) => (word("deferred"), Some(graph_contract(contract))),
            Kind::Rewind => (word("rewind"), None),
            Kind::End { of, cause } => return graph_end(&name, from, to, *of, is_back, *cause),
            Kind::Waits { within, every, .. } => {
                let [within, every] = [within, every].map(|time| match time.map(millis) {
                    Some(time) => quote!(Some(#time)),
                    None => quote!(None),
                });
                (word("waits"), Some(quote!(#within, #every)))
            }
        };
        let last = last.map(|last| quote!(, #last));
        let on_delete = transition.on_delete.then(|| quote!(.on_delete()));
        let preempts = transition.preempts.then(|| quote!(.preempts()));
        let each = match &transition.kind {
            Kind::Waits { for_each, .. } => for_each.as_deref().map(graph_set),
            _ => None,
        };
        let (retired, was) = (transition.retired.map(|_| quote!(.retired())), was(&transition.was));
        let asked = transition.verify.as_ref().map(asked);
        quote!(#kind(#name, #from, &[#(#to),*], #guard #last) #each #on_delete #preempts #retired #was #asked)
    }
}

/// How what it made is asked about.
fn asked(verify: &Verify) -> TokenStream {
    let lost = word(match verify.lost {
        Lost::Remake => "REMAKE",
        Lost::Missing => "MISSING",
        Lost::End => "END",
        Lost::Hold => "HELD",
        Lost::Ignore => "IGNORE",
    });
    let by = option(verify.by.as_ref().map(|by| by.unraw().to_string()));
    quote!(.asked(#by, #lost))
}

/// Names of before.
fn was(names: &[syn::LitStr]) -> Option<TokenStream> {
    let names = names.iter().map(syn::LitStr::value);
    (names.len() > 0).then(|| quote!(.was(&[#(#names),*])))
}

fn graph_end(name: &str, from: usize, to: &[usize], of: usize, back: bool, cause: Cause) -> TokenStream {
    let (kind, limits) = match cause {
        Cause::Rejected => ("rejected", None),
        Cause::Overdue => ("overdue", None),
        Cause::Lost => ("lost", None),
        Cause::Exhausted { attempts, give_up_after } => {
            let attempts = attempts.map_or_else(|| quote!(None), |attempts| quote!(Some(#attempts)));
            let after = give_up_after.map(millis).map_or_else(|| quote!(None), |after| quote!(Some(#after)));
            ("exhausted", Some(quote!(, #attempts, #after)))
        }
    };
    let kind = word(kind);
    quote!(#kind(#name, #from, &[#(#to),*], #of, #back #limits))
}

fn graph_contract(contract: &Contract) -> TokenStream {
    let in_doubt = word(match contract.in_doubt {
        InDoubt::Repeat => "REPEAT",
        InDoubt::Lookup => "LOOKUP",
        InDoubt::Hold => "HOLD",
    });
    let undo = match &contract.undo {
        Undo::Method(method) => {
            let method = method.unraw().to_string();
            quote!(by(#method))
        }
        Undo::Retain => quote!(RETAIN),
        Undo::None => quote!(NOTHING),
    };
    let abort = option(contract.abort.as_ref().map(|abort| abort.unraw().to_string()));
    let times = [contract.timeout, contract.settle, contract.retry.0, contract.retry.1].map(millis);
    let look_later = (!contract.look_first).then(|| quote!(.look_later()));
    let adopt = (contract.predecessor == Predecessor::Adopt).then(|| quote!(.adopt()));
    let once = (contract.transport == Transport::Once && contract.in_doubt == InDoubt::Repeat).then(|| quote!(.once()));
    let retained = contract.retain_when.as_ref().map(|method| {
        let method = method.unraw().to_string();
        quote!(.retained_when(#method))
    });
    let set = contract.for_each.as_ref().map(graph_set);
    quote!(contract(#in_doubt, #undo, #abort, [#(#times),*]) #look_later #adopt #once #retained #set)
}

fn graph_set(set: &ForEach) -> TokenStream {
    let (fact, kind) = (set.fact.unraw().to_string(), word(if set.kept { "value" } else { "members" }));
    let on = set.on.as_ref().map(|on| {
        let on = on.unraw().to_string();
        quote!(.on(#on))
    });
    let surge = set.surge.map(|surge| quote!(.surge(#surge)));
    quote!(.each(#kind(#fact) #on #surge))
}

/// A name from `graph::written`. Unlike tokens that are put in, it costs nothing but itself.
fn word(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

fn option(text: Option<String>) -> TokenStream {
    match text {
        Some(text) => quote!(Some(#text)),
        None => quote!(None),
    }
}

fn millis(time: Duration) -> Literal {
    Literal::u64_unsuffixed(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
