//! A snapshot of the machine for people and tools: Tendermint's `RoundState`, as text and as JSON.
//!
//! Taken by [`Consensus::round_state`]. Deep: nothing in it is shared with the machine, and nothing
//! changes it afterwards. Hashes and addresses are hexadecimal, bits are `x` (here) and `_`
//! (missing), "none" is `null` in JSON. Field names and shapes are stable: a test keeps an example.

use std::fmt;

use serde::Serialize;

use crate::{
    consensus::{Candidate, Consensus, RoundVoteSet, VoteSet},
    types::{
        BlockId, Height, PartSet, Proposal, Round, Step, Time, ValidatorIndex, ValidatorSet,
        VoteKind,
    },
};

/// Where a node stands and what it knows of its height.
///
/// The sixteen fields of Tendermint v0.10, and the three `valid_...` fields of its successors.
/// Times are nanoseconds of the node's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoundState {
    /// The height being decided.
    pub height: Height,
    /// Its round.
    pub round: Round,
    /// Its step, in JSON without the prefix `RoundStep`.
    pub step: Step,
    /// When the wait for late precommits of the last height ends, or ended.
    pub start_time: Time,
    /// When the node last saw more than 2/3 precommit a block: of this height in step `Commit`, of
    /// the last one before; `None` if that was not since the node started.
    pub commit_time: Option<Time>,
    /// The validators of this height; the proposer is that of this round.
    pub validators: Members,
    /// The accepted proposal of this round.
    pub proposal: Option<Proposed>,
    /// The block of that proposal, or the one being committed, once it is complete.
    pub proposal_block: Option<BlockSummary>,
    /// How much of that block is here.
    pub proposal_block_parts: Option<Parts>,
    /// `lockedRound` of the paper; `None` if there is no lock.
    pub locked_round: Option<Round>,
    /// `lockedValue` of the paper.
    pub locked_block: Option<BlockSummary>,
    /// Its parts.
    pub locked_block_parts: Option<Parts>,
    /// `validRound` of the paper.
    pub valid_round: Option<Round>,
    /// `validValue` of the paper.
    pub valid_block: Option<BlockSummary>,
    /// Its parts.
    pub valid_block_parts: Option<Parts>,
    /// The votes of all rounds that are tracked, those of later rounds included.
    pub votes: Vec<RoundVotes>,
    /// The round whose precommits decide this height, once there is one.
    pub commit_round: Option<Round>,
    /// The precommits of the last height; `None` at the first.
    pub last_commit: Option<Votes>,
    /// The validators of the last height; `None` at the first.
    pub last_validators: Option<Members>,
}

/// What is told of every change of height, round or step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RoundStateEvent {
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The step.
    pub step: Step,
}

/// A validator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Members {
    /// The sum of all power.
    pub total_power: u64,
    /// Whose turn it is.
    pub proposer: ValidatorIndex,
    /// The validators by index.
    pub members: Vec<Member>,
}

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its address.
    pub address: String,
    /// Its voting power.
    pub power: u64,
    /// How long it has waited to propose.
    pub priority: i64,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposed {
    /// Its height.
    pub height: Height,
    /// Its round.
    pub round: Round,
    /// The round of its proof of lock.
    pub pol_round: Option<Round>,
    /// The proposed block's hash.
    pub block: String,
}

/// A complete block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockSummary {
    /// The hash of its header.
    pub hash: String,
    /// Its height.
    pub height: Height,
    /// The time it bears.
    pub time: Time,
    /// The address of who built it.
    pub proposer: String,
    /// How many transactions it holds.
    pub txs: usize,
}

/// The parts of a block, as far as they have come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// The Merkle root over them.
    pub hash: String,
    /// Which are here.
    pub have: String,
}

/// The votes of one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoundVotes {
    /// The round.
    pub round: Round,
    /// Its prevotes.
    pub prevotes: Votes,
    /// Its precommits.
    pub precommits: Votes,
}

