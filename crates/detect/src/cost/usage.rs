//! Units of usage, and what one key used in ten minutes.

use super::BUCKET_US;
use haetae_event::time::{MINUTE_US, SECOND_US};

/// Units that are paid for. Sums of any size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests that an edge answered.
    pub requests: u64,
    /// Of them, those without TLS.
    pub plain_http: u64,
    /// Bytes the edge sent to viewers.
    pub bytes_out: u64,
    /// Requests that went to the origin.
    pub origin_requests: u64,
    /// Bytes sent to the origin.
    pub origin_bytes_in: u64,
    /// Bytes the origin answered with.
    pub origin_bytes_out: u64,
    /// Requests in logs of the web application firewall.
    pub waf_logged: u64,
    /// Requests and bytes of load balancers.
    pub balancer_requests: u64,
    pub balancer_bytes: u64,
    /// Challenges served and CAPTCHAs answered, where a log says so.
    pub challenges: u64,
    pub captchas: u64,
}

impl Usage {
    pub fn add(&mut self, other: &Usage) {
        let sum = |a: &mut u64, b: u64| *a = a.saturating_add(b);
        sum(&mut self.requests, other.requests);
        sum(&mut self.plain_http, other.plain_http);
        sum(&mut self.bytes_out, other.bytes_out);
        sum(&mut self.origin_requests, other.origin_requests);
        sum(&mut self.origin_bytes_in, other.origin_bytes_in);
        sum(&mut self.origin_bytes_out, other.origin_bytes_out);
        sum(&mut self.waf_logged, other.waf_logged);
        sum(&mut self.balancer_requests, other.balancer_requests);
        sum(&mut self.balancer_bytes, other.balancer_bytes);
        sum(&mut self.challenges, other.challenges);
        sum(&mut self.captchas, other.captchas);
    }

    /// Requests, seen by whichever log saw most of them: one request may be logged by the edge,
    /// the firewall and the load balancer.
    pub fn seen(&self) -> u64 {
        self.requests.max(self.waf_logged).max(self.balancer_requests)
    }
}

/// What one row adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unit {
    pub edge: bool,
    pub plain_http: bool,
    pub waf: bool,
    pub balancer: bool,
    /// Went to the origin, as far as the log says.
    pub origin: bool,
    /// Logged in, ordered or paid.
    pub valued: bool,
    /// What people's browsers do and bare clients rarely: an asset loaded, an account.
    pub visits: bool,
    /// The user agent says that it is a crawler.
    pub declared: bool,
    pub bytes_in: u32,
    pub bytes_out: u64,
    /// Bit of the user agent's class, of 32.
    pub agent: u32,
}

/// When a row came: its bucket, and where in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Number of the bucket since the epoch.
    pub bucket: i32,
    second: u16,
    minute: u16,
}

impl Moment {
    /// `None` far outside of any calendar.
    #[inline]
    pub fn of(ts: i64) -> Option<Moment> {
        let inside = ts.rem_euclid(BUCKET_US);
        Some(Moment {
            bucket: Cell::bucket_of(ts)?,
            second: u16::try_from(inside / SECOND_US).expect("a bucket has 600 seconds"),
            minute: u16::try_from(inside / MINUTE_US).expect("a bucket has ten minutes"),
        })
    }

    /// The minute since the epoch.
    pub fn minute(self) -> i64 {
        i64::from(self.bucket) * (BUCKET_US / MINUTE_US) + i64::from(self.minute)
    }
}

/// The one row of a key that has no other, in a quarter of a [`Cell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    bytes_out: u64,
    bytes_in: u32,
    bucket: i32,
    second: u16,
    /// The flags of its unit, a bit each, and those of [`First::mark`] from bit 8 on.
    flags: u16,
    /// Number of the bit of its user agent's class, from one on; 0 without.
    agent: u8,
}

