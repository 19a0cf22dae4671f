//! Events a second and core: our matching of the shared rules beside rsigma's, on the same events.
//!
//! `HAETAE_SHARED=… cargo run --release -p haetae-oracle --example sigma_speed [EVENTS [KIND [ours|builtin]]]`
//!
//! With `ours` nothing is compared: our matching of the shared rules, or with `builtin` of the built-in
//! ones, runs by itself, for a profiler.
//!
//! There are two tables: the shared rules, and those built into the program that rsigma can read
//! ([`builtin`]), on the same events.
//!
//! Times are CPU time of this process, the least of a few rounds; rounds of the two sides take
//! turns. Compiling rules is outside of every time. Two questions are asked:
//!
//! Matching alone. Ours gets parsed batches as the pipeline hands them over: the values inside JSON
//! that rules name stand beside the columns ([`haetae_event::inside`]), put there by the parser. "of
//! stored rows" is the same without them, as rows come back from the store: JSON inside `attrs` and
//! `raw` is text there, and read within the time measured. rsigma gets parsed JSON objects with the
//! fields that its rules name. It is asked in every way it offers, and the best counts: all rules or
//! only those of the events' log source, each with and without its Bloom filter. (Its cross-rule
//! automaton is a feature of its own, off by default, for more than 5,000 rules.)
//!
//! From text to matches. Ours: framing, parsing to columns of Core v1 and of the dataset, handing
//! values over, matching. rsigma: `serde_json` of each line (where the lines are JSON) and the best of
//! the above. What of it is our parser is said, with and without handing values over.
//!
//! That both find the same matches, with and without what the parser hands over, is asserted first,
//! event by event. "with windows" is ours with windows and episodes too, which rsigma's figure leaves
//! out.

mod builtin;
mod loads;

use haetae_detect::sigma::document::{Document, Rule};
use haetae_detect::{Engine, EngineOptions, RuleMatcher, RuleSet};
use haetae_event::inside::Inside;
use haetae_event::{Columns, EventBatch, Micros, TenantId};
use haetae_oracle::samples::{self, Sample};
use haetae_parse::{Format, InputReader, ParseOptions};
use loads::{KINDS, Load};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rsigma_eval::event::JsonEvent;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::collections::BTreeSet;

const ROUNDS: usize = 5;
/// Times as many for a profiler.
const PROFILED_ROUNDS: usize = 20;

fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The least CPU seconds of each of these works, which take turns.
fn least<const N: usize>(mut works: [&mut dyn FnMut() -> usize; N]) -> [f64; N] {
    let mut best = [f64::MAX; N];
    for _ in 0..ROUNDS {
        for (work, best) in works.iter_mut().zip(&mut best) {
            let start = cpu_s();
            std::hint::black_box(work());
            *best = best.min(cpu_s() - start);
        }
    }
    best
}

/// The rules that one kind of event is asked.
struct Rules {
    set: RuleSet,
    rules: Vec<Rule>,
    texts: Vec<String>,
}

impl Rules {
    fn of(files: &[Sample]) -> Rules {
        let mut all = Rules {
            set: RuleSet::empty(),
            rules: Vec::new(),
            texts: Vec::new(),
        };
        for file in files {
            all.set.load_text(&file.name, &file.text);
        }
        for loaded in all.set.loaded() {
            if let Document::Rule(rule) = loaded.document.as_ref() {
                all.rules.push(rule.clone());
            }
        }
        all.texts = files.iter().map(|file| file.text.clone()).collect();
        all
    }

    /// Those of rsigma with an identifier that `keep` wants.
    fn theirs(&self, bloom: bool, keep: impl Fn(&str) -> bool) -> rsigma_eval::Engine {
        let mut engine = rsigma_eval::Engine::new();
        for text in &self.texts {
            let mut collection = rsigma_parser::parse_sigma_yaml(text).expect("rsigma reads it");
            collection
                .rules
                .retain(|rule| keep(rule.id.as_deref().unwrap_or_default()));
            engine.add_collection(&collection).expect("rsigma takes it");
        }
        engine.set_bloom_prefilter(bloom);
        engine
    }
}

fn batches(load: &Load, columns: &Columns, inside: &Inside) -> Vec<EventBatch> {
    let options = ParseOptions {
        columns: columns.clone(),
        inside: inside.clone(),
        arrival: Micros(1_772_323_200_000_000),
        dataset: Some(load.dataset),
        ..ParseOptions::default()
    };
    let format = Format::all().find(|format| format.as_str() == load.format);
    let mut reader = InputReader::open(load.lines.as_bytes(), format, &options);
    let mut batches = Vec::new();
    while let Ok(Some(parsed)) = reader.next_batch() {
        batches.extend(parsed.records.map(|records| EventBatch {
            tenant: TenantId::default(),
            dataset: load.dataset,
            records,
        }));
    }
    batches
}

fn rows(batches: &[EventBatch]) -> usize {
    batches.iter().map(EventBatch::rows).sum()
}