/// The votes of one kind in one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Votes {
    /// The height voted on.
    pub height: Height,
    /// The round voted in.
    pub round: Round,
    /// Prevotes or precommits.
    pub kind: VoteKind,
    /// Whose votes are here.
    pub have: String,
    /// What each validator voted for: a block's hash, `nil`, or `None` if its vote is not here.
    pub votes: Vec<Option<String>>,
    /// What more than 2/3 voted for: a block's hash or `nil`.
    pub majority: Option<String>,
}

impl Consensus {
    /// Where the machine stands and what it knows, as a snapshot.
    #[must_use]
    pub fn round_state(&self) -> RoundState {
        let at = self.at;
        let proposal = self.proposal(at.round);
        let precommits = self.commit_round.and_then(|r| self.votes.precommits(r));
        let committed = precommits.and_then(VoteSet::majority).flatten();
        let wanted = committed.or_else(|| proposal.map(|p| p.block));
        let known = |id: Option<BlockId>| id.and_then(|id| self.candidate(id));
        let of_lock = |lock: Option<(Round, BlockId)>| known(lock.map(|(_, id)| id));
        let last = self.chain.last_validators.as_ref();
        RoundState {
            height: at.height,
            round: at.round,
            step: at.step,
            start_time: self.start_time,
            commit_time: self.commit_time,
            validators: Members::of(&self.turn),
            proposal: proposal.map(Proposed::of),
            proposal_block: known(wanted).and_then(BlockSummary::of),
            proposal_block_parts: known(wanted).map(|c| Parts::of(c.parts())),
            locked_round: self.locked.map(|(round, _)| round),
            locked_block: of_lock(self.locked).and_then(BlockSummary::of),
            locked_block_parts: of_lock(self.locked).map(|c| Parts::of(c.parts())),
            valid_round: self.valid.map(|(round, _)| round),
            valid_block: of_lock(self.valid).and_then(BlockSummary::of),
            valid_block_parts: of_lock(self.valid).map(|c| Parts::of(c.parts())),
            votes: self.votes.rounds().map(RoundVotes::of).collect(),
            commit_round: self.commit_round,
            last_commit: self.last_commit.as_ref().map(Votes::of),
            last_validators: last.map(Members::of),
        }
    }
}

impl RoundState {
    /// Height, round and step alone.
    #[must_use]
    pub fn event(&self) -> RoundStateEvent {
        RoundStateEvent {
            height: self.height,
            round: self.round,
            step: self.step,
        }
    }

    /// One field as text, by its name here; `short` is height, round, step and start. `None` if
    /// there is no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        if name == "short" {
            return Some(format!("{} start {}", self.event(), self.start_time.0));
        }
        let mut fields = self.fields(true).into_iter();
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, text)| text)
    }

    /// All fields as text, in order; with several lines for those that have many members.
    fn fields(&self, many_lines: bool) -> [(&'static str, String); 19] {
        let votes = || match many_lines {
            true => lines(&self.votes),
            false => format!("{} rounds", self.votes.len()),
        };
        let members = |members: &Members| match many_lines {
            true => format!("{members:#}"),
            false => members.to_string(),
        };
        [
            ("height", self.height.to_string()),
            ("round", self.round.to_string()),
            ("step", self.step.to_string()),
            ("start_time", self.start_time.0.to_string()),
            ("commit_time", or_none(self.commit_time.map(|t| t.0))),
            ("validators", members(&self.validators)),
            ("proposal", or_none(self.proposal.as_ref())),
            ("proposal_block", or_none(self.proposal_block.as_ref())),
            (
                "proposal_block_parts",
                or_none(self.proposal_block_parts.as_ref()),
            ),
            ("locked_round", or_none(self.locked_round)),
            ("locked_block", or_none(self.locked_block.as_ref())),
            (
                "locked_block_parts",
                or_none(self.locked_block_parts.as_ref()),
            ),
            ("valid_round", or_none(self.valid_round)),
            ("valid_block", or_none(self.valid_block.as_ref())),
            (
                "valid_block_parts",
                or_none(self.valid_block_parts.as_ref()),
            ),
            ("votes", votes()),
            ("commit_round", or_none(self.commit_round)),
            ("last_commit", or_none(self.last_commit.as_ref())),
            (
                "last_validators",
                or_none(self.last_validators.as_ref().map(members)),
            ),
        ]
    }
}

