//! The start-up arguments: Anoma's vectors, and the same from real directories.

use super::*;

fn id(number: u8) -> Hash {
    sha256(&tx(number))
}

fn events(transactions: &[u8], consensus: &[&[u8]], round: u64) -> Events {
    let ids = |numbers: &[u8]| numbers.iter().map(|n| id(*n)).collect::<Vec<_>>();
    Events {
        transactions: ids(transactions),
        consensus: consensus.iter().map(|batch| ids(batch)).collect(),
        round,
    }
}

#[test]
fn the_vectors_of_anoma_hold() {
    let ten: Vec<u8> = (1..=10).collect();
    let five: [&[u8]; 5] = [&[1], &[2], &[3], &[4], &[5]];
    let block = |round, height| BlockInfo { round, height };
    // Events and blocks; pending transactions, round and batches of the mempool.
    let vectors = [
        (
            "fresh node",
            events(&[], &[], 1),
            block(0, 0),
            events(&[], &[], 1),
        ),
        (
            "one pending",
            events(&[1], &[], 1),
            block(0, 0),
            events(&[1], &[], 1),
        ),
        (
            "ten pending",
            events(&ten, &[], 1),
            block(0, 0),
            events(&ten, &[], 1),
        ),
        (
            "ten blocks",
            events(&[], &[], 11),
            block(10, 10),
            events(&[], &[], 11),
        ),
        (
            "todo consensus",
            events(&[1], &[&[1]], 1),
            block(0, 0),
            events(&[1], &[&[1]], 1),
        ),
        (
            "obsolete consensus",
            events(&[1], &[&[1]], 11),
            block(11, 11),
            events(&[], &[], 12),
        ),
        (
            "five obsolete",
            events(&[1, 2, 3, 4, 5], &five, 11),
            block(15, 15),
            events(&[], &[], 16),
        ),
        (
            "one of two obsolete: the other one stays, in order",
            events(&[3, 1, 2], &[&[1], &[2, 3]], 11),
            block(11, 11),
            events(&[3, 2], &[&[2, 3]], 12),
        ),
    ];
    for (name, stored, blocks, expected) in vectors {
        let args = StartupArgs::new(stored, blocks).unwrap();
        let mempool = Events {
            transactions: args.mempool.transactions,
            consensus: args.mempool.consensus,
            round: args.mempool.round,
        };
        assert_eq!(mempool, expected, "{name}");
        assert_eq!(args.storage.uncommitted_height, blocks.round, "{name}");
        assert_eq!(args.ordering.next_height, blocks.height + 1, "{name}");
    }
}

#[test]
fn a_log_ahead_of_the_blocks_has_no_arguments() {
    let blocks = BlockInfo {
        round: 9,
        height: 9,
    };
    assert_eq!(StartupArgs::new(events(&[], &[], 11), blocks), None);
}

#[test]
fn directories_give_the_same_arguments() {
    let of = |heights, stop| verify(&mut disk_of(heights, stop)).unwrap().args;
    let expect = |pending: &[u8], round, blocks| StartupArgs {
        mempool: MempoolArgs {
            transactions: pending.iter().map(|n| id(*n)).collect(),
            round,
            consensus: pending.iter().map(|n| vec![id(*n)]).collect(),
        },
        ordering: OrderingArgs {
            next_height: blocks + 1,
        },
        storage: StorageArgs {
            uncommitted_height: blocks,
        },
    };
    let fresh = verify(&mut MemoryStorage::default()).unwrap();
    assert_eq!(fresh.args, expect(&[], 1, 0));
    assert_eq!(of(10, Stop::Idle), expect(&[], 11, 10));
    assert_eq!(of(0, Stop::Decided), expect(&[1], 1, 0));
    assert_eq!(of(10, Stop::Decided), expect(&[11], 11, 10));
    assert_eq!(of(10, Stop::BlockStored), expect(&[], 12, 11));
}
