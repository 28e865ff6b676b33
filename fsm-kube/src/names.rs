//! The names of annotations, finalizer and status field on an object.
//!
//! Invariant: every name derives from the machine's name and is a valid annotation key or finalizer. The names of two machines on one object never collide.

use durable_fsm::StoreError;

use crate::verb::Verb;

/// The annotations and the finalizer of one machine.
///
/// For `hiclaw.io/worker` the record is the annotation `hiclaw.io/worker-record`, the finalizer is `hiclaw.io/worker-cleanup`, and an operator asks with
/// `hiclaw.io/worker-retry` and so on (see [`Verb`](crate::Verb)). If the machine's name has no prefix, the prefix is `durable-fsm.io`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Names {
    stem: String,
    record: String,
    finalizer: String,
    /// Other programs set this finalizer too.
    shares_finalizer: bool,
}

impl Names {
    /// The names for a machine.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the machine's name makes no annotation key.
    pub fn of(machine: &str) -> Result<Self, StoreError> {
        let stem = if machine.contains('/') { machine.to_owned() } else { format!("durable-fsm.io/{machine}") };
        let (record, finalizer) = (format!("{stem}-record"), format!("{stem}-cleanup"));
        let names = Self { stem, record, finalizer, shares_finalizer: false };
        // The longest name that derives from the stem.
        check(&names.finalizer, &names.stem)?;
        Ok(names)
    }

    /// Keeps the record in this annotation.
    #[must_use]
    pub fn with_record(self, record: impl Into<String>) -> Self {
        Self { record: record.into(), ..self }
    }

    /// Uses this finalizer, which other programs may set too. For an operator whose objects had a finalizer before there were records.
    ///
    /// A shared finalizer without a record does not show that a record was lost. Only the sequence number in the status shows it.
    ///
    /// | the object has the finalizer and | then |
    /// |---|---|
    /// | no record | its life begins |
    /// | no record, and is being deleted | nothing is undone, and the finalizer stays until the program that set it removes it |
    /// | a record, and is being deleted | the finalizer is removed as soon as everything is undone. Do clean-up of your own before that |
    ///
    /// Two machines on one object need two finalizers.
    #[must_use]
    pub fn with_finalizer(self, finalizer: impl Into<String>) -> Self {
        Self { finalizer: finalizer.into(), shares_finalizer: true, ..self }
    }

    /// The annotation with the record.
    #[must_use]
    pub fn record(&self) -> &str {
        &self.record
    }

    /// The finalizer.
    #[must_use]
    pub fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// Whether other programs may set the finalizer too. It then says nothing about a record.
    pub(crate) fn shares_finalizer(&self) -> bool {
        self.shares_finalizer
    }

    /// The annotation with which an operator makes this request.
    #[must_use]
    pub fn verb(&self, verb: Verb) -> String {
        format!("{}-{}", self.stem, verb.name())
    }
}

/// Kubernetes' rule for qualified names: a DNS subdomain, a slash, and at most 63 letters, digits, `-`, `_` or `.`.
fn check(name: &str, machine: &str) -> Result<(), StoreError> {
    let (prefix, rest) = name.split_once('/').unwrap_or(("", name));
    let is_label = |text: &str, longest: usize, is_legal: fn(char) -> bool| {
        let ends = |letter: Option<char>| letter.is_some_and(|it| it.is_ascii_alphanumeric());
        text.len() <= longest
            && ends(text.chars().next())
            && ends(text.chars().next_back())
            && text.chars().all(is_legal)
    };
    let is_prefix = is_label(prefix, 253, |it| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.".contains(it));
    let is_name = is_label(rest, 63, |it| it.is_ascii_alphanumeric() || "-_.".contains(it));
    if is_prefix && is_name {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "`{name}` is not a valid name of a finalizer; call the machine something like `example.io/worker` instead of `{machine}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::Names;
    use crate::verb::Verb;

    #[test]
    fn names_derive_from_the_machine() {
        let names = Names::of("hiclaw.io/worker").unwrap();
        assert_eq!(names.record(), "hiclaw.io/worker-record");
        assert_eq!(names.finalizer(), "hiclaw.io/worker-cleanup");
        assert_eq!(names.verb(Verb::Retry), "hiclaw.io/worker-retry");
        assert_eq!(Names::of("worker").unwrap().record(), "durable-fsm.io/worker-record");
    }

    #[test]
    fn names_may_be_ones_own() {
        let names = Names::of("hiclaw.io/worker").unwrap();
        assert!(!names.shares_finalizer());
        let names = names.with_record("hiclaw.io/state").with_finalizer("hiclaw.io/finalizer");
        assert_eq!((names.record(), names.finalizer()), ("hiclaw.io/state", "hiclaw.io/finalizer"));
        assert!(names.shares_finalizer());
        assert_eq!(names.verb(Verb::Retry), "hiclaw.io/worker-retry");
    }

    #[test]
    fn a_name_that_kubernetes_would_refuse_is_refused_before() {
        let long = format!("a.io/{}", "x".repeat(56));
        for name in ["", "a b", "UPPER.io/x", "a.io/-x", "a.io/x/y", "-a/x", &long] {
            let error = Names::of(name).unwrap_err().to_string();
            assert!(error.contains("call the machine something like"), "{name}: {error}");
        }
        assert!(Names::of(&format!("a.io/{}", "x".repeat(55))).is_ok());
    }
}
