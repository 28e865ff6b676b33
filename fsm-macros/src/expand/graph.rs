//! The graph as a `const`.

use std::time::Duration;

use durable_fsm_graph::{InDoubt, Order, Predecessor};
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;

use super::Expansion;
use crate::model::{Contract, Kind, Transition, Undo};

impl Expansion<'_> {
    pub(super) fn graph(&self) -> TokenStream {
        let fsm = self.fsm();
        let declaration = &self.model.declaration;
        let machine = &declaration.ident;
        let title = machine.unraw().to_string();
        let name = declaration.name.as_ref().map(syn::LitStr::value).unwrap_or_default();
        let version = declaration.version.unwrap_or(1);
        let reader = declaration.reader.unwrap_or(1);
        let (doc, undo_on_rejected) = (&declaration.doc, declaration.undo_on_rejected);
        let states = (0..self.model.states().len()).map(|index| self.graph_state(index));
        let transitions = self.model.transitions.iter().map(|transition| self.graph_transition(transition));
        let page = self.on_the_page("diagram");
        quote! {
            #page
            impl #machine {
                #[doc = "The graph: states, edges and contracts, as declared."]
                pub const GRAPH: #fsm::graph::Graph<'static> = {
                    use #fsm::graph as g;
                    g::Graph {
                        name: #name, title: #title, version: #version, reader: #reader, doc: #doc,
                        undo_on_rejected: #undo_on_rejected,
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
        let (doc, initial, failed) = (&state.doc, state.initial.is_some(), state.failed);
        let rest = match (state.terminal.is_some(), state.resting) {
            (true, _) => quote!(Terminal),
            (false, true) => quote!(Resting),
            (false, false) => quote!(Passing),
        };
        let facts = state.facts.iter().map(|fact| {
            let ty = &fact.ty;
            let (name, ty) = (fact.ident.unraw().to_string(), quote!(#ty).to_string().replace(' ', ""));
            let (doc, each) = (&fact.doc, fact.each.is_some());
            quote!(g::Fact::of(#name, #ty, #doc, #each))
        });
        let known = self.model.known[index].iter().map(|fact| self.model.fact(*fact).ident.unraw().to_string());
        let transitions = &self.model.listed[index];
        quote! {
            g::State::of(
                #name, #doc, #initial, g::Rest::#rest, #failed,
                &[#(#facts),*], &[#(#known),*], &[#(#transitions),*],
            )
        }
    }

    fn graph_transition(&self, transition: &Transition) -> TokenStream {
        let name = transition.name.unraw().to_string();
        let (from, to) = (transition.from, &transition.to);
        let guard = option(transition.guard.as_ref().map(|guard| guard.unraw().to_string()));
        let kind = match &transition.kind {
            Kind::Effect(contract) => {
                let contract = graph_contract(contract);
                quote!(Effect(#contract))
            }
            Kind::NoEffect => quote!(NoEffect),
            Kind::Waits { within } => {
                let within = within.map(duration);
                let within = within.map_or_else(
                    || quote!(::core::option::Option::None),
                    |it| quote!(::core::option::Option::Some(#it)),
                );
                quote!(Waits { within: #within })
            }
        };
        quote!(g::Transition::of(#name, #from, &[#(#to),*], #guard, g::Kind::#kind))
    }
}

fn graph_contract(contract: &Contract) -> TokenStream {
    let in_doubt = match contract.in_doubt {
        InDoubt::Repeat => quote!(Repeat),
        InDoubt::Lookup => quote!(Lookup),
        InDoubt::Hold => quote!(Hold),
    };
    let undo = match &contract.undo {
        Undo::Method(method) => {
            let method = method.unraw().to_string();
            quote!(Method(#method))
        }
        Undo::Retain => quote!(Retain),
        Undo::None => quote!(None),
    };
    let abort = option(contract.abort.as_ref().map(|abort| abort.unraw().to_string()));
    let times = [contract.timeout, contract.settle, contract.retry.0, contract.retry.1].map(millis);
    let look_first = contract.look_first;
    let predecessor = match contract.predecessor {
        Predecessor::Hold => quote!(Hold),
        Predecessor::Adopt => quote!(Adopt),
    };
    let for_each = match &contract.for_each {
        Some(set) => {
            let fact = set.fact.unraw().to_string();
            let order = if set.order == Order::UndoFirst { quote!(UndoFirst) } else { quote!(MakeFirst) };
            quote!(::core::option::Option::Some(g::ForEach { fact: #fact, order: g::Order::#order }))
        }
        None => quote!(::core::option::Option::None),
    };
    quote! {
        g::Contract::of(
            g::InDoubt::#in_doubt, g::Undo::#undo, #abort, [#(#times),*], #look_first,
            g::Predecessor::#predecessor, #for_each,
        )
    }
}

fn option(text: Option<String>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

fn duration(time: Duration) -> TokenStream {
    let millis = millis(time);
    quote!(::core::time::Duration::from_millis(#millis))
}

fn millis(time: Duration) -> Literal {
    Literal::u64_unsuffixed(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
