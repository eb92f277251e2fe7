//! The table of aggregates: a row for each, from which the binder, its messages and the tests work.
//!
//! A new aggregate is a row here, a state in `tidemill-aggregate`, and a line of `docs/SQL.md`.

use super::PairStatistic as Pair;

/// An aggregate as a script calls it. Several may be one [`super::AggregateFunction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// `COUNT(*)`, `COUNT(x)`
    Count,
    /// `COUNT_IF(condition)`
    CountIf,
    /// `SUM(x)`
    Sum,
    /// `AVG(x)`
    Avg,
    /// `MIN(x)`
    Min,
    /// `MAX(x)`
    Max,
    /// `PRODUCT(x)`
    Product,
    /// `STDDEV_SAMP(x)`
    StddevSamp,
    /// `STDDEV_POP(x)`
    StddevPop,
    /// `VAR_SAMP(x)`
    VarSamp,
    /// `VAR_POP(x)`
    VarPop,
    /// `SEM(x)`
    Sem,
    /// `SKEWNESS(x)`
    Skewness,
    /// `KURTOSIS(x)`
    Kurtosis,
    /// `KURTOSIS_POP(x)`
    KurtosisPop,
    /// A statistic of pairs `(y, x)`.
    OfPairs(Pair),
    /// `REGR_COUNT(y, x)`
    RegrCount,
    /// `APPROX_COUNT_DISTINCT(x)`
    ApproxCountDistinct,
    /// `FIRST_VALUE(x)`
    FirstValue,
    /// `LAST_VALUE(x)`
    LastValue,
    /// `ANY_VALUE(x)`: the first that is not NULL.
    AnyValue,
    /// `LATEST_BY_OFFSET(x)`: the last that is not NULL.
    LatestByOffset,
    /// `ARG_MIN(x, by)`
    ArgMin,
    /// `ARG_MAX(x, by)`
    ArgMax,
    /// `STRING_AGG(text, separator)`
    StringAgg,
    /// `ARRAY_AGG(x)`
    ArrayAgg,
    /// `COLLECT_SET(x)`: `ARRAY_AGG(DISTINCT x)`.
    CollectSet,
    /// `PERCENTILE_CONT(f) WITHIN GROUP (ORDER BY x)`
    PercentileCont,
    /// `PERCENTILE_DISC(f) WITHIN GROUP (ORDER BY x)`
    PercentileDisc,
    /// `QUANTILE_CONT(x, f)`
    QuantileCont,
    /// `QUANTILE_DISC(x, f)`
    QuantileDisc,
    /// `MEDIAN(x)`
    Median,
    /// `APPROX_QUANTILE(x, f)`
    ApproxQuantile,
    /// `MODE(x)`
    Mode,
    /// `BOOL_AND(b)`
    BoolAnd,
    /// `BOOL_OR(b)`
    BoolOr,
    /// `BIT_AND(n)`
    BitAnd,
    /// `BIT_OR(n)`
    BitOr,
    /// `BIT_XOR(n)`
    BitXor,
}

/// What may stand with a call, beside `FILTER`, which all take, and `DISTINCT`, which all but those with
/// [`Takes::Within`] take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `ORDER BY` in the brackets, or `WITHIN GROUP (ORDER BY …)`: in which order values are taken.
    Order,
    /// `WITHIN GROUP (ORDER BY x)`, which names the argument.
    Within,
    /// `IGNORE NULLS` and `RESPECT NULLS`.
    Nulls,
    /// `OVER`
    Over,
}

/// A row of the table.
#[derive(Debug)]
struct Definition {
    aggregate: Aggregate,
    /// As the dialect spells it, then its synonyms.
    names: &'static [&'static str],
    /// Least and most arguments.
    arguments: (usize, usize),
    takes: &'static [Takes],
    /// How to call it, for who gave other arguments.
    usage: &'static str,
}

const fn row(
    aggregate: Aggregate,
    names: &'static [&'static str],
    arguments: (usize, usize),
    takes: &'static [Takes],
    usage: &'static str,
) -> Definition {
    Definition { aggregate, names, arguments, takes, usage }
}

