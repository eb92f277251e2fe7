//! The table of built-in functions: a row for each, from which the binder, the kernels and the tests work.
//!
//! A new function is a row here, a kernel in the file of its family in `tidemill-expr`, and a line of
//! `docs/SQL.md`.

use super::signature::{Kind, Returns, Signature};

/// A row of the table.
pub(super) struct Definition {
    pub(super) family: Family,
    /// As the dialect spells it, then its synonyms.
    pub(super) names: &'static [&'static str],
    pub(super) signatures: &'static [Signature],
}

/// Makes [`Function`], [`Family`] and the table of rows such as
/// `Trim = "TRIM" | "BTRIM": (Text; Text) -> Text;`. What stands behind `;` in the brackets may be left out,
/// and `..` is before what may be repeated. Of several signatures, joined by `or`, the first that fits best is
/// taken.
macro_rules! functions {
    ($($(#[$about:meta])* $family:ident {$(
        $function:ident = $($name:literal)|+ : $(
            ($($kind:ident),* $(; $($optional:ident),+)? $(; .. $rest:ident)?) -> $returns:ident
        )or+;
    )*})*) => {
        /// A built-in scalar function. What it takes and gives is [`Function::signatures`]; what it computes is
        /// `tidemill-expr`'s.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Function {
            $($(
                #[doc = concat!($("`", $name, "` "),+)]
                $function,
            )*)*
        }

        /// What functions work on: kernels of one family are in one place.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Family {
            $($(#[$about])* $family,)*
        }

        /// All functions, in the order of the table.
        pub(super) const ALL: &[Function] = &[$($(Function::$function,)*)*];

        /// One for each function, in the same order.
        pub(super) const DEFINITIONS: &[Definition] = &[$($(Definition {
            family: Family::$family,
            names: &[$($name),+],
            signatures: &[$({
                const NEEDED: &[Kind] = &[$(Kind::$kind),*];
                Signature {
                    kinds: &[$(Kind::$kind,)* $($(Kind::$optional,)+)?],
                    needed: NEEDED.len(),
                    rest: functions!(@rest $($rest)?),
                    returns: Returns::$returns,
                }
            }),+],
        },)*)*];
    };
    (@rest) => { None };
    (@rest $rest:ident) => { Some(Kind::$rest) };
}

functions! {
    /// Texts.
    Text {
        Upper = "UPPER" | "UCASE": (Text) -> Text;
        Lower = "LOWER" | "LCASE": (Text) -> Text;
        Trim = "TRIM" | "BTRIM": (Text; Text) -> Text;
        Ltrim = "LTRIM": (Text; Text) -> Text;
        Rtrim = "RTRIM": (Text; Text) -> Text;
        Length = "LENGTH" | "LEN" | "CHAR_LENGTH" | "CHARACTER_LENGTH": (Text) -> Integer;
        Concat = "CONCAT": (Shown; .. Shown) -> Text;
        Replace = "REPLACE": (Text, Text, Text) -> Text;
        Position = "POSITION": (Text, Text) -> Integer;
        StartsWith = "STARTS_WITH": (Text, Text) -> Boolean;
    }
    /// Parts of texts by the place of their characters.
    Part {
        Substring = "SUBSTRING" | "SUBSTR": (Text, Integer; Integer) -> Text;
        SplitPart = "SPLIT_PART": (Text, Text, Integer) -> Text;
        Left = "LEFT": (Text, Integer) -> Text;
        Right = "RIGHT": (Text, Integer) -> Text;
        Lpad = "LPAD": (Text, Integer; Text) -> Text;
        Rpad = "RPAD": (Text, Integer; Text) -> Text;
    }
    /// Regular expressions.
    Pattern {
        RegexpLike = "REGEXP_LIKE" | "REGEXP_MATCHES": (Text, Text; Text) -> Boolean;
        RegexpReplace = "REGEXP_REPLACE": (Text, Text, Text; Text) -> Text;
    }
    /// Values of JSON.
    Json {
        JsonValue = "JSON_VALUE": (Text, Text) -> Text;
    }
    /// Digests.
    Digest {
        Md5 = "MD5": (Text) -> Text or (Bytes) -> Text;
        Hash = "HASH": (Plain; .. Plain) -> Integer;
    }
    /// Numbers.
    Number {
        Abs = "ABS": (Number) -> First;
        Sign = "SIGN": (Wide) -> Tiny;
        Mod = "MOD": (Number, Number) -> Bound;
        Power = "POWER" | "POW": (Double, Double) -> Double;
        Sqrt = "SQRT": (Double) -> Double;
        Ln = "LN": (Double) -> Double;
        Log10 = "LOG10": (Double) -> Double;
        Exp = "EXP": (Double) -> Double;
    }
    /// Numbers to fewer digits.
    Rounding {
        Round = "ROUND": (Number; Integer) -> Bound;
        Floor = "FLOOR": (Number) -> Bound;
        Ceil = "CEIL" | "CEILING": (Number) -> Bound;
    }
    /// Times.
    Time {
        DateTrunc = "DATE_TRUNC": (TruncUnit, Time) -> Time;
        DatePart = "DATE_PART": (PartUnit, Time) -> Integer or (PartUnit, Span) -> Integer;
        ToTimestamp = "TO_TIMESTAMP": (Text) -> Time or (Wide) -> Time;
        DateFormat = "DATE_FORMAT" | "STRFTIME": (Time, WriteFormat) -> Text;
        Now = "NOW" | "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP": () -> Time;
    }
    /// One value of several.
    Choice {
        Coalesce = "COALESCE": (Same; .. Same) -> Bound;
        IfNull = "IFNULL" | "NVL": (Same, Same) -> Bound;
        NullIf = "NULLIF": (Same, Same) -> Same;
        Greatest = "GREATEST": (Same; .. Same) -> Same;
        Least = "LEAST": (Same; .. Same) -> Same;
    }
    /// What the binder writes, and scripts cannot call.
    Internal {
        // `a || b`: NULL if either is.
        ConcatOperator = "||": (Text, Text; .. Text) -> Text;
        // The start of the tumbling window that a time lies in, of so many microseconds.
        WindowStart = "WINDOW_START": (Time, Integer) -> Time;
        // `CAST(t AS TIMESTAMP(p))`, p in `0..=5`.
        RoundTime = "TIMESTAMP": (Time, Integer) -> Time;
        // Whether a column's value fits `VARCHAR(n)` or `TIMESTAMP(p)`: TRUE, or the record is bad.
        Fits = "FITS": (Plain, Integer) -> Boolean;
    }
}
