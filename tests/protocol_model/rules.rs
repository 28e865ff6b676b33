//! The rules of the protocol, each of which can be switched off. Invariant: nothing else in the model depends on which are on.

/// A rule that the driver follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An intent that this call did not write is given timeout + settle before it is resolved.
    Wait,
    /// Taking over is itself a compare-and-swap.
    TakeOver,
    /// Every intent has a holder of its own.
    OwnHolder,
    /// Immediately before a request is sent, the own clock is looked at.
    LateCheck,
    /// Doubt is sticky: what a later attempt says clears neither it nor the mark that the step was sent.
    StickyDoubt,
    /// A step that was ever sent stays touched until it is committed or resolved.
    Touched,
    /// A repeat sends the spec of its first attempt.
    FrozenSpec,
    /// Undo and abort wait until the last attempt at their step is quiet.
    QuietUndo,
    /// Deletion is looked at before anything that is held.
    DeletionFirst,
    /// Removal of the record is conditional.
    ConditionalRemoval,
    /// A write is compared with the version that was read, not with the record's own number.
    Version,
    /// A pass for a resource that is not the one in the store any more does nothing.
    SameResource,
    /// After a write whose fate is unknown, the record is the own one only if it is exactly what was written.
    ReadBack,
    /// An undo or abort ends only on success.
    UndoEnds,
    /// What was learnt is written again after a conflict, while its intent is there.
    WriteAgain,
    /// An attempt that was never sent takes its intent back.
    Withdraw,
    /// An outcome is written without an intent for the next step when deletion is wanted.
    NoNextIntent,
    /// A refusal says nothing about the attempts before it: of sticky doubt only the doubt, and not the mark that the step was sent.
    DoubtAlone,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 18] = [
        Rule::Wait,
        Rule::TakeOver,
        Rule::OwnHolder,
        Rule::LateCheck,
        Rule::StickyDoubt,
        Rule::Touched,
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
        Rule::DoubtAlone,
    ];
}

/// What a step promises when its outcome is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contract {
    /// The provider takes a name, which is made of origin and life: a repeat is the same thing.
    Repeat,
    /// The provider makes another thing with every call, and can be asked for one of ours.
    Lookup,
    /// The provider makes another thing with every call, and cannot be asked. An abort removes what was made.
    Hold,
}
