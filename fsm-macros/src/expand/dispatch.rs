//! Calling the methods by index, for a driver that knows no types.

use durable_fsm_graph::InDoubt;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;

use super::{Expansion, pascal};
use crate::model::Kind;

impl Expansion<'_> {
    pub(super) fn dispatch(&self) -> TokenStream {
        let declaration = &self.model.declaration;
        let machine = &declaration.ident;
        let resource = &declaration.resource;
        let (state, transitions) = (self.item("State"), self.item("Transitions"));
        let boxed = |what: TokenStream| quote!(__fsm::Answer<#what>);
        let (reply, found, unit) =
            (boxed(quote!(__fsm::Reply)), boxed(quote!(__fsm::Lookup<__fsm::Reply>)), boxed(quote!(())));
        let decode = self.model.states().iter().enumerate().map(|(index, it)| {
            let ident = &it.ident;
            quote!(#index => #state::#ident(__fsm::decode(facts)?),)
        });
        let unless_stub =
            |arms: fn(&Self) -> Vec<TokenStream>| if self.stub.is_some() { Vec::new() } else { arms(self) };
        let (runs, lookups) = (unless_stub(Self::runs), unless_stub(Self::lookups));
        let (undos, aborts) = (unless_stub(Self::undos), unless_stub(Self::aborts));
        let (guards, wanted) = (unless_stub(Self::guards), unless_stub(Self::wanted));
        quote! {
            impl __fsm::Machine for #machine {
                type Resource = #resource;
                type State = #state;
                const GRAPH: &'static __fsm::graph::Graph<'static> = &Self::GRAPH;
                fn state(index: usize, facts: &__fsm::Facts) -> __fsm::Read<#state> {
                    __fsm::Ok(match index {
                        #(#decode)*
                        _ => return __fsm::foreign(),
                    })
                }
            }
            impl<T: #transitions> __fsm::Dispatch<T> for #machine {
                fn run(t: __fsm::Arc<T>, transition: usize, call: __fsm::Call<#resource>) -> #reply {
                    match transition { #(#runs)* _ => __fsm::absent("the transition") }
                }
                fn lookup(t: __fsm::Arc<T>, transition: usize, call: __fsm::Call<#resource>) -> #found {
                    match transition { #(#lookups)* _ => __fsm::absent("the look-up") }
                }
                fn undo(t: __fsm::Arc<T>, transition: usize, call: __fsm::Call<#resource>) -> #unit {
                    match transition { #(#undos)* _ => __fsm::absent("the undo") }
                }
                fn abort(t: __fsm::Arc<T>, transition: usize, call: __fsm::Call<#resource>) -> #unit {
                    match transition { #(#aborts)* _ => __fsm::absent("the abort") }
                }
                fn guard(t: &T, transition: usize, facts: &__fsm::Facts, resource: &#resource) -> __fsm::Read<bool> {
                    __fsm::Ok(match transition { #(#guards)* _ => true })
                }
                fn wanted(
                    t: &T, transition: usize, facts: &__fsm::Facts, resource: &#resource,
                ) -> __fsm::Read<__fsm::BTreeSet<__fsm::String>> {
                    match transition { #(#wanted)* _ => __fsm::Ok(__fsm::BTreeSet::new()) }
                }
            }
        }
    }

    fn runs(&self) -> Vec<TokenStream> {
        self.arms(|transition| {
            let name = &transition.name;
            Some(match &transition.kind {
                Kind::NoEffect => quote!(call.derive(&*t, T::#name)),
                Kind::Waits { .. } => quote!(call.wait(t, T::#name)),
                Kind::Effect(_) if transition.for_each().is_some() => quote!(call.member(t, T::#name)),
                Kind::Effect(_) => quote!(call.effect(t, T::#name)),
            })
        })
    }

    fn lookups(&self) -> Vec<TokenStream> {
        self.arms(|transition| {
            let contract = transition.contract().filter(|contract| contract.in_doubt == InDoubt::Lookup)?;
            let name = format_ident!("lookup_{}", transition.name.unraw());
            Some(match contract.for_each {
                Some(_) => quote!(call.find_member(t, T::#name)),
                None => quote!(call.find(t, T::#name)),
            })
        })
    }

    fn undos(&self) -> Vec<TokenStream> {
        self.arms(|transition| {
            let undo = transition.undo()?;
            if transition.for_each().is_some() {
                return Some(quote!(call.undo_member(t, T::#undo)));
            }
            if !transition.is_branch() {
                return Some(quote!(call.undo(t, T::#undo)));
            }
            let made = pascal(&transition.name, "Made");
            let arms = transition.to.iter().map(|to| {
                let state = &self.model.states()[*to].ident;
                quote!(#to => call.undo_arm(t, |t: &T, it, attempt| __fsm::Box::pin(t.#undo(#made::#state(it), attempt))),)
            });
            Some(quote!(match call.index() { #(#arms)* _ => __fsm::absent("the state that was made") }))
        })
    }

    fn aborts(&self) -> Vec<TokenStream> {
        self.arms(|transition| {
            let abort = transition.contract()?.abort.as_ref()?;
            Some(if transition.for_each().is_some() {
                quote!(call.abort_member(t, T::#abort))
            } else {
                quote!(call.undo(t, T::#abort))
            })
        })
    }

    fn guards(&self) -> Vec<TokenStream> {
        let guarded = self.model.transitions.iter().enumerate();
        guarded
            .filter_map(|(index, transition)| {
                let guard = transition.guard.as_ref()?;
                Some(quote!(#index => t.#guard(&__fsm::decode(facts)?, resource),))
            })
            .collect()
    }

    fn wanted(&self) -> Vec<TokenStream> {
        let sets = self.model.transitions.iter().enumerate();
        sets.filter_map(|(index, transition)| {
            let wanted = &transition.for_each()?.fact;
            Some(quote!(#index => __fsm::subjects(t.#wanted(&__fsm::decode(facts)?, resource)),))
        })
        .collect()
    }

    /// One arm for each transition that has such a method.
    fn arms(&self, body: impl Fn(&crate::model::Transition) -> Option<TokenStream>) -> Vec<TokenStream> {
        let transitions = self.model.transitions.iter().enumerate();
        transitions.filter_map(|(index, transition)| body(transition).map(|body| quote!(#index => #body,))).collect()
    }
}
