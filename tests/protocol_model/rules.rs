//! The rules of the protocol. Each rule can be switched off. Invariant: nothing else in the model depends on which rule is off.

/// A rule that the driver follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    // The commit.
    /// A call that finds an intent of another call waits timeout + settle before it resolves the intent.
    Wait,
    /// Taking over is itself a compare-and-swap.
    TakeOver,
    /// Every intent has a holder of its own.
    OwnHolder,
    /// The driver reads its own clock immediately before it sends a request.
    LateCheck,
    /// Doubt is sticky: a later answer clears neither the doubt nor the unconfirmed entry.
    StickyDoubt,
    /// A step that was ever sent stays unconfirmed until it is committed or resolved.
    Unconfirmed,
    /// A repeat sends the spec of its first attempt.
    FrozenSpec,
    /// Undo and abort wait until the last attempt at their step is quiet.
    QuietUndo,
    /// Deletion takes precedence over a record that is held.
    DeletionFirst,
    /// Removal of the record is conditional.
    ConditionalRemoval,
    /// A write is compared with the version that was read, not with the record's own number.
    Version,
    /// A pass for a resource that has been replaced by a namesake does nothing.
    SameResource,
    /// After a write whose fate is unknown, the record is the own one only if it is exactly what was written.
    ReadBack,
    /// An undo or abort ends only on success.
    UndoEnds,
    /// After a conflict, an outcome is written again while its intent is there.
    WriteAgain,
    /// An attempt that was never sent takes its intent back.
    Withdraw,
    /// When deletion is wanted, an outcome is written without an intent for the next step.
    NoNextIntent,

    // The order of the way back.
    /// The way back takes live and unconfirmed entries by one order. Off: unconfirmed entries go first.
    OneOrder,
    /// The order is the seq of the last intent that sent the entry. Off: the order is the life.
    OrderOfSending,
    /// The way back waits for the quiet of the highest entry. Off: it takes the highest entry that is quiet.
    NeverSkip,

    // Refusals.
    /// A refused life is dropped without a look only where delivery is once. Off: everywhere.
    DropIfOnce,
    /// Elsewhere a refused life is dropped only if a look-up finds nothing. Off: as soon as it is quiet.
    LookBeforeDrop,
    /// The look-up waits for quiet.
    QuietBeforeLook,
    /// An attempt that is refused on the way back stays unconfirmed. Off: it is forgotten.
    RefusedGoingBack,
    /// A refusal says nothing about the attempts before it. Off: a refusal clears the doubt.
    RefusedInDoubt,
    /// Where delivery is once, the way back drops a refused life. Off: it repeats and undoes the life.
    DropGoingBack,
    /// The way back uses an abort or a look-up where there is one. Off: it repeats and undoes the life.
    AbortFirst,

    // Effects that are set aside.
    /// While a life of a step is in doubt, no other life of the step begins.
    DoubtedFirst,
    /// A life that was set aside is looked up or aborted only when it is quiet.
    QuietBeforeSettling,
    /// An effect that is set aside is in doubt.
    AsideInDoubt,

    // Delivery at most once.
    /// An undo skips the wait only for an entry that is clean. Off: for every entry where delivery is once.
    CleanOnly,
    /// An undo skips the wait for a clean entry. Off: every undo waits.
    CleanSkips,

    // Removal of the record.
    /// When the removal of the record meets a conflict, what was learnt is kept.
    KeepLearnt,
    /// What was learnt is kept only while the intent is identical. Off: while there is an intent.
    SameIntent,
    /// What was learnt is kept only if the origin is the same.
    SameOrigin,
    /// After the conflict the driver decides again. Off: it removes the record as it finds it.
    DecideAgain,

    // Rewinds.
    /// A mark is the seq before the write that enters its state. Off: the seq of that write.
    MarkBefore,
    /// A rewind compares the order with the mark. Off: the life.
    OrderAboveMark,
    /// The rewind is in the record, and its guard is not asked again.
    DurableRewind,
    /// A step begins only when the undos and aborts of its earlier lives are quiet.
    UndoneWaits,
    /// A leaving step begins only after the rewind.
    LeaveAfterRewind,
    /// A deletion finishes the rewind. Off: it turns the way back at once.
    FinishRewind,
    /// A rewind without its mark is held before the first undo. Off: after the last one.
    HeldBeforeUndo,
    /// A rewind drops the marks that were made after its own.
    DropLaterMarks,

    // Kept values.
    /// A round waits until the round before it is quiet.
    RoundsWait,
    /// A round that is refused or in doubt leaves the value unset.
    RoundUnsets,
    /// The undo of a kept value waits for the last round. Off: for the first one.
    LastRound,
    /// Where a name has no life in it, the first attempt of a life waits for the unconfirmed lives of the step.
    FirstAttemptWaits,
    /// Where a name has no life in it, only the last life of the step is taken up again. Off: an older one with the spec that is wanted.
    LastLife,
    /// A kept value is clean only if all its rounds were.
    CleanRounds,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 50] = [
        Rule::Wait,
        Rule::TakeOver,
        Rule::OwnHolder,
        Rule::LateCheck,
        Rule::StickyDoubt,
        Rule::Unconfirmed,
        Rule::FrozenSpec,
        Rule::QuietUndo,
        Rule::DeletionFirst,
        Rule::ConditionalRemoval,
        Rule::Version,
        Rule::SameResource,
        Rule::ReadBack,
        Rule::UndoEnds,
        Rule::WriteAgain,
        Rule::Withdraw,
        Rule::NoNextIntent,
        Rule::OneOrder,
        Rule::OrderOfSending,
        Rule::NeverSkip,
        Rule::DropIfOnce,
        Rule::LookBeforeDrop,
        Rule::QuietBeforeLook,
        Rule::RefusedGoingBack,
        Rule::RefusedInDoubt,
        Rule::DropGoingBack,
        Rule::AbortFirst,
        Rule::DoubtedFirst,
        Rule::QuietBeforeSettling,
        Rule::AsideInDoubt,
        Rule::CleanOnly,
        Rule::CleanSkips,
        Rule::KeepLearnt,
        Rule::SameIntent,
        Rule::SameOrigin,
        Rule::DecideAgain,
        Rule::MarkBefore,
        Rule::OrderAboveMark,
        Rule::DurableRewind,
        Rule::UndoneWaits,
        Rule::LeaveAfterRewind,
        Rule::FinishRewind,
        Rule::HeldBeforeUndo,
        Rule::DropLaterMarks,
        Rule::RoundsWait,
        Rule::RoundUnsets,
        Rule::LastRound,
        Rule::FirstAttemptWaits,
        Rule::LastLife,
        Rule::CleanRounds,
    ];
}
