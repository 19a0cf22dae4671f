//! Whether a candidate takes the place of the model in use.
//!
//! It does when it holds on the labelled set and the alerts it would tell stay within the budget.
//! Every reason against is named, not only the first.

use crate::forest::{Forest, Matrix, WrongColumns};
use crate::metrics::{Confusion, auroc};
use crate::shadow::ShadowReport;
use crate::table::Table;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a forest does on labelled rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub rows: u64,
    pub anomalies: u64,
    pub auroc: f64,
    /// At the forest's own threshold.
    pub recall: f64,
    /// `None` when nothing is over the threshold.
    pub precision: Option<f64>,
}

/// Why a forest was not measured.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum QualityError {
    #[error(transparent)]
    Columns(#[from] WrongColumns),
    #[error("column {column} is {given:?}, the forest was fitted on {fitted:?}")]
    Names {
        column: usize,
        given: String,
        fitted: String,
    },
    #[error("a labelled set needs rows of both labels")]
    OneLabel,
}

impl Quality {
    /// # Errors
    /// When the table has other columns than the forest, or not both labels.
    pub fn of(forest: &Forest, table: &Table) -> Result<Quality, QualityError> {
        let wrong = WrongColumns {
            given: table.features.len(),
            fitted: forest.features().len(),
        };
        if wrong.given != wrong.fitted {
            return Err(wrong.into());
        }
        let names = table.features.iter().zip(forest.features());
        if let Some((column, (given, fitted))) = names.enumerate().find(|(_, (a, b))| a != b) {
            let (given, fitted) = (given.clone(), fitted.clone());
            return Err(QualityError::Names {
                column,
                given,
                fitted,
            });
        }
        let data = Matrix::new(&table.cells, table.features.len()).map_err(|_| wrong)?;
        let scores = forest.score(data)?;
        let counts = Confusion::at(forest.threshold(), &scores, &table.labels);
        let measured = auroc(&scores, &table.labels).zip(counts.recall());
        let (auroc, recall) = measured.ok_or(QualityError::OneLabel)?;
        Ok(Quality {
            rows: scores.len() as u64,
            anomalies: counts.true_positives + counts.false_negatives,
            auroc,
            recall,
            precision: counts.precision(),
        })
    }
}

/// What a candidate must keep to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// AUROC below this is refused, whatever is in use.
    pub auroc_min: f64,
    /// By so much the candidate may be worse than the model in use.
    pub auroc_loss_max: f64,
    pub recall_loss_max: f64,
    /// Clients a day that may be told about.
    pub alerts_per_day_max: f64,
    /// Days of event time the two must have stood beside each other.
    pub shadow_days_min: f64,
}

impl Default for Limits {
    /// Two alerts a day, seven days beside each other, as good as before but for noise.
    fn default() -> Self {
        Limits {
            auroc_min: 0.8,
            auroc_loss_max: 0.002,
            recall_loss_max: 0.01,
            alerts_per_day_max: 2.0,
            shadow_days_min: 7.0,
        }
    }
}

/// Something against a candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// Nothing labelled to hold on.
    NotMeasured,
    AurocLow {
        candidate: f64,
        least: f64,
    },
    AurocWorse {
        current: f64,
        candidate: f64,
        loss_max: f64,
    },
    RecallWorse {
        current: f64,
        candidate: f64,
        loss_max: f64,
    },
    OverBudget {
        alerts_per_day: f64,
        budget: f64,
    },
    ShadowTooShort {
        days: f64,
        least: f64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotMeasured => write!(f, "not measured on a labelled set"),
            Reason::AurocLow { candidate, least } => {
                write!(f, "AUROC {candidate:.4} is below {least:.4}")
            }
            Reason::AurocWorse {
                current,
                candidate,
                loss_max,
            } => write!(
                f,
                "AUROC {candidate:.4}, the model in use has {current:.4}; it may lose {loss_max:.4}"
            ),
            Reason::RecallWorse {
                current,
                candidate,
                loss_max,
            } => write!(
                f,
                "recall {candidate:.4}, the model in use has {current:.4}; it may lose {loss_max:.4}"
            ),
            Reason::OverBudget {
                alerts_per_day,
                budget,
            } => {
                write!(
                    f,
                    "{alerts_per_day:.1} alerts a day predicted, the budget is {budget:.1}"
                )
            }
            Reason::ShadowTooShort { days, least } => {
                write!(f, "{days:.2} days beside the model in use, {least:.2} are needed")
            }
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "decision", content = "reasons", rename_all = "snake_case")]
pub enum Decision {
    Promote,
    /// Everything that speaks against the candidate.
    Keep(Vec<Reason>),
}

/// Decides. `current`: the model in use on the same labelled set, `None` for the first model.
pub fn decide(
    current: Option<&Quality>,
    candidate: Option<&Quality>,
    shadow: &ShadowReport,
    limits: &Limits,
) -> Decision {
    let mut reasons = Vec::new();
    match candidate {
        None => reasons.push(Reason::NotMeasured),
        Some(candidate) => against_quality(current, candidate, limits, &mut reasons),
    }
    let alerts_per_day = shadow.alerts_per_day(&shadow.candidate);
    if !reaches(limits.alerts_per_day_max, alerts_per_day) {
        reasons.push(Reason::OverBudget {
            alerts_per_day,
            budget: limits.alerts_per_day_max,
        });
    }
    let days = shadow.span_days();
    if days == 0.0 || !reaches(days, limits.shadow_days_min) {
        reasons.push(Reason::ShadowTooShort {
            days,
            least: limits.shadow_days_min,
        });
    }
    if reasons.is_empty() {
        Decision::Promote
    } else {
        Decision::Keep(reasons)
    }
}

/// False also where one of the two is not a number: then the model in use stays.
fn reaches(value: f64, bound: f64) -> bool {
    value >= bound
}

fn against_quality(
    current: Option<&Quality>,
    candidate: &Quality,
    limits: &Limits,
    reasons: &mut Vec<Reason>,
) {
    if !reaches(candidate.auroc, limits.auroc_min) {
        reasons.push(Reason::AurocLow {
            candidate: candidate.auroc,
            least: limits.auroc_min,
        });
    }
    let Some(current) = current else { return };
    if !reaches(candidate.auroc, current.auroc - limits.auroc_loss_max) {
        reasons.push(Reason::AurocWorse {
            current: current.auroc,
            candidate: candidate.auroc,
            loss_max: limits.auroc_loss_max,
        });
    }
    if !reaches(candidate.recall, current.recall - limits.recall_loss_max) {
        reasons.push(Reason::RecallWorse {
            current: current.recall,
            candidate: candidate.recall,
            loss_max: limits.recall_loss_max,
        });
    }
}
