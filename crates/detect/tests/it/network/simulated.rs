//! The simulator's port scans, floods and data carried out, among ordinary traffic.

use super::flows::engine;
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::Closing;
use haetae_event::{Dataset, Entity, Episode, EventBatch, Level, TenantId};
use haetae_simulate::{
    AttackKind, CampaignLabel, FlowRecord, FlowStatus, Plan, Scenario, SimEvent, WebRequest, generate,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How late pushed events may come.
const LATENESS_US: i64 = 90_000_000;
/// Delivered together.
const STEP_US: i64 = 10_000_000;
const MINUTE_US: i64 = 60_000_000;

fn batch(dataset: Dataset, ts: Vec<i64>, columns: Vec<(&str, ArrayRef)>) -> EventBatch {
    let ts = TimestampMicrosecondArray::from(ts).with_timezone("UTC");
    let mut all: Vec<(&str, ArrayRef)> = vec![("ts", Arc::new(ts))];
    all.extend(columns);
    EventBatch {
        tenant: TenantId::default(),
        dataset,
        records: RecordBatch::try_from_iter(all).expect("columns of one length"),
    }
}

fn texts<T>(rows: &[T], of: impl Fn(&T) -> Option<String>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringViewArray>())
}

fn flow_batch(flows: &[FlowRecord]) -> EventBatch {
    let is_flow = |f: &FlowRecord| matches!(f.status, FlowStatus::Accept | FlowStatus::Reject);
    let number = |of: fn(&FlowRecord) -> i32| -> ArrayRef {
        Arc::new(
            flows
                .iter()
                .map(|f| is_flow(f).then(|| of(f)))
                .collect::<Int32Array>(),
        )
    };
    let long = |of: fn(&FlowRecord) -> u64| -> ArrayRef {
        Arc::new(flows.iter().map(|f| Some(of(f) as i64)).collect::<Int64Array>())
    };
    let action = |f: &FlowRecord| match f.status {
        FlowStatus::Accept => Some("ACCEPT".to_owned()),
        FlowStatus::Reject => Some("REJECT".to_owned()),
        _ => None,
    };
    let columns = vec![
        (
            "src_ip",
            texts(flows, |f| is_flow(f).then(|| f.source.to_string())),
        ),
        (
            "dstaddr",
            texts(flows, |f| is_flow(f).then(|| f.destination.to_string())),
        ),
        ("srcport", number(|f| f.source_port.into())),
        ("dstport", number(|f| f.destination_port.into())),
        ("protocol", number(|f| f.protocol.into())),
        ("packets", long(|f| f.packets)),
        ("bytes", long(|f| f.bytes)),
        ("action", texts(flows, action)),
    ];
    batch(
        Dataset::VpcFlow,
        flows.iter().map(|f| f.start.0).collect(),
        columns,
    )
}

fn web_batch(requests: &[WebRequest]) -> EventBatch {
    let status: Int32Array = requests.iter().map(|r| Some(i32::from(r.status))).collect();
    let columns = vec![
        ("src_ip", texts(requests, |r| Some(r.client.to_string()))),
        ("dst_host", texts(requests, |r| Some(r.host.to_owned()))),
        ("uri", texts(requests, |r| Some(r.uri()))),
        ("status", Arc::new(status) as ArrayRef),
    ];
    batch(Dataset::Web, requests.iter().map(|r| r.ts.0).collect(), columns)
}

/// When each rule first spoke of each entity, and the episode then.
type Told = BTreeMap<(String, Entity), (i64, Episode)>;

