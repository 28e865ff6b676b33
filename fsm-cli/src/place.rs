//! Opens the place that the command line names.
//!
//! Invariant: nothing is changed by opening it.

use crate::args::Place;
use crate::backend::Backend;
use crate::directory::Directory;
use crate::error::Error;

/// The place that is meant.
pub(crate) async fn open(place: &Place) -> Result<Box<dyn Backend>, Error> {
    if !place.is_cluster() {
        return Ok(Box::new(Directory::open(&place.dir)?));
    }
    #[cfg(feature = "cluster")]
    return Ok(Box::new(crate::cluster::Cluster::open(&place.cluster).await?));
    #[cfg(not(feature = "cluster"))]
    Err(Error::NoCluster)
}
