//! Each rule of the machine, and its bounds from both sides.

use super::*;
use crate::types::{Address, BlockId, Bounded, ChainId, Hash, Header, PartSetHeader, Round};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);
const NOW: Time = Time(1_000_000_000);

fn block(height: u64) -> Block {
    let header = Header {
        chain: ChainId::default(),
        height: Height(height),
        time: Time(height),
        last_block: None,
        last_commit_hash: Hash::default(),
        data_hash: Hash::default(),
        evidence_hash: Hash::default(),
        validators_hash: Hash::default(),
        app_hash: Hash::default(),
        config_sequence: 0,
        proposer: Address::default(),
    };
    Block {
        header,
        txs: Bounded::default(),
        evidence: Bounded::default(),
        last_commit: None,
    }
}

fn received(from: PeerId, height: u64, bytes: usize) -> Received {
    let parts = PartSetHeader {
        total: 1,
        hash: Hash::default(),
    };
    let block_id = BlockId {
        hash: Hash::default(),
        parts,
    };
    let commit = Commit {
        height: Height(height),
        round: Round(0),
        block: block_id,
        signatures: Bounded::default(),
    };
    Received {
        from,
        block: Arc::new(block(height)),
        commit,
        bytes,
    }
}

/// A machine that needs block 1, and the peers with these heights.
fn machine(peers: &[(PeerId, u64)]) -> BlockSync {
    let mut sync = BlockSync::new(Config::default(), Height(1));
    for (peer, height) in peers {
        sync.add_peer(*peer, &mut Vec::new());
        sync.on_claim(*peer, Height(*height));
    }
    sync
}

fn syncing(peers: &[(PeerId, u64)]) -> BlockSync {
    let mut sync = machine(peers);
    sync.begin(NOW, &mut Vec::new());
    sync
}

fn run(sync: &mut BlockSync, now: Time) -> Vec<Out> {
    let mut out = Vec::new();
    sync.run(now, &mut out);
    out
}

/// Who is asked for which block.
fn asked(out: &[Out]) -> Vec<(PeerId, u64)> {
    let question = |wish: &Out| match wish {
        Out::Send {
            to,
            message: SyncMessage::BlockRequest { height },
        } => Some((*to, height.0)),
        Out::Send { .. } | Out::Wake(_) | Out::Report { .. } => None,
    };
    out.iter().filter_map(question).collect()
}

fn faults(out: &[Out]) -> Vec<(PeerId, Fault)> {
    let fault = |wish: &Out| match wish {
        Out::Report { peer, fault } => Some((*peer, fault.clone())),
        Out::Send { .. } | Out::Wake(_) => None,
    };
    out.iter().filter_map(fault).collect()
}

fn timeout() -> Span {
    Config::default().request_timeout
}

#[test]
fn a_node_that_begins_asks_everybody_what_they_have() {
    let mut sync = machine(&[(A, 0), (B, 0)]);
    let mut out = Vec::new();
    sync.begin(NOW, &mut out);
    assert_eq!(out, [ask_status(A), ask_status(B)]);
    out.clear();
    sync.add_peer(PeerId(9), &mut out);
    assert_eq!(
        out,
        [ask_status(PeerId(9))],
        "who comes later is asked, too"
    );
}

#[test]
fn heights_are_spread_over_the_peers_with_one_question_each() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    assert_eq!(asked(&run(&mut sync, NOW)), [(A, 1), (B, 2)]);
    assert_eq!(asked(&run(&mut sync, NOW)), [], "nothing has changed");
    assert_eq!(sync.on_block(received(A, 1, 10)), Ok(()));
    assert_eq!(asked(&run(&mut sync, NOW)), [(A, 3)]);
}

#[test]
fn no_height_beyond_the_window_is_asked_for() {
    let peers: Vec<_> = (0..40).map(|i| (PeerId(i), 100)).collect();
    let mut sync = syncing(&peers);
    let heights: Vec<u64> = asked(&run(&mut sync, NOW))
        .iter()
        .map(|(_, h)| *h)
        .collect();
    assert_eq!(heights, (1..=WINDOW).collect::<Vec<_>>());
    sync.advance(Height(2));
    assert_eq!(asked(&run(&mut sync, NOW))[0].1, WINDOW + 1);
}

