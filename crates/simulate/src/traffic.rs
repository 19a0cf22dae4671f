//! The stream of events: actors plan minute by minute, the stream hands out in time order.

use crate::attack::Attacks;
use crate::book::LabelBook;
use crate::browse::Visitors;
use crate::campaign::Campaigns;
use crate::cast::Cast;
use crate::courtesy::Courtesy;
use crate::crowd::Crowd;
use crate::event::SimEvent;
use crate::flow::Network;
use crate::labels::Labels;
use crate::plan::{Plan, SimulateError};
use crate::robot::Robots;
use crate::sale::sales;
use crate::schedule::{Pending, Schedule};
use crate::site::Site;
use crate::truth::SaleLabel;
use crate::visitor::Tag;
use haetae_event::Micros;
use haetae_event::time::MINUTE_US;
use std::sync::Arc;

/// Sessions started this many minutes before the plan, so that its first minute is as busy as
/// the others.
const WARM_UP_MINUTES: i64 = 20;

/// Events in time order. Memory is bounded by what is planned for the next hour, not by the
/// length of the plan.
pub struct Traffic {
    end: Micros,
    /// Start of the next minute to plan.
    minute: Micros,
    schedule: Schedule,
    current: Vec<Pending>,
    visitors: Visitors,
    crowd: Crowd,
    robots: Robots,
    network: Network,
    attacks: Attacks,
    campaigns: Campaigns,
    courtesy: Courtesy,
    labels: LabelBook,
    sequence: u64,
    seed: u64,
}

/// Starts the traffic of a plan.
///
/// # Errors
/// When the plan is out of range.
pub fn generate(plan: &Plan) -> Result<Traffic, SimulateError> {
    plan.validate()?;
    let site = Arc::new(Site::new());
    let minute = plan.first().saturating_sub(WARM_UP_MINUTES * MINUTE_US);
    let mut cast = Cast::default();
    let attacks = Attacks::new(plan, Arc::clone(&site), &mut cast);
    let campaigns = Campaigns::new(plan, Arc::clone(&site), &mut cast);
    let opening = |sale: crate::sale::Sale| SaleLabel {
        opens: sale.opens,
        path: site.shows[sale.show].page.to_string(),
        users: sale.users,
    };
    let openings = sales(plan).into_iter().map(opening).collect();
    Ok(Traffic {
        end: plan.end(),
        minute,
        schedule: Schedule::new(minute, plan.first(), plan.end()),
        current: Vec::new(),
        visitors: Visitors::new(plan, Arc::clone(&site)),
        crowd: Crowd::new(plan, Arc::clone(&site)),
        robots: Robots::new(plan, Arc::clone(&site)),
        network: Network::new(plan),
        labels: LabelBook::new(plan, cast, openings),
        attacks,
        campaigns,
        courtesy: Courtesy::default(),
        sequence: 0,
        seed: plan.seed,
    })
}

impl Traffic {
    /// The truth about the events handed out so far; complete once the iterator has ended.
    pub fn labels(&self) -> Labels {
        self.labels.labels()
    }

    fn plan_minute(&mut self) {
        let minute = self.minute;
        self.visitors.plan_minute(minute, &mut self.schedule);
        self.crowd.plan_minute(minute, &mut self.schedule);
        self.robots.plan_minute(minute, &mut self.schedule);
        self.network.plan_minute(minute, &mut self.schedule);
        self.attacks.plan_minute(minute, &mut self.schedule);
        self.campaigns.plan_minute(minute, &mut self.schedule);
        self.current = self.schedule.take_minute();
        self.courtesy.forget_before(minute.saturating_sub(5 * MINUTE_US));
        self.minute = minute.saturating_add(MINUTE_US);
    }
}

impl Iterator for Traffic {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        loop {
            let Some(mut pending) = self.current.pop() else {
                if self.minute >= self.end {
                    return None;
                }
                self.plan_minute();
                continue;
            };
            if matches!(pending.tag, Tag::Polite(_)) && !self.courtesy.allows(&pending.event) {
                continue;
            }
            match &mut pending.event {
                SimEvent::Web(request) => {
                    request.sequence = self.sequence;
                    request.seed = self.seed;
                }
                SimEvent::Flow(flow) => flow.sequence = self.sequence,
            }
            self.sequence += 1;
            self.labels.record(pending.tag, &pending.event);
            return Some(pending.event);
        }
    }
}
