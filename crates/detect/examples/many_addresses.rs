//! Memory under an attack from very many addresses: every built-in rule and detector, and the
//! inline judge, over one request each of millions of addresses with a few busy clients among them.
//!
//! By itself: what rules alone, detectors alone and the inline judge alone take, and the same number of
//! requests of the busy clients only.
//!
//! `cargo run --release -p haetae-detect --example many_addresses [ADDRESSES [PART]]`

mod measure;

use ahash::RandomState;
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::cost::{BUILTIN_PRICES, CostOptions, Meter, PriceTable, Tariff};
use haetae_detect::inline::{Inline, InlineSettings};
use haetae_detect::ruleset::BUILTIN_DETECTORS;
use haetae_detect::{Closing, Engine, EngineOptions, Rows, RuleSet};
use haetae_event::{Dataset, Entity, EventBatch, Micros, TenantId, TimeWindow};
use measure::{status_mib, timed};
use std::collections::BTreeMap;
use std::sync::Arc;

const BATCH_ROWS: usize = 8_192;
const START: i64 = 1_772_323_200_000_000;
/// Requests a second, all addresses together.
const REQUESTS_PER_S: usize = 20_000;
/// Clients that ask three times a second all along.
const BUSY: usize = 50;

/// The address of attacker `n`: every one differs.
fn address(n: usize) -> String {
    let mixed = (n as u32).wrapping_mul(0x9E37_79B1) | 1 << 30;
    std::net::Ipv4Addr::from(mixed).to_string()
}

fn busy(n: usize) -> String {
    format!("10.0.0.{n}")
}

/// Of how many requests one is of a busy client.
const BUSY_EVERY: usize = REQUESTS_PER_S / (BUSY * 3);

fn batch(from: usize) -> EventBatch {
    batch_of(from, BUSY_EVERY)
}

/// One request in `every` is of a busy client.
fn batch_of(from: usize, every: usize) -> EventBatch {
    let start = START;
    let (mut ts, mut src, mut uri) = (Vec::new(), Vec::new(), Vec::new());
    for n in from..from + BATCH_ROWS {
        ts.push(start + i64::try_from(n * 1_000_000 / REQUESTS_PER_S).expect("small"));
        let client = if n % every == 0 {
            busy(n / every % BUSY)
        } else {
            address(n)
        };
        src.push(client);
        uri.push(format!("/event/{}?r={:x}", n % 97, n.wrapping_mul(0x9E37_79B9)));
    }
    let rows = ts.len();
    let texts = |values: Vec<String>| Arc::new(StringViewArray::from_iter_values(values)) as ArrayRef;
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36";
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        ),
        ("src_ip", texts(src)),
        ("dst_host", texts(vec!["www.example.com".into(); rows])),
        ("method", texts(vec!["GET".into(); rows])),
        ("uri", texts(uri)),
        ("ua", texts(vec![agent.into(); rows])),
        ("status", Arc::new(Int32Array::from(vec![200; rows]))),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::CloudFront,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// The sections of the built-in detectors, each with its name.
fn sections() -> Vec<(&'static str, &'static str)> {
    let text = BUILTIN_DETECTORS;
    let mut starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    starts.insert(0, 0);
    starts.retain(|&at| text[at..].starts_with(|first: char| first.is_ascii_lowercase()));
    starts.push(text.len());
    let named = |pair: &[usize]| {
        let section = &text[pair[0]..pair[1]];
        (section.split(':').next().unwrap_or_default(), section)
    };
    starts.windows(2).map(named).collect()
}