#[test]
fn a_peer_is_asked_only_for_what_it_has() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    sync.on_status(A, (Height(5), Height(9)));
    assert_eq!(asked(&run(&mut sync, NOW)), [(B, 1), (A, 5)]);
}

#[test]
fn a_claim_never_goes_back() {
    let mut sync = syncing(&[(A, 9)]);
    sync.on_status(A, (Height(1), Height(2)));
    assert_eq!(sync.peers[&A].height, Height(9));
}

#[test]
fn a_block_nobody_asked_for_is_refused_and_not_stored() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    run(&mut sync, NOW);
    let wrong_peer = sync.on_block(received(B, 1, 10));
    assert_eq!(wrong_peer, Err(Fault::Unsolicited(Height(1))));
    assert_eq!(sync.next_block(), None);
    assert_eq!(sync.on_block(received(A, 1, 10)), Ok(()));
    let twice = sync.on_block(received(A, 1, 10));
    assert_eq!(twice, Err(Fault::Unsolicited(Height(1))));
    assert_eq!(sync.bytes, 10);
}

#[test]
fn blocks_wait_for_their_turn() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    run(&mut sync, NOW);
    assert_eq!(sync.on_block(received(B, 2, 10)), Ok(()));
    assert_eq!(sync.next_block(), None);
    sync.advance(Height(2));
    assert_eq!(sync.next_block(), Some(&received(B, 2, 10)));
    sync.advance(Height(3));
    assert_eq!((sync.next_block(), sync.bytes), (None, 0));
}

#[test]
fn waiting_blocks_hold_so_many_bytes_and_the_next_one_is_taken_always() {
    let mut sync = syncing(&[(A, 9), (B, 9), (PeerId(3), 9)]);
    run(&mut sync, NOW);
    assert_eq!(sync.on_block(received(B, 2, MAX_BYTES)), Ok(()));
    assert_eq!(sync.bytes, MAX_BYTES, "just fits");
    assert_eq!(sync.on_block(received(PeerId(3), 3, 1)), Ok(()));
    assert_eq!(
        sync.bytes, MAX_BYTES,
        "one byte too many: dropped, it is no lie"
    );
    assert_eq!(
        asked(&run(&mut sync, NOW)),
        [],
        "nothing ahead is asked for"
    );
    assert_eq!(sync.on_block(received(A, 1, 7)), Ok(()));
    assert_eq!(sync.bytes, MAX_BYTES + 7);
}

#[test]
fn a_silent_peer_is_passed_over_ever_longer_and_another_is_asked() {
    let mut sync = syncing(&[(A, 9)]);
    run(&mut sync, NOW);
    sync.add_peer(B, &mut Vec::new());
    sync.on_claim(B, Height(1));
    let late = NOW.after(timeout());
    assert_eq!(
        faults(&run(&mut sync, Time(late.0 - 1))),
        [],
        "still in time"
    );
    let out = run(&mut sync, late);
    assert_eq!(faults(&out), [(A, Fault::NoAnswer(Height(1)))]);
    sync.changed = true;
    let mut alone = machine(&[(A, 9)]);
    alone.begin(NOW, &mut Vec::new());
    let mut now = NOW;
    for times in [2, 4, 8, 16, 32, 32] {
        assert_eq!(asked(&run(&mut alone, now)), [(A, 1)]);
        now = now.after(timeout());
        run(&mut alone, now);
        let again = now.after(timeout().times(times));
        assert_eq!(asked(&run(&mut alone, Time(again.0 - 1))), []);
        now = again;
    }
}

#[test]
fn an_answer_makes_good_for_silence() {
    let mut sync = syncing(&[(A, 9)]);
    run(&mut sync, NOW);
    run(&mut sync, NOW.after(timeout()));
    let later = NOW.after(timeout().times(3));
    assert_eq!(asked(&run(&mut sync, later)), [(A, 1)]);
    assert_eq!(sync.on_block(received(A, 1, 10)), Ok(()));
    assert_eq!(sync.peers[&A].strikes, 0);
}