impl First {
    pub fn new(at: Moment, unit: &Unit) -> First {
        let Unit {
            edge,
            plain_http,
            waf,
            balancer,
            origin,
            valued,
            visits,
            declared,
            bytes_in,
            bytes_out,
            agent,
        } = *unit;
        let flags = [edge, plain_http, waf, balancer, origin, valued, visits, declared];
        let flags = flags.into_iter().rev();
        First {
            bytes_out,
            bytes_in,
            bucket: at.bucket,
            second: at.second,
            flags: flags.fold(0, |bits, flag| bits << 1 | u16::from(flag)),
            agent: (u32::BITS - agent.leading_zeros()) as u8,
        }
    }

    fn flag(&self, bit: u8) -> bool {
        self.flags >> bit & 1 != 0
    }

    /// Sets one of eight flags that a cell has no place for.
    pub fn mark(&mut self, number: u8, flag: bool) {
        self.flags |= u16::from(flag) << (8 + (number & 7));
    }

    /// Whether it was set.
    pub fn is_marked(&self, number: u8) -> bool {
        self.flag(8 + (number & 7))
    }

    /// As [`Cell::bytes_out`].
    pub fn bytes_out(&self) -> u64 {
        if self.flag(0) { self.bytes_out } else { 0 }
    }

    /// Bytes of the answer, whoever logged it.
    pub fn answer_bytes(&self) -> u64 {
        self.bytes_out
    }

    /// As [`Cell::seen`].
    pub fn seen(&self) -> u32 {
        u32::from(self.flag(0) || self.flag(2) || self.flag(3))
    }

    /// The cell that it is.
    pub fn cell(&self) -> Cell {
        let flag = |bit: u8| self.flag(bit);
        let unit = Unit {
            edge: flag(0),
            plain_http: flag(1),
            waf: flag(2),
            balancer: flag(3),
            origin: flag(4),
            valued: flag(5),
            visits: flag(6),
            declared: flag(7),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            agent: self.agent.checked_sub(1).map_or(0, |bit| 1 << bit),
        };
        let at = Moment {
            bucket: self.bucket,
            second: self.second,
            minute: self.second / 60,
        };
        let mut cell = Cell::new(self.bucket);
        cell.count(at, &unit);
        cell
    }
}

/// What one key used in one bucket. All operations commute: the order of rows does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Number of the bucket since the epoch.
    pub bucket: i32,
    /// First and last second inside the bucket.
    first: u16,
    last: u16,
    /// Requests per minute of the bucket.
    pub minutes: [u16; 10],
    pub requests: u32,
    plain_http: u32,
    origin_requests: u32,
    waf: u32,
    balancer: u32,
    /// Logins, orders and payments.
    pub valued: u32,
    /// Which of 32 classes of user agents were seen, and which of them visited.
    pub agents: u32,
    pub visitors: u32,
    /// Requests of declared crawlers.
    pub declared: u32,
    pub bytes_out: u64,
    origin_bytes_in: u64,
    origin_bytes_out: u64,
    balancer_bytes: u64,
}

impl Cell {
    pub fn new(bucket: i32) -> Cell {
        Cell {
            bucket,
            first: u16::MAX,
            last: 0,
            minutes: [0; 10],
            requests: 0,
            plain_http: 0,
            origin_requests: 0,
            waf: 0,
            balancer: 0,
            valued: 0,
            agents: 0,
            visitors: 0,
            declared: 0,
            bytes_out: 0,
            origin_bytes_in: 0,
            origin_bytes_out: 0,
            balancer_bytes: 0,
        }
    }

    /// Bucket of an event time; `None` far outside of any calendar.
    pub fn bucket_of(ts: i64) -> Option<i32> {
        i32::try_from(ts.div_euclid(BUCKET_US)).ok()
    }