/// State of one detector by itself, without a bound. In a process of its own: memory that was
/// given back would hide in the figures.
fn bytes_of(name: &str, addresses: usize) {
    let Some((_, section)) = sections().into_iter().find(|(known, _)| *known == name) else {
        return;
    };
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", section);
    let options = EngineOptions {
        detector_bytes_max: usize::MAX,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(rules, options);
    // One batch first: what it takes to make batches is not state.
    engine.observe(&batch(0));
    let before = status_mib("VmRSS");
    for n in 1..addresses.div_ceil(BATCH_ROWS) {
        engine.observe(&batch(n * BATCH_ROWS));
    }
    let each = |bytes: f64| bytes / (addresses - BATCH_ROWS) as f64;
    let reckoned = engine.stats().detector_bytes as f64;
    println!(
        "  {name:<18} {:>5.0} bytes an address reckoned, {:>5.0} of the process",
        reckoned / addresses as f64,
        each((status_mib("VmRSS") - before) * 1_048_576.0)
    );
}

/// The cost meter beside them, to ask it what it knows.
struct Metered {
    meter: Meter,
    hasher: RandomState,
    rows: u64,
    busy: BTreeMap<String, u64>,
}

impl Metered {
    fn new() -> Metered {
        let table = PriceTable::parse(BUILTIN_PRICES).expect("the built-in table");
        let tariff = Tariff::new(&table, &CostOptions::default());
        let rules = RuleSet::builtin();
        let setting = rules.detectors().and_then(|all| all.cost_meter.as_ref());
        Metered {
            meter: Meter::new(tariff, setting.expect("built in").bytes_max()),
            hasher: RandomState::new(),
            rows: 0,
            busy: BTreeMap::new(),
        }
    }

    fn observe(&mut self, batch: &EventBatch) {
        self.meter.observe(batch, &Rows::new(batch, &self.hasher));
        self.rows += batch.rows() as u64;
        let addresses = batch.str("src_ip").into_iter().flat_map(|column| column.iter());
        for address in addresses
            .flatten()
            .filter(|address| address.starts_with("10.0.0."))
        {
            *self.busy.entry(address.to_owned()).or_default() += 1;
        }
    }

    /// Busy clients whose account is exact, requests of the site it knows, and keys given up.
    fn tell(&self) {
        let whole = TimeWindow {
            start: Micros(START),
            end: Micros(START + 86_400_000_000),
        };
        let tenant = TenantId::default();
        let requests = |kind: &str, value: &str| {
            let entity = Entity {
                kind: kind.into(),
                value: value.into(),
            };
            let metered = self.meter.metered(&tenant, &entity, whole);
            metered.map_or(0, |metered| metered.usage.requests)
        };
        let busy = self.busy.iter();
        let exact = busy
            .filter(|&(address, &count)| requests("ip", address) == count)
            .count();
        let ledger = &self.meter.ledger;
        let kept: u64 = ledger
            .clients
            .iter()
            .flat_map(|e| e.cells().to_vec())
            .map(|c| u64::from(c.requests))
            .sum();
        let rest: u64 = ledger
            .tenants
            .iter()
            .flat_map(|t| t.rest.values())
            .map(|c| u64::from(c.requests))
            .sum();
        println!(
            "cost meter: {exact} of {} busy clients exact; site {} of {} requests; {kept} with {} clients, {rest} in the remainder; {:.0} MiB, {} keys given up",
            self.busy.len(),
            requests("site", ""),
            self.rows,
            ledger.clients.len(),
            ledger.bytes() as f64 / 1_048_576.0,
            ledger.evicted
        );
    }
}

/// The engine and the inline judge as a service has them, or with less.
fn attack(what: &str, rules: RuleSet, addresses: usize, every: usize) {
    let mut engine = Engine::new(rules, EngineOptions::default());
    let inline = Inline::new(InlineSettings::default(), None);
    let before = status_mib("VmRSS");
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let (mut episodes, mut most_detectors) = (0, 0);
    let (mut observe, mut judge, mut door, mut slowest) = (0.0, 0.0, 0.0, 0.0f64);
    for n in 0..addresses.div_ceil(BATCH_ROWS) {
        let batch = batch_of(n * BATCH_ROWS, every);
        let closed = batch.ts().values().last().copied().unwrap_or(0) - 90_000_000;
        let seconds = timed(|| engine.observe(&batch)).0;
        (observe, slowest) = (observe + seconds, slowest.max(seconds));
        door += timed(|| inline.observe(&batch)).0;
        most_detectors = most_detectors.max(engine.stats().detector_bytes);
        if n % 24 == 23 {
            // Every ten seconds of events, as the service does.
            let (seconds, evaluation) = timed(|| engine.evaluate(&Closing::at(closed)));
            (judge, slowest) = (judge + seconds, slowest.max(seconds));
            for episode in evaluation.episodes {
                episodes += 1;
                if episode.entity.kind == "ip" {
                    let most = found.entry(episode.entity.value).or_default();
                    *most = (*most).max(episode.count);
                }
            }
        }
    }
    let stats = engine.stats();
    let seen = (0..BUSY).filter(|&n| found.contains_key(&busy(n))).count();
    let per = |seconds: f64| seconds * 1e9 / addresses as f64;
    println!(
        "{what}, {addresses} addresses: peak {:.0} MiB, {:.0} MiB before; {} keys, {} cells, {:.0} MiB in detectors, at most {:.0}",
        status_mib("VmHWM"),
        before,
        stats.keys,
        stats.cells,
        stats.detector_bytes as f64 / 1_048_576.0,
        most_detectors as f64 / 1_048_576.0
    );
    println!(
        "CPU an event: observe {:.0} ns, judge {:.0} ns, inline {:.0} ns; slowest step {slowest:.2} s",
        per(observe),
        per(judge),
        per(door)
    );
    println!(
        "{} keys and {} cells forgotten, {} entities given up, {} rows unobserved; inline {:?} (keys, forgotten)",
        stats.evicted_keys,
        stats.evicted_cells,
        stats.evicted_entities,
        stats.unobserved,
        inline.keys()
    );
    println!(
        "busy clients told: {seen} of {BUSY}; {episodes} episodes, {} addresses in all",
        found.len()
    );
}

/// Memory of the inline judge by itself.
fn inline_alone(name: &str, addresses: usize) {
    let inline = Inline::new(InlineSettings::default(), None);
    inline.observe(&batch(0));
    let before = status_mib("VmRSS");
    for n in 1..addresses.div_ceil(BATCH_ROWS) {
        inline.observe(&batch(n * BATCH_ROWS));
    }
    println!(
        "{name}, {addresses} addresses: {:.0} MiB more; {:?} (keys, forgotten)",
        status_mib("VmHWM") - before,
        inline.keys()
    );
}

/// What this program does in each process it starts: by name.
fn part(name: &str, addresses: usize) {
    match name {
        "rules and detectors" => attack(name, RuleSet::builtin(), addresses, BUSY_EVERY),
        "busy clients alone" => attack(name, RuleSet::builtin(), addresses, 1),
        "rules alone" => {
            let mut rules = RuleSet::builtin();
            let off = BUILTIN_DETECTORS.replace("enabled: true", "enabled: false");
            rules.load_detectors("off.yml", &off);
            attack(name, rules, addresses, BUSY_EVERY);
        }
        "detectors alone" => {
            let mut rules = RuleSet::empty();
            rules.load_detectors("detectors.yml", BUILTIN_DETECTORS);
            attack(name, rules, addresses, BUSY_EVERY);
        }
        "inline alone" => inline_alone(name, addresses),
        "cost meter" => {
            let mut metered = Metered::new();
            for n in 0..addresses.div_ceil(BATCH_ROWS) {
                metered.observe(&batch(n * BATCH_ROWS));
            }
            metered.tell();
        }
        detector => bytes_of(detector, addresses.clamp(2 * BATCH_ROWS, 500_000)),
    }
}

fn main() {
    let argument = |at: usize| std::env::args().nth(at);
    let addresses = argument(1).and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    if let Some(name) = argument(2) {
        return part(&name, addresses);
    }
    let whole = [
        "detectors alone",
        "cost meter",
        "inline alone",
        "rules alone",
        "rules and detectors",
        "busy clients alone",
    ];
    let program = std::env::current_exe().expect("this program");
    for name in whole
        .into_iter()
        .chain(sections().into_iter().map(|(name, _)| name))
    {
        let run = std::process::Command::new(&program)
            .args([&addresses.to_string(), name])
            .status();
        if !run.is_ok_and(|status| status.success()) {
            println!("{name}: failed");
        }
    }
}
