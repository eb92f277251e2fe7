//! A file to the fields of its records.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::input::READ_BYTES;
use crate::query::Text;

/// Columns of trades.
pub(super) const TRADES: [&str; 6] =
    ["trade_id", "trade_time", "trader_id", "symbol", "price", "quantity"];
/// Columns of orders.
pub(super) const ORDERS: [&str; 5] =
    ["order_id", "customer_id", "order_date", "total_amount", "status"];

/// Calls `each` with the fields of every record, in the order of `columns`, without their quotes.
pub(super) fn for_each_record<const N: usize>(
    text: Text,
    path: &Path,
    columns: &[&str; N],
    mut each: impl FnMut([&[u8]; N]),
) {
    match text {
        Text::Csv => {
            let header = columns.join(",");
            let mut is_head = true;
            for_each_piece(path, |mut piece| {
                if is_head {
                    let head = piece.split(|&byte| byte == b'\n').next().unwrap();
                    assert_eq!(head, header.as_bytes(), "the header of {}", path.display());
                    piece = &piece[head.len() + 1..];
                    is_head = false;
                }
                csv_records(piece, &mut each);
            });
        }
        Text::Json => for_each_piece(path, |piece| json_records(piece, columns, &mut each)),
    }
}

/// Reads a file; calls `each` with pieces that begin and end with a record.
fn for_each_piece(path: &Path, mut each: impl FnMut(&[u8])) {
    let file = File::open(path).unwrap();
    let mut buffer = vec![0; 2 * READ_BYTES];
    let (mut position, mut kept) = (0, 0);
    loop {
        let read = file.read_at(&mut buffer[kept..kept + READ_BYTES], position).unwrap();
        if read == 0 {
            assert_eq!(kept, 0, "the last record ends with a newline");
            return;
        }
        position += read as u64;
        let filled = kept + read;
        let end = memchr::memrchr(b'\n', &buffer[..filled]).expect("records are short") + 1;
        each(&buffer[..end]);
        buffer.copy_within(end..filled, 0);
        kept = filled - end;
    }
}

fn csv_records<const N: usize>(piece: &[u8], each: &mut impl FnMut([&[u8]; N])) {
    assert!(memchr::memchr(b'"', piece).is_none(), "no field is quoted");
    let mut fields = [&[][..]; N];
    let (mut place, mut start) = (0, 0);
    for at in memchr::memchr2_iter(b',', b'\n', piece) {
        fields[place] = &piece[start..at];
        start = at + 1;
        place += 1;
        if place == N {
            assert_eq!(piece[at], b'\n', "a record has {N} fields");
            each(fields);
            place = 0;
        }
    }
    assert_eq!(place, 0, "a record has {N} fields");
}

fn json_records<const N: usize>(
    piece: &[u8],
    columns: &[&str; N],
    each: &mut impl FnMut([&[u8]; N]),
) {
    assert!(memchr::memchr(b'\\', piece).is_none(), "no string has an escape");
    let mut at = 0;
    while at < piece.len() {
        let mut fields = [&[][..]; N];
        assert_eq!(piece[at], b'{');
        for place in 0..N {
            // Before a name stands `{` or `,`, then a quote.
            let name = &piece[at + 2..];
            let name_bytes = columns[place].len();
            // The order that the generator writes in; another is looked up.
            let column = if name.starts_with(columns[place].as_bytes()) && name[name_bytes] == b'"'
            {
                place
            } else {
                let end = memchr::memchr(b'"', name).unwrap();
                columns.iter().position(|column| column.as_bytes() == &name[..end]).unwrap()
            };
            let start = at + 2 + columns[column].len() + 2;
            let value = &piece[start..];
            if value[0] == b'"' {
                let end = memchr::memchr(b'"', &value[1..]).unwrap();
                fields[column] = &value[1..=end];
                at = start + end + 2;
            } else {
                let end = value.iter().position(|&byte| byte == b',' || byte == b'}').unwrap();
                fields[column] = &value[..end];
                at = start + end;
            }
        }
        assert_eq!(&piece[at..at + 2], b"}\n", "a record has {N} fields");
        at += 2;
        each(fields);
    }
}
