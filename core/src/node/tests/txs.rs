//! Transactions and the wait for them, in networks of whole nodes. The situations are those of
//! CometBFT's `mempool_test.go`.

use super::*;
use crate::{
    consensus::EmptyBlocks,
    types::{Bounded, Channel, Tx},
};

fn waiting(empty_blocks: EmptyBlocks) -> Net {
    let mut config = quick();
    config.timeouts.empty_blocks = empty_blocks;
    Net::with(4, config)
}

fn heights(net: &Net) -> Vec<u64> {
    let of = |host: &Host| host.node.consensus().chain().height.0;
    net.hosts.iter().map(of).collect()
}

fn refusal(net: &mut Net, id: usize, tx: Tx) -> Option<PoolError> {
    let mut out = Vec::new();
    net.hosts[id]
        .node
        .step(net.now, Input::Submit(tx), &mut out);
    out.into_iter().find_map(|output| {
        if let Output::Refused { reason, .. } = output {
            Some(reason)
        } else {
            None
        }
    })
}

/// `TestMempoolNoProgressUntilTxsAvailable`.
#[test]
fn without_empty_blocks_nothing_is_decided_until_a_transaction_comes() {
    let mut net = waiting(EmptyBlocks::Never);
    net.run_to(1);
    net.run_for(Span::millis(60_000));
    assert_eq!(heights(&net), [1; 4]);
    for host in &net.hosts {
        assert_eq!(host.node.consensus().at().step, Step::NewRound);
    }
    // One node has it; all begin. The block after it proves the application's hash.
    net.input(2, Input::Submit(set(b"k", b"v")));
    net.run_to(3);
    net.run_for(Span::millis(60_000));
    assert_eq!(heights(&net), [3; 4]);
    let applied = |host: &Host| host.node.app().get(b"k") == Some(b"v");
    assert!(net.hosts.iter().all(applied));
}

/// `TestMempoolProgressAfterCreateEmptyBlocksInterval`.
#[test]
fn with_an_interval_empty_blocks_come_that_often() {
    let mut net = waiting(EmptyBlocks::Every(Span::millis(5_000)));
    net.run_to(1);
    net.run_for(Span::millis(4_000));
    assert_eq!(heights(&net), [1; 4]);
    net.run_for(Span::millis(22_000));
    assert_eq!(heights(&net), [6; 4]);
}

/// `TestMempoolProgressInHigherRound`.
#[test]
fn without_its_proposer_a_transaction_is_decided_in_a_later_round() {
    let mut net = waiting(EmptyBlocks::Never);
    net.run_to(1);
    net.run_for(Span::millis(1_000));
    let consensus = net.hosts[0].node.consensus();
    let proposer = consensus
        .validators()
        .get(consensus.proposer())
        .unwrap()
        .key;
    let is_proposer =
        |id: &usize| keys(u8::try_from(*id).unwrap()).sign.unwrap().public_key() == proposer;
    let gone = (0..4).find(is_proposer).unwrap();
    net.cut.insert(PeerId(u16::try_from(gone).unwrap()));
    let other = (gone + 1) % 4;
    net.input(other, Input::Submit(set(b"k", b"v")));
    net.run_to(2);
    assert_eq!(net.hosts[other].node.app().get(b"k"), Some(&b"v"[..]));
}

/// `TestMempoolTxConcurrentWithCommit`.
#[test]
fn transactions_that_come_while_heights_are_decided_are_all_decided() {
    let mut net = waiting(EmptyBlocks::Never);
    for i in 0..300_u16 {
        let tx = set(&i.to_be_bytes(), b"v");
        net.input(usize::from(i % 4), Input::Submit(tx));
        for _ in 0..i % 7 {
            net.next_event();
        }
    }
    net.run_for(Span::millis(60_000));
    for host in &net.hosts {
        let missing = (0..300_u16).filter(|i| host.node.app().get(&i.to_be_bytes()).is_none());
        assert_eq!(missing.count(), 0);
        assert!(host.node.pool.is_empty());
    }
    let all = heights(&net);
    assert!(
        all.iter().all(|h| *h == all[0]),
        "they stand together again"
    );
}