    /// Counts one row; its moment lies in this bucket.
    #[inline]
    pub fn count(&mut self, at: Moment, unit: &Unit) {
        self.first = self.first.min(at.second);
        self.last = self.last.max(at.second);
        let minute = &mut self.minutes[usize::from(at.minute)];
        *minute = minute.saturating_add(1);
        let one = |flag: bool| u32::from(flag);
        self.requests = self.requests.saturating_add(one(unit.edge));
        self.plain_http = self.plain_http.saturating_add(one(unit.plain_http));
        self.waf = self.waf.saturating_add(one(unit.waf));
        self.balancer = self.balancer.saturating_add(one(unit.balancer));
        self.valued = self.valued.saturating_add(one(unit.valued));
        self.declared = self.declared.saturating_add(one(unit.declared));
        self.agents |= unit.agent;
        self.visitors |= if unit.visits { unit.agent } else { 0 };
        if unit.origin {
            self.origin_requests = self.origin_requests.saturating_add(1);
            self.origin_bytes_in = self.origin_bytes_in.saturating_add(u64::from(unit.bytes_in));
            self.origin_bytes_out = self.origin_bytes_out.saturating_add(unit.bytes_out);
        }
        if unit.edge {
            self.bytes_out = self.bytes_out.saturating_add(unit.bytes_out);
        }
        if unit.balancer {
            let both = unit.bytes_out.saturating_add(u64::from(unit.bytes_in));
            self.balancer_bytes = self.balancer_bytes.saturating_add(both);
        }
    }

    /// Adds another cell of the same bucket.
    pub fn merge(&mut self, other: &Cell) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        for (sum, part) in self.minutes.iter_mut().zip(other.minutes) {
            *sum = sum.saturating_add(part);
        }
        self.agents |= other.agents;
        self.visitors |= other.visitors;
        for (sum, part) in [
            (&mut self.requests, other.requests),
            (&mut self.plain_http, other.plain_http),
            (&mut self.origin_requests, other.origin_requests),
            (&mut self.waf, other.waf),
            (&mut self.balancer, other.balancer),
            (&mut self.valued, other.valued),
            (&mut self.declared, other.declared),
        ] {
            *sum = sum.saturating_add(part);
        }
        for (sum, part) in [
            (&mut self.bytes_out, other.bytes_out),
            (&mut self.origin_bytes_in, other.origin_bytes_in),
            (&mut self.origin_bytes_out, other.origin_bytes_out),
            (&mut self.balancer_bytes, other.balancer_bytes),
        ] {
            *sum = sum.saturating_add(part);
        }
    }

    pub fn usage(&self) -> Usage {
        Usage {
            requests: self.requests.into(),
            plain_http: self.plain_http.into(),
            bytes_out: self.bytes_out,
            origin_requests: self.origin_requests.into(),
            origin_bytes_in: self.origin_bytes_in,
            origin_bytes_out: self.origin_bytes_out,
            waf_logged: self.waf.into(),
            balancer_requests: self.balancer.into(),
            balancer_bytes: self.balancer_bytes,
            challenges: 0,
            captchas: 0,
        }
    }

    /// Requests of the log that saw most.
    pub fn seen(&self) -> u32 {
        self.requests.max(self.waf).max(self.balancer)
    }

    /// First and last event, µs, to the second.
    pub fn span(&self) -> (i64, i64) {
        let start = i64::from(self.bucket) * BUCKET_US;
        (
            start + i64::from(self.first) * SECOND_US,
            start + i64::from(self.last) * SECOND_US,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_first_row_is_its_cell(
            ts in -1_000_000_000_000_000i64..4_000_000_000_000_000,
            flags in any::<[bool; 8]>(),
            (bytes_in, bytes_out) in (any::<u32>(), any::<u64>()),
            agent in prop::option::of(0u32..32),
        ) {
            let unit = Unit {
                edge: flags[0],
                plain_http: flags[1],
                waf: flags[2],
                balancer: flags[3],
                origin: flags[4],
                valued: flags[5],
                visits: flags[6],
                declared: flags[7],
                bytes_in,
                bytes_out,
                agent: agent.map_or(0, |bit| 1 << bit),
            };
            let at = Moment::of(ts).expect("in the calendar");
            let mut cell = Cell::new(at.bucket);
            cell.count(at, &unit);
            let first = First::new(at, &unit);
            prop_assert_eq!(first.cell(), cell);
            prop_assert_eq!((first.bytes_out(), first.seen()), (cell.bytes_out, cell.seen()));
        }
    }
}
