//! The sign state of a node: what the log says and the file does not, and what is never signed
//! twice.

use super::*;
use crate::{
    storage::{Storage, read_file, write_atomic},
    types::{Message, Signature, Vote, VoteKind},
};

/// Four nodes at work; node 0 has signed in its height, and everything it signed was released.
pub(super) fn at_work() -> Net {
    let mut net = Net::new(4);
    net.run_to(4);
    for _ in 0..10_000 {
        let node = &net.hosts[0].node;
        let signed = node.sign.last().is_some_and(|last| {
            last.height == node.consensus().at().height
                && last.step == crate::privval::SignStep::Prevote
        });
        if signed && node.unreleased.is_empty() {
            return net;
        }
        net.next_event();
    }
    panic!("node 0 does not sign");
}

fn sign_file(disk: &MemoryStorage) -> Vec<u8> {
    read_file(&mut disk.clone(), "data/sign_state").unwrap()
}

/// Node 0 after a restart on its disk with this sign state file.
fn restarted_with(net: &Net, file: &[u8]) -> Host {
    let mut disk = net.hosts[0].disk.clone();
    disk.restart();
    write_atomic(&mut disk, "data", "sign_state", file).unwrap();
    net.boot(0, disk, 4).0
}

/// A prevote for nil of node 0 in the round it has prevoted a block in.
fn contradiction(net: &Net) -> Message {
    let node = &net.hosts[0].node;
    let key = keys(0).sign.unwrap();
    let last = node.sign.last().unwrap();
    let mut vote = Vote {
        kind: VoteKind::Prevote,
        height: last.height,
        round: last.round,
        block: None,
        index: node.consensus().index().unwrap(),
        address: key.public_key().address(),
        signature: Signature([0; 64]),
    };
    vote.signature = key.sign(&vote.sign_bytes(&node.state().chain));
    Message::Vote(vote)
}

#[test]
fn after_an_older_sign_state_was_put_back_the_log_says_what_was_signed() {
    let mut older = Net::new(4);
    older.run_to(2);
    let net = at_work();
    let before = net.hosts[0].node.sign.clone();
    let stale = sign_file(&older.hosts[0].disk);
    assert_ne!(stale, sign_file(&net.hosts[0].disk));
    let mut host = restarted_with(&net, &stale);
    assert_eq!(host.node.sign, before, "learned from the log");
    let mut out = Vec::new();
    let refused = host
        .node
        .offer(net.now, vec![contradiction(&net)], &mut out);
    assert!(
        matches!(refused, Err(OfferError::Refused(_))),
        "{refused:?}"
    );
    // The start has written the file: what it says is durable.
    let mut disk = host.disk;
    disk.restart();
    let (_, saved) = crate::privval::SignFile::open(&mut disk, "data").unwrap();
    assert_eq!(saved, before);
}

#[test]
fn a_restart_neither_forgets_nor_changes_what_was_signed() {
    let net = at_work();
    let node = &net.hosts[0].node;
    let host = restarted_with(&net, &sign_file(&net.hosts[0].disk));
    assert_eq!(host.node.sign, node.sign);
    assert_eq!(host.node.unreleased, node.unreleased);
}

#[test]
fn without_a_readable_sign_state_a_node_does_not_start() {
    let net = at_work();
    let mut disk = net.hosts[0].disk.clone();
    disk.restart();
    write_atomic(&mut disk, "data", "sign_state", &[0; 1024]).unwrap();
    let refused = Store::start(&mut disk, "data", &genesis(4), StoreConfig::default());
    assert!(matches!(refused, Err(StartError::Sign(_))));
    disk.remove("data/sign_state").unwrap();
    let refused = Store::start(&mut disk, "data", &genesis(4), StoreConfig::default());
    assert!(matches!(refused, Err(StartError::Sign(_))));
}
