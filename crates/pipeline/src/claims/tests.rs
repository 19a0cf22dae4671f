use super::*;
use haetae_event::{Entity, Micros, TimeWindow};
use std::collections::HashMap;
use std::sync::Mutex;

/// Answers by address; absent: not known yet.
#[derive(Default)]
struct Known(Mutex<HashMap<IpAddr, Standing>>);

impl Known {
    fn answer(&self, address: &str, standing: Standing) {
        let address = address.parse().expect("an address");
        self.0.lock().expect("one thread").insert(address, standing);
    }
}

impl Verifier for Known {
    fn standing(&self, _: &str, address: IpAddr) -> Option<Standing> {
        self.0.lock().expect("one thread").get(&address).copied()
    }
}

fn episode(detector: &str, address: &str, level: Level) -> Episode {
    Episode {
        tenant_id: TenantId::default(),
        detector: detector.into(),
        rule_id: format!("{detector}.web"),
        title: "t".into(),
        level,
        entity: Entity {
            kind: "ip".into(),
            value: address.into(),
        },
        window: TimeWindow {
            start: Micros(10),
            end: Micros(20),
        },
        count: 5,
        gap_us: 100,
        cost: None,
        score: score_of(level),
        confidence: 0.5,
        evidence: Vec::new(),
        attack: Vec::new(),
        monotone: true,
        facts: vec![(CLAIM_FACT.into(), "Googlebot".into())],
    }
}

fn told(claims: &mut Claims, episodes: Vec<Episode>) -> Evaluation {
    claims.judge(Evaluation {
        episodes,
        withdrawn: Vec::new(),
    })
}

fn short(evaluation: &Evaluation) -> Vec<(&str, Level)> {
    let of = |e: &'_ Episode| -> Level { e.level };
    evaluation
        .episodes
        .iter()
        .map(|e| (e.rule_id.as_str(), of(e)))
        .collect()
}

#[test]
fn without_a_verifier_claims_are_unverified() {
    let mut claims = Claims::default();
    let out = told(&mut claims, vec![episode(CLAIMED, "192.0.2.1", Level::Low)]);
    assert_eq!(short(&out), [("unverified_crawler.web", Level::Low)]);
    assert!(!out.episodes[0].monotone, "an answer may change it");
}

#[test]
fn the_answer_changes_what_was_told() {
    let known = Arc::new(Known::default());
    let mut claims = Claims::new(known.clone());
    let out = told(&mut claims, vec![episode(CLAIMED, "192.0.2.1", Level::Low)]);
    assert_eq!(short(&out), [("unverified_crawler.web", Level::Low)]);
    assert_eq!(
        told(&mut claims, Vec::new()),
        Evaluation::default(),
        "nothing new"
    );
    known.answer("192.0.2.1", Standing::Fake { documented: true });
    let out = told(&mut claims, Vec::new());
    assert_eq!(short(&out), [("fake_crawler.web", Level::High)]);
    let withdrawn: Vec<&str> = out.withdrawn.iter().map(|w| w.rule_id.as_str()).collect();
    assert_eq!(withdrawn, ["unverified_crawler.web", "verified_crawler.web"]);
    assert_eq!(told(&mut claims, Vec::new()), Evaluation::default(), "told once");
    known.answer("192.0.2.2", Standing::Fake { documented: false });
    let out = told(&mut claims, vec![episode(CLAIMED, "192.0.2.2", Level::Low)]);
    assert_eq!(short(&out), [("fake_crawler.web", Level::Medium)]);
}

#[test]
fn a_verified_crawlers_flood_is_information() {
    let known = Arc::new(Known::default());
    let mut claims = Claims::new(known.clone());
    let flood = || episode("flood", "192.0.2.1", Level::High);
    let claim = || episode(CLAIMED, "192.0.2.1", Level::Low);
    // The flood is told while the answer is awaited, and told again when it has come.
    let out = told(&mut claims, vec![flood(), claim()]);
    assert_eq!(
        short(&out),
        [("unverified_crawler.web", Level::Low), ("flood.web", Level::High)]
    );
    known.answer("192.0.2.1", Standing::Verified);
    let out = told(&mut claims, Vec::new());
    assert_eq!(
        short(&out),
        [
            ("verified_crawler.web", Level::Informational),
            ("flood.web", Level::Informational)
        ]
    );
    // From now on at once, and nobody else's.
    let other = episode("flood", "192.0.2.9", Level::High);
    let out = told(&mut claims, vec![flood(), other]);
    assert_eq!(
        short(&out),
        [("flood.web", Level::Informational), ("flood.web", Level::High)]
    );
}

#[test]
fn a_candidate_that_is_gone_takes_its_outcomes_along() {
    let mut claims = Claims::default();
    let gone = Withdrawn {
        tenant_id: TenantId::default(),
        rule_id: format!("{CLAIMED}.web"),
        entity: episode(CLAIMED, "192.0.2.1", Level::Low).entity,
        window: episode(CLAIMED, "192.0.2.1", Level::Low).window,
    };
    let out = claims.judge(Evaluation {
        episodes: Vec::new(),
        withdrawn: vec![gone],
    });
    assert_eq!(out.withdrawn.len(), 3);
}

#[test]
fn waiting_is_bounded() {
    let mut claims = Claims::new(Arc::new(Known::default()));
    for n in 0..20_000u32 {
        let address = IpAddr::from(n.to_be_bytes()).to_string();
        told(&mut claims, vec![episode(CLAIMED, &address, Level::Low)]);
        if n % 4_000 == 0 {
            assert!(claims.waiting.len() <= WAITING_MAX);
        }
    }
    assert_eq!(claims.waiting.len(), WAITING_MAX);
}
