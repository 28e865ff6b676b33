//! The code that a machine becomes. Invariant: every path is absolute, or a name that begins with `__`, from a module of the library;
//! so nothing in the author's scope can change what it means.

mod dispatch;
mod drawing;
mod graph;
mod page;
mod states;
mod stub;
mod transitions;
mod views;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{DeriveInput, Ident, Type};

pub(crate) use page::{diagram, skeleton};

use crate::errors::Errors;
use crate::model::Model;
use crate::{names, parse, validate};

/// Everything that `#[derive(Fsm)]` writes.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let declared = input.clone();
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let Some(declaration) = parse::declaration(&input, &mut errors) else { return errors.into_tokens() };
    let mut model = Model::new(declaration, &mut errors);
    validate::validate(&model, &mut errors);
    if errors.is_empty() {
        return Expansion { model: &model, stub: None, declared }.machine();
    }
    let constant = format_ident!("__{}Mistake", model.declaration.ident.unraw());
    let unknown: Type = syn::parse_quote!(<[(); #constant] as ::core::iter::Iterator>::Item);
    model.blur(&unknown);
    let fatal = errors.is_fatal();
    let errors = errors.into_constant(&constant);
    let machine = Expansion { model: &model, stub: Some(unknown), declared };
    let machine = if fatal { machine.names() } else { machine.machine() };
    quote!(#errors #machine)
}

/// A machine on its way to code.
struct Expansion<'m> {
    model: &'m Model,
    /// There were errors: what the author has not written is not to be missed too. Stands for a type that is not known.
    stub: Option<Type>,
    /// The declaration, as it was given.
    declared: TokenStream,
}

impl Expansion<'_> {
    fn machine(&self) -> TokenStream {
        let parts = [
            self.states(),
            self.views(),
            self.branches(),
            self.aliases(),
            self.transitions_trait(),
            self.private(),
            self.graph(),
        ];
        quote!(#(#parts)*)
    }

    /// What is not read, in a scope of its own, where each name of the library is one token: tokens are what an expansion costs.
    fn private(&self) -> TokenStream {
        let fsm = self.fsm();
        let states = (0..self.model.states().len()).map(|state| self.projection(state));
        let views = self.view_projections();
        let dispatch = self.dispatch();
        // After an error there are no lints to quiet.
        let keep_alive = self.stub.is_none().then(|| self.keep_alive());
        quote! {
            #[allow(dead_code, unused_variables, clippy::match_single_binding, clippy::self_named_constructors)]
            const _: () = {
                use #fsm::short::*;
                #keep_alive
                #(#states)*
                #views
                #dispatch
            };
        }
    }

    /// The path of the library's hidden module.
    fn fsm(&self) -> TokenStream {
        let krate = &self.model.declaration.krate;
        quote!(#krate::__private)
    }

    fn item(&self, suffix: &str) -> Ident {
        let ident = &self.model.declaration.ident;
        Ident::new(&format!("{}{suffix}", names::prefix(ident)), ident.span())
    }

    fn data(&self, state: usize) -> Ident {
        let ident = &self.model.states()[state].ident;
        format_ident!("{}Data", ident.unraw(), span = Span::call_site())
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens as _;
    use syn::Item;

    /// The reference controller's machine becomes the code in `expand/worker.rs`, which `tests/expansion.rs` compiles.
    /// `UPDATE_EXPANSION=1` writes it anew.
    #[test]
    fn the_expansion_is_the_one_that_is_checked_in() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let source = std::fs::read_to_string(format!("{root}/hiclaw/src/worker.rs")).unwrap();
        let machine = syn::parse_file(&source).unwrap().items.into_iter().find_map(|item| match item {
            Item::Enum(machine) => Some(machine),
            _ => None,
        });
        let expansion = super::derive(machine.unwrap().to_token_stream());
        let mut file: syn::File = syn::parse2(expansion).unwrap();
        for item in &mut file.items {
            // Calls that rustdoc alone expands.
            if let Item::Impl(syn::ItemImpl { attrs, .. }) | Item::Trait(syn::ItemTrait { attrs, .. }) = item {
                attrs.retain(|attr| !attr.path().is_ident("cfg_attr"));
            }
        }
        let written = format!("// Written by the derive; see `src/expand.rs`.\n\n{}", prettyplease::unparse(&file));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/expand/worker.rs");
        if std::env::var_os("UPDATE_EXPANSION").is_some() {
            std::fs::write(path, &written).unwrap();
        }
        let checked_in = std::fs::read_to_string(path).unwrap();
        assert!(written == checked_in, "the expansion has changed; look at it with UPDATE_EXPANSION=1 and `git diff`");
    }
}
