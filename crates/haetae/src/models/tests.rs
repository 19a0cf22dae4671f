use super::*;
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, RuleSet};
use haetae_event::{Dataset, Episode, EventBatch, TenantId};
use haetae_learn::features::{Extractor, Options};
use haetae_learn::{Matrix, Params, Threshold};
use haetae_parse::{Choice, InputReader, ParseOptions};
use haetae_simulate::{Plan, Scenario, SimEvent, generate, ndjson_line};
use std::io::Cursor;

/// A quarter of an hour of a site, a line a request.
fn lines() -> Vec<Vec<u8>> {
    let mut plan = Plan::new(Scenario::Bots, 5);
    plan.duration_s = 900;
    plan.requests_per_minute = 200;
    plan.sale_users = 50;
    let events = generate(&plan).expect("a sound plan");
    let web = events.filter_map(|event| match event {
        SimEvent::Web(request) => Some(request),
        SimEvent::Flow(_) => None,
    });
    web.map(|request| {
        let mut line = Vec::new();
        ndjson_line(&request, &mut line);
        line
    })
    .collect()
}

fn batches(lines: &[Vec<u8>]) -> Vec<EventBatch> {
    let options = ParseOptions {
        dataset: Some(Dataset::Web),
        ..ParseOptions::default()
    };
    let mut reader = InputReader::open(Cursor::new(lines.concat()), Choice::Detect, &options);
    let mut found = Vec::new();
    while let Some(parsed) = reader.next_batch().expect("readable") {
        found.extend(parsed.records.map(|records| EventBatch {
            tenant: TenantId::default(),
            dataset: Dataset::Web,
            records,
        }));
    }
    assert_eq!(found.iter().map(EventBatch::rows).sum::<usize>(), lines.len());
    found
}

fn observe(engine: &mut Engine, lines: &[Vec<u8>]) {
    batches(lines).iter().for_each(|batch| {
        engine.observe(batch);
    });
}

/// A model that calls one window in five unusual.
fn model(lines: &[Vec<u8>]) -> Arc<Model> {
    let mut extractor = Extractor::new(Options::default());
    batches(lines).iter().for_each(|batch| extractor.observe(batch));
    let cells: Vec<f64> = extractor.rows().iter().flat_map(|row| row.values).collect();
    let params = Params {
        threshold: Threshold::Contamination(0.2),
        ..Params::default()
    };
    let data = Matrix::new(&cells, COUNT).expect("whole rows");
    let forest = Forest::fit(data, &names(), params, Micros(0)).expect("enough rows");
    Arc::new(Model::new("web", 1, forest, 0).expect("this program's features"))
}

fn engine(model: &Arc<Model>, detector_bytes_max: usize) -> Engine {
    let model = model.clone();
    let options = EngineOptions {
        more: MoreDetectors::new(move || {
            vec![Box::new(ForestDetector::new(model.clone())) as Box<dyn Detector>]
        }),
        detector_bytes_max,
        ..EngineOptions::one_shot()
    };
    Engine::new(RuleSet::default(), options)
}

/// What stands after an evaluation.
fn apply(standing: &mut Vec<Episode>, evaluation: Evaluation) {
    for gone in &evaluation.withdrawn {
        standing.retain(|e| e.entity != gone.entity || !e.window.touches(&gone.window, 0));
    }
    for new in evaluation.episodes {
        standing.retain(|e| e.entity != new.entity || !e.window.touches(&new.window, new.gap_us));
        standing.push(new);
    }
}

fn sorted(mut episodes: Vec<Episode>) -> Vec<String> {
    episodes.sort_by(|a, b| (a.window.start, &a.entity).cmp(&(b.window.start, &b.entity)));
    episodes.iter().map(|e| format!("{e:?}")).collect()
}

