//! One line that writes a machine's tests. Invariant: a test that is named for a fault fails if that fault has no
//! occasion; only a world that lists no edits or no events may go without them.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use durable_fsm_graph::{Graph, Kind};
use proptest::test_runner::TestCaseError;

use super::explore::{Covered, Explorer, explore};
use super::oracle::Oracle;
use super::plan::{Fault, Plan};
use super::report::{AssertOk as _, Failure, Report};
use super::strategy::Picks;
use super::world::World;
use crate::Machine;

/// Faults that tests are named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The controller dies.
    Crash,
    /// It happened, and the answer was lost.
    ReplyLost,
    /// It did not happen, and there was no answer.
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
    /// Something happens in the world by itself.
    Event,
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
                    | Fault::Touched.bit()
                    | Fault::Outage.bit()
            }
            Trouble::Rival => Fault::Switch.bit() | Fault::Pause.bit(),
            Trouble::Deleted => Fault::Delete.bit(),
            Trouble::Paused => Fault::Suspended.bit(),
            Trouble::Edited => Fault::Edit.bit() | Fault::Behind.bit() | Fault::Overtaken.bit(),
            Trouble::Tampered => {
                Fault::Restored.bit()
                    | Fault::Forgotten.bit()
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
            Trouble::Event => Fault::EVENTS,
        }
    }
}

