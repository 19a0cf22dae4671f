//! Sale openings: when tickets of a show go on sale, and how large the crowd is.

use crate::cloudfront::mix;
use crate::plan::{Background, Plan};
use haetae_event::Micros;
use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US};

/// One opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sale {
    /// The second it opens.
    pub opens: Micros,
    /// Index of the show.
    pub show: usize,
    /// People who come for it.
    pub users: u32,
}

/// Ticket sales open at these hours in Korea.
const HOURS: [i64; 4] = [12, 14, 18, 20];

/// The openings of a plan, in time order: one in a plan of less than three days (at an hour
/// when sales open if the plan has one well inside, else a little before its middle), two in
/// each whole week of a longer one.
pub(crate) fn sales(plan: &Plan) -> Vec<Sale> {
    if plan.background == Background::Plain || plan.sale_users == 0 || plan.requests_per_minute == 0 {
        return Vec::new();
    }
    let length_us = plan.end().0 - plan.first().0;
    let sale = |opens: i64, index: u64| Sale {
        opens: Micros(opens),
        show: (mix(plan.seed ^ mix(index + 77)) % 12) as usize,
        users: plan.sale_users,
    };
    if length_us < 3 * DAY_US {
        let at = by_the_clock(plan).unwrap_or_else(|| in_the_middle(plan));
        return vec![sale(at, 0)];
    }
    let weeks = (length_us / (7 * DAY_US)).max(1);
    let day_of = |day: i64, index: u64| {
        let midnight = (plan.first().0 + 9 * HOUR_US).div_euclid(DAY_US) * DAY_US - 9 * HOUR_US;
        let hour = HOURS[(mix(plan.seed ^ index) % 4) as usize];
        midnight + day * DAY_US + hour * HOUR_US
    };
    (0..weeks)
        .flat_map(|week| [(week * 7 + 1, 2 * week), (week * 7 + 4, 2 * week + 1)])
        .map(|(day, index)| {
            let index = index.unsigned_abs();
            sale(day_of(day, index), index)
        })
        .filter(|sale| sale.opens.0 + HOUR_US < plan.end().0 || length_us < 7 * DAY_US)
        .collect()
}

/// An hour of [`HOURS`] well inside the plan.
fn by_the_clock(plan: &Plan) -> Option<i64> {
    let (from, to) = (plan.first().0 + 20 * MINUTE_US, plan.end().0 - 40 * MINUTE_US);
    let midnight = (plan.first().0 + 9 * HOUR_US).div_euclid(DAY_US) * DAY_US - 9 * HOUR_US;
    let offset = (mix(plan.seed) % 4) as usize;
    (0..8)
        .map(|step| midnight + (step / 4) * DAY_US + HOURS[(step as usize + offset) % 4] * HOUR_US)
        .find(|at| (from..to).contains(at))
}

/// Between 40 and 50 hundredths of the plan, on a whole minute where the plan has room.
fn in_the_middle(plan: &Plan) -> i64 {
    let length_us = plan.end().0 - plan.first().0;
    let part = 40 + (mix(plan.seed ^ 0x5a1e) % 10) as i64;
    let at = Micros(plan.first().0 + length_us / 100 * part);
    at.floor_to(MINUTE_US).0.max(plan.first().0)
}
