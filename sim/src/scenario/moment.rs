//! Reads when a fault begins: the key `at` of its table. Pure.

use serde::Deserialize;
use toml::Value;

use super::file::Wrong;
use crate::{
    disk::Side,
    nemesis::{OwnMessage, When},
};

/// When a fault begins, by the key that tells the ways apart; see [`When`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtTime {
    ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtOwn {
    node: u16,
    sends: OwnMessage,
    height: u64,
    #[serde(default)]
    round: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtProposal {
    proposal_height: u64,
    #[serde(default)]
    proposal_round: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtAppend {
    node: u16,
    appends: OwnMessage,
    height: u64,
    #[serde(default)]
    round: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtCommit {
    node: u16,
    commits: u64,
    call: u64,
    #[serde(default)]
    side: Side,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtStart {
    node: u16,
    starts: u32,
    call: u64,
    #[serde(default)]
    side: Side,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtCall {
    node: u16,
    call: u64,
    #[serde(default)]
    side: Side,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtCut {
    node: u16,
    cuts: u64,
    #[serde(default)]
    side: Side,
}

const WAYS: &str = "a fault begins at = { ms = 100 }, \
                    { node = 1, sends = \"prevote\", height = 2 }, \
                    { node = 1, appends = \"prevote\", height = 2 }, \
                    { proposal_height = 2 } \
                    or, for crashes, { node = 1, commits = 2, call = 3, side = \"after\" }, \
                    { node = 1, starts = 1, call = 3 }, { node = 1, cuts = 1, side = \"after\" } \
                    or { node = 1, call = 30 }";

/// When the fault begins whose key `at` this is.
pub(super) fn when(at: Option<Value>) -> Result<When, Wrong> {
    let Some(Value::Table(table)) = at else {
        return Err(Wrong::Other(WAYS.to_owned()));
    };
    if table.contains_key("ms") {
        let AtTime { ms } = table.try_into()?;
        return Ok(When::Time { ms });
    }
    if table.contains_key("sends") {
        let at: AtOwn = table.try_into()?;
        return Ok(When::Own {
            node: at.node,
            sends: at.sends,
            height: at.height,
            round: at.round,
        });
    }
    if table.contains_key("proposal_height") {
        let at: AtProposal = table.try_into()?;
        return Ok(When::Proposed {
            proposal_height: at.proposal_height,
            proposal_round: at.proposal_round,
        });
    }
    if table.contains_key("appends") {
        let at: AtAppend = table.try_into()?;
        return Ok(When::Append {
            node: at.node,
            appends: at.appends,
            height: at.height,
            round: at.round,
        });
    }
    if table.contains_key("commits") {
        let at: AtCommit = table.try_into()?;
        return Ok(When::Commit {
            node: at.node,
            commits: at.commits,
            call: at.call,
            side: at.side,
        });
    }
    if table.contains_key("starts") {
        let at: AtStart = table.try_into()?;
        return Ok(When::Starting {
            node: at.node,
            starts: at.starts,
            call: at.call,
            side: at.side,
        });
    }
    if table.contains_key("cuts") {
        let AtCut { node, cuts, side } = table.try_into()?;
        return Ok(When::Cut { node, cuts, side });
    }
    if table.contains_key("call") {
        let AtCall { node, call, side } = table.try_into()?;
        return Ok(When::Call { node, call, side });
    }
    Err(Wrong::Other(WAYS.to_owned()))
}
