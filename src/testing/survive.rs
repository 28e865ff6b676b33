//! One line that writes a machine's tests. Invariant: a test that is named for a fault fails if that fault has no
//! occasion; only a world that lists no edits may go without them.

use super::explore::explore;
use super::plan::Fault;
use super::report::AssertOk as _;
use super::world::World;
use crate::Machine;
use durable_fsm_graph::{Graph, Kind};

/// Faults that tests are named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The controller dies.
    Crash,
    /// It happened, and nobody was told.
    ReplyLost,
    /// It did not happen, and nobody was told.
    RequestLost,
    /// It happens after the sender has given up.
    Late,
    /// It is refused, in every way.
    Refused,
    /// The store fails, in every way.
    Store,
    /// Another controller comes between.
    Rival,
    /// The resource is to be deleted.
    Deleted,
    /// An operator pauses the resource.
    Paused,
    /// The resource is edited.
    Edited,
    /// The record is tampered with, or cannot be read.
    Tampered,
    /// The controller is started afresh, another one takes over, or the resource is made again.
    Restarted,
    /// The time of day jumps.
    Clock,
}

impl Trouble {
    const fn faults(self) -> u64 {
        match self {
            Trouble::Crash => {
                Fault::Crash.bit() | Fault::CrashAfter.bit() | Fault::CrashLate.bit() | Fault::Drain.bit()
            }
            Trouble::ReplyLost => Fault::ReplyLost.bit() | Fault::Hang.bit(),
            Trouble::RequestLost => Fault::RequestLost.bit(),
            Trouble::Late => {
                Fault::Late.bit() | Fault::Duplicate.bit() | Fault::Echo.bit() | Fault::Twin.bit() | Fault::Slow.bit()
            }
            Trouble::Refused => {
                Fault::NotApplied.bit()
                    | Fault::Throttled.bit()
                    | Fault::Rejected.bit()
                    | Fault::Unacceptable.bit()
                    | Fault::NotOurs.bit()
            }
            Trouble::Store => {
                Fault::Unavailable.bit()
                    | Fault::Conflict.bit()
                    | Fault::TooLarge.bit()
                    | Fault::NotKept.bit()
                    | Fault::Stale.bit()
                    | Fault::Torn.bit()
            }
            Trouble::Rival => Fault::Switch.bit() | Fault::Pause.bit(),
            Trouble::Deleted => Fault::Delete.bit(),
            Trouble::Paused => Fault::Suspended.bit(),
            Trouble::Edited => Fault::Edit.bit() | Fault::Behind.bit(),
            Trouble::Tampered => {
                Fault::Restored.bit()
                    | Fault::Copied.bit()
                    | Fault::Newer.bit()
                    | Fault::Removed.bit()
                    | Fault::Unmarked.bit()
                    | Fault::Torn.bit()
                    | Fault::Missing.bit()
            }
            Trouble::Restarted => {
                Fault::Restart.bit() | Fault::Other.bit() | Fault::MadeAgain.bit() | Fault::Rebound.bit()
            }
            Trouble::Clock => Fault::CLOCK,
        }
    }
}

/// All single faults of one kind at one transition.
///
/// # Panics
/// If something is violated, or if there was no occasion for them.
#[track_caller]
pub fn survives<W: World>(transition: &str, trouble: Trouble) {
    let report = explore::<W>().at(transition).masked(trouble.faults()).run().assert_ok();
    // Where a deletion has led, nobody deletes again.
    let never = trouble == Trouble::Deleted && is_of_deletion(<W::Machine as Machine>::GRAPH, transition);
    assert!(never || report.is_replay() || report.schedules > 1, "{trouble:?} has no occasion at `{transition}`");
}

fn is_of_deletion(graph: &Graph<'_>, transition: &str) -> bool {
    let step = graph.transition(transition).map(|(_, step)| step);
    step.is_some_and(|step| step.on_delete || graph.states.get(step.from).is_some_and(|from| from.leaving))
}

