//! The variants of campaigns: their kind, their length, and when each could be known.

use super::draft::Draft;
use super::{Member, Scene, cost, crawl, leak, login, many, payment, ticket};
use crate::cast::Measure;
use crate::plan::{AttackKind, Plan};
use haetae_event::time::{MINUTE_US, SECOND_US};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    MacroPoll,
    MacroSprint,
    MacroBare,
    MacroTwins,
    MacroBurst,
    EdosBust,
    EdosPull,
    EdosSlow,
    EdosYoyo,
    EdosSpread,
    DdosWeb,
    DdosFlow,
    ExfilFlow,
    ExfilApi,
    StuffIp,
    StuffAccount,
    StuffNet,
    PaymentSkip,
    PaymentReplay,
    PaymentOrder,
    FakeCrawler,
}

const GB: u64 = 1_000_000_000;

impl Variant {
    pub(crate) fn kind(self) -> AttackKind {
        use Variant as V;
        match self {
            V::MacroPoll | V::MacroSprint | V::MacroBare | V::MacroTwins | V::MacroBurst => AttackKind::Macro,
            V::EdosBust | V::EdosPull | V::EdosSlow | V::EdosYoyo | V::EdosSpread => AttackKind::Edos,
            V::DdosWeb | V::DdosFlow => AttackKind::Ddos,
            V::ExfilFlow | V::ExfilApi => AttackKind::Exfil,
            V::StuffIp | V::StuffAccount | V::StuffNet => AttackKind::Stuffing,
            V::PaymentSkip | V::PaymentReplay | V::PaymentOrder => AttackKind::Payment,
            V::FakeCrawler => AttackKind::Fakebot,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Variant::MacroPoll => "macro-poll",
            Variant::MacroSprint => "macro-sprint",
            Variant::MacroBare => "macro-bare",
            Variant::MacroTwins => "macro-twins",
            Variant::MacroBurst => "macro-burst",
            Variant::EdosBust => "edos-bust",
            Variant::EdosPull => "edos-pull",
            Variant::EdosSlow => "edos-slow",
            Variant::EdosYoyo => "edos-yoyo",
            Variant::EdosSpread => "edos-spread",
            Variant::DdosWeb => "ddos-web",
            Variant::DdosFlow => "ddos-flow",
            Variant::ExfilFlow => "exfil-flow",
            Variant::ExfilApi => "exfil-api",
            Variant::StuffIp => "stuffing-ip",
            Variant::StuffAccount => "stuffing-account",
            Variant::StuffNet => "stuffing-net",
            Variant::PaymentSkip => "payment-skip",
            Variant::PaymentReplay => "payment-replay",
            Variant::PaymentOrder => "payment-order",
            Variant::FakeCrawler => "fakebot-crawler",
        }
    }

    pub(crate) fn is_flow(self) -> bool {
        matches!(self, Variant::DdosFlow | Variant::ExfilFlow)
    }

    /// How long it goes on.
    pub(crate) fn length_us(self, round_us: i64, plan: &Plan, rng: &mut ChaCha8Rng) -> i64 {
        let whole = plan.end().0 - plan.first().0;
        let (share, most_min) = match self {
            Variant::EdosSlow => return whole / 100 * 92,
            Variant::EdosYoyo => (75, 40),
            Variant::StuffNet | Variant::StuffAccount => (28, 18),
            Variant::ExfilFlow => (25, 16),
            Variant::DdosWeb | Variant::DdosFlow => (14, 6),
            _ => (22, 10),
        };
        let most = (round_us / 100 * share).min(most_min * MINUTE_US);
        rng.random_range(most * 7 / 10..most.max(10 * SECOND_US))
    }

