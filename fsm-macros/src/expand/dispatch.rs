//! Calling the methods by index, for a driver that knows no types.

use durable_fsm_graph::InDoubt;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;

use super::Expansion;
use crate::model::{Kind, Transition};
use crate::names::pascal;

impl Expansion<'_> {
    pub(super) fn dispatch(&self) -> TokenStream {
        let declaration = &self.model.declaration;
        let machine = &declaration.ident;
        let resource = &declaration.resource;
        let (state, transitions) = (self.item("State"), self.item("Transitions"));
        let indices = 0..self.model.states().len();
        let states = self.model.states().iter().map(|state| &state.ident);
        let unless_stub =
            |arms: fn(&Self) -> TokenStream| if self.stub.is_some() { TokenStream::new() } else { arms(self) };
        let (runs, lookups) = (unless_stub(Self::runs), unless_stub(Self::lookups));
        let (undos, aborts) = (unless_stub(Self::undos), unless_stub(Self::aborts));
        let (guards, wanted) = (unless_stub(Self::guards), unless_stub(Self::wanted));
        let (retains, verifies) = (unless_stub(Self::retains), unless_stub(Self::verifies));
        let imports = unless_stub(Self::imports);
        let known = unless_stub(Self::known);
        quote! {
            impl __Machine for #machine {
                type Resource = #resource;
                type State = #state;
                const GRAPH: &'static __Graph<'static> = &Self::GRAPH;
                fn state(index: usize, facts: &__Facts) -> __Read<#state> {
                    __Ok(match index {
                        #(#indices => #state::#states(__decode(facts)?),)*
                        _ => return __foreign(),
                    })
                }
            }
            impl<T: #transitions> __Dispatch<T> for #machine {
                fn run(t: __Arc<T>, transition: usize, call: __Call<#resource>) -> __Answer<__Reply> {
                    match transition { #runs _ => __absent("the transition") }
                }
                fn lookup(t: __Arc<T>, transition: usize, call: __Call<#resource>) -> __Answer<__Lookup<__Reply>> {
                    match transition { #lookups _ => __absent("the look-up") }
                }
                fn undo(t: __Arc<T>, transition: usize, call: __Call<#resource>) -> __Answer<__Undone> {
                    match transition { #undos _ => __absent("the undo") }
                }
                fn abort(t: __Arc<T>, transition: usize, call: __Call<#resource>) -> __Answer<__Undone> {
                    match transition { #aborts _ => __absent("the abort") }
                }
                fn guard(
                    t: &T, state: usize, transition: usize, facts: &__Facts, resource: &#resource,
                ) -> __Read<bool> {
                    __Ok(match transition { #guards _ => true })
                }
                fn wanted(
                    t: &T, transition: usize, facts: &__Facts, resource: &#resource,
                ) -> __Read<__BTreeSet<__String>> {
                    match transition { #wanted _ => __Ok(__BTreeSet::new()) }
                }
                #retains
                #verifies
                #imports
            }
            #known
        }
    }

    fn runs(&self) -> TokenStream {
        self.arms(|transition| {
            let how = match &transition.kind {
                Kind::Rewind | Kind::End { .. } => return None,
                Kind::NoEffect | Kind::Deferred(_) => "derive",
                Kind::Waits { for_each: Some(_), .. } => "wait_member",
                Kind::Waits { .. } => "wait",
                Kind::Effect(_) if transition.for_each().is_some() => "member",
                Kind::Effect(_) => "effect",
            };
            Some((how, transition.name.clone()))
        })
    }

    fn lookups(&self) -> TokenStream {
        self.arms(|transition| {
            let contract = transition.contract().filter(|contract| contract.in_doubt == InDoubt::Lookup)?;
            let how = if contract.for_each.is_some() { "find_member" } else { "find" };
            Some((how, format_ident!("lookup_{}", transition.name.unraw())))
        })
    }

    fn undos(&self) -> TokenStream {
        self.of_made(Transition::undo)
    }

    /// Nothing, for a machine that asks look-ups alone.
    fn verifies(&self) -> TokenStream {
        let by = |transition: &Transition| transition.verify.as_ref().is_some_and(|verify| verify.by.is_some());
        if !self.model.transitions.iter().any(by) {
            return TokenStream::new();
        }
        let resource = &self.model.declaration.resource;
        let arms = self.of_made(|transition| transition.verify.as_ref()?.by.as_ref());
        quote! {
            fn verify(t: __Arc<T>, transition: usize, call: __Call<#resource>) -> __Answer<bool> {
                match transition { #arms _ => __absent("what says whether it is there") }
            }
        }
    }

    /// One arm for each transition that has such a method, which is given what was made.
    fn of_made(&self, method: impl Fn(&Transition) -> Option<&Ident>) -> TokenStream {
        let only = self.arms(|transition| {
            let method = method(transition).filter(|_| !transition.is_branch())?;
            Some((if transition.for_each().is_some() { "undo_member" } else { "undo" }, method.clone()))
        });
        let branches = self.model.transitions.iter().enumerate().filter_map(|(index, transition)| {
            let undo = method(transition).filter(|_| transition.is_branch())?;
            let made = pascal(&transition.name, "Made");
            let (to, states) = (&transition.to, transition.to.iter().map(|to| &self.model.states()[*to].ident));
            Some(quote!(#index => match call.index() {
                #(#to => call.undo_arm(t, |t: &T, it, attempt| __Box::pin(t.#undo(#made::#states(it), attempt))),)*
                _ => __absent("the state that was made"),
            },))
        });
        quote!(#only #(#branches)*)
    }

    fn aborts(&self) -> TokenStream {
        self.arms(|transition| {
            let abort = transition.contract()?.abort.clone()?;
            Some((if transition.for_each().is_some() { "abort_member" } else { "undo" }, abort))
        })
    }

    fn guards(&self) -> TokenStream {
        let ask = |guard: &Ident| quote!(t.#guard(&__decode(facts)?, resource));
        let arms = self.model.transitions.iter().enumerate().filter_map(|(index, transition)| {
            let own = transition.guard.as_ref().map(ask);
            let guards = self.model.guards.iter().filter(|((_, guarded), _)| *guarded == index);
            let (places, others): (Vec<usize>, Vec<TokenStream>) =
                guards.map(|((place, _), guard)| (*place, ask(guard))).unzip();
            if places.is_empty() {
                return own.map(|own| quote!(#index => #own,));
            }
            let own = own.unwrap_or_else(|| quote!(true));
            Some(quote!(#index => match state { #(#places => #others,)* _ => #own },))
        });
        quote!(#(#arms)*)
    }

    /// Nothing, for a machine that imports nothing.
    fn imports(&self) -> TokenStream {
        if self.model.declaration.import.is_none() {
            return TokenStream::new();
        }
        let (machine, resource) = (&self.model.declaration.ident, &self.model.declaration.resource);
        quote! {
            const IMPORTS: bool = true;
            fn import(t: __Arc<T>, resource: __Arc<#resource>) -> __Answer<__Importing> {
                __import::<#machine, T, T::Error>(t, resource, T::import)
            }
        }
    }

    /// The states as what is imported.
    fn known(&self) -> TokenStream {
        if self.model.declaration.import.is_none() {
            return TokenStream::new();
        }
        let state = self.item("State");
        let states: Vec<&Ident> = self.model.states().iter().map(|state| &state.ident).collect();
        quote! {
            impl __Known for #state {
                fn known(&self, facts: &mut __Facts) -> __Read<usize> {
                    match self { #(Self::#states(it) => __State::known(it, facts),)* }
                }
            }
            #(impl __From<#states> for #state {
                fn from(state: #states) -> Self { Self::#states(state) }
            })*
        }
    }

    /// Nothing, for a machine that never leaves anything behind by data.
    fn retains(&self) -> TokenStream {
        let steps = self.model.transitions.iter().enumerate();
        let (indices, methods): (Vec<usize>, Vec<&Ident>) =
            steps.filter_map(|(index, step)| Some((index, step.contract()?.retain_when.as_ref()?))).unzip();
        if indices.is_empty() {
            return TokenStream::new();
        }
        let resource = &self.model.declaration.resource;
        quote! {
            fn retains(t: &T, transition: usize, resource: &#resource) -> bool {
                match transition { #(#indices => t.#methods(resource),)* _ => false }
            }
        }
    }

    fn wanted(&self) -> TokenStream {
        let sets = self.model.transitions.iter().enumerate();
        // No set is asked for what nothing is made any more.
        let sets = sets.filter(|(_, transition)| transition.retired.is_none());
        let sets = sets.filter_map(|(index, transition)| Some((index, transition.for_each()?)));
        let arms = sets.map(|(index, set)| {
            if let Some(on) = &set.on {
                let mut others = self.model.transitions.iter();
                let below = others.position(|it| it.for_each().is_some_and(|other| other.fact == *on));
                let (machine, fact) = (&self.model.declaration.ident, on.unraw().to_string());
                return quote! {
                    #index => __standing(<#machine as __Dispatch<T>>::wanted(t, #below, facts, resource)?, facts, #fact),
                };
            }
            let (wanted, subjects) = (&set.fact, if set.kept { "__value" } else { "__subjects" });
            let subjects = Ident::new(subjects, Span::call_site());
            quote!(#index => #subjects(t.#wanted(&__decode(facts)?, resource)),)
        });
        quote!(#(#arms)*)
    }

    /// One arm for each transition that has such a method: how it is called, and its name.
    fn arms(&self, method: impl Fn(&Transition) -> Option<(&'static str, Ident)>) -> TokenStream {
        let (mut indices, mut hows, mut methods) = (Vec::new(), Vec::new(), Vec::new());
        for (index, transition) in self.model.transitions.iter().enumerate() {
            let Some((how, method)) = method(transition) else { continue };
            indices.push(index);
            hows.push(Ident::new(how, Span::call_site()));
            methods.push(method);
        }
        quote!(#(#indices => call.#hows(t, T::#methods),)*)
    }
}
