//! Groups of trades from JSON lines in memory, beside the same bytes from a file.
//!
//! `cargo run --release -p tidemill --example bytes -- trades.jsonl` (made by `tidemill gen trades --format json`);
//! without a file, of a few generated lines.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::fmt::Write;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use tidemill::{ByteSource, CoreSet, Error, Format, HostError, JsonOptions, Session};

const QUERY: &str = "SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price,
    MIN(price) AS min_price, MAX(price) AS max_price, SUM(quantity) AS total_quantity";

/// Runs a query on one core: records a second, and how many groups there are.
fn run(mut session: Session, from: &str) -> Result<(Duration, usize), Error> {
    session.settings_mut().cores = CoreSet::Count(1);
    let started = Instant::now();
    let batches = session.query(&format!("{QUERY} FROM {from} GROUP BY symbol"))?.collect()?;
    Ok((started.elapsed(), batches.iter().map(|batch| batch.num_rows()).sum()))
}

fn main() -> Result<(), HostError> {
    let text = match std::env::args().nth(1) {
        Some(path) => fs::read_to_string(path)?,
        None => (0..1000).try_fold(String::new(), |mut text, number| {
            let symbol = number % 7;
            writeln!(text, r#"{{"symbol":"S{symbol}","price":{number}.5,"quantity":{number}}}"#)?;
            Ok::<_, std::fmt::Error>(text)
        })?,
    };
    let directory = std::env::temp_dir().join(format!("tidemill-bytes-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let path = directory.join("trades.jsonl");
    let measured = fs::write(&path, &text).and_then(|()| measure(&text, &path.to_string_lossy()));
    fs::remove_dir_all(&directory)?;
    Ok(measured?)
}

fn measure(text: &str, path: &str) -> io::Result<()> {
    let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
    for _ in 0..5 {
        let file = format!("'{path}'");
        let (of_file, groups) = run(Session::new(), &file).map_err(io::Error::other)?;
        let mut session = Session::new();
        let source = ByteSource::new(Format::Json(JsonOptions::default()));
        // Chunks as they come from a socket.
        let size = 64 << 10;
        let chunks: Vec<_> = (0..bytes.len())
            .step_by(size)
            .map(|at| bytes.slice(at..bytes.len().min(at + size)))
            .collect();
        session.register_bytes("trades", source.partition(chunks)).map_err(io::Error::other)?;
        let (of_bytes, same) = run(session, "trades").map_err(io::Error::other)?;
        assert_eq!(groups, same);
        println!("{groups} groups: {of_file:?} from the file, {of_bytes:?} from memory");
    }
    Ok(())
}
