//! The machines of the gallery, built from short descriptions.

use std::time::Duration;

use durable_fsm_graph::{
    Cause, Contract, End, ForEach, Graph, InDoubt, Kind, Predecessor, Rest, Retry, State, Transition, Transport, Undo,
};

/// A machine that owns its parts; [`Machine::with`] lends them out as a graph.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) states: Vec<Spot>,
    pub(crate) moves: Vec<Move>,
    /// Which state is the initial one.
    pub(crate) initial: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) rest: Rest,
    pub(crate) failed: bool,
    pub(crate) leaving: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Move {
    pub(crate) name: String,
    pub(crate) from: usize,
    /// The states that list it again.
    pub(crate) also: Vec<usize>,
    pub(crate) to: Vec<usize>,
    pub(crate) guard: Option<String>,
    pub(crate) undo: Option<String>,
    pub(crate) retain: bool,
    pub(crate) sort: Sort,
    pub(crate) terms: Terms,
    /// The states on which a set is kept, and the set.
    pub(crate) each: Option<(String, Vec<usize>)>,
}

/// What a transition does to the world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Effect,
    NoEffect,
    Deferred,
    Waits {
        every: Option<u64>,
        within: Option<u64>,
    },
    Rewind,
    /// The bad end of a transition.
    End(End),
}

/// What is declared beside the undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) in_doubt: Option<InDoubt>,
    pub(crate) abort: bool,
    pub(crate) once: bool,
    pub(crate) kept: bool,
    pub(crate) retain_when: Option<String>,
    pub(crate) undo_first: bool,
    pub(crate) on_delete: bool,
    pub(crate) preempts: bool,
}

impl Machine {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// States, each `Name` (passing), `Name.` (resting), `Name!` (failed), `Name>` (leaving) or `Name#` (terminal).
    pub(crate) fn states(mut self, names: &[&str]) -> Self {
        for name in names {
            let bare = name.trim_end_matches(['.', '!', '#', '>']);
            let (rest, failed) = match name.as_bytes().last() {
                Some(b'.') => (Rest::Resting, false),
                Some(b'!') => (Rest::Resting, true),
                Some(b'#') => (Rest::Terminal, false),
                _ => (Rest::Passing, false),
            };
            let doc = format!("The machine is at {bare}.");
            let leaving = name.ends_with('>');
            self.states.push(Spot { name: bare.to_owned(), doc, rest, failed, leaving });
        }
        self
    }

    fn index(&self, name: &str) -> usize {
        self.states.iter().position(|state| state.name == name).expect("a fixture names its own states")
    }

    /// `from --name--> to`, where `to` may be several, split by `|`, and `name` may go on with ` ~undo`, ` ~retain`,
    /// ` ?guard`, ` *set`, ` =value`, ` -` (no effect) and ` .` (waits). A word that begins with `+` is a term of the contract; see [`Move::term`].
    /// It may be listed on several states, split by `|` in `from`.
    pub(crate) fn edge(mut self, from: &str, name: &str, to: &str) -> Self {
        let mut words = name.split(' ');
        let mut new = Move { name: words.next().unwrap_or_default().to_owned(), ..Move::default() };
        let places: Vec<usize> = from.split('|').map(|from| self.index(from)).collect();
        new.from = places[0];
        new.also = places[1..].to_vec();
        new.to = to.split('|').filter(|to| !to.is_empty()).map(|to| self.index(to)).collect();
        for word in words {
            let rest = word[1..].to_owned();
            match word.as_bytes()[0] {
                b'~' if rest == "retain" => new.retain = true,
                b'-' => new.sort = Sort::NoEffect,
                b'.' => new.sort = Sort::Waits { every: None, within: None },
                b'+' => new.term(&rest, &self.moves),
                b'=' => {
                    new.terms.kept = true;
                    new.each = Some((rest, places.clone()));
                }
                b'~' => new.undo = Some(rest),
                b'?' => new.guard = Some(rest),
                _ => new.each = Some((rest, places.clone())),
            }
        }
        self.moves.push(new);
        self
    }

