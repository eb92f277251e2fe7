//! Digests of texts and bytes, in hexadecimal digits.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use md5::{Digest, Md5};
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::{Compiled, Problem};
use crate::hash::hash;
use crate::node::{Kernel, Node};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    match function {
        Function::Md5 => Ok((digest::<Md5>(), DataType::Varchar)),
        Function::Hash => Ok((hash(arguments), DataType::BigInt)),
        _ => Err(Problem::Types),
    }
}

/// The digest of text or bytes as lower-case hexadecimal digits.
fn digest<D: Digest + 'static>() -> Kernel {
    Kernel::total(move |v, rows| {
        let mut builder = StringViewBuilder::with_capacity(rows);
        let mut append = |bytes: Option<&[u8]>| match bytes {
            None => builder.append_null(),
            Some(bytes) => builder.append_value(hex(&D::digest(bytes))),
        };
        match v[0].array().as_string_view_opt() {
            Some(texts) => texts.iter().for_each(|text| append(text.map(str::as_bytes))),
            None => v[0].array().as_binary_view().iter().for_each(append),
        }
        Ok(Arc::new(builder.finish()))
    })
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
