//! Batches to text: what CSV and JSON lines share.
//!
//! Some rows at a time, the values of each column are put into text by a loop over their one type ([`block`]:
//! [`numbers`], [`times`] and [`texts`] have files of their own, digits are in `text::digits` and `fours`). Then the rows are put
//! together from the columns' cells ([`rows`]). What no cell of fixed size holds is written one by one as
//! `text::cell` does, still a column at a time; long texts wait in their column and are copied once.

pub(crate) mod block;
#[cfg(target_arch = "x86_64")]
mod fours;
mod numbers;
pub(crate) mod rows;
mod texts;
mod times;

#[cfg(test)]
mod tests;
