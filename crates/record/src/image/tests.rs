//! What is put is taken, and what is not is named.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Entry, Image, Texts};

#[test]
fn what_is_put_is_taken() {
    let mut inner = Image::new();
    inner.put("sums", [1_i128, -2, i128::MAX]);
    inner.put_flags("seen", [true, false]);
    let mut image = Image::new();
    image.put_texts("keys", [&b"a"[..], b"", b"\xff\0"]);
    image.put_option("none", None::<u64>);
    image.put_option("some", Some(f64::NAN));
    image.put_images("states", [inner.clone(), Image::new()]);
    assert_eq!(image.byte_count(), 3 + 24 + 8 + 48 + 2);

    let texts = image.take_texts("keys").unwrap();
    assert!(texts.iter().eq([&b"a"[..], b"", b"\xff\0"]));
    assert_eq!(image.take_option::<u64>("none").unwrap(), None);
    assert!(image.take_option::<f64>("some").unwrap().unwrap().is_nan());
    let mut states = image.take_images("states").unwrap();
    assert_eq!(states.len(), 2);
    assert_eq!(states[0].take::<i128>("sums").unwrap(), [1, -2, i128::MAX]);
    assert_eq!(states[0].take_flags("seen", 2).unwrap(), [true, false]);
    image.end().unwrap();
}

#[test]
fn what_does_not_fit_is_named() {
    let mut image = Image::new();
    image.put("numbers", [1_u32, 2]);
    image.put("flags", [0_u8, 2]);
    image.insert("ends".into(), Entry::Texts(Texts::from_parts(vec![5, 2], vec![0; 2])));
    image.insert("cut".into(), Entry::Numbers { width: 8, bytes: vec![0; 9] });
    let said = |error: super::ImageError| error.within("table").to_string();
    assert_eq!(
        said(image.clone().take::<u64>("numbers").unwrap_err()),
        "table/numbers: is no column of 8-byte numbers"
    );
    assert_eq!(
        said(image.clone().take_one::<u32>("numbers").unwrap_err()),
        "table/numbers: has 2 values and not 1"
    );
    assert_eq!(
        said(image.clone().take_flags("flags", 2).unwrap_err()),
        "table/flags: holds a flag that is neither 0 nor 1"
    );
    assert_eq!(
        said(image.clone().take_texts("ends").unwrap_err()),
        "table/ends: has texts that end elsewhere than its bytes"
    );
    assert_eq!(
        said(image.clone().take::<u64>("cut").unwrap_err()),
        "table/cut: ends within a number"
    );
    assert_eq!(said(image.clone().take_image("other").unwrap_err()), "table/other: is missing");
    assert_eq!(said(image.end().unwrap_err()), "table/cut: is not known here");
}
