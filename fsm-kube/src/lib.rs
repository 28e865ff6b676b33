//! The Kubernetes side of `durable-fsm`: the record in an annotation of the resource itself, and the glue for a controller that many
//! replicas can run.
