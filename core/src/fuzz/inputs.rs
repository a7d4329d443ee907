//! A live validator fed with whatever its peers can say.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};

use super::{
    live::kind,
    solo::tx,
    stage::{ME, Stage},
};
use crate::{
    node::Input,
    types::{Block, BlockId, Height, Message, PeerId, Round, VoteKind},
};

/// The byzantine one of [`gossip_receive`].
const BYZANTINE: usize = 3;

/// Three correct validators, of which this is one, and a byzantine one; any bytes and any messages
/// in everybody's name, those of the byzantine one signed with its key. Nothing panics, nothing
/// halts, and the validator signs only what the local rules allow.
pub(super) fn gossip_receive(bytes: &[u8]) {
    let _ = gossip(&mut Unstructured::new(bytes));
}

/// One vote for a slot, as a correct validator casts it.
type Cast = BTreeMap<(usize, Height, Round, VoteKind), Option<BlockId>>;

fn gossip(u: &mut Unstructured<'_>) -> Result<()> {
    let (mut stage, mut cast) = (Stage::new(), Cast::new());
    // Of each height and round the one block that a correct proposer offers.
    let mut offered: BTreeMap<(Height, Round), Block> = BTreeMap::new();
    for _ in 0..120 {
        if u.is_empty() {
            break;
        }
        let given: u8 = u.arbitrary()?;
        let peer = 1 + u16::from(given) % 3;
        match given / 3 % 16 {
            0..=4 => {
                let mut message = stage.live.message(u)?;
                if given >= 128 {
                    message = stage.re_signed(BYZANTINE, message);
                }
                stage.receive(peer, vec![message]);
            }
            5 => {
                let len = usize::from(u.arbitrary::<u8>()?);
                let bytes = u.bytes(len.min(u.len()))?.to_vec();
                stage.receive_bytes(peer, bytes);
            }
            6 => {
                let messages = vec![stage.live.message(u)?, stage.live.message(u)?];
                if messages[0].channel() == messages[1].channel() {
                    stage.receive(peer, messages);
                }
            }
            7 | 8 => stage.fire(given / 48),
            9 => {
                stage.input(Input::Disconnected(PeerId(peer)));
                stage.input(Input::Connected(PeerId(peer)));
            }
            10 => {
                let key = u.arbitrary::<u8>()?;
                stage.input(Input::Submit(tx(key, given)));
            }
            11 => stage.wait(u64::from(given) * 4),
            12 | 13 => correct_proposal(&mut stage, &mut offered, given),
            _ => correct_votes(u, &mut stage, &mut cast)?,
        }
        assert!(!stage.is_over(), "halted: {:?}", stage.node.halted());
    }
    Ok(())
}

/// If it is their turn, one of the two correct peers proposes; the byzantine one proposes
/// whatever it likes.
fn correct_proposal(stage: &mut Stage, offered: &mut BTreeMap<(Height, Round), Block>, given: u8) {
    let proposer = stage.proposer();
    if proposer == ME {
        return;
    }
    let at = (stage.live.height, stage.live.round);
    let mut block = stage.block(proposer, given);
    if proposer != BYZANTINE {
        block = offered.entry(at).or_insert(block).clone();
    }
    let (proposal, parts) = stage.propose(proposer, &block, None);
    let from = u16::try_from(proposer).expect("four");
    stage.receive(from, vec![proposal]);
    stage.receive(from, parts);
}

/// The two correct peers vote, each once for a slot: like the validator itself would if it saw the
/// same, or nil.
fn correct_votes(u: &mut Unstructured<'_>, stage: &mut Stage, cast: &mut Cast) -> Result<()> {
    let (kind, given) = (kind(u)?, u.arbitrary::<u8>()?);
    let (height, round) = (stage.live.height, stage.live.round);
    let newest = stage.live.blocks.last().copied();
    let polka = stage.node.consensus().votes().prevotes(round);
    let polka = polka.and_then(|votes| votes.majority()).flatten();
    for voter in 1..BYZANTINE {
        let block = match kind {
            VoteKind::Prevote => newest.filter(|_| given % 4 != 0),
            VoteKind::Precommit => polka.filter(|_| given % 4 != 0),
        };
        // Whoever has precommitted a block stays with it.
        let locked = cast.iter().rev().find_map(|((who, at, _, kind), block)| {
            let own = *who == voter && *at == height && *kind == VoteKind::Precommit;
            own.then_some(*block).flatten()
        });
        let block = locked.filter(|_| kind == VoteKind::Prevote).or(block);
        let slot = (voter, height, round, kind);
        let block = *cast.entry(slot).or_insert(block);
        let vote = stage.vote(voter, kind, round, block);
        stage.receive(u16::try_from(voter).expect("four"), vec![vote]);
    }
    Ok(())
}