/// All single faults of one kind, wherever they strike. A world that lists no edits is not edited.
///
/// # Panics
/// If something is violated, or if there was no occasion for them.
#[track_caller]
pub fn survives_anywhere<W: World>(trouble: Trouble) {
    let report = explore::<W>().masked(trouble.faults()).run().assert_ok();
    let never = trouble == Trouble::Edited && W::edits().is_empty();
    assert!(never || report.is_replay() || report.schedules > 1, "{trouble:?} has no occasion");
}

/// That these are the transitions of a machine that have an effect or wait, all of them.
///
/// # Panics
/// If one is missing.
#[track_caller]
pub fn assert_listed<W: World>(listed: &[&str]) {
    let graph = <W::Machine as Machine>::GRAPH;
    let missing: Vec<_> = graph
        .transitions
        .iter()
        .filter(|step| !matches!(step.kind, Kind::NoEffect | Kind::Rewind) && !listed.contains(&step.name))
        .map(|step| step.name)
        .collect();
    assert!(missing.is_empty(), "transitions without tests: {}", missing.join(", "));
}

/// Writes the tests of a machine: for each transition one for each kind of fault, one for each kind that belongs to no transition, one
/// for all pairs of faults, and one for any number of them, with proptest.
///
/// ```text
/// durable_fsm::survive! {
///     mod worker for Cloud { register_account, create_room, start_container }
///     waits { wait_container }
///     unreached { "abort create_room" }
/// }
/// ```
///
/// List every transition that has an effect, and every one that waits; a test fails if one is missing. What the world has no occasion for stands under
/// `unreached`, as for [`Explorer::unreached`](super::Explorer::unreached).
#[macro_export]
macro_rules! survive {
    (mod $name:ident for $world:ty { $($transition:ident),+ $(,)? } $(waits { $($wait:ident),* $(,)? })? $(unreached { $($what:literal),* $(,)? })?) => {
        mod $name {
            use super::*;
            $(
                mod $transition {
                    use super::*;
                    $crate::__survive_at! { $world, $transition;
                        crash Crash, reply_lost ReplyLost, request_lost RequestLost, late Late, refused Refused, store Store,
                        rival Rival, deleted Deleted, paused Paused
                    }
                }
            )+
            $($(
                mod $wait {
                    use super::*;
                    $crate::__survive_at! { $world, $wait;
                        crash Crash, reply_lost ReplyLost, request_lost RequestLost, late Late, refused Refused, rival Rival,
                        deleted Deleted
                    }
                }
            )*)?
            $crate::__survive_anywhere! { $world; tampered Tampered, restarted Restarted, clock Clock, edited Edited }

            #[test]
            fn every_transition_is_listed() {
                $crate::testing::assert_listed::<$world>(&[$(stringify!($transition),)+ $($(stringify!($wait)),*)?]);
            }

            #[test]
            fn every_pair_of_faults() {
                let explorer = $crate::testing::explore::<$world>().faults(2).progress()$($(.unreached($what))*)?;
                println!("{}", $crate::testing::AssertOk::assert_ok(explorer.run()));
            }

            $crate::testing::proptest::proptest! {
                #![proptest_config($crate::testing::proptest::test_runner::Config::with_cases(64))]
                #[test]
                fn any_number_of_faults(picks in $crate::testing::picks(0..=5)) {
                    $crate::testing::explore::<$world>().survives(&picks)?;
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __survive_at {
    ($world:ty, $transition:ident; $($test:ident $trouble:ident),+) => {
        $(
            #[test]
            fn $test() {
                $crate::testing::survives::<$world>(stringify!($transition), $crate::testing::Trouble::$trouble);
            }
        )+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __survive_anywhere {
    ($world:ty; $($test:ident $trouble:ident),+) => {
        $(
            #[test]
            fn $test() {
                $crate::testing::survives_anywhere::<$world>($crate::testing::Trouble::$trouble);
            }
        )+
    };
}
