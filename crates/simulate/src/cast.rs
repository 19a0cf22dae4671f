//! Who takes part in the attacks of a plan, known before the traffic begins.

use crate::plan::AttackKind;
use haetae_event::Entity;
use std::net::IpAddr;

/// When a campaign could first be known for what it is: the moment a reasonable detector has
/// seen enough. Stated per variant, measured on the traffic itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// The first of [`crate::thresholds`] that one of its clients crosses.
    Thresholds,
    /// So many telling events within a window.
    Events {
        what: &'static str,
        count: usize,
        window_s: i64,
        by_actor: bool,
    },
    /// So many bytes of telling events, over all time.
    Bytes {
        what: &'static str,
        bytes: u64,
        by_actor: bool,
    },
}

impl Measure {
    pub(crate) fn by_actor(self) -> bool {
        match self {
            Measure::Thresholds => true,
            Measure::Events { by_actor, .. } | Measure::Bytes { by_actor, .. } => by_actor,
        }
    }
}

/// One campaign: one attack carried out by its actors together.
#[derive(Clone, Debug)]
pub(crate) struct CampaignRole {
    pub id: String,
    pub kind: AttackKind,
    pub variant: &'static str,
    pub measure: Measure,
    pub aggregates: Vec<Entity>,
    pub may_block: bool,
}

/// One attacking client or account.
#[derive(Clone, Debug)]
pub(crate) struct ActorRole {
    pub id: String,
    /// Index into the campaigns.
    pub campaign: u32,
    /// Every name it goes by: its addresses, its account. The first is its main one.
    pub entities: Vec<Entity>,
    /// Its only address, when it has a label of its own.
    pub listed: Option<IpAddr>,
    /// Its user agent is a scanner's.
    pub bad_agent: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Cast {
    pub campaigns: Vec<CampaignRole>,
    /// Deeds name them by index.
    pub actors: Vec<ActorRole>,
}