/// A matcher that has seen nothing yet.
fn ours(mut matcher: RuleMatcher, batches: &[EventBatch], mut hit: impl FnMut(usize, usize)) {
    let mut before = 0;
    for batch in batches {
        matcher.run(batch, |row, rule| hit(before + row, rule));
        before += batch.rows();
    }
}

/// Compiling the rules is outside of the time, on both sides; what was seen is forgotten.
fn count_ours(fresh: &mut Vec<RuleMatcher>, batches: &[EventBatch]) -> usize {
    let mut hits = 0;
    let matcher = fresh.pop().expect("one a round");
    ours(matcher, batches, |_, _| hits += 1);
    hits
}

fn count(engine: &rsigma_eval::Engine, objects: &[Value]) -> usize {
    let of = |object| engine.evaluate(&JsonEvent::borrow(object)).len();
    objects.iter().map(of).sum()
}

/// Panics with the first difference, if there is one; how many matches both find otherwise.
fn same_matches(
    (load, objects): (&Load, &[Value]),
    rules: &Rules,
    batches: &[EventBatch],
    routed: &rsigma_eval::Engine,
) -> usize {
    let mut found = BTreeSet::new();
    let matcher = RuleMatcher::of_batches(load.dataset, &rules.rules);
    ours(matcher, batches, |row, rule| {
        found.insert((row, rules.rules[rule].attributes.id.clone()));
    });
    let mut theirs = BTreeSet::new();
    for (row, object) in objects.iter().enumerate() {
        for result in routed.evaluate(&JsonEvent::borrow(object)) {
            theirs.insert((row, result.header.rule_id.unwrap_or_default()));
        }
    }
    if let Some((row, rule)) = found.symmetric_difference(&theirs).next() {
        let whose = if found.contains(&(*row, rule.clone())) {
            "ours"
        } else {
            "theirs"
        };
        panic!(
            "{}: only {whose} has rule {rule} for {}",
            load.name, objects[*row]
        );
    }
    found.len()
}

fn profiled(load: &Load, rules: &Rules) {
    let engine = Engine::new(rules.set.clone(), EngineOptions::one_shot());
    let inside = RuleMatcher::of_batches(load.dataset, &rules.rules).inside();
    let batches = batches(load, &engine.columns(), &inside);
    let mut best = f64::MAX;
    for _ in 0..PROFILED_ROUNDS {
        let mut fresh =
            Vec::from_iter((0..ROUNDS).map(|_| RuleMatcher::of_batches(load.dataset, &rules.rules)));
        let [round] = least([&mut || count_ours(&mut fresh, &batches)]);
        best = best.min(round);
    }
    println!(
        "{}: {:.0} ns an event",
        load.name,
        best * 1e9 / load.objects.len() as f64
    );
}

/// Matchers that have seen nothing, one a round.
fn fresh(load: &Load, rules: &Rules) -> Vec<RuleMatcher> {
    Vec::from_iter((0..ROUNDS).map(|_| RuleMatcher::of_batches(load.dataset, &rules.rules)))
}

/// CPU seconds of ours, each of all events.
struct Ours {
    matching: f64,
    of_stored: f64,
    with_windows: f64,
    from_text: f64,
    parsing: f64,
    plain_parsing: f64,
}

fn measure_ours(load: &Load, rules: &Rules, engine: &Engine) -> Ours {
    let (columns, nothing) = (engine.columns(), Inside::default());
    let inside = RuleMatcher::of_batches(load.dataset, &rules.rules).inside();
    let handed = batches(load, &columns, &inside);
    let stored = batches(load, &columns, &nothing);
    let for_engine = batches(load, &columns, engine.inside());
    let (mut one, mut two, mut three) = (fresh(load, rules), fresh(load, rules), fresh(load, rules));
    let mut engines = Vec::from_iter((0..ROUNDS).map(|_| engine.fresh()));
    let [
        matching,
        of_stored,
        with_windows,
        from_text,
        parsing,
        plain_parsing,
    ] = least([
        &mut || count_ours(&mut one, &handed),
        &mut || count_ours(&mut two, &stored),
        &mut || {
            let mut engine = engines.pop().expect("one a round");
            for_engine.iter().for_each(|batch| drop(engine.observe(batch)));
            0
        },
        &mut || count_ours(&mut three, &batches(load, &columns, &inside)),
        &mut || rows(&batches(load, &columns, &inside)),
        &mut || rows(&batches(load, &columns, &nothing)),
    ]);
    Ours {
        matching,
        of_stored,
        with_windows,
        from_text,
        parsing,
        plain_parsing,
    }
}

/// CPU seconds of rsigma: its ways of matching, and `serde_json` alone.
fn measure_theirs(load: &Load, objects: &[Value], theirs: &[rsigma_eval::Engine; 4]) -> ([f64; 4], f64) {
    let lines: Vec<&str> = load.lines.lines().collect();
    let [a, b, c, d, parsing] = least([
        &mut || count(&theirs[0], objects),
        &mut || count(&theirs[1], objects),
        &mut || count(&theirs[2], objects),
        &mut || count(&theirs[3], objects),
        &mut || {
            let read = |line: &&str| serde_json::from_str::<Value>(line).expect("written above");
            let readable = lines.iter().filter(|_| load.json);
            readable.filter(|line| read(line).is_object()).count()
        },
    ]);
    ([a, b, c, d], parsing)
}

