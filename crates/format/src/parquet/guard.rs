//! What is checked of a footer before it is parsed: that everything it counts is there.
//!
//! A parser reserves memory for as many members as a list says it has, and goes down into a schema as
//! deep as it says it is. Both numbers are the file's word; a few bytes of them must not take the
//! memory or the stack of the process.
//!
//! Spec: Apache Thrift, "Thrift Compact protocol encoding"; Apache Parquet, `parquet.thrift`,
//! `FileMetaData` and `SchemaElement`.

/// Groups within groups of a schema at most.
const SCHEMA_DEPTH_MAX: usize = 100;

/// Values within values of the footer itself, which has less than ten.
const VALUE_DEPTH_MAX: usize = 32;

/// `FileMetaData.schema`, and `SchemaElement.num_children`.
const SCHEMA_FIELD: i64 = 2;
const CHILDREN_FIELD: i64 = 5;

// Types of the compact protocol; the first ends a structure, whatever stands beside it.
pub(super) const STOP: u8 = 0;
pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
const BYTE: u8 = 3;
pub(super) const I16: u8 = 4;
pub(super) const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;

/// Looks through the metadata of a file.
///
/// # Errors
/// What is wrong.
///
/// # Cost
/// O(bytes).
pub(super) fn check(metadata: &[u8]) -> Result<(), String> {
    let mut walker = Walker::new(metadata);
    walker.value(STRUCT, false).ok_or("it ends within a value, or is nested too deep")?;
    check_schema(&walker.schema)
}

/// The numbers of children have to make one tree, in the order of depth first.
fn check_schema(children: &[i64]) -> Result<(), String> {
    let mut open: Vec<i64> = Vec::new();
    for (at, &count) in children.iter().enumerate() {
        match open.last_mut() {
            Some(missing) => *missing -= 1,
            None if at == 0 => {}
            None => {
                return Err("its schema has more elements than its groups have members".to_owned());
            }
        }
        if count > 0 {
            open.push(count);
        }
        if open.len() > SCHEMA_DEPTH_MAX {
            return Err(format!(
                "its schema is nested deeper than {SCHEMA_DEPTH_MAX} levels, which is not read"
            ));
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err("its schema has fewer elements than its groups have members".to_owned())
    }
}

/// Steps over values of the compact protocol; every step gives `None` where the bytes end before.
pub(super) struct Walker<'a> {
    /// What is left.
    pub(super) bytes: &'a [u8],
    depth: usize,
    /// The number of children of each element of the schema.
    schema: Vec<i64>,
    is_in_schema: bool,
}

impl<'a> Walker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: 0, schema: Vec::new(), is_in_schema: false }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// The type of the next field of a structure, whose number takes the place of that of the one before; 0 where it ends.
    pub(super) fn field(&mut self, id: &mut i64) -> Option<u8> {
        let header = self.byte()?;
        let kind = header & 0x0f;
        if kind != STOP {
            *id = match header >> 4 {
                0 => self.signed()?,
                delta => id.checked_add(i64::from(delta))?,
            };
        }
        Some(kind)
    }

    fn structure(&mut self) -> Option<()> {
        // The file's metadata, its list of elements, an element.
        let is_element = self.is_in_schema && self.depth == 3;
        if is_element {
            self.schema.push(0);
        }
        let mut id: i64 = 0;
        loop {
            let kind = self.field(&mut id)?;
            if kind == STOP {
                break;
            }
            if is_element && id == CHILDREN_FIELD && kind > BYTE && kind <= I64 {
                *self.schema.last_mut()? = self.signed()?;
            } else if self.depth == 1 && id == SCHEMA_FIELD && kind == LIST {
                self.is_in_schema = true;
                self.value(kind, false)?;
                self.is_in_schema = false;
            } else {
                self.value(kind, false)?;
            }
        }
        Some(())
    }

    /// A value of a type; a truth value takes a byte in a collection, and none in a structure.
    pub(super) fn value(&mut self, kind: u8, is_member: bool) -> Option<()> {
        self.depth += 1;
        let is_too_deep = self.depth > VALUE_DEPTH_MAX;
        let outcome = if is_too_deep { None } else { self.value_within(kind, is_member) };
        self.depth -= 1;
        outcome
    }

    fn value_within(&mut self, kind: u8, is_member: bool) -> Option<()> {
        match kind {
            TRUE | FALSE => self.skip(u64::from(is_member)),
            BYTE => self.skip(1),
            I16..=I64 => self.unsigned().map(|_| ()),
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            LIST | SET => {
                let header = self.byte()?;
                let count = match header >> 4 {
                    15 => self.unsigned()?,
                    count => u64::from(count),
                };
                // Every member takes a byte at least, so that a false count ends with the bytes.
                (0..count).try_for_each(|_| self.value(header & 0x0f, true))
            }
            MAP => {
                let count = self.unsigned()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.value(kinds >> 4, true)?;
                    self.value(kinds & 0x0f, true)
                })
            }
            STRUCT => self.structure(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `FileMetaData` of a schema alone, whose elements have these numbers of children.
    fn footer(children: &[u32], claimed: u8) -> Vec<u8> {
        // Field 2, a list of structures.
        let mut bytes = vec![0x29, 0xfc, claimed];
        for count in children {
            // Field 5, an integer of 32 bits, zigzag and in groups of 7 bits.
            bytes.push(0x55);
            let mut zigzag = u64::from(*count) << 1;
            while zigzag >= 0x80 {
                bytes.push(u8::try_from(zigzag & 0x7f).expect("seven bits") | 0x80);
                zigzag >>= 7;
            }
            bytes.push(u8::try_from(zigzag).expect("seven bits"));
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn what_is_counted_has_to_be_there() {
        assert_eq!(check(&footer(&[2, 0, 1, 0], 4)), Ok(()));
        assert!(check(&footer(&[2, 0, 1, 0], 5)).is_err(), "a list of more than there are");
        assert!(check(&footer(&[1 << 31], 1)).is_err(), "children that are not there");
        assert!(check(&footer(&[1, 0, 0], 3)).is_err(), "elements of no group");
        let nested = |depth: u8| {
            let mut children = vec![1; usize::from(depth)];
            children.push(0);
            footer(&children, depth + 1)
        };
        assert_eq!(check(&nested(100)), Ok(()));
        let refused = check(&nested(101)).expect_err("deeper than the limit");
        assert!(refused.contains("100 levels"), "{refused}");
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = footer(&[2, 0, 0], 3);
        for end in 0..whole.len() {
            assert!(check(&whole[..end]).is_err(), "cut at {end}");
        }
    }
}
