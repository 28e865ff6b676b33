use durable_fsm::{Resource, ResourceId};

#[derive(Clone)]
pub struct Worker;

impl Resource for Worker {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("", "w")
    }
    fn uid(&self) -> &str {
        "u"
    }
    fn spec(&self) -> &() {
        &()
    }
}
