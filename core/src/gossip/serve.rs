//! Answers a peer with what it lacks: Tendermint's data gossip, vote gossip and majority query, as
//! one function of what the peer said last.

use crate::{
    codec::Frame,
    gossip::{Gossip, Out, PeerState},
    types::{
        BitArray, BlockId, Channel, Commit, CommitSig, Height, Hrs, MAX_FRAME_MESSAGES, Message,
        PartSet, PartSetHeader, PeerId, Proposal, Round, Step, Time, ValidatorIndex, Vote,
        VoteKind,
    },
};

/// What gossip may see of the node.
pub trait View {
    /// Where the node stands.
    fn at(&self) -> Hrs;
    /// The round that committed the height before; `None` at the first height.
    fn last_commit_round(&self) -> Option<Round>;
    /// Number of validators of a height, 0 if not known. Only used for the current height and its
    /// neighbours.
    fn validators(&self, height: Height) -> usize;
    /// This node's place among the validators.
    fn own_index(&self) -> Option<ValidatorIndex>;
    /// The votes of the current height that are here, by round and kind.
    fn vote_bits(&self) -> Vec<((Round, VoteKind), &BitArray)>;
    /// The votes of the current height, of one round and kind, that are here.
    fn have(&self, round: Round, kind: VoteKind) -> Option<&BitArray>;
    /// Which votes for `block` are here; `None` if the set is not known.
    fn have_for(
        &self,
        height: Height,
        round: Round,
        kind: VoteKind,
        block: Option<BlockId>,
    ) -> Option<&BitArray>;
    /// What more than 2/3 voted for.
    fn majority(&self, round: Round, kind: VoteKind) -> Option<Option<BlockId>>;
    /// A vote of the current height.
    fn vote(&self, round: Round, kind: VoteKind, index: usize) -> Option<&Vote>;
    /// The proposal of the current round.
    fn proposal(&self) -> Option<&Proposal>;
    /// The parts of a block of the current height, as far as they are here.
    fn parts(&self, block: BlockId) -> Option<&PartSet>;
    /// The block of the current height that travels in these parts, as far as it is here.
    fn block_of(&self, parts: PartSetHeader) -> Option<(BlockId, &PartSet)>;
    /// A block that more than 2/3 voted for and whose parts are not all here, and whether the votes
    /// are precommits.
    fn wanted_block(&self) -> Option<(BlockId, bool)>;
    /// The round whose precommits decide the current height.
    fn commit_round(&self) -> Option<Round>;
    /// Decided blocks below this height are not stored here any more.
    fn base(&self) -> Height;
    /// A decided block, if it is in memory: its parts and its commit.
    fn stored(&self, height: Height) -> Option<(&PartSet, &Commit)>;
    /// A precommit of a decided block that is in memory.
    fn stored_vote(&self, height: Height, index: usize) -> Option<Vote>;

    /// The answer to a majority query about the current height.
    fn bits_message(
        &self,
        round: Round,
        kind: VoteKind,
        block: Option<BlockId>,
    ) -> Option<Message> {
        let height = self.at().height;
        let len = self.have(round, kind)?.len();
        let have = self.have_for(height, round, kind, block).cloned();
        let have = have.unwrap_or_else(|| BitArray::new(len));
        Some(Message::VoteSetBits {
            height,
            round,
            kind,
            block,
            have,
        })
    }
}

impl Gossip {
    /// Sends a peer what it lacks, as far as it was not sent lately.
    pub(super) fn serve(&mut self, now: Time, to: PeerId, view: &impl View, out: &mut Vec<Out>) {
        let Some(mut peer) = self.peers.remove(&to) else {
            return;
        };
        peer.expire_sent(now, self.config.resend_after);
        let mut messages = Vec::new();
        let (ours, theirs) = (view.at().height, peer.round_state().height);
        if let Some(theirs) = theirs {
            if theirs == ours {
                self.same_height(&mut peer, view, &mut messages);
            } else if theirs < ours {
                let lag = ours.0 - theirs.0;
                // One behind may be a hint overtaken by events; said twice it is real.
                if lag > 1 || peer.round_state().announced > 0 {
                    self.catch_up(theirs, &mut peer, view, &mut messages, out);
                }
            }
        }
        messages.iter().for_each(|m| peer.note_sent(now, m));
        self.peers.insert(to, peer);
        send_all(to, messages, out);
    }

