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
        Initcap = "INITCAP": (Text) -> Text;
        Trim = "TRIM" | "BTRIM": (Text; Text) -> Text;
        Ltrim = "LTRIM": (Text; Text) -> Text;
        Rtrim = "RTRIM": (Text; Text) -> Text;
        Length = "LENGTH" | "LEN" | "CHAR_LENGTH" | "CHARACTER_LENGTH":
            (Text) -> Integer or (Array) -> Integer;
        OctetLength = "OCTET_LENGTH" | "STRLEN": (Text) -> Integer or (Bytes) -> Integer;
        BitLength = "BIT_LENGTH": (Text) -> Integer or (Bytes) -> Integer;
        Ascii = "ASCII": (Text) -> Integer;
        Unicode = "UNICODE" | "ORD": (Text) -> Integer;
        Chr = "CHR": (Integer) -> Text;
        Concat = "CONCAT": (Shown; .. Shown) -> Text;
        ConcatWs = "CONCAT_WS": (Text, Shown; .. Shown) -> Text;
        Reverse = "REVERSE": (Text) -> Text;
        Repeat = "REPEAT": (Text, Integer) -> Text;
        Replace = "REPLACE": (Text, Text, Text) -> Text;
        Translate = "TRANSLATE": (Text, Text, Text) -> Text;
        Overlay = "OVERLAY": (Text, Text, Integer; Integer) -> Text;
    }
    /// Texts that are looked for in texts.
    Search {
        Position = "POSITION": (Text, Text) -> Integer;
        Locate = "LOCATE" | "CHARINDEX": (Text, Text; Integer) -> Integer;
        Instr = "INSTR" | "STRPOS": (Text, Text) -> Integer;
        Contains = "CONTAINS": (Text, Text) -> Boolean or (Array, Item) -> Boolean;
        StartsWith = "STARTS_WITH" | "PREFIX": (Text, Text) -> Boolean;
        EndsWith = "ENDS_WITH" | "SUFFIX": (Text, Text) -> Boolean;
        SubstringIndex = "SUBSTRING_INDEX": (Text, Text, Integer) -> Text;
        Levenshtein = "LEVENSHTEIN" | "EDITDIST3": (Text, Text) -> Integer;
        Hamming = "HAMMING" | "MISMATCHES": (Text, Text) -> Integer;
    }
    /// Parts of texts by the place of their characters.
    Part {
        Substring = "SUBSTRING" | "SUBSTR" | "MID": (Text, Integer; Integer) -> Text;
        SplitPart = "SPLIT_PART": (Text, Text, Integer) -> Text;
        Left = "LEFT": (Text, Integer) -> Text;
        Right = "RIGHT": (Text, Integer) -> Text;
        Lpad = "LPAD": (Text, Integer; Text) -> Text;
        Rpad = "RPAD": (Text, Integer; Text) -> Text;
    }
    /// Regular expressions.
    Pattern {
        RegexpLike = "REGEXP_LIKE" | "REGEXP_MATCHES": (Text, Text; Text) -> Boolean;
        RegexpFullMatch = "REGEXP_FULL_MATCH": (Text, Text; Text) -> Boolean;
        RegexpReplace = "REGEXP_REPLACE": (Text, Text, Text; Text) -> Text;
        RegexpExtract = "REGEXP_EXTRACT":
            (Text, Text; Integer, Text) -> Text or (Text, Text, Text; Text) -> Text;
        RegexpExtractAll = "REGEXP_EXTRACT_ALL":
            (Text, Text; Integer, Text) -> Texts or (Text, Text, Text; Text) -> Texts;
        RegexpCount = "REGEXP_COUNT": (Text, Text; Text) -> Integer;
        RegexpSplit = "REGEXP_SPLIT_TO_ARRAY" | "STRING_SPLIT_REGEX" | "STR_SPLIT_REGEX":
            (Text, Text; Text) -> Texts;
        RegexpEscape = "REGEXP_ESCAPE": (Text) -> Text;
    }
    /// Values of JSON.
    Json {
        JsonValue = "JSON_VALUE": (Text, Text) -> Text;
        JsonQuery = "JSON_QUERY": (Text, Text) -> Text;
        JsonExtract = "JSON_EXTRACT" | "JSON_EXTRACT_PATH":
            (Text, Text) -> Text or (Text, Integer) -> Text;
        JsonExtractString = "JSON_EXTRACT_STRING" | "JSON_EXTRACT_PATH_TEXT" | "GET_JSON_OBJECT":
            (Text, Text) -> Text or (Text, Integer) -> Text;
        JsonExists = "JSON_EXISTS": (Text, Text) -> Boolean;
        JsonType = "JSON_TYPE": (Text; Text) -> Text;
        JsonArrayLength = "JSON_ARRAY_LENGTH": (Text; Text) -> Integer;
        JsonKeys = "JSON_KEYS": (Text; Text) -> Texts;
        JsonValid = "JSON_VALID": (Text) -> Boolean;
    }
    /// Texts and bytes in other writings.
    Encoding {
        Md5 = "MD5": (Text) -> Text or (Bytes) -> Text;
        Sha1 = "SHA1": (Text) -> Text or (Bytes) -> Text;
        Sha256 = "SHA256": (Text) -> Text or (Bytes) -> Text;
        Hash = "HASH": (Plain; .. Plain) -> Integer;
        Hex = "HEX" | "TO_HEX": (Text) -> Text or (Integer) -> Text or (Bytes) -> Text;
        Bin = "BIN" | "TO_BINARY": (Text) -> Text or (Integer) -> Text or (Bytes) -> Text;
        FromHex = "FROM_HEX" | "UNHEX": (Text) -> Bytes;
        ToBase64 = "TO_BASE64" | "BASE64": (Bytes) -> Text or (Text) -> Text;
        FromBase64 = "FROM_BASE64": (Text) -> Bytes;
        Encode = "ENCODE": (Text) -> Bytes;
        Decode = "DECODE": (Bytes) -> Text;
        UrlEncode = "URL_ENCODE": (Text) -> Text;
        UrlDecode = "URL_DECODE": (Text) -> Text;
    }
    /// Numbers.
    Number {
        Abs = "ABS": (Number) -> First;
        Sign = "SIGN": (Wide) -> Tiny;
        Mod = "MOD": (Number, Number) -> Bound;
        Power = "POWER" | "POW": (Double, Double) -> Double;
        Sqrt = "SQRT": (Double) -> Double;
        Cbrt = "CBRT": (Double) -> Double;
        Ln = "LN": (Double) -> Double;
        Log = "LOG": (Double; Double) -> Double;
        Log10 = "LOG10": (Double) -> Double;
        Log2 = "LOG2": (Double) -> Double;
        Exp = "EXP": (Double) -> Double;
        Sin = "SIN": (Double) -> Double;
        Cos = "COS": (Double) -> Double;
        Tan = "TAN": (Double) -> Double;
        Cot = "COT": (Double) -> Double;
        Asin = "ASIN": (Double) -> Double;
        Acos = "ACOS": (Double) -> Double;
        Atan = "ATAN": (Double) -> Double;
        Atan2 = "ATAN2": (Double, Double) -> Double;
        Sinh = "SINH": (Double) -> Double;
        Cosh = "COSH": (Double) -> Double;
        Tanh = "TANH": (Double) -> Double;
        Asinh = "ASINH": (Double) -> Double;
        Acosh = "ACOSH": (Double) -> Double;
        Atanh = "ATANH": (Double) -> Double;
        Degrees = "DEGREES": (Double) -> Double;
        Radians = "RADIANS": (Double) -> Double;
        Even = "EVEN": (Double) -> Double;
        Fmod = "FMOD": (Double, Double) -> Double;
        IsNan = "ISNAN": (Double) -> Boolean;
        IsInf = "ISINF": (Double) -> Boolean;
        IsFinite = "ISFINITE": (Double) -> Boolean;
        Factorial = "FACTORIAL": (Integer) -> Integer;
        Gcd = "GCD" | "GREATEST_COMMON_DIVISOR": (Integer, Integer) -> Integer;
        Lcm = "LCM" | "LEAST_COMMON_MULTIPLE": (Integer, Integer) -> Integer;
    }
    /// Bits of integers.
    Bits {
        Xor = "XOR": (Integer, Integer) -> Integer;
        BitCount = "BIT_COUNT": (Number) -> Integer;
    }
    /// Numbers to fewer digits.
    Rounding {
        Round = "ROUND": (Number; Integer) -> Bound;
        Trunc = "TRUNC" | "TRUNCATE": (Number; Integer) -> First;
        Floor = "FLOOR": (Number) -> Bound;
        Ceil = "CEIL" | "CEILING": (Number) -> Bound;
    }
    /// Times: their parts, and what they are written as.
    Time {
        DateTrunc = "DATE_TRUNC": (TruncUnit, Time) -> Time;
        DatePart = "DATE_PART" | "DATEPART": (PartUnit, Time) -> Integer or (PartUnit, Span) -> Integer;
        ToTimestamp = "TO_TIMESTAMP":
            (Text) -> Time or (Wide) -> Time or (Text, ReadFormat) -> Time;
        Strptime = "STRPTIME": (Text, ReadFormat) -> Time;
        TryStrptime = "TRY_STRPTIME": (Text, ReadFormat) -> Time;
        DateFormat = "DATE_FORMAT" | "STRFTIME": (Time, WriteFormat) -> Text;
        Now = "NOW" | "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP": () -> Time;
    }
    /// Times made of numbers, and the other way.
    TimeMade {
        MakeDate = "MAKE_DATE": (Integer, Integer, Integer) -> Day or (Integer) -> Day;
        MakeTimestamp = "MAKE_TIMESTAMP":
            (Integer, Integer, Integer, Integer, Integer, Double) -> Time or (Integer) -> Time;
        Epoch = "EPOCH": (Time) -> Double;
        EpochMs = "EPOCH_MS": (Time) -> Integer or (Integer) -> Time;
        EpochUs = "EPOCH_US": (Time) -> Integer;
        EpochNs = "EPOCH_NS": (Time) -> Integer;
        LastDay = "LAST_DAY": (Time) -> Day;
    }
    /// Times against times.
    TimeBetween {
        DateDiff = "DATE_DIFF" | "DATEDIFF": (StepUnit, Time, Time) -> Integer;
        TimestampDiff = "TIMESTAMPDIFF" | "DATESUB": (StepUnit, Time, Time) -> Integer;
        DateAdd = "DATE_ADD" | "DATEADD" | "TIMESTAMPADD":
            (Time, Span) -> Time or (StepUnit, Integer, Time) -> Time;
        DateSub = "DATE_SUB": (Time, Span) -> Time or (StepUnit, Time, Time) -> Integer;
        Age = "AGE": (Time, Time) -> Span;
        TimeBucket = "TIME_BUCKET" | "DATE_BIN":
            (Span, Time) -> Time or (Span, Day) -> Day or (Span, Time, Time) -> Time
            or (Span, Time, Span) -> Time;
    }
    /// Arrays.
    Array {
        StringSplit = "STRING_SPLIT" | "STR_SPLIT" | "SPLIT" | "STRING_TO_ARRAY":
            (Text, Text) -> Texts;
        ArrayLength = "ARRAY_LENGTH" | "CARDINALITY": (Array) -> Integer;
        ArrayElement = "LIST_EXTRACT" | "ARRAY_EXTRACT" | "LIST_ELEMENT" | "ELEMENT_AT":
            (Array, Integer) -> Item;
        ArraySlice = "LIST_SLICE" | "ARRAY_SLICE": (Array, Integer, Integer) -> First;
        ArrayContains = "LIST_CONTAINS" | "LIST_HAS" | "ARRAY_CONTAINS" | "ARRAY_HAS":
            (Array, Item) -> Boolean;
        ArrayPosition = "LIST_POSITION" | "LIST_INDEXOF" | "ARRAY_POSITION" | "ARRAY_INDEXOF":
            (Array, Item) -> Integer;
        ArrayJoin = "ARRAY_TO_STRING" | "ARRAY_JOIN": (Array, Text) -> Text;
        ArrayReverse = "LIST_REVERSE" | "ARRAY_REVERSE": (Array) -> First;
        ArraySort = "LIST_SORT" | "ARRAY_SORT": (Array) -> First;
        ArrayValue = "LIST_VALUE" | "LIST_PACK": (Same; .. Same) -> SameArray;
    }
    /// One value of several.
    Choice {
        Coalesce = "COALESCE": (Same; .. Same) -> Bound;
        IfNull = "IFNULL" | "NVL": (Same, Same) -> Bound;
        NullIf = "NULLIF": (Same, Same) -> Same;
        Greatest = "GREATEST": (Same; .. Same) -> Same;
        Least = "LEAST": (Same; .. Same) -> Same;
    }
    /// What the binder writes, and scripts cannot call by name.
    Internal {
        // `a || b`: NULL if either is.
        ConcatOperator = "||": (Text, Text; .. Text) -> Text;
        // The start of the tumbling window that a time lies in, of so many microseconds.
        WindowStart = "WINDOW_START": (Time, Integer) -> Time;
        BitAnd = "&": (Integer, Integer) -> Integer;
        BitOr = "|": (Integer, Integer) -> Integer;
        BitNot = "~": (Integer) -> Integer;
        ShiftLeft = "<<": (Integer, Integer) -> Integer;
        ShiftRight = ">>": (Integer, Integer) -> Integer;
        // `s IS JSON kind`
        IsJson = "IS JSON": (Text, Text) -> Boolean;
        // What is at a path: `INVALID`, `EMPTY`, `NULL`, `SCALAR`, `ITEMS`; those in the third text make the record bad.
        JsonFound = "JSON_FOUND": (Text, Text, Text) -> Text;
        // The value at a path of the standard, as JSON.
        JsonAt = "JSON_AT": (Text, Text) -> Text;
        // `i * n`
        SpanTimes = "*": (Span, Integer) -> Span;
        // `d + n`, `d - n` and `d - d`
        AddDays = "+": (Day, Integer) -> Day;
        SubtractDays = "-": (Day, Integer) -> Day;
        DaysBetween = "-": (Day, Day) -> Integer;
        // `CAST(t AS TIMESTAMP(p))`, p in `0..=5`.
        RoundTime = "TIMESTAMP": (Time, Integer) -> Time;
        // Whether a column's value fits `VARCHAR(n)` or `TIMESTAMP(p)`: TRUE, or the record is bad.
        Fits = "FITS": (Plain, Integer) -> Boolean;
    }
}