/// `TestMempoolRmBadTx`.
#[test]
fn a_bad_transaction_is_refused_and_leaves_nothing_behind() {
    let mut net = waiting(EmptyBlocks::Never);
    net.run_to(1);
    net.run_for(Span::millis(1_000));
    let bad = Tx::try_from(vec![0xff; 1_024]).unwrap();
    let reason = refusal(&mut net, 0, bad.clone());
    assert!(
        matches!(reason, Some(PoolError::Malformed(_))),
        "{reason:?}"
    );
    // From a peer it is the peer's fault. The good one beside it is taken.
    let txs = Bounded::try_from(vec![bad, set(b"k", b"v")]).unwrap();
    let frame = Frame::encode(Channel::Mempool, vec![Message::Txs(txs)]);
    let (mut out, from) = (Vec::new(), PeerId(1));
    let node = &mut net.hosts[0].node;
    node.step(net.now, Input::Receive { from, frame }, &mut out);
    let rejected = |o: &Output| {
        matches!(
            o,
            Output::Rejected {
                reason: Rejection::Tx(_),
                ..
            }
        )
    };
    assert_eq!(out.iter().filter(|o| rejected(o)).count(), 1);
    assert_eq!(node.pool.len(), 1);
    let mail = net.hosts[0].carry_out(
        net.now,
        PeerId(0),
        out.into_iter().filter(|o| !rejected(o)).collect(),
    );
    net.mail.extend(mail);
    net.run_to(2);
    assert!(net.hosts[0].node.pool.is_empty());
}

#[test]
fn a_committed_transaction_is_not_taken_again_also_after_a_restart() {
    let mut net = waiting(EmptyBlocks::Never);
    net.run_to(1);
    net.input(0, Input::Submit(set(b"k", b"v")));
    net.run_to(2);
    assert_eq!(
        refusal(&mut net, 1, set(b"k", b"v")),
        Some(PoolError::Committed)
    );
    let mut disk = net.hosts[1].disk.clone();
    disk.restart();
    let (host, _) = net.boot(1, disk, 4);
    net.hosts[1] = host;
    let height = net.hosts[1].node.consensus().chain().height;
    let expected = (height == Height(2)).then_some(PoolError::Committed);
    assert_eq!(refusal(&mut net, 1, set(b"k", b"v")), expected);
}

#[test]
fn a_node_restarted_while_it_waits_stands_where_it_stood() {
    for arrived in [false, true] {
        let mut net = waiting(EmptyBlocks::Never);
        net.run_to(1);
        net.run_for(Span::millis(1_000));
        net.cut.extend([PeerId(1), PeerId(2), PeerId(3)]);
        if arrived {
            net.input(0, Input::Submit(set(b"k", b"v")));
        }
        net.run_for(Span::millis(100));
        let before = net.hosts[0].node.consensus().at();
        assert_eq!(before.step > Step::NewRound, arrived);
        let mut disk = net.hosts[0].disk.clone();
        disk.restart();
        let (host, mail) = net.boot(0, disk, 4);
        assert_eq!(host.node.consensus().at(), before);
        net.hosts[0] = host;
        net.mail.extend(mail);
        net.connect(0);
        net.cut.clear();
        net.input(0, Input::Submit(set(b"l", b"w")));
        net.run_to(2);
    }
}

#[test]
fn a_node_that_was_away_is_offered_what_waits_and_a_lost_frame_is_repaired() {
    let mut net = waiting(EmptyBlocks::Never);
    net.run_to(1);
    net.run_for(Span::millis(1_000));
    // Nobody hears node 0, so nothing is decided; its offers are lost.
    net.cut.extend([PeerId(1), PeerId(2), PeerId(3)]);
    net.input(0, Input::Submit(set(b"k", b"v")));
    net.run_for(Span::millis(500));
    net.cut.clear();
    net.run_to(2);
    assert_eq!(net.hosts[3].node.app().get(b"k"), Some(&b"v"[..]));
}
