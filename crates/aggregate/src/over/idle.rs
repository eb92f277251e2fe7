//! `idle.key.ttl`: keys that were silent for long, in event time, start afresh.

/// A key that was silent for too long starts afresh in a new slot; its old one goes with the next sweep.
pub(super) struct IdleKeys {
    pub(super) ttl_us: i64,
    pub(super) slots: Vec<u32>,
    pub(super) last_times: Vec<i64>,
    pub(super) slot_count: u32,
    pub(super) next_sweep: i64,
    /// How far event time has come.
    pub(super) watermark: i64,
}

impl IdleKeys {
    /// No keys yet.
    pub(super) fn new(ttl_us: i64) -> Self {
        Self {
            ttl_us,
            slots: Vec::new(),
            last_times: Vec::new(),
            slot_count: 0,
            next_sweep: i64::MIN,
            watermark: i64::MIN,
        }
    }

    /// Whether a row that comes now would find rows before it, of a key that was seen last then.
    pub(super) fn is_alive(&self, last_time: i64) -> bool {
        self.watermark.saturating_sub(last_time) <= self.ttl_us
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>() + self.last_times.capacity() * size_of::<i64>()
    }

    /// Turns keys into slots; how many slots there are.
    pub(super) fn assign(&mut self, keys: &mut [u32], times: &[i64]) -> usize {
        for (key, &time) in keys.iter_mut().zip(times) {
            let at = *key as usize;
            if at == self.slots.len() {
                self.slots.push(self.slot_count);
                self.last_times.push(time);
                self.slot_count += 1;
            } else if time.saturating_sub(self.last_times[at]) > self.ttl_us {
                self.slots[at] = self.slot_count;
                self.slot_count += 1;
            }
            self.last_times[at] = time;
            *key = self.slots[at];
        }
        self.slot_count as usize
    }
}
