//! Who decides each height, and by which rules, worked out from the decided blocks alone.
//!
//! The transactions of block H change what holds at H + 1. First come the changes of power that the
//! application asks for, all or none. Then the configuration transactions, one after the other: one
//! that names the number of those before it counts, and does what it asks for if that is possible;
//! any other does nothing. A set is never empty, has each key once, and no more power than 2^60.
//!
//! Members are numbered: node i is member i, and keys that belong to no node get the numbers after
//! the nodes. A member without power is no validator: it has no place in the set.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use engine::types::{Address, ConfigChange, Hash, Params, PublicKey};

use super::{
    kv::{self, Op},
    merkle::root,
    quorum::{MAX_MEMBERS, Powers},
    rotation::Turns,
};

/// The most power of a set.
const MOST_POWER: u64 = 1 << 60;
/// The greatest age that evidence can have: sets are remembered so long.
const OLDEST_EVIDENCE: u64 = 1_000;

/// The validators of some heights.
#[derive(Debug)]
pub(super) struct Validators {
    powers: Powers,
    /// Members by place.
    order: Vec<usize>,
    /// Powers by place.
    strong: Vec<u64>,
    hash: Hash,
}

impl Validators {
    fn new(each: Vec<u64>, members: &[(Address, PublicKey)]) -> Self {
        let mut order: Vec<usize> = (0..each.len()).filter(|i| each[*i] > 0).collect();
        order.sort_by_key(|i| members[*i].0);
        let strong: Vec<u64> = order.iter().map(|i| each[*i]).collect();
        let leaf = |i: &usize| [&members[*i].1.0[..], &each[*i].to_le_bytes()].concat();
        let leaves: Vec<Vec<u8>> = order.iter().map(leaf).collect();
        let hash = root(&leaves.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Self {
            powers: Powers::new(each),
            order,
            strong,
            hash,
        }
    }

    /// The power of each member.
    pub(super) fn powers(&self) -> &Powers {
        &self.powers
    }

    /// The members with power, by their places in the set.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The digest of keys and powers that headers carry.
    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// Whether a member is one of them.
    pub(super) fn contains(&self, member: usize) -> bool {
        self.powers.of_member(member) > 0
    }
}

/// What holds at one height.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) validators: Arc<Validators>,
    pub(super) params: Params,
    /// How many configuration changes came before.
    pub(super) sequence: u64,
    /// The lowest height that evidence may be about. It never goes back.
    pub(super) oldest_evidence: u64,
    turns: Turns,
}

/// What holds at each height, up to the one after the last known block.
#[derive(Debug)]
pub(super) struct Sets {
    members: Vec<(Address, PublicKey)>,
    /// Heights from `base` on.
    heights: VecDeque<Rules>,
    base: u64,
    /// Since which height there were which validators.
    since: VecDeque<(u64, Arc<Validators>)>,
}

impl Sets {
    /// What holds at height 1.
    pub(super) fn new(
        keys: impl Iterator<Item = PublicKey>,
        each: Vec<u64>,
        params: Params,
    ) -> Self {
        let members: Vec<_> = keys.map(|key| (key.address(), key)).collect();
        let validators = Arc::new(Validators::new(each, &members));
        let rules = Rules {
            params,
            sequence: 0,
            oldest_evidence: 1,
            turns: Turns::first(&validators.strong),
            validators: Arc::clone(&validators),
        };
        Self {
            members,
            heights: VecDeque::from([rules]),
            base: 1,
            since: VecDeque::from([(1, validators)]),
        }
    }

    /// The last height of which it is known what holds there.
    pub(super) fn newest(&self) -> u64 {
        self.base + self.heights.len() as u64 - 1
    }

    /// What holds at a height. Of heights that no correct node can have reached it is not known;
    /// the newest known stands for them.
    pub(super) fn at(&self, height: u64) -> &Rules {
        let at = usize::try_from(height.saturating_sub(self.base)).unwrap_or(usize::MAX);
        &self.heights[at.min(self.heights.len() - 1)]
    }

    /// Who validated a height of which evidence may still be committed.
    pub(super) fn validators(&self, height: u64) -> Option<&Validators> {
        let begun = self.since.partition_point(|(from, _)| *from <= height);
        let known = self.since.get(begun.checked_sub(1)?);
        known.map(|(_, validators)| &**validators)
    }

    /// All members: the nodes, then keys of no node that were ever given power.
    pub(super) fn members(&self) -> &[(Address, PublicKey)] {
        &self.members
    }

    /// The member with an address.
    pub(super) fn member(&self, address: &Address) -> Option<usize> {
        self.members.iter().position(|(known, _)| known == address)
    }

    /// Works out who proposes in a round of a known height.
    pub(super) fn reach(&mut self, height: u64, round: u32) {
        let at = height.checked_sub(self.base).map(usize::try_from);
        if let Some(Ok(at)) = at
            && let Some(rules) = self.heights.get_mut(at)
        {
            rules.turns.reach(&rules.validators.strong, round);
        }
    }

    /// The proposer of a round that was worked out.
    pub(super) fn proposer(&self, height: u64, round: u32) -> Option<usize> {
        let at = usize::try_from(height.checked_sub(self.base)?).ok()?;
        let rules = self.heights.get(at)?;
        let place = rules.turns.proposer(round)?;
        rules.validators.order.get(place).copied()
    }

