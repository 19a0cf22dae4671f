//! `2/day`, `10/week`: how many notifications are wanted.

use std::fmt;
use std::str::FromStr;

/// Notifications per stretch of time, above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    count: f64,
    /// Days the count is for: 1 or 7.
    days: f64,
}

impl Budget {
    pub fn per_day(self) -> f64 {
        self.count / self.days
    }
}

/// Most a budget can be; beyond it nobody reads.
const COUNT_MAX: f64 = 1e6;

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a budget is a number per day or week, like 2/day or 10/week; got {text:?}");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let count: f64 = count.trim().parse().map_err(|_| wrong())?;
        let days = match unit.trim().to_ascii_lowercase().as_str() {
            "d" | "day" => 1.0,
            "w" | "week" => 7.0,
            _ => return Err(wrong()),
        };
        if !count.is_finite() || count > COUNT_MAX {
            return Err(wrong());
        }
        if count <= 0.0 {
            return Err(format!(
                "a budget of {} would switch detection off; say how many notifications are bearable, like 2/day",
                text.trim()
            ));
        }
        Ok(Budget { count, days })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.days > 1.0 { "week" } else { "day" };
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read() {
        let per_day = |text: &str| text.parse::<Budget>().map(Budget::per_day);
        assert_eq!(per_day("2/day"), Ok(2.0));
        assert_eq!(per_day("0.5/d"), Ok(0.5));
        assert_eq!(per_day("14 / Week"), Ok(2.0));
        for wrong in [
            "", "2", "two/day", "2/hour", "0/day", "-1/day", "nan/day", "inf/week", "1e9/day",
        ] {
            let error = per_day(wrong).expect_err(wrong);
            assert!(error.contains("2/day"), "{error}");
        }
        assert_eq!(
            "10/week".parse::<Budget>().expect("a budget").to_string(),
            "10/week"
        );
    }
}
