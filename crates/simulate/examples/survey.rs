//! What a plan consists of: `survey SCENARIO [SEED] [DURATION_S] [RPM]` prints its campaigns,
//! its visitors and how long generating took.

use haetae_simulate::{Plan, Scenario, SimEvent, generate};
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::net::IpAddr;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, rest @ ..] = arguments.as_slice() else {
        return Err("usage: survey SCENARIO [SEED] [DURATION_S] [RPM]".into());
    };
    let number = |index: usize, default: u32| rest.get(index).map_or(Ok(default), |text| text.parse::<u32>());
    let mut plan = Plan::new(Scenario::parse(scenario)?, u64::from(number(0, 1)?));
    plan.duration_s = number(1, plan.duration_s)?;
    plan.requests_per_minute = number(2, plan.requests_per_minute)?;
    let begin = Instant::now();
    let mut traffic = generate(&plan)?;
    // Bytes and requests by address and day.
    let mut clients: HashMap<(IpAddr, i64), (u64, u64)> = HashMap::new();
    let mut events = 0_u64;
    for event in &mut traffic {
        events += 1;
        if let SimEvent::Web(request) = event {
            let day = (request.ts.0 - plan.first().0) / 86_400_000_000;
            let client = clients.entry((request.client, day)).or_default();
            *client = (client.0 + request.bytes_out, client.1 + 1);
        }
    }
    let labels = traffic.labels();
    let actors = labels.campaigns.iter().flat_map(|campaign| &campaign.actors);
    let names = actors.flat_map(|actor| &actor.entities);
    let attackers: HashSet<IpAddr> = names.filter_map(|entity| entity.value.parse().ok()).collect();
    clients.retain(|client, _| !attackers.contains(&client.0));
    println!(
        "{events} events in {:.2} s: {} requests ({} of attacks), {} flows ({} of attacks)",
        begin.elapsed().as_secs_f64(),
        labels.totals.web.events,
        labels.totals.web.attack_events,
        labels.totals.vpcflow.events,
        labels.totals.vpcflow.attack_events,
    );
    let text = serde_json::to_string_pretty(&labels)?;
    println!("labels: {} bytes; sales: {:?}", text.len(), labels.sales);
    let offset = |at: haetae_simulate::Micros| (at.0 - plan.first().0) as f64 / 1e6;
    for campaign in &labels.campaigns {
        let known = campaign
            .actors
            .iter()
            .filter(|actor| actor.detectable_at.is_some())
            .count();
        println!(
            "{:20} {:5} actors ({known} detectable) {:7} events from {:8.1} to {:8.1} s, detectable {:>8}, {:.3} GB",
            campaign.id,
            campaign.actors.len(),
            campaign.events,
            offset(campaign.start),
            offset(campaign.end),
            campaign
                .detectable_at
                .map_or("never".into(), |at| format!("{:.1}", offset(at))),
            (campaign.bytes_out + campaign.flow_bytes) as f64 / 1e9,
        );
    }
    for visitors in &labels.visitors {
        println!(
            "{:15} {:8} events {:6} addresses",
            visitors.kind.as_str(),
            visitors.events,
            visitors.addresses_total
        );
    }
    for (what, of) in [("bytes", 0), ("requests", 1)] {
        let mut all: Vec<u64> = clients
            .values()
            .map(|use_of| if of == 0 { use_of.0 } else { use_of.1 })
            .collect();
        all.sort_unstable();
        let at = |share: f64| {
            all.get(((all.len() - 1) as f64 * share) as usize)
                .copied()
                .unwrap_or(0)
        };
        println!(
            "ordinary clients, {what} a day: median {}, p99 {}, p99.9 {}, most {}",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
    Ok(())
}
