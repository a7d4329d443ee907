//! Plays a recorded log to a throw-away node, record by record, and compares what the node does
//! with what was recorded (Tendermint's `ReplayFile`).
//!
//! Compared are the steps, which the playback derives anew from the inputs, and what others saw of
//! the node: its own messages, their release, and its decisions. A crash may lose the record of a
//! step and keep what led to it, so a step without a record proves nothing; a recorded step that
//! the node does not take does.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    consensus::{Action, Notice},
    crypto::{Keys, Verify},
    node::{Config, Entry, Node, Output, Record, Recovered, slot_of_own},
    privval::{SignSlot, SignState},
    replay::{
        Chain, RecordedSigner, Recording, ReplayFailed,
        signer::{own_messages, signed},
    },
    types::{BlockId, Hash, Height, Hrs, Lsn, Message, PublicKey, Time},
};

/// Something that came out differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("height {height}, {}: {what}: expected {expected}, got {got}", place(*record))]
pub struct Mismatch {
    /// The height.
    pub height: Height,
    /// The record; `None` for an end of height.
    pub record: Option<Lsn>,
    /// What was compared.
    pub what: &'static str,
    /// What the record says.
    pub expected: String,
    /// What the node did.
    pub got: String,
}

fn place(record: Option<Lsn>) -> String {
    record.map_or("end".to_owned(), |lsn| format!("record {}", lsn.0))
}

/// What is played at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A record.
    Record(Lsn, Box<Entry>),
    /// The end of a height.
    End(Height),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// What was played.
    pub item: Item,
    /// The steps that the node entered.
    pub steps: Vec<Hrs>,
    /// What differs from the record.
    pub mismatches: Vec<Mismatch>,
    /// An end of a height that these records did not decide: after a crash between the block and
    /// the records that led to it, that is how it must be.
    pub undecided: bool,
}

/// Where a playback stands. A clone is a checkpoint.
#[derive(Debug, Clone)]
struct Cursor {
    node: Node,
    part: usize,
    record: usize,
    played: usize,
    /// The last thing signed: nothing is signed twice or backwards.
    signed: Option<SignSlot>,
    /// Steps that the node has taken and no record has named yet.
    taken: VecDeque<Hrs>,
    /// The step that a record named last.
    step: Option<Hrs>,
}

/// A recorded log and the node it is played to.
#[derive(Debug, Clone)]
pub struct Playback {
    config: Config,
    verify: Arc<dyn Verify>,
    key: Option<PublicKey>,
    chain: Chain,
    recording: Recording,
    own: BTreeSet<Lsn>,
    /// The beginning of each height that has been played.
    checkpoints: Vec<Cursor>,
    cursor: Cursor,
}

impl Playback {
    /// Stands before the first record. `key` is the node's own, `None` for an observer.
    ///
    /// # Errors
    /// If the chain does not reach as far as the log.
    pub fn new(
        config: &Config,
        verify: Arc<dyn Verify>,
        key: Option<PublicKey>,
        chain: Chain,
        recording: Recording,
    ) -> Result<Self, ReplayFailed> {
        let behind = recording.parts.last().map(|part| part.height);
        if behind.is_some_and(|height| height > chain.height.next()) {
            return Err(ReplayFailed::BlocksLost {
                log: recording.begins_after().last().copied().unwrap_or_default(),
                blocks: chain.height,
            });
        }
        let (node, taken) = node(config, &verify, key, &chain, &recording, 0)?;
        let cursor = Cursor {
            node,
            part: 0,
            record: 0,
            played: 0,
            signed: None,
            taken,
            step: None,
        };
        Ok(Self {
            config: config.clone(),
            verify,
            key,
            chain,
            own: recording.own(),
            recording,
            checkpoints: vec![cursor.clone()],
            cursor,
        })
    }