    fn same_height(&mut self, peer: &mut PeerState, view: &impl View, out: &mut Vec<Message>) {
        let Hrs {
            height,
            round: ours,
            ..
        } = view.at();
        let (Some(theirs), Some(step)) = (peer.round_state().round, peer.round_state().step) else {
            return;
        };
        self.proposal_and_parts(peer, view, out);
        if step == Step::NewHeight {
            self.last_commit(peer, view, out);
        }
        let mut rounds: Vec<(Round, VoteKind)> = Vec::new();
        if let Some(commit) = view.commit_round() {
            peer.ensure_catchup_commit(commit, view.validators(height));
            rounds.push((commit, VoteKind::Precommit));
        }
        if theirs <= ours {
            rounds.push((theirs, VoteKind::Prevote));
            rounds.push((theirs, VoteKind::Precommit));
        }
        if theirs < ours {
            // Votes of our round let the peer skip to it (L55).
            rounds.push((ours, VoteKind::Prevote));
            rounds.push((ours, VoteKind::Precommit));
        } else if let Some(pol_round) = view.proposal().and_then(|p| p.pol_round) {
            rounds.push((pol_round, VoteKind::Prevote));
        }
        rounds.dedup();
        for (round, kind) in rounds {
            self.claim((height, round, kind), peer, view, out);
            self.votes((height, round, kind), peer, view, out);
        }
    }

    /// Says what more than 2/3 voted for, so that the peer counts those votes even where it saw
    /// conflicting ones first.
    fn claim(
        &self,
        (height, round, kind): (Height, Round, VoteKind),
        peer: &mut PeerState,
        view: &impl View,
        out: &mut Vec<Message>,
    ) {
        // Only a peer that stands still needs it.
        if peer.round_state().announced == 0 {
            return;
        }
        if let Some(block) = view.majority(round, kind)
            && peer.note_claim((height, round, kind))
        {
            out.push(Message::VoteSetMaj23 {
                height,
                round,
                kind,
                block,
            });
        }
    }

    fn votes(
        &mut self,
        slot: (Height, Round, VoteKind),
        peer: &PeerState,
        view: &impl View,
        out: &mut Vec<Message>,
    ) {
        let (_, round, kind) = slot;
        let Some(have) = view.have(round, kind) else {
            return;
        };
        let lacking = peer.lacks(slot, have);
        let own = view.own_index().map(ValidatorIndex::get);
        let settled = self.settled.older.get(&(round, kind));
        let current = round == view.at().round && Some(round) != view.commit_round();
        let announced = peer.round_state().announced;
        let candidates: Vec<usize> = lacking
            .ones()
            .filter(|i| Some(*i) == own || !current || settled.is_some_and(|bits| bits.get(*i)))
            .collect();
        for index in candidates {
            if (Some(index) == own || self.answers_this_time(announced))
                && let Some(vote) = view.vote(round, kind, index)
            {
                out.push(Message::Vote(vote.clone()));
            }
        }
    }

    /// Whether this node is among those that answer: a few of the peers at the first announcement,
    /// twice as many at the second, and so on.
    fn answers_this_time(&mut self, announced: u32) -> bool {
        let peers = u64::try_from(self.peers.len().max(1)).unwrap_or(u64::MAX);
        let wanted = u64::from(self.config.answers) << announced.min(16);
        // SplitMix64: a small seeded stream, the only randomness in the engine.
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.draws;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % peers < wanted
    }

    fn proposal_and_parts(
        &mut self,
        peer: &mut PeerState,
        view: &impl View,
        out: &mut Vec<Message>,
    ) {
        let Hrs { height, round, .. } = view.at();
        let state = peer.round_state();
        let waits = state.step.is_some_and(|s| s <= Step::Propose) && state.announced > 0;
        if state.is_at(height, round)
            && waits
            && !state.proposal
            && !peer.was_sent_proposal((height, round))
            && let Some(proposal) = view.proposal()
        {
            out.push(Message::Proposal(proposal.clone()));
            if let Some(pol_round) = proposal.pol_round
                && let Some(have) = view.have(pol_round, VoteKind::Prevote).cloned()
            {
                out.push(Message::ProposalPol {
                    height,
                    pol_round,
                    have,
                });
            }
            send_parts(
                proposal.block,
                (height, round),
                peer,
                view.parts(proposal.block),
                out,
            );
            return;
        }
        // Parts the peer asked for by naming their header.
        if let Some((block, parts)) = state.parts_header.and_then(|h| view.block_of(h)) {
            send_parts(block, (height, round), peer, Some(parts), out);
        }
    }

