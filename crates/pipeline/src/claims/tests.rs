use super::*;
use haetae_event::clock::ManualClock;
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
        risk: haetae_event::Risk::default(),
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

/// Claims, the answers that are known, and the time.
struct Scene {
    claims: Claims,
    known: Arc<Known>,
    clock: Arc<ManualClock>,
}

fn scene() -> Scene {
    let known = Arc::new(Known::default());
    let clock = Arc::new(ManualClock::at(Micros(0)));
    Scene {
        claims: Claims::new(known.clone(), clock.clone()),
        known,
        clock,
    }
}

fn claim() -> Episode {
    episode(CLAIMED, "192.0.2.1", Level::Low)
}

fn flood() -> Episode {
    episode("flood", "192.0.2.1", Level::High)
}

#[test]
fn an_answer_in_time_is_all_that_is_told() {
    let mut scene = scene();
    assert_eq!(
        told(&mut scene.claims, vec![claim(), flood()]),
        Evaluation::default()
    );
    scene.clock.advance_us(10 * SECOND_US);
    assert_eq!(told(&mut scene.claims, Vec::new()), Evaluation::default());
    scene
        .known
        .answer("192.0.2.1", Standing::Fake { documented: true });
    let out = told(&mut scene.claims, Vec::new());
    assert_eq!(
        short(&out),
        [("fake_crawler.web", Level::High), ("flood.web", Level::High)]
    );
    let withdrawn: Vec<&str> = out.withdrawn.iter().map(|w| w.rule_id.as_str()).collect();
    assert_eq!(withdrawn, ["unverified_crawler.web", "verified_crawler.web"]);
    assert_eq!(
        told(&mut scene.claims, Vec::new()),
        Evaluation::default(),
        "told once"
    );
    scene
        .known
        .answer("192.0.2.2", Standing::Fake { documented: false });
    let out = told(&mut scene.claims, vec![episode(CLAIMED, "192.0.2.2", Level::Low)]);
    assert_eq!(short(&out), [("fake_crawler.web", Level::Medium)]);
}

#[test]
fn without_an_answer_in_time_the_claim_is_unverified_until_there_is_one() {
    let mut scene = scene();
    told(&mut scene.claims, vec![claim(), flood()]);
    scene.clock.advance_us(HOLD_US);
    let out = told(&mut scene.claims, Vec::new());
    assert_eq!(
        short(&out),
        [("unverified_crawler.web", Level::Low), ("flood.web", Level::High)]
    );
    assert_eq!(
        told(&mut scene.claims, Vec::new()),
        Evaluation::default(),
        "told once"
    );
    // What is found from now on is not held back any more.
    let out = told(&mut scene.claims, vec![flood()]);
    assert_eq!(short(&out), [("flood.web", Level::High)]);
    scene.known.answer("192.0.2.1", Standing::Verified);
    let out = told(&mut scene.claims, Vec::new());
    assert_eq!(
        short(&out),
        [
            ("verified_crawler.web", Level::Informational),
            ("flood.web", Level::Informational)
        ]
    );
    assert!(
        out.withdrawn
            .iter()
            .any(|w| w.rule_id == "unverified_crawler.web")
    );
}

#[test]
fn a_verified_crawlers_flood_is_information() {
    let mut scene = scene();
    assert_eq!(
        told(&mut scene.claims, vec![flood(), claim()]),
        Evaluation::default()
    );
    scene.known.answer("192.0.2.1", Standing::Verified);
    let out = told(&mut scene.claims, Vec::new());
    assert_eq!(
        short(&out),
        [
            ("verified_crawler.web", Level::Informational),
            ("flood.web", Level::Informational)
        ]
    );
    // From now on at once, and nobody else's.
    let other = episode("flood", "192.0.2.9", Level::High);
    let out = told(&mut scene.claims, vec![flood(), other]);
    assert_eq!(
        short(&out),
        [("flood.web", Level::Informational), ("flood.web", Level::High)]
    );
}

