//! Tests of the pool: what is taken, what is kept, what is offered to whom.

use proptest::prelude::*;

use super::*;
use crate::{
    app::{App, Call, Item, MAX_ENTRIES},
    ledger::{Genesis, State},
    types::{
        ChainId, ConfigChange, Height, MAX_GOSSIPED_TXS, MAX_TX_BYTES, Message, PublicKey, Span,
        Time, ValidatorUpdate,
    },
};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);

/// A chain and an application to check against.
struct World {
    app: App,
    chain: State,
    params: Params,
}

impl World {
    fn new() -> Self {
        let validator = ValidatorUpdate {
            key: PublicKey([7; 32]),
            power: 1,
        };
        let genesis = Genesis {
            chain: ChainId::try_from(b"pool".to_vec()).unwrap(),
            time: Time(1),
            validators: vec![validator],
            params: Params::default(),
        };
        Self {
            app: App::default(),
            chain: State::genesis(&genesis).unwrap(),
            params: Params::default(),
        }
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            app: &self.app,
            chain: &self.chain,
            params: self.params,
        }
    }
}

/// A transaction of its own for each number, with a value of so many bytes.
fn tx(number: u64, value: usize) -> Tx {
    let item = |bytes: Vec<u8>| Item::try_from(bytes).unwrap();
    Call::Set {
        key: item(number.to_be_bytes().to_vec()),
        value: item(vec![1; value]),
    }
    .to_tx()
}

/// The same with the longest key.
fn large(number: u64, value: usize) -> Tx {
    let item = |bytes: Vec<u8>| Item::try_from(bytes).unwrap();
    let mut key = number.to_be_bytes().to_vec();
    key.resize(256, 0);
    Call::Set {
        key: item(key),
        value: item(vec![1; value]),
    }
    .to_tx()
}

fn configure(sequence: u64, change: ConfigChange) -> Tx {
    Call::Configure { sequence, change }.to_tx()
}

fn taken(pool: &mut Pool, world: &World, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        pool.add(tx(number, 0), None, &world.ground()).unwrap();
    }
}

#[test]
fn the_pool_takes_as_many_transactions_as_it_may_and_refuses_the_next() {
    let (mut pool, world) = (Pool::default(), World::new());
    taken(&mut pool, &world, 0..MAX_WAITING as u64);
    let next = tx(MAX_WAITING as u64, 0);
    let add = |pool: &mut Pool| pool.add(next.clone(), None, &world.ground());
    assert_eq!(add(&mut pool), Err(PoolError::Full));
    pool.remember(&[tx(0, 0)]);
    assert_eq!(add(&mut pool), Ok(()));
}

#[test]
fn the_pool_takes_as_many_bytes_as_it_may_and_refuses_one_more() {
    let (mut pool, world) = (Pool::default(), World::new());
    let size = large(0, 256).len();
    let most = (MAX_WAITING_BYTES / size) as u64;
    assert!(
        most < MAX_WAITING as u64,
        "bytes are the bound that is met first"
    );
    for number in 0..most {
        let taken = pool.add(large(number, 256), None, &world.ground());
        assert_eq!(taken, Ok(()));
    }
    // The room that is left, less than one of these, is filled exactly.
    let left = MAX_WAITING_BYTES - pool.bytes;
    let fits = left.checked_sub(tx(0, 0).len()).unwrap();
    let too_long = pool.add(tx(most, fits + 1), None, &world.ground());
    assert_eq!(too_long, Err(PoolError::Full));
    let taken = pool.add(tx(most, fits), None, &world.ground());
    assert_eq!(taken, Ok(()));
    assert_eq!(pool.bytes, MAX_WAITING_BYTES);
}

#[test]
fn committed_transactions_are_remembered_until_as_many_others_have_come() {
    let (mut pool, world) = (Pool::default(), World::new());
    pool.remember(&[tx(0, 0)]);
    let again = |pool: &mut Pool| pool.add(tx(0, 0), None, &world.ground());
    let others: Vec<Tx> = (1..MAX_RECENT as u64).map(|n| tx(n, 0)).collect();
    pool.remember(&others);
    assert_eq!(again(&mut pool), Err(PoolError::Committed));
    pool.remember(&[tx(MAX_RECENT as u64, 0)]);
    assert_eq!(again(&mut pool), Ok(()));
}