    fn last_commit(&mut self, peer: &PeerState, view: &impl View, out: &mut Vec<Message>) {
        let Some(last) = view.at().height.prev() else {
            return;
        };
        let Some((_, commit)) = view.stored(last) else {
            return;
        };
        let slot = (last, commit.round, VoteKind::Precommit);
        let have: BitArray = present(commit);
        let announced = peer.round_state().announced;
        for index in peer.lacks(slot, &have).ones() {
            if announced > 0 && self.answers_this_time(announced) {
                out.extend(view.stored_vote(last, index).map(Message::Vote));
            }
        }
    }

    /// A peer on an older height: the commit of that height, then the block's parts when it asks
    /// for them.
    fn catch_up(
        &mut self,
        height: Height,
        peer: &mut PeerState,
        view: &impl View,
        messages: &mut Vec<Message>,
        out: &mut Vec<Out>,
    ) {
        if height < view.base() {
            return; // nobody can be helped with what is gone
        }
        let Some((parts, commit)) = view.stored(height) else {
            if self.loading.insert(height) {
                out.push(Out::Load(height));
            }
            return;
        };
        let slot = (height, commit.round, VoteKind::Precommit);
        peer.ensure_catchup_commit(commit.round, commit.signatures.len());
        let have = present(commit);
        let lacking = peer.lacks(slot, &have);
        // A peer that stands still may hold other votes of the same validators: its answer tells
        // which it needs.
        let stuck = peer.round_state().announced > 0;
        if (stuck || lacking.count() > 0) && peer.note_claim(slot) {
            let (round, kind, block) = (commit.round, VoteKind::Precommit, Some(commit.block));
            messages.push(Message::VoteSetMaj23 {
                height,
                round,
                kind,
                block,
            });
        }
        for index in lacking.ones() {
            messages.extend(view.stored_vote(height, index).map(Message::Vote));
        }
        if peer.round_state().parts_header == Some(commit.block.parts) {
            send_parts(
                commit.block,
                (height, commit.round),
                peer,
                Some(parts),
                messages,
            );
        }
    }
}

/// Which validators' precommits a commit holds.
fn present(commit: &Commit) -> BitArray {
    commit
        .signatures
        .iter()
        .map(|entry| !matches!(entry, CommitSig::Absent))
        .collect()
}

fn send_parts(
    block: BlockId,
    (height, round): (Height, Round),
    peer: &mut PeerState,
    parts: Option<&PartSet>,
    out: &mut Vec<Message>,
) {
    let Some(parts) = parts else { return };
    let lacking = peer.lacks_parts(block.parts, parts.have());
    for part in lacking.ones().filter_map(|i| parts.part(i)) {
        let part = std::sync::Arc::clone(part);
        out.push(Message::BlockPart {
            height,
            round,
            part,
        });
    }
    peer.note_sent_parts(block.parts, &lacking);
}

/// Packs messages into frames, one channel each, in an order that the receiver can use: claims
/// before votes, proposals before parts.
fn send_all(to: PeerId, messages: Vec<Message>, out: &mut Vec<Out>) {
    let channels = [
        Channel::State,
        Channel::Data,
        Channel::Vote,
        Channel::VoteSetBits,
        Channel::Evidence,
    ];
    for channel in channels {
        let of = messages.iter().filter(|m| m.channel() == channel);
        for frame in frames_of(channel, &of.cloned().collect::<Vec<_>>()) {
            out.push(Out::Send { to, frame });
        }
    }
}

/// The frames that hold these messages of one channel, in order. No frame is longer than its
/// channel allows.
pub(super) fn frames_of(channel: Channel, messages: &[Message]) -> Vec<Frame> {
    // A part may be 64 KiB: few of them fit into a frame.
    let limit = if channel == Channel::Data {
        8
    } else {
        MAX_FRAME_MESSAGES
    };
    let chunks = messages.chunks(limit);
    chunks
        .map(|chunk| Frame::encode(channel, chunk.to_vec()))
        .collect()
}