#[test]
fn the_newest_form_of_what_is_held_is_told() {
    let mut scene = scene();
    told(&mut scene.claims, vec![claim()]);
    let longer = Episode {
        window: TimeWindow {
            start: Micros(5),
            end: Micros(90),
        },
        count: 50,
        ..claim()
    };
    told(&mut scene.claims, vec![longer.clone()]);
    scene
        .known
        .answer("192.0.2.1", Standing::Fake { documented: true });
    let out = told(&mut scene.claims, Vec::new());
    assert_eq!(out.episodes.len(), 1);
    assert_eq!(
        (out.episodes[0].count, out.episodes[0].window),
        (50, longer.window)
    );
}

fn gone(episode: &Episode, rule_id: &str) -> Evaluation {
    Evaluation {
        episodes: Vec::new(),
        withdrawn: vec![Withdrawn {
            tenant_id: episode.tenant_id.clone(),
            rule_id: rule_id.into(),
            entity: episode.entity.clone(),
            window: episode.window,
        }],
    }
}

#[test]
fn what_is_taken_back_while_it_is_held_is_never_told() {
    let mut scene = scene();
    told(&mut scene.claims, vec![claim(), flood()]);
    scene.claims.judge(gone(&flood(), "flood.web"));
    scene.claims.judge(gone(&claim(), "claimed_crawler.web"));
    scene.known.answer("192.0.2.1", Standing::Verified);
    assert_eq!(told(&mut scene.claims, Vec::new()), Evaluation::default());
    assert!(scene.claims.waiting.is_empty());
}

#[test]
fn a_stored_outcome_stands_while_its_claim_is_checked_again() {
    let mut scene = scene();
    told(&mut scene.claims, vec![claim()]);
    let out = scene.claims.judge(gone(&claim(), "fake_crawler.web"));
    assert_eq!(out, Evaluation::default());
    scene.clock.advance_us(HOLD_US);
    let out = told(&mut scene.claims, Vec::new());
    assert!(out.withdrawn.iter().any(|w| w.rule_id == "fake_crawler.web"));
}

#[test]
fn nothing_is_lost_when_too_much_waits_for_one_client() {
    let mut scene = scene();
    let mut all = vec![claim()];
    all.extend((0..20).map(|n| Episode {
        rule_id: format!("rule-{n}"),
        ..flood()
    }));
    let mut seen: Vec<String> = Vec::new();
    let mut take = |out: Evaluation| seen.extend(out.episodes.into_iter().map(|e| e.rule_id));
    take(told(&mut scene.claims, all));
    assert_eq!(
        scene.claims.waiting.values().next().unwrap().episodes.len(),
        EPISODES_MAX
    );
    scene.known.answer("192.0.2.1", Standing::Verified);
    take(told(&mut scene.claims, Vec::new()));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 21);
}

#[test]
fn whether_the_address_is_verified_does_not_depend_on_the_order_of_its_claims() {
    /// One crawler's machine, under two names.
    struct Two;
    impl Verifier for Two {
        fn standing(&self, claim: &str, _: IpAddr) -> Option<Standing> {
            Some(match claim {
                "Googlebot" => Standing::Verified,
                _ => Standing::Fake { documented: true },
            })
        }
    }
    let other = Episode {
        rule_id: format!("{CLAIMED}.bingbot.web"),
        facts: vec![(CLAIM_FACT.into(), "Bingbot".into())],
        ..claim()
    };
    for order in [vec![claim(), other.clone()], vec![other, claim()]] {
        let mut claims = Claims::new(Arc::new(Two), Arc::new(ManualClock::at(Micros(0))));
        told(&mut claims, order);
        let out = told(&mut claims, vec![flood()]);
        assert_eq!(short(&out), [("flood.web", Level::Informational)]);
    }
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
    let mut scene = scene();
    let mut seen = 0;
    for n in 0..20_000u32 {
        let address = IpAddr::from(n.to_be_bytes()).to_string();
        let out = told(&mut scene.claims, vec![episode(CLAIMED, &address, Level::Low)]);
        seen += out.episodes.len();
        if n % 4_000 == 0 {
            assert!(scene.claims.waiting.len() <= WAITING_MAX);
        }
    }
    assert_eq!(scene.claims.waiting.len(), WAITING_MAX);
    assert_eq!(seen, 20_000 - WAITING_MAX, "what does not fit is told");
}