    /// When it could be known; see [`Measure`].
    pub(crate) fn measure(self, plan: &Plan) -> Measure {
        let by_actor = |what, count, window_s| Measure::Events {
            what,
            count,
            window_s,
            by_actor: true,
        };
        let together = |what, count, window_s| Measure::Events {
            what,
            count,
            window_s,
            by_actor: false,
        };
        match self {
            Variant::MacroPoll => by_actor("polls of one client or account", 30, 600),
            Variant::MacroSprint => by_actor("submits within a second of their page", 3, 600),
            Variant::MacroBare => by_actor("page and API requests without one asset", 25, 600),
            Variant::MacroTwins => together("runs of the same sequence to its end", 3, 600),
            Variant::MacroBurst => by_actor("requests in the first three seconds of the sale", 8, 3),
            Variant::EdosBust => by_actor("distinct cache-busting requests for one object", 60, 300),
            Variant::EdosPull => Measure::Bytes {
                what: "bytes of the largest objects pulled by one client",
                bytes: GB,
                by_actor: true,
            },
            Variant::EdosSlow => Measure::Bytes {
                what: "bytes pulled by one client",
                bytes: 2 * GB,
                by_actor: true,
            },
            Variant::EdosYoyo => together("bursts", 3, 86_400),
            Variant::EdosSpread => Measure::Bytes {
                what: "bytes pulled by the network or the user agent",
                bytes: GB,
                by_actor: false,
            },
            Variant::DdosWeb => together("requests from all sources", flood(plan.requests_per_minute), 60),
            Variant::DdosFlow => together("flows from all sources", flood(plan.flows_per_minute), 60),
            Variant::ExfilFlow => Measure::Bytes {
                what: "bytes from one host to an unusual place",
                bytes: GB,
                by_actor: true,
            },
            Variant::ExfilApi => by_actor("records read one after the other by one account", 300, 1800),
            Variant::StuffIp => by_actor("log-ins tried by one client", 20, 600),
            Variant::StuffAccount => together("failed log-ins to one account", 20, 1800),
            Variant::StuffNet => together("failed log-ins from one /24", 60, 1800),
            Variant::PaymentSkip => by_actor("payments without the steps before", 3, 1800),
            Variant::PaymentReplay => by_actor("payments sent again", 3, 1800),
            Variant::PaymentOrder => by_actor("payments before their steps", 3, 1800),
            Variant::FakeCrawler => by_actor("requests under the crawler's name", 5, 3600),
        }
    }

    pub(crate) fn enlist(self, draft: &mut Draft<'_>) {
        match self {
            Variant::MacroPoll => ticket::enlist_pollers(draft),
            Variant::MacroSprint => ticket::enlist_sprinters(draft),
            Variant::MacroBare => ticket::enlist_bare(draft),
            Variant::MacroTwins => ticket::enlist_twins(draft),
            Variant::MacroBurst => ticket::enlist_burst(draft),
            Variant::EdosBust => cost::enlist_busters(draft),
            Variant::EdosPull => cost::enlist_pullers(draft),
            Variant::EdosSlow => cost::enlist_slow(draft),
            Variant::EdosYoyo => cost::enlist_yoyo(draft),
            Variant::EdosSpread => cost::enlist_spread(draft),
            Variant::DdosWeb => many::enlist_web(draft),
            Variant::DdosFlow => many::enlist_flows(draft),
            Variant::ExfilFlow => leak::enlist_flow(draft),
            Variant::ExfilApi => leak::enlist_api(draft),
            Variant::StuffIp => login::enlist_by_ip(draft),
            Variant::StuffAccount => login::enlist_by_account(draft),
            Variant::StuffNet => login::enlist_by_net(draft),
            Variant::PaymentSkip | Variant::PaymentReplay | Variant::PaymentOrder => payment::enlist(draft),
            Variant::FakeCrawler => crawl::enlist(draft),
        }
    }

    /// One act of a member; the time until its next, in microseconds.
    pub(crate) fn act(self, scene: &mut Scene<'_>, member: &mut Member) -> i64 {
        match self {
            Variant::MacroPoll => ticket::poll(scene, member),
            Variant::MacroSprint => ticket::sprint(scene, member),
            Variant::MacroBare => ticket::bare(scene, member),
            Variant::MacroTwins => ticket::twin(scene, member),
            Variant::MacroBurst => ticket::burst(scene, member),
            Variant::EdosBust => cost::bust(scene, member),
            Variant::EdosPull => cost::pull(scene, member),
            Variant::EdosSlow => cost::slow(scene, member),
            Variant::EdosYoyo => cost::yoyo(scene, member),
            Variant::EdosSpread => cost::spread(scene, member),
            Variant::DdosWeb => many::web(scene, member),
            Variant::DdosFlow => many::flow(scene, member),
            Variant::ExfilFlow => leak::flow(scene, member),
            Variant::ExfilApi => leak::api(scene, member),
            Variant::StuffIp | Variant::StuffAccount | Variant::StuffNet => login::attempt(scene, member),
            Variant::PaymentSkip => payment::skip(scene, member),
            Variant::PaymentReplay => payment::replay(scene, member),
            Variant::PaymentOrder => payment::out_of_order(scene, member),
            Variant::FakeCrawler => crawl::crawl(scene, member),
        }
    }
}

/// Events a minute that make a flood of a site with so many ordinary ones.
pub(super) fn flood(per_minute: u32) -> usize {
    (per_minute as usize * 3 / 2).max(900)
}
