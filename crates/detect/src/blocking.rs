//! Which findings may block: a property of the rule beside the level and the confidence of the
//! finding.
//!
//! A block is of an address, and shuts out everybody behind it. A rule may be right about its
//! client and still be no reason to block: ticket macros run in homes, behind the NAT of carriers
//! and through residential proxies, where the next customer has the same address. Such findings are
//! told, and answered by a challenge or by the session; never by address.
//!
//! What is not here: blocking, and what is never blocked whoever says so (one's own networks,
//! content networks, verified crawlers).

use crate::detectors;
use crate::ruleset::RuleSet;
use haetae_event::{Finding, Level};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Section `blocking` of `detectors.yml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockingSettings {
    pub level_min: Level,
    /// 0 to 1.
    pub confidence_min: f64,
    /// Rules of code detectors, as in their ids before the dataset, that never block.
    pub except: Vec<String>,
    pub why: String,
    pub falsepositives: Vec<String>,
}

impl BlockingSettings {
    /// The first name in `except` that no code detector has.
    pub(crate) fn unknown(&self) -> Option<&str> {
        let mut names = self.except.iter().map(String::as_str);
        names.find(|name| !detectors::is_rule(name))
    }
}

/// Says of findings whether they may block.
pub struct Blocking<'a> {
    /// `None`: nothing blocks.
    settings: Option<&'a BlockingSettings>,
    /// Sigma rules that say so themselves (`haetae: {block: …}`), by id.
    said: BTreeMap<&'a str, bool>,
}

impl<'a> Blocking<'a> {
    pub fn of(rules: &'a RuleSet) -> Blocking<'a> {
        let said = |loaded: &'a crate::ruleset::Loaded| {
            let attributes = loaded.document.attributes();
            Some((attributes.id.as_str(), attributes.custom.block?))
        };
        Blocking {
            settings: rules
                .detectors()
                .and_then(|detectors| detectors.blocking.as_ref()),
            said: rules.loaded().iter().filter_map(said).collect(),
        }
    }

    /// Of one address or network, grave and sure enough, by a rule that may. What a Sigma rule says
    /// itself counts instead of its finding's level and confidence.
    pub fn may_block(&self, finding: &Finding) -> bool {
        let named = matches!(finding.entity.kind.as_str(), "ip" | "src_ip" | "net");
        let Some(settings) = self.settings.filter(|_| named) else {
            return false;
        };
        if let Some(said) = self.said.get(finding.rule_id.as_str()) {
            return *said;
        }
        let rule = finding.rule_id.as_str();
        let base = rule.rsplit_once('.').map_or(rule, |(base, _)| base);
        let excepted = settings.except.iter().any(|name| name == base || name == rule);
        !excepted && finding.level >= settings.level_min && finding.confidence >= settings.confidence_min
    }
}
