//! The double nearest to a number of up to nineteen digits, some of them behind a point.
//!
//! Source: D. Lemire, "Number Parsing at a Gigabyte per Second", 2021, sections 5 to 8, for powers of ten that are
//! not positive. The digits are multiplied by a truncated reciprocal of the power of five; where its first 64 bits do not
//! tell how the product is rounded, 64 more do.

/// Most digits behind the point. So far a product of 128 bits always tells (section 9, remark 1).
pub(super) const PLACES_MAX: usize = 27;

/// For each number of places, 128 bits of the reciprocal of that power of five: its highest bit is set, and it is
/// rounded up. Of no place, one.
static RECIPROCALS: [(u64, u64); PLACES_MAX + 1] = {
    let mut all = [(1 << 63, 0); PLACES_MAX + 1];
    let mut places = 1;
    let mut power: u64 = 1;
    while places < all.len() {
        power *= 5;
        all[places] = reciprocal(power);
        places += 1;
    }
    all
};

/// The 128 highest bits of `2^k / power`, plus one.
#[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
const fn reciprocal(power: u64) -> (u64, u64) {
    // Long division of a one with zeros behind it, from the first bit of the quotient that is set.
    let power = power as u128;
    let mut rest: u128 = 1;
    while rest < power {
        rest <<= 1;
    }
    let mut quotient: u128 = 0;
    let mut bit = 0;
    while bit < 128 {
        quotient <<= 1;
        if rest >= power {
            quotient |= 1;
            rest -= power;
        }
        rest <<= 1;
        bit += 1;
    }
    quotient += 1;
    ((quotient >> 64) as u64, quotient as u64)
}

/// The double nearest to `digits / 10^places`, ties to even. `places` is at most [`PLACES_MAX`].
#[inline(always)]
pub(super) fn quotient(digits: u64, places: usize) -> f64 {
    /// Bits of a double's fraction, and those below them that tell how it is rounded.
    const FRACTION_BITS: u32 = 52;
    const UNSURE: u64 = u64::MAX >> (FRACTION_BITS + 3);
    if digits == 0 {
        return 0.0;
    }
    let zeros = digits.leading_zeros();
    let scaled = digits << zeros;
    let (first, second) = RECIPROCALS[places];
    let (mut high, mut low) = product(scaled, first);
    if high & UNSURE == UNSURE {
        let (more, _) = product(scaled, second);
        let carried;
        (low, carried) = low.overflowing_add(more);
        high += u64::from(carried);
    }
    let top = (high >> 63) as u32;
    let shift = top + 64 - FRACTION_BITS - 3;
    let mut fraction = high >> shift;
    // Half way between two doubles: only where the quotient is exact, which it is for few places.
    if low <= 1 && places <= 4 && fraction & 3 == 1 && fraction << shift == high {
        fraction &= !1;
    }
    fraction += fraction & 1;
    fraction >>= 1;
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "at most 27")]
    let power = -(places as i32);
    // Of a power of ten, the power of two that is not above it (section 5).
    let exponent = ((power * 217_706) >> 16) + 63 + top.cast_signed() - zeros.cast_signed() + 1023;
    // A fraction that was rounded up to the next power of two carries into the exponent, which is what is wanted.
    let bits =
        (u64::from(exponent.cast_unsigned()) << FRACTION_BITS) + (fraction - (1 << FRACTION_BITS));
    f64::from_bits(bits)
}

/// The upper and the lower half of a product.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
fn product(left: u64, right: u64) -> (u64, u64) {
    let product = u128::from(left) * u128::from(right);
    ((product >> 64) as u64, product as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(digits: u64, places: usize) {
        let expected: f64 = format!("{digits}e-{places}").parse().expect("a number");
        assert_eq!(quotient(digits, places).to_bits(), expected.to_bits(), "{digits}e-{places}");
    }

    #[test]
    fn quotients_are_those_of_the_standard_library() {
        let mut state = 23_u64;
        for round in 0..400_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mixed = state ^ (state >> 29);
            check(mixed >> (round % 64), (round / 64) as usize % (PLACES_MAX + 1));
        }
    }

    /// Halfway between two doubles, and beside that.
    #[test]
    fn ties_go_to_even() {
        for power in 53..63 {
            for odd in [1, 3, 5, 0x15_5555, 0x1f_ffff] {
                let half = (1_u64 << power) + odd * (1 << (power - 53));
                for near in [half - 1, half, half + 1] {
                    for places in 0..=4 {
                        if let Some(digits) = near.checked_mul(10_u64.pow(places)) {
                            check(digits, places as usize);
                        }
                        check(near, places as usize);
                    }
                }
            }
        }
        for digits in [1, 2, 5, 9_007_199_254_740_993, u64::MAX, 10_000_000_000_000_000_000] {
            (0..=PLACES_MAX).for_each(|places| check(digits, places));
        }
    }
}