const ONE_VALUE: &str = "it takes the values of one column, or of one expression";
const PAIR: &str = "it takes two numbers, the dependent one first";

const fn pair(statistic: Pair, names: &'static [&'static str]) -> Definition {
    row(Aggregate::OfPairs(statistic), names, (2, 2), &[Over], PAIR)
}

use Aggregate as A;
use Takes::{Nulls, Order, Over, Within};

const DEFINITIONS: &[Definition] = &[
    row(
        A::Count,
        &["COUNT"],
        (0, 1),
        &[Over],
        "COUNT(*) counts rows, COUNT(x) the values of x that are not NULL",
    ),
    row(
        A::CountIf,
        &["COUNT_IF", "COUNTIF"],
        (1, 1),
        &[Over],
        "it takes a condition: COUNT_IF(x > 0)",
    ),
    row(A::Sum, &["SUM"], (1, 1), &[Over], ONE_VALUE),
    row(A::Avg, &["AVG", "MEAN"], (1, 1), &[Over], ONE_VALUE),
    row(A::Min, &["MIN"], (1, 1), &[Over], ONE_VALUE),
    row(A::Max, &["MAX"], (1, 1), &[Over], ONE_VALUE),
    row(A::Product, &["PRODUCT"], (1, 1), &[Over], ONE_VALUE),
    row(A::StddevSamp, &["STDDEV", "STDDEV_SAMP"], (1, 1), &[Over], ONE_VALUE),
    row(A::StddevPop, &["STDDEV_POP"], (1, 1), &[Over], ONE_VALUE),
    row(A::VarSamp, &["VARIANCE", "VAR_SAMP"], (1, 1), &[Over], ONE_VALUE),
    row(A::VarPop, &["VAR_POP"], (1, 1), &[Over], ONE_VALUE),
    row(A::Sem, &["SEM"], (1, 1), &[Over], ONE_VALUE),
    row(A::Skewness, &["SKEWNESS"], (1, 1), &[Over], ONE_VALUE),
    row(A::Kurtosis, &["KURTOSIS"], (1, 1), &[Over], ONE_VALUE),
    row(A::KurtosisPop, &["KURTOSIS_POP"], (1, 1), &[Over], ONE_VALUE),
    pair(Pair::Corr, &["CORR"]),
    pair(Pair::CovarPop, &["COVAR_POP"]),
    pair(Pair::CovarSamp, &["COVAR_SAMP"]),
    pair(Pair::RegrAvgX, &["REGR_AVGX"]),
    pair(Pair::RegrAvgY, &["REGR_AVGY"]),
    row(A::RegrCount, &["REGR_COUNT"], (2, 2), &[Over], PAIR),
    pair(Pair::RegrIntercept, &["REGR_INTERCEPT"]),
    pair(Pair::RegrR2, &["REGR_R2"]),
    pair(Pair::RegrSlope, &["REGR_SLOPE"]),
    pair(Pair::RegrSxx, &["REGR_SXX"]),
    pair(Pair::RegrSxy, &["REGR_SXY"]),
    pair(Pair::RegrSyy, &["REGR_SYY"]),
    row(
        A::ApproxCountDistinct,
        &["APPROX_COUNT_DISTINCT", "APPROX_DISTINCT"],
        (1, 1),
        &[],
        ONE_VALUE,
    ),
    row(A::FirstValue, &["FIRST_VALUE", "FIRST"], (1, 1), &[Order, Nulls, Over], ONE_VALUE),
    row(A::LastValue, &["LAST_VALUE", "LAST"], (1, 1), &[Order, Nulls, Over], ONE_VALUE),
    row(A::AnyValue, &["ANY_VALUE", "EARLIEST_BY_OFFSET"], (1, 1), &[Order, Over], ONE_VALUE),
    row(A::LatestByOffset, &["LATEST_BY_OFFSET"], (1, 1), &[Order, Over], ONE_VALUE),
    row(
        A::ArgMin,
        &["ARG_MIN", "MIN_BY", "ARGMIN"],
        (2, 2),
        &[],
        "write ARG_MIN(value, by): the value where by is least",
    ),
    row(
        A::ArgMax,
        &["ARG_MAX", "MAX_BY", "ARGMAX"],
        (2, 2),
        &[],
        "write ARG_MAX(value, by): the value where by is greatest",
    ),
    row(
        A::StringAgg,
        &["STRING_AGG", "LISTAGG", "GROUP_CONCAT"],
        (1, 2),
        &[Order],
        "write STRING_AGG(text, ', ')",
    ),
    row(A::ArrayAgg, &["ARRAY_AGG", "COLLECT_LIST", "LIST"], (1, 1), &[Order, Nulls], ONE_VALUE),
    row(A::CollectSet, &["COLLECT_SET"], (1, 1), &[], ONE_VALUE),
    row(
        A::PercentileCont,
        &["PERCENTILE_CONT"],
        (1, 1),
        &[Within],
        "write PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x)",
    ),
    row(
        A::PercentileDisc,
        &["PERCENTILE_DISC"],
        (1, 1),
        &[Within],
        "write PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY x)",
    ),
    row(A::QuantileCont, &["QUANTILE_CONT"], (2, 2), &[], "write QUANTILE_CONT(x, 0.5)"),
    row(
        A::QuantileDisc,
        &["QUANTILE_DISC", "QUANTILE"],
        (2, 2),
        &[],
        "write QUANTILE_DISC(x, 0.5)",
    ),
    row(A::Median, &["MEDIAN"], (1, 1), &[], ONE_VALUE),
    row(
        A::ApproxQuantile,
        &["APPROX_QUANTILE", "APPROX_PERCENTILE"],
        (2, 2),
        &[],
        "write APPROX_QUANTILE(x, 0.99)",
    ),
    row(
        A::Mode,
        &["MODE"],
        (0, 1),
        &[Within],
        "write MODE(x), or MODE() WITHIN GROUP (ORDER BY x)",
    ),
    row(A::BoolAnd, &["BOOL_AND", "EVERY"], (1, 1), &[Over], ONE_VALUE),
    row(A::BoolOr, &["BOOL_OR"], (1, 1), &[Over], ONE_VALUE),
    row(A::BitAnd, &["BIT_AND"], (1, 1), &[Over], ONE_VALUE),
    row(A::BitOr, &["BIT_OR"], (1, 1), &[Over], ONE_VALUE),
    row(A::BitXor, &["BIT_XOR"], (1, 1), &[Over], ONE_VALUE),
];

