//! A byte at a time: the meaning of the masks, and the way where there is no SIMD.

use super::JsonBytes;

fn mask(bytes: &[u8], is_set: impl Fn(u8) -> bool) -> u64 {
    bytes.iter().rev().fold(0, |mask, &byte| (mask << 1) | u64::from(is_set(byte)))
}

fn narrow(mask: u64) -> u32 {
    u32::try_from(mask).expect("at most 32 bytes")
}

pub(super) fn equal_to(block: &[u8; 64], byte: u8) -> u64 {
    mask(block, |found| found == byte)
}

pub(super) fn string_stops(lane: &[u8; 32]) -> u32 {
    narrow(mask(lane, |byte| byte == b'"' || byte == b'\\' || byte < 0x20))
}

pub(super) fn json_bytes(block: &[u8; 64]) -> JsonBytes {
    let of = |is_set: fn(u8) -> bool| mask(block, is_set);
    JsonBytes {
        quotes: of(|byte| byte == b'"'),
        backslashes: of(|byte| byte == b'\\'),
        marks: of(|byte| b"{}[]:,".contains(&byte)),
        blanks: of(|byte| b" \t\r\n".contains(&byte)),
        newlines: of(|byte| byte == b'\n'),
        controls: of(|byte| byte < b' '),
        beyond: of(|byte| !byte.is_ascii()),
    }
}

pub(super) fn any_of(lane: &[u8; 32], bytes: [u8; 4]) -> u32 {
    narrow(mask(lane, |byte| bytes.contains(&byte)))
}

pub(super) fn digits_and_points(lane: &[u8; 16]) -> (u32, u32) {
    (narrow(mask(lane, |byte| byte.is_ascii_digit())), narrow(mask(lane, |byte| byte == b'.')))
}
