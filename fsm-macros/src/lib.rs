//! The derive of durable-fsm: parse, model, validate, expand. Its documentation is at the re-export in `durable-fsm`.
//!
//! Invariant: it reads nothing but the one item it is given, and after an error it still writes all that it can, so that one mistake
//! is one message.

mod errors;
mod expand;
mod model;
mod names;
mod parse;
mod span;
mod suggest;
mod validate;

use proc_macro::TokenStream;

/// Its reference, with every attribute, is at the re-export in `durable-fsm`.
// `serde` is registered so that such an attribute on a fact is refused with our own text instead of rustc's.
#[proc_macro_derive(Fsm, attributes(fsm, transition, serde))]
pub fn derive_fsm(input: TokenStream) -> TokenStream {
    expand::derive(input.into()).into()
}

/// The text with the diagram and the edges of a machine. Left by the derive for rustdoc to expand.
#[doc(hidden)]
#[proc_macro]
pub fn diagram(input: TokenStream) -> TokenStream {
    expand::diagram(input.into()).into()
}

/// The text with the skeleton of a machine's transitions. Left by the derive for rustdoc to expand.
#[doc(hidden)]
#[proc_macro]
pub fn skeleton(input: TokenStream) -> TokenStream {
    expand::skeleton(input.into()).into()
}