    /// Calls `look` with the graph.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&Graph<'_>) -> R) -> R {
        let stand: Vec<Vec<usize>> = (0..self.states.len())
            .map(|at| {
                let stands = |m: &Move| m.from == at || m.also.contains(&at);
                let here = |m: &Move| m.each.as_ref().map_or(stands(m), |(_, places)| places.contains(&at));
                (0..self.moves.len()).filter(|&index| here(&self.moves[index])).collect()
            })
            .collect();
        let states: Vec<State<'_>> = self
            .states
            .iter()
            .enumerate()
            .map(|(at, spot)| State {
                name: &spot.name,
                doc: &spot.doc,
                initial: at == self.initial,
                rest: spot.rest,
                failed: spot.failed,
                leaving: spot.leaving,
                retired: false,
                was: &[],
                facts: &[],
                known: &[],
                transitions: &stand[at],
                guards: &[],
                verify: None,
            })
            .collect();
        let transitions: Vec<Transition<'_>> = self.moves.iter().map(transition).collect();
        look(&Graph {
            name: &self.name,
            title: &self.name,
            version: 1,
            reader: 1,
            doc: "A machine of the gallery.",
            undo_on_rejected: false,
            upgrades: &[],
            states: &states,
            transitions: &transitions,
        })
    }
}

impl Move {
    /// A term, as it is written in an attribute: `lookup`, `abort`, `every=30`, `rejected@step`, …
    fn term(&mut self, term: &str, before: &[Self]) {
        let (key, value) = term.split_once('=').unwrap_or((term, ""));
        let seconds = || Some(value.parse().expect("seconds"));
        let (every, within) = match self.sort {
            Sort::Waits { every, within } => (every, within),
            _ => (None, None),
        };
        match key {
            "lookup" => self.terms.in_doubt = Some(InDoubt::Lookup),
            "hold" => self.terms.in_doubt = Some(InDoubt::Hold),
            "abort" => self.terms.abort = true,
            "once" => self.terms.once = true,
            "undo_first" => self.terms.undo_first = true,
            "on_delete" => self.terms.on_delete = true,
            "preempts" => self.terms.preempts = true,
            "retain_when" => self.terms.retain_when = Some(value.to_owned()),
            "every" => self.sort = Sort::Waits { every: seconds(), within },
            "within" => self.sort = Sort::Waits { every, within: seconds() },
            "deferred" => self.sort = Sort::Deferred,
            "rewind" => match &mut self.sort {
                Sort::End(end) => end.back = true,
                other => *other = Sort::Rewind,
            },
            _ => {
                let (cause, step) = key.split_once('@').expect("a known term");
                let of = before.iter().position(|known| known.name == step).expect("a step that is declared before");
                let cause = match cause {
                    "rejected" => Cause::Rejected,
                    "overdue" => Cause::Overdue,
                    _ => Cause::Exhausted { attempts: Some(value.parse().expect("a number")), give_up_after: None },
                };
                self.sort = Sort::End(End { of, cause, back: false });
            }
        }
    }
}

fn transition(new: &Move) -> Transition<'_> {
    let undo = match (&new.undo, new.retain) {
        (Some(undo), _) => Undo::Method(undo),
        (None, true) => Undo::Retain,
        (None, false) => Undo::None,
    };
    let terms = &new.terms;
    let surge = terms.undo_first.then_some(0);
    let contract = Contract {
        in_doubt: terms.in_doubt.unwrap_or(InDoubt::Repeat),
        undo,
        retain_when: terms.retain_when.as_deref(),
        abort: terms.abort.then_some("abort"),
        transport: if terms.once { Transport::Once } else { Transport::AtLeastOnce },
        timeout: Duration::from_secs(60),
        settle: Duration::ZERO,
        retry: Retry { base: Duration::from_secs(1), max: Duration::from_secs(300) },
        look_first: true,
        predecessor: Predecessor::Hold,
        for_each: new.each.as_ref().map(|(fact, _)| ForEach { fact, kept: terms.kept, on: None, surge }),
    };
    Transition {
        name: &new.name,
        from: new.from,
        to: &new.to,
        guard: new.guard.as_deref(),
        on_delete: terms.on_delete,
        preempts: terms.preempts,
        retired: false,
        was: &[],
        verify: None,
        kind: match new.sort {
            Sort::Effect => Kind::Effect(contract),
            Sort::NoEffect => Kind::NoEffect,
            Sort::Deferred => Kind::Deferred(contract),
            Sort::Waits { every, within } => Kind::Waits {
                every: every.map(Duration::from_secs),
                within: within.map(Duration::from_secs),
                for_each: None,
            },
            Sort::Rewind => Kind::Rewind,
            Sort::End(end) => Kind::End(end),
        },
    }
}

