//! Which keys a partition has, how often each comes, and how many rows that makes.
//!
//! Key `k` belongs to partition `k mod partitions`, so equal keys never stand in two partitions. Its
//! weight is `1 / (k + 1) ^ skew`, computed by additions, multiplications and divisions alone, which
//! IEEE 754 defines to the last bit; a libm would not be the same everywhere.

use super::random::{Stream, scale, scale_u32};

/// The keys of one partition and their frequencies.
#[derive(Debug)]
pub(super) struct Keys {
    partition: u64,
    partition_count: u64,
    /// Keys of this partition.
    count: u32,
    /// For skewed keys: by Walker's alias method, for each slot the part (of 2^64) that its own key
    /// takes, and the key that takes the rest. Empty where all keys are alike.
    alias: Vec<(u64, u32)>,
}

impl Keys {
    pub(super) fn new(key_count: u64, partition: u32, partition_count: u32, skew: f64) -> Self {
        let (partition, partitions) = (u64::from(partition), u64::from(partition_count));
        let own = own_keys(key_count, partition, partitions);
        let count = u32::try_from(own).expect("key counts are checked to fit u32");
        let alias = if skew > 0.0 && count > 1 {
            let weights: Vec<u64> =
                (0..own).map(|own| weight(own * partitions + partition, skew)).collect();
            alias_table(&weights)
        } else {
            Vec::new()
        };
        Self { partition, partition_count: partitions, count, alias }
    }

    /// Number of keys of this partition.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The key's number over all partitions.
    pub(super) fn global(&self, own: u32) -> u64 {
        u64::from(own) * self.partition_count + self.partition
    }

    /// Draws keys for rows `[start, start + out.len())`: indices below [`Self::count`].
    pub(super) fn draw(&self, stream: Stream, start: u64, out: &mut [u32]) {
        let rows = start..;
        if self.alias.is_empty() {
            for (slot, row) in out.iter_mut().zip(rows) {
                *slot = scale_u32(stream.at(row), self.count);
            }
        } else {
            let own = u64::from(self.count);
            for (slot, row) in out.iter_mut().zip(rows) {
                let random = stream.at(row);
                let column = scale(random, own);
                // The low half of the same product is uniform within the column.
                let within = random.wrapping_mul(own);
                let key = u32::try_from(column).expect("less than count");
                let (own_part, other) = self.alias[key as usize];
                *slot = if within < own_part { key } else { other };
            }
        }
    }
}

/// Rows of each partition: proportional to the weights of its keys, `row_count` in all. The last
/// `idle_count` partitions get half as many, for half the time.
pub(super) fn row_counts(
    row_count: u64,
    key_count: u64,
    partition_count: u32,
    skew: f64,
    idle_count: u32,
) -> Vec<u64> {
    let partitions = u64::from(partition_count);
    let mut weights: Vec<u128> = vec![0; partition_count as usize];
    if skew > 0.0 {
        let mut partition = 0;
        for key in 0..key_count {
            weights[partition] += u128::from(weight(key, skew));
            partition = if partition + 1 == weights.len() { 0 } else { partition + 1 };
        }
    } else {
        for (weight, partition) in weights.iter_mut().zip(0..) {
            *weight = u128::from(own_keys(key_count, partition, partitions));
        }
    }
    let active = weights.len() - (idle_count as usize).min(weights.len());
    for weight in &mut weights[..active] {
        *weight *= 2;
    }
    let total: u128 = weights.iter().sum();
    let (mut before, mut given) = (0, 0);
    weights
        .iter()
        .map(|weight| {
            before += weight;
            let upto = u64::try_from(mul_div(u128::from(row_count), before, total))
                .expect("a share of row_count");
            let share = upto - given;
            given = upto;
            share
        })
        .collect()
}

/// `a * b / c` without overflow for `a < 2^64`, `b <= c < 2^96`, rounded down to 32 bits of fraction.
fn mul_div(a: u128, b: u128, c: u128) -> u128 {
    // Weights are scaled down until the product fits; equal shares stay equal.
    let shift = (128 - c.leading_zeros()).saturating_sub(63);
    if b == c { a } else { a * (b >> shift) / (c >> shift).max(1) }
}

fn own_keys(key_count: u64, partition: u64, partition_count: u64) -> u64 {
    key_count.saturating_sub(partition).div_ceil(partition_count)
}

/// Weight of a key, at least 1; that of key 0 is 2^40.
fn weight(key: u64, skew: f64) -> u64 {
    const SCALE: f64 = 1_099_511_627_776.0; // 2^40
    #[expect(clippy::cast_precision_loss, reason = "weights need no more than 53 bits")]
    let rank = (key + 1) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "in 1.0..=2^40")]
    #[expect(clippy::cast_sign_loss, reason = "in 1.0..=2^40")]
    let weight = (SCALE / exp(skew * ln(rank))).clamp(1.0, SCALE) as u64;
    weight
}

