//! The store branch: each tenant's PII policy on rows and refused records.

use haetae_detect::Evaluation;
use haetae_enrich::pii::{AddressPolicy, Masker, PiiPolicy, RawPolicy, TextPolicy, apply};
use haetae_event::identity::{InstallationKey, TenantKey};
use haetae_event::{EventBatch, Reject, TenantId};
use std::collections::{BTreeMap, HashMap};

/// Policies by tenant.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// For tenants without one of their own.
    pub default: PiiPolicy,
    pub tenants: BTreeMap<TenantId, PiiPolicy>,
}

impl Policies {
    pub fn of(&self, tenant: &TenantId) -> &PiiPolicy {
        self.tenants.get(tenant).unwrap_or(&self.default)
    }

    /// For what is kept about the rows of all tenants together.
    pub fn strictest(&self) -> PiiPolicy {
        self.tenants
            .values()
            .fold(self.default.clone(), |strictest, own| strictest.stricter(own))
    }
}

/// Applies policies; keeps the keys it derives. Tenants come from keys the operator made, so
/// their number is the operator's.
pub struct Privacy {
    policies: Policies,
    key: InstallationKey,
    keys: HashMap<TenantId, TenantKey>,
}

impl Privacy {
    pub fn new(policies: Policies, key: InstallationKey) -> Self {
        Privacy {
            policies,
            key,
            keys: HashMap::new(),
        }
    }

    /// The rows as they may be stored: same number, same order.
    pub fn stored(&mut self, batch: EventBatch) -> EventBatch {
        let policy = self.policies.of(&batch.tenant);
        if policy.keeps_everything() {
            return batch;
        }
        let key = tenant_key(&mut self.keys, &self.key, &batch.tenant);
        apply(policy, key, &batch)
    }

    /// Episodes as they may be told and kept: the offender's address stays clear, what else is
    /// personal in the texts of evidence goes.
    pub fn told(&mut self, mut evaluation: Evaluation) -> Evaluation {
        for episode in &mut evaluation.episodes {
            let policy = self.policies.of(&episode.tenant_id);
            if policy.text == TextPolicy::Keep {
                continue;
            }
            let policy = PiiPolicy {
                src_ip: AddressPolicy::Keep,
                ..policy.clone()
            };
            let key = tenant_key(&mut self.keys, &self.key, &episode.tenant_id);
            let masker = Masker::new(&policy, key);
            let evidence = episode.evidence.iter_mut().map(|seen| &mut seen.summary);
            for text in evidence.chain(episode.facts.iter_mut().map(|(_, value)| value)) {
                *text = masker.text(text).into_owned();
            }
        }
        evaluation
    }

    /// Refused records as they may be kept: redacted as `raw` is. What is not UTF-8 is redacted in
    /// its lossy form, since nothing can be found in bytes of unknown meaning.
    pub fn refused(&mut self, tenant: &TenantId, rejects: Vec<Reject>) -> Vec<Reject> {
        let policy = self.policies.of(tenant);
        if policy.keeps_everything() || policy.raw == RawPolicy::Keep {
            return rejects;
        }
        let key = tenant_key(&mut self.keys, &self.key, tenant);
        let masker = Masker::new(policy, key);
        let redacted = |reject: Reject| Reject {
            detail: masker.text(&reject.detail).into_owned(),
            bytes: match policy.raw {
                RawPolicy::Drop => Vec::new(),
                _ => masker
                    .text(&String::from_utf8_lossy(&reject.bytes))
                    .into_owned()
                    .into_bytes(),
            },
            ..reject
        };
        rejects.into_iter().map(redacted).collect()
    }
}

fn tenant_key<'k>(
    keys: &'k mut HashMap<TenantId, TenantKey>,
    installation: &InstallationKey,
    tenant: &TenantId,
) -> &'k TenantKey {
    keys.entry(tenant.clone())
        .or_insert_with(|| installation.tenant_key(tenant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use haetae_event::{Entity, Episode, EvidenceRef, Level, Micros, Reason, TimeWindow};

    fn reject() -> Reject {
        Reject {
            ordinal: 3,
            reason: Reason::BadField,
            detail: "no time: \"kim@example.com\"".into(),
            bytes: b"x kim@example.com\xff".to_vec(),
        }
    }

    #[test]
    fn findings_name_the_offender_and_nobody_else() {
        let policies = Policies {
            default: PiiPolicy {
                src_ip: AddressPolicy::Truncate,
                text: TextPolicy::Mask,
                ..PiiPolicy::default()
            },
            tenants: BTreeMap::new(),
        };
        let mut episode = episode();
        episode.evidence[0].summary = "GET /?mail=kim@example.com 200 (192.0.2.77)".into();
        let evaluation = Evaluation {
            episodes: vec![episode],
            ..Evaluation::default()
        };
        let told = Privacy::new(policies, InstallationKey::new([1; 32])).told(evaluation);
        assert_eq!(
            told.episodes[0].evidence[0].summary,
            "GET /?mail=[email] 200 (192.0.2.77)"
        );
        assert_eq!(told.episodes[0].entity.value, "192.0.2.77");
    }

    fn episode() -> Episode {
        Episode {
            tenant_id: TenantId::default(),
            detector: "sigma".into(),
            rule_id: "r".into(),
            title: "t".into(),
            level: Level::High,
            entity: Entity {
                kind: "src_ip".into(),
                value: "192.0.2.77".into(),
            },
            window: TimeWindow {
                start: Micros(0),
                end: Micros(1),
            },
            count: 1,
            gap_us: 0,
            score: 0.0,
            confidence: 1.0,
            evidence: vec![EvidenceRef {
                ts: Micros(0),
                summary: String::new(),
            }],
            attack: Vec::new(),
            monotone: true,
            facts: Vec::new(),
            cost: None,
            risk: haetae_event::Risk::default(),
        }
    }

    #[test]
    fn the_strictest_policy_leaves_what_every_tenant_leaves() {
        let drops = PiiPolicy {
            raw: RawPolicy::Drop,
            ..PiiPolicy::default()
        };
        let truncates = PiiPolicy {
            src_ip: AddressPolicy::Truncate,
            ..PiiPolicy::default()
        };
        let mut policies = Policies {
            default: truncates.clone(),
            tenants: BTreeMap::new(),
        };
        assert_eq!(policies.strictest(), truncates);
        policies
            .tenants
            .insert(TenantId::new("own").expect("valid"), drops);
        let strictest = policies.strictest();
        assert_eq!(
            (strictest.src_ip, strictest.raw),
            (truncates.src_ip, RawPolicy::Drop)
        );
    }

    #[test]
    fn refused_records_follow_the_tenants_policy() {
        let quiet = TenantId::new("quiet").expect("valid");
        let policies = Policies {
            default: PiiPolicy::default(),
            tenants: BTreeMap::from([(
                quiet.clone(),
                PiiPolicy {
                    text: TextPolicy::Mask,
                    ..PiiPolicy::default()
                },
            )]),
        };
        let mut privacy = Privacy::new(policies, InstallationKey::new([1; 32]));
        let kept = privacy.refused(&TenantId::default(), vec![reject()]);
        assert_eq!(kept, [reject()]);
        let masked = privacy.refused(&quiet, vec![reject()]);
        assert_eq!(masked[0].bytes, "x [email]\u{fffd}".as_bytes());
        assert!(!masked[0].detail.contains("kim@"));
        assert_eq!(masked[0].reason, Reason::BadField);
    }
}