    /// Works out the height after the newest from the transactions of the newest height's block.
    pub(super) fn extend<'a>(&mut self, txs: impl Iterator<Item = &'a [u8]> + Clone) {
        let next = self.newest() + 1;
        let (now, change) = (self.at(next - 1), self.change(txs));
        let (validators, turns) = match change.powers {
            None => {
                let strong = &now.validators.strong;
                (Arc::clone(&now.validators), now.turns.next(strong, None))
            }
            Some(powers) => self.with_powers(&powers),
        };
        let now = self.at(next - 1);
        let rules = Rules {
            params: change.params,
            sequence: change.sequence,
            oldest_evidence: (now.oldest_evidence)
                .max(next.saturating_sub(change.params.evidence_max_age)),
            turns,
            validators: Arc::clone(&validators),
        };
        if !Arc::ptr_eq(&validators, &now.validators) {
            self.since.push_back((next, validators));
        }
        self.heights.push_back(rules);
        while (self.since.get(1)).is_some_and(|(from, _)| from + OLDEST_EVIDENCE < next) {
            self.since.pop_front();
        }
    }

    /// Forgets what holds below a height; the newest is kept.
    pub(super) fn forget_below(&mut self, height: u64) {
        while self.base < height && self.heights.len() > 1 {
            self.heights.pop_front();
            self.base += 1;
        }
    }

    /// What the transactions make of the newest height.
    fn change<'a>(&self, txs: impl Iterator<Item = &'a [u8]> + Clone) -> Change {
        let now = self.at(self.newest());
        let mut change = Change {
            powers: None,
            params: now.params,
            sequence: now.sequence,
        };
        let ops = txs.filter_map(kv::parse);
        let asked: Vec<(PublicKey, u64)> = ops
            .clone()
            .filter_map(|op| match op {
                Op::Power(key, power) => Some((key, power)),
                Op::Set(..) | Op::Configure(..) => None,
            })
            .collect();
        let before: BTreeMap<PublicKey, u64> = self.powers_by_key();
        let mut wanted = changed(&before, &asked).unwrap_or_else(|| before.clone());
        for op in ops {
            let Op::Configure(sequence, asked) = op else {
                continue;
            };
            if sequence != change.sequence {
                continue;
            }
            change.sequence += 1;
            match asked {
                ConfigChange::Power { key, power } => {
                    wanted = changed(&wanted, &[(key, power)]).unwrap_or(wanted);
                }
                ConfigChange::Params(params) if possible(&params) => change.params = params,
                ConfigChange::Params(_) => {}
            }
        }
        change.powers = (wanted != before).then_some(wanted);
        change
    }

    fn powers_by_key(&self) -> BTreeMap<PublicKey, u64> {
        let validators = &self.at(self.newest()).validators;
        let powers = validators.order.iter().zip(&validators.strong);
        powers
            .map(|(i, power)| (self.members[*i].1, *power))
            .collect()
    }

    /// A new set, and its turns after those of the newest height.
    fn with_powers(&mut self, powers: &BTreeMap<PublicKey, u64>) -> (Arc<Validators>, Turns) {
        for key in powers.keys() {
            if self.member(&key.address()).is_none() {
                self.members.push((key.address(), *key));
            }
        }
        let count = self.members.len();
        assert!(
            count <= MAX_MEMBERS,
            "{count} members, at most {MAX_MEMBERS} can be judged"
        );
        let power = |(_, key): &(Address, PublicKey)| powers.get(key).copied().unwrap_or(0);
        let each = self.members.iter().map(power).collect();
        let validators = Validators::new(each, &self.members);
        let now = self.at(self.newest());
        let place = |i: &usize| now.validators.order.iter().position(|before| before == i);
        let stayed: Vec<Option<usize>> = validators.order.iter().map(place).collect();
        let turns = now.turns.next(&validators.strong, Some(&stayed));
        (Arc::new(validators), turns)
    }
}

/// What a block leaves to the next height.
struct Change {
    /// `None` if nobody's power changes.
    powers: Option<BTreeMap<PublicKey, u64>>,
    params: Params,
    sequence: u64,
}

/// Powers with some changes made together; `None` if that is impossible.
fn changed(
    powers: &BTreeMap<PublicKey, u64>,
    asked: &[(PublicKey, u64)],
) -> Option<BTreeMap<PublicKey, u64>> {
    let mut after = powers.clone();
    for (i, (key, power)) in asked.iter().enumerate() {
        if asked[..i].iter().any(|(before, _)| before == key) {
            return None;
        }
        if *power > 0 {
            after.insert(*key, *power);
        } else {
            after.remove(key)?;
        }
    }
    let total: u128 = after.values().map(|power| u128::from(*power)).sum();
    (0 < total && total <= u128::from(MOST_POWER)).then_some(after)
}

/// Whether a chain can live with these parameters: every transaction fits into a block, and every
/// block of 21 MiB into its parts, with one of them for everything but transactions.
fn possible(params: &Params) -> bool {
    let bytes = params.max_block_bytes;
    (1..=10_000).contains(&params.max_block_txs)
        && (1_024..=20 * 1_024 * 1_024).contains(&bytes)
        && (1..=OLDEST_EVIDENCE).contains(&params.evidence_max_age)
}