/// What rsigma does not read is asked of ours alone: how many rules of the source there are then, and
/// how many events a second.
fn with_more(load: &Load, more: &Rules) -> String {
    let engine = Engine::new(more.set.clone(), EngineOptions::one_shot());
    let matcher = RuleMatcher::of_batches(load.dataset, &more.rules);
    let batches = batches(load, &engine.columns(), &matcher.inside());
    let mut fresh = fresh(load, more);
    let [matching] = least([&mut || count_ours(&mut fresh, &batches)]);
    format!(
        " {}: {:.0} |",
        more.rules.len() - matcher.left_out().len(),
        load.objects.len() as f64 / matching / 1e3
    )
}

fn measure(load: &Load, objects: &[Value], rules: &Rules, more: Option<&Rules>) {
    let engine = Engine::new(rules.set.clone(), EngineOptions::one_shot());
    let matcher = RuleMatcher::of_batches(load.dataset, &rules.rules);
    let left_out = matcher.left_out().iter();
    let out: BTreeSet<&str> = left_out
        .map(|at| rules.rules[*at].attributes.id.as_str())
        .collect();
    let whole = |bloom| rules.theirs(bloom, |_| true);
    let routed = |bloom| rules.theirs(bloom, |id| !out.contains(id));
    let theirs = [whole(false), whole(true), routed(false), routed(true)];
    let mut hits = 0;
    for inside in [Inside::default(), matcher.inside()] {
        let batches = batches(load, &engine.columns(), &inside);
        assert_eq!(rows(&batches), load.objects.len(), "every line is read");
        hits = same_matches((load, objects), rules, &batches, &theirs[2]);
    }
    let ours = measure_ours(load, rules, &engine);
    let (ways, reading) = measure_theirs(load, objects, &theirs);
    let events = load.objects.len() as f64;
    let rate = |s: f64| format!("{:.0}", events / s / 1e3);
    let ns = |s: f64| format!("{:.0}", s * 1e9 / events);
    let best = ways.into_iter().fold(f64::MAX, f64::min);
    let (their_text, ratio) = if load.json {
        let text = best + reading;
        (rate(text), format!("{:.1}", text / ours.from_text))
    } else {
        ("-".to_owned(), "-".to_owned())
    };
    println!(
        "| {} | {} | {hits} | {} | {} | {} | {} | **{:.1}** | {} | {their_text} | {ratio} | {}, {} |{}",
        load.name,
        rules.rules.len() - out.len(),
        rate(ours.matching),
        rate(ours.of_stored),
        rate(ours.with_windows),
        ways.map(rate).join(", "),
        best / ours.matching,
        rate(ours.from_text),
        ns(ours.parsing),
        ns(ours.plain_parsing),
        more.map_or_else(String::new, |more| with_more(load, more)),
    );
}

fn print_head(more: &str) {
    println!(
        "| events | rules of their source | matches | ours | of stored rows | with windows | rsigma: all rules, with Bloom filter, rules of the source, with Bloom filter | ours ÷ rsigma's best | ours from text | rsigma from text | ratio from text | our parser, ns an event: handing values over, not |{more}"
    );
    let columns = 12 + more.matches('|').count();
    println!("|{}", "---|".repeat(columns));
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let events: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let only = arguments.next().unwrap_or_default();
    let alone = arguments.next();
    let (Some(shared), Some(others)) = (samples::web_network_aws(), samples::of_regression()) else {
        return;
    };
    let rules = Rules::of(&shared);
    let with_processes = Rules::of(&[shared, others].concat());
    let (both, all) = builtin::rules();
    let (both, all) = (Rules::of(&both), Rules::of(&all));
    let kinds = KINDS.iter().filter(|(name, _)| name.contains(&only));
    let loads: Vec<Load> = kinds
        .map(|(_, make)| make(&mut ChaCha8Rng::seed_from_u64(1), events))
        .collect();
    let shared_of = |load: &Load| if load.processes { &with_processes } else { &rules };
    match alone.as_deref() {
        Some("builtin") => return loads.iter().for_each(|load| profiled(load, &all)),
        Some(_) => return loads.iter().for_each(|load| profiled(load, shared_of(load))),
        None => {}
    }
    println!(
        "{} rules ({} with those of processes); {events} events a load; k events/s of CPU time, best of {ROUNDS}\n",
        rules.rules.len(),
        with_processes.rules.len()
    );
    print_head("");
    for load in &loads {
        measure(load, &load.objects, shared_of(load), None);
    }
    println!(
        "\n{} of {} built-in rules: the others ask for what rsigma cannot make of an event\n",
        both.rules.len(),
        all.rules.len()
    );
    print_head(" ours with all built-in rules of the source |");
    for load in &loads {
        let batches = batches(load, &Columns::All, &Inside::default());
        measure(load, &builtin::objects(load, &batches), &both, Some(&all));
    }
}