/// The eight steps of a worker.
pub(crate) fn worker() -> Machine {
    Machine::new("WorkerFlow")
        .states(&[
            "Requested",
            "AccountRegistered",
            "RoomCreated",
            "ConsumerCreated",
            "RouteConfigured",
            "ConfigGenerated",
            "ConfigPushed",
            "Started",
            "Ready.",
        ])
        .edge("Requested", "register_account ~deactivate_account", "AccountRegistered")
        .edge("AccountRegistered", "create_room ~close_room", "RoomCreated")
        .edge("RoomCreated", "create_consumer ~delete_consumer", "ConsumerCreated")
        .edge("ConsumerCreated", "configure_route ~remove_route", "RouteConfigured")
        .edge("RouteConfigured", "generate_config -", "ConfigGenerated")
        .edge("ConfigGenerated", "push_config ~retain", "ConfigPushed")
        .edge("ConfigPushed|Ready", "push_skill ~remove_skill *skills", "")
        .edge("ConfigPushed", "start_container ~stop_container", "Started")
        .edge("Started", "await_ready .", "Ready")
        .edge("Ready", "apply_spec ?spec_changed", "Ready")
}

/// Team-like: waits for others and branches.
pub(crate) fn team() -> Machine {
    Machine::new("TeamFlow")
        .states(&[
            "Requested",
            "RoomCreated",
            "SpaceJoined",
            "MembersInvited",
            "Ready.",
            "Disbanding",
            "Disbanded#",
            "Failed!",
        ])
        .edge("Requested", "create_room ~close_room", "RoomCreated|Failed")
        .edge("RoomCreated", "join_space ~leave_space", "SpaceJoined|Failed")
        .edge("SpaceJoined|Ready", "invite ~uninvite *members", "")
        .edge("SpaceJoined", "finish_invites", "MembersInvited|Failed")
        .edge("MembersInvited", "announce ~retain", "Ready")
        .edge("Ready", "disband ?archived", "Disbanding")
        .edge("Disbanding", "say_goodbye", "Disbanded")
        .edge("Failed", "retry ?spec_changed", "Requested")
}

/// Human-like: short, with a branch that skips a step.
pub(crate) fn human() -> Machine {
    Machine::new("HumanFlow")
        .states(&["Requested", "AccountRegistered", "InviteSent", "Ready.", "Failed!"])
        .edge("Requested", "register_account ~deactivate_account", "AccountRegistered|Failed")
        .edge("AccountRegistered", "send_invite ~retain", "InviteSent|Ready|Failed")
        .edge("InviteSent", "await_answer .", "Ready|Failed")
        .edge("Ready", "apply_spec ?spec_changed", "Ready")
}

/// A database: a deletion with steps of its own, a rewind, a fail-over, members that are looked up.
fn database() -> Machine {
    Machine::new("DatabaseFlow")
        .states(&["Requested", "Empty", "Filled", "Serving.", "OnStandby.", "BackingUp>", "BackedUp>"])
        .edge("Requested", "create_volume ~delete_volume +lookup +abort", "Empty")
        .edge("Empty", "fill +once", "Filled")
        .edge("Filled", "start ~stop", "Serving")
        .edge("Serving", "fail_over ~demote ?is_primary_lost +preempts", "OnStandby")
        .edge("Serving|OnStandby", "create_user ~drop_user *users +hold +abort", "")
        .edge("Serving", "set_size =size", "")
        .edge("Serving|OnStandby", "upgrade ?is_approved +rewind", "Empty")
        .edge("Serving|OnStandby", "start_backup ~delete_backup +on_delete +retain_when=keeps_backup", "BackingUp")
        .edge("BackingUp", "await_backup +every=10 +within=7200", "BackedUp")
}

