//! Texts by number, so that keys of a few texts and whole numbers are places in a list, too.

use std::borrow::Cow;

use smallvec::smallvec;

use super::Interner;
use crate::AggregateError;
use crate::keys::fixed::FixedInput;
use crate::keys::{KeyColumn, KeyInput, KeyInputs};

/// Of each column the texts that have come, unless it is of whole numbers.
pub(super) struct Numbers {
    texts: Vec<Option<Interner>>,
    /// Reused from batch to batch.
    numbers: Vec<u32>,
}

impl Numbers {
    /// None yet of these columns.
    pub(super) fn of(columns: &[KeyColumn]) -> Self {
        let texts = |column: &KeyColumn| Interner::of(vec![column.emptied()]);
        let texts = columns.iter().map(|column| (!column.is_whole()).then(|| texts(column)));
        Self { texts: texts.collect(), numbers: Vec::new() }
    }

    /// Keys as whole numbers, NULL texts among them.
    pub(super) fn inputs<'a>(
        &mut self,
        inputs: &'a KeyInputs<'_>,
        row_count: usize,
    ) -> Result<KeyInputs<'a>, AggregateError> {
        let mut whole = KeyInputs::new();
        for (texts, input) in self.texts.iter_mut().zip(inputs) {
            let input = match (input, texts) {
                (KeyInput::Fixed(input), _) => FixedInput {
                    canonical: Cow::Borrowed(&input.canonical[..]),
                    original: None,
                    nulls: input.nulls.clone(),
                },
                (KeyInput::Bytes(input), Some(texts)) => {
                    let inputs: KeyInputs<'_> = smallvec![KeyInput::Bytes(input.clone())];
                    texts.intern_inputs(&inputs, row_count, &mut self.numbers)?;
                    let canonical = self.numbers.iter().map(|&number| u64::from(number)).collect();
                    FixedInput { canonical, original: None, nulls: None }
                }
                _ => unreachable!("only texts and whole numbers have numbers"),
            };
            whole.push(KeyInput::Fixed(input));
        }
        Ok(whole)
    }

    /// Forgets all texts.
    pub(super) fn clear(&mut self) {
        self.texts.iter_mut().flatten().for_each(Interner::clear);
    }

    /// Bytes held, without the scratch memory of one batch.
    pub(super) fn heap_bytes(&self) -> usize {
        let texts = self.texts.iter().flatten();
        texts.map(|texts| texts.heap_bytes() + size_of::<Interner>()).sum()
    }

    /// Bytes of the scratch memory of one batch.
    pub(super) fn scratch_bytes(&self) -> usize {
        let texts = self.texts.iter().flatten();
        texts.map(Interner::scratch_bytes).sum::<usize>()
            + self.numbers.capacity() * size_of::<u32>()
    }

    /// Frees it.
    pub(super) fn free_scratch(&mut self) {
        self.texts.iter_mut().flatten().for_each(Interner::free_scratch);
        self.numbers = Vec::new();
    }
}
