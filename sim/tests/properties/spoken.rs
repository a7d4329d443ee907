//! Scripts drawn by proptest: what scripted validators say to whom, and what is held back.

use proptest::{
    collection::vec,
    option,
    prelude::{Strategy, any},
    sample::select,
};
use sim::nemesis::{Hold, Line, Plan, Say, Script, Slot};

const MOST_LINES: usize = 10;
const LINES: [Line; 8] = [
    Line::Truth,
    Line::Nothing,
    Line::Nil,
    Line::Proposed,
    Line::First,
    Line::Other,
    Line::Second,
    Line::Invalid,
];

/// Height, round and kind of a message.
type At = (u64, u32, Slot);

/// A script before the cluster is known: nodes are those whose bits are set.
#[derive(Debug, Clone)]
pub(crate) struct Spoken {
    says: Vec<(At, u8, Line, u64)>,
    holds: Vec<(At, u8, Option<u32>, u64)>,
}

fn an_at(slots: &[Slot]) -> impl Strategy<Value = At> + use<> {
    (1u64..4, 0u32..3, select(slots.to_vec()))
}

pub(crate) fn spoken() -> impl Strategy<Value = Spoken> {
    let signed = [Slot::Proposal, Slot::Prevote, Slot::Precommit];
    let any_slot = [Slot::Proposal, Slot::Part, Slot::Prevote, Slot::Precommit];
    let line = select(LINES.to_vec());
    let says = (an_at(&signed), any::<u8>(), line, 0u64..500);
    let later = option::of(1u32..4);
    let holds = (an_at(&any_slot), any::<u8>(), later, 1u64..3_000);
    let parts = (vec(says, 0..MOST_LINES), vec(holds, 0..MOST_LINES));
    parts.prop_map(|(says, holds)| Spoken { says, holds })
}

impl Spoken {
    /// The script in a plan that is complete but for it: correct nodes hear, and miss.
    pub(crate) fn script(&self, plan: &Plan) -> Script {
        let nodes = 0..u16::try_from(plan.powers.len()).expect("few nodes");
        let correct: Vec<u16> = nodes.filter(|node| plan.is_correct(*node)).collect();
        let chosen = |bits: u8| -> Vec<u16> {
            let is_in = |node: &u16| bits >> node & 1 == 1;
            correct.iter().copied().filter(is_in).collect()
        };
        let says = self.says.iter();
        let says = says.map(|((height, round, slot), to, says, late_ms)| Say {
            height: *height,
            round: *round,
            slot: *slot,
            to: chosen(*to),
            says: *says,
            late_ms: *late_ms,
        });
        let holds = self.holds.iter();
        let holds = holds.map(|((height, round, slot), to, later, for_ms)| Hold {
            height: *height,
            round: *round,
            slot: *slot,
            of: Vec::new(),
            to: chosen(*to),
            until_round: later.map(|later| round + later),
            for_ms: *for_ms,
            off: false,
        });
        Script {
            says: says.filter(|say| !say.to.is_empty()).collect(),
            holds: holds.filter(|hold| !hold.to.is_empty()).collect(),
        }
    }
}