#[test]
fn a_peer_without_the_block_it_claimed_is_banned_until_it_connects_anew() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    run(&mut sync, NOW);
    let mut out = Vec::new();
    sync.on_no_block(B, Height(1), &mut out);
    assert_eq!(out, [], "it was asked for another block");
    sync.on_no_block(A, Height(1), &mut out);
    assert_eq!(faults(&out), [(A, Fault::NotThere(Height(1)))]);
    sync.on_claim(A, Height(50));
    assert_eq!(sync.highest, Height(9), "its claims do not count");
    assert_eq!(sync.on_block(received(B, 2, 10)), Ok(()));
    assert_eq!(asked(&run(&mut sync, NOW)), [(B, 1)]);
    sync.add_peer(A, &mut Vec::new());
    sync.on_claim(A, Height(9));
    assert_eq!(asked(&run(&mut sync, NOW)), [(A, 3)]);
}

#[test]
fn the_sender_of_a_wrong_block_is_banned_with_all_it_sent() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    run(&mut sync, NOW);
    assert_eq!(sync.on_block(received(A, 1, 10)), Ok(()));
    assert_eq!(sync.on_block(received(B, 2, 10)), Ok(()));
    run(&mut sync, NOW);
    assert_eq!(sync.on_block(received(A, 3, 10)), Ok(()));
    let mut out = Vec::new();
    sync.refuse("no quorum".to_owned(), &mut out);
    let what = "no quorum".to_owned();
    let height = Height(1);
    assert_eq!(faults(&out), [(A, Fault::Wrong { height, what })]);
    assert_eq!(sync.blocks.keys().copied().collect::<Vec<_>>(), [Height(2)]);
    assert_eq!(sync.bytes, 10);
    assert_eq!(
        sync.on_block(received(B, 4, 10)),
        Ok(()),
        "asked for before"
    );
    assert_eq!(asked(&run(&mut sync, NOW)), [(B, 1)]);
}

#[test]
fn a_node_in_consensus_probes_one_block_if_somebody_is_far_ahead() {
    let mut sync = machine(&[(A, 2), (B, 2)]);
    assert_eq!(run(&mut sync, NOW), [], "two heights are left to gossip");
    sync.on_claim(B, Height(3));
    assert_eq!(
        asked(&run(&mut sync, NOW)),
        [(B, 1)],
        "only of who is far ahead"
    );
    sync.on_claim(A, Height(3));
    assert_eq!(asked(&run(&mut sync, NOW)), [], "one probe at a time");
    assert_eq!(sync.on_block(received(B, 1, 10)), Ok(()));
    assert_eq!(sync.next_block(), Some(&received(B, 1, 10)));
    let never = Config {
        far: None,
        ..Config::default()
    };
    let mut sync = BlockSync::new(never, Height(1));
    sync.add_peer(A, &mut Vec::new());
    sync.on_claim(A, Height(u64::MAX));
    assert_eq!(run(&mut sync, NOW), []);
}

#[test]
fn after_the_switch_the_next_block_is_taken_and_others_are_forgotten() {
    let mut sync = syncing(&[(A, 2), (B, 2)]);
    assert_eq!(asked(&run(&mut sync, NOW)), [(A, 1), (B, 2)]);
    sync.end();
    assert_eq!(sync.on_block(received(B, 2, 10)), Ok(()));
    assert_eq!(sync.bytes, 0);
    assert_eq!(sync.on_block(received(A, 1, 10)), Ok(()));
    assert_eq!(sync.next_block(), Some(&received(A, 1, 10)));
}

#[test]
fn a_late_answer_is_taken() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    run(&mut sync, NOW);
    let late = NOW.after(timeout());
    assert_eq!(faults(&run(&mut sync, late)).len(), 2);
    assert_eq!(sync.on_block(received(A, 1, 10)), Ok(()));
    assert_eq!(sync.next_block(), Some(&received(A, 1, 10)));
    let twice = sync.on_block(received(A, 1, 10));
    assert_eq!(twice, Err(Fault::Unsolicited(Height(1))));
}

