//! `genesis.toml`, beside the data directories of a chain's nodes: what they all agree on before
//! the first block, and how their signatures and timeouts were made.

use std::{path::Path, sync::Arc};

use engine::{
    crypto::Sign,
    ledger::Genesis,
    types::{ChainId, Params, PublicKey, Time, ValidatorUpdate},
};
use serde::{Deserialize, Serialize};

use super::NotFound;
use crate::{
    nemesis::{CryptoMode, Plan, TimeoutsMs},
    world,
};

/// The name of the file.
pub const GENESIS: &str = "genesis.toml";

const SCHEMA: &str = "sim.genesis/1";

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    schema: String,
    chain: String,
    /// When the chain starts, in nanoseconds.
    time_ns: u64,
    /// Ideal signatures prove nothing outside a run: everybody can work them out.
    pub crypto: CryptoMode,
    /// How long the steps wait.
    pub timeouts: TimeoutsMs,
    params: ParamsLine,
    #[serde(rename = "node")]
    nodes: Vec<Line>,
}

/// The chain's parameters at the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParamsLine {
    max_block_txs: u32,
    max_block_bytes: u32,
    evidence_max_age: u64,
}

/// One node; a validator if it has power.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    node: u16,
    /// Its public key in hexadecimal digits.
    key: String,
    power: u64,
}

impl GenesisFile {
    /// The file of a plan's run.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let cast = world::Cast::new(plan.powers.len(), plan.crypto);
        let genesis = world::genesis(plan, &cast);
        let line = |(node, (signer, power)): (u16, (&Arc<dyn Sign>, &u64))| Line {
            node,
            key: crate::trace::hex(&signer.public_key().0),
            power: *power,
        };
        let nodes = cast.signers.iter().zip(&plan.powers);
        let params = genesis.params;
        Self {
            schema: SCHEMA.to_owned(),
            chain: String::from_utf8_lossy(&genesis.chain).into_owned(),
            time_ns: genesis.time.0,
            crypto: plan.crypto,
            timeouts: plan.timeouts,
            params: ParamsLine {
                max_block_txs: params.max_block_txs,
                max_block_bytes: params.max_block_bytes,
                evidence_max_age: params.evidence_max_age,
            },
            nodes: (0..).zip(nodes).map(line).collect(),
        }
    }

    /// Reads the file that lies in `dir` or in the directory above it.
    ///
    /// # Errors
    /// If there is none, or it is not one.
    pub fn read(dir: &Path) -> Result<Self, NotFound> {
        let full = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let beside = [Some(full.as_path()), full.parent()];
        let mut paths = beside.into_iter().flatten().map(|at| at.join(GENESIS));
        let failed = |path: &Path, what: String| NotFound {
            path: path.to_owned(),
            what,
        };
        let Some(path) = paths.find(|path| path.is_file()) else {
            let what = format!("no {GENESIS} in it or beside it, which says whose chain it is");
            return Err(failed(dir, what));
        };
        let text = std::fs::read_to_string(&path).map_err(|e| failed(&path, e.to_string()))?;
        let file: Self = toml::from_str(&text).map_err(|e| failed(&path, e.to_string()))?;
        if file.schema != SCHEMA {
            let what = format!("schema \"{}\", expected \"{SCHEMA}\"", file.schema);
            return Err(failed(&path, what));
        }
        file.genesis()
            .map(|_| file.clone())
            .map_err(|what| failed(&path, what))
    }

    /// The engine's form.
    ///
    /// # Errors
    /// Which value is impossible.
    pub fn genesis(&self) -> Result<Genesis, String> {
        let chain = ChainId::try_from(self.chain.clone().into_bytes())
            .map_err(|_| "the name of the chain is too long".to_owned())?;
        let update = |line: &Line| {
            let key = unhex(&line.key).ok_or_else(|| format!("n{}: not a key", line.node))?;
            let power = line.power;
            Ok(ValidatorUpdate { key, power })
        };
        let strong = self.nodes.iter().filter(|line| line.power > 0);
        let validators: Result<Vec<_>, String> = strong.map(update).collect();
        let params = Params {
            max_block_txs: self.params.max_block_txs,
            max_block_bytes: self.params.max_block_bytes,
            evidence_max_age: self.params.evidence_max_age,
        };
        params.check().map_err(|error| error.to_string())?;
        Ok(Genesis {
            chain,
            time: Time(self.time_ns),
            validators: validators?,
            params,
        })
    }

    /// The public key of a node.
    #[must_use]
    pub fn key(&self, node: u16) -> Option<PublicKey> {
        let line = self.nodes.iter().find(|line| line.node == node)?;
        unhex(&line.key)
    }
}

fn unhex(digits: &str) -> Option<PublicKey> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(PublicKey(bytes))
}
