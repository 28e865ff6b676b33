//! All mistakes of one machine, each on its own token. Invariant: reporting one never stops the search for others.

use proc_macro2::{Span, TokenStream};

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
    fatal: bool,
}

impl Errors {
    pub(crate) fn at(&mut self, span: Span, text: impl std::fmt::Display) {
        self.found.push(syn::Error::new(span, text));
    }

    /// A mistake after which nothing that could be written would fit together.
    pub(crate) fn fatal(&mut self, span: Span, text: impl std::fmt::Display) {
        self.at(span, text);
        self.fatal = true;
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.fatal
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        self.found.into_iter().map(|error| error.to_compile_error()).collect()
    }
}
