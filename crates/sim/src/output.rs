//! What a job has published, as whoever reads it puts it together.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::Disk;

/// Lines by folder and partition, segment behind segment, decompressed, headers once.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

/// Reads what is published below the folders of results, and names what should not be there.
pub(crate) fn read(disk: &Disk) -> Result<(Rows, Vec<String>), String> {
    let (mut rows, mut left) = (Rows::new(), Vec::new());
    for path in disk.files() {
        let name = path.to_string_lossy().into_owned();
        if name.starts_with("/in/") || name.starts_with("/state/") || name.starts_with("/tmp/") {
            continue;
        }
        let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if last.ends_with(".open") || last.contains("tidemill-publish") {
            left.push(name);
            continue;
        }
        if last.starts_with('.') {
            continue;
        }
        let bytes = disk.bytes(&path).map_err(|error| format!("{name}: {error}"))?;
        let mut text = String::new();
        let read = if name.ends_with(".gz") {
            MultiGzDecoder::new(bytes).read_to_string(&mut text)
        } else {
            (&mut &bytes[..]).read_to_string(&mut text)
        };
        read.map_err(|error| format!("{name} cannot be read: {error}"))?;
        let series = rows.entry(series_of(&name)).or_default();
        let mut lines = text.split_inclusive('\n').map(str::to_owned);
        if name.contains(".csv") && !series.is_empty() {
            let head = lines.next();
            if head.as_ref() != series.first() {
                series.extend(head);
            }
        }
        series.extend(lines);
    }
    Ok((rows, left))
}

/// The name of a file without the number of its segment.
fn series_of(name: &str) -> String {
    let Some((stem, ending)) = name.rsplit_once('/').and_then(|(_, last)| last.split_once('.'))
    else {
        return name.to_owned();
    };
    let folder = &name[..name.len() - stem.len() - ending.len() - 1];
    match stem.rsplit_once('-') {
        Some((series, segment)) if segment.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{folder}{series}.{ending}")
        }
        _ => name.to_owned(),
    }
}