fn live(plan: &Plan, web: bool, step_us: i64) -> (Told, Vec<CampaignLabel>) {
    let mut engine = engine();
    let mut told = Told::new();
    let mut traffic = generate(plan).expect("plan is in range");
    let (mut flows, mut requests) = (Vec::new(), Vec::new());
    let mut step = i64::MIN;
    let mut deliver = |now: i64, flows: &mut Vec<FlowRecord>, requests: &mut Vec<WebRequest>| {
        if !flows.is_empty() {
            engine.observe(&flow_batch(flows));
        }
        if !requests.is_empty() {
            engine.observe(&web_batch(requests));
        }
        flows.clear();
        requests.clear();
        for episode in engine.evaluate(&Closing::at(now - LATENESS_US)).episodes {
            let key = (episode.rule_id.clone(), episode.entity.clone());
            told.entry(key).or_insert((now, episode));
        }
    };
    for event in &mut traffic {
        let at = event.ts().0.div_euclid(step_us);
        if at > step && step > i64::MIN {
            deliver((step + 1) * step_us, &mut flows, &mut requests);
        }
        step = step.max(at);
        match event {
            SimEvent::Flow(flow) => flows.push(flow),
            SimEvent::Web(request) if web => requests.push(request),
            SimEvent::Web(_) => {}
        }
    }
    deliver((step + 1) * step_us, &mut flows, &mut requests);
    (told, traffic.labels().campaigns)
}

fn names(campaign: &CampaignLabel) -> Vec<String> {
    let actors = campaign.actors.iter().flat_map(|actor| &actor.entities);
    let all = actors.chain(&campaign.aggregates);
    all.map(|entity| entity.value.clone()).collect()
}

/// Seconds from when the campaign could be told to when one of the detectors told of one of its
/// names.
fn delay_s(told: &Told, campaign: &CampaignLabel, detectors: &[&str]) -> Option<i64> {
    let names = names(campaign);
    let own = told.iter().filter(|((_, entity), (at, episode))| {
        detectors.contains(&episode.detector.as_str())
            && names.contains(&entity.value)
            && *at >= campaign.start.0
            && episode.level >= Level::Medium
    });
    let first = own.map(|(_, (at, _))| *at).min()?;
    Some((first - campaign.detectable_at?.0).div_euclid(1_000_000))
}

fn within_a_minute(scenario: Scenario, kind: AttackKind, detectors: &[&str]) {
    let mut seen = 0;
    for seed in 1..=6 {
        let (told, campaigns) = live(&Plan::new(scenario, seed), false, STEP_US);
        let flows = campaigns
            .iter()
            .filter(|c| c.kind == kind && c.requests == 0 && c.detectable_at.is_some());
        for campaign in flows {
            let delay = delay_s(&told, campaign, detectors);
            eprintln!("{scenario} seed {seed} {}: {delay:?} s", campaign.id);
            assert!(
                delay.is_some_and(|delay| delay <= 60),
                "{scenario} {seed} {}: {delay:?}, told {:?}",
                campaign.id,
                told.keys().collect::<Vec<_>>()
            );
            seen += 1;
        }
        let strangers: Vec<_> = told
            .iter()
            .filter(|((_, entity), (_, episode))| {
                episode.level >= Level::Medium
                    && entity.kind == "ip"
                    && !campaigns.iter().any(|c| names(c).contains(&entity.value))
            })
            .collect();
        assert!(strangers.is_empty(), "{scenario} {seed}: {strangers:?}");
    }
    assert!(seen >= 6, "{seen} campaigns in flows");
}

#[test]
fn port_scans_are_told_within_a_minute() {
    within_a_minute(Scenario::Portscan, AttackKind::Portscan, &["port_scan"]);
}

#[test]
fn floods_of_flows_are_told_within_a_minute() {
    within_a_minute(Scenario::Ddos, AttackKind::Ddos, &["many_to_one"]);
}

#[test]
fn data_carried_out_is_told_within_a_minute() {
    within_a_minute(Scenario::Exfil, AttackKind::Exfil, &["exfiltration"]);
}

