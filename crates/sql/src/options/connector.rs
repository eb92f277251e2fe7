//! Options of sources and sinks, by connector.

use std::time::Duration;

use tidemill_plan::options::parse_duration;
use tidemill_plan::{
    ArrowForm, ArrowOptions, BadRecords, Compression, CsvOptions, DiscardSink, Encoding,
    FileSource, Format, GeneratorModel, GeneratorSource, JsonLayout, JsonOptions, LateRecords,
    PartitionAudit, SequenceSource, SinkConnector, SourceConnector, Span, Unsaid, WatermarkRule,
};

use super::Options;
use super::file_sink::file_sink;
use super::format::{Direction, format};
use super::{format_by_name_ending, local_path};
use crate::datagen;
use crate::report::{Bind, Report, Reported};
use crate::suggest::did_you_mean;
use crate::syntax::OptionEntry;

/// What the options of `CREATE SOURCE` say.
pub(crate) struct Source {
    pub(crate) connector: SourceConnector,
    /// What nobody said of the format of its files.
    pub(crate) unsaid: Unsaid,
    pub(crate) bad_records: Option<BadRecords>,
    pub(crate) dead_letter_path: Option<String>,
    pub(crate) partition_audit: Option<PartitionAudit>,
    pub(crate) event_time: EventTimeOptions,
}

/// What refines a `WATERMARK` clause; `None` where nothing is said.
#[derive(Default)]
pub(crate) struct EventTimeOptions {
    max_ahead_us: Option<Option<i64>>,
    allowed_lateness_us: Option<i64>,
    late_records: Option<LateRecords>,
    idle_key_ttl_us: Option<Option<i64>>,
    idle_timeout: Option<Option<Duration>>,
}

impl EventTimeOptions {
    /// The clause with its options.
    pub(crate) fn refine(&self, rule: WatermarkRule) -> WatermarkRule {
        WatermarkRule {
            max_ahead_us: self.max_ahead_us.unwrap_or(rule.max_ahead_us),
            allowed_lateness_us: self.allowed_lateness_us.unwrap_or(rule.allowed_lateness_us),
            late_records: self.late_records.unwrap_or(rule.late_records),
            idle_key_ttl_us: self.idle_key_ttl_us.unwrap_or(rule.idle_key_ttl_us),
            idle_timeout: self.idle_timeout.unwrap_or(rule.idle_timeout),
            ..rule
        }
    }
}

/// The connector of what the embedding program has registered.
const REGISTERED: &str = "registered";
/// Its option: the name of that, where it is not the source's own.
pub(crate) const REGISTERED_NAME: &str = "source";

/// The option that needs a `PARTITIONED BY` clause.
pub(crate) const PARTITION_AUDIT: &str = "partition.audit";

/// Options that need a `WATERMARK` clause.
pub(crate) const EVENT_TIME: [&str; 5] =
    ["watermark.max_ahead", "allowed.lateness", "late.records", "idle.key.ttl", "idle.timeout"];

fn event_time(options: &mut Options<'_>) -> EventTimeOptions {
    let micros = |text: &str| i64::try_from(parse_duration(text)?.as_micros()).ok();
    let or_off = |text: &str| {
        if text.eq_ignore_ascii_case("off") { Some(None) } else { micros(text).map(Some) }
    };
    const DURATION_OR_OFF: &str = "a duration such as '1h', or 'off'";
    EventTimeOptions {
        max_ahead_us: options.parsed(EVENT_TIME[0], DURATION_OR_OFF, or_off),
        allowed_lateness_us: options.parsed(EVENT_TIME[1], "a duration such as '10s'", micros),
        late_records: options.one_of(
            EVENT_TIME[2],
            &[("drop", LateRecords::Drop), ("dead_letter", LateRecords::DeadLetter)],
        ),
        idle_key_ttl_us: options.parsed(EVENT_TIME[3], DURATION_OR_OFF, or_off),
        idle_timeout: options.parsed(EVENT_TIME[4], DURATION_OR_OFF, |text| {
            if text.eq_ignore_ascii_case("off") {
                Some(None)
            } else {
                parse_duration(text).map(Some)
            }
        }),
    }
}

