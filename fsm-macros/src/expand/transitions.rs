//! The transitions trait: one method for each transition, look-up, undo, abort, guard and wanted set.

use durable_fsm_graph::InDoubt;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt as _;

use super::Expansion;
use crate::model::{Kind, Transition};
use crate::names::pascal;

const ERROR: &str = "What goes wrong; `Classify` says what it means for the effect.";

impl Expansion<'_> {
    pub(super) fn aliases(&self) -> TokenStream {
        let (fsm, krate) = (self.fsm(), &self.model.declaration.krate);
        let declaration = &self.model.declaration;
        let (vis, machine, resource) = (&declaration.vis, &declaration.ident, &declaration.resource);
        let (attempt, runner) = (self.item("Attempt"), self.item("Runner"));
        let attempt_doc = format!("One attempt at an effect of [`{}`].", machine.unraw());
        let runner_doc = format!("Runs [`{}`] with the transitions `T`.", machine.unraw());
        quote! {
            #[doc = #attempt_doc]
            #[allow(dead_code)]
            #vis type #attempt = #fsm::Attempt<#resource>;
            #[doc = #runner_doc]
            #[allow(dead_code)]
            #vis type #runner<T> = #krate::Runner<#machine, T>;
        }
    }

    pub(super) fn transitions_trait(&self) -> TokenStream {
        let fsm = self.fsm();
        let declaration = &self.model.declaration;
        let (vis, machine) = (&declaration.vis, &declaration.ident);
        let name = self.item("Transitions");
        let methods = self.all_methods();
        let phrases = Phrases::new();
        let methods = methods.iter().map(|method| method.declaration(&phrases, self.stub.is_some()));
        let machine_name = machine.unraw();
        let doc = format!(
            "What [`{machine_name}`] does to the world: one method for each transition and for each look-up, undo, abort, guard and wanted set."
        );
        let page = self.on_the_page("skeleton");
        quote! {
            #[doc = #doc]
            #page
            #[allow(dead_code, clippy::ptr_arg)]
            #vis trait #name: ::core::marker::Send + ::core::marker::Sync + 'static {
                #[doc = #ERROR]
                type Error: #fsm::Classify;
                #(#methods)*
            }
        }
    }

    /// Every method of the trait, once.
    pub(super) fn all_methods(&self) -> Vec<Method> {
        let mut guards: Vec<Ident> = Vec::new();
        let mut methods: Vec<Method> = Vec::new();
        methods.extend(self.import());
        for index in 0..self.model.transitions.len() {
            for method in self.methods(index) {
                if matches!(method.role, Role::Guard) {
                    if guards.contains(&method.name) {
                        continue;
                    }
                    guards.push(method.name.clone());
                }
                // After an error two methods may have one name, which was reported.
                if self.stub.is_some() && methods.iter().any(|known| known.name == method.name) {
                    continue;
                }
                methods.push(method);
            }
        }
        methods
    }

    fn import(&self) -> Option<Method> {
        self.model.declaration.import?;
        let (krate, machine) = (&self.model.declaration.krate, &self.model.declaration.ident);
        let resource = &self.model.declaration.resource;
        Some(Method {
            name: Ident::new("import", Span::call_site()),
            role: Role::Import,
            arguments: quote!(resource: &#resource),
            output: quote!(#krate::Import<#machine>),
            answer: Answer::Future,
            doc: "What there is of a resource that has no record, and no sign that it had one. It looks, and changes nothing.".to_owned(),
        })
    }

    fn methods(&self, index: usize) -> Vec<Method> {
        let fsm = self.fsm();
        let transition = &self.model.transitions[index];
        let from = self.model.source(index, self.model.sources(index));
        let starts = self.starts(&transition.places);
        let attempt = self.item("Attempt");
        let unknown = &self.stub;
        if matches!(transition.kind, Kind::End { .. }) {
            return Vec::new();
        }
        if matches!(transition.kind, Kind::Rewind) {
            let mut methods = Vec::new();
            self.guards_of(index, &mut methods);
            return methods;
        }
        let next = if transition.loose { quote!(#unknown) } else { self.next(transition) };
        let name = transition.name.unraw().to_string();
        let mut methods = Vec::new();
        let mut add = |name: Ident, role, arguments, output, answer, doc: String| {
            methods.push(Method { name, role, arguments, output, answer, doc });
        };
        let subject = transition.for_each().map(|set| {
            let subject = &set.subject;
            let name = format_ident!("{}", if set.kept { "value" } else { "subject" });
            quote!(at: &#from, #name: &#subject, attempt: &#attempt)
        });
        let start = subject.clone().unwrap_or_else(|| quote!(from: #from, attempt: &#attempt));
        let (output, answer) = match &transition.kind {
            _ if transition.loose => (quote!(#unknown), Answer::Value),
            Kind::Effect(_) | Kind::Rewind | Kind::End { .. } => (next.clone(), Answer::Future),
            Kind::NoEffect | Kind::Deferred(_) => (next.clone(), Answer::Result(self.without_effect(transition))),
            Kind::Waits { .. } => (quote!(#fsm::Wait<#next>), Answer::Future),
        };
        let doc = match &transition.kind {
            Kind::Waits { for_each: Some(_), .. } => {
                format!("Looks whether one member of the set is there, in {starts}; it changes nothing.")
            }
            Kind::Waits { .. } => format!("Looks whether {starts} can be left; it changes nothing."),
            Kind::NoEffect => format!("The step from {starts}; it touches nothing outside the record."),
            Kind::Deferred(_) => {
                format!("The step from {starts}; it touches nothing outside the record until it is undone.")
            }
            Kind::Effect(_) if transition.is_kept() => format!("Makes this the value, in {starts}."),
            Kind::Effect(_) if transition.for_each().is_some() => format!("Makes one member of the set, in {starts}."),
            Kind::Effect(_) | Kind::Rewind | Kind::End { .. } => format!("The step from {starts}."),
        };
        add(transition.name.clone(), Role::Run, start.clone(), output, answer, doc);
        let Some(contract) = transition.contract() else {
            self.guards_of(index, &mut methods);
            self.wanted_of(transition, &from, &mut methods);
            return methods;
        };
        if contract.in_doubt == InDoubt::Lookup {
            let ident = format_ident!("lookup_{}", name, span = transition.name.span());
            let doc = format!("Asks the provider whether what `{name}` makes is there.");
            add(ident, Role::Lookup, start, quote!(#fsm::Lookup<#next>), Answer::Future, doc);
        }
        let by = transition.verify.as_ref().and_then(|verify| verify.by.as_ref());
        if transition.undo().or(by).is_some() {
            let made = match transition.for_each() {
                Some(set) => {
                    let (subject, member) = (&set.subject, &set.member);
                    quote!(at: &#from, subject: &#subject, made: &#member, attempt: &#attempt)
                }
                None if transition.is_branch() => {
                    let made = pascal(&transition.name, "Made");
                    quote!(made: #made<'_>, attempt: &#attempt)
                }
                None => quote!(made: &#next, attempt: &#attempt),
            };
            if let Some(undo) = transition.undo() {
                let doc = format!("Undoes what `{name}` made. Finding nothing is success.");
                add(undo.clone(), Role::Undo, made.clone(), quote!(#fsm::Undone), Answer::Future, doc);
            }
            if let Some(by) = by {
                let doc = format!(
                    "Whether what `{name}` made is there. It looks, and changes nothing. If that cannot be told, it is an error."
                );
                add(by.clone(), Role::Verify, made, quote!(bool), Answer::Future, doc);
            }
        }
        if let Some(abort) = &contract.abort {
            let start = subject.unwrap_or_else(|| quote!(from: &#from, attempt: &#attempt));
            let doc = format!("Removes whatever an attempt at `{name}` may have made. Finding nothing is success.");
            add(abort.clone(), Role::Abort, start, quote!(#fsm::Undone), Answer::Future, doc);
        }
        if let Some(retain_when) = &contract.retain_when {
            let resource = &self.model.declaration.resource;
            methods.push(Method {
                name: retain_when.clone(),
                role: Role::Guard,
                arguments: quote!(resource: &#resource),
                output: quote!(bool),
                answer: Answer::Value,
                doc: format!("Whether what `{name}` made is left behind, asked before each of its undos."),
            });
        }
        self.guards_of(index, &mut methods);
        self.wanted_of(transition, &from, &mut methods);
        methods
    }

    /// What depends on another set wants what is there of that, and is not asked.
    fn wanted_of(&self, transition: &Transition, from: &Ident, methods: &mut Vec<Method>) {
        let wanted = transition.for_each().filter(|set| set.on.is_none() && transition.retired.is_none());
        let Some(set) = wanted else { return };
        let (resource, name) = (&self.model.declaration.resource, transition.name.unraw());
        let subject = &set.subject;
        let (output, doc) = if set.kept {
            (quote!(#subject), format!("What the value is to be; `{name}` runs when it is another."))
        } else {
            let doc = format!("The members that the set is to have; `{name}` runs for those that are missing.");
            (quote!(::std::collections::BTreeSet<#subject>), doc)
        };
        let (name, arguments) = (set.fact.clone(), quote!(at: &#from, resource: &#resource));
        methods.push(Method { name, role: Role::Wanted, arguments, output, answer: Answer::Value, doc });
    }

    /// Where a transition says that it has no effect: a method that is `async` all the same is shown that.
    fn without_effect(&self, transition: &Transition) -> Span {
        let typed = self.model.states()[transition.from].transitions.iter().find(|it| it.name == transition.name);
        typed.and_then(|it| it.no_effect).unwrap_or_else(|| transition.name.span())
    }

    fn guards_of(&self, index: usize, methods: &mut Vec<Method>) {
        let (resource, name) = (&self.model.declaration.resource, self.model.transitions[index].name.unraw());
        for (guard, places) in self.model.guards_of(index) {
            let from = self.model.source(index, &places);
            methods.push(Method {
                name: guard.clone(),
                role: Role::Guard,
                arguments: quote!(at: &#from, resource: &#resource),
                output: quote!(bool),
                answer: Answer::Value,
                doc: format!("Whether `{name}` is to run: what is recorded against what is wanted."),
            });
        }
    }

    /// What a transition's method returns on success.
    pub(super) fn next(&self, transition: &Transition) -> TokenStream {
        if let Some(set) = transition.for_each() {
            let member = &set.member;
            return quote!(#member);
        }
        match transition.to.as_slice() {
            [only] => {
                let state = &self.model.states()[*only].ident;
                quote!(#state)
            }
            _ => {
                let next = pascal(&transition.name, "Next");
                quote!(#next)
            }
        }
    }
}

enum Role {
    Import,
    Run,
    Lookup,
    Undo,
    Verify,
    Abort,
    Guard,
    Wanted,
}

/// One method of the transitions trait.
pub(super) struct Method {
    name: Ident,
    role: Role,
    arguments: TokenStream,
    output: TokenStream,
    answer: Answer,
    doc: String,
}

/// How a method gives its output.
#[derive(Clone, Copy)]
enum Answer {
    /// Later, or `Self::Error`.
    Future,
    /// At once, or `Self::Error`, because the declaration says so here.
    Result(Span),
    /// At once.
    Value,
}

/// What stands around the output of nearly every method. It is written once and put in many times: each token that is written
/// anew costs more than a whole phrase that is there.
struct Phrases {
    future: TokenStream,
    close: TokenStream,
}

impl Phrases {
    fn new() -> Self {
        Self { future: quote!(impl ::durable_fsm::SendFuture<::core::result::Result<), close: quote!(, Self::Error>>) }
    }
}

impl Method {
    fn declaration(&self, phrases: &Phrases, stub: bool) -> TokenStream {
        let Self { name, arguments, output, answer, doc, .. } = self;
        let at_once;
        let (open, close) = match answer {
            Answer::Future => (Some(&phrases.future), Some(&phrases.close)),
            Answer::Result(span) => {
                at_once = (quote_spanned!(*span=> ::core::result::Result<), quote_spanned!(*span=> , Self::Error>));
                (Some(&at_once.0), Some(&at_once.1))
            }
            Answer::Value => (None, None),
        };
        let body = match (stub, answer) {
            (false, _) => quote!(;),
            (true, Answer::Future) => quote!({ async { ::core::panic!() } }),
            (true, Answer::Result(_) | Answer::Value) => quote!({ ::core::panic!() }),
        };
        let quiet = stub.then(|| quote!(#[allow(unused_variables)]));
        quote! {
            #[doc = #doc]
            #quiet
            fn #name(&self, #arguments) -> #open #output #close #body
        }
    }

    pub(super) fn skeleton(&self) -> String {
        let Self { name, arguments, output, answer, .. } = self;
        let keyword = if matches!(answer, Answer::Future) { "async fn" } else { "fn" };
        let output = match answer {
            Answer::Future | Answer::Result(_) => format!("Result<{output}, Self::Error>"),
            Answer::Value => output.to_string(),
        };
        let text = format!("    {keyword} {name}(&self, {arguments}) -> {output} {{\n        …\n    }}");
        plain(&text)
    }
}

/// Tokens as a person would write them.
fn plain(text: &str) -> String {
    let mut text = text.replace(":: std :: collections :: BTreeSet", "BTreeSet");
    for (spaced, tight) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" : ", ": "),
        (" ,", ","),
        ("< '", "<'"),
        ("( )", "()"),
    ] {
        text = text.replace(spaced, tight);
    }
    text.replace("::durable_fsm::__private::", "")
}