    /// The node as it stands.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.cursor.node
    }

    /// The log that is played.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// How many items were played.
    #[must_use]
    pub fn played(&self) -> usize {
        self.cursor.played
    }

    /// Plays one item; `None` at the end of the log.
    ///
    /// # Errors
    /// If the chain after a height is not known.
    pub fn step(&mut self) -> Result<Option<Played>, ReplayFailed> {
        let Some(part) = self.recording.parts.get(self.cursor.part) else {
            return Ok(None);
        };
        let (height, ended) = (part.height, part.ended);
        let played = match part.records.get(self.cursor.record) {
            Some((lsn, entry)) => {
                let (lsn, entry) = (*lsn, entry.clone());
                self.cursor.record += 1;
                self.record(height, lsn, entry)
            }
            None if ended => self.end(height)?,
            None => return Ok(None),
        };
        self.cursor.played += 1;
        if matches!(played.item, Item::End(_)) {
            self.checkpoints.push(self.cursor.clone());
        }
        Ok(Some(played))
    }

    /// Goes back by `count` items: to the beginning of a height, and forward again from there.
    ///
    /// # Errors
    /// As [`Playback::step`].
    pub fn back(&mut self, count: usize) -> Result<(), ReplayFailed> {
        let target = self.cursor.played.saturating_sub(count);
        while self.checkpoints.len() > 1
            && self.checkpoints.last().is_some_and(|c| c.played > target)
        {
            self.checkpoints.pop();
        }
        if let Some(checkpoint) = self.checkpoints.last() {
            self.cursor = checkpoint.clone();
        }
        while self.cursor.played < target {
            self.step()?;
        }
        Ok(())
    }

    fn record(&mut self, height: Height, lsn: Lsn, entry: Entry) -> Played {
        let mut mismatches = Vec::new();
        for message in own_messages(&entry) {
            let found = self.compare_own(message);
            mismatches.extend(found.map(|(what, expected, got)| Mismatch {
                height,
                record: Some(lsn),
                what,
                expected,
                got,
            }));
        }
        if let Record::Released(own) = entry.record {
            let within = self.recording.next_lsn.0 - self.recording.len();
            if own >= lsn || (own.0 >= within && !self.own.contains(&own)) {
                mismatches.push(Mismatch {
                    height,
                    record: Some(lsn),
                    what: "released",
                    expected: "an earlier record of own messages".to_owned(),
                    got: format!("record {}", own.0),
                });
            }
        }
        if let Record::Step(at) = entry.record
            && let Some(got) = self.compare_step(at)
        {
            mismatches.push(Mismatch {
                height,
                record: Some(lsn),
                what: "step",
                expected: at.to_string(),
                got,
            });
        }
        let mut out = Vec::new();
        self.cursor.node.replay_record(lsn, entry.clone(), &mut out);
        let steps = steps(&out);
        self.cursor.taken.extend(&steps);
        Played {
            item: Item::Record(lsn, Box::new(entry)),
            steps,
            mismatches,
            undecided: false,
        }
    }

    /// A recorded step was taken; else what was taken instead. A node that comes from block sync
    /// tells its step twice.
    fn compare_step(&mut self, at: Hrs) -> Option<String> {
        let cursor = &mut self.cursor;
        if cursor.step == Some(at) {
            return None;
        }
        let Some(place) = cursor.taken.iter().position(|taken| *taken == at) else {
            let next = cursor.taken.front();
            return Some(next.map_or("no step".to_owned(), ToString::to_string));
        };
        cursor.taken.drain(..=place);
        cursor.step = Some(at);
        None
    }

    /// An own message was signed because the node, at this point, asked for exactly it.
    fn compare_own(&mut self, message: &Message) -> Option<(&'static str, String, String)> {
        let slot = slot_of_own(message)?;
        if self.cursor.signed >= Some(slot) {
            let last = format!("something after {:?}", self.cursor.signed);
            return Some(("order of signing", last, format!("{slot:?}")));
        }
        self.cursor.signed = Some(slot);
        let chain = &self.cursor.node.consensus().chain().chain;
        let right = match (signed(chain, message), self.key) {
            (Some((bytes, signature)), Some(key)) => self.verify.verify(&key, &bytes, &signature),
            (Some(_) | None, _) => true,
        };
        if !right {
            let expected = "a signature of this node".to_owned();
            return Some(("signature", expected, message.to_string()));
        }
        let asked = self.cursor.node.asked_to_sign(slot);
        if asked.is_some_and(|action| agrees(action, message)) {
            return None;
        }
        let got = asked.map_or("nothing".to_owned(), |action| format!("{action:?}"));
        Some(("own message", message.to_string(), got))
    }

    fn end(&mut self, height: Height) -> Result<Played, ReplayFailed> {
        let after = self.chain.after(height);
        let after = after.ok_or(ReplayFailed::BlocksLost {
            log: height,
            blocks: self.chain.height,
        })?;
        let stored = after.state.last_block.zip(Some(after.state.app_hash));
        let made = self.cursor.node.committing();
        let made = made.map(|(id, state)| (id, state.app_hash));
        let differ = |what, expected: String, got: String| Mismatch {
            height,
            record: None,
            what,
            expected,
            got,
        };
        let mut mismatches = Vec::new();
        if let (Some((block, app)), Some((id, hash))) = (stored, made) {
            if block != id {
                mismatches.push(differ("decision", block.to_string(), id.to_string()));
            } else if app != hash {
                mismatches.push(differ(
                    "application hash",
                    app.to_string(),
                    hash.to_string(),
                ));
            }
        }
        self.cursor.part += 1;
        self.cursor.record = 0;
        let (chain, recording) = (&self.chain, &self.recording);
        let part = self.cursor.part;
        let next = node(&self.config, &self.verify, self.key, chain, recording, part)?;
        (self.cursor.node, self.cursor.taken) = next;
        Ok(Played {
            item: Item::End(height),
            steps: vec![self.cursor.node.consensus().at()],
            mismatches,
            undecided: made.is_none(),
        })
    }

    /// What the records of the unfinished height decided, and the application hash after it.
    #[must_use]
    pub fn decided(&self) -> Option<(BlockId, Hash)> {
        let made = self.cursor.node.committing();
        made.map(|(id, state)| (id, state.app_hash))
    }
}

