//! Files that hold something else than they are read as.
#![allow(clippy::unwrap_used, reason = "tests")]

use tidemill_plan::{ArrowOptions, Compression, CsvOptions, Format, JsonOptions};
use tidemill_source::Content;

#[test]
fn what_is_no_text_is_recognised() {
    let utf16 = |text: &str, mark: bool| {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    let tar = [b"name.csv".as_slice(), &[0; 249], b"ustar\0"].concat();
    let cases: [(&[u8], Content); 18] = [
        (b"\x1f\x8b\x08\0", Content::Gzip),
        (b"\x28\xb5\x2f\xfd\x04", Content::Zstd),
        (b"\x04\x22\x4d\x18\x64", Content::Lz4),
        (b"\x02\x21\x4c\x18", Content::Lz4Legacy),
        (b"BZh91AY&SY", Content::Bzip2),
        (b"\xfd7zXZ\0\0\x04", Content::Xz),
        (b"\xff\x06\0\0sNaPpY", Content::Snappy),
        (b"PK\x03\x04\x14\0", Content::Zip),
        (&tar, Content::Tar),
        (b"PAR1\x15\x04\x15", Content::Parquet),
        (b"ARROW1\0\0\xff\xff\xff\xff", Content::ArrowFile),
        (b"\xff\xff\xff\xff\x10\x01\0\0", Content::ArrowStream),
        (b"Obj\x01\x04\x16avro", Content::Avro),
        (b"ORC\x1a\x05", Content::Orc),
        (&utf16("id,n\n1,2\n", true), Content::Utf16),
        (&utf16("{\"id\":1}\n", false), Content::Utf16),
        (b"\xfe\xff\0a", Content::Utf16),
        (b"\xff\xfe\0\0a\0\0\0", Content::Utf32),
    ];
    for (head, content) in cases {
        assert_eq!(Content::of(head), Some(content), "{head:?}");
    }
    assert_eq!(Content::Gzip.compression(), Some(Compression::Gzip));
}

#[test]
fn text_is_not_taken_for_anything_else() {
    let texts: [&[u8]; 12] = [
        b"",
        b"a",
        b"\xef\xbb\xbfa,b\n",
        b"PAR1,PAR2\n1,2\n",
        b"ORC,ELF\n1,2\n",
        b"PK,id\n",
        b"BZh9,x\n",
        b"Obj,1\n",
        b"ARROW1,x\n",
        b"{\"id\":1}\n",
        "é,ü\n".as_bytes(),
        b"\xff\xff\n",
    ];
    for text in texts {
        assert_eq!(Content::of(text), None, "{text:?}");
    }
}

#[test]
fn what_a_file_may_hold_depends_on_the_format() {
    let csv = Format::Csv(CsvOptions::default());
    assert_eq!(Content::Utf16.conflict(&csv), Some("CSV"));
    assert_eq!(
        Content::Parquet.conflict(&Format::Json(JsonOptions::default())),
        Some("JSON lines")
    );
    assert_eq!(Content::ArrowStream.conflict(&Format::Arrow(ArrowOptions::default())), None);
    assert_eq!(Content::ArrowFile.conflict(&Format::Parquet), Some("Parquet"));
    assert_eq!(Content::Parquet.conflict(&Format::Parquet), None);
    assert_eq!(Content::Gzip.conflict(&Format::Arrow(ArrowOptions::default())), Some("Arrow"));
}
