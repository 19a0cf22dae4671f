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
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Nothing that deserves an alarm: web requests and VPC flows.
    Normal,
    Sqli,
    Scan,
    Flood,
    Bots,
    /// VPC flows only.
    Portscan,
    /// `Normal` and every attack, several times over.
    Mixed,
}

impl Scenario {
    pub const ALL: [Scenario; 7] = [
        Scenario::Normal,
        Scenario::Sqli,
        Scenario::Scan,
        Scenario::Flood,
        Scenario::Bots,
        Scenario::Portscan,
        Scenario::Mixed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Scenario::Normal => "normal",
            Scenario::Sqli => "sqli",
            Scenario::Scan => "scan",
            Scenario::Flood => "flood",
            Scenario::Bots => "bots",
            Scenario::Portscan => "portscan",
            Scenario::Mixed => "mixed",
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
        matches!(self, Scenario::Normal | Scenario::Portscan | Scenario::Mixed)
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
}

impl AttackKind {
    pub fn as_str(self) -> &'static str {
        match self {
            AttackKind::Sqli => "sqli",
            AttackKind::Scan => "scan",
            AttackKind::Flood => "flood",
            AttackKind::Bots => "bots",
            AttackKind::Portscan => "portscan",
        }
    }
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
}

/// Shortest plan that has room for its attacks.
pub const DURATION_S_MIN: u32 = 300;
/// About four months; the generator streams, so that this bounds only mistakes.
pub const DURATION_S_MAX: u32 = 10_000_000;
/// One and a half million requests a minute.
pub const PER_MINUTE_MAX: u32 = 1_500_000;

impl Plan {
    /// Half an hour from 2026-03-02 10:00 KST, 600 requests and 300 flows a minute, flat.
    pub fn new(scenario: Scenario, seed: u64) -> Plan {
        Plan {
            scenario,
            seed,
            start: Micros(1_772_413_200_000_000),
            duration_s: 1800,
            requests_per_minute: if scenario.has_web() { 600 } else { 0 },
            flows_per_minute: if scenario.has_flows() { 300 } else { 0 },
            rhythm: Rhythm::Flat,
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
