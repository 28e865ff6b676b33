//! What a resource is called at servers that know no namespaces. Invariant: no two resources of one kind have one name there, because no
//! namespace and no name has an underscore in it.

use crate::worker::Worker;

/// The name of a resource: its own in the namespace `default`, as HiClaw has it; elsewhere, its namespace stands before it.
#[must_use]
pub fn external(namespace: &str, name: &str) -> String {
    if namespace == "default" { name.to_owned() } else { format!("{namespace}_{name}") }
}

/// The name of a worker.
#[must_use]
pub fn of_worker(worker: &Worker) -> String {
    external(&worker.namespace, &worker.name)
}

/// The prefix of a worker's objects.
#[must_use]
pub fn prefix(worker: &Worker) -> String {
    format!("agents/{}/", of_worker(worker))
}

/// The name of a worker's consumer.
#[must_use]
pub fn consumer(worker: &Worker) -> String {
    format!("worker-{}", of_worker(worker))
}

#[cfg(test)]
mod tests {
    use super::external;

    #[test]
    fn no_two_resources_have_one_name() {
        assert_eq!(external("default", "ann"), "ann");
        assert_ne!(external("a", "b-c"), external("a-b", "c"));
        assert_ne!(external("a", "b"), external("default", "a-b"));
    }
}
