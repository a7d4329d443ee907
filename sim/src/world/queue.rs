//! The one queue that decides what happens next: by time, then by order of insertion.

use std::{cmp::Reverse, collections::BinaryHeap};

use engine::types::Time;

/// Pending things, each with its time.
#[derive(Debug)]
pub(super) struct Queue<T> {
    heap: BinaryHeap<Reverse<(Time, u64, usize)>>,
    slots: Vec<Option<T>>,
    free: Vec<usize>,
    inserted: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            inserted: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Adds a thing for `at`. Things for one time come out in the order in which they were added.
    pub(super) fn push(&mut self, at: Time, thing: T) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(thing);
                slot
            }
            None => {
                self.slots.push(Some(thing));
                self.slots.len() - 1
            }
        };
        self.heap.push(Reverse((at, self.inserted, slot)));
        self.inserted += 1;
    }

    /// Takes the next thing.
    pub(super) fn pop(&mut self) -> Option<(Time, T)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        let thing = self.slots[slot].take()?;
        self.free.push(slot);
        Some((at, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_out_by_time_and_then_by_insertion() {
        let mut queue = Queue::default();
        for (at, name) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')] {
            queue.push(Time(at), name);
        }
        let mut order = String::new();
        while let Some((_, name)) = queue.pop() {
            order.push(name);
            if name == 'b' {
                queue.push(Time(4), 'e');
            }
        }
        assert_eq!(order, "bdeac");
    }
}
