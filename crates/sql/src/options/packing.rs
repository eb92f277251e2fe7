//! `compression` and `compression.level` of a file sink.

use tidemill_plan::{Codec, Compression, Format, Packing, Span};

use super::Options;

/// What `compression` takes, and what others call it.
const NAMES: &[(&str, Codec)] = &[
    ("none", Codec::None),
    ("uncompressed", Codec::None),
    ("snappy", Codec::Snappy),
    ("gzip", Codec::Gzip),
    ("gz", Codec::Gzip),
    ("lz4", Codec::Lz4),
    ("lz4_raw", Codec::Lz4),
    ("zstd", Codec::Zstd),
    ("zst", Codec::Zstd),
];

/// Reads both; what is not said follows from the end of the path of one file, then from the format.
pub(super) fn packing(
    options: &mut Options<'_>,
    path: Option<&str>,
    is_file: bool,
    format: Option<&Format>,
) -> Packing {
    let said = options.text("compression");
    let level = options.text("compression.level");
    let Some(format) = format else { return Packing::NONE };
    let by_ending = path.filter(|_| is_file).and_then(|path| by_ending(options, path, format));
    let codec = match said {
        None => by_ending.flatten(),
        Some((text, span)) => named(options, text, span, format),
    };
    let codec = codec.unwrap_or(Packing::of(format).codec);
    if let (Some((text, span)), Some(by_ending), Some(path)) = (said, by_ending, path) {
        check_ending(options, (text, span), (path, by_ending), (codec, format));
    }
    let level = level.and_then(|(text, span)| {
        let Some((lowest, highest)) = codec.levels() else {
            let message = format!("'compression' = '{}' has no levels", codec.name());
            options.fail(span, message, Some("leave 'compression.level' out".to_owned()));
            return None;
        };
        let parsed = text.trim().parse().ok().filter(|level| (lowest..=highest).contains(level));
        if parsed.is_none() {
            let message = format!("option 'compression.level' cannot be '{text}'");
            let hint = format!("it takes {lowest} to {highest} for {}", codec.name());
            options.fail(span, message, Some(hint));
        }
        parsed
    });
    Packing { codec, level }
}

fn named(options: &mut Options<'_>, text: &str, span: Span, format: &Format) -> Option<Codec> {
    let lower = text.trim().to_ascii_lowercase();
    let codec = NAMES.iter().find(|(name, _)| *name == lower).map(|(_, codec)| *codec);
    let allowed = Codec::all_of(format);
    if let Some(codec) = codec.filter(|codec| allowed.contains(codec)) {
        return Some(codec);
    }
    let names: Vec<String> = allowed.iter().map(|codec| format!("'{}'", codec.name())).collect();
    let message = match codec {
        Some(_) => format!("'{}' is not written with 'compression' = '{text}'", format.name()),
        None => format!("option 'compression' cannot be '{text}'"),
    };
    options.fail(
        span,
        message,
        Some(format!("it takes {} for {}", names.join(", "), format.name())),
    );
    None
}

/// What the end of a file's name says: `None` where that was refused, and nothing where it says nothing.
#[expect(clippy::option_option, reason = "refused, unsaid, said")]
fn by_ending(options: &mut Options<'_>, path: &str, format: &Format) -> Option<Option<Codec>> {
    let (_, span) = options.text("path").unwrap_or(("", options.span));
    let codec = match Compression::of(path) {
        Compression::None => return Some(None),
        Compression::Gzip => Codec::Gzip,
        Compression::Zstd => Codec::Zstd,
        Compression::Lz4 => Codec::Lz4,
    };
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let hint = match format {
        Format::Arrow(_) | Format::Parquet => format!(
            "{} is compressed within its files: write '{stem}' and, if need be, 'compression' = 'zstd'",
            format.name()
        ),
        _ if codec == Codec::Lz4 => format!("write '{stem}.zst' or '{stem}.gz'"),
        _ => return Some(Some(codec)),
    };
    options.fail(span, format!("not supported: to write '{path}'"), Some(hint));
    None
}

/// Who reads text finds its compression by the end of the name.
fn check_ending(
    options: &mut Options<'_>,
    (text, span): (&str, Span),
    (path, by_ending): (&str, Option<Codec>),
    (codec, format): (Codec, &Format),
) {
    let is_text = matches!(format, Format::Csv(_) | Format::Json(_));
    if !is_text || by_ending.unwrap_or(Codec::None) == codec {
        return;
    }
    let stem = match by_ending {
        Some(_) => path.rsplit_once('.').map_or(path, |(stem, _)| stem),
        None => path,
    };
    let ending = Packing { codec, level: None }.ending(format);
    let hint = format!("name the file '{stem}{ending}', or leave 'compression' out");
    options.fail(span, format!("'{path}' does not say that it is '{text}'"), Some(hint));
}