#[test]
fn committed_transactions_are_remembered_for_so_many_blocks() {
    let (mut pool, world) = (Pool::default(), World::new());
    pool.remember(&[tx(0, 0)]);
    let again = |pool: &mut Pool| pool.add(tx(0, 0), None, &world.ground());
    (1..MAX_RECENT_BLOCKS).for_each(|_| pool.remember(&[]));
    assert_eq!(again(&mut pool), Err(PoolError::Committed));
    pool.remember(&[]);
    assert_eq!(again(&mut pool), Ok(()));
}

#[test]
fn a_configuration_transaction_must_be_built_on_the_present_configuration() {
    let (mut pool, mut world) = (Pool::default(), World::new());
    world.chain.config_sequence = 3;
    let change = ConfigChange::Params(Params::default());
    let mut add = |sequence| pool.add(configure(sequence, change), None, &world.ground());
    assert_eq!(add(2), Err(PoolError::Stale { got: 2, present: 3 }));
    assert_eq!(add(4), Err(PoolError::Early { got: 4, present: 3 }));
    assert_eq!(add(3), Ok(()));
    // Another configuration is committed: what was built on the old one is given up, and said so.
    world.chain.config_sequence = 4;
    taken(&mut pool, &world, [1]);
    let out = pool.update(&[], &world.ground());
    let stale = PoolError::Stale { got: 3, present: 4 };
    assert_eq!(out, [(sha256(&configure(3, change)), stale)]);
    assert_eq!(pool.reap(&world.params), [tx(1, 0)]);
}

#[test]
fn a_change_that_no_validator_set_allows_is_refused() {
    let (mut pool, world) = (Pool::default(), World::new());
    let mut add = |key, power| {
        let key = PublicKey([key; 32]);
        let change = ConfigChange::Power { key, power };
        let plain = pool.add(Call::Power { key, power }.to_tx(), None, &world.ground());
        let configured = pool.add(configure(0, change), None, &world.ground());
        assert_eq!(plain, configured);
        plain
    };
    for (key, power) in [(7, 0), (8, 0), (8, u64::MAX)] {
        let refused = add(key, power);
        assert!(
            matches!(refused, Err(PoolError::Validators(_))),
            "{refused:?}"
        );
    }
    assert_eq!(add(8, 5), Ok(()));
}

#[test]
fn parameters_with_which_nothing_fits_into_a_block_are_refused() {
    let (mut pool, world) = (Pool::default(), World::new());
    let mut add = |max_block_txs: usize, max_block_bytes| {
        let params = Params {
            max_block_txs: u32::try_from(max_block_txs).unwrap(),
            max_block_bytes,
            ..Params::default()
        };
        pool.add(
            configure(0, ConfigChange::Params(params)),
            None,
            &world.ground(),
        )
    };
    let least = u32::try_from(MAX_TX_BYTES).unwrap();
    for (txs, bytes) in [(0, least), (1, least - 1), (MAX_TXS + 1, least)] {
        let refused = add(txs, bytes);
        assert!(
            matches!(refused, Err(PoolError::Params(_))),
            "{txs} {bytes}"
        );
    }
    assert_eq!(add(1, least), Ok(()));
    assert_eq!(add(MAX_TXS, least), Ok(()));
}

#[test]
fn a_new_key_needs_room_in_the_application_and_an_old_one_does_not() {
    let (mut pool, mut world) = (Pool::default(), World::new());
    taken(&mut pool, &world, [u64::MAX]);
    let all: Vec<Tx> = (0..MAX_ENTRIES as u64).map(|n| tx(n, 0)).collect();
    world.app.execute(Height(1), &all);
    let out = pool.update(&[], &world.ground());
    assert_eq!(out, [(sha256(&tx(u64::MAX, 0)), PoolError::NoRoom)]);
    assert_eq!(pool.add(tx(5, 1), None, &world.ground()), Ok(()));
}

