//! Numbers as bytes.

/// Numbers that an image can hold.
pub trait Flat: Copy {
    /// Bytes of one.
    const WIDTH: usize;

    /// Appends one, little-endian.
    fn put(self, bytes: &mut Vec<u8>);

    /// Reads one from exactly [`Self::WIDTH`] bytes.
    fn take(bytes: &[u8]) -> Self;
}

macro_rules! flat {
    ($($number:ty),*) => {$(
        impl Flat for $number {
            const WIDTH: usize = size_of::<$number>();

            #[inline(always)]
            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            #[inline(always)]
            fn take(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("as many as a number has"))
            }
        }
    )*};
}

flat!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64);