#[test]
fn what_stands_is_a_function_of_the_set_of_events() {
    let lines = lines();
    let model = model(&lines);
    let mut whole = engine(&model, 256 << 20);
    observe(&mut whole, &lines);
    let expected = sorted(whole.evaluate(&Closing::everything()).episodes);
    assert!(expected.len() > 5, "{}", expected.len());
    for (stride, part) in [(1, 700), (7_919, 333), (104_729, 2_000)] {
        // Another order, and every window called final after each part: all that comes is late.
        let order = (0..lines.len()).map(|n| lines[n * stride % lines.len()].clone());
        let order: Vec<Vec<u8>> = order.collect();
        let mut engine = engine(&model, 256 << 20);
        let mut standing = Vec::new();
        for part in order.chunks(part) {
            observe(&mut engine, part);
            apply(&mut standing, engine.evaluate(&Closing::at(i64::MAX)));
        }
        assert_eq!(sorted(standing), expected, "stride {stride}");
    }
}

#[test]
fn episodes_name_the_model_and_its_reasons_and_never_page() {
    let lines = lines();
    let mut engine = engine(&model(&lines), 256 << 20);
    observe(&mut engine, &lines);
    for episode in engine.evaluate(&Closing::everything()).episodes {
        assert_eq!(episode.rule_id, "isolation_forest.web");
        assert_eq!((episode.entity.kind.as_str(), episode.monotone), ("ip", false));
        assert!(episode.level <= haetae_event::Level::Medium, "{episode:?}");
        let fact = |name: &str| episode.facts.iter().find(|(known, _)| known == name);
        assert_eq!(fact("model").expect("named").1, "web@1");
        let reasons = episode
            .facts
            .iter()
            .filter(|(name, said)| names().contains(name) && said.contains("; usual "));
        assert!(reasons.count() >= 1, "{episode:?}");
    }
}

#[test]
fn memory_is_bounded_and_what_goes_is_judged_first() {
    let lines = lines();
    let model = model(&lines);
    let mut whole = engine(&model, 256 << 20);
    let mut small = engine(&model, 400_000);
    for part in lines.chunks(500) {
        observe(&mut whole, part);
        observe(&mut small, part);
        assert!(small.stats().detector_bytes <= 400_000, "{:?}", small.stats());
    }
    let expected = whole.evaluate(&Closing::everything()).episodes;
    let found = small.evaluate(&Closing::everything()).episodes;
    assert!(small.stats().evicted_entities > 0, "the bound was reached");
    let windows = |episodes: &[Episode]| -> u64 { episodes.iter().map(|e| e.count).sum() };
    let (kept, all) = (windows(&found), windows(&expected));
    assert!(
        kept * 10 >= all * 8,
        "{kept} of {all} requests in unusual windows"
    );
}

#[test]
fn a_forest_of_other_features_is_refused() {
    let cells: Vec<f64> = (0..200).map(f64::from).collect();
    let data = Matrix::new(&cells, 1).expect("one column");
    let forest = Forest::fit(data, &["x".to_owned()], Params::default(), Micros(0)).expect("rows");
    let problem = Model::new("web", 3, forest, 0).err().expect("refused");
    assert!(
        problem.contains("web@3") && problem.contains("train it anew"),
        "{problem}"
    );
}

#[test]
fn the_labelled_attacks_are_the_same_each_time_and_of_every_kind() {
    let attacks = || {
        let found = labelled::attacks(MINUTE_US, || false);
        found.expect("simulator and parser fit").expect("not stopped")
    };
    let (again, attacks) = (attacks(), attacks());
    assert!(attacks.len() >= 100, "{}", attacks.len());
    // As text: what is missing equals nothing, not even itself.
    assert!(format!("{attacks:?}") == format!("{again:?}"));
    assert_eq!(labelled::attacks(MINUTE_US, || true).expect("no mistake"), None);
}

/// A forest on this program's features, or on others.
fn forest(features: &[String]) -> Forest {
    let rows = 300;
    let cells: Vec<f64> = (0..rows * features.len()).map(|n| (n % 97) as f64).collect();
    let data = Matrix::new(&cells, features.len()).expect("whole rows");
    Forest::fit(data, features, Params::default(), Micros(0)).expect("enough rows")
}

fn promote(models: &ModelStore, name: &str, version: u32, at: i64) {
    let promotion = haetae_learn::store::Promotion {
        version,
        at: Micros(at),
        note: String::new(),
    };
    models.promote(name, &promotion).expect("promotes");
}

fn in_use(models: &Models) -> Vec<String> {
    models.in_use().iter().map(|model| model.id.to_string()).collect()
}

