//! The requests of one actor of one client in one window, and sums over them.

use super::timeline::Hit;

/// The hits of one actor, in order of time.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    pub hits: &'a [Hit],
}

/// Sums over an actor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Requests that are no assets.
    pub requests: u32,
    /// Of them documents.
    pub pages: u32,
    pub assets: u32,
    pub referers: u32,
    pub libraries: u32,
    /// Under the name of a robot that nobody can verify.
    pub claimed: u32,
    /// Steps of a sale.
    pub sale: u32,
    /// Of them what a macro is after: all but log-ins.
    pub wanted: u32,
    /// Steps of a sale sent with POST.
    pub posts: u32,
    /// Of them those that a macro is after.
    pub grabs: u32,
    /// Kinds of steps, a bit each.
    pub kinds: u8,
    /// Most requests in one minute of the clock.
    pub busiest_minute: u32,
    /// First and last request that is no asset, µs in the window.
    pub first: u32,
    pub last: u32,
}

impl<'a> Actor<'a> {
    pub fn who(&self) -> u32 {
        self.hits.first().map_or(0, |hit| hit.who)
    }

    pub fn session(&self) -> bool {
        self.hits.first().is_some_and(Hit::session)
    }

    /// Those that are no assets.
    pub fn requests(&self) -> impl Iterator<Item = &'a Hit> {
        self.hits.iter().filter(|hit| !hit.is_asset())
    }

    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let (mut minute, mut in_minute) = (u32::MAX, 0);
        for hit in self.hits {
            if hit.is_asset() {
                sums.assets = sums.assets.saturating_add(hit.path);
                continue;
            }
            if sums.requests == 0 {
                sums.first = hit.at;
            }
            sums.last = hit.at;
            sums.requests += 1;
            sums.pages += u32::from(hit.document());
            sums.referers += u32::from(hit.referer());
            sums.libraries += u32::from(hit.library());
            sums.claimed += u32::from(hit.claimed());
            sums.sale += u32::from(hit.kind().of_sale());
            sums.posts += u32::from(hit.kind().of_sale() && hit.post());
            sums.wanted += u32::from(hit.kind().wanted());
            sums.grabs += u32::from(hit.kind().wanted() && hit.post());
            if hit.kind().of_sale() {
                sums.kinds |= 1 << hit.kind() as u8;
            }
            if hit.at / 60_000_000 != minute {
                (minute, in_minute) = (hit.at / 60_000_000, 0);
            }
            in_minute += 1;
            sums.busiest_minute = sums.busiest_minute.max(in_minute);
        }
        sums
    }
}
