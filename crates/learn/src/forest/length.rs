//! Path lengths and the score they make.

/// Below this the harmonic number is summed, from here its asymptotic series is exact to the last
/// bits of an f64.
const SUMMED: usize = 64;

/// The harmonic number 1 + 1/2 + … + 1/n.
fn harmonic(n: usize) -> f64 {
    const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;
    if n < SUMMED {
        return (1..=n).rev().map(|i| 1.0 / i as f64).sum();
    }
    let n = n as f64;
    let square = n * n;
    // ln n + γ + 1/2n − 1/12n² + 1/120n⁴; the next term is below 1e-13 at n = 64.
    n.ln() + EULER_MASCHERONI + 0.5 / n - 1.0 / (12.0 * square) + 1.0 / (120.0 * square * square)
}

/// Mean path length of an unsuccessful search in a binary search tree of `n` keys, `c(n)` of the
/// papers: `2 H(n−1) − 2 (n−1)/n`; 0 for none and one. The harmonic number is exact here; the
/// papers' `ln(i) + γ`, which scikit-learn follows, is 0.46 too small at n = 3 and 0.004 at 256.
pub fn average_path_length(n: usize) -> f64 {
    if n < 2 {
        return 0.0;
    }
    2.0 * harmonic(n - 1) - 2.0 * (n - 1) as f64 / n as f64
}

/// `2^(−E[h] / c)`; one half where `c` is 0, because a forest of single rows tells nothing apart.
pub(crate) fn score(mean_length: f64, normal_length: f64) -> f64 {
    if normal_length > 0.0 {
        (-mean_length / normal_length).exp2()
    } else {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_by_hand() {
        assert_eq!(average_path_length(0), 0.0);
        assert_eq!(average_path_length(1), 0.0);
        assert_eq!(average_path_length(2), 1.0);
        // 2 (1 + 1/2) − 4/3
        assert!((average_path_length(3) - 5.0 / 3.0).abs() < 1e-15);
        // 2 (1 + 1/2 + 1/3) − 6/4
        assert!((average_path_length(4) - 13.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn the_series_goes_on_where_the_sum_ends() {
        for n in [SUMMED, SUMMED + 1, 255, 4_000] {
            let summed: f64 = (1..=n).rev().map(|i| 1.0 / i as f64).sum();
            assert!((harmonic(n) - summed).abs() < 1e-12, "{n}");
        }
        assert!((average_path_length(256) - 10.248_6).abs() < 1e-3);
    }

    #[test]
    fn a_score_of_one_half_is_a_row_like_any_other() {
        let c = average_path_length(256);
        assert!((score(c, c) - 0.5).abs() < 1e-15);
        assert_eq!(score(0.0, c), 1.0);
        assert_eq!(score(0.0, 0.0), 0.5);
    }
}
