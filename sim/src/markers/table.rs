//! All markers in words: the table from which the code, the help and `docs/MARKERS.md` come.

use std::fmt;

use serde::Deserialize;

/// Declares the markers by groups, each with its name and what it means.
macro_rules! markers {
    ($($group:literal { $($variant:ident = $name:literal: $doc:literal,)+ })+) => {
        /// A situation that a search must reach.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        pub enum Marker {
            $($(#[doc = $doc] #[serde(rename = $name)] $variant,)+)+
        }

        impl Marker {
            /// Every marker once, by groups.
            pub const ALL: [Self; [$($($name),+),+].len()] = [$($(Self::$variant),+),+];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$variant => $name,)+)+
                }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $($(Self::$variant => $doc,)+)+
                }
            }

            /// What it is about.
            #[must_use]
            pub const fn group(self) -> &'static str {
                match self {
                    $($(Self::$variant)|+ => $group,)+
                }
            }
        }
    };
}

markers! {
    "rounds" {
        Round1 = "round_1": "a node entered round 1 or a later one",
        Round2 = "round_2": "a node entered round 2 or a later one",
        Round5 = "round_5": "a node entered round 5 or a later one",
        RoundSkipped = "round_skipped":
            "more than 1/3 of the votes of a later round drew a node there",
        RoundsJumped = "rounds_jumped": "a node left out at least one round",
        DecidedRound1 = "decided_round_1": "a height was decided in round 1 or a later one",
        DecidedRound2 = "decided_round_2": "a height was decided in round 2 or a later one",
        DecidedOlderRound = "decided_older_round":
            "a node decided by precommits of a round it had left",
        TimeoutPropose = "timeout_propose": "a node waited for a proposal in vain",
        TimeoutPrevote = "timeout_prevote": "a node waited for more prevotes in vain",
        TimeoutPrecommit = "timeout_precommit": "a node waited for more precommits in vain",
        TimeoutCommit = "timeout_commit":
            "a node waited for late precommits until the time was over",
        TimeoutEmpty = "timeout_empty_block":
            "a node proposed or waited without transactions at last",
        ConsensusFired = "timer_consensus": "a timer of the consensus machine fired",
        GossipFired = "timer_gossip": "a timer of the gossip machine fired",
        BlockSyncFired = "timer_blocksync": "a timer of the block sync machine fired",
    }
    "votes and locks" {
        PrevoteNil = "prevote_nil": "a correct node prevoted nil",
        PrecommitNil = "precommit_nil": "a correct node precommitted nil",
        PrevoteNilLocked = "prevote_nil_locked": "a locked node prevoted nil",
        PrevoteAgainstLock = "unlock":
            "a locked node prevoted another block, because of a later polka",
        Locked = "lock": "a node locked a block",
        LockedLate = "lock_round_1": "a node locked a block in round 1 or a later one",
        LockMoved = "lock_moved": "a node locked a block while it was locked on another one",
        Relocked = "relock": "a node locked its block again in a later round",
        ValidNotLocked = "valid_without_lock":
            "a polka came too late to lock its block, and made it valid",
        Reproposed = "proposal_with_polka":
            "a correct node proposed its valid block again, naming a polka",
        NilPolka = "polka_nil": "more than 2/3 prevoted nil",
        LatePolka = "polka_late": "a polka of a round became complete at a node that had left it",
        UnknownPolka = "polka_unknown_block":
            "more than 2/3 prevoted a block whose proposal was not complete at a node",
        CommitUnknown = "commit_unknown_block":
            "more than 2/3 precommitted a block whose proposal was not complete at a node",
        LatePrecommit = "late_precommit": "a precommit came in time to enlarge the last commit",
        FutureVote = "future_round_vote": "a vote of a later round was kept",
        OldVote = "old_round_vote": "a vote of an earlier round was counted",
    }
    "proposals" {
        DoubleProposal = "double_proposal": "a node got two proposals for one round",
        PartFirst = "part_before_proposal": "a block part came before the proposal of its round",
        FutureProposal = "future_round_proposal": "a proposal of a later round came",
        ManyParts = "block_in_parts": "a decided block had several parts",
        EmptyBlock = "empty_block": "a block without transactions was decided",
        TxCommitted = "transaction_committed": "a block with transactions was decided",
        AbsentPrecommit = "precommit_absent": "a block's commit lacks a precommit",
        NilInCommit = "precommit_nil_in_commit": "a block's commit holds a precommit for nil",
    }
    "messages" {
        HeardStep = "heard_new_round_step": "a NewRoundStep came to a correct node",
        HeardValid = "heard_new_valid_block": "a NewValidBlock came",
        HeardProposal = "heard_proposal": "a Proposal came",
        HeardPol = "heard_proposal_pol": "a ProposalPOL came",
        HeardPart = "heard_block_part": "a BlockPart came",
        HeardPrevote = "heard_prevote": "a prevote came",
        HeardPrecommit = "heard_precommit": "a precommit came",
        HeardHasVote = "heard_has_vote": "a HasVote came",
        HeardMaj23 = "heard_vote_set_maj23": "a VoteSetMaj23 came",
        HeardBits = "heard_vote_set_bits": "a VoteSetBits came",
        HeardTxs = "heard_txs": "transactions of a peer's pool came",
        HeardEvidence = "heard_evidence": "evidence of a peer came",
        HeardStatusRequest = "heard_status_request": "a StatusRequest came",
        HeardStatus = "heard_status_response": "a StatusResponse came",
        HeardBlockRequest = "heard_block_request": "a BlockRequest came",
        HeardBlock = "heard_block_response": "a BlockResponse came",
        HeardNoBlock = "heard_no_block_response": "a NoBlockResponse came",
    }
    "catching up" {
        CaughtUpByVotes = "caught_up_by_votes": "a node two heights behind decided by votes",
        CaughtUpBySync = "caught_up_by_sync":
            "a node two heights behind took a block by block sync",
        BlockSynced = "block_synced": "a block of block sync was verified and logged",
        LateStart = "late_start": "a node first started when others had decided",
        FollowerDecides = "follower_decides": "a node without power decided",
        SyncUnanswered = "sync_unanswered": "a question of block sync was not answered in time",
    }
    "misbehaviour" {
        FollowsScript = "byzantine_scripted": "a byzantine validator followed a script",
        Twins = "byzantine_twin": "two nodes with one key told different nodes different things",
        OtherwiseByzantine = "byzantine_otherwise":
            "a byzantine validator misbehaved in one of the ways from amnesia to slow",
        Equivocates = "byzantine_equivocate": "a byzantine validator told two stories",
        Silent = "byzantine_silent": "a byzantine validator kept a message to itself",
        LiesInGossip = "byzantine_lying_gossip": "a byzantine validator lied about its state",
        AlwaysLies = "byzantine_always_lying_gossip": "one did so in every message about its state",
        LiesInSync = "byzantine_lying_sync": "a byzantine validator lied in block sync",
        EvidenceFound = "evidence_found": "a correct node found two conflicting votes",
        EvidenceCommitted = "evidence_committed": "a block with evidence was decided",
        PeerBlamed = "peer_blamed": "a correct node said that a peer broke the protocol",
        PeerBanned = "peer_banned": "a correct node banned a peer from block sync",
        MessageRefused = "message_refused": "a correct node refused a message without blame",
    }
    "changes of the chain" {
        ValidatorAdded = "validator_added": "a block gave power to a node that had none",
        ValidatorRemoved = "validator_removed": "a block took all power from a validator",
        ValidatorReweighted = "validator_reweighted": "a block changed the power of a validator",
        ProposerRemoved = "proposer_removed": "a validator proposed the block that removed it",
        ParamsChanged = "parameters_changed": "a block changed the chain's parameters",
        StaleChange = "configuration_outdated":
            "a configuration change came after a faster one and did nothing",
    }
    "network" {
        Lost = "packet_lost": "a packet was lost by chance",
        CutOff = "packet_cut": "a packet met a cut link",
        QueueFull = "packet_queue_full": "a packet found its queue full",
        Unsent = "packet_unsent": "a sender crashed before its packet had left",
        ToDown = "packet_to_down": "a packet came to a node that was down",
        Stale = "packet_stale": "a packet came on a connection that its sender had left behind",
        Duplicated = "packet_twice": "a packet arrived twice",
        Partitioned = "partition": "the network fell into groups",
        OneWay = "one_way_cut": "links were cut in one direction",
        CutEnded = "cut_ended": "a cut ended before the healing",
        HealedAll = "healed_all": "all correct nodes were healed",
        HealedCore = "healed_core": "only a part of the correct nodes was healed",
        Idle = "network_idle": "nothing was under way between any two nodes",
    }
    "crashes and disks" {
        Crashed = "crash": "a node crashed",
        Restarted = "restart": "a node came back from its disk",
        RestartedTwice = "restart_twice": "a node came back a second time",
        RestartedInHeight = "restart_in_height":
            "a node came back to a height in which it had signed",
        RestartedLocked = "restart_locked":
            "a node came back to a height in which it had locked a block",
        ThirdDown = "third_down": "a third of the nodes was down after a crash",
        AllDown = "all_down": "all nodes were down after a crash",
        CrashInCommit = "crash_in_commit": "a node crashed while it made a decision durable",
        CrashInStart = "crash_in_start": "a node crashed while it started",
        CrashAfterAppend = "crash_after_append":
            "a node crashed between writing its own message and the sync",
        CrashAtOwn = "crash_at_own_message": "a node crashed when it sent its own message",
        FaultAtProposal = "fault_at_proposal": "a fault began when a proposal was sent",
        FaultAtTime = "fault_at_time": "a fault began at a given time",
        UnsyncedLost = "unsynced_lost":
            "a crash lost everything in log or sign state that was not synced",
        UnsyncedTorn = "unsynced_torn": "a crash tore what was not synced in log or sign state",
        UnsyncedKept = "unsynced_kept": "a crash kept what was not synced in log or sign state",
        DiskTrouble = "disk_trouble": "a storage call of a correct node met a disk in trouble",
        StoppedByDisk = "stopped_by_disk": "a node stopped, or did not start, because of its disk",
        TornTailCut = "torn_tail_cut": "a start cut a torn tail off the log",
        SegmentBegun = "segment_begun": "a log went over to a further segment",
    }
    "the run" {
        Ed25519 = "ed25519": "signatures were real",
        Ideal = "ideal_signatures": "signatures were a table",
        EmptyNever = "empty_blocks_off": "heights waited for transactions",
        EmptyTimed = "empty_blocks_timed": "heights waited for transactions for a while",
        SkipCommit = "commit_wait_skipped": "heights began when all precommits were there",
        UnequalPower = "unequal_power": "validators had different powers",
        ClocksApart = "clocks_apart": "two clocks were more than a second apart",
        TxRefused = "transaction_refused": "a pool took a transaction not, or gave it up",
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which markers were reached: one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached(u128);

impl Reached {
    /// One more is reached.
    #[inline]
    pub fn mark(&mut self, marker: Marker) {
        self.0 |= 1 << marker as u32;
    }

    /// One more is reached, if this is so.
    #[inline]
    pub fn mark_if(&mut self, holds: bool, marker: Marker) {
        self.0 |= u128::from(holds) << marker as u32;
    }

    /// Whether it is reached.
    #[must_use]
    #[inline]
    pub fn has(self, marker: Marker) -> bool {
        self.0 >> marker as u32 & 1 == 1
    }

    /// What either has reached.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All that are reached, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Marker> {
        let all = Marker::ALL.into_iter();
        all.filter(move |marker| self.has(*marker))
    }
}

/// The markers as a document: one table per group.
#[must_use]
pub fn document() -> String {
    let mut text = "# Markers\n\n\
        Situations that a search must reach. A sweep counts in how many seeds each occurred;\n\
        `sim sweep --require-markers` fails if one never did. `sim help markers` prints them.\n\
        Markers are read off the events of a run: they decide nothing in it, and no oracle\n\
        asks them.\n"
        .to_owned();
    let mut group = "";
    for marker in Marker::ALL {
        if marker.group() != group {
            group = marker.group();
            let title = group[..1].to_uppercase() + &group[1..];
            text += &format!("\n## {title}\n\n| marker | situation |\n|---|---|\n");
        }
        text += &format!("| `{marker}` | {} |\n", marker.sentence());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_marker_has_its_own_name_and_sentence_and_all_fit_into_the_set() {
        let count = Marker::ALL.len();
        assert!((60..=128).contains(&count), "{count}");
        let names: BTreeSet<_> = Marker::ALL.iter().map(|marker| marker.name()).collect();
        let sentences: BTreeSet<_> = Marker::ALL.iter().map(|m| m.sentence()).collect();
        assert_eq!((names.len(), sentences.len()), (count, count));
        for (place, marker) in Marker::ALL.into_iter().enumerate() {
            assert_eq!(marker as usize, place);
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(marker.name().chars().all(is_name), "{marker}");
        }
    }

    #[test]
    fn a_set_knows_what_was_marked_and_nothing_else() {
        for marker in Marker::ALL {
            let mut reached = Reached::default();
            reached.mark_if(false, marker);
            assert_eq!(reached, Reached::default());
            reached.mark(marker);
            assert_eq!(reached.iter().collect::<Vec<_>>(), [marker]);
        }
        let (mut one, mut other) = (Reached::default(), Reached::default());
        one.mark(Marker::Round1);
        other.mark(Marker::TxRefused);
        let both = one.or(other);
        assert!(both.has(Marker::Round1) && both.has(Marker::TxRefused));
        assert_eq!(both.iter().count(), 2);
    }

    #[test]
    fn the_document_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/MARKERS.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == document(),
            "docs/MARKERS.md differs: sim help markers --markdown > docs/MARKERS.md"
        );
    }
}
