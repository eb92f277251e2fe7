//! What an aggregate computes, with its constant parameters.

use crate::UserAggregateCall;

/// An aggregate function, with its constant parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregateFunction {
    /// `COUNT(*)` without an argument, `COUNT(x)` with one. `BIGINT`.
    Count,
    /// `SUM(x)`: integers to `BIGINT` (overflow of the sum is an error), `REAL` and `DOUBLE` to
    /// `DOUBLE`, `DECIMAL(p,s)` to `DECIMAL(38,s)`.
    Sum,
    /// `AVG(x)`: `DOUBLE`.
    Avg,
    /// `MIN(x)`: any ordered type.
    Min,
    /// `MAX(x)`
    Max,
    /// `PRODUCT(x)`; the argument is `DOUBLE`.
    Product,
    /// `STDDEV_POP(x)`; the argument is `DOUBLE`.
    StddevPop,
    /// `STDDEV(x)` and `STDDEV_SAMP(x)`: NULL for fewer than two values.
    StddevSamp,
    /// `VAR_POP(x)`
    VarPop,
    /// `VARIANCE(x)` and `VAR_SAMP(x)`
    VarSamp,
    /// `SEM(x)`: the standard error of the mean.
    Sem,
    /// `SKEWNESS(x)`: of a sample, NULL for fewer than three values; the argument is `DOUBLE`.
    Skewness,
    /// `KURTOSIS(x)`: excess of a sample, NULL for fewer than four values.
    Kurtosis,
    /// `KURTOSIS_POP(x)`: excess of a population, NULL for fewer than two values.
    KurtosisPop,
    /// Of pairs `(y, x)` of `DOUBLE`, none of which is NULL.
    OfPairs(PairStatistic),
    /// `APPROX_COUNT_DISTINCT(x)`: HyperLogLog, `BIGINT`.
    ApproxCountDistinct,
    /// `FIRST_VALUE(x)`: of the first record of the group, NULL included; with an order, of the
    /// first in that order.
    FirstValue,
    /// `LAST_VALUE(x)`: of the last record of the group, NULL included; with an order, of the last
    /// in that order.
    LastValue,
    /// `ARG_MIN(x, by)`: `x` of the first record with the least `by`; records where one of the two is
    /// NULL are skipped.
    ArgMin,
    /// `ARG_MAX(x, by)`
    ArgMax,
    /// `STRING_AGG(x, separator)`: in record order, skips NULLs.
    StringAgg {
        /// Between the values.
        separator: String,
    },
    /// `ARRAY_AGG(x)`: in record order, NULLs included.
    ArrayAgg,
    /// `PERCENTILE_CONT(fraction) WITHIN GROUP (ORDER BY x)`, and `MEDIAN(x)` as 0.5. The
    /// argument is `DOUBLE`, and so is the result.
    PercentileCont {
        /// In `0.0..=1.0`.
        fraction: f64,
    },
    /// `PERCENTILE_DISC(fraction) WITHIN GROUP (ORDER BY x)`: a value of any ordered type.
    PercentileDisc {
        /// In `0.0..=1.0`, as a decimal of at most 17 digits.
        fraction: f64,
        /// Counts from the greatest.
        is_descending: bool,
    },
    /// `APPROX_QUANTILE(x, fraction)`: of a sketch of bounded size. The argument is `DOUBLE`, and
    /// so is the result.
    ApproxQuantile {
        /// In `0.0..=1.0`.
        fraction: f64,
    },
    /// `MODE(x)`: the most frequent value, of equally frequent ones that which came first.
    Mode,
    /// `BOOL_AND(x)`
    BoolAnd,
    /// `BOOL_OR(x)`
    BoolOr,
    /// `BIT_AND(x)`: of integers, as wide as they are.
    BitAnd,
    /// `BIT_OR(x)`
    BitOr,
    /// `BIT_XOR(x)`
    BitXor,
    /// One of the embedding program.
    User(UserAggregateCall),
}