#[test]
fn a_node_is_caught_up_when_nobody_claims_more_than_the_next_block() {
    let mut sync = syncing(&[(A, 2)]);
    assert!(!sync.is_caught_up(NOW));
    sync.advance(Height(2));
    assert!(sync.is_caught_up(NOW));
    assert_eq!(
        asked(&run(&mut sync, NOW)),
        [],
        "the last one comes by gossip"
    );
}

#[test]
fn a_node_that_hears_nothing_waits_for_its_patience() {
    let mut sync = machine(&[(A, 0)]);
    sync.begin(NOW, &mut Vec::new());
    let end = NOW.after(Config::default().patience);
    assert_eq!(run(&mut sync, NOW), [Out::Wake(end)]);
    assert!(!sync.is_caught_up(Time(end.0 - 1)));
    assert!(sync.is_caught_up(end));
    sync.on_status(A, (Height(0), Height(0)));
    assert!(sync.is_caught_up(NOW), "one answer is enough");
}

#[test]
fn a_peer_that_has_removed_a_block_and_says_so_is_not_banned() {
    let mut sync = syncing(&[(A, 9)]);
    assert_eq!(asked(&run(&mut sync, NOW)), [(A, 1)]);
    sync.on_status(A, (Height(2), Height(9)));
    let mut out = Vec::new();
    sync.on_no_block(A, Height(1), &mut out);
    assert_eq!(out, []);
    assert_eq!(asked(&run(&mut sync, NOW)), [], "nobody has it");
    // Block 1 comes from elsewhere.
    sync.advance(Height(2));
    assert_eq!(asked(&run(&mut sync, NOW)), [(A, 2)]);
    sync.on_status(A, (Height(1), Height(9)));
    sync.on_no_block(A, Height(2), &mut out);
    assert_eq!(faults(&out), [(A, Fault::NotThere(Height(2)))]);
}

#[test]
fn nobody_is_asked_for_what_all_have_removed() {
    let mut sync = syncing(&[(A, 9)]);
    sync.on_status(A, (Height(2), Height(9)));
    assert!(sync.is_caught_up(NOW), "nobody can help");
    assert_eq!(asked(&run(&mut sync, NOW)), []);
}

#[test]
fn liars_do_not_hold_a_node_back() {
    let mut sync = syncing(&[(A, 1_000_000), (B, u64::MAX)]);
    run(&mut sync, NOW);
    sync.on_no_block(A, Height(1), &mut Vec::new());
    assert!(!sync.is_caught_up(NOW), "the other may have it");
    run(&mut sync, NOW);
    let late = NOW.after(timeout());
    run(&mut sync, late);
    assert!(sync.is_caught_up(late), "banned or passed over");
}

/// CometBFT #5803: a base above the height that is needed poisoned the target of the sync.
#[test]
fn who_does_not_have_the_next_block_does_not_hold_a_node_back() {
    let mut sync = syncing(&[(A, 0)]);
    sync.on_status(A, (Height(500), Height(1_000)));
    assert!(sync.is_caught_up(NOW));
}

#[test]
fn a_peer_that_is_gone_is_waited_for_no_longer() {
    let mut sync = syncing(&[(A, 9), (B, 9)]);
    assert_eq!(asked(&run(&mut sync, NOW)), [(A, 1), (B, 2)]);
    sync.remove_peer(A);
    assert_eq!(sync.on_block(received(B, 2, 10)), Ok(()));
    assert_eq!(asked(&run(&mut sync, NOW)), [(B, 1)]);
}

#[test]
fn the_timer_is_asked_for_once_and_again_when_it_came_early() {
    let mut sync = syncing(&[(A, 9)]);
    let late = NOW.after(timeout());
    assert!(run(&mut sync, NOW).contains(&Out::Wake(late)));
    sync.on_claim(A, Height(10));
    assert!(!run(&mut sync, NOW).contains(&Out::Wake(late)));
    sync.on_wake();
    assert!(run(&mut sync, NOW).contains(&Out::Wake(late)));
}
