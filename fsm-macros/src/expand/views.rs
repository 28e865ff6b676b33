//! What the methods of a transition are given that several states list: what all of them know, and the edges.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt as _;

use super::Expansion;
use super::states::fields;
use crate::model::View;
use crate::names::snake;
use crate::parse::FactDecl;

impl Expansion<'_> {
    pub(super) fn views(&self) -> TokenStream {
        let views = self.model.views();
        let views = views.iter().map(|view| {
            let (ident, data) = (&view.ident, data(view));
            let (vis, fsm, debug) = (&self.model.declaration.vis, self.fsm(), self.debug());
            let name = self.model.transitions[view.transition].name.unraw();
            let doc = format!("Where `{name}` starts: {}. It has what all of them know.", self.places(view));
            let data_doc =
                format!("What is known wherever `{name}` starts; read through [`{ident}`].{}", self.not_known(view));
            let (fields, held) = (fields(&self.facts(view)), self.held(view));
            quote! {
                #[doc = #doc]
                #debug
                #vis struct #ident { #held: #fsm::Sealed<#data> }
                #[doc = #data_doc]
                #debug
                #[allow(dead_code)]
                #vis struct #data { #fields }
            }
        });
        quote!(#(#views)*)
    }

    /// How a view is read and left; inside [`Expansion::private`].
    pub(super) fn view_projections(&self) -> TokenStream {
        let views = self.model.views();
        let views = views.iter().map(|view| {
            let (ident, data) = (&view.ident, data(view));
            let step = &self.model.transitions[view.transition];
            let held = self.held(view);
            let edges = self.edges(&step.to, &view.names, &held);
            let known: Vec<&Ident> = self.facts(view).into_iter().map(|fact| &fact.ident).collect();
            let reads = self.facts(view).into_iter().map(|fact| self.read(fact));
            let froms = step.places.iter().map(|place| {
                let state = &self.model.states()[*place].ident;
                let (kept, begun): (Vec<&Ident>, Vec<&Ident>) =
                    known.iter().partition(|ident| self.model.names[*place].contains(&ident.unraw().to_string()));
                let made = self.made(*place);
                let from = (!kept.is_empty()).then(|| quote!(let __from = from.#made.into_inner();));
                quote! {
                    impl __From<#state> for #ident {
                        fn from(from: #state) -> Self {
                            #from
                            Self { #held: __Sealed::new(#data { #(#kept: __from.#kept,)* #(#begun: __Default::default(),)* }) }
                        }
                    }
                }
            });
            // After an error a name may be taken by something else.
            let froms = self.stub.is_none().then(|| quote!(#(#froms)*));
            let edges = (!edges.is_empty()).then(|| quote!(impl #ident { #edges }));
            quote! {
                #edges
                #froms
                impl __Deref for #ident {
                    type Target = #data;
                    fn deref(&self) -> &#data { &self.#held }
                }
                impl __State for #ident {
                    fn decode(facts: &__Facts) -> __Read<Self> {
                        __Ok(Self { #held: __Sealed::new(#data { #(#known: #reads,)* }) })
                    }
                    fn add(&self, facts: &mut __Facts) -> __Read<usize> {
                        __foreign()
                    }
                }
            }
        });
        quote!(#(#views)*)
    }

    /// The field of a view. rustc prints its name to an author who asks for a fact that the view does not have, so it names the states that would have to know the fact.
    fn held(&self, view: &View) -> Ident {
        let places = self.model.transitions[view.transition].places.iter();
        let states: Vec<String> =
            places.map(|place| snake(&self.model.states()[*place].ident).unraw().to_string()).collect();
        format_ident!("what_{}_know", states.join("_and_"))
    }

    /// What some of the states know and not all of them, as text.
    fn not_known(&self, view: &View) -> String {
        let places = || self.model.transitions[view.transition].places.iter();
        let some: BTreeSet<&String> = places().flat_map(|place| &self.model.names[*place]).collect();
        let missing = some.into_iter().filter(|name| !view.names.contains(*name)).map(|name| {
            let without: Vec<usize> =
                places().copied().filter(|place| !self.model.names[*place].contains(name)).collect();
            format!(" `{name}` is not among it, because it is not known in {}.", self.starts(&without))
        });
        missing.collect()
    }

    fn facts(&self, view: &View) -> Vec<&FactDecl> {
        view.known.iter().map(|fact| self.model.fact(*fact)).collect()
    }

    /// The states that a transition starts from, as text.
    pub(super) fn starts(&self, places: &[usize]) -> String {
        let names: Vec<String> =
            places.iter().map(|place| self.model.states()[*place].ident.unraw().to_string()).collect();
        match names.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            _ => names.concat(),
        }
    }

    fn places(&self, view: &View) -> String {
        let names = self.model.transitions[view.transition].places.iter();
        let names: Vec<String> =
            names.map(|place| format!("[`{}`]", self.model.states()[*place].ident.unraw())).collect();
        names.join(", ")
    }
}

fn data(view: &View) -> Ident {
    format_ident!("{}Data", view.ident)
}
