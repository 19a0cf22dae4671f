//! Whatever the order and the cutting into batches, and whenever asked in between: the same
//! verdicts in the end.

use super::traffic::*;
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, RuleSet};
use haetae_event::{Dataset, Episode};
use proptest::prelude::*;

const DETECTORS: &str = "
macros: {enabled: true, requests_min: 4, evidence_macro_min: 3.0, evidence_automation_min: 1.0, requests_per_minute_min: 2, regularity_max: 11.0, not_a_browser_max: 8.0, submit_max: 9.0, sequence_max: 9.0, bare_pages_max: 6.0, level: high, automation_level: medium, why: t, falsepositives: []}
http_flood: {enabled: true, requests_min: 4, factor_min: 2.0, offender_share_min: 0.3, client_requests_min: 2, level: high, client_level: high, why: t, falsepositives: []}
";

fn engine() -> Engine {
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", DETECTORS);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, EngineOptions::default())
}

/// The stored findings, as the pipeline keeps them: looked up as they were before the evaluation,
/// each taken by one episode at most; then goes what is withdrawn and was not told.
#[derive(Default)]
struct Stored(Vec<Episode>);

impl Stored {
    fn apply(&mut self, evaluation: Evaluation) {
        let before = std::mem::take(&mut self.0);
        let mut claimed = vec![false; before.len()];
        for new in evaluation.episodes {
            for (old, claimed) in before.iter().zip(&mut claimed) {
                *claimed |= old.rule_id == new.rule_id
                    && old.entity == new.entity
                    && old.window.touches(&new.window, new.gap_us);
            }
            self.0.push(new);
        }
        let gone = |e: &Episode| {
            evaluation.withdrawn.iter().any(|gone| {
                e.rule_id == gone.rule_id && e.entity == gone.entity && e.window.touches(&gone.window, 0)
            })
        };
        let stay = before.into_iter().zip(claimed);
        self.0.extend(
            stay.filter(|(old, claimed)| !claimed && !gone(old))
                .map(|(old, _)| old),
        );
    }

    fn sorted(mut self) -> Vec<Episode> {
        let key = |e: &Episode| (e.rule_id.clone(), e.entity.clone(), e.window.start);
        self.0.sort_by_key(key);
        self.0
    }
}

/// A little of everything: beats, pages with and without assets, submits, sessions.
fn ask() -> impl Strategy<Value = Ask> {
    let place = (0i64..9_000, prop::sample::select(vec![0, 250_000, 999_999]));
    let what = prop::sample::select(vec![
        ("GET", "/events/1"),
        ("GET", "/events/2/seats"),
        ("GET", "/static/a.js"),
        ("GET", "/api/queue/status"),
        ("POST", "/api/reservations"),
        ("POST", "/api/payments"),
    ]);
    (place, what, 0u8..4, 0u8..3, any::<bool>(), any::<bool>()).prop_map(
        |((second, part), (method, uri), src, session, beat, referer)| {
            let second = if beat { second / 20 * 20 } else { second };
            Ask {
                at: START + second * SECOND + if beat { 0 } else { part },
                src: format!("192.0.2.{src}"),
                method,
                uri: uri.into(),
                status: 200,
                ua: BROWSERS[usize::from(session)].into(),
                referer: referer.then(|| "https://t.example/".into()),
                session: (session > 0).then(|| format!("s{session}")),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_verdicts(
        (asks, shuffled) in prop::collection::vec(ask(), 0..260)
            .prop_flat_map(|asks| (Just(asks.clone()), Just(asks).prop_shuffle())),
        cuts in prop::collection::vec((1usize..60, prop::option::of(0i64..9_200)), 1..20),
    ) {
        let mut whole = engine();
        let mut expected = Stored::default();
        whole.observe(&batch(Dataset::Web, &asks));
        expected.apply(whole.evaluate(&Closing::everything()));
        let mut engine = engine();
        let mut stored = Stored::default();
        let mut rest = &shuffled[..];
        for (take, closing) in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*take).min(rest.len()));
            engine.observe(&batch(Dataset::Web, now));
            rest = later;
            if let Some(seconds) = closing {
                stored.apply(engine.evaluate(&Closing::at(START + seconds * SECOND)));
            }
        }
        stored.apply(engine.evaluate(&Closing::everything()));
        let (stored, expected) = (stored.sorted(), expected.sorted());
        for pair in stored.windows(2) {
            let same = pair[0].rule_id == pair[1].rule_id && pair[0].entity == pair[1].entity;
            prop_assert!(!same || !pair[0].window.touches(&pair[1].window, pair[0].gap_us), "{:?}", pair);
        }
        prop_assert_eq!(stored, expected);
    }
}

/// Busy clients are thinned; what is kept does not depend on the order either.
#[test]
fn thinning_is_free_of_order() {
    let mut dice = Dice::new(7);
    let mut asks = Vec::new();
    for n in 0..40_000u64 {
        asks.push(Ask {
            at: START + (dice.unit() * 25.0 * MINUTE as f64) as i64,
            src: format!("192.0.2.{}", n % 2),
            method: if dice.chance(0.1) { "POST" } else { "GET" },
            uri: ["/events/1", "/api/reservations", "/static/a.js"][dice.roll(3) as usize].into(),
            status: 200,
            ua: BROWSERS[0].into(),
            referer: None,
            session: (n % 2 == 0).then(|| format!("s{}", dice.roll(40))),
        });
    }
    let told = |asks: &[Ask], size: usize| {
        let mut engine = engine();
        for asks in asks.chunks(size) {
            engine.observe(&batch(Dataset::Web, asks));
        }
        let mut stored = Stored::default();
        stored.apply(engine.evaluate(&Closing::everything()));
        stored.sorted()
    };
    let expected = told(&asks, 40_000);
    assert!(!expected.is_empty());
    for at in (1..asks.len()).rev() {
        asks.swap(at, dice.roll(at as u64 + 1) as usize);
    }
    assert_eq!(told(&asks, 700), expected);
}
