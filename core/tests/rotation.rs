//! Whose turn it is: Tendermint's own examples, and what must hold of every rotation.
//!
//! The rule is that of Tendermint v0.10 (everybody's power is added, the highest proposes and pays
//! the total, the lower address on a tie), so its sequences are ours. What v0.10 did not have are
//! joining at a distance, rescaling and centring; they come into play only when a set changes, so
//! they do not show in a set that never does.

use std::collections::BTreeMap;

use engine::types::{PublicKey, Round, ValidatorIndex, ValidatorSet, ValidatorUpdate};
use proptest::{collection::vec, prelude::*, sample::Index};

/// Keys in the order of their addresses.
fn keys(count: u8) -> Vec<PublicKey> {
    let mut keys: Vec<_> = (1..=count).map(|n| PublicKey([n; 32])).collect();
    keys.sort_by_key(PublicKey::address);
    keys
}

fn members(powers: &[u64]) -> Vec<ValidatorUpdate> {
    let count = u8::try_from(powers.len()).expect("few");
    let members = keys(count).into_iter().zip(powers);
    members
        .map(|(key, &power)| ValidatorUpdate { key, power })
        .collect()
}

/// Validator `i`, in the order of addresses, has `powers[i]`.
fn set(powers: &[u64]) -> ValidatorSet {
    ValidatorSet::new(&members(powers)).expect("a possible set")
}

/// The proposers of so many turns.
fn turns(set: &mut ValidatorSet, count: usize) -> Vec<usize> {
    let turn = |_| {
        let proposer = set.proposer().get();
        set.advance();
        proposer
    };
    (0..count).map(turn).collect()
}

/// `TestProposerSelection1`: bar has 300, baz 330, foo 1,000, in the order of their addresses; `r`,
/// `z` and `f` stand for them.
#[test]
fn ninety_nine_turns_are_those_of_tendermint() {
    const EXPECTED: &str = "fzfrffzfrffzffrfzffrffzfrffzfrffzffrfzffrfzffrfzff\
                            rfzfffzrfffzfrffzfrffzfrffzfrffzffrfzffrfzffrfzff";
    let proposers = turns(&mut set(&[300, 330, 1_000]), 99);
    let letters: String = proposers.iter().map(|i| ["r", "z", "f"][*i]).collect();
    assert_eq!(letters, EXPECTED);
}

/// `TestProposerSelection2`, first part.
#[test]
fn equal_validators_propose_in_the_order_of_their_addresses() {
    let proposers = turns(&mut set(&[100, 100, 100]), 15);
    assert_eq!(proposers, [0, 1, 2].repeat(5));
}

/// `TestProposerSelection2`, second and third part: at 400 of 600 the strongest does not propose
/// twice in a row at first, at 401 it does.
#[test]
fn two_turns_in_a_row_need_more_than_two_thirds() {
    assert_eq!(turns(&mut set(&[100, 100, 400]), 2), [2, 0]);
    assert_eq!(turns(&mut set(&[100, 100, 401]), 3), [2, 2, 0]);
}

/// `TestProposerSelection2`, last part. Upstream's bounds are loose; ours are exact, for 120 turns
/// are ten whole rotations.
#[test]
fn turns_are_in_proportion_to_power() {
    let proposers = turns(&mut set(&[4, 5, 3]), 120);
    let count = |i| proposers.iter().filter(|p| **p == i).count();
    assert_eq!([count(0), count(1), count(2)], [40, 50, 30]);
}

/// `TestProposerSelection3`: the order survives being written down in between, and does not depend
/// on whether turns are taken one by one or several at once.
#[test]
fn the_rotation_survives_the_disk_and_skipped_rounds() {
    let mut walked = set(&[1, 1, 1, 1]);
    let order = turns(&mut walked.clone(), 4);
    assert_eq!(order, [0, 1, 2, 3]);
    let mut at = 0;
    for skipped in [1, 3, 7, 2, 5, 1, 4, 11] {
        let bytes = borsh::to_vec(&walked).expect("encoding into memory");
        walked = borsh::from_slice(&bytes).expect("what was encoded");
        let there = walked.proposer_at(Round(skipped)).get();
        (0..skipped).for_each(|_| walked.advance());
        at = (at + skipped as usize) % 4;
        assert_eq!((walked.proposer().get(), there), (order[at], order[at]));
    }
}

/// The priorities' sum and the distance between the highest and the lowest.
fn spread(set: &ValidatorSet) -> (i128, i128) {
    let priorities = || set.validators().iter().map(|v| i128::from(v.priority));
    let highest = priorities().max().expect("somebody");
    let lowest = priorities().min().expect("somebody");
    (priorities().sum(), highest - lowest)
}

/// A change of a set: whose power becomes what.
#[derive(Debug, Clone)]
enum Event {
    Turns(usize),
    Power(Index, u64),
}

fn event() -> impl Strategy<Value = Event> {
    let power = prop_oneof![Just(0), 1u64..5, 1u64..1_000, 1u64..1_000_000];
    prop_oneof![
        3 => (1usize..12).prop_map(Event::Turns),
        2 => (any::<Index>(), power).prop_map(|(who, power)| Event::Power(who, power)),
    ]
}