fn or_none<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn lines<T: fmt::Display>(values: &[T]) -> String {
    let lines: Vec<String> = values.iter().map(T::to_string).collect();
    lines.join("\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn choice(block: Option<BlockId>) -> String {
    block.map_or_else(|| "nil".to_owned(), |id| hex(&id.hash.0))
}

/// The first eight digits of a hash, or `nil`.
fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

impl Members {
    fn of(set: &ValidatorSet) -> Self {
        let members = set.validators().iter().map(|v| Member {
            address: hex(&v.address.0),
            power: v.power,
            priority: v.priority,
        });
        Self {
            total_power: set.total_power(),
            proposer: set.proposer(),
            members: members.collect(),
        }
    }
}

impl Proposed {
    fn of(proposal: &Proposal) -> Self {
        Self {
            height: proposal.height,
            round: proposal.round,
            pol_round: proposal.pol_round,
            block: hex(&proposal.block.hash.0),
        }
    }
}

impl BlockSummary {
    fn of(candidate: &Candidate) -> Option<Self> {
        let block = candidate.block()?;
        Some(Self {
            hash: hex(&candidate.id().hash.0),
            height: block.header.height,
            time: block.header.time,
            proposer: hex(&block.header.proposer.0),
            txs: block.txs.len(),
        })
    }
}

impl Parts {
    fn of(parts: &PartSet) -> Self {
        Self {
            hash: hex(&parts.header().hash.0),
            have: parts.have().to_string(),
        }
    }
}

impl RoundVotes {
    fn of((round, votes): (Round, &RoundVoteSet)) -> Self {
        Self {
            round,
            prevotes: Votes::of(&votes.prevotes),
            precommits: Votes::of(&votes.precommits),
        }
    }
}

impl Votes {
    fn of(set: &VoteSet) -> Self {
        let vote = |index| set.vote(index).map(|vote| choice(vote.block));
        Self {
            height: set.height(),
            round: set.round(),
            kind: set.kind(),
            have: set.have().to_string(),
            votes: (0..set.have().len()).map(vote).collect(),
            majority: set.majority().map(choice),
        }
    }
}

impl fmt::Display for RoundState {
    /// One line; with `{:#}` a line for each field and for each of its members.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = f.alternate();
        for (i, (name, text)) in self.fields(many).into_iter().enumerate() {
            let between = match (many, i) {
                (_, 0) => "",
                (true, _) => "\n",
                (false, _) => ", ",
            };
            if text.contains('\n') {
                let text = text.replace('\n', "\n  ");
                write!(f, "{between}{name}\n  {text}")?;
            } else {
                write!(f, "{between}{name} {text}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for RoundStateEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.height, self.round, self.step)
    }
}

impl fmt::Display for Members {
    /// One line; with `{:#}` one more for each validator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, power) = (self.members.len(), self.total_power);
        write!(f, "{count} of power {power}, proposer v{}", self.proposer.0)?;
        if f.alternate() {
            for (i, v) in self.members.iter().enumerate() {
                let (address, power) = (short(&v.address), v.power);
                write!(f, "\nv{i} {address} power {power} priority {}", v.priority)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Proposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.height, self.round, short(&self.block))?;
        self.pol_round.map_or(Ok(()), |r| write!(f, " pol {r}"))
    }
}

impl fmt::Display for BlockSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hash, proposer) = (short(&self.hash), short(&self.proposer));
        let (height, time) = (self.height, self.time.0);
        write!(
            f,
            "{hash} height {height} time {time} by {proposer} txs {}",
            self.txs
        )
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", short(&self.hash), self.have)
    }
}

impl fmt::Display for RoundVotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.prevotes, self.precommits)
    }
}

impl fmt::Display for Votes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{} {}",
            self.kind, self.height, self.round, self.have
        )?;
        match &self.majority {
            Some(choice) => write!(f, " majority {}", short(choice)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Consensus {
    /// The round state, in one line or with `{:#}` in many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.round_state(), f)
    }
}
