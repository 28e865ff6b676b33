//! The derive of durable-fsm. Its documentation stands on the re-export in `durable-fsm`.

use proc_macro::TokenStream;

/// See `durable_fsm::Fsm`.
#[proc_macro_derive(Fsm, attributes(fsm, transition))]
pub fn derive_fsm(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
