//! What a validator may sign, judged from what it was told: the local rules of the paper, written
//! again over plain lists. Four validators of power 1, so three are more than two thirds.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{Address, BlockId, Height, Message, Round, VoteKind};

type Slot = (Height, Round, VoteKind);

/// Everything one validator has heard and signed, crashes included.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    me: Address,
    /// Who voted what, own votes included.
    votes: BTreeSet<(Slot, Option<BlockId>, Address)>,
    /// Proposals that came or were made: block and proof-of-lock round.
    proposals: BTreeSet<(Height, Round, BlockId, Option<Round>)>,
    /// Own votes whose record was written.
    recorded: BTreeMap<Slot, Option<BlockId>>,
    own_proposals: BTreeMap<(Height, Round), BlockId>,
    /// Those of both kinds whose record is durable; a proposal has no kind of vote.
    durable: BTreeSet<(Height, Round, Option<VoteKind>)>,
}

impl Witness {
    pub(super) fn new(me: Address) -> Self {
        Self {
            me,
            votes: BTreeSet::new(),
            proposals: BTreeSet::new(),
            recorded: BTreeMap::new(),
            own_proposals: BTreeMap::new(),
            durable: BTreeSet::new(),
        }
    }

    /// Everything that was written is durable.
    pub(super) fn synced(&mut self) {
        let votes = self
            .recorded
            .keys()
            .map(|(h, r, kind)| (*h, *r, Some(*kind)));
        self.durable.extend(votes);
        let proposals = self.own_proposals.keys().map(|(h, r)| (*h, *r, None));
        self.durable.extend(proposals);
    }

    /// A message whose signature is right was given to the node.
    pub(super) fn heard(&mut self, message: &Message) {
        if let Message::Vote(vote) = message {
            let slot = (vote.height, vote.round, vote.kind);
            self.votes.insert((slot, vote.block, vote.address));
        }
        if let Message::Proposal(p) = message {
            self.proposals
                .insert((p.height, p.round, p.block, p.pol_round));
        }
    }

    /// The node has written a record of what it signed.
    pub(super) fn signed(&mut self, message: &Message) {
        if let Message::Vote(vote) = message {
            let slot = (vote.height, vote.round, vote.kind);
            let before = self.recorded.insert(slot, vote.block);
            assert!(
                before.is_none_or(|b| b == vote.block),
                "two votes for {slot:?}"
            );
            if before.is_none() {
                self.justified(slot, vote.block);
            }
        }
        if let Message::Proposal(proposal) = message {
            let at = (proposal.height, proposal.round);
            let before = self.own_proposals.insert(at, proposal.block);
            let same = before.is_none_or(|block| block == proposal.block);
            assert!(same, "two proposals for {at:?}");
            if let Some(pol) = proposal.pol_round {
                let slot = (at.0, pol, VoteKind::Prevote);
                assert!(pol < at.1, "a proof of lock of the future");
                assert!(self.quorum(slot, Some(proposal.block)), "no polka in {pol}");
            }
        }
        self.heard(message);
    }

    /// The node sends this: what is its own was made durable before.
    pub(super) fn sent(&self, message: &Message) {
        if let Message::Vote(vote) = message
            && vote.address == self.me
        {
            let slot = (vote.height, vote.round, vote.kind);
            assert_eq!(
                self.recorded.get(&slot),
                Some(&vote.block),
                "not signed: {vote}"
            );
            let durable = self.durable.contains(&(slot.0, slot.1, Some(slot.2)));
            assert!(durable, "sent before it was durable: {vote}");
        }
        if let Message::Proposal(p) = message {
            let what = (p.height, p.round, p.block, p.pol_round);
            assert!(
                self.proposals.contains(&what),
                "sent, neither signed nor heard"
            );
            let own = self.own_proposals.get(&(p.height, p.round)) == Some(&p.block);
            let durable = self.durable.contains(&(p.height, p.round, None));
            assert!(durable || !own, "sent before it was durable: {p}");
        }
    }

    /// The node announces a decision.
    pub(super) fn decided(&self, height: Height, round: Round, block: BlockId) {
        let slot = (height, round, VoteKind::Precommit);
        assert!(
            self.quorum(slot, Some(block)),
            "decided {height} in {round} without precommits"
        );
    }

    fn quorum(&self, slot: Slot, block: Option<BlockId>) -> bool {
        self.voters(slot, block).count() >= 3
    }

    fn voters(&self, slot: Slot, block: Option<BlockId>) -> impl Iterator<Item = &Address> {
        let all = self.votes.iter();
        all.filter(move |vote| (vote.0, vote.1) == (slot, block))
            .map(|vote| &vote.2)
    }

    /// Whether the rules of L22, L28 and L36 allow an own vote; nil is always allowed.
    fn justified(&self, slot: Slot, block: Option<BlockId>) {
        let (height, round, kind) = slot;
        let Some(id) = block else { return };
        match kind {
            // L36: more than two thirds of prevotes for it in this round.
            VoteKind::Precommit => {
                let polka = (height, round, VoteKind::Prevote);
                assert!(
                    self.quorum(polka, block),
                    "precommit in {round} without a polka"
                );
            }
            // L22, L28: it was proposed in this round, and no other block is locked, or a polka
            // that is not older than the lock is the reason.
            VoteKind::Prevote => {
                let offers = self.proposals.iter();
                let mut offers = offers.filter(|p| (p.0, p.1, p.2) == (height, round, id));
                let allowed = offers.any(|(.., pol)| self.lock_allows(height, round, id, *pol));
                assert!(
                    allowed,
                    "prevote in {round} without a proposal that allows it"
                );
            }
        }
    }

    fn lock_allows(&self, height: Height, round: Round, id: BlockId, pol: Option<Round>) -> bool {
        let own = self.recorded.iter().rev();
        let mut locks = own.filter_map(|(slot, block)| Some((slot, (*block)?)));
        let locked = locks
            .find(|((h, r, kind), _)| *h == height && *kind == VoteKind::Precommit && *r < round);
        let proven =
            |pol: Round| pol < round && self.quorum((height, pol, VoteKind::Prevote), Some(id));
        match (locked, pol) {
            (None, None) => true,
            (Some((_, block)), None) => block == id,
            (None, Some(pol)) => proven(pol),
            (Some(((_, lock, _), block)), Some(pol)) => {
                proven(pol) && (block == id || *lock <= pol)
            }
        }
    }
}
