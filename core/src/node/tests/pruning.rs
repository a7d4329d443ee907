//! Nodes that remove old blocks, and those that ask them for one.

use super::*;
use crate::{
    ledger::{Checkpoint, Ledger},
    storage::Storage,
    types::SyncMessage,
};

/// How many blocks the nodes here keep: two are removed at once.
const RETAIN: u64 = 5;

fn net() -> Net {
    Net::keeping(4, quick(), Some(RETAIN))
}

/// The heights of the blocks on a disk.
fn blocks(disk: &mut MemoryStorage) -> Vec<u64> {
    let names = disk.list("data/blocks").unwrap();
    let height = |name: &String| u64::from_str_radix(name, 16).unwrap();
    names.iter().map(height).collect()
}

fn checkpoint(disk: &mut MemoryStorage) -> Checkpoint {
    let found = Ledger::open("data").load_checkpoint(disk).unwrap();
    found.unwrap()
}

fn height(host: &Host) -> u64 {
    host.node.consensus().chain().height.0
}

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
fn so_many_blocks_are_kept_and_few_more() {
    let mut net = net();
    net.run_to(5);
    assert_eq!(blocks(&mut net.hosts[0].disk)[0], 1);
    let mut most = 0;
    for reached in 6..=40 {
        net.run_to(reached);
        let host = &mut net.hosts[0];
        let (kept, last) = (blocks(&mut host.disk), height(host));
        assert_eq!(kept.last(), Some(&last), "the last one is there");
        let row = kept[0]..=last;
        assert_eq!(kept, row.collect::<Vec<_>>(), "and all before it, in a row");
        most = most.max(kept.len() as u64);
        assert!(kept.len() as u64 >= RETAIN);
    }
    assert_eq!(most, RETAIN + 1, "two are removed when seven are there");
    let host = &mut net.hosts[0];
    assert_eq!(host.node.base.0, blocks(&mut host.disk)[0]);
}

#[test]
fn the_checkpoint_is_the_chain_after_the_first_block_that_is_kept() {
    let mut pruned = Net::keeping(1, quick(), Some(RETAIN));
    let mut whole = Net::new(1);
    let mut after = Checkpoint::genesis(&genesis(1)).unwrap();
    for net in [&mut pruned, &mut whole] {
        for number in 1..=20_u8 {
            net.input(0, Input::Submit(set(&[number], b"v")));
            net.run_to(u64::from(number));
        }
    }
    let found = checkpoint(&mut pruned.hosts[0].disk);
    let mut ledger = |height| {
        let disk = &mut whole.hosts[0].disk;
        Ledger::open("data").load_block(disk, height).unwrap()
    };
    while after.state.height < found.state.height {
        let block = ledger(after.state.height.next()).unwrap().block;
        let (state, app) = after.state.apply(&after.app, block.cut().0, &block);
        after = Checkpoint {
            state,
            app,
            transactions: after.transactions + block.txs.len() as u64,
        };
    }
    assert_eq!(found, after);
    assert_eq!(blocks(&mut pruned.hosts[0].disk)[0], found.state.height.0);
    assert!(found.transactions > 0);
}

#[test]
fn who_asks_for_a_removed_block_is_told_in_one_frame_what_is_there() {
    let mut net = net();
    net.run_to(30);
    let base = net.hosts[0].node.base;
    let height = net.hosts[0].node.consensus().chain().height;
    let gone = base.prev().unwrap();
    let status = SyncMessage::StatusResponse { base, height };
    let none = SyncMessage::NoBlockResponse { height: gone };
    let expected = [status, none].map(Message::BlockSync);
    assert_eq!(answer(&mut net, gone.0), expected);
    let there = answer(&mut net, base.0);
    let [Message::BlockSync(SyncMessage::BlockResponse { block, .. })] = &there[..] else {
        panic!("the first block that is there: {there:?}");
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
    let mut net = Net::keeping(4, config, Some(RETAIN));
    net.cut.insert(PeerId(3));
    net.run_to(30);
    net.restart(3);
    net.cut.remove(&PeerId(3));
    while height(&net.hosts[0]) < 60 {
        net.next_event();
    }
    assert_eq!(height(&net.hosts[3]), 0);
    assert!(net.hosts.iter().all(|host| host.rejected.is_empty()));
    assert!(!net.hosts[3].node.is_syncing());
}

#[test]
fn a_node_that_starts_again_keeps_on_removing() {
    let mut net = net();
    net.run_to(12);
    net.restart(2);
    net.run_to(30);
    let host = &mut net.hosts[2];
    let kept = blocks(&mut host.disk);
    assert_eq!(kept[0], host.node.base.0);
    assert!(kept[0] + RETAIN + 2 > height(host), "{kept:?}");
}

#[test]
fn what_a_crash_brings_back_is_removed_at_the_next_start() {
    let mut net = net();
    net.run_to(12);
    let host = &mut net.hosts[0];
    let base = host.node.base.0;
    let old = format!("data/blocks/{:016x}", base - 1);
    let file = host.disk.create(&old).unwrap();
    host.disk.close(file).unwrap();
    net.restart(0);
    assert_eq!(blocks(&mut net.hosts[0].disk)[0], base);
}

#[test]
fn a_directory_with_all_blocks_is_pruned_little_by_little() {
    let mut net = Net::new(4);
    net.run_to(30);
    net.retain_blocks = Some(RETAIN);
    net.restart(0);
    assert_eq!(blocks(&mut net.hosts[0].disk)[0], 1);
    let mut before = 1;
    for reached in 31..=60 {
        net.run_to(reached);
        let first = blocks(&mut net.hosts[0].disk)[0];
        let committed = reached - 30;
        assert!(first <= 2 * (committed + 5), "{first} after {committed}");
        assert!(first >= before);
        before = first;
    }
    assert!(before + RETAIN + 2 > height(&net.hosts[0]));
}

#[test]
fn a_long_run_keeps_as_much_at_its_end_as_in_its_middle() {
    let mut net = Net::keeping(4, quick(), Some(RETAIN));
    // Heights where as many blocks are there; transactions write the same keys again and again.
    let mut sizes = Vec::new();
    for number in 1..=400_u64 {
        let key = [u8::try_from(number % 8).unwrap()];
        net.input(0, Input::Submit(set(&key, &number.to_be_bytes())));
        net.run_to(number);
        if number == 100 || number == 400 {
            let host = &mut net.hosts[0];
            let files = ["blocks", "validators", "wal"];
            let lists = files.map(|dir| host.disk.list(&format!("data/{dir}")).unwrap().len());
            sizes.push(lists);
        }
    }
    let [[blocks, validators, segments], late] = sizes[..] else {
        panic!("two heights were looked at");
    };
    assert!(blocks.max(late[0]) <= usize::try_from(RETAIN).unwrap() + 2);
    assert_eq!((validators, late[1]), (1, 1));
    assert!(
        late[2] <= segments + 2,
        "{segments} segments, then {}",
        late[2]
    );
}