pub(super) const TRUTHS: &[(&str, bool)] = &[("true", true), ("false", false)];

const MODELS: &[(&str, GeneratorModel)] = &[
    ("trades", GeneratorModel::Trades),
    ("orders", GeneratorModel::Orders),
    ("measurements", GeneratorModel::Measurements),
];

/// Names of what `bad.records` takes.
pub(super) const BAD_RECORDS: &[(&str, BadRecords)] = &[
    ("fail", BadRecords::Fail),
    ("skip", BadRecords::Skip),
    ("dead_letter", BadRecords::DeadLetter),
];

/// Reads the options of a source.
pub(crate) fn source(entries: &[OptionEntry], span: Span, report: &mut Report) -> Bind<Source> {
    let mut options = Options::new(entries, span, report);
    let mut unsaid = Unsaid::default();
    let names = &["file", "generator", "datagen", REGISTERED];
    let connector = match connector(&mut options, names)? {
        "file" => {
            let file = file_source(&mut options);
            if let Some(FileSource { format: Format::Csv(_), .. }) = &file {
                unsaid.delimiter = options.text("csv.delimiter").is_none();
                unsaid.header = options.text("csv.header").is_none();
            }
            file.map(SourceConnector::File)
        }
        "datagen" => Some(SourceConnector::Sequence(datagen(&mut options))),
        REGISTERED => {
            let name = options.text(REGISTERED_NAME).map(|(name, _)| name.to_lowercase());
            Some(SourceConnector::Registered { name: name.unwrap_or_default(), is_bounded: true })
        }
        _ => generator(&mut options).map(SourceConnector::Generator),
    };
    let bad_records = options.one_of("bad.records", BAD_RECORDS);
    let dead_letter_path = options.text("dead.letter.path").map(|(path, _)| path.to_owned());
    let partition_audit = options
        .one_of(PARTITION_AUDIT, &[("fail", PartitionAudit::Fail), ("warn", PartitionAudit::Warn)]);
    let event_time = event_time(&mut options);
    options.finish()?;
    let connector = connector.ok_or(Reported)?;
    Ok(Source { connector, unsaid, bad_records, dead_letter_path, partition_audit, event_time })
}

/// Reads the options of a sink.
pub(crate) fn sink(
    entries: &[OptionEntry],
    span: Span,
    report: &mut Report,
) -> Bind<SinkConnector> {
    let mut options = Options::new(entries, span, report);
    let sink = match connector(&mut options, &["file", "stdout", "discard"])? {
        "file" => file_sink(&mut options).map(SinkConnector::File),
        "stdout" => {
            let format = format(&mut options, None, Direction::Write);
            Some(SinkConnector::Stdout(format.map(on_stdout)))
        }
        _ => {
            let has_checksum = options.one_of("checksum", TRUTHS).unwrap_or(true);
            Some(SinkConnector::Discard(DiscardSink { has_checksum }))
        }
    };
    options.finish()?;
    sink.ok_or(Reported)
}

/// A file has an end that is known; what is printed is a stream under either name.
fn on_stdout(format: Format) -> Format {
    match format {
        Format::Arrow(_) => Format::Arrow(ArrowOptions { form: ArrowForm::Stream }),
        other => other,
    }
}

fn connector(options: &mut Options<'_>, names: &[&'static str]) -> Bind<&'static str> {
    // Who can register something knows that.
    let told = names.iter().filter(|name| **name != REGISTERED);
    let list = told.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let (text, span) = options.required("connector", names[0]).ok_or(Reported)?;
    let lower = text.to_ascii_lowercase();
    if let Some(name) = names.iter().find(|name| **name == lower) {
        return Ok(name);
    }
    if lower == "kafka" {
        let hint = "read what a consumer prints: 'connector' = 'file', 'path' = '/dev/stdin', 'format' = 'json'";
        options.fail(span, "not supported yet: the connector 'kafka'", Some(hint.to_owned()));
    } else {
        let same = match lower.as_str() {
            "blackhole" => Some("discard"),
            "print" => Some("stdout"),
            "filesystem" | "single_file" | "posix_fs" => Some("file"),
            "datagen" | "impulse" | "nexmark" => Some("generator"),
            _ => None,
        };
        let same =
            same.filter(|same| names.contains(same)).map(|same| format!("did you mean '{same}'?"));
        let hint = same
            .or_else(|| did_you_mean(&lower, names.iter().copied()))
            .unwrap_or_else(|| format!("connectors here are {list}"));
        options.fail(span, format!("unknown connector '{text}'"), Some(hint));
    }
    Err(Reported)
}