#[test]
fn a_block_gets_no_more_than_the_parameters_allow_and_nothing_waits_for_ever() {
    let (mut pool, mut world) = (Pool::default(), World::new());
    taken(&mut pool, &world, 0..10);
    let size = u32::try_from(tx(0, 0).len()).unwrap();
    let of = |max_block_txs, max_block_bytes| Params {
        max_block_txs,
        max_block_bytes,
        ..Params::default()
    };
    assert_eq!(pool.reap(&of(10, 10 * size)).len(), 10);
    assert_eq!(pool.reap(&of(9, 10 * size)).len(), 9);
    assert_eq!(pool.reap(&of(10, 10 * size - 1)).len(), 9);
    // What fits into no block at all would block the others.
    world.params = of(10, size);
    assert_eq!(pool.update(&[], &world.ground()), []);
    world.params = of(10, size - 1);
    assert_eq!(pool.update(&[], &world.ground()).len(), 10);
    let (got, limit) = (size as usize, size as usize - 1);
    let refused = pool.add(tx(11, 0), None, &world.ground());
    assert_eq!(refused, Err(PoolError::TooLong { got, limit }));
}

/// The transactions in each frame, by receiver.
fn offered(frames: Vec<(PeerId, crate::codec::Frame)>) -> Vec<(PeerId, Vec<Tx>)> {
    let txs = |frame: &crate::codec::Frame| match &frame.contents().unwrap().messages[..] {
        [Message::Txs(txs)] => txs.to_vec(),
        other => panic!("one message of transactions, not {other:?}"),
    };
    frames.iter().map(|(to, f)| (*to, txs(f))).collect()
}

#[test]
fn a_clients_transaction_goes_to_every_peer_once() {
    let (mut pool, world) = (Pool::default(), World::new());
    for peer in 0..5 {
        assert_eq!(pool.connect(PeerId(peer)), []);
    }
    taken(&mut pool, &world, [1]);
    let sent = offered(pool.offer_new(0, None));
    let expected: Vec<_> = (0..5).map(|peer| (PeerId(peer), vec![tx(1, 0)])).collect();
    assert_eq!(sent, expected);
    assert_eq!(pool.offer_rest(), []);
}

#[test]
fn a_peers_transaction_is_passed_on_to_two_others_in_turn() {
    let (mut pool, world) = (Pool::default(), World::new());
    for peer in 0..5 {
        pool.connect(PeerId(peer));
    }
    let mut passed = |number| {
        let first = pool.next_number();
        pool.add(tx(number, 0), Some(A), &world.ground()).unwrap();
        let sent = offered(pool.offer_new(first, Some(A)));
        assert_eq!(pool.offer_rest(), [], "the others are not offered it later");
        sent.iter().map(|(to, _)| to.0).collect::<Vec<_>>()
    };
    assert_eq!(passed(1), [0, 2]);
    assert_eq!(passed(2), [3, 4]);
    assert_eq!(passed(3), [0, 2]);
}

#[test]
fn a_new_peer_is_offered_what_waits_in_bounded_chunks() {
    let (mut pool, world) = (Pool::default(), World::new());
    let most = MAX_GOSSIPED_TXS as u64;
    taken(&mut pool, &world, 0..2 * most + 1);
    let first = offered(pool.connect(A));
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].1.len(), MAX_GOSSIPED_TXS);
    taken(&mut pool, &world, [9_999]);
    assert_eq!(
        pool.offer_new(2 * most + 1, None),
        [],
        "it comes in its turn"
    );
    assert_eq!(offered(pool.offer_rest())[0].1.len(), MAX_GOSSIPED_TXS);
    let rest = offered(pool.offer_rest());
    assert_eq!(rest, [(A, vec![tx(2 * most, 0), tx(9_999, 0)])]);
    assert_eq!(pool.offer_rest(), []);
}

#[test]
fn an_offer_has_at_most_so_many_bytes() {
    let (mut pool, world) = (Pool::default(), World::new());
    for number in 0..MAX_GOSSIPED_TXS as u64 {
        pool.add(tx(number, 256), None, &world.ground()).unwrap();
    }
    let sizes = |sent: Vec<(PeerId, Vec<Tx>)>| sent[0].1.iter().map(|tx| tx.len()).sum::<usize>();
    let (one, sent) = (tx(0, 256).len(), sizes(offered(pool.connect(A))));
    assert!(sent <= MAX_OFFER_BYTES && sent + one > MAX_OFFER_BYTES);
}