/// How long a validator has waited, with the worst it has met meanwhile.
#[derive(Debug, Clone, Copy)]
struct Wait {
    turns: u128,
    total: u128,
    power: u128,
}

/// Everybody's wait since its last turn, or since it joined.
#[derive(Debug, Default)]
struct Waits(BTreeMap<PublicKey, Wait>);

impl Waits {
    fn turn(&mut self, set: &ValidatorSet) -> Result<(), TestCaseError> {
        let present = |key: &PublicKey| set.index_of(&key.address()).is_some();
        self.0.retain(|key, _| present(key));
        let proposer = set.get(set.proposer()).expect("in the set").key;
        let total = u128::from(set.total_power());
        for validator in set.validators() {
            let power = u128::from(validator.power);
            let new = Wait {
                turns: 0,
                total,
                power,
            };
            let wait = self.0.entry(validator.key).or_insert(new);
            wait.turns += 1;
            wait.total = wait.total.max(total);
            wait.power = wait.power.min(power);
            // From the lowest priority there may be to the highest, one power a turn, and a turn
            // for each that is level.
            let longest = 4 * wait.total / wait.power + set.len() as u128 + 1;
            prop_assert!(wait.turns <= longest, "{wait:?} of {validator:?}");
        }
        self.0.remove(&proposer);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Over any stretch of turns, wherever it begins.
    #[test]
    fn everybody_proposes_its_share_in_every_window(
        powers in vec(prop_oneof![1u64..10, 1u64..1_000], 1..12),
        start in 0usize..300,
        window in 1usize..300,
    ) {
        let mut set = set(&powers);
        turns(&mut set, start);
        let proposers = turns(&mut set, window);
        let total: u64 = powers.iter().sum();
        for (i, power) in powers.iter().enumerate() {
            let times = proposers.iter().filter(|p| **p == i).count() as u64;
            let share = power * window as u64;
            let error = (times * total).abs_diff(share);
            prop_assert!(error <= 2 * total, "{times} turns of {window} for {power} of {total}");
        }
    }

    /// However the set changes: nobody is forgotten, and priorities stay far from overflowing.
    #[test]
    fn nobody_starves_while_the_set_changes(
        powers in vec(1u64..1_000, 1..8),
        events in vec(event(), 1..60),
    ) {
        let mut set = set(&powers);
        let (pool, mut waits) = (keys(9), Waits::default());
        for event in events {
            match event {
                Event::Turns(count) => {
                    for _ in 0..count {
                        set.advance();
                        waits.turn(&set)?;
                    }
                }
                Event::Power(who, power) => {
                    let key = pool[who.index(pool.len())];
                    let Ok(changed) = set.with_updates(&[ValidatorUpdate { key, power }]) else {
                        continue;
                    };
                    set = changed;
                    let (_, distance) = spread(&set);
                    let total = i128::from(set.total_power());
                    prop_assert!(distance <= 2 * total + 1, "{distance} apart, total {total}");
                }
            }
            let (sum, distance) = spread(&set);
            let total = i128::from(set.total_power());
            prop_assert!((0..set.len() as i128).contains(&sum), "turns keep the sum: {sum}");
            // Tendermint rescales at every turn, we at changes only: turns can stretch it a little.
            prop_assert!(distance <= 3 * total, "{distance} apart, total {total}");
        }
    }

    /// A change applies as a whole, in whatever order its parts are named.
    #[test]
    fn the_order_of_changes_does_not_matter(
        powers in vec(1u64..1_000, 3..8),
        changes in vec((0usize..9, 0u64..1_000), 1..6),
    ) {
        let (set, pool) = (set(&powers), keys(9));
        let update = |&(who, power): &(usize, u64)| ValidatorUpdate { key: pool[who], power };
        let forward: Vec<_> = changes.iter().map(update).collect();
        let backward: Vec<_> = changes.iter().rev().map(update).collect();
        let (one, two) = (set.with_updates(&forward), set.with_updates(&backward));
        prop_assert_eq!(one.is_ok(), two.is_ok());
        if let (Ok(one), Ok(two)) = (one, two) {
            prop_assert_eq!(&one, &two);
            let naive: BTreeMap<PublicKey, u64> = set
                .validators()
                .iter()
                .map(|v| (v.key, v.power))
                .chain(forward.iter().map(|u| (u.key, u.power)))
                .collect();
            let naive: BTreeMap<_, _> = naive.into_iter().filter(|(_, power)| *power > 0).collect();
            let ours = one.validators().iter().map(|v| (v.key, v.power));
            prop_assert_eq!(ours.collect::<BTreeMap<_, _>>(), naive.clone());
            prop_assert_eq!(one.total_power(), naive.values().sum::<u64>());
            prop_assert!(one.validators().is_sorted_by_key(|v| v.address));
            for (i, validator) in one.validators().iter().enumerate() {
                prop_assert_eq!(one.index_of(&validator.address), Some(ValidatorIndex::new(i)));
            }
        }
    }
}
