//! Running a plan, and looking at what came out.

use haetae_simulate::{FlowRecord, Labels, Plan, Scenario, SimEvent, WebRequest, generate};

pub struct Run {
    pub web: Vec<WebRequest>,
    pub flows: Vec<FlowRecord>,
    pub labels: Labels,
}

pub fn run(plan: &Plan) -> Run {
    let mut traffic = generate(plan).expect("plan is in range");
    let (mut web, mut flows) = (Vec::new(), Vec::new());
    for event in &mut traffic {
        match event {
            SimEvent::Web(request) => web.push(request),
            SimEvent::Flow(flow) => flows.push(flow),
        }
    }
    Run {
        web,
        flows,
        labels: traffic.labels(),
    }
}

pub fn short(scenario: Scenario, seed: u64) -> Run {
    run(&Plan::new(scenario, seed))
}
