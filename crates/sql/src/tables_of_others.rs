//! `CREATE TABLE … WITH (…)` of Flink: a source where the script reads it, a sink where the script writes it, with
//! the options of either under their names here.

use sqlparser::tokenizer::Token;

use crate::parse::Parsing;
use crate::report::{Bind, Reported};
use crate::syntax::{
    ColumnKind, CreateSource, Name, OptionEntry, Statement, StatementKind, Target, TypeSyntax,
};

/// What becomes of an option.
enum Becomes {
    /// The same under another name.
    Named(&'static str),
    /// Nothing, where it has this value: that is how it is here.
    Usual(&'static str),
    /// Refused, with what to write.
    Refused(&'static str),
}

const FORMATS_OWN: &str = "leave it out";
const BAD: &str = "write 'bad.records' = 'skip', which leaves out the whole record, counts it and names the first";
const PUBLISHED: &str = "leave it out: files become visible when they are whole; 'rolling' = '64MiB' says when one ends";

/// Options of Flink's connectors and formats by name, or by how it begins.
const OPTIONS: &[(&str, Becomes)] = &[
    ("csv.field-delimiter", Becomes::Named("csv.delimiter")),
    ("csv.quote-character", Becomes::Named("csv.quote")),
    ("csv.null-literal", Becomes::Named("csv.null")),
    ("csv.escape-character", Becomes::Named("csv.escape")),
    ("parquet.compression", Becomes::Named("compression")),
    ("csv.ignore-parse-errors", Becomes::Usual("false")),
    ("json.ignore-parse-errors", Becomes::Usual("false")),
    ("json.fail-on-missing-field", Becomes::Usual("false")),
    ("sink.rolling-policy.file-size", Becomes::Named("rolling")),
    (
        "sink.rolling-policy.rollover-interval",
        Becomes::Refused("leave it out, or write 'rolling' = '64MiB': a file ends by its size"),
    ),
    (
        "sink.rolling-policy.check-interval",
        Becomes::Refused("leave it out: files are looked at as they are written"),
    ),
    ("sink.partition-commit", Becomes::Refused(PUBLISHED)),
    ("auto-compaction", Becomes::Refused(PUBLISHED)),
    (
        "source.monitor-interval",
        Becomes::Refused("'follow' = 'true' reads what is appended to the files that are there"),
    ),
    (
        "sink.parallelism",
        Becomes::Refused("leave it out: SET 'cores' says on how many cores a script runs"),
    ),
    (
        "scan.parallelism",
        Becomes::Refused("leave it out: SET 'cores' says on how many cores a script runs"),
    ),
    ("csv.allow-comments", Becomes::Refused("write 'csv.comment' = '#'")),
    ("csv.disable-quote-character", Becomes::Refused(FORMATS_OWN)),
    ("print-identifier", Becomes::Refused("leave it out: every line is a row")),
    ("standard-error", Becomes::Usual("false")),
    // Of Arroyo: whether a statement writes it says the same.
    ("type", Becomes::Usual("source")),
];

/// What to write where an option has another value than the usual one.
fn instead_of_value(key: &str) -> &'static str {
    match key {
        "csv.ignore-parse-errors" | "json.ignore-parse-errors" => BAD,
        "json.fail-on-missing-field" => "declare the column NOT NULL",
        _ => FORMATS_OWN,
    }
}

impl Parsing<'_> {
    /// What stands behind `CREATE [TEMPORARY] TABLE [IF NOT EXISTS]`, with its options under their names here.
    pub(crate) fn create_table(&mut self) -> Bind<CreateSource> {
        let mut table = self.create_source()?;
        if table.options.is_empty() {
            let hint = "write CREATE TABLE name (column TYPE, …) WITH ('connector' = 'filesystem', 'path' = …, 'format' = …)";
            let message = "a table needs to say where its rows are: WITH (…)";
            return Err(self.report.add(table.name.span, message, Some(hint.to_owned())));
        }
        let is_filesystem = table.options.iter().any(|entry| {
            entry.key.text == "connector" && entry.value.text.eq_ignore_ascii_case("filesystem")
        });
        let mut options = Vec::with_capacity(table.options.len() + 1);
        let mut has_failed = false;
        for entry in std::mem::take(&mut table.options) {
            match self.translated(entry) {
                Ok(entry) => options.extend(entry),
                Err(_) => has_failed = true,
            }
        }
        if has_failed {
            return Err(Reported);
        }
        let has = |key: &str, value: &str| {
            options.iter().any(|entry: &OptionEntry| {
                entry.key.text == key
                    && (value.is_empty() || entry.value.text.eq_ignore_ascii_case(value))
            })
        };
        // Flink's files of CSV begin with a record.
        if is_filesystem && has("format", "csv") && !has("csv.header", "") {
            let span = table.name.span;
            let name = |text: &str| Name::exact(text.to_owned(), span);
            options.push(OptionEntry { key: name("csv.header"), value: name("false") });
        }
        Ok(CreateSource { options, ..table })
    }

    /// The options of a sink.
    pub(crate) fn sink_options(&mut self) -> Bind<Vec<OptionEntry>> {
        let mut options = self.options()?;
        self.encoding(&mut options)?;
        Ok(options)
    }

    /// `FORMAT PLAIN ENCODE JSON` behind the options, as RisingWave has it: the option `format` and those of CSV.
    pub(crate) fn encoding(&mut self, options: &mut Vec<OptionEntry>) -> Bind<()> {
        if !self.take_word("FORMAT") {
            return Ok(());
        }
        let way = self.name()?;
        if way.text != "plain" {
            let message = format!("not supported: FORMAT {}", way.text.to_uppercase());
            let hint = "FORMAT PLAIN, where every record is a row, is what there is".to_owned();
            return Err(self.report.add(way.span, message, Some(hint)));
        }
        self.expect_word_or("ENCODE", "write FORMAT PLAIN ENCODE JSON")?;
        let format = self.name()?;
        let key = Name::exact("format".to_owned(), format.span);
        options.push(OptionEntry { key, value: Name::exact(format.text, format.span) });
        if self.parser.peek_token_ref().token != Token::LParen {
            return Ok(());
        }
        for OptionEntry { key, value } in self.bracketed_options()? {
            let (name, text) = match (key.text.as_str(), value.text.as_str()) {
                ("without_header", "true") => ("csv.header", "false"),
                ("without_header", "false") => ("csv.header", "true"),
                ("delimiter", delimiter) => ("csv.delimiter", delimiter),
                _ => {
                    let message = format!("not supported: '{}' of ENCODE", key.text);
                    let hint = "options of ENCODE here are without_header and delimiter".to_owned();
                    return Err(self.report.add(key.span, message, Some(hint)));
                }
            };
            let key = Name::of_option(name, key);
            options.push(OptionEntry { key, value: Name::exact(text.to_owned(), value.span) });
        }
        Ok(())
    }

    /// ksqlDB names a topic of Kafka.
    pub(crate) fn refuse_topic(&mut self, options: &[OptionEntry]) -> Bind<()> {
        let Some(entry) = options.iter().find(|entry| entry.key.text == "kafka_topic") else {
            return Ok(());
        };
        let hint = "read what a consumer prints: WITH ('connector' = 'file', 'path' = '/dev/stdin', 'format' = 'json')";
        let message = "not supported yet: topics of Kafka";
        Err(self.report.add(entry.key.span, message, Some(hint.to_owned())))
    }

    fn translated(&mut self, mut entry: OptionEntry) -> Bind<Option<OptionEntry>> {
        let OptionEntry { key, value } = &mut entry;
        if key.text == "connector" {
            let connector = match value.text.to_ascii_lowercase().as_str() {
                "filesystem" | "single_file" => "file",
                "print" => "stdout",
                "blackhole" => "discard",
                "nexmark" => {
                    let hint = "'connector' = 'datagen' makes the columns that are declared, 'generator' trades, orders or measurements";
                    let message = format!("not supported: the connector '{}'", value.text);
                    return Err(self.report.add(value.span, message, Some(hint.to_owned())));
                }
                "faker" | "impulse" => {
                    let hint = "'connector' = 'datagen' makes the columns that are declared";
                    let message = format!("not supported: the connector '{}'", value.text);
                    return Err(self.report.add(value.span, message, Some(hint.to_owned())));
                }
                _ => return Ok(Some(entry)),
            };
            value.text = connector.to_owned();
            return Ok(Some(entry));
        }
        let known = OPTIONS
            .iter()
            .find(|(name, _)| key.text == *name || key.text.starts_with(&format!("{name}.")));
        let instead = match known.map(|(_, becomes)| becomes) {
            None => return Ok(Some(entry)),
            Some(Becomes::Named(name)) => {
                *key = Name::of_option(name, std::mem::take(key));
                return Ok(Some(entry));
            }
            Some(Becomes::Usual(usual)) if value.text.eq_ignore_ascii_case(usual) => {
                return Ok(None);
            }
            Some(Becomes::Usual(_)) => instead_of_value(&key.text),
            Some(Becomes::Refused(instead)) => instead,
        };
        let message = format!("not supported: '{}' = '{}'", key.text, value.text);
        Err(self.report.add(key.span, message, Some(instead.to_owned())))
    }
}

/// Makes each table a sink if some statement writes it, else a source.
pub(crate) fn settle_tables(statements: &mut [Statement]) {
    let written: Vec<String> = statements
        .iter()
        .filter_map(|statement| match &statement.kind {
            StatementKind::Query(query) => match &query.target {
                Target::Sink(name) => Some(name.text.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    for statement in statements {
        let kind = std::mem::replace(&mut statement.kind, StatementKind::Broken(Name::default()));
        statement.kind = match kind {
            StatementKind::Table(table) => {
                let prints = |entry: &OptionEntry| {
                    entry.key.text == "connector"
                        && matches!(entry.value.text.as_str(), "stdout" | "discard")
                };
                let is_file = table.options.iter().any(|entry| {
                    entry.key.text == "connector" && entry.value.text.eq_ignore_ascii_case("file")
                });
                if written.contains(&table.name.text) || table.options.iter().any(prints) {
                    let CreateSource { name, columns, mut options, partitioned_by, .. } = *table;
                    if let (true, Some(first)) = (is_file, partitioned_by.first()) {
                        let names: Vec<&str> =
                            partitioned_by.iter().map(|name| name.text.as_str()).collect();
                        let value = Name::exact(names.join(","), first.span);
                        let key = Name::exact("partition.by".to_owned(), first.span);
                        options.push(OptionEntry { key, value });
                    }
                    StatementKind::Sink { name, columns, options }
                } else {
                    let mut table = table;
                    if is_file {
                        read_folders(&mut table);
                    }
                    StatementKind::Source(table)
                }
            }
            other => other,
        };
    }
}

/// Flink's `PARTITIONED BY` of files: its columns are those of folders by value, and files leave them out.
fn read_folders(table: &mut CreateSource) {
    let names = std::mem::take(&mut table.partitioned_by);
    let mut folder_count = 0;
    for name in names {
        let declared = table.columns.iter_mut().find(|column| column.name.text == name.text);
        let Some(column) = declared else {
            // That there is no such column is said where others are missed.
            table.partitioned_by.push(name);
            continue;
        };
        folder_count += 1;
        if let ColumnKind::Recorded { data_type, .. } = &column.kind {
            let data_type = TypeSyntax { name: data_type.name.clone(), span: data_type.span };
            column.kind = ColumnKind::Metadata { data_type, key: column.name.clone() };
        }
    }
    let path = table.options.iter_mut().find(|entry| entry.key.text == "path");
    if let Some(OptionEntry { value, .. }) = path
        && folder_count > 0
        && !value.text.contains('*')
    {
        let folders = "/*=*".repeat(folder_count);
        value.text = format!("{}{folders}/*", value.text.trim_end_matches('/'));
    }
}
