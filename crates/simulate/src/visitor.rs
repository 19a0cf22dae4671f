//! Who a visitor is, and what an event is marked with on its way to the labels.

use serde::{Deserialize, Serialize};

/// The kinds of ordinary visitors: each looks like some attack to a careless rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visitor {
    /// Someone at home or on a phone; the rest of the public.
    Person,
    /// Everyone in an office behind one address.
    Office,
    /// A gateway of a mobile network: hundreds of people and user agents behind one address.
    CarrierNat,
    /// Came for a sale's opening: polls the queue, reloads, is answered 409, 429 and 503.
    SaleCrowd,
    /// A declared crawler whose reverse name confirms it.
    VerifiedBot,
    /// Fetches a page to show a preview of a link.
    Preview,
    /// Checks at a fixed interval whether the site is up.
    Uptime,
    /// Inside another app's web view.
    Webview,
    /// The operator's own app: API calls, never a page nor an asset.
    NativeApp,
    /// Blocks the files of analytics and advertisements.
    AdBlocker,
    /// A browser that fetches linked pages ahead, without their assets.
    Prefetcher,
    /// Came back with a full cache: hardly any asset.
    WarmCache,
    /// A screen reader or text browser: no images.
    Accessibility,
    /// Reloads a page again and again out of impatience.
    Refresher,
    /// A partner's server polling the API at a fixed interval with its key.
    Partner,
    /// Machines of the VPC: the nightly copy of the database and the like.
    Infrastructure,
}

impl Visitor {
    pub const ALL: [Visitor; 16] = [
        Visitor::Person,
        Visitor::Office,
        Visitor::CarrierNat,
        Visitor::SaleCrowd,
        Visitor::VerifiedBot,
        Visitor::Preview,
        Visitor::Uptime,
        Visitor::Webview,
        Visitor::NativeApp,
        Visitor::AdBlocker,
        Visitor::Prefetcher,
        Visitor::WarmCache,
        Visitor::Accessibility,
        Visitor::Refresher,
        Visitor::Partner,
        Visitor::Infrastructure,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Visitor::Person => "person",
            Visitor::Office => "office",
            Visitor::CarrierNat => "carrier_nat",
            Visitor::SaleCrowd => "sale_crowd",
            Visitor::VerifiedBot => "verified_bot",
            Visitor::Preview => "preview",
            Visitor::Uptime => "uptime",
            Visitor::Webview => "webview",
            Visitor::NativeApp => "native_app",
            Visitor::AdBlocker => "ad_blocker",
            Visitor::Prefetcher => "prefetcher",
            Visitor::WarmCache => "warm_cache",
            Visitor::Accessibility => "accessibility",
            Visitor::Refresher => "refresher",
            Visitor::Partner => "partner",
            Visitor::Infrastructure => "infrastructure",
        }
    }
}

/// What an event is marked with until it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Ordinary; left out where it would cross the line of [`crate::courtesy`].
    Polite(Visitor),
    /// Ordinary, and held to no line.
    Free(Visitor),
    /// Belongs to an attack.
    Attack(Deed),
}

/// Whose deed an attacking event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// Index into the actors of the cast.
    pub actor: u32,
    /// Whether it is one of the events the criterion of its campaign counts.
    pub telling: bool,
}