/// Whether a message is what the machine asked to sign.
fn agrees(action: &Action, message: &Message) -> bool {
    match (action, message) {
        (Action::Propose { valid, .. }, Message::Proposal(proposal)) => {
            let again = valid.is_none_or(|(_, block)| block == proposal.block);
            proposal.pol_round == valid.map(|(round, _)| round) && again
        }
        (Action::Vote { block, .. }, Message::Vote(vote)) => *block == vote.block,
        (_, _) => false,
    }
}

fn steps(out: &[Output]) -> Vec<Hrs> {
    let step = |output: &Output| {
        if let Output::Notice(Notice::NewRoundStep(at)) = output {
            Some(*at)
        } else {
            None
        }
    };
    out.iter().filter_map(step).collect()
}

/// A throw-away node at the beginning of a part, and the steps it has taken: it signs nothing, and
/// nobody hears it.
fn node(
    config: &Config,
    verify: &Arc<dyn Verify>,
    key: Option<PublicKey>,
    chain: &Chain,
    recording: &Recording,
    part: usize,
) -> Result<(Node, VecDeque<Hrs>), ReplayFailed> {
    let part = recording.parts.get(part);
    let records = part.map_or(&[][..], |part| &part.records);
    let before = part.map_or(chain.height, |part| Height(part.height.0.saturating_sub(1)));
    let point = chain.after(before).ok_or(ReplayFailed::BlocksLost {
        log: before,
        blocks: chain.height,
    })?;
    let signer = key.map(|key| RecordedSigner::new(key, &point.state.chain, records));
    let keys = Keys {
        verify: Arc::clone(verify),
        sign: signer.map(|signer| Arc::new(signer) as _),
    };
    let first = records.first();
    let found = Recovered {
        state: point.state.clone(),
        app: point.app.clone(),
        sign: SignState::default(),
        last: point.last.clone(),
        log: Vec::new(),
        next_lsn: first.map_or(recording.next_lsn, |(lsn, _)| *lsn),
        replayed: 0,
    };
    let begun = first.map_or(Time(0), |(_, entry)| entry.time);
    let mut out = Vec::new();
    let node = Node::begin_replay(config, keys, found, begun, &mut out);
    Ok((node, steps(&out).into()))
}
