//! What to simulate: the scenario, its seed and its size.

use haetae_event::Micros;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a simulation cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("unknown scenario {name:?}; known are {known}")]
    UnknownScenario { name: String, known: String },
    #[error("plan refused: {0}")]
    BadPlan(String),
    #[error("cannot write simulated traffic: {0}")]
    Write(#[from] std::io::Error),
}

/// The named scenarios. All but `portscan` have the site's ordinary visitors in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Nothing that deserves an alarm: web requests and VPC flows.
    Normal,
    Sqli,
    Scan,
    Flood,
    /// Ticket macros around a sale's opening.
    Macro,
    Bots,
    /// Costs run up on purpose.
    Edos,
    /// VPC flows only.
    Portscan,
    /// Thousands of sources, one target: web requests and VPC flows.
    Ddos,
    /// Data carried out: VPC flows to the outside, and an API emptied page by page.
    Exfil,
    /// Stolen passwords tried out.
    Stuffing,
    /// Payment calls without, before or again after the steps they need.
    Payment,
    /// Crawlers under a false name.
    Fakebot,
    /// `Normal` and every attack, several times over.
    Mixed,
    /// Seven ordinary days with two sale openings.
    CalmWeek,
}

impl Scenario {
    pub const ALL: [Scenario; 15] = [
        Scenario::Normal,
        Scenario::Sqli,
        Scenario::Scan,
        Scenario::Flood,
        Scenario::Macro,
        Scenario::Bots,
        Scenario::Edos,
        Scenario::Portscan,
        Scenario::Ddos,
        Scenario::Exfil,
        Scenario::Stuffing,
        Scenario::Payment,
        Scenario::Fakebot,
        Scenario::Mixed,
        Scenario::CalmWeek,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Scenario::Normal => "normal",
            Scenario::Sqli => "sqli",
            Scenario::Scan => "scan",
            Scenario::Flood => "flood",
            Scenario::Macro => "macro",
            Scenario::Bots => "bots",
            Scenario::Edos => "edos",
            Scenario::Portscan => "portscan",
            Scenario::Ddos => "ddos",
            Scenario::Exfil => "exfil",
            Scenario::Stuffing => "stuffing",
            Scenario::Payment => "payment",
            Scenario::Fakebot => "fakebot",
            Scenario::Mixed => "mixed",
            Scenario::CalmWeek => "calm-week",
        }
    }

    /// # Errors
    /// When no scenario has that name; the error lists them.
    pub fn parse(name: &str) -> Result<Scenario, SimulateError> {
        Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.as_str() == name)
            .ok_or_else(|| {
                let known: Vec<&str> = Scenario::ALL.iter().map(|scenario| scenario.as_str()).collect();
                SimulateError::UnknownScenario {
                    name: name.into(),
                    known: known.join(", "),
                }
            })
    }

    /// Whether the scenario has web requests.
    pub fn has_web(self) -> bool {
        self != Scenario::Portscan
    }

    /// Whether the scenario has VPC flows.
    pub fn has_flows(self) -> bool {
        use Scenario::{CalmWeek, Ddos, Exfil, Mixed, Normal, Portscan};
        matches!(self, Normal | Portscan | Mixed | Ddos | Exfil | CalmWeek)
    }

    /// Whether nothing in the scenario deserves an alarm.
    pub fn is_benign(self) -> bool {
        matches!(self, Scenario::Normal | Scenario::CalmWeek)
    }

    /// The length [`Plan::new`] gives it, in seconds.
    pub fn duration_s(self) -> u32 {
        match self {
            Scenario::CalmWeek => 7 * 86_400,
            _ => 1800,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scenario {
    type Err = SimulateError;

    fn from_str(name: &str) -> Result<Self, SimulateError> {
        Scenario::parse(name)
    }
}

/// The kinds of attack a label can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttackKind {
    Sqli,
    Scan,
    Flood,
    Bots,
    Portscan,
    Macro,
    Edos,
    Ddos,
    Exfil,
    Stuffing,
    Payment,
    Fakebot,
}

impl AttackKind {
    pub fn as_str(self) -> &'static str {
        match self {
            AttackKind::Sqli => "sqli",
            AttackKind::Scan => "scan",
            AttackKind::Flood => "flood",
            AttackKind::Bots => "bots",
            AttackKind::Portscan => "portscan",
            AttackKind::Macro => "macro",
            AttackKind::Edos => "edos",
            AttackKind::Ddos => "ddos",
            AttackKind::Exfil => "exfil",
            AttackKind::Stuffing => "stuffing",
            AttackKind::Payment => "payment",
            AttackKind::Fakebot => "fakebot",
        }
    }
}

