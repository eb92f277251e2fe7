//! A byte at a time: the meaning of the masks, and the way where there is no SIMD.

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

pub(super) fn any_of(lane: &[u8; 32], bytes: [u8; 4]) -> u32 {
    narrow(mask(lane, |byte| bytes.contains(&byte)))
}

pub(super) fn differing(left: &[u8; 32], right: &[u8; 32]) -> u32 {
    let different: [u8; 32] = std::array::from_fn(|index| left[index] ^ right[index]);
    narrow(mask(&different, |byte| byte != 0))
}

pub(super) fn digits_and_points(lane: &[u8; 16]) -> (u32, u32) {
    (narrow(mask(lane, |byte| byte.is_ascii_digit())), narrow(mask(lane, |byte| byte == b'.')))
}