#[test]
fn what_still_waits_is_offered_again_but_not_to_those_that_sent_it() {
    let (mut pool, world) = (Pool::default(), World::new());
    let patience = Span::millis(10);
    let at = |ms| Time(Span::millis(ms).0);
    pool.connect(A);
    pool.connect(B);
    assert_eq!(pool.offer_again(at(0), patience), []);
    pool.add(tx(1, 0), Some(A), &world.ground()).unwrap();
    assert_eq!(offered(pool.offer_new(0, Some(A))), [(B, vec![tx(1, 0)])]);
    assert_eq!(
        pool.offer_again(at(5), patience),
        [],
        "it has only just come"
    );
    assert_eq!(pool.offer_again(at(14), patience), []);
    let again = offered(pool.offer_again(at(15), patience));
    assert_eq!(again, [(B, vec![tx(1, 0)])]);
    assert_eq!(pool.offer_again(at(24), patience), []);
    // The sender forgot it: its connection is new.
    let sent = offered(pool.connect(A));
    assert_eq!(sent, [(A, vec![tx(1, 0)])]);
    pool.update(&[tx(1, 0)], &world.ground());
    assert_eq!(pool.offer_again(at(99), patience), []);
}

#[test]
fn of_the_peers_that_sent_a_transaction_only_some_are_remembered() {
    let (mut pool, world) = (Pool::default(), World::new());
    let peers = u16::try_from(MAX_SENDERS).unwrap() + 1;
    for peer in 0..peers {
        let _ = pool.add(tx(1, 0), Some(PeerId(peer)), &world.ground());
        let _ = pool.add(tx(1, 0), Some(PeerId(peer)), &world.ground());
    }
    assert_eq!(pool.waiting[&0].from.len(), MAX_SENDERS);
    assert_eq!(pool.connect(PeerId(peers - 1)).len(), 1);
}

/// The pool said without indices: a list of what waits and a list of what was committed.
#[derive(Default)]
struct Model {
    waiting: Vec<Tx>,
    committed: Vec<Tx>,
}

impl Model {
    fn add(&mut self, tx: &Tx) -> Result<(), PoolError> {
        if self.waiting.contains(tx) {
            Err(PoolError::Known)
        } else if self.committed.contains(tx) {
            Err(PoolError::Committed)
        } else {
            self.waiting.push(tx.clone());
            Ok(())
        }
    }

    fn commit(&mut self, txs: &[Tx]) {
        self.waiting.retain(|tx| !txs.contains(tx));
        self.committed.extend_from_slice(txs);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Add(u64, Option<u16>),
    /// Commits the oldest so many, and one from elsewhere.
    Commit(usize, u64),
    Connect(u16),
    Disconnect(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..4_u16;
    prop_oneof![
        4 => (0..30_u64, prop::option::of(peer.clone())).prop_map(|(n, p)| Step::Add(n, p)),
        1 => (0..4_usize, 0..30_u64).prop_map(|(most, n)| Step::Commit(most, n)),
        1 => peer.clone().prop_map(Step::Connect),
        1 => peer.prop_map(Step::Disconnect),
    ]
}

proptest! {
    #[test]
    fn the_pool_agrees_with_a_plain_list(steps in prop::collection::vec(step(), 1..80)) {
        let (mut pool, mut model, world) = (Pool::default(), Model::default(), World::new());
        for step in steps {
            match step {
                Step::Add(number, from) => {
                    let (tx, from, first) = (tx(number, 0), from.map(PeerId), pool.next_number());
                    let got = pool.add(tx.clone(), from, &world.ground());
                    prop_assert_eq!(got, model.add(&tx));
                    for (to, txs) in offered(pool.offer_new(first, from)) {
                        prop_assert!(Some(to) != from, "sent back");
                        prop_assert_eq!(txs, [tx.clone()]);
                    }
                }
                Step::Commit(most, other) => {
                    let mut txs: Vec<Tx> = model.waiting.iter().take(most).cloned().collect();
                    txs.push(tx(other, 0));
                    model.commit(&txs);
                    prop_assert_eq!(pool.update(&txs, &world.ground()), []);
                }
                Step::Connect(peer) => {
                    let sent = offered(pool.connect(PeerId(peer)));
                    let all: Vec<Tx> = sent.into_iter().flat_map(|(_, txs)| txs).collect();
                    prop_assert_eq!(&all, &model.waiting, "a new peer is offered everything");
                }
                Step::Disconnect(peer) => pool.disconnect(PeerId(peer)),
            }
            prop_assert_eq!(pool.reap(&world.params), model.waiting.clone());
            let bytes: usize = model.waiting.iter().map(|tx| tx.len()).sum();
            prop_assert_eq!((pool.bytes, pool.len()), (bytes, model.waiting.len()));
            prop_assert_eq!(pool.numbers.len(), pool.len());
        }
    }
}