/// A host: bad ends, waits with limits, an undo without an effect, a return after a failure.
fn host() -> Machine {
    Machine::new("HostFlow")
        .states(&["Requested", "Registered", "Available.", "Installing", "Running.", "Unreachable!", "Broken!"])
        .edge("Requested", "register ~deregister +lookup", "Registered")
        .edge("Requested", "register_rejected +rejected@register", "Unreachable")
        .edge("Registered", "take_power ~power_off +deferred", "Available")
        .edge("Available|Running", "set_power =power", "")
        .edge("Available", "install ~wipe ?has_image", "Installing")
        .edge("Available", "install_exhausted +exhausted@install=3", "Broken")
        .edge("Installing", "await_image +every=60 +within=1200", "Running")
        .edge("Installing", "await_image_overdue +overdue@await_image +rewind", "Available")
        .edge("Running", "reinstall ?has_other_image +rewind", "Available")
        .edge("Unreachable", "register_again ?has_other_spec +rewind", "Requested")
        .edge("Broken", "try_again ?may_try_again +rewind", "Available")
}

/// All machines, with the names of their files.
pub(crate) fn all() -> Vec<(&'static str, Machine)> {
    vec![
        ("worker", worker()),
        ("team", team()),
        ("human", human()),
        ("database", database()),
        ("host", host()),
        ("branch", branch()),
        ("diamonds", diamonds()),
        ("failures", failures()),
        ("parallel", parallel()),
        ("loops", loops()),
        ("forty", forty()),
        ("no-spine", no_spine()),
        ("names", names()),
        ("hostile", hostile()),
        ("empty", Machine::new("Empty")),
        ("single", Machine::new("Single").states(&["Only#"])),
    ]
}

fn branch() -> Machine {
    Machine::new("Branch")
        .states(&["Start", "Fast", "Slow", "Manual", "Joined", "Done#"])
        .edge("Start", "choose", "Fast|Slow|Manual")
        .edge("Fast", "go_fast", "Joined")
        .edge("Slow", "go_slow ~slow_down", "Joined")
        .edge("Manual", "go_by_hand", "Joined")
        .edge("Joined", "finish", "Done")
}

fn diamonds() -> Machine {
    Machine::new("Diamonds")
        .states(&["Start", "A1", "A2", "A3", "B1", "B2", "Middle", "C1", "C2", "D1", "D2", "End#"])
        .edge("Start", "split", "A1|B1")
        .edge("A1", "a_two", "A2")
        .edge("A2", "a_three", "A3")
        .edge("A3", "join_a", "Middle")
        .edge("B1", "b_two ~unb", "B2")
        .edge("B2", "join_b", "Middle")
        .edge("Middle", "split_again", "C1|D1")
        .edge("C1", "c_two", "C2")
        .edge("D1", "d_two", "D2")
        .edge("C2", "join_c", "End")
        .edge("D2", "join_d", "End")
}

fn failures() -> Machine {
    Machine::new("Failures")
        .states(&["Start", "Two", "Three", "Four", "Ready.", "Rejected!", "Broken!", "Cleaned#"])
        .edge("Start", "one ~undo_one", "Two|Rejected")
        .edge("Two", "two ~undo_two", "Three|Rejected|Broken")
        .edge("Three", "three", "Four|Broken")
        .edge("Four", "four", "Ready|Rejected|Broken")
        .edge("Rejected", "retry ?spec_changed", "Start")
        .edge("Broken", "clean_up", "Cleaned")
}

