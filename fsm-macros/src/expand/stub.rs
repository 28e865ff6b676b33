//! What stands for a machine that cannot be written after a mistake. Invariant: every name that the author may use is there, and of a type that
//! rustc takes for any, so that no use of it is a second message.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt as _;

use super::Expansion;
use crate::names::pascal;

impl Expansion<'_> {
    /// The names alone, with the transitions trait.
    pub(super) fn names(&self) -> TokenStream {
        let (fsm, krate) = (self.fsm(), &self.model.declaration.krate);
        let (vis, unknown) = (&self.model.declaration.vis, &self.stub);
        // What the author has under such a name is no item of ours.
        let mut taken: BTreeSet<String> = self.model.foreign().into_keys().collect();
        taken.insert(self.model.declaration.ident.unraw().to_string());
        let states = self.model.states().iter().map(|state| &state.ident);
        let literals = self.model.states().iter().map(|state| format_ident!("{}Facts", state.ident.unraw()));
        let branches = self.model.transitions.iter().filter(|it| it.is_branch());
        let next: Vec<Ident> = branches.clone().map(|it| pascal(&it.name, "Next")).collect();
        let views = self.model.views().into_iter().map(|view| view.ident);
        let names: Vec<Ident> =
            states.cloned().chain(literals).chain(next).chain(views).chain([self.item("State")]).collect();
        let names = names.iter().filter(|name| taken.insert(name.unraw().to_string()));
        let made = branches.map(|it| pascal(&it.name, "Made"));
        let (attempt, runner) = (self.item("Attempt"), self.item("Runner"));
        let (resource, transitions) = (&self.model.declaration.resource, self.transitions_trait());
        quote! {
            #(#[allow(dead_code)] #vis type #names = #unknown;)*
            #(#[allow(dead_code)] #vis type #made<'made> = &'made #unknown;)*
            #[allow(dead_code)]
            #vis type #attempt = #fsm::Attempt<#resource>;
            #[allow(dead_code)]
            #vis type #runner<T> = #krate::Runner<#unknown, T>;
            #transitions
        }
    }
}
