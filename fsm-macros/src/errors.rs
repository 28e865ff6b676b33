//! All mistakes of one machine, each on its own token. Invariant: reporting one never stops the search for others.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
    fatal: bool,
    /// What else would be found follows from what was.
    closed: bool,
}

impl Errors {
    pub(crate) fn at(&mut self, span: Span, text: impl std::fmt::Display) {
        self.push(syn::Error::new(span, text));
    }

    /// A mistake after which nothing that could be written would fit together.
    pub(crate) fn fatal(&mut self, span: Span, text: impl std::fmt::Display) {
        self.at(span, text);
        self.fatal = true;
    }

    /// A mistake from which others would follow: it is the only one that is told.
    pub(crate) fn only(&mut self, span: Span, text: impl std::fmt::Display) {
        self.found.clear();
        self.fatal(span, text);
        self.closed = true;
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.fatal
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        if !self.closed {
            self.found.push(error);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        self.found.into_iter().map(|error| error.to_compile_error()).collect()
    }

    /// As [`Errors::into_tokens`], with the first one as the value of a constant. A type that depends on the constant is erroneous, which
    /// rustc reports no second time: it is taken for any type, and can be used in any way.
    pub(crate) fn into_constant(self, name: &Ident) -> TokenStream {
        let mut errors = self.found.into_iter().map(|error| error.to_compile_error());
        let first = errors.next();
        quote!(#[doc(hidden)] #[allow(dead_code, non_upper_case_globals)] const #name: usize = #first; #(#errors)*)
    }
}
