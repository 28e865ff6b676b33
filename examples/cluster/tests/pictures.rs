//! The picture in the book is that of the machine. `UPDATE_DIAGRAMS=1` draws it.

#[test]
fn the_picture_of_the_cluster_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src/pictures/cluster.svg");
    durable_fsm::diagram::assert_current(path, &example_cluster::ClusterFlow::GRAPH);
}
