//! Short numbers and names as integers.

/// A number of at most two decimals, in hundredths: exact, and a double of it is one division away.
pub(super) fn cents(field: &[u8]) -> i64 {
    let mut value = 0;
    for (at, &byte) in field.iter().enumerate() {
        if byte == b'.' {
            let decimals = &field[at + 1..];
            let digit = |place: usize| decimals.get(place).map_or(0, |&byte| digit(byte));
            assert!(decimals.len() <= 2, "{}", String::from_utf8_lossy(field));
            return value * 100 + digit(0) * 10 + digit(1);
        }
        value = value * 10 + digit(byte);
    }
    value * 100
}

/// A whole number without a sign.
pub(super) fn whole(field: &[u8]) -> i64 {
    field.iter().fold(0, |value, &byte| value * 10 + digit(byte))
}

fn digit(byte: u8) -> i64 {
    assert!(byte.is_ascii_digit());
    i64::from(byte - b'0')
}

/// A name of at most eight bytes, the last in the lowest.
pub(super) fn pack(field: &[u8]) -> u64 {
    assert!(field.len() <= 8);
    field.iter().fold(0, |packed, &byte| packed << 8 | u64::from(byte))
}

/// What [`pack`] was given.
pub(super) fn unpack(packed: u64) -> impl Iterator<Item = u8> {
    packed.to_be_bytes().into_iter().skip_while(|&byte| byte == 0)
}