pub(super) fn path<'a>(options: &mut Options<'a>, example: &str) -> Option<&'a str> {
    let (path, span) = options.required("path", example)?;
    if path.is_empty() {
        let hint = format!("name a file, a directory or a glob, such as '{example}'");
        options.fail(span, "option 'path' is empty", Some(hint));
        return None;
    }
    match local_path(path) {
        Ok(path) => Some(path),
        Err(hint) => {
            options.fail(span, format!("not supported: {path}"), Some(hint));
            None
        }
    }
}

fn file_source(options: &mut Options<'_>) -> Option<FileSource> {
    let path = path(options, "data/*.jsonl");
    let by_ending = path.and_then(format_by_name_ending);
    let is_named = options.text("format").is_some();
    let format = format(options, by_ending, Direction::Read);
    let splits = options.parsed("splits", "a number from 1 to 65536", |text| {
        text.parse().ok().filter(|splits| (1..=65_536).contains(splits))
    });
    let follow = options.one_of("follow", TRUTHS).unwrap_or(false);
    let from_latest = from_latest(options, follow);
    let goes_on_without = goes_on_without(options, follow);
    let hive_partitioning = options.one_of(
        "hive.partitioning",
        &[("auto", None), ("true", Some(true)), ("false", Some(false))],
    );
    let union_by_name = options.one_of("union.by.name", TRUTHS).unwrap_or(false);
    if union_by_name && let Some(Format::Csv(CsvOptions { has_header: false, .. })) = &format {
        let (_, span) = options.text("union.by.name").unwrap_or(("", options.span));
        let hint = "give the files a header, or declare the columns by place".to_owned();
        options.fail(span, "files without a header have no names to be united by", Some(hint));
    }
    let is_text = format.as_ref().is_none_or(Format::is_text);
    if follow && (!is_text || path.is_some_and(|path| Compression::of(path) != Compression::None)) {
        options.fail(options.span, "'follow' reads what is appended to uncompressed text", None);
    }
    let format = if follow { in_lines(options, format) } else { format };
    let encoding = if is_text { encoding(options) } else { None };
    if format.is_none() && !is_named && path.is_some() {
        options.required("format", "json");
    }
    Some(FileSource {
        encoding: encoding.unwrap_or_default(),
        splits,
        follow,
        from_latest,
        goes_on_without,
        hive_partitioning: hive_partitioning.flatten(),
        union_by_name,
        ..FileSource::new(path?.to_owned(), format?)
    })
}

/// Where Flink's option says that a file is read from.
fn from_latest(options: &mut Options<'_>, follow: bool) -> bool {
    const MODE: &str = "scan.startup.mode";
    let modes = [("earliest-offset", false), ("latest-offset", true)];
    let from_latest = options.one_of(MODE, &modes).unwrap_or(false);
    if from_latest
        && !follow
        && let Some((text, span)) = options.text(MODE)
    {
        let hint = "add 'follow' = 'true': of a file that is not followed nothing comes later";
        let message = format!("'{MODE}' = '{text}' of files that are not followed");
        options.fail(span, message, Some(hint.to_owned()));
    }
    from_latest
}

/// What becomes of followed files that are not found when the job is run again.
fn goes_on_without(options: &mut Options<'_>, follow: bool) -> bool {
    let goes_on = options.one_of("missing", &[("fail", false), ("continue", true)]);
    if goes_on.is_some()
        && !follow
        && let Some((_, span)) = options.text("missing")
    {
        let hint = "add 'follow' = 'true': only files that are followed may be gone later";
        let message = "'missing' of files that are not followed".to_owned();
        options.fail(span, message, Some(hint.to_owned()));
    }
    goes_on.unwrap_or(false)
}

