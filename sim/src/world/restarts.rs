//! Crashes of many nodes or many times, starts from a disk that is not the node's own, and second
//! instances.

use engine::types::{PeerId, Span};

use crate::{
    clock::START,
    disk::SimDisk,
    nemesis::{CrashLoop, CrashMany, EmptyDisk, ForeignDisk, OldDisk, SecondInstance, Unsynced},
    world::{Pending, World},
};

impl World {
    /// Several nodes stop at once.
    pub(super) fn crash_many(&mut self, fault: &CrashMany) {
        let named = |node: &PeerId| fault.nodes.is_empty() || fault.nodes.contains(&node.0);
        for node in self.nodes().filter(named) {
            self.crash(node, fault.disk);
            if let Some(ms) = fault.restart_after_ms {
                self.start_after(node, ms);
            }
        }
    }

    /// A node stops for the next time.
    pub(super) fn crash_again(&mut self, index: usize, fault: &CrashLoop, step: u32) {
        let node = PeerId(fault.node);
        self.crash(node, fault.disk);
        self.start_after(node, fault.down_ms);
        if step + 1 < fault.times {
            self.later(index, step + 1, fault.down_ms.saturating_add(fault.up_ms));
        } else {
            self.ended(index);
        }
    }

    /// A copy of a node's disk is taken.
    pub(super) fn keep_image(&mut self, index: usize, fault: &OldDisk) {
        let image = self.host(PeerId(fault.node)).disk.snapshot();
        self.images.insert(index, image);
        self.later(index, 0, fault.crash_after_ms);
    }

    /// The node stops, and will start from the copy.
    pub(super) fn go_back(&mut self, index: usize, fault: &OldDisk) {
        if let Some(image) = self.images.remove(&index) {
            if fault.path.is_empty() {
                self.swap_disk(fault.node, &image, fault.restart_after_ms);
            } else {
                self.put_back(fault, &image);
            }
            self.ended(index);
        }
    }

    /// The node stops, and will start from its disk with a part of the copy in it.
    fn put_back(&mut self, fault: &OldDisk, image: &SimDisk) {
        let node = PeerId(fault.node);
        self.crash(node, Unsynced::Kept);
        self.host(node).disk.restore_part(image, &fault.path);
        self.start_after(node, fault.restart_after_ms);
    }

    /// The node stops, and will start with nothing.
    pub(super) fn wipe(&mut self, fault: &EmptyDisk) {
        let empty = SimDisk::new(PeerId(fault.node), self.choices.clone());
        self.swap_disk(fault.node, &empty, fault.restart_after_ms);
    }

    /// The node stops, and will start from another's disk.
    pub(super) fn mix_up(&mut self, fault: &ForeignDisk) {
        let image = self.host(PeerId(fault.of)).disk.snapshot();
        self.swap_disk(fault.node, &image, fault.restart_after_ms);
    }

    /// A node starts for the first time when the plan says; the machine of a second instance not
    /// before that begins.
    pub(super) fn schedule_start(&mut self, node: PeerId) {
        if self.plan.second_of(node.0).is_some() {
            self.host(node).halted = true;
            return;
        }
        let late = Span::millis(self.plan.starts_after_ms(node.0));
        self.queue.push(START.after(late), Pending::Start { node });
    }

    /// A second instance of a node starts, with its key and a copy of its disk.
    pub(super) fn run_twice(&mut self, fault: &SecondInstance) {
        let image = self.host(PeerId(fault.node)).disk.snapshot();
        let on = PeerId(fault.on);
        let host = self.host(on);
        host.disk.restore(&image);
        host.halted = false;
        self.start(on);
    }

    fn swap_disk(&mut self, node: u16, image: &SimDisk, restart_after_ms: u64) {
        let node = PeerId(node);
        self.crash(node, Unsynced::Kept);
        self.host(node).disk.restore(image);
        self.start_after(node, restart_after_ms);
    }
}