#[test]
fn one_damaged_promotion_stops_one_model_and_is_told_once() {
    let dir = tempfile::tempdir().expect("folder");
    let models = Models::new(dir.path(), "web");
    let store = models.store();
    for name in ["api", "web"] {
        store.add(name, &forest(&names())).expect("adds");
        promote(&store, name, 1, 1);
    }
    let looked = models.look();
    assert!(looked.changed && looked.problems.is_empty(), "{looked:?}");
    assert_eq!(in_use(&models), ["web@1", "api@1"], "models.name first");
    let damaged = dir.path().join("models/api/promotions/000002.json");
    std::fs::write(&damaged, "{").expect("writes");
    store.add("web", &forest(&names())).expect("adds");
    promote(&store, "web", 2, 2);
    let looked = models.look();
    assert!(looked.changed);
    assert_eq!(looked.problems.len(), 1, "{looked:?}");
    assert_eq!(in_use(&models), ["web@2", "api@1"], "the former one stays");
    let again = models.look();
    assert!(!again.changed && again.problems.is_empty(), "{again:?}");
    std::fs::remove_file(damaged).expect("removes");
    assert!(!models.look().changed, "what was in use is in use");
}

#[test]
fn a_version_that_does_not_load_leaves_the_former_and_is_tried_again() {
    let dir = tempfile::tempdir().expect("folder");
    let models = Models::new(dir.path(), "web");
    let store = models.store();
    for version in 1..=2 {
        store.add("web", &forest(&names())).expect("adds");
        promote(&store, "web", version, 1);
        if version == 1 {
            models.look();
        }
    }
    let file = dir.path().join("models/web/0002/forest.bin");
    let whole = std::fs::read(&file).expect("reads");
    std::fs::write(&file, &whole[..99]).expect("writes");
    let looked = models.look();
    assert_eq!((looked.changed, looked.problems.len()), (false, 1), "{looked:?}");
    assert_eq!(in_use(&models), ["web@1"]);
    assert!(models.look().problems.is_empty(), "told once");
    std::fs::write(&file, &whole).expect("writes");
    assert!(models.look().changed);
    assert_eq!(in_use(&models), ["web@2"]);
}

#[test]
fn the_model_of_the_settings_is_among_those_used() {
    let dir = tempfile::tempdir().expect("folder");
    let models = Models::new(dir.path(), "web");
    for name in ["a", "b", "c", "d", "web"] {
        models.store().add(name, &forest(&names())).expect("adds");
        promote(&models.store(), name, 1, 1);
    }
    let looked = models.look();
    assert_eq!(looked.problems.len(), 1, "{looked:?}");
    assert_eq!(in_use(&models), ["web@1", "a@1", "b@1", "c@1"]);
    assert!(models.look().problems.is_empty(), "told once");
}

/// A program with other features, or a damaged file: there is nothing to hold a candidate against.
#[test]
fn a_model_that_cannot_be_used_can_be_replaced() {
    let dir = tempfile::tempdir().expect("folder");
    let store = Models::new(dir.path(), "web").store();
    assert_eq!(to_compare(&store, "web"), (None, None));
    store.add("web", &forest(&["other".to_owned()])).expect("adds");
    promote(&store, "web", 1, 1);
    let (forest_in_use, why) = to_compare(&store, "web");
    assert!(forest_in_use.is_none());
    assert!(why.expect("said").contains("other features"));
    store.add("web", &forest(&names())).expect("adds");
    promote(&store, "web", 2, 2);
    assert!(matches!(to_compare(&store, "web"), (Some(_), None)));
    std::fs::write(dir.path().join("models/web/0002/forest.bin"), "x").expect("writes");
    assert!(matches!(to_compare(&store, "web"), (None, Some(_))));
}

#[test]
fn each_installation_has_hashes_of_its_own() {
    let dir = tempfile::tempdir().expect("folder");
    assert_eq!(seed_of(dir.path()), 0, "no key, no installation");
    let seed = |n: u8| {
        std::fs::write(dir.path().join("installation.key"), [n; 32]).expect("writes");
        seed_of(dir.path())
    };
    let (one, other) = (seed(1), seed(2));
    assert!(one != 0 && one != other && seed(1) == one);
}
