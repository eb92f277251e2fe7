//! The memory of the queries that run together: one account, and leases of it.
//!
//! Tables count plain numbers. Between turns a core holds what its pipeline has against the pipeline's
//! lease, and only where the lease does not cover it is the account asked for more, or given back what is
//! left over. Whether a job stops for memory may depend on timing, a result never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a lease has beyond what is held, at least: so many bytes are asked for at a time.
const SPARE_BYTES_MIN: u64 = 64 << 10;
/// And at most, where an eighth of what is held is more.
const SPARE_BYTES_MAX: u64 = 1 << 20;

/// The bytes that all pipelines of a wave may hold together.
#[derive(Debug)]
pub(crate) struct Account {
    budget_bytes: u64,
    free: AtomicU64,
    /// Cores whose pipelines take turns now.
    cores: AtomicU64,
}

/// A core whose pipelines take turns, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Account>);

/// A pipeline's part of the account; what is dropped is given back.
#[derive(Debug)]
pub(crate) struct Lease {
    account: Arc<Account>,
    granted: u64,
}

/// There are not so many bytes left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Bytes that are held without a grant.
    pub(crate) missing_bytes: u64,
}

impl Account {
    pub(crate) fn new(budget_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            budget_bytes,
            free: AtomicU64::new(budget_bytes),
            cores: AtomicU64::new(0),
        })
    }

    pub(crate) fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// Bytes that no lease has.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Says that a core's pipelines begin to take turns.
    pub(crate) fn begin_turns(self: &Arc<Self>) -> Turns {
        self.cores.fetch_add(1, Ordering::Relaxed);
        Turns(Arc::clone(self))
    }

    /// What one core's turn may take: each of those that take turns now has the same part of what is free, since
    /// none knows what the others take before their turns are over.
    fn free_bytes_a_core(&self) -> u64 {
        self.free_bytes() / self.cores.load(Ordering::Relaxed).max(1)
    }

    /// Takes `wanted` bytes, or what there is, if that is at least `needed`.
    fn take(&self, needed: u64, wanted: u64) -> Option<u64> {
        debug_assert!(needed <= wanted, "what is needed is wanted");
        let mut taken = 0;
        let updated = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            taken = wanted.min(free);
            (taken >= needed).then(|| free - taken)
        });
        updated.is_ok().then_some(taken)
    }

    fn give_back(&self, bytes: u64) {
        let before = self.free.fetch_add(bytes, Ordering::Relaxed);
        debug_assert!(before + bytes <= self.budget_bytes, "no more comes back than was granted");
    }
}

/// What a lease is to have beyond `held`.
fn spare_bytes(held: u64) -> u64 {
    (held / 8).clamp(SPARE_BYTES_MIN, SPARE_BYTES_MAX)
}

impl Lease {
    /// Of nothing yet.
    pub(crate) fn new(account: &Arc<Account>) -> Self {
        Self { account: Arc::clone(account), granted: 0 }
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn granted_bytes(&self) -> u64 {
        self.granted
    }

    /// Bytes that may be held until the end of a turn: what is granted, and this core's part of what the account
    /// could still grant.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.granted.saturating_add(self.account.free_bytes_a_core())
    }

    /// Never gives back what it has been granted: it was held by a pipeline that ran out of memory. The allocator may
    /// still have it, while pipelines before that one run on.
    pub(crate) fn keep(&mut self) {
        self.granted = 0;
    }

    /// Makes the lease cover what is held: asks for more, or gives back what is far too much.
    ///
    /// # Errors
    /// [`Refused`] where the account has not enough; the lease is as before.
    pub(crate) fn cover(&mut self, held: u64) -> Result<(), Refused> {
        let spare = spare_bytes(held);
        if held > self.granted {
            let missing_bytes = held - self.granted;
            let granted = self.account.take(missing_bytes, missing_bytes + spare);
            self.granted += granted.ok_or(Refused { missing_bytes })?;
        } else if self.granted - held > 4 * spare {
            // Far more than what is asked for at a time, so that a table that is emptied and filled
            // again does not come here in every turn.
            self.shrink_to(held + spare);
        }
        Ok(())
    }

    /// Gives back all but so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let over = self.granted.saturating_sub(bytes);
        self.granted -= over;
        self.account.give_back(over);
    }

    /// Takes so many bytes off, at most all, for somebody else to hold.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        let granted = bytes.min(self.granted);
        self.granted -= granted;
        Self { account: Arc::clone(&self.account), granted }
    }

    /// Takes over what another lease has been granted.
    pub(crate) fn join(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.account, &other.account), "both are of one wave");
        self.granted += std::mem::take(&mut other.granted);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.0.cores.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.account.give_back(self.granted);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn leases_of_one_account_are_granted_until_it_is_empty() {
        let account = Account::new(10 * MIB);
        let (mut one, mut other) = (Lease::new(&account), Lease::new(&account));
        one.cover(6 * MIB).unwrap();
        other.cover(3 * MIB).unwrap();
        assert!(account.free_bytes() < MIB);
        // What was granted beyond need is used up before the account is asked.
        let limit = one.limit_bytes();
        one.cover(limit).unwrap();
        assert_eq!(account.free_bytes(), 0);
        let refused = one.cover(limit + 1).unwrap_err();
        assert_eq!(refused, Refused { missing_bytes: 1 });
        drop(other);
        one.cover(limit + 1).unwrap();
        drop(one);
        assert_eq!(account.free_bytes(), 10 * MIB);
    }

    #[test]
    fn turns_of_several_cores_may_take_what_is_free_together() {
        let account = Account::new(10 * MIB);
        let (one, other) = (Lease::new(&account), Lease::new(&account));
        let turns = account.begin_turns();
        assert_eq!(one.limit_bytes(), 10 * MIB);
        let turns_of_other = account.begin_turns();
        assert_eq!(one.limit_bytes() + other.limit_bytes(), 10 * MIB);
        drop((turns, turns_of_other));
        assert_eq!(other.limit_bytes(), 10 * MIB);
    }

    #[test]
    fn what_ran_out_of_memory_goes_on_counting() {
        let account = Account::new(10 * MIB);
        let mut lease = Lease::new(&account);
        lease.cover(8 * MIB).unwrap();
        let free = account.free_bytes();
        lease.keep();
        drop(lease);
        assert_eq!(account.free_bytes(), free);
    }

    #[test]
    fn a_lease_that_covers_does_not_touch_the_account() {
        let account = Account::new(100 * MIB);
        let mut lease = Lease::new(&account);
        lease.cover(8 * MIB).unwrap();
        let free = account.free_bytes();
        for held in [8 * MIB, 7 * MIB, 9 * MIB, 6 * MIB, 8 * MIB] {
            lease.cover(held).unwrap();
            assert_eq!(account.free_bytes(), free, "holding {held}");
        }
        lease.cover(MIB).unwrap();
        assert!(account.free_bytes() >= 98 * MIB, "what is left over comes back");
    }

    #[test]
    fn what_changes_hands_counts_once() {
        let account = Account::new(10 * MIB);
        let (mut giver, mut gather) = (Lease::new(&account), Lease::new(&account));
        giver.cover(4 * MIB).unwrap();
        let free = account.free_bytes();
        gather.join(giver.split(3 * MIB));
        assert_eq!(account.free_bytes(), free);
        gather.cover(3 * MIB).unwrap();
        assert_eq!(account.free_bytes(), free);
        drop((giver, gather));
        assert_eq!(account.free_bytes(), 10 * MIB);
    }
}