#[test]
fn floods_of_requests_are_told_once_their_minute_is_final() {
    let mut seen = 0;
    for seed in 1..=3 {
        let (told, campaigns) = live(&Plan::new(Scenario::Ddos, seed), true, STEP_US);
        let hosts = told.iter().filter(|((rule, _), _)| rule == "many_to_one.web");
        let times: Vec<i64> = hosts.map(|(_, (at, _))| *at).collect();
        let web = campaigns
            .iter()
            .filter(|c| c.kind == AttackKind::Ddos && c.requests > 0);
        for campaign in web.filter(|c| c.detectable_at.is_some()) {
            let from = campaign.detectable_at.expect("filtered").0;
            let delay = times.iter().map(|at| (at - from) / 1_000_000).find(|s| *s > -60);
            eprintln!("ddos seed {seed} {}: {delay:?} s", campaign.id);
            assert!(
                delay.is_some_and(|delay| delay <= 60 + 90),
                "{seed} {}: {delay:?}",
                campaign.id
            );
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen} campaigns in requests");
}

#[test]
fn ordinary_half_hours_and_a_week_of_flows_are_quiet() {
    for seed in 1..=4 {
        let (told, _) = live(&Plan::new(Scenario::Normal, seed), true, STEP_US);
        let own = [
            "many_to_one",
            "log_silence",
            "port_scan",
            "exfiltration",
            "distributed_scan",
        ];
        let loud: Vec<_> = told
            .values()
            .filter(|(_, e)| own.contains(&e.detector.as_str()))
            .collect();
        assert!(loud.is_empty(), "{seed}: {loud:?}");
    }
    let plan = Plan {
        requests_per_minute: 2,
        sale_users: 0,
        ..Plan::new(Scenario::CalmWeek, 5)
    };
    let (told, _) = live(&plan, false, MINUTE_US);
    let loud: Vec<_> = told.values().filter(|(_, e)| e.level >= Level::Medium).collect();
    assert!(loud.is_empty(), "{loud:?}");
}

#[test]
fn a_mix_of_everything_accuses_nobody_else() {
    for seed in 11..=14 {
        let (told, campaigns) = live(&Plan::new(Scenario::Mixed, seed), true, STEP_US);
        for ((rule, entity), (_, episode)) in &told {
            // Clients, accounts and costs are judged by their own tests.
            const OURS: [&str; 12] = [
                "port_scan",
                "address_scan",
                "slow_scan",
                "distributed_scan",
                "sensitive_",
                "many_to_one",
                "unusual_port",
                "exfiltration",
                "known_bad",
                "log_silence",
                "surge",
                "error_rate",
            ];
            if episode.level < Level::Medium || !OURS.iter().any(|name| rule.starts_with(name)) {
                continue;
            }
            let at_the_time = |c: &&CampaignLabel| {
                let until = c.end.0 + 10 * MINUTE_US;
                episode.window.end >= c.start && episode.window.start.0 <= until
            };
            let mut truly = campaigns.iter().filter(at_the_time);
            let own = match entity.kind.as_str() {
                "ip" => truly.any(|c| names(c).contains(&entity.value)),
                _ if rule == "many_to_one.web" => {
                    truly.any(|c| matches!(c.kind, AttackKind::Ddos | AttackKind::Flood | AttackKind::Edos))
                }
                // Shares of errors and surges: floods and scans make them.
                _ => true,
            };
            assert!(own, "seed {seed}: {rule} on {entity:?}: {episode:?}");
        }
        for campaign in campaigns.iter().filter(|c| c.detectable_at.is_some()) {
            let detectors: &[&str] = match campaign.kind {
                AttackKind::Portscan => &["port_scan"],
                AttackKind::Ddos if campaign.requests == 0 => &["many_to_one"],
                AttackKind::Exfil if campaign.requests == 0 => &["exfiltration"],
                _ => continue,
            };
            let delay = delay_s(&told, campaign, detectors);
            eprintln!("mixed seed {seed} {}: {delay:?} s", campaign.id);
            assert!(
                delay.is_some_and(|delay| delay <= 60),
                "{seed} {}: {delay:?}",
                campaign.id
            );
        }
    }
}
