//! The scalar functions of the dialect, by name.

/// A built-in scalar function. Argument types and results are the binder's business
/// (`tidemill-sql`), what they compute is `tidemill-expr`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    // String.
    /// `UPPER(s)`
    Upper,
    /// `LOWER(s)`
    Lower,
    /// `TRIM(s [, chars])`: both ends.
    Trim,
    /// `LTRIM(s [, chars])`
    Ltrim,
    /// `RTRIM(s [, chars])`
    Rtrim,
    /// `LENGTH(s)`: characters, `BIGINT`.
    Length,
    /// `SUBSTRING(s, start [, length])`: characters, from 1.
    Substring,
    /// `CONCAT(a, …)`: NULL arguments count as empty text.
    Concat,
    /// `a || b`: NULL if either is.
    ConcatOperator,
    /// `REPLACE(s, from, to)`
    Replace,
    /// `SPLIT_PART(s, separator, n)`: n from 1, negative from the end; empty text past the ends.
    SplitPart,
    /// `POSITION(needle IN s)`: characters from 1, 0 where absent. Arguments: needle, s.
    Position,
    /// `LEFT(s, n)`
    Left,
    /// `RIGHT(s, n)`
    Right,
    /// `LPAD(s, n [, fill])`
    Lpad,
    /// `RPAD(s, n [, fill])`
    Rpad,
    /// `STARTS_WITH(s, prefix)`
    StartsWith,
    /// `REGEXP_LIKE(s, pattern [, flags])`: whether the pattern occurs anywhere in `s`.
    RegexpLike,
    /// `REGEXP_REPLACE(s, pattern, replacement [, flags])`: first match, or all with flag `g`.
    RegexpReplace,
    // Math.
    /// `ABS(x)`
    Abs,
    /// `ROUND(x [, digits])`: half away from zero.
    Round,
    /// `FLOOR(x)`
    Floor,
    /// `CEIL(x)`
    Ceil,
    /// `POWER(x, y)`: `DOUBLE`.
    Power,
    /// `SQRT(x)`
    Sqrt,
    /// `LN(x)`
    Ln,
    /// `LOG10(x)`
    Log10,
    /// `EXP(x)`
    Exp,
    /// `MOD(x, y)`: the sign of x; also `x % y`.
    Mod,
    /// `SIGN(x)`: -1, 0 or 1.
    Sign,
    /// `GREATEST(a, …)`: skips NULLs.
    Greatest,
    /// `LEAST(a, …)`: skips NULLs.
    Least,
    // Time.
    /// `DATE_TRUNC(unit, t)`
    DateTrunc,
    /// `EXTRACT(unit FROM t)` and `DATE_PART(unit, t)`; arguments: unit, t. `BIGINT`.
    DatePart,
    /// `TO_TIMESTAMP(x)`: epoch seconds (number) or ISO-8601 text.
    ToTimestamp,
    /// `DATE_FORMAT(t, format)`: strftime directives.
    DateFormat,
    /// `CAST(t AS TIMESTAMP(p))`; arguments: a `TIMESTAMP`, p, in `0..=5`.
    RoundTime,
    /// `NOW()`: the job's start, the same for every record.
    Now,
    // Conditional.
    /// `COALESCE(a, …)`: lazy, left to right.
    Coalesce,
    /// `NULLIF(a, b)`
    NullIf,
    // JSON.
    /// `JSON_VALUE(json, path)`: the scalar at a path such as `$.a.b[0]`, as text; NULL where the
    /// path leads nowhere or to an object or array.
    JsonValue,
    // Hash.
    /// `MD5(s)`: 32 lower-case hex digits.
    Md5,
    /// `HASH(a, …)`: `BIGINT`, stable across runs and machines.
    Hash,
    // Declared types.
    /// Whether a column's value fits `VARCHAR(n)` or `TIMESTAMP(p)`: TRUE, or the record is bad.
    /// Arguments: the column, n or p. Scripts cannot call it.
    Fits,
}

impl Function {
    /// The name as the dialect spells it, upper case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upper => "UPPER",
            Self::Lower => "LOWER",
            Self::Trim => "TRIM",
            Self::Ltrim => "LTRIM",
            Self::Rtrim => "RTRIM",
            Self::Length => "LENGTH",
            Self::Substring => "SUBSTRING",
            Self::Concat => "CONCAT",
            Self::ConcatOperator => "||",
            Self::Replace => "REPLACE",
            Self::SplitPart => "SPLIT_PART",
            Self::Position => "POSITION",
            Self::Left => "LEFT",
            Self::Right => "RIGHT",
            Self::Lpad => "LPAD",
            Self::Rpad => "RPAD",
            Self::StartsWith => "STARTS_WITH",
            Self::RegexpLike => "REGEXP_LIKE",
            Self::RegexpReplace => "REGEXP_REPLACE",
            Self::Abs => "ABS",
            Self::Round => "ROUND",
            Self::Floor => "FLOOR",
            Self::Ceil => "CEIL",
            Self::Power => "POWER",
            Self::Sqrt => "SQRT",
            Self::Ln => "LN",
            Self::Log10 => "LOG10",
            Self::Exp => "EXP",
            Self::Mod => "MOD",
            Self::Sign => "SIGN",
            Self::Greatest => "GREATEST",
            Self::Least => "LEAST",
            Self::DateTrunc => "DATE_TRUNC",
            Self::DatePart => "DATE_PART",
            Self::ToTimestamp => "TO_TIMESTAMP",
            Self::DateFormat => "DATE_FORMAT",
            Self::RoundTime => "TIMESTAMP",
            Self::Now => "NOW",
            Self::Coalesce => "COALESCE",
            Self::NullIf => "NULLIF",
            Self::JsonValue => "JSON_VALUE",
            Self::Md5 => "MD5",
            Self::Hash => "HASH",
            Self::Fits => "FITS",
        }
    }
}
