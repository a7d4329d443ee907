//! What a correct node itself signed, over its whole life: when it was written, when it became
//! durable, when it left the node. A crash ends no life.

use std::{collections::BTreeMap, fmt};

use engine::types::{BlockId, Lsn, Time, VoteKind};

/// What a signature is for, in the order of signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// A proposal.
    Propose,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

impl From<VoteKind> for Act {
    fn from(kind: VoteKind) -> Self {
        match kind {
            VoteKind::Prevote => Self::Prevote,
            VoteKind::Precommit => Self::Precommit,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Propose => "proposal",
            Self::Prevote => "prevote",
            Self::Precommit => "precommit",
        })
    }
}

/// A place where a correct node signs at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) height: u64,
    pub(super) round: u32,
    pub(super) act: Act,
}

/// What is signed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// A proposed block, and the round of its proof of lock.
    Proposal {
        block: BlockId,
        pol_round: Option<u32>,
    },
    /// A vote; `None` is nil.
    Vote(Option<BlockId>),
}

impl Value {
    /// The block it names.
    pub(super) fn block(&self) -> Option<BlockId> {
        match self {
            Self::Proposal { block, .. } => Some(*block),
            Self::Vote(block) => *block,
        }
    }
}

/// Where an own message stands with the node's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// Never written.
    Unwritten,
    /// Written in this record, which is not known to be durable.
    Written(Lsn),
    /// Its record was reported durable.
    Durable,
    /// Its record was not known to be durable when the node crashed: only the disk knows. If the
    /// node sends it without writing it again, it has read it from the disk.
    Unknown,
}

/// An own message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) value: Value,
    /// When it first appeared: written, or else sent.
    pub(super) made: Time,
    pub(super) disk: Disk,
    /// When it first left the node.
    pub(super) sent: Option<Time>,
}

impl Own {
    /// Whether it binds the node: it cannot be taken back, because it is durable or was sent.
    pub(super) fn binds(&self) -> bool {
        self.disk == Disk::Durable || self.sent.is_some()
    }
}

/// What an event told about an own message.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    pub(super) node: usize,
    pub(super) slot: Slot,
    pub(super) own: Own,
    /// The value is new in its slot; the greatest slot that bound the node before.
    pub(super) made: Option<Option<Slot>>,
    /// From now on it binds the node.
    pub(super) bound: bool,
    /// It leaves the node for the first time; where it stood with the disk.
    pub(super) left: Option<Disk>,
}

/// One correct node.
#[derive(Debug, Default)]
pub(super) struct Life {
    own: BTreeMap<Slot, Vec<Own>>,
    /// Own messages in records not known to be durable, in order.
    waiting: Vec<(Lsn, Slot, Value)>,
    top: Option<Slot>,
    /// The last height it announced or started after.
    pub(super) height: u64,
}

impl Life {
    /// The node wrote a message in a record.
    pub(super) fn write(&mut self, now: Time, lsn: Lsn, slot: Slot, value: Value) -> Told {
        let top = self.top;
        self.waiting.push((lsn, slot, value));
        let (own, new) = self.entry(now, slot, value);
        if own.disk != Disk::Durable {
            own.disk = Disk::Written(lsn);
        }
        Told {
            own: *own,
            made: new.then_some(top),
            bound: false,
            left: None,
        }
    }

    /// The node handed a message to a link.
    pub(super) fn send(&mut self, now: Time, slot: Slot, value: Value) -> Option<Told> {
        let top = self.top;
        let (own, new) = self.entry(now, slot, value);
        if own.sent.is_some() {
            return None;
        }
        let bound = !own.binds();
        own.sent = Some(now);
        let told = Told {
            own: *own,
            made: new.then_some(top),
            bound,
            left: Some(own.disk),
        };
        self.top = self.top.max(Some(slot));
        Some(told)
    }

    /// The disk reports records up to `lsn` durable. Returns what that makes durable.
    pub(super) fn sync(&mut self, lsn: Lsn) -> Vec<(Slot, Told)> {
        let done = self
            .waiting
            .iter()
            .take_while(|(at, ..)| *at <= lsn)
            .count();
        let mut all = Vec::new();
        for (_, slot, value) in self.waiting.drain(..done) {
            let known = self.own.get_mut(&slot);
            let Some(own) = known.and_then(|all| all.iter_mut().find(|o| o.value == value)) else {
                continue;
            };
            let bound = !own.binds();
            own.disk = Disk::Durable;
            self.top = self.top.max(Some(slot));
            all.push((
                slot,
                Told {
                    own: *own,
                    made: None,
                    bound,
                    left: None,
                },
            ));
        }
        all
    }

    /// The node crashed, or is starting again. Returns the messages of which only the disk knows
    /// whether they survived.
    pub(super) fn crash(&mut self) -> Vec<(Slot, Value)> {
        let lost: Vec<_> = self
            .waiting
            .drain(..)
            .map(|(_, slot, value)| (slot, value))
            .collect();
        for (slot, value) in &lost {
            let known = self.own.get_mut(slot);
            if let Some(own) = known.and_then(|all| all.iter_mut().find(|o| o.value == *value))
                && own.disk != Disk::Durable
            {
                own.disk = Disk::Unknown;
            }
        }
        lost
    }

    /// The greatest slot that binds it.
    pub(super) fn top(&self) -> Option<Slot> {
        self.top
    }

    /// What it signed, or at least wrote, in a slot.
    pub(super) fn at(&self, slot: Slot) -> &[Own] {
        self.own.get(&slot).map_or(&[], Vec::as_slice)
    }

    /// What it signed at a height, in order.
    pub(super) fn of_height(&self, height: u64) -> impl DoubleEndedIterator<Item = (Slot, &Own)> {
        let first = Slot {
            height,
            round: 0,
            act: Act::Propose,
        };
        let last = Slot {
            height,
            round: u32::MAX,
            act: Act::Precommit,
        };
        let slots = self.own.range(first..=last);
        slots.flat_map(|(slot, all)| all.iter().map(|own| (*slot, own)))
    }

    /// The latest precommit for a block before a round of a height that binds the node: its lock.
    pub(super) fn lock_before(&self, height: u64, round: u32) -> Option<(Slot, &Own)> {
        self.of_height(height).rev().find(|(slot, own)| {
            let earlier = slot.act == Act::Precommit && slot.round < round;
            earlier && own.binds() && own.value.block().is_some()
        })
    }

    /// Forgets what was signed below a height. The greatest slot is kept for ever.
    pub(super) fn forget_below(&mut self, height: u64) {
        let first = Slot {
            height,
            round: 0,
            act: Act::Propose,
        };
        if self
            .own
            .first_key_value()
            .is_some_and(|(slot, _)| *slot < first)
        {
            self.own = self.own.split_off(&first);
        }
    }

    fn entry(&mut self, now: Time, slot: Slot, value: Value) -> (&mut Own, bool) {
        let all = self.own.entry(slot).or_default();
        let known = all.iter().position(|own| own.value == value);
        let at = known.unwrap_or_else(|| {
            all.push(Own {
                value,
                made: now,
                disk: Disk::Unwritten,
                sent: None,
            });
            all.len() - 1
        });
        (&mut all[at], known.is_none())
    }
}

/// What happened to an own message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    own: Own,
    made: Option<Option<Slot>>,
    bound: bool,
    left: Option<Disk>,
}

impl Told {
    /// The same as news of a node.
    pub(super) fn news(self, node: usize, slot: Slot) -> News {
        let Self {
            own,
            made,
            bound,
            left,
        } = self;
        News {
            node,
            slot,
            own,
            made,
            bound,
            left,
        }
    }
}
