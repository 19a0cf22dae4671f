//! Which thresholds are tried: round numbers around the present one.
//!
//! The numbers are the rounded series R″20 of ISO 3 (preferred numbers): twenty a decade, each
//! about 12 % above the one before, so that a proposal reads like a number a person would set.

use crate::sigma::correlation::{NANO, Nano};
use crate::thresholds::Limit;

/// R″20, in hundredths.
const ROUND: [Nano; 20] = [
    100, 110, 120, 140, 150, 180, 200, 220, 250, 280, 300, 350, 400, 450, 500, 550, 600, 700, 800, 900,
];

/// A threshold moves at most so many times away from the present one to say less: beyond it the
/// rule would be another rule, and an exception is the honest means.
pub const STRICTER_MAX: Nano = 10;
/// And so many times to say more.
pub const LOOSER_MAX: Nano = 2;

/// Thresholds from the one that says most to the one that says least.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    pub limits: Vec<Limit>,
    /// Place of the present one.
    pub present: usize,
}

/// The ladder around `present`, which is above zero; `whole` where counts are compared.
pub fn ladder(present: Limit, whole: bool) -> Ladder {
    let (wide, narrow) = match present.rising() {
        true => (LOOSER_MAX, STRICTER_MAX),
        false => (STRICTER_MAX, LOOSER_MAX),
    };
    let (low, high) = (present.amount / wide, present.amount.saturating_mul(narrow));
    let mut amounts: Vec<Nano> = round_numbers(low, high)
        .filter(|&amount| !whole || (amount % NANO == 0 && amount >= least_whole(present)))
        .chain([present.amount])
        .collect();
    amounts.sort_unstable();
    amounts.dedup();
    if !present.rising() {
        amounts.reverse();
    }
    let at = amounts.iter().position(|&amount| amount == present.amount);
    Ladder {
        limits: amounts
            .into_iter()
            .map(|amount| Limit { amount, ..present })
            .collect(),
        present: at.unwrap_or(0),
    }
}

/// A window ends at an event, so that no count is below one: the least a count is compared with.
fn least_whole(limit: Limit) -> Nano {
    use crate::sigma::correlation::Operator;
    match limit.operator {
        Operator::Less => 2 * NANO,
        _ => NANO,
    }
}

/// Round numbers from `low` to `high`, both above zero.
fn round_numbers(low: Nano, high: Nano) -> impl Iterator<Item = Nano> {
    // From a hundred nanos, where two places are exact, to the largest that is measured.
    let decades = (0..30).map(|decade| (10 as Nano).pow(decade));
    decades
        .flat_map(|decade| ROUND.map(|hundredths| hundredths * decade))
        .filter(move |amount| (low..=high).contains(amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigma::correlation::Operator;

    fn numbers(operator: Operator, amount: Nano, whole: bool) -> (Vec<String>, usize) {
        let ladder = ladder(Limit { operator, amount }, whole);
        (ladder.limits.iter().map(|l| l.number()).collect(), ladder.present)
    }

    #[test]
    fn counts_climb_in_round_numbers() {
        let (numbers, present) = numbers(Operator::GreaterEqual, 100 * NANO, true);
        assert_eq!(numbers[present], "100");
        assert_eq!(&numbers[present + 1..present + 5], ["110", "120", "140", "150"]);
        assert_eq!(numbers.first().map(String::as_str), Some("50"));
        assert_eq!(numbers.last().map(String::as_str), Some("1000"));
    }

    #[test]
    fn small_counts_have_no_fractions_and_odd_ones_stay() {
        let (up, present) = numbers(Operator::Greater, 3 * NANO, true);
        assert_eq!(&up[..6], ["2", "3", "4", "5", "6", "7"]);
        assert_eq!(up[present], "3");
        let (odd, present) = numbers(Operator::GreaterEqual, 31 * NANO, true);
        assert_eq!((odd[present].as_str(), odd[present + 1].as_str()), ("31", "35"));
    }

    #[test]
    fn below_is_the_other_way_round() {
        let (down, present) = numbers(Operator::Less, 10 * NANO, true);
        assert_eq!((down[0].as_str(), down[present].as_str()), ("20", "10"));
        assert_eq!(down.last().map(String::as_str), Some("2"));
        let (means, _) = numbers(Operator::LessEqual, NANO / 4, false);
        assert_eq!(means.last().map(String::as_str), Some("0.025"));
    }
}