/// Who the ordinary visitors are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// Everyone a ticketing site meets: sale crowds, carrier gateways with hundreds of people
    /// behind them, apps, ad blockers, impatient people, partners. Held to no limit.
    #[default]
    Full,
    /// People, one office and declared bots, each client clearly below every plain threshold.
    Plain,
}

/// How the ordinary load moves over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rhythm {
    /// The same load in every minute, but for chance.
    Flat,
    /// Korean days: quiet at 4 a.m. KST, the stated rate at 8 p.m.
    Daily,
}

/// A simulation, wholly determined by these values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub scenario: Scenario,
    pub seed: u64,
    /// Event time of the first minute; cut down to whole seconds.
    pub start: Micros,
    pub duration_s: u32,
    /// Ordinary web requests a minute, on average (within about a tenth).
    pub requests_per_minute: u32,
    /// Ordinary VPC flow records a minute.
    pub flows_per_minute: u32,
    pub rhythm: Rhythm,
    #[serde(default)]
    pub background: Background,
    /// People who come for each sale's opening, beside the ordinary load; 0 for no sales. The
    /// plain background has none.
    #[serde(default)]
    pub sale_users: u32,
}

/// Shortest plan that has room for its attacks.
pub const DURATION_S_MIN: u32 = 300;
/// About four months; the generator streams, so that this bounds only mistakes.
pub const DURATION_S_MAX: u32 = 10_000_000;
/// One and a half million requests a minute.
pub const PER_MINUTE_MAX: u32 = 1_500_000;

/// People of one sale; they are planned within the hour of its opening.
pub const SALE_USERS_MAX: u32 = 1_000_000;

impl Plan {
    /// Half an hour from 2026-03-02 10:00 KST, 600 requests and 300 flows a minute, flat, with
    /// one sale opening for 1,500 people. The calm week: seven days in their daily rhythm, at
    /// most 90 requests and 20 flows a minute, with two sales of 3,000 people: about a million
    /// events.
    pub fn new(scenario: Scenario, seed: u64) -> Plan {
        let week = scenario == Scenario::CalmWeek;
        let (requests, flows) = if week { (90, 20) } else { (600, 300) };
        Plan {
            scenario,
            seed,
            start: Micros(1_772_413_200_000_000),
            duration_s: scenario.duration_s(),
            requests_per_minute: if scenario.has_web() { requests } else { 0 },
            flows_per_minute: if scenario.has_flows() { flows } else { 0 },
            rhythm: if week { Rhythm::Daily } else { Rhythm::Flat },
            background: Background::Full,
            sale_users: if week { 3_000 } else { 1_500 },
        }
    }

    /// First instant after the plan.
    pub fn end(&self) -> Micros {
        self.first()
            .saturating_add(i64::from(self.duration_s) * haetae_event::time::SECOND_US)
    }

    /// `start` cut down to whole seconds.
    pub fn first(&self) -> Micros {
        self.start.floor_to(haetae_event::time::SECOND_US)
    }

    /// # Errors
    /// When a value is outside what can be simulated; the text names it and its range.
    pub fn validate(&self) -> Result<(), SimulateError> {
        if !(DURATION_S_MIN..=DURATION_S_MAX).contains(&self.duration_s) {
            return Err(SimulateError::BadPlan(format!(
                "duration_s must be {DURATION_S_MIN} to {DURATION_S_MAX}, got {}",
                self.duration_s
            )));
        }
        if self.requests_per_minute > PER_MINUTE_MAX || self.flows_per_minute > PER_MINUTE_MAX {
            return Err(SimulateError::BadPlan(format!(
                "requests_per_minute and flows_per_minute must be at most {PER_MINUTE_MAX}"
            )));
        }
        if self.sale_users > SALE_USERS_MAX {
            return Err(SimulateError::BadPlan(format!(
                "sale_users must be at most {SALE_USERS_MAX}, got {}",
                self.sale_users
            )));
        }
        // 1970 to 2200: file names and the VPC format need four-digit years and positive seconds.
        if !(0..=7_258_118_400_000_000).contains(&self.start.0) {
            return Err(SimulateError::BadPlan(format!(
                "start must be from 1970 to 2199, got {}",
                self.start
            )));
        }
        Ok(())
    }
}
