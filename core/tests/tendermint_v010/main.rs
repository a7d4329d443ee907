//! Tendermint v0.10 consensus logs of a real chain with one validator, written by its own software.
//!
//! What was signed and hashed there must verify with our cryptography and with trees and encodings
//! written again from their description; and our node, put into the same situation, must go through
//! the same events in the same order. The scope of these logs: one validator, round 0 only, no nil
//! votes, no peers. They say nothing about locks or later rounds.

mod block;
mod host;
mod tree;
mod wal;
mod wire;

use engine::{
    crypto::{Ed25519, Verify},
    types::{BoundedBytes, PublicKey, Signature, merkle_proofs, merkle_root},
};

use block::Block;
use host::Event;
use tree::{aunts, left_size, ripemd160, root, root_from};
use wal::{Line, Proposal};

const CHAIN: &str = "tendermint_test";
/// Upstream's public test key (`testPrivValidator` in `config/toml.go`).
const KEY: PublicKey = PublicKey([
    0x3b, 0x30, 0x69, 0xc4, 0x22, 0xe1, 0x96, 0x88, 0xb4, 0x5c, 0xbf, 0xae, 0x7b, 0xb0, 0x09, 0xfc,
    0x0f, 0xa1, 0xb1, 0xea, 0x86, 0x59, 0x35, 0x19, 0x31, 0x8b, 0x72, 0x14, 0x85, 0x38, 0x03, 0xc8,
]);
/// The logs, with their lines and heights.
const LOGS: [(&str, usize, u64); 3] = [
    ("empty_block.cswal", 10, 1),
    ("many_blocks.cswal", 65, 6),
    ("small_block1.cswal", 10, 1),
];

/// A height of a log: its proposal, its block's bytes, its block.
struct Proposed {
    proposal: Proposal,
    parts: Vec<wal::Part>,
    bytes: Vec<u8>,
    block: Block,
}

/// What was proposed at each height of a log.
fn proposed(name: &str) -> Vec<Proposed> {
    let mut found: Vec<(Proposal, Vec<wal::Part>)> = Vec::new();
    for line in wal::lines(name) {
        match line {
            Line::Proposal(proposal) => found.push((proposal, Vec::new())),
            Line::Part(part) => {
                let (proposal, parts) = found.last_mut().expect("the proposal comes first");
                assert_eq!((part.height, part.round), (proposal.height, proposal.round));
                assert_eq!(part.part.index, parts.len(), "parts come in order");
                parts.push(part.part);
            }
            Line::EndHeight(_) | Line::Step(_) | Line::Vote(_) | Line::Timeout(_) => {}
        }
    }
    let whole = |(proposal, parts): (Proposal, Vec<wal::Part>)| {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.bytes.0.clone()).collect();
        let block = Block::decode(&bytes);
        Proposed {
            proposal,
            parts,
            bytes,
            block,
        }
    };
    found.into_iter().map(whole).collect()
}

/// Every block of every log.
fn all_proposed() -> Vec<Proposed> {
    wal::names()
        .iter()
        .flat_map(|name| proposed(name))
        .collect()
}

fn verifies(text: &str, signature: &[u8]) -> bool {
    let signature = Signature(signature.try_into().expect("64 bytes"));
    Ed25519.verify(&KEY, text.as_bytes(), &signature)
}

/// Every bit of a signature counts, and so does every byte of what was signed.
fn verifies_and_nothing_near_it_does(text: &str, (kind, signature): (u8, &[u8])) {
    assert_eq!(kind, 1, "Ed25519");
    assert!(verifies(text, signature), "{text}");
    for bit in 0..64 {
        // A different bit of every byte.
        let mut flipped = signature.to_vec();
        flipped[bit] ^= 1 << (bit % 8);
        assert!(!verifies(text, &flipped), "bit {} of byte {bit}", bit % 8);
    }
    assert!(!verifies(
        &text.replacen(CHAIN, "tendermint_tesu", 1),
        signature
    ));
    assert!(!verifies(&format!("{text} "), signature));
}

#[test]
fn the_logs_are_there_and_every_line_is_understood() {
    let names = wal::names();
    for (name, lines, heights) in LOGS {
        assert!(names.iter().any(|n| n == name), "{name} is missing");
        assert_eq!(wal::lines(name).len(), lines, "{name}");
        assert_eq!(proposed(name).len() as u64, heights, "{name}");
    }
}