/// What is said of pairs `(y, x)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairStatistic {
    /// `CORR(y, x)`: Pearson's coefficient.
    Corr,
    /// `COVAR_POP(y, x)`
    CovarPop,
    /// `COVAR_SAMP(y, x)`: NULL for fewer than two pairs.
    CovarSamp,
    /// `REGR_AVGX(y, x)`
    RegrAvgX,
    /// `REGR_AVGY(y, x)`
    RegrAvgY,
    /// `REGR_INTERCEPT(y, x)`: where the least-squares line meets `x = 0`.
    RegrIntercept,
    /// `REGR_R2(y, x)`: the coefficient of determination.
    RegrR2,
    /// `REGR_SLOPE(y, x)`: of the least-squares line.
    RegrSlope,
    /// `REGR_SXX(y, x)`: the sum of the squares of `x` around its mean.
    RegrSxx,
    /// `REGR_SXY(y, x)`
    RegrSxy,
    /// `REGR_SYY(y, x)`
    RegrSyy,
}

impl AggregateFunction {
    /// The name as the dialect spells it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(call) => &call.function.name,
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Product => "PRODUCT",
            Self::StddevPop => "STDDEV_POP",
            Self::StddevSamp => "STDDEV_SAMP",
            Self::VarPop => "VAR_POP",
            Self::VarSamp => "VAR_SAMP",
            Self::Sem => "SEM",
            Self::Skewness => "SKEWNESS",
            Self::Kurtosis => "KURTOSIS",
            Self::KurtosisPop => "KURTOSIS_POP",
            Self::OfPairs(statistic) => statistic.name(),
            Self::ApproxCountDistinct => "APPROX_COUNT_DISTINCT",
            Self::FirstValue => "FIRST_VALUE",
            Self::LastValue => "LAST_VALUE",
            Self::ArgMin => "ARG_MIN",
            Self::ArgMax => "ARG_MAX",
            Self::StringAgg { .. } => "STRING_AGG",
            Self::ArrayAgg => "ARRAY_AGG",
            Self::PercentileCont { .. } => "PERCENTILE_CONT",
            Self::PercentileDisc { .. } => "PERCENTILE_DISC",
            Self::ApproxQuantile { .. } => "APPROX_QUANTILE",
            Self::Mode => "MODE",
            Self::BoolAnd => "BOOL_AND",
            Self::BoolOr => "BOOL_OR",
            Self::BitAnd => "BIT_AND",
            Self::BitOr => "BIT_OR",
            Self::BitXor => "BIT_XOR",
        }
    }

    /// Whether a value that comes again changes nothing: `DISTINCT` then changes nothing either.
    #[must_use]
    pub fn ignores_repeats(&self) -> bool {
        matches!(
            self,
            Self::Min
                | Self::Max
                | Self::BoolAnd
                | Self::BoolOr
                | Self::BitAnd
                | Self::BitOr
                | Self::ApproxCountDistinct
                | Self::FirstValue
                | Self::ArgMin
                | Self::ArgMax
        )
    }

    /// Whether NULL is a value like others, so that it is not skipped.
    #[must_use]
    pub fn takes_nulls(&self) -> bool {
        match self {
            Self::FirstValue | Self::LastValue | Self::ArrayAgg => true,
            Self::User(call) => !call.function.is_null_strict,
            _ => false,
        }
    }

    /// Whether the result depends on the order in which records came, beyond the rounding of sums.
    #[must_use]
    pub fn follows_order(&self) -> bool {
        matches!(
            self,
            Self::FirstValue
                | Self::LastValue
                | Self::ArgMin
                | Self::ArgMax
                | Self::Mode
                | Self::ArrayAgg
                | Self::StringAgg { .. }
                // Nobody says that it does not.
                | Self::User(_)
        )
    }

    /// Whether the result is all values so far, so that giving it after each of them takes time and
    /// memory by their square.
    #[must_use]
    pub fn gives_all(&self) -> bool {
        matches!(self, Self::ArrayAgg | Self::StringAgg { .. })
    }
}

impl PairStatistic {
    /// The name as the dialect spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Corr => "CORR",
            Self::CovarPop => "COVAR_POP",
            Self::CovarSamp => "COVAR_SAMP",
            Self::RegrAvgX => "REGR_AVGX",
            Self::RegrAvgY => "REGR_AVGY",
            Self::RegrIntercept => "REGR_INTERCEPT",
            Self::RegrR2 => "REGR_R2",
            Self::RegrSlope => "REGR_SLOPE",
            Self::RegrSxx => "REGR_SXX",
            Self::RegrSxy => "REGR_SXY",
            Self::RegrSyy => "REGR_SYY",
        }
    }
}
