//! The typed states, their edges, and the state enum.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use super::Expansion;
use crate::model::Kind;
use crate::names::{pascal, snake};
use crate::parse::{FactDecl, StateDecl};

/// The texts stand here because a text in `quote!` is read by the compiler's lexer each time.
const START: &str = "Begins a chain of states.";
const NAME: &str = "The state's name, as in the declaration and in records.";

impl Expansion<'_> {
    pub(super) fn states(&self) -> TokenStream {
        let each: Vec<_> = (0..self.model.states().len()).map(|state| self.state(state)).collect();
        let state_enum = self.state_enum();
        quote!(#(#each)* #state_enum)
    }

    /// The declaration is read by the derive alone; this keeps rustc from calling it dead code.
    pub(super) fn keep_alive(&self) -> TokenStream {
        let machine = &self.model.declaration.ident;
        // Each arm reads one state and makes the next: rustc does not count one that is made from itself.
        let states = self.model.states();
        let next = states.iter().cycle().skip(1);
        let arms = states.iter().zip(next).map(|(state, next)| {
            let (ident, made) = (&state.ident, &next.ident);
            let read = state.facts.iter().map(|fact| &fact.ident);
            let fields = next.facts.iter().map(|fact| &fact.ident);
            quote!(#machine::#ident { #(#read),* } => #machine::#made { #(#fields: loop {}),* })
        });
        quote! {
            #[allow(dead_code, unreachable_code, unused_variables, clippy::diverging_sub_expression, clippy::empty_loop)]
            fn declared(it: #machine) -> #machine {
                match it { #(#arms),* }
            }
        }
    }

    fn state(&self, index: usize) -> TokenStream {
        let fsm = self.fsm();
        let state = &self.model.states()[index];
        let (ident, data, made) = (&state.ident, self.data(index), self.made(index));
        let notes = self.notes(index);
        let quiet = (!notes.is_empty()).then(|| quote!(#[allow(dead_code)]));
        let vis = &self.model.declaration.vis;
        let debug = self.debug();
        let name = ident.unraw().to_string();
        let known: Vec<&FactDecl> = self.model.known[index].iter().map(|fact| self.model.fact(*fact)).collect();
        let fields = fields(&known);
        let doc = if state.doc.is_empty() { format!("The state {name}.") } else { state.doc.clone() };
        let data_doc = format!("What is known in [`{name}`]; read through it.");
        let literal = self.literal(index);
        quote! {
            #[doc = #doc]
            #debug
            #quiet
            #vis struct #ident { #made: #fsm::Sealed<#data>, #(#notes: (),)* }
            #[doc = #data_doc]
            #debug
            #[allow(dead_code)]
            #vis struct #data { #fields }
            #literal
        }
    }

    /// How a state is begun, left, read from facts and written to them; inside [`Expansion::private`].
    pub(super) fn projection(&self, index: usize) -> TokenStream {
        let state = &self.model.states()[index];
        let (ident, data, made) = (&state.ident, self.data(index), self.made(index));
        let start = self.begins(index).then(|| {
            let begin =
                if self.stub.is_some() { quote!(::core::panic!()) } else { self.build(index, &TokenStream::new()) };
            quote! {
                #[doc = #START]
                #[must_use]
                pub fn start() -> Self { #begin }
            }
        });
        let edges = self.edges(&self.targets(index), &self.model.names[index], &made);
        let steps = (start.is_some() || !edges.is_empty()).then(|| quote!(impl #ident { #start #edges }));
        // What another state knows is read as that state: one look at each fact, and not one for each fact and state.
        let base = self.base(index);
        let inherited = base.map(|base| &self.model.names[base]);
        let own = |fact: &FactDecl| state.facts.iter().any(|own| own.ident == fact.ident);
        let known: Vec<&FactDecl> = self.model.known[index].iter().map(|fact| self.model.fact(*fact)).collect();
        let is_inherited = |fact: &FactDecl| {
            !own(fact) && inherited.is_some_and(|names| names.contains(&fact.ident.unraw().to_string()))
        };
        let read = |fact: &FactDecl| self.read(fact);
        let decoded = base.map(|base| {
            let base = &self.model.states()[base].ident;
            quote!(__decode::<#base>(facts)?)
        });
        let is_an_edge = base.is_some_and(|base| self.targets(base).contains(&index));
        let by_the_edge = is_an_edge
            && self.taken(index).len() < 2
            && known.iter().all(|fact| is_inherited(fact) || own(fact) && fact.each.is_none());
        let decode = if by_the_edge {
            let (method, fact) = (snake(ident), self.taken(index).into_iter().map(read));
            quote!(__Ok(#decoded.#method(#(#fact),*)))
        } else {
            let (inherited, own): (Vec<&FactDecl>, Vec<&FactDecl>) =
                known.iter().copied().partition(|fact| is_inherited(fact));
            let inherited = inherited.into_iter().map(|fact| &fact.ident);
            let (names, reads) = (own.iter().map(|fact| &fact.ident), own.iter().map(|fact| read(fact)));
            let of = base.map(|base| self.made(base));
            let base = decoded.map(|decoded| quote!(let base = #decoded.#of.into_inner();));
            let built = self.build(index, &quote!(#(#inherited: base.#inherited,)* #(#names: #reads,)*));
            quote! {
                #base
                __Ok(#built)
            }
        };
        let imports = self.model.declaration.import.is_some();
        let known_facts = imports.then(|| {
            let all = known.iter().map(|fact| {
                let (ident, key) = (&fact.ident, fact.ident.unraw().to_string());
                quote!(facts.put(#key, &self.#made.#ident)?;)
            });
            quote! {
                fn known(&self, facts: &mut __Facts) -> __Read<usize> {
                    #(#all)*
                    __Ok(#index)
                }
            }
        });
        let writes = state.facts.iter().filter(|fact| fact.each.is_none()).map(|fact| {
            let (ident, ty, key) = (&fact.ident, &fact.ty, fact.ident.unraw().to_string());
            quote_spanned!(on(ty)=> facts.put(#key, &self.#made.#ident)?;)
        });
        quote! {
            #steps
            impl __Deref for #ident {
                type Target = #data;
                fn deref(&self) -> &#data { &self.#made }
            }
            impl __State for #ident {
                fn decode(facts: &__Facts) -> __Read<Self> {
                    #decode
                }
                fn add(&self, facts: &mut __Facts) -> __Read<usize> {
                    #(#writes)*
                    __Ok(#index)
                }
                #known_facts
            }
        }
    }

    /// The field of a state. rustc prints its name to an author who writes a literal, so the name says how a state is made.
    pub(super) fn made(&self, index: usize) -> Ident {
        let method = snake(&self.model.states()[index].ident);
        let way = if self.begins(index) { "start_of" } else { "from" };
        format_ident!("made_by_{way}_{}", method.unraw(), span = Span::call_site())
    }

    /// The expression that reads a fact.
    pub(super) fn read(&self, fact: &FactDecl) -> TokenStream {
        let (ty, key) = (&fact.ty, fact.ident.unraw().to_string());
        match &fact.each {
            Some((value, _)) if fact.kept => quote_spanned!(on(ty)=> __Facts::kept::<#value>(facts, #key)?),
            Some((subject, member)) => quote_spanned!(on(ty)=> __Facts::each::<#subject, #member>(facts, #key)?),
            None if self.model.has_default(&key) => {
                quote_spanned!(on(ty)=> __Facts::or_default::<#ty>(facts, #key)?)
            }
            None => quote_spanned!(on(ty)=> __Facts::fact::<#ty>(facts, #key)?),
        }
    }

    /// Whether a chain of states can begin here. After a mistake with the marks it can everywhere.
    fn begins(&self, index: usize) -> bool {
        let initial = |state: &StateDecl| state.initial.is_some();
        initial(&self.model.states()[index]) || self.stub.is_some() && !self.model.states().iter().any(initial)
    }

    /// The state that knows the most of what this one knows, and nothing else; none, if it would know nothing.
    ///
    /// Each state leads to one that knows less, or as much and stands before it, so there is no circle.
    fn base(&self, index: usize) -> Option<usize> {
        let known = &self.model.names[index];
        let candidates = self.model.names.iter().enumerate();
        candidates
            .filter(|(state, names)| {
                !names.is_empty() && names.is_subset(known) && (names.len() < known.len() || *state < index)
            })
            .max_by_key(|(_, names)| names.len())
            .map(|(state, _)| state)
    }

    /// The facts that an edge into this state takes.
    fn taken(&self, index: usize) -> Vec<&FactDecl> {
        self.model.states()[index].facts.iter().filter(|fact| fact.each.is_none()).collect()
    }

    /// Two facts or more are given as a literal, so that two of one type cannot be swapped.
    fn literal(&self, index: usize) -> Option<TokenStream> {
        let taken = self.taken(index);
        if taken.len() < 2 {
            return None;
        }
        let state = &self.model.states()[index];
        let vis = &self.model.declaration.vis;
        let ident = format_ident!("{}Facts", state.ident.unraw());
        let doc = format!("The facts that [`{}`] adds.", state.ident.unraw());
        let fields = fields(&taken);
        Some(quote! {
            #[doc = #doc]
            #[allow(dead_code)]
            #vis struct #ident { #fields }
        })
    }

    /// Where the edges from this state lead, each once.
    fn targets(&self, from: usize) -> Vec<usize> {
        // After an error any edge may be one that was meant.
        let mut targets: Vec<usize> =
            if self.stub.is_some() { (0..self.model.states().len()).collect() } else { Vec::new() };
        targets.retain(|to| !self.begins(from) || snake(&self.model.states()[*to].ident) != "start");
        // What leads to a bad end is no method of the author's.
        let steps = self.model.transitions.iter().filter(|it| !matches!(it.kind, Kind::End { .. }));
        for transition in steps.filter(|it| it.places.contains(&from)) {
            for to in &transition.to {
                if !targets.contains(to) {
                    targets.push(*to);
                }
            }
        }
        targets
    }

    /// The pure step of each edge to these states, from where these facts are known.
    pub(super) fn edges(&self, targets: &[usize], source: &BTreeSet<String>, made: &Ident) -> TokenStream {
        let edges = targets.iter().copied().map(|to| {
            let target = &self.model.states()[to];
            let ident = &target.ident;
            let method = snake(ident);
            let taken = self.taken(to);
            let names: Vec<_> = taken.iter().map(|fact| &fact.ident).collect();
            let (argument, open) = match taken.as_slice() {
                [] => (quote!(), quote!()),
                [fact] => {
                    let (ident, ty) = (&fact.ident, &fact.ty);
                    (quote!(#ident: #ty), quote!())
                }
                _ => {
                    let literal = format_ident!("{}Facts", ident.unraw());
                    (quote!(facts: #literal), quote!(let #literal { #(#names),* } = facts;))
                }
            };
            let known = self.model.known[to].iter().map(|fact| self.model.fact(*fact));
            let is_known = |ident: &Ident| source.contains(&ident.unraw().to_string());
            let (carried, begun): (Vec<&FactDecl>, Vec<&FactDecl>) =
                known.filter(|fact| !names.contains(&&fact.ident)).partition(|fact| is_known(&fact.ident));
            let carried: Vec<&Ident> = carried.into_iter().map(|fact| &fact.ident).collect();
            let from = (!carried.is_empty()).then(|| quote!(let __from = self.#made.into_inner();));
            // A set begins empty, and what has a default with that.
            let begun: Vec<TokenStream> = begun
                .into_iter()
                .map(|fact| {
                    let (ident, is_set) = (&fact.ident, fact.each.is_some() && !fact.kept);
                    if is_set { quote!(#ident: __Each::new()) } else { quote!(#ident: __Default::default()) }
                })
                .collect();
            let doc = format!("The step to [`{}`].", ident.unraw());
            let body = if self.stub.is_some() {
                quote!(::core::panic!())
            } else {
                let built = self.build(to, &quote!(#(#names,)* #(#carried: __from.#carried,)* #(#begun,)*));
                quote!(#from #open #built)
            };
            let again = format_ident!("{}_again", method.unraw(), span = method.span());
            let is_free = targets.iter().all(|other| snake(&self.model.states()[*other].ident) != again);
            let again = (!taken.is_empty() && is_free && self.stub.is_none() && names.iter().all(|it| is_known(it)))
                .then(|| {
                    self.again(
                        &again,
                        to,
                        made,
                        &quote!(#(#names: __from.#names,)* #(#carried: __from.#carried,)* #(#begun,)*),
                    )
                });
            quote! {
                #[doc = #doc]
                #[must_use]
                pub fn #method(self, #argument) -> #ident { #body }
                #again
            }
        });
        quote!(#(#edges)*)
    }

    /// The step to a state all of whose facts are known already, and stay as they are.
    fn again(&self, method: &Ident, to: usize, made: &Ident, facts: &TokenStream) -> TokenStream {
        let ident = &self.model.states()[to].ident;
        let doc = format!("The step to [`{}`], with the facts as they are.", ident.unraw());
        let built = self.build(to, facts);
        quote! {
            #[doc = #doc]
            #[must_use]
            pub fn #method(self) -> #ident {
                let __from = self.#made.into_inner();
                #built
            }
        }
    }

    /// A state of these facts.
    fn build(&self, index: usize, facts: &TokenStream) -> TokenStream {
        let (ident, data, made) = (&self.model.states()[index].ident, self.data(index), self.made(index));
        let notes = self.notes(index);
        quote!(#ident { #made: __Sealed::new(#data { #facts }), #(#notes: (),)* })
    }

    /// Empty fields, one for each fact that only some paths record. rustc prints their names to an author who asks for such a fact, so each name says
    /// which path lacks it.
    fn notes(&self, index: usize) -> Vec<Ident> {
        if self.stub.is_some() {
            return Vec::new();
        }
        let notes = self.model.missing[index].iter().map(|(fact, by)| {
            let by = snake(&self.model.states()[*by].ident);
            format_ident!("{fact}_is_not_recorded_by_way_of_{}", by.unraw(), span = Span::call_site())
        });
        notes.collect()
    }

    fn state_enum(&self) -> TokenStream {
        let vis = &self.model.declaration.vis;
        let ident = self.item("State");
        let debug = self.debug();
        let states: Vec<_> = self.model.states().iter().map(|state| &state.ident).collect();
        let names: Vec<String> = states.iter().map(|state| state.unraw().to_string()).collect();
        let docs = self.model.states().iter().map(|state| {
            if state.doc.is_empty() { format!("It is in [`{}`].", state.ident.unraw()) } else { state.doc.clone() }
        });
        let doc = format!("Where a resource of [`{}`] is.", self.model.declaration.ident.unraw());
        quote! {
            #[doc = #doc]
            #debug
            #[allow(dead_code, clippy::large_enum_variant)]
            #vis enum #ident { #(#[doc = #docs] #states(#states)),* }
            #[allow(dead_code)]
            impl #ident {
                #[doc = #NAME]
                #[must_use]
                pub fn name(&self) -> &'static str {
                    match self { #(Self::#states(_) => #names),* }
                }
            }
        }
    }

    /// For each branch, what it may lead to and what its undo is given.
    pub(super) fn branches(&self) -> TokenStream {
        let fsm = self.fsm();
        let vis = &self.model.declaration.vis;
        let branches = self.model.transitions.iter().filter(|it| it.is_branch()).map(|transition| {
            let next = pascal(&transition.name, "Next");
            let made = pascal(&transition.name, "Made");
            let states: Vec<_> = transition.to.iter().map(|to| &self.model.states()[*to].ident).collect();
            let debug = self.debug();
            let next_doc = format!("Where `{}` may lead.", transition.name.unraw());
            let made_doc = format!("What `{}` made, for its undo.", transition.name.unraw());
            let docs: Vec<String> = states.iter().map(|state| format!("[`{}`]", state.unraw())).collect();
            let by = transition.verify.as_ref().and_then(|verify| verify.by.as_ref());
            let made = transition.undo().or(by).map(|_| {
                quote! {
                    #[doc = #made_doc]
                    #[allow(dead_code)]
                    #vis enum #made<'made> { #(#[doc = #docs] #states(&'made #states)),* }
                }
            });
            quote! {
                #[doc = #next_doc]
                #debug
                #[allow(clippy::large_enum_variant)]
                #vis enum #next { #(#[doc = #docs] #states(#states)),* }
                #(impl ::core::convert::From<#states> for #next {
                    fn from(next: #states) -> Self { Self::#states(next) }
                })*
                impl #fsm::Next for #next {
                    fn made(&self) -> ::core::result::Result<#fsm::Made, #fsm::FactError> {
                        match self { #(Self::#states(next) => #fsm::Next::made(next)),* }
                    }
                }
                #made
            }
        });
        quote!(#(#branches)*)
    }

    pub(super) fn debug(&self) -> Option<TokenStream> {
        self.model.declaration.debug.then(|| quote!(#[derive(Debug)]))
    }
}

/// Errors are shown on the type, and names are looked up where the derive stands: the type may come out of a macro.
fn on(ty: &syn::Type) -> Span {
    Span::call_site().located_at(ty.span())
}

/// The fields of a struct that holds these facts.
pub(super) fn fields(facts: &[&FactDecl]) -> TokenStream {
    let docs = facts
        .iter()
        .map(|fact| if fact.doc.is_empty() { format!("The fact `{}`.", fact.ident.unraw()) } else { fact.doc.clone() });
    let (names, types) = (facts.iter().map(|fact| &fact.ident), facts.iter().map(|fact| &fact.ty));
    quote!(#(#[doc = #docs] pub #names: #types),*)
}