#[test]
fn the_validators_address_is_the_digest_of_its_key() {
    let mut bytes = vec![1];
    wire::put_bytes(&mut bytes, &KEY.0);
    let address = ripemd160(&bytes);
    for name in wal::names() {
        for line in wal::lines(&name) {
            if let Line::Vote(vote) = line {
                assert_eq!(vote.validator_address.0, address);
                assert_eq!(vote.validator_index, 0);
            }
        }
    }
}

/// One proposal and two votes a height, and the precommits that later blocks carry.
#[test]
fn every_signature_verifies_and_no_changed_one_does() {
    let (mut proposals, mut votes) = (0, 0);
    for line in wal::names().iter().flat_map(|name| wal::lines(name)) {
        match line {
            Line::Proposal(p) => {
                let signature = (p.signature.0, &*p.signature.1.0);
                verifies_and_nothing_near_it_does(&p.sign_text(CHAIN), signature);
                proposals += 1;
            }
            Line::Vote(v) => {
                let signature = (v.signature.0, &*v.signature.1.0);
                verifies_and_nothing_near_it_does(&v.sign_text(CHAIN), signature);
                votes += 1;
            }
            Line::EndHeight(_) | Line::Step(_) | Line::Part(_) | Line::Timeout(_) => {}
        }
    }
    let heights: u64 = LOGS.iter().map(|(_, _, heights)| heights).sum();
    assert!(proposals >= heights, "{proposals} proposals");
    assert_eq!(votes, 2 * proposals);
}

#[test]
fn the_bytes_of_a_block_decode_and_encode_to_themselves() {
    for at in all_proposed() {
        assert_eq!(at.block.encode(), at.bytes);
        assert_eq!(at.block.header.chain, CHAIN.as_bytes());
        assert_eq!(at.block.header.height, at.proposal.height);
        assert_eq!(at.block.header.txs, at.block.txs.len() as u64);
    }
}

/// The votes name the block by its hash, the hash covers the header, and the header covers
/// transactions and last commit.
#[test]
fn the_digests_of_headers_transactions_and_commits_are_those_of_the_log() {
    for name in wal::names() {
        let blocks = proposed(&name);
        for line in wal::lines(&name) {
            let Line::Vote(vote) = line else { continue };
            let at = blocks.iter().find(|b| b.proposal.height == vote.height);
            let at = at.expect("a vote follows its proposal");
            assert_eq!(vote.block_id.hash.0, at.block.header.hash());
            assert_eq!(vote.block_id.parts, at.proposal.block_parts_header);
        }
        for at in &blocks {
            let header = &at.block.header;
            assert_eq!(header.data_hash, root(&at.block.tx_leaves()));
            assert_eq!(header.last_commit_hash, at.block.last_commit_hash());
        }
    }
}

/// `LastCommit` of a block holds the very precommit that the log has for the height before.
#[test]
fn a_block_commits_the_one_before_it() {
    let mut followed = 0;
    for name in wal::names() {
        let blocks = proposed(&name);
        let precommits: Vec<_> = wal::lines(&name)
            .into_iter()
            .filter_map(|line| match line {
                Line::Vote(vote) if vote.kind == 2 => Some(vote),
                Line::Vote(_)
                | Line::EndHeight(_)
                | Line::Step(_)
                | Line::Proposal(_)
                | Line::Part(_)
                | Line::Timeout(_) => None,
            })
            .collect();
        for (at, precommit) in blocks.iter().skip(1).zip(&precommits) {
            let [carried] = &at.block.precommits[..] else {
                panic!("one validator, one precommit")
            };
            assert_eq!(carried.signature[..], precommit.signature.1.0);
            assert_eq!(carried.block, precommit.block_id.id());
            assert_eq!(at.block.commit_block, precommit.block_id.id());
            assert_eq!(at.block.header.last_block, precommit.block_id.id());
            let slot = (carried.index, carried.height, carried.round, carried.kind);
            assert_eq!(slot, (0, at.proposal.height - 1, 0, 2));
            assert_eq!(carried.address, precommit.validator_address.0);
            followed += 1;
        }
        assert_eq!(blocks[0].block.precommits, [], "nothing before height 1");
    }
    assert_eq!(followed, 5);
}

#[test]
fn every_part_proves_itself_with_its_aunts() {
    for at in all_proposed() {
        let header = &at.proposal.block_parts_header;
        let total = usize::try_from(header.total).expect("a number of parts");
        assert_eq!(at.parts.len(), total);
        for part in &at.parts {
            let leaf = ripemd160(&part.bytes.0);
            let aunts: Vec<_> = part.proof.aunts.iter().map(|aunt| aunt.0.clone()).collect();
            let place = (part.index, total);
            assert_eq!(
                root_from(&leaf, place, &aunts).as_ref(),
                Some(&header.hash.0)
            );
            let mut longer = aunts.clone();
            longer.push(leaf.clone());
            assert_eq!(root_from(&leaf, place, &longer), None);
        }
    }
}

