//! Names what is run, and the arguments that repeat it. Pure.

use std::{fmt::Write as _, path::Path};

use crate::{
    explore::CrashPoint,
    nemesis::{CryptoMode, NetworkMode, Overrides, Plan},
    report::Origin,
    scenario::Scenario,
};

/// A seed and what was set instead of drawn.
pub(super) fn seed(seed: u64, overrides: &Overrides) -> Origin {
    let arguments = arguments(seed, overrides);
    Origin {
        name: format!("seed {seed}"),
        trace: format!("trace {arguments}"),
        again: arguments,
        directory: seed.to_string(),
    }
}

/// A crash at one storage call of a seed's short run. Its plan is kept with its failure.
pub(super) fn crash(seed: u64, point: CrashPoint) -> Origin {
    let (node, call) = (point.node, point.call);
    let (side, disk) = (point.side_name(), point.disk_name());
    let directory = format!("{seed}-crash-n{node}-{side}-{call}-{disk}");
    let trace = format!("trace --file target/sim/{directory}/schedule.toml");
    Origin {
        name: format!("seed {seed}, {point}"),
        again: trace.clone(),
        trace,
        directory,
    }
}

/// A scenario file.
pub(super) fn scenario(scenario: &Scenario) -> Origin {
    let path = scenario.path.display();
    Origin {
        name: format!("scenario {}", scenario.name),
        trace: format!("trace --file {path}"),
        again: format!("scenario run {path}"),
        directory: format!("scenario-{}", scenario.name),
    }
}

/// A schedule.
pub(super) fn schedule(path: &Path) -> Origin {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let path = path.display();
    Origin {
        name: format!("schedule {path}"),
        trace: format!("trace --file {path}"),
        again: format!("replay {path}"),
        directory: format!("replay-{name}"),
    }
}

/// The overrides under which a single run repeats one of a sweep: it says its signatures.
pub(super) fn as_run(overrides: &Overrides, plan: &Plan) -> Overrides {
    Overrides {
        crypto: Some(plan.crypto),
        ..overrides.clone()
    }
}

/// The arguments of a single run of a seed.
pub(super) fn arguments(seed: u64, overrides: &Overrides) -> String {
    let mut text = format!("--seed {seed}");
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(text, " --{name} {value}");
        }
    };
    add("validators", overrides.validators.map(|n| n.to_string()));
    add("heights", overrides.heights.map(|n| n.to_string()));
    add("byzantine", overrides.byzantine.map(|n| n.to_string()));
    // Ed25519 is what a run takes by itself.
    let ideal = overrides.crypto == Some(CryptoMode::Ideal);
    add("crypto", ideal.then(|| "ideal".to_owned()));
    let network = match overrides.network {
        NetworkMode::Virtual => None,
        NetworkMode::Madsim => Some("madsim".to_owned()),
    };
    add("network", network);
    for (flag, set) in [
        ("--no-faults", overrides.no_faults),
        ("--disk-faults", overrides.disk_faults),
        ("--beyond-one-third", overrides.beyond_one_third),
    ] {
        if set {
            let _ = write!(text, " {flag}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_repeat_every_override() {
        let all = Overrides {
            validators: Some(7),
            heights: Some(3),
            byzantine: Some(2),
            crypto: Some(CryptoMode::Ideal),
            network: NetworkMode::Madsim,
            no_faults: true,
            disk_faults: true,
            beyond_one_third: true,
        };
        let text = "--seed 5 --validators 7 --heights 3 --byzantine 2 --crypto ideal --network \
                    madsim --no-faults --disk-faults --beyond-one-third";
        assert_eq!(seed(5, &all).again, text);
        let real = Overrides {
            crypto: Some(CryptoMode::Ed25519),
            ..Overrides::default()
        };
        assert_eq!(seed(5, &real).again, "--seed 5");
        assert_eq!(seed(5, &real).trace, "trace --seed 5");
    }
}
