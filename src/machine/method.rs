//! The methods of a transitions trait as values. Invariant: the generated dispatch names a method and writes no code around it; a
//! closure for each would be half of what a machine costs to check.

use std::future::Future;
use std::pin::Pin;

/// An `async` method of the transitions, by its arguments: `for<'a> Method<'a, (&'a T, S, &'a Attempt<R>)>`.
pub trait Method<'a, Arguments>: Send + 'static {
    /// What its future gives.
    type Answer;
    /// Calls it.
    fn call(self, arguments: Arguments) -> Pin<Box<dyn Future<Output = Self::Answer> + Send + 'a>>;
}

macro_rules! method {
    ($($argument:ident $value:ident),*) => {
        impl<'a, F, $($argument,)* Answer> Method<'a, ($($argument,)*)> for F
        where
            F: FnOnce($($argument),*) -> Answer + Send + 'static,
            Answer: Future + Send + 'a,
        {
            type Answer = Answer::Output;
            fn call(self, ($($value,)*): ($($argument,)*)) -> Pin<Box<dyn Future<Output = Answer::Output> + Send + 'a>> {
                Box::pin(self($($value),*))
            }
        }
    };
}

method!(T transitions, R resource);
method!(T transitions, S state, A attempt);
method!(T transitions, S state, U subject, A attempt);
method!(T transitions, S state, U subject, M made, A attempt);