/// The transactions of a block are the widest trees of the logs: 92 to 113 leaves under a root that
/// upstream computed.
#[test]
fn every_transaction_proves_itself_with_its_aunts() {
    let mut widest = 0;
    for at in all_proposed() {
        let leaves = at.block.tx_leaves();
        let expected = Some(at.block.header.data_hash.clone());
        for (index, leaf) in leaves.iter().enumerate() {
            let trail = aunts(&leaves, index);
            assert_eq!(root_from(leaf, (index, leaves.len()), &trail), expected);
            let wrong = (index + 1) % leaves.len();
            assert_ne!(root_from(leaf, (wrong, leaves.len()), &trail), expected);
            assert_eq!(root_from(leaf, (leaves.len(), leaves.len()), &trail), None);
        }
        widest = widest.max(leaves.len());
    }
    assert!(widest > 100);
}

/// Our trees are those of RFC 6962: the left side is the largest power of two, not the larger half,
/// and leaves and nodes have domains of their own. Where both rules split alike, the trees have the
/// same shape; the first size at which they differ is 5.
#[test]
fn our_trees_have_the_same_shape_where_both_rules_split_alike() {
    let powers_of_two = |n: usize| n.next_power_of_two() / 2;
    let alike = |n: usize| -> bool {
        let all = |n: usize| (2..=n).filter(move |k| left_size(*k) != powers_of_two(*k));
        all(n).next().is_none() || n.is_power_of_two()
    };
    let leaves: Vec<_> = all_proposed()[1].block.txs.clone();
    let hashes: Vec<_> = leaves.iter().map(|tx| ripemd160(tx)).collect();
    let shape = |n: usize| -> (Vec<usize>, Vec<usize>) {
        let (root, ours) = merkle_proofs(&leaves[..n]);
        assert_eq!(root, merkle_root(&leaves[..n]));
        let ours = ours.iter().map(|proof| proof.aunts.len()).collect();
        let theirs = (0..n).map(|i| aunts(&hashes[..n], i).len()).collect();
        (ours, theirs)
    };
    for n in (1..=64).filter(|n| alike(*n)) {
        let (ours, theirs) = shape(n);
        assert_eq!(ours, theirs, "{n} leaves");
    }
    let (ours, theirs) = shape(5);
    assert_eq!(ours, [3, 3, 3, 3, 1]);
    assert_eq!(theirs, [3, 3, 2, 2, 2]);
}

fn expected_events(name: &str) -> Vec<Event> {
    let event = |line| match line {
        Line::EndHeight(height) => Event::EndHeight(height),
        Line::Step(s) => Event::Step(s.height, s.round, s.step),
        Line::Proposal(p) => {
            assert_eq!(p.pol_round, -1, "round 0 has no proof of lock");
            Event::Proposal(p.height, p.round)
        }
        Line::Part(p) => Event::Part(p.height, p.round, p.part.index as u64),
        Line::Vote(v) => Event::Vote(v.height, v.round, v.kind),
        Line::Timeout(t) => {
            assert!(t.duration <= 1_000_000_000, "timeout_commit is a second");
            Event::Timeout(t.height, t.round, t.step)
        }
    };
    wal::lines(name).into_iter().map(event).collect()
}

/// The whole log, line by line: the wait for the height ends, steps change, own messages come in,
/// the height ends. Our node names steps alike and, alone, passes through the same of them:
/// `PrevoteWait` and `PrecommitWait` need a round in which more than 2/3 voted without agreeing.
/// Upstream's logs begin with the end of height 0 and stop before the end of their last height.
#[test]
fn our_node_goes_through_the_events_of_each_log_in_the_same_order() {
    for name in wal::names() {
        let txs = proposed(&name).into_iter().map(|at| at.block.txs);
        let txs: Vec<Vec<_>> = txs
            .map(|txs| {
                let key = |tx| BoundedBytes::try_from(tx).expect("short transactions");
                txs.into_iter().map(key).collect()
            })
            .collect();
        let theirs = expected_events(&name);
        let mut ours = host::run(&txs);
        assert_eq!(theirs[0], Event::EndHeight(0));
        ours.truncate(theirs.len() - 1);
        assert_eq!(ours, theirs[1..], "{name}");
    }
}
