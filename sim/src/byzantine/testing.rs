//! A stage for the tests of behaviours: four validators, the last of them byzantine.

use std::sync::Arc;

use engine::{
    codec::Frame,
    types::{
        BlockId, Channel, Hash, Height, Message, PartSetHeader, PeerId, Proposal, Round, Signature,
        Step, ValidatorIndex, Vote, VoteKind,
    },
};

use crate::{
    byzantine::{
        Filters,
        hand::{Hand, chain},
    },
    choice::Choices,
    nemesis::{Behaviour, Byzantine, CryptoMode, Overrides, Plan, Say, draw},
    world::Cast,
};

fn plan(behaviour: Behaviour, nodes: &[u16]) -> Plan {
    let calm = Overrides {
        validators: Some(4),
        crypto: Some(CryptoMode::Ideal),
        no_faults: true,
        ..Overrides::default()
    };
    let mut plan = draw(1, &calm).unwrap();
    plan.powers = vec![1; 4];
    let byzantine = nodes.iter().map(|node| Byzantine {
        node: *node,
        behaviour,
    });
    plan.byzantine = byzantine.collect();
    plan.timeouts.prevote = 160;
    plan.link.latency_us.min = 1_000;
    plan
}

fn cast_of(plan: &Plan, seed: u64) -> (Filters, Hand) {
    let cast = Cast::new(plan.powers.len(), CryptoMode::Ideal);
    let choices = Choices::new(seed);
    let filters = Filters::new(plan, &cast, &choices);
    let key = Arc::clone(&cast.signers[3]);
    (filters, Hand::new(plan, 3, key, choices))
}

/// Node 3 with a behaviour, and its hand.
pub(super) fn stage(behaviour: Behaviour) -> (Filters, Hand) {
    cast_of(&plan(behaviour, &[3]), 7)
}

/// Node 3 with a script.
pub(super) fn scripted(says: Vec<Say>) -> (Filters, Hand) {
    let mut plan = plan(Behaviour::Scripted, &[3]);
    plan.script.says = says;
    cast_of(&plan, 7)
}

/// Nodes 3 and 4 as twins.
pub(super) fn twins() -> (Filters, Hand, Plan) {
    let mut plan = plan(Behaviour::Twin, &[3, 4]);
    plan.powers.push(0);
    let (filters, hand) = cast_of(&plan, 7);
    (filters, hand, plan)
}

/// A block that nobody has.
pub(super) fn block(number: u8) -> BlockId {
    let hash = Hash([number; 32]);
    let parts = PartSetHeader { total: 1, hash };
    BlockId { hash, parts }
}

/// A vote with node 3's signature.
pub(super) fn own_vote(
    hand: &Hand,
    kind: VoteKind,
    height: u64,
    round: u32,
    block: Option<BlockId>,
) -> Frame {
    let address = Cast::new(4, CryptoMode::Ideal).signers[3]
        .public_key()
        .address();
    let vote = Vote {
        kind,
        height: Height(height),
        round: Round(round),
        block,
        index: ValidatorIndex(3),
        address,
        signature: Signature([0; 64]),
    };
    Frame::encode(Channel::Vote, vec![hand.sign(vote)])
}

/// A proposal with node 3's signature.
pub(super) fn proposal(hand: &Hand, height: u64, round: u32, block: BlockId) -> Frame {
    let proposal = Proposal {
        height: Height(height),
        round: Round(round),
        pol_round: None,
        block,
        signature: Signature([0; 64]),
    };
    Frame::encode(Channel::Data, vec![hand.propose(proposal)])
}

/// A hint, transactions, and the vote and the proposal of somebody else.
pub(super) fn other_frames(_hand: &Hand) -> Vec<Frame> {
    let hint = Message::NewRoundStep {
        height: Height(1),
        round: Round(0),
        step: Step::Prevote,
        seconds_since_start: 0,
        last_commit_round: None,
    };
    let other = Cast::new(4, CryptoMode::Ideal);
    let mut vote = Vote {
        kind: VoteKind::Prevote,
        height: Height(1),
        round: Round(0),
        block: Some(block(1)),
        index: ValidatorIndex(0),
        address: other.signers[0].public_key().address(),
        signature: Signature([0; 64]),
    };
    vote.signature = other.signers[0].sign(&vote.sign_bytes(&chain()));
    let foreign = Proposal {
        height: Height(1),
        round: Round(0),
        pol_round: None,
        block: block(1),
        signature: Signature([1; 64]),
    };
    let txs = engine::types::Bounded::try_from(Vec::new()).unwrap();
    vec![
        Frame::encode(Channel::State, vec![hint]),
        Frame::encode(Channel::Mempool, vec![Message::Txs(txs)]),
        Frame::encode(Channel::Vote, vec![Message::Vote(vote)]),
        Frame::encode(Channel::Data, vec![Message::Proposal(foreign)]),
    ]
}

/// What a node hears of node 3.
pub(super) fn filtered(filters: &mut Filters, to: u16, frame: &Frame) -> Vec<Frame> {
    filtered_by(filters, 3, to, frame)
}

/// What a node hears of a byzantine one.
pub(super) fn filtered_by(filters: &mut Filters, from: u16, to: u16, frame: &Frame) -> Vec<Frame> {
    let (told, count) = filters.send(PeerId(from), PeerId(to), frame).unwrap();
    let told: Vec<_> = told.into_iter().map(|leaving| leaving.frame).collect();
    assert!(
        count.is_some() || told == vec![frame.clone()],
        "changes count"
    );
    told
}

/// All messages of frames.
pub(super) fn messages(frames: &[Frame]) -> Vec<Message> {
    let contents = frames.iter().map(|frame| frame.contents().unwrap());
    contents.flat_map(|c| c.messages.to_vec()).collect()
}

/// Asserts that frames leave as they are and at once, to everybody, again and again.
pub(super) fn untouched(filters: &mut Filters, frames: &[Frame]) {
    for frame in frames {
        for to in [0, 1, 2, 0, 1, 2] {
            let (told, count) = filters.send(PeerId(3), PeerId(to), frame).unwrap();
            assert_eq!((told, count), (vec![frame.clone().into()], None));
        }
    }
}