/// Records that are appended are lines: an array has an end.
fn in_lines(options: &mut Options<'_>, format: Option<Format>) -> Option<Format> {
    let Some(Format::Json(json)) = format else { return format };
    if matches!(json.layout, JsonLayout::Array | JsonLayout::Values)
        && let Some((text, span)) = options.text("json.layout")
    {
        let message = format!("'json.layout' = '{text}' of files that are followed");
        let hint = "JSON that is followed is lines, a record each; leave 'follow' out to read what is there";
        options.fail(span, message, Some(hint.to_owned()));
    }
    Some(Format::Json(JsonOptions { layout: JsonLayout::Lines, ..json }))
}

/// Of files of text.
fn encoding(options: &mut Options<'_>) -> Option<Encoding> {
    let (text, span) = options.text("encoding")?;
    let encoding = Encoding::of(text);
    if encoding.is_none() {
        let mut names = vec!["utf-8", "latin-1", "windows-1252", "utf-16"];
        let others = Encoding::NAMES.iter().filter(|name| !names.contains(name)).copied();
        let others: Vec<&str> = others.collect();
        let hint = did_you_mean(text, names.iter().copied().chain(others.iter().copied()))
            .unwrap_or_else(|| {
                names.extend(others);
                format!("encodings are {}", names.join(", "))
            });
        options.fail(span, format!("option 'encoding' cannot be '{text}'"), Some(hint));
    }
    encoding
}

/// The rows; what their columns are made of is said by column.
fn datagen(options: &mut Options<'_>) -> SequenceSource {
    let rows = options.parsed("number-of-rows", "a number from 0", |text| text.parse().ok());
    let rate = |text: &str| text.parse().ok().filter(|&rate: &u64| rate >= 1);
    let rates = ["rows-per-second", "datagen.rows.per.second"];
    let rate = rates.map(|key| options.parsed(key, "a number from 1", rate));
    let rate = rate.into_iter().flatten().next().unwrap_or(datagen::RATE);
    SequenceSource { first: 0, step: 1, rows, rate: Some(rate) }
}

fn generator(options: &mut Options<'_>) -> Option<GeneratorSource> {
    options.required("schema", "trades");
    let model = options.one_of("schema", MODELS);
    let rows = options.parsed("rows", "a number from 0, or 'unlimited'", |text| {
        if text.eq_ignore_ascii_case("unlimited") {
            Some(None)
        } else {
            text.parse().ok().map(Some)
        }
    });
    let rate = options.parsed("rate", "records a second, from 1", |text| {
        text.parse().ok().filter(|&rate: &u64| rate >= 1)
    });
    let partitions = options.parsed("partitions", "a number from 1 to 65536", |text| {
        text.parse().ok().filter(|count| (1..=65_536).contains(count))
    });
    let seed = options.parsed("seed", "a number from 0", |text| text.parse().ok());
    let keys = options.parsed("keys", "a number from 1", |text| {
        text.parse().ok().filter(|&keys: &u64| keys >= 1)
    });
    let skew = options.parsed("skew", "a number from 0 to 10", |text| {
        text.parse().ok().filter(|skew| (0.0..=10.0).contains(skew))
    });
    let disorder =
        options.parsed("disorder", "a duration such as '500ms', or milliseconds", |text| {
            let as_duration = || u64::try_from(parse_duration(text)?.as_millis()).ok();
            text.parse().ok().or_else(as_duration)
        });
    let late = options.parsed("late", "a fraction from 0 to 1", |text| {
        text.parse().ok().filter(|late| (0.0..=1.0).contains(late))
    });
    let partitions: u32 = partitions.unwrap_or(1);
    let idle = options.parsed("idle.partitions", "a number up to that of the partitions", |text| {
        text.parse().ok().filter(|&idle: &u32| idle <= partitions)
    });
    Some(GeneratorSource {
        model: model?,
        rows: rows.unwrap_or(Some(1_000_000)),
        rate,
        partitions,
        seed: seed.unwrap_or(42),
        keys: keys.unwrap_or(200),
        skew: skew.unwrap_or(0.0),
        disorder_ms: disorder.unwrap_or(0),
        late_fraction: late.unwrap_or(0.0),
        idle_partitions: idle.unwrap_or(0),
    })
}