impl Aggregate {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        DEFINITIONS.iter().map(|definition| definition.aggregate)
    }

    /// The aggregate that a script calls by this name, in any case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let is_called =
            |row: &&Definition| row.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        DEFINITIONS.iter().find(is_called).map(|row| row.aggregate)
    }

    /// The name as the dialect spells it, upper case, then its synonyms.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        self.definition().names
    }

    /// The least and the most arguments.
    #[must_use]
    pub fn argument_counts(self) -> (usize, usize) {
        self.definition().arguments
    }

    /// Whether a clause may stand with a call.
    #[must_use]
    pub fn takes(self, what: Takes) -> bool {
        self.definition().takes.contains(&what)
    }

    /// How to call it, for who gave other arguments.
    #[must_use]
    pub fn usage(self) -> &'static str {
        self.definition().usage
    }

    fn definition(self) -> &'static Definition {
        let definition = DEFINITIONS.iter().find(|row| row.aggregate == self);
        definition.expect("every aggregate has a row, as a test says")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_each_of_its_names() {
        for aggregate in Aggregate::all() {
            for name in aggregate.names() {
                assert_eq!(Aggregate::by_name(&name.to_lowercase()), Some(aggregate), "{name}");
                assert_eq!(name.to_uppercase(), **name);
            }
        }
    }

    #[test]
    fn the_document_has_every_name() {
        let document = include_str!("../../../../docs/SQL.md");
        let names = Aggregate::all().flat_map(Aggregate::names);
        let is_missing = |name: &&&str| {
            !document.contains(&format!("`{name}(")) && !document.contains(&format!("`{name}`"))
        };
        let missing: Vec<_> = names.filter(is_missing).collect();
        assert!(missing.is_empty(), "docs/SQL.md says nothing of {missing:?}");
    }
}