/// The tests that [`survive!`](crate::survive) writes: a machine, in one world or more.
///
/// Each world is a list of specs for the same resource, so that every branch of the machine is taken in one of them. A test runs in all of them. If the
/// run without faults fails, the first test that finds it says so, and the others of the same process do not run.
#[must_use]
pub struct Suite<W: World> {
    worlds: Vec<(&'static str, Vec<<W::Machine as Machine>::Resource>)>,
}

/// In which worlds the run without faults holds.
static SOUND: Mutex<BTreeMap<(TypeId, &'static str), bool>> = Mutex::new(BTreeMap::new());

impl<W: World> Suite<W> {
    /// The world's own resource, and what that is edited to.
    pub fn new() -> Self {
        Self { worlds: Vec::new() }
    }

    /// Adds a world by its name: the resource, and what it is edited to.
    pub fn with(mut self, name: &'static str, resources: Vec<<W::Machine as Machine>::Resource>) -> Self {
        self.worlds.push((name, resources));
        self
    }

    /// All single faults of one kind at one transition.
    ///
    /// # Panics
    /// If something is violated, or if there was no occasion for them.
    #[track_caller]
    pub fn survives(&self, transition: &str, trouble: Trouble) {
        let has_occasion = self.has_occasion(|explorer| explorer.at(transition).masked(trouble.faults()));
        let graph = <W::Machine as Machine>::GRAPH;
        // After a deletion there is nothing to delete. The arrival of a member that was waited for is written together with what follows.
        let never = trouble == Trouble::Deleted && is_of_deletion(graph, transition)
            || matches!(trouble, Trouble::Paused | Trouble::Store) && waits_for_members(graph, transition);
        assert!(never || has_occasion, "{trouble:?} has no occasion at `{transition}`");
    }

    /// All single faults of one kind, wherever they strike. A world that lists no edits is not edited, and one that lists no events does not move.
    ///
    /// # Panics
    /// If something is violated, or if there was no occasion for them.
    #[track_caller]
    pub fn survives_anywhere(&self, trouble: Trouble) {
        let has_occasion = self.has_occasion(|explorer| explorer.masked(trouble.faults()));
        let is_edited = match &*self.worlds {
            [] => !W::edits().is_empty(),
            worlds => worlds.iter().any(|(_, resources)| resources.len() > 1),
        };
        let never = trouble == Trouble::Edited && !is_edited || trouble == Trouble::Event && W::events().is_empty();
        assert!(never || has_occasion, "{trouble:?} has no occasion");
    }

    /// Every pair of faults in every world. All that is not listed here has to be reached in one of them.
    ///
    /// # Panics
    /// If something is violated or not reached.
    #[track_caller]
    pub fn survives_pairs(&self, unreached: &[&str]) {
        let Some(explorers) = self.explorers() else { return };
        let explorers = explorers.into_iter().map(|(name, explorer)| {
            let explorer = explorer.faults(2).progress();
            (name, unreached.iter().fold(explorer, |explorer, what| explorer.unreached(what)))
        });
        let mut covered = Covered::default();
        let (mut complete, mut judge, mut replays) = (usize::MAX, None, Vec::new());
        for (name, explorer) in explorers {
            match explorer.explored() {
                Ok(None) => replays.push(Ok(Report::of_replay(<W::Machine as Machine>::GRAPH.name))),
                Ok(Some(explored)) => {
                    println!("{name}{}", Ok(explored.report(<W::Machine as Machine>::GRAPH)).assert_ok());
                    complete = complete.min(explored.complete);
                    covered.merge(explored.covered);
                    judge = Some(explorer);
                }
                Err(failure) => replays.push(Err(failure.in_world(name))),
            }
        }
        if let Some(report) = one_of(replays) {
            println!("{}", report.assert_ok());
        }
        if let Some(explorer) = judge {
            explorer.judge(&covered, complete).assert_ok();
        }
    }

    /// The plan that was chosen, in every world.
    ///
    /// # Errors
    /// What was violated, with the timeline and the plan that replays it.
    pub fn survives_picks(&self, picks: &Picks) -> Result<(), TestCaseError> {
        for (_, explorer) in self.explorers().unwrap_or_default() {
            explorer.survives(picks)?;
        }
        Ok(())
    }

    /// Whether there is an occasion for these faults in one of the worlds.
    #[track_caller]
    fn has_occasion(&self, of: impl Fn(Explorer<W>) -> Explorer<W>) -> bool {
        let Some(explorers) = self.explorers() else { return true };
        let runs = explorers.into_iter().map(|(name, it)| of(it).run().map_err(|failure| failure.in_world(name)));
        let reports: Vec<_> = runs.collect();
        let has_run = |report: &Report| report.is_replay() || report.schedules > 1;
        let has_occasion = reports.iter().flatten().any(has_run);
        if let Some(report) = one_of(reports) {
            report.assert_ok();
        }
        has_occasion
    }

    /// An explorer for each world; none if another test says that the run without faults fails.
    #[track_caller]
    fn explorers(&self) -> Option<Vec<(&'static str, Explorer<W>)>> {
        let explorers = || match &*self.worlds {
            [] => vec![("", explore::<W>())],
            worlds => {
                let explorer = |(name, resources): &(_, Vec<_>)| (*name, explore::<W>().in_world(resources.clone()));
                worlds.iter().map(explorer).collect()
            }
        };
        for (name, explorer) in explorers() {
            let mut sound = SOUND.lock().unwrap_or_else(PoisonError::into_inner);
            match sound.get(&(TypeId::of::<W>(), name)) {
                Some(true) => {}
                Some(false) => {
                    let machine = <W::Machine as Machine>::GRAPH.name;
                    eprintln!("{machine}: NOT RUN, because the run without faults fails; another test here says how");
                    return None;
                }
                None => {
                    let clean = explorer.replay(&Plan::default());
                    sound.insert((TypeId::of::<W>(), name), clean.is_ok());
                    drop(sound);
                    clean.map_err(|failure| failure.in_world(name)).assert_ok();
                }
            }
        }
        Some(explorers())
    }
}

impl<W: World> Default for Suite<W> {
    fn default() -> Self {
        Self::new()
    }
}

fn is_of_deletion(graph: &Graph<'_>, transition: &str) -> bool {
    let step = graph.transition(transition).map(|(_, step)| step);
    step.is_some_and(|step| step.on_delete || graph.states.get(step.from).is_some_and(|from| from.leaving))
}

/// A failure, if there is one that counts; otherwise one of the reports. A plan that is replayed in all worlds need strike in one of them only.
fn one_of(reports: Vec<Result<Report, Box<Failure>>>) -> Option<Result<Report, Box<Failure>>> {
    let struck = reports.iter().any(Result::is_ok);
    let counts = |failure: &Failure| !(struck && failure.violation.oracle == Oracle::NotFired);
    let mut last = None;
    for report in reports {
        match report {
            Err(failure) if counts(&failure) => return Some(Err(failure)),
            Err(_) => {}
            Ok(report) => last = Some(Ok(report)),
        }
    }
    last
}

fn waits_for_members(graph: &Graph<'_>, transition: &str) -> bool {
    let step = graph.transition(transition).map(|(_, step)| step);
    step.is_some_and(|step| matches!(step.kind, Kind::Waits { for_each: Some(_), .. }))
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
        .filter(|step| {
            !matches!(step.kind, Kind::NoEffect | Kind::Rewind | Kind::End(_)) && !listed.contains(&step.name)
        })
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
///     worlds {
///         in_a_container => [worker("docker"), worker("podman")],
///         in_a_pod => [worker("pod")],
///     }
/// }
/// ```
///
/// List every transition that has an effect, and every one that waits; a test fails if one is missing. What the world has no occasion for stands under
/// `unreached`, as for [`Explorer::unreached`](super::Explorer::unreached).
///
/// Where the machine has branches, name a world for each under `worlds`: the resource, and what it is edited to. Each test runs in all of them, and
/// everything has to be reached in one of them. Without `worlds` it is [`World::resource`] and [`World::edits`].
#[macro_export]
macro_rules! survive {
    (
        mod $name:ident for $world:ty { $($transition:ident),+ $(,)? }
        $(waits { $($wait:ident),* $(,)? })?
        $(unreached { $($what:literal),* $(,)? })?
        $(worlds { $($branch:ident => [$($resource:expr),+ $(,)?]),+ $(,)? })?
    ) => {
        mod $name {
            use super::*;

            fn suite() -> $crate::testing::Suite<$world> {
                $crate::testing::Suite::new()$($(.with(stringify!($branch), vec![$($resource),+]))+)?
            }
            $(
                mod $transition {
                    $crate::__survive_at! { $transition;
                        crash Crash, reply_lost ReplyLost, request_lost RequestLost, late Late, refused Refused, store Store,
                        rival Rival, deleted Deleted, paused Paused
                    }
                }
            )+
            $($(
                mod $wait {
                    $crate::__survive_at! { $wait;
                        crash Crash, reply_lost ReplyLost, request_lost RequestLost, late Late, refused Refused, rival Rival,
                        deleted Deleted
                    }
                }
            )*)?
            $crate::__survive_anywhere! { tampered Tampered, restarted Restarted, clock Clock, edited Edited, moved Event }

            #[test]
            fn every_transition_is_listed() {
                $crate::testing::assert_listed::<$world>(&[$(stringify!($transition),)+ $($(stringify!($wait)),*)?]);
            }

            #[test]
            fn every_pair_of_faults() {
                suite().survives_pairs(&[$($($what),*)?]);
            }

            $crate::testing::proptest::proptest! {
                #![proptest_config($crate::testing::random_plans(64))]
                #[test]
                fn any_number_of_faults(picks in $crate::testing::picks(0..=5)) {
                    suite().survives_picks(&picks)?;
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __survive_at {
    ($transition:ident; $($test:ident $trouble:ident),+) => {
        $(
            #[test]
            fn $test() {
                super::suite().survives(stringify!($transition), $crate::testing::Trouble::$trouble);
            }
        )+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __survive_anywhere {
    ($($test:ident $trouble:ident),+) => {
        $(
            #[test]
            fn $test() {
                suite().survives_anywhere($crate::testing::Trouble::$trouble);
            }
        )+
    };
}
