//! What only rustdoc reads: the diagram and the edges on the machine's page, the skeleton on the trait's. Invariant: it costs nothing where no
//! documentation is built: the derive leaves a call that rustdoc alone expands.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::DeriveInput;
use syn::ext::IdentExt as _;

use super::Expansion;
use crate::errors::Errors;
use crate::model::{Model, Undo};
use crate::{parse, validate};

/// The diagram and the edges of a declaration, as one text.
pub(crate) fn diagram(input: TokenStream) -> TokenStream {
    text(input, |machine| format!("# State diagram\n\n{}\n{}", machine.drawing(), machine.edge_list()))
}

/// What an author pastes to begin with.
pub(crate) fn skeleton(input: TokenStream) -> TokenStream {
    text(input, |machine| {
        format!(
            "A skeleton to paste, in which every method is a plain `async fn` or `fn`:\n\n```text\n{}\n```",
            machine.skeleton()
        )
    })
}

/// Errors were reported by the derive itself.
fn text(input: TokenStream, write: impl FnOnce(&Expansion<'_>) -> String) -> TokenStream {
    let mut errors = Errors::default();
    let declaration =
        syn::parse2::<DeriveInput>(input.clone()).ok().and_then(|it| parse::declaration(&it, &mut errors));
    let model = declaration.map(|declaration| Model::new(declaration, &mut errors));
    if let Some(model) = &model {
        validate::validate(model, &mut errors);
    }
    let machine =
        model.as_ref().filter(|_| errors.is_empty()).map(|model| Expansion { model, stub: None, declared: input });
    machine.as_ref().map_or_else(String::new, write).to_token_stream()
}

impl Expansion<'_> {
    /// The attribute that puts a text on a page of the documentation.
    pub(super) fn on_the_page(&self, text: &str) -> Option<TokenStream> {
        let (fsm, text, declared) = (self.fsm(), format_ident!("{text}"), &self.declared);
        self.stub.is_none().then(|| quote!(#[cfg_attr(doc, doc = #fsm::#text! { #declared })]))
    }

    fn skeleton(&self) -> String {
        let name = self.item("Transitions");
        let methods = self.all_methods();
        let methods: Vec<String> = methods.iter().map(super::transitions::Method::skeleton).collect();
        format!("impl {name} for Provisioner {{\n    type Error = ProvisionError;\n\n{}\n}}", methods.join("\n"))
    }

    /// The edges as a list, for the type's page.
    fn edge_list(&self) -> String {
        let mut text =
            String::from("# Transitions\n\n| from | transition | to | in doubt | undo |\n|---|---|---|---|---|\n");
        for (index, state) in self.model.states().iter().enumerate() {
            for transition in self.model.listed[index].iter().map(|it| &self.model.transitions[*it]) {
                let to: Vec<String> = transition
                    .to
                    .iter()
                    .chain(&transition.back)
                    .map(|to| format!("[`{}`]", self.model.states()[*to].ident.unraw()))
                    .collect();
                let to = if to.is_empty() { "stays".to_owned() } else { to.join(" or ") };
                let (in_doubt, undo) = match transition.contract() {
                    Some(contract) => (
                        format!("{:?}", contract.in_doubt).to_lowercase(),
                        match &contract.undo {
                            Undo::Method(method) => format!("`{}`", method.unraw()),
                            Undo::Retain => "retain".to_owned(),
                            Undo::None => "none".to_owned(),
                        },
                    ),
                    None if !transition.back.is_empty() => ("rewind".to_owned(), String::new()),
                    None => ("no effect".to_owned(), String::new()),
                };
                text.push_str(&format!(
                    "| [`{}`] | `{}` | {to} | {in_doubt} | {undo} |\n",
                    state.ident.unraw(),
                    transition.name.unraw()
                ));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::diagram;

    fn page() -> String {
        let text = diagram(quote! {
            /// Provisions one team.
            #[fsm(name = "example.io/team", version = 1, resource = Team)]
            pub enum TeamFlow {
                /// Nothing "yet", <script>alert(1)</script> --> and
                ///
                /// a second paragraph.
                #[fsm(initial)]
                #[transition(create_room -> Ready | Failed, in_doubt = lookup, undo = close_room)]
                Requested,
                /// It is there.
                #[fsm(resting)]
                Ready { room: String },
                #[fsm(resting, failed)]
                Failed,
            }
        });
        syn::parse2::<syn::LitStr>(text).expect("one string").value()
    }

    #[test]
    fn the_page_shows_the_machine_with_links_and_tooltips_and_without_script() {
        let page = page();
        let begin = page.find("\n\n<div").expect("a picture that begins a block of HTML") + 2;
        let picture = &page[begin..page.find("</div>").expect("the end of the picture")];
        assert!(picture.contains("<svg") && picture.lines().all(|line| !line.trim().is_empty()), "{picture}");
        for state in ["Requested", "Ready", "Failed"] {
            assert_eq!(picture.matches(&format!("<a href=\"#variant.{state}\">")).count(), 1, "{state}");
        }
        assert!(picture.contains("<title>It is there.</title>") && picture.contains("<title>Failed</title>"));
        assert!(picture.contains("&lt;script&gt;") && !picture.contains("<script"), "{picture}");
        assert!(page.contains("| [`Requested`] | `create_room` | [`Ready`] or [`Failed`] | lookup | `close_room` |"));
    }
}