fn parallel() -> Machine {
    Machine::new("Parallel")
        .states(&["Idle.", "Busy", "Done#"])
        .edge("Idle", "by_hand ?asked", "Busy")
        .edge("Idle", "by_timer ?due", "Busy")
        .edge("Idle", "by_webhook ?called", "Busy")
        .edge("Busy", "cancel ?cancelled", "Idle")
        .edge("Busy", "finish", "Done")
}

fn loops() -> Machine {
    Machine::new("Loops")
        .states(&["Start", "Built", "Tested", "Released", "Ready."])
        .edge("Start", "build ~drop_build", "Built")
        .edge("Built", "test", "Tested|Start")
        .edge("Tested", "release ~withdraw", "Released|Built")
        .edge("Released", "announce", "Ready")
        .edge("Ready", "rebuild ?source_changed", "Start")
        .edge("Ready", "retest ?tests_changed", "Built")
        .edge("Ready", "touch ?asked", "Ready")
        .edge("Tested|Ready", "mirror ~unmirror *mirrors", "")
        .edge("Ready", "rotate ~revoke *keys", "")
}

fn forty() -> Machine {
    let names: Vec<String> = (0..40).map(|i| format!("Step{i:02}")).chain(["Failed!".to_owned()]).collect();
    let mut machine = Machine::new("Forty").states(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for i in 0..39 {
        let to = if i % 3 == 0 { format!("Step{:02}|Failed", i + 1) } else { format!("Step{:02}", i + 1) };
        let undo = if i % 2 == 0 { format!(" ~undo_{i}") } else { String::new() };
        machine = machine.edge(&format!("Step{i:02}"), &format!("do_{i}{undo}"), &to);
    }
    machine
        .edge("Step20", "again ?stale", "Step10")
        .edge("Step35", "skip ?empty", "Step38")
        .edge("Failed", "retry", "Step00")
}

fn no_spine() -> Machine {
    Machine::new("NoSpine")
        .states(&["Hub.", "North", "East", "South", "West"])
        .edge("Hub", "go_north ?n", "North")
        .edge("Hub", "go_east ?e", "East")
        .edge("Hub", "go_south ?s", "South")
        .edge("Hub", "go_west ?w", "West")
        .edge("North", "return_north", "Hub")
        .edge("East", "return_east", "Hub")
        .edge("South", "return_south", "Hub")
        .edge("West", "return_west", "Hub")
}

fn names() -> Machine {
    Machine::new("名前")
        .states(&[
            "要求済み",
            "アカウント登録済み",
            "ARatherLongNameThatSomebodyThoughtWasAGoodIdeaAtTheTime",
            "준비완료.",
        ])
        .edge("要求済み", "アカウントを登録する ~アカウントを削除する", "アカウント登録済み")
        .edge(
            "アカウント登録済み",
            "perform_the_one_step_that_has_a_very_long_name_indeed ~undo_the_one_step_that_has_a_very_long_name",
            "ARatherLongNameThatSomebodyThoughtWasAGoodIdeaAtTheTime",
        )
        .edge("ARatherLongNameThatSomebodyThoughtWasAGoodIdeaAtTheTime", "끝내다", "준비완료")
        .edge("준비완료", "다시 ?바뀜", "要求済み")
}

/// Text that means something to each of the formats.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "--> s0 : \"quoted\" 'single' & amp; ]]> -->",
    "a\n\nb\r\n    indented `code` **bold** [link](javascript:alert(1))",
    "end; } note left of s0 : x %% comment #35; \\\" \u{1b}[31m \u{202e}rtl\u{0}",
];

fn hostile() -> Machine {
    let mut machine = Machine::new(HOSTILE[0]).states(&["A", "B", "C", "D#"]);
    for (state, text) in machine.states.iter_mut().zip(HOSTILE) {
        state.name = (*text).to_owned();
        state.doc = HOSTILE.join("\n\n");
    }
    for (from, text) in HOSTILE.iter().enumerate().take(3) {
        machine.moves.push(Move {
            name: (*text).to_owned(),
            from,
            to: vec![from + 1],
            guard: Some(HOSTILE[1].to_owned()),
            undo: Some(HOSTILE[3].to_owned()),
            ..Move::default()
        });
    }
    machine
}
