//! Where version 1 leaves a resource.

use std::time::Duration;

use durable_fsm::record::HeldReason;

use crate::cloud::{Cloud, FAULTS, Fault};
use crate::driven::Death;
use crate::release::{Ended, Process, Release};
use crate::site::Site;
use crate::storage::Storage;

const CALLS: [&str; 5] = ["host", "volume", "entry", "app", "start"];
const UNDOS: [&str; 4] = ["no app", "no entry", "no volume", "no host"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing has seen it.
    Fresh,
    Rests,
    /// The process dies at this crossing of the first pass.
    Dies(u32),
    /// A request meets this fault, and the process ends after the pass.
    Meets(&'static str, Fault),
    /// An effect that only a person can vouch for has met this fault, and its time is over.
    Held(Fault),
    /// An edit meets this fault.
    Edit(Fault),
    /// The process dies at this crossing of an edit.
    EditDies(u32),
    /// The process dies at this crossing of the deletion.
    Deletion(u32),
    /// A request of the deletion meets this fault.
    DeletionMeets(&'static str, Fault),
    /// It is deleted after a request has met this fault.
    MeetsAndIsDeleted(&'static str, Fault),
    /// Its farewell is not answered.
    Leaves,
}

impl Stop {
    /// All of them; those that take time come first, so that what is under way at the end is still under way afterwards.
    pub fn all(release: &dyn Release) -> Vec<Self> {
        let (first, edit, deletion) = crossings(release);
        let faults = || CALLS.into_iter().flat_map(|call| FAULTS.map(|fault| (call, fault)));
        let undos = || UNDOS.into_iter().flat_map(|call| FAULTS.map(|fault| (call, fault)));
        let mut all = vec![Self::Fresh, Self::Rests, Self::Rests, Self::Rests, Self::Leaves];
        all.extend([Fault::ReplyLost, Fault::RequestLost, Fault::Silent, Fault::Late].map(Self::Held));
        all.extend((1..=first).map(Self::Dies));
        all.extend((1..=edit).map(Self::EditDies));
        all.extend((1..=deletion).map(Self::Deletion));
        all.extend(faults().map(|(call, fault)| Self::Meets(call, fault)));
        all.extend(faults().map(|(call, fault)| Self::MeetsAndIsDeleted(call, fault)));
        all.extend(undos().map(|(call, fault)| Self::DeletionMeets(call, fault)));
        all.extend(UNDOS.map(|call| Self::DeletionMeets(call, Fault::NotYet)));
        all.extend(FAULTS.map(|fault| Self::DeletionMeets("farewell", fault)));
        all.extend(FAULTS.map(Self::Edit));
        all.sort_by_key(|stop| !stop.takes_time());
        all
    }

    pub fn takes_time(self) -> bool {
        matches!(
            self,
            Self::Held(_)
                | Self::Meets(_, Fault::Silent)
                | Self::Edit(Fault::Silent)
                | Self::DeletionMeets(_, Fault::Silent)
                | Self::MeetsAndIsDeleted(_, Fault::Silent)
        )
    }

    /// Whether the resource was at rest before.
    pub fn has_rested(self) -> bool {
        !matches!(self, Self::Fresh | Self::Dies(_) | Self::Meets(..) | Self::Held(_) | Self::MeetsAndIsDeleted(..))
    }

    /// Brings a new resource there.
    pub fn bring(self, release: &dyn Release, cloud: &Cloud, storage: &Storage, site: &mut Site) {
        let start = |death| release.start(cloud, storage, death);
        let is_at_rest = self.has_rested();
        if is_at_rest {
            assert_eq!(start(Death::default()).pass(site), Some(Ended::Rests));
        }
        match self {
            Self::Fresh | Self::Rests => {}
            Self::Dies(crossing) => dies(&*start(Death::at(crossing)), site),
            Self::Meets(call, fault) => meets(&*start(Death::default()), cloud, site, call, fault),
            Self::Held(fault) => {
                let process = start(Death::default());
                meets(&*process, cloud, site, "volume", fault);
                cloud.time.advance_to(cloud.time.now() + Duration::from_secs(20));
                let ended = process.pass(site);
                assert!(matches!(ended, Some(Ended::Held(HeldReason::InDoubt, _))), "{ended:?}");
            }
            Self::Edit(fault) => {
                site.spec.image += 1;
                meets(&*start(Death::default()), cloud, site, "apply", fault);
            }
            Self::EditDies(crossing) => {
                site.spec.image += 1;
                dies(&*start(Death::at(crossing)), site);
            }
            Self::Deletion(crossing) => {
                site.deleting = true;
                dies(&*start(Death::at(crossing)), site);
            }
            Self::DeletionMeets(call, fault) => {
                site.deleting = true;
                meets(&*start(Death::default()), cloud, site, call, fault);
            }
            Self::MeetsAndIsDeleted(call, fault) => {
                meets(&*start(Death::default()), cloud, site, call, fault);
                site.deleting = true;
                let _ = start(Death::default()).pass(site);
            }
            Self::Leaves => {
                cloud.answer_farewells(&site.name, false);
                site.deleting = true;
                let ended = start(Death::default()).pass(site);
                assert!(matches!(ended, Some(Ended::Waits(_))), "{ended:?}");
            }
        }
    }
}

fn dies(process: &dyn Process, site: &Site) {
    assert_eq!(process.pass(site), None, "it dies");
}

fn meets(process: &dyn Process, cloud: &Cloud, site: &Site, call: &'static str, fault: Fault) {
    cloud.will(&site.name, call, fault);
    let ended = process.pass(site);
    let is_doubt = |reason: &HeldReason| *reason == HeldReason::InDoubt;
    assert!(!matches!(&ended, Some(Ended::Held(reason, why)) if !is_doubt(reason) || why.is_empty()), "{ended:?}");
}

/// How many crossings the first pass, one that edits, and one that deletes come to.
fn crossings(release: &dyn Release) -> (u32, u32, u32) {
    let cloud = Cloud::default();
    let storage = Storage::of(&cloud);
    let mut site = Site::new(0);
    let count = |site: &Site, ends: Ended| {
        let death = Death::default();
        assert_eq!(release.start(&cloud, &storage, death.clone()).pass(site), Some(ends));
        death.crossed()
    };
    let first = count(&site, Ended::Rests);
    site.spec.image += 1;
    let edit = count(&site, Ended::Rests);
    site.deleting = true;
    let mut deletion = 0;
    for _ in 0..20 {
        let death = Death::default();
        let ended = release.start(&cloud, &storage, death.clone()).pass(&site);
        deletion = deletion.max(death.crossed());
        match ended {
            Some(Ended::Waits(after)) => cloud.time.advance_to(cloud.time.now() + after),
            _ => break,
        }
    }
    (first, edit, deletion)
}