/// Any inputs and crashes at any output: everybody else is byzantine, so the validator may halt,
/// but never breaks a local rule.
pub(super) fn consensus_inputs(bytes: &[u8]) {
    let _ = inputs(&mut Unstructured::new(bytes));
}

fn inputs(u: &mut Unstructured<'_>) -> Result<()> {
    let mut stage = Stage::new();
    let mut blocks: Vec<Block> = Vec::new();
    let mut height = Height::FIRST;
    for _ in 0..100 {
        if u.is_empty() || stage.is_over() {
            break;
        }
        if stage.live.height != height {
            height = stage.live.height;
            blocks.clear();
        }
        let given: u8 = u.arbitrary()?;
        if given >= 224 {
            stage.light(usize::from(given % 32));
        }
        match given % 12 {
            0..=2 => votes(u, &mut stage, 1..4)?,
            3 => {
                let voter = 1 + usize::from(u.arbitrary::<u8>()? % 3);
                votes(u, &mut stage, voter..voter + 1)?;
            }
            4 | 5 => proposal(u, &mut stage, &mut blocks)?,
            6 => stage.fire(given / 12 % 4 / 3),
            7 => stage.next_round(),
            8 => stage.wait(u64::from(given) * 8),
            9 => stage.crash(),
            10 => {
                let signer = 1 + usize::from(given / 12 % 3);
                let message = stage.live.message(u)?;
                let message = stage.re_signed(signer, message);
                stage.receive(u16::try_from(signer).expect("four"), vec![message]);
            }
            _ => stage.input(Input::Submit(tx(given, given))),
        }
    }
    if !stage.is_over() {
        stage.crash();
    }
    Ok(())
}

/// Votes of these validators for one thing in a round around the current one.
fn votes(
    u: &mut Unstructured<'_>,
    stage: &mut Stage,
    voters: std::ops::Range<usize>,
) -> Result<()> {
    let given: u8 = u.arbitrary()?;
    let kind = if given.is_multiple_of(2) {
        VoteKind::Prevote
    } else {
        VoteKind::Precommit
    };
    let now = stage.live.round.0;
    let round = Round(match given / 2 % 8 {
        0..=4 => now,
        5 => now + 1,
        6 => now.saturating_sub(1),
        _ => 0,
    });
    let place = usize::from(given / 16 % 8);
    let block = match place {
        0 => None,
        place => {
            let newest = stage.live.blocks.len().checked_sub(1 + place / 5);
            newest.map(|at| stage.live.blocks[at])
        }
    };
    for voter in voters {
        let vote = stage.vote(voter, kind, round, block);
        stage.receive(u16::try_from(voter).expect("four"), vec![vote]);
    }
    Ok(())
}

/// A new or an old block is proposed, with any proof-of-lock round, with or without its parts.
fn proposal(u: &mut Unstructured<'_>, stage: &mut Stage, blocks: &mut Vec<Block>) -> Result<()> {
    let proposer = stage.proposer();
    if proposer == ME {
        return Ok(());
    }
    let given: u8 = u.arbitrary()?;
    let block = match blocks.get(usize::from(given / 16 % 4)) {
        Some(known) if !given.is_multiple_of(4) => known.clone(),
        _ => {
            let block = stage.block(proposer, given);
            blocks.push(block.clone());
            block
        }
    };
    let back = |rounds| Some(Round(stage.live.round.0.saturating_sub(rounds)));
    let pol = match given / 4 % 4 {
        0 => None,
        3 => Some(Round(0)),
        rounds => back(u32::from(rounds)),
    };
    let (proposal, parts) = stage.propose(proposer, &block, pol);
    let from = u16::try_from(proposer).expect("four");
    let mut messages: Vec<Vec<Message>> = vec![vec![proposal], parts];
    if given % 8 == 5 {
        messages.reverse();
    }
    for messages in messages {
        stage.receive(from, messages);
    }
    Ok(())
}
