//! Texts and bytes in other writings: hexadecimal, binary, Base64, URLs, and digests.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;
use tidemill_plan::Function;
use tidemill_record::DataType;
use tidemill_record::recycled::Line;

use super::lift::{Bytes, Integer, Text, text1, value1};
use super::{Compiled, Problem};
use crate::hash::hash;
use crate::node::{Kernel, Node};
use crate::value::Failure;

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let given = arguments[0].data_type();
    let kernel = match function {
        Function::Hash => return Ok((hash(arguments), DataType::BigInt)),
        Function::FromHex => return bytes(value1::<Text, _>(from_hex)),
        Function::FromBase64 => return bytes(value1::<Text, _>(from_base64)),
        Function::Encode => {
            return bytes(value1::<Text, _>(|text| Some(text.as_bytes().to_vec())));
        }
        Function::Hex if *given == DataType::BigInt => text1::<Integer, _>(|value, out| {
            // Writing to a String does not fail.
            let _ = write!(out, "{value:X}");
        }),
        Function::Bin if *given == DataType::BigInt => text1::<Integer, _>(|value, out| {
            let _ = write!(out, "{value:b}");
        }),
        Function::Hex => of_bytes(given, |bytes, out| digits(bytes, b"0123456789ABCDEF", out)),
        Function::Bin => of_bytes(given, |bytes, out| {
            bytes.iter().for_each(|byte| _ = write!(out, "{byte:08b}"));
        }),
        Function::Md5 => of_bytes(given, digest::<Md5>),
        Function::Sha1 => of_bytes(given, digest::<Sha1>),
        Function::Sha256 => of_bytes(given, digest::<Sha256>),
        Function::ToBase64 => of_bytes(given, to_base64),
        Function::Decode => text1::<Bytes, _>(decode),
        Function::UrlEncode => text1::<Text, _>(url_encode),
        Function::UrlDecode => text1::<Text, _>(url_decode),
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::Varchar))
}

fn bytes(kernel: Kernel) -> Compiled {
    Ok((kernel, DataType::Varbinary))
}

/// A function of bytes, which text is, too.
fn of_bytes(given: &DataType, write: fn(&[u8], &mut Line)) -> Kernel {
    match given {
        DataType::Varbinary => text1::<Bytes, _>(write),
        _ => text1::<Text, _>(move |text, out| write(text.as_bytes(), out)),
    }
}

/// In lower case.
fn digest<D: Digest>(bytes: &[u8], out: &mut Line) {
    digits(&D::digest(bytes), b"0123456789abcdef", out);
}

fn digits(bytes: &[u8], digits: &[u8; 16], out: &mut Line) {
    let digit = |value: u8| char::from(digits[usize::from(value)]);
    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
}

/// An odd number of digits stands for one with a zero before it.
fn from_hex(text: &str) -> Result<Vec<u8>, Failure> {
    let value = |digit: u8| {
        let value = char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        value.ok_or_else(|| Failure::row(format!("'{text}' is not of hexadecimal digits")))
    };
    let (first, pairs) = text.as_bytes().split_at(text.len() % 2);
    let mut bytes = Vec::with_capacity(text.len().div_ceil(2));
    for digit in first {
        bytes.push(value(*digit)?);
    }
    for pair in pairs.chunks_exact(2) {
        bytes.push(value(pair[0])? << 4 | value(pair[1])?);
    }
    Ok(bytes)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4, with padding.
fn to_base64(bytes: &[u8], out: &mut Line) {
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * at) & 63).expect("six bits");
            out.push(if at <= three.len() { char::from(BASE64[index]) } else { '=' });
        }
    }
}

fn from_base64(text: &str) -> Result<Vec<u8>, Failure> {
    let wrong = || Failure::row(format!("'{text}' is not Base64"));
    let unpadded = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    if !text.len().is_multiple_of(4) {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in unpadded.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            let letter = four.get(at).copied();
            let value = letter.map_or(Some(0), |letter| BASE64.iter().position(|l| *l == letter));
            let value = value.and_then(|value| u32::try_from(value).ok()).ok_or_else(wrong)?;
            bits = bits << 6 | value;
        }
        // Of two letters one byte, of three letters two.
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    Ok(bytes)
}

fn decode(bytes: &[u8], out: &mut Line) -> Result<(), Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::row("bytes that are not UTF-8"))?;
    out.push_str(text);
    Ok(())
}

/// All but letters, digits and `-_.~` as `%` and two digits of each byte (RFC 3986, section 2.3).
fn url_encode(text: &str, out: &mut Line) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

/// What is not `%` and two digits stays as it is.
fn url_decode(text: &str, out: &mut Line) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push(u8::try_from(high << 4 | low).expect("two digits of four bits"));
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    decode(&bytes, out)
}