/// Natural logarithm of a number of at least 1, to about 1e-15, by exactly defined operations.
fn ln(x: f64) -> f64 {
    let (mut mantissa, mut doublings) = (x, 0.0);
    while mantissa > 1.5 {
        mantissa /= 2.0;
        doublings += 1.0;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)), and |argument| <= 0.2.
    let argument = (mantissa - 1.0) / (mantissa + 1.0);
    let square = argument * argument;
    let (mut power, mut sum, mut divisor) = (argument, 0.0, 1.0);
    while divisor < 30.0 {
        sum += power / divisor;
        power *= square;
        divisor += 2.0;
    }
    2.0 * sum + doublings * std::f64::consts::LN_2
}

/// The exponential of a number of at least 0, by exactly defined operations; infinite beyond 700.
fn exp(x: f64) -> f64 {
    if x > 700.0 {
        return f64::INFINITY;
    }
    let (mut rest, mut squarings) = (x, 0);
    while rest > 0.125 {
        rest /= 2.0;
        squarings += 1;
    }
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while n < 14.0 {
        term *= rest / n;
        sum += term;
        n += 1.0;
    }
    for _ in 0..squarings {
        sum *= sum;
    }
    sum
}

/// Walker's alias table in integers. Source: Vose, "A Linear Algorithm for Generating Random Numbers
/// with a Given Distribution", IEEE Transactions on Software Engineering 17(9), 1991.
fn alias_table(weights: &[u64]) -> Vec<(u64, u32)> {
    let count = weights.len() as u128;
    let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    // Each slot holds `total`; key k brings `weight * count`.
    let mut left: Vec<u128> = weights.iter().map(|&w| u128::from(w) * count).collect();
    let mut table = vec![(u64::MAX, 0); weights.len()];
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for (key, &mass) in (0_u32..).zip(&left) {
        table[key as usize].1 = key;
        if mass < total { small.push(key) } else { large.push(key) }
    }
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        let mass = left[poor as usize];
        // `total` is below 2^72 (2^40 for each of 2^32 keys): shift both so that 2^64 fits above.
        let part = (mass << 32) / total;
        let part = u64::try_from(part).expect("less than 2^32") << 32;
        table[poor as usize] = (part, rich);
        left[rich as usize] -= total - mass;
        if left[rich as usize] < total {
            large.pop();
            small.push(rich);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_exponentials_agree_with_the_library_to_many_digits() {
        for x in [1.0, 1.5, 2.0, 3.7, 10.0, 413.0, 1e6, 1e8] {
            assert!((ln(x) - f64::ln(x)).abs() < 1e-13 * f64::ln(x).max(1.0), "ln {x}");
        }
        for x in [0.0, 0.1, 1.0, 2.5, 18.0, 40.0] {
            assert!((exp(x) / f64::exp(x) - 1.0).abs() < 1e-11, "exp {x}");
        }
    }

    #[test]
    fn rows_are_shared_out_exactly() {
        assert_eq!(row_counts(100, 4, 4, 0.0, 0), [25, 25, 25, 25]);
        // 3 keys on 2 partitions: keys 0 and 2, key 1.
        assert_eq!(row_counts(99, 3, 2, 0.0, 0), [66, 33]);
        // The idle partition counts half.
        assert_eq!(row_counts(90, 2, 2, 0.0, 1), [60, 30]);
        // 1/1 and 1/2.
        assert_eq!(row_counts(300, 2, 2, 1.0, 0), [200, 100]);
        for rows in [0, 1, 7, 1_000_003, u64::MAX / 3] {
            for skew in [0.0, 0.7, 1.3] {
                assert_eq!(row_counts(rows, 17, 5, skew, 2).iter().sum::<u64>(), rows);
            }
        }
    }

    #[test]
    fn skewed_keys_come_as_often_as_their_weights_say() {
        const ROWS: usize = 300_000;
        let keys = Keys::new(5, 0, 1, 1.0);
        let mut drawn = vec![0; ROWS];
        keys.draw(Stream::new(1, 0, 1), 0, &mut drawn);
        // Harmonic number of 5 is 137/60, so key k has 60 / (137 (k + 1)) of the rows.
        for key in 0..5_u32 {
            let expected = ROWS as f64 * 60.0 / (137.0 * f64::from(key + 1));
            let found = drawn.iter().filter(|&&k| k == key).count() as f64;
            // Six standard deviations of a binomial are at most 6 * sqrt(300_000 / 4) = 1643.
            assert!((found - expected).abs() < 1643.0, "key {key}: {found} for {expected}");
        }
    }
}
