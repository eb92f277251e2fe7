//! What a decoder is asked for: columns, options, and how the text comes to it.

use tidemill_plan::{
    CsvFields, CsvOptions, CsvReading, Format, JsonLayout, JsonOptions, TimestampUnit,
};
use tidemill_record::{DataType, Field, Schema};

use crate::dice::Dice;

/// Names of columns, of lengths on both sides of what the decoders treat as short.
const NAMES: [&str; 8] =
    ["a", "id", "price", "symbol", "event_time", "A", "a name of twenty chars", "é"];

/// One decoding.
#[derive(Clone, Debug)]
pub struct Case {
    /// All columns.
    pub schema: Schema,
    /// Those that are asked for, ascending.
    pub columns: Vec<usize>,
    /// Whether a CSV text begins with a header.
    pub has_header: bool,
    /// Delimiter and quote of CSV.
    pub delimiter: u8,
    /// As `delimiter`.
    pub quote: u8,
    /// How CSV departs from the plain form.
    pub reading: CsvReading,
    /// What an integer in a TIMESTAMP counts.
    pub unit: TimestampUnit,
    /// Rows a batch holds in the second decoding.
    pub batch_rows: usize,
    /// Where the frames of the second decoding end, in 65536ths of the text.
    pub cuts: Vec<usize>,
    /// Where a second partition begins, likewise; none for 0.
    pub split: usize,
    /// Whether the last frame comes a second time, said to be the last only then.
    pub is_end_late: bool,
}

impl Case {
    /// Throws a case.
    pub fn throw(dice: &mut Dice<'_>) -> Self {
        let column_count = 1 + dice.below(6);
        let fields = (0..column_count).map(|index| field(index, dice)).collect();
        let needed = dice.byte();
        let columns = (0..column_count).filter(|index| needed & (1 << index) == 0).collect();
        let flags = dice.byte();
        let delimiter = dice.one_of(b",,,;\t| :\0");
        let quote = dice.one_of(b"\"\"\"'|");
        let unit = dice.one_of(&[
            TimestampUnit::Milliseconds,
            TimestampUnit::Seconds,
            TimestampUnit::Microseconds,
            TimestampUnit::Nanoseconds,
        ]);
        let batch_rows = dice.one_of(&[8192, 1, 2, 3, 5, 7, 255, 256, 257]);
        let cut_count = usize::from(flags & 3);
        let mut cuts: Vec<usize> = (0..cut_count).map(|_| dice.pair()).collect();
        cuts.sort_unstable();
        let split = if flags & 4 == 0 { 0 } else { dice.pair() };
        Self {
            schema: Schema::new(fields),
            columns,
            has_header: flags & 8 != 0,
            delimiter,
            quote: if quote == delimiter { b'"' } else { quote },
            reading: if flags & 32 == 0 { CsvReading::default() } else { reading(delimiter, quote, dice) },
            unit,
            batch_rows,
            cuts,
            split,
            is_end_late: flags & 16 != 0,
        }
    }

    /// As CSV.
    #[must_use]
    pub fn csv(&self) -> Format {
        Format::Csv(CsvOptions {
            has_header: self.has_header,
            delimiter: self.delimiter,
            quote: self.quote,
            timestamp_unit: self.unit,
            reading: self.reading.clone(),
            ..CsvOptions::default()
        })
    }

    /// As JSON lines.
    #[must_use]
    pub fn json(&self) -> Format {
        let layout = JsonLayout::Lines;
        Format::Json(JsonOptions { timestamp_unit: self.unit, layout, ..JsonOptions::default() })
    }

    /// Every second of the needed columns, from the second on or, where there is one alone, that.
    #[must_use]
    pub fn filtered_by(&self) -> Vec<usize> {
        let first = usize::from(self.columns.len() > 1);
        self.columns.iter().copied().skip(first).step_by(2).collect()
    }

    /// The needed columns.
    pub fn needed(&self) -> impl Iterator<Item = &Field> {
        self.columns.iter().map(|&column| &self.schema.fields[column])
    }
}

fn reading(delimiter: u8, quote: u8, dice: &mut Dice<'_>) -> CsvReading {
    let flags = dice.byte();
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let nulls = match flags & 3 {
        0 => texts(&["NA"]),
        1 => texts(&["", "-", "\\N"]),
        _ => Vec::new(),
    };
    let is_free = |mark: &u8| *mark != delimiter && *mark != quote;
    CsvReading {
        nulls,
        comment: (flags & 4 != 0 && is_free(&b'#')).then(|| "#".to_owned()),
        skip_lines: if flags & 8 != 0 { 2 } else { 0 },
        escape: (flags & 16 != 0).then_some(b'\\'),
        is_trimmed: flags & 32 != 0,
        fields: [CsvFields::Strict, CsvFields::Pad, CsvFields::Any, CsvFields::Strict]
            [usize::from(flags >> 6)],
    }
}

fn field(index: usize, dice: &mut Dice<'_>) -> Field {
    let choice = dice.byte();
    let data_type = data_type(usize::from(choice >> 2));
    let mut field = Field::nullable(NAMES[index], data_type);
    field.is_nullable = choice & 3 != 3;
    field
}

/// A type that text is decoded to; the common ones more often.
fn data_type(choice: usize) -> DataType {
    match choice % 16 {
        0 | 1 => DataType::BigInt,
        2 | 3 => DataType::Double,
        4 | 5 => DataType::Varchar,
        6 | 7 => DataType::Timestamp,
        8 => DataType::Boolean,
        9 => DataType::Integer,
        10 => DataType::Decimal { precision: 9, scale: 2 },
        11 => DataType::Decimal { precision: 38, scale: 10 },
        12 => DataType::Date,
        13 => DataType::Real,
        14 => DataType::Varbinary,
        _ => DataType::TinyInt,
    }
}
