//! `'connector' = 'datagen'` of Flink and RisingWave: every declared column becomes one that is computed of the row's
//! number, by the options `fields.<column>.…`. The same in every run, but for times that begin with the job.

use sqlparser::parser::Parser;
use tidemill_plan::Span;
use tidemill_record::DataType;

use crate::dialect::TidemillDialect;
use crate::report::Bind;
use crate::scope::Session;
use crate::syntax::{ColumnKind, ColumnSyntax, CreateSource, Name, OptionEntry, TypeSyntax};
use crate::types::{NamedType, named_type};

/// The column that the others are computed of. Nobody names one so.
pub(crate) const ROW_NUMBER: &str = "row number";

/// Characters of a text where nothing is said, as in Flink.
const LENGTH: u64 = 100;
/// Longest text.
const LENGTH_MAX: u64 = 4096;
/// Rows a second where nothing is said, as in Flink.
pub(crate) const RATE: u64 = 10_000;

const KEYS: &str = "of a column there are kind, min, max, length, start, end, max-past and null-rate: 'fields.name.min' = '1'";

/// A declaration with its columns computed, and without the options that say how; `None` where it has another
/// connector.
pub(crate) fn computed_columns(
    session: &mut Session<'_>,
    create: &CreateSource,
) -> Bind<Option<CreateSource>> {
    let is_datagen = create.options.iter().any(|entry| {
        entry.key.text == "connector" && entry.value.text.eq_ignore_ascii_case("datagen")
    });
    if !is_datagen {
        return Ok(None);
    }
    if !create.declares_records() {
        let hint = "declare what it makes: CREATE TABLE name (id BIGINT, name STRING) WITH ('connector' = 'datagen')";
        return session.fail_with(create.name.span, "'datagen' needs columns", hint);
    }
    let is_of_column = |entry: &&OptionEntry| entry.key.text.starts_with("fields.");
    let fields: Vec<&OptionEntry> = create.options.iter().filter(is_of_column).collect();
    let mut options: Vec<OptionEntry> =
        create.options.iter().filter(|entry| !is_of_column(entry)).cloned().collect();
    let mut columns = Vec::with_capacity(create.columns.len());
    let mut rows_max: Option<(u64, Span)> = None;
    let mut used = Vec::new();
    let mut result = Ok(());
    for (number, column) in create.columns.iter().enumerate() {
        let (data_type, of_text) = match &column.kind {
            ColumnKind::Recorded { data_type, format, .. } => (data_type, format.as_ref()),
            ColumnKind::Path { data_type, path } => (data_type, Some(path)),
            _ => {
                columns.push(column.clone());
                continue;
            }
        };
        if let Some(of_text) = of_text {
            let hint = "leave it out: what is made has no text";
            result = session.fail_with(of_text.span, "FORMAT and PATH are of text", hint);
            continue;
        }
        let prefix = format!("fields.{}.", column.name.text);
        let own =
            fields.iter().filter_map(|entry| Some((entry.key.text.strip_prefix(&prefix)?, *entry)));
        let own: Vec<(&str, &OptionEntry)> = own.collect();
        used.extend(own.iter().map(|(_, entry)| entry.key.text.clone()));
        let rate = rate_of(&create.options);
        match (Maker { session: &mut *session, column, number, own, rate }).column(data_type) {
            Ok((made, rows)) => {
                columns.push(made);
                rows_max = match (rows_max, rows) {
                    (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
                    (a, b) => a.or(b),
                };
            }
            Err(reported) => result = Err(reported),
        }
    }
    for entry in fields.iter().filter(|entry| !used.contains(&entry.key.text)) {
        let message = format!("'{}' is of no declared column", entry.key.text);
        result = session.fail_with(entry.key.span, message, KEYS);
    }
    result?;
    if let Some((rows, span)) = rows_max {
        limit_rows(&mut options, rows, span);
    }
    Ok(Some(CreateSource {
        name: create.name.clone(),
        columns,
        watermark: create.watermark.clone(),
        partitioned_by: create.partitioned_by.clone(),
        options,
    }))
}

/// A sequence that ends, ends the source.
fn limit_rows(options: &mut Vec<OptionEntry>, rows: u64, span: Span) {
    let name = |text: &str| Name::exact(text.to_owned(), span);
    let said = options.iter().position(|entry| entry.key.text == "number-of-rows");
    if let Some(at) = said {
        if options[at].value.text.parse().is_ok_and(|said: u64| said <= rows) {
            return;
        }
        options.remove(at);
    }
    options.push(OptionEntry { key: name("number-of-rows"), value: name(&rows.to_string()) });
}

/// What the option says, if it says anything: it is held to a number elsewhere.
fn rate_of(options: &[OptionEntry]) -> u64 {
    let keys = ["rows-per-second", "datagen.rows.per.second"];
    let said = options.iter().find(|entry| keys.contains(&entry.key.text.as_str()));
    said.and_then(|entry| entry.value.text.parse().ok()).filter(|&rate| rate > 0).unwrap_or(RATE)
}

/// Makes the expression of one column.
struct Maker<'m, 'a> {
    session: &'m mut Session<'a>,
    column: &'m ColumnSyntax,
    /// Its place among the columns: two of one type differ.
    number: usize,
    /// Its options by the last part of their keys.
    own: Vec<(&'m str, &'m OptionEntry)>,
    rate: u64,
}

impl Maker<'_, '_> {
    /// The computed column, and how many rows there are where it is a sequence.
    fn column(&mut self, syntax: &TypeSyntax) -> Bind<(ColumnSyntax, Option<(u64, Span)>)> {
        let NamedType { data_type, limit } = match named_type(&syntax.name) {
            Ok(named) => named,
            Err((message, hint)) => {
                return Err(self.session.report.add(syntax.span, message, hint));
            }
        };
        let is_sequence = match self.take("kind") {
            None => false,
            Some(entry) if entry.value.text.eq_ignore_ascii_case("random") => false,
            Some(entry) if entry.value.text.eq_ignore_ascii_case("sequence") => true,
            Some(entry) => {
                let message =
                    format!("option '{}' cannot be '{}'", entry.key.text, entry.value.text);
                return self.session.fail_with(
                    entry.value.span,
                    message,
                    "write 'random' or 'sequence'",
                );
            }
        };
        let (text, rows) = match is_sequence {
            true => self.sequence(&data_type, syntax.span)?,
            false => (self.random(&data_type, syntax.span)?, None),
        };
        let text =
            match self.number_option::<f64>("null-rate", "a fraction from 0 to 1", |rate| {
                (0.0..=1.0).contains(rate)
            })? {
                Some(rate) => {
                    format!("CASE WHEN {} >= {rate:?} THEN {text} END", self.fraction("null"))
                }
                None => text,
            };
        if let Some((_, entry)) = self.own.first() {
            let message = format!("not supported here: '{}'", entry.key.text);
            return self.session.fail_with(entry.key.span, message, KEYS);
        }
        // A limit of a text cuts it, that of a time rounds it.
        let text = match (&data_type, limit) {
            (DataType::Varchar, Some(limit)) => format!("LEFT({text}, {limit})"),
            (DataType::Timestamp, Some(0)) => format!("DATE_TRUNC('second', {text})"),
            (DataType::Timestamp, Some(1..=3)) => format!("DATE_TRUNC('millisecond', {text})"),
            _ => text,
        };
        let text = format!("CAST({text} AS {data_type})");
        let expr = Parser::new(&TidemillDialect)
            .try_with_sql(&text)
            .and_then(|mut parser| parser.parse_expr())
            .expect("expressions of numbers and functions parse");
        let kind = ColumnKind::Computed { data_type: None, expr: Box::new(expr), of_path: false };
        Ok((ColumnSyntax { name: self.column.name.clone(), kind }, rows))
    }

    fn take(&mut self, key: &str) -> Option<OptionEntry> {
        let at = self.own.iter().position(|(own, _)| *own == key)?;
        Some(self.own.remove(at).1.clone())
    }

    /// The value of an option that is a number.
    fn number_option<T: std::str::FromStr>(
        &mut self,
        key: &str,
        allowed: &str,
        is_allowed: impl FnOnce(&T) -> bool,
    ) -> Bind<Option<T>> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        match entry.value.text.parse().ok().filter(is_allowed) {
            Some(value) => Ok(Some(value)),
            None => {
                let message =
                    format!("option '{}' cannot be '{}'", entry.key.text, entry.value.text);
                self.session.fail_with(entry.value.span, message, format!("write {allowed}"))
            }
        }
    }

    /// `start` to `end`, by ones.
    fn sequence(
        &mut self,
        data_type: &DataType,
        span: Span,
    ) -> Bind<(String, Option<(u64, Span)>)> {
        if !(data_type.is_numeric() || *data_type == DataType::Varchar) {
            let message = format!("a sequence has numbers or text, and not {data_type}");
            return self.session.fail_with(span, message, "leave the kind out");
        }
        let start = self.number_option::<i64>("start", "a whole number", |_| true)?;
        let end = self.number_option::<i64>("end", "a whole number", |_| true)?;
        let (Some(start), Some(end)) = (start, end) else {
            let hint = format!(
                "write 'fields.{0}.start' = '1', 'fields.{0}.end' = '1000'",
                self.column.name.text
            );
            return self.session.fail_with(
                self.column.name.span,
                "a sequence needs its start and end",
                hint,
            );
        };
        let holds = match data_type {
            DataType::TinyInt => i8::try_from(start).and(i8::try_from(end)).is_ok(),
            DataType::SmallInt => i16::try_from(start).and(i16::try_from(end)).is_ok(),
            DataType::Integer => i32::try_from(start).and(i32::try_from(end)).is_ok(),
            _ => true,
        };
        if !holds {
            let message = format!("{data_type} does not hold the numbers from {start} to {end}");
            return self.session.fail_with(span, message, "declare the column BIGINT");
        }
        let Some(rows) = end.checked_sub(start).and_then(|way| u64::try_from(way).ok()) else {
            return self.session.fail_with(
                self.column.name.span,
                "a sequence ends before it starts",
                KEYS,
            );
        };
        Ok((format!("(\"{ROW_NUMBER}\" + {start})"), Some((rows + 1, self.column.name.span))))
    }

    /// A number of 64 bits for each row, another for each purpose.
    fn bits(&self, purpose: &str) -> String {
        format!("HASH(\"{ROW_NUMBER}\", {}, '{purpose}')", self.number)
    }

    /// From 0, below 1.
    fn fraction(&self, purpose: &str) -> String {
        format!("(({} & 9007199254740991) / 9007199254740992e0)", self.bits(purpose))
    }

    fn random(&mut self, data_type: &DataType, span: Span) -> Bind<String> {
        Ok(match data_type {
            DataType::Boolean => format!("({} & 1 = 1)", self.bits("")),
            DataType::TinyInt => self.integer(i8::MIN.into(), i8::MAX.into())?,
            DataType::SmallInt => self.integer(i16::MIN.into(), i16::MAX.into())?,
            DataType::Integer => self.integer(i32::MIN.into(), i32::MAX.into())?,
            DataType::BigInt => self.integer(i64::MIN, i64::MAX)?,
            DataType::Real => self.real(f32::MIN.into(), f32::MAX.into())?,
            DataType::Double => self.real(f64::MIN, f64::MAX)?,
            DataType::Decimal { precision, scale } => {
                let digits = i32::from(precision.saturating_sub(*scale).min(15));
                let most = 10_f64.powi(digits) - 1.0;
                self.real(-most, most)?
            }
            DataType::Varchar => {
                let length = self.number_option(
                    "length",
                    "a number of characters from 1 to 4096",
                    |length| (1..=LENGTH_MAX).contains(length),
                )?;
                let length = length.unwrap_or(LENGTH);
                let piece = |piece| {
                    format!("MD5(CONCAT(\"{ROW_NUMBER}\", ':', {}, ':', {piece}))", self.number)
                };
                let pieces: Vec<String> = (0..length.div_ceil(32)).map(piece).collect();
                format!("LEFT(CONCAT({}), {length})", pieces.join(", "))
            }
            DataType::Timestamp => {
                let past = self.take("max-past");
                let past_us = match &past {
                    None => Some(0),
                    Some(entry) => tidemill_plan::options::parse_duration(&entry.value.text)
                        .and_then(|past| i64::try_from(past.as_micros()).ok()),
                };
                let (Some(past_us), rate) = (past_us, self.rate) else {
                    let span = past.map_or(span, |entry| entry.value.span);
                    return self.session.fail_with(
                        span,
                        "this is no duration",
                        "write '1h', '30s' or '500ms'",
                    );
                };
                let back = match past_us {
                    0 => String::new(),
                    us => format!(" - CAST(FLOOR({} * {us}) AS BIGINT)", self.fraction("past")),
                };
                // The clock of a row is that of its turn at the rate, so that a run is like another.
                format!(
                    "MAKE_TIMESTAMP(EPOCH_US(NOW()) + \"{ROW_NUMBER}\" // {rate} * 1000000 + \"{ROW_NUMBER}\" % {rate} * 1000000 // {rate}{back})"
                )
            }
            DataType::Date => "CAST(NOW() AS DATE)".to_owned(),
            other => {
                let message = format!("'datagen' makes no {other}");
                let hint = "it makes numbers, BOOLEAN, text, DATE and TIMESTAMP; compute others of them: name AS …";
                return self.session.fail_with(span, message, hint);
            }
        })
    }

    /// The two ends of a range.
    fn ends<T: std::str::FromStr + PartialOrd + Copy>(
        &mut self,
        (least, most): (T, T),
        allowed: &str,
    ) -> Bind<(T, T)> {
        let fits = |value: &T| (least..=most).contains(value);
        let min = self.number_option("min", allowed, fits)?.unwrap_or(least);
        let max = self.number_option("max", allowed, fits)?.unwrap_or(most);
        if min > max {
            self.session.fail_with(self.column.name.span, "min is greater than max", KEYS)
        } else {
            Ok((min, max))
        }
    }

    fn integer(&mut self, least: i64, most: i64) -> Bind<String> {
        let (min, max) = self.ends((least, most), &format!("a number from {least} to {most}"))?;
        let (bits, count) = (self.bits(""), max.abs_diff(min).saturating_add(1));
        Ok(match i64::try_from(count) {
            Ok(count) => format!("({min} + ({bits} & 9223372036854775807) % {count})"),
            // More than half of all numbers: most bits are one of them.
            Err(_) if min == i64::MIN && max == i64::MAX => bits,
            Err(_) => format!("GREATEST({min}, LEAST({max}, {bits}))"),
        })
    }

    fn real(&mut self, least: f64, most: f64) -> Bind<String> {
        let (min, max) = self.ends((least, most), "a number that the column holds")?;
        let u = self.fraction("");
        Ok(format!("({min:e} * (1e0 - {u}) + {max:e} * {u})"))
    }
}
