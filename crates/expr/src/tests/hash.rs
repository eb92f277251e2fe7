//! `MD5` and `HASH`.

use DataType::{BigInt, Varchar};

use super::*;

#[test]
fn md5() {
    check_call(
        Function::Md5,
        Varchar,
        &[
            (&[s("")], "d41d8cd98f00b204e9800998ecf8427e"),
            (&[s("abc")], "900150983cd24fb0d6963f7d28e17f72"),
            (&[n(Varchar)], "NULL"),
        ],
    );
    let bytes = Scalar::Varbinary(vec![0xff]);
    check_call(Function::Md5, Varchar, &[(&[bytes], "00594fd4f42ba43fc1ca0427a0576295")]);
}

/// The definition, written out apart from the crate's hasher.
fn defined(encoding: &[u8]) -> String {
    let fnv = encoding.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut hash = fnv;
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    hash.cast_signed().to_string()
}

#[test]
fn hash_is_what_its_definition_says() {
    let text = defined(&[1, 2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b']);
    let null = defined(&[0]);
    check_call(Function::Hash, BigInt, &[(&[s("ab")], &text), (&[n(Varchar)], &null)]);
    let pair = defined(&[1, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    check_call(Function::Hash, BigInt, &[(&[Scalar::TinyInt(5), n(Varchar)], &pair)]);
    let five = defined(&[1, 5, 0, 0, 0, 0, 0, 0, 0]);
    check_call(Function::Hash, BigInt, &[(&[i(5)], &five)]);
    let zero = defined(&[1, 0, 0, 0, 0, 0, 0, 0, 0]);
    check_call(Function::Hash, BigInt, &[(&[f(0.0)], &zero), (&[f(-0.0)], &zero)]);
    let digits = defined(&[1, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    check_call(Function::Hash, BigInt, &[(&[d("1.5")], &digits)]);
}
