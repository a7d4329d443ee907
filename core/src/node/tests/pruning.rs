//! Nodes that remove old blocks, and those that ask them for one.

use super::*;
use crate::{
    ledger::Ledger,
    types::{Message, SyncMessage},
};

/// What a peer is answered to a question for block `height`.
fn answer(net: &mut Net, height: u64) -> Vec<Message> {
    let question = SyncMessage::BlockRequest {
        height: Height(height),
    };
    let frame = Frame::encode(Channel::BlockSync, vec![Message::BlockSync(question)]);
    let from = PeerId(1);
    net.mail.clear();
    net.input(0, Input::Receive { from, frame });
    let answers = net.mail.iter().filter(|(_, to, _)| *to == from);
    let frames = answers.map(|(_, _, frame)| frame.contents().unwrap());
    let sync = frames.filter(|contents| contents.channel == Channel::BlockSync);
    sync.flat_map(|contents| contents.messages.to_vec())
        .collect()
}

#[test]
fn so_many_blocks_are_kept_and_no_more() {
    let mut net = Net::keeping(4, quick(), Some(5));
    net.run_to(5);
    let base = |net: &mut Net| Ledger::open("data").base(&mut net.hosts[0].disk);
    assert_eq!(base(&mut net), Ok(Height(1)));
    net.run_to(30);
    let height = net.hosts[0].node.consensus().chain().height;
    assert_eq!(base(&mut net), Ok(Height(height.0 - 4)));
    assert_eq!(net.hosts[0].node.base, Height(height.0 - 4));
}

#[test]
fn who_asks_for_a_removed_block_is_told_in_one_frame_what_is_there() {
    let mut net = Net::keeping(4, quick(), Some(5));
    net.run_to(30);
    let chain = net.hosts[0].node.consensus().chain().height;
    let base = Height(chain.0 - 4);
    let [
        Message::BlockSync(status),
        Message::BlockSync(SyncMessage::NoBlockResponse { .. }),
    ] = &answer(&mut net, base.0 - 1)[..]
    else {
        panic!("the status and then that there is no such block");
    };
    let height = chain;
    assert_eq!(*status, SyncMessage::StatusResponse { base, height });
    let [Message::BlockSync(SyncMessage::BlockResponse { block, .. })] =
        &answer(&mut net, base.0)[..]
    else {
        panic!("the first block that is there");
    };
    assert_eq!(block.header.height, base);
}

#[test]
fn a_node_too_far_behind_asks_in_vain_and_blames_nobody() {
    let config = Config {
        block_sync: true,
        sync: blocksync::Config {
            far: Some(3),
            request_timeout: Span::millis(200),
            patience: Span::millis(400),
        },
        ..quick()
    };
    let mut net = Net::keeping(4, config, Some(5));
    net.cut.insert(PeerId(3));
    net.run_to(30);
    net.restart(3);
    net.run_to(60);
    assert_eq!(net.hosts[3].node.consensus().chain().height, Height::ZERO);
    assert!(net.hosts.iter().all(|host| host.rejected.is_empty()));
    assert!(!net.hosts[3].node.is_syncing());
}

#[test]
fn a_node_that_starts_again_keeps_on_removing() {
    let mut net = Net::keeping(4, quick(), Some(5));
    net.run_to(12);
    net.restart(2);
    net.run_to(30);
    let height = net.hosts[2].node.consensus().chain().height;
    let base = Ledger::open("data").base(&mut net.hosts[2].disk);
    assert_eq!(base, Ok(Height(height.0 - 4)));
    let oldest = Ledger::open("data").oldest(&mut net.hosts[2].disk);
    assert_eq!(oldest, base);
}
